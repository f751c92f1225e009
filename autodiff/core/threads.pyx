"""How many threads programs run on, and the pool that runs them.

Kernels split their work by shape alone and give the parts to `parallel`, so the bits of a result
do not depend on the number of threads.
"""

from operator import index

from libc.stdint cimport int64_t

from autodiff.core.cores import threads_at_start
from autodiff.errors import ArenaError, ArgumentError, brief

cdef extern from "threads.h" nogil:
    int MAX_THREADS
    int thread_limit
    int start_pool()
    int count_workers()
    void run_parallel(Task task, void* context, int64_t n_parts)


cdef void parallel(Task task, void* context, int64_t n_parts) noexcept nogil:
    run_parallel(task, context, n_parts)


def set_num_threads(n):
    """Let programs run on at most `n` threads, the calling one among them.

    Results do not depend on it: work is split by shape alone. It holds for every later call of any
    program; one that is running keeps its threads. The threads are the library's own, started when
    they are first needed; when several Python threads run programs at once, one of them has the
    others to help, and the rest run alone.

    Parameters
    ----------
    n : int, 1 to 256
        At the start, the cores this process may use (its affinity and its cgroup's quota), at
        most the environment variable AUTODIFF_NUM_THREADS where that is set.

    Raises
    ------
    ArgumentError
        n is no such integer.

    Examples
    --------
    >>> import autodiff as ad
    >>> before = ad.num_threads()
    >>> ad.set_num_threads(2)
    >>> ad.num_threads()
    2
    >>> ad.set_num_threads(before)
    """
    global thread_limit
    try:
        count = 0 if isinstance(n, bool) else index(n)
    except TypeError:
        count = 0
    if not 1 <= count <= MAX_THREADS:
        raise ArgumentError(
            f"set_num_threads: {brief(n)} is no number of threads; give an integer from 1 to "
            f"{MAX_THREADS}")
    thread_limit = count


def num_threads():
    """Return the number of threads that programs may run on, the calling one among them.

    >>> import autodiff as ad
    >>> ad.num_threads() >= 1
    True
    """
    return thread_limit


def workers():
    """Return how many threads the pool has started in this process, beside those that call it."""
    return count_workers()


if start_pool() != 0:
    raise ArenaError("cannot get the memory that makes the pool of threads survive a fork")
set_num_threads(min(threads_at_start(), MAX_THREADS))
