"""Laws that hold whatever the truth is, each within what the bounds allow for rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flint import ctx
from hypothesis import assume, given
from hypothesis import strategies as st

from softproof import Candidate, Problem, bound, problems
from softproof.exact import balls
from softproof.problem import Array
from softproof.strategies import seeds

from .candidates import answers

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 40))


def _sums_to(values: Array, expected: float, allowed: Array, axis: int = -1) -> bool:
    """Whether exact sums along `axis` are within the summed bounds of `expected`."""
    with ctx.workprec(256):
        error = np.abs(np.asarray(balls(values).sum(axis)) - expected)
        return bool(np.all(error <= np.asarray(balls(allowed).sum(axis))))


def _near(first: Array, second: Array, allowed: Array) -> bool:
    """Whether two arrays are within `allowed` of each other; equal infinities are, NaN never is."""
    with np.errstate(invalid="ignore"):
        return bool(((first == second) | (np.abs(first - second) <= allowed)).all())


def _integers(seed: int, shape: tuple[int, ...], largest: int = 30) -> Array:
    """Whole numbers: adding whole numbers to them rounds nothing."""
    return np.random.default_rng(seed).integers(-largest, largest + 1, shape).astype(np.float64)


def _loss(logits: Array, target: Any, grad_output: Any, dtype: str, **options: Any) -> Problem:
    inputs = {"logits": logits, "target": target} | {name: options.pop(name) for name in ("weight",) if name in options}
    return Problem("cross_entropy", dtype, inputs, options, grad_output)


@given(data=st.data())
def test_softmax_rows_sum_to_one(half: Candidate, dtype: str, device: str, data: st.DataObject) -> None:
    """Σ p = 1."""
    problem = data.draw(problems("softmax", dtype))

    p = answers(half, problem, device)["value"]

    assert _sums_to(p, 1.0, bound(problem)["value"], problem.options["dim"])


@pytest.mark.parametrize("operation", ["softmax", "cross_entropy"])
@given(data=st.data())
def test_gradient_rows_sum_to_zero(
    half: Candidate, operation: str, dtype: str, device: str, data: st.DataObject
) -> None:
    """A common shift of the logits changes neither softmax nor loss, so Σ_j ∂L/∂a_j = 0."""
    problem = data.draw(problems(operation, dtype))
    axis = problem.options["dim"] if operation == "softmax" else min(problem.inputs["logits"].ndim - 1, 1)

    gradient = answers(half, problem, device)["grad_logits"]

    assert _sums_to(gradient, 0.0, bound(problem)["grad_logits"], axis)


@pytest.mark.parametrize("operation", ["softmax", "log_softmax"])
@given(size=SIZES, seed=seeds(), shift=st.integers(-1000, 1000))
def test_a_common_shift_changes_nothing(
    half: Candidate, device: str, operation: str, dtype: str, size: tuple[int, int], seed: int, shift: int
) -> None:
    """f(a + c) = f(a), for values and gradients."""
    x, g = _integers(seed, size), _integers(seed + 1, size)
    here, there = (Problem(operation, dtype, {"logits": x + c}, {"dim": -1}, g) for c in (0, shift))

    _agree(half, device, here, there)


@given(size=SIZES, seed=seeds(), shift=st.integers(-1000, 1000))
def test_logsumexp_moves_with_a_common_shift(
    half: Candidate, device: str, dtype: str, size: tuple[int, int], seed: int, shift: int
) -> None:
    """logsumexp(a + c) = logsumexp(a) + c."""
    x = _integers(seed, size)
    here, there = (Problem("logsumexp", dtype, {"logits": x + c}, {"dim": -1}) for c in (0, shift))

    moved = answers(half, there, device)["value"] - shift  # one rounding to float64

    allowed = bound(here)["value"] + bound(there)["value"] + 2.0**-53 * (np.abs(moved) + abs(shift))
    assert _near(answers(half, here, device)["value"], moved, allowed)


def _agree(half: Candidate, device: str, first: Problem, second: Problem, view: Any = lambda array: array) -> None:
    """All outputs of two problems are the same up to both bounds, after `view` of the first."""
    one, two, allowed = answers(half, first, device), answers(half, second, device), (bound(first), bound(second))
    for name in two:
        assert _near(view(one[name]), two[name], view(allowed[0][name]) + allowed[1][name]), name


@pytest.mark.parametrize("operation", ["softmax", "log_softmax"])
@given(size=SIZES, seed=seeds())
def test_permuting_classes_permutes_the_answer(
    half: Candidate, device: str, operation: str, dtype: str, size: tuple[int, int], seed: int
) -> None:
    """f(a P) = f(a) P, for values and gradients."""
    order = np.random.default_rng(seed).permutation(size[1])
    x, g = _integers(seed, size), _integers(seed + 1, size)
    first = Problem(operation, dtype, {"logits": x}, {"dim": -1}, g)
    second = Problem(operation, dtype, {"logits": x[:, order]}, {"dim": -1}, g[:, order])

    _agree(half, device, first, second, lambda array: array[:, order])


@given(size=SIZES, seed=seeds(), smoothing=st.sampled_from((0.0, 0.1)))
def test_permuting_rows_permutes_the_losses(
    half: Candidate, device: str, dtype: str, size: tuple[int, int], seed: int, smoothing: float
) -> None:
    """The loss of a row does not depend on where the row stands."""
    rng = np.random.default_rng(seed)
    order, x, g = rng.permutation(size[0]), _integers(seed, size), _integers(seed + 1, size[:1])
    labels = rng.integers(0, size[1], size[0])
    options = {"reduction": "none", "label_smoothing": smoothing}
    first = _loss(x, labels, g, dtype, **options)
    second = _loss(x[order], labels[order], g[order], dtype, **options)

    _agree(half, device, first, second, lambda array: array[order])


@given(data=st.data())
def test_gibbs_inequality(half: Candidate, dtype: str, device: str, data: st.DataObject) -> None:
    """Σ p log(p/q) >= Σ p - Σ q, which is 0 for distributions that sum to 1 exactly; and D(p‖p) = 0."""
    problem = data.draw(problems("kl_divergence", dtype))
    axis, p, q = problem.options["dim"], balls(problem.inputs["p"]), balls(problem.inputs["q"])

    divergence = answers(half, problem, device)["value"]

    finite = np.isfinite(divergence)
    with ctx.workprec(256):
        gap = np.asarray(p.sum(axis) - q.sum(axis))
        assert np.all(balls(divergence[finite]) + balls(bound(problem)["value"][finite]) >= gap[finite])
    assert np.all(divergence[~finite] == np.inf)
    itself = replace(problem, inputs={"p": problem.inputs["p"], "q": problem.inputs["p"]})
    assert _near(answers(half, itself, device)["value"], np.zeros(gap.shape), bound(itself)["value"])


@given(
    size=SIZES,
    seed=seeds(),
    reduction=st.sampled_from(("mean", "sum", "none")),
    smoothing=st.sampled_from((0.0, 0.1, 1.0)),
)
def test_a_one_hot_target_is_its_label(
    half: Candidate, device: str, dtype: str, size: tuple[int, int], seed: int, reduction: str, smoothing: float
) -> None:
    """Probabilities that are one-hot give the loss and the gradient of the label."""
    labels = np.random.default_rng(seed).integers(0, size[1], size[0])
    x, g = _integers(seed, size), _integers(seed + 1, size[:1] if reduction == "none" else ())
    options = {"reduction": reduction, "label_smoothing": smoothing}
    hot = _loss(x, np.eye(size[1])[labels], g, dtype, **options)
    label = _loss(x, labels, g, dtype, **options)

    _agree(half, device, hot, label)


@given(
    size=SIZES,
    seed=seeds(),
    reduction=st.sampled_from(("mean", "sum", "none")),
    smoothing=st.sampled_from((0.0, 0.1)),
    weighted=st.booleans(),
    ignore_index=st.sampled_from((-100, 0, 7)),
)
def test_ignoring_a_row_is_deleting_it(
    half: Candidate,
    device: str,
    dtype: str,
    size: tuple[int, int],
    seed: int,
    reduction: str,
    smoothing: float,
    weighted: bool,
    ignore_index: int,
) -> None:
    """A row whose label is ignore_index changes nothing, and has a gradient of 0."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(size[0]) < 0.5, ignore_index, rng.integers(0, size[1], size[0]))
    kept = labels != ignore_index
    assume(kept.any())
    x, g = _integers(seed, size), _integers(seed + 1, size[:1] if reduction == "none" else ())
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignore_index}
    if weighted:
        options["weight"] = rng.integers(1, 5, size[1]).astype(np.float64)
    whole = _loss(x, labels, g, dtype, **options)
    rest = _loss(x[kept], labels[kept], g[kept] if reduction == "none" else g, dtype, **options)

    _agree(half, device, whole, rest, lambda array: array[kept] if array.ndim else array)
    outputs: Mapping[str, Array] = answers(half, whole, device)
    assert not outputs["grad_logits"][~kept].any()
