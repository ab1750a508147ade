"""The cross-entropy of labels to a small relative error, by softplus and autograd: the twin of manual/accurate.py.

With z the logsumexp of the other classes less the label's logit, the loss is log(1 + e^z), and its gradient is
σ(z) times the softmax of the other classes, and -σ(z) for the label: nothing that autograd adds up cancels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import LABELS, Device, tensor, vector_jacobian_product
from .loss import checked


def _labels(target: Any, device: Device) -> Tensor:
    """The labels, of a dtype for labels."""
    y = tensor("target", target, device)
    if y.dtype not in LABELS:
        raise TypeError(f"target has dtype {y.dtype}; expected {' or '.join(map(str, LABELS))} labels")
    return y


def _loss(x: Tensor, y: Tensor, options: dict[str, Any]) -> Tensor:
    """The loss of checked arguments; half precision computes in float32 and rounds once, at the end."""
    weight, reduction = options.get("weight"), options["reduction"]
    axis, work = 0 if x.ndim == 1 else 1, torch.promote_types(x.dtype, torch.float32)
    ignored = (y == options["ignore_index"]).unsqueeze(axis)  # (…, 1, …)
    labels = y.long().unsqueeze(axis).masked_fill(ignored, 0)
    wide = x.to(work).masked_fill(ignored, 0)
    w = torch.ones(x.shape[axis], dtype=work, device=x.device) if weight is None else weight.to(work)
    counted = w[labels].masked_fill(ignored, 0)

    top = wide.detach().amax(axis, keepdim=True)  # any shift gives the same loss, and the same gradient
    d = wide - top.where(top.isfinite(), torch.nan)
    is_label = torch.zeros_like(d, dtype=torch.bool).scatter(axis, labels, True)
    lowest = torch.finfo(work).min  # and not -inf: where all others are masked, their logsumexp had no gradient
    others = d.masked_fill(is_label, lowest).logsumexp(axis, keepdim=True)
    # A gather would add up its gradient by atomics, which on CUDA make subnormal numbers 0 (PTX ISA, atom.add.f32)
    own = d.where(is_label, 0).sum(axis, keepdim=True)
    # softplus(z) = -log σ(-z). torch's own softplus leaves out e^-z from z = 20 on, and its gradient forms g e^z first
    losses = counted * -F.logsigmoid(own - others)
    if reduction == "none":
        return losses.squeeze(axis).to(x.dtype)
    total = losses.sum() if reduction == "sum" else losses.sum() / counted.sum()
    return total.to(x.dtype)


def accurate_cross_entropy(
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    device: Device = None,
) -> Tensor:
    """Cross-entropy loss against labels, as softplus of a logsumexp; as `manual.accurate_cross_entropy`.

    >>> accurate_cross_entropy([0.0, -69.0], 0)
    tensor(1.0806e-30, dtype=torch.float64)
    """
    y = _labels(target, device)
    x, y, options = checked(logits, y, weight, ignore_index, reduction, 0.0, device)
    return _loss(x, y, options)


def accurate_cross_entropy_backward(
    grad_output: Any,
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    device: Device = None,
) -> Tensor:
    """Gradient of the logits, by autograd; as `manual.accurate_cross_entropy_backward`.

    >>> accurate_cross_entropy_backward(1.0, [0.0, -69.0], 0)
    tensor([-1.0806e-30,  1.0806e-30], dtype=torch.float64)
    """
    y = _labels(target, device)
    x, y, options = checked(logits, y, weight, ignore_index, reduction, 0.0, device)
    return vector_jacobian_product(lambda a: _loss(a, y, options), grad_output, x)[0]
