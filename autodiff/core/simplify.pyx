"""Simplification that changes no bit: which values of a program equal an earlier one.

That is what `rules` says. What nothing reads after that is dead and is not computed.

The pass runs when a program is built, before any policy is known, over the nodes its outputs
need. An input of the program is opaque, for its value is given and not computed.
"""

cimport cython
from cpython.mem cimport PyMem_Free
from libc.stdint cimport int8_t, int32_t

from .graph cimport Graph
from .nodes cimport Node
from .parts import along, cancels, piece
from .room cimport resize, zeros
from .rules cimport (
    ALIAS,
    BOTH_SAME,
    CONVERTED_BACK,
    CUT_AGAIN,
    JOINED_AGAIN,
    NEUTRAL,
    PERMUTED_BACK,
    RESHAPED_BACK,
    SAME_SHAPE,
    SETTLED,
    UNDONE,
    Rule,
    carries,
    dtype_bit,
    embed_index,
    exact,
    first_rule,
    know_rules,
    rules,
    which_number,
)
from .traits cimport MAPS, traits
from .variable cimport Variable


@cython.final
cdef class Simplifier:
    """What the rules look at: the graph up to the node they are asked about."""

    cdef Graph graph
    cdef const Node* nodes        # as the program computes them
    cdef const int8_t* needed     # what is computed here; inputs of the program are not
    cdef int32_t* same            # by node: the earliest node that has its value
    cdef const int32_t* sources   # by edge: likewise, of the node read
    cdef int8_t* numbers          # by node: its Number, where all its elements have one
    cdef int32_t last
    cdef int32_t* reads           # by node: how often it is read; counted when first asked for
    cdef int32_t* cuts            # by join: how often a slice reads one of its parts

    def __dealloc__(self):
        PyMem_Free(self.numbers)
        PyMem_Free(self.reads)
        PyMem_Free(self.cuts)

    cdef inline int32_t operand(self, int32_t v, int32_t j) noexcept:
        return self.sources[self.nodes[v].first_edge + j]

    cdef inline int kind_of(self, int32_t v) noexcept:
        """The kind of the first rule for what computes `v`; -1 for none, or an opaque value."""
        cdef int k = first_rule[self.nodes[v].op]
        return rules[k].kind if k >= 0 and self.needed[v] else -1

    cdef tuple attrs(self, int32_t v):
        return <tuple> self.graph.attrs[self.nodes[v].attrs]

    cdef int visit(self, int32_t v) except -1:
        """Find the node that `v` is the same as, and its number."""
        cdef const Node* node = &self.nodes[v]
        cdef int k = first_rule[node.op]
        cdef int32_t found
        if node.n_inputs == 0:
            self.numbers[v] = which_number(self.graph, v)
            return 0
        if carries[node.op]:
            self.numbers[v] = self.numbers[self.operand(v, 0)]
        while k >= 0:
            if rules[k].dtypes & dtype_bit[node.dtype]:
                found = self.match(&rules[k], v, node)
                if (found >= 0 and self.nodes[found].dtype == node.dtype
                        and self.nodes[found].shape == node.shape):   # shapes are interned
                    self.same[v] = found
                    return 0
            k = rules[k].next
        return 0

    cdef int32_t match(self, Rule* rule, int32_t v, const Node* node) except -2:
        """The value that `v` is by this rule, up to its shape and dtype; -1 where it is none."""
        cdef int32_t u = self.operand(v, 0), x
        cdef int kind = rule.kind
        if kind == NEUTRAL:
            if self.numbers[self.operand(v, rule.at)] == rule.number:
                return self.operand(v, 1 - rule.at)
        elif kind == BOTH_SAME:
            u = self.operand(v, rule.at)
            return u if self.operand(v, rule.at + 1) == u else -1
        elif kind == SAME_SHAPE or kind == ALIAS:
            return u
        elif kind == UNDONE or kind == SETTLED:
            if self.needed[u] and self.nodes[u].op == node.op:
                return u if kind == SETTLED else self.operand(u, 0)
        elif kind == RESHAPED_BACK:
            return self.before_reshapes(u, node.shape)
        elif kind == PERMUTED_BACK:
            if self.kind_of(u) == PERMUTED_BACK:
                if cancels(self.attrs(v)[0], self.attrs(u)[0]):
                    return self.operand(u, 0)
        elif kind == CONVERTED_BACK:
            if self.nodes[u].dtype == node.dtype:
                return u
            if self.kind_of(u) == CONVERTED_BACK:
                x = self.operand(u, 0)
                return x if exact[self.nodes[x].dtype][self.nodes[u].dtype] else -1
        elif kind == CUT_AGAIN:
            return self.part_of_join(v, u)
        elif kind == JOINED_AGAIN:
            return self.whole_of_slices(v, node)
        return -1

    cdef int32_t before_reshapes(self, int32_t u, void* shape) noexcept:
        """`u`, or what it is a few reshapes of, in this shape."""
        cdef int32_t _
        for _ in range(8):
            if self.nodes[u].shape == shape:
                return u
            if self.kind_of(u) != RESHAPED_BACK:
                break
            u = self.operand(u, 0)
        return -1

    cdef int32_t part_of_join(self, int32_t v, int32_t u) except -2:
        """What was joined, or embedded, where the slice `v` of `u` takes it out."""
        cdef tuple ranges = self.attrs(v)[0], attrs = self.attrs(u)
        cdef int32_t k
        if not self.needed[u]:
            return -1
        if self.nodes[u].op == embed_index:
            return self.operand(u, 0) if attrs[1] == ranges else -1
        if self.kind_of(u) != JOINED_AGAIN:
            return -1
        k = piece(ranges, attrs[0], attrs[1], <tuple> self.nodes[u].shape)
        if k < 0 or self.is_computed_there(u, k):
            return -1
        return self.before_reshapes(self.operand(u, k), self.nodes[v].shape)

    cdef bint is_computed_there(self, int32_t u, int32_t k) except -1:
        """Whether part `k` is most of join `u`, which is needed as a whole, and nobody reads the
        part elsewhere: then it is computed there (see `pieces`), and slices are views of it."""
        cdef int32_t x = self.operand(u, k)
        cdef int32_t axis = self.attrs(u)[0]
        cdef tuple starts = self.attrs(u)[1], shape = <tuple> self.nodes[u].shape
        if self.reads == NULL:
            self.count()
        if self.cuts[u] == self.reads[u] or 2 * (starts[k + 1] - starts[k]) < shape[axis]:
            return False
        while self.kind_of(x) == RESHAPED_BACK and self.reads[x] == 1:
            x = self.operand(x, 0)
        return self.needed[x] and self.reads[x] == 1 and traits[self.nodes[x].op].role == MAPS

    cdef int count(self) except -1:
        """Count who reads what."""
        cdef int32_t v, j, u
        cdef tuple attrs
        resize(<void**> &self.reads, (self.last + 1) * sizeof(int32_t))
        resize(<void**> &self.cuts, (self.last + 1) * sizeof(int32_t))
        for v in range(self.last + 1):
            self.reads[v] = self.cuts[v] = 0
            for j in range(self.nodes[v].n_inputs if self.needed[v] else 0):
                u = self.operand(v, j)
                self.reads[u] += 1
                if self.kind_of(v) == CUT_AGAIN and self.kind_of(u) == JOINED_AGAIN:
                    attrs = self.attrs(u)
                    self.cuts[u] += piece(self.attrs(v)[0], attrs[0], attrs[1],
                                          <tuple> self.nodes[u].shape) >= 0
        return 0

    cdef int32_t whole_of_slices(self, int32_t v, const Node* node) except -2:
        """What is joined from all its slices."""
        cdef int32_t j, u, x, whole = -1
        cdef tuple attrs = self.attrs(v)
        for j in range(node.n_inputs):
            u = self.operand(v, j)
            if self.kind_of(u) == RESHAPED_BACK:   # stack gives a row its axis of extent one
                u = self.operand(u, 0)
            if self.kind_of(u) != CUT_AGAIN:
                return -1
            x = self.operand(u, 0)
            if (whole >= 0 and x != whole) or self.nodes[x].shape != node.shape:
                return -1
            whole = x
            if along(self.attrs(u)[0], attrs[0], <tuple> node.shape) != (
                    attrs[1][j], 1, attrs[1][j + 1] - attrs[1][j]):
                return -1
        return whole


cdef int simplify(Graph graph, const Node* nodes, list outputs, int8_t* needed, int32_t* same,
                  int32_t* sources, int32_t last) except -1:
    """Find which values equal an earlier one, up to node `last` of `nodes`.

    `same` holds for each node itself, and then the earliest node that has its value; `sources`
    the graph's sources, and then those nodes for them. `needed` marks what is computed for
    `outputs`; the marks of what is dead after all are taken away. Constants keep theirs: the
    caller holds them anyway.
    """
    cdef Simplifier s = Simplifier()
    cdef int8_t* read
    cdef int32_t v, j
    cdef const Node* node
    cdef bint marks = len(graph.saved) > 0 or len(graph.calls) > 0
    know_rules()
    s.graph, s.nodes = graph, nodes
    s.needed = needed
    s.same = same
    s.sources, s.last = sources, last
    s.numbers = <int8_t*> zeros(last + 1, 1)
    read = <int8_t*> zeros(last + 1, 1)
    try:
        for v in range(last + 1):
            if needed[v]:
                node = &nodes[v]
                for j in range(node.first_edge, node.first_edge + node.n_inputs):
                    sources[j] = same[sources[j]]
                if not marks or not is_marked(graph, v):
                    s.visit(v)
        for x in outputs:
            read[same[(<Variable> x).index]] = 1
        for v in range(last, -1, -1):
            node = &nodes[v]
            if needed[v] and (read[v] or node.n_inputs == 0):
                for j in range(node.first_edge, node.first_edge + node.n_inputs):
                    read[sources[j]] = 1
            else:
                needed[v] = 0
    finally:
        PyMem_Free(read)
    return 0


cdef bint is_marked(Graph graph, int32_t v) except -1:
    """Whether the user named this very node: what is saved or ends a checkpoint stays itself."""
    return v in graph.saved or graph.calls.get(v, 0) < 0
