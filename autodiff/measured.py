"""What the parts of a program cost on this machine: nanoseconds, measured while it runs."""

import time

import numpy as np

RUNS = 3        # of which the fastest counts; the first one touches the memory


def clocked_runs(executable, arrays, constants, runs):
    """Run a program several times, with a clock around each instruction.

    Parameters
    ----------
    executable : Executable
    arrays, constants : lists of arrays
        As it takes them.
    runs : int

    Returns
    -------
    spent : int64 array, (runs, instructions), nanoseconds
    whole : int64 array, (runs,), nanoseconds
        Of each run from call to return: never less than what its instructions spent.
    """
    spent = np.zeros((runs, len(executable.instruction_steps)), np.int64)
    whole = np.zeros(runs, np.int64)
    for k in range(runs):
        begun = time.perf_counter_ns()
        executable(arrays, constants, spent[k])
        whole[k] = time.perf_counter_ns() - begun
    return spent, whole


def instruction_of(executable, regions, computes):
    """Find the instruction that carries out each computation, and the part of it that it is.

    Operations on single numbers are joined into scripts, one instruction each; what a script
    takes is shared among its computations by how many operations each of them consists of.

    Parameters
    ----------
    executable : Executable
    regions : int array
        The region of each computation of its plan, in order.
    computes : int array
        The number of its step.

    Returns
    -------
    instruction : int64 array
    part : float64 array
        Those of one instruction add up to 1.
    """
    instruction = np.searchsorted(executable.instruction_steps, computes, side="right") - 1
    part, count = np.ones(len(computes)), np.bincount(instruction)
    for k in np.flatnonzero(count[instruction] > 1).tolist():
        part[k] = len(executable.regions.operations(int(regions[k])))
    return instruction, part / np.bincount(instruction, part)[instruction]


class MeasuredCosts:
    """Run a program a few times and keep the fastest evaluation of each region.

    Parameters
    ----------
    executable : Executable
    steps : autodiff.core.steps.Steps
        Of its plan.
    arrays, constants : lists of arrays
        As it takes them.
    """

    def __init__(self, executable, steps, arrays, constants):
        spent, _ = clocked_runs(executable, arrays, constants, RUNS)
        computes = np.flatnonzero(steps.actions == 0)
        nodes = steps.nodes[computes]
        instruction, part = instruction_of(executable, nodes, computes)
        fastest = np.full(len(executable.regions), np.inf)
        np.minimum.at(fastest, nodes, spent.min(axis=0)[instruction] * part)
        # (operation, graph node) -> nanoseconds
        self._fastest = {
            executable.regions.describe(region): max(1, round(fastest[region]))
            for region in np.flatnonzero(np.isfinite(fastest)).tolist()}

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
    >>> from autodiff.measured import rounded
    >>> rounded(np.array([5, 63, 1000, 1015, 123456])).tolist()
    [5, 63, 1008, 1008, 122880]
    """
    shift = np.maximum(0, np.frexp(costs.astype(float))[1].astype(np.int64) - 6)
    return ((costs + ((1 << shift) >> 1)) >> shift) << shift
