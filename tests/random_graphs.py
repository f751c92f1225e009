"""Random programs, built side by side as a graph of the library and a graph of the textbook.

A recipe is a tuple of (row, seed): what each step makes, and the seed of its choices. `build`
follows it; the makers of the rows are in `makers`. The textbook computes while it is built,
so every choice knows the values: they stay bounded, and where a function has a kink or a jump
they keep clear of it, so that rounding cannot decide. Values that are computed without rounding
(`exact`) may tie.
"""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

import autodiff as ad
from autodiff import textbook
from autodiff.core.making import constant
from makers import MAKERS
from oracle import FUNCTIONS, ORACLE

NODES = 200         # of a program before its gradients
ELEMENTS = 64       # of a value
LARGEST = 2.0       # of a value; whole numbers: LARGEST_WHOLE
LARGEST_WHOLE = 20
CLEAR = 0.002       # distance from a kink that rounding cannot cross
# from -2.7 to 2.7, also evenly between neighbouring integers: multiples of the golden ratio
SHIFTS = 5.4 * (np.arange(401) * 0.6180339887498949 % 1) - 2.7

# Nodes that functions of the library do not also make on their way to something else: for another
# node, what depends on it may be more than the program shows.
TARGETS = {"variable", "sum", "mean", *(operation.name for operation in FUNCTIONS)}


@dataclass(eq=False)
class Twin:
    """One value in both graphs.

    `x` is the library's Variable, an array that it has not yet captured, or a literal; `u` is the
    textbook's variable. `exact`: no rounding happened. `whole`: an integer that came from real
    numbers, through which no gradient may pass: it serves as index, label or comparand.
    """

    x: object
    u: textbook.Variable
    exact: bool
    whole: bool = False
    reads: int = 0

    @property
    def value(self):
        return self.u.value

    @property
    def usable(self):
        """Whether any step may compute with it: whole and large values are for few."""
        return not self.whole and np.max(np.abs(self.value)) <= 50

    @property
    def shape(self):
        return self.u.value.shape

    @property
    def ndim(self):
        return self.u.value.ndim

    @property
    def size(self):
        return self.u.value.size

    @property
    def dtype(self):
        return self.u.value.dtype

    @property
    def kind(self):
        return self.u.value.dtype.kind


@dataclass
class Built:
    """A program under construction; its pool holds the twins that further steps may read.

    `smooth` programs are of float64 and never tie, so that their gradients can be differentiated
    numerically; `mixed` ones have float32 as well.
    """

    smooth: bool = False
    mixed: bool = True
    graph: ad.Graph = field(default_factory=ad.Graph)
    book: textbook.Graph = field(default_factory=textbook.Graph)
    pool: list = field(default_factory=list)
    leaves: list = field(default_factory=list)      # (Variable, textbook Variable)
    known: dict = field(default_factory=dict)       # node of the library -> its twin
    rng: np.random.Generator = None
    z: Twin = None

    # ---- choices ------------------------------------------------------------------------------

    def chance(self, probability):
        return self.rng.random() < probability

    def one_of(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def axes(self, ndim):
        """Any axis argument of a reduction: None, an int of either sign, or several."""
        if ndim == 0 or self.chance(0.3):
            return None
        if self.chance(0.7):
            return int(self.rng.integers(-ndim, ndim))
        return tuple(d for d in range(ndim) if self.chance(0.6)) or (0,)

    def pick(self, kinds, fits=lambda t: True):
        """A twin of these dtype kinds: a new leaf, an unread one, or any (fan-out).

        None where no twin fits and a leaf need not.
        """
        found = [t for t in self.pool if t.kind in kinds and fits(t) and t.usable]
        if self.chance(0.08) or not found:
            leaf = self.leaf(self.one_of(*kinds))
            if fits(leaf):
                return leaf
            if not found:
                return None
        unread = [t for t in found if not t.reads]
        return self.one_of(*(unread if unread and self.chance(0.6) else found))

    def partner(self, t, kinds, largest=ELEMENTS):
        """A twin that broadcasts with t to something not too large, rather of another shape."""
        def fits(other):
            try:
                return np.prod(np.broadcast_shapes(t.shape, other.shape)) <= largest
            except ValueError:
                return False

        if self.chance(0.6):
            found = self.pick(kinds, lambda other: other.shape != t.shape and fits(other))
            if found is not None:
                return found
        return self.pick(kinds, fits) or self.leaf(self.one_of(*kinds), ())

    # ---- making -------------------------------------------------------------------------------

    def leaf(self, kind, shape=None):
        """A new input, or now and then an array for the library to capture."""
        if shape is None:
            shape = tuple(int(n) for n in self.rng.integers(1, 5, int(self.rng.integers(0, 4))))
            shape = shape if np.prod(shape) <= ELEMENTS // 2 else shape[:2]
        if kind == "f":
            grid = not self.smooth and self.chance(0.4)
            array = self.rng.normal(0, 0.6, shape).clip(-1.5, 1.5)
            array = np.round(2 * array) / 2 if grid else array
            dtype = np.float32 if self.mixed and self.chance(0.4) else np.float64
        elif kind == "i":
            array = self.rng.integers(-3, 6, shape)
            dtype = self.one_of(np.int64, np.int32, *[np.int16] * self.mixed)
        else:
            array, dtype = self.rng.random(shape) < 0.6, np.bool_
        array = np.asarray(array, dtype)
        u = self.book.variable(f"x{len(self.pool)}", array)
        if self.chance(0.2):
            x = array
        else:
            x = ad.variable(u.name, shape, dtype, graph=self.graph)
            self.leaves.append((x, u))
        twin = Twin(x, u, exact=not (self.smooth and kind == "f"))
        self.pool.append(twin)
        return twin

    def literal(self, number, beside):
        """A Python number, which takes the dtype of its neighbour."""
        dtype = np.result_type(beside.dtype, number)
        return Twin(number, self.book.variable(repr(number), np.asarray(number, dtype)), True)

    def captured(self, array):
        """An array that the library captures."""
        return Twin(array, self.book.variable("captured", array), True)

    def variable(self, t):
        """The Variable of t, captured now if it is still an array."""
        if isinstance(t.x, np.ndarray):
            t.x = constant(self.graph, t.x)
        return t.x

    def apply(self, call, operation, *twins, exact=False, **attributes):
        """Apply an operation in both graphs; shape and dtype must agree.

        `exact` promises the same bits from the same bits. Attributes are given by name to the
        library's function and to the maker of the textbook's operation.
        """
        operands = [t.x for t in twins]
        if not any(isinstance(x, ad.Variable) for x in operands):
            k = next(k for k, x in enumerate(operands) if isinstance(x, np.ndarray))
            operands[k] = self.variable(twins[k])
        x = call(*operands, **attributes)
        return self.adopt(x, operation(**attributes) if attributes else operation, *twins,
                          exact=exact)

    def adopt(self, x, operation, *twins, exact=False):
        """The twin of a Variable that the library made of twins, as the textbook makes it."""
        u = self.book.apply(operation, *(t.u for t in twins))
        told = f"{operation.name} of {[(t.shape, str(t.dtype)) for t in twins]}"
        assert x.shape == u.value.shape, f"{told}: {x.shape}, not {u.value.shape}"
        assert x.dtype == u.value.dtype, f"{told}: {x.dtype}, not {u.value.dtype}"
        assert np.isfinite(u.value).all(), f"{told} is not finite: the maker must prevent it"
        for t in twins:
            t.reads += 1
        if x.index in self.known:           # merged: its twin has this value already
            return self.known[x.index]
        for t in twins:                     # the library gave an operand back
            if t.x is x:
                return t
        twin = Twin(x, u, x.dtype.kind in "biu" or exact and all(t.exact for t in twins),
                    whole=x.dtype.kind in "iu" and any(t.whole for t in twins))
        self.known[x.index] = twin
        self.pool.append(twin)
        return twin

    def plain(self, row, *twins, exact=False):
        """Apply a NumPy function without attributes, the library's where NumPy has none."""
        return self.apply(getattr(np, row, None) or getattr(ad.numpy, row), ORACLE[row], *twins,
                          exact=exact)

    def plus(self, t, number):
        return self.plain("add", t, self.literal(number, t), exact=True)

    def times(self, t, number):
        return self.plain("multiply", t, self.literal(number, t), exact=True)

    # ---- what functions need of their operands --------------------------------------------------

    def bounded(self, t):
        """t, scaled down, and cut where it has too many elements or axes."""
        if t.size > ELEMENTS:
            shape = (-1, ELEMENTS // 2) if t.size % (ELEMENTS // 2) == 0 else (-1,)
            t = self.apply(np.reshape, ORACLE["reshape"], t, shape=shape, exact=True)
            keep = (slice(1),) if t.ndim == 2 else (slice(ELEMENTS // 2),)
            t = self.adopt(t.x[keep], ORACLE["index"](*keep), t, exact=True)
        if t.ndim > 3:
            t = self.apply(np.reshape, ORACLE["reshape"], t, shape=(t.shape[0], -1), exact=True)
        return self.scaled(t)

    def scaled(self, t):
        """t, scaled down where it has become large."""
        largest = np.max(np.abs(t.value.astype(float)))
        if t.kind == "f" and largest > LARGEST:
            return self.times(t, float(2.0 ** -np.ceil(np.log2(largest / LARGEST))))
        if t.kind == "i" and largest > LARGEST_WHOLE:
            return self.plain("remainder", t, self.literal(7, t))
        return t

    def clear(self, t, distance, always=False):
        """t, shifted where an element is too near a kink: distance(values) is how far they are.

        Exact values may stay: both graphs have the same bits there.
        """
        if t.exact and not always or np.min(distance(t.value)) > 0.02:
            return t
        nearest = [np.min(distance(t.value + shift)) for shift in SHIFTS]
        assert max(nearest) > CLEAR, "no shift clears the kinks: the maker must take fewer elements"
        return self.plus(t, float(SHIFTS[int(np.argmax(nearest))]))

    def untied(self, t, axis):
        """t, spread where its two largest or smallest over axes are too near each other."""
        axes = tuple(range(t.ndim)) if axis is None else axis
        moved = np.moveaxis(t.value, axes, range(-np.size(axes), 0)) if t.ndim else t.value
        rows = np.sort(moved.reshape(*moved.shape[: t.ndim - np.size(axes)], -1).astype(float))
        if t.exact or rows.shape[-1] == 1:
            return t
        if min(np.min(rows[..., 1] - rows[..., 0]), np.min(rows[..., -1] - rows[..., -2])) > 0.01:
            return t
        ramp = self.rng.permutation(t.size).reshape(t.shape) / 2
        return self.plain("add", self.times(t, 2.0**-4), self.captured(ramp.astype(t.dtype)))

    def nonzero(self, t):
        """A divisor made of t."""
        if np.min(np.abs(t.value.astype(float))) >= 0.3:
            return t
        return self.plus(self.plain("square", t, exact=True), 0.5 if t.kind == "f" else 1)

    def repeated(self, t):
        """t with one more axis."""
        return self.apply(np.broadcast_to, ORACLE["broadcast_to"], t, shape=(3, *t.shape),
                          exact=True)

    def positive(self, t):
        """Numbers of at least 0.3 made of t."""
        if np.min(t.value) >= 0.3:
            return t
        row = self.one_of("square", "softplus" if t.kind == "f" else "abs")
        return self.plus(self.plain(row, t), 0.5)

    # ---- the end --------------------------------------------------------------------------------

    def finish(self):
        """Sum the means of all real values that nothing has read: z."""
        ends = [t for t in self.pool if t.kind == "f" and not t.reads]
        ends = ends or [self.pick("f")]
        for t in ends:
            mean = self.apply(np.mean, ORACLE["mean"], t, axis=None)
            self.z = mean if self.z is None else self.plain("add", self.z, mean)
        return self

    def targets(self):
        """Twins to differentiate by: real inputs, some values between, at times z itself."""
        made = [t for t in self.pool if isinstance(t.x, ad.Variable) and t.kind == "f"
                and t.x.op.name in TARGETS and t is not self.z]
        inputs = [t for t in made if t.x.op.name == "variable"][:6]
        between = [t for t in made if t.x.op.name != "variable"]
        chosen = inputs + [self.one_of(*between) for _ in range(3) if between]
        if not chosen or self.chance(0.2):
            chosen.append(self.z)
        return list(dict.fromkeys(chosen))


def build(steps, smooth=False, mixed=False):
    """Follow a recipe, a sequence of (row, seed), and sum what it leaves to a scalar z."""
    built = Built(smooth=smooth, mixed=mixed and not smooth)
    for row, seed in steps:
        if len(built.graph) >= NODES:
            break
        built.rng = np.random.default_rng(seed)
        built.bounded(MAKERS[row](built))
    return built.finish()


def recipes(longest):
    """Draw recipes of up to `longest` steps, long ones as often as short ones."""
    step = st.tuples(st.sampled_from(list(MAKERS)), st.integers(0, 2**20))
    return st.integers(1, longest).flatmap(
        lambda n: st.lists(step, min_size=n, max_size=n).map(tuple))
