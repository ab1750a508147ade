"""Cross-entropy and the linear classifier from their definitions: `independent`, with losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np

from softproof import Problem
from softproof.problem.problem import Array

from .independent import (
    NAN,
    ZERO,
    Entry,
    Fractions,
    Outputs,
    Row,
    affine,
    affine_backward,
    exact,
    information,
    interval,
    linear,
    log_softmax,
    logsumexp,
    of_rows,
    row_of,
    signed,
    slopes,
    softmax,
    softmax_divergence,
    softmax_entropy,
    total,
)


@dataclass(frozen=True)
class Loss:
    """What a loss is made of, in fractions."""

    t: list[Any]  # coefficients of each row; None where a probability is NaN
    counts: list[bool]
    slope: Fractions  # w(1 - ε)
    c: list[Any]  # ∂(whole)/∂(loss of the row); None where it is 0/0
    reduction: str
    divisor: Fraction

    @classmethod
    def of(cls, problem: Problem, classes: int) -> Loss:
        """Of a problem with that many classes."""
        options, target = problem.options, problem.inputs["target"]
        epsilon, reduction = Fraction(float(options.get("label_smoothing", 0.0))), options.get("reduction", "mean")
        w = exact(problem.inputs["weight"]) if "weight" in problem.inputs else [Fraction(1)] * classes
        if target.dtype == np.int64:
            labels = target.tolist()
            counts = [label != options.get("ignore_index", -100) for label in labels]
            q = [[Fraction(label == j) for j in range(classes)] for label in labels]
            divisor = sum((w[y] for y, kept in zip(labels, counts, strict=True) if kept), Fraction(0))
        else:
            q, counts, divisor = exact(target), [True] * len(target), Fraction(len(target))
        t = [_coefficients(row, w, epsilon) for row in q]
        g = np.broadcast_to(np.asarray(problem.grad_output, np.float64), len(q))
        divisor = divisor if reduction == "mean" else Fraction(1)
        c = [each / divisor if divisor else None for each in exact(g)]
        return cls(t, counts, [w_j * (1 - epsilon) for w_j in w], c, reduction, divisor)

    def value(self, losses: list[Entry]) -> list[Entry]:
        """The losses of rows, or what the reduction makes of them."""
        if self.reduction == "none":
            return losses
        if not self.divisor:
            return [NAN]
        special = [each for each in losses if isinstance(each, float)]
        if special:
            return [sum(special) if self.divisor > 0 else -sum(special)]
        return [total(losses) / interval(self.divisor)]


def _coefficients(q: list[Any], w: Fractions, epsilon: Fraction) -> Fractions | None:
    """w_j ((1 - ε) q_j + ε/C)."""
    if any(isinstance(each, float) for each in q):
        return None
    return [w_j * ((1 - epsilon) * each + epsilon / len(q)) for w_j, each in zip(w, q, strict=True)]


def _row_loss(t: Fractions, row: Row) -> Entry:
    """-Σ t_j l_j over the classes with t_j ≠ 0."""
    terms = [(t_j, l_j) for t_j, l_j in zip(t, row.l, strict=True) if t_j]
    special = [signed(-t_j, l_j) for t_j, l_j in terms if isinstance(l_j, float)]
    return sum(special) if special else total([interval(-t_j) * l_j for t_j, l_j in terms])


@dataclass(frozen=True)
class _Entries:
    """Of one row: its loss, that along v, and the derivatives by logits, by probabilities, and of the first along v."""

    value: Entry
    jvp: Entry
    x: list[Entry]
    q: list[Entry]
    hvp: list[Entry]

    @classmethod
    def of(cls, loss: Loss, n: int, x: list[Any], v: Fractions | None) -> _Entries:
        undefined = [NAN] * len(x)
        if not loss.counts[n]:
            return cls(ZERO, ZERO, *[[ZERO] * len(x)] * 3)
        row, t, c = row_of(x), loss.t[n], loss.c[n]
        if row is None:
            return cls(NAN, NAN, undefined, undefined, undefined)
        by_q = undefined if c is None else [_slope(c * each, l_j) for each, l_j in zip(loss.slope, row.l, strict=True)]
        if t is None:
            return cls(NAN, NAN, undefined, by_q, undefined)
        along = ZERO if v is None else total([interval(-a) * b for a, b in zip(t, row.apart(v), strict=True)])
        if c is None:
            return cls(_row_loss(t, row), along, undefined, by_q, undefined)
        hvp = [] if v is None else [interval(c * sum(t)) * each for each in row.along(v)]
        return cls(_row_loss(t, row), along, slopes(row, [-c * t_j for t_j in t]), by_q, hvp)


def _slope(factor: Fraction, l_j: Entry) -> Entry:
    return signed(-factor, l_j) if isinstance(l_j, float) else interval(-factor) * l_j


def _cross_entropy(problem: Problem) -> Outputs:
    x = exact(problem.inputs["logits"])
    v = [None] * len(x) if problem.tangent is None else exact(problem.tangent)
    loss = Loss.of(problem, len(x[0]))
    rows = [_Entries.of(loss, n, *each) for n, each in enumerate(zip(x, v, strict=True))]
    outputs = {"value": loss.value([row.value for row in rows]), "grad_logits": _joined([row.x for row in rows])}
    if problem.inputs["target"].dtype != np.int64:
        outputs["grad_target"] = _joined([row.q for row in rows])
    if problem.tangent is not None:
        outputs["jvp"] = loss.value([row.jvp for row in rows])
        outputs["hvp_logits"] = _joined([row.hvp for row in rows])
    return outputs


def _joined(rows: list[list[Entry]]) -> list[Entry]:
    return list(chain.from_iterable(rows))


def _linear_cross_entropy(problem: Problem) -> Outputs:
    x, w = exact(problem.inputs["input"]), exact(problem.inputs["linear_weight"])
    b = exact(problem.inputs["linear_bias"]) if "linear_bias" in problem.inputs else None
    loss = Loss.of(problem, len(w))
    rows = [_Entries.of(loss, n, logits, None) for n, logits in enumerate(affine(x, w, b))]
    outputs = {"value": loss.value([row.value for row in rows])}
    by_x, by_w, by_b = affine_backward([row.x for row in rows], x, w)
    outputs |= {"grad_input": by_x, "grad_linear_weight": by_w}
    return outputs if b is None else outputs | {"grad_linear_bias": by_b}


DEFINITIONS: dict[str, Callable[[Problem], Outputs]] = {
    "softmax": of_rows(softmax),
    "log_softmax": of_rows(log_softmax),
    "logsumexp": of_rows(logsumexp),
    "softmax_entropy": of_rows(softmax_entropy),
    "softmax_kl_divergence": softmax_divergence,
    "entropy": information,
    "distribution_cross_entropy": information,
    "kl_divergence": information,
    "linear": linear,
    "cross_entropy": _cross_entropy,
    "linear_cross_entropy": _linear_cross_entropy,
}


def evaluate(problem: Problem) -> dict[str, Array]:
    """Every output of a problem of two dimensions with an upstream gradient, flat: intervals, and special floats."""
    outputs: dict[str, Array] = {}
    for name, entries in DEFINITIONS[problem.operation](problem).items():
        outputs[name] = np.empty(len(entries), dtype=object)
        outputs[name][:] = entries
    return outputs
