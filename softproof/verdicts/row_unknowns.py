"""Theorem 21: rows of a derivative whose errors no values of the row's unknown numbers explain.

Each element confines the unknowns of its row, β, or β and α, to a strip low <= β + tilt·α <= high. At α the strips of
a row are gap(α) apart, the largest low minus the least high. This function is convex, so each of its points gives a
straight line that is nowhere above it. A row is refuted by one line that is positive at every admissible α, or by two
of which at every such α one is. A refutation is a proof; a search that finds no such lines proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..bounds.algebra import RowUnknowns
from ..problem.formats import FORMATS
from ..problem.problem import Array
from .elements import ROUNDING, Elements

LEAST = 2.0**-1000  # no strip comes from a slope below
SLACK = 2.0**-46  # of the operations that make a line, and intersect two
STEPS = 64  # of the search; a row that is open after them is not refuted
TINY = FORMATS["float64"].subnormal


@dataclass(frozen=True)
class Lines:
    """Lines below the gaps of rows, `at` + slope·α, and the elements they come from: all (r,)."""

    at: Array
    slope: Array
    first: Array  # which has the largest low; -1 where it is the limit of β
    second: Array  # which has the least high


@dataclass(frozen=True)
class Strips:
    """What the elements of rows say of the unknowns, each end moved outward by more than its rounding."""

    low: Array  # (r, C)
    high: Array  # (r, C)
    limit: Array  # (r, 1), of β
    tilt: Array | None  # (r, C)
    tilt_limit: Array  # (r, 1), of α

    @classmethod
    @np.errstate(all="ignore")  # what is no number says nothing
    def of(cls, elements: Elements) -> Strips:
        """An element that is not finite, or of which nothing is promised, says nothing."""
        unknowns = elements.factor
        assert isinstance(unknowns, RowUnknowns)
        slope, tilt = unknowns.slope, unknowns.tilt
        own = unknowns.own + elements.doubt
        lost = np.abs(elements.error)
        lost += own
        own += ROUNDING * lost + 4 * TINY
        low, high = elements.error - own, elements.error + own
        low /= slope
        high /= slope
        if not _all_speak(low, high, slope, elements.allowed, tilt):
            silent = ~np.isfinite(low) | ~np.isfinite(high) | ~(slope > LEAST) | ~np.isfinite(elements.allowed)
            silent |= ~np.isfinite(tilt) if tilt is not None else False
            low[silent], high[silent] = -np.inf, np.inf
            tilt = None if tilt is None else np.where(silent, 0.0, tilt)
        nothing = np.zeros_like(unknowns.limit)
        return cls(low, high, unknowns.limit, tilt, nothing if unknowns.tilt_limit is None else unknowns.tilt_limit)

    def middle(self) -> tuple[Array, Array]:
        """The middle of what the strips of a row have in common at α = 0, and where they are apart: (r,)."""
        limit = self.limit[:, 0]
        bottom, top = np.maximum(self.low.max(-1), -limit), np.minimum(self.high.min(-1), limit)
        return (bottom + top) / 2, bottom > top

    def of_rows(self, rows: Array) -> Strips:
        """Some rows alone."""
        tilt = None if self.tilt is None else self.tilt[rows]
        return Strips(self.low[rows], self.high[rows], self.limit[rows], tilt, self.tilt_limit[rows])

    def without(self, column: int) -> Strips:
        """The same, where an element says nothing."""
        low, high = self.low.copy("K"), self.high.copy("K")
        low[:, column], high[:, column] = -np.inf, np.inf
        return replace(self, low=low, high=high)

    def ends(self, alpha: Array) -> tuple[Array, Array, Array, Array]:
        """The largest low and the least high at α (r, 1), and where: all (r,), -1 for the limit of β."""
        low, high = self.low, self.high
        if self.tilt is not None and alpha.any():
            moved = alpha * self.tilt
            low, high = low - moved, high - moved
        rows, limit = np.arange(len(low)), self.limit[:, 0]
        first, second = low.argmax(-1), high.argmin(-1)
        bottom, top = low[rows, first], high[rows, second]
        first, second = np.where(bottom < -limit, -1, first), np.where(top > limit, -1, second)
        return np.maximum(bottom, -limit), np.minimum(top, limit), first, second

    def lines(self, first: Array, second: Array) -> Lines:
        """The lines that two elements of each row, or limits of β, give: certainly nowhere above the gap."""
        rows, limit = np.arange(len(self.low)), self.limit[:, 0]
        bottom, top = (
            np.where(first < 0, -limit, self.low[rows, first]),
            np.where(second < 0, limit, self.high[rows, second]),
        )
        tilts = np.zeros((2, len(rows)))
        if self.tilt is not None:
            tilts = np.array([np.where(each < 0, 0.0, self.tilt[rows, each]) for each in (first, second)])
        size = np.abs(bottom) + np.abs(top) + self.tilt_limit[:, 0] * np.abs(tilts).sum(0)
        return Lines(bottom - top - SLACK * size, tilts[1] - tilts[0], first, second)


def _all_speak(low: Array, high: Array, slope: Array, allowed: Array, tilt: Array | None) -> bool:
    """Whether all strips are finite, which those of an answer or a truth that is not finite are not."""
    finite = (low, high) if tilt is None else (low, high, tilt)
    ends = [end for each in finite for end in (each.min(initial=0.0), each.max(initial=0.0))]
    return bool(np.isfinite(ends).all() and slope.min(initial=1.0) > LEAST and allowed.max(initial=0.0) < np.inf)


def unexplained(elements: Elements) -> Array:
    """The rows that need a row's unknowns at all: in the others each error is within what its element has by itself."""
    factor = elements.factor
    assert factor is not None
    return np.flatnonzero(~(np.abs(elements.error) <= factor.own + elements.doubt).all(-1))


@dataclass(frozen=True)
class Refuted:
    """Of each row, whether nothing explains it; how many times too far apart its strips are, 0 for rows that may be
    right; the elements that tell; and values of the unknowns that explain it, or do so best.
    """

    ratio: Array  # (r,)
    columns: Array  # (r, 4), -1 for none
    alpha: Array  # (r,)
    beta: Array  # (r,)


@np.errstate(all="ignore")
def refuted(strips: Strips) -> Refuted:
    """Newton's method from α = 0 on each side of what is left of α, and between them where their lines meet."""
    count = len(strips.low)
    middle, apart = strips.middle()
    result = Refuted(np.zeros(count), np.full((count, 4), -1), np.zeros(count), middle)
    left, right = -strips.tilt_limit[:, 0], strips.tilt_limit[:, 0].copy()  # α that are not excluded
    todo = np.flatnonzero(np.isfinite(strips.limit[:, 0]) & np.isfinite(right) & apart)
    alpha, crossing = np.zeros(count), np.full((count, 2, 2), np.nan)  # lines that fall, and that rise: at, slope
    for _ in range(STEPS):
        if not len(todo):
            break
        these = strips if len(todo) == count else strips.of_rows(todo)
        bottom, top, first, second = these.ends(alpha[todo, None])
        result.alpha[todo], result.beta[todo] = alpha[todo], (bottom + top) / 2
        line = these.lines(first, second)
        apart = bottom > top
        todo, line = todo[apart], Lines(*(each[apart] for each in (line.at, line.slope, line.first, line.second)))
        rises, root = (line.slope > 0).astype(np.int64), -line.at / line.slope
        left[todo] = np.where(line.slope < 0, np.fmax(left[todo], root), left[todo])
        right[todo] = np.where(line.slope > 0, np.fmin(right[todo], root), right[todo])
        crossing[todo, rises] = np.stack([line.at, line.slope], -1)
        places = 2 * rises[:, None] + np.arange(2)
        result.columns[todo[:, None], places] = np.stack([line.first, line.second], -1)
        size = SLACK * (np.abs(left[todo]) + np.abs(right[todo]))
        wrong = (line.slope == 0) & (line.at > 0) | (left[todo] - right[todo] > size)
        result.ratio[todo[wrong]] = 1.0
        (fall, falls), (rise, rises_by) = np.moveaxis(crossing[todo], 0, -1)
        met = (fall - rise) / (rises_by - falls)
        alpha[todo] = np.clip(np.where(np.isnan(met), root, met), left[todo], right[todo])
        todo = todo[~wrong & (line.slope != 0)]
    result.ratio[:] = np.where(result.ratio > 0, 1 + _apart(strips, result), 0.0)
    return result


def _apart(strips: Strips, found: Refuted) -> Array:
    """How far the strips of refuted rows are apart, in units of the mean width of those that tell (r,)."""
    apart = np.zeros(len(strips.low))
    for row in np.flatnonzero(found.ratio):
        bottom, top, _, _ = strips.of_rows(np.array([row])).ends(found.alpha[row : row + 1, None])
        columns = found.columns[row][found.columns[row] >= 0]
        width = (strips.high[row, columns] - strips.low[row, columns]).mean()
        apart[row] = (bottom[0] - top[0]) / width
    return apart


@np.errstate(all="ignore")
def explained(elements: Elements, refutation: Refuted, row: int, place: Callable[[int], str]) -> tuple[int, str]:
    """The element of a refuted row that stands out, and what is wrong with it in words; `place` names an element."""
    alone = elements.of_rows(np.array([row]))
    strips, columns = Strips.of(alone), [int(each) for each in refutation.columns[row] if each >= 0]
    unknowns = "one factor of the row" if strips.tilt is None else "factor and dot product of the row"
    outliers = [each for each in (_beside_others(alone, strips, column) for column in columns) if each is not None]
    if outliers:
        worst = max(outliers, key=lambda each: each.off / each.own)
        return worst.column, f"no {unknowns} explains it with the others (Theorem 21): {worst}"
    others = ", ".join(map(place, columns[1:]))
    apart = f"{refutation.ratio[row]:.3g} times too far apart"
    return columns[0], f"no {unknowns} explains this with {others} (Theorem 21): they are {apart}"


@dataclass(frozen=True)
class _Outlier:
    """An element without which a row may be right: how far it is off beside the others, and what it may be."""

    column: int
    off: float
    own: float
    exact: float

    def __str__(self) -> str:
        size, unit = (self.exact, " of itself") if self.exact else (1.0, "")
        return f"beside them this is off by {self.off / size:.2g}{unit}, where {self.own / size:.2g} is allowed"


def _beside_others(alone: Elements, strips: Strips, column: int) -> _Outlier | None:
    """An element of one row beside what explains the others; None where nothing does."""
    rest, unknowns, at = refuted(strips.without(column)), alone.factor, (0, column)
    assert isinstance(unknowns, RowUnknowns)
    if rest.ratio[0]:
        return None
    shared = rest.beta[0] + (0.0 if unknowns.tilt is None else rest.alpha[0] * unknowns.tilt[at])
    off = abs(alone.error[at] - shared * unknowns.slope[at])
    return _Outlier(column, float(off), float(unknowns.own[at]), abs(float(alone.nearest[at])))
