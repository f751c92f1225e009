"""Helpers for multilayer perceptrons: initialisers, layers, dropout, losses, decay, training.

Parameters are plain dicts of arrays, functions are plain functions of them.
"""

from autodiff.nn.dropout import dropout
from autodiff.nn.initialisers import glorot_uniform, he_normal
from autodiff.nn.losses import cross_entropy, mse, weight_decay
from autodiff.nn.mlp import init_mlp, mlp
from autodiff.nn.training import fit, minibatches
from autodiff.ops.functions import sigmoid, softplus
from autodiff.ops.selection import relu
from autodiff.ops.softmax import log_softmax, softmax

__all__ = [
    "cross_entropy",
    "dropout",
    "fit",
    "glorot_uniform",
    "he_normal",
    "init_mlp",
    "log_softmax",
    "minibatches",
    "mlp",
    "mse",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "weight_decay",
]
