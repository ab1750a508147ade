"""A cross-entropy whose classes lie along the last axis, as in language models, is asked so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from torch import Tensor

import softproof
from softproof.cli.standing import with_standing
from softproof.problem.interface import Interface
from softproof.problem.problem import Array
from tests.helpers.profiles import profile_of


def of_tokens(logits: Tensor, labels: Tensor) -> Tensor:
    """(B, T, V) and (B, T)."""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))


def of_batches(logits: Tensor, labels: Tensor) -> Tensor:
    """Arrays of three dimensions, and no others."""
    _b, _t, v = logits.shape
    return F.cross_entropy(logits.reshape(-1, v), labels.reshape(-1))


def of_shares(logits: Tensor, probs: Tensor) -> Tensor:
    """Target probabilities, for any number of dimensions."""
    return -(probs * logits.log_softmax(-1)).sum(-1).mean()


def wrong_mean(logits: Tensor, probs: Tensor) -> Tensor:
    """The mean over classes, too."""
    return -(probs * logits.log_softmax(-1)).mean()


def wrong_axis(logits: Tensor, probs: Tensor) -> Tensor:
    """Right for matrices; of a batch with positions it normalises along the second axis, and adds up along the last."""
    return -(probs * logits.log_softmax(1)).sum(-1).mean()


def wrong_mean_of_positions(logits: Tensor, probs: Tensor) -> Tensor:
    """Right for matrices; of a batch with positions it adds these up."""
    losses = -(probs * logits.log_softmax(-1)).sum(-1)
    return losses.sum() / len(losses)


RIGHT_FOR_MATRICES = (wrong_axis, wrong_mean_of_positions)
HOW: Any = {"operation": "cross_entropy", "adapter": "torch", "dtypes": ["float32"], "seed": 3, "arithmetic": "auto"}


@pytest.mark.parametrize(
    ("function", "last", "right"),
    [
        (of_tokens, True, True),
        (of_shares, True, True),
        (of_batches, True, True),
        (wrong_mean, False, False),
        (wrong_axis, False, False),
        (wrong_mean_of_positions, False, False),
    ],
)
def test_classes_along_the_last_axis_are_found_out(function: Any, last: bool, right: bool) -> None:
    """Where its answers are right so, and nowhere else; what is wrong so is wrong."""
    found = profile_of(function, operation="cross_entropy")

    assert (found.arguments.get("fixed", {}).get("dim") == -1) == last
    assert any("classes lie along the last axis" in each for each in found.notes) == last
    assert any("write ndim = [2]" in each for each in found.notes) == (function in RIGHT_FOR_MATRICES)
    interface = {name: found.arguments[name] for name in ("fixed", "without", "ndim") if name in found.arguments}
    interface["without"] = [*interface.get("without", ()), "nonfinite", "invalid_labels"]
    (row,) = softproof.verify(function, **interface, examples=60, **HOW).rows
    assert row.verdict == ("agrees" if right else "disagrees"), row.failure
    if right:
        assert row.coverage.regions["more than one batch dimension"] > 3


def shares(logits: Array, target: Array) -> Array:
    """Of NumPy."""
    x = logits - logits.max(-1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(-1, keepdims=True))
    return np.asarray(-(target * log_p).sum(-1).mean())


def shares_backward(grad_output: Array, logits: Array, target: Array) -> tuple[Array, Array]:
    """With the classes where they are in the logits."""
    x = logits - logits.max(-1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(-1, keepdims=True))
    share = grad_output / max(1, log_p[..., 0].size)
    return (np.exp(log_p) * target.sum(-1, keepdims=True) - target) * share, -log_p * share


def test_gradients_come_back_in_our_order() -> None:
    """Of its own backward pass; and an input that was overwritten is noticed as before."""
    logits, target = np.arange(12.0).reshape(1, 3, 4) / 8, np.full((1, 3, 4), 1 / 4)
    problem = softproof.Problem("cross_entropy", "float64", {"logits": logits, "target": target}, grad_output=1.0)
    candidate = softproof.Candidate(
        "shares", {"cross_entropy": shares}, {"cross_entropy": shares_backward}, "numpy",
        interface=softproof.Interface(fixed={"dim": -1}),
    )  # fmt: skip

    assert softproof.judge(candidate, problem).ok
    assert candidate.answer(problem).written == ()

    def overwrites(logits: Tensor, target: Tensor) -> Tensor:
        found = of_shares(logits, target)
        logits.data[0] = 0
        return found

    other = softproof.load(overwrites, "cross_entropy", "torch", fixed={"dim": -1})
    assert other.answer(problem).written == ("logits",)


def test_no_other_axis_than_these_two() -> None:
    """An axis is no option of a cross-entropy."""
    with pytest.raises(ValueError, match=r"fixed dim is 0; expected -1, classes along the last axis, or 1"):
        softproof.load(of_tokens, "cross_entropy", "torch", fixed={"dim": 0})
    assert softproof.load(of_tokens, "cross_entropy", "torch", fixed={"dim": 1}).interface.fixed == {"dim": 1}


@pytest.mark.parametrize("first", [Interface(), Interface(fixed={"dim": -1})])
def test_a_failure_of_another_order_does_not_stand(first: Interface) -> None:
    """What failed in the order of torch says nothing of the other one; what failed in this one does."""

    def nothing(logits: Tensor, target: Tensor) -> Tensor:
        return 0 * of_shares(logits, target)

    how = {**HOW, "without": ["labels", "nonfinite"], "ndim": [3], "examples": 5, "fixed": {"dim": -1}}
    (row,), (other,) = (softproof.verify(each, **how).rows for each in (nothing, of_shares))
    assert (row.verdict, other.verdict) == ("disagrees", "agrees")

    row = replace(row, implementation=other.implementation)
    again = Interface(fixed={"dim": -1}, without=frozenset({"labels"}))
    found = with_standing([row], [other], first, again, lambda: softproof.load(of_shares, "cross_entropy", "torch"))
    assert [each.verdict for each in found] == ["agrees" if first == Interface() else "disagrees"]
