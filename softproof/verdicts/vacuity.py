"""Vacuity: which answers that are altogether wrong the bound of a comparison would also have accepted.

A comparison is vacuous where an all-zero answer would also pass and the truth is not zero. The bound is a theorem, so
this happens only where numbers are close to underflow, or where a sum has no correct digit. It is counted and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field

import numpy as np

from ..problem.formats import FORMATS, Format
from ..problem.problem import Array


def _largest_alone(x: Array) -> Array:
    size = np.abs(x)
    return np.where(size == size.max(-1, keepdims=True), x, 0.0)


def _uniform(x: Array) -> Array:
    return np.broadcast_to(x.mean(-1, keepdims=True), x.shape)


# Answers made from the exact one, in rows (r, k).
WRONG: dict[str, Callable[[Array], Array]] = {
    "zero": np.zeros_like,
    "the other sign": np.negative,
    "twice as large": lambda x: 2 * x,
    "the largest element alone": _largest_alone,
    "the mean of each row": _uniform,
}
NEXT, TINY = FORMATS["float64"].u, FORMATS["float64"].subnormal
NOT_FINITE = "NaN or an infinity"
JUST_OUTSIDE = "just outside"


@dataclass
class Vacuity:
    """What was seen of one output, some rows at a time."""

    asked: set[str] = field(default_factory=set)  # wrong answers that differ from the right one
    seen: set[str] = field(default_factory=set)  # those that would have been rejected
    detectable: float = np.inf  # the smallest relative error of an element that would have been
    storage: Format = FORMATS["float64"]  # beyond whose largest number an answer is infinite

    def add(self, exact: Array, doubt: Array, allowed: Array, left: Array | int, fixed: Array | bool = True) -> None:
        """Elements beside their bounds; those that are infinite, or not numbers, are right or wrong without one.

        Where no document has `fixed` the answer nothing is promised.
        """
        finite = np.isfinite(exact)
        if not finite.any():
            return
        whole = bool(finite.all())
        x = exact if whole else np.where(finite, exact, 0.0)
        reach = allowed + doubt
        if not whole or not np.all(fixed):
            reach = np.where(finite & fixed, reach, np.inf)
        self.asked |= {NOT_FINITE, JUST_OUTSIDE}
        if missing := (WRONG.keys() | {NOT_FINITE, JUST_OUTSIDE}) - self.seen:
            self._look(missing, x, finite, reach, left)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            relative = reach / np.abs(x)
        self.detectable = min(self.detectable, float(np.fmin.reduce(relative, axis=None, initial=np.inf)))

    def _look(self, missing: Set[str], x: Array, finite: Array, reach: Array, left: Array | int) -> None:
        """For wrong answers that were not seen yet."""
        promised = np.isfinite(reach)
        self.seen |= {JUST_OUTSIDE} if promised.any() else set()
        self.seen |= {NOT_FINITE} if (promised & (np.asarray(left) == 0)).any() else set()
        beside = NEXT * np.abs(x) + TINY  # how far the exact value may be from x, which is a float64
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            least = self.storage.largest - self.storage.ulp(self.storage.largest)
            edge = (np.asarray(left) != 0) | ~(
                np.abs(x) + 2 * reach < least
            )  # where the bound lets an answer be infinite
            for name in WRONG.keys() & missing:
                wrong = WRONG[name](x)
                distance = np.where(finite, np.abs(wrong - x), 0.0)
                passes = (np.abs(wrong) > self.storage.largest) & edge
                self.asked |= {name} if distance.any() else set()
                self.seen |= {name} if ((distance > reach + beside) & ~passes).any() else set()

    @property
    def none(self) -> tuple[str, ...]:
        """The wrong answers that would have passed."""
        return tuple(sorted(self.asked - self.seen))
