"""Regions of logits: gaps, masks, what is not finite."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...problem.formats import FORMATS
from ...problem.problem import Array, Problem
from ...problem.rows import axis_of, wide_rows
from .region import Region


@lru_cache(maxsize=1)  # most regions of a problem are about the same rows
def rows_of_logits(problem: Problem) -> Array:
    """The logits, one row below another."""
    return wide_rows(problem.inputs["logits"], axis_of(problem))


def _gap(problem: Problem) -> float:
    """The largest distance between the two largest logits of a row that is finite but for masks."""
    x = rows_of_logits(problem)
    x = x[np.isfinite(x.max(-1, initial=-np.inf))]
    if x.shape[-1] < 2 or not x.size:
        return 0.0
    ordered = np.sort(x, -1)
    with np.errstate(over="ignore"):
        gap = ordered[:, -1] - ordered[:, -2]
    return float(gap.max(initial=0.0, where=np.isfinite(gap)))


def _offset(problem: Problem, low: float, high: float) -> bool:
    """Whether the least magnitude in a row is in an interval."""
    least = np.abs(rows_of_logits(problem)).min(-1, initial=np.inf)
    return bool(((low < least) & (least < high)).any())


def is_masked(problem: Problem) -> bool:
    """Whether a row that is finite but for masks has one."""
    x = rows_of_logits(problem)
    return bool((np.isneginf(x).any(-1) & np.isfinite(x.max(-1, initial=-np.inf))).any())


SIDE_BY_SIDE = 32  # masked classes, as many as fill a tile


def _masked_side_by_side(problem: Problem) -> bool:
    """Whether a row that is finite but for masks has that many of them next to each other."""
    x = rows_of_logits(problem)
    if x.shape[-1] <= SIDE_BY_SIDE or not x.size:
        return False
    masked = np.isneginf(x) & np.isfinite(x.max(-1, keepdims=True))
    return bool(np.lib.stride_tricks.sliding_window_view(masked, SIDE_BY_SIDE, -1).all(-1).any())


def _all_but_one_masked(problem: Problem) -> bool:
    """Whether a row of three classes or more has one that is not masked, and is finite."""
    x = rows_of_logits(problem)
    return x.shape[-1] > 2 and bool(((~np.isneginf(x)).sum(-1) == 1)[np.isfinite(x.max(-1, initial=-np.inf))].any())


def _has_ties(problem: Problem) -> bool:
    x = rows_of_logits(problem)
    return x.shape[-1] > 1 and bool(((x == x.max(-1, keepdims=True)).sum(-1) > 1).any()) if x.size else False


def _underflows(problem: Problem) -> bool:
    """Whether an exponential is below the normal numbers of the format."""
    x = rows_of_logits(problem)
    if not x.size:
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        d = x - x.max(-1, keepdims=True)
    return bool((np.isfinite(d) & (d < np.log(FORMATS[problem.dtype].tiny))).any())


GAPS: dict[str, Region] = {
    "a gap above 17": lambda problem: _gap(problem) > 17,
    "a gap above 104": lambda problem: _gap(problem) > 104,
    "ties of the largest": _has_ties,
    "exponentials that underflow": _underflows,
    "a common offset of 1e4": lambda problem: _offset(problem, 9e3, 2e4),
    "a common offset of 1e8": lambda problem: _offset(problem, 9e7, 2e8),
    "masked classes": is_masked,
    "32 masked classes side by side": _masked_side_by_side,
    "all classes masked but one": _all_but_one_masked,
}


LOWEST: dict[str, Region] = {
    "a row of the lowest number": lambda problem: bool(
        (rows_of_logits(problem) == -FORMATS[problem.dtype].largest).all(-1).any() and problem.inputs["logits"].size
    ),
}


NOT_FINITE: dict[str, Region] = {
    "a row of -inf": lambda problem: (
        bool(np.isneginf(rows_of_logits(problem)).all(-1).any()) and problem.inputs["logits"].size > 0
    ),
    "a row with +inf": lambda problem: bool(np.isposinf(problem.inputs["logits"]).any()),
    "a row with NaN": lambda problem: bool(np.isnan(problem.inputs["logits"]).any()),
}
