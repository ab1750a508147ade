"""Answers that are no arrays of numbers of the format, and what is no refusal: each disagrees, and is told why."""

from __future__ import annotations

import numpy as np
import pytest

import softproof
from softproof import Problem, Result
from softproof.problem.formats import FORMATS

from .errors.inputs import GOOD
from .wrong.no_answers import NO_ANSWERS

LOGITS = Problem("softmax", "float32", {"logits": [0.0, 1.0]})


@pytest.mark.parametrize("wrong", NO_ANSWERS)
def test_an_answer_that_is_no_array_of_numbers(wrong: str) -> None:
    """One's own is refused, in test_errors.py; a candidate's disagrees."""
    values, _ = NO_ANSWERS[wrong]
    verdict = softproof.judge(softproof.load(lambda _logits: values, operation="softmax", adapter="numpy"), LOGITS)

    assert verdict.outcome == "disagrees"


def test_an_output_that_another_process_made_up() -> None:
    """It has not been looked at when it was made."""
    forged = object.__new__(softproof.Output)
    for name, value in (("values", NO_ANSWERS["a mask"][0]), ("dtype", "float32"), ("device", "cpu")):
        object.__setattr__(forged, name, value)

    assert str(softproof.judge_result(LOGITS, Result({"value": forged}))) == (
        "disagrees: value: values is a MaskedArray; expected a NumPy array"
    )


@pytest.mark.parametrize("stored", ["float32", "float16", "bfloat16"])
def test_an_answer_that_the_format_does_not_hold(stored: str) -> None:
    """The verdict shows the number and the format, however near the number is."""
    problem = Problem("softmax", stored, {"logits": [0.0, 0.75]})
    near = np.array([1 / 3, 2 / 3])
    held = FORMATS[stored].round(near)

    verdict = softproof.judge_result(problem, Result({"value": softproof.Output(near, stored)}))
    assert str(verdict) == f"disagrees: value holds {1 / 3!r}, which is not a {stored} number"
    assert "which is not a" not in str(
        softproof.judge_result(problem, Result({"value": softproof.Output(held, stored)}))
    )


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Result({}), "disagrees: gave nothing; expected an error"),
        (Result(lost="it ended"), "disagrees: it ended; expected an error"),
        (Result(raised="IndexError", changed=("numpy.exp",)), "disagrees: the call changed numpy.exp; expected an err"),
    ],
)
def test_what_is_no_refusal(result: Result, words: str) -> None:
    """Only an error is, and nothing besides."""
    assert str(softproof.judge_refusal(GOOD, result)).startswith(words)
