"""Edge cases of softmax, log-softmax and logsumexp, and of rows without a softmax that weigh nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy import inf, nan

from ...problem.operations import OPERATIONS, PER_ROW
from ...problem.problem import Problem
from .edge_case import ERROR, F32, UNSPECIFIED, EdgeCase

_LARGE = float(np.float32(3e38))


_NO_QUOTIENT = "0/0 in every element"


LIMIT = "the limit of a logit that grows beyond all others: "


def of_logits(operation: str, logits: Any, dtype: str = F32) -> Problem:
    """Of logits along their last dimension, with an upstream gradient that differs from element to element."""
    x = np.asarray(logits, np.float64)
    rows = x.shape[:-1] if OPERATIONS[operation].value == PER_ROW else x.shape
    g = np.arange(1.0, 1.0 + np.prod(rows)).reshape(rows)
    return Problem(operation, dtype, {"logits": x}, {"dim": -1}, g)


def _row_of_logits(
    operation: str, first: int, offset: int, question: str, logits: Any, mathematics: str, *more: Any
) -> EdgeCase:
    return EdgeCase(first + offset, f"{operation} of {question}", of_logits(operation, logits), mathematics, *more)


def softmax_edge_cases() -> Iterator[EdgeCase]:
    """Of rows, 1 to 19."""
    for number, operation, masked, log in ((1, "softmax", "p = [1, 0]", False), (10, "log_softmax", "[0, -∞]", True)):
        limit = "[0, -∞]" if log else "[1, 0]"

        row = partial(_row_of_logits, operation, number)
        yield row(0, "a row with one logit of -∞", [0.0, -inf], f"e^-∞ = 0: {masked}")
        yield row(1, "a row of -∞", [-inf, -inf], f"{_NO_QUOTIENT}: NaN")
        besides = ("", UNSPECIFIED, "NaN, in the value and in its derivatives")
        yield row(2, "a row with one +∞", [inf, 0.0], f"{LIMIT}{limit}; ∞/∞ in the formula", *besides)
        besides = ("", UNSPECIFIED, f"the limit {'-∞' if log else '0'} in the elements beside them")
        yield row(3, "a row with two +∞", [inf, inf, 0.0], "∞/∞, and no limit where they are: NaN", *besides)
        yield row(4, "a row with NaN", [nan, 0.0], "NaN in every element of the row, and in no other row")
        yield row(5, "no rows", np.zeros((0, 3)), "nothing")
        yield row(6, "no classes", np.zeros((2, 0)), "nothing, for p of nothing")
        yield row(7, "one class", [[2.0], [-inf], [3.0]], f"p = 1, save where the one logit is -∞ ({_NO_QUOTIENT})")
        yield row(8, "logits whose distance overflows", [_LARGE, -_LARGE], f"{masked} once rounded")
    yield EdgeCase(19, "softmax of no dimensions", of_logits("softmax", 1.0), "a row of one element: 1")


def logsumexp_edge_cases() -> Iterator[EdgeCase]:
    """Of rows, 20 to 29."""

    def row(number: int, question: str, logits: Any, mathematics: str, *more: Any, dtype: str = F32) -> EdgeCase:
        return EdgeCase(number, f"logsumexp of {question}", of_logits("logsumexp", logits, dtype), mathematics, *more)

    yield row(20, "a row with one logit of -∞", [0.0, -inf], "log(1 + 0) = 0; ∂x = g p = [1, 0]")
    yield row(21, "a row of -∞", [-inf, -inf], "log 0 = -∞; ∂x is 0/0: NaN")
    besides = ("", UNSPECIFIED, "NaN in the derivatives; the value is demanded")
    yield row(22, "a row with one +∞", [inf, 0.0], "+∞; ∂x has the limit [1, 0]", *besides)
    besides = ("", UNSPECIFIED, "the limit 0 in the gradient of the elements beside them")
    yield row(23, "a row with two +∞", [inf, inf, 0.0], "+∞; ∂x is ∞/∞, and no limit where they are: NaN", *besides)
    yield row(24, "a row with NaN", [nan, 0.0], "NaN")
    yield row(25, "no classes", np.zeros((2, 0)), "log 0 = -∞")
    yield row(
        26,
        "two largest numbers of float16",
        [65504.0, 65504.0],
        "65504.69, which rounds to 65504: finite",
        dtype="float16",
    )
    yield row(27, "no dimensions", 1.0, "a row of one element: 1; ∂x is g")
    x, several = [[[0.0, 1.0], [2.0, 0.0]], [[0.0, 0.0], [3.0, 1.0]]], {"dim": (0, -1), "keepdim": True}
    yield EdgeCase(
        28,
        "logsumexp over two dimensions, which are kept",
        Problem("logsumexp", F32, {"logits": x}, several, [[[1.0], [2.0]]]),
        "log Σ e^x over both, of shape (1, 2, 1)",
        "dim is one dimension or several; keepdim keeps them with size 1",
    )
    twice = replace(of_logits("logsumexp", np.zeros((2, 2))), options={"dim": (1, -1)}, grad_output=None)
    yield EdgeCase(29, "logsumexp over one dimension twice", twice, "no sum over it twice", "", ERROR)


def softmax_entropy_edge_cases() -> Iterator[EdgeCase]:
    """Of rows, 170 to 174."""
    row = partial(_row_of_logits, "softmax_entropy", 170)
    yield row(0, "a row with one logit of -∞", [0.0, 0.0, -inf], "0 log 0 = 0, its limit: log 2; ∂x is 0 there")
    yield row(1, "a row of -∞", [-inf, -inf], "no softmax: NaN")
    besides = ("", UNSPECIFIED, "NaN, in the value and in its gradient")
    yield row(2, "a row with one +∞", [inf, 0.0], f"{LIMIT}0; ∂x is 0", *besides)
    yield row(3, "a row with two +∞", [inf, inf, 0.0], "no softmax: NaN")
    yield row(4, "a row with NaN", [nan, 0.0], "NaN")
