"""The cross-entropy loss by torch.nn.functional.cross_entropy, with derivatives by autograd: the twin of
manual/cross_entropy.py.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .arrays import (
    LABELS,
    Device,
    floats,
    hessian_vector_product,
    jacobian_vector_product,
    loss_options,
    shaped,
    tensor,
    vector_jacobian_product,
    with_axis,
)


def checked(
    logits: Any,
    target: Any,
    weight: Any,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
    device: Device,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Logits, target, and the keyword arguments that torch wants beside them."""
    a = floats("logits", logits, device)
    if a.ndim == 0:
        raise ValueError("logits has shape (); expected (C,), (N, C) or (N, C, d1, …)")
    axis = 0 if a.ndim == 1 else 1
    x = with_axis("logits", a, axis)
    ignore_index, reduction, epsilon = loss_options(ignore_index, reduction, label_smoothing)
    shape, classes = tuple(x.shape), x.shape[axis]
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": epsilon}
    if weight is not None:
        w = floats("weight", weight, device, x)
        options["weight"] = shaped("weight", w, (classes,), "one for each class")

    y = tensor("target", target, device)
    if y.is_floating_point():
        y = shaped("target", floats("target", y, device, x), shape, "that of the logits, for probabilities")
        if ignore_index != -100:
            raise ValueError(f"ignore_index is {ignore_index}; it applies to labels, and target holds probabilities")
        return x, y, options
    if y.dtype not in LABELS:
        raise TypeError(f"target has dtype {y.dtype}; expected {' or '.join(map(str, LABELS))} labels, or {x.dtype}")
    y = shaped("target", y, shape[:axis] + shape[axis + 1 :], f"for labels of logits {shape}")
    bad = (y != ignore_index) & ((y < 0) | (y >= classes))
    if bad.any():
        raise IndexError(f"target holds {y[bad][0].item()}; expected labels from 0 to {classes - 1}, or {ignore_index}")
    return x, y, options | {"ignore_index": ignore_index}


def _loss(x: Tensor, y: Tensor, options: dict[str, Any]) -> Tensor:
    """F.cross_entropy of a batch, with ignored rows of logits that are not finite replaced.

    Of these it gives the gradient 0·NaN (docs/generated/findings.md); and on CUDA, of one ignored label without a
    batch, the mean 0 in place of 0/0 (row 158 of docs/theory/semantics.md).
    """
    if y.is_floating_point():
        return F.cross_entropy(x, y, **options)
    if not x.isfinite().all():
        ignored = (y == options["ignore_index"]).unsqueeze(0 if x.ndim == 1 else 1)
        x = x.masked_fill(ignored, 0.0)
    if x.ndim > 1:
        return F.cross_entropy(x, y, **options)
    loss = F.cross_entropy(x[None], y[None], **options)
    return loss[0] if options["reduction"] == "none" else loss


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> Tensor:
    """Cross-entropy loss of softmax(logits): torch.nn.functional.cross_entropy; as `manual.cross_entropy`.

    >>> cross_entropy([[1.4, 3.2, 5.0]], [2]).round(decimals=4)
    tensor(0.1762, dtype=torch.float64)
    """
    x, y, options = checked(logits, target, weight, ignore_index, reduction, label_smoothing, device)
    return _loss(x, y, options)


def cross_entropy_backward(
    grad_output: Any,
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Gradient of the logits and, for probabilities, of the target, by autograd; as `manual.cross_entropy_backward`.

    >>> cross_entropy_backward(1.0, [[0.0, 0.0]], [0])
    tensor([[-0.5000,  0.5000]], dtype=torch.float64)
    """
    x, y, options = checked(logits, target, weight, ignore_index, reduction, label_smoothing, device)
    if not y.is_floating_point():
        return vector_jacobian_product(lambda a: _loss(a, y, options), grad_output, x)[0]
    grads = vector_jacobian_product(lambda a, q: _loss(a, q, options), grad_output, x, y)
    return grads[0], grads[1]


def cross_entropy_jvp(
    tangent: Any,
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> Tensor:
    """Derivative of the loss in the direction v of the logits, by forward mode; as `manual.cross_entropy_jvp`.

    >>> cross_entropy_jvp([[1.0, 0.0]], [[0.0, 0.0]], [0])
    tensor(-0.5000, dtype=torch.float64)
    """
    x, y, options = checked(logits, target, weight, ignore_index, reduction, label_smoothing, device)
    return jacobian_vector_product(lambda a: _loss(a, y, options), tangent, x)


def cross_entropy_hvp(
    tangent: Any,
    grad_output: Any,
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    device: Device = None,
) -> Tensor:
    """Derivative of the gradient of the logits in the direction v of the logits, by autograd twice; as
    `manual.cross_entropy_hvp`.

    >>> cross_entropy_hvp([[1.0, 0.0]], 1.0, [[0.0, 0.0]], [0])
    tensor([[ 0.2500, -0.2500]], dtype=torch.float64)
    """
    x, y, options = checked(logits, target, weight, ignore_index, reduction, label_smoothing, device)
    return hessian_vector_product(lambda a: _loss(a, y, options), tangent, grad_output, x)
