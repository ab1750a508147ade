"""Softmax, log-softmax and logsumexp: the backward passes that go with a way to take a row; g the upstream gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...problem.problem import Array
from . import rows, sums
from .record import Answer, Asked, Formula, Right
from .rows import Row
from .sums import Order, Sum

Backward = Callable[[Row, Array, Sum], Array]


def factored(row: Row, g: Array, sum: Sum) -> Array:
    """Of softmax: p (g - Σ g p)."""
    return np.asarray(row.p * (g - sum.dot(g, row.p)))


def multiplied_out(row: Row, g: Array, sum: Sum) -> Array:
    """Of softmax: p g - p Σ g p."""
    return np.asarray(row.p * g - row.p * sum.dot(g, row.p))


def of_exponentials(row: Row, g: Array, sum: Sum) -> Array:
    """Of softmax: e (g - Σ g e / s) / s."""
    return np.asarray(row.e * (g - sum.dot(g, row.e) / row.s) / row.s)


def by_quotient(row: Row, g: Array, sum: Sum) -> Array:
    """Of log-softmax: g - p Σ g."""
    return np.asarray(g - row.p * sum(g))


def by_exponential(row: Row, g: Array, sum: Sum) -> Array:
    """Of log-softmax: g - exp(l) Σ g."""
    return np.asarray(g - np.exp(row.l) * sum(g))


def softmax(way: type[Row], backward: Backward) -> Formula:
    """Value and gradient."""

    def formula(asked: Asked) -> Answer:
        row = way(asked.x, asked.sum)
        found = {"value": row.p}
        if asked.differentiates:
            assert asked.problem.grad_output is not None
            found["grad_logits"] = backward(row, asked.rows(asked.problem.grad_output), asked.sum.intact)
        return found

    return formula


def log_softmax(way: type[Row], backward: Backward) -> Formula:
    """The same of the logarithm."""
    of_softmax = softmax(way, backward)
    return lambda asked: of_softmax(asked) | {"value": way(asked.x, asked.sum).l}


def logsumexp(way: type[Row], *, by_difference: bool = False) -> Formula:
    """Value, and gradient g p, or g exp(x - y)."""

    def formula(asked: Asked) -> Answer:
        row = way(asked.x, asked.sum)
        found = {"value": row.y}
        if asked.differentiates:
            found["grad_logits"] = asked.g * (np.exp(asked.x - row.y) if by_difference else row.p)
        return found

    return formula


def variants() -> Iterator[Right]:
    """Softmax, log-softmax and logsumexp."""
    of_softmax: list[tuple[type[rows.Row], Backward, Order]] = [
        (rows.Row, factored, sums.sequential),
        (rows.Row, multiplied_out, sums.kahan),
        (rows.Row, of_exponentials, sums.random_tree),
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
    of_log_softmax: list[tuple[type[rows.Row], Backward, Order]] = [
        (rows.Row, by_quotient, sums.sequential),
        (rows.Row, by_exponential, sums.random_tree),
        (rows.Row, by_quotient, sums.in_float64),
        (rows.WithoutLargest, by_exponential, sums.welford),
        (rows.WithoutLargest, by_quotient, sums.ascending),
        (rows.Base2, by_quotient, sums.folded),
        (rows.Stored, by_exponential, sums.kahan),
        (rows.OnlineStored, by_exponential, sums.sequential),
        (rows.Scaled, by_exponential, sums.sequential),
    ]
    for operation, build, entries in (
        ("softmax", softmax, of_softmax),
        ("log_softmax", log_softmax, of_log_softmax),
    ):
        for way, back, order in entries:
            words = f"{way.words}; gradient {(back.__doc__ or '').split(': ')[1].rstrip('.')}"
            yield Right(operation, build(way, back), Sum(order), words, way.needs, below=way.below)
    of_logsumexp: list[tuple[type[rows.Row], bool, Order]] = [
        (rows.Row, False, sums.sequential),
        (rows.Row, True, sums.scattered),
        (rows.WithoutLargest, False, sums.random_tree),
        (rows.WithoutLargest, True, sums.exact),
        (rows.Base2, True, sums.by_einsum),
        (rows.Stepwise, False, sums.sequential),
        (rows.Scaled, True, sums.sequential),
    ]
    for way, difference, order in of_logsumexp:
        words = f"{way.words}; gradient g {'exp(x - y)' if difference else 'p'}"
        formula = logsumexp(way, by_difference=difference)
        yield Right("logsumexp", formula, Sum(order), words, way.needs, below=way.below)
