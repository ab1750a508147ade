"""Bounds are sound algebra, and tight enough to reject what is wrong."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softproof import Problem, any_order, bound, judge_result, solve
from softproof.bounds.algebra import rdiv, rmul
from softproof.problem.formats import FORMATS

from .helpers.candidates import MANUAL
from .helpers.wrong_answers import EVERYWHERE, Wrong, just_outside, spoiled


@given(errors=st.lists(st.floats(0, 0.5), max_size=6))
def test_rmul_is_the_error_of_a_product(errors: list[float]) -> None:
    """Π(1 + r) - 1, up to the rounding of a few float64 operations."""
    exact = Fraction(1)
    for error in errors:
        exact *= 1 + Fraction(error)

    assert abs(Fraction(float(rmul(*errors))) - (exact - 1)) <= (exact - 1) * Fraction(2) ** -48


def test_forming_one_plus_u_would_lose_everything() -> None:
    """(1 + a)(1 + b) - 1 in float64 is 0 for a = b = u: the reason for rmul."""
    u = 2.0**-53

    assert (1 + u) * (1 + u) - 1 == 0
    assert rmul(u, u) >= 2 * u


def test_rdiv_is_the_error_of_a_quotient() -> None:
    """(1 + a)/(1 - b) - 1, and no promise when the denominator may be 0."""
    assert rdiv(0.5, 0.25) == 1.0
    assert rdiv(0.5, 1.0) == np.inf


def test_no_promise_where_the_sum_may_lose_everything() -> None:
    """n·u >= 1: sigma reaches 1 and the bound is infinite."""
    few_bits = replace(any_order("float32"), compute=replace(any_order("float32").compute, precision=3))
    problem = Problem("softmax", "float32", {"logits": np.zeros(32)}, {"dim": -1})

    assert np.isfinite(bound(problem)["value"]).all()
    assert np.isinf(bound(problem, few_bits)["value"]).all()


@pytest.mark.parametrize("name", ["float64", "float32", "float16"])
def test_logsumexp_bound_by_hand(name: str) -> None:
    """Two zeros: y = log 2, an exact sum, one logarithm, one more addition, and the stored rounding."""
    problem = Problem("logsumexp", name, {"logits": [0.0, 0.0]}, {"dim": -1})
    model, y = any_order(name), np.log(2)
    stored = float(model.storage.ulp(y)) / 2 if model.rounds_on_storing else 0.0

    np.testing.assert_allclose(
        bound(problem)["value"],
        model.compute.u * (model.c_log * y + y) + stored,
        rtol=2.0**-18,  # 2^-20 for the evaluation of the bound, and terms of second order in u
    )


# ---- what a bound must reject ---------------------------------------------------------------------------------------


def _problem(operation: str, dtype: str) -> Problem:
    """An ordinary question: 8 rows, 100 classes, normal logits, every row with an upstream gradient of its own."""
    rng = np.random.default_rng(7)
    x = FORMATS["float16"].round(rng.normal(0, 2, (8, 100)))
    g = FORMATS["float16"].round(rng.normal(size=(8, 100)))
    if operation in ("softmax", "log_softmax"):
        return Problem(operation, dtype, {"logits": x}, {"dim": -1}, g)
    if operation == "logsumexp":
        return Problem(operation, dtype, {"logits": x}, {"dim": -1}, g[:, 0])
    if operation == "linear":
        return Problem(operation, dtype, {"input": x[:, :20], "weight": g[:5, :20], "bias": x[0, :5]}, {}, g[:, :5])
    labels = rng.integers(0, 100, 8)
    if operation == "cross_entropy":
        return Problem(operation, dtype, {"logits": x, "target": labels}, {}, 0.75)
    inputs = {"input": x[:, :20], "linear_weight": g[:5, :20], "linear_bias": x[0, :5], "target": labels % 5}
    return Problem(operation, dtype, inputs, {}, 0.75)


WRONG: dict[str, Wrong] = {
    **EVERYWHERE,
    "nan": lambda exact, *_: np.full_like(exact, np.nan),
    "infinite": lambda exact, *_: np.full_like(exact, np.inf),
    "uniform": lambda exact, *_: np.full_like(exact, exact.mean() + 2.0**-10),
    "one element just outside": just_outside,
    "only the largest kept": lambda exact, *_: (
        np.where(exact == np.abs(exact).max(), exact, 0.0) if exact.size > 1 else np.zeros_like(exact)
    ),
}
OPERATIONS = ("softmax", "log_softmax", "logsumexp", "linear", "cross_entropy", "linear_cross_entropy")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_answers_are_rejected(operation: str, dtype: str, wrong: str) -> None:
    """Each output in turn replaced by a wrong one: the judge disagrees, and names that output."""
    problem = _problem(operation, dtype)
    result, allowed, storage = MANUAL.answer(problem), bound(problem), FORMATS[dtype]
    assert judge_result(problem, result).ok

    for name in result.outputs:
        exact = solve(problem)[name].astype(np.float64)
        wrong_answer = spoiled(result, name, WRONG[wrong](exact, allowed[name], storage), storage)
        verdict = judge_result(problem, wrong_answer)

        assert verdict.outcome == "disagrees", (name, verdict)
        assert verdict.output == name


@pytest.mark.parametrize("operation", OPERATIONS)
def test_bounds_are_small_beside_the_answer(operation: str, dtype: str) -> None:
    """Against the largest element of each output, a bound is less than a thousandth: far from vacuous."""
    problem = _problem(operation, dtype)
    truth, allowed = solve(problem), bound(problem)

    for name, array in truth.items():
        largest = np.abs(array.astype(np.float64)).max()
        assert allowed[name].max() < largest / 1000, name
