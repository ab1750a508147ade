"""For each metamorphic relation an implementation that breaks it, and a problem where that shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from softproof import (
    Problem,
)

X = [[0.5, -1.0, 2.0, 0.0], [1.0, 3.0, -2.0, 0.25], [0.0, 0.5, 0.5, -3.0]]
LOSS: dict[str, Any] = {"logits": X, "target": [0, 3, 1], "weight": [1.0, 0.5, 2.0, 4.0]}
CUBE = np.arange(12.0).reshape(2, 3, 2) % 5


def _rows(logits: Tensor) -> Tensor:
    return logits.movedim(1, -1).reshape(-1, logits.shape[1]) if logits.ndim > 1 else logits[None]


def clipped(input: Tensor, dim: int) -> Tensor:
    """No logit is above 3."""
    return F.softmax(input.clamp(max=3.0), dim)


def without_the_last_class(input: Tensor, dim: int) -> Tensor:
    """A sum that stops one class short of a multiple of four."""
    e = (input - input.amax(dim, keepdim=True)).exp()
    return e / e.narrow(dim, 0, max(1, e.shape[dim] // 4 * 4 - 1)).sum(dim, keepdim=True)


def first_row_twice(input: Tensor, target: Tensor) -> Tensor:
    """The first row counts twice."""
    losses = F.cross_entropy(input, target, reduction="none").reshape(-1)
    return (losses.sum() + losses[:1].sum()) / (losses.numel() + 1)


def over_the_last_axis(input: Tensor, dim: int) -> Tensor:
    """Ignores dim."""
    return F.softmax(input, -1) + 0 * dim


def square_of_a_batch(input: Tensor) -> Tensor:
    """One row without a batch is another matter."""
    return F.softmax(input if input.ndim > 1 else input * 2, -1)


def mean_of_chunk_means(input: Tensor, target: Tensor) -> Tensor:
    """Two rows at a time."""
    rows, labels = _rows(input), target.reshape(-1)
    return torch.stack(
        [F.cross_entropy(*each) for each in zip(torch.split(rows, 2), torch.split(labels, 2), strict=True)]
    ).mean()


def first_class_twice(input: Tensor, dim: int) -> Tensor:
    """The first class counts twice."""
    return torch.logsumexp(torch.cat([input.narrow(dim, 0, 1), input], dim), dim)


def first_three_features(input: Tensor, weight: Tensor) -> Tensor:
    """No feature after the third."""
    return F.linear(input[..., :3], weight[:, :3])


def smoothed_twice(input: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Smooths the smoothed labels once more."""
    return F.cross_entropy(input, target, label_smoothing=1 - (1 - label_smoothing) ** 2)


def weights_over_rows(input: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """A weighted mean that divides by the number of rows."""
    return F.cross_entropy(input, target, weight=weight, reduction="none").mean()


def mean_over_ignored(input: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    """Ignored rows count in the mean."""
    return F.cross_entropy(input, target, ignore_index=ignore_index, reduction="none").mean()


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, p: Tensor) -> Tensor:
        return p.clone()

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        return torch.as_tensor(grads[0] / grads[0].norm().clamp(min=1.0))


def gradient_clipped(input: Tensor, dim: int) -> Tensor:
    """The upstream gradient is clipped to a length of 1."""
    return torch.as_tensor(_Clipped.apply(F.softmax(input, dim)))  # type: ignore[no-untyped-call]  # torch's own


LABELS: dict[str, Any] = {"logits": X, "target": [0, 3, 1]}
BROKEN_RELATIONS = [
    ("common shift", clipped, Problem("softmax", "float32", {"logits": X}, {"dim": 1})),
    ("permuted classes", without_the_last_class, Problem("softmax", "float32", {"logits": X}, {"dim": 1})),
    ("permuted rows", first_row_twice, Problem("cross_entropy", "float32", LABELS)),
    ("flattened", over_the_last_axis, Problem("softmax", "float32", {"logits": CUBE}, {"dim": 1})),
    ("batch of one", square_of_a_batch, Problem("softmax", "float32", {"logits": X})),
    ("split batch", mean_of_chunk_means, Problem("cross_entropy", "float32", LABELS)),
    ("split classes", first_class_twice, Problem("logsumexp", "float32", {"logits": X}, {"dim": 1})),
    ("split features", first_three_features, Problem("linear", "float32", {"input": X, "weight": X[:2]})),
    ("label smoothing", smoothed_twice, Problem("cross_entropy", "float32", LABELS)),
    ("class weights", weights_over_rows, Problem("cross_entropy", "float32", LOSS)),
    ("ignored rows", mean_over_ignored, Problem("cross_entropy", "float32", LABELS)),
    ("upstream gradient", gradient_clipped, Problem("softmax", "float32", {"logits": X[0]}, {"dim": 0}, X[1])),
]
