"""The two halves agree with each other and with the truth, in value and in every gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softproof import OPERATIONS, Candidate, Output, Problem, Result, bound, judge, judge_result, problems
from softproof.bounds.models import model
from softproof.problem.formats import FORMATS
from softproof.runs.criteria import Criteria
from softproof.verdicts.case import BITS
from softproof.verdicts.elements import OVERFLOW
from softproof.verdicts.verdict import DISAGREES, NO_GUARANTEE

from .helpers.candidates import MANUAL, REFERENCE, answers

pytestmark = [pytest.mark.always]
PROMISED = Criteria("cpu", model(None), "", "C", None, 1.0).promised  # what `verify` asks of a problem


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_each_half_stays_within_its_bound(
    half: Candidate, operation: str, dtype: str, device: str, data: st.DataObject
) -> None:
    """By hand and by torch: as close to the truth as the theorems say."""
    verdict = judge(half, PROMISED(data.draw(problems(operation, dtype))), device=device)

    assert verdict.ok, verdict


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_manual_rounds_half_precision_once(operation: str, data: st.DataObject) -> None:
    """In float16 the hand-written half computes in float32 and rounds at the end, no earlier."""
    verdict = judge(MANUAL, PROMISED(data.draw(problems(operation, "float16"))))

    assert verdict.ok, verdict


@pytest.mark.parametrize("candidate", [REFERENCE], ids=["reference"])
@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_the_halves_are_within_both_bounds_of_each_other(
    candidate: Candidate, operation: str, dtype: str, device: str, data: st.DataObject
) -> None:
    """|manual - reference| <= B_manual + B_reference; the judge is asked where they are apart alone."""
    supports = candidate.supports(operation)
    by_manual = MANUAL.leaving_out(frozenset(OPERATIONS[operation].extras) - supports)
    problem = data.draw(problems(operation, dtype, supports=supports))
    by_hand, by_torch = answers(by_manual, problem), answers(candidate, problem, device)
    allowed = bound(problem)

    assert by_hand.keys() == by_torch.keys()
    for name, first in by_hand.items():
        second = by_torch[name]
        assert first.shape == second.shape
        with np.errstate(invalid="ignore"):
            same = (first == second) | (np.isnan(first) & np.isnan(second))
            near = np.abs(first - second) <= 2 * allowed[name]
        if not (same | near).all():  # what no document fixes, or overflows on the way, need not be the same
            verdicts = judge(by_manual, problem), judge(candidate, problem, device=device)
            content = [verdict.ok or verdict.outcome == NO_GUARANTEE for verdict in verdicts]  # of another element
            assert all(content), (name, first, second, allowed[name])
            cited = [verdict.cited[name] != 0 for verdict in verdicts if name in verdict.cited]
            assert (same | near | np.any(cited, axis=0)).all(), (name, first, second, allowed[name])


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_reference_takes_half_precision(operation: str, device: str, data: st.DataObject) -> None:
    """float16 and bfloat16 go in and come out, in every operation; how accurately is another question."""
    problem = data.draw(problems(operation, data.draw(st.sampled_from(("float16", "bfloat16")))))

    result = REFERENCE.answer(problem, device)

    assert result.raised is None, result.raised
    assert not result.written
    assert {output.dtype for output in result.outputs.values()} == {problem.dtype}


@pytest.mark.parametrize("candidate", [MANUAL, REFERENCE], ids=lambda candidate: candidate.name)
def test_every_operation_is_there(candidate: Candidate) -> None:
    """Each half offers every operation, with gradients wherever the operation has any, and every option."""
    assert set(candidate.operations) == set(OPERATIONS)
    for name, operation in OPERATIONS.items():
        assert candidate.differentiates(name) == bool(operation.gradients)
        assert candidate.supports(name) == set(operation.extras)


EDGES = {
    "subnormal upstream": Problem(  # what underflows is enlarged again by the class weight and by the small denominator
        "cross_entropy",
        "float64",
        {"logits": [[-0.46, -0.92, 104.0, 0.63]], "weight": [2.58, 1.15, 0.26, 0.16], "target": [3]},
        {"label_smoothing": 1.0},
        grad_output=2.22507386e-311,
    ),
    "vanishing loss": Problem(  # the whole loss is one part in 2^25: nothing of it is left after 1 + e^-17
        "cross_entropy", "float32", {"logits": [[0.0, -17.5]], "target": [0]}, {}, grad_output=1.0
    ),
    "largest logits": Problem(  # logits next to the largest number: the shift must not overflow into inf - inf
        "softmax", "float32", {"logits": [3e38, -3e38]}, {"dim": 0}, grad_output=[1.0, -1.0]
    ),
    "huge logits": Problem(
        "log_softmax", "float64", {"logits": [1e300, 0.0, -1e300]}, {"dim": 0}, grad_output=[1.0, 2.0, 3.0]
    ),
    "subnormal probability": Problem(  # a probability that is subnormal
        "softmax", "float32", {"logits": [0.0, -95.0]}, {"dim": 0}, grad_output=[0.0, 1.0]
    ),
    "0 times an overflow": Problem(  # the upstream gradient times a log-probability overflows, and then meets 1 - ε = 0
        "cross_entropy",
        "float64",
        {"logits": [[-7e299, 0.0]], "target": [[0.5, 0.5]]},
        {"label_smoothing": 1.0},
        grad_output=2.0**512,
    ),
    "overflow of a quotient": Problem(  # the smoothed part overflows, divided by a small weight before it meets ε/C
        "cross_entropy",
        "float32",
        {
            "logits": [[1.35e38, 1.386e38, 9.387e37, -9.497e37]],
            "target": [3],
            "weight": [2.584, 1.152, 0.26, 0.1645],
        },
        {"label_smoothing": 0.1},
        grad_output=1.0,
    ),
    "subnormal product": Problem(  # p v is subnormal, and then multiplied by the sum of the upstream gradient
        "log_softmax",
        "float64",
        {"logits": [-1.5, 1.0, -0.8, 4.8, 4.0, 1.9, -6.6, 0.2]},
        {"dim": 0},
        grad_output=[2048.0] * 8,
        tangent=[1.5493634291557344e-304] + [0.0] * 7,
    ),
    "negative weight": Problem(  # a negative weight, which the mean divides by
        "cross_entropy",
        "float32",
        {"logits": [[0.0, 1.0]], "target": [0], "weight": [-3.0, 1.0]},
        {},
        grad_output=1.0,
    ),
    "overflow": Problem(  # the slope of a target probability is itself beyond the largest number
        "cross_entropy", "float64", {"logits": [[-7e299, 0.0]], "target": [[0.5, 0.5]]}, {}, grad_output=2.0**512
    ),
    "no weight": Problem(  # the only label that counts has no weight: 0/0, in the loss and in the gradient
        "cross_entropy",
        "float32",
        {"logits": [[0.0, 1.0]], "target": [0], "weight": [0.0, 1.0]},
        {},
        grad_output=1.0,
    ),
}


@pytest.mark.parametrize("candidate", [MANUAL, REFERENCE], ids=lambda candidate: candidate.name)
@pytest.mark.parametrize("problem", EDGES.values(), ids=EDGES)
def test_the_edges_of_the_range(candidate: Candidate, problem: Problem) -> None:
    """Problems that were once found, or are known, to be hard."""
    inputs = {
        name: FORMATS[problem.dtype].round(values) if values.dtype == np.float64 else values
        for name, values in problem.inputs.items()
    }
    verdict = judge(candidate, replace(problem, inputs=inputs), bits=BITS[1:])

    assert verdict.ok, verdict


@pytest.mark.parametrize(
    ("problem", "output", "reason"),
    [
        (  # the sum of the losses of the labels is infinite, and meets 1 - ε = 0
            Problem(
                "cross_entropy",
                "float16",
                {"logits": [[0.0, -4e4], [0.0, -4e4]], "target": [1, 1]},
                {"label_smoothing": 1.0},
            ),
            "value",
            -OVERFLOW,
        ),
        (  # g w underflows, and meets log 0
            Problem(
                "cross_entropy",
                "float16",
                {"logits": [[0.0, -np.inf]], "target": [[1.0, 0.0]], "weight": [1.0, 2.0**-8]},
                {"reduction": "sum"},
                grad_output=2.0**-22,
            ),
            "grad_target",
            120,
        ),
    ],
    ids=["an infinite sum times 0", "an underflow times infinity"],
)
def test_nan_from_a_factor_of_zero_is_excused(problem: Problem, output: str, reason: int) -> None:
    """Of torch in float16, where it comes from a number that is not 0, or not infinite, to mathematics."""
    result = REFERENCE.answer(problem)
    verdict = judge(REFERENCE, problem, arithmetic="torch-cpu")

    assert np.isnan(result.outputs[output].values).any()
    assert verdict.outcome != DISAGREES, verdict
    assert (verdict.cited[output] == reason).any(), verdict


def test_nan_without_a_factor_of_zero_disagrees() -> None:
    """An overflow alone is no excuse."""
    problem = Problem("cross_entropy", "float16", {"logits": [[0.0, -4e4], [0.0, -4e4]], "target": [1, 1]})
    result = Result({"value": Output(np.array(np.nan, np.float32), "float16", "cpu")})

    assert judge_result(problem, result, arithmetic="torch-cpu").outcome == "disagrees"


@pytest.mark.parametrize("got", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize(("weights", "ok"), [([-4.0, 4.0, 4.0], True), ([4.0, 4.0, 4.0], False)])
def test_an_overflow_of_numbers_of_both_signs_may_have_either(got: float, weights: list[float], ok: bool) -> None:
    """The sum over classes is infinite before the loss of the label makes it finite again, or negative."""
    problem = Problem(
        "cross_entropy",
        "float16",
        {"logits": [[-2e4, 0.0, -2e4]], "target": [0], "weight": weights},
        {"reduction": "sum", "label_smoothing": 0.5},
    )

    found = judge_result(
        problem, Result({"value": Output(np.array(got, np.float32), "float16")}), arithmetic="torch-cpu"
    )

    assert found.ok == (ok or got == np.inf), found


def test_numbers_of_both_signs_in_one_row_excuse_no_other() -> None:
    """Losses one by one: the first row adds positive numbers alone, the second does not."""
    shares = [[1.0, 0.5, 1.0], [-1.0, 0.5, 1.0]]
    inputs: dict[str, Any] = {"logits": [[-4e4, 0.0, -4e4]] * 2, "target": shares, "weight": [2.0, 2.0, 2.0]}
    problem = Problem("cross_entropy", "float16", inputs, {"reduction": "none"})
    result = Result({"value": Output(np.array([np.nan, np.nan], np.float32), "float16")})

    found = judge_result(problem, result, arithmetic="torch-cpu")

    assert found.outcome == "disagrees"
    assert found.index == (0,)
    assert "1 of 2 elements" in found.explanation
