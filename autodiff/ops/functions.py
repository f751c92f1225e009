"""Functions of one real number."""

import numpy as np

from autodiff.ops.table import Elementwise, only_floats

exp = Elementwise("exp", np.exp, lambda g, y, x: g * y, doc="y = e^x", cost=8)
expm1 = Elementwise("expm1", np.expm1, lambda g, y, x: g * (y + 1), doc="y = e^x - 1", cost=8)
log = Elementwise("log", np.log, lambda g, y, x: g / x, doc="y = log x", cost=8)
log1p = Elementwise("log1p", np.log1p, lambda g, y, x: g / (x + 1), doc="y = log(1 + x)", cost=8)

sin = Elementwise("sin", np.sin, lambda g, y, x: g * cos(x), doc="y = sin x", cost=8)
cos = Elementwise("cos", np.cos, lambda g, y, x: -(g * sin(x)), doc="y = cos x", cost=8)
arctan = Elementwise(
    "arctan", np.arctan, lambda g, y, x: g / (x * x + 1), doc="y = arctan x", cost=8)
tanh = Elementwise("tanh", np.tanh, lambda g, y, x: g * (1 - y * y), doc="y = tanh x", cost=8)

sigmoid = Elementwise(
    "sigmoid", None, lambda g, y, x: g * (y * (1 - y)),
    loop="sigmoid", resolve=only_floats, doc="y = 1/(1 + e^-x), never overflows",
    cost=8)
softplus = Elementwise(
    "softplus", None, lambda g, y, x: g * sigmoid(x),
    loop="softplus", resolve=only_floats, doc="y = log(1 + e^x) = max(x, 0) + log1p(e^-|x|)",
    cost=16)
