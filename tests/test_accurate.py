"""The loss of labels, and every element of its gradient, to a small relative error; by both halves."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from flint import ctx
from hypothesis import given
from hypothesis import strategies as st

import manual
import reference
from softproof import Candidate, Problem, any_order, judge, load, problems, solve
from softproof.generation.drawn_arrays import seeds
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.truth.balls import Truth, balls

from .helpers.candidates import MANUAL, REFERENCE, answers

ACCURATE = {
    half.name: load(module.accurate_cross_entropy, operation="cross_entropy", adapter=half.adapter)
    for half, module in ((MANUAL, manual), (REFERENCE, reference))
}
LABELS_ONLY = frozenset({"weight", "ignore_index", "reduction"})  # and no smoothing
BITS = 512  # 1 - p = 1e-30 is to keep its digits in the truth, which subtracts

# 1 - p, the loss to first order
SMALL = (0.1, 0.01, 1e-3, 1e-4, 1e-5, 2.0**-20, 2.0**-24, 1e-10, 1e-20, 1e-30)

halves = pytest.mark.parametrize("module", [manual, reference], ids=["manual", "reference"])


def _accurate(half: Candidate) -> Candidate:
    """The accurate loss of a half; whoever is no half is taken for one itself."""
    return ACCURATE.get(half.name, half)


def _labelled(dtype: str, **options: Any) -> st.SearchStrategy[Problem]:
    """Cross-entropy problems whose targets are labels."""
    drawn = problems("cross_entropy", dtype, supports=LABELS_ONLY, **options)
    return drawn.filter(lambda problem: problem.inputs["target"].dtype == np.int64)


def _confident(dtype: str, small: float, label: int = 0) -> Problem:
    """Four classes, the first of which has a probability of about 1 - small."""
    gap = math.log((1 - small) / small)
    logits = FORMATS[dtype].round([0.0, -gap, -gap - 1, -gap - 2])
    return Problem("cross_entropy", dtype, {"logits": logits, "target": label}, {}, grad_output=1.0)


def _allowed(half: Candidate, problem: Problem) -> dict[str, float]:
    """The relative errors of docs/theory/accuracy.md, Propositions 1 and 2: k roundings give γ_k = ku/(1 - ku)."""
    model, x = any_order(problem.dtype), problem.inputs["logits"]
    classes, d = x.shape[-1], x - x.max(-1, keepdims=True)
    spread = float(np.abs(d).max())  # D
    shift = 0.0 if not x.max(-1).any() else spread  # G: x - 0 is exact
    exp, log = model.c_exp, model.c_log
    if half.name == "manual":
        value = shift + exp + log + classes
        gradient = 2 * (shift + exp) + 2 * classes
    else:
        lse = shift + 2 * spread + exp + classes + (log + 1) * math.log(classes)  # A
        value = lse + shift + exp + log + 1
        gradient = 2 * (lse + shift + exp) + spread + math.log(classes) + 6
    u = model.compute.u
    return {"value": value * u / (1 - value * u), "grad_logits": gradient * u / (1 - gradient * u)}


def _errors(found: dict[str, Array], truth: Truth, allowed: dict[str, float]) -> dict[str, bool]:
    """Whether every element of each output is within its relative error."""
    with ctx.workprec(BITS):
        return {
            name: bool(np.all(np.abs(balls(found[name]) - truth[name]) <= each * np.abs(truth[name])))
            for name, each in allowed.items()
        }


@pytest.mark.parametrize("label", range(4))
@pytest.mark.parametrize("small", SMALL)
def test_small_losses_keep_their_digits(half: Candidate, device: str, dtype: str, small: float, label: int) -> None:
    """From p = 0.9 to 1 - 1e-30, in value and in every element of the gradient."""
    problem = _confident(dtype, small, label)

    found = answers(_accurate(half), problem, device)

    assert _errors(found, solve(problem, BITS), _allowed(half, problem)) == {"value": True, "grad_logits": True}


def test_the_usual_form_loses_them(half: Candidate, device: str, dtype: str) -> None:
    """At p = 1 - 2^-24 the bound is out of its reach, so that the test above can fail."""
    problem = _confident(dtype, 2.0**-24)

    found = answers(half, problem, device)

    assert _errors(found, solve(problem, BITS), _allowed(half, problem)) == {"value": False, "grad_logits": False}


@given(rows=st.integers(1, 5), classes=st.integers(2, 40), scale=st.sampled_from((0.1, 3.0, 10.0)),
       offset=st.sampled_from((0.0, -7.0, 1e4)), seed=seeds())  # fmt: skip
def test_any_loss_keeps_its_digits(
    half: Candidate, device: str, dtype: str, rows: int, classes: int, scale: float, offset: float, seed: int
) -> None:
    """Whatever the label and the common offset of the logits, in every row."""
    rng = np.random.default_rng(seed)
    x = FORMATS[dtype].round(np.clip(rng.normal(0, scale, (rows, classes)), -30, 30) + offset)
    y, g = rng.integers(0, classes, rows), rng.integers(1, 9, rows).astype(np.float64)
    problem = Problem("cross_entropy", dtype, {"logits": x, "target": y}, {"reduction": "none"}, g)

    found = answers(_accurate(half), problem, device)

    assert _errors(found, solve(problem, BITS), _allowed(half, problem)) == {"value": True, "grad_logits": True}


@pytest.mark.parametrize("small", SMALL)
def test_gradient_rows_sum_to_zero(half: Candidate, device: str, dtype: str, small: float) -> None:
    """To within the relative error of their elements, which a gradient of 1e-30 is far above."""
    problem = _confident(dtype, small)

    gradient = answers(_accurate(half), problem, device)["grad_logits"]

    with ctx.workprec(BITS):
        size = np.abs(solve(problem, BITS)["grad_logits"]).sum()
        assert abs(balls(gradient).sum()) <= _allowed(half, problem)["grad_logits"] * size


@given(data=st.data())
def test_all_options_keep_the_bound(half: Candidate, device: str, dtype: str, data: st.DataObject) -> None:
    """With class weights, ignored rows, masked classes, every reduction and every layout.

    By hand it is the ordinary evaluation but for log1p; a softplus of a logsumexp is another one, of class B alone.
    """
    accuracy = "C" if half is MANUAL else "B"
    verdict = judge(_accurate(half), data.draw(_labelled(dtype)), device=device, accuracy=accuracy)

    assert verdict.ok, verdict


def test_a_large_upstream_gradient_does_not_overflow(half: Candidate, device: str) -> None:
    """It is never multiplied by e^z, here e^16."""
    logits = np.array([[0.0, 0.0], [16.0, 0.0]])
    problem = Problem("cross_entropy", "float32", {"logits": logits, "target": [1, 1]}, {}, 2.0**116)

    verdict = judge(_accurate(half), problem, device=device, accuracy="C" if half is MANUAL else "B")

    assert verdict.ok, verdict


def test_a_tiny_upstream_gradient_loses_one_rounding(half: Candidate, device: str) -> None:
    """What has underflowed is not multiplied by a sum of many exponentials."""
    logits, labels = np.zeros((3, 65)), np.array([1, 2, 64])
    upstream = np.array([2.225073858507e-311, -5e-324, 3e-322])
    problem = Problem("cross_entropy", "float64", {"logits": logits, "target": labels}, {"reduction": "none"}, upstream)

    verdict = judge(_accurate(half), problem, device=device)

    assert verdict.ok, verdict


@given(data=st.data())
def test_half_precision_is_rounded_once(half: Candidate, device: str, data: st.DataObject) -> None:
    """In float16 both compute in float32."""
    verdict = judge(_accurate(half), data.draw(_labelled("float16")), device=device)

    assert verdict.ok, verdict


LOG1P: dict[str, Callable[[Array], Array]] = {
    "numpy": np.log1p,
    "torch": lambda x: torch.from_numpy(x).log1p().numpy(),
}


@pytest.mark.parametrize("library", LOG1P)
def test_log1p_is_as_accurate_as_log(library: str) -> None:
    """Two million arguments from the smallest normal number to 2^10; the reference is float64."""
    x = np.exp2(np.linspace(-126, 10, 2_000_001)).astype(np.float32)
    exact = np.log1p(x.astype(np.float64))

    error = np.abs(LOG1P[library](x).astype(np.float64) - exact) / exact

    assert error.max() <= any_order("float32").c_log * any_order("float32").compute.u


# ---- where there is no number, or nothing to count ------------------------------------------------------------------


def _both(module: ModuleType, x: Any, y: Any, **options: Any) -> tuple[Array, Array]:
    """Losses of rows and ∂L/∂x, as arrays."""
    logits, labels = np.array(x, np.float32), np.array(y)
    ones = np.ones(labels.shape, np.float32)
    value = module.accurate_cross_entropy(logits, labels, reduction="none", **options)
    gradient = module.accurate_cross_entropy_backward(ones, logits, labels, reduction="none", **options)
    return np.asarray(value), np.asarray(gradient)


@halves
@pytest.mark.parametrize("row", [[np.inf, 0.0], [np.nan, 0.0], [-np.inf, -np.inf], [0.0, np.inf], [np.inf, np.inf]])
@pytest.mark.parametrize("label", [0, 1])
def test_a_row_without_a_softmax_is_nan(module: ModuleType, row: list[float], label: int) -> None:
    """As from torch, for every label."""
    value, gradient = _both(module, [row], [label])

    assert np.isnan(value).all()
    assert np.isnan(gradient).all()
    assert torch.nn.functional.cross_entropy(torch.tensor([row]), torch.tensor([label])).isnan()


@halves
def test_masked_classes(module: ModuleType) -> None:
    """The only class left costs nothing; a label that is masked is infinitely wrong, with a finite gradient."""
    value, gradient = _both(module, [[0.0, -np.inf, -np.inf], [0.0, -np.inf, 0.0], [-np.inf] * 2 + [5.0]], [0, 1, 2])

    assert value.tolist() == [0.0, np.inf, 0.0]
    assert gradient.tolist() == [[0.0, 0.0, 0.0], [0.5, -1.0, 0.5], [0.0, 0.0, 0.0]]


@halves
def test_one_class_costs_nothing(module: ModuleType) -> None:
    """Loss and gradient are 0, for a batch and without one."""
    for x, y in (([[3.0], [-1e30]], [0, 0]), ([3.0], 0)):
        value, gradient = _both(module, x, y)

        assert not value.any()
        assert not gradient.any()


@halves
def test_an_ignored_row_counts_nothing(module: ModuleType) -> None:
    """Whatever it holds: its loss and its gradient are 0."""
    value, gradient = _both(module, [[np.nan, 0.0], [0.0, 0.0], [np.inf, 1.0]], [7, 1, 7], ignore_index=7)

    assert value[[0, 2]].tolist() == [0.0, 0.0]
    assert gradient.tolist() == [[0.0, 0.0], [0.5, -0.5], [0.0, 0.0]]


@halves
def test_the_mean_over_no_row_is_nan(module: ModuleType) -> None:
    """And its gradient 0, as in torch."""
    x, y = np.zeros((2, 3)), np.array([-100, -100])

    assert np.isnan(np.asarray(module.accurate_cross_entropy(x, y)))
    assert not np.asarray(module.accurate_cross_entropy_backward(1.0, x, y)).any()


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are independent, so it does not matter how many are worked on at a time."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 5, 2)), rng.integers(0, 5, (9, 2))
    whole = manual.accurate_cross_entropy(x, y), manual.accurate_cross_entropy_backward(1.0, x, y)

    monkeypatch.setattr("manual.arrays.BLOCK", 8)

    np.testing.assert_array_equal(manual.accurate_cross_entropy(x, y), whole[0])
    np.testing.assert_array_equal(manual.accurate_cross_entropy_backward(1.0, x, y), whole[1])
