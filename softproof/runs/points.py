"""What the pictures of a row are drawn from: of each problem its size, and how far off the answer was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..problem.rows import row_axes, with_softmax
from ..problem.size_limits import sizes
from ..reports.row import Point
from ..verdicts.verdict import NO_GUARANTEE, Verdict

MOST = 400  # of a row


def points(drawn: Sequence[Verdict], large: Sequence[Verdict]) -> tuple[Point, ...]:
    """One for each problem; where there are many more than MOST, that many, spread evenly, and the worst."""
    told = [(verdict, False) for verdict in drawn] + [(verdict, verdict.ok) for verdict in large]
    told = [(verdict, is_limit) for verdict, is_limit in told if verdict.problem and verdict.outcome != NO_GUARANTEE]
    worst = max(range(len(told)), key=lambda number: told[number][0].ratio, default=0)
    kept = {worst, *range(0, len(told), max(1, -(-len(told) // MOST)))}
    return tuple(_point(verdict, is_limit) for number, (verdict, is_limit) in enumerate(told) if number in kept)


def _point(verdict: Verdict, is_limit: bool) -> Point:
    assert verdict.problem is not None
    size = sizes(verdict.problem)
    return Point(
        size["rows"],
        size["classes"],
        verdict.ratio,
        verdict.ratios,
        _confidence(verdict),
        tuple(verdict.vacuous),
        is_limit,
    )


def _confidence(verdict: Verdict) -> float | None:
    """The largest probability of the row in which the worst error is; None where that is not one row of logits."""
    problem, index = verdict.problem, verdict.index
    if problem is None or not verdict.ok or "logits" not in problem.inputs:
        return None
    logits, axes = problem.inputs["logits"], row_axes(problem)
    if len(index) not in (len(axes), logits.ndim):
        return None
    place = dict(zip(axes, index if len(index) == len(axes) else [index[axis] for axis in axes], strict=True))
    row = logits[tuple(place.get(axis, slice(None)) for axis in range(logits.ndim))].astype(np.float64).reshape(1, -1)
    if not row.size:
        return None
    row, has_softmax = with_softmax(row)
    return 1 / float(np.exp(row - row.max()).sum()) if has_softmax.all() else None
