"""Accuracy classes: what is promised, from the strictest to one that only compares.

A  correctly rounded: the number of the format next to the exact value.
B  forward-accurate: small losses and the label's gradient in confident rows keep their digits (docs/theory/bounds.md,
   Theorem 16); where that theorem says nothing, as C.
C  backward-stable: as accurate as the usual max-shift algorithm must be. The default.
D  at most `factor` times the error of a baseline, or half a unit in the last place where the baseline has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..problem.formats import Format
from ..problem.problem import Array
from ..problem.validation import check_name, check_number
from .algebra import Allowed
from .arithmetic import Arithmetic
from .overflow import EVALUATION

NAMES = {"A": "correctly rounded", "B": "forward-accurate", "C": "backward-stable", "D": "relative to a baseline"}
CLASSES = tuple(NAMES)


@dataclass(frozen=True)
class Accuracy:
    """A class by its letter; for D also what the baseline reached, output by output, in units of the bound of C."""

    letter: str = "C"
    factor: float = 1.0
    baseline: dict[str, float] | None = None
    overflowed: frozenset[str] = frozenset()  # outputs of the baseline that Theorem 13 excuses somewhere

    def __post_init__(self) -> None:
        check_name("accuracy", self.letter, CLASSES)
        if not 0 < check_number("factor", self.factor, "a positive number") < np.inf:
            raise ValueError(f"factor is {self.factor}; expected a positive number")

    def arithmetic(self, arithmetic: Arithmetic) -> Arithmetic:
        """What the theorems are to assume."""
        return replace(arithmetic, forward=True) if self.letter == "B" else arithmetic

    def allowed(self, name: str, bound: Allowed, got: Array, exact: Array, storage: Format) -> Allowed:
        """The bound of this class for some elements, given the bound of the theorems and about the exact values."""
        if self.letter == "A":
            return replace(bound, error=half_gap(got, exact, storage), row=None, left=0)
        if self.letter == "D":
            assert self.baseline is not None
            share = self.factor * self.baseline[name] * (1 + EVALUATION)
            with np.errstate(invalid="ignore"):  # 0·inf
                error = np.maximum(share * bound.error, storage.ulp(exact) / 2)
            left = bound.left if name in self.overflowed else 0  # no error is no worse than that of a number
            return replace(bound, error=np.where(np.isfinite(bound.error), error, np.inf), row=None, left=left)
        return bound


def half_gap(got: Array, exact: Array, storage: Format) -> Array:
    """Half the distance from `got` to its neighbour on the side of `exact`: a correctly rounded number is within it.

    >>> from softproof.problem.formats import FORMATS
    >>> (half_gap(np.array([1.0, 1.0]), np.array([2.0, 0.5]), FORMATS["float32"]) * 2.0**24).tolist()
    [1.0, 0.5]
    """
    gap = np.where(np.isfinite(got), storage.ulp(got), 0.0)
    mantissa, _ = np.frexp(got)
    inwards = (np.abs(exact) < np.abs(got)) & (np.abs(mantissa) == 0.5) & (np.abs(got) > storage.tiny)
    return np.asarray(np.where(inwards, gap / 2, gap) / 2)
