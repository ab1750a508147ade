"""Mutants that take one axis for another, or lose the tail of a tile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .record import group
from .steps.cross_entropy import CrossEntropy, LinearCrossEntropy, LossCase
from .steps.linear import Linear
from .steps.operation import wide
from .steps.softmax import LogSumExp, Softmax

mutant = group("layout, axes and tiles")


@mutant(
    "softmax-of-axis-0",
    story="Softmax runs along the first axis, whatever dim says.",
    effect="Columns sum to 1 in place of rows.",
    trigger="dim other than 0",
    source="dpilger26/NumCpp #57; PaddlePaddle/Paddle PR #27311; ml-explore/mlx PR #2641; jax-ml/jax #20856",
    place="both",
)
class SoftmaxOfAxis0(Softmax):
    def __call__(self, input: Tensor, dim: int) -> Tensor:
        return super().__call__(input, 0)


@mutant(
    "sum-along-another-axis",
    story="The largest logit is taken along dim, the sum along the last axis.",
    effect="Neither rows nor columns sum to 1.",
    trigger="dim other than the last",
    source="paiml/aprender PR #2152; dpilger26/NumCpp #57",
    place="both",
)
class SumAlongAnotherAxis(Softmax):
    def total(self, e: Tensor, dim: int) -> Tensor:
        return e.sum(-1, keepdim=True)


@mutant(
    "softmax-of-the-last-axis",
    story="An old ONNX softmax is converted by the new rule: along the last axis, not all axes from dim on.",
    effect="Right on matrices, wrong on images.",
    trigger="more than two dimensions, dim not the last",
    source="apache/tvm #19420, #20183; openvinotoolkit/openvino #37823; microsoft/onnxruntime PR #26391",
    place="both",
)
class SoftmaxOfTheLastAxis(Softmax):
    def __call__(self, input: Tensor, dim: int) -> Tensor:
        return super().__call__(input, -1 if input.ndim > 2 else dim)


@mutant(
    "sum-reduced-twice",
    story="Logits that were gathered already are reduced over the shards once more, so the sum is twice too large.",
    effect="The logsumexp is too large by log 2.",
    trigger="any logits",
    source="NVIDIA/Megatron-LM #7452",
    place="forward",
)
class SumReducedTwice(LogSumExp):
    def logarithm(self, total: Tensor) -> Tensor:
        return (2 * total).log()


@mutant(
    "nothing-to-launch",
    story="A batch of no rows launches a grid of size 0.",
    effect="An error, in the backward pass alone.",
    trigger="no rows",
    source="pytorch/pytorch #17256, #34202; tensorflow/tensorflow #6766; chainer/chainer PR #3656",
    place="backward",
)
class NothingToLaunch(CrossEntropy):
    def upstream(self, case: LossCase, g: Tensor) -> Tensor:
        if not len(case.z):
            raise RuntimeError("CUDA error: invalid configuration argument")
        return super().upstream(case, g)


@mutant(
    "half-along-other-axes-refused",
    story="The backward pass of half precision checks the dtype of the wrong tensor where dim is not the last.",
    effect="An error for a valid question.",
    trigger="float16, dim not the last",
    source="pytorch/pytorch #30572",
    place="backward",
    dtypes=("float16",),
)
class HalfAlongOtherAxesRefused(Softmax):
    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        if z.dtype == torch.float16 and dim % z.ndim != z.ndim - 1:
            raise RuntimeError("expected input and grad types to match, or input to be Half and grad to be Float")
        return super().backward(g, z, dim)


@mutant(
    "tail-dropped",
    story="The last chunk of rows is skipped when it is not full.",
    effect="Some rows at the end have neither loss nor gradient.",
    trigger="rows that are no multiple of the chunk, more than one chunk",
    source="a textbook slip in chunked losses",
    place="both",
)
class TailDropped(LinearCrossEntropy):
    def cases(self, *tensors: Any, **options: Any) -> Iterator[tuple[Tensor, LossCase]]:
        for number, (rows, case) in enumerate(super().cases(*tensors, **options)):
            if number and len(rows) < self.chunk:
                case.kept = torch.zeros_like(case.kept)
                case.q = torch.zeros_like(case.q)
            yield rows, case


@mutant(
    "weight-gradient-of-the-last-chunk",
    story="The gradient of the weight is overwritten by each chunk in place of added to.",
    effect="Only the last chunk teaches the weight anything.",
    trigger="more than one chunk",
    source="a textbook slip in chunked losses",
    place="backward",
)
class WeightGradientOfTheLastChunk(LinearCrossEntropy):
    def added(self, total: Tensor, more: Tensor) -> Tensor:
        return more


@mutant(
    "weight-gradient-transposed",
    story="The gradient of a square weight is transposed.",
    effect="Silent where there are as many features as classes.",
    trigger="as many features as classes",
    source="a textbook slip",
    place="backward",
)
class WeightGradientTransposed(Linear):
    def of_weight(self, g: Tensor, x: Tensor) -> Tensor:
        grad = super().of_weight(g, x)
        return grad.T if grad.shape[0] == grad.shape[1] else grad


@mutant(
    "largest-logit-broadcast-along-columns",
    story="The dimension of the largest logit is lost, and it is subtracted from the columns of a square matrix.",
    effect="Overflow, or rows that do not sum to 1, where there are as many rows as classes.",
    trigger="as many rows as classes",
    source="a textbook slip of NumPy code (keepdims)",
    place="forward",
)
class LargestLogitBroadcastAlongColumns(LogSumExp):
    def shift(self, z: Tensor, dim: int) -> Tensor:
        m = super().shift(z, dim)
        return m.T if z.ndim == 2 and z.shape[0] == z.shape[1] else m


@mutant(
    "row-of-another",
    story="Losses come back one row late.",
    effect="Every loss belongs to the row before.",
    trigger="reduction none, more than one row",
    source="the symptom of an index that is off by one",
    place="forward",
)
class RowOfAnother(CrossEntropy):
    def losses(self, case: LossCase) -> Tensor:
        return super().losses(case).roll(1, 0)


@mutant(
    "classes-read-as-flat",
    story="Logits (N, C, d1) are flattened to rows without moving the classes to the end.",
    effect="Right for matrices, noise for images.",
    trigger="logits (N, C, d1, …)",
    source="the symptom of reshape in place of permute",
    place="both",
)
class ClassesReadAsFlat(CrossEntropy):
    def rows(self, z: Tensor) -> Tensor:
        return wide(z).reshape(-1, z.shape[min(z.ndim - 1, 1)])


@mutant(
    "padded-columns-count",
    story="A row is padded to a power of two, and what is loaded beyond its end counts as a logit of 0.",
    effect="Rows do not sum to 1, the less the further their logits are below 0.",
    trigger="a width that is no power of two",
    source="unslothai/unsloth PR #10616 after a softcap; tensorflow/tensorflow PR #104247; NVIDIA/TileGym PR #1",
    place="forward",
)
class PaddedColumnsCount(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        z, width = wide(z), z.shape[dim]
        m = z.amax(dim, keepdim=True)
        e = (z - m).exp()
        return e / (self.total(e, dim) + ((1 << (width - 1).bit_length()) - width) * (-m).exp())


@mutant(
    "bias-gradient-of-the-other-axis",
    story="The gradient of the bias is summed over classes in place of rows.",
    effect="Silent where there are as many rows as classes.",
    trigger="as many rows as classes, a bias",
    source="devised: a textbook slip",
    place="backward",
)
class BiasGradientOfTheOtherAxis(Linear):
    def of_bias(self, g: Tensor) -> Tensor:
        return g.sum(1) if g.shape[0] == g.shape[1] else super().of_bias(g)


@mutant(
    "losses-transposed",
    story="The losses of an image come back transposed.",
    effect="Silent where there are as many images as pixels.",
    trigger="logits (N, C, N), reduction none",
    source="devised: the symptom of an axis that is moved to the wrong place",
    place="forward",
)
class LossesTransposed(CrossEntropy):
    def reduced(self, case: LossCase, losses: Tensor) -> Tensor:
        found = super().reduced(case, losses)
        return found.transpose(0, 1) if found.ndim > 1 and found.shape[0] == found.shape[1] else found


@mutant(
    "gradient-asked-of-a-copy",
    story="Logits whose classes are not next to each other are copied, and whether a gradient is wanted is asked of "
    "the copy, which wants none; the copy comes back in place of the gradient.",
    effect="The gradient of transposed logits is the logits; the loss is right.",
    trigger="logits (N, C) whose classes do not have stride 1",
    source="linkedin/Liger-Kernel 0.8.5: docs/generated/conformance.md has the witness",
    place="backward",
)
class GradientAskedOfACopy(CrossEntropy):
    def backward(self, g: Tensor, *tensors: Any, **options: Any) -> tuple[Tensor | None, ...]:
        of_logits, *others = super().backward(g, *tensors, **options)
        z = tensors[0]
        copied = z.ndim == 2 and z.stride(-1) != 1
        return (z if copied else of_logits, *others)
