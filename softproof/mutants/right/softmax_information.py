"""Entropy of a softmax and divergence of two in the forms in use, with closed gradients, and those of autograd.

x logits, d = x - m, e = exp d, s = Σ e, y the logsumexp, p and l the softmax and its logarithm, H the entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...problem.problem import Array
from . import rows, sums
from .record import Answer, Asked, Formula, Right
from .rows import LogitRow
from .sums import Order, Sum

Value = Callable[[LogitRow, Sum], Array]
Backward = Callable[[LogitRow, Array, Array, Sum], Array]  # of the row, g and H


def _times(p: Array, l: Array) -> Array:  # noqa: E741
    """p l, and 0 where p is 0."""
    return np.asarray(p * np.where(p == 0, 0, l))


# ---- values ---------------------------------------------------------------------------------------------------------


def of_logarithms(row: LogitRow, sum: Sum) -> Array:
    """-Σ p log p."""
    return np.asarray(0 - sum(_times(row.p, row.l)))


def of_exponentials(row: LogitRow, sum: Sum) -> Array:
    """-Σ exp(l) l."""
    return np.asarray(0 - sum(_times(np.exp(row.l), row.l)))


def of_probabilities(row: LogitRow, sum: Sum) -> Array:
    """-Σ p log p, the logarithm of p itself."""
    return np.asarray(0 - sum(_times(row.p, np.log(row.p))))


def of_shifted(row: LogitRow, sum: Sum) -> Array:
    """log s - Σ p d."""
    return np.asarray(row.log_s - sum(_times(row.p, row.d)))


def of_one_quotient(row: LogitRow, sum: Sum) -> Array:
    """log s - (Σ e d)/s."""
    return np.asarray(row.log_s - sum(_times(row.e, row.d)) / row.s)


def in_chunks(row: LogitRow, sum: Sum) -> Array:
    """-Σ p log p, five classes at a time."""
    terms = _times(row.p, row.l)
    starts = range(0, terms.shape[-1], 5)
    return np.asarray(0 - sum(np.concatenate([sum.intact(terms[:, k : k + 5]) for k in starts], -1)))


def of_logits(row: LogitRow, sum: Sum) -> Array:
    """y - Σ p x."""
    return np.asarray(row.y - sum(_times(row.p, row.x)))


def of_normalised(row: LogitRow, sum: Sum) -> Array:
    """-Σ l softmax(l), l = x - y."""
    return np.asarray(0 - sum(_times(LogitRow(row.l, sum.intact).p, row.l)))


def online(row: LogitRow, sum: Sum) -> Array:
    """log s - w/s, w = Σ e d moved whenever a larger logit is met."""
    top, s, w = np.full_like(row.x[:, :1], -np.inf), np.zeros_like(row.x[:, :1]), np.zeros_like(row.x[:, :1])
    for start in range(0, row.x.shape[-1], 3):
        block = row.x[:, start : start + 3]
        new = np.maximum(top, block.max(-1, keepdims=True))
        safe = np.where(new == -np.inf, 0, new)
        moved, e = np.where(top == -np.inf, 0, top - safe), np.exp(block - safe)
        factor = np.where(top == new, 1, np.exp(top - safe))
        last = start + 3 >= row.x.shape[-1]
        w = (w + s * moved) * factor + (sum if last else sum.intact)(_times(e, block - safe))
        s, top = s * factor + sum.intact(e), new
    return np.asarray(np.log(s) - w / s)


# ---- gradients ------------------------------------------------------------------------------------------------------


def closed(row: LogitRow, g: Array, entropy: Array, _sum: Sum) -> Array:
    """-g p (l + H)."""
    return np.asarray(-g * _times(row.p, row.l + entropy))


def multiplied_out(row: LogitRow, g: Array, entropy: Array, _sum: Sum) -> Array:
    """-(g p) l - (g p) H."""
    return np.asarray(-_times(g * row.p, row.l) - g * row.p * entropy)


def by_both(row: LogitRow, g: Array, _entropy: Array, sum: Sum) -> Array:
    """Autograd through softmax and log-softmax."""
    to_p, to_l = np.where(row.p == 0, 0, -g * row.l), -g * row.p
    return np.asarray(row.p * (to_p - sum(to_p * row.p)) + (to_l - np.exp(row.l) * sum(to_l)))


def by_logarithm(row: LogitRow, g: Array, _entropy: Array, sum: Sum) -> Array:
    """Autograd through exp(l) l."""
    p = np.exp(row.l)
    h = -_times(g * p, row.l) - g * p
    return np.asarray(h - p * sum(h))


def by_probabilities(row: LogitRow, g: Array, _entropy: Array, sum: Sum) -> Array:
    """Autograd through p and log p."""
    to_p = np.where(row.p == 0, 0, -g * np.log(row.p) - g)
    return np.asarray(row.p * (to_p - sum(to_p * row.p)))


def by_shifted(row: LogitRow, g: Array, _entropy: Array, sum: Sum) -> Array:
    """Autograd through log s - Σ p d."""
    to_p = np.where(row.p == 0, 0, -g * row.d)
    return np.asarray(g * np.exp(row.l) - g * row.p + row.p * (to_p - sum(to_p * row.p)))


def by_logits(row: LogitRow, g: Array, _entropy: Array, sum: Sum) -> Array:
    """Autograd through y - Σ p x."""
    to_p = np.where(row.p == 0, 0, -g * row.x)
    return np.asarray(g * np.exp(row.x - row.y) - g * row.p + row.p * (to_p - sum(to_p * row.p)))


def formula(kind: type[LogitRow], value: Value, backward: Backward) -> Formula:
    """Value and gradient."""

    def answer(asked: Asked) -> Answer:
        row = kind(asked.x, asked.sum)
        outputs = {"value": value(row, asked.sum)}
        if asked.differentiates:
            intact = kind(asked.x, asked.sum.intact)
            entropy = value(intact, asked.sum.intact)
            outputs["grad_logits"] = backward(intact, asked.g, entropy, asked.sum.intact)
        return outputs

    return answer


# ---- divergences ----------------------------------------------------------------------------------------------------


def of_differences(p: LogitRow, q: LogitRow, sum: Sum) -> Array:
    """Σ p (log p - log q)."""
    return sum(_times(p.p, p.l - q.l))


def of_terms(p: LogitRow, q: LogitRow, sum: Sum) -> Array:
    """Σ (p log p - p log q), the logarithm of p itself."""
    return sum(_times(p.p, np.log(p.p)) - _times(p.p, q.l))


def of_two_sums(p: LogitRow, q: LogitRow, sum: Sum) -> Array:
    """Σ exp(l) l less Σ exp(l) k."""
    return np.asarray(sum.intact(_times(np.exp(p.l), p.l)) - sum(_times(np.exp(p.l), q.l)))


def of_shifted_logits(p: LogitRow, q: LogitRow, sum: Sum) -> Array:
    """Σ p (d - c) - log s + log t, of both rows."""
    return np.asarray(sum(_times(p.p, p.d - q.d)) - p.log_s + q.log_s)


def closed_slopes(p: LogitRow, q: LogitRow, g: Array, divergence: Array, _sum: Sum) -> tuple[Array, Array]:
    """g p (l - k - D), g (q - p)."""
    return np.asarray(g * _times(p.p, p.l - q.l - divergence)), np.asarray(g * (q.p - p.p))


def slopes_by_autograd(p: LogitRow, q: LogitRow, g: Array, _divergence: Array, sum: Sum) -> tuple[Array, Array]:
    """Autograd through softmax and two log-softmaxes."""
    to_p, to_l = np.where(p.p == 0, 0, g * (p.l - q.l)), g * p.p
    of_p = p.p * (to_p - sum(to_p * p.p)) + (to_l - np.exp(p.l) * sum(to_l))
    return np.asarray(of_p), np.asarray(-to_l + np.exp(q.l) * sum(to_l))


Divergence = Callable[[LogitRow, LogitRow, Sum], Array]
Slopes = Callable[[LogitRow, LogitRow, Array, Array, Sum], tuple[Array, Array]]


def divergence(kind: type[LogitRow], value: Divergence, slopes: Slopes) -> Formula:
    """Value and gradients."""

    def answer(asked: Asked) -> Answer:
        intact = asked.sum.intact
        p, q = (kind(asked.rows(asked.problem.inputs[name]), intact) for name in ("p_logits", "q_logits"))
        outputs = {"value": value(p, q, asked.sum)}
        if asked.differentiates:
            of_p, of_q = slopes(p, q, asked.g, value(p, q, intact), intact)
            outputs |= {"grad_p_logits": of_p, "grad_q_logits": of_q}
        return outputs

    return answer


_STORED, _ONLINE = ("A4'",), ("A2'", "A3'", "A4'")


def variants() -> Iterator[Right]:
    """Entropy of a softmax, and divergence of two."""
    entries: list[tuple[type[LogitRow], Value, Backward, Order]] = [
        (rows.LogitRow, of_logarithms, closed, sums.sequential),
        (rows.LogitRow, of_logarithms, by_both, sums.random_tree),
        (rows.Reciprocal, of_logarithms, multiplied_out, sums.kahan),
        (rows.ByLogarithm, of_exponentials, by_logarithm, sums.backwards),
        (rows.LogitRow, of_probabilities, by_probabilities, sums.folded),
        (rows.LogitRow, of_shifted, by_shifted, sums.lanes),
        (rows.LogitRow, of_one_quotient, by_both, sums.descending),
        (rows.WithoutLargest, of_shifted, closed, sums.pairwise),
        (rows.LogitRow, in_chunks, closed, sums.sequential),
        (rows.LogitRow, of_logarithms, by_logarithm, sums.in_float64),
        (rows.Base2, of_one_quotient, multiplied_out, sums.blocked),
        (rows.Stored, of_logits, by_logits, sums.sequential),
        (rows.Stored, of_normalised, by_both, sums.folded),
        (rows.LogitRow, online, closed, sums.sequential),
        (rows.Scaled, of_logarithms, by_logarithm, sums.sequential),
    ]
    more: dict[Value, tuple[str, ...]] = {of_logits: _STORED, of_normalised: _STORED, online: _ONLINE}
    for kind, value, back, order in entries:
        words = f"{(value.__doc__ or '').rstrip('.')}; {kind.words}; gradient {(back.__doc__ or '').rstrip('.')}"
        needs = {*kind.needs, *more.get(value, ())}
        yield Right("softmax_entropy", formula(kind, value, back), Sum(order), words, tuple(sorted(needs)),
                    below=kind.below)  # fmt: skip
    divergences: list[tuple[type[LogitRow], Divergence, Slopes, Order]] = [
        (rows.LogitRow, of_differences, closed_slopes, sums.sequential),
        (rows.LogitRow, of_differences, slopes_by_autograd, sums.random_tree),
        (rows.Reciprocal, of_terms, closed_slopes, sums.kahan),
        (rows.ByLogarithm, of_two_sums, slopes_by_autograd, sums.pairwise),
        (rows.WithoutLargest, of_shifted_logits, slopes_by_autograd, sums.lanes),
        (rows.Stored, of_differences, slopes_by_autograd, sums.blocked),
        (rows.Base2, of_shifted_logits, closed_slopes, sums.folded),
        (rows.Scaled, of_differences, closed_slopes, sums.sequential),
    ]
    for kind, apart, slopes, order in divergences:
        words = f"{(apart.__doc__ or '').rstrip('.')}; {kind.words}; gradients {(slopes.__doc__ or '').rstrip('.')}"
        formula_of = divergence(kind, apart, slopes)
        yield Right("softmax_kl_divergence", formula_of, Sum(order), words, kind.needs, below=kind.below)
