"""Rows of random numbers: functions of a key and a counter, so that computing again gives the same.

Both are inputs and integers, and carry no gradient. The key is uint32 (2,), the counter uint64 ().
"""

import numpy as np

from autodiff.ops.table import Structural

SPLIT, FOLD = 1, 2  # what a block is for, as in random.h, where 0 is a draw


class Random(Structural):
    """A row of random numbers; its cost counts elements, each worth so many elementwise ones."""

    def __init__(self, name, kernel, weight, *, doc, params=None):
        super().__init__(
            name, (None,), kernel=kernel, layouts="dense", effect="counter", params=params,
            cost=lambda y: 50 + weight * y.size, doc=doc)

    def kernel_for(self, y):
        """The name of the kernel for the dtype of the result."""
        return self.kernel.format("d" if y.dtype == np.float64 else "f")


DRAWS = {
    "bits": Random(
        "random_bits", "random_bits", 4, doc="y = 32 random bits an element: Philox4x32-10"),
    "uniform": Random(
        "random_uniform", "random_uniform:{}", 4,
        doc="y uniform in [0, 1): 24 bits (float32) or 53 (float64)"),
    "normal": Random(
        "random_normal", "random_normal:{}", 40,
        doc="y standard normal, by the formula of Box and Muller"),
}
keys = Random(
    "random_keys", "random_keys", 10, params=lambda y: y.attrs,
    doc="y = keys derived from a key, one for each number from x2 on")
