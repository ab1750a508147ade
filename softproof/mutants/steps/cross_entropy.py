"""The losses in steps, over rows of classes.

z (R, C) logits, q (R, C) target probabilities, w (C,) class weights, t (R, C) their coefficients in the loss, c (R, 1)
upstream gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .linear import Linear
from .operation import Operation, matrix, wide
from .softmax import LogSoftmax, Softmax


@dataclass
class LossCase:
    """One question about a loss, in rows."""

    z: Tensor  # (R, C)
    labels: Tensor | None  # (R,)
    q: Tensor  # (R, C)
    kept: Tensor  # (R,) bool
    w: Tensor  # (C,)
    weighted: bool
    ignore_index: int
    reduction: str
    epsilon: float
    shape: tuple[int, ...]  # of the losses

    @property
    def classes(self) -> int:
        """C."""
        return self.z.shape[1]


def to_rows(x: Tensor) -> Tensor:
    """(C,) or (N, C, …) as (R, C)."""
    return x.movedim(min(x.ndim - 1, 1), -1).reshape(-1, x.shape[min(x.ndim - 1, 1)])


def from_rows(x: Tensor, like: Tensor) -> Tensor:
    """(R, C) in the shape of `like`."""
    axis = min(like.ndim - 1, 1)
    return x.reshape(like.movedim(axis, -1).shape).movedim(-1, axis)


class CrossEntropy(Operation):
    """-Σ t l of each row, t = w ((1 - ε) q + ε/C), then none, sum or mean; ∂z = c (p Σ t - t), ∂q = -c w (1 - ε) l."""

    operation = "cross_entropy"

    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """torch.nn.functional.cross_entropy."""
        return self.apply(
            input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )

    def forward(self, *tensors: Any, **options: Any) -> Tensor:
        case = self.case(*tensors, **options)
        return self.reduced(case, self.losses(case))

    def backward(self, g: Tensor, *tensors: Any, **options: Any) -> tuple[Tensor | None, ...]:
        case = self.case(*tensors, **options)
        c = self.upstream(case, g)
        of_target = None if case.labels is not None else from_rows(self.of_target(case, c), tensors[1])
        return from_rows(self.of_logits(case, c), tensors[0]), of_target, None

    # -- the question --

    def case(
        self,
        z: Tensor,
        target: Tensor,
        weight: Tensor | None,
        ignore_index: int,
        reduction: str,
        label_smoothing: float,
    ) -> LossCase:
        """Everything in rows."""
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing is {label_smoothing}; expected a number in [0, 1]")
        rows, axis = self.rows(wide(z)), min(z.ndim - 1, 1)
        w = rows.new_ones(rows.shape[1]) if weight is None else wide(weight)
        shape = (*z.shape[:axis], *z.shape[axis + 1 :])
        if target.is_floating_point():
            labels, q, kept = None, to_rows(wide(target)), rows.new_ones(len(rows), dtype=torch.bool)
        else:
            labels = self.labels(target)
            kept = self.kept(labels, ignore_index)
            q = self.one_hot(labels, kept, rows)
        return LossCase(rows, labels, q, kept, w, weight is not None, ignore_index, reduction, label_smoothing, shape)

    def rows(self, z: Tensor) -> Tensor:
        """The logits (R, C)."""
        return to_rows(z)

    def labels(self, target: Tensor) -> Tensor:
        """The labels (R,)."""
        return target.reshape(-1)

    def kept(self, labels: Tensor, ignore_index: int) -> Tensor:
        """Which rows count."""
        return labels != ignore_index

    def one_hot(self, labels: Tensor, kept: Tensor, z: Tensor) -> Tensor:
        """q (R, C), 0 in rows that are ignored."""
        labels = torch.where(kept, labels, 0)
        if ((labels < 0) | (labels >= z.shape[1])).any():
            raise IndexError(f"target is out of bounds: {labels.min()} to {labels.max()}, {z.shape[1]} classes")
        return torch.zeros_like(z).scatter(1, labels[:, None], 1.0) * kept[:, None]

    # -- the answer --

    def log_softmax(self, case: LossCase) -> Tensor:
        """l (R, C)."""
        return LogSoftmax().forward(case.z, -1)

    def softmax(self, case: LossCase) -> Tensor:
        """p (R, C)."""
        return Softmax().forward(case.z, -1)

    def smooth(self, case: LossCase) -> Tensor:
        """What smoothing adds to q: ε/C in each class (R, C)."""
        return torch.full_like(case.q, case.epsilon / case.classes)

    def coefficients(self, case: LossCase) -> Tensor:
        """t (R, C); 0 in rows that are ignored."""
        t = case.w * ((1 - case.epsilon) * case.q + self.smooth(case))
        return torch.where(case.kept[:, None], t, 0.0)

    def losses(self, case: LossCase) -> Tensor:
        """-Σ t l (R,), where 0 times -inf is 0; and 0 in rows that are ignored, whatever is in them."""
        t, log_p = self.coefficients(case), self.log_softmax(case)
        nothing = (t == 0) & ((log_p == -torch.inf) | ~case.kept[:, None])
        return -torch.where(nothing, 0.0, t * log_p).sum(-1)

    def denominator(self, case: LossCase) -> Tensor:
        """What the mean divides by: the rows, or the weights of the labels that count."""
        if case.labels is None:
            return case.z.new_tensor(len(case.z))
        return torch.where(case.kept, case.w[torch.where(case.kept, case.labels, 0)], 0.0).sum()

    def reduced(self, case: LossCase, losses: Tensor) -> Tensor:
        """The losses, their sum or their mean."""
        if case.reduction == "none":
            return losses.reshape(case.shape)
        return losses.sum() / self.denominator(case) if case.reduction == "mean" else losses.sum()

    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        """c (R, 1)."""
        c = wide(g).reshape(-1, 1).expand(len(case.z), 1)
        return c / self.denominator(case) if case.reduction == "mean" else c

    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        """∂z (R, C); exactly 0 in rows that are ignored, whatever is in them."""
        t = self.coefficients(case)
        return torch.where(case.kept[:, None], c * (self.softmax(case) * t.sum(-1, keepdim=True) - t), 0.0)

    def of_target(self, case: LossCase, c: Tensor) -> Tensor:
        """∂q (R, C)."""
        return -c * case.w * (1 - case.epsilon) * self.log_softmax(case)


class LinearCrossEntropy(Operation):
    """Logits x wᵀ + b and their loss, some rows at a time, so that the logits are never held as a whole."""

    operation = "linear_cross_entropy"
    loss: CrossEntropy = CrossEntropy()
    chunk = 16  # rows

    def __call__(
        self,
        input: Tensor,
        linear_weight: Tensor,
        target: Tensor,
        linear_bias: Tensor | None = None,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """torch.nn.functional.linear_cross_entropy."""
        options = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
        return self.apply(input, linear_weight, target, linear_bias, weight, **options)

    def chunks(self, rows: int) -> Iterator[slice]:
        """Some rows after the other; one chunk where there are none."""
        for start in range(0, max(rows, 1), self.chunk):
            yield slice(start, start + self.chunk)

    def cases(self, *tensors: Any, **options: Any) -> Iterator[tuple[Tensor, LossCase]]:
        """Rows of x, and the question about the loss of their logits."""
        x, w, target, b, weight = tensors
        x = matrix(wide(x))
        target = target.reshape(-1) if not target.is_floating_point() else target.reshape(-1, len(w))
        for rows in self.chunks(len(x)):
            z = Linear().forward(x[rows], w, b)
            yield x[rows], self.loss.case(z, target[rows], weight, **options)

    def forward(self, *tensors: Any, **options: Any) -> Tensor:
        cases = [case for _, case in self.cases(*tensors, **options)]
        losses = torch.cat([self.loss.losses(case) for case in cases])
        return self.reduced(cases, losses, tensors[0].shape[:-1])

    def reduced(self, cases: list[LossCase], losses: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The losses of all chunks, their sum or their mean."""
        if cases[0].reduction == "none":
            return losses.reshape(shape)
        return losses.sum() / self.denominator(cases) if cases[0].reduction == "mean" else losses.sum()

    def denominator(self, cases: list[LossCase]) -> Tensor:
        """Of all chunks."""
        return torch.stack([self.loss.denominator(case) for case in cases]).sum()

    def backward(self, g: Tensor, *tensors: Any, **options: Any) -> tuple[Tensor | None, ...]:
        (x, w, _, b, _), pairs = tensors, list(self.cases(*tensors, **options))
        c = wide(g).reshape(-1, 1).expand(len(matrix(x)), 1)
        if options["reduction"] == "mean":
            c = c / self.denominator([case for _, case in pairs])
        of_x, of_w, of_b = [], torch.zeros_like(wide(w)), wide(w).new_zeros(len(w))
        for (x_rows, case), rows in zip(pairs, self.chunks(len(c)), strict=True):
            of_z = self.loss.of_logits(case, c[rows])
            of_x.append(of_z @ wide(w))
            of_w, of_b = self.added(of_w, of_z.T @ x_rows), of_b + of_z.sum(0)
        return torch.cat(of_x).reshape(x.shape), of_w, None, None if b is None else of_b, None

    def added(self, total: Tensor, more: Tensor) -> Tensor:
        """∂w of the chunks so far and of one more."""
        return total + more
