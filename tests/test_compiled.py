"""Truth and bounds that were worked out before give the judge's own verdicts, on right, wrong and strange answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softproof import OPERATIONS, Output, Problem, Result, Verdict, bound, judge_result, problems
from softproof.bounds.models import MODELS, arithmetic_of
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.truth.solver import solve
from softproof.verdicts.case import BALLS
from softproof.verdicts.compiled import TINY, Outputs, compiled, judge_compiled
from softproof.verdicts.elements import VAGUE
from softproof.verdicts.together import Answered, ratios_if_right
from softproof.verdicts.verdict import AGREES, DISAGREES

from .helpers.candidates import MANUAL, REFERENCE, three_rows

NAMES = ("any-order", "numpy", "fused", "stored-logsumexp", "eager")
STRANGE = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "zero": 0.0}
SHARES = (0.5, 1 - 2.0**-40, 1.0, 1 + 2.0**-40, 1.5, 1e6)  # of the bound
Wrong = Callable[[st.DataObject, Problem, Result, str], Result]


def _with(result: Result, name: str, values: Array, dtype: str) -> Result:
    return replace(result, outputs={**result.outputs, name: Output(values, dtype)})


def _strange(data: st.DataObject, problem: Problem, result: Result, name: str) -> Result:
    """One element, or all of them, as nobody would want it."""
    values = result.outputs[name].values.copy()
    at = data.draw(st.sampled_from([slice(None), *range(min(values.size, 3))]))
    values.reshape(-1)[at] = STRANGE[data.draw(st.sampled_from(sorted(STRANGE)))]
    return _with(result, name, values, problem.dtype)


def _moved(data: st.DataObject, problem: Problem, result: Result, name: str) -> Result:
    """One element as far from the truth as some share of its bound says."""
    storage, limit = FORMATS[problem.dtype], bound(problem, "any-order")[name].reshape(-1)
    exact = solve(problem, BALLS[0])[name].astype(np.float64).reshape(-1)
    values = result.outputs[name].values.copy()
    if values.size:
        at = data.draw(st.integers(0, values.size - 1))
        share = data.draw(st.sampled_from(SHARES)) * data.draw(st.sampled_from((-1, 1)))
        with np.errstate(all="ignore"):
            values.reshape(-1)[at] = storage.round(exact[at] + share * limit[at])
    return _with(result, name, values, problem.dtype)


def _turned(_data: st.DataObject, problem: Problem, result: Result, name: str) -> Result:
    """All of another sign."""
    return _with(result, name, -result.outputs[name].values, problem.dtype)


def _otherwise(data: st.DataObject, problem: Problem, result: Result, name: str) -> Result:
    """No answer that is compared with anything."""
    values = result.outputs[name].values
    without = {each: output for each, output in result.outputs.items() if each != name}
    return data.draw(st.sampled_from([
        Result(raised="ValueError: no"), Result(lost="its process ended"), replace(result, outputs=without),
        replace(result, written=("logits",)), _with(result, name, values[None], problem.dtype),
        _with(result, name, values, "float8"),
    ]))  # fmt: skip


def _right(_data: st.DataObject, _problem: Problem, result: Result, _name: str) -> Result:
    return result


def _answer(data: st.DataObject, problem: Problem) -> Result:
    """What one of the halves says, or something that is made of it."""
    result = (MANUAL if problem.dtype != "bfloat16" and data.draw(st.booleans()) else REFERENCE).answer(problem)
    if not result.outputs:
        return result
    name = data.draw(st.sampled_from(sorted(result.outputs)))
    made: Wrong = data.draw(st.sampled_from([_right, _strange, _moved, _turned, _otherwise]))
    return made(data, problem, result, name)


def _close(found: float, expected: float, problem: Problem, model: str) -> bool:
    """Whether two ratios are the same as far as they are known, or both beyond what is told."""
    if not np.isfinite(expected) or not np.isfinite(found) or min(found, expected) > 2:
        return bool(found == expected or abs(found / expected - 1) < 1e-6)
    limits = np.concatenate([each.reshape(-1) for each in bound(problem, model).values()])
    least = limits[limits > 0].min(initial=np.inf)  # the truth lies beside what is kept, below the least number
    return bool(abs(found - expected) <= 2 * VAGUE + 2 * TINY / least)


def _answered(problem: Problem, result: Result, kept: Outputs, model: str) -> Answered:
    return Answered(problem, result, kept, arithmetic_of(MODELS[model], problem))


def same(problem: Problem, result: Result, model: str) -> Verdict:
    """The verdict, once it is the same by what is kept, by balls alone, and as the judge goes about it."""
    kept = compiled(problem, model)
    found = judge_compiled(problem, result, kept, model)
    by_balls, usual = (judge_result(problem, result, arithmetic=model, bits=bits) for bits in (BALLS, BALLS[1:]))
    for other in (by_balls, usual, judge_result(problem, result, arithmetic=model)):
        assert found.outcome == other.outcome, (found, other, problem)
        assert bool(found.output) == bool(other.output), (found, other, problem)
        if not other.output:
            assert found.explanation == other.explanation
    for other in (by_balls, *([usual] if found.ok else [])):  # where something is refuted not all has more digits
        assert found.unspecified == other.unspecified, (found, other, problem)
        assert found.ratios.keys() == other.ratios.keys()
        assert found.cited.keys() == other.cited.keys()
        assert all(np.array_equal(found.cited[name], each) for name, each in other.cited.items())
        for name, ratio in other.ratios.items():
            assert _close(found.ratios[name], ratio, problem, model), (name, found, other, problem)
    (ratios,) = ratios_if_right([_answered(problem, result, kept, model)])
    assert ratios is None or (found.ok and ratios == found.ratios), (ratios, found, problem)
    assert found.ok or ratios is None
    return found


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_the_verdict_is_the_judge_s(operation: str, data: st.DataObject) -> None:
    """Whatever is asked and answered, under each model."""
    small = data.draw(st.booleans())
    problem = data.draw(problems(operation, data.draw(st.sampled_from(sorted(FORMATS))), small=small))
    same(problem, _answer(data, problem), data.draw(st.sampled_from(NAMES)))


def test_the_worst_of_what_is_wrong_is_told() -> None:
    """All signs are wrong: beside its bound an error is so large that float64 does not have it to within that."""
    logits = [[-10000.396314589874, -0.0], [-9998.07873204867, -0.005], [-9999.685299648541, -0.01]]
    upstream = [0.1257302210933933, -0.1321048632913019]
    problem = Problem("softmax_entropy", "float64", {"logits": logits}, {"dim": 0}, upstream)
    result = REFERENCE.answer(problem)
    wrong = _with(result, "grad_logits", -result.outputs["grad_logits"].values, problem.dtype)
    assert same(problem, wrong, "any-order").ratios["grad_logits"] > 1e14


@given(data=st.data())
def test_what_is_compared_together_is_as_if_alone(data: st.DataObject) -> None:
    """Of several answers, right and wrong, in several formats, with outputs that are empty among them."""
    some = []
    for _ in range(data.draw(st.integers(2, 6))):
        operation, dtype = data.draw(st.sampled_from(list(OPERATIONS))), data.draw(st.sampled_from(sorted(FORMATS)))
        problem, model = data.draw(problems(operation, dtype, small=True)), data.draw(st.sampled_from(NAMES))
        some.append(_answered(problem, _answer(data, problem), compiled(problem, model), model))
    assert ratios_if_right(some) == [ratio for each in some for ratio in ratios_if_right([each])]


def test_nan_is_never_on_the_edge_of_an_infinite_bound() -> None:
    """Beside a gradient of 10**-1e37, of which nothing is promised, as of a finite one."""
    problem = Problem("softmax", "float64", {"logits": [[1e37], [-1e38]]}, {"dim": 0}, [[0.5], [0.5]])
    answer = MANUAL.answer(problem)
    wrong = _with(answer, "grad_logits", np.array([[0.0], [np.nan]]), "float64")

    assert same(problem, wrong, "fused").outcome == "disagrees"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_right_and_wrong(operation: str, dtype: str) -> None:
    """Of each output of each operation: the right answer agrees, at once, and others do not."""
    problem = three_rows(operation, dtype)
    result = MANUAL.answer(problem)
    kept = compiled(problem, "any-order")
    assert ratios_if_right([_answered(problem, result, kept, "any-order")]) != [None]
    assert same(problem, result, "any-order").outcome == AGREES

    assert len(kept) >= 2
    for name, output in result.outputs.items():
        for values in (output.values + np.inf, output.values * np.nan, 2 * output.values + 1):
            found = same(problem, _with(result, name, values, dtype), "any-order")
            assert (found.outcome, found.output) == (DISAGREES, name)
            assert "exact" in found.explanation


def test_what_no_document_fixes() -> None:
    """NaN where a logit is infinite is as right as the limit, by the rule that the judge has; a number is not."""
    problem = Problem("softmax", "float32", {"logits": [[np.inf, 0.0]]}, {"dim": -1})
    outcomes = []
    for values in ([[np.nan, np.nan]], [[1.0, 0.0]], [[0.5, 0.5]], [[np.inf, np.nan]]):
        found = same(problem, Result({"value": Output(np.array(values), "float32")}), "any-order")
        outcomes.append((found.outcome, found.unspecified))
    assert outcomes == [("unspecified", (3,)), ("agrees", ()), ("disagrees", ()), ("disagrees", (3,))]


def test_what_is_between_two_numbers() -> None:
    """e^-750 is no float64 number: what is as far from it as is allowed agrees, and the next number does not."""
    problem = Problem("softmax", "float64", {"logits": [[0.0, -744.9, -750.0, -800.0]]}, {"dim": -1})
    kept = compiled(problem, "any-order")["value"]
    assert kept.between is not None
    assert kept.between.tolist() == [[False, True, True, True]]

    allowed = int(kept.allowed.error[0, 2] / TINY)
    assert allowed
    for units in range(-allowed - 2, allowed + 3):
        values = np.array([[1.0, TINY, units * TINY, 0.0]])
        found = same(problem, Result({"value": Output(values, "float64")}), "any-order")
        within = -allowed < units <= allowed  # at -allowed the truth, which is above 0, is farther by less than TINY
        assert found.outcome == (AGREES if within else DISAGREES), units


def test_a_row_whose_sum_does_not_explain_it() -> None:
    """Theorem 14 is applied: two elements, each within its bound, that no error of the sum explains together."""
    x = np.random.default_rng(0).normal(size=(1, 500))
    problem = Problem("softmax", "float64", {"logits": x}, {"dim": -1})
    right = MANUAL.answer(problem)
    values, limit = right.outputs["value"].values.copy(), bound(problem, "any-order")["value"]
    values[0, 3] += 0.8 * limit[0, 3]
    values[0, 7] -= 0.8 * limit[0, 7]

    found = same(problem, _with(right, "value", values, "float64"), "any-order")
    assert found.outcome == DISAGREES
    assert "Theorem" in found.explanation


def test_what_is_too_large_is_an_error() -> None:
    """Rows that are judged in several blocks."""
    problem = Problem("softmax", "float32", {"logits": np.zeros((3, 1 << 16))}, {"dim": -1})
    with pytest.raises(ValueError, match="problem has 3 rows, which are judged in 3 blocks; expected one"):
        compiled(problem)


def test_a_truth_that_is_0_has_a_bound() -> None:
    """As any other: an error within it agrees, by balls and without, where the exact 0 comes without a computation."""
    problem = Problem("entropy", "float64", {"p": [0.0, 1.0]}, {"dim": 0}, grad_output=0.0)
    result = MANUAL.answer(problem)
    assert same(problem, _with(result, "grad_p", np.array([TINY, 0.0]), "float64"), "any-order").outcome == AGREES
    assert same(problem, _with(result, "grad_p", np.array([1e-300, 0.0]), "float64"), "any-order").outcome == DISAGREES
