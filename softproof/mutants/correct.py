"""The operations in torch, in steps: right as they stand, and wrong in one place once a subclass replaces a step.

Forward and backward are written by hand, over rows of classes: z (R, C) logits, q (R, C) target probabilities, w (C,)
class weights, t (R, C) their coefficients in the loss, c (R, 1) upstream gradients. Half precision is computed in
float32 and rounded once at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

HALF = (torch.float16, torch.bfloat16)


def wide(x: Tensor) -> Tensor:
    """Half precision in float32."""
    return x.float() if x.dtype in HALF else x


def matrix(x: Tensor) -> Tensor:
    """(…, D) as (R, D), where D may be 0."""
    return x.reshape(x.shape[:-1].numel(), x.shape[-1])


class _Steps(torch.autograd.Function):
    """Forward and backward of an operation, as autograd wants them."""

    @staticmethod
    def forward(ctx: Any, operation: Operation, options: dict[str, Any], *tensors: Tensor | None) -> Tensor:
        ctx.operation, ctx.options = operation, options
        ctx.save_for_backward(*tensors)
        value = operation.forward(*(None if x is None else x.detach() for x in tensors), **options)
        return value.to(next(x.dtype for x in tensors if x is not None))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        tensors = ctx.saved_tensors
        found = ctx.operation.backward(grads[0], *tensors, **ctx.options)
        needed = ctx.needs_input_grad[2:]
        return (
            None,
            None,
            *(
                grad.to(x.dtype) if grad is not None and need else None
                for grad, x, need in zip(found, tensors, needed, strict=True)
            ),
        )


class Operation:
    """A function of tensors with a backward pass of its own."""

    operation: ClassVar[str]

    def __call__(self, *tensors: Any, **options: Any) -> Tensor:
        """The counterpart in torch.nn.functional."""
        raise NotImplementedError

    def forward(self, *tensors: Any, **options: Any) -> Tensor:
        """The value."""
        raise NotImplementedError

    def backward(self, g: Tensor, *tensors: Any, **options: Any) -> tuple[Tensor | None, ...]:
        """The gradient for each tensor, from the upstream gradient g."""
        raise NotImplementedError

    def apply(self, *tensors: Tensor | None, **options: Any) -> Tensor:
        """The value, with the backward pass behind it."""
        found: Tensor = _Steps.apply(self, options, *tensors)  # type: ignore[no-untyped-call]  # torch's own
        return found


# ---- softmax and its relatives --------------------------------------------------------------------------------------


class Softmax(Operation):
    """p = e^(z - m) / Σ e^(z - m), m the largest logit; ∂z = p (g - Σ g p)."""

    operation = "softmax"

    def __call__(self, input: Tensor, dim: int) -> Tensor:
        """torch.nn.functional.softmax."""
        return self.apply(input, dim=dim)

    def forward(self, z: Tensor, dim: int) -> Tensor:
        e = self.exponentials(wide(z), dim)
        return e / self.total(e, dim)

    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        """e^(z - m)."""
        return (z - z.amax(dim, keepdim=True)).exp()

    def total(self, e: Tensor, dim: int) -> Tensor:
        """Their sum."""
        return e.sum(dim, keepdim=True)

    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        return (self.carried_back(wide(g), self.forward(z, dim), dim),)

    def carried_back(self, g: Tensor, p: Tensor, dim: int) -> Tensor:
        """g (diag(p) - p pᵀ)."""
        return p * (g - (g * p).sum(dim, keepdim=True))


class LogSoftmax(Operation):
    """l = (z - m) - log Σ e^(z - m); ∂z = g - p Σ g."""

    operation = "log_softmax"

    def __call__(self, input: Tensor, dim: int) -> Tensor:
        """torch.nn.functional.log_softmax."""
        return self.apply(input, dim=dim)

    def forward(self, z: Tensor, dim: int) -> Tensor:
        d = wide(z) - wide(z).amax(dim, keepdim=True)
        return d - d.exp().sum(dim, keepdim=True).log()

    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        p, g = Softmax().forward(z, dim), wide(g)
        return (g - p * g.sum(dim, keepdim=True),)


class LogSumExp(Operation):
    """m + log Σ e^(z - m), where m is finite; ∂z = g p."""

    operation = "logsumexp"

    def __call__(self, input: Tensor, dim: int) -> Tensor:
        """torch.logsumexp."""
        return self.apply(input, dim=dim)

    def forward(self, z: Tensor, dim: int) -> Tensor:
        m = self.shift(wide(z), dim)
        return self.logarithm((wide(z) - m).exp().sum(dim)) + m.squeeze(dim)

    def shift(self, z: Tensor, dim: int) -> Tensor:
        """m, or 0 in a row without a finite largest logit."""
        m = z.amax(dim, keepdim=True)
        return torch.where(m.isfinite(), m, 0.0)

    def logarithm(self, total: Tensor) -> Tensor:
        """Of the sum."""
        return total.log()

    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        return (wide(g).unsqueeze(dim) * Softmax().forward(z, dim),)


# ---- distributions --------------------------------------------------------------------------------------------------


class _OfDistributions(Operation):
    """What the three have in common: sums of p log p and p log q along dim, where 0 log 0 is 0; g with that axis."""

    def logarithm(self, x: Tensor) -> Tensor:
        """log x."""
        return x.log()

    def p_log_q(self, p: Tensor, q: Tensor) -> Tensor:
        """p log q, and 0 where p is 0."""
        return torch.where(p == 0, 0.0, p * self.logarithm(q))

    def total(self, terms: Tensor, dim: int) -> Tensor:
        """Σ along dim."""
        return terms.sum(dim)

    def upstream(self, g: Tensor, dim: int) -> Tensor:
        """g with an axis of length 1 where the classes are."""
        return wide(g).unsqueeze(dim)

    def of_q(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        """∂q = -g p/q."""
        return -g * p / q


class Entropy(_OfDistributions):
    """-Σ p log p; ∂p = -g (log p + 1)."""

    operation = "entropy"

    def __call__(self, p: Tensor, dim: int = -1) -> Tensor:
        """The sum of torch.special.entr."""
        return self.apply(p, dim=dim)

    def forward(self, p: Tensor, dim: int) -> Tensor:
        p = wide(p)
        return 0 - self.total(self.p_log_q(p, p), dim)

    def backward(self, g: Tensor, p: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        return (self.of_p(self.upstream(g, dim), wide(p)),)

    def of_p(self, g: Tensor, p: Tensor) -> Tensor:
        """∂p."""
        return -g * (self.logarithm(p) + 1)


class _OfTwoDistributions(_OfDistributions):
    """Terms of p and q, added up along dim."""

    def __call__(self, p: Tensor, q: Tensor, dim: int = -1) -> Tensor:
        """The sums of torch.special.entr and torch.special.xlogy."""
        return self.apply(p, q, dim=dim)

    def forward(self, p: Tensor, q: Tensor, dim: int) -> Tensor:
        return self.total(self.terms(wide(p), wide(q)), dim)

    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        """What is added up."""
        raise NotImplementedError

    def backward(self, g: Tensor, p: Tensor, q: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        of_rows, p, q = self.upstream(g, dim), wide(p), wide(q)
        return self.of_p(of_rows, p, q), self.of_q(of_rows, p, q)

    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        """∂p."""
        raise NotImplementedError


class DistributionCrossEntropy(_OfTwoDistributions):
    """-Σ p log q; ∂p = -g log q."""

    operation = "distribution_cross_entropy"

    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        return 0 - self.p_log_q(p, q)

    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return -g * self.logarithm(q)


class KlDivergence(_OfTwoDistributions):
    """Σ p log p - p log q; ∂p = g (log p - log q + 1)."""

    operation = "kl_divergence"

    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        return self.p_log_q(p, p) - self.p_log_q(p, q)

    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return g * (self.logarithm(p) - self.logarithm(q) + 1)


# ---- linear ---------------------------------------------------------------------------------------------------------


class Linear(Operation):
    """a = x wᵀ + b; ∂x = g w, ∂w = gᵀ x, ∂b = Σ g."""

    operation = "linear"

    def __call__(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """torch.nn.functional.linear."""
        return self.apply(input, weight, bias)

    def forward(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        a = self.product(wide(x), wide(w))
        return a if b is None else self.with_bias(a, wide(b))

    def product(self, x: Tensor, w: Tensor) -> Tensor:
        """x wᵀ."""
        return x @ w.T

    def with_bias(self, a: Tensor, b: Tensor) -> Tensor:
        """The bias added to the classes of each row."""
        return a + b

    def backward(self, g: Tensor, x: Tensor, w: Tensor, b: Tensor | None) -> tuple[Tensor | None, ...]:
        g, x, w = wide(g), wide(x), wide(w)
        rows = matrix(g), matrix(x)
        return self.of_input(g, w), self.of_weight(*rows), None if b is None else self.of_bias(rows[0])

    def of_input(self, g: Tensor, w: Tensor) -> Tensor:
        """∂x."""
        return g @ w

    def of_weight(self, g: Tensor, x: Tensor) -> Tensor:
        """∂w, from rows."""
        return g.T @ x

    def of_bias(self, g: Tensor) -> Tensor:
        """∂b, from rows."""
        return g.sum(0)


# ---- cross-entropy --------------------------------------------------------------------------------------------------


@dataclass
class Case:
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
    ) -> Case:
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
        return Case(rows, labels, q, kept, w, weight is not None, ignore_index, reduction, label_smoothing, shape)

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

    def log_softmax(self, case: Case) -> Tensor:
        """l (R, C)."""
        return LogSoftmax().forward(case.z, -1)

    def softmax(self, case: Case) -> Tensor:
        """p (R, C)."""
        return Softmax().forward(case.z, -1)

    def smooth(self, case: Case) -> Tensor:
        """What smoothing adds to q: ε/C in each class (R, C)."""
        return torch.full_like(case.q, case.epsilon / case.classes)

    def coefficients(self, case: Case) -> Tensor:
        """t (R, C); 0 in rows that are ignored."""
        t = case.w * ((1 - case.epsilon) * case.q + self.smooth(case))
        return torch.where(case.kept[:, None], t, 0.0)

    def losses(self, case: Case) -> Tensor:
        """-Σ t l (R,), where 0 times -inf is 0; and 0 in rows that are ignored, whatever is in them."""
        t, log_p = self.coefficients(case), self.log_softmax(case)
        nothing = (t == 0) & ((log_p == -torch.inf) | ~case.kept[:, None])
        return -torch.where(nothing, 0.0, t * log_p).sum(-1)

    def denominator(self, case: Case) -> Tensor:
        """What the mean divides by: the rows, or the weights of the labels that count."""
        if case.labels is None:
            return case.z.new_tensor(len(case.z))
        return torch.where(case.kept, case.w[torch.where(case.kept, case.labels, 0)], 0.0).sum()

    def reduced(self, case: Case, losses: Tensor) -> Tensor:
        """The losses, their sum or their mean."""
        if case.reduction == "none":
            return losses.reshape(case.shape)
        return losses.sum() / self.denominator(case) if case.reduction == "mean" else losses.sum()

    def upstream(self, case: Case, g: Tensor) -> Tensor:
        """c (R, 1)."""
        c = wide(g).reshape(-1, 1).expand(len(case.z), 1)
        return c / self.denominator(case) if case.reduction == "mean" else c

    def of_logits(self, case: Case, c: Tensor) -> Tensor:
        """∂z (R, C); exactly 0 in rows that are ignored, whatever is in them."""
        t = self.coefficients(case)
        return torch.where(case.kept[:, None], c * (self.softmax(case) * t.sum(-1, keepdim=True) - t), 0.0)

    def of_target(self, case: Case, c: Tensor) -> Tensor:
        """∂q (R, C)."""
        return -c * case.w * (1 - case.epsilon) * self.log_softmax(case)


# ---- the linear classifier ------------------------------------------------------------------------------------------


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

    def cases(self, *tensors: Any, **options: Any) -> Iterator[tuple[Tensor, Case]]:
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

    def reduced(self, cases: list[Case], losses: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The losses of all chunks, their sum or their mean."""
        if cases[0].reduction == "none":
            return losses.reshape(shape)
        return losses.sum() / self.denominator(cases) if cases[0].reduction == "mean" else losses.sum()

    def denominator(self, cases: list[Case]) -> Tensor:
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


CORRECT: tuple[Operation, ...] = (
    Softmax(), LogSoftmax(), LogSumExp(), Entropy(), DistributionCrossEntropy(), KlDivergence(), Linear(),
    CrossEntropy(), LinearCrossEntropy(),
)  # fmt: skip
