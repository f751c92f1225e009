"""Containers of arrays: what they are built of, apart from their leaves."""


cdef enum Sort:
    LEAF_SORT = 0
    NOTHING_SORT = 1
    LIST = 2
    TUPLE = 3
    DICT = 4
    DEFAULTDICT = 5
    FIELDS = 6                    # a named tuple
    DATACLASS = 7


cdef class Structure:
    cdef int sort
    cdef object kind              # the type, None for a leaf
    cdef object factory           # of a defaultdict
    cdef tuple names              # keys of a dict, fields of a named tuple or dataclass, or None
    cdef tuple items              # a Structure for each
    cdef readonly Py_ssize_t n_leaves
    cdef Py_hash_t hashed         # -1 until asked


cdef Structure take_apart(object tree, list leaves)
cdef object first_leaf(object tree, object kind)
cdef object put_together(Structure structure, list leaves, Py_ssize_t* at)
cdef int sort_of(object kind) except -1
cdef bint same_name(object a, object b) except -1
cdef int name_leaves(object tree, str name, list found) except -1
