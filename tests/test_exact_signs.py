"""What the truth decides, it decides exactly: signs, zeros and denominators are the same at every precision."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from softproof import Output, Problem, Result, judge_result, solve
from softproof.problem.exact_sums import exact_sum, nearest
from softproof.problem.losses import coefficients
from softproof.problem.problem import Array
from softproof.truth.signs import coefficient_signs
from softproof.verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE

BITS = (53, 64, 128, 512)
INF = np.inf

_CANCEL: dict[str, Any] = {
    "logits": np.where(np.arange(25) == 12, -INF, 0.0).reshape(5, 5),
    "target": np.arange(5),
    "weight": [2.0**127, 2.0**73, -(2.0**-100), -(2.0**127), -(2.0**73)],
}
_UNDERFLOW: dict[str, Any] = {"logits": [[0.0, -INF]], "target": [0], "weight": [1.0, 5e-324]}
_TWO_FACTORS: dict[str, Any] = {"logits": [[0.0, -INF]], "target": [[1.0, 1e-200]], "weight": [1.0, 1e-200]}
_TINY_SMOOTHING: dict[str, Any] = {"logits": [[0.0, -INF, 0.0]], "target": [0]}
_SHARE_OF_NOTHING: dict[str, Any] = {"logits": [[0.0, -INF]], "target": [[1.5, -0.5]]}
_JUST_BELOW: dict[str, Any] = {"logits": [[0.0, -INF]], "target": [[1.5, -0.5 - 2.0**-53]]}


def _loss(inputs: dict[str, Any], **options: Any) -> Problem:
    return Problem("cross_entropy", "float64", inputs, options, 1.0)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(
    ("problem", "exact"),
    [
        (_loss(_CANCEL), INF),
        (_loss({**_CANCEL, "weight": [-w for w in _CANCEL["weight"]]}), INF),
        (_loss({**_CANCEL, "weight": np.abs(_CANCEL["weight"])}), INF),
        (_loss(_UNDERFLOW, reduction="sum", label_smoothing=0.1), INF),
        (_loss({**_UNDERFLOW, "weight": [1.0, -5e-324]}, reduction="sum", label_smoothing=0.1), -INF),
        (_loss(_TWO_FACTORS, reduction="sum"), INF),
        (_loss({**_TWO_FACTORS, "target": [[1.0, -1e-200]]}, reduction="sum"), -INF),
        (_loss(_TINY_SMOOTHING, label_smoothing=5e-324), INF),
        (_loss(_SHARE_OF_NOTHING, label_smoothing=0.5, reduction="sum"), 0.0),
        (_loss(_JUST_BELOW, label_smoothing=0.5, reduction="sum"), -INF),
    ],
)
def test_infinities_have_the_right_sign_at_every_precision(problem: Problem, exact: float, bits: int) -> None:
    """However little is left of weights that cancel, and however small a product is."""
    assert float(solve(problem, bits)["value"].item()) == exact


def test_the_right_answer_agrees_and_the_wrong_one_does_not() -> None:
    """+inf where the sum of weights is -2^-100, and so is the weight of the row whose loss is infinite.

    -inf and NaN have no guarantee: of such a sum rounding may leave 2^73, -2^73, or 0, by the order of summation, and
    weights that are divided by 0 first are infinite.
    """
    problem = Problem("cross_entropy", "float64", _CANCEL)

    for given_, outcome in ((INF, AGREES), (-INF, NO_GUARANTEE), (np.nan, NO_GUARANTEE), (0.0, DISAGREES)):
        verdict = judge_result(problem, Result({"value": Output(np.array(given_), "float64")}))
        assert verdict.outcome == outcome, verdict


@pytest.mark.parametrize("bits", BITS)
def test_a_denominator_is_not_what_float64_leaves_of_it(bits: int) -> None:
    """2^60 + 1 - 2^60 is 1."""
    weight = [2.0**60, 1.0, -(2.0**60)]
    problem = _loss({"logits": np.zeros((3, 3)), "target": [0, 1, 2], "weight": weight})

    truth = solve(problem, bits)

    assert float(truth["grad_logits"][1, 0]) == pytest.approx(1 / 3)
    if bits != 53:  # in which the losses cancel, too
        assert truth["value"].item().overlaps(arb(3).log())


@pytest.mark.parametrize("weight", [5e-324, 1e308])
def test_balls_of_denominators_are_sharp(weight: float) -> None:
    """And neither overflow nor vanish; what weights that cancel leave has as many bits as any number."""
    inputs = {"logits": np.zeros((3, 3)), "target": [0, 0, 1], "weight": [weight, -weight, 1.0]}

    slope = solve(_loss(inputs), 128)["grad_logits"][0, 1]  # w/D/3, of D = 2w - w

    assert slope.overlaps(arb(1) / 3)
    assert slope.rel_accuracy_bits() > 100


# ---- the arithmetic -------------------------------------------------------------------------------------------------


_FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(pairs=st.lists(st.tuples(_FLOATS, st.integers(0, 2**20)), max_size=6))
def test_sums_are_exact(pairs: list[tuple[float, int]]) -> None:
    """As fractions, one after another."""
    values, times = (np.array([pair[i] for pair in pairs], np.float64) for i in (0, 1))

    found = exact_sum(values, times)

    assert found == sum((Fraction(x) * n for x, n in pairs), Fraction(0))
    assert (nearest(found) == 0) is (found == 0)


def test_the_nearest_float64_may_be_infinite() -> None:
    """Of what is larger than all others."""
    largest = np.finfo(np.float64).max
    assert nearest(exact_sum(np.array([largest]), np.array([2.0]))) == INF
    assert nearest(exact_sum(np.array([-largest]), np.array([2.0]))) == -INF
    assert nearest(exact_sum(np.array([largest]), np.array([1.0]))) == largest


_WEIGHTS = st.sampled_from([0.0, 5e-324, -5e-324, 1e-200, 1.0, -2.0, 1e308])
_SHARES = st.sampled_from([0.0, 5e-324, 1e-200, 0.5, 1.0, -0.5, -1.0, -0.5 - 2.0**-53, -1e-200, -5e-324, 1e300, -1e300])
_SMOOTHING = st.sampled_from([0.0, 5e-324, 1e-200, 0.1, 0.5, 1.0 - 2.0**-53, 1.0])


@given(
    weight=st.lists(_WEIGHTS, min_size=2, max_size=3),
    labelled=st.booleans(),
    epsilon=_SMOOTHING,
    data=st.data(),
)
def test_signs_of_coefficients_are_those_of_fractions(
    weight: list[float], labelled: bool, epsilon: float, data: st.DataObject
) -> None:
    """w((1 - ε)q + ε/C), for labels, an ignored one among them, and for probabilities of any sign."""
    classes = len(weight)
    target: Any = [0, -100, classes - 1]
    q = [[Fraction(label == j) for j in range(classes)] for label in target]
    if not labelled:
        target = [data.draw(st.lists(_SHARES, min_size=classes, max_size=classes)) for _ in range(3)]
        q = [[Fraction(share) for share in row] for row in target]
    problem = _loss({"logits": np.zeros((3, classes)), "target": target, "weight": weight}, label_smoothing=epsilon)

    found = coefficient_signs(problem, classes)

    t = [[Fraction(w) * ((1 - Fraction(epsilon)) * share + Fraction(epsilon) / classes) for w, share in
          zip(weight, row, strict=True)] for row in q]  # fmt: skip
    if labelled:
        t[1] = [Fraction(0)] * classes
    assert found.tolist() == [[(each > 0) - (each < 0) for each in row] for row in t]


@pytest.mark.parametrize("weight", [None, [2.0, 0.0, -1.0]])
def test_signs_where_one_class_counts(weight: list[float] | None) -> None:
    """The same as those of coefficients that float64 holds, and NaN for a probability that is none."""
    inputs: dict[str, Any] = {"logits": np.zeros((4, 3)), "target": [0, 1, 2, -100]}
    problem = _loss(inputs if weight is None else {**inputs, "weight": weight})
    missing = _loss({"logits": np.zeros((1, 2)), "target": [[np.nan, 1.0]]})

    assert coefficient_signs(problem, 3).tolist() == np.sign(coefficients(problem, 3)).tolist()
    assert np.isnan(coefficient_signs(missing, 2)).tolist() == [[True, False]]


def test_signs_of_some_rows() -> None:
    """Are those of these rows."""
    problem = _loss({"logits": np.zeros((3, 2)), "target": [[1.0, 0.0], [0.0, -1.0], [0.5, 0.5]]})
    whole: Array = coefficient_signs(problem, 2)

    assert coefficient_signs(problem, 2, slice(1, 3)).tolist() == whole[1:].tolist()
