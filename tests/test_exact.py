"""The truth is true: against rational arithmetic, against itself with more bits, and against difference quotients."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st

from softproof import OPERATIONS, Output, Problem, Result, judge_result, problems, solve
from softproof.problem.losses import denominator, kept
from softproof.problem.outputs import gradient_names, value_shape
from softproof.problem.problem import Array
from softproof.problem.rows import class_count
from softproof.truth.balls import balls


def test_softmax_of_equal_logits_is_rational() -> None:
    """Three equal logits: exactly 1/3 each, and the enclosure is narrow."""
    p = solve(Problem("softmax", "float64", {"logits": [7.0] * 3}, {"dim": -1}))["value"]

    with ctx.workprec(512):
        assert all(ball.contains(arb(1) / 3) for ball in p)
    assert all(ball.rad() < 2.0**-120 for ball in p)


@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(*[st.integers(1, 4)] * 3))
def test_linear_is_rational(seed: int, sizes: tuple[int, int, int]) -> None:
    """A product of matrices, element by element as fractions."""
    (rows, features, classes), rng = sizes, np.random.default_rng(seed)
    x, w, b = rng.normal(size=(rows, features)), rng.normal(size=(classes, features)), rng.normal(size=classes)

    value = solve(Problem("linear", "float64", {"input": x, "weight": w, "bias": b}), bits=400)["value"]

    for i, k in np.ndindex(rows, classes):
        products = [Fraction(float(x[i, j])) * Fraction(float(w[k, j])) for j in range(features)]
        exact = sum(products, Fraction(float(b[k])))
        with ctx.workprec(400):
            assert value.item(i, k).contains(arb(exact.numerator) / exact.denominator)


def test_two_classes_are_a_logistic_function() -> None:
    """log(1 + e^-d), by arb's own log1p: another formula for the loss of two classes."""
    loss = solve(Problem("cross_entropy", "float64", {"logits": [[30.0, 0.0]], "target": [0]}))["value"].item()

    with ctx.workprec(200):
        assert loss.overlaps(arb(-30).exp().log1p())
        assert loss.rel_accuracy_bits() > 64


def test_known_information() -> None:
    """A fair coin has log 2 nats; impossible outcomes cost nothing in p and everything in q."""
    half, certain = [0.5, 0.5], [1.0, 0.0]

    assert solve(Problem("entropy", "float64", {"p": half}))["value"].item().overlaps(arb(2).log())
    assert solve(Problem("entropy", "float64", {"p": certain}))["value"].item() == 0
    assert solve(Problem("kl_divergence", "float64", {"p": certain, "q": half}))["value"].item().overlaps(arb(2).log())
    assert solve(Problem("kl_divergence", "float64", {"p": half, "q": certain}))["value"].item() == np.inf
    assert solve(Problem("distribution_cross_entropy", "float64", {"p": half, "q": certain}))["value"].item() == np.inf


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_nothing(reduction: str) -> None:
    """No row that counts: the sum is 0, the mean is 0/0, and the gradient of what is ignored is 0."""
    g = [1.0, 1.0] if reduction == "none" else 1.0
    problem = Problem(
        "cross_entropy", "float64", {"logits": np.ones((2, 3)), "target": [-100, -100]}, {"reduction": reduction}, g
    )

    truth = solve(problem)

    value = truth["value"].astype(np.float64)
    assert np.isnan(value).all() if reduction == "mean" else (value == 0).all()
    assert (truth["grad_logits"] == 0).all()


@pytest.mark.parametrize("bits", [128, 512])
def test_a_slope_of_a_masked_class_is_infinite_however_small_its_factors(bits: int) -> None:
    """5e-324 times 0.5 times 0.9 is not 0, which no float64 says."""
    inputs: dict[str, Any] = {"logits": [[0.0, -np.inf]], "target": [[0.5, 0.5]], "weight": [1.0, 0.5]}
    problem = Problem("cross_entropy", "float64", inputs, {"label_smoothing": 0.1}, grad_output=5e-324)
    other = replace(problem, grad_output=np.array(-5e-324))

    assert solve(problem, bits)["grad_target"][0, 1] == np.inf
    assert solve(other, bits)["grad_target"][0, 1] == -np.inf
    infinite = Result({
        "value": Output(np.array(np.inf), "float64"),
        "grad_logits": Output(np.zeros((1, 2)), "float64"),
        "grad_target": Output(np.array([[0.0, np.inf]]), "float64"),
    })  # fmt: skip
    assert judge_result(problem, infinite).ok
    assert not judge_result(other, infinite).ok


def test_a_masked_target_has_an_infinite_loss() -> None:
    """-log 0 = inf, and the gradient is still p - y."""
    truth = solve(Problem("cross_entropy", "float64", {"logits": [[-np.inf, 0.0]], "target": [0]}, {}, 1.0))

    assert truth["value"].item() == np.inf
    assert truth["grad_logits"].astype(np.float64).tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_more_bits_say_the_same(operation: str, data: st.DataObject) -> None:
    """Enclosures of the same number at two precisions overlap, and special values are the same."""
    problem = data.draw(problems(operation, "float64"))
    coarse, fine = solve(problem, 64), solve(problem, 320)

    assert coarse.keys() == fine.keys()
    for name in coarse:
        for one, two in zip(coarse[name].flat, fine[name].flat, strict=True):
            assert one.overlaps(two) if isinstance(one, arb) else (one == two or (one != one and two != two))


@pytest.mark.parametrize("bits", [128, 512, 8192])
def test_logits_beyond_float64(bits: int) -> None:
    """x Wᵀ of 1e400 and -1e400: a loss of 2e400, and gradients that float64 holds; no ball of NaN."""
    inputs: dict[str, Any] = {"input": [[1e200], [1e-200]], "linear_weight": [[-1e200], [1e200]], "target": [0, 1]}
    problem = Problem("linear_cross_entropy", "float64", inputs, {"reduction": "sum"}, 1.0)

    truth = solve(problem, bits)

    with ctx.workprec(bits):
        x, w = arb(1e200), arb(1e-200)
        small = 1 / (1 + (-2 * arb(1e200) * w).exp())  # of the second row
        assert truth["value"].item().overlaps(2 * x * x - small.log())
        assert truth["grad_linear_weight"][1, 0].overlaps(x - (1 - small) * w)
    assert all(each.is_finite() for each in truth["value"].flat)
    assert float(truth["grad_input"][0, 0]) == 2e200
    assert [float(each) for each in truth["grad_linear_weight"].flat] == [-1e200, 1e200]


def test_a_layer_whose_mean_is_over_no_weight_has_no_gradients() -> None:
    """nan, and not a ball that more bits might decide; but for rows that are ignored."""
    inputs: dict[str, Any] = {
        "input": [[1.0], [2.0]],
        "linear_weight": [[1.0], [2.0]],
        "target": [0, -100],
        "weight": [0.0, 1.0],
    }

    truth = solve(Problem("linear_cross_entropy", "float64", inputs | {"linear_bias": [0.0, 1.0]}, {}, 1.0))

    for name in ("value", "grad_linear_weight", "grad_linear_bias"):
        assert all(isinstance(each, float) and np.isnan(each) for each in truth[name].flat), name
    assert [str(each) for each in truth["grad_input"].flat] == ["nan", "0"]


def test_equal_logits_beyond_float64() -> None:
    """Are equal: log 2 is the loss."""
    inputs: dict[str, Any] = {"input": [[1e200, 1.0]], "linear_weight": [[1e200, 0.5]] * 2, "target": [0]}

    loss = solve(Problem("linear_cross_entropy", "float64", inputs), 4096)["value"].item()

    assert loss.overlaps(arb(2).log())
    assert loss.rel_accuracy_bits() > 60


def test_precision_does_not_leak() -> None:
    """The number of bits is an argument; the global of the library stays as it was."""
    before = ctx.prec
    solve(Problem("softmax", "float64", {"logits": [1.0]}), bits=999)

    assert ctx.prec == before


STEP = 2.0**-30  # x + STEP is a float64 for the coarse x below


@pytest.mark.parametrize("operation", [name for name, each in OPERATIONS.items() if each.gradients])
@given(data=st.data())
def test_gradients_are_difference_quotients(operation: str, thorough: bool, data: st.DataObject) -> None:
    """(f(x + h) - f(x - h)) / 2h at 256 bits, for each element of each input: no formula of a gradient is shared."""
    drawn = problems(operation, "float16").filter(lambda problem: thorough or _entries(problem) <= 400)
    problem = data.draw(drawn.map(_coarse).filter(_has_a_mean))
    assert problem.grad_output is not None
    truth = solve(problem, 256)
    for name in gradient_names(problem):
        values = problem.inputs[name]
        for index in list(np.ndindex(values.shape))[:4]:
            if not np.isfinite(values[index]):
                continue
            with ctx.workprec(256):
                above, below = (_moved(problem, name, index, step) for step in (STEP, -STEP))
                products = np.asarray((above - below) * balls(problem.grad_output), dtype=object)
                quotient = (products.sum() + arb(0)) / (2 * STEP)
                scale = 1 + float(np.abs(problem.grad_output).sum())
                # Taylor: the error is at most h²/6 times a third derivative, which entries below 8 keep below 2^13
                assert abs(quotient - truth[f"grad_{name}"][index]) <= arb(scale * STEP**2 * 2.0**13)


def _entries(problem: Problem) -> int:
    return sum(values.size for values in problem.inputs.values())


def _has_a_mean(problem: Problem) -> bool:
    """Whether no mean divides by a sum of weights that is 0; what follows is NaN, and has no quotient."""
    labels = problem.inputs.get("target")
    if labels is None or labels.dtype != np.int64 or problem.options.get("reduction", "mean") != "mean":
        return True
    return denominator(problem, class_count(problem)) != 0 or not kept(problem).any()


def _coarse(problem: Problem) -> Problem:
    """The same problem with entries that are multiples of 1/16 up to 8, and finite losses."""

    def coarse(name: str, values: Array) -> Array:
        if values.dtype == np.int64 or name == "target":
            return values
        return np.where(np.isfinite(values), np.round(np.clip(np.nan_to_num(values), -8, 8) * 16) / 16, 0.0)

    inputs = {name: coarse(name, _wide(values)) for name, values in problem.inputs.items()}
    if "weight" in inputs and "logits" in inputs:
        inputs["weight"] = inputs["weight"] + 1 / 16  # no weight of 0
    inputs |= {name: inputs[name] + 1 / 16 for name in ("p", "q") if name in inputs}  # nor a probability
    given = np.ones(value_shape(problem)) if problem.grad_output is None else _wide(problem.grad_output)
    upstream = coarse("grad_output", given)
    return replace(problem, dtype="float64", inputs=inputs, grad_output=upstream)


def _wide(values: Array) -> Array:
    return values if values.dtype == np.int64 else values.astype(np.float64)


def _moved(problem: Problem, name: str, index: tuple[int, ...], step: float) -> Array:
    """The value with one element moved."""
    values = problem.inputs[name].copy()
    values[index] += step
    value = solve(replace(problem, inputs={**problem.inputs, name: values}, grad_output=None), 256)["value"]
    return np.where(value != value, balls(np.zeros(1)), value)  # a mean over nothing is nan


def test_a_number_far_from_1_is_told_by_its_magnitude() -> None:
    """No exponent of 70 digits is printed."""
    problem = Problem("softmax", "float64", {"logits": [1e77, 0.0]}, {"dim": -1})

    verdict = judge_result(problem, Result({"value": Output(np.array([1.0, 0.5]), "float64")}))

    assert "got 0.5, exact about 10^-4.34e+76; the" in verdict.explanation
    assert len(verdict.explanation) < 200
