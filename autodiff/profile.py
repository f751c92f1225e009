"""What the regions of a program cost on this machine: nanoseconds, measured while it runs."""

import numpy as np

RUNS = 3        # of which the fastest counts; the first one touches the memory


class Profile:
    """Run a program a few times and keep the fastest evaluation of each region.

    Parameters
    ----------
    executable : Executable
    arrays, constants : lists of arrays
        As it takes them.
    """

    def __init__(self, executable, arrays, constants):
        regions = executable.regions
        self._fastest = {}      # (operation, graph node) -> nanoseconds
        spent = np.full(len(regions.regions), np.iinfo(np.int64).max)
        for _ in range(RUNS):
            executable(arrays, constants, spent)
        for region, nanoseconds in enumerate(spent.tolist()):
            if nanoseconds < np.iinfo(np.int64).max:
                self._fastest[regions.describe(region)] = max(1, nanoseconds)

    def costs(self, regions, static):
        """Give the cost of each region (int64), rounded to about 3 %.

        What was not run, such as copies of arguments that lie otherwise in memory, costs its
        static cost at the rate of all others.
        """
        found = np.array(
            [self._fastest.get(regions.describe(region), 0) for region in range(len(static))],
            np.int64)
        known = found > 0
        rate = found[known].sum() / max(1, static[known].sum()) if known.any() else 1.0
        return rounded(np.where(known, found, np.maximum(1, (static * rate).astype(np.int64))))


def rounded(costs):
    """Round to 32, 33, ... 63 times a power of two (int64 array): steps of 1.6 to 3.1 %.

    >>> import numpy as np
    >>> from autodiff.profile import rounded
    >>> rounded(np.array([5, 63, 1000, 1015, 123456])).tolist()
    [5, 63, 1008, 1008, 122880]
    """
    shift = np.maximum(0, np.frexp(costs.astype(float))[1].astype(np.int64) - 6)
    return ((costs + ((1 << shift) >> 1)) >> shift) << shift
