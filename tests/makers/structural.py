"""Makers of the rows that move, reduce and multiply, and of the rows of a softmax."""

import operator

import numpy as np

from autodiff import numpy as anp
from makers.registry import makes
from oracle import HOLE, ORACLE

# ---- movement ---------------------------------------------------------------------------------

@makes("broadcast_to")
def repetition(b):
    t = b.pick("ffib", lambda t: t.size <= 16) or b.leaf("f", ())
    shape = tuple(b.one_of(2, 3) if n == 1 and t.size <= 8 else n for n in t.shape)
    if shape == t.shape:
        shape = (2, *shape)
    return b.apply(np.broadcast_to, ORACLE["broadcast_to"], t, shape=shape, exact=True)


@makes("reshape")
def reshaped(b):
    t = b.pick("fffib")
    how = b.one_of("reshape", "squeeze", "expand_dims", "outer")
    if how == "squeeze":
        axis = tuple(d for d, n in enumerate(t.shape) if n == 1 and b.chance(0.7)) or None
        return b.apply(np.squeeze, ORACLE["squeeze"], t, axis=axis, exact=True)
    if how == "expand_dims" and t.ndim < 4:
        axis = int(b.rng.integers(-t.ndim - 1, t.ndim + 1))
        return b.apply(np.expand_dims, ORACLE["expand_dims"], t, axis=axis, exact=True)
    if how == "outer":
        p, q = (b.pick("ffi", lambda t: t.size <= 8) or b.leaf("f", (3,)) for _ in range(2))
        return b.plain("outer", p, q, exact=True)
    divisors = [n for n in (1, 2, 3, 4) if t.size % n == 0]
    shape = b.one_of((-1,), (b.one_of(*divisors), -1), (-1, b.one_of(*divisors)), (t.size, 1))
    return b.apply(np.reshape, ORACLE["reshape"], t, shape=shape, exact=True)


@makes("transpose")
def permuted(b):
    t = b.pick("fffib", lambda t: t.ndim > 1) or b.pick("f")
    if t.ndim > 1 and b.chance(0.4):
        axes = [int(d) for d in b.rng.integers(-t.ndim, t.ndim, 2)]
        return b.adopt(np.swapaxes(b.variable(t), *axes), ORACLE["swapaxes"](*axes), t, exact=True)
    axes = tuple(int(d) for d in b.rng.permutation(t.ndim)) if b.chance(0.7) else None
    return b.apply(np.transpose, ORACLE["transpose"], t, axes=axes, exact=True)


@makes("slice")
def part(b):
    t = b.pick("fffib", lambda t: t.ndim > 0) or b.repeated(b.pick("f"))
    items = []
    for n in t.shape:
        if b.chance(0.3):
            items.append(int(b.rng.integers(-n, n)))
        else:
            start, stop = sorted(int(k) for k in b.rng.choice(n + 1, 2, replace=False))
            step = b.one_of(1, 1, 2, -1)
            items.append(slice(start, stop, step) if step > 0 else
                         slice(stop - 1, start - 1 if start else None, step))
    if b.chance(0.3):
        items.insert(int(b.rng.integers(len(items) + 1)), None)
    if b.chance(0.3):
        items[b.one_of(0, len(items) - 1)] = Ellipsis
    return b.adopt(b.variable(t)[tuple(items)], ORACLE["index"](*items), t, exact=True)


def places(b, shape, n):
    """A twin of integers of [-n, n): from the program, or captured."""
    found = [t for t in b.pool if t.kind == "i" and t.size <= 8 and t.ndim < 3
             and (shape is None or t.shape == shape)]
    if found and b.chance(0.7):
        t = b.one_of(*found)
        if np.min(t.value) < -n or np.max(t.value) >= n:
            t = b.plain("remainder", t, b.literal(n, t))
        return t
    if shape is None:
        shape = b.one_of((3,), (2, 2), ())
    return b.captured(np.asarray(b.rng.integers(-n, n, shape)))


@makes("gather")
def selection(b):
    t = b.pick("fffib", lambda t: t.ndim > 0 and t.size <= 32) or b.repeated(b.pick("f"))
    how = b.one_of("take", "flat", "list", "mask", "one", "two")
    axis = int(b.rng.integers(t.ndim))
    if how == "take":
        b.variable(t)                       # numpy.take asks only its first argument
        return b.apply(np.take, ORACLE["take"], t, places(b, None, t.shape[axis]), axis=axis,
                       exact=True)
    if how == "flat":
        return b.adopt(np.take(b.variable(t), (i := places(b, None, t.size)).x),
                       ORACLE["take"](), t, i, exact=True)
    lead = [slice(None)] * axis
    if how == "list":
        items = (*lead, [int(k) for k in b.rng.integers(-t.shape[axis], t.shape[axis], 3)])
        return b.adopt(b.variable(t)[items], ORACLE["index"](*items), t, exact=True)
    if how == "mask":
        mask = b.rng.random(t.shape[: axis + 1]) < 0.5
        mask.flat[0] = True
        return b.adopt(b.variable(t)[mask], ORACLE["index"](mask), t, exact=True)
    i = places(b, None, t.shape[0])
    if how == "one" or t.ndim == 1:
        return b.adopt(b.variable(t)[i.x], ORACLE["index"](HOLE), t, i, exact=True)
    j = places(b, i.shape, t.shape[-1])
    between = b.one_of((), (Ellipsis,)) if t.ndim == 2 else (slice(None),) * (t.ndim - 2)
    return b.adopt(b.variable(t)[(i.x, *between, j.x)], ORACLE["index"](HOLE, *between, HOLE),
                   t, i, j, exact=True)


@makes("concatenate")
def junction(b):
    t = b.pick("ffib", lambda t: t.size <= 16) or b.leaf("f", ())
    others = [o for o in b.pool if o.shape == t.shape and o.usable]
    parts = [t, *(b.one_of(*others) for _ in range(b.one_of(1, 2)))]
    b.rng.shuffle(parts)
    if t.ndim == 0 or b.chance(0.4):
        axis = int(b.rng.integers(-t.ndim - 1, t.ndim + 1))
        return b.apply(lambda *x, axis: np.stack(x, axis), ORACLE["stack"], *parts, axis=axis,
                       exact=True)
    axis = int(b.rng.integers(-t.ndim, t.ndim))
    if b.chance(0.5) and t.shape[axis] > 1:                 # parts of different lengths
        cut = (*[slice(None)] * (axis % t.ndim), slice(1, None))
        parts[0] = b.adopt(b.variable(parts[0])[cut], ORACLE["index"](*cut), parts[0], exact=True)
    return b.apply(lambda *x, axis: np.concatenate(x, axis), ORACLE["concatenate"], *parts,
                   axis=axis, exact=True)


# ---- reductions -------------------------------------------------------------------------------

@makes("sum", "mean")
def total(b, row):
    t = b.pick("fffi")
    return b.apply(getattr(np, row), ORACLE[row], t, axis=b.axes(t.ndim),
                   keepdims=b.chance(0.4))


@makes("count")
def count(b):
    t = b.pick("b")
    return b.apply(np.sum, ORACLE["sum"], t, axis=b.axes(t.ndim), keepdims=b.chance(0.4))


@makes("max", "min")
def extreme(b, row):
    t = b.pick("fffi")
    axis = b.axes(t.ndim)
    return b.apply(getattr(np, row), ORACLE[row], b.untied(t, axis), axis=axis,
                   keepdims=b.chance(0.4), exact=True)


@makes("argmax")
def place_of_largest(b):
    t = b.pick("fffi")
    axis = int(b.rng.integers(-t.ndim, t.ndim)) if t.ndim and b.chance(0.7) else None
    found = b.apply(np.argmax, ORACLE["argmax"], b.untied(t, axis), axis=axis)
    found.whole = True
    return found


# ---- products ---------------------------------------------------------------------------------

@makes("matmul")
def product(b):
    p = b.pick("fffi", lambda t: t.ndim > 0) or b.repeated(b.pick("f"))

    def fits(call):
        def works(q):
            try:
                return call(p.value, q.value).size <= 64
            except ValueError:
                return False
        return works

    if b.chance(0.4):
        return b.plain("dot", p, b.pick("fffi", fits(np.dot)) or b.captured(np.array(0.5)))
    q = b.pick("fffi", fits(np.matmul))
    if q is None:                           # p and its transpose always fit
        q = p if p.ndim == 1 else b.apply(lambda x: np.swapaxes(x, -1, -2),
                                          ORACLE["swapaxes"](-1, -2), p, exact=True)
    return b.apply(b.one_of(np.matmul, operator.matmul), ORACLE["matmul"], p, q)


# ---- rows of a softmax ------------------------------------------------------------------------

@makes("softmax", "log_softmax")
def probabilities(b, row):
    t = b.pick("f", lambda t: t.ndim > 0) or b.repeated(b.pick("f"))
    return b.apply(getattr(anp, row), ORACLE[row], t, axis=int(b.rng.integers(-t.ndim, t.ndim)))


@makes("logsumexp")
def logsumexp(b):
    t = b.pick("f")
    return b.apply(anp.logsumexp, ORACLE["logsumexp"], t, axis=b.axes(t.ndim),
                   keepdims=b.chance(0.4))


def labels(b, shape, n):
    """A twin of integers of [0, n)."""
    t = places(b, shape, n)
    return t if np.min(t.value) >= 0 else b.plain("remainder", t, b.literal(n, t))


@makes("cross_entropy")
def cross_entropy(b):
    logits = b.pick("f", lambda t: t.ndim == 2)
    if logits is None:
        logits = b.apply(np.reshape, ORACLE["reshape"], b.pick("f"), shape=(1, -1))
    m, n = logits.shape
    return b.plain("cross_entropy", logits, labels(b, (m,), n))


@makes("one_hot")
def one_hot(b):
    n = b.one_of(2, 3, 4)
    dtype = b.one_of(np.float64, *[np.float32] * b.mixed)
    t = labels(b, None, n)
    found = b.apply(anp.one_hot, ORACLE["one_hot"], t, n_classes=n, dtype=dtype)
    found.exact = True
    return found
