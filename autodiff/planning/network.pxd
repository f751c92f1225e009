"""What compiled searches share: a problem as C arrays, with who is read by whom."""

from libc.stdint cimport int64_t, uint8_t

cdef struct Net:
    int64_t n
    const int64_t* nbytes
    const int64_t* workspace
    const double* cost
    const int64_t* in_start     # what must be held while v is computed: inputs, owners of views
    const int64_t* in_index
    const int64_t* out_start    # who needs v so: the same edges turned round
    const int64_t* out_index
    const int64_t* over_start   # inputs whose bytes v may take over: of equal size, no views
    const int64_t* over_index
    const int64_t* after_start  # what must have been computed before v
    const int64_t* after_index
    const int64_t* root         # the owner of v's bytes, or -1
    const uint8_t* pinned       # held to the end once computed
    const uint8_t* fixed        # computed once: pinned, `once`, views, owners of views


cdef class Network:
    cdef Net net
    cdef readonly int64_t n
    cdef readonly object arrays     # the NumPy arrays behind the pointers
