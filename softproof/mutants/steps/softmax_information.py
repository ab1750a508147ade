"""Entropy of a softmax, and divergence of two, in steps: z logits, l log-probabilities, g upstream gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from .operation import Operation, wide
from .softmax import LogSoftmax


class SoftmaxEntropy(Operation):
    """H = -Σ p l, where a masked class counts 0; ∂z = -g p (l + H)."""

    operation = "softmax_entropy"

    def __call__(self, input: Tensor, dim: int) -> Tensor:
        """Of torch.nn.functional.log_softmax and its exponential."""
        return self.apply(input, dim=dim)

    def forward(self, z: Tensor, dim: int) -> Tensor:
        l = self.logarithms(wide(z), dim)  # noqa: E741  # the letter of the literature
        return 0 - self.total(self.p_log_p(l.exp(), l), dim)

    def logarithms(self, z: Tensor, dim: int) -> Tensor:
        """Log p."""
        return LogSoftmax().forward(z, dim)

    def p_log_p(self, p: Tensor, l: Tensor) -> Tensor:  # noqa: E741
        """The terms p l, and 0 where a class is masked."""
        return torch.where(l == -torch.inf, 0.0, p * l)

    def total(self, terms: Tensor, dim: int) -> Tensor:
        """Σ along dim."""
        return terms.sum(dim)

    def backward(self, g: Tensor, z: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        l = self.logarithms(wide(z), dim)  # noqa: E741
        terms = self.p_log_p(l.exp(), l)
        entropy = 0 - self.total(terms, dim).unsqueeze(dim)
        return (self.slope(wide(g).unsqueeze(dim), l.exp(), terms, entropy),)

    def slope(self, g: Tensor, p: Tensor, terms: Tensor, entropy: Tensor) -> Tensor:
        """-g (p l + p H)."""
        return -g * (terms + p * entropy)


class SoftmaxKlDivergence(Operation):
    """D = Σ p (l - k), k = log q; ∂(logits of p) = g p (l - k - D); ∂(logits of q) = g (q - p)."""

    operation = "softmax_kl_divergence"

    def __call__(self, p_logits: Tensor, q_logits: Tensor, dim: int) -> Tensor:
        """The sum of torch.nn.functional.kl_div over the classes."""
        return self.apply(p_logits, q_logits, dim=dim)

    def forward(self, x: Tensor, y: Tensor, dim: int) -> Tensor:
        l, k = self.logarithms(x, y, dim)  # noqa: E741
        return self.total(l.exp() * (l - k), dim)

    def logarithms(self, x: Tensor, y: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        """Log p and log q."""
        return LogSoftmax().forward(wide(x), dim), LogSoftmax().forward(wide(y), dim)

    def total(self, terms: Tensor, dim: int) -> Tensor:
        """Σ along dim."""
        return terms.sum(dim)

    def backward(self, g: Tensor, x: Tensor, y: Tensor, dim: int) -> tuple[Tensor | None, ...]:
        (l, k), g = self.logarithms(x, y, dim), wide(g).unsqueeze(dim)  # noqa: E741
        divergence = self.forward(x, y, dim).unsqueeze(dim)
        return self.of_p(g, l, k, divergence), self.of_q(g, l, k)

    def of_p(self, g: Tensor, l: Tensor, k: Tensor, divergence: Tensor) -> Tensor:  # noqa: E741
        """Of the logits of p."""
        return g * l.exp() * (l - k - divergence)

    def of_q(self, g: Tensor, l: Tensor, k: Tensor) -> Tensor:  # noqa: E741
        """Of the logits of q."""
        return g * (k.exp() - l.exp())
