"""A function that takes a row in each column, as some courses have them, is asked so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from torch import Tensor

import softproof
from softproof import Problem, judge, load
from softproof.problem.problem import Array
from softproof.runs.profile import Probe
from tests.helpers.profiles import NAMED

HOW: Any = {"dtypes": ["float32"], "seed": 3, "arithmetic": "auto", "examples": 40}


def linear(A: Array, W: Array, b: Array) -> Array:  # as the course has it
    """(C, N) of features (D, N)."""
    return W @ A + b


def linear_backward(dZ: Array, A: Array, W: Array, b: Array) -> tuple[Array, ...]:  # noqa: ARG001
    """Of the features, the weight and the bias (C, 1)."""
    return W.T @ dZ, dZ @ A.T, dZ.sum(1, keepdims=True)


def of_rows(dZ: Array, A: Array, W: Array, b: Array) -> tuple[Array, ...]:  # noqa: ARG001
    """The gradient of the bias is that of one column."""
    return W.T @ dZ, dZ @ A.T, dZ[:, :1] * dZ.shape[1]


def compute_cost(Z: Array, Y: Array) -> tuple[Array, Array]:
    """The mean over columns, for target probabilities that sum to 1, and its gradient."""
    assert Z.shape == Y.shape
    z = Z - Z.max(0)
    log_p = z - np.log(np.exp(z).sum(0))
    return -(Y * log_p).sum() / Z.dtype.type(Z.shape[1]), (np.exp(log_p) - Y) / Z.dtype.type(Z.shape[1])


def losses(logits: Array, labels: Array) -> Array:
    """Of labels, a loss of each column."""
    z = logits - logits.max(0)
    return np.asarray(np.log(np.exp(z).sum(0)) - z[labels, np.arange(len(labels))])


def found_of(function: Any, **given: Any) -> dict[str, Any]:
    """What is found out about it."""

    def opener(more: Any) -> softproof.Candidate:
        known = {key: value for key, value in more.items() if key not in ("dtypes", "require", "arithmetic")}
        return load(function, **{**known, "adapter": "numpy"})

    return Probe(opener, function.__name__, {**NAMED, **given}, "cpu").profile().arguments


def test_columns_are_found_out() -> None:
    """For labels, and for probabilities alone."""
    for function, given in ((linear, {}), (losses, {"operation": "cross_entropy"}), (compute_cost, {})):
        assert found_of(function, **given).get("columns") is True, function
    assert "labels" in found_of(compute_cost, operation="cross_entropy")["without"]
    assert "columns" not in found_of(lambda x, w: x @ w.T, operation="linear")


def test_a_layer_of_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its value, and its gradients; a wrong one of the bias disagrees."""
    how: Any = {"operation": "linear", "columns": True, "names": {"bias": "b"}, "without": ["empty"]}
    (row,) = softproof.verify(load("tests.test_columns:linear", **how), **HOW).rows
    assert (row.verdict, row.asked.gradients) == ("agrees", True)

    monkeypatch.setitem(globals(), "linear_backward", of_rows)
    (row,) = softproof.verify(load("tests.test_columns:linear", **how), **HOW).rows
    assert row.verdict == "disagrees"
    assert row.failure is not None
    assert "grad_bias" in row.failure.verdict.explanation


def test_a_loss_of_columns() -> None:
    """It agrees for probabilities that sum to 1, and is told so where they do not."""
    how: Any = {"operation": "cross_entropy", "columns": True, "output": 0, "gradients": {"logits": 1}}
    left = ["labels", "nonfinite", "masked", "empty"]
    (row,) = softproof.verify(compute_cost, **how, without=left, diagnose=True, **HOW).rows
    assert row.verdict == "disagrees"
    assert row.failure is not None
    assert row.failure.diagnosis.next.endswith("leave them out: --without unnormalised")

    (row,) = softproof.verify(compute_cost, **how, without=[*left, "unnormalised"], **HOW).rows
    assert row.verdict == "agrees"


def test_a_gradient_of_the_bias_has_a_column() -> None:
    """One of shape (C,), which comes of a sum that forgets its axis, is wrong; so it is of a classifier."""
    how: Any = {"adapter": "numpy", "columns": True}
    asked: Any = {"input": np.ones((2, 3)), "weight": np.ones((4, 3)), "bias": np.ones(4)}
    problem = Problem("linear", "float64", asked, grad_output=np.ones((2, 4)))
    layer = load("tests.test_columns:linear", operation="linear", names={"bias": "b"}, **how)

    def without_an_axis(dZ: Array, A: Array, W: Array, b: Array) -> tuple[Array, ...]:
        return *linear_backward(dZ, A, W, b)[:2], dZ.sum(1)

    assert judge(layer, problem).ok
    verdict = judge(replace(layer, backwards={"linear": without_an_axis}), problem)
    assert "grad_bias has shape" in verdict.explanation


def test_a_classifier_and_directions_of_columns() -> None:
    """A linear layer with its loss, and derivatives in a direction."""

    def classifier(x: Tensor, w: Tensor, target: Tensor, linear_bias: Tensor) -> Tensor:
        return F.cross_entropy((w @ x + linear_bias).T, target)

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits.T, target)

    how: Any = {"adapter": "torch", "columns": True}
    asked: Any = {"input": np.eye(2, 3), "linear_weight": np.arange(12.0).reshape(4, 3) / 8, "target": [1, 3]}
    problem = Problem("linear_cross_entropy", "float64", {**asked, "linear_bias": np.ones(4)}, grad_output=2.0)
    assert judge(load(classifier, operation="linear_cross_entropy", **how), problem).ok
    logits, tangent = np.array([[0.5, -1.0, 2.0], [0.0, 1.0, 0.25]]), np.array([[1.0, -2.0, 0.5], [0.25, 1.0, 3.0]])
    along: Any = {"logits": logits, "target": [1, 2]}
    problem = Problem("cross_entropy", "float64", along, grad_output=np.float64(1.5), tangent=tangent)
    answer = load(loss, operation="cross_entropy", **how)
    assert {"jvp", "hvp_logits"} <= answer.answer(problem).outputs.keys()
    assert judge(answer, problem).ok


def test_the_arrays_of_columns() -> None:
    """Features, logits and probabilities are turned, labels and weights are not, and a bias has two axes."""
    asked: Any = {"input": np.ones((2, 3)), "weight": np.ones((4, 3)), "bias": np.ones(4)}
    shapes: list[tuple[int, ...]] = []

    def layer(x: Array, w: Array, bias: Array) -> Array:
        shapes.extend(each.shape for each in (x, w, bias))
        return w @ x + bias

    assert judge(load(layer, operation="linear", adapter="numpy", columns=True), Problem("linear", "float64", asked)).ok
    assert shapes[-3:] == [(3, 2), (4, 3), (4, 1)]
    with pytest.raises(
        ValueError, match="columns is True, and softmax has no axis of classes that --fixed dim=0 cannot"
    ):
        load("scipy.special:softmax", columns=True)
