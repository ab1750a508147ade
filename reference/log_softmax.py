"""The logarithm of softmax by torch, with derivatives by autograd: the twin of manual/log_softmax.py."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .arrays import (
    Device,
    hessian_vector_product,
    jacobian_vector_product,
    vector_jacobian_product,
    with_axis,
)


def log_softmax(logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Logarithms of the softmax probabilities: torch.nn.functional.log_softmax; as `manual.log_softmax`.

    >>> log_softmax([0.0, 0.0]).round(decimals=4)
    tensor([-0.6931, -0.6931], dtype=torch.float64)
    """
    return F.log_softmax(with_axis("logits", logits, dim, device, any_shape=True), dim)


def log_softmax_backward(grad_output: Any, logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Gradient of the logits, given that of l = log_softmax(logits), by autograd; as `manual.log_softmax_backward`.

    >>> log_softmax_backward([1.0, 0.0], [0.0, 0.0])
    tensor([ 0.5000, -0.5000], dtype=torch.float64)
    """
    x = with_axis("logits", logits, dim, device, any_shape=True)
    return vector_jacobian_product(lambda a: F.log_softmax(a, dim), grad_output, x)[0]


def log_softmax_jvp(tangent: Any, logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Derivative of l = log_softmax(logits) in the direction v, by forward mode; as `manual.log_softmax_jvp`.

    >>> log_softmax_jvp([1.0, 0.0], [0.0, 0.0])
    tensor([ 0.5000, -0.5000], dtype=torch.float64)
    """
    x = with_axis("logits", logits, dim, device, any_shape=True)
    return jacobian_vector_product(lambda a: F.log_softmax(a, dim), tangent, x)


def log_softmax_hvp(tangent: Any, grad_output: Any, logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Derivative of the gradient of the logits in the direction v, by autograd twice; as `manual.log_softmax_hvp`.

    >>> log_softmax_hvp([1.0, 0.0], [1.0, 1.0], [0.0, 0.0])
    tensor([-0.5000,  0.5000], dtype=torch.float64)
    """
    x = with_axis("logits", logits, dim, device, any_shape=True)
    return hessian_vector_product(lambda a: F.log_softmax(a, dim), tangent, grad_output, x)
