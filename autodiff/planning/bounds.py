"""Bounds below which nothing can be planned: bytes that every plan holds at some moment."""

from autodiff.planning import flat
from autodiff.planning.problem import require_problem


def memory_bound(problem):
    """Bound the peak of every plan from below: max of node bound and bytes held at the end.

    Each needed node is computed at least once, with inputs, output and workspace held (less what
    it may take over in place); at the end all targets (and what is kept) are held.

    Returns
    -------
    bound : int, bytes
    node : int or None
        The node whose computation forces it, None where the end does.

    Examples
    --------
    >>> from autodiff.planning import Problem, memory_bound
    >>> memory_bound(Problem([8, 8, 4], [1, 1, 1], [[], [0], [1]], [2]))
    (16, 1)
    """
    require_problem(problem)
    if len(problem) == 0:
        return 0, None
    # What is kept is held to the end as well: every needed node is computed by then.
    ends = int(problem.nbytes[problem.pinned > 0].sum())
    bytes_of = flat.node_bytes(
        problem.nbytes,
        problem.workspace,
        problem.input_start,
        problem.input_index,
        problem.inplace_start,
        problem.inplace_index,
        problem.owner,
        problem.pinned,
    )
    bytes_of[problem.needed == 0] = -1
    node = int(bytes_of.argmax())
    return (int(bytes_of[node]), node) if bytes_of[node] >= ends else (ends, None)
