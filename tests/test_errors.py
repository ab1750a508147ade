"""Bad input gets an error that names the argument, what it is and what was expected; the same from both halves."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import manual
import reference

from .helpers.recorder import PublicRecorder, public

X = np.arange(6.0).reshape(2, 3)  # logits (N, C)
Y = np.array([0, 2])  # labels (N,)
Q = np.full((2, 3), 0.25)  # probabilities (N, C)
W = np.ones((3, 4))  # linear weight (C, D)
V = np.ones((2, 4))  # linear input (N, D)

Call = Callable[[ModuleType], Any]

WRONG: dict[str, tuple[Call, type[Exception], str]] = {
    "softmax of integers": (lambda f: f.softmax([1, 2]), TypeError, "logits has dtype (torch.)?int64; expected one of"),
    "dim of a number": (lambda f: f.softmax(1.0, 1), IndexError, "dim is 1; logits of shape () has dims -1 to 0"),
    "entropy of a number": (lambda f: f.entropy(1.0), IndexError, "dim is -1; p of shape () has dims"),
    "a dim twice": (
        lambda f: f.logsumexp(X, (0, -2)),
        ValueError,
        "dim is (0, -2); expected at least one, and each once",
    ),
    "no dim": (lambda f: f.logsumexp_backward(Y, X, ()), ValueError, "dim is (); expected at least one"),
    "several dims of softmax": (lambda f: f.softmax(X, (0, 1)), TypeError, "dim is (0, 1); expected an integer"),
    "one dim not an integer": (lambda f: f.logsumexp(X, (0, 0.5)), TypeError, "dim is 0.5; expected an integer"),
    "one dim too large": (lambda f: f.logsumexp(X, (0, 2)), IndexError, "dim is 2; logits of shape (2, 3) has dims"),
    "keepdim": (lambda f: f.logsumexp(X, -1, 1), TypeError, "keepdim is 1; expected True or False"),
    "upstream without the kept dim": (
        lambda f: f.logsumexp_backward(np.ones(2), X, -1, True),
        ValueError,
        "grad_output has shape (2,); expected (2, 1)",
    ),
    "dim too large": (lambda f: f.softmax(X, 2), IndexError, "dim is 2; logits of shape (2, 3) has dims -2 to 1"),
    "dim too small": (lambda f: f.log_softmax(X, -3), IndexError, "dim is -3; logits of shape (2, 3) has dims -2 to 1"),
    "dim not an integer": (lambda f: f.softmax(X, 0.5), TypeError, "dim is 0.5; expected an integer"),
    "no classes": (lambda f: f.cross_entropy(X[:, :0], Y), ValueError, "logits of shape (2, 0) has no elements along"),
    "upstream shape": (
        lambda f: f.softmax_backward(X[0], X),
        ValueError,
        "grad_output has shape (3,); expected (2, 3)",
    ),
    "upstream dtype": (
        lambda f: f.log_softmax_backward(X.astype(np.float32), X),
        TypeError,
        "grad_output has dtype (torch.)?float32; expected (torch.)?float64",
    ),
    "upstream of logsumexp": (
        lambda f: f.logsumexp_backward(X, X),
        ValueError,
        "grad_output has shape (2, 3); expected (2,)",
    ),
    "tangent shape": (
        lambda f: f.softmax_jvp(X[0], X),
        ValueError,
        "tangent has shape (3,); expected (2, 3), that of the logits",
    ),
    "tangent dtype": (
        lambda f: f.log_softmax_hvp(X.astype(np.float32), X, X),
        TypeError,
        "tangent has dtype (torch.)?float32; expected (torch.)?float64, that of logits",
    ),
    "tangent of a loss": (
        lambda f: f.cross_entropy_jvp(X[0], X, Y),
        ValueError,
        "tangent has shape (3,); expected (2, 3), that of the logits",
    ),
    "upstream of a second derivative": (
        lambda f: f.logsumexp_hvp(X, X, X),
        ValueError,
        "grad_output has shape (2, 3); expected (2,)",
    ),
    "upstream of the second derivative of a mean": (
        lambda f: f.cross_entropy_hvp(X, np.ones(2), X, Y),
        ValueError,
        "grad_output has shape (2,); expected ()",
    ),
    "dim too large, in a direction": (
        lambda f: f.logsumexp_jvp(X, X, 2),
        IndexError,
        "dim is 2; logits of shape (2, 3) has dims -2 to 1",
    ),
    "label too large, in a direction": (
        lambda f: f.cross_entropy_hvp(X, 1.0, X, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2, or -100",
    ),
    "negative probability": (lambda f: f.entropy([1.5, -0.5]), ValueError, "p holds -0.5; expected probabilities"),
    "nan probability": (lambda f: f.entropy([np.nan, 1.0]), ValueError, "p holds nan; expected probabilities"),
    "p and q of two shapes": (
        lambda f: f.kl_divergence(Q, Q[0]),
        ValueError,
        "q has shape (3,); expected (2, 3), that of p",
    ),
    "p and q of two dtypes": (
        lambda f: f.distribution_cross_entropy(Q, Q.astype(np.float32)),
        TypeError,
        "q has dtype (torch.)?float32; expected (torch.)?float64, that of p",
    ),
    "upstream of entropy": (
        lambda f: f.entropy_backward(Q, Q),
        ValueError,
        "grad_output has shape (2, 3); expected (2,)",
    ),
    "upstream of cross-entropy of distributions": (
        lambda f: f.distribution_cross_entropy_backward(np.ones(2), Q, Q, 0),
        ValueError,
        "grad_output has shape (2,); expected (3,)",
    ),
    "upstream of a divergence": (
        lambda f: f.kl_divergence_backward(np.ones(2, np.float32), Q, Q),
        TypeError,
        "grad_output has dtype (torch.)?float32; expected (torch.)?float64",
    ),
    "negative probability, going back": (
        lambda f: f.entropy_backward(1.0, [1.5, -0.5]),
        ValueError,
        "p holds -0.5; expected probabilities",
    ),
    "p and q of two shapes, going back": (
        lambda f: f.distribution_cross_entropy_backward(np.ones(2), Q, Q[0]),
        ValueError,
        "q has shape (3,); expected (2, 3), that of p",
    ),
    "p and q of two dtypes, going back": (
        lambda f: f.kl_divergence_backward(np.ones(2), Q, Q.astype(np.float32)),
        TypeError,
        "q has dtype (torch.)?float32; expected (torch.)?float64, that of p",
    ),
    "features do not fit": (
        lambda f: f.linear(X, W),
        ValueError,
        "input has shape (2, 3) and weight (3, 4); their last dimensions should be equal",
    ),
    "weight is not a matrix": (lambda f: f.linear(X, X[0]), ValueError, "weight (3,); expected (…, D) and (C, D)"),
    "bias does not fit": (lambda f: f.linear(V, W, np.ones(4)), ValueError, "bias has shape (4,); expected (3,)"),
    "upstream of linear": (
        lambda f: f.linear_backward(X[:, :2], V, W),
        ValueError,
        "grad_output has shape (2, 2); expected (2, 3)",
    ),
    "logits of no dimension": (
        lambda f: f.cross_entropy(np.float64(1.0), np.array(0)),
        ValueError,
        "logits has shape (); expected (C,), (N, C) or (N, C, d1, …)",
    ),
    "too few labels": (
        lambda f: f.cross_entropy(X, Y[:1]),
        ValueError,
        "target has shape (1,); expected (2,), for labels of logits (2, 3)",
    ),
    "probabilities of another shape": (
        lambda f: f.cross_entropy(X, Q[:1]),
        ValueError,
        "target has shape (1, 3); expected (2, 3), that of the logits, for probabilities",
    ),
    "probabilities of another dtype": (
        lambda f: f.cross_entropy(X, Q.astype(np.float32)),
        TypeError,
        "target has dtype (torch.)?float32; expected (torch.)?float64",
    ),
    "integer one-hot": (
        lambda f: f.cross_entropy(X, np.eye(3, dtype=np.int64)[Y]),
        ValueError,
        "target has shape (2, 3); expected (2,), for labels",
    ),
    "labels in int32": (
        lambda f: f.cross_entropy(X, Y.astype(np.int32)),
        TypeError,
        "target has dtype (torch.)?int32; expected (torch.)?int64 or (torch.)?uint8 labels",
    ),
    "label too large": (
        lambda f: f.cross_entropy(X, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2, or -100",
    ),
    "label negative": (
        lambda f: f.cross_entropy_backward(1.0, X, np.array([-1, 0])),
        IndexError,
        "target holds -1; expected labels from 0 to 2, or -100",
    ),
    "class weights do not fit": (
        lambda f: f.cross_entropy(X, Y, weight=np.ones(2)),
        ValueError,
        "weight has shape (2,); expected (3,), one for each class",
    ),
    "class weights of another dtype": (
        lambda f: f.cross_entropy(X, Y, weight=np.ones(3, np.float32)),
        TypeError,
        "weight has dtype (torch.)?float32; expected (torch.)?float64, that of logits",
    ),
    "unknown reduction": (
        lambda f: f.cross_entropy(X, Y, reduction="avg"),
        ValueError,
        "reduction is 'avg'; expected one of mean, sum, none",
    ),
    "smoothing above 1": (
        lambda f: f.cross_entropy(X, Y, label_smoothing=1.5),
        ValueError,
        "label_smoothing is 1.5; expected a number from 0 to 1",
    ),
    "smoothing below 0, probabilities": (
        lambda f: f.cross_entropy(X, Q, label_smoothing=-0.5),
        ValueError,
        "label_smoothing is -0.5; expected a number from 0 to 1",
    ),
    "smoothing is nan": (
        lambda f: f.cross_entropy(X, Y, label_smoothing=float("nan")),
        ValueError,
        "label_smoothing is nan; expected a number from 0 to 1",
    ),
    "ignore_index with probabilities": (
        lambda f: f.cross_entropy(X, Q, ignore_index=1),
        ValueError,
        "ignore_index is 1; it applies to labels, and target holds probabilities",
    ),
    "upstream of a mean": (
        lambda f: f.cross_entropy_backward(np.ones(2), X, Y),
        ValueError,
        "grad_output has shape (2,); expected ()",
    ),
    "upstream of no reduction": (
        lambda f: f.cross_entropy_backward(1.0, X, Y, reduction="none"),
        ValueError,
        "grad_output has shape (); expected (2,)",
    ),
    "classifier of a cube": (
        lambda f: f.linear_cross_entropy(np.ones((2, 2, 4)), W, Y),
        ValueError,
        "input has shape (2, 2, 4) and linear_weight",
    ),
    "classifier of many positions without a batch": (
        lambda f: f.linear_cross_entropy(V[0], np.ones((3, 2, 4)), Y),
        ValueError,
        "linear_weight (3, 2, 4); expected (D,) or (N, D), and (C, D) or, for (N, D) alone, (C, d1, …, D)",
    ),
    "bias of many positions": (
        lambda f: f.linear_cross_entropy(V, np.ones((3, 2, 4)), np.zeros((2, 2), int), linear_bias=np.ones(3)),
        ValueError,
        "linear_bias has shape (3,); expected (3, 2)",
    ),
    "classifier of two dtypes": (
        lambda f: f.linear_cross_entropy(V, W.astype(np.float32), Y),
        TypeError,
        "linear_weight has dtype (torch.)?float32; expected (torch.)?float64, that of input",
    ),
    "classifier with a label too large": (
        lambda f: f.linear_cross_entropy_backward(1.0, V, W, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2",
    ),
    "a batch where one sample is meant": (
        lambda f: f.weight_gradient_fused(V, W, Q[0]),
        ValueError,
        "input has shape (2, 4); expected (D,), one sample",
    ),
    "target of another length": (
        lambda f: f.weight_gradient_over_all_paths(V[0], W, np.ones(2)),
        ValueError,
        "target has shape (2,); expected (3,), one for each row of the weight",
    ),
    "path too far": (
        lambda f: f.weight_gradient_through_one_path(V[0], W, Q[0], 3),
        IndexError,
        "path is 3; expected a class from 0 to 2",
    ),
    "p and y of two lengths": (
        lambda f: f.probabilities_gradient(Q[0], Q[0, :2]),
        ValueError,
        "target has shape (2,); expected (3,), that of p",
    ),
    "jacobian of integers": (
        lambda f: f.softmax_jacobian([1, 2]),
        TypeError,
        "logits has dtype (torch.)?int64; expected one of",
    ),
    "direction of log-softmax": (
        lambda f: f.log_softmax_jvp(X[0], X),
        ValueError,
        "tangent has shape (3,); expected (2, 3), that of the logits",
    ),
    "upstream of the second derivative of softmax": (
        lambda f: f.softmax_hvp(X, X[0], X),
        ValueError,
        "grad_output has shape (3,); expected (2, 3)",
    ),
    "accurate loss of probabilities": (
        lambda f: f.accurate_cross_entropy(X, Q),
        TypeError,
        "target has dtype (torch.)?float64; expected",
    ),
    "accurate loss, going back, label too large": (
        lambda f: f.accurate_cross_entropy_backward(1.0, X, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2",
    ),
    "accurate, probabilities": (
        lambda f: f.accurate_cross_entropy(X, np.full((2, 3), 0.25)),
        TypeError,
        "target has dtype (torch.)?float64; expected (torch.)?int64 or (torch.)?uint8 labels",
    ),
    "accurate, labels in int32": (
        lambda f: f.accurate_cross_entropy_backward(1.0, X, Y.astype(np.int32)),
        TypeError,
        "target has dtype (torch.)?int32; expected (torch.)?int64 or (torch.)?uint8 labels",
    ),
    "accurate, label too large": (
        lambda f: f.accurate_cross_entropy(X, np.array([0, 3])),
        IndexError,
        "target holds 3; expected labels from 0 to 2, or -100",
    ),
    "accurate, too few labels": (
        lambda f: f.accurate_cross_entropy(X, Y[:1]),
        ValueError,
        "target has shape (1,); expected (2,), for labels of logits (2, 3)",
    ),
    "accurate, logits of integers": (
        lambda f: f.accurate_cross_entropy(X.astype(np.int64), Y),
        TypeError,
        "logits has dtype (torch.)?int64; expected one of",
    ),
    "accurate, class weights do not fit": (
        lambda f: f.accurate_cross_entropy(X, Y, weight=np.ones(2)),
        ValueError,
        "weight has shape (2,); expected (3,), one for each class",
    ),
    "accurate, unknown reduction": (
        lambda f: f.accurate_cross_entropy(X, Y, reduction="avg"),
        ValueError,
        "reduction is 'avg'; expected one of mean, sum, none",
    ),
    "accurate, upstream of no reduction": (
        lambda f: f.accurate_cross_entropy_backward(1.0, X, Y, reduction="none"),
        ValueError,
        "grad_output has shape (); expected (2,)",
    ),
}


def _pattern(words: str) -> str:
    """The words literally, save the optional prefix that torch gives its dtypes."""
    return re.escape(words).replace(re.escape("(torch.)?"), r"(torch\.)?")


@pytest.mark.parametrize("half", [manual, reference], ids=["manual", "reference"], scope="module")
@pytest.mark.parametrize("wrong", WRONG)
def test_the_error_names_both_sides(half: ModuleType, wrong: str) -> None:
    """Type and text, and the inputs are as they were."""
    call, kind, words = WRONG[wrong]
    before = [array.copy() for array in (X, Y, Q, W, V)]

    with pytest.raises(kind, match=_pattern(words)):
        call(half)

    for array, copy in zip((X, Y, Q, W, V), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("half", [manual, reference], ids=["manual", "reference"])
def test_every_public_function_is_in_the_table(half: ModuleType) -> None:
    """Of both halves, with at least one wrong argument."""
    recorder: Any = PublicRecorder(half)
    for call, kind, _ in WRONG.values():
        with pytest.raises(kind):
            call(recorder)

    assert public(half) == recorder.used


def test_a_device_that_is_not_there_is_an_error() -> None:
    """The reference moves inputs to `device`, if torch can."""
    with pytest.raises(ValueError, match="device is 'nowhere'; torch cannot use it"):
        reference.softmax(X, device="nowhere")
