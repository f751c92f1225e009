"""Samples of the elementwise rows."""

import numpy as np

from autodiff.ops import elementwise as ew
from samples import Sample, values

SAMPLES = {
    "add": [Sample(lambda a, b: a + b, np.add, (values(3, 4), values(4, seed=1)), (0, 1))],
    "exp": [Sample(ew.exp, np.exp, (values(3, 4),), ulp=4)],
}
ERRORS = {}
