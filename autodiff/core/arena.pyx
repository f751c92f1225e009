"""The bytes a run works in: arenas are leased from one pool for a run and given back after it.

A program owns no memory, so two runs of one program have two arenas, and a program that is not
running holds none. An arena given back stays in the pool with its pages, because the next run of
the same program wants exactly that. What stays is bounded, so that the memory of the process
follows the plan of the program that runs: an idle arena more than twice too large (and a MiB) is
not lent, and when no idle arena will do, the idle ones go before a new one is mapped. Arenas
below 1 MiB and those above do this apart, so that a small program leaves a large one its pages.
"""

from libc.stdint cimport SIZE_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from operator import index

from autodiff.errors import ArenaError, ArgumentError

cdef extern from "pages.h" nogil:
    const size_t PAGES_MAPPED
    const bint AUTODIFF_DEBUG
    void pool_lock()
    void pool_unlock()
    int pool_survives_fork()
    void* pages_get(size_t nbytes)
    void pages_drop(void* data, size_t nbytes)

cdef struct Pool:
    Block* idle             # blocks nobody has leased, in no order
    size_t idle_nbytes      # bytes of the idle blocks
    size_t leased_nbytes    # bytes of the blocks that are lent
    size_t limit            # bound of the sum of both; SIZE_MAX: none
    int paint               # byte every lease is filled with; -1: left as it was

cdef Pool pool
pool.idle = NULL
pool.idle_nbytes = 0
pool.leased_nbytes = 0
pool.limit = SIZE_MAX
pool.paint = -1

# The debug build puts a painted zone on both sides of an arena and looks at it afterwards. A page
# each, so that the arena between them starts at a page as it does without.
cdef size_t GUARD = 4096 if AUTODIFF_DEBUG else 0
cdef int GUARD_PAINT = 0xA5
GUARDED = GUARD > 0

if pool_survives_fork() != 0:
    raise ArenaError("cannot get the memory that makes the pool of arenas survive a fork")


# Blocks: what the system gave.

cdef Block* block_new(size_t nbytes) noexcept nogil:
    cdef Block* block = <Block*> malloc(sizeof(Block))
    if block == NULL:
        return NULL
    block.nbytes = nbytes
    block.next = NULL
    # One byte more: an arena of no bytes has an address too.
    block.base = <char*> pages_get(nbytes + 2 * GUARD + 1)
    if block.base == NULL:
        free(block)
        return NULL
    return block


cdef void blocks_drop(Block* block) noexcept nogil:
    """Give a list of blocks back to the system."""
    cdef Block* following
    while block != NULL:
        following = block.next
        pages_drop(block.base, block.nbytes + 2 * GUARD + 1)
        free(block)
        block = following


cdef void guards_paint(Block* block, size_t nbytes) noexcept nogil:
    """Paint the zones before and after the nbytes that are lent of a block."""
    memset(block.base, GUARD_PAINT, GUARD)
    memset(block.base + GUARD + nbytes, GUARD_PAINT, GUARD)


cdef bint guards_intact(const Block* block, size_t nbytes) noexcept nogil:
    cdef const unsigned char* zone = <const unsigned char*> block.base
    cdef size_t i
    for i in range(GUARD):
        if zone[i] != GUARD_PAINT or zone[GUARD + nbytes + i] != GUARD_PAINT:
            return False
    return True


# The pool. Functions named pool_… are called with the mutex held. No one asks for the
# interpreter's lock meanwhile, so the two locks cannot wait for each other, and memory goes back
# to the system after the mutex is open again, because that may take milliseconds.

cdef Block* pool_take(size_t nbytes) noexcept nogil:
    """Take the smallest idle block that fits nbytes and is not far too large, or NULL."""
    cdef Block** link = &pool.idle
    cdef Block** best = NULL
    cdef Block* block
    while link[0] != NULL:
        block = link[0]
        # Compared as a difference: twice nbytes may not fit a size_t.
        if nbytes <= block.nbytes and block.nbytes - nbytes <= nbytes + PAGES_MAPPED:
            if best == NULL or block.nbytes < best[0].nbytes:
                best = link
        link = &block.next
    if best == NULL:
        return NULL
    block = best[0]
    best[0] = block.next
    pool.idle_nbytes -= block.nbytes
    pool.leased_nbytes += block.nbytes
    return block


cdef Block* pool_unlink(size_t least, size_t most) noexcept nogil:
    """Unlink the idle blocks of least to most bytes and return them as a list."""
    cdef Block* unlinked = NULL
    cdef Block** link = &pool.idle
    cdef Block* block
    while link[0] != NULL:
        block = link[0]
        if block.nbytes < least or block.nbytes > most:
            link = &block.next
            continue
        link[0] = block.next
        pool.idle_nbytes -= block.nbytes
        block.next = unlinked
        unlinked = block
    return unlinked


cdef size_t pool_room() noexcept nogil:
    """Return how many bytes the limit leaves beside what is lent."""
    return pool.limit - pool.leased_nbytes if pool.limit > pool.leased_nbytes else 0


cdef void pool_drop_and_unlock(size_t least, size_t most) noexcept nogil:
    cdef Block* unlinked = pool_unlink(least, most)
    pool_unlock()
    blocks_drop(unlinked)


cdef Block* block_lease(size_t nbytes, size_t* room) noexcept nogil:
    """Lend an idle block or a new one. NULL: the limit (then nbytes > room) or the system refuses.
    """
    cdef Block* block
    pool_lock()
    room[0] = pool_room()
    block = pool_take(nbytes)
    if block != NULL or nbytes > room[0]:
        pool_unlock()
        return block
    # Counted before it is there, so that two threads together keep to the limit.
    pool.leased_nbytes += nbytes
    if pool.idle_nbytes > pool_room():
        pool_drop_and_unlock(0, SIZE_MAX)
    elif nbytes < PAGES_MAPPED:
        pool_drop_and_unlock(0, PAGES_MAPPED - 1)
    else:
        pool_drop_and_unlock(PAGES_MAPPED, SIZE_MAX)
    block = block_new(nbytes)
    if block == NULL:
        pool_lock()
        pool_drop_and_unlock(0, SIZE_MAX)
        block = block_new(nbytes)
    if block == NULL:
        pool_lock()
        pool.leased_nbytes -= nbytes
        pool_unlock()
    return block


cdef Block* block_return(Block* block, bint drop) noexcept nogil:
    """Put a lent block among the idle ones; or return it, where the limit or the caller says so."""
    pool_lock()
    pool.leased_nbytes -= block.nbytes
    if drop or pool.idle_nbytes + block.nbytes > pool_room():
        block.next = NULL
    else:
        block.next = pool.idle
        pool.idle = block
        pool.idle_nbytes += block.nbytes
        block = NULL
    pool_unlock()
    return block


# What a run calls. Most leases find an idle block: a mutex nobody else holds is 10 ns, letting go
# of the interpreter's lock 50, so only what the system is asked for is done without that lock.

cdef Block* lease_block(Py_ssize_t nbytes) except NULL:
    """Lend a block of at least nbytes bytes, the first of them at base + GUARD; see `lease`."""
    cdef size_t room = 0
    cdef Block* block
    if nbytes < 0:
        raise ArgumentError(f"an arena cannot have {nbytes} bytes")
    pool_lock()
    block = pool_take(nbytes)
    pool_unlock()
    if block == NULL:
        with nogil:
            block = block_lease(nbytes, &room)
    if block == NULL and <size_t> nbytes > room:
        raise ArenaError(
            f"cannot get {nbytes} bytes for an arena: the limit given to set_arena_limit leaves "
            f"{room} bytes beside the arenas in use; raise it, or give the program a smaller budget"
        )
    if block == NULL:
        raise ArenaError(
            f"cannot get {nbytes} bytes for an arena: the system refuses; give the program a "
            f"smaller budget, or call release_memory() in processes that need theirs no more"
        )
    if GUARD > 0:
        guards_paint(block, nbytes)
    if pool.paint >= 0:
        memset(block.base + GUARD, pool.paint, nbytes)
    return block


cdef char* block_data(Block* block) noexcept nogil:
    """The first byte that is lent of a block."""
    return block.base + GUARD


cdef int give_back(Block* block, Py_ssize_t nbytes) except -1:
    """Take back a block of which nbytes were lent; AssertionError in the debug build only."""
    cdef bint intact = GUARD == 0 or guards_intact(block, nbytes)
    block = block_return(block, not intact)
    if block != NULL:
        with nogil:
            blocks_drop(block)
    if not intact:
        raise AssertionError(f"bytes around an arena of {nbytes} bytes were written to")
    return 0


# What Python sees.

cdef class Arena:
    """A lease of bytes from the pool; made by `lease`, given back by `release` or when dropped.

    Attributes
    ----------
    nbytes : int
        Bytes asked for.
    address : int
        Address of the first byte, a multiple of 64 (of a page from 1 MiB on); 0 once released.
    """

    def __init__(self):
        raise ArgumentError("an Arena is made by lease(nbytes)")

    def __dealloc__(self):
        if self.block != NULL:
            blocks_drop(block_return(
                self.block, GUARD > 0 and not guards_intact(self.block, self.nbytes)))

    @property
    def address(self):
        return <size_t> self.data

    cpdef release(self):
        """Give the bytes back to the pool; a second call does nothing.

        Raises
        ------
        AssertionError
            Debug build only: something wrote outside the arena while it was leased.
        """
        cdef Block* block = self.block
        if block == NULL:
            return
        self.block = NULL
        self.data = NULL
        give_back(block, self.nbytes)

    def paint(self, byte):
        """Fill the arena with one byte, so that a test sees what is read before it is written.

        Parameters
        ----------
        byte : int
            0 to 255; 255 makes every float64 and float32 a NaN.

        Examples
        --------
        >>> from autodiff.core.arena import lease
        >>> arena = lease(1024)
        >>> arena.paint(255)
        >>> arena.release()
        """
        if self.block == NULL:
            raise ArenaError("a released arena cannot be painted")
        memset(self.data, checked_byte(byte), self.nbytes)


cpdef Arena lease(Py_ssize_t nbytes):
    """Lease an arena of nbytes bytes; what they hold is not defined.

    Parameters
    ----------
    nbytes : int
        Bytes, 0 or more.

    Returns
    -------
    Arena

    Raises
    ------
    ArgumentError
        nbytes is negative.
    ArenaError
        The limit of `set_arena_limit` or the system refuses; the message names the bytes.

    Examples
    --------
    >>> from autodiff.core.arena import lease
    >>> arena = lease(1 << 20)
    >>> arena.nbytes, arena.address % 64
    (1048576, 0)
    >>> arena.release()
    """
    cdef Arena arena = Arena.__new__(Arena)
    arena.block = lease_block(nbytes)
    arena.data = block_data(arena.block)
    arena.nbytes = nbytes
    return arena


def set_arena_limit(nbytes):
    """Bound the bytes of all arenas together, those in use and those kept for the next run.

    Arenas in use stay valid when the limit falls below them; they are dropped when they come back.

    Parameters
    ----------
    nbytes : int or None
        Bytes, 0 or more; None (at first) is no limit.

    Raises
    ------
    ArgumentError
        nbytes is negative or no integer.

    Examples
    --------
    >>> from autodiff.core.arena import set_arena_limit
    >>> set_arena_limit(2_000_000_000)
    >>> set_arena_limit(None)
    """
    cdef size_t limit = SIZE_MAX
    if nbytes is not None:
        try:
            limit = index(nbytes)
        except (TypeError, OverflowError):
            raise ArgumentError(
                f"the limit of the arenas is a number of bytes or None, not {nbytes!r}"
            ) from None
    pool_lock()
    pool.limit = limit
    if pool.idle_nbytes > pool_room():
        pool_drop_and_unlock(0, SIZE_MAX)
    else:
        pool_unlock()


def release_memory():
    """Give the arenas that are not in use back to the system.

    Returns
    -------
    int
        Bytes given back.

    Examples
    --------
    >>> from autodiff.core.arena import lease, release_memory
    >>> freed = release_memory()
    >>> lease(5000).release()
    >>> release_memory()
    5000
    """
    cdef size_t nbytes
    pool_lock()
    nbytes = pool.idle_nbytes
    pool_drop_and_unlock(0, SIZE_MAX)
    return nbytes


def arena_bytes():
    """Return (bytes of arenas in use, bytes of arenas kept for the next run).

    Examples
    --------
    >>> from autodiff.core.arena import arena_bytes, lease, release_memory
    >>> freed = release_memory()
    >>> arena = lease(5000)
    >>> arena.release()
    >>> arena_bytes()
    (0, 5000)
    """
    cdef size_t leased, idle
    pool_lock()
    leased = pool.leased_nbytes
    idle = pool.idle_nbytes
    pool_unlock()
    return leased, idle


def paint_arenas(byte):
    """Fill every arena leased from now on with one byte: results must not depend on it.

    Parameters
    ----------
    byte : int or None
        0 to 255 (255: NaNs); None (at first) leaves arenas as they are.

    Examples
    --------
    >>> from autodiff.core.arena import paint_arenas
    >>> paint_arenas(255)
    >>> paint_arenas(None)
    """
    pool.paint = -1 if byte is None else checked_byte(byte)


cdef int checked_byte(byte) except -1:
    if not isinstance(byte, int) or not 0 <= byte <= 255:
        raise ArgumentError(f"a byte to paint with is an integer from 0 to 255, not {byte!r}")
    return byte
