"""Where the user stands, and how a place reads."""

from libc.stdint cimport int32_t

cdef int user_line(dict code_index, list codes, int32_t* code, int32_t* lasti) except -1
cdef object place_of(list codes, int32_t code, int32_t lasti)
cdef str text_of(object place)
