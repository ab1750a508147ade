"""What rounding may make of terms whose logarithm is -inf, as in masked classes (docs/theory/bounds.md, Theorem 20).

A coefficient that is not 0 may underflow to 0, and what is then left out is infinite; one whose parts cancel may have
either sign. Which infinities a loss can be, and whether it can be finite, is decided class by class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np

from ..problem.losses import class_weights, coefficients, is_labels, kept, target_rows
from ..problem.problem import Array, Problem
from ..problem.rows import Rows, axis_of, blocks, class_count, reduction_of, wide_rows, with_softmax
from ..truth.signs import coefficient_signs, smoothing_of
from .algebra import powers
from .arithmetic import Arithmetic
from .coefficients import Mean, roundings_of, smoothing_error
from .losses import underflow_of_terms


@dataclass(frozen=True)
class MaskedTerms:
    """What the terms -t·(-inf) with t ≠ 0, or with a t that may cancel, can be: each (r, 1), or (1, 1) of all rows."""

    may_be_up: Array  # some term may be +inf
    may_be_down: Array  # some term may be -inf
    never_up: Array  # some term is neither left out nor +inf
    never_down: Array  # some term is neither left out nor -inf
    stays: Array  # some term is not left out
    undefined: Array  # NaN may be left of some term
    certain: Array  # something else is NaN whatever becomes of them

    @property
    def up(self) -> Array:
        """Where the loss may be +inf."""
        return np.asarray(self.may_be_up & ~self.never_up & ~self.certain)

    @property
    def down(self) -> Array:
        """Where it may be -inf."""
        return np.asarray(self.may_be_down & ~self.never_down & ~self.certain)

    @property
    def left_out(self) -> Array:
        """Where there are such terms, and all of them may be left out."""
        return np.asarray((self.may_be_up | self.may_be_down) & ~self.stays & ~self.certain)

    @property
    def uncertain(self) -> Array:
        """Where more than one value of the loss is possible."""
        return np.asarray((self.up & self.down) | self.left_out | self.undefined)

    def divided(self, mean: Mean) -> MaskedTerms:
        """The same after a division by a denominator of this sign."""
        if mean.divisor > 0:
            return self
        return MaskedTerms(
            self.may_be_down, self.may_be_up, self.never_down, self.never_up, self.stays, self.undefined, self.certain
        )


def masked_terms(problem: Problem, rows: Rows, a: Arithmetic) -> MaskedTerms | None:
    """The masked terms in the losses of some rows, or in the reduced loss of all; None where no class is masked."""
    if "logits" not in problem.inputs:
        return _of_distributions(problem, rows, a) if a.flushes and "q" in problem.inputs else None
    if not (problem.inputs["logits"] == -np.inf).any():
        return None
    if reduction_of(problem) == "none":
        return _of_rows(problem, rows, a)
    mean = Mean.of(problem, a)
    if mean.divisor == 0:
        return None
    found = [_of_rows(problem, each, a) for each in blocks(problem)]
    columns = {
        one.name: reduce(np.logical_or, (getattr(each, one.name).any(keepdims=True) for each in found))
        for one in fields(MaskedTerms)
    }
    return MaskedTerms(**columns).divided(mean)


def _of_rows(problem: Problem, rows: Rows, a: Arithmetic) -> MaskedTerms:
    """The terms of each row (r, 1)."""
    x, defined = with_softmax(wide_rows(problem.inputs["logits"], axis_of(problem), rows))
    counts = kept(problem, rows)[:, None]
    parts, cancels = list(_parts(problem, rows, a)), _cancels(problem, rows, a)
    signs = coefficient_signs(problem, x.shape[-1], rows)
    above, below = (reduce(np.logical_or, (s * part.sign > 0 for part in parts)) for s in (1, -1))
    lone = [reduce(np.logical_and, (part.lost | (s * part.sign <= 0) for part in parts)) for s in (-1, 1)]
    is_up, is_down = above & ((signs > 0) | lone[0] | cancels), below & ((signs < 0) | lone[1] | cancels)
    left_out = reduce(np.logical_and, (part.lost for part in parts)) | cancels
    vanishes = reduce(np.logical_or, (part.lost & (part.sign != 0) for part in parts)) | cancels
    there = (x == -np.inf) & counts & defined & (above | below)

    def some(where: Array) -> Array:
        return np.asarray((there & where).any(-1, keepdims=True))

    return MaskedTerms(
        may_be_up=some(is_up),
        may_be_down=some(is_down),
        never_up=some(~(is_up | left_out)),
        never_down=some(~(is_down | left_out)),
        stays=some(~left_out),
        undefined=some(vanishes | (above & below)),
        certain=counts & ~defined | _has_nan_target(problem, rows),
    )


def _of_distributions(problem: Problem, rows: Rows, a: Arithmetic) -> MaskedTerms:
    """The terms -p log 0 of each row, whose p counts as 0 where it is subnormal (r, 1)."""
    p, q = (wide_rows(problem.inputs[name], axis_of(problem), rows) for name in ("p", "q"))
    there, none = (q == 0) & (p > 0), np.zeros((len(p), 1), bool)
    lost, stays = ((there & each).any(-1, keepdims=True) for each in (p < a.storage.tiny, p >= a.storage.tiny))
    return MaskedTerms(lost | stays, none, none, stays, stays, lost, none)


def _has_nan_target(problem: Problem, rows: Rows) -> Array:
    """Whether a target probability of the row is NaN: (r, 1), or (1, 1)."""
    if is_labels(problem):
        return np.zeros((1, 1), bool)
    return np.asarray(np.isnan(target_rows(problem, rows)).any(-1, keepdims=True))


@dataclass(frozen=True)
class _Part:
    """One of the parts w(1 - ε)q and wε/C of coefficients: its sign, and where it is 0 or may underflow to it."""

    sign: Array
    lost: Array


def _parts(problem: Problem, rows: Rows, a: Arithmetic) -> Iterator[_Part]:
    """Each (r, C), or what broadcasts to it."""
    classes, epsilon = class_count(problem), smoothing_of(problem)
    weight, mean = class_weights(problem, classes), Mean.of(problem, a)
    least = np.minimum(1, np.abs(weight)) / mean.most
    factors = ("weight" in problem.inputs) + bool(abs(mean.divisor) != 1) + bool(epsilon)
    if is_labels(problem):
        q = np.asarray(problem.inputs["target"].reshape(-1)[rows][:, None] == np.arange(classes), np.float64)
    else:
        q, factors = target_rows(problem, rows), factors + 1
    whole = _share(epsilon, a)
    label = _vanishes(least * np.minimum(1, np.abs(q)) * whole, factors > 1, a)
    yield _Part(np.sign(weight) * np.sign(q) * (epsilon < 1), label)
    if epsilon:
        yield _Part(np.sign(weight) * np.ones((1, 1)), _vanishes(least * epsilon / classes, True, a)[None])


def _share(epsilon: float, a: Arithmetic) -> float:
    """1 - ε, or 0 where ε is 1 when it is rounded first (A6)."""
    return 0.0 if float(a.compute.round(epsilon)) == 1 else 1 - epsilon


def _vanishes(size: Array, rounds: bool, a: Arithmetic) -> Array:
    """Where a product of this size, of up to four factors that are at most 1, may be computed as 0."""
    if a.flushes:
        return np.asarray(size * (1 - powers(3, a.rounding("terms"))) < a.underflow("terms"))
    return np.asarray(size < a.underflow("terms")) if rounds else size == 0


def _cancels(problem: Problem, rows: Rows, a: Arithmetic) -> Array:
    """Where the sum of both parts may be computed with either sign, or as 0 (r, C): once the roundings of the model,
    and once those of float64 here.
    """
    classes, epsilon = class_count(problem), smoothing_of(problem)
    if is_labels(problem) or not 0 < epsilon < 1 or not (problem.inputs["target"] < 0).any():
        return np.zeros((1, 1), bool)
    t, m = (coefficients(problem, classes, rows, magnitudes=each) for each in (False, True))
    weight, q = np.abs(class_weights(problem, classes)), np.abs(target_rows(problem, rows))
    error = powers(2 * roundings_of(problem), a.rounding("terms")) * m + underflow_of_terms(problem, a, classes)
    error = error + smoothing_error(problem, a) * weight * (q + 1 / classes)
    opposite = (target_rows(problem, rows) < 0) & (weight > 0)
    return np.asarray((np.abs(t) <= error) & opposite)


def vanishing_slopes(problem: Problem, name: str, rows: Rows, a: Arithmetic) -> Array | None:
    """Where a derivative is -c·(-inf), or -g p/0, whose c, or g p, is not 0 and may underflow to it (r, C)."""
    if name == "grad_target":
        x, defined = with_softmax(wide_rows(problem.inputs["logits"], axis_of(problem), rows))
        slope = _slope_of_target(problem, rows, a)
        return None if slope is None else np.asarray((x == -np.inf) & defined & slope)
    if name == "grad_q":
        p, q = (wide_rows(problem.inputs[each], axis_of(problem), rows) for each in ("p", "q"))
        g = np.abs(np.asarray(problem.grad_output, np.float64)).reshape(-1, 1)[rows]
        vanishes = _vanishes(np.minimum(1, g) * np.minimum(1, p), True, a)
        return np.asarray((q == 0) & (p > 0) & (g > 0) & vanishes)
    return None


def _slope_of_target(problem: Problem, rows: Rows, a: Arithmetic) -> Array | None:
    """Where g w(1 - ε)/D, which is not 0, may underflow to it: (r, C), or what broadcasts to it."""
    classes, epsilon, mean = class_count(problem), smoothing_of(problem), Mean.of(problem, a)
    if mean.divisor == 0 or epsilon == 1:
        return None
    g = np.abs(np.asarray(problem.grad_output, np.float64)).reshape(-1, 1)
    g = g[rows] if reduction_of(problem) == "none" else g
    weight = np.abs(class_weights(problem, classes))
    whole = _share(epsilon, a)
    size = np.minimum(1, g) * np.minimum(1, weight) * whole / mean.most
    factors = 1 + ("weight" in problem.inputs) + bool(epsilon) + bool(mean.divisor != 1)
    return np.asarray(_vanishes(size, factors > 1, a) & (g > 0) & (weight > 0))
