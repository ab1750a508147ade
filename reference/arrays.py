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
LONGEST = 80  # characters of a value that an error quotes


# ---- one argument ---------------------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A value in an error: its repr, if it has one, and the beginning of a long one."""
    try:
        text = repr(value)
    except Exception:  # whatever it is that cannot be shown
        return f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _has_mask(values: Any, depth: int) -> bool:
    """Whether lists of that depth hold a masked array, whose mask NumPy would drop."""
    if isinstance(values, np.ma.MaskedArray) or depth == 0:
        return isinstance(values, np.ma.MaskedArray)
    return isinstance(values, (list, tuple)) and any(_has_mask(each, depth - 1) for each in values)


def _from_numpy(name: str, values: Any) -> Tensor:
    """A tensor of the dtype that NumPy gives `values`; TypeError where NumPy or torch does not hold them as they are.

    It is a copy: torch cannot wrap a read-only array, nor one in another byte order.
    """
    try:
        array = np.array(values)
        held = torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except Exception as error:  # whatever an object raises that is to become an array
        raise TypeError(f"{name} is a {type(values).__name__}; expected numbers that torch holds ({error})") from error
    if _has_mask(values, array.ndim):
        raise TypeError(f"{name} is masked; expected numbers without a mask")
    return held


def _plain(name: str, values: Tensor) -> Tensor:
    """A tensor without its history; TypeError for one with its own dispatch, and for sparse, nested and meta ones."""
    if type(values).__torch_dispatch__ is not Tensor.__torch_dispatch__:
        raise TypeError(f"{name} is a {type(values).__name__}; expected a plain tensor")
    if values.layout is not torch.strided or values.is_nested:
        layout = "nested" if values.is_nested else str(values.layout)
        raise TypeError(f"{name} has layout {layout}; expected a dense tensor, torch.strided")
    if values.is_meta:
        raise TypeError(f"{name} is on meta; expected a device that holds numbers")
    found = values.detach().as_subclass(Tensor)
    return found.clone() if found.is_inference() else found  # which autograd would refuse


def checked_device(device: Any) -> torch.device | None:
    """`device` as torch.device, if torch can use it; None leaves the inputs where they are."""
    if device is None:
        return None
    if not isinstance(device, (str, torch.device)):
        raise TypeError(f"device is {shown(device)}; expected the name of one, a torch.device or None")
    try:
        known = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device is {shown(device)}; torch cannot use it: {str(error).splitlines()[0]}") from error
    if known.type == "meta":
        raise ValueError(f"device is {shown(device)}; expected one that holds numbers")
    return known


def number(name: str, value: Any) -> float:
    """A real number, NumPy's too, as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} is {shown(value)}; expected a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name} is {shown(value)}; expected a number that float64 holds") from error


def integer(name: str, value: Any) -> int:
    """An integer, NumPy's too."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {shown(value)}; expected an integer")
    return int(value)


def loss_options(ignore_index: Any, reduction: Any, label_smoothing: Any) -> tuple[int, str, float]:
    """The options of a loss, checked."""
    ignored = integer("ignore_index", ignore_index)
    if not -(2**63) <= ignored < 2**63:
        raise ValueError(f"ignore_index is {shown(ignore_index)}; expected an integer that int64 holds")
    if not isinstance(reduction, str):
        raise TypeError(f"reduction is {shown(reduction)}; expected one of {', '.join(REDUCTIONS)}")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {shown(reduction)}; expected one of {', '.join(REDUCTIONS)}")
    epsilon = number("label_smoothing", label_smoothing)
    if not 0 <= epsilon <= 1:
        raise ValueError(f"label_smoothing is {shown(label_smoothing)}; expected a number from 0 to 1")
    return ignored, str(reduction), epsilon


# ---- tensors --------------------------------------------------------------------------------------------------------


def tensor(name: str, values: Any, device: Device = None) -> Tensor:
    """A tensor, on `device` if one is given; what is not a tensor takes the dtype that NumPy gives it."""
    where = checked_device(device)
    found = _plain(name, values) if isinstance(values, Tensor) else _from_numpy(name, values)
    return found if where is None else found.to(where)


def floats(
    name: str, values: Any, device: Device = None, like: Tensor | None = None, like_name: str = "logits"
) -> Tensor:
    """`values` as a floating-point tensor; Python numbers take the dtype of `like`, tensors must already have it."""
    if like is not None and isinstance(values, (int, float)) and not isinstance(values, bool):
        return torch.tensor(number(name, values), dtype=torch.float64).to(like.device, like.dtype)
    x = tensor(name, values, device)
    if x.dtype not in FLOATS:
        raise TypeError(f"{name} has dtype {x.dtype}; expected one of {', '.join(map(str, FLOATS))}")
    if like is not None and x.dtype != like.dtype:
        raise TypeError(f"{name} has dtype {x.dtype}; expected {like.dtype}, that of {like_name}")
    if like is not None and x.device != like.device:
        raise ValueError(f"{name} is on {x.device}; expected {like.device}, where {like_name} is")
    return x


def with_axis(name: str, values: Any, dim: int, device: Device = None, *, any_shape: bool = False) -> Tensor:
    """A floating-point tensor with at least one element along `dim`; with `any_shape` also none, or a number alone."""
    x = floats(name, values, device)
    shape = tuple(x.shape)
    dim = integer("dim", dim)
    most = max(x.ndim, int(any_shape))
    if not -most <= dim < most:
        raise IndexError(f"dim is {shown(dim)}; {name} of shape {shape} has dims {-most} to {most - 1}")
    if not any_shape and x.shape[dim] == 0:
        raise ValueError(f"{name} of shape {shape} has no elements along dim {dim}; expected at least one")
    return x


def with_axes(name: str, values: Any, dim: int | Sequence[int], device: Device = None) -> Tensor:
    """A floating-point tensor of any shape with the axis `dim`, or the axes."""
    if not isinstance(dim, (tuple, list)):
        return with_axis(name, values, dim, device, any_shape=True)  # type: ignore[arg-type]  # which it looks at
    x = floats(name, values, device)
    for each in dim:
        with_axis(name, x, each, any_shape=True)
    axes = [each % max(1, x.ndim) for each in dim]
    if len(set(axes)) < max(1, len(axes)):
        raise ValueError(f"dim is {dim}; expected at least one, and each once")
    return x


def shaped(name: str, found: Tensor, expected: tuple[int, ...], why: str) -> Tensor:
    """`found` itself; ValueError if its shape is not `expected`."""
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
