"""Policies: what a user asks of a plan. They decide nothing about arrays and hold no state."""

import numbers
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from autodiff.errors import PolicyError, brief
from autodiff.planning.binomial import check_slots
from autodiff.planning.budget import parse_bytes
from autodiff.planning.limits import check_seed, check_time_limit
from autodiff.planning.solve import check_every, solve, unknown


@dataclass(frozen=True)
class Store:
    """Ask for the fewest operations: everything is computed once and kept while needed (eq. 6.52).

    Examples
    --------
    >>> from autodiff.planning import Problem, Store
    >>> Store().schedule(Problem([8], [1], [[]], [0])).cost
    1
    """

    def schedule(self, problem):
        """Plan the problem: a `Schedule`."""
        return solve(problem, method="store")


@dataclass(frozen=True)
class Recompute:
    """Ask for the fewest stored values: what the last sweep reads is recomputed (eq. 6.53).

    The time of a chain of n grows as n², its forward values take O(1) bytes.

    Examples
    --------
    >>> from autodiff.planning import Problem, Recompute
    >>> inputs = [[], [0], [1], [2, 1], [3, 0]]
    >>> chain = Problem([8] * 5, [1] * 5, inputs, [4], level=[0, 0, 0, 1, 1])
    >>> Recompute().schedule(chain).cost
    6
    """

    def schedule(self, problem):
        """Plan the problem: a `Schedule`."""
        return solve(problem, method="recompute")


@dataclass(frozen=True)
class Checkpoint:
    """Ask for something between: keep every k-th state, recompute the segments between.

    Parameters
    ----------
    every : int, optional
        k, from 1; √ of the number of states when not given (at most one extra forward run).
    slots : int, optional
        Instead, how many states are held at a time, from 1, the caller's arrays counting as one:
        placed where least is computed again, on equal steps by the binomial rule (Griewank &
        Walther 2000). A slot holds a tape as well where that is as small as a state.

    Raises
    ------
    PolicyError
        When `every` or `slots` is not an int of at least 1, or both are given.
    PlanError
        From planning with `slots`, when the program is not chain-like.

    Examples
    --------
    >>> from autodiff.planning import Checkpoint
    >>> Checkpoint(every=4), Checkpoint(slots=3)
    (Checkpoint(every=4), Checkpoint(slots=3))
    """

    every: int | None = None
    slots: int | None = None

    def __post_init__(self):
        if self.every is not None:
            object.__setattr__(self, "every", check_every(self.every))
        if self.slots is not None:
            object.__setattr__(self, "slots", check_slots(self.slots))
            if self.every is not None:
                raise PolicyError("Checkpoint takes every= or slots=, not both")

    def __repr__(self):
        given = [(name, getattr(self, name)) for name in ("every", "slots")]
        return f"Checkpoint({', '.join(f'{name}={k}' for name, k in given if k is not None)})"

    def schedule(self, problem):
        """Plan the problem: a `Schedule`."""
        return solve(problem, method="checkpoint", every=self.every, slots=self.slots)


@dataclass(frozen=True)
class Save:
    """Ask to keep what `ad.save` marked with these names, and to compute the rest again.

    A saved value is held from its computation to its last use; every other value that a sweep
    reads is computed once more for it.

    Parameters
    ----------
    names : str or iterable of str

    Raises
    ------
    PolicyError
        When `names` are no strings; from planning, when nothing is marked with one of them.

    Examples
    --------
    >>> from autodiff.planning import Save
    >>> Save(["h1", "h2"])
    Save(names=('h1', 'h2'))
    """

    names: tuple[str, ...]

    def __post_init__(self):
        given = [self.names] if isinstance(self.names, str) else self.names
        try:
            names = tuple(dict.fromkeys(given))
        except TypeError:
            names = (None,)
        if not all(isinstance(name, str) for name in names):
            raise PolicyError(f"Save takes the names of marked values, not {self.names!r}")
        object.__setattr__(self, "names", names)

    def schedule(self, problem):
        """Plan the problem: a `Schedule`."""
        return solve(problem, method="save")


@dataclass(frozen=True)
class Budget:
    """Ask for the cheapest plan that holds at most so many bytes at any moment.

    Parameters
    ----------
    nbytes : int, float or str, bytes
        As 64_000_000, "64MB" (10^6) or "64MiB" (2^20).
    time_limit : float, seconds
        Spent at most on looking for a better plan; 0 takes the first one found. It stands for a
        number of moves, so that plans do not depend on the clock: that only stops a search which
        is late, and the plan's schedule then says so in its `method`.
    seed : int
        Of what is random in a search. The same problem, budget, limit and seed give the same plan.

    Raises
    ------
    PolicyError
        When the budget is zero, negative, not finite, or a string without a known unit.

    Examples
    --------
    >>> from autodiff.planning import Budget
    >>> Budget("64MB")
    Budget(64000000)
    """

    nbytes: int
    time_limit: float = 10.0
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "nbytes", parse_bytes(self.nbytes))
        object.__setattr__(self, "time_limit", check_time_limit(self.time_limit))
        object.__setattr__(self, "seed", check_seed(self.seed))

    def __repr__(self):
        more = "".join(
            f", {name}={getattr(self, name)!r}"
            for name, default in (("time_limit", 10.0), ("seed", 0))
            if getattr(self, name) != default
        )
        return f"Budget({self.nbytes}{more})"

    def schedule(self, problem):
        """Plan the problem: a `Schedule`, or BudgetError."""
        return solve(problem, self.nbytes, time_limit=self.time_limit, seed=self.seed)


_BY_NAME = {"store": Store, "recompute": Recompute, "checkpoint": Checkpoint}
_CLASSES = (*_BY_NAME.values(), Budget, Save)
_DEFAULT = Store()
current_policy = ContextVar("autodiff_policy", default=_DEFAULT)


def as_policy(policy=None):
    """Make a policy of what a user writes.

    Parameters
    ----------
    policy : a policy, "store", "recompute", "checkpoint", bytes or None
        Bytes as "64MB", "64MiB" or a number are a `Budget`; None means the policy of the enclosing
        `use_policy`, else `Store()`.

    Raises
    ------
    PolicyError
        When it is none of these.

    Examples
    --------
    >>> from autodiff.planning import as_policy
    >>> as_policy("checkpoint"), as_policy(None)
    (Checkpoint(), Store())
    """
    if policy is None:
        return current_policy.get()
    if isinstance(policy, _CLASSES):
        return policy
    if isinstance(policy, str):
        if policy in _BY_NAME:
            return _BY_NAME[policy]()
        if policy.lstrip(" +-.")[:1].isdigit():
            return Budget(policy)
        raise PolicyError(
            unknown("policy", policy, list(_BY_NAME)) + " A budget is written as '64MB'.")
    if isinstance(policy, numbers.Real) and not isinstance(policy, bool):
        return Budget(policy)
    if isinstance(policy, type) and policy in _CLASSES:
        wants = {Budget: "'64MB'", Save: "names"}.get(policy, "")
        raise PolicyError(f"{policy.__name__} is a class; write {policy.__name__}({wants})")
    raise PolicyError(
        "a policy is Store(), Recompute(), Checkpoint(every=k), Save(names), Budget(bytes), one of "
        f"{', '.join(map(repr, _BY_NAME))}, or bytes as '64MB', '64MiB' or a number, "
        f"not {brief(policy)}"
    )


@contextmanager
def use_policy(policy):
    """Set the policy that `policy=None` means within a `with` block, in this thread or task.

    Examples
    --------
    >>> from autodiff.planning import as_policy, use_policy
    >>> with use_policy("recompute"):
    ...     print(as_policy(None))
    Recompute()
    """
    policy = as_policy(policy)
    token = current_policy.set(policy)
    try:
        yield policy
    finally:
        current_policy.reset(token)
