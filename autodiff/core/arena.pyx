"""Leases of memory from the pool, as Python sees them, the limit of the pool and what it holds."""

from libc.stdint cimport SIZE_MAX
from libc.string cimport memset

from operator import index

from autodiff.core.pool cimport (
    Block,
    block_data,
    count,
    drop_idle,
    give_back,
    lease_block,
    set_limit,
    set_paint,
)
from autodiff.errors import ArenaError, ArgumentError, brief


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
            give_back(self.block, self.nbytes)

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
    """Bound the bytes of all arenas in use and of all that is kept for the next run.

    Arenas in use stay valid when the limit falls below them; they are dropped when they come back.
    Results that the caller holds do not count; their memory is kept for the next run when they are
    gone, as far as the limit allows.

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
            limit = index(None if isinstance(nbytes, bool) else nbytes)
        except (TypeError, OverflowError):
            raise ArgumentError(
                f"the limit of the arenas is a number of bytes or None, not {brief(nbytes)}"
            ) from None
    set_limit(limit)


def release_memory():
    """Give the arenas and blocks of results that are not in use back to the system.

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
    return drop_idle()


def arena_bytes():
    """Return (bytes of arenas in use, bytes kept for the next run: of arenas and for results).

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
    count(&leased, &idle)
    return leased, idle


def paint_arenas(byte):
    """Fill every block lent from now on with one byte: results must not depend on it.

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
    set_paint(-1 if byte is None else checked_byte(byte))


cdef int checked_byte(byte) except -1:
    if not isinstance(byte, int) or not 0 <= byte <= 255:
        raise ArgumentError(f"a byte to paint with is an integer from 0 to 255, not {byte!r}")
    return byte
