"""Mutants of the formulas themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from .record import group
from .steps.cross_entropy import CrossEntropy, LossCase
from .steps.linear import Linear
from .steps.softmax import Softmax

mutant = group("closed forms")


@mutant(
    "diagonal-of-the-jacobian",
    story="The gradient is g p (1 - p), the diagonal of the Jacobian alone.",
    effect="The influence of classes on each other is lost.",
    trigger="more than one class",
    source="deeplearning4j/libnd4j #440; neuroph #37",
    place="backward",
)
class DiagonalOfTheJacobian(Softmax):
    def vjp(self, g: Tensor, p: Tensor, dim: int) -> Tensor:
        return g * p * (1 - p)


@mutant(
    "logarithm-missing",
    story="The loss multiplies the target by the logits, not by their log-softmax.",
    effect="A loss without a normaliser.",
    trigger="any logits",
    source="apache/tvm #9109",
    place="forward",
)
class LogarithmMissing(CrossEntropy):
    def log_softmax(self, case: LossCase) -> Tensor:
        return case.z


@mutant(
    "mean-over-entries",
    story="The mean divides by rows and classes.",
    effect="The loss is too small by the number of classes; gradcheck agrees.",
    trigger="more than one class",
    source="tinygrad/tinygrad PR #1427",
    place="both",
)
class MeanOverEntries(CrossEntropy):
    def denominator(self, case: LossCase) -> Tensor:
        return super().denominator(case) * case.classes


@mutant(
    "sum-for-mean",
    story="The mean is a sum.",
    effect="The learning rate depends on the batch.",
    trigger="more than one row",
    source="a textbook slip",
    place="both",
)
class SumForMean(CrossEntropy):
    def denominator(self, case: LossCase) -> Tensor:
        return case.z.new_tensor(1.0)


@mutant(
    "mean-for-sum",
    story="The sum is a mean.",
    effect="Gradients shrink with the batch.",
    trigger="more than one row",
    source="a textbook slip",
    place="both",
)
class MeanForSum(CrossEntropy):
    def reduced(self, case: LossCase, losses: Tensor) -> Tensor:
        return losses.mean() if case.reduction == "sum" and len(losses) else super().reduced(case, losses)

    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        return super().upstream(case, g) / (max(len(case.z), 1) if case.reduction == "sum" else 1)


@mutant(
    "loss-of-the-other-sign",
    story="Loss and gradient have the other sign.",
    effect="Training climbs; gradcheck agrees.",
    trigger="any logits",
    source="a textbook slip",
    place="both",
)
class LossOfTheOtherSign(CrossEntropy):
    def coefficients(self, case: LossCase) -> Tensor:
        return -super().coefficients(case)


@mutant(
    "softmax-twice",
    story="The loss takes probabilities for logits.",
    effect="The loss stays near log C.",
    trigger="any logits",
    source="a textbook slip",
    place="both",
)
class SoftmaxTwice(CrossEntropy):
    def rows(self, z: Tensor) -> Tensor:
        return super().rows(z).softmax(-1)


@mutant(
    "scaled-at-the-label-alone",
    story="The mean divides the gradient of the label, and no other.",
    effect="The other classes are pushed too hard by the number of rows.",
    trigger="more than one row, more than one class",
    source="a textbook slip",
    place="backward",
)
class ScaledAtTheLabelAlone(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        grad = super().of_logits(case, c)
        if case.labels is None or case.reduction != "mean":
            return grad
        return torch.where(case.q == 1, grad, grad * self.denominator(case))


@mutant(
    "one-hot-for-the-whole-batch",
    story="q[:, t] = 1 in place of q[arange(N), t] = 1: each label counts in every row.",
    effect="Every row is pulled to every label.",
    trigger="two different labels",
    source="a textbook slip of NumPy code",
    place="both",
)
class OneHotForTheWholeBatch(CrossEntropy):
    def one_hot(self, labels: Tensor, kept: Tensor, z: Tensor) -> Tensor:
        q = super().one_hot(labels, kept, z)
        return q.amax(0, keepdim=True).expand(q.shape) * kept[:, None] if len(q) else q


@mutant(
    "off-target-forgotten",
    story="Only the class of the label has a gradient.",
    effect="The other classes are never pushed.",
    trigger="more than one class",
    source="accepted by assert_close for 32000 classes, and by some public suites",
    place="backward",
)
class OffTargetForgotten(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        return super().of_logits(case, c) * (case.q != 0)


@mutant(
    "one-hot-forgotten",
    story="The gradient is p in place of p - q.",
    effect="All classes are pushed down.",
    trigger="any logits",
    source="accepted by a public suite at 50257 classes",
    place="backward",
)
class OneHotForgotten(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        return torch.where(case.kept[:, None], c * self.softmax(case), 0.0)


@mutant(
    "no-gradient",
    story="The gradient is 0.",
    effect="Nothing is learned.",
    trigger="any logits",
    source="accepted by some public suites for many classes",
    place="backward",
)
class NoGradient(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        return torch.zeros_like(case.z)


@mutant(
    "twice-the-gradient",
    story="The gradient is twice too large.",
    effect="The learning rate is another.",
    trigger="any logits",
    source="accepted by some public suites for many classes",
    place="backward",
)
class TwiceTheGradient(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        return 2 * super().of_logits(case, c)


@mutant(
    "uniform-softmax",
    story="Every probability is 1/C.",
    effect="No information passes.",
    trigger="logits that differ",
    source="accepted by some public suites for many classes",
    place="forward",
)
class UniformSoftmax(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        return super().exponentials(z, dim) * 0 + 1


@mutant(
    "bias-gradient-averaged",
    story="The gradient of the bias is a mean over rows.",
    effect="It is too small by their number.",
    trigger="more than one row",
    source="a textbook slip",
    place="backward",
)
class BiasGradientAveraged(Linear):
    def of_bias(self, g: Tensor) -> Tensor:
        return super().of_bias(g) / max(len(g), 1)
