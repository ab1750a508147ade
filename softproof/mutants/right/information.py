"""Entropy, cross-entropy and divergence of distributions: Σ of p times a logarithm, and slopes, in several forms.

0 log 0 is 0; slopes beside a zero are what IEEE 754 makes of the equations, as the truth has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...problem.problem import Array
from . import sums
from .record import Answer, Asked, Formula, Right
from .sums import Order, Sum

Log = Callable[[Array], Array]


def log(p: Array) -> Array:
    """By its name."""
    return np.asarray(np.log(p))


def log_2(p: Array) -> Array:
    """As log₂ p times log 2: two roundings more, which Theorem 7 has for a product that is stored."""
    return np.asarray(np.log2(p) * p.dtype.type(np.log(2)))


def _p_times(p: Array, logarithm: Array) -> Array:
    return np.asarray(p * np.where(p == 0, 0, logarithm))


def _q(asked: Asked) -> Array:
    return asked.rows(asked.problem.inputs["q"])


def entropy(log: Log, *, multiplied_out: bool = False) -> Formula:
    """-Σ p log p; -g (log p + 1), or -g log p - g."""

    def formula(asked: Asked) -> Answer:
        p = asked.x
        outputs = {"value": 0 - asked.sum(_p_times(p, log(p)))}
        if asked.differentiates:
            g = asked.g
            outputs["grad_p"] = -g * log(p) - g if multiplied_out else -g * (log(p) + 1)
        return outputs

    return formula


def cross_entropy(log: Log) -> Formula:
    """-Σ p log q; -g log q and -g p/q."""

    def formula(asked: Asked) -> Answer:
        p, q = asked.x, _q(asked)
        outputs = {"value": 0 - asked.sum(_p_times(p, log(q)))}
        if asked.differentiates:
            outputs |= {"grad_p": -asked.g * log(q), "grad_q": -asked.g * p / q}
        return outputs

    return formula


def divergence_of_terms(asked: Asked) -> Answer:
    """Σ (p log p - p log q); g (log p - log q + 1) and -(g p)/q."""
    p, q = asked.x, _q(asked)
    outputs = {"value": asked.sum(_p_times(p, np.log(p)) - _p_times(p, np.log(q)))}
    if asked.differentiates:
        outputs |= {"grad_p": asked.g * (np.log(p) - np.log(q) + 1), "grad_q": -asked.g * p / q}
    return outputs


def divergence_of_differences(asked: Asked) -> Answer:
    """Σ p (log p - log q); g times the same difference and 1, and -g (p/q)."""
    p, q = asked.x, _q(asked)
    outputs = {"value": asked.sum(_p_times(p, np.log(p) - np.log(q)))}
    if asked.differentiates:
        g = asked.g
        outputs |= {"grad_p": g * (np.log(p) - np.log(q)) + g, "grad_q": -g * (p / q)}
    return outputs


def divergence_of_sums(asked: Asked) -> Answer:
    """Σ p log p less Σ p log q, where the former is finite."""
    p, q = asked.x, _q(asked)
    return divergence_of_terms(asked) | {"value": asked.sum(_p_times(p, np.log(p))) - asked.sum(_p_times(p, np.log(q)))}


def variants() -> Iterator[Right]:
    """Entropy, cross-entropy and divergence: any order."""
    entries: list[tuple[str, Formula, str, Order]] = [
        ("entropy", entropy(log), "-Σ p log p", sums.sequential),
        ("entropy", entropy(log, multiplied_out=True), "-g log p - g", sums.kahan),
        ("entropy", entropy(log), "-Σ p log p", sums.random_tree),
        ("entropy", entropy(log_2), "log₂ p log 2", sums.pairwise),
        ("distribution_cross_entropy", cross_entropy(log), "-Σ p log q", sums.backwards),
        ("distribution_cross_entropy", cross_entropy(log), "-Σ p log q", sums.bincount),
        ("distribution_cross_entropy", cross_entropy(log_2), "log₂ q log 2", sums.lanes),
        ("kl_divergence", divergence_of_terms, "Σ (p log p - p log q)", sums.sequential),
        ("kl_divergence", divergence_of_terms, "Σ (p log p - p log q)", sums.blocked),
        ("kl_divergence", divergence_of_differences, "Σ p (log p - log q)", sums.random_tree),
        ("kl_divergence", divergence_of_sums, "Σ p log p - Σ p log q", sums.folded),
    ]
    for operation, formula, words, order in entries:
        yield Right(operation, formula, Sum(order), words)
