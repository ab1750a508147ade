"""Mutants whose results are no numbers, of the other sign, a little off, or of another shape or dtype."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .record import group
from .steps.cross_entropy import CrossEntropy, LossCase
from .steps.softmax import Softmax

mutant = group("state and results")


@mutant(
    "not-a-number",
    story="A NaN in the last class of every fourth row.",
    effect="NaN.",
    trigger="more than three rows",
    source="a symptom",
    place="forward",
)
class NotANumber(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        return _last_of_each_fourth(super().forward(z, dim), dim, float("nan"))


@mutant(
    "infinite",
    story="An infinity in the last class of every fourth row.",
    effect="inf.",
    trigger="more than three rows",
    source="a symptom",
    place="forward",
)
class Infinite(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        return _last_of_each_fourth(super().forward(z, dim), dim, float("inf"))


def _last_of_each_fourth(p: Tensor, dim: int, number: float) -> Tensor:
    rows = p.movedim(dim, -1).reshape(-1, p.shape[dim]).clone()
    rows[3::4, -1] = number
    return rows.reshape(p.movedim(dim, -1).shape).movedim(-1, dim)


@mutant(
    "gradient-of-the-other-sign",
    story="The gradient has the other sign.",
    effect="Training climbs.",
    trigger="any gradient",
    source="a symptom",
    place="backward",
)
class GradientOfTheOtherSign(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        return -super().of_logits(case, c)


@mutant(
    "a-few-ulps",
    story="The largest probability of a row is multiplied by 1 + 2⁻²⁰.",
    effect="Eight ulps: just outside the bound of short rows.",
    trigger="few classes",
    source="a symptom",
    place="forward",
)
class AFewUlps(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        p = super().forward(z, dim)
        return torch.where(p == p.amax(dim, keepdim=True), p * (1 + 2.0**-20), p)


@mutant(
    "one-dimension-more",
    story="The reduced dimension stays.",
    effect="A shape that broadcasts where nobody expects it.",
    trigger="any logits",
    source="a symptom",
    place="forward",
    operation="logsumexp",
)
def one_dimension_more(input: Tensor, dim: int) -> Tensor:
    """Along `dim`."""
    return input.logsumexp(dim, keepdim=True)


@mutant(
    "another-dtype",
    story="float32 comes back as float64.",
    effect="Twice the memory, and an error in the next layer.",
    trigger="any logits",
    source="a symptom",
    place="forward",
    operation="softmax",
)
def another_dtype(input: Tensor, dim: int) -> Tensor:
    """Along `dim`."""
    return input.softmax(dim).double()


@mutant(
    "batch-dependent",
    story="Single rows take another path, which adds up in another precision.",
    effect="What is sampled for a prompt depends on who else is in the batch.",
    trigger="one row beside many",
    source="the symptom of split reductions that depend on the batch",
    place="state",
)
class BatchDependent(Softmax):
    def total(self, e: Tensor, dim: int) -> Tensor:
        total = super().total(e, dim)
        return total.bfloat16().to(e.dtype) if e.numel() == e.shape[dim] else total


class _ScaledInPlace(torch.autograd.Function):
    """Computes the gradient in the forward pass, and multiplies it by the upstream gradient in the backward pass."""

    @staticmethod
    def forward(ctx: Any, operation: CrossEntropy, options: dict[str, Any], *tensors: Tensor | None) -> Tensor:
        asked = [None if x is None else x.detach() for x in tensors]
        value = operation.forward(*asked, **options)
        ctx.dtypes = [None if x is None else x.dtype for x in tensors]
        ctx.kept = operation.backward(torch.ones_like(value), *asked, **options)
        ctx.of_rows = options["reduction"] == "none"
        return value.to(asked[0].dtype)  # type: ignore[union-attr]  # logits are never None

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        gradients = []
        for kept, dtype, needed in zip(ctx.kept, ctx.dtypes, ctx.needs_input_grad[2:], strict=True):
            if kept is not None:
                of_rows = ctx.of_rows and kept.ndim > grads[0].ndim
                kept.mul_(grads[0].unsqueeze(min(kept.ndim - 1, 1)) if of_rows else grads[0])
            gradients.append(kept.to(dtype, copy=True) if kept is not None and needed else None)
        return None, None, *gradients


@mutant(
    "saved-gradient-scaled-in-place",
    story="The gradient is computed in the forward pass, and each backward pass multiplies it in place by its upstream "
    "gradient.",
    effect="A second backward pass on the same graph has the product of both upstream gradients.",
    trigger="retain_graph, two backward passes",
    source="Dao-AILab/quack PR #209; unslothai/unsloth-zoo PR #610; k2-fsa/k2 PR #1106",
    place="state",
)
class SavedGradientScaledInPlace(CrossEntropy):
    def apply(self, *tensors: Tensor | None, **options: Any) -> Tensor:
        found: Tensor = _ScaledInPlace.apply(self, options, *tensors)  # type: ignore[no-untyped-call]  # torch's own
        return found
