"""Room for arrays of C: as many bytes as are wanted, from PyMem, or MemoryError."""

from cpython.mem cimport PyMem_Calloc, PyMem_Realloc


cdef inline int resize(void** p, size_t nbytes) except -1:
    """Let an array, or NULL, have so many bytes; it stays as it was where there are not."""
    cdef void* new = PyMem_Realloc(p[0], nbytes)
    if new == NULL:
        raise MemoryError(f"no memory for {nbytes} bytes of a graph or a program")
    p[0] = new
    return 0


cdef inline void* zeros(size_t n, size_t size) except NULL:
    """A new array of n zeros of so many bytes each."""
    cdef void* new = PyMem_Calloc(n, size)
    if new == NULL:
        raise MemoryError(f"no memory for {n} x {size} bytes of a graph or a program")
    return new
