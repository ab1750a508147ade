"""What every operation needs first: checked tensors on the device asked for, and autograd's products with vectors: of
the transposed Jacobian, of the Jacobian and of the Hessian.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Device = str | torch.device | None

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
LABELS = (torch.int64, torch.uint8)  # as torch.nn.functional.cross_entropy
REDUCTIONS = ("mean", "sum", "none")


def tensor(values: Any, device: Device = None) -> Tensor:
    """A tensor, on `device` if one is given; what is not a tensor takes the dtype that NumPy gives it."""
    if not isinstance(values, Tensor):
        values = torch.from_numpy(np.array(values))  # a copy: torch cannot wrap a read-only array
    found: Tensor = values.detach().to(device) if device is not None else values.detach()
    return found


def floats(
    name: str, values: Any, device: Device = None, like: Tensor | None = None, like_name: str = "logits"
) -> Tensor:
    """`values` as a floating-point tensor; Python numbers take the dtype of `like`, tensors must already have it."""
    if like is not None and isinstance(values, (int, float)):
        return torch.tensor(values, dtype=like.dtype, device=like.device)
    found = tensor(values, device)
    if found.dtype not in FLOATS:
        raise TypeError(f"{name} has dtype {found.dtype}; expected one of {', '.join(map(str, FLOATS))}")
    if like is not None and found.dtype != like.dtype:
        raise TypeError(f"{name} has dtype {found.dtype}; expected {like.dtype}, that of {like_name}")
    if like is not None and found.device != like.device:
        raise ValueError(f"{name} is on {found.device}; expected {like.device}, where {like_name} is")
    return found


def with_axis(name: str, values: Any, dim: int, device: Device = None, *, any_shape: bool = False) -> Tensor:
    """A floating-point tensor with at least one element along `dim`; with `any_shape` also none, or a number alone."""
    found = floats(name, values, device)
    shape = tuple(found.shape)
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
        raise TypeError(f"dim is {dim!r}; expected an integer")
    most = max(found.ndim, int(any_shape))
    if not -most <= dim < most:
        raise IndexError(f"dim is {dim}; {name} of shape {shape} has dims {-most} to {most - 1}")
    if not any_shape and found.shape[dim] == 0:
        raise ValueError(f"{name} of shape {shape} has no elements along dim {dim}; expected at least one")
    return found


def with_axes(name: str, values: Any, dim: int | Sequence[int], device: Device = None) -> Tensor:
    """A floating-point tensor of any shape that has the axis `dim`, or these axes."""
    if not isinstance(dim, (tuple, list)):
        return with_axis(name, values, dim, device, any_shape=True)  # type: ignore[arg-type]  # which it looks at
    found = floats(name, values, device)
    for each in dim:
        with_axis(name, found, each, any_shape=True)
    axes = [each % max(1, found.ndim) for each in dim]
    if len(set(axes)) < max(1, len(axes)):
        raise ValueError(f"dim is {dim}; expected at least one, and each once")
    return found


def shaped(name: str, found: Tensor, expected: tuple[int, ...], why: str) -> Tensor:
    """`found` itself, if it has the `expected` shape."""
    if tuple(found.shape) != expected:
        raise ValueError(f"{name} has shape {tuple(found.shape)}; expected {expected}, {why}")
    return found


def vector_jacobian_product(function: Callable[..., Tensor], grad_output: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Gradients of `inputs` by autograd, given that of ``function(*inputs)``."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    value = function(*leaves)
    g = floats("grad_output", grad_output, inputs[0].device, inputs[0], "the input")
    g = shaped("grad_output", g, tuple(value.shape), "that of the output")
    return torch.autograd.grad(value, leaves, g)


def _tangent(tangent: Any, x: Tensor) -> Tensor:
    v = floats("tangent", tangent, x.device, x)
    return shaped("tangent", v, tuple(x.shape), "that of the logits")


def jacobian_vector_product(function: Callable[[Tensor], Tensor], tangent: Any, x: Tensor) -> Tensor:
    """Derivative of ``function(x)`` in the direction `tangent`, by forward mode: torch.func.jvp."""
    v = _tangent(tangent, x)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # torch warns of its own torch.jit
        found: Tensor = torch.func.jvp(function, (x.contiguous(),), (v.contiguous(),))[1]  # expanded ones are refused
    return found


def hessian_vector_product(function: Callable[[Tensor], Tensor], tangent: Any, grad_output: Any, x: Tensor) -> Tensor:
    """Derivative of the gradient of x in the direction `tangent`: autograd of autograd, the Hessian being symmetric."""
    v, leaf = _tangent(tangent, x), x.detach().requires_grad_()
    value = function(leaf)
    g = shaped("grad_output", floats("grad_output", grad_output, x.device, x), tuple(value.shape), "that of the output")
    (grad,) = torch.autograd.grad(value, leaf, g, create_graph=True)
    (found,) = torch.autograd.grad(grad, leaf, v)
    return found
