"""Mutants that mistake label smoothing and target probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .record import group
from .steps.cross_entropy import CrossEntropy, LossCase

mutant = group("smoothing and probabilities")


@mutant(
    "smoothing-over-the-other-classes",
    story="ε/(C - 1) goes to the other classes, in place of ε/C to all.",
    effect="Not the documented loss; at C = 32000 nobody sees the difference.",
    trigger="smoothing, few classes",
    source="fastai/fastai PR #1814; facebookresearch/fairseq PR #3182; linkedin/Liger-Kernel PR #1260 has both",
    place="both",
)
class SmoothingOverTheOtherClasses(CrossEntropy):
    def smooth(self, case: LossCase) -> Tensor:
        if case.labels is None or case.classes < 2:
            return super().smooth(case)
        return (1 - case.q) * case.epsilon / (case.classes - 1)


@mutant(
    "smoothing-by-the-last-dimension",
    story="The number of classes is read from the last dimension of the logits, which is another one for images.",
    effect="ε is spread over the wrong number of classes.",
    trigger="smoothing, logits (N, C, d1, …)",
    source="tensorflow/tensorflow #39329, PR #36990, #127249; keras-team/keras #23451, PR #23437",
    place="both",
)
class SmoothingByTheLastDimension(CrossEntropy):
    def smooth(self, case: LossCase) -> Tensor:
        last = case.shape[-1] if len(case.shape) > 1 else case.classes
        return torch.full_like(case.q, case.epsilon / max(last, 1))


@mutant(
    "smoothing-over-one-shard",
    story="The uniform part is a mean over the classes of one shard (two shards simulated).",
    effect="The loss differs by rank.",
    trigger="smoothing, more than one class",
    source="NVIDIA/Megatron-LM #737, #7464, PR #5522, PR #7466",
    place="both",
)
class SmoothingOverOneShard(CrossEntropy):
    def smooth(self, case: LossCase) -> Tensor:
        own = max(case.classes // 2, 1)
        return torch.full_like(case.q, case.epsilon / own) * (torch.arange(case.classes, device=case.q.device) < own)


@mutant(
    "one-hot-times-log",
    story="The one-hot target is multiplied by the log-probabilities, and 0 times -inf is NaN.",
    effect="NaN as soon as a class is masked.",
    trigger="a masked class beside the label",
    source="google-deepmind/optax #896; tensorflow/tensorflow #40606; pytorch/xla PR #2991",
    place="forward",
)
class OneHotTimesLog(CrossEntropy):
    def losses(self, case: LossCase) -> Tensor:
        losses = -(self.coefficients(case) * self.log_softmax(case)).sum(-1)
        return torch.where(case.kept, losses, 0.0)


@mutant(
    "smoothing-without-weights",
    story="Class weights multiply the part of the label, not the uniform part of smoothing.",
    effect="Not the documented loss.",
    trigger="smoothing and weights",
    source="pytorch/pytorch #104776 asks about it",
    place="both",
)
class SmoothingWithoutWeights(CrossEntropy):
    def coefficients(self, case: LossCase) -> Tensor:
        t = case.w * (1 - case.epsilon) * case.q + self.smooth(case)
        return torch.where(case.kept[:, None], t, 0.0)


@mutant(
    "gradient-for-shares-that-sum-to-one",
    story="The gradient is p - q, which supposes that the target probabilities of a row sum to 1.",
    effect="The logits of a row of weight 0 are still pulled.",
    trigger="probabilities that do not sum to 1",
    source="tensorflow/tensorflow #60314, PR #49178; kvark/meganeura PR #102",
    place="backward",
)
class GradientForSharesThatSumToOne(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        if case.weighted or case.labels is not None:
            return super().of_logits(case, c)
        return c * (self.softmax(case) - self.coefficients(case))


@mutant(
    "no-gradient-of-the-target",
    story="The gradient of target probabilities is 0.",
    effect="A teacher that is trained through its probabilities learns nothing.",
    trigger="probabilities that ask for a gradient",
    source="tensorflow/tensorflow #26495; pytorch/pytorch PR #188296",
    place="backward",
)
class NoGradientOfTheTarget(CrossEntropy):
    def of_target(self, case: LossCase, c: Tensor) -> Tensor:
        return torch.zeros_like(case.q)


class _Constant(torch.autograd.Function):
    """Hands on a gradient that autograd takes for a constant."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z.softmax(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        p = z.softmax(-1)
        constant: Tensor = (p * (grads[0] - (grads[0] * p).sum(-1, keepdim=True))).detach()
        return constant + 0 * grads[0]


@mutant(
    "second-derivative-of-zero",
    story="The gradient is a constant to autograd, so the second derivative is silently 0.",
    effect="Hessian-vector products and gradient penalties vanish.",
    trigger="a derivative of the gradient",
    source="tensorflow/tensorflow #7403, #5876; pytorch/pytorch #17261, PR #17330 for half precision",
    place="backward",
    operation="softmax",
)
def second_derivative_of_zero(input: Tensor, dim: int) -> Tensor:
    """Along `dim`."""
    found: Tensor = _Constant.apply(input.movedim(dim, -1))  # type: ignore[no-untyped-call]  # torch's own
    return found.movedim(-1, dim)


@mutant(
    "smoothing-in-the-value-alone",
    story="The loss is smoothed, its gradient is that of the loss without smoothing.",
    effect="Training ignores the option; the numbers that are printed do not.",
    trigger="smoothing",
    source="a textbook slip",
    place="backward",
)
class SmoothingInTheValueAlone(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        t = torch.where(case.kept[:, None], case.w * case.q, 0.0)
        return torch.where(case.kept[:, None], c * (self.softmax(case) * t.sum(-1, keepdim=True) - t), 0.0)


@mutant(
    "weights-in-the-value-alone",
    story="Class weights scale the loss, not its gradient.",
    effect="Training ignores the option.",
    trigger="weights",
    source="a textbook slip",
    place="backward",
)
class WeightsInTheValueAlone(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        t = torch.where(case.kept[:, None], (1 - case.epsilon) * case.q + self.smooth(case), 0.0)
        return torch.where(case.kept[:, None], c * (self.softmax(case) * t.sum(-1, keepdim=True) - t), 0.0)


@mutant(
    "probabilities-are-not-smoothed",
    story="Label smoothing is left out where the target holds probabilities.",
    effect="The option is silently ignored.",
    trigger="smoothing and probabilities",
    source="caught in review of pytorch/pytorch PR #63122, where it became an error at first",
    place="both",
)
class ProbabilitiesAreNotSmoothed(CrossEntropy):
    def case(self, z: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
             label_smoothing: float) -> LossCase:  # fmt: skip
        epsilon = 0.0 if target.is_floating_point() else label_smoothing
        return super().case(z, target, weight, ignore_index, reduction, epsilon)
