"""The normaliser of softmax by torch, with derivatives by autograd: the twin of manual/logsumexp.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .arrays import (
    Device,
    hessian_vector_product,
    jacobian_vector_product,
    shown,
    vector_jacobian_product,
    with_axes,
)


def _reduced(dim: int | Sequence[int], keepdim: bool) -> Callable[[Tensor], Tensor]:
    """torch.logsumexp over `dim`."""
    if not isinstance(keepdim, bool):
        raise TypeError(f"keepdim is {shown(keepdim)}; expected True or False")
    return lambda a: torch.logsumexp(a, dim, keepdim)  # type: ignore[arg-type]  # a sequence of axes, or one


def logsumexp(logits: Any, dim: int | Sequence[int] = -1, keepdim: bool = False, *, device: Device = None) -> Tensor:
    """Logarithm of the sum of e^logits along `dim`: torch.logsumexp; as `manual.logsumexp`.

    >>> logsumexp([0.0, 0.0]).round(decimals=4)
    tensor(0.6931, dtype=torch.float64)
    """
    return _reduced(dim, keepdim)(with_axes("logits", logits, dim, device))


def logsumexp_backward(
    grad_output: Any, logits: Any, dim: int | Sequence[int] = -1, keepdim: bool = False, *, device: Device = None
) -> Tensor:
    """Gradient of the logits, given that of y = logsumexp(logits), by autograd; as `manual.logsumexp_backward`.

    >>> logsumexp_backward(2.0, [0.0, 0.0])
    tensor([1., 1.], dtype=torch.float64)
    """
    x = with_axes("logits", logits, dim, device)
    return vector_jacobian_product(_reduced(dim, keepdim), grad_output, x)[0]


def logsumexp_jvp(
    tangent: Any, logits: Any, dim: int | Sequence[int] = -1, keepdim: bool = False, *, device: Device = None
) -> Tensor:
    """Derivative of y = logsumexp(logits) in the direction v, by forward mode; as `manual.logsumexp_jvp`.

    >>> logsumexp_jvp([1.0, 0.0], [0.0, 0.0])
    tensor(0.5000, dtype=torch.float64)
    """
    x = with_axes("logits", logits, dim, device)
    return jacobian_vector_product(_reduced(dim, keepdim), tangent, x)


def logsumexp_hvp(
    tangent: Any,
    grad_output: Any,
    logits: Any,
    dim: int | Sequence[int] = -1,
    keepdim: bool = False,
    *,
    device: Device = None,
) -> Tensor:
    """Derivative of the gradient of the logits in the direction v, by autograd twice; as `manual.logsumexp_hvp`.

    >>> logsumexp_hvp([1.0, 0.0], 2.0, [0.0, 0.0])
    tensor([ 0.5000, -0.5000], dtype=torch.float64)
    """
    x = with_axes("logits", logits, dim, device)
    return hessian_vector_product(_reduced(dim, keepdim), tangent, grad_output, x)
