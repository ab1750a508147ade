"""What was wrong before a function was asked what it takes stays wrong, as long as it takes that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import softproof
from softproof.candidates.candidate import Candidate
from softproof.cli.standing import with_standing
from softproof.problem.interface import Interface
from softproof.reports.row import Row
from softproof.runs.probing import refusals

from .helpers.rows import changed

HOW: dict[str, Any] = {"operation": "softmax", "adapter": "torch", "dtypes": ["float32"], "seed": 0, "examples": 20}


def doubled(x: Tensor) -> Tensor:
    """Wrong for arrays of three dimensions."""
    return torch.softmax(x, -1) * (2 if x.dim() == 3 else 1)


def narrow(x: Tensor) -> Tensor:
    """An error for more than nine classes."""
    if x.shape[-1] > 9:
        raise RuntimeError("launch failed")
    return torch.softmax(x, -1)


def with_a_graph(x: Tensor) -> Tensor:
    """An error where autograd is switched off."""
    if not torch.is_grad_enabled():
        raise RuntimeError("no graph")
    return torch.softmax(x, -1)


def slope(x: Tensor) -> Tensor:
    """A gradient that is wrong."""
    return torch.softmax(x, -1).detach() + 0.5 * (x - x.detach())


def judged(function: Any, ndim: list[int]) -> Row:
    """Its row."""
    (row,) = softproof.verify(function, ndim=ndim, **HOW).rows
    return row


AGREES = judged(torch.nn.Softmax(-1), [2])


@pytest.mark.parametrize(
    ("function", "ndim", "interface", "stands"),
    [
        (doubled, [3], Interface(), True),
        (doubled, [3], Interface(without=frozenset(("jvp", "hvp", "gradient"))), True),
        (doubled, [3], Interface(ndim=frozenset((2,))), False),
        (narrow, [2, 3], Interface(), True),
        (narrow, [2, 3], Interface(ndim=frozenset((1,))), False),
        (with_a_graph, [2], Interface(), True),
        (with_a_graph, [2], Interface(without=frozenset(("no_grad",))), False),
        (slope, [2], Interface(), True),
        (slope, [2], Interface(without=frozenset(("gradient",))), True),
        (slope, [2], Interface(without=frozenset(("gradient",)), fixed={"dim": -1}), True),
    ],
)
def test_a_failure_stands_if_it_is_still_asked(
    function: Any, ndim: list[int], interface: Interface, stands: bool
) -> None:
    """In the place of a row that agrees, or of none; the row of the second asking is told where that fails, too."""
    row = judged(function, ndim)
    assert not row.ok
    second = replace(AGREES, implementation=row.implementation)

    def opener() -> Candidate:
        return softproof.load(function, operation="softmax", adapter="torch")

    for rows in ([second], []):
        found = with_standing([row], rows, Interface(), interface, opener)
        assert found == ([row] if stands else rows)
        assert not found or found[0].failures[:1] == (row if stands else second).failures[:1]
    other = changed(row, problems=row.coverage.problems + 1)
    assert with_standing([row], [other], Interface(), interface, opener) == [other]


def test_an_error_that_is_not_raised_any_more_does_not_stand() -> None:
    """Where the function is called otherwise."""
    row = judged(narrow, [2])
    other = replace(AGREES, implementation=row.implementation)

    def opener() -> Candidate:
        return softproof.load(torch.nn.Softmax(-1), operation="softmax", adapter="torch")

    assert with_standing([row], [other], Interface(), Interface(), opener) == [other]


def weighted(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Wrong with class weights; it says that it takes none, to the question that finds that out."""
    if weight is not None and weight.tolist() in ([1.0, 0.5, 2.0], [1.0, -0.5, 2.0]):
        raise NotImplementedError("weight is not supported")
    return torch.nn.functional.cross_entropy(logits, target, weight) * (1 if weight is None else 1.5)


def small(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """The same of few numbers."""
    if weight is not None and logits.numel() <= 12:
        raise NotImplementedError("weight is not supported")
    return torch.nn.functional.cross_entropy(logits, target, weight) * (1 if weight is None else 1.5)


def test_an_option_that_was_answered_is_taken() -> None:
    """Numbers that were wrong stand, where the function says later that it does not take that; an error does not."""
    how: Any = {"operation": "cross_entropy", "adapter": "torch", "dtypes": ["float32"], "seed": 1, "examples": 60,
                "ndim": [2], "without": ["ignored_nonfinite", "probabilities"]}  # fmt: skip
    first = Interface(ndim=frozenset((2,)), without=frozenset(how["without"]))
    left = replace(first, without=first.without | {"weight"})
    named = replace(left, fixed={"reduction": "mean"})  # called otherwise, and still answered
    (row,) = softproof.verify(weighted, **how).rows
    assert row.failures[0].verdict.output == "value"

    def opener() -> Candidate:
        arguments = {name: how[name] for name in ("operation", "adapter", "ndim", "without")}
        return softproof.load(weighted, **arguments)

    for second in (left, named):
        assert with_standing([row], [], first, second, opener) == [row]
    raises = [replace(each, verdict=replace(each.verdict, output="", explanation="raised X")) for each in row.failures]
    assert with_standing([replace(row, failures=tuple(raises))], [], first, left, opener) == []

    def right() -> Candidate:
        return softproof.load(torch.nn.functional.cross_entropy, operation="cross_entropy", adapter="torch")

    assert with_standing([row], [], first, named, right) == []  # right, as it is called now


@pytest.mark.parametrize("function", [weighted, small])
def test_a_kind_is_refused_by_more_than_one_question(function: Any) -> None:
    """With other numbers, and many rows; who refuses both refuses it."""
    candidate = softproof.load(function, operation="cross_entropy", adapter="torch")
    assert "weight" not in refusals(candidate, "cross_entropy", "float32").without

    def never(logits: Tensor, target: Tensor, weight: Tensor | None = None, label_smoothing: float = 0.125) -> Tensor:
        if weight is not None:
            raise NotImplementedError("weight is not supported")
        return torch.nn.functional.cross_entropy(logits, target, label_smoothing=label_smoothing)

    how: Any = {"operation": "cross_entropy", "adapter": "torch"}

    def smoothed(
        logits: Tensor, target: Tensor, weight: Tensor | None = None, label_smoothing: float = 0.125
    ) -> Tensor:
        loss: Tensor = function(logits, target, weight) + label_smoothing
        return loss

    candidate = softproof.load(smoothed, **how, fixed={"label_smoothing": 0.125})
    assert "weight" not in refusals(candidate, "cross_entropy", "float32").without
    for more in ({}, {"fixed": {"label_smoothing": 0.125}}, {"without": ["more_than_4_rows"]}, {"ndim": [1]}):
        assert "weight" in refusals(softproof.load(never, **how, **more), "cross_entropy", "float32").without, more


def test_a_kind_is_refused_by_a_backward_pass() -> None:
    """Its value is given, and its gradient raises an error."""

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
            ctx.save_for_backward(logits, target)
            return torch.nn.functional.cross_entropy(logits, target)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            x, target = ctx.saved_tensors
            if target.is_floating_point():
                raise NotImplementedError("no gradient for target probabilities")
            one_hot = torch.nn.functional.one_hot(target, x.shape[-1])
            return grads[0] * (torch.softmax(x, -1) - one_hot) / len(x), None

    candidate = softproof.load(Loss, operation="cross_entropy", adapter="torch", ndim=[2])
    assert "probabilities" in refusals(candidate, "cross_entropy", "float32", in_backward=True).without
