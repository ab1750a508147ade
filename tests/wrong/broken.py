"""Wrong implementations, each with the mistake in one line. The catalogue of real ones is a work of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from manual.arrays import Array


def softmax_without_shift(logits: Array, dim: int = -1) -> Array:
    """Overflows from 89 on in float32."""
    with np.errstate(all="ignore"):
        e = np.exp(logits)
        return np.asarray(e / e.sum(dim, keepdims=True))


def softmax_over_the_last_axis(logits: Array, dim: int = -1) -> Array:
    """Ignores dim."""
    del dim
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def softmax_in_half(input: Tensor, dim: int) -> Tensor:
    """Computes with 11 bits and returns 24."""
    return F.softmax(input.half().to(input.dtype), dim)


def log_of_softmax(input: Tensor, dim: int) -> Tensor:
    """Rounds p to 0 before taking its logarithm."""
    return F.softmax(input, dim).log()


class _OneSlope(torch.autograd.Function):
    """The loss is right; its backward pass uses the first row's upstream gradient for all rows."""

    @staticmethod
    def forward(_ctx: Any, losses: Tensor) -> Tensor:
        return losses.clone()

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0].reshape(-1)[:1].expand(grads[0].shape) if grads[0].numel() else grads[0]


def cross_entropy_with_one_slope(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Wrong gradient for "none" with an upstream gradient that differs from row to row."""
    rows = F.cross_entropy(input, target, reduction="none")
    losses: Tensor = _OneSlope.apply(rows)  # type: ignore[no-untyped-call]  # torch's own
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def cross_entropy_over_all_rows(input: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    """The mean counts the ignored rows too."""
    return F.cross_entropy(input, target, ignore_index=ignore_index, reduction="none").mean()


def cross_entropy_of_unmasked_smoothing(
    input: Tensor, target: Tensor, ignore_index: int = -100, label_smoothing: float = 0.0
) -> Tensor:
    """The uniform part of the smoothed loss counts the ignored rows."""
    nll = F.cross_entropy(input, target, ignore_index=ignore_index)
    if target.is_floating_point() or not label_smoothing:
        return F.cross_entropy(input, target, label_smoothing=label_smoothing, ignore_index=ignore_index)
    axis = min(input.ndim - 1, 1)
    uniform = -F.log_softmax(input, axis).mean(axis)
    return (1 - label_smoothing) * nll + label_smoothing * uniform.mean()


def linear_with_transposed_gradient(input: Tensor, weight: Tensor) -> Tensor:
    """A product whose gradient of the weight is computed from a detached input."""
    return F.linear(input.detach(), weight) + 0 * input.sum()


def softmax_that_writes(logits: Array, dim: int = -1) -> Array:
    """Right, and overwrites its input."""
    logits -= logits.max(dim, keepdims=True)
    e = np.exp(logits)
    return np.asarray(e / e.sum(dim, keepdims=True))


def softmax_that_raises(logits: Array, dim: int = -1) -> Array:
    """Gives up on wide rows."""
    if logits.shape[dim] > 8:
        raise RuntimeError("too wide")
    return softmax_over_the_last_axis(np.moveaxis(logits, dim, -1))


def softmax_in_float64(logits: Array, dim: int = -1) -> Array:
    """Right values in the wrong dtype."""
    return softmax_without_shift(np.clip(logits.astype(np.float64), -50, 50), dim)


def softmax_of_nothing(input: Tensor, dim: int) -> Tensor:
    """Autograd sees no way back to the input."""
    return F.softmax(input.detach(), dim)


_calls = iter(range(10**9))


def softmax_now_and_then(logits: Array, dim: int = -1) -> Array:
    """Wrong on every third call."""
    p = softmax_over_the_last_axis(np.moveaxis(logits, dim, -1))
    return np.moveaxis(p, -1, dim) * (1 if next(_calls) % 3 else 2)


BROKEN: dict[Callable[..., Any], str] = {
    softmax_without_shift: "softmax",
    softmax_over_the_last_axis: "softmax",
    softmax_in_half: "softmax",
    log_of_softmax: "log_softmax",
    cross_entropy_with_one_slope: "cross_entropy",
    cross_entropy_over_all_rows: "cross_entropy",
    cross_entropy_of_unmasked_smoothing: "cross_entropy",
    linear_with_transposed_gradient: "linear",
    softmax_that_writes: "softmax",
    softmax_that_raises: "softmax",
    softmax_in_float64: "softmax",
    softmax_of_nothing: "softmax",
    softmax_now_and_then: "softmax",
}
