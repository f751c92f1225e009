"""Optimisers: how gradients become updates. Their state is plain arrays, outside any program."""

from autodiff.optim.adam import Adam
from autodiff.optim.sgd import SGD

__all__ = ["SGD", "Adam"]
