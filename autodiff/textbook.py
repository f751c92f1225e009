"""Algorithms 6.1 to 6.6 of chapter 6.5, written literally: to be read next to the book.

Goodfellow, Bengio, Courville, *Deep Learning*, 2016. Plain Python and NumPy, recursive where the
book is, slow on purpose: this is the oracle the library is tested against, so it shares nothing
with it. Graphs deeper than about 900 operations exceed Python's recursion limit.

Errata, of the book or of its usual copies
------------------------------------------
1. Algorithm 6.6 asks `op.bprop(get_inputs(C, G'), V, D)`. The inputs must be taken in G: G' holds
   only descendants of the targets, so for C = X W with target W alone, X is not in G' and the
   product XᵀG has lost its factor.
2. Algorithm 6.6 visits each consumer once. It must visit each *edge*: for y = x · x the consumer y
   holds x twice, `bprop` treats its inputs as distinct, and one visit gives x instead of 2x.
   Here the X of eq. 6.54 is therefore a position among the inputs, not a variable.
3. Algorithm 6.2, as often copied, has slipped indices: the seed of the table is u(n), and the
   entry written in step j is that of u(j), summed over the consumers i of j.
4. Eq. 6.46 needs the transpose of the Jacobian: ∇x z = (∂y/∂x)ᵀ ∇y z.
5. Algorithm 6.5 leaves open a target that z does not depend on. The sum over no consumers is 0,
   so its gradient is zeros of its shape.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# ------------------------------------------------------------- 6.1, 6.2: scalars, numbered 1 … n


@dataclass(frozen=True)
class Node:
    """Hold one u(i) = f(i)(A(i)), eq. 6.48.

    `parents` are the 1-based numbers j of its arguments, in order, repeated if an argument is used
    twice; `partials[k](*A)` is the local derivative ∂u(i)/∂u(parents[k]).
    """

    f: Callable[..., Any]
    parents: tuple[int, ...]
    partials: tuple[Callable[..., Any], ...]
    name: str = ""


def algorithm_6_1(x: Sequence, nodes: Sequence[Node]) -> dict:
    """Compute u(1) … u(n): the inputs x, then nodes n_i + 1 … n in order. u[n] is the output.

    >>> square = Node(lambda a: a * a, (1,), (lambda a: 2 * a,))
    >>> algorithm_6_1([3.0], [square])
    {1: 3.0, 2: 9.0}
    """
    u = {}
    for i in range(1, len(x) + 1):
        u[i] = x[i - 1]
    for i, node in enumerate(nodes, start=len(x) + 1):
        A = [u[j] for j in node.parents]
        u[i] = node.f(*A)
    return u


def algorithm_6_2(x: Sequence, nodes: Sequence[Node]) -> tuple[list, list[dict]]:
    """Compute ∂u(n)/∂u(j) for j = n … 1, eq. 6.49, each local derivative once.

    Returns the gradient [∂u(n)/∂x1, …] and the list of gradient tables, one per step: the first
    is {n: 1}, each next one has the entry j more.

    >>> product = Node(lambda a, b: a * b, (1, 1), (lambda a, b: b, lambda a, b: a))
    >>> algorithm_6_2([3.0], [product])
    ([6.0], [{2: 1.0}, {2: 1.0, 1: 6.0}])
    """
    u = algorithm_6_1(x, nodes)
    n = len(u)
    grad_table = {n: 1.0}
    tables = [dict(grad_table)]
    for j in range(n - 1, 0, -1):
        grad_table[j] = sum(
            (grad_table[i] * partial for i, partial in _edges_from(j, u, nodes, len(x))), start=0.0
        )
        tables.append(dict(grad_table))
    return [grad_table[j] for j in range(1, len(x) + 1)], tables


def _edges_from(j, u, nodes, n_inputs):
    """List (i, ∂u(i)/∂u(j)) for every edge from j: once per edge, see erratum 2."""
    for i, node in enumerate(nodes, start=n_inputs + 1):
        for position, parent in enumerate(node.parents):
            if parent == j:
                yield i, node.partials[position](*(u[k] for k in node.parents))


# --------------------------------------------------------- what 6.2 avoids: trees and sums of paths


def expression_tree(x: Sequence, nodes: Sequence[Node]) -> tuple[Any, int]:
    """Evaluate u(n) as an expression, shared values written out again each time.

    Returns u(n) and the evaluations of f made: for n squarings written a · a they are 2ⁿ − 1
    (algorithm 6.1 makes n).
    """
    evaluations = 0

    def value(i):
        nonlocal evaluations
        if i <= len(x):
            return x[i - 1]
        node = nodes[i - len(x) - 1]
        A = [value(j) for j in node.parents]
        evaluations += 1
        return node.f(*A)

    return value(len(x) + len(nodes)), evaluations


def sum_over_paths(x: Sequence, nodes: Sequence[Node], j: int) -> tuple[Any, int]:
    """Compute ∂u(n)/∂u(j) as the sum over all paths of products of local derivatives, eq. 6.55.

    Returns the derivative and the number of paths: 2ⁿ for n squarings written a · a.
    """
    u = algorithm_6_1(x, nodes)
    n = len(u)

    def paths(k, product):
        if k == n:
            return product, 1
        total, count = 0.0, 0
        for i, partial in _edges_from(k, u, nodes, len(x)):
            part, below = paths(i, product * partial)
            total, count = total + part, count + below
        return total, count

    return paths(j, 1.0)


def equation_6_52(f, df, w, n, with_z=False):
    """Compute dz/dw = f'(y) f'(x) f'(w) for z = fⁿ(w), every argument stored.

    Returns dz/dw and the evaluations of f: n − 1, or n if z is wanted as well.
    """
    stored = [w]
    for _ in range(n if with_z else n - 1):
        stored.append(f(stored[-1]))
    return np.prod([df(u) for u in stored[:n]]), len(stored) - 1


def equation_6_53(f, df, w, n, with_z=False):
    """Compute dz/dw = f'(f(f(w))) f'(f(w)) f'(w) for z = fⁿ(w), every argument from w anew.

    Returns dz/dw and the evaluations of f: n (n − 1) / 2, or n more if z is wanted as well.
    """
    evaluations = 0

    def power(k):
        nonlocal evaluations
        u = w
        for _ in range(k):
            u = f(u)
            evaluations += 1
        return u

    if with_z:
        power(n)
    return np.prod([df(power(k)) for k in range(n)]), evaluations


# ------------------------------------------------------------------------- 6.3, 6.4: the MLP


@dataclass(frozen=True)
class Pair:
    """Hold a function and its derivative.

    Activation: f(a), df(a) elementwise. Loss: f(ŷ, y), and df(ŷ, y) = ∇ŷ L of ŷ's shape.
    Regulariser: f(W, b) = Ω(θ), and df(W, b) = (list of ∇W Ω, list of ∇b Ω).
    """

    f: Callable[..., Any]
    df: Callable[..., Any]


def _sigmoid(a):
    with np.errstate(over="ignore"):  # 1 / inf is the right 0
        return 1 / (1 + np.exp(-a))


IDENTITY = Pair(lambda a: a, np.ones_like)
TANH = Pair(np.tanh, lambda a: 1 - np.tanh(a) ** 2)
SIGMOID = Pair(_sigmoid, lambda a: _sigmoid(a) * (1 - _sigmoid(a)))
RELU = Pair(lambda a: np.where(a > 0, a, 0), lambda a: np.where(a > 0, 1.0, 0.0))
MEAN_SQUARED_ERROR = Pair(
    lambda yhat, y: np.mean((yhat - y) ** 2), lambda yhat, y: 2 * (yhat - y) / yhat.size
)
NO_REGULARISER = Pair(
    lambda W, b: 0.0, lambda W, b: ([np.zeros_like(w) for w in W], [np.zeros_like(c) for c in b])
)
WEIGHT_DECAY = Pair(
    lambda W, b: sum(np.sum(w**2) for w in W),
    lambda W, b: ([2 * w for w in W], [np.zeros_like(c) for c in b]),
)


def algorithm_6_3(W, b, x, y, f, loss, omega=NO_REGULARISER, lam=0.0):
    """Compute J = L(ŷ, y) + λ Ω(θ) for one example: a(k) = b(k) + W(k) h(k−1), h(k) = f(a(k)).

    `W[k]` has shape (outputs, inputs), `b[k]` (outputs,), `x` (inputs,); `f` lists one Pair per
    layer. Returns J, [a(1) … a(l)] and [h(0) … h(l)]; ŷ = h(l).
    """
    a, h = [], [x]
    for W_k, b_k, f_k in zip(W, b, f, strict=True):
        a.append(b_k + W_k @ h[-1])
        h.append(f_k.f(a[-1]))
    yhat = h[-1]
    return loss.f(yhat, y) + lam * omega.f(W, b), a, h


def algorithm_6_4(W, b, x, y, f, loss, omega=NO_REGULARISER, lam=0.0):
    """Compute the gradients of J of algorithm 6.3: (list of ∇W(k) J, list of ∇b(k) J)."""
    _, a, h = algorithm_6_3(W, b, x, y, f, loss, omega, lam)
    omega_W, omega_b = omega.df(W, b)
    grad_W, grad_b = [None] * len(W), [None] * len(W)
    g = loss.df(h[-1], y)
    for k in reversed(range(len(W))):  # h[k] is the book's h(k−1): layers count from 0 here
        g = g * f[k].df(a[k])
        grad_b[k] = g + lam * omega_b[k]
        grad_W[k] = np.outer(g, h[k]) + lam * omega_W[k]
        g = W[k].T @ g
    return grad_W, grad_b


# --------------------------------------------------------------- 6.5, 6.6: graphs of tensors


@dataclass(frozen=True)
class Operation:
    """Hold an operation: `f(inputs)` gives its value, `bprop(inputs, X, G)` is eq. 6.54.

    Eq. 6.54 is Σ_i (∇X f(inputs)_i) G_i, with X the position of an input (erratum 2) and G the
    gradient on the output. A broadcast input's contribution may keep the broadcast shape:
    `build_grad` undoes broadcasting. A new operation is one call:

    >>> cube = Operation("cube", lambda x: x[0] ** 3, lambda x, X, G: G * 3 * x[0] ** 2)
    """

    name: str
    f: Callable[[list], Any]
    bprop: Callable[[list, int, Any], Any]


@dataclass(frozen=True, eq=False)
class Variable:
    """Hold a node: its operation (None for an input), inputs in order, and computed value."""

    name: str
    op: Operation | None
    inputs: tuple["Variable", ...]
    value: np.ndarray


class Graph:
    """Hold variables in topological order, each with its value.

    >>> G = Graph()
    >>> x = G.variable("x", 3.0)
    >>> y = G.apply(multiply, x, x)
    >>> float(algorithm_6_5([x], G, y)[x])
    6.0
    """

    def __init__(self, variables=()):
        self.variables = list(variables)

    def variable(self, name, value):
        """Add an input; its value is copied."""
        return self._add(Variable(name, None, (), np.array(value)))

    def apply(self, op, *inputs):
        """Add the result of an operation on variables of this graph, and compute it."""
        for V in inputs:
            if V not in self.variables:
                raise ValueError(f"{op.name}: {V.name} is not a variable of this graph")
        value = np.asarray(op.f([V.value for V in inputs]))
        return self._add(Variable(f"u{len(self.variables) + 1}", op, inputs, value))

    def _add(self, V):
        self.variables.append(V)
        return V


def get_operation(V):
    """Return the operation that computes V, None for an input."""
    return V.op


def get_inputs(V, G):
    """List the inputs of V that are in G, in order and with repetitions."""
    return [U for U in V.inputs if U in G.variables]


def get_consumers(V, G):
    """List the variables of G that V is an input of, each once."""
    return [C for C in G.variables if V in C.inputs]


def prune(G, z, T):
    """Build G': the variables of G that are ancestors of z and descendants of targets T."""
    ancestors, descendants = {z}, set(T)
    for V in reversed(G.variables):
        if V in ancestors:
            ancestors.update(V.inputs)
    for V in G.variables:
        if descendants.intersection(V.inputs):
            descendants.add(V)
    return Graph(V for V in G.variables if V in ancestors and V in descendants)


def algorithm_6_5(T, G, z, seed=None):
    """Compute {V: ∇V z for V in targets T}, by number; a `seed` of z's shape replaces the 1.

    Raises ValueError for a z that is not a scalar without a seed, and for a seed of another shape.
    """
    if z.value.size != 1 if seed is None else np.shape(seed) != z.value.shape:
        raise ValueError(f"z has shape {z.value.shape}: give a seed of that shape")
    G_pruned = prune(G, z, T)
    grad_table = {z: np.ones_like(z.value) if seed is None else np.array(seed)}
    for V in T:
        build_grad(V, G, G_pruned, grad_table)
    return {V: grad_table[V] for V in T}


def build_grad(V, G, G_pruned, grad_table):
    """Compute the entry of V in grad_table, algorithm 6.6, and return it.

    The book inserts the operations that make the entry into G; here the entry is a number.
    """
    if V in grad_table:
        return grad_table[V]
    contributions = []
    for C in get_consumers(V, G_pruned):
        op = get_operation(C)
        D = build_grad(C, G, G_pruned, grad_table)
        inputs = get_inputs(C, G)  # not in G_pruned: erratum 1
        for X, U in enumerate(inputs):
            if U is V:  # every edge from V to C: erratum 2
                G_i = op.bprop([U.value for U in inputs], X, D)
                contributions.append(_project(op, G_i, V.value))
    grad_table[V] = sum(contributions, start=np.zeros_like(V.value, dtype=_gradient_dtype(V.value)))
    return grad_table[V]


def _gradient_dtype(value):
    return value.dtype if np.issubdtype(value.dtype, np.inexact) else np.dtype(float)


def _project(op, G, value):
    """Bring a contribution to the shape and dtype of its variable: sum what was broadcast."""
    G = np.asarray(G)
    lead = G.ndim - value.ndim
    if lead < 0 or np.broadcast_shapes(G.shape, value.shape) != G.shape:
        raise ValueError(f"bprop of {op.name} gave shape {G.shape} for an input of {value.shape}")
    G = G.sum(axis=tuple(range(lead)))
    stretched = tuple(k for k in range(value.ndim) if value.shape[k] != G.shape[k])
    return G.sum(axis=stretched, keepdims=True).astype(_gradient_dtype(value))


# ------------------------------------------------------------------------------- operations


def elementwise(name, f, *actions):
    """Make an elementwise Operation: f(*x), and per input an action(g, *x) = g · ∂f/∂x."""
    return Operation(name, lambda x: f(*x), lambda x, X, G: actions[X](G, *x))


# Ties of maximum share equally, relu'(0) = 0. where() rather than a product: inf · 0 is NaN.
add = elementwise("add", np.add, lambda g, a, b: g, lambda g, a, b: g)
subtract = elementwise("subtract", np.subtract, lambda g, a, b: g, lambda g, a, b: -g)
multiply = elementwise("multiply", np.multiply, lambda g, a, b: g * b, lambda g, a, b: g * a)
divide = elementwise("divide", np.divide, lambda g, a, b: g / b, lambda g, a, b: -g * (a / b) / b)
maximum = elementwise(
    "maximum",
    np.maximum,
    lambda g, a, b: np.where(a > b, g, np.where(a == b, g / 2, 0)),
    lambda g, a, b: np.where(b > a, g, np.where(a == b, g / 2, 0)),
)
negative = elementwise("negative", np.negative, lambda g, a: -g)
exp = elementwise("exp", np.exp, lambda g, a: g * np.exp(a))
log = elementwise("log", np.log, lambda g, a: g / a)
sin = elementwise("sin", np.sin, lambda g, a: g * np.cos(a))
cos = elementwise("cos", np.cos, lambda g, a: -g * np.sin(a))
tanh = elementwise("tanh", np.tanh, lambda g, a: g * (1 - np.tanh(a) ** 2))
square = elementwise("square", np.square, lambda g, a: g * 2 * a)
sqrt = elementwise("sqrt", np.sqrt, lambda g, a: g / (2 * np.sqrt(a)))
relu = elementwise("relu", RELU.f, lambda g, a: np.where(a > 0, g, 0))
sigmoid = elementwise("sigmoid", SIGMOID.f, lambda g, a: g * SIGMOID.df(a))


def sum_over(axis=None, keepdims=False):
    """Make the sum over axes; its bprop copies G along them."""

    def bprop(x, X, G):
        kept = np.sum(x[0], axis=axis, keepdims=True).shape
        return np.broadcast_to(np.reshape(G, kept), x[0].shape)

    return Operation("sum", lambda x: np.sum(x[0], axis=axis, keepdims=keepdims), bprop)


def transpose(axes=None):
    """Make the permutation of axes (reversal if None); its bprop is the inverse permutation."""

    def bprop(x, X, G):
        if axes is None:
            return np.transpose(G)
        return np.transpose(G, np.argsort([axis % x[0].ndim for axis in axes]))

    return Operation("transpose", lambda x: np.transpose(x[0], axes), bprop)


def reshape(shape):
    """Make the reshape to `shape`; its bprop reshapes back."""
    return Operation(
        "reshape", lambda x: np.reshape(x[0], shape), lambda x, X, G: np.reshape(G, x[0].shape)
    )


def broadcast_to(shape):
    """Make the broadcast to `shape`; `build_grad` sums over what it copied."""
    return Operation("broadcast_to", lambda x: np.broadcast_to(x[0], shape), lambda x, X, G: G)


def _matmul_bprop(x, X, G):
    """G Bᵀ for A, AᵀG for B; a 1-d operand is a row on the left, a column on the right."""
    A, B = x
    G = np.expand_dims(G, -1) if B.ndim == 1 else G
    G = np.expand_dims(G, -2) if A.ndim == 1 else G
    row = A[np.newaxis, :] if A.ndim == 1 else A
    column = B[:, np.newaxis] if B.ndim == 1 else B
    if X == 0:
        product = G @ np.swapaxes(column, -1, -2)
        return product[..., 0, :] if A.ndim == 1 else product
    product = np.swapaxes(row, -1, -2) @ G
    return product[..., 0] if B.ndim == 1 else product


matmul = Operation("matmul", lambda x: np.matmul(x[0], x[1]), _matmul_bprop)


def _log_softmax(logits):
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def _cross_entropy(x):
    logits, labels = x
    return -np.mean(_log_softmax(logits)[np.arange(len(labels)), labels])


def _cross_entropy_bprop(x, X, G):
    """(softmax − onehot) / m for the logits; labels are indices and carry nothing."""
    logits, labels = x
    if X == 1:
        return np.zeros(labels.shape)
    probability = np.exp(_log_softmax(logits))
    probability[np.arange(len(labels)), labels] -= 1
    return G * probability / len(labels)


# inputs: logits (m, classes), integer labels (m,); the mean over the batch.
cross_entropy = Operation("cross_entropy", _cross_entropy, _cross_entropy_bprop)
