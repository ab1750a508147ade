"""Gradients that end in h - p Σh: those of log-softmax and of a loss (docs/theory/bounds.md, sections 3 and 4)."""

from __future__ import annotations

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array
from .algebra import (
    Allowed,
    Known,
    RowUnknowns,
    additions,
    powers,
    times,
)
from .arithmetic import Arithmetic
from .exactly import adds_up, unit_of
from .exponentials import zero_at
from .row_unknowns import of_difference
from .softmax_rows import SoftmaxRows


def nonzeros(array: Array) -> Array:
    """How many entries of each row are not 0: (r, 1)."""
    return np.count_nonzero(array, axis=-1, keepdims=True)


def summed(h: Array, h_error: Array | float, terms: Array, a: Arithmetic) -> tuple[Array, Array]:
    """Σh of each row (r, 1), of which `terms` are not zero and each is known up to h_error, and its error."""
    rounding = additions(terms, a.compute.u, a.backward_depth, h.shape[-1])
    size = np.abs(h).sum(-1, keepdims=True)
    if not np.any(h_error):
        rounding = np.where(adds_up(size, unit_of(h, size, a), a), 0.0, rounding)
    error = np.sum(np.broadcast_to(h_error, h.shape), -1, keepdims=True) * (1 + rounding)
    return h.sum(-1, keepdims=True), error + size * rounding


def summed_known(h: Array, h_error: Array | float, a: Arithmetic) -> tuple[Known, Array]:
    """The same as a factor, and the sum itself; where subnormal numbers count as 0, those of the row do."""
    terms = nonzeros(h)
    total, error = summed(h, h_error, terms, a)
    return Known(np.abs(total), error + 2 * a.flushed(terms)), total


def vjp(
    f: SoftmaxRows,
    h: Array,
    h_error: Array | float,
    terms: Array,
    at: Array | None = None,
    enlarged: Array | float = 1.0,
    scalings: int = 2,
) -> Allowed:
    """Theorem 6 (a): v = h - p Σh, where h is known up to h_error and `terms` of a row are not zero.

    h (r, C), or (r, 1) where each row has one entry, in the columns `at` (r, 1). The result may be scaled so often, or
    not at all, and then p̂ meets the sum alone. What underflows may be `enlarged` by factors that are applied last.
    """
    u = f.arithmetic.compute.u
    total, total_error = summed(h, h_error, terms, f.arithmetic)
    reach = (np.abs(h).sum(-1, keepdims=True) if scalings else np.abs(total)) + total_error  # (r, 1)
    error = times(f.p_error, reach * (1 + u))
    error += f.p * (total_error + u * reach)
    value = f.p * -total
    rows = np.arange(len(value))
    if at is None:
        value, error = value + h, error + h_error
    elif f.arithmetic.forward:
        beside = zero_at(f.p, at).sum(-1)  # 1 - p_y
        order = additions(f.classes - 1, u)
        lost = (zero_at(f.p_error, at).sum(-1) * (1 + order) + order * beside) * reach[:, 0]
        value[rows, at[:, 0]] = h[:, 0] * beside
        error[rows, at[:, 0]] = lost * (1 + u) + (total_error + u * reach)[:, 0] * beside
    else:
        value[rows, at[:, 0]] += h[:, 0]
        error[rows, at[:, 0]] += np.broadcast_to(h_error, h.shape)[:, 0]
    last = float(powers(1 + scalings, u))
    error *= 1 + last
    error += last * np.abs(value)
    error += (2 * (scalings + 2) * f.arithmetic.underflow() + f.arithmetic.flushed(terms)) * enlarged
    return Allowed(value, error)


def row_of(
    f: SoftmaxRows,
    h: Array,
    h_error: Array | float,
    terms: Array,
    value: Floats,
    at: Array | None = None,
    enlarged: Array | float = 1.0,
) -> RowUnknowns | None:
    """Theorem 21 (a) for v = h - p Σh, of which `value` is the magnitude; the arguments of `vjp`."""
    a = f.arithmetic
    if a.forward:
        return None
    total, total_error = summed(h, h_error, terms, a)
    total_error = total_error + a.flushed(terms) * enlarged
    h_error, lost = h_error * (1 + powers(3, a.compute.u)), (8 * a.underflow() + a.flushed(terms)) * enlarged
    if at is None:
        return of_difference(f.shared_of_logarithm, value, total, total_error, lost + h_error, a)
    found = of_difference(f.shared_of_logarithm, value, total, total_error, lost, a)
    found.own[np.arange(len(value)), at[:, 0]] += h_error[:, 0]
    return found
