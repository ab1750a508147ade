"""The truth of the entropy of a softmax."""

from __future__ import annotations

from ..problem.problem import Problem
from ..problem.rows import Rows
from .balls import Number, Truth, upstream_of_rows
from .softmax import of_logits, where_defined


def softmax_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    """-Σ p log p (r, 1), where a masked class counts 0, and its gradient -g p (log p + H) (r, C)."""
    f, defined = of_logits(problem, rows, number)
    entropy = -f.mean(f.l)  # masked: 0·0
    truth = {"value": entropy}
    if problem.grad_output is not None:
        truth["grad_logits"] = -upstream_of_rows(problem, rows, number) * f.p * (f.l + entropy)
    return where_defined(truth, defined)
