"""Forms of products: one call of BLAS computes y = s A B + C, with alpha the scale s and beta 1.

    s * (A @ B)                  matmul_scaled         s is a scalar
    (A @ B) / s                  matmul_divided
    C + A @ B                    matmul_add            C is a product: it is added where C stands
    C + s * (A @ B)              matmul_scaled_add
    C + (A @ B) / s              matmul_divided_add
    a @ b, inner extent 1        multiply              where a pass reads it: part of that

Only where nothing else reads what no longer has bytes. An operand is scaled before: (A / m) @ B may
be finite where A @ B is not. A sum with anything but a product is a pass over the result, in
place, together with what is elementwise around it, and touches as little memory. So is a sum of
outer products, however many: BLAS's ger would read and write the matrix for each.

These forms round otherwise than the operations they stand for. So they are chosen from what a
program computes, from shapes and readers, before any policy is known and whether or not it fuses.
Where a trace is split into programs at places that depend on the policy, its nodes below
`graph.settled` stay as they are written. What constants alone determine may be computed apart, and
takes part in no form with what they do not.
"""

from cpython.mem cimport PyMem_Free
from libc.stdint cimport int32_t
from libc.string cimport memcpy

from .elementwise cimport Elementwise
from .graph cimport Graph
from .nodes cimport Node
from .operations cimport Operation, operations
from .operations import operation
from .room cimport resize
from .rules cimport ONE, which_number
from .simplify cimport is_marked
from .variable cimport Variable

cdef enum:
    FLOAT = 11                    # NumPy's type numbers
    DOUBLE = 12
    OUTER = -2                    # in the place of a product: elementwise

cdef int matmul = -1, multiply = -1, divide = -1, add = -1, constant = -1
cdef int forms[3][2]              # plain, scaled, divided; with an addend


cdef int know_operations() except -1:
    """Look the operations up, once they are there."""
    global matmul, multiply, divide, add, constant
    multiply, add = operation("multiply").index, operation("add").index
    divide, constant = operation("divide").index, operation("constant").index
    forms[0][0] = operation("matmul").index
    forms[0][1] = operation("matmul_add").index
    forms[1][0] = operation("matmul_scaled").index
    forms[1][1] = operation("matmul_scaled_add").index
    forms[2][0] = operation("matmul_divided").index
    forms[2][1] = operation("matmul_divided_add").index
    matmul = forms[0][0]
    return 0


cdef int32_t* numbers(int32_t n, int32_t value) except NULL:
    """n numbers of this value."""
    cdef int32_t* found = NULL
    cdef int32_t k
    resize(<void**> &found, (n + 1) * sizeof(int32_t))
    for k in range(n):
        found[k] = value
    return found


cdef class Forms:
    """The nodes up to `last` as a program computes them, and what their edges read.

    `needed` marks what is computed for the outputs; what a product takes in is no longer.
    """

    def __dealloc__(self):
        PyMem_Free(self.own)
        PyMem_Free(self.sources)
        PyMem_Free(self.readers)
        PyMem_Free(self.product)
        PyMem_Free(self.scale)
        PyMem_Free(self.scaling)
        PyMem_Free(self.addend)
        PyMem_Free(self.fixed)

    cdef int choose(self, list outputs, tuple folded) except -1:
        """Find the products and give each its form; `folded` are constants here."""
        cdef Graph graph = self.graph
        cdef int32_t v, n = self.last + 1
        cdef bint any_product = False
        resize(<void**> &self.own, n * sizeof(Node))
        memcpy(self.own, graph.nodes, n * sizeof(Node))
        self.n_edges = self.own[self.last].first_edge + self.own[self.last].n_inputs
        self.sources = numbers(self.n_edges, 0)
        memcpy(self.sources, graph.sources, self.n_edges * sizeof(int32_t))
        if matmul < 0:
            know_operations()
        for v in range(n):
            if self.needed[v] and self.own[v].op == matmul:
                any_product = True
                break
        if not any_product:
            return 0
        self.product, self.addend = numbers(n, -1), numbers(n, -1)
        self.scale, self.scaling = numbers(n, -1), numbers(n, -1)
        self.readers, self.fixed = numbers(n, 0), numbers(n, 0)
        for x in folded:
            self.fixed[(<Variable> x).index] = True
        self.look(outputs)
        for v in range(graph.settled, n):
            if not self.needed[v] or not FLOAT <= self.own[v].dtype <= DOUBLE:
                continue
            if self.own[v].op == matmul:
                self.product[v] = OUTER if self.is_outer(v) else v
                self.n_outer += self.product[v] == OUTER
            elif self.own[v].op in (multiply, divide) and not is_marked(graph, v):
                self.scale_result(v)
            elif self.own[v].op == add and not is_marked(graph, v):
                self.add_result(v)
        return self.write()

    cdef int look(self, list outputs) except -1:
        """How many read each node, and which are fixed.

        The caller reads outputs, and whoever marks a node.
        """
        cdef Graph graph = self.graph
        cdef int32_t v, u, j
        cdef bint marks = len(graph.saved) > 0 or len(graph.calls) > 0
        for v in range(self.last + 1):
            if self.needed[v]:
                self.fixed[v] = self.own[v].n_inputs > 0 or self.own[v].op == constant
                for j in range(self.own[v].n_inputs):
                    u = self.sources[self.own[v].first_edge + j]
                    self.readers[u] += 1
                    self.fixed[v] &= self.fixed[u]
                if marks and is_marked(graph, v):
                    self.readers[v] += 2
        for x in outputs:
            self.readers[(<Variable> x).index] += 2
        return 0

    cdef bint is_outer(self, int32_t v) except -1:
        """Whether a product of matrices has one term in each element, and passes read it alone."""
        cdef Graph graph = self.graph
        cdef Node* node = &self.own[v]
        cdef tuple a = <tuple> self.own[self.sources[node.first_edge]].shape
        cdef tuple b = <tuple> self.own[self.sources[node.first_edge + 1]].shape
        cdef int32_t edge = node.consumer, n_met = 0, u
        if len(a) < 2 or len(b) < 2 or a[len(a) - 1] != 1 or self.fixed[v]:
            return False
        while edge >= 0:
            u = graph.edges[edge].consumer
            edge = graph.edges[edge].next
            if u <= self.last and self.needed[u]:
                if (self.own[u].shape != node.shape
                        or not isinstance(<Operation> operations[self.own[u].op], Elementwise)):
                    return False
                n_met += 1
        return n_met == self.readers[v]           # the caller reads it, or whoever marked it

    cdef bint absorbs(self, int32_t v, int32_t u) except -1:
        """Whether `v` may be computed along with the product `u`, which only it reads.

        It follows at once: the operands of the product are not held for longer.
        """
        cdef Graph graph = self.graph
        cdef Node* x = &self.own[u]
        cdef Node* node
        cdef int32_t k
        if (self.readers[u] != 1 or self.product[u] < 0 or self.addend[u] >= 0
                or self.fixed[u] != self.fixed[v]
                or x.shape != self.own[v].shape or x.level != self.own[v].level
                or x.dtype != self.own[v].dtype
                or graph.calls.get(u, 0) != graph.calls.get(v, 0)):
            return False
        for k in range(u + 1, v):
            node = &self.own[k]
            if (self.needed[k] and node.n_inputs and <tuple> node.shape
                    and not (<Operation> operations[node.op]).views):
                return False
        return True

    cdef bint is_scale(self, int32_t c, int32_t v) except -1:
        """Whether a product of the shape of `v` can take the scalar `c` as its scale.

        Not 1: simplification does better.
        """
        cdef Graph graph = self.graph
        return (not <tuple> self.own[c].shape and <tuple> self.own[v].shape
                and self.own[c].dtype == self.own[v].dtype
                and which_number(graph, c) != ONE)

    cdef int scale_result(self, int32_t v) except -1:
        """s * (A @ B), (A @ B) / s."""
        cdef int32_t edge = self.own[v].first_edge, j, u, c
        for j in range(2 if self.own[v].op == multiply else 1):
            u, c = self.sources[edge + j], self.sources[edge + 1 - j]
            if (self.product[u] >= 0 and self.scale[u] < 0 and self.is_scale(c, v)
                    and self.absorbs(v, u)):
                self.product[v] = u
                self.scale[v], self.scaling[v] = c, v
                self.needed[u] = False
                break
        return 0

    cdef int add_result(self, int32_t v) except -1:
        """C + A @ B, and C + s * (A @ B), for a product C that comes before."""
        cdef int32_t edge = self.own[v].first_edge
        cdef int32_t u = max(self.sources[edge], self.sources[edge + 1])
        cdef int32_t total = min(self.sources[edge], self.sources[edge + 1])
        if (self.product[total] < 0 or self.readers[total] != 1 or self.fixed[total]
                or self.own[total].shape != self.own[v].shape):
            return 0
        if self.product[u] >= 0 and self.absorbs(v, u):
            self.product[v], self.addend[v] = self.product[u], total
            self.scale[v], self.scaling[v] = self.scale[u], self.scaling[u]
            self.needed[u] = False
        return 0

    cdef tuple nodes_of(self, int32_t v):
        """The nodes that `v` is computed with in one call: the product, the scaling, the sum."""
        cdef list found = [self.product[v]]
        if self.scale[v] >= 0:
            found.append(self.scaling[v])
        if self.addend[v] >= 0:
            found.append(v)
        return tuple(found)

    cdef int write(self) except -1:
        """Copy the nodes, and give those with a form its operation and edges."""
        cdef Graph graph = self.graph
        cdef int32_t v, u, n = self.last + 1, chosen = 0
        cdef int how
        cdef Node* product
        for v in range(graph.settled, n):
            chosen += self.needed[v] and (self.scale[v] >= 0 or self.addend[v] >= 0)
        if chosen + self.n_outer == 0:
            return 0
        resize(<void**> &self.sources, (self.n_edges + 4 * chosen) * sizeof(int32_t))
        for v in range(graph.settled, n):
            if self.needed[v] and (self.scale[v] >= 0 or self.addend[v] >= 0):
                product = &self.own[self.product[v]]
                how = 0 if self.scale[v] < 0 else 1 + (self.own[self.scaling[v]].op == divide)
                self.own[v].op = forms[how][self.addend[v] >= 0]
                self.own[v].first_edge = self.n_edges
                for u in (self.sources[product.first_edge], self.sources[product.first_edge + 1],
                          self.addend[v], self.scale[v]):
                    if u >= 0:
                        self.sources[self.n_edges] = u
                        self.n_edges += 1
                self.own[v].n_inputs = self.n_edges - self.own[v].first_edge
            elif self.product[v] == OUTER:
                self.own[v].op = multiply
        return 0
