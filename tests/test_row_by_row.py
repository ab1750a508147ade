"""A function that gives one number for all rows, such as a sum of divergences, is given one row at a time."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import manual
import softproof
from softproof import Interface, Problem, judge, load
from softproof.candidates.frameworks import arrays_of
from softproof.candidates.row_by_row import row_by_row
from softproof.problem.problem import Array
from tests.helpers.profiles import profile_of

HOW: Any = {"dtypes": ["float32"], "seed": 3, "arithmetic": "auto", "examples": 60}


def mean_entropy(logits: Tensor) -> Tensor:
    """Of rows; a masked class has no share of it."""
    log_p = logits.log_softmax(-1).masked_fill(logits.isneginf(), 0)
    return -(logits.softmax(-1) * log_p).sum(-1).mean()


def sum_of_divergences(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Of the student from the teacher."""
    p, q = teacher_logits.log_softmax(-1), student_logits.log_softmax(-1)
    return (p.exp() * (p - q)).sum()


def of_another_temperature(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """The teacher's distribution is flatter."""
    p, q = (teacher_logits / 2).log_softmax(-1), student_logits.log_softmax(-1)
    return (p.exp() * (p - q)).sum()


def nameless(a: Tensor, b: Tensor) -> Tensor:
    """The distribution in front comes second."""
    return sum_of_divergences(a, b)


def test_rows_are_joined() -> None:
    """Of a value and of gradients, of arrays by position and by name, in each framework."""
    x, g = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 3.0])

    def value(logits: Any, by: float) -> Any:
        assert logits.shape == (1, 2)
        return (logits * by).sum()

    def both(upstream: Any, *, logits: Any) -> tuple[Any, Any]:
        return upstream * logits, upstream

    for make, framework in ((np.asarray, "numpy"), (torch.as_tensor, "torch")):
        arrays = arrays_of(framework)
        assert np.asarray(row_by_row(value, arrays)(make(x), 2.0)).tolist() == [2.0, 10.0, 18.0]
        one, two = row_by_row(both, arrays)(make(g), logits=make(x))
        assert np.asarray(one).tolist() == (g[:, None] * x).tolist()
        assert np.asarray(two).tolist() == g.tolist()
        assert row_by_row(lambda logits: 0.5 * len(logits), arrays)(make(x)).tolist() == [0.5] * 3
        if framework == "numpy":  # which is no Python number, and has a format of its own
            assert row_by_row(lambda logits: logits.sum(dtype=np.float64), arrays)(x.astype("f4")).dtype == np.float64
        wrong = row_by_row(lambda logits: logits[0], arrays)(make(x))
        assert wrong.shape == (6,)


@pytest.mark.parametrize(
    ("function", "operation", "right"),
    [
        (mean_entropy, "softmax_entropy", True),
        (sum_of_divergences, "softmax_kl_divergence", True),
        (of_another_temperature, "softmax_kl_divergence", False),
    ],
)
def test_it_is_found_out(function: Any, operation: str, right: bool) -> None:
    """Where one row is right, and told; what is wrong for one row is wrong."""
    found = profile_of(function, operation=operation)

    assert found.arguments.get("row_by_row", False) == right
    assert any("what it makes of several rows is NOT TESTED" in each for each in found.notes) == right
    names = {"names": found.arguments["names"]} if "names" in found.arguments else {}
    (row,) = softproof.verify(function, operation=operation, row_by_row=True, **names, **HOW).rows
    assert row.verdict == ("agrees" if right else "disagrees"), row.failure
    assert "several rows at once" in row.asked.unsupported


@pytest.mark.parametrize("function", [mean_entropy, nameless])
def test_who_asks_as_usual_is_told_the_option(function: Any) -> None:
    """And the order of the inputs, where the other one is right."""
    operation = "softmax_entropy" if function is mean_entropy else "softmax_kl_divergence"
    (row,) = softproof.verify(function, operation=operation, **HOW).rows

    options = "--row-by-row" + (" --name p_logits=b --name q_logits=a" if function is nameless else "")
    assert row.verdict == "cannot ask"
    assert f"row by row: {options} (in Python: row_by_row=True" in row.outcome.reason


def test_a_backward_pass_of_numpy() -> None:
    """Is asked for a row as well; one that forgets the upstream gradient is wrong."""

    def total(logits: Array) -> Array:
        return np.asarray(manual.softmax_entropy(logits).sum(), logits.dtype)

    def right(grad_output: Array, logits: Array) -> Array:
        return manual.softmax_entropy_backward(np.full(len(logits), grad_output), logits)

    def wrong(grad_output: Array, logits: Array) -> Array:
        return right(np.ones_like(grad_output), logits)

    for backward, verdict in ((right, "agrees"), (wrong, "disagrees")):
        target = ModuleType("own")
        vars(target).update(softmax_entropy=total, softmax_entropy_backward=backward)
        (row,) = softproof.verify(target, adapter="numpy", row_by_row=True, **HOW).rows
        assert row.verdict == verdict, row.failure


def test_one_of_several_results_is_that_of_each_row() -> None:
    """By name or number, beside what is no array; a size is that of one row, and no answer is no array."""

    def by_name(logits: Tensor, rows: int) -> dict[str, object]:
        assert len(logits) == rows == 1
        return {"entropy": mean_entropy(logits), "what": "an entropy", "count": rows}

    def by_number(logits: Tensor) -> tuple[object, Tensor]:
        return "an entropy", mean_entropy(logits)

    problem = Problem("softmax_entropy", "float32", {"logits": np.eye(3, 4)}, grad_output=np.array([1.0, 2.0, 3.0]))
    for function, more in ((by_name, {"output": "entropy", "extra": {"rows": "@rows"}}), (by_number, {"output": 1})):
        how: Any = {"row_by_row": True, **more}
        verdict = judge(load(function, "softmax_entropy", "torch", **how), problem)
        assert verdict.ok, verdict
    nothing = load(lambda logits: None if len(logits) else logits, "softmax_entropy", "torch", row_by_row=True)
    assert "the answer for a row is a NoneType; expected an array" in judge(nothing, problem).explanation


def test_the_order_of_two_distributions_is_told() -> None:
    """Of which the usual ones are the same."""

    def swapped(a: Tensor, b: Tensor) -> Tensor:
        return (b * (b / a).log()).sum()

    (row,) = softproof.verify(swapped, operation="kl_divergence", without=["zeros", "unnormalised"], **HOW).rows
    assert "row by row: --row-by-row --name p=b --name q=a (in Python: " in row.outcome.reason


def test_what_is_no_matter_of_one_row_is_not_asked() -> None:
    """Another axis, no rows, and operations without a number for each row."""
    candidate = load(F.softmax, "softmax_entropy", "torch", row_by_row=True, supports=["dim"])

    assert not candidate.supports("softmax_entropy") & {"dim", "empty"}
    for shape, dim, takes in (((3, 2), -1, True), ((3, 2), 0, False), ((2,), -1, False), ((0, 2), -1, False),
                              ((1024, 2), -1, True), ((1025, 2), -1, False)):  # fmt: skip
        problem = Problem("softmax_entropy", "float32", {"logits": np.zeros(shape)}, {"dim": dim})
        assert candidate.takes(problem) == takes
    with pytest.raises(ValueError, match=r"row_by_row is True, and ndim \[3\]; expected 2, rows"):
        Interface(row_by_row=True, ndim=frozenset({3}))
    with pytest.raises(ValueError, match="row_by_row is True, and cross_entropy has no number for each row alone"):
        load(F.cross_entropy, "cross_entropy", "torch", row_by_row=True)
