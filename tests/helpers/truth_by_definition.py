"""The truth beside the definitions in another arithmetic, and rows for both."""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb, ctx

from softproof import Problem, solve

from ..helpers.arithmetics import Number
from ..helpers.by_definition import Outputs, expected

BITS = (128, 1600)  # the judge's precision, and one at which the balls are as narrow as the other arithmetics' errors
INF = np.inf


def overlap(truth: Any, other: Any) -> bool:
    """Whether two enclosures can be of one number; what is not finite must be the same."""
    if any(isinstance(each, float) and not np.isfinite(each) for each in (truth, other)):
        return repr(truth) == repr(other)
    with ctx.workprec(4000):
        return bool(arb(truth).overlaps(other.ball() if isinstance(other, Number) else arb(other)))


def disagreements(truth: Outputs, other: Outputs) -> list[str]:
    """The elements that differ, and the outputs that one of the two lacks or that have another shape."""
    if {name: array.shape for name, array in truth.items()} != {name: array.shape for name, array in other.items()}:
        return sorted(truth.keys() | other.keys())
    return [f"{name}{list(index)}" for name in truth for index in np.ndindex(truth[name].shape)
            if not overlap(truth[name][index], other[name][index])]  # fmt: skip


def check(kind: type[Number], problem: Problem) -> Outputs:
    """Solve by definition and as the truth, at each precision."""
    other = expected(kind, problem)
    with kind.context():
        for bits in BITS:
            assert disagreements(solve(problem, bits), other) == []
    return other


ROWS = {
    "largest float32": [3e38, -3e38, 0.0],
    "huge": [1e300, 0.0, -1e300],
    "huge ties": [-1e300, 1e300, 1e300],
    "largest float64": [1.7976931348623157e308, -1.7976931348623157e308, 1.0],
    "subnormal": [5e-324, -5e-324, 2.2250738585072014e-308],
    "masked": [-INF, 0.0, 1.0],
    "all but one masked": [-INF, -INF, 2.0],
    "masked beside huge": [1e300, -INF, -1e300],
    "ties": [2.0, 2.0, 1.0],
    "equal": [7.0, 7.0, 7.0],
    "gap 37": [37.5, 0.0, 0.0],
    "gap 800": [0.0, 800.0, -1.0],
    "offset 1e8": [1e8, 1e8 + 1.0, 1e8 - 30.0],
    "next to each other": [1.0, 1.0000000000000002, 0.9999999999999999],
    "one class": [3.0],
}
