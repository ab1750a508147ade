"""Rows of the largest and lowest numbers: right answers are judged and keep to the relations without a warning."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest

from softproof import Candidate, Problem, check_relations, judge
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array

LOGITS = ("softmax", "log_softmax", "logsumexp", "cross_entropy")


def _rows(dtype: str) -> Array:
    """Rows of three that hold the ends of a format, -inf or 0."""
    largest = FORMATS[dtype].largest
    return np.array([*combinations_with_replacement((-largest, 0.0, largest, -np.inf), 3)])  # (20, 3)


def _problem(operation: str, dtype: str, rows: Array) -> Problem:
    inputs: dict[str, Any] = {"logits": rows}
    if operation == "cross_entropy":
        labels = rows.argmax(-1)
        return Problem(operation, dtype, inputs | {"target": labels}, {"reduction": "none"}, np.ones(len(rows)))
    shape = rows.shape[:1] if operation == "logsumexp" else rows.shape
    upstream = None if operation == "logsumexp" else np.resize([1.0, -0.5, 0.25, 0.0], shape)
    return Problem(operation, dtype, inputs, {"dim": -1}, upstream)


@pytest.mark.parametrize("operation", LOGITS)
def test_rows_of_extremes(half: Candidate, operation: str, dtype: str, device: str) -> None:
    """In one problem, where a row that overflows stands beside ordinary ones, and each row alone."""
    rows = _rows(dtype)
    for some in (rows, *(rows[[i]] for i in range(len(rows)))):
        problem = _problem(operation, dtype, some)
        for found in (judge(half, problem, device=device), check_relations(half, problem, device=device)):
            assert found.outcome in ("agrees", "unspecified", "no guarantee"), found
