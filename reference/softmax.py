"""Softmax by torch, with derivatives by autograd: the twin of manual/softmax.py."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import (
    Device,
    hessian_vector_product,
    jacobian_vector_product,
    vector_jacobian_product,
    with_axis,
)


def softmax(logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Probabilities proportional to e^logits along `dim`: torch.nn.functional.softmax.

    Equation, Args, Returns, Raises: as `manual.softmax`; tensors or arrays, bfloat16 too. `device` is where the
    inputs are moved to first; None leaves them where they are.

    >>> softmax([1.0, 2.0, 3.0]).round(decimals=2)
    tensor([0.0900, 0.2400, 0.6700], dtype=torch.float64)
    """
    return F.softmax(with_axis("logits", logits, dim, device, any_shape=True), dim)


def softmax_backward(grad_output: Any, logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Gradient of the logits, given that of p = softmax(logits), by autograd; as `manual.softmax_backward`.

    >>> softmax_backward([1.0, 0.0], [0.0, 0.0])
    tensor([ 0.2500, -0.2500], dtype=torch.float64)
    """
    x = with_axis("logits", logits, dim, device, any_shape=True)
    return vector_jacobian_product(lambda a: F.softmax(a, dim), grad_output, x)[0]


def softmax_jvp(tangent: Any, logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Derivative of p = softmax(logits) in the direction v, by forward mode; as `manual.softmax_jvp`.

    >>> softmax_jvp([1.0, 0.0], [0.0, 0.0])
    tensor([ 0.2500, -0.2500], dtype=torch.float64)
    """
    x = with_axis("logits", logits, dim, device, any_shape=True)
    return jacobian_vector_product(lambda a: F.softmax(a, dim), tangent, x)


def softmax_hvp(tangent: Any, grad_output: Any, logits: Any, dim: int = -1, *, device: Device = None) -> Tensor:
    """Derivative of the gradient of the logits in the direction v, by autograd twice; as `manual.softmax_hvp`.

    >>> softmax_hvp([1.0, 0.0], [1.0, 0.0], [0.0, 0.0])
    tensor([0., 0.], dtype=torch.float64)
    """
    x = with_axis("logits", logits, dim, device, any_shape=True)
    return hessian_vector_product(lambda a: F.softmax(a, dim), tangent, grad_output, x)


def softmax_jacobian(logits: Any, *, device: Device = None) -> Tensor:
    """All partial derivatives ∂p_i/∂a_j along the last axis, by torch.func.jacrev; as `manual.softmax_jacobian`.

    >>> softmax_jacobian([0.0, 0.0])
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]], dtype=torch.float64)
    """
    x = with_axis("logits", logits, -1, device)  # (…, C)
    classes = x.shape[-1]
    jacobian = torch.func.vmap(torch.func.jacrev(lambda a: F.softmax(a, -1)))
    rows: Tensor = jacobian(x.reshape(-1, classes))  # (R, C, C)
    return rows.reshape(*x.shape, classes)
