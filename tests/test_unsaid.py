"""What a function has to be given and a question does not have: it is given what changes no number."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import softproof
from softproof.candidates.isolated import isolated
from softproof.problem.problem import Array
from softproof.runs.probing import hints
from tests.helpers.profiles import profile_of

QUICK: Any = {"dtypes": ["float32"], "examples": 30, "seed": 1}


def affine(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """A layer that has to be given a bias."""
    return x @ w.T + b


def twice_the_bias(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Wrong with a bias, and right with one of 0."""
    return x @ w.T + 2 * b


def no_bias(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Takes a bias, and forgets it."""
    return x @ w.T + 0 * b.sum()


def classifier(h: Tensor, w: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """A layer and a loss, with the bias before the labels."""
    return F.cross_entropy(h @ w.T + b, y)


def all_given(logits: Tensor, labels: Tensor, weight: Tensor, reduction: str, label_smoothing: float) -> Tensor:
    """Nothing has a default."""
    return F.cross_entropy(logits, labels, weight, reduction=reduction, label_smoothing=label_smoothing)


def unweighted(logits: Tensor, labels: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """Has to be given weights, and takes no notice of them."""
    return F.cross_entropy(logits, labels, reduction=reduction) + 0 * weight.sum()


@pytest.mark.parametrize(
    ("function", "operation", "names", "right"),
    [
        (affine, "linear", {"bias": "b"}, True),
        (twice_the_bias, "linear", {"bias": "b"}, False),
        (no_bias, "linear", {"bias": "b"}, False),
        (classifier, "linear_cross_entropy",
         {"input": "h", "linear_weight": "w", "target": "y", "linear_bias": "b"}, True),
        (all_given, "cross_entropy", {}, True),
        (unweighted, "cross_entropy", {}, False),
    ],
)  # fmt: skip
def test_what_has_no_default_is_always_given(function: Any, operation: str, names: dict[str, str], right: bool) -> None:
    """Its name is found out and told; and it is asked with other numbers too, so that a wrong one disagrees."""
    found = profile_of(function, operation=operation)

    assert found.arguments.get("names", {}) == names
    assert any("b has no default" in each for each in found.notes) == ("b" in names.values())
    without = {*found.arguments.get("without", ()), *({"nonfinite"} if operation == "cross_entropy" else ())}
    (row,) = softproof.verify(function, operation=operation, adapter="torch", names=names, without=sorted(without),
                              arithmetic="auto", ndim=found.arguments.get("ndim", ()), **QUICK).rows  # fmt: skip
    assert row.verdict == ("agrees" if right else "disagrees"), row.failure


def sums(logits: Tensor, target: Tensor, reduction: str = "sum") -> Tensor:
    """Right, and by default another loss than torch's."""
    return F.cross_entropy(logits, target, reduction=reduction)


def test_a_default_that_is_not_asked_is_told() -> None:
    """In its own process, too; not where its user says what it is."""
    told = ("the default of reduction was not tested: 'mean' was given in its place",)
    here = softproof.load(sums, operation="cross_entropy", adapter="torch")
    there = isolated(f"{__name__}:{sums.__name__}", "cross_entropy", "torch")
    fixed = softproof.load(sums, operation="cross_entropy", adapter="torch", fixed={"reduction": "sum"})
    with closing(there):
        assert hints(here, "cross_entropy") == hints(there, "cross_entropy") == told
    assert hints(fixed, "cross_entropy") == hints(softproof.load(F.cross_entropy), "cross_entropy") == ()


def layer(input: Array, weight: Array, bias: Array) -> Array:
    """Of NumPy."""
    return np.asarray(input @ weight.T + bias)


def layer_backward(grad_output: Array, input: Array, weight: Array, bias: Array) -> tuple[Array, Array, Array]:
    """All three gradients, whether they are asked or not."""
    rows = grad_output.reshape(-1, len(bias))
    return grad_output @ weight, rows.T @ input.reshape(len(rows), -1), rows.sum(0)


@pytest.mark.parametrize("factor", [1, 2])
def test_a_backward_pass_of_its_own_is_given_the_same(factor: int) -> None:
    """What it gives for what nobody asked is left alone; what it gives for the rest is judged."""

    def backward(grad_output: Array, input: Array, weight: Array, bias: Array) -> tuple[Array, ...]:
        first, *others = layer_backward(grad_output, input, weight, bias)
        return first * factor, *others

    candidate = softproof.Candidate("layer", {"linear": layer}, {"linear": backward}, "numpy")
    (row,) = softproof.verify(candidate, without=["empty"], **QUICK).rows
    assert row.verdict == ("agrees" if factor == 1 else "disagrees"), row.failure
    assert row.asked.gradients


def test_the_options_are_those_of_torch() -> None:
    """Of JAX, too, an array is one of its own."""
    import jax

    seen: list[Any] = []

    def loss(logits: jax.Array, _y: jax.Array, weight: jax.Array, reduction: str, ignore_index: int) -> jax.Array:
        seen.append((type(weight), weight.shape, reduction, ignore_index))
        return logits.sum()

    problem = softproof.Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [0]})
    result = softproof.load(loss, "cross_entropy", "jax").answer(problem)
    assert result.raised is None
    assert seen == [(type(jax.numpy.zeros(1)), (2,), "mean", -100)]


def per_row(logits: Tensor, labels: Tensor, reduction: str = "none", ignore_index: int = 0) -> Tensor:
    """Right, with defaults that are not torch's."""
    return F.cross_entropy(logits, labels, reduction=reduction, ignore_index=ignore_index)


def twice_per_row(logits: Tensor, labels: Tensor, reduction: str = "none", ignore_index: int = 0) -> Tensor:
    """Wrong, with the same."""
    return 2 * per_row(logits, labels, reduction, ignore_index)


@pytest.mark.parametrize("function", [per_row, twice_per_row])
def test_an_option_with_another_default_is_always_given(function: Any) -> None:
    """What a question does not say is what torch has."""
    problem = softproof.Problem("cross_entropy", "float32", {"logits": [[0.0, 2.0], [1.0, 0.0]], "target": [0, 1]})
    verdict = softproof.judge(softproof.load(function, "cross_entropy", "torch"), problem)
    assert verdict.ok == (function is per_row), verdict


def padded(logits: Tensor, labels: Tensor, reduction: str = "token_mean", ignore_index: int = 0) -> Tensor:
    """Right by default alone: a label of -100 is an error in it, and so is "mean"."""
    loss = torch.logsumexp(logits, 1) - logits.gather(1, labels[:, None])[:, 0]
    counts = labels != ignore_index
    return {"token_mean": (loss * counts).sum() / counts.sum(), "sum": (loss * counts).sum()}[reduction]


def test_what_is_right_by_default_alone_is_left_to_that() -> None:
    """It is judged with its own values, which are told, and others are not tested."""
    found = profile_of(padded, operation="cross_entropy", dtypes=["float32"])

    assert found.arguments["fixed"] == {"reduction": "mean", "ignore_index": 0}
    assert {"another reduction", "another ignore_index"} <= found.not_tested.keys()


def test_an_array_that_its_user_gives_stays_what_it_is() -> None:
    """Whatever the arrays of the question are."""
    met = []

    def loss(logits: Any, table: Any) -> Any:
        met.append(table)
        return logits.softmax(-1)

    table = np.arange(3)
    candidate = softproof.load(loss, operation="softmax", adapter="torch", extra={"table": table})
    candidate.answer(softproof.Problem("softmax", "float32", {"logits": [0.0, 1.0]}))
    assert met
    assert all(each is table for each in met)
