"""Where the user stands, and how a place reads."""

from libc.stdint cimport int32_t


cdef struct Met:
    void* code                    # a code object of the user's, borrowed from codes, or NULL
    int32_t index                 # of it there


cdef int user_line(dict code_index, list codes, Met* met, int32_t* code,
                   int32_t* lasti) except -1
cdef object place_of(list codes, int32_t code, int32_t lasti)
cdef str text_of(object place)
