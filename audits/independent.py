"""Every operation from its definition, for small problems of two dimensions: what is rational in fractions, and what is
not in intervals of mpmath that certainly hold it.

Nothing is shared with the truth but the Problem. Weights, logits of a layer, signs and zeros are fractions, and so
exact. Derivatives are sums over pairs, of which none cancels because a 1 is subtracted: v_j - Σ_k p_k v_k is written
Σ_k p_k (v_j - v_k). What is not a finite number is the float inf, -inf or nan. Losses are in `independent_losses`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from mpmath import libmp  # type: ignore[import-untyped]  # mpmath ships no types
from mpmath.ctx_iv import MPIntervalContext  # type: ignore[import-untyped]

from softproof import Problem

IV = MPIntervalContext()
IV.prec = 600
UP = libmp.round_ceiling
ZERO, ONE = IV.mpf(0), IV.mpf(1)
ROOM = IV.mpf([(1 - IV.mpf(2) ** -590).a, (1 + IV.mpf(2) ** -590).b])  # mpmath may round exp and log inwards
SMALL = IV.mpf(2) ** -200
Interval = Any  # of IV
Entry = Any  # an Interval, or the float inf, -inf or nan
Fractions = list[Fraction]
Outputs = dict[str, list[Entry]]
INF, NAN = float("inf"), float("nan")


def interval(x: Fraction | Interval) -> Interval:
    """A rational number, outwards."""
    if not isinstance(x, Fraction):
        return x
    ends = (libmp.from_rational(x.numerator, x.denominator, IV.prec, way) for way in (libmp.round_floor, UP))
    return IV.make_mpf(tuple(ends))


def total(terms: Sequence[Any]) -> Interval:
    """A sum of finite numbers."""
    return sum(map(interval, terms), ZERO)


@lru_cache(maxsize=1 << 14)
def _exp(x: Fraction) -> Interval:
    return IV.exp(interval(x)) * ROOM


def _log1p(x: Interval) -> Interval:
    """log(1 + x), which is between x - x² and x where x is small and not below 0."""
    return IV.mpf([(x - x * x).a, x.b]) if x.b < SMALL.a else IV.log(1 + x) * ROOM


def signed(sign: Fraction, infinity: float) -> float:
    """An infinity times a number: 0 where that is 0."""
    return 0.0 if sign == 0 else infinity if sign > 0 else -infinity


def exact(array: Any) -> Any:
    """Float64 numbers as fractions, in lists; those that are not finite as they are."""
    if isinstance(array, np.ndarray):
        return exact(array.tolist())
    if isinstance(array, list):
        return [exact(each) for each in array]
    return Fraction(array) if np.isfinite(array) else array


# ---- softmax --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Softmax p, log-probabilities l (-inf where p is 0 by a mask) and logsumexp of one row."""

    p: list[Interval]
    l: list[Entry]  # noqa: E741  # the letter of the literature
    lse: Entry

    def apart(self, v: Fractions) -> list[Interval]:
        """v_j - Σ_k p_k v_k of each class."""
        pairs = list(zip(self.p, v, strict=True))
        return [total([p * interval(v_j - v_k) for p, v_k in pairs if v_k != v_j]) for v_j in v]

    def along(self, v: Fractions) -> list[Interval]:
        """Σ_k v_k ∂p_k/∂x_j, and as well Σ_k v_k ∂p_j/∂x_k."""
        return [p * each for p, each in zip(self.p, self.apart(v), strict=True)]


def row_of(x: list[Any]) -> Row | None:
    """Softmax of a row of fractions, -inf and +inf; None where there is none."""
    floats = [each for each in x if isinstance(each, float)]
    if any(each != each for each in floats) or floats.count(INF) > 1 or floats.count(-INF) == len(x):
        return None
    if INF in floats:
        return Row([ONE if each == INF else ZERO for each in x], [ZERO if each == INF else -INF for each in x], INF)
    top = max(each for each in x if isinstance(each, Fraction))
    e = [ZERO if isinstance(each, float) else _exp(each - top) for each in x]
    first = x.index(top)
    log_s, s = _log1p(total(e[:first] + e[first + 1 :])), total(e)
    l = [-INF if isinstance(each, float) else interval(each - top) - log_s for each in x]  # noqa: E741
    return Row([each / s for each in e], l, interval(top) + log_s)


def softmax(row: Row, g: Any, v: Any) -> dict[str, list[Entry]]:
    """p, and g and v times its Jacobian p_i (δ_ij - p_j)."""
    found = {"value": row.p, "grad_logits": row.along(g)}
    if v is not None:
        along = found["jvp"] = row.along(v)
        inner = total([interval(g_k) * each for g_k, each in zip(g, along, strict=True)])
        found["hvp_logits"] = [dp * a - p * inner for dp, a, p in zip(along, row.apart(g), row.p, strict=True)]
    return found


def log_softmax(row: Row, g: Any, v: Any) -> dict[str, list[Entry]]:
    """l, whose Jacobian is δ_ij - p_j."""
    found = {"value": row.l, "grad_logits": slopes(row, g)}
    if v is not None:
        found |= {"jvp": row.apart(v), "hvp_logits": [interval(-sum(g)) * each for each in row.along(v)]}
    return found


def slopes(row: Row, h: Fractions) -> list[Interval]:
    """Σ_i h_i ∂l_i/∂x_j = h_j Σ_{k≠j} p_k - p_j Σ_{i≠j} h_i."""
    return [
        interval(h_j) * total(row.p[:j] + row.p[j + 1 :]) - row.p[j] * interval(sum(h) - h_j) for j, h_j in enumerate(h)
    ]


def logsumexp(row: Row, g: Any, v: Any) -> dict[str, list[Entry]]:
    """The normaliser, whose gradient is p."""
    found = {"value": [row.lse], "grad_logits": [interval(g[0]) * p for p in row.p]}
    if v is not None:
        found["jvp"] = [total([p * interval(each) for p, each in zip(row.p, v, strict=True)])]
        found["hvp_logits"] = [interval(g[0]) * each for each in row.along(v)]
    return found


def softmax_entropy(row: Row, g: Any, _v: Any) -> dict[str, list[Entry]]:
    """-Σ p l, and Σ_k p_j p_k (l_k - l_j), in which no 1 is subtracted."""
    known = [(p, log_p) for p, log_p in zip(row.p, row.l, strict=True) if not isinstance(log_p, float)]
    grad = [
        ZERO if isinstance(own, float) else interval(g[0]) * p * total([p_k * (each - own) for p_k, each in known])
        for p, own in zip(row.p, row.l, strict=True)
    ]
    return {"value": [total([-p * log_p for p, log_p in known])], "grad_logits": grad}


def of_rows(of_row: Callable[[Row, Any, Any], Outputs]) -> Callable[[Problem], Outputs]:
    """An operation from what it makes of one row."""

    def outputs(problem: Problem) -> Outputs:
        found: Outputs = {}
        logits, g = exact(problem.inputs["logits"]), exact(problem.grad_output)
        v = None if problem.tangent is None else exact(problem.tangent)
        for n, x in enumerate(logits):
            upstream = g[n] if isinstance(g[n], list) else [g[n]]
            row, direction = row_of(x), None if v is None else v[n]
            any_row = row or Row([ZERO] * len(x), [0.0] * len(x), max(x) if _comparable(x) else NAN)
            for name, entries in of_row(any_row, upstream, direction).items():
                undefined = row is None and not (name == "value" and of_row is logsumexp)
                found.setdefault(name, []).extend([NAN] * len(entries) if undefined else entries)
        return found

    return outputs


def _comparable(x: list[Any]) -> bool:
    return not any(each != each for each in x)


# ---- distributions --------------------------------------------------------------------------------------------------


def _log(x: Fraction) -> Interval:
    return IV.log(interval(x)) * ROOM


def information(problem: Problem) -> Outputs:
    """Entropy, cross-entropy and divergence, and g times their derivatives, limits where a probability is 0."""
    kind, p = problem.operation, exact(problem.inputs["p"])
    q = exact(problem.inputs["q"]) if "q" in problem.inputs else p
    found: Outputs = {"value": [], "grad_p": []} | ({"grad_q": []} if "q" in problem.inputs else {})
    for p_n, q_n, g in zip(p, q, exact(problem.grad_output), strict=True):
        pairs = list(zip(p_n, q_n, strict=True))
        impossible = any(a and not b for a, b in pairs)
        logs = [interval(-a) * (_log(b / a) if kind == "kl_divergence" else _log(b)) for a, b in pairs if a and b]
        found["value"].append(INF if impossible else total(logs))
        found["grad_p"] += [_slope_of_p(kind, a, b, g) for a, b in pairs]
        if "grad_q" in found:
            found["grad_q"] += [interval(-g * a / b) if b else signed(-g * a, INF) for a, b in pairs]
    return found


def softmax_divergence(problem: Problem) -> Outputs:
    """Σ p (l - k) of two rows, and Σ_k p_j p_k ((l_j - k_j) - (l_k - k_k)), in which no 1 is subtracted, and q - p."""
    found: Outputs = {"value": [], "grad_p_logits": [], "grad_q_logits": []}
    for x, y, g in zip(*(exact(problem.inputs[name]) for name in ("p_logits", "q_logits")), exact(problem.grad_output),
                       strict=True):  # fmt: skip
        of_x, of_y = row_of(x), row_of(y)
        assert of_x is not None  # since logits are finite
        assert of_y is not None
        p, apart = of_x.p, [l - k for l, k in zip(of_x.l, of_y.l, strict=True)]  # noqa: E741
        found["value"].append(total([p_j * each for p_j, each in zip(p, apart, strict=True)]))
        found["grad_p_logits"] += [
            interval(g) * p_j * total([p_k * (own - each) for p_k, each in zip(p, apart, strict=True)])
            for p_j, own in zip(p, apart, strict=True)
        ]
        found["grad_q_logits"] += [interval(g) * (q_j - p_j) for q_j, p_j in zip(of_y.p, p, strict=True)]
    return found


def _slope_of_p(kind: str, a: Fraction, b: Fraction, g: Fraction) -> Entry:
    if kind == "kl_divergence" and not a:
        return signed(g, -INF)
    if not b:
        return signed(g, INF)
    if kind == "kl_divergence":
        return interval(g) * (_log(a / b) + 1)
    return interval(-g) * (_log(b) + (kind == "entropy"))


# ---- linear ---------------------------------------------------------------------------------------------------------


def affine(x: list[Fractions], w: list[Fractions], b: Fractions | None) -> list[Fractions]:
    """x wᵀ + b, exactly."""
    products = [[sum((i * j for i, j in zip(x_n, w_k, strict=True)), Fraction(0)) for w_k in w] for x_n in x]
    return [[each + (b[k] if b else 0) for k, each in enumerate(row)] for row in products]


def affine_backward(g: list[list[Any]], x: list[Fractions], w: list[Fractions]) -> tuple[list[Entry], ...]:
    """∂x, ∂w and ∂b, flat."""
    rows, classes, features = range(len(x)), range(len(w)), range(len(w[0]))
    return (
        [sum_of([(g[n][k], w[k][j]) for k in classes]) for n in rows for j in features],
        [sum_of([(g[n][k], x[n][j]) for n in rows]) for k in classes for j in features],
        [sum_of([(g[n][k], Fraction(1)) for n in rows]) for k in classes],
    )


def sum_of(products: Sequence[tuple[Any, Fraction]]) -> Entry:
    """Σ a b, NaN where an a is."""
    if any(isinstance(a, float) for a, _ in products):
        return NAN
    if all(isinstance(a, Fraction) for a, _ in products):
        return interval(sum((a * b for a, b in products), Fraction(0)))
    return total([interval(a) * interval(b) for a, b in products])


def linear(problem: Problem) -> Outputs:
    """The linear layer, exactly."""
    x, w, g = exact(problem.inputs["input"]), exact(problem.inputs["weight"]), exact(problem.grad_output)
    b = exact(problem.inputs["bias"]) if "bias" in problem.inputs else None
    names = ("grad_input", "grad_weight", "grad_bias")
    found = {"value": [interval(each) for row in affine(x, w, b) for each in row]}
    found |= dict(zip(names, affine_backward(g, x, w), strict=True))
    return {name: each for name, each in found.items() if name != "grad_bias" or b}
