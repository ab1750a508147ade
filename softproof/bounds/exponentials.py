"""How far shifted logits, exponentials, their sum and its logarithm may be off (docs/theory/bounds.md, section 2)."""

from __future__ import annotations

import numpy as np

from ..problem.formats import Floats, Format
from ..problem.problem import Array
from .algebra import (
    additions,
    grown,
    powers,
    rmul,
    stored,
    times,
)
from .arithmetic import Arithmetic
from .exactly import adds_up, formats_of
from .overflow import exceeds

LARGEST, LOG2E = np.finfo(np.float64).max, np.log2(np.e)


def promising(p: Floats, error: Floats) -> Floats:
    """An error of p̂, or inf where it admits every number from 0 to 1: such a bound promises nothing."""
    nothing = error >= np.maximum(p, 1 - p)
    return np.where(nothing, np.inf, error) if nothing.any() else error


def zero_at(array: Floats, at: Array) -> Floats:
    """`array` (r, C) with 0 in the columns `at` (r, 1)."""
    array = array.copy("K")
    np.put_along_axis(array, at, 0.0, -1)
    return array


def subtraction_error(d: Floats, x: Floats, top: Floats, compute: Format) -> Floats:
    """|fl(x - m) - (x - m)| (r, C), known because A3 says what is computed; d is x - m in float64."""
    u = 2.0**-53
    if compute.u == u:
        back = x - d
        error = np.abs((x - (d + back)) + (back - top))  # exact: Knuth's two-sum
    else:
        error = compute.round(d)
        error -= d
        error = np.abs(error, out=error)
        error += 2 * u * np.abs(d)
    if np.isfinite(error.max(initial=0.0)):
        return error
    return np.where(np.isfinite(error), error, compute.u * np.abs(d))


def shift_error(d: Floats, x: Floats, top: Floats, x_error: Floats | None, a: Arithmetic) -> Floats:
    """h: the error of the shifted logit, without what a whole row shares because its maximum moved (Theorem 12); in
    class B with what another form may add.
    """
    moved, h = np.zeros(1), subtraction_error(d, x, top, a.compute)
    if x_error is not None:
        moved = x_error + x_error.max(-1, keepdims=True)
        inherited = moved if a.forward else x_error
        h = np.where(moved.any(-1, keepdims=True), inherited + a.compute.u * (np.abs(d) + moved), h)
    if a.flushes:
        h = h + flushed_shift(d, x, top, moved, a)
    if "shift" in a.stored:
        h = stored(np.abs(d) + moved, h, a) if x_error is not None or a.flushes else stored_shift(d, h, a)
    if a.forward:
        h = zero_at(h + 3 * a.compute.u * (np.abs(d) + np.log(d.shape[-1])), x.argmax(-1)[:, None])
    return h


def stored_shift(d: Floats, h: Floats, a: Arithmetic) -> Floats:
    """The error of x - m that is stored, of exact logits: nothing where the format holds it. A3 says what is computed,
    and so what that becomes, in one rounding or in two.
    """
    twice, once = (a.storage.round(each) for each in (a.compute.round(d), d))
    with np.errstate(invalid="ignore"):
        error = np.maximum(np.abs(twice - d), np.abs(once - d)) + 2.0**-52 * np.abs(d)
    return np.where(np.isfinite(error), np.maximum(error, h), stored(np.abs(d), h, a))


def flushed_shift(d: Floats, x: Floats, top: Floats, moved: Floats, a: Arithmetic) -> Floats:
    """What x - m loses where it, x or m may be subnormal and counts as 0; equal numbers differ by exactly 0."""
    least = np.minimum(np.minimum(np.abs(x), np.abs(top)), np.abs(d)) - moved
    equal = (d == 0) & (moved == 0)
    return np.where((least < 2 * a.compute.tiny) & ~equal, a.flushed(1), 0.0)


def common_error(x_error: Floats | None) -> Floats:
    """By how much all exponents of a row may be off together, since their maximum moved (r, 1)."""
    return np.zeros((1, 1)) if x_error is None else np.asarray(x_error.max(-1, keepdims=True))


def exponent(size: Floats, error: Floats, a: Arithmetic) -> Floats:
    """What is off in an exponent known up to `error`; the product with log₂e and log₂e itself are rounded (A2')."""
    if not a.base2:
        return error
    rounding = powers(2, a.compute.u)
    return error + rounding * size + rounding * error  # the sum of both may overflow


def exp_error(e: Floats, d: Floats, h: Floats, common: Floats, a: Arithmetic) -> Floats:
    """|ê - e| (r, C), in units of the factor that all of a row have in `common`."""
    kept = "exp" in a.stored
    kappa = float(rmul(a.c_exp * a.compute.u, a.storage.u if kept else 0.0))
    error = grown(e, d, exponent(np.abs(d) + common, h, a), kappa)
    tiny, factor = (a.storage if kept else a.compute).tiny, np.exp(common)
    if (e - error).min(initial=1.0) < 2 * tiny * factor.max(initial=1.0):
        lost = factor * (a.exp_underflow + (a.underflow("exp") if kept else 0.0))
        error += np.where(e - error < 2 * tiny * factor, lost, 0.0)
    largest = np.nonzero(d == 0)
    error[largest] = np.where(h[largest] == 0, 0.0, error[largest])  # exp(0) = 1 exactly
    return error


def scaled_logits(x: Floats, x_error: Floats | float, a: Arithmetic) -> Floats:
    """How far logits (r, C) are known that have been multiplied by log₂e (A2'')."""
    size = np.where(np.isfinite(x), np.abs(x), 0.0)
    largest = (a.storage if "scaled" in a.stored else a.compute).largest
    overflows = exceeds((size + x_error) * LOG2E * (1 + powers(2, a.compute.u)), largest)
    return np.where(overflows, np.inf, x_error + unscaled(size, x_error, a))


def unscaled(size: Floats, error: Floats | float, a: Arithmetic) -> Floats:
    """What a product with log₂e, or with log 2, adds to an error: both factors are rounded, and the result."""
    u = a.rounding("scaled")
    return np.asarray(powers(2, u) * (size + error) + 2 * a.underflow("scaled"))


FEW = 16  # classes, of which all are compared with all


def larger(x: Floats, moved: Floats | None) -> Floats:
    """How many distinct values of its row are larger than each; for inexact logits how many others may be (r, C)."""
    if moved is None:
        order = np.argsort(x, -1)
        ascending = np.take_along_axis(x, order, -1)
        distinct = np.cumsum(ascending != np.roll(ascending, 1, -1), -1)  # of those up to each, but for a constant
        counts = np.empty(x.shape)
        np.put_along_axis(counts, order, distinct[:, -1:] - distinct, -1)
        return counts
    below = x - moved.max(-1, keepdims=True)  # every other one that is not certainly below
    if x.shape[-1] <= FEW:
        return np.asarray(x.shape[-1] - 1 - (x[:, None, :] < below[:, :, None]).sum(-1), float)
    found = [np.searchsorted(np.sort(values), least, "left") for values, least in zip(x, below, strict=True)]
    return np.asarray(x.shape[-1] - 1 - np.reshape(found, x.shape), float)


def rescaled_error(e: Floats, d: Floats, x: Floats, x_error: Floats | None, a: Arithmetic) -> Floats:
    """|ê - e| (r, C) of what reaches a sum that is rescaled whenever a larger maximum is met (Theorem 19)."""
    rescaled = larger(x, None if x_error is None else x_error + common_error(x_error))
    common = common_error(x_error)
    u, inherited = a.compute.u, np.zeros(1) if x_error is None else x_error
    kept = a.storage.u if "exp" in a.stored else 0.0
    h = inherited + u * (np.abs(d) + inherited + common) + a.flushed(rescaled + 1)
    kappa = np.expm1((rescaled + 1) * np.log1p(rmul(a.c_exp * u, kept)) + rescaled * np.log1p(u))
    underflow = (rescaled + 1) * (a.exp_underflow + a.underflow("exp") + a.flushed(1)) * np.exp(common)
    error = grown(e, d, exponent(np.abs(d) + common, h, a), kappa) + underflow
    return np.where((d == 0) & (inherited == 0) & (common == 0), 0.0, error)  # exp(0) = 1, and nothing rescales it


def log_error(log_s: Floats, sigma: Floats, common: Floats, a: Arithmetic) -> Floats:
    """λ: the error of the logarithm of a sum with the relative error sigma, and a factor that cancels afterwards."""
    grown_sum = np.where(sigma < 1, -np.log1p(-np.minimum(sigma, 1)), np.inf)
    return np.asarray(grown_sum + a.c_log * a.compute.u * (log_s + grown_sum + common))


def folded_error(y: Floats, summed: Floats, log_s: Floats, blocks: int, a: Arithmetic) -> Floats:
    """Theorem 29: |ŷ - y| (r, 1) where ŷ is folded from the logsumexps of so many blocks, the logarithms of whose sums
    are at most `log_s`, and y is `summed` off because of these sums.
    """
    u = a.compute.u
    of_fold = log_error(np.log([2.0]), rmul(powers(3, u) / 3, a.c_exp * u / 2, u), np.zeros(1), a)
    of_blocks = rmul(a.c_log * u, a.rounding("log")) * log_s
    error = blocks * u * (np.abs(y) + summed) + (of_blocks + (blocks - 1) * of_fold) * (1 + u)
    error = error + (2 * blocks - 1) * u / np.e + blocks * (a.exp_underflow + a.flushed(4))
    return np.asarray(summed + np.where(error <= 1 / 8, error * (1 + 4 * error), np.inf))


def left_of_sum(a: Arithmetic, e: Floats, e_error: Floats, d: Floats, h: Floats, s: Floats) -> tuple[Floats, Array]:
    """Theorem 22 for exponentials of which some are exactly 1: what their sum may be off by, relative to it, and where
    it is no more: both (r, 1).
    """
    exact = np.abs(s - np.rint(s)) <= 4 * a.compute.u
    if a.forward or not exact.any():
        return np.zeros_like(s), np.zeros(s.shape, bool)
    ones = (d == 0) & (h == 0)
    count = np.count_nonzero(ones, -1, keepdims=True).astype(np.float64)
    error = np.where(ones, 0.0, e_error).sum(-1, keepdims=True)
    small = np.where(ones, 0.0, e).sum(-1, keepdims=True) + error
    small = times(small, 1 + additions(e.shape[-1], a.compute.u))
    exact &= adds_up(count - 0.5, 1.0, a, *formats_of(a, "sum"), small=small)
    return np.where(exact, (error + small) / s, 0.0), exact


def log1p_error(log_s: Floats, others: Floats, others_error: Floats, a: Arithmetic) -> Floats:
    """Theorem 16: the error of log(1 + s'), s' the sum of the exponentials without the largest."""
    total = others.sum(-1, keepdims=True)
    lost = np.where(total > 0, others_error.sum(-1, keepdims=True) / np.where(total > 0, total, 1.0), 0.0)
    classes = others.shape[-1]
    return log_s * rmul(lost, additions(classes - 1, a.compute.u, a.depth, classes), a.c_log * a.compute.u)
