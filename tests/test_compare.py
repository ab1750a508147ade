"""The comparator itself: what it must accept, what it must refuse, and what it must say."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb

from softproof import Output, Problem, Result, Verdict
from softproof.compare import compare
from softproof.exact import balls
from softproof.problem import Array

PROBLEM = Problem("softmax", "float64", {"logits": [0.0, 0.0]}, {"dim": -1})


def _verdict(
    got: list[float],
    exact: Array | tuple[float, ...] = (0.25, 0.75),
    allowed: tuple[float, ...] = (0.125, 0.125),
    dtype: str = "float64",
    device: str = "cpu",
) -> Verdict:
    truth = exact if isinstance(exact, np.ndarray) else balls(np.array(exact))
    result = Result({"value": Output(np.array(got, np.float64), dtype, device)})
    return compare(PROBLEM, result, {"value": truth}, {"value": np.array(allowed, np.float64)})


def test_an_error_equal_to_the_bound_is_allowed() -> None:
    """The comparison is <=, and exact: 0.25 + 0.125 agrees."""
    verdict = _verdict([0.375, 0.75])

    assert verdict.ok
    assert verdict.ratio == 1.0


def test_the_next_number_is_not() -> None:
    """One float64 further disagrees."""
    verdict = _verdict([np.nextafter(0.375, 1), 0.75])

    assert verdict.outcome == "disagrees"
    assert verdict.index == (0,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_disagrees(bad: float) -> None:
    """NaN compares false with everything; that must not let it through."""
    verdict = _verdict([0.25, bad])

    assert verdict.outcome == "disagrees"
    assert verdict.index == (1,)
    assert verdict.ratio == np.inf


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values_are_compared_exactly(special: float) -> None:
    """Where the truth is inf or nan, that and nothing else agrees."""
    exact: Array = np.array([special, arb(0.75)], dtype=object)

    assert _verdict([special, 0.75], exact).ok
    for other in {0.0, np.inf, -np.inf, 1e308}:
        assert other == special or not _verdict([other, 0.75], exact).ok
    assert np.isnan(special) or not _verdict([np.nan, 0.75], exact).ok


def test_an_infinity_is_allowed_only_next_to_overflow() -> None:
    """Where the exact value is within its bound of the largest number, the infinity of its sign agrees."""
    largest = np.finfo(np.float64).max

    assert _verdict([np.inf, 0.0], (largest, 0.0), (largest / 4, 0.0)).ok
    assert not _verdict([-np.inf, 0.0], (largest, 0.0), (largest / 4, 0.0)).ok
    assert not _verdict([np.inf, 0.0], (largest / 2, 0.0), (largest / 4, 0.0)).ok


@pytest.mark.parametrize("allowed", [np.inf, np.nan])
def test_an_infinite_bound_is_never_a_pass(allowed: float) -> None:
    """Where the theorem promises nothing, the verdict is neither agreement nor its opposite."""
    verdict = _verdict([0.25, 0.75], allowed=(0.125, allowed))

    assert verdict.outcome == "no guarantee"
    assert not verdict.ok


def test_nan_is_wrong_even_without_a_guarantee() -> None:
    """An infinite bound does not excuse NaN."""
    assert _verdict([0.25, np.nan], allowed=(0.125, np.inf)).outcome == "disagrees"


def test_a_wide_enclosure_does_not_decide() -> None:
    """If the ball reaches over the edge of the bound, more bits are needed."""
    wide: Array = np.array([arb(0.25, 0.01), arb(0.75)], dtype=object)

    assert _verdict([0.375, 0.75], wide).outcome == "undecided"
    assert _verdict([0.26, 0.75], wide).ok
    assert _verdict([0.5, 0.75], wide).outcome == "disagrees"


def test_a_disagreement_outranks_what_is_undecided() -> None:
    """One certain failure is enough."""
    wide: Array = np.array([arb(0.25, 0.01), arb(0.75)], dtype=object)

    assert _verdict([0.375, 0.9], wide).outcome == "disagrees"


@pytest.mark.parametrize(
    ("got", "place", "words"),
    [
        ([0.25], ("float64", "cpu"), r"value has shape \(1,\); expected \(2,\)"),
        ([0.25, 0.75], ("float32", "cpu"), "value has dtype float32; expected float64"),
        ([0.25, 0.75], ("float64", "cuda"), "value has device cuda; expected cpu"),
    ],
)
def test_shape_dtype_and_device_come_first(got: list[float], place: tuple[str, str], words: str) -> None:
    """Right values in the wrong container disagree, and the explanation quotes both sides."""
    verdict = _verdict(got, dtype=place[0], device=place[1])

    assert verdict.outcome == "disagrees"
    with pytest.raises(AssertionError, match=words):
        assert verdict.ok, verdict


def test_the_first_of_several_devices_has_two_names() -> None:
    """cuda and cuda:0 are one device."""
    result = Result({"value": Output(np.array([0.25, 0.75]), "float64", "cuda:0")})
    truth, allowed = {"value": balls(np.array([0.25, 0.75]))}, {"value": np.zeros(2)}

    assert compare(PROBLEM, result, truth, allowed, device="cuda").ok
    assert not compare(PROBLEM, result, truth, allowed, device="cuda:1").ok


def test_a_missing_output_disagrees() -> None:
    """Every output of the truth must be there, and nothing else."""
    truth, allowed = {"value": balls(np.zeros(1))}, {"value": np.zeros(1)}

    verdict = compare(PROBLEM, Result(), truth, allowed)

    assert verdict.outcome == "disagrees"
    assert "gave nothing; expected value" in verdict.explanation


def test_a_written_input_disagrees() -> None:
    """A right answer that cost the caller an input is wrong."""
    result = Result({"value": Output(np.zeros(1), "float64")}, written=("logits",))

    verdict = compare(PROBLEM, result, {"value": balls(np.zeros(1))}, {"value": np.zeros(1)})

    assert verdict.outcome == "disagrees"
    assert "changed its input logits" in verdict.explanation


def test_an_exception_disagrees() -> None:
    """So does raising."""
    verdict = compare(PROBLEM, Result(raised="ValueError: no"), {}, {})

    assert verdict.outcome == "disagrees"
    assert "ValueError: no" in verdict.explanation


def test_nothing_to_compare_agrees_in_shape_only() -> None:
    """An empty batch has an empty answer of the right shape."""
    empty, wrong = np.zeros((0, 2)), np.zeros((0, 3))
    truth, allowed = {"value": balls(empty)}, {"value": empty}

    assert compare(PROBLEM, Result({"value": Output(empty, "float64")}), truth, allowed).ok
    assert not compare(PROBLEM, Result({"value": Output(wrong, "float64")}), truth, allowed).ok


def test_errors_are_told_in_ulps_of_the_exact_value() -> None:
    """One step of float64 at 0.75 is one ulp; an exact zero has none."""
    verdict = _verdict([0.25, np.nextafter(0.75, 1)])

    assert verdict.ulps == 1.0
    assert _verdict([0.0, 0.125], (0.0, 0.0)).ulps == 0.0
    assert _verdict([0.0, 0.125], np.array([arb(0, 1e-30), arb(1e-40, 1e-30)], dtype=object)).ulps == 0.0
