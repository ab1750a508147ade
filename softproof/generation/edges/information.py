"""Edge cases of distributions: logarithms of zero, and slopes there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...problem.problem import Problem
from .edge_case import F32, UNSPECIFIED, EdgeCase

_LIMIT = "a one-sided limit: "
_ZERO_LOGARITHM = "0 log 0 = 0 (torch.special.entr, xlogy)"
_SLOPE = ("", UNSPECIFIED, "NaN in the elements where p is 0")
_SLOPE_OF_Q = ("", UNSPECIFIED, "NaN in the elements where q is 0")
_SLOPES = ("", UNSPECIFIED, "NaN in the elements where q is 0, and 0 where p is, too")


def distribution_edge_cases() -> list[EdgeCase]:
    """Of p and q, 30 to 43."""
    return sorted((*_entropies(), *_cross_entropies(), *_divergences()), key=lambda each: each.number)


def _row(
    number: int, question: str, operation: str, p: Any, q: Any, mathematics: str, *more: Any, g: float | None = None
) -> EdgeCase:
    inputs = {"p": np.asarray(p, np.float64)} | ({} if q is None else {"q": np.asarray(q, np.float64)})
    return EdgeCase(number, question, Problem(operation, F32, inputs, {"dim": -1}, g), mathematics, *more)


def _entropies() -> Iterator[EdgeCase]:
    """30, 31, 39 and 40."""
    yield _row(30, "entropy with p = 0", "entropy", [0.0, 1.0], None, "0 log 0 = 0, its limit: 0", _ZERO_LOGARITHM)
    yield _row(31, "∂ entropy with p = 0", "entropy", [0.0, 1.0], None, f"{_LIMIT}[+∞, -1]", *_SLOPE, g=1.0)
    yield _row(39, "entropy of what does not sum to 1", "entropy", [1.0, 2.0], None, "the formula: -2 log 2")
    negative = _row(
        40,
        "entropy with p < 0",
        "entropy",
        [-1.0, 2.0],
        None,
        "log of a negative number: none",
        "-∞ (torch.special.entr)",
        UNSPECIFIED,
        "anything, an error among it; not tested",
    )
    yield replace(negative, judged=False)


def _cross_entropies() -> Iterator[EdgeCase]:
    """32 to 35, and 43."""
    cross = "distribution_cross_entropy"
    yield _row(32, "H(p, q) with q = 0 < p", cross, [0.5, 0.5], [0.0, 1.0], "-p log 0 = +∞", "+∞ (xlogy)")
    yield _row(33, "H(p, q) with p = q = 0", cross, [0.0, 1.0], [0.0, 1.0], "0 log 0 = 0: 0", _ZERO_LOGARITHM)
    yield _row(
        34,
        "∂ H(p, q) with q = 0 < p",
        cross,
        [0.5, 0.5],
        [0.0, 1.0],
        f"{_LIMIT}∂p [+∞, 0], ∂q [-∞, -½]",
        *_SLOPE_OF_Q,
        g=1.0,
    )
    yield _row(
        35,
        "∂ H(p, q) with p = q = 0",
        cross,
        [0.0, 1.0],
        [0.0, 1.0],
        f"{_LIMIT}∂p [+∞, 0], ∂q [0, -1]",
        *_SLOPES,
        g=1.0,
    )
    lost = f"NaN and 0 in the elements of ∂q where q is 0 and g p may underflow; {_SLOPE_OF_Q[-1]}"
    yield _row(
        43,
        "∂ H(p, q) with q = 0, whose g p underflows",
        cross,
        [2.0**-100, 1.0],
        [0.0, 1.0],
        f"{_LIMIT}∂p [+∞, 0], ∂q [-∞, -2^-100]",
        *_SLOPE_OF_Q[:2],
        f"{lost}; where subnormal numbers count as 0, in the value as well, which is that without a subnormal p",
        g=2.0**-100,
    )


def _divergences() -> Iterator[EdgeCase]:
    """36 to 38, 41 and 42."""
    yield _row(36, "D(p‖q) with q = 0 < p", "kl_divergence", [0.5, 0.5], [0.0, 1.0], "+∞", "")
    yield _row(37, "D(p‖q) with p = q = 0", "kl_divergence", [0.0, 1.0], [0.0, 1.0], "0 log(0/0) = 0: 0", "")
    yield _row(
        38,
        "∂ D(p‖q) with p = q = 0",
        "kl_divergence",
        [0.0, 1.0],
        [0.0, 1.0],
        "∂p is ∞ - ∞ + 1, ∂q [0, -1]",
        *_SLOPES,
        g=1.0,
    )
    yield _row(
        41,
        "∂ D(p‖q) with p = 0 < q",
        "kl_divergence",
        [0.0, 1.0],
        [0.5, 0.5],
        f"{_LIMIT}∂p [-∞, 1 + log 2], ∂q [0, -2]",
        *_SLOPE,
        g=1.0,
    )
    yield _row(
        42,
        "∂ D(p‖q) with q = 0 < p",
        "kl_divergence",
        [0.5, 0.5],
        [0.0, 1.0],
        f"{_LIMIT}∂p [+∞, 1 - log 2], ∂q [-∞, -½]",
        *_SLOPE_OF_Q,
        g=1.0,
    )
