"""Reverse-mode differentiation of NumPy programs under a memory policy."""

from autodiff.core.gradients import gradients
from autodiff.core.graph import Graph, Variable, variable
from autodiff.programs import Program
from autodiff.ops import products  # noqa: F401  (registers the table)

__version__ = "0.1.0"
