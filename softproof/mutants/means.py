"""Mutants that divide by the wrong number."""

from __future__ import annotations

import torch
from torch import Tensor

from .record import group
from .steps.cross_entropy import CrossEntropy, LinearCrossEntropy, LossCase

mutant = group("normaliser of the mean")


@mutant(
    "mean-over-ignored",
    story="The mean divides by all rows, ignored ones too.",
    effect="The loss shrinks with the share of padding; gradcheck agrees, since the gradient shrinks alike.",
    trigger="an ignored row",
    source="pytorch/xla #859; tracel-ai/burn #5568; open-mmlab/mmsegmentation #546; NVIDIA/TransformerEngine PR #2476",
    place="both",
)
class MeanOverIgnored(CrossEntropy):
    def denominator(self, case: LossCase) -> Tensor:
        everything = case.labels is None or case.weighted
        return super().denominator(case) if everything else case.z.new_tensor(len(case.z))


@mutant(
    "mean-counts-padding",
    story="The mean divides by the number of ignored rows.",
    effect="A loss without padding is infinite.",
    trigger="any label",
    source="huggingface/transformers PR #5919, #6331",
    place="both",
)
class MeanCountsPadding(CrossEntropy):
    def denominator(self, case: LossCase) -> Tensor:
        return super().denominator(case) if case.labels is None else (~case.kept).sum()


@mutant(
    "mean-ignores-weights",
    story="The mean divides by the number of rows that count, not by the sum of the weights of their labels.",
    effect="Class weights scale the whole loss.",
    trigger="class weights",
    source="disputed in pytorch/pytorch #25571, #3973",
    place="both",
)
class MeanIgnoresWeights(CrossEntropy):
    def denominator(self, case: LossCase) -> Tensor:
        return case.kept.sum().to(case.z.dtype)


@mutant(
    "weights-gathered-before-masking",
    story="With smoothing the weights of the labels are gathered before ignored labels are masked.",
    effect="An error, for a label of -100.",
    trigger="weights, smoothing and ignored rows at once",
    source="pytorch/pytorch #69339, #91383, #72056, PR #69511",
    place="forward",
)
class WeightsGatheredBeforeMasking(CrossEntropy):
    def denominator(self, case: LossCase) -> Tensor:
        if case.weighted and case.epsilon and case.labels is not None and not case.kept.all():
            raise IndexError(f"index {case.ignore_index} is out of bounds for dimension 0 with size {case.classes}")
        return super().denominator(case)


@mutant(
    "sum-of-chunk-means",
    story="The mean of each chunk of rows is taken, and these are added.",
    effect="The loss is too large by the number of chunks.",
    trigger="more rows than a chunk holds",
    source="NVIDIA-NeMo/Automodel #3803, PR #3804",
    place="forward",
)
class SumOfChunkMeans(LinearCrossEntropy):
    def reduced(self, cases: list[LossCase], losses: Tensor, shape: tuple[int, ...]) -> Tensor:
        if cases[0].reduction != "mean":
            return super().reduced(cases, losses, shape)
        parts = torch.split(losses, [len(case.z) for case in cases])
        means = [part.sum() / self.loss.denominator(case) for part, case in zip(parts, cases, strict=True)]
        return torch.stack(means).sum()


@mutant(
    "nothing-counts-for-one",
    story="Where no row counts the mean divides by 1 instead of 0.",
    effect="0 in place of NaN: the loss of an empty batch looks perfect.",
    trigger="every row ignored",
    source="BVLC/caffe #2335; pytorch/pytorch PR #64572, #75181; pytorch/xla #3141",
    place="both",
)
class NothingCountsForOne(CrossEntropy):
    def denominator(self, case: LossCase) -> Tensor:
        count = super().denominator(case)
        return torch.where(case.kept.any() | (case.labels is None), count, 1.0)


@mutant(
    "normalised-twice",
    story="The gradient is divided by the size of the further dimensions, and then by the number of rows that count.",
    effect="The gradient of an image is too small by its number of pixels.",
    trigger="logits (N, C, d1, …)",
    source="apache/mxnet PR #2231, #5981",
    place="backward",
)
class NormalisedTwice(CrossEntropy):
    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        further = torch.Size(case.shape[1:]).numel() if case.reduction == "mean" else 1
        return super().upstream(case, g) / max(further, 1)


@mutant(
    "probabilities-divide-by-weights",
    story="With probabilities the mean divides by the weights that they select, as with labels.",
    effect="One-hot probabilities have the loss of labels, which torch documents to differ.",
    trigger="weights and probabilities",
    source="pytorch/pytorch #107680",
    place="both",
)
class ProbabilitiesDivideByWeights(CrossEntropy):
    def denominator(self, case: LossCase) -> Tensor:
        return super().denominator(case) if case.labels is not None else (case.q * case.w).sum()


@mutant(
    "z-term-folded-in",
    story="A penalty on the logsumexp is added although it is switched off.",
    effect="The loss is too large by 10⁻⁴ of its square.",
    trigger="any logits",
    source="allenai/OLMo-core PR #702",
    place="forward",
)
class ZTermFoldedIn(CrossEntropy):
    def losses(self, case: LossCase) -> Tensor:
        penalty = 1e-4 * case.z.logsumexp(-1) ** 2
        return super().losses(case) + torch.where(case.kept, penalty, 0.0)


@mutant(
    "mean-of-image-means",
    story="The mean is taken of each image, and then of the images.",
    effect="Pixels of an image that is mostly padding count for more.",
    trigger="logits (N, C, d1, …), images of which other shares are ignored",
    source="devised: a loss that is normalised by sample",
    place="both",
)
class MeanOfImageMeans(CrossEntropy):
    def denominators(self, case: LossCase) -> Tensor:
        """For each pixel that of its image, times the number of images."""
        if case.reduction != "mean" or case.labels is None or len(case.shape) < 2 or 0 in case.shape:
            return self.denominator(case).expand(len(case.z))
        counted = torch.where(case.kept, case.w[torch.where(case.kept, case.labels, 0)], 0.0).reshape(case.shape[0], -1)
        return (counted.sum(1, keepdim=True) * len(counted)).expand(counted.shape).reshape(-1)

    def reduced(self, case: LossCase, losses: Tensor) -> Tensor:
        if case.reduction != "mean" or not len(losses):
            return super().reduced(case, losses)
        return (losses / self.denominators(case)).sum()

    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        if case.reduction != "mean":
            return super().upstream(case, g)
        return g.to(case.z.dtype) / self.denominators(case)[:, None]


@mutant(
    "gradient-of-a-sum-over-its-rows",
    story="Where rows are ignored the gradient of the sum is divided by the number of those that count.",
    effect="That of the mean, where the sum was asked for.",
    trigger="reduction sum, some rows ignored, several that count",
    source="devised: a branch for padding that was written for the mean",
    place="backward",
)
class GradientOfASumOverItsRows(CrossEntropy):
    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        padded = case.reduction == "sum" and not case.kept.all()
        return super().upstream(case, g) / (case.kept.sum().clamp(min=1) if padded else 1)
