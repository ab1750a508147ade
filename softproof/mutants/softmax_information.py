"""Mutants of the entropy of a softmax: masked classes, units, classes left out, and its gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .record import group
from .steps.operation import wide
from .steps.softmax_information import SoftmaxEntropy

mutant = group("entropy of a softmax")

TILE = 1024  # classes that a block takes at a time


# ---- masks and maxima -----------------------------------------------------------------------------------------------


@mutant(
    "softmax-entropy-of-a-mask",
    story="p log p is computed as it stands where a class is masked by -inf.",
    effect="0·(-inf) makes the entropy of every row with a mask NaN.",
    trigger="a masked class",
    source="pytorch/pytorch #40553; huggingface/trl #7221; NovaSky-AI/SkyRL PR #2259",
    place="both",
)
class SoftmaxEntropyOfAMask(SoftmaxEntropy):
    def p_log_p(self, p: Tensor, l: Tensor) -> Tensor:  # noqa: E741
        return p * l


@mutant(
    "softmax-entropy-slope-of-a-mask",
    story="The entropy leaves masked classes out, and its gradient p (log p + H) does not.",
    effect="The gradient of a masked logit is NaN, and with it that of whatever it was made of.",
    trigger="a masked class, a gradient",
    source="a review of ByteDance-Seed/VeOmni PR #720",
    place="backward",
)
class SoftmaxEntropySlopeOfAMask(SoftmaxEntropy):
    def slope(self, g: Tensor, p: Tensor, terms: Tensor, entropy: Tensor) -> Tensor:
        return -g * p * (p.log() + entropy)


@mutant(
    "softmax-entropy-maximum-from-zero",
    story="The search for the largest logit starts at 0.",
    effect="Rows of negative logits lose their digits, and at last everything.",
    trigger="a row whose largest logit is far below 0",
    source="devised: an accumulator that starts at 0",
    place="both",
)
class SoftmaxEntropyMaximumFromZero(SoftmaxEntropy):
    def logarithms(self, z: Tensor, dim: int) -> Tensor:
        top = z.amax(dim, keepdim=True).clamp(min=0)
        return z - top - (z - top).exp().sum(dim, keepdim=True).log()


# ---- sums and units -------------------------------------------------------------------------------------------------


@mutant(
    "softmax-entropy-in-bits",
    story="Logarithms are those of base 2; the gradient is that in nats.",
    effect="Entropies are too large by a factor of 1.44.",
    trigger="a row of two classes or more",
    source="as entropy-in-bits: jlizier/jidt #12, davehull/Kansa PR #71",
    place="forward",
)
class SoftmaxEntropyInBits(SoftmaxEntropy):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        return super().forward(z, dim) / math.log(2)


@mutant(
    "softmax-entropy-without-probabilities",
    story="log p is averaged over the classes in place of weighted by p.",
    effect="The surprise of a class drawn uniformly: more for sharp rows, where an entropy is less.",
    trigger="a row that is not uniform",
    source="devised: a forgotten factor p",
    place="forward",
)
class SoftmaxEntropyWithoutProbabilities(SoftmaxEntropy):
    def p_log_p(self, p: Tensor, l: Tensor) -> Tensor:  # noqa: E741
        return super().p_log_p(torch.full_like(p, 1 / p.shape[-1]), l)

    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        return SoftmaxEntropy().backward(g, z, dim)


@mutant(
    "softmax-entropy-averaged",
    story="Terms are averaged over the classes in place of added up.",
    effect="Entropies, and what is learned from them, are too small by the number of classes.",
    trigger="two classes or more",
    source="as mean-over-classes: pytorch/pytorch #6622",
    place="both",
)
class SoftmaxEntropyAveraged(SoftmaxEntropy):
    def total(self, terms: Tensor, dim: int) -> Tensor:
        return terms.mean(dim)


@mutant(
    "softmax-entropy-without-last-class",
    story="The sum of the terms ends one class early.",
    effect="Entropies are too small where the last class is likely.",
    trigger="any row whose last class is neither certain nor masked",
    source="devised: a bound of a loop",
    place="forward",
)
class SoftmaxEntropyWithoutLastClass(SoftmaxEntropy):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        l = self.logarithms(wide(z), dim)  # noqa: E741
        terms = self.p_log_p(l.exp(), l)
        return 0 - terms.narrow(dim, 0, terms.shape[dim] - 1).sum(dim)


@mutant(
    "softmax-entropy-without-last-tile",
    story="The terms are added up tile by tile, and the last tile, which is not full, is forgotten.",
    effect="Entropies of large vocabularies are too small.",
    trigger="more than 1024 classes, and no multiple of 1024",
    source="devised: the tail of a loop over tiles",
    place="both",
)
class SoftmaxEntropyWithoutLastTile(SoftmaxEntropy):
    def total(self, terms: Tensor, dim: int) -> Tensor:
        classes = terms.shape[dim]
        whole = classes if classes < TILE else classes - classes % TILE
        return terms.narrow(dim, 0, whole).sum(dim)


@mutant(
    "softmax-entropy-as-loss",
    story="The sum of p log p comes back without its minus, as a loss that is to be made small.",
    effect="Value and gradient have the other sign.",
    trigger="a row of two classes or more",
    source="dreamquark-ai/tabnet #311, where it is meant",
    place="both",
)
class SoftmaxEntropyAsLoss(SoftmaxEntropy):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        return 0 - super().forward(z, dim)

    def slope(self, g: Tensor, p: Tensor, terms: Tensor, entropy: Tensor) -> Tensor:
        return -super().slope(g, p, terms, entropy)


# ---- precision ------------------------------------------------------------------------------------------------------


@mutant(
    "softmax-entropy-unshifted",
    story="log p is log(Σ e^z), without the largest logit, subtracted from z.",
    effect="Infinite or NaN for logits above 88 in float32, and log 0 below -103.",
    trigger="logits above 88",
    source="devised: a softmax without its shift, in an entropy",
    place="both",
)
class SoftmaxEntropyUnshifted(SoftmaxEntropy):
    def logarithms(self, z: Tensor, dim: int) -> Tensor:
        return z - z.exp().sum(dim, keepdim=True).log()


@mutant(
    "softmax-entropy-of-bfloat16-logarithms",
    story="Log-probabilities are kept in bfloat16 before they are multiplied by p.",
    effect="Two digits are right, in an entropy that is asked for in float32.",
    trigger="any row",
    source="radixark/miles PR #1554, of logits that are divided in bfloat16",
    place="both",
)
class SoftmaxEntropyOfBfloat16Logarithms(SoftmaxEntropy):
    def logarithms(self, z: Tensor, dim: int) -> Tensor:
        return super().logarithms(z, dim).bfloat16().to(z.dtype)


@mutant(
    "softmax-entropy-with-an-epsilon",
    story="10⁻⁶ is added to p before its logarithm is taken.",
    effect="Terms of rare classes are too small, and a certain class has an entropy below 0.",
    trigger="any row, best one of few classes",
    source="yaoyueduzhen/UJDA #2",
    place="forward",
)
class SoftmaxEntropyWithAnEpsilon(SoftmaxEntropy):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        p = self.logarithms(wide(z), dim).exp()
        return 0 - (p * (p + 1e-6).log()).sum(dim)


# ---- gradients ------------------------------------------------------------------------------------------------------


@mutant(
    "softmax-entropy-without-gradient",
    story="The backward pass takes the gradient of the entropy and does not use it.",
    effect="An entropy bonus changes nothing, and nothing is reported.",
    trigger="any row, an upstream gradient",
    source="huggingface/trl PR #6625",
    place="backward",
)
class SoftmaxEntropyWithoutGradient(SoftmaxEntropy):
    def slope(self, g: Tensor, p: Tensor, terms: Tensor, entropy: Tensor) -> Tensor:
        return torch.zeros_like(terms)


@mutant(
    "softmax-entropy-slope-without-entropy",
    story="The gradient is -g p log p: H is forgotten.",
    effect="Gradients do not sum to 0 along a row, and all logits drift.",
    trigger="a row of two classes or more",
    source="devised: a forgotten term of -g p (log p + H)",
    place="backward",
)
class SoftmaxEntropySlopeWithoutEntropy(SoftmaxEntropy):
    def slope(self, g: Tensor, p: Tensor, terms: Tensor, entropy: Tensor) -> Tensor:
        return -g * terms


@mutant(
    "softmax-entropy-slope-of-a-distribution",
    story="The gradient is that by p, -(log p + 1), times p, as if the p did not sum to 1.",
    effect="1 stands in place of H: right only where the entropy is 1.",
    trigger="a row of two classes or more",
    source="devised: the gradient of entropy(p) taken for that of its logits",
    place="backward",
)
class SoftmaxEntropySlopeOfADistribution(SoftmaxEntropy):
    def slope(self, g: Tensor, p: Tensor, terms: Tensor, entropy: Tensor) -> Tensor:
        return super().slope(g, p, terms, torch.ones_like(entropy))


@mutant(
    "softmax-entropy-slope-without-upstream",
    story="The backward pass does not multiply by the upstream gradient.",
    effect="The coefficient of an entropy bonus, and a mean over tokens, have no effect.",
    trigger="an upstream gradient that is not 1",
    source="devised: as upstream-gradient-dropped",
    place="backward",
)
class SoftmaxEntropySlopeWithoutUpstream(SoftmaxEntropy):
    def slope(self, g: Tensor, p: Tensor, terms: Tensor, entropy: Tensor) -> Tensor:
        return super().slope(torch.ones_like(g), p, terms, entropy)


# ---- state ----------------------------------------------------------------------------------------------------------


@mutant(
    "softmax-entropy-in-place",
    story="The largest logit is subtracted from the logits themselves.",
    effect="Whatever reads the logits afterwards, such as the log-probabilities of the tokens, is given others.",
    trigger="a row whose largest logit is not 0",
    source="verl-project/verl PR #2484; NovaSky-AI/SkyRL PR #1648",
    place="state",
)
class SoftmaxEntropyInPlace(SoftmaxEntropy):
    def forward(self, z: Tensor, dim: int) -> Tensor:
        return super().forward(z.sub_(z.amax(dim, keepdim=True)), dim)
