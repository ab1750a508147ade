"""Edge cases of a loss: labels and probabilities of every kind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy import nan

from .edge_case import ERROR, UNSPECIFIED, EdgeCase
from .loss import loss

_SQUARE = [[0.0, 1.0], [2.0, 0.0]]


def target_edge_cases() -> Iterator[EdgeCase]:
    """Of labels and probabilities, 130 to 150."""
    yield from _of_probabilities()
    yield from _of_labels()
    yield from _of_smoothing()
    yield from _of_shapes()


def _of_probabilities() -> Iterator[EdgeCase]:
    """130 to 134."""
    rest, free = {"reduction": "none"}, "not validated; values may be misleading"
    yield EdgeCase(
        130, "probabilities that sum to 2", loss([[0.0, 1.0]], [[0.5, 1.5]], **rest), "∂x = g (Σ_j t_j p - t)", free
    )
    yield EdgeCase(131, "negative probabilities", loss([[0.0, 1.0]], [[-1.0, 2.0]], **rest), "the formula", free)
    yield EdgeCase(
        132,
        "NaN among probabilities",
        loss(_SQUARE, [[nan, 0.5], [0.5, 0.5]], **rest),
        "NaN in the loss of that row and in its ∂x; ∂q does not depend on q",
        free,
    )
    yield EdgeCase(
        133,
        "weight and probabilities, mean",
        loss(_SQUARE, [[1.0, 0.0], [0.5, 0.5]], [1.0, 4.0]),
        "Σ l / N: one-hot rows are not divided as labels are",
        "Σ l / N",
    )
    yield EdgeCase(
        134,
        "ignore_index and probabilities",
        loss(_SQUARE, [[1.0, 0.0], [0.5, 0.5]], ignore_index=0),
        "none",
        "applies to indices alone",
        UNSPECIFIED,
        "an error, or as without; not tested",
        judged=False,
    )


def _of_labels() -> Iterator[EdgeCase]:
    """135 to 143."""
    outside, classes = "indices in [0, C), or ignore_index", "no such class"
    for number, label in ((135, 2), (136, -1), (137, 2**40)):
        problem = loss(_SQUARE, [label, 0], reduction="mean")
        yield EdgeCase(number, f"the label {label} of 2 classes", problem, classes, outside, ERROR)
    yield EdgeCase(
        138,
        "ignore_index = 255 of 2 classes",
        loss(_SQUARE, [255, 0], ignore_index=255),
        "that row counts nothing",
        "it may lie outside the class range",
    )
    yield EdgeCase(
        139, "ignore_index = 0, a class", loss(_SQUARE, [0, 1], ignore_index=0), "that row counts nothing", ""
    )
    yield EdgeCase(140, "ignore_index = -1", loss(_SQUARE, [-1, 1], ignore_index=-1), "that row counts nothing", "")
    for number, labels in ((141, "uint8"), (142, "int32"), (143, "bool")):
        yield EdgeCase(
            number,
            f"labels of {labels}",
            loss(_SQUARE, [1, 0], reduction="none"),
            "the same labels",
            "required to be long",
            UNSPECIFIED,
            "the value or an error; not tested",
            labels=labels,
            judged=False,
        )


def _of_smoothing() -> Iterator[EdgeCase]:
    """144 to 146."""
    mixture = "a float in [0.0, 1.0]"
    yield EdgeCase(
        144,
        "smoothing 1",
        loss(_SQUARE, [1, 0], label_smoothing=1.0, reduction="none"),
        "t = 1/C in every class",
        mixture,
    )
    yield EdgeCase(145, "smoothing -0.1", loss(_SQUARE, [1, 0], label_smoothing=-0.1), "no mixture", mixture, ERROR)
    yield EdgeCase(146, "smoothing 1.5", loss(_SQUARE, [1, 0], label_smoothing=1.5), "no mixture", mixture, ERROR)


def _of_shapes() -> Iterator[EdgeCase]:
    """Of shapes and of float16, 147 to 150."""
    yield EdgeCase(
        147,
        "a batch of dimensions",
        loss(np.arange(12.0).reshape(2, 3, 2), [[0, 1], [2, -100]]),
        "as the rows of it one below another",
        "(N, C, d1, …)",
    )
    yield EdgeCase(148, "no batch", loss([0.0, 1.0, 2.0], np.int64(2)), "as a batch of one", "(C)")
    half = loss([[65504.0, -65504.0]], [1], dtype="float16", reduction="none")
    yield EdgeCase(149, "a loss beyond float16", half, "131008, which overflows to +∞ in float16; ∂x is p - y")
    total = loss([[40000.0, 0.0], [40000.0, 0.0]], [1, 1], dtype="float16")
    yield EdgeCase(150, "a total beyond float16, whose mean is not", total, "40000: finite")


def single_edge_cases() -> Iterator[EdgeCase]:
    """Of one row, 158."""
    ignored = loss([0.0, 1.0], -100)
    yield EdgeCase(158, "an ignored label, mean", ignored, "0/0: NaN; no row contributes: ∂x is 0", "as 92")


def wide_edge_cases() -> Iterator[EdgeCase]:
    """Of labels that need more than 32 bits, 168."""
    wide = loss([[[0.0, 1.0], [2.0, 0.0]]], [[0, 2**32]], ignore_index=2**32)
    yield EdgeCase(
        168,
        "the ignored label 2**32, in a batch of dimensions",
        wide,
        "that row counts nothing, though its last 32 bits are those of class 0",
        "it may lie outside the class range",
    )
