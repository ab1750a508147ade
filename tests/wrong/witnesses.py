"""Known defects of real losses and softmaxes, each in a line or two, and the smallest problem that shows it.

The numbers are those of public reports; docs/theory/behaviour.md and docs/theory/semantics.md say what is right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from softproof import Problem


@dataclass(frozen=True)
class Witness:
    """A wrong function, what it computes, and what its smallest witness looks like."""

    function: Callable[..., Tensor]
    operation: str
    most: int  # logits
    needs: Callable[[Problem], bool]  # what the judge cannot do without


def _axis(input: Tensor) -> int:
    return min(input.ndim - 1, 1)


def _labels(target: Tensor) -> bool:
    return not target.is_floating_point()


def softmax_without_max(input: Tensor, dim: int) -> Tensor:
    """Overflows (pytorch PR #62897, hb-pytorch #61)."""
    return input.exp() / input.exp().sum(dim, keepdim=True)


def log_of_softmax(input: Tensor, dim: int) -> Tensor:
    """-inf once p underflows (pytorch #94043, chainer #584)."""
    return input.softmax(dim).log()


def logsumexp_then_subtract(input: Tensor, dim: int) -> Tensor:
    """Rounds the logarithm away beside a common offset (pytorch #11752, #38839; mlx PR #4169)."""
    return input - input.logsumexp(dim, keepdim=True)


def softmax_over_the_last_dim(input: Tensor, dim: int) -> Tensor:
    """Ignores dim (tvm #19420)."""
    return input.softmax(-1) + 0 * dim


def mean_over_all_rows(input: Tensor, target: Tensor, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """The mean divides by ignored rows too (pytorch/xla #859, burn #5568)."""
    if reduction != "mean" or not _labels(target):
        return F.cross_entropy(input, target, ignore_index=ignore_index, reduction=reduction)
    return F.cross_entropy(input, target, ignore_index=ignore_index, reduction="none").mean()


def mean_without_weights(input: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """The weighted mean divides by the number of rows (pytorch #25571)."""
    return F.cross_entropy(input, target, weight=weight, reduction="none").mean()


def default_ignore_index_is_off(input: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    """-100 is taken for "not set" (pytorch #108148)."""
    if ignore_index == -100 and _labels(target):
        return F.cross_entropy(input, target.clamp(min=0))
    return F.cross_entropy(input, target, ignore_index=ignore_index)


def smoothing_over_all_but_one(input: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """ε/(C - 1) mixed with ε/C (fastai PR #1814, fairseq PR #3182)."""
    if not label_smoothing or not _labels(target):
        return F.cross_entropy(input, target, label_smoothing=label_smoothing)
    classes, log_p = input.shape[_axis(input)], F.log_softmax(input, _axis(input))
    rest = label_smoothing / max(classes - 1, 1)
    nll = F.cross_entropy(input, target)
    return (1 - label_smoothing - rest) * nll - rest * log_p.sum(_axis(input)).mean()


def one_hot_times_log(input: Tensor, target: Tensor) -> Tensor:
    """0·(-inf) beside the label is NaN (optax #896, tensorflow #40606)."""
    if not _labels(target):
        return F.cross_entropy(input, target)
    axis = _axis(input)
    one_hot = torch.zeros_like(input).scatter(axis, target.clamp(0).unsqueeze(axis), 1.0)
    counts = (target != -100).to(input.dtype)
    rows = -(one_hot * F.log_softmax(input, axis)).sum(axis)
    return torch.where(target != -100, rows, 0.0).sum() / counts.sum()


class _OfSumOne(torch.autograd.Function):
    """p - q as the gradient, whatever q sums to (tensorflow #60314)."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, target: Tensor, axis: int) -> Tensor:
        ctx.save_for_backward(input, target)
        ctx.axis = axis
        return -(target * F.log_softmax(input, axis)).sum(axis)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        logits, target = ctx.saved_tensors
        g = grads[0].unsqueeze(ctx.axis)
        return g * (logits.softmax(ctx.axis) - target), -g * F.log_softmax(logits, ctx.axis), None


def gradient_of_normalised_probabilities(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The gradient supposes that the target sums to 1 (tensorflow #60314, PR #49178)."""
    if _labels(target):
        return F.cross_entropy(input, target, reduction=reduction)
    rows: Tensor = _OfSumOne.apply(input, target, _axis(input))  # type: ignore[no-untyped-call]  # torch's own
    return rows if reduction == "none" else rows.sum() if reduction == "sum" else rows.mean()


class _FirstSlope(torch.autograd.Function):
    """All rows are scaled by the upstream gradient of the first (TransformerEngine PR #2139)."""

    @staticmethod
    def forward(_ctx: Any, losses: Tensor) -> Tensor:
        return losses.clone()

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0].reshape(-1)[:1].reshape(()).expand(grads[0].shape) if grads[0].numel() else grads[0]


def upstream_gradient_of_the_first_row(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Reads the upstream gradient as a scalar (TransformerEngine PR #2139, Liger-Kernel #678)."""
    if reduction != "none":
        return F.cross_entropy(input, target, reduction=reduction)
    rows: Tensor = _FirstSlope.apply(  # type: ignore[no-untyped-call]  # torch's own
        F.cross_entropy(input, target, reduction="none")
    )
    return rows


def _ignored(problem: Problem) -> bool:
    return bool((problem.inputs["target"] == problem.options.get("ignore_index", -100)).any())


def _underflows(problem: Problem) -> bool:
    """Or asks for the gradient, which is an ulp off sooner."""
    return problem.grad_output is not None or float(np.ptp(problem.inputs["logits"])) > 87


WITNESSES = (
    Witness(softmax_without_max, "softmax", 1, lambda p: float(p.inputs["logits"].max()) > 88),
    Witness(log_of_softmax, "log_softmax", 2, _underflows),
    Witness(logsumexp_then_subtract, "log_softmax", 2, lambda p: p.inputs["logits"].size > 1),
    Witness(softmax_over_the_last_dim, "softmax", 2, lambda p: p.options["dim"] in (0, -2)),
    Witness(mean_over_all_rows, "cross_entropy", 3, _ignored),
    Witness(mean_without_weights, "cross_entropy", 2, lambda p: "weight" in p.inputs),
    Witness(default_ignore_index_is_off, "cross_entropy", 3, _ignored),
    Witness(smoothing_over_all_but_one, "cross_entropy", 2, lambda p: "label_smoothing" in p.options),
    Witness(one_hot_times_log, "cross_entropy", 6, lambda p: bool(np.isneginf(p.inputs["logits"]).any())),
    Witness(gradient_of_normalised_probabilities, "cross_entropy", 1, lambda p: p.inputs["target"].dtype.kind == "f"),
    Witness(upstream_gradient_of_the_first_row, "cross_entropy", 4, lambda p: p.options["reduction"] == "none"),
)
