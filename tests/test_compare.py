"""The comparator itself: what it must accept, what it must refuse, and what it must say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from flint import arb, ctx

from softproof import Output, Problem, Result, Verdict, judge_result
from softproof.bounds.algebra import Allowed, RowFactor
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.truth.balls import balls
from softproof.verdicts.elements import Elements
from softproof.verdicts.infeasible import infeasible_rows

FLOAT64 = FORMATS["float64"]


def _elements(
    got: list[float],
    exact: list[float] | Array = [0.25, 0.75],  # noqa: B006  # never written
    allowed: list[float] = [0.125, 0.125],  # noqa: B006
    doubt: float = 0.0,
    factor: RowFactor | None = None,
) -> Elements:
    """One row, beside float64 values that are `doubt` away from the truth at most, or beside balls."""
    truth = exact if isinstance(exact, np.ndarray) else np.array(exact)
    bound = Allowed(truth.astype(np.float64)[None], np.array([allowed]), factor)
    return Elements.of(np.array([got]), truth[None], doubt, bound, FLOAT64)


def _agrees(elements: Elements) -> bool:
    return bool(elements.agreed.all() and not elements.refuted.any())


KINDS: dict[str, Callable[[list[float]], Array]] = {"floats": np.array, "balls": lambda exact: balls(np.array(exact))}


def test_some_rows_alone_keep_all_that_they_have() -> None:
    """Their part of every array, and what their elements have in common."""
    arrays = [np.arange(6.0).reshape(3, 2) + 10 * each for each in range(4)]
    factor = RowFactor(False, np.array([[1.0], [2.0], [3.0]]), arrays[0], arrays[1])
    bound = Allowed(arrays[2], np.full((3, 2), 0.5), factor)
    elements = Elements.of(arrays[2] + 1.0, arrays[2], 0.0, bound, FLOAT64)
    elements = elements.unless(7, np.array([[False], [True], [True]]), np.isfinite)
    some = elements.of_rows(np.array([False, True, True]))

    assert isinstance(some.factor, RowFactor)
    assert some.factor.limit.tolist() == [[2.0], [3.0]]
    assert some.factor.scaled.tolist() == arrays[0][1:].tolist()
    assert some.factor.fixed.tolist() == arrays[1][1:].tolist()
    assert some.got.tolist() == (arrays[2] + 1.0)[1:].tolist()
    assert some.excused is not None
    assert some.excused.tolist() == [[7, 7], [7, 7]]
    assert elements.of_rows(np.array([True, False, False])).refuted.all()


def test_what_one_rule_excuses_stays_so() -> None:
    """It is no longer refuted, and a second rule does not take its number."""
    elements = _elements([9.0, 9.0])
    first = elements.unless(3, np.array([[True, False]]), np.isfinite)
    both = first.unless(5, np.array([[True, True]]), np.isfinite)

    assert first.refuted.tolist() == [[False, True]]
    assert first.excused is not None
    assert first.excused.tolist() == [[3, 0]]
    assert both.excused is not None
    assert both.excused.tolist() == [[3, 5]]
    assert _agrees(both)


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_within_agrees(kind: str) -> None:
    """And what lies outside is refuted, element by element."""
    elements = _elements([0.3125, 0.9375], KINDS[kind]([0.25, 0.75]))

    assert elements.agreed.tolist() == [[True, False]]
    assert elements.refuted.tolist() == [[False, True]]
    assert elements.ratio.tolist() == [[0.5, 1.5]]


def test_an_error_equal_to_the_bound_is_allowed() -> None:
    """The comparison with balls is <=, and exact: 0.25 + 0.125 agrees, one float64 further does not."""
    assert _agrees(_elements([0.375, 0.75], balls(np.array([0.25, 0.75]))))
    assert _elements([np.nextafter(0.375, 1), 0.75], balls(np.array([0.25, 0.75]))).refuted[0, 0]


def test_float64_does_not_decide_on_the_edge() -> None:
    """Neither side within its own rounding and its doubt: more bits are needed."""
    assert _elements([0.375, 0.75]).open.tolist() == [[True, False]]
    assert _elements([0.37, 0.75], doubt=0.01).open.tolist() == [[True, False]]
    assert _agrees(_elements([0.36, 0.75], doubt=0.01))
    assert _elements([0.39, 0.75], doubt=0.01).refuted[0, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_disagrees(bad: float, kind: str) -> None:
    """NaN compares false with everything; that must not let it through."""
    elements = _elements([0.25, bad], KINDS[kind]([0.25, 0.75]))

    assert elements.refuted.tolist() == [[False, True]]
    assert elements.ratio[0, 1] == np.inf


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["floats", "balls"])
def test_special_values_are_compared_exactly(special: float, kind: str) -> None:
    """Where the truth is inf or nan, that and nothing else agrees."""
    exact = np.array([special, arb(0.75)], dtype=object) if kind == "balls" else np.array([special, 0.75])

    assert _agrees(_elements([special, 0.75], exact))
    for other in {0.0, np.inf, -np.inf, 1e308}:
        assert other == special or _elements([other, 0.75], exact).refuted[0, 0]
    assert np.isnan(special) or _elements([np.nan, 0.75], exact).refuted[0, 0]


def test_an_infinity_is_allowed_only_next_to_overflow() -> None:
    """Where the exact value is within its bound of the largest number, the infinity of its sign agrees."""
    largest = float(np.finfo(np.float64).max)

    assert _agrees(_elements([np.inf, 0.0], [largest, 0.0], [largest / 4, 0.0]))
    assert _elements([-np.inf, 0.0], [largest, 0.0], [largest / 4, 0.0]).refuted[0, 0]
    assert _elements([np.inf, 0.0], [largest / 2, 0.0], [largest / 4, 0.0]).refuted[0, 0]


@pytest.mark.parametrize(
    ("exact", "allowed", "agrees"),
    [
        (65520.0, np.inf, True),
        (65519.0, np.inf, False),
        (65535.0, np.inf, True),
        (65500.0, np.inf, False),
        (65519.5, 0.5, True),
        (65515.0, 0.5, False),
    ],
)
def test_what_is_infinite_in_float16(exact: float, allowed: float, agrees: bool) -> None:
    """From the middle between the largest number and the next one that there would be: by the bound where there is one,
    and by itself where nothing is promised.
    """
    bound = Allowed(np.array([[exact]]), np.array([[allowed]]))
    elements = Elements.of(np.array([[np.inf]]), np.array([[exact]]), 0.0, bound, FORMATS["float16"])

    assert elements.agreed.all() == agrees
    assert elements.refuted.all() != agrees


def test_an_infinite_bound_is_never_a_pass() -> None:
    """Where the theorem promises nothing a number is neither right nor wrong, and NaN is wrong."""
    elements = _elements([0.25, 0.75], allowed=[0.125, np.inf])

    assert elements.unsure.tolist() == [[False, True]]
    assert elements.agreed.tolist() == [[True, False]]
    assert _elements([0.25, np.inf], allowed=[0.125, np.inf]).refuted[0, 1]
    assert _elements([0.25, np.nan], allowed=[0.125, np.inf]).refuted[0, 1]


def test_a_wide_enclosure_does_not_decide() -> None:
    """If the ball reaches over the edge of the bound, more bits are needed."""
    wide: Array = np.array([arb(0.25, 0.01), arb(0.75)], dtype=object)

    assert _elements([0.375, 0.75], wide).open[0, 0]
    assert _agrees(_elements([0.26, 0.75], wide))
    assert _elements([0.5, 0.75], wide).refuted[0, 0]


def test_errors_are_told_in_ulps_of_the_exact_value() -> None:
    """One step of float64 at 0.75 is one ulp; an exact zero, or what may be one, has none."""
    assert _elements([0.25, np.nextafter(0.75, 1)]).ulps(FLOAT64).tolist() == [[0.0, 1.0]]
    assert not _elements([0.0, 0.125], [0.0, 0.0]).ulps(FLOAT64).any()
    maybe: Array = np.array([arb(0, 1e-30), arb(1e-40, 1e-30)], dtype=object)
    assert not _elements([0.0, 0.125], maybe).ulps(FLOAT64).any()


# ---- rows -----------------------------------------------------------------------------------------------------------


def _row(errors: list[float], own: float, multiplies: bool) -> tuple[float, int, int]:
    """The row test on errors of [1/2, 1/4, 1/8, 1/8]; each element may be `own` off by itself, relatively or not."""
    p = np.array([0.5, 0.25, 0.125, 0.125])
    relative = own * p[None] if multiplies else np.zeros((1, 4))
    fixed = np.zeros((1, 4)) if multiplies else np.full((1, 4), own)
    factor = RowFactor(multiplies, np.ones((1, 1)), relative, fixed)
    got = list(p * (1 + np.array(errors)) if multiplies else p + np.array(errors))
    ratio, first, second = infeasible_rows(_elements(got, list(p), [1.0] * 4, factor=factor))
    return float(ratio[0]), int(first[0]), int(second[0])


@pytest.mark.parametrize("multiplies", [True, False])
def test_one_error_common_to_the_row_is_allowed(multiplies: bool) -> None:
    """However large beside what each element may be off by itself."""
    assert _row([0.01] * 4, 2.0**-20, multiplies)[0] == 0
    assert _row([-0.01, -0.01, -0.01, -0.01 + 2.0**-20], 2.0**-20, multiplies)[0] == 0


@pytest.mark.parametrize("multiplies", [True, False])
def test_two_errors_in_one_row_are_not(multiplies: bool) -> None:
    """One element that stands out by more than two such errors, and which it is."""
    own = 2.0**-20
    ratio, first, second = _row([0.0, 0.0, 4 * own, 0.0], own, multiplies)

    second_order = (
        8 * own if multiplies else 0.0
    )  # the ends are divided by 1 ± own: each moves by 5 own of itself at most
    assert abs(ratio - 2) <= second_order
    assert 2 in (first, second)


# ---- whole answers --------------------------------------------------------------------------------------------------

PROBLEM = Problem("softmax", "float64", {"logits": [0.0, 0.0]}, {"dim": -1})


def _verdict(got: list[float], dtype: str = "float64", device: str = "cpu", expected: str = "cpu") -> Verdict:
    return judge_result(PROBLEM, Result({"value": Output(np.array(got), dtype, device)}), device=expected)


@pytest.mark.parametrize(
    ("got", "place", "words"),
    [
        ([0.5], ("float64", "cpu"), r"value has shape \(1,\); expected \(2,\)"),
        ([0.5, 0.5], ("float32", "cpu"), "value has dtype float32; expected float64"),
        ([0.5, 0.5], ("float64", "cuda"), "value has device cuda; expected cpu"),
    ],
)
def test_shape_dtype_and_device_come_first(got: list[float], place: tuple[str, str], words: str) -> None:
    """Right values in the wrong container disagree, and the explanation quotes both sides."""
    verdict = _verdict(got, *place)

    assert verdict.outcome == "disagrees"
    with pytest.raises(AssertionError, match=words):
        assert verdict.ok, verdict


def test_the_first_of_several_devices_has_two_names() -> None:
    """cuda and cuda:0 are one device."""
    assert _verdict([0.5, 0.5], device="cuda:0", expected="cuda").ok
    assert not _verdict([0.5, 0.5], device="cuda:0", expected="cuda:1").ok


def test_a_missing_output_disagrees() -> None:
    """Every output of the truth must be there, and nothing else."""
    verdict = judge_result(PROBLEM, Result())

    assert verdict.outcome == "disagrees"
    assert "gave nothing; expected value" in verdict.explanation


def test_a_written_input_disagrees() -> None:
    """A right answer that cost the caller an input is wrong."""
    verdict = judge_result(PROBLEM, Result({"value": Output(np.array([0.5, 0.5]), "float64")}, written=("logits",)))

    assert verdict.outcome == "disagrees"
    assert "changed its input logits" in verdict.explanation


def test_an_exception_disagrees() -> None:
    """So does raising."""
    verdict = judge_result(PROBLEM, Result(raised="ValueError: no"))

    assert verdict.outcome == "disagrees"
    assert "ValueError: no" in verdict.explanation


@pytest.mark.parametrize("shape", [(0, 2), (0, 3, 2)])
def test_nothing_to_compare_agrees_in_shape_only(shape: tuple[int, ...]) -> None:
    """An empty batch has an empty answer of the right shape."""
    problem = Problem("softmax", "float64", {"logits": np.zeros(shape)}, {"dim": -1})

    assert judge_result(problem, Result({"value": Output(np.zeros(shape), "float64")})).ok
    assert not judge_result(problem, Result({"value": Output(np.zeros((0, 3)), "float64")})).ok


def test_the_place_of_the_worst_element_is_told() -> None:
    """Along any axis, by the index that the caller would use."""
    logits, p = np.zeros((2, 3, 4)), np.full((2, 3, 4), 1 / 3)
    p[1, 2, 3] += 1e-3
    problem = Problem("softmax", "float64", {"logits": logits}, {"dim": 1})

    verdict = judge_result(problem, Result({"value": Output(p, "float64")}))

    assert verdict.index == (1, 2, 3)
    assert verdict.explanation.startswith("value[1, 2, 3]: got 0.334")
    assert "exact 0.33333333333333333" in verdict.explanation


def test_precision_does_not_leak() -> None:
    """Whatever was needed, the global precision of the library is what it was."""
    before = ctx.prec
    _verdict([0.5, np.nextafter(0.5, 1)])

    assert ctx.prec == before
