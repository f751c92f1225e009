"""The pool of arenas: `lease_block` and `give_back` for a run, `lease` for Python."""


cdef struct Block:
    char* base              # start of what the system gave, guard zone included
    size_t nbytes           # bytes an arena may use; guard zones come on top
    Block* next             # next idle block of the pool


cdef class Arena:
    cdef Block* block                   # NULL once released
    cdef char* data                     # first byte, at a multiple of 64; NULL once released
    cdef readonly Py_ssize_t nbytes     # bytes asked for

    cpdef release(self)


cpdef Arena lease(Py_ssize_t nbytes)
cdef Block* lease_block(Py_ssize_t nbytes) except NULL
cdef char* block_data(Block* block) noexcept nogil
cdef int give_back(Block* block, Py_ssize_t nbytes) except -1
