"""Mutants of the divergence of two softmaxes: who is p, what is normalised, units, and gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from .record import group
from .steps.operation import wide
from .steps.softmax import LogSoftmax
from .steps.softmax_information import SoftmaxKlDivergence

mutant = group("divergence of softmaxes")


@mutant(
    "softmax-divergence-the-other-way",
    story="p and q are swapped: the student is taken for the teacher.",
    effect="A student covers one mode of its teacher in place of all.",
    trigger="logits that differ",
    source="as divergence-the-other-way: pytorch/pytorch #57459",
    place="both",
)
class SoftmaxDivergenceTheOtherWay(SoftmaxKlDivergence):
    def __call__(self, p_logits: Tensor, q_logits: Tensor, dim: int) -> Tensor:
        return super().__call__(q_logits, p_logits, dim)


@mutant(
    "softmax-divergence-averaged",
    story="Terms are averaged over the classes in place of added up.",
    effect="Distillation has next to no weight beside another loss.",
    trigger="two classes or more",
    source="pytorch/pytorch #6622, of reduction='mean'",
    place="both",
)
class SoftmaxDivergenceAveraged(SoftmaxKlDivergence):
    def total(self, terms: Tensor, dim: int) -> Tensor:
        return terms.mean(dim)

    def backward(self, g: Tensor, x: Tensor, y: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        return SoftmaxKlDivergence().backward(wide(g) / x.shape[dim], x, y, dim)


@mutant(
    "softmax-divergence-of-logits",
    story="q is taken for normalised: its logits stand in place of log q.",
    effect="The divergence is off by the logsumexp of the logits, which may be negative.",
    trigger="logits of q whose logsumexp is not 0",
    source="devised: torch.nn.functional.kl_div given logits, which it takes for log-probabilities",
    place="forward",
)
class SoftmaxDivergenceOfLogits(SoftmaxKlDivergence):
    def forward(self, x: Tensor, y: Tensor, dim: int) -> Tensor:
        l = LogSoftmax().forward(wide(x), dim)  # noqa: E741
        return self.total(l.exp() * (l - wide(y)), dim)


@mutant(
    "softmax-divergence-by-unlikely-classes",
    story="log of a softmax of q that has underflowed.",
    effect="Infinite where a class is unlikely, and not impossible.",
    trigger="logits of q that are 104 apart",
    source="as log-of-softmax",
    place="both",
)
class SoftmaxDivergenceByUnlikelyClasses(SoftmaxKlDivergence):
    def logarithms(self, x: Tensor, y: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        return LogSoftmax().forward(wide(x), dim), wide(y).softmax(dim).log()


@mutant(
    "softmax-divergence-without-gradient-of-p",
    story="p is a target, and a target is taken for a constant.",
    effect="Its gradient is 0, and nothing is reported.",
    trigger="logits that differ, a gradient of p",
    source="as divergence-without-gradient-of-p: linkedin/Liger-Kernel #1021; pytorch/pytorch #65466",
    place="backward",
)
class SoftmaxDivergenceWithoutGradientOfP(SoftmaxKlDivergence):
    def of_p(self, g: Tensor, l: Tensor, k: Tensor, divergence: Tensor) -> Tensor:  # noqa: E741
        return torch.zeros_like(l)


@mutant(
    "softmax-divergence-slope-without-divergence",
    story="The gradient by the logits of p is g p (log p - log q): D is forgotten.",
    effect="Gradients do not sum to 0 along a row, and all logits drift.",
    trigger="logits that differ",
    source="devised: a forgotten term",
    place="backward",
)
class SoftmaxDivergenceSlopeWithoutDivergence(SoftmaxKlDivergence):
    def of_p(self, g: Tensor, l: Tensor, k: Tensor, divergence: Tensor) -> Tensor:  # noqa: E741
        return super().of_p(g, l, k, torch.zeros_like(divergence))


@mutant(
    "softmax-divergence-slope-by-probabilities",
    story="The gradient by the logits of q is -g p, that by log q.",
    effect="It does not vanish where q is p, and a student never rests.",
    trigger="any logits",
    source="devised: a log-softmax that is left out of the chain",
    place="backward",
)
class SoftmaxDivergenceSlopeByProbabilities(SoftmaxKlDivergence):
    def of_q(self, g: Tensor, l: Tensor, k: Tensor) -> Tensor:  # noqa: E741
        return -g * l.exp()


@mutant(
    "softmax-divergence-slope-without-upstream",
    story="The gradient by the logits of q is not multiplied by the upstream gradient.",
    effect="The temperature squared of a distillation, and a mean over tokens, have no effect.",
    trigger="an upstream gradient that is not 1",
    source="devised: as upstream-gradient-dropped",
    place="backward",
)
class SoftmaxDivergenceSlopeWithoutUpstream(SoftmaxKlDivergence):
    def of_q(self, g: Tensor, l: Tensor, k: Tensor) -> Tensor:  # noqa: E741
        return super().of_q(torch.ones_like(g), l, k)
