"""What a loss is given, and the loss by torch: the twin of manual/loss.py."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import (
    LABELS,
    Device,
    floats,
    loss_options,
    shaped,
    tensor,
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
    if not -(2**31) <= ignore_index < 2**31:  # on CUDA torch reads the 32 last bits of a label (findings.md)
        y, ignore_index = torch.where(y == ignore_index, -100, y.long()), -100
    return x, y, options | {"ignore_index": ignore_index}


def loss_of(x: Tensor, y: Tensor, options: dict[str, Any]) -> Tensor:
    """F.cross_entropy of a batch, with ignored rows of logits that are not finite replaced.

    Of these it gives the gradient 0·NaN, and on CUDA, of one ignored label without a batch, the mean 0 in place of 0/0
    (docs/generated/findings.md).
    """
    if y.is_floating_point():
        return F.cross_entropy(x, y, **options)
    if not x.isfinite().all():
        ignored = (y == options["ignore_index"]).unsqueeze(0 if x.ndim == 1 else 1)
        x = x.masked_fill(ignored, 0.0)
    if x.ndim > 1:
        return F.cross_entropy(x, y, **options)
    return of_one(F.cross_entropy(x[None], y[None], **options))


def of_one(loss: Tensor) -> Tensor:
    """The loss of a batch of one row, (1,) or (), as that of the row."""
    return loss.reshape(())
