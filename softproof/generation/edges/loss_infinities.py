"""Edge cases of a loss: logits that are not finite, and coefficients that rounding may lose beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy import inf, nan

from .edge_case import UNSPECIFIED, EdgeCase
from .loss import loss
from .softmax import LIMIT, of_logits


def infinite_edge_cases() -> Iterator[EdgeCase]:
    """Of -∞, +∞ and NaN, 110 to 129."""
    yield from _masked_classes()
    yield from _lost_rows()
    yield from _ignored_rows()
    yield EdgeCase(
        129,
        "two +∞ beside the label",
        loss([[inf, inf, 0.0]], [2], reduction="none"),
        "no softmax: NaN, though the limit of this loss is +∞",
        "",
        UNSPECIFIED,
        "+∞, of the loss, and of what it is reduced to with losses that are not NaN; in the gradient, at logits below "
        "+∞, -g w/D at the label and 0 elsewhere",
    )


def _masked_classes() -> Iterator[EdgeCase]:
    """Of -∞ in a row that has a softmax, 110 to 120."""
    x, total = [0.0, -inf, 1.0], {"reduction": "sum"}
    besides = "NaN, in the loss; also where a product in the coefficient may underflow to 0"
    product_ = ("the formula has the product 0·(-∞)", UNSPECIFIED, besides)
    yield EdgeCase(110, "-∞ beside the label", loss([x], [0]), "-log p_y, as if the class were not there")
    yield EdgeCase(111, "-∞ at the label", loss([x], [1]), "-log 0 = +∞; ∂x has the limit p - y")
    yield EdgeCase(
        112,
        "-∞ beside the label, smoothing",
        loss([x], [0], label_smoothing=0.5),
        "-(ε/C) log 0 = +∞; ∂x has the limit p - t",
    )
    yield EdgeCase(
        113, "-∞ where a probability is 0", loss([x], [[0.5, 0.0, 0.5]]), "0 log 0 = 0, its limit", *product_
    )
    yield EdgeCase(114, "-∞ where a probability is not 0", loss([x], [[0.5, 0.5, 0.0]]), "-½ log 0 = +∞")
    yield EdgeCase(115, "-∞ at a label of weight 0", loss([x], [1], [1.0, 0.0, 1.0], **total), "0 log 0 = 0", *product_)
    yield EdgeCase(
        116,
        "-∞ at a class of weight 0, smoothing",
        loss([x], [0], [1.0, 0.0, 1.0], label_smoothing=0.5, **total),
        "0 log 0 = 0",
        *product_,
    )
    yield EdgeCase(
        117,
        "-∞ at a class of weight 0, probabilities",
        loss([x], [[0.5, 0.5, 0.0]], [1.0, 0.0, 1.0], **total),
        "0 log 0 = 0",
        *product_,
    )
    yield EdgeCase(
        118,
        "-∞ at the label, smoothing 1",
        loss([x], [1], label_smoothing=1.0),
        "t = 1/C in every class: +∞",
        "a mixture of targets, or of losses, with 1 - ε = 0",
        UNSPECIFIED,
        "NaN, in the loss",
    )
    yield EdgeCase(
        119, "∂ of a probability at -∞", loss([x], [[0.5, 0.25, 0.25]]), "∂q = -log p: +∞ in the masked class"
    )
    yield EdgeCase(
        120,
        "∂ of a probability at -∞ with weight 0, smoothing 1 or an upstream gradient of 0, or that underflow to 0",
        loss([x], [[0.5, 0.25, 0.25]], [1.0, 0.0, 1.0], **total),
        "∂q = -g w (1 - ε) log p = 0 for every p > 0: 0",
        "",
        UNSPECIFIED,
        "NaN, in that element",
    )


def _lost_rows() -> Iterator[EdgeCase]:
    """Of rows without a softmax, 121 to 125."""
    yield EdgeCase(121, "a row of -∞", loss([[-inf, -inf], [0.0, 1.0]], [0, 1], reduction="none"), "no softmax: NaN")
    limit = ("", UNSPECIFIED, "NaN, in the loss and in the derivatives of that row")
    yield EdgeCase(122, "+∞ at the label", loss([[inf, 0.0]], [0]), f"{LIMIT}0", *limit)
    yield EdgeCase(123, "+∞ beside the label", loss([[inf, 0.0]], [1]), f"{LIMIT}+∞", *limit)
    yield EdgeCase(124, "two +∞", loss([[inf, inf]], [1]), "no softmax and no limit: NaN")
    yield EdgeCase(
        125,
        "NaN in a row that counts",
        loss([[nan, 0.0], [0.0, 1.0]], [1, 1], reduction="none"),
        "NaN in that row, and in no other",
    )


def _ignored_rows() -> Iterator[EdgeCase]:
    """Of what is not finite and does not count, 126 to 128."""
    skipped = "an ignored target does not contribute to the input gradient"
    for number, value in ((126, nan), (127, inf), (128, -inf)):
        problem = loss([[value, value], [1.0, 0.0]], [-100, 0])
        name = {126: "NaN", 127: "+∞", 128: "-∞"}[number]
        yield EdgeCase(
            number, f"{name} in an ignored row", problem, "the row counts nothing: the loss, and ∂x = 0 there", skipped
        )


def rounding_edge_cases() -> Iterator[EdgeCase]:
    """Infinite terms whose coefficients rounding may lose (docs/theory/bounds.md, Theorem 20)."""
    x, small, total = [[-inf, 0.0]], 2.0**-100, {"reduction": "sum"}
    yield EdgeCase(
        151,
        "-∞ where a coefficient underflows",
        loss(x, [[small, 1.0]], [small, 1.0], **total),
        "t = 2^-200 > 0: +∞",
        "",
        UNSPECIFIED,
        "NaN, in the loss, and the loss without that class",
    )
    yield EdgeCase(
        152,
        "-∞ where the parts of a coefficient have two signs",
        loss(x, [[-0.25, 1.25]], label_smoothing=0.5, **total),
        "t = -⅛ + ¼ > 0: +∞",
        "",
        UNSPECIFIED,
        "NaN, in the loss; where rounding may decide the sign of t, either infinity, and the loss without that class",
    )
    slope = loss(x, [[0.5, 0.5]], [small, 1.0], **total)
    yield EdgeCase(
        153,
        "∂ of a probability at -∞ whose slope underflows",
        replace(slope, grad_output=np.array(small)),
        "∂q = -g w log p: +∞ in the masked class",
        "",
        UNSPECIFIED,
        "NaN and 0, in that element",
    )


def weightless_edge_cases() -> Iterator[EdgeCase]:
    """Rows without a softmax that meet a factor of 0."""
    x, none = [[-inf, -inf], [0.0, 1.0]], "no softmax: 0·NaN is NaN"
    yield EdgeCase(
        154,
        "a row of -∞ whose label has weight 0",
        loss(x, [0, 1], [0.0, 1.0]),
        none,
        "",
        UNSPECIFIED,
        "the loss without that row, and 0 in its ∂x; also where all of its probabilities, or their weights, are 0",
    )
    yield EdgeCase(
        155,
        "∂ of a row of -∞ whose upstream gradient is 0",
        replace(loss(x, [0, 1], reduction="none"), grad_output=np.array([0.0, 1.0])),
        none,
        "",
        UNSPECIFIED,
        "0 in its ∂x",
    )
    yield EdgeCase(
        156,
        "∂ of a probability in a row of -∞ with weight 0, smoothing 1 or an upstream gradient of 0",
        loss(x, [[0.5, 0.5], [0.5, 0.5]], [0.0, 1.0], reduction="none"),
        none,
        "",
        UNSPECIFIED,
        "0, in that element",
    )
    yield EdgeCase(
        157,
        "∂ of a log_softmax, softmax or logsumexp of a row of -∞ whose upstream gradient is 0",
        replace(of_logits("log_softmax", x), grad_output=np.array([[0.0, 0.0], [1.0, 2.0]])),
        none,
        "",
        UNSPECIFIED,
        "0 in that row of ∂x",
    )
