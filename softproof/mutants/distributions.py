"""Mutants of entropy, cross-entropy and divergence of distributions: zeros, logarithms, units, and who is p."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .record import group
from .steps.information import DistributionCrossEntropy, Entropy, KlDivergence
from .steps.operation import wide

mutant = group("entropy and divergence")


# ---- zeros ----------------------------------------------------------------------------------------------------------


@mutant(
    "entropy-of-a-zero",
    story="0 log 0 is computed as it stands.",
    effect="The entropy of a distribution with a class that cannot occur is NaN.",
    trigger="a probability of 0",
    source="tensorflow/probability #241; huggingface/trl #7221; scipy/scipy PR #2553",
    place="forward",
)
class EntropyOfAZero(Entropy):
    def p_log_q(self, p: Tensor, q: Tensor) -> Tensor:
        return p * self.logarithm(q)


@mutant(
    "divergence-of-a-zero",
    story="p log(p/q) is computed as it stands where p is 0.",
    effect="The divergence of a distribution with a class that cannot occur is NaN.",
    trigger="p = 0",
    source="Lightning-AI/torchmetrics #1029; uber/causalml #167; JuliaStats/Distributions.jl #793; "
    "drostlab/philentropy #10; TheAlgorithms/Python #12233",
    place="forward",
)
class DivergenceOfAZero(KlDivergence):
    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        return p * (self.logarithm(p) - self.logarithm(q))


@mutant(
    "masked-slope-at-zero",
    story="The mask that makes 0 log q a 0 is used for its derivative as well, which is log q.",
    effect="A class of probability 0 never learns what it would cost.",
    trigger="p = 0 < q",
    source="pytorch/pytorch #80770; tensorflow/tensorflow #56873, PR #119869",
    place="backward",
)
class MaskedSlopeAtZero(DistributionCrossEntropy):
    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return torch.where(p == 0, 0.0, super().of_p(g, p, q))


@mutant(
    "finite-slope-at-zero",
    story="The derivative by p, which is infinite at 0, is filled with 0 there.",
    effect="Nothing moves a class away from 0.",
    trigger="p = 0 < q",
    source="pytorch/pytorch #89558, PR #65469",
    place="backward",
)
class FiniteSlopeAtZero(KlDivergence):
    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return torch.where(p == 0, 0.0, super().of_p(g, p, q))


@mutant(
    "impossible-left-out",
    story="Classes with q = 0 are left out of the sum, whatever p is.",
    effect="What q calls impossible costs nothing, where the divergence is infinite.",
    trigger="q = 0 < p",
    source="devised: the mask of p log p, used for q as well",
    place="forward",
)
class ImpossibleLeftOut(KlDivergence):
    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        return torch.where(q == 0, 0.0, super().terms(p, q))


# ---- logarithms of something else -----------------------------------------------------------------------------------


@mutant(
    "clipped-cross-entropy",
    story="q is clipped to [10⁻⁷, 1 - 10⁻⁷] before its logarithm is taken.",
    effect="No loss is above 16.1, and a certain prediction that is right costs something.",
    trigger="q = 0 < p, or a q below 10⁻⁷",
    source="keras-team/keras #17634, PR #2872; tensorflow/tensorflow PR #41595 clips twice",
    place="forward",
)
class ClippedCrossEntropy(DistributionCrossEntropy):
    def p_log_q(self, p: Tensor, q: Tensor) -> Tensor:
        return super().p_log_q(p, q.clamp(1e-7, 1 - 1e-7))


@mutant(
    "epsilon-in-the-divergence",
    story="The logarithm is that of p, or of 10⁻¹⁰ where this is larger; the gradient is right.",
    effect="Terms of small p are wrong, which larger ones hide.",
    trigger="a p below 10⁻¹⁰ beside one of nearly 1",
    source="linkedin/Liger-Kernel PR #262; opencv/opencv PR #2354 for q",
    place="forward",
)
class EpsilonInTheDivergence(KlDivergence):
    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        return self.p_log_q(p, p.clamp(1e-10)) - self.p_log_q(p, q)


@mutant(
    "entropy-in-bits",
    story="Logarithms are those of base 2.",
    effect="Entropies are too large by a factor of 1.44, and their gradients are not.",
    trigger="any distribution that is not certain",
    source="jlizier/jidt #12 and davehull/Kansa PR #71, both for the reverse",
    place="forward",
)
class EntropyInBits(Entropy):
    def p_log_q(self, p: Tensor, q: Tensor) -> Tensor:
        return super().p_log_q(p, q) / math.log(2)


@mutant(
    "entropy-of-what-is-normalised",
    story="p is divided by its sum first; the gradient is that of the formula.",
    effect="Right for distributions, wrong for shares, counts and parts of a distribution.",
    trigger="a p that does not sum to 1",
    source="pola-rs/polars #3345, as scipy.stats.entropy is documented to do; Theano/Theano #3400",
    place="forward",
)
class EntropyOfWhatIsNormalised(Entropy):
    def forward(self, p: Tensor, dim: int) -> Tensor:
        total = wide(p).sum(dim, keepdim=True)
        return super().forward(torch.where(total == 0, 0.0, wide(p) / total), dim)


@mutant(
    "divergence-cut-off-at-zero",
    story="What is negative is taken for rounding, since no divergence is.",
    effect="Of parts of a distribution, which may well have a negative one, 0 comes back.",
    trigger="a p that sums to less than q does",
    source="devised: what drostlab/philentropy #26 asks for",
    place="forward",
)
class DivergenceCutOffAtZero(KlDivergence):
    def total(self, terms: Tensor, dim: int) -> Tensor:
        return super().total(terms, dim).clamp(0)


# ---- p and q, sums and means ----------------------------------------------------------------------------------------


@mutant(
    "divergence-the-other-way",
    story="p and q are swapped.",
    effect="D(q‖p) in place of D(p‖q), which is 0 for the same distributions.",
    trigger="p and q that differ",
    source="pytorch/pytorch #57459; Lightning-AI/torchmetrics PR #2370; tensorforce/tensorforce #107; "
    "cokelaer/fitter #27",
    place="both",
)
class DivergenceTheOtherWay(KlDivergence):
    def __call__(self, p: Tensor, q: Tensor, dim: int = -1) -> Tensor:
        return super().__call__(q, p, dim)


@mutant(
    "mean-over-classes",
    story="Terms are averaged over the classes in place of added up.",
    effect="Divergences, and what is learned from them, are too small by the number of classes.",
    trigger="more than one class",
    source="pytorch/pytorch #2259, #6622, PR #14457; facebookresearch/deit #61; HikariTJU/LD #74",
    place="both",
)
class MeanOverClasses(KlDivergence):
    def total(self, terms: Tensor, dim: int) -> Tensor:
        return terms.mean(dim)

    def backward(self, g: Tensor, p: Tensor, q: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        return super().backward(wide(g) / p.shape[dim], p, q, dim)


@mutant(
    "divergence-without-gradient-of-p",
    story="p is a target, and a target is taken for a constant.",
    effect="Its gradient is 0, and nothing is reported.",
    trigger="any distributions, a gradient of p",
    source="linkedin/Liger-Kernel #1021; pytorch/pytorch #65466, #5081",
    place="backward",
)
class DivergenceWithoutGradientOfP(KlDivergence):
    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return torch.zeros_like(p)


@mutant(
    "half-a-product-rule",
    story="The logarithm of p log p is taken for a constant.",
    effect="The gradient is too large by g in every class, which a softmax in front of it cancels.",
    trigger="any distribution",
    source="tensorflow/tensorflow #6717, of which this is one reading",
    place="backward",
)
class HalfAProductRule(Entropy):
    def of_p(self, g: Tensor, p: Tensor) -> Tensor:
        return -g * self.logarithm(p)


@mutant(
    "divergence-uphill",
    story="The gradient of q has the other sign.",
    effect="Training drives q away from p.",
    trigger="any distributions",
    source="Kaixhin/Autoencoders #9, of p",
    place="backward",
)
class DivergenceUphill(KlDivergence):
    def of_q(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return -super().of_q(g, p, q)


@mutant(
    "axis-found-by-its-length",
    story="The axis of the classes is the first that has as many elements as there are classes.",
    effect="Silent unless another axis before it is as long.",
    trigger="as many rows as classes, dim not the first",
    source="devised: the symptom of a shape where an axis is meant",
    place="forward",
)
class AxisFoundByItsLength(DistributionCrossEntropy):
    def total(self, terms: Tensor, dim: int) -> Tensor:
        first = list(terms.shape).index(terms.shape[dim])
        found = super().total(terms, first)
        return found.reshape(super().total(terms, dim).shape)
