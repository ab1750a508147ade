"""Mutants that overflow, underflow, or lose their digits."""

from __future__ import annotations

import torch
from torch import Tensor

from .record import group
from .steps.cross_entropy import CrossEntropy, LossCase
from .steps.operation import wide
from .steps.softmax import LogSoftmax, LogSumExp, Softmax

mutant = group("shift, exponential and logarithm")


@mutant(
    "no-shift-in-one-path",
    story="Rows whose length is a multiple of 8 take a vector path, in which the largest logit is not subtracted.",
    effect="inf/inf for logits above 88.",
    trigger="large logits, a width of the vector path",
    source="pytorch/pytorch PR #62897; cornell-brg/hb-pytorch #61; uTensor #175; apache/singa PR #540",
    place="forward",
)
class NoShiftInOnePath(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        return z.exp() if z.shape[dim] % 8 == 0 else super().exponentials(z, dim)


@mutant(
    "logsumexp-then-subtract",
    story="z - logsumexp(z): the logarithm of the sum is rounded away beside a large common offset.",
    effect="Equal logits at 10⁸ have loss 0 and gradient 0.",
    trigger="a common offset",
    source="pytorch/pytorch #11752, #38839, PR #195829; ml-explore/mlx PR #4169, PR #4188",
    place="forward",
)
class LogsumexpThenSubtract(LogSoftmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        z = wide(z)
        m = z.amax(dim, keepdim=True)
        return z - (m + (z - m).exp().sum(dim, keepdim=True).log())


@mutant(
    "log-of-softmax",
    story="The logarithm of a softmax that has underflowed.",
    effect="-inf for gaps above 104.",
    trigger="a gap above 104",
    source="pytorch/pytorch #94043 (MPS); chainer/chainer #584; PaddlePaddle/Paddle #21154",
    place="forward",
)
class LogOfSoftmax(LogSoftmax):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        return Softmax().forward(z, dim).log()


@mutant(
    "loss-by-log-of-softmax",
    story="The loss is the logarithm of a softmax that has underflowed.",
    effect="An infinite loss for confident mistakes.",
    trigger="a gap above 104",
    source="pytorch/pytorch #94043 (MPS); chainer/chainer #584",
    place="forward",
)
class LossByLogOfSoftmax(CrossEntropy):
    def log_softmax(self, case: LossCase) -> Tensor:
        return self.softmax(case).log()


@mutant(
    "largest-logit-rounded",
    story="The largest logit is kept in less precision than the logits that it is subtracted from.",
    effect="Overflow for large logits that are finite.",
    trigger="large logits",
    source="SlopDotCash/asi #2886; openxla/xla PR #44738; jax-ml/jax #37234: there a product with a scale is rounded",
    place="forward",
)
class LargestLogitRounded(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        return (z - z.amax(dim, keepdim=True).bfloat16().to(z.dtype)).exp()


@mutant(
    "shift-by-minus-infinity",
    story="logsumexp does not guard against a largest logit of -inf.",
    effect="NaN in place of -inf for a row that is masked as a whole.",
    trigger="every logit -inf",
    source="tensorflow/tensorflow #11692; tinygrad/tinygrad PR #17822; ml-explore/mlx #1467; allenai/allennlp #890",
    place="forward",
)
class ShiftByMinusInfinity(LogSumExp):
    def shift(self, z: Tensor, dim: int) -> Tensor:
        m = z.amax(dim, keepdim=True)
        return torch.where(m == torch.inf, 0.0, m)


@mutant(
    "shift-by-plus-infinity",
    story="logsumexp does not guard against a largest logit of +inf.",
    effect="NaN in place of inf.",
    trigger="a logit of +inf",
    source="ml-explore/mlx #576; scipy/scipy #23225; FluxML/NNlib.jl #206; jax-ml/jax PR #21501",
    place="forward",
)
class ShiftByPlusInfinity(LogSumExp):
    def shift(self, z: Tensor, dim: int) -> Tensor:
        m = z.amax(dim, keepdim=True)
        return torch.where(m == -torch.inf, 0.0, m)


@mutant(
    "masked-after-the-exponential",
    story="Masked classes have a large stand-in when the largest logit is taken, and are dropped later.",
    effect="Every probability underflows to 0, and 0/0 is NaN.",
    trigger="a masked class",
    source="jax-ml/jax #17117, #19490, #16208",
    place="forward",
)
class MaskedAfterTheExponential(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        e = super().exponentials(torch.where(z == -torch.inf, 1e4, z), dim)
        return torch.where(z == -torch.inf, 0.0, e)


@mutant(
    "loss-without-log1p",
    story="The loss of a confident row is the logarithm of 1 + s, of which nothing is left for s below one ulp.",
    effect="A loss of exactly 0 that should be 10⁻⁸.",
    trigger="the label 17 above the others, class B",
    source="scipy/scipy #18295, PR #18424, #19521; pytorch/pytorch #113708",
    place="forward",
    accuracy="B",
)
class LossWithoutLog1p(CrossEntropy):
    pass


@mutant(
    "capped-logits",
    story="Logits are softly capped, z tanh(z/30), although nobody asked for it.",
    effect="Large logits are bent.",
    trigger="any logits",
    source="unslothai/unsloth-zoo PR #593; huggingface/trl PR #5691; apple/ml-cross-entropy #48",
    place="forward",
)
class CappedLogits(CrossEntropy):
    def rows(self, z: Tensor) -> Tensor:
        z = super().rows(z)
        return z * torch.tanh(z / 30)


@mutant(
    "logarithm-to-base-2",
    story="The logarithm of the sum is taken to base 2.",
    effect="Whoever reads this logsumexp mixes two bases.",
    trigger="more than one class",
    source="flagos-ai/FlagTree #1248; pytorch/pytorch #181645; ROCm/aotriton PR #108",
    place="forward",
)
class LogarithmToBase2(LogSumExp):
    def logarithm(self, total: Tensor) -> Tensor:
        return total.log2()


@mutant(
    "epsilon-in-the-logarithm",
    story="log(p + 10⁻⁸).",
    effect="The loss never exceeds 18.4, and confident mistakes are hardly punished.",
    trigger="a gap above 17",
    source="a textbook remedy against log(0)",
    place="forward",
)
class EpsilonInTheLogarithm(CrossEntropy):
    def log_softmax(self, case: LossCase) -> Tensor:
        return (self.softmax(case) + 1e-8).log()


@mutant(
    "epsilon-in-the-denominator",
    story="10⁻⁶ is added to the sum of the exponentials.",
    effect="Rows do not sum to 1.",
    trigger="any logits",
    source="a textbook remedy against 0/0",
    place="forward",
)
class EpsilonInTheDenominator(Softmax):
    def total(self, e: Tensor, dim: int) -> Tensor:
        return super().total(e, dim) + 1e-6


@mutant(
    "clipped-logits",
    story="Logits are clipped to [-80, 80] in place of a shift.",
    effect="Large logits are taken for equal.",
    trigger="large logits",
    source="a textbook remedy against overflow",
    place="forward",
)
class ClippedLogits(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        return torch.where(z == -torch.inf, z, z.clamp(-80, 80)).exp()


@mutant(
    "tile-of-minus-infinity",
    story="Tiles of 32 classes have a largest logit and a sum of their own, combined later: the largest logit of a "
    "tile that is masked as a whole is -inf, and -inf - -inf is NaN.",
    effect="NaN for a row of which a whole tile is masked.",
    trigger="32 masked classes side by side",
    source="flashinfer-ai/flashinfer PR #1178; flagos-ai/FlagGems PR #330",
    place="forward",
)
class TileOfMinusInfinity(Softmax):
    def total(self, e: Tensor, dim: int) -> Tensor:
        masked = [(tile == 0).all(dim, keepdim=True) for tile in torch.split(e, 32, dim)]
        total = super().total(e, dim)
        return torch.where(torch.stack(masked).any(0), torch.nan, total) if len(masked) > 1 else total


@mutant(
    "largest-logit-of-the-first-block",
    story="The largest logit is taken of the first 1024 classes.",
    effect="inf/inf where a later logit stands far above them.",
    trigger="more than 1024 classes, the largest logit beyond them",
    source="devised: a block that is read alone",
    place="forward",
)
class LargestLogitOfTheFirstBlock(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        return (z - z.narrow(dim, 0, min(z.shape[dim], 1024)).amax(dim, keepdim=True)).exp()


@mutant(
    "largest-logit-from-zero",
    story="The search for the largest logit starts at the smallest positive number, FLT_MIN, in place of the lowest.",
    effect="0/0 for a row of logits that are all far below 0.",
    trigger="logits below -104",
    source="pytorch/pytorch PR #65390; csarofeen/pytorch PR #1141; mit-han-lab/tinyengine #107",
    place="forward",
)
class LargestLogitFromZero(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        return (z - z.amax(dim, keepdim=True).clamp(min=torch.finfo(z.dtype).tiny)).exp()


@mutant(
    "lowest-number-cut-short",
    story="The search for the largest logit starts at -3.402823 10³⁸, the lowest number written with seven digits.",
    effect="0/0 for a row that is masked by the lowest number as a whole.",
    trigger="a row of the lowest number",
    source="microsoft/onnxruntime PR #26670",
    place="forward",
)
class LowestNumberCutShort(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        least = -3.402823e38 if z.dtype == torch.float32 else torch.finfo(z.dtype).min
        return (z - z.amax(dim, keepdim=True).clamp(min=least)).exp()


@mutant(
    "mask-of-finite-size",
    story="Masked classes have a logit of -10⁴ in place of -inf.",
    effect="They win where the others are lower still, and a row that is masked as a whole becomes uniform.",
    trigger="a masked class beside logits of -10⁴",
    source="EleutherAI/gpt-neox PR #966; TransformerLensOrg/TransformerLens #318, PR #319",
    place="forward",
)
class MaskOfFiniteSize(Softmax):
    def exponentials(self, z: Tensor, dim: int) -> Tensor:
        return super().exponentials(torch.where(z == -torch.inf, -1e4, z), dim)


@mutant(
    "probabilities-clipped",
    story="Probabilities are clipped to [10⁻⁷, 1 - 10⁻⁷] before the logarithm.",
    effect="The loss is never 0, and never above 16.1.",
    trigger="a gap above 16",
    source="documented for keras-team/keras: categorical_crossentropy without from_logits",
    place="forward",
)
class ProbabilitiesClipped(CrossEntropy):
    def log_softmax(self, case: LossCase) -> Tensor:
        return self.softmax(case).clamp(1e-7, 1 - 1e-7).log()
