"""Derivatives that go through the row's maximum, as autograd makes them (docs/theory/bounds.md, section 17).

The maximum m is taken off each logit, and so its gradient is minus the sum of theirs, which is 0, or is cancelled by
what a logsumexp m + log s adds. Rounding leaves a rest of it, which the logits at the maximum get.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array
from .algebra import Allowed, Known, RowUnknowns, powers, rmul, stored, times
from .arithmetic import Arithmetic
from .log_rows import LogRows
from .overflow import ANYTHING, Left, anything, exceeds
from .second_order import STEP, given
from .vjp import summed


def maxima(f: LogRows) -> Array:
    """Where a logit may be the maximum, or was that of the classes up to it, where a row is read in parts (r, C)."""
    a, error = f.arithmetic, 0.0 if f.x_error is None else f.x_error
    near = 2 * a.compute.tiny if a.flushes else 0.0
    found = f.d >= -(error + np.max(error, -1, keepdims=True, initial=0.0) + near) if np.ndim(error) else f.d >= -near
    if a.online:
        found = found | (f.x + error + near >= np.maximum.accumulate(f.x - error, -1))
    return np.asarray(found if f.masked is None else found & ~f.masked)


def through_maximum(bound: Allowed, f: LogRows, parts: Floats) -> Allowed:
    """Theorem 28 (a): the bound of a gradient (r, C) whose computed parts, and what is added to the gradient of the
    maximum besides, have magnitudes that sum to no more than `parts` (r, 1).
    """
    a = f.arithmetic
    if not a.through_maximum:
        return bound
    u, kept = a.compute.u, bound.error
    if a.rounds_on_storing and "shift" in a.stored:
        kept = stored(bound.value, kept, a)
    errors = np.sum(kept, -1, keepdims=True)
    additions = (f.classes + 2) * (8 if a.online else 1)
    lost = rmul(powers(additions, u) if additions * u < 1 else np.inf, a.storage.u if "shift" in a.stored else 0.0)
    rest = (errors + times(lost, parts + errors)) * (1 + powers(3, a.rounding("shift")))
    rest = rest + np.where(rest > 0, 4 * a.underflow("shift") + a.flushed(additions), 0.0)
    more = kept - bound.error + rest
    more = np.where(maxima(f), more + a.rounding("shift") * (np.abs(bound.value) + bound.error + more), 0.0)
    row = bound.row
    if isinstance(row, RowUnknowns):
        row = replace(row, own=row.own + more)
    left = np.where(maxima(f) & _overflows(bound, parts * (1 + lost), a), np.int8(ANYTHING), np.int8(0))
    return replace(bound, error=bound.error + more, row=row, left=bound.left | left if left.any() else bound.left)


def _overflows(bound: Allowed, parts: Floats, a: Arithmetic) -> Array:
    """Where the sum of a row may be infinite or NaN: (r, 1)."""
    largest = (a.storage if "shift" in a.stored else a.compute).largest
    of_one = np.broadcast_to(np.asarray(bound.left) != 0, bound.value.shape).any(-1, keepdims=True)
    return np.asarray(of_one | exceeds(parts, largest))


def of_difference(h: Array, h_error: Array | float, terms: Array, f: LogRows, p_error: Floats) -> Floats:
    """The parts of h - p T, T = Σh: |h|, p T, and T once more, where a logsumexp is formed beside the differences."""
    if not f.arithmetic.through_maximum:
        return np.zeros((1, 1))
    total, error = summed(h, h_error, terms, f.arithmetic)
    return of_slopes(np.sum(np.abs(h) + h_error, -1, keepdims=True), np.abs(total) + error, p_error)


def of_slopes(size: Floats, total: Floats, p_error: Array | float) -> Floats:
    """Those of numbers of this `size` less p̂ times a `total`: both (r, 1)."""
    return np.asarray(size + times(2 + np.sum(p_error, -1, keepdims=True), total))


def tangent(f: LogRows, v: Floats, a: Arithmetic) -> Known:
    """Theorem 28 (b): a direction (r, C), less that of the maximum where this is differentiated too."""
    known = given(v, a)
    if not a.through_maximum:
        return known
    of_maximum = top(f, v) * (1 + powers(f.classes + 1, a.rounding(STEP)))
    return Known(known.size + of_maximum, known.error).rounded(a.rounding(STEP), a.underflow(STEP) + a.flushed(1))


def top(f: LogRows, v: Floats) -> Floats:
    """How large the direction of the maximum may be (r, 1)."""
    return np.asarray(np.where(maxima(f), np.abs(v), 0.0).max(-1, keepdims=True))


def left_of_tangent(f: LogRows, v: Floats, a: Arithmetic) -> Left | int:
    """Theorem 13 for v less that of the maximum, whose sum over ties may overflow as well: (r, C)."""
    if not a.through_maximum:
        return 0
    size, largest = np.abs(v).max(-1, keepdims=True), (a.storage if STEP in a.stored else a.compute).largest
    return anything(np.broadcast_to(exceeds(size * 2 * f.classes, largest), v.shape))
