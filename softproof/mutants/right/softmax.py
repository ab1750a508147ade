"""Softmax, log-softmax and logsumexp: the backward passes that go with a way to take a row; g the upstream gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...problem.problem import Array
from . import rows, sums
from .record import Answer, Asked, Formula, Right
from .rows import LogitRow, Maximum, words_of
from .sums import Order, Sum

Backward = Callable[[LogitRow, Array, Sum], Array]


def factored(row: LogitRow, g: Array, sum: Sum) -> Array:
    """Of softmax: p (g - Σ g p)."""
    return np.asarray(row.p * (g - sum.dot(g, row.p)))


def multiplied_out(row: LogitRow, g: Array, sum: Sum) -> Array:
    """Of softmax: p g - p Σ g p."""
    return np.asarray(row.p * g - row.p * sum.dot(g, row.p))


def of_exponentials(row: LogitRow, g: Array, sum: Sum) -> Array:
    """Of softmax: e (g - Σ g e / s) / s."""
    return np.asarray(row.e * (g - sum.dot(g, row.e) / row.s) / row.s)


def by_quotient(row: LogitRow, g: Array, sum: Sum) -> Array:
    """Of log-softmax: g - p Σ g."""
    return np.asarray(g - row.p * sum(g))


def by_exponential(row: LogitRow, g: Array, sum: Sum) -> Array:
    """Of log-softmax: g - exp(l) Σ g."""
    return np.asarray(g - np.exp(row.l) * sum(g))


def _through(maximum: Maximum, backward: Backward) -> Backward:
    """A3'': the same, and through the maximum."""

    def through(row: LogitRow, g: Array, sum: Sum) -> Array:
        return maximum(row, backward(row, g, sum), sum)

    through.__doc__ = f"{(backward.__doc__ or '').rstrip('.')}, {words_of(maximum)}."
    return through


def softmax(kind: type[LogitRow], backward: Backward) -> Formula:
    """Value and gradient."""

    def formula(asked: Asked) -> Answer:
        row = kind(asked.x, asked.sum)
        outputs = {"value": row.p}
        if asked.differentiates:
            assert asked.problem.grad_output is not None
            outputs["grad_logits"] = backward(row, asked.rows(asked.problem.grad_output), asked.sum.intact)
        return outputs

    return formula


def log_softmax(kind: type[LogitRow], backward: Backward) -> Formula:
    """The same of the logarithm."""
    of_softmax = softmax(kind, backward)
    return lambda asked: of_softmax(asked) | {"value": kind(asked.x, asked.sum).l}


def logsumexp(kind: type[LogitRow], *, by_difference: bool = False, maximum: Maximum | None = None) -> Formula:
    """Value, and gradient g p, or g exp(x - y); and what the maximum gets, g of which is its own."""

    def formula(asked: Asked) -> Answer:
        row = kind(asked.x, asked.sum)
        outputs = {"value": row.y}
        if asked.differentiates:
            found = asked.g * (np.exp(asked.x - row.y) if by_difference else row.p)
            outputs["grad_logits"] = found if maximum is None else maximum(row, found, asked.sum.intact, asked.g)
        return outputs

    return formula


def variants() -> Iterator[Right]:
    """Softmax, log-softmax and logsumexp."""
    of_softmax: list[tuple[type[rows.LogitRow], Backward, Order]] = [
        (rows.LogitRow, factored, sums.sequential),
        (rows.LogitRow, multiplied_out, sums.kahan),
        (rows.LogitRow, of_exponentials, sums.random_tree),
        (rows.Reciprocal, factored, sums.lanes),
        (rows.Reciprocal, multiplied_out, sums.bincount),
        (rows.ByLogarithm, factored, sums.backwards),
        (rows.WithoutLargest, factored, sums.pairwise),
        (rows.Base2, factored, sums.blocked),
        (rows.Online, factored, sums.by_library),
        (rows.Stored, multiplied_out, sums.descending),
        (rows.Scaled, factored, sums.sequential),
        (rows.ScaledFused, factored, sums.lanes),
    ]
    of_softmax += [
        (rows.LogitRow, _through(rows.through_first_maximum, factored), sums.sequential),
        (rows.ByLogarithm, _through(rows.through_all_maxima, multiplied_out), sums.random_tree),
    ]
    of_log_softmax: list[tuple[type[rows.LogitRow], Backward, Order]] = [
        (rows.LogitRow, by_quotient, sums.sequential),
        (rows.LogitRow, by_exponential, sums.random_tree),
        (rows.LogitRow, by_quotient, sums.in_float64),
        (rows.WithoutLargest, by_exponential, sums.welford),
        (rows.WithoutLargest, by_quotient, sums.ascending),
        (rows.Base2, by_quotient, sums.folded),
        (rows.Stored, by_exponential, sums.kahan),
        (rows.OnlineStored, by_exponential, sums.sequential),
        (rows.Scaled, by_exponential, sums.sequential),
        (rows.Folded, by_exponential, sums.blocked),
    ]
    of_log_softmax += [
        (rows.LogitRow, _through(rows.through_first_maximum, by_quotient), sums.lanes),
        (rows.Stored, _through(rows.through_all_maxima, by_exponential), sums.sequential),
        (rows.OnlineStored, _through(rows.through_first_maximum, by_exponential), sums.sequential),
    ]
    for operation, build, entries in (
        ("softmax", softmax, of_softmax),
        ("log_softmax", log_softmax, of_log_softmax),
    ):
        for kind, back, order in entries:
            words = f"{kind.words}; gradient {(back.__doc__ or '').split(': ')[1].rstrip('.')}"
            needs = kind.needs + ("A3''",) * ("through" in words)
            yield Right(operation, build(kind, back), Sum(order), words, needs, below=kind.below)
    of_logsumexp: list[tuple[type[rows.LogitRow], bool, Order]] = [
        (rows.LogitRow, False, sums.sequential),
        (rows.LogitRow, True, sums.scattered),
        (rows.WithoutLargest, False, sums.random_tree),
        (rows.WithoutLargest, True, sums.exact),
        (rows.Base2, True, sums.by_einsum),
        (rows.Stepwise, False, sums.sequential),
        (rows.Scaled, True, sums.sequential),
    ]
    for kind, difference, order in of_logsumexp:
        words = f"{kind.words}; gradient g {'exp(x - y)' if difference else 'p'}"
        formula = logsumexp(kind, by_difference=difference)
        yield Right("logsumexp", formula, Sum(order), words, kind.needs, below=kind.below)
    for maximum, order in ((rows.through_first_maximum, sums.sequential), (rows.through_all_maxima, sums.random_tree)):
        words = f"{rows.LogitRow.words}; gradient g p, {words_of(maximum)}"
        yield Right("logsumexp", logsumexp(rows.LogitRow, maximum=maximum), Sum(order), words, ("A3''",))
