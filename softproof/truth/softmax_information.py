"""The truth of the entropy of a softmax, and of the divergence of two."""

from __future__ import annotations

import numpy as np

from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, wide_rows
from .balls import Number, Truth, upstream_of_rows
from .softmax import Softmax, of_logits, where_defined


def softmax_entropy(problem: Problem, rows: Rows, number: Number) -> Truth:
    """-Σ p log p (r, 1), where a masked class counts 0, and its gradient -g p (log p + H) (r, C)."""
    f, defined = of_logits(problem, rows, number)
    entropy = -f.mean(f.l)  # masked: 0·0
    truth = {"value": entropy}
    if problem.grad_output is not None:
        truth["grad_logits"] = -upstream_of_rows(problem, rows, number) * f.p * (f.l + entropy)
    return where_defined(truth, defined)


def softmax_kl_divergence(problem: Problem, rows: Rows, number: Number) -> Truth:
    """Σ p (log p - log q) (r, 1), and its gradients g p (log p - log q - D) and g (q - p) (r, C)."""
    given: list[Array] = [wide_rows(problem.inputs[name], axis_of(problem), rows) for name in ("p_logits", "q_logits")]
    f, h = (Softmax.of(number(x), np.zeros(x.shape, bool), number) for x in given)
    apart = f.l - h.l
    truth = {"value": f.mean(apart)}
    if problem.grad_output is not None:
        g = upstream_of_rows(problem, rows, number)
        truth["grad_p_logits"] = g * f.p * (apart - truth["value"])
        truth["grad_q_logits"] = g * (h.p - f.p)
    return truth
