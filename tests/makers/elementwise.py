"""Makers of the elementwise rows: arithmetic, functions, choices, conversions."""

import operator

import numpy as np

from autodiff import numpy as anp
from makers.registry import makes
from oracle import ORACLE

OPERATORS = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul,
    "divide": operator.truediv, "floor_divide": operator.floordiv, "remainder": operator.mod,
    "less": operator.lt, "less_equal": operator.le, "equal": operator.eq,
    "not_equal": operator.ne, "greater": operator.gt, "greater_equal": operator.ge,
    "power": operator.pow,
}


def pair(b, row, p, q, exact=False):
    """Apply a row to two twins, as a NumPy function or as an operator."""
    call = b.one_of(getattr(np, row), OPERATORS.get(row) or getattr(np, row))
    return b.apply(call, ORACLE[row], p, q, exact=exact)


def away_from(b, p, q, always=False):
    """p, shifted away from q."""
    if q.exact and p.exact and not always:
        return p
    return b.clear(p, lambda values: np.abs(values - q.value.astype(float)), always=True)


def away_from_integers(b, p):
    return b.clear(p, lambda values: np.abs(values - np.round(values)), always=True)


# ---- elementwise ------------------------------------------------------------------------------

@makes("add", "multiply")
def sum_or_product(b, row):
    p = b.pick("ffib")
    if b.chance(0.15):
        return pair(b, row, p, b.literal(b.one_of(2, -1, 0.5, True), p), exact=True)
    return pair(b, row, p, p if b.chance(0.1) else b.partner(p, "ffib"), exact=True)


@makes("subtract")
def difference(b):
    p = b.pick("ffi")
    q = b.partner(p, "ffib")
    return pair(b, "subtract", *((p, q) if b.chance(0.5) else (q, p)), exact=True)


@makes("divide")
def quotient(b):
    q = b.nonzero(b.pick("ffi"))
    if b.chance(0.2):
        return pair(b, "divide", b.literal(b.one_of(1, 1.5), q), q, exact=True)
    return pair(b, "divide", b.partner(q, "ffib"), q, exact=True)


@makes("floor_divide", "remainder")
def whole_quotient(b, row):
    kind = b.one_of("f", "i")
    p = b.pick(kind, lambda t: t.size <= 16) or b.leaf(kind, (2,))
    q = b.partner(p, kind, 16)
    q = b.literal(b.one_of(2, -3), p) if b.chance(0.2) else b.nonzero(b.scaled(q))
    if kind == "f":
        divisor = q.value
        p = b.clear(p, lambda values: np.abs(values / divisor - np.round(values / divisor)),
                    always=True)
    return pair(b, row, p, q, exact=True)


@makes("maximum", "minimum")
def larger_or_smaller(b, row):
    p = b.pick("ffi")
    if row == "maximum" and p.kind == "f" and b.chance(0.1):    # which is relu, ties and all
        p = b.clear(p, np.abs)
        return b.adopt(np.maximum(b.variable(p), 0), ORACLE["relu"], p, exact=True)
    if p.kind == "f" and b.chance(0.3):                         # exact ones may tie
        p, q = (b.pick("f", lambda t: t.exact and t.ndim < 2) or p for _ in range(2))
        q = q if len({*p.shape, *q.shape, 1}) <= 2 else p
    else:
        q = b.literal(b.one_of(1, 0.25), p) if b.chance(0.2) else b.partner(p, "ffi")
    p = away_from(b, p, q)
    return pair(b, row, *((p, q) if b.chance(0.5) else (q, p)), exact=True)


@makes("less", "less_equal", "equal", "not_equal", "greater", "greater_equal")
def comparison(b, row):
    chosen = [t for t in b.pool if t.whole]
    p = b.one_of(*chosen) if chosen and b.chance(0.3) else b.pick("fib")
    q = b.literal(b.one_of(1, 0.5), p) if b.chance(0.2) else b.partner(p, "fib")
    if p.kind == "f" or q.kind == "f":
        p, q = (p, q) if p.kind == "f" else (q, p)
        p = away_from(b, p, q)
    return pair(b, row, p, q)


@makes("logical_and", "logical_or")
def logic(b, row):
    p = b.pick("bbi")
    return pair(b, row, p, b.partner(p, "bbi"))


@makes("logical_not")
def denial(b):
    return b.plain("logical_not", b.pick("bbi"))


@makes("negative")
def opposite(b):
    return b.apply(b.one_of(np.negative, operator.neg), ORACLE["negative"], b.pick("ffi"),
                   exact=True)


@makes("exp", "expm1", "sin", "cos", "arctan", "tanh")
def smooth(b, row):
    return b.plain(row, b.pick("fffi", lambda t: np.max(np.abs(t.value)) <= 6))


@makes("sigmoid", "softplus")
def smooth_of_reals(b, row):
    return b.plain(row, b.pick("f"))


@makes("square")
def square(b):
    return b.apply(b.one_of(np.square, lambda x: x**2), ORACLE["square"], b.pick("ffi"),
                   exact=True)


@makes("abs", "sign", "relu")
def kinked_at_zero(b, row):
    t = b.clear(b.pick("f" if row == "relu" else "ffi"), np.abs)
    found = b.plain(row, t, exact=True)
    found.exact |= row == "sign"
    return found


@makes("floor")
def floor(b):
    found = b.plain("floor", away_from_integers(b, b.pick("f")))
    found.exact = True
    return found


@makes("log")
def log(b):
    return b.plain("log", b.positive(b.pick("ffi")))


@makes("log1p")
def log1p(b):
    t = b.pick("ffi")
    return b.plain("log1p", t if np.min(t.value) > -0.5 else b.positive(t))


@makes("sqrt")
def root(b):
    t = b.pick("f", lambda t: t.exact and not np.all(t.value)) if b.chance(0.5) else None
    if t is not None:                                       # there is an exact 0
        return b.plain("sqrt", b.plain("abs", t, exact=True), exact=True)
    t = b.positive(b.pick("ffi"))
    if t.kind == "f" and b.chance(0.5):
        return b.apply(lambda x: x**0.5, ORACLE["sqrt"], t)
    return b.plain("sqrt", t)


@makes("power")
def power(b):
    base = b.pick("f")
    if b.chance(0.3):                                       # any base
        return pair(b, "power", base, b.literal(b.one_of(3, 3.0, 0), base))
    base = b.positive(base)
    if b.chance(0.3):
        return pair(b, "power", base, b.literal(b.one_of(1.5, -1, -0.5, 4), base))
    if b.chance(0.2):
        exponent = b.pick("f")
        return pair(b, "power", b.literal(b.one_of(2, 0.7), exponent), exponent)
    return pair(b, "power", base, b.partner(base, "ffi"))


@makes("power_integer")
def whole_power(b):
    base = b.pick("i")
    if b.chance(0.5):
        return pair(b, "power", base, b.literal(b.one_of(0, 1, 3), base))
    exponent = b.partner(base, "i")
    return pair(b, "power", base, b.plain("remainder", exponent, b.literal(4, exponent)))


@makes("where")
def choice(b):
    condition = b.pick("b")
    p = b.partner(condition, "ffi")
    q = b.literal(b.one_of(0, 1.5), p) if b.chance(0.2) else b.partner(p, "ffib")
    try:
        fits = np.prod(np.broadcast_shapes(condition.shape, p.shape, q.shape)) <= 64
    except ValueError:
        fits = False
    p, q = (p, q if fits else p) if b.chance(0.5) else (q if fits else p, p)
    return b.plain("where", condition, p, q, exact=True)


@makes("clip")
def clip(b):
    t = b.pick("f")
    if b.chance(0.4):
        bounds = [b.literal(b.one_of(-0.5, float("-inf")), t),
                  b.literal(b.one_of(0.75, float("inf")), t)]
    else:
        low = b.partner(t, "f")
        bounds = [low, b.plus(low, 0.5)]
    if not (t.exact and bounds[0].exact):
        t = b.clear(t, lambda values: np.minimum(
            np.abs(values - bounds[0].value), np.abs(values - bounds[1].value)), always=True)
    return b.plain("clip", t, *bounds, exact=True)


# ---- conversion -------------------------------------------------------------------------------

def converted(b, t, dtype, exact=False):
    return b.apply(anp.astype, ORACLE["astype"], t, dtype=np.dtype(dtype), exact=exact)


@makes("astype")
def conversion(b):
    t = b.pick("ffib")
    if t.kind == "i" and b.chance(0.3):
        return converted(b, t, b.one_of(np.int32, np.int64))
    return converted(b, t, b.one_of(np.float64, *[np.float32] * 2 * b.mixed), exact=True)


@makes("astype_integer")
def truncation(b):
    found = converted(b, away_from_integers(b, b.pick("f")), b.one_of(np.int32, np.int64))
    found.whole = True
    return found


@makes("astype_boolean")
def truth(b):
    return converted(b, b.clear(b.pick("f"), np.abs), bool)
