"""Mutants that mistake ignored labels and invalid ones."""

from __future__ import annotations

import torch
from torch import Tensor

from .record import group
from .steps.cross_entropy import CrossEntropy, LossCase

mutant = group("ignored and invalid labels")


@mutant(
    "default-ignore-index-is-off",
    story="An ignore_index of -100 is taken for none.",
    effect="Padding with -100 counts as the first class.",
    trigger="a label of -100 under the default options",
    source="pytorch/pytorch #108148, PR #109574 (MPS); flagos-ai/FlagGems PR #73",
    place="both",
)
class DefaultIgnoreIndexIsOff(CrossEntropy):
    def kept(self, labels: Tensor, ignore_index: int) -> Tensor:
        return torch.ones_like(labels, dtype=torch.bool) if ignore_index == -100 else labels != ignore_index

    def labels(self, target: Tensor) -> Tensor:
        return torch.where(target == -100, 0, target).reshape(-1)


@mutant(
    "negative-ignore-index-is-off",
    story="An ignore_index below 0 is taken for none, and the labels that it names for the first class.",
    effect="Padding with -1 or -100 counts.",
    trigger="an ignored label below 0",
    source="pytorch/pytorch #95794, PR #95833; pytorch/xla #859",
    place="both",
)
class NegativeIgnoreIndexIsOff(CrossEntropy):
    def case(self, z: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
             label_smoothing: float) -> LossCase:  # fmt: skip
        if ignore_index < 0 and not target.is_floating_point():
            target = torch.where(target == ignore_index, 0, target)
        return super().case(z, target, weight, ignore_index, reduction, label_smoothing)


@mutant(
    "ignored-in-the-value-alone",
    story="The forward pass skips ignored rows, the backward pass does not.",
    effect="Padding pulls at the logits.",
    trigger="an ignored row whose ignore_index is a class",
    source="PaddlePaddle/Paddle PR #28622",
    place="backward",
)
class IgnoredInTheValueAlone(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        if case.labels is None or not 0 <= case.ignore_index < case.classes:
            return super().of_logits(case, c)
        one_hot = super().one_hot(case.labels, torch.ones_like(case.kept), case.z)
        t = case.w * ((1 - case.epsilon) * one_hot + self.smooth(case))
        return c * (self.softmax(case) * t.sum(-1, keepdim=True) - t)


@mutant(
    "chunks-end-at-an-ignored-one",
    story="The backward pass goes through chunks of 16 rows, and ends at the first that is ignored as a whole.",
    effect="No gradient for what follows a padded sequence, or for anything at all.",
    trigger="16 ignored rows side by side, with others that count behind them",
    source="the symptom of `break` where `continue` was meant",
    place="backward",
)
class ChunksEndAtAnIgnoredOne(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        gradient = super().of_logits(case, c)
        for start in range(0, len(gradient) - 15, 16):
            if not case.kept[start : start + 16].any():
                return torch.cat([gradient[:start], torch.zeros_like(gradient[start:])])
        return gradient


@mutant(
    "smoothing-counts-ignored",
    story="Only the part of the label is masked; the uniform part of smoothing counts ignored rows.",
    effect="The smoothed loss grows with padding.",
    trigger="smoothing and ignored rows",
    source="pytorch/pytorch #73205; tinygrad/tinygrad PR #3570",
    place="both",
)
class SmoothingCountsIgnored(CrossEntropy):
    def coefficients(self, case: LossCase) -> Tensor:
        return case.w * ((1 - case.epsilon) * case.q + self.smooth(case))


@mutant(
    "label-of-another-shard-is-padding",
    story="A label that lies in another shard is marked by the index of a padded column, which has a logit of -inf.",
    effect="The loss is infinite (two shards simulated, padded to a multiple of 4).",
    trigger="a number of classes that is no multiple of the tile",
    source="apple/ml-cross-entropy PR #59",
    place="forward",
)
class LabelOfAnotherShardIsPadding(CrossEntropy):
    def losses(self, case: LossCase) -> Tensor:
        losses, half = super().losses(case), case.classes // 2
        if case.labels is None or not half or half % 4 == 0:
            return losses
        return torch.where(case.kept & (case.labels >= half), torch.inf, losses)


@mutant(
    "index-first-mask-later",
    story="The log-probability of the label is gathered before ignored labels are masked, as NumPy does it, where a "
    "negative index counts from the end.",
    effect="An error with fewer than 100 classes; silence with more, as long as everything is finite.",
    trigger="an ignored label, few classes",
    source="pytorch/pytorch PR #192685, #90916",
    place="forward",
)
class IndexFirstMaskLater(CrossEntropy):
    def losses(self, case: LossCase) -> Tensor:
        if case.labels is not None and len(case.labels):
            low, high = int(case.labels.min()), int(case.labels.max())
            if low < -case.classes or high >= case.classes:
                raise IndexError(f"index {low} or {high} is out of bounds for axis 1 with size {case.classes}")
        return super().losses(case)


@mutant(
    "label-modulo-classes",
    story="Labels are not checked; one beyond the classes wraps around.",
    effect="A plausible loss for a label that does not exist.",
    trigger="a label outside [0, C)",
    source="pytorch/pytorch #42110, #66872, #194802; tensorflow/tensorflow #3739, #10268; pytorch/xla #4552",
    place="both",
)
class LabelModuloClasses(CrossEntropy):
    def one_hot(self, labels: Tensor, kept: Tensor, z: Tensor) -> Tensor:
        return super().one_hot(torch.where(kept, labels, 0) % z.shape[1], kept, z)


@mutant(
    "kind-of-target-by-shape",
    story="Whether the target holds labels or probabilities is guessed from its shape: as many elements as there are "
    "classes are taken for probabilities.",
    effect="Labels of a square batch are summed as if they were shares.",
    trigger="as many rows as classes",
    source="tsotchke/eshkol #552; tensorflow/tensorflow PR #18651; pytorch/pytorch #722",
    place="both",
)
class KindOfTargetByShape(CrossEntropy):
    def one_hot(self, labels: Tensor, kept: Tensor, z: Tensor) -> Tensor:
        if len(labels) == z.shape[1] and len(labels) > 1:
            super().one_hot(labels, kept, z)
            return (labels * kept).to(z.dtype).expand(z.shape) * kept[:, None]
        return super().one_hot(labels, kept, z)


@mutant(
    "negative-label-from-the-end",
    story="A label of -1 that nobody ignores reads the last class, as a NumPy index does.",
    effect="A plausible loss for a label that does not exist.",
    trigger="a label of -1",
    source="a textbook slip of NumPy code",
    place="both",
)
class NegativeLabelFromTheEnd(CrossEntropy):
    def one_hot(self, labels: Tensor, kept: Tensor, z: Tensor) -> Tensor:
        return super().one_hot(
            torch.where((labels < 0) & (labels >= -z.shape[1]), labels + z.shape[1], labels), kept, z
        )


@mutant(
    "labels-in-8-bits",
    story="Labels are stored in 8 bits.",
    effect="Classes from 256 on are taken for others.",
    trigger="a label above 255",
    source="tensorflow/models PR #6641",
    place="both",
)
class LabelsIn8Bits(CrossEntropy):
    def one_hot(self, labels: Tensor, kept: Tensor, z: Tensor) -> Tensor:
        super().one_hot(labels, kept, z)
        return super().one_hot(torch.where(kept, labels, 0) % 256, kept, z)


@mutant(
    "labels-compared-in-bfloat16",
    story="The one-hot target comes from comparing the label with the numbers of the classes in the dtype of the "
    "logits.",
    effect="Classes above 256 share their ones with a neighbour.",
    trigger="bfloat16, a label above 256",
    source="devised: an arange in the dtype of the logits",
    place="both",
    dtypes=("bfloat16",),
)
class LabelsComparedInBfloat16(CrossEntropy):
    def one_hot(self, labels: Tensor, kept: Tensor, z: Tensor) -> Tensor:
        super().one_hot(labels, kept, z)
        numbers = torch.arange(z.shape[1], device=z.device).bfloat16()
        return (labels[:, None].bfloat16() == numbers).to(z.dtype) * kept[:, None]


@mutant(
    "ignored-by-a-weight-of-zero",
    story="An ignore_index that is a class becomes a class weight of 0.",
    effect="Without smoothing that is the same; with it that class loses its part in every row.",
    trigger="smoothing, an ignore_index that is a class",
    source="onnx/onnx does so, where there is no smoothing: onnx/backend/test/case/node/softmaxcrossentropy.py",
    place="both",
)
class IgnoredByAWeightOfZero(CrossEntropy):
    def case(self, z: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
             label_smoothing: float) -> LossCase:  # fmt: skip
        case = super().case(z, target, weight, ignore_index, reduction, label_smoothing)
        if case.labels is not None and 0 <= ignore_index < case.classes:
            case.w = case.w * (torch.arange(case.classes, device=case.w.device) != ignore_index)
        return case
