"""Reverse-mode differentiation of NumPy programs under a memory policy."""

from autodiff import listing, nn, numpy, optim, random  # noqa: F401  (print(graph) is of listing)
from autodiff.caches import CacheInfo, cache_info, clear_cache
from autodiff.compiled import compile, plan, profile
from autodiff.core.arena import release_memory, set_arena_limit
from autodiff.core.gradients import gradients
from autodiff.core.graph import Graph
from autodiff.core.kernels import library_bytes
from autodiff.core.making import variable
from autodiff.core.threads import num_threads, set_num_threads
from autodiff.core.variable import Variable
from autodiff.errors import (
    ArenaError,
    ArgumentError,
    AutodiffError,
    BudgetError,
    ConcretizationError,
    DTypeError,
    GradientWarning,
    GraphError,
    IndexingError,
    IndexRangeError,
    MissingExtraError,
    NumberError,
    PlanError,
    PolicyError,
    ShapeError,
    UndefinedDerivativeError,
    UnsupportedError,
)
from autodiff.frontiers import Frontier, frontier
from autodiff.jacobians import hessian, hvp, jacobian
from autodiff.marks import checkpoint, save
from autodiff.ops.user import operation
from autodiff.planning import Budget, Checkpoint, Recompute, Save, Store, use_policy
from autodiff.plans import Plan
from autodiff.programs import Program
from autodiff.testing import check_grads
from autodiff.transforms import grad, jvp, value_and_grad, vjp

__version__ = "0.1.0"

__all__ = [
    "ArenaError",
    "ArgumentError",
    "AutodiffError",
    "Budget",
    "BudgetError",
    "CacheInfo",
    "Checkpoint",
    "ConcretizationError",
    "DTypeError",
    "Frontier",
    "GradientWarning",
    "Graph",
    "GraphError",
    "IndexRangeError",
    "IndexingError",
    "MissingExtraError",
    "NumberError",
    "Plan",
    "PlanError",
    "PolicyError",
    "Program",
    "Recompute",
    "Save",
    "ShapeError",
    "Store",
    "UndefinedDerivativeError",
    "UnsupportedError",
    "Variable",
    "cache_info",
    "check_grads",
    "checkpoint",
    "clear_cache",
    "compile",
    "frontier",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "numpy",
    "library_bytes",
    "nn",
    "num_threads",
    "operation",
    "optim",
    "plan",
    "profile",
    "random",
    "release_memory",
    "save",
    "set_arena_limit",
    "set_num_threads",
    "use_policy",
    "value_and_grad",
    "variable",
    "vjp",
]
