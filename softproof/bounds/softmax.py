"""Softmax, log-softmax and logsumexp with their gradients (docs/theory/bounds.md, sections 2 and 3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, wide_rows
from .algebra import (
    Allowed,
    Known,
    additions,
    few_additions,
    grown,
    powers,
    rdiv,
    rmul,
    stored,
    times,
)
from .arithmetic import Arithmetic
from .exponentials import exponent, promising
from .overflow import Left, anything, exceeds, left_by
from .row_unknowns import Shared, of_centred, of_product
from .second_order import along, curvature, given, inside, mean, scaled
from .softmax_rows import SoftmaxRows
from .through_maximum import left_of_tangent, of_difference, of_slopes, tangent, through_maximum, top
from .vjp import nonzeros, row_of, summed, summed_known, vjp

CITED = {  # the theorems that these bounds rest on
    "softmax": (2, 5, 6, 14, 17, 18, 21, 30),
    "log_softmax": (4, 5, 6, 14, 17, 18, 21, 30),
    "logsumexp": (3, 5, 6, 17, 18, 21, 30),
}


def _rows(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> SoftmaxRows:
    return SoftmaxRows.of(wide_rows(problem.inputs["logits"], axis_of(problem), rows), arithmetic)


def _inside(f: SoftmaxRows, problem: Problem, rows: Rows) -> SoftmaxRows:
    """The same rows in the arithmetic of derivatives in a direction."""
    arithmetic = inside(f.arithmetic)
    return f if arithmetic is f.arithmetic else _rows(problem, arithmetic, rows)


def softmax(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorems 2 and 5 for the value, Theorem 6 (b) for the gradient."""
    f = _rows(problem, arithmetic, rows)
    bounds = {"value": Allowed(f.p, f.value_error, f.common_factor)}
    if problem.grad_output is not None:
        u, eta = arithmetic.compute.u, arithmetic.underflow()
        g = wide_rows(problem.grad_output, axis_of(problem), rows)
        size, p, b = np.abs(g), f.p, f.saved_error
        inner = (g * p).sum(-1, keepdims=True)  # S
        product = arithmetic.rounding("terms") if "terms" in arithmetic.stored else 0.0
        deep = rmul(u, additions(f.classes + 1, u, arithmetic.backward_depth, f.classes))  # a product, and additions
        gamma = rmul(few_additions(np.minimum(f.classes * u, deep), size * p, u, beside=1), product)
        inner_error = (times(1 + gamma, times(b, size)) + times(gamma, size * p)).sum(-1, keepdims=True)
        inner_error = inner_error + f.classes * arithmetic.underflow("terms")
        value = p * (g - inner)
        roundings = rmul(powers(3, u), product)
        beside = np.abs(inner) + inner_error  # (r, 1)
        reach, apart, lost = np.abs(g - inner), np.zeros(1), 3 * eta + arithmetic.underflow("terms")
        if not arithmetic.quotient and has_other_forms(arithmetic):
            reach = size + np.abs(inner)
        elif not arithmetic.quotient:  # p̂ g and p̂ S of two exponentials of one logarithm
            apart = rmul(arithmetic.c_exp * u, arithmetic.rounding("exp"))
            lost = lost + 2 * (arithmetic.exp_underflow + arithmetic.underflow("exp")) * beside
        rounded = (inner_error + (roundings + rdiv(apart, apart)) * beside) + roundings * size
        error = times(b, reach) + times(p + b, rounded)
        error = error + u * np.abs(value) + lost
        row = None
        if not arithmetic.forward:
            row = of_centred(f.shared_of_value, value, g, inner, inner_error, roundings, arithmetic)
        left = _left_of_centred(f, b, g, arithmetic, times_p=True)
        parts = of_slopes(times(p + b, size).sum(-1, keepdims=True), beside, b)
        bounds["grad_logits"] = through_maximum(Allowed(value, error, row, left), f, parts)
    if problem.tangent is not None:
        bounds |= _softmax_along(problem, _inside(f, problem, rows), rows)
    return f.spoiled(bounds)


def has_other_forms(a: Arithmetic) -> bool:
    """Whether two evaluations of one probability may differ by more than one exponential."""
    return a.base2 or a.scales_logits or a.subtracts_logsumexp or a.forward or "output" in a.stored


def _softmax_along(problem: Problem, f: SoftmaxRows, rows: Rows) -> dict[str, Allowed]:
    """Theorems 17 and 18 for softmax."""
    a, v = f.arithmetic, direction(problem, rows)
    p, dp, moved = Known(f.p, f.saved_error), f.along(v), tangent(f, v, a)
    of_v = left_of_tangent(f, v, a)
    left = _left_of_centred(f, f.saved_error, v, a, times_p=True)
    bounds = {"jvp": Allowed(dp, along(p, moved, a), left=left | of_v)}
    if problem.grad_output is not None:
        g = wide_rows(problem.grad_output, axis_of(problem), rows)
        value = dp * (g - f.mean(g)) - f.p * (g * dp).sum(-1, keepdims=True)
        left = _left_of_scaled(f, f.saved_error, centred_reach(f, f.saved_error, g), v, a)
        found = Allowed(value, curvature(p, given(g, a), moved, a), left=left | of_v)
        bounds["hvp_logits"] = through_maximum(found, f, _parts_of_curvature(p, given(g, a), moved))
    return bounds


def _parts_of_curvature(p: Known, g: Known, v: Known) -> Floats:
    """How large the parts of the derivative of p (g - Σ p g) in the direction v are together (r, 1)."""
    of_g, of_v, of_both = (_most_of((p * each).summed()) for each in (g, v, g * v))
    return np.asarray(2 * of_both + 6 * of_g * of_v)


def _most_of(known: Known) -> Floats:
    return np.asarray(known.size + known.error)


def centred_reach(f: SoftmaxRows, p_error: Floats, g: Floats) -> Floats:
    """How large |g - Σ p g|, or its parts, may be on the way in a row: (r, 1)."""
    plus, minus = f.mean_reach(p_error, g, _largest(f.arithmetic))
    return np.asarray(np.abs(g).max(-1, keepdims=True) + plus + minus)


def _largest(a: Arithmetic) -> float:
    """The largest number of the format that a derivative is computed in."""
    return (a.storage if a.stored & {"terms", "derivatives"} else a.compute).largest


def _left_of_centred(f: SoftmaxRows, p_error: Floats, g: Floats, a: Arithmetic, times_p: bool) -> Left | int:
    """Theorem 13 for g - Σ p g, or for p times that: (r, C)."""
    by, largest = 1 + powers(4, a.rounding("derivatives")), _largest(a)
    if np.abs(g).max(initial=0.0) * 4 * (1 + f.classes) * (1 + f.classes * a.compute.u) < largest:
        return 0
    plus, minus = f.mean_reach(p_error, g, largest)
    up, down = (exceeds((np.maximum(g, 0) + minus) * by, largest), exceeds((np.maximum(-g, 0) + plus) * by, largest))
    return left_by(up, down, undefined=(up | down) & times_p & (f.p <= p_error))


def _left_of_scaled(f: SoftmaxRows, p_error: Floats, slope: Floats, v: Floats, a: Arithmetic) -> Left:
    """Theorem 13 for numbers of this size (r, 1) times J v, which may be multiplied in any order: (r, C)."""
    reach = np.maximum(1, slope) * np.maximum(1, centred_reach(f, p_error, v))
    exceeding = exceeds(reach * (1 + powers(8, a.rounding("derivatives"))), _largest(a))
    return anything(np.broadcast_to(exceeding, v.shape))


def direction(problem: Problem, rows: Rows) -> Floats:
    """The tangent of some rows (r, C)."""
    assert problem.tangent is not None
    return wide_rows(problem.tangent, axis_of(problem), rows)


def log_softmax(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 4 for the value, Theorem 6 (a) for the gradient."""
    f = _rows(problem, arithmetic, rows)
    bounds = {"value": Allowed(f.l, f.l_error, f.common_term)}
    if problem.grad_output is not None:
        g = wide_rows(problem.grad_output, axis_of(problem), rows)
        terms = nonzeros(g)
        kept = _kept_products(f, g, terms)
        found = vjp(f, g, kept, terms, scalings=0)
        found = replace(found, row=row_of(f, g, kept, terms, found.value), left=_left_of_total(f, g))
        bounds["grad_logits"] = through_maximum(found, f, of_difference(g, kept, terms, f, f.p_error))
    if problem.tangent is not None:
        bounds |= _log_softmax_along(problem, _inside(f, problem, rows), rows)
    return f.spoiled(bounds)


def _kept_products(f: SoftmaxRows, g: Floats, terms: Array) -> Floats | float:
    """What is lost of g - p Σg where the product is stored, as in a chain of operations, and the sum, whose share these
    add up to: (r, C).
    """
    a = f.arithmetic
    if not {"shift", "total"} <= a.stored:  # a library's kernel stores the total of a loss alone
        return 0.0
    total, error = summed(g, 0.0, terms, a)
    return np.asarray(a.rounding("total") * (f.p + f.p_error) * (np.abs(total) + error) + a.underflow("total"))


def _log_softmax_along(problem: Problem, f: SoftmaxRows, rows: Rows) -> dict[str, Allowed]:
    """Theorems 17 and 18 for log-softmax: v - Σ p v, and -Σg times J v."""
    a, v = f.arithmetic, direction(problem, rows)
    p = Known(f.p, f.p_error)
    moved, of_v = tangent(f, v, a), left_of_tangent(f, v, a)
    jvp = mean(p, moved, a) + moved
    jvp = jvp.rounded(a.rounding("derivatives"), a.flushed(1))
    left = _left_of_centred(f, f.p_error, v, a, times_p=False)
    bounds = {"jvp": Allowed(v - f.mean(v), np.broadcast_to(jvp.error, v.shape), left=left | of_v)}
    if problem.grad_output is not None:
        g = wide_rows(problem.grad_output, axis_of(problem), rows)
        slope, total = summed_known(g, 0.0, a)
        left = _left_of_scaled(f, f.p_error, np.abs(g).sum(-1, keepdims=True), v, a)
        found = Allowed(-total * f.along(v), scaled(slope, p, moved, a), left=left | of_v)
        bounds["hvp_logits"] = through_maximum(found, f, parts_of_scaled(slope, p, moved))
    return bounds


def parts_of_scaled(slope: Known, p: Known, v: Known) -> Floats:
    """How large the parts of a number for each row times J v are together (r, 1)."""
    return np.asarray(4 * _most_of((p * v * slope).summed()))


def _left_of_total(f: SoftmaxRows, g: Floats) -> Left | int:
    """Theorem 13 for g - p Σg: (r, C)."""
    a = f.arithmetic
    plus, minus = (np.maximum(each, 0).sum(-1, keepdims=True) * (1 + f.classes * a.compute.u) for each in (g, -g))
    up, down = exceeds(plus, _largest(a)), exceeds(minus, _largest(a))
    if not (up | down).any():
        return 0
    shape = np.zeros(g.shape, bool)
    return left_by(shape | down, shape | up, undefined=(up | down) & (f.p <= f.p_error))


def logsumexp(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed]:
    """Theorem 3 for the value, Theorem 6 (c) for the gradient."""
    f, a = _rows(problem, arithmetic, rows), arithmetic
    u = a.compute.u
    bounds = {"value": Allowed(f.lse, f.lse_error)}
    if problem.grad_output is not None:
        g = _upstream_of_rows(problem, rows)
        value = g * f.p
        error = times(_p_error_by_difference(f), np.abs(g)) * (1 + u) + u * np.abs(value) + a.underflow()
        row = None if a.forward else of_product(_shared_by_difference(f), value, g, a)
        parts = of_slopes(np.abs(g), np.abs(g), _p_error_by_difference(f))
        bounds["grad_logits"] = through_maximum(Allowed(value, error, row), f, parts)
    if problem.tangent is not None:
        bounds |= _logsumexp_along(problem, _inside(f, problem, rows), rows)
    return f.spoiled(bounds)


def _upstream_of_rows(problem: Problem, rows: Rows) -> Floats:
    """g (r, 1)."""
    return np.asarray(problem.grad_output, np.float64).reshape(-1, 1)[rows]


def kept_lse_error(f: SoftmaxRows) -> Floats:
    """|ŷ - y| (r, 1) of the logsumexp that a backward pass starts from."""
    return stored(f.lse, f.lse_error, f.arithmetic) if "output" in f.arithmetic.stored else f.lse_error


def _p_error_by_difference(f: SoftmaxRows) -> Floats:
    """|p̂ - p| (r, C) for p̂ = exp(x - ŷ) as well (Theorem 6 (c))."""
    a, u, kept = f.arithmetic, f.arithmetic.compute.u, kept_lse_error(f)
    if f.x_error is not None:
        kept = kept + f.x_error
    delta = kept + a.rounding("shift") * (np.abs(f.l) + kept)  # of x - ŷ
    roundings = rmul(a.c_exp * u, a.rounding("exp"))
    p_error = grown(f.p, f.l, exponent(np.abs(f.l), delta, a), float(roundings)) + a.exp_underflow + a.underflow("exp")
    p_error = np.maximum(p_error, f.p_error * (1 + u))
    if f.masked is not None:
        p_error[f.masked] = 0.0
    return promising(f.p, p_error)


def _shared_by_difference(f: SoftmaxRows) -> Shared:
    """Theorem 14 for p̂ = exp(x - ŷ) as well."""
    kept, term = kept_lse_error(f), f.common_term
    moved = 0.0 if f.x_error is None else f.x_error
    own = moved + f.arithmetic.rounding("shift") * (np.abs(f.l) + kept + moved)  # of x - ŷ
    return Shared.of(f.p, f.factor_of(np.maximum(term.limit, kept), np.maximum(term.fixed, own)))


def _logsumexp_along(problem: Problem, f: SoftmaxRows, rows: Rows) -> dict[str, Allowed]:
    """Theorems 17 and 18 for logsumexp: Σ p v, and g times J v."""
    a, v = f.arithmetic, direction(problem, rows)
    p = Known(f.p, p_error := _p_error_by_difference(f))
    left = left_by(*(exceeds(each, _largest(a)) for each in f.mean_reach(p_error, v, _largest(a))))
    moved, of_v = tangent(f, v, a), left_of_tangent(f, v, a)
    jvp = mean(p, moved, a)
    if a.through_maximum:  # the direction of the maximum is added in the end
        jvp = (jvp + Known(top(f, v))).rounded(a.rounding("derivatives"), a.flushed(1))
    bounds = {"jvp": Allowed(f.mean(v), np.asarray(jvp.error), left=left | np.max(of_v, -1, keepdims=True))}
    if problem.grad_output is not None:
        g = _upstream_of_rows(problem, rows)
        left = _left_of_scaled(f, p_error, np.abs(g), v, a)
        found = Allowed(g * f.along(v), scaled(given(g, a), p, moved, a), left=left | of_v)
        bounds["hvp_logits"] = through_maximum(found, f, parts_of_scaled(given(g, a), p, moved))
    return bounds
