"""The edge cases: special values, empty things, options that meet, each as one question whose number never changes.

A row says what follows from the definition, what torch documents, and what the judge demands: the exact value (a
number, an infinity or NaN), or an error; or it is unspecified, and says what is right besides the exact value, which is
a rule of `unspecified`. docs/theory/semantics.md shows the rows beside what implementations do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy import inf, nan

from ..problem.problem import Array, Problem

VALUE, ERROR, UNSPECIFIED = "the value", "an error", "unspecified"
DOCS = "torch.nn.CrossEntropyLoss"


@dataclass(frozen=True)
class EdgeCase:
    """One numbered row of docs/theory/semantics.md.

    Args:
        number: its number, by which `unspecified` and verdicts cite it.
        question: in words.
        problem: the same for an implementation.
        mathematics: what follows from the definition.
        documented: what torch's documentation says, paraphrased; empty where it is silent.
        demanded: what the judge demands, VALUE, ERROR or UNSPECIFIED, …
        besides: … and, where it is unspecified, what is right besides the exact value.
        labels: the integer type of the labels.
        judged: whether the judge can be asked.
    """

    number: int
    question: str
    problem: Problem
    mathematics: str
    documented: str = ""
    demanded: str = VALUE
    besides: str = ""
    labels: str = "int64"
    judged: bool = True


# ---- the rows -------------------------------------------------------------------------------------------------------


_F32 = "float32"
_LARGE = float(np.float32(3e38))
_NO_QUOTIENT = "0/0 in every element"
_LIMIT = "the limit of a logit that grows beyond all others: "


def _of_logits(operation: str, logits: Any, dtype: str = _F32) -> Problem:
    x = np.asarray(logits, np.float64)
    rows = x.shape[:-1] if operation == "logsumexp" else x.shape
    g = np.arange(1.0, 1.0 + np.prod(rows)).reshape(rows)
    return Problem(operation, dtype, {"logits": x}, {"dim": -1}, g)


def _row_of_logits(
    operation: str, first: int, offset: int, question: str, logits: Any, mathematics: str, *more: Any
) -> EdgeCase:
    return EdgeCase(first + offset, f"{operation} of {question}", _of_logits(operation, logits), mathematics, *more)


def _softmax_edge_cases() -> Iterator[EdgeCase]:
    for number, operation, masked, log in ((1, "softmax", "p = [1, 0]", False), (10, "log_softmax", "[0, -∞]", True)):
        limit = "[0, -∞]" if log else "[1, 0]"

        row = partial(_row_of_logits, operation, number)
        yield row(0, "a row with one logit of -∞", [0.0, -inf], f"e^-∞ = 0: {masked}")
        yield row(1, "a row of -∞", [-inf, -inf], f"{_NO_QUOTIENT}: NaN")
        besides = ("", UNSPECIFIED, "NaN, in the value and in its derivatives")
        yield row(2, "a row with one +∞", [inf, 0.0], f"{_LIMIT}{limit}; ∞/∞ in the formula", *besides)
        besides = ("", UNSPECIFIED, f"the limit {'-∞' if log else '0'} in the elements beside them")
        yield row(3, "a row with two +∞", [inf, inf, 0.0], "∞/∞, and no limit where they are: NaN", *besides)
        yield row(4, "a row with NaN", [nan, 0.0], "NaN in every element of the row, and in no other row")
        yield row(5, "no rows", np.zeros((0, 3)), "nothing")
        yield row(6, "no classes", np.zeros((2, 0)), "nothing, for p of nothing")
        yield row(7, "one class", [[2.0], [-inf], [3.0]], f"p = 1, save where the one logit is -∞ ({_NO_QUOTIENT})")
        yield row(8, "logits whose distance overflows", [_LARGE, -_LARGE], f"{masked} once rounded")
    yield EdgeCase(19, "softmax of no dimensions", _of_logits("softmax", 1.0), "a row of one element: 1")


def _logsumexp_edge_cases() -> Iterator[EdgeCase]:
    def row(number: int, question: str, logits: Any, mathematics: str, *more: Any, dtype: str = _F32) -> EdgeCase:
        return EdgeCase(number, f"logsumexp of {question}", _of_logits("logsumexp", logits, dtype), mathematics, *more)

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
        Problem("logsumexp", _F32, {"logits": x}, several, [[[1.0], [2.0]]]),
        "log Σ e^x over both, of shape (1, 2, 1)",
        "dim is one dimension or several; keepdim keeps them with size 1",
    )
    twice = replace(_of_logits("logsumexp", np.zeros((2, 2))), options={"dim": (1, -1)}, grad_output=None)
    yield EdgeCase(29, "logsumexp over one dimension twice", twice, "no sum over it twice", "", ERROR)


def _distribution_edge_cases() -> Iterator[EdgeCase]:
    def row(
        number: int, question: str, operation: str, p: Any, q: Any, mathematics: str, *more: Any, g: float | None = None
    ) -> EdgeCase:
        inputs = {"p": np.asarray(p, np.float64)} | ({} if q is None else {"q": np.asarray(q, np.float64)})
        return EdgeCase(number, question, Problem(operation, _F32, inputs, {"dim": -1}, g), mathematics, *more)

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
        "anything, an error among it; not asked",
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


_LOGITS = np.array([[0.0, 1.0, 3.0], [2.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
_WEIGHT = np.array([1.0, 2.0, 4.0])
_LABELS = np.array([2, 0, 1])
_SHARES = np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0], [0.5, 0.25, 0.25]])
_MEAN = {True: "Σ w_y over the rows that count", False: "the number of rows that count"}


def _loss(logits: Any, target: Any, weight: Any = None, dtype: str = _F32, **options: Any) -> Problem:
    x, y = np.asarray(logits, np.float64), np.asarray(target)
    inputs: dict[str, Array] = {"logits": x, "target": y}
    if weight is not None:
        inputs["weight"] = np.asarray(weight, np.float64)
    rows = y.shape if y.dtype.kind == "i" else tuple(np.delete(x.shape, min(x.ndim - 1, 1)))
    g = np.arange(1.0, 1.0 + np.prod(rows)).reshape(rows) if options.get("reduction") == "none" else 1.0
    return Problem("cross_entropy", dtype, inputs, options, g)


def _option_edge_cases() -> Iterator[EdgeCase]:
    """All combinations of kind of target, reduction, weight, ignored rows and smoothing, 50 to 85."""
    number = 50
    for labels, reduction, weighted, ignored, smoothed in product(
        (True, False), ("none", "sum", "mean"), (False, True), (False, True), (False, True)
    ):
        if ignored and not labels:
            continue
        target = np.where(np.arange(3) == 1, -100, _LABELS) if ignored else _LABELS
        options: dict[str, Any] = {"reduction": reduction} | ({"label_smoothing": 0.1} if smoothed else {})
        problem = _loss(_LOGITS, target if labels else _SHARES, _WEIGHT if weighted else None, **options)
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


def _normaliser_edge_cases() -> Iterator[EdgeCase]:
    none, some = [-100, -100], [[0.0, 1.0], [2.0, 3.0]]
    skipped = "an ignored target does not contribute to the input gradient"
    mean = "Σ l / Σ w_y, which is 0/0"
    yield EdgeCase(90, "every row ignored, none", _loss(some, none, reduction="none"), "0 and 0", skipped)
    yield EdgeCase(
        91, "every row ignored, sum", _loss(some, none, reduction="sum"), "an empty sum: 0; ∂x is 0", skipped
    )
    yield EdgeCase(
        92, "every row ignored, mean", _loss(some, none), "0/0: NaN; no row contributes: ∂x is 0", f"{mean}; {skipped}"
    )
    yield EdgeCase(
        93,
        "every row ignored, mean, weight, smoothing",
        _loss(some, none, [1.0, 2.0], label_smoothing=0.1),
        "as 92",
        f"{mean}; {skipped}",
    )
    where = "in the loss and in the derivatives of rows that count"
    unspecified = (mean, UNSPECIFIED, f"what is not finite, {where}")
    yield EdgeCase(94, "total weight 0, mean", _loss(some, [0, 0], [0.0, 2.0]), "0/0: NaN", *unspecified)
    yield EdgeCase(
        95,
        "total weight 0, mean, smoothing",
        _loss(some, [0, 0], [0.0, 2.0], label_smoothing=0.5),
        "x/0 with x > 0: none",
        *unspecified,
    )
    yield EdgeCase(
        96,
        "weights that cancel, mean",
        _loss(some, [0, 1], [-1.0, 1.0]),
        "x/0, or what is left of rounding: none",
        mean,
        UNSPECIFIED,
        "what is not finite; and where their sum rounds, a quotient by what that may leave, if its numerator is not 0; "
        f"{where}",
    )
    yield EdgeCase(97, "weight 0 of a label, sum", _loss(some, [0, 1], [0.0, 2.0], reduction="sum"), "its row counts 0")
    yield EdgeCase(
        98, "negative weight", _loss(some, [0, 1], [-1.0, 2.0]), "the formula, with the sign", "not excluded"
    )
    yield EdgeCase(99, "no rows, none", _loss(np.zeros((0, 2)), np.zeros(0, int), reduction="none"), "nothing")
    yield EdgeCase(100, "no rows, sum", _loss(np.zeros((0, 2)), np.zeros(0, int), reduction="sum"), "an empty sum: 0")
    yield EdgeCase(101, "no rows, mean", _loss(np.zeros((0, 2)), np.zeros(0, int)), "0/0: NaN", mean)
    yield EdgeCase(
        102,
        "no rows, mean, probabilities",
        _loss(np.zeros((0, 2)), np.zeros((0, 2))),
        "0/0: NaN",
        "Σ l / N, which is 0/0",
    )
    yield EdgeCase(103, "one class", _loss([[0.0], [2.0]], [0, 0]), "log 1 = 0; ∂x is 0")
    yield EdgeCase(
        104,
        "no classes",
        _loss(np.zeros((2, 0)), [-100, -100], reduction="sum"),
        "rows without a softmax",
        "",
        UNSPECIFIED,
        "an error; not asked",
        judged=False,
    )
    along = replace(_loss(some, none), grad_output=None, tangent=np.ones((2, 2)))
    besides = ("", UNSPECIFIED, "0, in the derivative")
    yield EdgeCase(105, "every row ignored, mean, in a direction", along, "the derivative of 0/0: NaN", *besides)


def _infinite_edge_cases() -> Iterator[EdgeCase]:
    x, total = [0.0, -inf, 1.0], {"reduction": "sum"}
    besides = "NaN, in the loss; also where a product in the coefficient may underflow to 0"
    product_ = ("the formula has the product 0·(-∞)", UNSPECIFIED, besides)
    yield EdgeCase(110, "-∞ beside the label", _loss([x], [0]), "-log p_y, as if the class were not there")
    yield EdgeCase(111, "-∞ at the label", _loss([x], [1]), "-log 0 = +∞; ∂x has the limit p - y")
    yield EdgeCase(
        112,
        "-∞ beside the label, smoothing",
        _loss([x], [0], label_smoothing=0.5),
        "-(ε/C) log 0 = +∞; ∂x has the limit p - t",
    )
    yield EdgeCase(
        113, "-∞ where a probability is 0", _loss([x], [[0.5, 0.0, 0.5]]), "0 log 0 = 0, its limit", *product_
    )
    yield EdgeCase(114, "-∞ where a probability is not 0", _loss([x], [[0.5, 0.5, 0.0]]), "-½ log 0 = +∞")
    yield EdgeCase(
        115, "-∞ at a label of weight 0", _loss([x], [1], [1.0, 0.0, 1.0], **total), "0 log 0 = 0", *product_
    )
    yield EdgeCase(
        116,
        "-∞ at a class of weight 0, smoothing",
        _loss([x], [0], [1.0, 0.0, 1.0], label_smoothing=0.5, **total),
        "0 log 0 = 0",
        *product_,
    )
    yield EdgeCase(
        117,
        "-∞ at a class of weight 0, probabilities",
        _loss([x], [[0.5, 0.5, 0.0]], [1.0, 0.0, 1.0], **total),
        "0 log 0 = 0",
        *product_,
    )
    yield EdgeCase(
        118,
        "-∞ at the label, smoothing 1",
        _loss([x], [1], label_smoothing=1.0),
        "t = 1/C in every class: +∞",
        "a mixture of targets, or of losses, with 1 - ε = 0",
        UNSPECIFIED,
        "NaN, in the loss",
    )
    yield EdgeCase(
        119, "∂ of a probability at -∞", _loss([x], [[0.5, 0.25, 0.25]]), "∂q = -log p: +∞ in the masked class"
    )
    yield EdgeCase(
        120,
        "∂ of a probability at -∞ with weight 0, smoothing 1 or an upstream gradient of 0, or that underflow to 0",
        _loss([x], [[0.5, 0.25, 0.25]], [1.0, 0.0, 1.0], **total),
        "∂q = -g w (1 - ε) log p = 0 for every p > 0: 0",
        "",
        UNSPECIFIED,
        "NaN, in that element",
    )
    yield EdgeCase(121, "a row of -∞", _loss([[-inf, -inf], [0.0, 1.0]], [0, 1], reduction="none"), "no softmax: NaN")
    limit = ("", UNSPECIFIED, "NaN, in the loss and in the derivatives of that row")
    yield EdgeCase(122, "+∞ at the label", _loss([[inf, 0.0]], [0]), f"{_LIMIT}0", *limit)
    yield EdgeCase(123, "+∞ beside the label", _loss([[inf, 0.0]], [1]), f"{_LIMIT}+∞", *limit)
    yield EdgeCase(124, "two +∞", _loss([[inf, inf]], [1]), "no softmax and no limit: NaN")
    yield EdgeCase(
        125,
        "NaN in a row that counts",
        _loss([[nan, 0.0], [0.0, 1.0]], [1, 1], reduction="none"),
        "NaN in that row, and in no other",
    )
    skipped = "an ignored target does not contribute to the input gradient"
    for number, value in ((126, nan), (127, inf), (128, -inf)):
        problem = _loss([[value, value], [1.0, 0.0]], [-100, 0])
        name = {126: "NaN", 127: "+∞", 128: "-∞"}[number]
        yield EdgeCase(
            number, f"{name} in an ignored row", problem, "the row counts nothing: the loss, and ∂x = 0 there", skipped
        )
    yield EdgeCase(
        129,
        "two +∞ beside the label",
        _loss([[inf, inf, 0.0]], [2], reduction="none"),
        "no softmax: NaN, though the limit of this loss is +∞",
        "",
        UNSPECIFIED,
        "+∞, of the loss, and of what it is reduced to with losses that are not NaN; in the gradient, at logits below "
        "+∞, -g w/D at the label and 0 elsewhere",
    )


def _target_edge_cases() -> Iterator[EdgeCase]:
    rest = {"reduction": "none"}
    free = "not validated; values may be misleading"
    square = [[0.0, 1.0], [2.0, 0.0]]
    yield EdgeCase(
        130, "probabilities that sum to 2", _loss([[0.0, 1.0]], [[0.5, 1.5]], **rest), "∂x = g (Σ_j t_j p - t)", free
    )
    yield EdgeCase(131, "negative probabilities", _loss([[0.0, 1.0]], [[-1.0, 2.0]], **rest), "the formula", free)
    yield EdgeCase(
        132,
        "NaN among probabilities",
        _loss(square, [[nan, 0.5], [0.5, 0.5]], **rest),
        "NaN in the loss of that row and in its ∂x; ∂q does not depend on q",
        free,
    )
    yield EdgeCase(
        133,
        "weight and probabilities, mean",
        _loss(square, [[1.0, 0.0], [0.5, 0.5]], [1.0, 4.0]),
        "Σ l / N: one-hot rows are not divided as labels are",
        "Σ l / N",
    )
    yield EdgeCase(
        134,
        "ignore_index and probabilities",
        _loss(square, [[1.0, 0.0], [0.5, 0.5]], ignore_index=0),
        "none",
        "applies to indices alone",
        UNSPECIFIED,
        "an error, or as without; not asked",
        judged=False,
    )
    outside, classes = "indices in [0, C), or ignore_index", "no such class"
    for number, label in ((135, 2), (136, -1), (137, 2**40)):
        problem = _loss(square, [label, 0], reduction="mean")
        yield EdgeCase(number, f"the label {label} of 2 classes", problem, classes, outside, ERROR)
    yield EdgeCase(
        138,
        "ignore_index = 255 of 2 classes",
        _loss(square, [255, 0], ignore_index=255),
        "that row counts nothing",
        "it may lie outside the class range",
    )
    yield EdgeCase(
        139, "ignore_index = 0, a class", _loss(square, [0, 1], ignore_index=0), "that row counts nothing", ""
    )
    yield EdgeCase(140, "ignore_index = -1", _loss(square, [-1, 1], ignore_index=-1), "that row counts nothing", "")
    for number, labels in ((141, "uint8"), (142, "int32"), (143, "bool")):
        yield EdgeCase(
            number,
            f"labels of {labels}",
            _loss(square, [1, 0], **rest),
            "the same labels",
            "required to be long",
            UNSPECIFIED,
            "the value or an error; not asked",
            labels=labels,
            judged=False,
        )
    mixture = "a float in [0.0, 1.0]"
    yield EdgeCase(
        144, "smoothing 1", _loss(square, [1, 0], label_smoothing=1.0, **rest), "t = 1/C in every class", mixture
    )
    yield EdgeCase(145, "smoothing -0.1", _loss(square, [1, 0], label_smoothing=-0.1), "no mixture", mixture, ERROR)
    yield EdgeCase(146, "smoothing 1.5", _loss(square, [1, 0], label_smoothing=1.5), "no mixture", mixture, ERROR)
    yield EdgeCase(
        147,
        "a batch of dimensions",
        _loss(np.arange(12.0).reshape(2, 3, 2), [[0, 1], [2, -100]]),
        "as the rows of it one below another",
        "(N, C, d1, …)",
    )
    yield EdgeCase(148, "no batch", _loss([0.0, 1.0, 2.0], np.int64(2)), "as a batch of one", "(C)")
    half = _loss([[65504.0, -65504.0]], [1], dtype="float16", **rest)
    yield EdgeCase(149, "a loss beyond float16", half, "131008, which overflows to +∞ in float16; ∂x is p - y")
    total = _loss([[40000.0, 0.0], [40000.0, 0.0]], [1, 1], dtype="float16")
    yield EdgeCase(150, "a total beyond float16, whose mean is not", total, "40000: finite")


def _rounding_edge_cases() -> Iterator[EdgeCase]:
    """Infinite terms whose coefficients rounding may lose (docs/theory/bounds.md, Theorem 20)."""
    x, small, total = [[-inf, 0.0]], 2.0**-100, {"reduction": "sum"}
    yield EdgeCase(
        151,
        "-∞ where a coefficient underflows",
        _loss(x, [[small, 1.0]], [small, 1.0], **total),
        "t = 2^-200 > 0: +∞",
        "",
        UNSPECIFIED,
        "NaN, in the loss, and the loss without that class",
    )
    yield EdgeCase(
        152,
        "-∞ where the parts of a coefficient have two signs",
        _loss(x, [[-0.25, 1.25]], label_smoothing=0.5, **total),
        "t = -⅛ + ¼ > 0: +∞",
        "",
        UNSPECIFIED,
        "NaN, in the loss; where rounding may decide the sign of t, either infinity, and the loss without that class",
    )
    slope = _loss(x, [[0.5, 0.5]], [small, 1.0], **total)
    yield EdgeCase(
        153,
        "∂ of a probability at -∞ whose slope underflows",
        replace(slope, grad_output=np.array(small)),
        "∂q = -g w log p: +∞ in the masked class",
        "",
        UNSPECIFIED,
        "NaN and 0, in that element",
    )


def _single_edge_cases() -> Iterator[EdgeCase]:
    ignored = _loss([0.0, 1.0], -100)
    yield EdgeCase(158, "an ignored label, mean", ignored, "0/0: NaN; no row contributes: ∂x is 0", "as 92")


def _weightless_edge_cases() -> Iterator[EdgeCase]:
    """Rows without a softmax that meet a factor of 0."""
    x, none = [[-inf, -inf], [0.0, 1.0]], "no softmax: 0·NaN is NaN"
    yield EdgeCase(
        154,
        "a row of -∞ whose label has weight 0",
        _loss(x, [0, 1], [0.0, 1.0]),
        none,
        "",
        UNSPECIFIED,
        "the loss without that row, and 0 in its ∂x; also where all of its probabilities, or their weights, are 0",
    )
    yield EdgeCase(
        155,
        "∂ of a row of -∞ whose upstream gradient is 0",
        replace(_loss(x, [0, 1], reduction="none"), grad_output=np.array([0.0, 1.0])),
        none,
        "",
        UNSPECIFIED,
        "0 in its ∂x",
    )
    yield EdgeCase(
        156,
        "∂ of a probability in a row of -∞ with weight 0, smoothing 1 or an upstream gradient of 0",
        _loss(x, [[0.5, 0.5], [0.5, 0.5]], [0.0, 1.0], reduction="none"),
        none,
        "",
        UNSPECIFIED,
        "0, in that element",
    )
    yield EdgeCase(
        157,
        "∂ of a log_softmax, softmax or logsumexp of a row of -∞ whose upstream gradient is 0",
        replace(_of_logits("log_softmax", x), grad_output=np.array([[0.0, 0.0], [1.0, 2.0]])),
        none,
        "",
        UNSPECIFIED,
        "0 in that row of ∂x",
    )


def _linear_edge_cases() -> Iterator[EdgeCase]:
    def layer(number: int, question: str, rows: int, features: int, mathematics: str) -> EdgeCase:
        inputs = {"input": np.ones((rows, features)), "weight": np.ones((2, features)), "bias": np.array([1.0, 2.0])}
        return EdgeCase(number, question, Problem("linear", _F32, inputs, {}, np.ones((rows, 2))), mathematics)

    yield layer(160, "linear of no rows", 0, 3, "nothing; ∂W and ∂b are empty sums: 0")
    yield layer(161, "linear of no features", 2, 0, "empty sums: the bias")
    for number, reduction, mathematics in (
        (162, "sum", "0, and ∂W = 0"),
        (163, "mean", "NaN, and ∂W is an empty sum: 0"),
    ):
        inputs = {"input": np.ones((0, 3)), "linear_weight": np.ones((2, 3)), "target": np.zeros(0, np.int64)}
        problem = Problem("linear_cross_entropy", _F32, inputs, {"reduction": reduction}, 1.0)
        yield EdgeCase(
            number, f"linear_cross_entropy of no rows, {reduction}", problem, mathematics, "as linear, cross_entropy"
        )
    inputs = {"input": np.ones((2, 3)), "linear_weight": np.ones((2, 3)), "target": np.array([-100, -100])}
    yield EdgeCase(
        164,
        "linear_cross_entropy, every row ignored, mean",
        Problem("linear_cross_entropy", _F32, inputs, {}, 1.0),
        "as 92",
        "as linear, cross_entropy",
    )
    w = np.arange(12.0).reshape(2, 2, 3) % 5
    inputs = {"input": np.eye(2, 3), "linear_weight": w, "target": np.array([[0, 1], [1, -100]])}
    yield EdgeCase(
        165,
        "linear_cross_entropy, K-dimensional",
        Problem("linear_cross_entropy", _F32, inputs, {}, 1.0),
        "logits Σ_j W_cdj x_nj (N, C, d1), and their loss over all N d1 rows that count",
        "a weight (C, d1, …, dK, D) with input (N, D) and target (N, d1, …, dK)",
    )
    inputs = {"input": np.ones(3), "linear_weight": w, "target": np.array([0, 1])}
    yield EdgeCase(
        166,
        "linear_cross_entropy, K-dimensional without a batch",
        Problem("linear_cross_entropy", _F32, inputs),
        "logits (C, d1), which are a batch of C rows in the loss",
        "a weight of more dimensions requires batched input (N, D)",
        ERROR,
    )


SECTIONS = {
    "Softmax and log-softmax": tuple(_softmax_edge_cases()),
    "Logsumexp": tuple(_logsumexp_edge_cases()),
    "Entropy, cross-entropy and divergence of distributions": tuple(_distribution_edge_cases()),
    "Cross-entropy: all combinations of options": tuple(_option_edge_cases()),
    "Cross-entropy: what the mean divides by": tuple(_normaliser_edge_cases()),
    "Cross-entropy: logits that are not finite": tuple(_infinite_edge_cases()),
    "Cross-entropy: targets": tuple(_target_edge_cases()),
    "Cross-entropy: infinite terms whose coefficients round": tuple(_rounding_edge_cases()),
    "Rows without a softmax that weigh nothing": tuple(_weightless_edge_cases()),
    "Cross-entropy: without a batch": tuple(_single_edge_cases()),
    "Linear classifier": tuple(_linear_edge_cases()),
}
EDGE_CASES = tuple(edge_case for section in SECTIONS.values() for edge_case in section)
