"""The linear layer by torch.nn.functional.linear, with gradients by autograd: the twin of manual/linear.py."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .arrays import Device, floats, shaped, vector_jacobian_product


def _checked(input: Any, weight: Any, bias: Any, device: Device) -> tuple[Tensor, ...]:
    x = floats("input", input, device)
    w = floats("weight", weight, device, x, "input")
    if x.ndim == 0 or w.ndim != 2:
        raise ValueError(f"input has shape {tuple(x.shape)} and weight {tuple(w.shape)}; expected (…, D) and (C, D)")
    if x.shape[-1] != w.shape[1]:
        shapes = f"input has shape {tuple(x.shape)} and weight {tuple(w.shape)}"
        raise ValueError(f"{shapes}; their last dimensions should be equal")
    if bias is None:
        return x, w
    b = floats("bias", bias, device, x, "input")
    return x, w, shaped("bias", b, (w.shape[0],), "one for each row of the weight")


def linear(input: Any, weight: Any, bias: Any = None, *, device: Device = None) -> Tensor:
    """Linear layer a = W x + b for every x: torch.nn.functional.linear; as `manual.linear`.

    >>> linear([1.0, 2.0, 3.0], [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]).round(decimals=2)
    tensor([1.4000, 3.2000, 5.0000], dtype=torch.float64)
    """
    return F.linear(*_checked(input, weight, bias, device))


def linear_backward(
    grad_output: Any, input: Any, weight: Any, bias: Any = None, *, device: Device = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of input, weight and bias (None without one), by autograd; as `manual.linear_backward`.

    >>> linear_backward([1.0], [2.0, 3.0], [[4.0, 5.0]])[1]
    tensor([[2., 3.]], dtype=torch.float64)
    """
    grads = vector_jacobian_product(F.linear, grad_output, *_checked(input, weight, bias, device))
    return grads[0], grads[1], grads[2] if len(grads) == 3 else None
