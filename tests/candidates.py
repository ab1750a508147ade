"""The implementations that the tests put before the judge, and a way to ask them."""

from __future__ import annotations

import manual
import reference
from softproof import Candidate, Problem, load
from softproof.problem import Array

MANUAL = load(manual, adapter="numpy")
REFERENCE = load(reference, adapter="torch")


def answers(candidate: Candidate, problem: Problem, device: str = "cpu") -> dict[str, Array]:
    """The outputs of a candidate by name, widened to float64; what it raises fails the test."""
    result = candidate.answer(problem, device)
    assert result.raised is None, result.raised
    return {name: output.values for name, output in result.outputs.items()}
