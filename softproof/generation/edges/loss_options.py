"""Edge cases of a loss: options that meet, and what the mean divides by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from .edge_case import DOCS, UNSPECIFIED, EdgeCase
from .loss import loss

_LOGITS = np.array([[0.0, 1.0, 3.0], [2.0, 0.0, 0.0], [0.0, 0.0, 4.0]])


_WEIGHT = np.array([1.0, 2.0, 4.0])


_LABELS = np.array([2, 0, 1])


_SHARES = np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0], [0.5, 0.25, 0.25]])


_MEAN = {True: "Σ w_y over the rows that count", False: "the number of rows that count"}


def option_edge_cases() -> Iterator[EdgeCase]:
    """All combinations of kind of target, reduction, weight, ignored rows and smoothing, 50 to 85."""
    number = 50
    for labels, reduction, weighted, ignored, smoothed in product(
        (True, False), ("none", "sum", "mean"), (False, True), (False, True), (False, True)
    ):
        if ignored and not labels:
            continue
        target = np.where(np.arange(3) == 1, -100, _LABELS) if ignored else _LABELS
        options: dict[str, Any] = {"reduction": reduction} | ({"label_smoothing": 0.1} if smoothed else {})
        problem = loss(_LOGITS, target if labels else _SHARES, _WEIGHT if weighted else None, **options)
        words = ["labels" if labels else "probabilities", reduction, *["weight"] * weighted]
        words += ["a row ignored"] * ignored + ["smoothing"] * smoothed
        documented = f"{DOCS}, formula for {'indices' if labels else 'probabilities'}"
        if smoothed:
            documented += "; q a mixture with the uniform distribution"
        if smoothed and weighted:
            documented += "; silent on how weights enter the mixture"
        yield EdgeCase(
            number, ", ".join(words), problem, _formula(reduction, labels, weighted, ignored, smoothed), documented
        )
        number += 1


def _formula(reduction: str, labels: bool, weighted: bool, ignored: bool, smoothed: bool) -> str:
    """The loss in one line."""
    q = "[j = y]" if labels else "q_j"
    if smoothed:
        q = f"(0.9 {q} + 0.1/C)"
    row = "-log p_y" if labels and not smoothed else f"-Σ_j {'w_j ' * weighted}{q} log p_j"
    row = row.replace("-log", "-w_y log") if weighted else row
    row += "; 0 for the ignored row" * ignored
    if reduction == "mean":
        return f"{row}; the sum over {_MEAN[weighted] if labels else 'the number of rows'}"
    return row if reduction == "none" else f"{row}; the sum"


_SQUARE, _IGNORED = [[0.0, 1.0], [2.0, 3.0]], [-100, -100]
_QUOTIENT = "Σ l / Σ w_y, which is 0/0"


def normaliser_edge_cases() -> Iterator[EdgeCase]:
    """Of rows that are ignored or weigh nothing, 90 to 105."""
    yield from _all_ignored()
    yield from _weights()
    yield from _without_rows()
    yield from _without_classes()
    along = replace(loss(_SQUARE, _IGNORED), grad_output=None, tangent=np.ones((2, 2)))
    besides = ("", UNSPECIFIED, "0, in the derivative")
    yield EdgeCase(105, "every row ignored, mean, in a direction", along, "the derivative of 0/0: NaN", *besides)


def _all_ignored() -> Iterator[EdgeCase]:
    """90 to 93."""
    skipped = "an ignored target does not contribute to the input gradient"
    yield EdgeCase(90, "every row ignored, none", loss(_SQUARE, _IGNORED, reduction="none"), "0 and 0", skipped)
    yield EdgeCase(
        91, "every row ignored, sum", loss(_SQUARE, _IGNORED, reduction="sum"), "an empty sum: 0; ∂x is 0", skipped
    )
    yield EdgeCase(
        92,
        "every row ignored, mean",
        loss(_SQUARE, _IGNORED),
        "0/0: NaN; no row contributes: ∂x is 0",
        f"{_QUOTIENT}; {skipped}",
    )
    yield EdgeCase(
        93,
        "every row ignored, mean, weight, smoothing",
        loss(_SQUARE, _IGNORED, [1.0, 2.0], label_smoothing=0.1),
        "as 92",
        f"{_QUOTIENT}; {skipped}",
    )


def _weights() -> Iterator[EdgeCase]:
    """That are 0, negative, or have no sum, 94 to 98."""
    where = "in the loss and in the derivatives of rows that count"
    unspecified = (_QUOTIENT, UNSPECIFIED, f"what is not finite, {where}")
    yield EdgeCase(94, "total weight 0, mean", loss(_SQUARE, [0, 0], [0.0, 2.0]), "0/0: NaN", *unspecified)
    yield EdgeCase(
        95,
        "total weight 0, mean, smoothing",
        loss(_SQUARE, [0, 0], [0.0, 2.0], label_smoothing=0.5),
        "x/0 with x > 0: none",
        *unspecified,
    )
    yield EdgeCase(
        96,
        "weights that cancel, mean",
        loss(_SQUARE, [0, 1], [-1.0, 1.0]),
        "x/0, or what is left of rounding: none",
        _QUOTIENT,
        UNSPECIFIED,
        "what is not finite; and where their sum rounds, a quotient by what that may leave, if its numerator is not 0; "
        f"{where}",
    )
    yield EdgeCase(
        97, "weight 0 of a label, sum", loss(_SQUARE, [0, 1], [0.0, 2.0], reduction="sum"), "its row counts 0"
    )
    yield EdgeCase(
        98, "negative weight", loss(_SQUARE, [0, 1], [-1.0, 2.0]), "the formula, with the sign", "not excluded"
    )


def _without_rows() -> Iterator[EdgeCase]:
    """99 to 102."""
    yield EdgeCase(99, "no rows, none", loss(np.zeros((0, 2)), np.zeros(0, int), reduction="none"), "nothing")
    yield EdgeCase(100, "no rows, sum", loss(np.zeros((0, 2)), np.zeros(0, int), reduction="sum"), "an empty sum: 0")
    yield EdgeCase(101, "no rows, mean", loss(np.zeros((0, 2)), np.zeros(0, int)), "0/0: NaN", _QUOTIENT)
    yield EdgeCase(
        102,
        "no rows, mean, probabilities",
        loss(np.zeros((0, 2)), np.zeros((0, 2))),
        "0/0: NaN",
        "Σ l / N, which is 0/0",
    )


def _without_classes() -> Iterator[EdgeCase]:
    """Of one class, and of none, 103 and 104."""
    yield EdgeCase(103, "one class", loss([[0.0], [2.0]], [0, 0]), "log 1 = 0; ∂x is 0")
    yield EdgeCase(
        104,
        "no classes",
        loss(np.zeros((2, 0)), [-100, -100], reduction="sum"),
        "rows without a softmax",
        "",
        UNSPECIFIED,
        "an error; not tested",
        judged=False,
    )
