"""The textbook operation for each operation of the library: forward and eq. 6.54 in plain NumPy.

Written from the mathematics, for `autodiff.textbook`; nothing of the library's table is used.
`ORACLE` is by name: an Operation, or for operations with static parameters a function of these
that makes one. Conventions where a derivative is not unique: ties share equally; abs, relu and
sqrt have slope 0 at 0, as has a power between 0 and 1; the interval of clip is closed; steps,
comparisons and choices carry zero.
"""

import numpy as np

from autodiff import textbook
from autodiff.textbook import Operation, elementwise


def ignored(g, *x):
    """The action of an input that carries zero."""
    return np.zeros_like(g)


# ---- elementwise ------------------------------------------------------------------------------

def step(name, f, n_inputs):
    """Make an operation that is constant between its jumps."""
    return elementwise(name, f, *[ignored] * n_inputs)


def _sigmoid(a):
    """1 / (1 + e^-a), as a product of tanh's half-angle formula."""
    return (1 + np.tanh(a / 2)) / 2


def _slope_of_power(a, b):
    """b a^(b-1), and 0 where it is infinite though a^b is finite."""
    cusp = (a == 0) & (b >= 0) & (b < 1)
    return np.where(cusp, 0, b * np.where(cusp, 1.0, a) ** (b - 1))


def _log_or_zero(a):
    """log a, and 0 at a = 0; no real function of the exponent has a negative base."""
    return np.log(np.where(a > 0, a, 1))


FUNCTIONS = [
    textbook.add, textbook.subtract, textbook.multiply, textbook.divide, textbook.negative,
    textbook.maximum, textbook.square, textbook.exp, textbook.log, textbook.sin, textbook.cos,
    textbook.tanh, textbook.relu,
    elementwise("minimum", np.minimum,
                lambda g, a, b: g * ((a < b) + (a == b) / 2),
                lambda g, a, b: g * ((b < a) + (a == b) / 2)),
    elementwise("power", np.power,
                lambda g, a, b: g * _slope_of_power(a, b),
                lambda g, a, b: g * a ** b * _log_or_zero(a)),
    elementwise("sqrt", np.sqrt,
                lambda g, a: np.where(a > 0, g / (2 * np.sqrt(np.where(a > 0, a, 1))), 0)),
    elementwise("log1p", np.log1p, lambda g, a: g / (1 + a)),
    elementwise("expm1", np.expm1, lambda g, a: g * np.exp(a)),
    elementwise("arctan", np.arctan, lambda g, a: g / (1 + a**2)),
    elementwise("abs", np.abs, lambda g, a: np.where(a > 0, g, np.where(a < 0, -g, 0))),
    elementwise("sigmoid", _sigmoid, lambda g, a: g / (2 + np.exp(a) + np.exp(-a))),
    elementwise("softplus", lambda a: np.logaddexp(a, 0), lambda g, a: g * _sigmoid(a)),
    # a - b floor(a / b): the floor is constant
    elementwise("remainder", np.remainder,
                lambda g, a, b: g, lambda g, a, b: -g * np.floor(a / b)),
    elementwise("where", np.where,
                ignored, lambda g, c, a, b: g * c, lambda g, c, a, b: g * (1 - c)),
    elementwise("clip", np.clip,
                lambda g, a, low, high: g * ((low <= a) & (a <= high)),
                lambda g, a, low, high: g * (a < low),
                lambda g, a, low, high: g * (a > high)),
    step("floor", np.floor, 1),
    step("sign", np.sign, 1),
    step("floor_divide", np.floor_divide, 2),
    step("less", np.less, 2),
    step("less_equal", np.less_equal, 2),
    step("equal", np.equal, 2),
    step("not_equal", np.not_equal, 2),
    step("greater", np.greater, 2),
    step("greater_equal", np.greater_equal, 2),
    step("logical_and", np.logical_and, 2),
    step("logical_or", np.logical_or, 2),
    step("logical_not", np.logical_not, 1),
]


def astype(dtype):
    """Make the conversion: the identity, or between steps if to integers or booleans."""
    action = (lambda g, a: g) if np.dtype(dtype).kind == "f" else ignored
    return elementwise("astype", lambda a: a.astype(dtype), action)


# ---- reductions -------------------------------------------------------------------------------

def _over(name, f, share):
    """Make the maker of a reduction f(x, axis, keepdims); share(x, axis) = dy/dx, elementwise."""
    def make(axis=None, keepdims=False):
        def bprop(x, X, G):
            kept = np.sum(x[0], axis=axis, keepdims=True).shape
            return np.reshape(G, kept) * share(x[0], axis)

        return Operation(name, lambda x: f(x[0], axis=axis, keepdims=keepdims), bprop)
    return make


def _logsumexp(x, axis, keepdims):
    return np.logaddexp.reduce(x, axis=axis, keepdims=keepdims)


def _share_of_ties(extreme):
    def share(x, axis):
        tied = x == extreme(x, axis=axis, keepdims=True)
        return tied / np.sum(tied, axis=axis, keepdims=True)
    return share


def _probabilities(x, axis):
    return np.exp(x - _logsumexp(x, axis, True))


def argmax(axis=None, keepdims=False):
    """Make the index of the first largest: it has no derivative, so only zeros may arrive."""
    def bprop(x, X, G):
        assert not np.any(G), "a gradient arrived at argmax"
        return np.zeros(x[0].shape)

    return Operation("argmax", lambda x: np.argmax(x[0], axis=axis, keepdims=keepdims), bprop)


# ---- movement: of indices, so that one rule holds for all --------------------------------------

def moved(name, f):
    """Make an operation whose result is elements of its only input: f says which."""
    def bprop(x, X, G):
        places = f(np.arange(x[0].size).reshape(x[0].shape))
        total = np.zeros(x[0].size, G.dtype)
        np.add.at(total, np.ravel(places), np.ravel(G))
        return total.reshape(x[0].shape)

    return Operation(name, lambda x: f(x[0]), bprop)


def joined(name, f):
    """Make an operation whose result is elements of its inputs: f(list) says which."""
    def bprop(x, X, G):
        sizes = [a.size for a in x]
        begin = sum(sizes[:X])
        places = f([start + np.arange(a.size).reshape(a.shape)
                    for start, a in zip(np.cumsum([0, *sizes]), x)])
        total = np.zeros(sum(sizes), G.dtype)
        np.add.at(total, np.ravel(places), np.ravel(G))
        return total[begin : begin + sizes[X]].reshape(x[X].shape)

    return Operation(name, f, bprop)


class Hole:
    """Stand for an index that is an input of the operation, in the order of the inputs."""

    def __repr__(self):
        return "HOLE"


HOLE = Hole()


def index(*items):
    """Make x[items]; each HOLE among the items is a further input, which carries zero."""
    def filled(indices):
        given = iter(indices)
        return tuple(next(given) if item is HOLE else item for item in items)

    def bprop(x, X, G):
        if X > 0:
            return np.zeros(x[X].shape)
        return moved("index", lambda a: a[filled(x[1:])]).bprop(x, 0, G)

    return Operation("index", lambda x: x[0][filled(x[1:])], bprop)


def take(axis=None):
    """Make x.take(indices, axis): the second input is the indices, which carry zero."""
    def bprop(x, X, G):
        if X > 0:
            return np.zeros(x[1].shape)
        return moved("take", lambda a: np.take(a, x[1], axis)).bprop(x, 0, G)

    return Operation("take", lambda x: np.take(x[0], x[1], axis), bprop)


# ---- products ---------------------------------------------------------------------------------

def _dot_bprop(x, X, G):
    """Over the last axis of a and the last but one of b: G b' or a' G, all other axes summed."""
    a, b = x
    if a.ndim == 0 or b.ndim == 0:
        return G * x[1 - X]
    of_a, of_b = range(a.ndim - 1), range(a.ndim - 1, G.ndim)
    if X == 0:
        others = [d for d in range(b.ndim) if d != max(b.ndim - 2, 0)]
        return np.tensordot(G, b, (list(of_b), others))
    product = np.tensordot(a, G, (list(of_a), list(of_a)))     # the inner axis comes first
    return np.moveaxis(product, 0, max(b.ndim - 2, 0))


dot = Operation("dot", lambda x: np.dot(*x), _dot_bprop)
outer = Operation(
    "outer", lambda x: np.outer(*x),
    lambda x, X, G: np.tensordot(G, np.ravel(x[1 - X]), (1 - X, 0)).reshape(x[X].shape))


# ---- rows of a softmax ------------------------------------------------------------------------

def softmax(axis=-1):
    """Make softmax along an axis; dy_i/dx_j = y_i (δ_ij − y_j)."""
    def bprop(x, X, G):
        p = _probabilities(x[0], axis)
        return p * G - p * np.sum(p * G, axis=axis, keepdims=True)

    return Operation("softmax", lambda x: _probabilities(x[0], axis), bprop)


def log_softmax(axis=-1):
    """Make the logarithm of softmax; dy_i/dx_j = δ_ij − p_j."""
    return Operation(
        "log_softmax", lambda x: x[0] - _logsumexp(x[0], axis, True),
        lambda x, X, G: G - _probabilities(x[0], axis) * np.sum(G, axis=axis, keepdims=True))


def one_hot(n_classes, dtype=np.float64):
    """Make rows of the identity."""
    return Operation("one_hot", lambda x: np.eye(n_classes, dtype=dtype)[x[0]],
                     lambda x, X, G: np.zeros(x[0].shape))


ORACLE = {operation.name: operation for operation in FUNCTIONS} | {
    "astype": astype,
    "sum": textbook.sum_over,
    "mean": _over("mean", np.mean, lambda x, axis: np.full(
        x.shape, np.sum(x, axis=axis, keepdims=True).size / x.size)),
    "max": _over("max", np.max, _share_of_ties(np.max)),
    "min": _over("min", np.min, _share_of_ties(np.min)),
    "logsumexp": _over("logsumexp", _logsumexp, _probabilities),
    "argmax": argmax,
    "matmul": textbook.matmul,
    "dot": dot,
    "outer": outer,
    "reshape": lambda shape: moved("reshape", lambda a: np.reshape(a, shape)),
    "transpose": lambda axes=None: moved("transpose", lambda a: np.transpose(a, axes)),
    "swapaxes": lambda p, q: moved("swapaxes", lambda a: np.swapaxes(a, p, q)),
    "squeeze": lambda axis=None: moved("squeeze", lambda a: np.squeeze(a, axis)),
    "expand_dims": lambda axis: moved("expand_dims", lambda a: np.expand_dims(a, axis)),
    "broadcast_to": lambda shape: moved("broadcast_to", lambda a: np.broadcast_to(a, shape)),
    "concatenate": lambda axis=0: joined("concatenate", lambda x: np.concatenate(x, axis)),
    "stack": lambda axis=0: joined("stack", lambda x: np.stack(x, axis)),
    "index": index,
    "take": take,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "cross_entropy": textbook.cross_entropy,
    "one_hot": one_hot,
}
