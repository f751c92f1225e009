"""The pool of memory: `lease_block` and `give_back` for arenas, the same for blocks of results."""


cdef struct Block:
    char* base              # start of what the system gave, guard zone included
    size_t nbytes           # bytes that may be used; guard zones come on top
    bint results            # lent for results, not as an arena
    Block* next             # next idle block of the pool


cdef char* block_data(Block* block) noexcept nogil
cdef Block* lease_block(Py_ssize_t nbytes) except NULL
cdef int give_back(Block* block, Py_ssize_t nbytes) except -1
cdef Block* lease_results(size_t nbytes) except NULL
cdef int keep_first(Block* block, size_t kept) except -1
cdef void give_back_results(Block* block) noexcept
cdef void set_limit(size_t limit) noexcept nogil
cdef void set_paint(int byte) noexcept nogil
cdef void count(size_t* leased, size_t* idle) noexcept nogil
cdef size_t drop_idle() noexcept nogil
