"""A coefficient that the format holds, or a power of 2, loses nothing: 1/N of four rows, weights, shares of smoothing.

Each wrong coefficient is near enough to have agreed while its storing was allowed an error. tests/test_theorems.py
searches for violations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from softproof import Output, Problem, Result, judge_result, solve
from softproof.bounds.coefficients import Mean, inexact_roundings
from softproof.bounds.kernels import eager
from softproof.bounds.models import MODELS
from softproof.problem.formats import FORMATS

HELD: dict[str, tuple[dict[str, Any], int, int]] = {  # and by how many u it is off
    "four rows": ({"reduction": "mean"}, 4, 4),
    "one row": ({"reduction": "mean"}, 1, 4),
    "weights": ({"reduction": "sum", "weight": [2.0, 0.5]}, 3, 4),
    "shares": ({"reduction": "sum", "label_smoothing": 0.5}, 3, 7),
}
NOT_HELD: dict[str, tuple[dict[str, Any], int]] = {
    "three rows": ({"reduction": "mean"}, 3),
    "weights": ({"reduction": "sum", "weight": [3.0, 5.0]}, 3),
    "shares": ({"reduction": "sum", "label_smoothing": 0.1}, 3),
}


def _problem(dtype: str, options: dict[str, Any], rows: int) -> Problem:
    """Rows that are all but sure of another class, so that -c t is nearly all of the gradient at the label."""
    options = dict(options)
    weight = {"weight": options.pop("weight")} if "weight" in options else {}
    logits = np.tile([0.0, -16.0 if dtype == "float16" else -80.0], (rows, 1))
    return Problem(
        "cross_entropy", dtype, {"logits": logits, "target": np.ones(rows, np.int64), **weight}, options, 1.0
    )


def _off(problem: Problem, units: float, arithmetic: str) -> str:
    """The outcome where the gradient at the label is off by so many u, and all else right."""
    fmt = FORMATS[problem.dtype]
    found = {name: fmt.round(array) for name, array in solve(problem, 53).items()}
    found["grad_logits"][:, 1] = fmt.round(found["grad_logits"][:, 1] * (1 + units * fmt.u))
    answer = Result({name: Output(array, problem.dtype) for name, array in found.items()})
    return judge_result(problem, answer, arithmetic=arithmetic).outcome


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize(
    ("numbers", "arithmetic"), [("float32", "any-order"), ("float16", "eager"), ("bfloat16", "eager")]
)
def test_a_coefficient_that_is_held_is_exact(numbers: str, arithmetic: str, name: str) -> None:
    """So many units are too many."""
    options, rows, units = HELD[name]
    problem = _problem(numbers, options, rows)

    assert _off(problem, 0, arithmetic) == "agrees"
    assert _off(problem, units, arithmetic) == "disagrees"


@pytest.mark.parametrize("name", NOT_HELD)
def test_another_is_not(name: str) -> None:
    """What is rounded may be off by that."""
    assert _off(_problem("float32", *NOT_HELD[name]), 4, "any-order") == "agrees"


@pytest.mark.parametrize(("rows", "roundings"), [(256, 0), (512, 2)])
def test_a_count_that_may_have_been_rounded_is_no_power_of_2(rows: int, roundings: int) -> None:
    """Ones that are added up in bfloat16 stay at 256."""
    problem = _problem("bfloat16", {"reduction": "mean"}, rows)

    assert Mean.of(problem, eager(problem)).roundings == roundings


@pytest.mark.parametrize("numbers", ["float16", "bfloat16"])
def test_losses_that_are_stored_one_by_one(numbers: str) -> None:
    """Each is rounded before their mean is, also where no product rounds it."""
    fmt = FORMATS[numbers]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, labels = fmt.round(3 * rng.normal(size=(2, 3))), rng.integers(0, 3, 2)
        rows = Problem("cross_entropy", numbers, {"logits": x, "target": labels}, {"reduction": "none"})
        mean = Problem("cross_entropy", numbers, {"logits": x, "target": labels}, {"reduction": "mean"})
        value = fmt.round(np.mean(fmt.round(solve(rows, 53)["value"]), keepdims=True)[0])
        for name in ("fused", "eager"):
            answer = Result({"value": Output(np.asarray(value), numbers)})
            assert judge_result(mean, answer, arithmetic=MODELS[name]).outcome == "agrees"


def test_each_rounding_that_is_left_counts() -> None:
    """Three with smoothing; with a probability one more, and with a weight."""
    labels = _problem("float32", {"label_smoothing": 0.5, "weight": [2.0, 3.0]}, 3)
    target = np.array([[0.25, 0.75]] * 3)
    shares = Problem("cross_entropy", "float32", {**labels.inputs, "target": target}, labels.options)
    model = MODELS["any-order"]

    assert inexact_roundings(labels, model(labels)).tolist() == [3, 4]
    assert inexact_roundings(shares, model(shares)).tolist() == [4, 5]
