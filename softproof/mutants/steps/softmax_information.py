"""The entropy of a softmax in steps: z logits, l log-probabilities, p probabilities, g upstream gradients."""

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
