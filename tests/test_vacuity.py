"""What is said of the vacuity of a comparison is so: the wrong answers are put before the judge."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softproof import OPERATIONS, Output, Problem, Result, judge, judge_result, problems, solve, verify
from softproof.generation.edge_cases import EDGE_CASES
from softproof.generation.edges.edge_case import UNSPECIFIED
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.problem.rows import row_form, shaped
from softproof.verdicts.case import BITS
from softproof.verdicts.vacuity import JUST_OUTSIDE, NOT_FINITE, WRONG, Vacuity
from softproof.verdicts.verdict import Verdict

from .helpers.candidates import MANUAL, three_rows

NUMBERS = {edge_case.number: edge_case.demanded for edge_case in EDGE_CASES}


def _instead(problem: Problem, result: Result, output: str, wrong: Array) -> Verdict:
    """The verdict on an answer with another output."""
    made = replace(result.outputs[output], values=shaped(problem, output, wrong, result.outputs[output].values.shape))
    return judge_result(problem, replace(result, outputs={**result.outputs, output: made}))


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_what_is_not_vacuous_rejects(operation: str, data: st.DataObject) -> None:
    """Every answer that is wrong altogether and not named in the verdict, of every output, and NaN."""
    kinds = frozenset(OPERATIONS[operation].extras) - {"nonfinite"}

    _reject(data.draw(problems(operation, "float64", supports=kinds, small=True)))  # it is judged a dozen times


@pytest.mark.parametrize("operation", OPERATIONS)
def test_three_rows_have_power(operation: str) -> None:
    """Against zero, NaN and what is just outside, in every output."""
    problem = three_rows(operation, "float64")

    rejected = _reject(problem)

    outputs = solve(problem).keys()
    assert {(output, name) for output in outputs for name in ("zero", NOT_FINITE)} <= set(rejected)


def _reject(problem: Problem) -> list[tuple[str, str]]:
    """The outputs and wrong answers that were put before the judge, all of which it rejected."""
    result, verdict = MANUAL.answer(problem), judge(MANUAL, problem, bits=BITS[1:])
    rejected: list[tuple[str, str]] = []
    assert verdict.ok, verdict
    if verdict.unspecified:  # where other answers are right too
        assert all(NUMBERS[number] == UNSPECIFIED for number in verdict.unspecified)
        return rejected
    for output, exact in solve(problem).items():
        rows = row_form(problem, output, exact.astype(np.float64))
        finite = np.isfinite(rows)
        named, x = verdict.vacuous.get(output, ()), np.where(finite, rows, 0.0)
        for name, make in WRONG.items():
            with np.errstate(over="ignore"):
                wrong = np.where(finite, make(x), rows) if rows.size else rows
                differs = bool((np.abs(wrong - x)[finite] > 1e-300).any())
            if name not in named and differs:
                assert not _instead(problem, result, output, wrong).ok, (output, name)
                rejected.append((output, name))
        if NOT_FINITE not in named and finite.any():
            assert not _instead(problem, result, output, np.where(finite, np.nan, rows)).ok, output
            rejected.append((output, NOT_FINITE))
    return rejected


def test_what_is_one_rounding_away_is_not_said_to_be_rejected() -> None:
    """Equal slopes in seven classes, whose mean is the float64 beside them, and nearer to the truth than the bound."""
    problem = Problem(
        "linear",
        "float64",
        {"input": [[0.5856563569940966] * 7], "weight": np.ones((1, 7))},
        grad_output=[[577.6295642581968]],
    )
    result, verdict = MANUAL.answer(problem), judge(MANUAL, problem, bits=BITS[1:])
    slopes = row_form(problem, "grad_weight", result.outputs["grad_weight"].values)
    mean = WRONG["the mean of each row"](slopes)

    assert (mean != slopes).all()
    assert _instead(problem, result, "grad_weight", mean).ok
    assert "the mean of each row" in verdict.vacuous["grad_weight"]


@pytest.mark.parametrize("name", [*WRONG, NOT_FINITE, JUST_OUTSIDE])
def test_a_bound_beyond_the_numbers_sees_nothing(name: str) -> None:
    """The largest number is as small as the bound; an infinite bound promises nothing at all."""
    tight, loose, none = Vacuity(), Vacuity(), Vacuity()
    x, zero = np.array([[1.0, 3.0, -2.0]]), np.zeros((1, 3))
    tight.add(x, zero, np.full((1, 3), 0.1), False)
    loose.add(x, zero, np.full((1, 3), 8.0), False)
    none.add(x, zero, np.full((1, 3), np.inf), False)

    assert name not in tight.none
    assert (name in loose.none) == (name in WRONG)
    assert name in none.none


def test_one_block_of_rows_is_enough() -> None:
    """What one block sees is seen."""
    vacuity = Vacuity()
    vacuity.add(np.array([[1e-9]]), np.zeros((1, 1)), np.ones((1, 1)), False)
    assert "zero" in vacuity.none
    vacuity.add(np.array([[1.0]]), np.zeros((1, 1)), np.full((1, 1), 0.5), False)
    assert "zero" not in vacuity.none
    assert vacuity.detectable == 0.5


def test_what_is_right_is_not_counted() -> None:
    """Zero is no wrong answer where the truth is zero, nor an infinity where it is infinite."""
    vacuity = Vacuity()
    vacuity.add(np.zeros((2, 3)), np.zeros((2, 3)), np.ones((2, 3)), False)
    vacuity.add(np.full((2, 3), np.inf), np.zeros((2, 3)), np.ones((2, 3)), False)

    assert vacuity.none == ()
    assert vacuity.detectable == np.inf


def test_an_overflow_may_be_infinite() -> None:
    """So that an infinity is no wrong answer there."""
    vacuity = Vacuity()
    vacuity.add(np.array([[6e4]]), np.zeros((1, 1)), np.array([[32.0]]), np.array([[True]]))

    assert vacuity.none == (NOT_FINITE,)


def test_a_wrong_answer_that_overflows_may_pass(dtype: str) -> None:
    """Twice the lowest number is -inf, as a sum that overflows may be; the other sign is wrong all the same."""
    problem = Problem("logsumexp", dtype, {"logits": [-FORMATS[dtype].largest] * 4}, {"dim": -1})
    infinite = Result({"value": Output(np.array(-np.inf), dtype)})

    assert judge_result(problem, infinite).ok
    vacuous = judge(MANUAL, problem).vacuous["value"]
    assert "twice as large" in vacuous
    assert "the other sign" not in vacuous


def test_a_gradient_that_underflows_is_told() -> None:
    """It is half of the smallest number: zero is as good an answer, and was not given."""
    problem = Problem("softmax", "float32", {"logits": [0.0, 0.0]}, {"dim": 0}, [2.0**-148, 0.0])
    verdict = judge(MANUAL, problem)
    half, zero = np.full(2, 0.5, np.float32), np.zeros(2, np.float32)

    assert "zero" in verdict.vacuous["grad_logits"]
    assert "value" not in verdict.vacuous
    assert verdict.detectable["value"] < 1e-6
    assert judge_result(problem, Result({"value": Output(half, "float32"), "grad_logits": Output(zero, "float32")})).ok


def test_the_report_counts_them() -> None:
    """In a note, in a table and for programs."""
    report = verify("manual:softmax", dtypes=["float32"], examples=60, seed=0)
    (row,) = report.rows

    assert row.errors.vacuous["grad_logits"]["zero"] > 0
    said = report.in_full()
    assert "vacuous here: softmax: " in said
    assert f"grad_logits in {max(row.errors.vacuous['grad_logits'].values())}" in said
    assert "of 60 problems: an all-zero answer, or another that is wrong altogether, would also pass" in said
    assert "softmax    float32  value" in report.vacuity()
    told = {each["output"]: each["vacuous"] for each in json.loads(report.to_json())["rows"][0]["outputs"]}
    assert {each["answer"]: each["problems"] for each in told["grad_logits"]} == row.errors.vacuous["grad_logits"]
    assert 1e-8 < row.errors.detectable["value"] < 1e-4
