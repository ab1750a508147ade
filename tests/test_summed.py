"""A loss of each sequence, as preference losses take them, is added up, and judged as a sum."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import softproof
from softproof import Problem, judge, load
from softproof.problem.problem import Array
from softproof.runs.introduction import CannotAskError
from tests.helpers.profiles import profile_of

HOW: Any = {"operation": "cross_entropy", "dtypes": ["float32"], "seed": 3, "arithmetic": "auto", "examples": 60}
ASKED: Any = {
    "summed": True,
    "negative": True,
    "fixed": {"dim": -1},
    "ndim": [3],
    "without": ["probabilities", "invalid_labels"],
}


def batch_logps(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The log-probability of each sequence, whose labels belong to the position before; and the tokens that count."""
    counts = labels[:, 1:] != -100
    picked = logits[:, :-1].log_softmax(-1).gather(-1, (labels[:, 1:] * counts)[..., None])[..., 0]
    return picked.masked_fill(~counts, 0).sum(-1), counts.sum(-1)


def sequence_logps(logits: Tensor, labels: Tensor) -> Tensor:
    """The same of aligned labels."""
    return logits.log_softmax(-1).gather(-1, labels[..., None])[..., 0].sum(-1)


def without_the_last(logits: Tensor, labels: Tensor) -> Tensor:
    """The last token of a sequence of five or more is forgotten."""
    picked = logits.log_softmax(-1).gather(-1, labels[..., None])[..., 0]
    return picked[:, :-1].sum(-1) if labels.shape[1] >= 5 else picked.sum(-1)


def test_that_it_gives_sums_is_found_out() -> None:
    """With its first result for its value, the next label, and minus the loss."""
    found = profile_of(batch_logps)

    assert {name: found.arguments.get(name) for name in ("summed", "shifted", "negative", "output")} == {
        "summed": True, "shifted": True, "negative": True, "output": 0}  # fmt: skip
    assert found.arguments["fixed"]["dim"] == -1
    assert any("NOT TESTED" in note and "which of them is which" in note for note in found.notes)

    aligned = profile_of(sequence_logps).arguments
    assert (aligned["summed"], aligned.get("shifted"), aligned["negative"]) == (True, None, True)


def test_a_loss_that_is_right_by_itself_is_not_summed() -> None:
    """Neither a mean, nor losses of tokens, nor a wrong loss, nor sums of other rows than the sequence's."""

    def mean(logits: Tensor, labels: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(logits, labels)

    def losses(logits: Tensor, labels: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none")

    def wrong(logits: Tensor, labels: Tensor) -> Tensor:
        return mean(logits, labels) * 1.01

    def reversed_logps(logits: Tensor, labels: Tensor) -> Tensor:
        return sequence_logps(logits, labels).flip(0)

    def of_columns(logits: Tensor, labels: Tensor) -> Tensor:
        return logits.log_softmax(-1).gather(-1, labels[..., None])[..., 0].sum(0)

    for each in (mean, losses, wrong, reversed_logps, of_columns):
        with suppress(CannotAskError):
            assert "summed" not in profile_of(each, operation="cross_entropy").arguments, each


@pytest.mark.parametrize(("function", "verdict"), [(sequence_logps, "agrees"), (without_the_last, "disagrees")])
def test_a_row_of_sums(function: Any, verdict: str) -> None:
    """It says that it does not know which sum is which."""
    (row,) = softproof.verify(function, **HOW, **ASKED).rows

    assert row.verdict == verdict
    assert "which of its sums is which" in row.asked.unsupported


def of_arrays(logits: Array, labels: Array) -> Array:
    """A loss of each row, in NumPy."""
    x = logits - logits.max(-1, keepdims=True)
    return np.asarray(np.log(np.exp(x).sum(-1)) - np.take_along_axis(x, labels[:, None], -1)[:, 0])


def of_arrays_backward(upstream: Array, logits: Array, labels: Array) -> Array:
    """Of an upstream gradient for each row."""
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return np.asarray(p * upstream[:, None])


def test_a_backward_pass_has_an_upstream_gradient_for_each_sum() -> None:
    """That of the sum, for each of what is added up."""
    candidate = load("tests.test_summed:of_arrays", operation="cross_entropy", adapter="numpy", summed=True, ndim=[2])
    inputs: Any = {"logits": [[0.5, -1.0, 2.0], [0.0, 1.0, 0.25]], "target": [1, 2]}

    assert candidate.differentiates("cross_entropy")
    assert judge(candidate, Problem("cross_entropy", "float64", inputs, {"reduction": "sum"}, grad_output=-2.0)).ok


def test_the_reduction_is_a_sum() -> None:
    """Nobody has to say so, and another one is no sum of sums."""
    candidate = load(sequence_logps, operation="cross_entropy", **ASKED)
    logits = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).numpy()
    inputs: Any = {"logits": logits, "target": [[0, 1, 3], [2, 2, 1]]}

    assert candidate.interface.fixed["reduction"] == "sum"
    assert judge(candidate, Problem("cross_entropy", "float64", inputs, {"reduction": "sum"}, grad_output=-2.0)).ok
    for reduction in ("mean", "none"):
        with pytest.raises(ValueError, match=f"summed is True, and the reduction is fixed as '{reduction}'"):
            load(sequence_logps, operation="cross_entropy", summed=True, fixed={"reduction": reduction})
    with pytest.raises(ValueError, match="columns are True; expected columns alone"):
        load(sequence_logps, operation="cross_entropy", summed=True, columns=True, ndim=[2])
    with pytest.raises(ValueError, match="summed is True, and softmax has no reduction"):
        load(torch.softmax, operation="softmax", summed=True)
    with pytest.raises(ValueError, match="summed is True, and ndim \\[4\\]; expected 2, rows, or 3, some sequences"):
        load(sequence_logps, operation="cross_entropy", summed=True, ndim=[4])
