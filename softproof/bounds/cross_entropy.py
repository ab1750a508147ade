"""The cross-entropy loss and the linear classifier with their gradients (docs/theory/bounds.md, section 6)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import Floats
from ..problem.losses import by_positions, class_weights, is_labels, of_positions
from ..problem.problem import Array, Problem
from ..problem.rows import ALL, Rows, axis_of, reduction_of, to_rows, wide_rows
from .algebra import Allowed, Known, powers, rdiv, rmul, spoiled, stored
from .arithmetic import Arithmetic
from .coefficients import Mean, inexact_roundings, largest_term, smoothing_error, smoothing_of
from .linear import flat, linear_gradients, product
from .losses import Coefficients, Losses, losses, losses_along, underflow_of_terms
from .made_in_forward import made_in_forward
from .overflow import ANYTHING, Left, anything, exceeds, left_by
from .reductions import reduced
from .second_order import inside, scaled
from .softmax import centred_reach, direction, parts_of_scaled
from .softmax_rows import SoftmaxRows
from .through_maximum import left_of_tangent, of_difference, tangent, through_maximum
from .vjp import nonzeros, row_of, summed_known, vjp

_OF_LOSSES = (4, 5, 6, 9, 10, 11, 12, 14, 17, 18, 20, 21, 30)
CITED = {
    "cross_entropy": _OF_LOSSES,
    "linear_cross_entropy": (8, *_OF_LOSSES),
}  # the theorems that these bounds rest on


def _upstream(problem: Problem, divided: Mean, rows: Rows) -> tuple[Floats, Floats]:
    """g, (r, 1) or (1, 1), and by how much the factors g and 1/D enlarge what has underflowed before them."""
    assert problem.grad_output is not None
    g = np.asarray(problem.grad_output, np.float64).reshape(-1, 1)
    g = g[rows] if reduction_of(problem) == "none" else g
    return g, np.maximum(1, np.abs(g)) * np.maximum(1, 1 / abs(divided.divisor))


def _slopes(problem: Problem, coeffs: Coefficients, rows: Rows) -> tuple[Floats, Floats]:
    """h = -c t, ∂L/∂l, and its error (Theorem 10), both of the shape of t."""
    a, t, divided = coeffs.f.arithmetic, coeffs.t, coeffs.mean
    g, enlarged = _upstream(problem, divided, rows)
    roundings = coeffs.of_these(inexact_roundings(problem, a)) + divided.roundings
    kappa = rdiv(powers(roundings, a.rounding("terms")), divided.omega)
    c, m = g / divided.divisor, coeffs.m
    eta = coeffs.of_these(underflow_of_terms(problem, a, coeffs.f.classes))
    error = m * kappa + coeffs.moved * (1 + kappa)
    return -c * t, np.abs(c) * error + np.where(m != 0, eta * enlarged, 0.0)


def _last(problem: Problem, coeffs: Coefficients, rows: Rows) -> Floats:
    """By how much all factors enlarge what has underflowed before them."""
    _, enlarged = _upstream(problem, coeffs.mean, rows)
    return enlarged * max(1.0, float(np.abs(class_weights(problem, coeffs.f.classes)).max()))


def _where_counted(of_logits: Allowed, coeffs: Coefficients) -> Allowed:
    """A row without a coefficient has derivatives of 0 exactly; one that is ignored, whatever overflows."""
    counts = nonzeros(coeffs.m) > 0
    if counts.all():
        return of_logits
    return replace(
        of_logits,
        value=np.where(counts, of_logits.value, 0.0),
        error=np.where(counts, of_logits.error, 0.0),
        left=np.where(coeffs.counts, of_logits.left, np.int8(0)),
    )


def gradient_along(problem: Problem, coeffs: Coefficients, v: Floats, rows: Rows) -> Allowed:
    """Theorem 18 (a): the derivative of ∂L/∂x in the direction v, -Σh times J v (r, C)."""
    f, a = coeffs.f, coeffs.f.arithmetic
    slope, total = summed_known(*_slopes(problem, coeffs, rows), a)
    p, moved = Known(f.p, f.p_error), tangent(f, v, a)
    error = scaled(slope, p, moved, a, _last(problem, coeffs, rows))
    most = np.maximum(1, centred_reach(f, f.p_error, v))
    first = _before_scaling(problem, coeffs, rows)
    reach = np.maximum(first.sum(-1, keepdims=True), _beside_labels(problem, coeffs, rows)) * most
    exceeding = exceeds(reach, (a.storage if "derivatives" in a.stored else a.compute).largest)
    left = anything(np.broadcast_to(exceeding, v.shape)) | left_of_tangent(f, v, a)
    found = through_maximum(Allowed(-total * f.along(v), error, left=left), f, parts_of_scaled(slope, p, moved))
    return _where_counted(found, coeffs)


def _before_scaling(problem: Problem, coeffs: Coefficients, rows: Rows) -> Floats:
    """How large |h| may be on the way, whatever is multiplied first, and divided by D first or last: as t."""
    g, _ = _upstream(problem, coeffs.mean, rows)
    return np.asarray(np.maximum(1, np.abs(g)) * coeffs.first / coeffs.mean.least)


def _beside_labels(problem: Problem, coeffs: Coefficients, rows: Rows) -> Floats:
    """The same of the classes that are multiplied by 0 where t has the column of the label alone: (r, 1)."""
    g, _ = _upstream(problem, coeffs.mean, rows)
    found = np.maximum(1, np.abs(g)) * coeffs.others / coeffs.mean.least
    return np.where(coeffs.counts, found, 0.0)


def _left_of_logits(problem: Problem, coeffs: Coefficients, rows: Rows) -> Left | int:
    """Theorem 13 for h - p Σh: (r, C)."""
    f, a = coeffs.f, coeffs.f.arithmetic
    if not coeffs.mean.omega < 1:
        return anything(np.ones(f.p.shape, bool))
    first, others = _before_scaling(problem, coeffs, rows), _beside_labels(problem, coeffs, rows)
    by, largest = 1 + rmul(powers(8, a.rounding("terms")), f.classes * a.compute.u), largest_term(a)
    if not (exceeds(first.sum(-1, keepdims=True) * by, largest) | exceeds(others, largest)).any():
        return 0
    g, _ = _upstream(problem, coeffs.mean, rows)
    sign = -np.sign(g) * np.sign(coeffs.mean.divisor)
    positive, negative = coeffs.m + coeffs.t > 0, coeffs.m - coeffs.t > 0  # parts of t
    plus = np.where(((sign > 0) & positive) | ((sign < 0) & negative), first, 0.0) * by
    minus = np.where(((sign < 0) & positive) | ((sign > 0) & negative), first, 0.0) * by
    up, down = (exceeds(each.sum(-1, keepdims=True), largest) for each in (plus, minus))  # of Σh
    own = [exceeds(each, largest) for each in (plus, minus)]
    if coeffs.at is not None:
        there = coeffs.at == np.arange(f.classes)
        own = [there & each for each in own]
    none = coeffs.vanishes | (np.minimum(1, np.abs(g)) * coeffs.last <= a.underflow("terms"))
    meets_zero = (exceeds(first, largest) & none).any(-1, keepdims=True)
    undefined = meets_zero | exceeds(others, largest) | (up | down) & (f.p <= f.p_error)
    return left_by(own[0] | down, own[1] | up, undefined=undefined)


def gradients(problem: Problem, coeffs: Coefficients, rows: Rows, by_rows: bool = True) -> tuple[Allowed, Allowed]:
    """Theorems 10 and 11: of ∂L/∂x and ∂L/∂q, both (r, C)."""
    f, divided = coeffs.f, coeffs.mean
    a = f.arithmetic
    g, enlarged = _upstream(problem, divided, rows)
    c, eta = g / divided.divisor, underflow_of_terms(problem, a, f.classes)
    h, h_error = _slopes(problem, coeffs, rows)
    at, terms, last = coeffs.at, nonzeros(coeffs.m), _last(problem, coeffs, rows)
    grad_x = vjp(f, h, h_error, terms, at, last)
    row = row_of(f, h, h_error, terms, grad_x.value, at, last) if by_rows else None  # Theorem 21 (a)
    grad_x = replace(grad_x, row=row, left=_left_of_logits(problem, coeffs, rows))
    grad_x = through_maximum(grad_x, f, of_difference(h, h_error, terms, f, f.p_error))
    grad_x = _where_counted(spoiled(grad_x, f.lost), coeffs)
    if is_labels(problem):
        return grad_x, grad_x
    weight = np.abs(class_weights(problem, f.classes))
    own = 1 + ("weight" in problem.inputs) + 2 * bool(smoothing_of(problem))  # products with l, w and 1 - ε, and 1 - ε
    roundings = own + divided.roundings
    kappa = rdiv(powers(roundings, a.rounding("terms")), divided.omega)
    slope, size = np.abs(c) * weight * (1 - smoothing_of(problem)), np.abs(f.l)
    error = slope * (f.kept_error * (1 + kappa) + kappa * size)
    error = error + eta * enlarged * np.maximum(1, size + f.kept_error)
    if moved := smoothing_error(problem, a):
        error += np.abs(c) * weight * moved * (size + f.kept_error) * (1 + kappa)
    grad_target = Allowed(slope * size, error, left=_left_of_target(problem, coeffs, g))
    return grad_x, spoiled(grad_target, f.lost)


def _left_of_target(problem: Problem, coeffs: Coefficients, g: Floats) -> Left:
    """Theorem 13 for -c w (1 - ε) l, where 1 - ε is multiplied last and g divided by D first or last: (r, C)."""
    f, mean, largest = coeffs.f, coeffs.mean, largest_term(coeffs.f.arithmetic)
    weight = class_weights(problem, f.classes)
    first = np.maximum(1, np.abs(g)) * np.maximum(1, np.abs(weight)) / mean.least
    vanishes = f.may_vanish
    infinite = exceeds(first, largest)
    sign = np.sign(g) * np.sign(mean.divisor) * np.sign(weight) * (1 - smoothing_of(problem))
    over = infinite | exceeds(first * f.l_reach, largest)
    found = left_by(over & (sign > 0), over & (sign < 0), undefined=over & (sign == 0) | infinite & vanishes)
    return found if mean.omega < 1 else mean.anything(np.ones(found.shape, bool))


def cross_entropy(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> dict[str, Allowed | Losses]:
    """Theorems 9 to 11, 17 and 18; what is reduced comes as the losses of these rows, or their derivatives."""
    coeffs = _coeffs(problem, arithmetic, rows)
    bounds: dict[str, Allowed | Losses] = {"value": losses(problem, coeffs)}
    if problem.grad_output is not None:
        grad_logits, grad_target = gradients(problem, coeffs, rows)
        bounds["grad_logits"] = made_in_forward(grad_logits, _upstream(problem, coeffs.mean, rows)[0], arithmetic)
        if not is_labels(problem):
            bounds["grad_target"] = grad_target
    if problem.tangent is not None:
        v, used = direction(problem, rows), inside(arithmetic)
        coeffs = coeffs if used is arithmetic else _coeffs(problem, used, rows)
        bounds["jvp"] = losses_along(problem, coeffs, v)
        if problem.grad_output is not None:
            bounds["hvp_logits"] = gradient_along(problem, coeffs, v, rows)
    if reduction_of(problem) != "none":
        return bounds
    return {name: reduced(problem, arithmetic, each) if isinstance(each, Losses) else each
            for name, each in bounds.items()}  # fmt: skip


def _coeffs(problem: Problem, arithmetic: Arithmetic, rows: Rows) -> Coefficients:
    x = wide_rows(problem.inputs["logits"], axis_of(problem), rows)
    return Coefficients.of(problem, SoftmaxRows.of(x, arithmetic), rows)


def linear_cross_entropy(problem: Problem, arithmetic: Arithmetic, _rows: Rows) -> dict[str, Allowed]:
    """Theorem 12."""
    a = arithmetic
    inputs = {name: np.asarray(each, np.float64) for name, each in problem.inputs.items() if name != "target"}
    x, w = wide_rows(inputs["input"], -1), to_rows(inputs["linear_weight"], -1)  # (N, D), (C …, D)
    bias = inputs["linear_bias"].reshape(-1) if "linear_bias" in inputs else None
    logits = product(x, w.T, a, bias=bias)  # (N, C …)
    logits_error = stored(logits.value, logits.error, a) if "logits" in a.stored else logits.error
    lost = _overflowing(logits, np.abs(logits.value) + logits.error, a)  # (N, C …)
    logits_error = np.where(lost, np.inf, logits_error)
    values = np.where(np.isfinite(logits.value), logits.value, 0.0)  # float64 may have overflowed, which masks nothing
    f = SoftmaxRows.of(of_positions(problem, values), a, of_positions(problem, logits_error))  # (R, C)
    coeffs = Coefficients.of(problem, f, ALL)
    bounds = {"value": reduced(problem, a, losses(problem, coeffs))}
    if problem.grad_output is not None:
        grad, _ = gradients(problem, coeffs, ALL, by_rows=False)
        grad_error = stored(grad.value, grad.error, a) if "logits" in a.stored else grad.error
        reach = np.fmin(np.abs(grad.value) + grad_error, _reach_of_gradient(problem, coeffs))
        rows = f.lost & coeffs.counts  # (R, 1)
        slopes = (grad.value, grad_error, reach, _overflowing(grad, reach, a) | rows)
        g, g_error, g_reach, lost = (by_positions(problem, each) for each in slopes)  # (N, C …)
        grads = linear_gradients(g, x, w, a, g_error, g_reach)
        of_rows, of_columns = (np.asarray(lost.any(axis, keepdims=True)) for axis in (1, 0))
        bounds["grad_input"] = spoiled(grads["grad_input"], of_rows)
        bounds["grad_linear_weight"] = spoiled(grads["grad_weight"], of_columns.T)
        if "linear_bias" in inputs:
            bounds["grad_linear_bias"] = spoiled(grads["grad_bias"], of_columns.T)
        if reduction_of(problem) != "none":  # else the backward pass alone can add up rows
            g = np.asarray(problem.grad_output, np.float64)
            bounds |= {name: made_in_forward(each, g, a) for name, each in bounds.items() if name != "value"}
    return flat(bounds)


def _overflowing(each: Allowed, reach: Floats, a: Arithmetic) -> Array:
    """Where logits, or slopes of them, of up to this magnitude may be infinite or NaN."""
    found = np.broadcast_to((np.asarray(each.left) & ANYTHING) != 0, each.value.shape)
    return found | exceeds(reach, a.storage.largest) if "logits" in a.stored else found


def _reach_of_gradient(problem: Problem, coeffs: Coefficients) -> Floats:
    """How large |h - p Σh| may come out, where its bound says nothing too: (R, C)."""
    f, (h, h_error) = coeffs.f, _slopes(problem, coeffs, ALL)
    first = np.abs(h) + h_error
    own = first if coeffs.at is None else np.where(coeffs.at == np.arange(f.classes), first, 0.0)
    most = own + f.p_reach(f.p_error) * first.sum(-1, keepdims=True)
    return np.asarray(most * (1 + rmul(powers(8, f.arithmetic.rounding("terms")), f.classes * f.arithmetic.compute.u)))
