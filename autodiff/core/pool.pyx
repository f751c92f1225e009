"""The pool of memory that programs work in: blocks are lent to runs and come back with their pages.

A program owns no memory. A run leases an arena for its time, and a block for its large results,
which comes back when the last array that lies in it is gone. What comes back stays in the pool,
because the next run of the same program wants exactly that: new pages cost a fault and a filling
with zeros each, a third of the time of a large elementwise gradient. What stays is bounded, so that
the memory of the process follows the plan of the program that runs:

- an idle arena more than twice too large (and a MiB) is not lent, and when no idle arena will do,
  the idle ones go before a new one is mapped. Arenas below 1 MiB and those above do this apart, so
  that a small program leaves a large one its pages;
- the caller keeps a block of results for as long as it likes, so one is lent again only for just as
  many bytes, and only the last few that came back are kept.
"""

from libc.stdint cimport SIZE_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from autodiff.errors import ArenaError, ArgumentError

cdef extern from "pages.h" nogil:
    const size_t PAGES_MAPPED
    const bint AUTODIFF_DEBUG
    void pool_lock()
    void pool_unlock()
    int pool_survives_fork()
    void* pages_get(size_t nbytes)
    void pages_discard(void* data, size_t nbytes)
    void pages_drop(void* data, size_t nbytes)

cdef enum:
    KEPT_RESULTS = 2        # idle blocks of results: those of two programs that take turns

cdef struct Pool:
    Block* idle             # blocks nobody has leased, the last that came back first
    size_t idle_nbytes      # bytes of the idle blocks
    size_t leased_nbytes    # bytes of the arenas that are lent
    size_t limit            # bound of the sum of both; SIZE_MAX: none
    int paint               # byte every lease is filled with; -1: left as it was

cdef Pool pool
pool.idle = NULL
pool.idle_nbytes = 0
pool.leased_nbytes = 0
pool.limit = SIZE_MAX
pool.paint = -1

# The debug build puts a painted zone on both sides of a block and looks at it afterwards. A page
# each, so that the bytes between them start at a page as they do without.
cdef size_t GUARD = 4096 if AUTODIFF_DEBUG else 0
cdef int GUARD_PAINT = 0xA5
GUARDED = GUARD > 0

if pool_survives_fork() != 0:
    raise ArenaError("cannot get the memory that makes the pool of arenas survive a fork")


# Blocks: what the system gave.

cdef Block* block_new(size_t nbytes, bint results) noexcept nogil:
    cdef Block* block = <Block*> malloc(sizeof(Block))
    if block == NULL:
        return NULL
    block.nbytes = nbytes
    block.results = results
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


cdef char* block_data(Block* block) noexcept nogil:
    """The first byte that is lent of a block."""
    return block.base + GUARD


# The pool. Functions named pool_… are called with the mutex held. No one asks for the
# interpreter's lock meanwhile, so the two locks cannot wait for each other, and memory goes back
# to the system after the mutex is open again, because that may take milliseconds.

cdef void pool_put(Block* block) noexcept nogil:
    block.next = pool.idle
    pool.idle = block
    pool.idle_nbytes += block.nbytes


cdef Block* pool_unlink(Block** link) noexcept nogil:
    """Take the idle block that this link leads to."""
    cdef Block* block = link[0]
    link[0] = block.next
    block.next = NULL
    pool.idle_nbytes -= block.nbytes
    return block


cdef Block* pool_take(size_t nbytes) noexcept nogil:
    """Take the smallest idle arena that fits nbytes and is not far too large, or NULL."""
    cdef Block** link = &pool.idle
    cdef Block** best = NULL
    cdef Block* block
    while link[0] != NULL:
        block = link[0]
        # Compared as a difference: twice nbytes may not fit a size_t.
        if (not block.results and nbytes <= block.nbytes
                and block.nbytes - nbytes <= nbytes + PAGES_MAPPED):
            if best == NULL or block.nbytes < best[0].nbytes:
                best = link
        link = &block.next
    if best == NULL:
        return NULL
    block = pool_unlink(best)
    pool.leased_nbytes += block.nbytes
    return block


cdef Block* pool_take_results(size_t nbytes) noexcept nogil:
    """Take the idle block of results of just nbytes that came back last, or NULL."""
    cdef Block** link = &pool.idle
    while link[0] != NULL:
        if link[0].results and link[0].nbytes == nbytes:
            return pool_unlink(link)
        link = &link[0].next
    return NULL


cdef Block* pool_unlink_idle(bint results, size_t least, size_t most, int kept) noexcept nogil:
    """Unlink the idle arenas, or blocks of results, of least to most bytes: a list of them.

    All but the `kept` ones that came back last.
    """
    cdef Block* unlinked = NULL
    cdef Block** link = &pool.idle
    cdef Block* block
    while link[0] != NULL:
        block = link[0]
        if block.results != results or block.nbytes < least or block.nbytes > most:
            link = &block.next
        elif kept > 0:
            kept -= 1
            link = &block.next
        else:
            pool_unlink(link)
            block.next = unlinked
            unlinked = block
    return unlinked


cdef Block* pool_unlink_all() noexcept nogil:
    cdef Block* unlinked = pool.idle
    pool.idle = NULL
    pool.idle_nbytes = 0
    return unlinked


cdef size_t pool_room() noexcept nogil:
    """Return how many bytes the limit leaves beside what is lent."""
    return pool.limit - pool.leased_nbytes if pool.limit > pool.leased_nbytes else 0


cdef void unlock_and_drop(Block* unlinked) noexcept nogil:
    pool_unlock()
    blocks_drop(unlinked)


cdef Block* block_get(size_t nbytes, bint results) noexcept nogil:
    """Get a new block from the system, at the price of all idle ones if need be; or NULL."""
    cdef Block* block = block_new(nbytes, results)
    if block == NULL:
        pool_lock()
        unlock_and_drop(pool_unlink_all())
        block = block_new(nbytes, results)
    return block


cdef Block* block_lease(size_t nbytes, size_t* room) noexcept nogil:
    """Lend an idle arena or a new one. NULL: the limit (then nbytes > room) or the system refuses.
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
        unlock_and_drop(pool_unlink_all())
    elif nbytes < PAGES_MAPPED:
        unlock_and_drop(pool_unlink_idle(False, 0, PAGES_MAPPED - 1, 0))
    else:
        unlock_and_drop(pool_unlink_idle(False, PAGES_MAPPED, SIZE_MAX, 0))
    block = block_get(nbytes, False)
    if block == NULL:
        pool_lock()
        pool.leased_nbytes -= nbytes
        pool_unlock()
    return block


cdef Block* block_return(Block* block, bint drop) noexcept nogil:
    """Put a lent arena among the idle ones; or return it, where the limit or the caller says so."""
    pool_lock()
    pool.leased_nbytes -= block.nbytes
    if not drop and pool.idle_nbytes + block.nbytes <= pool_room():
        pool_put(block)
        block = NULL
    pool_unlock()
    return block


# What a run calls. Most leases find an idle block: a mutex nobody else holds is 10 ns, letting go
# of the interpreter's lock 50, so only what the system is asked for is done without that lock.

cdef void prepare(Block* block, size_t nbytes) noexcept nogil:
    """Paint what tests and the debug build want painted."""
    if GUARD > 0:
        guards_paint(block, nbytes)
    if pool.paint >= 0:
        memset(block_data(block), pool.paint, nbytes)


cdef Block* lease_block(Py_ssize_t nbytes) except NULL:
    """Lend an arena of at least nbytes bytes; see `arena.lease`."""
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
    prepare(block, nbytes)
    return block


cdef int give_back(Block* block, Py_ssize_t nbytes) except -1:
    """Take back an arena of which nbytes were lent; AssertionError in the debug build only."""
    cdef bint intact = GUARD == 0 or guards_intact(block, nbytes)
    block = block_return(block, not intact)
    if block != NULL:
        with nogil:
            blocks_drop(block)
    if not intact:
        raise AssertionError(f"bytes around an arena of {nbytes} bytes were written to")
    return 0


cdef Block* lease_results(size_t nbytes) except NULL:
    """Lend a block of just nbytes bytes for the results of one run."""
    cdef Block* block
    pool_lock()
    block = pool_take_results(nbytes)
    pool_unlock()
    if block == NULL:
        with nogil:
            pool_lock()
            unlock_and_drop(pool_unlink_idle(True, 0, SIZE_MAX, KEPT_RESULTS - 1))
            block = block_get(nbytes, True)
    if block == NULL:
        raise ArenaError(
            f"cannot get {nbytes} bytes for the results of a program: the system refuses; give "
            "the program a smaller budget")
    prepare(block, nbytes)
    return block


cdef int keep_first(Block* block, size_t kept) except -1:
    """Give the pages behind the first `kept` bytes back to the system: no array lies there."""
    if GUARD > 0 and not guards_intact(block, block.nbytes):
        raise AssertionError(f"bytes around a block of {block.nbytes} bytes were written to")
    if kept < block.nbytes:
        with nogil:
            pages_discard(block_data(block) + kept, block.nbytes - kept)
    return 0


cdef void give_back_results(Block* block) noexcept:
    """Take back a block of results that no array lies in any more."""
    cdef Block* unlinked = block
    pool_lock()
    if pool.idle_nbytes + block.nbytes <= pool_room():
        pool_put(block)
        unlinked = pool_unlink_idle(True, 0, SIZE_MAX, KEPT_RESULTS)
    pool_unlock()
    if unlinked != NULL:
        with nogil:
            blocks_drop(unlinked)


# What is said and asked of the pool as a whole.

cdef void set_limit(size_t limit) noexcept nogil:
    cdef Block* unlinked = NULL
    pool_lock()
    pool.limit = limit
    if pool.idle_nbytes > pool_room():
        unlinked = pool_unlink_all()
    unlock_and_drop(unlinked)


cdef void set_paint(int byte) noexcept nogil:
    pool.paint = byte


cdef void count(size_t* leased, size_t* idle) noexcept nogil:
    """The bytes of the arenas that are lent and of all idle blocks."""
    pool_lock()
    leased[0] = pool.leased_nbytes
    idle[0] = pool.idle_nbytes
    pool_unlock()


cdef size_t drop_idle() noexcept nogil:
    """Give the idle blocks back to the system; returns their bytes."""
    cdef size_t nbytes
    pool_lock()
    nbytes = pool.idle_nbytes
    unlock_and_drop(pool_unlink_all())
    return nbytes
