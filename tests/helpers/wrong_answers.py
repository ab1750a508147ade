"""Answers that are wrong by their numbers, all of which the format holds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from softproof import Output, Result
from softproof.problem.formats import Format
from softproof.problem.problem import Array

Wrong = Callable[[Array, Array, Format], Array]  # of the exact values, their bounds and the format of the answer
EVERYWHERE: dict[str, Wrong] = {
    "zero": lambda exact, *_: np.zeros_like(exact),
    "sign flipped": lambda exact, *_: -exact,
    "doubled": lambda exact, *_: 2 * exact,
}


def just_outside(exact: Array, limit: Array, storage: Format) -> Array:
    """The nearest numbers, but for the element with the widest bound: the first number at least 1 % outside it."""
    moved = storage.round(exact)
    at = np.unravel_index(int(limit.argmax()), limit.shape)
    lost = np.spacing(abs(exact[at]) + limit[at])  # in float64
    size = abs(exact[at]) + 1.01 * limit[at] + lost
    nearest = storage.round(size)
    moved[at] = np.copysign(nearest if nearest >= size else nearest + storage.ulp(nearest), exact[at])
    return moved


def spoiled(right: Result, name: str, values: Array, storage: Format) -> Result:
    """The same answer, but for one output, which has the format's numbers nearest to `values`."""
    return Result({**right.outputs, name: Output(storage.round(values), storage.name)})
