"""NaN and infinities: where an overflow may leave them, and nowhere else (docs/theory/bounds.md, Theorem 13)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flint import arb

from audits.garbage import Asked, right_answer
from softproof import Candidate, Output, Problem, Result, Verdict, bound, judge, judge_result, load
from softproof.bounds.algebra import Allowed
from softproof.bounds.overflow import ABOVE, ANYTHING, BELOW, UNDEFINED, allows, anything, exceeds, left_by
from softproof.problem.formats import FORMATS
from softproof.verdicts.elements import Elements
from softproof.verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE, citation

from .helpers.candidates import MANUAL, REFERENCE
from .helpers.rows import AGREEING, changed

NOT_FINITE = (np.nan, np.inf, -np.inf)


def verdict_on(problem: Problem, arithmetic: str = "any-order", accuracy: str = "C", **outputs: Any) -> Verdict:
    """Of an answer in numbers that the format holds."""
    result = Result({name: Output(np.asarray(each, np.float64), problem.dtype) for name, each in outputs.items()})
    return judge_result(problem, result, arithmetic=arithmetic, accuracy=accuracy)


# ---- where nothing is promised --------------------------------------------------------------------------------------

SUM = {"reduction": "sum"}
BESIDE = (1e4 + 2.0**-10) * np.array([[1.0], [-1.0]])  # whose squares float32 rounds
HUGE, TALL = 2.0**127, 2.0**100  # in float32; the sum of two such, or the product, overflows
ALTERNATING: dict[str, Any] = {"logits": np.zeros((258, 2)), "target": np.arange(258) % 2, "weight": [2.0, -1.0]}
OFFSET: dict[str, Any] = {"logits": [[1e10, 1e10]], "target": [0]}
LARGE_WEIGHT: dict[str, Any] = {"target": [0] * 4, "weight": [1.75 * HUGE, 1.0]}
LOST: dict[str, tuple[Problem, str, dict[str, Any]]] = {
    "a denominator": (
        Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]] * 4, **LARGE_WEIGHT}, {}, 1.0),
        "any-order",
        {"value": np.nan, "grad_logits": np.zeros((4, 2))},
    ),
    "a denominator alone": (
        Problem("cross_entropy", "float32", {"logits": [[5.0, 0.0]] * 4, **LARGE_WEIGHT}),
        "any-order",
        {"value": 0.0},
    ),
    "a number of rows": (
        Problem("cross_entropy", "float16", {"logits": np.zeros((65520, 1)), "target": np.zeros(65520, np.int64)}),
        "torch-cpu",
        {"value": np.nan},
    ),
    "logits, in float64 as well": (
        Problem(
            "linear_cross_entropy",
            "float64",
            {"input": [[2.0, 2.0]], "linear_weight": [[0.0, 0.0], [-(2.0**1023), 2.0**1023]], "target": [1]},
        ),
        "any-order",
        {"value": np.nan},
    ),
    "logits that are scaled": (
        Problem("softmax", "float32", {"logits": [[1.75 * HUGE, HUGE]]}, {"dim": -1}, [[1.0, 2.0]]),
        "fused-base-2",
        {"value": [[np.nan, 0.0]], "grad_logits": [[np.nan, np.nan]]},
    ),
}
UNBOUNDED: dict[str, tuple[Problem, str, dict[str, Any]]] = {
    "logits that are not known": (
        Problem(
            "linear_cross_entropy",
            "float32",
            {
                "input": BESIDE,
                "linear_weight": BESIDE,
                "target": [1, 0],
                "weight": [2.0, -1.0],
            },
            SUM,
        ),
        "any-order",
        {"value": 2e8},
    ),
    "a sum without a digit": (Problem("cross_entropy", "bfloat16", ALTERNATING, SUM), "storage", {"value": 89.5}),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_an_infinite_bound_is_no_agreement(name: str) -> None:
    """Neither of the right number, nor of another, nor of what is none, which no overflow explains."""
    problem, arithmetic, right = UNBOUNDED[name]
    assert np.isinf(bound(problem, arithmetic)["value"])

    assert verdict_on(problem, arithmetic, **right).outcome == NO_GUARANTEE
    assert verdict_on(problem, arithmetic, value=5.0).outcome == NO_GUARANTEE
    for bad in NOT_FINITE:
        assert verdict_on(problem, arithmetic, value=bad).outcome == DISAGREES


@pytest.mark.parametrize("name", LOST)
def test_what_overflows_leaves_no_guarantee(name: str) -> None:
    """Of what implementations then answer, be it 0 or NaN, nor of the right number."""
    problem, arithmetic, answer = LOST[name]
    for outputs in (answer, right_answer(problem)):
        assert verdict_on(problem, arithmetic, **outputs).outcome == NO_GUARANTEE


@pytest.mark.parametrize("classes", [2, 4, 8, 13])
@pytest.mark.parametrize("logit", [-35.5, -36.25, -36.5, -37.0, -38.0])
def test_a_logarithm_that_is_0_meets_what_overflows(logit: float, classes: int) -> None:
    """g w is beyond float32, and log(1 + e^logit) is 0 there; in float64 it is a few units, and rounds."""
    inputs: dict[str, Any] = {
        "logits": [[0.0] + [logit] * (classes - 1)], "target": [[1.0] + [0.0] * (classes - 1)],
        "weight": [2.0**127] + [3.0] * (classes - 1),
    }  # fmt: skip
    problem = Problem("cross_entropy", "float32", inputs, {"reduction": "none"}, [-928.0])
    right: dict[str, Any] = right_answer(problem)
    lost = np.where(np.arange(classes) == 0, np.nan, right["grad_target"])

    assert judge(REFERENCE, problem).ok
    assert verdict_on(problem, "any-order", **right | {"grad_target": lost}).ok
    assert not verdict_on(problem, "any-order", **right | {"grad_target": np.full((1, classes), np.nan)}).ok


@pytest.mark.parametrize("library", [MANUAL, REFERENCE], ids=["manual", "reference"])
def test_a_denominator_that_overflows_refutes_nobody(library: Candidate, dtype: str) -> None:
    """By hand and by torch it is infinite."""
    inputs: dict[str, Any] = {"logits": [[0.0, 1.0]] * 4, "target": [0] * 4, "weight": [FORMATS[dtype].largest, 1.0]}
    for smoothing in (0.0, 0.5):
        problem = Problem("cross_entropy", dtype, inputs, {"label_smoothing": smoothing}, 1.0)
        assert judge(library, problem).outcome == NO_GUARANTEE


def test_a_bound_beyond_the_format_excuses_no_infinity() -> None:
    """The sum is computed in float32, where nothing overflows: NaN is wrong, and an infinity has no guarantee."""
    inputs: dict[str, Any] = {"input": np.full((1, 200), 60000.0), "weight": [[60000.0, -60000.0] * 100]}
    problem = Problem("linear", "float16", inputs)
    assert FORMATS["float16"].largest < bound(problem)["value"] < np.inf

    assert verdict_on(problem, value=[[0.0]]).outcome == AGREES
    assert verdict_on(problem, value=[[np.nan]]).outcome == DISAGREES
    for bad in (np.inf, -np.inf):
        assert verdict_on(problem, value=[[bad]]).outcome == NO_GUARANTEE


FAR = {"logits": [[1e10, 1e10]]}
NOTHING: dict[str, tuple[Problem, str, Any]] = {
    "a direction": (Problem("cross_entropy", "float32", OFFSET, SUM, tangent=[[1.0, -0.5]]), "jvp", 5.0),
    "a probability": (Problem("softmax", "float32", FAR, {"dim": -1}), "value", [[0.0, 1.0]]),
    "a slope": (Problem("logsumexp", "float32", FAR, {"dim": -1}, [1.0]), "grad_logits", [[0.0, 0.25]]),
    "a gradient": (Problem("cross_entropy", "float32", OFFSET, SUM, 1.0), "grad_logits", [[0.0, 0.0]]),
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_bound_that_excludes_no_probability_is_infinite(name: str) -> None:
    """x - ŷ is off by thousands at 1e10: the right answer has no guarantee, nor has another, and NaN is wrong."""
    problem, output, other = NOTHING[name]
    right = right_answer(problem)

    assert np.isinf(bound(problem, "fused")[output]).all()
    for values, outcome in ((right[output], NO_GUARANTEE), (other, NO_GUARANTEE), (np.nan, DISAGREES)):
        answer: dict[str, Any] = {**right, output: np.broadcast_to(values, right[output].shape)}
        assert verdict_on(problem, "fused", **answer).outcome == outcome


def test_nothing_is_lost_where_nothing_is_multiplied() -> None:
    """A row without an upstream gradient has the gradient 0, whatever is known of its probabilities."""
    problem = Problem("log_softmax", "float32", FAR, {"dim": -1}, [[0.0, 0.0]])

    assert (
        verdict_on(problem, "fused", value=right_answer(problem)["value"], grad_logits=[[0.0, 0.0]]).outcome == AGREES
    )


def test_the_exception_is_an_exact_value_that_overflows() -> None:
    """Its infinity agrees, by the theorem, and nothing else has a guarantee."""
    inputs: dict[str, Any] = {"input": [[TALL], [-TALL]], "linear_weight": [[TALL], [-TALL]], "target": [1, 0]}
    problem = Problem("linear_cross_entropy", "float32", inputs, SUM)

    found = verdict_on(problem, value=np.inf)
    assert (found.outcome, found.cited["value"].tolist()) == (AGREES, -13)
    assert "Theorem 13 of docs/theory/bounds.md" in found.explanation
    for other in (np.nan, -np.inf, HUGE, 0.0):
        assert verdict_on(problem, value=other).outcome == NO_GUARANTEE


def test_what_overflows_beside_what_is_promised_is_cited_alone() -> None:
    """Of several elements the first is infinite, the second a number."""
    problem = Problem("linear", "float32", {"input": [[HUGE, 0.0], [0.0, 2.0]], "weight": [[2.0, 2.0]]})

    found = verdict_on(problem, value=[[np.inf], [4.0]])
    assert (found.outcome, found.cited["value"].tolist()) == (AGREES, [[-13], [0]])
    assert verdict_on(problem, value=[[np.inf], [np.inf]]).index == (1, 0)


def test_a_row_is_cited_by_its_number() -> None:
    """And what decides nothing is not there."""
    problem = Problem("softmax", "float32", {"logits": [[np.inf, 0.0], [0.0, 0.0]]}, {"dim": -1})

    found = verdict_on(problem, value=[[np.nan, np.nan], [0.5, 0.5]])
    assert (found.outcome, found.cited["value"].tolist()) == (AGREES, [[3, 3], [0, 0]])
    assert verdict_on(problem, value=[[1.0, 0.0], [0.5, 0.5]]).cited == {}
    assert citation(3) == "row 3 of docs/theory/semantics.md"


# ---- what an overflow may leave -------------------------------------------------------------------------------------

OVERFLOWS: dict[str, tuple[Problem, str, set[str]]] = {
    "products that cancel": (
        Problem("linear", "float32", {"input": [[HUGE, HUGE]], "weight": [[2.0, -2.0]]}),
        "value",
        {"inf", "-inf", "nan"},
    ),
    "positive products": (
        Problem("linear", "float32", {"input": [[HUGE, HUGE]], "weight": [[1.0, 1.0]]}),
        "value",
        {"inf"},
    ),
    "one that is negative, and small": (
        Problem("linear", "float32", {"input": [[HUGE, HUGE, 1.0]], "weight": [[1.0, 1.0, -1.0]]}),
        "value",
        {"inf"},
    ),
    "a product and the bias": (
        Problem("linear", "float32", {"input": [[HUGE]], "weight": [[2.0]], "bias": [-HUGE]}),
        "value",
        {"inf"},
    ),
    "losses before a mean divides": (
        Problem("cross_entropy", "float32", {"logits": [[0.0, -HUGE]] * 2, "target": [1, 1]}),
        "value",
        {"inf"},
    ),
    "weights that make some of them negative": (
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[0.0, -HUGE, -HUGE]] * 4, "target": [1, 1, 2, 2], "weight": [1.0, 1.0, -1.0]},
            SUM,
        ),
        "value",
        {"inf", "-inf", "nan"},
    ),
    "a denominator that is negative": (
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[0.0, -HUGE]] * 3, "target": [1, 1, 0], "weight": [-8.0, 1.0]},
        ),
        "value",
        {"-inf"},
    ),
    "a direction": (
        Problem("log_softmax", "float32", {"logits": [0.0, -1.0]}, {"dim": 0}, tangent=[1.75 * HUGE, -1.75 * HUGE]),
        "jvp",
        {"inf", "-inf"},
    ),
    "a mean before it is divided by the sum": (
        Problem("logsumexp", "float32", {"logits": [0.0, 0.0, 0.0]}, {"dim": 0}, tangent=[HUGE, HUGE, -HUGE]),
        "jvp",
        {"inf"},
    ),
    "a direction times an upstream gradient, where p is 0": (
        Problem("softmax", "float32", {"logits": [0.0, -200.0]}, {"dim": 0}, [1.0, TALL], tangent=[1.0, TALL]),
        "hvp_logits",
        {"inf", "-inf", "nan"},
    ),
    "an upstream gradient": (
        Problem("log_softmax", "float32", {"logits": [0.0, -1.0]}, {"dim": 0}, [HUGE, HUGE]),
        "grad_logits",
        {"-inf"},
    ),
    "a quotient": (
        Problem("distribution_cross_entropy", "float32", {"p": [2.0**-70], "q": [2.0**-70]}, {"dim": 0}, 2.0**60),
        "grad_q",
        {"-inf"},
    ),
    "a quotient in a logarithm": (
        Problem("kl_divergence", "float32", {"p": [1.0], "q": [2.0**-140]}, {"dim": 0}),
        "value",
        {"inf"},
    ),
    "a coefficient, times a logarithm of 0": (
        Problem("cross_entropy", "float32", {"logits": [[200.0, 0.0]], "target": [[4.0, 0.0]], "weight": [HUGE, 1.0]}),
        "value",
        {"inf", "nan"},
    ),
    "a reciprocal of the denominator, times what is not the label": (
        Problem(
            "cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [0], "weight": [2.0**-140] * 2}, {}, 1.0
        ),
        "grad_logits",
        {"inf", "-inf", "nan"},
    ),
    "the weight of another class by the denominator": (
        Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [1], "weight": [TALL, 2.0**-60]}),
        "value",
        {"nan"},
    ),
    "a product with the upstream gradient, times a probability of 0": (
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[0.0, 1.0]], "target": [[1.0, 0.0]], "weight": [1.0, TALL]},
            {},
            TALL,
        ),
        "grad_logits",
        {"nan"},
    ),
    "the same where all probabilities are 0": (
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[0.0, 1.0]], "target": [[0.0, 0.0]], "weight": [1.0, TALL]},
            {},
            TALL,
        ),
        "grad_logits",
        {"nan"},
    ),
    "a coefficient, before a small upstream gradient": (
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[0.0, 1.0]], "target": [1], "weight": [TALL, 2.0**-60]},
            {"label_smoothing": 0.5},
            2.0**-70,
        ),
        "grad_logits",
        {"inf", "-inf", "nan"},
    ),
    "a logarithm, times what underflows": (
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[HUGE, -1.5 * HUGE]], "target": [[1.0, 2.0**-100]], "weight": [1.0, 2.0**-100]},
        ),
        "value",
        {"inf", "nan"},
    ),
    "a logarithm, times a smoothing that leaves no label": (
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[0.0, -HUGE]], "target": [1], "weight": [1.0, 4.0]},
            {"label_smoothing": 1.0},
        ),
        "value",
        {"inf", "nan"},
    ),
    "negative losses beside one that is infinite": (
        Problem(
            "cross_entropy",
            "float32",
            {"logits": [[0.0, -np.inf, 0.0], [HUGE, 0.0, -HUGE]], "target": [1, 2], "weight": [1.0, 1.0, -1.5]},
            SUM,
        ),
        "value",
        {"nan"},
    ),
    "a quotient that underflows, in a logarithm": (
        Problem("kl_divergence", "float32", {"p": [2.0**-100], "q": [2.0**60]}, {"dim": 0}),
        "value",
        {"-inf"},
    ),
    "the slope of one": (
        Problem("kl_divergence", "float32", {"p": [2.0**-100], "q": [2.0**60]}, {"dim": 0}, 1.0),
        "grad_p",
        {"-inf"},
    ),
    "weights that are large together": (
        Problem(
            "cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [0], "weight": [2.0**100, 1.0]}, {}, 2.0**40
        ),
        "grad_logits",
        {"inf", "-inf", "nan"},
    ),
}


@pytest.mark.parametrize("name", OVERFLOWS)
def test_what_an_overflow_may_leave(name: str) -> None:
    """By the theorem, which is cited, and nothing else."""
    problem, output, left = OVERFLOWS[name]
    right: dict[str, Any] = dict(right_answer(problem))
    exact = Asked(problem).truth[output]

    for bad in NOT_FINITE:
        accepted = set()
        for place in np.ndindex(right[output].shape):
            spoiled = {**right, output: right[output].copy()}
            if isinstance(exact[place], float) and exact[place] == bad:
                continue
            spoiled[output][place] = bad
            found = verdict_on(problem, **spoiled)
            if found.ok:
                accepted.add(f"{bad}")
                assert found.cited[output][place] == -13
        assert accepted == {f"{bad}"} & left, (bad, name)


def test_a_bit_for_each_kind() -> None:
    """Positive and negative parts together leave NaN."""
    up, down = np.array([True, True, False, False]), np.array([True, False, True, False])

    found = left_by(up, down)
    assert found.tolist() == [ANYTHING, ABOVE, BELOW, 0]
    assert left_by(up, False, undefined=~down).tolist() == [ABOVE, ABOVE | UNDEFINED, 0, UNDEFINED]
    assert anything(up).tolist() == [ANYTHING, ANYTHING, 0, 0]
    assert allows(found, np.full(4, np.inf)).tolist() == [True, True, False, False]
    assert allows(found, np.full(4, -np.inf)).tolist() == [True, False, True, False]
    assert allows(found, np.full(4, np.nan)).tolist() == [True, False, False, False]
    assert exceeds(np.array([np.nan, 65504.0, 65503.0]), 65504.0).tolist() == [True, True, False]


# ---- classes, and what agrees ---------------------------------------------------------------------------------------


def test_class_a_excuses_no_overflow_on_the_way() -> None:
    """Correctly rounded is the number next to the exact value."""
    problem = OVERFLOWS["losses before a mean divides"][0]

    assert verdict_on(problem, value=np.inf).ok
    assert not verdict_on(problem, accuracy="A", value=np.inf).ok
    assert verdict_on(problem, accuracy="B", value=np.inf).cited["value"] == -13


@pytest.mark.parametrize("reached", [np.inf, 2.0**127])
def test_class_d_excuses_what_its_baseline_needed(reached: float) -> None:
    """An infinity that an overflow may leave is no worse than that of the baseline, and worse than its number."""
    problem = OVERFLOWS["losses before a mean divides"][0]
    baseline, infinite, right = (
        load(lambda *_, value=value, **__: np.float32(value), operation="cross_entropy", adapter="numpy")
        for value in (reached, np.inf, HUGE)
    )

    found = judge(infinite, problem, accuracy="D", baseline=baseline)
    assert found.outcome == (AGREES if reached == np.inf else DISAGREES)
    assert judge(right, problem, accuracy="D", baseline=baseline).outcome == AGREES


def test_a_ball_of_no_digit_decides_nothing() -> None:
    """Neither that NaN is right nor that it is wrong."""
    exact: Any = np.array([[arb("nan"), arb(0.5)]], dtype=object)
    limit = Allowed(np.array([[0.5, 0.5]]), np.array([[0.125, 0.125]]), left=np.array([[ANYTHING, 0]]))

    for got in (np.nan, np.inf, 0.5):
        found = Elements.of(np.array([[got, 0.5]]), exact, 0.0, limit, FORMATS["float32"])
        assert (found.agreed.tolist(), found.open.tolist()) == ([[False, True]], [[True, False]])


def test_no_agreement_with_an_error_above_its_bound() -> None:
    """Of a verdict, nor of a row of the report."""
    with pytest.raises(ValueError, match=r"ratio, error/bound, is 1\.5; expected at most 1, since outcome is 'agrees'"):
        Verdict(AGREES, 1.5)
    with pytest.raises(ValueError, match="ratio, error/bound, is nan"):
        Verdict("unspecified", np.nan)
    with pytest.raises(ValueError, match=r"mine softmax float32 cpu reads agrees, and its error/bound is 2\.0"):
        changed(AGREEING, ratio=2.0)
    assert Verdict(DISAGREES, 1.5).ratio == 1.5
