"""MLX's softmax, logsumexp and cross-entropy on its CPU build, with the gradients that it derives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _array(values: Array) -> Any:
    return mx.array(np.array(values, order="C"))  # strides may not be negative


def _backward(function: Callable[[Any], Any], input: Array, g: Array) -> Array:
    return np.array(mx.vjp(function, [_array(input)], [_array(g)])[1][0])


def softmax(input: Array, dim: int = -1) -> Array:
    """mx.softmax."""
    return np.array(mx.softmax(_array(input), axis=dim))


def softmax_backward(grad_output: Array, input: Array, dim: int = -1) -> Array:
    """Of the same."""
    return _backward(lambda x: mx.softmax(x, axis=dim), input, grad_output)


def logsumexp(input: Array, dim: int = -1) -> Array:
    """mx.logsumexp."""
    return np.array(mx.logsumexp(_array(input), axis=dim))


def logsumexp_backward(grad_output: Array, input: Array, dim: int = -1) -> Array:
    """Of the same."""
    return _backward(lambda x: mx.logsumexp(x, axis=dim), input, grad_output)


def cross_entropy(input: Array, target: Array, reduction: str = "mean", label_smoothing: float = 0.0) -> Array:
    """mlx.nn.losses.cross_entropy."""
    options = {"label_smoothing": label_smoothing, "reduction": reduction}
    return np.array(nn.losses.cross_entropy(_array(input), _array(target), **options))
