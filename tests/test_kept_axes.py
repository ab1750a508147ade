"""Labels (N, 1), and values (N, 1), in place of (N,)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import softproof
from softproof import Problem, judge, load
from softproof.candidates.axes import given_so, taken_so
from softproof.problem.interface import Interface
from softproof.problem.problem import Array, Output
from softproof.runs.profile import Probe
from tests.helpers.profiles import NAMED

HOW: Any = {"dtypes": ["float32"], "seed": 3, "examples": 40}
BOTH: Any = {"keepdim": ["target", "value"], "fixed": {"reduction": "none", "dim": -1}, "adapter": "torch"}


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Of labels (..., 1), each with its axis."""
    return -torch.log_softmax(logits, -1).gather(-1, labels)


def of_the_last_class(logits: Tensor, labels: Tensor) -> Tensor:
    """The same, but that the last class has the loss of the first."""
    return losses(logits, labels.where(labels < logits.shape[-1] - 1, 0))


def mean_of_column(logits: Array, labels: Array) -> Array:
    """The mean of labels (N, 1), in NumPy."""
    z = logits - logits.max(-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    return np.asarray(-log_p[np.arange(len(z)), labels[:, 0]].mean())


def reduced(logits: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
    """With an option."""
    loss = losses(logits, labels)
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


def chosen_logps(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probabilities of labels (N,), which keep their axis."""
    return -losses(logits, labels.unsqueeze(-1))


def row_entropy(logits: Tensor) -> Tensor:
    """Of each row, (N, 1)."""
    log_p = torch.log_softmax(logits, -1)
    return -torch.xlogy(log_p.exp(), log_p.exp()).sum(-1, keepdim=True)


def found_of(function: Any, adapter: str = "torch", **given: Any) -> dict[str, Any]:
    """What is found out about it."""

    def opener(more: Any) -> softproof.Candidate:
        known = {key: value for key, value in more.items() if key not in ("dtypes", "require", "arithmetic")}
        return load(function, **{**known, "adapter": adapter})

    return Probe(opener, function.__name__, {**NAMED, **given}, "cpu").profile().arguments


@pytest.mark.parametrize(
    ("function", "adapter", "kept", "fixed"),
    [
        (losses, "torch", ["target", "value"], {"reduction": "none", "dim": -1}),
        (reduced, "torch", ["target", "value"], {"dim": -1}),
        (mean_of_column, "numpy", ["target"], None),
        (chosen_logps, "torch", ["value"], {"reduction": "none", "dim": -1}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_kept_is_found_out(function: Any, adapter: str, kept: list[str], fixed: dict[str, Any] | None) -> None:
    """Of labels, of a value, and of both; with its sign, its reduction and its axis of classes."""
    found = found_of(function, adapter, operation="cross_entropy")
    assert (found["keepdim"], found.get("fixed")) == (kept, fixed)
    assert found.get("negative", False) == (function is chosen_logps)


def test_an_entropy_and_what_keeps_nothing() -> None:
    """A value of rows is found out; one that takes our shapes, too, is not tried otherwise."""
    assert found_of(row_entropy, operation="softmax_entropy")["keepdim"] == ["value"]
    assert "keepdim" not in found_of(lambda x, t: cross_entropy(x, t.reshape(len(x))), operation="cross_entropy")


def test_such_losses_are_judged() -> None:
    """Value, gradient and directions; a wrong one disagrees."""
    left = ["probabilities"]
    (row,) = softproof.verify(load("tests.test_kept_axes:losses", "cross_entropy", **BOTH, without=left), **HOW).rows
    assert row.verdict == "agrees"
    assert row.asked.gradients
    assert {"jvp", "hvp_logits"} <= row.errors.ratios.keys()

    (row,) = softproof.verify(
        load("tests.test_kept_axes:of_the_last_class", "cross_entropy", **BOTH, without=left), **HOW
    ).rows
    assert row.verdict == "disagrees"


@pytest.mark.parametrize("keepdim", [["target"], ["value"], []])
def test_another_shape_disagrees(keepdim: list[str]) -> None:
    """Who says that labels alone are (N, 1) has losses of (N, 1) refused, and so on."""
    asked = Problem("cross_entropy", "float64", {"logits": np.eye(3, 4), "target": [0, 1, 3]}, {"reduction": "none"})
    candidate = load(losses, "cross_entropy", **BOTH)
    assert judge(candidate, asked).ok
    verdict = judge(replace(candidate, interface=replace(candidate.interface, keepdim=frozenset(keepdim))), asked)
    assert not verdict.ok
    assert "shape" in verdict.explanation or "raised" in verdict.explanation


def test_a_value_without_its_axis_disagrees() -> None:
    """That it keeps its axis is said, and it does not."""
    how: Any = {"operation": "softmax_entropy", "adapter": "torch", "fixed": {"dim": -1}, "keepdim": ["value"]}
    asked = Problem("softmax_entropy", "float64", {"logits": np.eye(3, 4)}, {"dim": -1}, grad_output=np.ones(3))
    assert judge(load(row_entropy, **how), asked).ok
    verdict = judge(load(lambda logits: row_entropy(logits)[..., 0], **how), replace(asked, grad_output=None))
    assert "value has shape (1, 3); expected (3,)" in verdict.explanation


@pytest.mark.parametrize(
    ("more", "logits", "labels", "kept"),
    [
        ({}, (3, 4), (3,), (3, 1)),
        ({}, (4,), (), (1,)),
        ({}, (2, 4, 3), (2, 3), (2, 1, 3)),
        ({"fixed": {"dim": -1}}, (2, 4, 3), (2, 3), (2, 3, 1)),
        ({"columns": True}, (3, 4), (3,), (1, 3)),
        ({"shifted": True}, (3, 4), (3,), (4, 1)),
    ],
)
def test_where_the_axis_is(
    more: dict[str, Any], logits: tuple[int, ...], labels: tuple[int, ...], kept: tuple[int, ...]
) -> None:
    """Where the classes are, also in the order of the candidate; and it comes back without it."""
    interface = Interface(**{"keepdim": frozenset({"target", "value"}), **more})
    target = np.arange(np.prod(labels, dtype=int)).reshape(labels) % 3
    asked = Problem("cross_entropy", "float32", {"logits": np.zeros(logits), "target": target}, {"reduction": "none"})
    assert given_so("target", target, asked, interface).shape == kept
    if "shifted" not in more:
        given = given_so("grad_output", target.astype(float), asked, interface)
        assert given.shape == kept
        assert np.array_equal(taken_so("value", Output(given, "float32"), asked, interface).values, target)


def test_what_may_be_kept() -> None:
    """What no operation has is refused by name."""
    with pytest.raises(ValueError, match=r"keepdim names value; .* has none"):
        load("scipy.special:logsumexp", keepdim=["value"])
    with pytest.raises(ValueError, match=r"keepdim names logits; .* has .*target, value"):
        load(losses, "cross_entropy", keepdim=["logits"])
