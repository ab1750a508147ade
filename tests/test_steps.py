"""The article's steps with other numbers: the chain over all paths, the sum of its paths, and the fused form."""

from __future__ import annotations

from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import manual
import reference
from softproof import Output, Problem, Result, judge_result
from tests.helpers.candidates import MANUAL, REFERENCE

CANDIDATES = {"manual": MANUAL, "reference": REFERENCE}
halves = pytest.mark.parametrize("half", [manual, reference], ids=["manual", "reference"])
Array = np.ndarray[Any, np.dtype[Any]]


def _ways(half: ModuleType, x: Array, w: Array, y: Array) -> dict[str, Array]:
    """∂L/∂W in each way that the half knows."""
    through = [np.asarray(half.weight_gradient_through_one_path(x, w, y, path)) for path in range(len(y))]
    return {
        "over all paths": np.asarray(half.weight_gradient_over_all_paths(x, w, y)),
        "path by path": np.sum(through, axis=0),
        "fused": np.asarray(half.weight_gradient_fused(x, w, y)),
    }


@st.composite
def _even(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """x, W and y for which every step is exact: 2^n classes with the same logit, so that p = 2^-n; small quarters."""
    quarters = st.integers(-16, 16).map(lambda k: k / 4)
    classes, features = 2 ** draw(st.integers(0, 3)), draw(st.integers(1, 4))
    x, row = (np.array(draw(st.lists(quarters, min_size=features, max_size=features))) for _ in range(2))
    y = np.array(draw(st.lists(quarters.map(abs), min_size=classes, max_size=classes)))
    return x, np.tile(row, (classes, 1)), y


@halves
@given(_even())
def test_the_steps_are_exact_where_the_classes_are_equal(half: ModuleType, drawn: tuple[Array, Array, Array]) -> None:
    """Equal to the last bit to (p_k Σ_i y_i - y_k) x_j, also where y does not sum to 1.

    Not the fused form of torch, which makes p of its logarithm.
    """
    x, w, y = drawn
    p, total = Fraction(1, len(y)), sum(map(Fraction, y))
    exact = [[(p * total - Fraction(y_k)) * Fraction(x_j) for x_j in x] for y_k in y]

    checks = _ways(half, x, w, y)
    if half is reference:
        del checks["fused"]
    for name, found in checks.items():
        assert [[Fraction(each) for each in row] for row in found.tolist()] == exact, name


@st.composite
def _uneven(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """x, W and y with logits from -8 to 8, and y that sums to 1."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes, features = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    x, w = rng.uniform(-1, 1, features), rng.uniform(-8, 8, (classes, features)) / features
    return x, w, rng.dirichlet(np.ones(classes))


@halves
@given(_uneven())
def test_the_judge_agrees_with_the_fused_form(half: ModuleType, drawn: tuple[Array, Array, Array]) -> None:
    """As ∂L/∂W of the classifier, by Theorem 12. It covers no product of factors, which rounds more often."""
    x, w, y = drawn
    inputs = {"input": x, "linear_weight": w, "target": y}
    problem = Problem("linear_cross_entropy", "float64", inputs, {"reduction": "sum"}, grad_output=1.0)
    fused = np.asarray(half.weight_gradient_fused(x, w, y))

    own = CANDIDATES[half.__name__].answer(problem).outputs
    verdict = judge_result(problem, Result({**own, "grad_linear_weight": Output(fused, "float64")}))

    assert verdict.ok, str(verdict)
