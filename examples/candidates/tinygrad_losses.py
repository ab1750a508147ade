"""tinygrad's softmax, log-softmax, logsumexp and cross-entropy, with its gradients."""

from __future__ import annotations

import os

os.environ.setdefault("DEV", "PYTHON")  # which needs no compiler

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tinygrad import Tensor

Array = NDArray[Any]


def softmax(input: Array, dim: int = -1) -> Array:
    """Tensor.softmax."""
    return Tensor(input).softmax(dim).numpy()


def softmax_backward(grad_output: Array, input: Array, dim: int = -1) -> Array:
    """Of the same."""
    x = Tensor(input)
    return x.softmax(dim).gradient(x, gradient=Tensor(grad_output))[0].numpy()


def log_softmax(input: Array, dim: int = -1) -> Array:
    """Tensor.log_softmax."""
    return Tensor(input).log_softmax(dim).numpy()


def log_softmax_backward(grad_output: Array, input: Array, dim: int = -1) -> Array:
    """Of the same."""
    x = Tensor(input)
    return x.log_softmax(dim).gradient(x, gradient=Tensor(grad_output))[0].numpy()


def logsumexp(input: Array, dim: int = -1) -> Array:
    """Tensor.logsumexp."""
    return Tensor(input).logsumexp(dim).numpy()


def cross_entropy(input: Array, target: Array, reduction: str = "mean", label_smoothing: float = 0.0) -> Array:
    """Tensor.cross_entropy."""
    return np.asarray(Tensor(input).cross_entropy(Tensor(target), reduction, label_smoothing).numpy())
