"""The implementations that the tests put before the judge, and a way to ask them."""

from __future__ import annotations

from typing import Any

import numpy as np

import manual
import reference
from softproof import Candidate, Output, Problem, Result, load
from softproof.problem.problem import Array

MANUAL = load(manual, adapter="numpy")
REFERENCE = load(reference, adapter="torch")


ROWS = [[0.0, 1.0, 3.0], [2.0, 0.5, 0.0], [1.0, 1.5, -2.0]]
SHARES = [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.125, 0.125, 0.75]]
ONE_EACH = [1.0, 2.0, -1.0]


def three_rows(operation: str, dtype: str = "float32") -> Problem:
    """Three rows of three classes, with an upstream gradient, of any operation."""
    inputs: dict[str, Any] = {"logits": ROWS}
    if operation in ("softmax", "log_softmax"):
        return Problem(operation, dtype, inputs, {"dim": -1}, SHARES)
    if operation == "cross_entropy":
        return Problem(operation, dtype, inputs | {"target": [0, 2, 1]}, {}, 1.0)
    if operation == "linear":
        return Problem(
            operation, dtype, {"input": ROWS, "weight": SHARES[:2]}, {}, [[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]]
        )
    if operation == "linear_cross_entropy":
        return Problem(operation, dtype, {"input": ROWS, "linear_weight": SHARES, "target": [0, 2, 1]}, {}, 1.0)
    if operation == "softmax_kl_divergence":
        inputs = {"p_logits": ROWS, "q_logits": SHARES}
    elif operation not in ("logsumexp", "softmax_entropy"):
        inputs = {"p": SHARES} | ({} if operation == "entropy" else {"q": SHARES[::-1]})
    return Problem(operation, dtype, inputs, {"dim": -1}, ONE_EACH)


def answers(candidate: Candidate, problem: Problem, device: str = "cpu") -> dict[str, Array]:
    """The outputs of a candidate by name, widened to float64; what it raises fails the test."""
    result = candidate.answer(problem, device)
    assert result.raised is None, result.raised
    return {name: output.values for name, output in result.outputs.items()}


def with_a_moved_gradient(problem: Problem, by: float) -> Result:
    """The answer by hand with one element of the gradient moved, relatively."""
    result = MANUAL.answer(problem)
    values = result.outputs["grad_logits"].values.copy()
    values[1, 2] *= 1 + by
    return Result({**result.outputs, "grad_logits": Output(values, problem.dtype)})


def stored_logsumexp(logits: Array, dim: int = -1) -> Array:
    """A log-softmax by a stored logsumexp, which rounds once more than "any-order" has it."""
    m = logits.max(dim, keepdims=True)
    return np.asarray(logits - (m + np.log(np.exp(logits - m).sum(dim, keepdims=True))))
