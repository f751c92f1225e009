"""The computations of a plan in a row, with what is held during each, for pictures and pages."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Timeline(NamedTuple):
    """Arrays with one entry for each computation, or for each group of them after `grouped`.

    `begin` and `end` count computations: a group stands for those from begin to end − 1, and the
    rest of its entry is that of the one among them during which most is held.
    """

    step: NDArray[np.int64]         # number of the step in the plan
    region: NDArray[np.int64]
    held: NDArray[np.int64]         # bytes, captured arrays included
    times: NDArray[np.int64]        # 1 for a first evaluation, 2 for the second …
    begin: NDArray[np.int64]
    end: NDArray[np.int64]

    @property
    def again(self):
        return self.times > 1

    @property
    def peak(self):
        """The entry during which most is held, the first of several."""
        return int(self.held.argmax())

    def grouped(self, most):
        """Join neighbours so that at most `most` entries are left."""
        size = -(-len(self.step) // most)
        if size <= 1:
            return self
        begin = np.arange(0, len(self.step), size)
        end = np.minimum(begin + size, len(self.step))
        chosen = np.array([a + self.held[a:b].argmax() for a, b in zip(begin, end)])
        return Timeline(*(column[chosen] for column in self[:4]), begin, end)


def timeline(plan):
    """Take the computations of a plan: a `Timeline`.

    Parameters
    ----------
    plan : Plan
    """
    step = np.flatnonzero(plan.steps.actions == 0)
    region = plan.steps.nodes[step].astype(np.int64)
    live = plan.schedule.simulation.live_bytes if len(step) else np.zeros(0, np.int64)
    held = live[step] + plan.captured_bytes
    # The rank of a step among those of its region: its place in a stable sort, less that of the
    # region's first.
    order = np.argsort(region, kind="stable")
    ordered = region[order]
    times = np.empty(len(step), np.int64)
    times[order] = np.arange(len(step)) - np.searchsorted(ordered, ordered) + 1
    count = np.arange(len(step))
    return Timeline(step, region, held, times, count, count + 1)


def rows_by_line(plan, shown, most):
    """Give each source line a row, in the order in which they are first met.

    Parameters
    ----------
    plan : Plan
    shown : Timeline
    most : int
        Rows at most: of more lines, those that hold the fewest bytes share the last row.

    Returns
    -------
    labels : list of str
    row : int64 array
        Of each entry.
    """
    line_of = {r: plan.variable(r).line for r in np.unique(shown.region).tolist()}
    lines = [line_of[r] for r in shown.region.tolist()]
    labels = list(dict.fromkeys(lines))
    if len(labels) > most:
        nbytes = dict.fromkeys(labels, 0)
        for line, r in zip(lines, shown.region.tolist()):
            nbytes[line] += int(plan.problem.nbytes[r])
        kept = set(sorted(labels, key=lambda line: -nbytes[line])[: most - 1])
        labels = [line for line in labels if line in kept]
        labels.append(f"{len(nbytes) - len(labels):,} other lines")
    number = {line: k for k, line in enumerate(labels)}
    return labels, np.array([number.get(line, len(labels) - 1) for line in lines], np.int64)
