"""Save: keep what is marked from its computation to its last use, compute the rest again.

What is marked is computed once (`Problem.once`); every other value that a higher level reads is
computed once more for it, so that no node is computed more than once for each level.
"""

import numpy as np

from autodiff.planning import store
from autodiff.planning.repeats import Repeats


def order(problem):
    """Order the computes: as given, what is not marked again before the sweep that reads it."""
    repeats = Repeats(problem, np.ones(len(problem), np.uint8))
    return repeats.order(store.order(repeats.problem))
