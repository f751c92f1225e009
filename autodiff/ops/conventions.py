"""What is taken for a derivative where it is not unique or not finite: one table, all tested.

The rules: of several slopes the symmetric or the zero one; ties share; what a bound keeps inside
passes through; where a function is finite and its slope is not, zero, in every order; conditions
and steps carry zero. Where the function itself is infinite the derivative is what the formula
gives. A gradient that arrives at an integer made from real numbers is an error.
"""

from typing import NamedTuple


class Convention(NamedTuple):
    """One singular point.

    `expression` is NumPy code in x (and y); `at` the values of x (and y) and `derivative` those
    of the derivatives of the sum of the expression, None where asking for it raises
    UndefinedDerivativeError.
    """

    row: str
    expression: str
    at: tuple
    derivative: tuple | None
    reason: str


CONVENTIONS = (
    Convention("relu", "np.maximum(x, 0)", (0.0,), (0.0,), "relu'(0) = 0"),
    Convention("relu", "np.relu(x)", (-0.0,), (0.0,), "relu'(0) = 0"),
    Convention("abs", "np.abs(x)", (0.0,), (0.0,), "between -1 and 1"),
    Convention("sign", "np.sign(x)", (0.0,), (0.0,), "a step carries zero"),
    Convention("floor", "np.floor(x)", (2.0,), (0.0,), "a step carries zero"),
    Convention("floor_divide", "x // y", (4.0, 2.0), (0.0, 0.0), "a step carries zero"),
    Convention("remainder", "x % y", (4.0, 2.0), (1.0, -2.0), "as just above: -floor(x / y)"),
    Convention("maximum", "np.maximum(x, y)", (1.0, 1.0), (0.5, 0.5), "ties share equally"),
    Convention("minimum", "np.minimum(x, y)", (1.0, 1.0), (0.5, 0.5), "ties share equally"),
    Convention("maximum", "np.maximum(x, 1.0)", (1.0,), (0.5,), "a literal but 0 shares too"),
    Convention("clip", "np.clip(x, -1, 1)", (1.0,), (1.0,), "the interval is closed"),
    Convention("clip", "np.clip(x, None, 1)", (1.0,), (1.0,), "with one bound as well"),
    Convention("clip", "np.clip(x, y, 3)", (1.0, 1.0), (1.0, 0.0), "all of g goes to x"),
    Convention("sqrt", "np.sqrt(x)", (0.0,), (0.0,), "finite where the function is"),
    Convention("sqrt", "np.sqrt(x * x)", (0.0,), (0.0,), "so norms have a gradient at 0"),
    Convention("power", "x ** 0.3", (0.0,), (0.0,), "finite where the function is"),
    Convention("power", "x ** y", (0.0, 0.5), (0.0, 0.0), "0^y log 0 is taken as 0"),
    Convention("power", "x ** y", (0.0, 1.0), (1.0, 0.0), "x^0 is 1 at 0"),
    Convention("power", "x ** 0", (0.0,), (0.0,), "x^0 is 1 everywhere"),
    Convention("power", "0.0 ** x", (2.0,), (0.0,), "0^x is 0"),
    Convention("power", "x ** -1.5", (0.0,), (-float("inf"),), "where y is infinite: the formula"),
    Convention("divide", "1 / x", (0.0,), (-float("inf"),), "where y is infinite: the formula"),
    Convention("log", "np.log(x)", (0.0,), (float("inf"),), "where y is infinite: the formula"),
    Convention("greater", "(x > y) * 1.0", (1.0, 1.0), (0.0, 0.0), "conditions carry zero"),
    Convention("astype_boolean", "x.astype(bool) * 1.0", (0.0,), (0.0,), "a condition"),
    Convention("astype_integer", "x.astype(int) * 1.0", (1.5,), None, "nobody means zero here"),
)
