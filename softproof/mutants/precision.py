"""Mutants that keep too few digits on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .record import group
from .steps.cross_entropy import CrossEntropy, LinearCrossEntropy, LossCase
from .steps.information import Entropy
from .steps.operation import wide
from .steps.softmax import LogSoftmax, LogSumExp, Softmax

mutant = group("precision of what is kept")


@mutant(
    "sum-in-bfloat16",
    story="The exponentials of a row are added one by one in bfloat16.",
    effect="The sum sticks at 256: long rows do not sum to 1.",
    trigger="bfloat16, many classes",
    source="pytorch/executorch PR #20089, PR #20090; tenstorrent/tt-metal #52045",
    place="forward",
    dtypes=("bfloat16",),
)
class SumInBfloat16(Softmax):
    def total(self, e: Tensor, dim: int) -> Tensor:
        sums = e.bfloat16().movedim(dim, 0)
        total = torch.zeros_like(sums[0])
        for each in sums:
            total = total + each
        return total.to(e.dtype).unsqueeze(dim)


@mutant(
    "weight-gradient-rounded-by-chunk",
    story="The gradient of the weight is rounded to bfloat16 after every chunk of rows.",
    effect="Training diverges late.",
    trigger="linear_cross_entropy in bfloat16, more than one chunk",
    source="linkedin/Liger-Kernel #512, #827, PR #830; axolotl PR #1601; apple/ml-cross-entropy #14, PR #18",
    place="backward",
    dtypes=("bfloat16",),
)
class WeightGradientRoundedByChunk(LinearCrossEntropy):
    def added(self, total: Tensor, more: Tensor) -> Tensor:
        return (total + more).bfloat16().to(total.dtype)


@mutant(
    "logsumexp-stored-in-bfloat16",
    story="The logsumexp that the loss is made of is stored in bfloat16.",
    effect="Losses come in steps, and log-probabilities above 0.",
    trigger="bfloat16, a loss above 4",
    source="google-deepmind/optax #1020; AI-Hypercomputer/maxtext PR #5231; Modalities PR #464",
    place="forward",
    dtypes=("bfloat16",),
)
class LogsumexpStoredInBfloat16(LogSoftmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        lse = LogSumExp().forward(z, dim).bfloat16()
        return wide(z) - wide(lse).unsqueeze(dim)


@mutant(
    "half-precision-along-other-axes",
    story="Along an axis that is not the last everything is computed in float16 itself.",
    effect="-inf in one layout, a number in the other.",
    trigger="float16, dim not the last",
    source="pytorch/pytorch #158310",
    place="forward",
    dtypes=("float16",),
)
class HalfPrecisionAlongOtherAxes(LogSoftmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        if dim % z.ndim == z.ndim - 1:
            return super().forward(z, dim)
        z = z.half()
        d = z - z.amax(dim, keepdim=True)
        return d - d.exp().sum(dim, keepdim=True).log()


@mutant(
    "float32-inside-float64",
    story="float64 is computed in float32.",
    effect="Half of the digits are noise, and nobody notices in float32.",
    trigger="float64",
    source="the symptom of a kernel that was written for one dtype",
    place="both",
    dtypes=("float64",),
)
class Float32InsideFloat64(Softmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        return super().forward(z.float(), dim).to(z.dtype)


@mutant(
    "tensor-cores-without-asking",
    story="The product of the linear layer is computed with factors rounded to 10 bits (TF32).",
    effect="Logits of three digits.",
    trigger="linear_cross_entropy",
    source="documented for CUDA: torch.backends.cuda.matmul.allow_tf32",
    place="forward",
)
class TensorCoresWithoutAsking(LinearCrossEntropy):
    def cases(self, *tensors: Any, **options: Any) -> Iterator[tuple[Tensor, LossCase]]:
        x, w, *others = tensors
        return super().cases(ten_bits(x), ten_bits(w), *others, **options)


def ten_bits(x: Tensor) -> Tensor:
    """The nearest number with 10 bits after the leading one."""
    mantissa, exponent = torch.frexp(x)
    return torch.ldexp((mantissa * 2**11).round() / 2**11, exponent)


@mutant(
    "gradient-rounded-before-scaling",
    story="p - q is kept in the memory of the logits, in bfloat16, and multiplied by the upstream gradient later.",
    effect="Two roundings in place of one.",
    trigger="bfloat16, an upstream gradient that is no power of two",
    source="NVIDIA/TransformerEngine PR #3193",
    place="backward",
    dtypes=("bfloat16",),
)
class GradientRoundedBeforeScaling(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        kept = super().of_logits(case, torch.ones_like(c)).bfloat16().to(c.dtype)
        return torch.where(case.kept[:, None], c * kept, 0.0)


@mutant(
    "backward-sum-in-float16",
    story="The backward pass of log-softmax adds up the upstream gradients in float16.",
    effect="The gradient of long rows has three digits.",
    trigger="float16, several classes",
    source="ROCm/MIOpen PR #3427",
    place="backward",
    dtypes=("float16",),
)
class BackwardSumInFloat16(LogSoftmax):
    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        total = torch.zeros_like(g.narrow(dim, 0, 1), dtype=torch.float16)
        for each in torch.split(g.half(), 1, dim):
            total = total + each
        return (wide(g) - Softmax().forward(z, dim) * wide(total),)


@mutant(
    "losses-added-up-in-float16",
    story="The losses of a batch are added one by one in float16.",
    effect="The sum loses digits with each row, and ends at 65504.",
    trigger="float16, several rows",
    source="pytorch/pytorch PR #193477 for bfloat16 atomics",
    place="forward",
    dtypes=("float16",),
)
class LossesAddedUpInFloat16(CrossEntropy):
    def reduced(self, case: LossCase, losses: Tensor) -> Tensor:
        if case.reduction == "none" or losses.dtype != torch.float32:
            return super().reduced(case, losses)
        total = losses.new_zeros((), dtype=torch.float16)
        for each in losses.half():
            total = total + each
        return (
            super().reduced(case, torch.cat([wide(total)[None], torch.zeros_like(losses[1:])]))
            if len(losses)
            else (super().reduced(case, losses))
        )


class _Filtered(CrossEntropy):
    def of_logits(self, case: LossCase, c: Tensor) -> Tensor:
        small = (self.softmax(case) < 2.0**-12) & (case.q == 0)
        return torch.where(small, 0.0, super().of_logits(case, c))


@mutant(
    "gradient-filtered",
    story="Entries of the gradient of the logits are dropped where the probability is below 2⁻¹², in float32 as well.",
    effect="Classes that are far from the label are never pushed.",
    trigger="a gap above 8",
    source="documented for apple/ml-cross-entropy (gradient filtering); #14, PR #18 there",
    place="backward",
)
class GradientFiltered(LinearCrossEntropy):
    loss = _Filtered()


@mutant(
    "entropy-summed-in-bfloat16",
    story="Terms are added one by one in bfloat16.",
    effect="The entropy of many classes stops growing.",
    trigger="bfloat16, many classes",
    source="ml-explore/mlx PR #3909; tenstorrent/tt-metal #9908",
    place="forward",
    dtypes=("bfloat16",),
)
class EntropySummedInBfloat16(Entropy):
    def total(self, terms: Tensor, dim: int) -> Tensor:
        total = torch.zeros_like(terms.select(dim, 0), dtype=torch.bfloat16)
        for each in terms.bfloat16().unbind(dim):
            total = total + each
        return total.to(terms.dtype)
