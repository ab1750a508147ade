"""Edge cases of distributions: logarithms of zero, and slopes there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...problem.problem import Problem
from .edge_case import F32, UNSPECIFIED, EdgeCase


def distribution_edge_cases() -> Iterator[EdgeCase]:
    """Of p and q, 30 to 43."""

    def row(
        number: int, question: str, operation: str, p: Any, q: Any, mathematics: str, *more: Any, g: float | None = None
    ) -> EdgeCase:
        inputs = {"p": np.asarray(p, np.float64)} | ({} if q is None else {"q": np.asarray(q, np.float64)})
        return EdgeCase(number, question, Problem(operation, F32, inputs, {"dim": -1}, g), mathematics, *more)

    cross, limit = "distribution_cross_entropy", "a one-sided limit: "
    xlogy = "0 log 0 = 0 (torch.special.entr, xlogy)"
    slope = ("", UNSPECIFIED, "NaN in the elements where p is 0")
    slope_of_q = ("", UNSPECIFIED, "NaN in the elements where q is 0")
    slopes = ("", UNSPECIFIED, "NaN in the elements where q is 0, and 0 where p is, too")
    yield row(30, "entropy with p = 0", "entropy", [0.0, 1.0], None, "0 log 0 = 0, its limit: 0", xlogy)
    yield row(31, "∂ entropy with p = 0", "entropy", [0.0, 1.0], None, f"{limit}[+∞, -1]", *slope, g=1.0)
    yield row(32, "H(p, q) with q = 0 < p", cross, [0.5, 0.5], [0.0, 1.0], "-p log 0 = +∞", "+∞ (xlogy)")
    yield row(33, "H(p, q) with p = q = 0", cross, [0.0, 1.0], [0.0, 1.0], "0 log 0 = 0: 0", xlogy)
    yield row(
        34,
        "∂ H(p, q) with q = 0 < p",
        cross,
        [0.5, 0.5],
        [0.0, 1.0],
        f"{limit}∂p [+∞, 0], ∂q [-∞, -½]",
        *slope_of_q,
        g=1.0,
    )
    yield row(
        35, "∂ H(p, q) with p = q = 0", cross, [0.0, 1.0], [0.0, 1.0], f"{limit}∂p [+∞, 0], ∂q [0, -1]", *slopes, g=1.0
    )
    yield row(36, "D(p‖q) with q = 0 < p", "kl_divergence", [0.5, 0.5], [0.0, 1.0], "+∞", "")
    yield row(37, "D(p‖q) with p = q = 0", "kl_divergence", [0.0, 1.0], [0.0, 1.0], "0 log(0/0) = 0: 0", "")
    yield row(
        38,
        "∂ D(p‖q) with p = q = 0",
        "kl_divergence",
        [0.0, 1.0],
        [0.0, 1.0],
        "∂p is ∞ - ∞ + 1, ∂q [0, -1]",
        *slopes,
        g=1.0,
    )
    yield row(39, "entropy of what does not sum to 1", "entropy", [1.0, 2.0], None, "the formula: -2 log 2")
    negative = row(
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
    yield row(
        41,
        "∂ D(p‖q) with p = 0 < q",
        "kl_divergence",
        [0.0, 1.0],
        [0.5, 0.5],
        f"{limit}∂p [-∞, 1 + log 2], ∂q [0, -2]",
        *slope,
        g=1.0,
    )
    yield row(
        42,
        "∂ D(p‖q) with q = 0 < p",
        "kl_divergence",
        [0.5, 0.5],
        [0.0, 1.0],
        f"{limit}∂p [+∞, 1 - log 2], ∂q [-∞, -½]",
        *slope_of_q,
        g=1.0,
    )
    lost = f"NaN and 0 in the elements of ∂q where q is 0 and g p may underflow; {slope_of_q[-1]}"
    yield row(
        43,
        "∂ H(p, q) with q = 0, whose g p underflows",
        cross,
        [2.0**-100, 1.0],
        [0.0, 1.0],
        f"{limit}∂p [+∞, 0], ∂q [-∞, -2^-100]",
        *slope_of_q[:2],
        f"{lost}; where subnormal numbers count as 0, in the value as well, which is that without a subnormal p",
        g=2.0**-100,
    )
