"""Every error and warning: one base class, each also the built-in a NumPy user expects."""

import reprlib


def brief(value):
    """Show a value in a message, shortened where it is long."""
    if isinstance(value, int) and abs(value) >> 64:
        return f"an int of {value.bit_length()} bits"
    try:
        return reprlib.repr(value)
    except ValueError:                             # an int too long to be written, inside
        return f"a {type(value).__name__}"


class AutodiffError(Exception):
    """Base class of all errors raised by autodiff."""


class GraphError(AutodiffError, ValueError):
    """A graph is used wrongly: a Variable of another graph, or something that is not a Variable."""


class ShapeError(AutodiffError, ValueError):
    """Shapes, axes or sizes do not fit the operation."""


class DTypeError(AutodiffError, TypeError):
    """A dtype or type cannot be used here (object, string, integers to differentiate)."""


class NumberError(AutodiffError, OverflowError):
    """A Python integer does not fit the dtype that it meets."""


class ArgumentError(AutodiffError, ValueError):
    """An argument has the wrong value, shape, dtype or number."""


class IndexRangeError(AutodiffError, IndexError):
    """An index or a label lies outside the axis it addresses."""


class IndexingError(AutodiffError, IndexError):
    """An index is of a kind, number or shape that NumPy cannot index with."""


class UndefinedDerivativeError(AutodiffError, TypeError):
    """A gradient arrived at a result that has no derivative (argmax, a conversion to integers)."""


class UnsupportedError(AutodiffError, TypeError):
    """A NumPy function, method or option that autodiff has no rule for."""


class ConcretizationError(AutodiffError, TypeError):
    """A value was looked at where only the graph exists."""


class PolicyError(AutodiffError, ValueError):
    """A memory policy is unknown or has impossible parameters."""


class PlanError(AutodiffError, ValueError):
    """A planning problem or a schedule is malformed; the message names the node or step."""


class BudgetError(AutodiffError, MemoryError):
    """A byte budget cannot be met: the message begins "impossible:" or "not found:".

    Attributes
    ----------
    budget : int or None
        The bytes asked for.
    bound : int or None
        The bytes below which no plan exists (proven).
    known : int or None
        The smallest budget for which a plan is known; None where none was looked for.
    node : int or None
        The node that forces the bound, or at which the search got stuck.
    line : str or None
        The source line of that node.
    """

    def __init__(self, message, *, budget=None, bound=None, known=None, node=None, line=None):
        super().__init__(message)
        self.budget, self.bound, self.known = budget, bound, known
        self.node, self.line = node, line


class ArenaError(AutodiffError, MemoryError):
    """The memory a program needs could not be had; the message names the bytes."""


class MissingExtraError(AutodiffError, ImportError):
    """Something needs a package that is not installed; the message names the extra."""


class GradientWarning(UserWarning):
    """A traced value left the graph, so its gradient is lost."""
