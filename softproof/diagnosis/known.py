"""Failures that are a finding about torch: they are gone once what the finding is about is taken out of the problem.

Only answers count. Whoever fails in the same way is told the same, whatever its name is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..candidates.plain_text import plain
from ..problem.problem import Array, Problem
from ..problem.rows import axis_of, from_rows, is_labels, kept, main_input, wide_rows
from .interview import Interview, Reply


@dataclass(frozen=True)
class Known:
    """A finding by its name, whose it is, and `mended`: the same problem without what it is about, if that is in it.

    `without` is what `verify` leaves out so that it does not meet the finding.
    """

    finding: str
    target: str
    operation: str
    without: str
    mended: Callable[[Problem], Problem | None]

    def __str__(self) -> str:
        agrees = "it agrees with zeros in place of ignored rows that have no softmax"
        return f"as in finding {self.finding} of {self.target} (softproof findings): {agrees}"


def known_finding(interview: Interview, witness: Reply) -> Known | None:
    """The finding that a failure is: a derivative is NaN, and the mended problem agrees."""
    output, index = witness.verdict.output, witness.verdict.index
    if output in ("", "value") or not np.isnan(witness.result.outputs[output].values[index]):
        return None
    for known in KNOWN:
        problem = known.mended(witness.problem) if known.operation == witness.problem.operation else None
        reply = None if problem is None else interview.ask(problem)
        if reply is not None and reply.verdict.ok:
            return known
    return None


def what_to_do(known: Known, interview: Interview, problem: Problem) -> str:
    """Leave out what it is about, or expect it."""
    row = f"{plain(interview.candidate.name)} {problem.operation} {problem.dtype} {interview.device}"
    return f"--without {known.without} judges the rest; --expected-failures FILE, with the line {row!r}, expects it"


def _with_input(problem: Problem, name: str, array: Array) -> Problem:
    return replace(problem, inputs={**problem.inputs, name: array})


def _no_softmax(rows: Array) -> Array:
    """Rows (r, C) whose largest logit is no number: (r,)."""
    return np.asarray(~np.isfinite(rows.max(-1, initial=-np.inf)))


def _logits_of_ignored_rows(problem: Problem) -> Problem | None:
    """With 0 for the logits of ignored rows that have no softmax."""
    if not is_labels(problem):
        return None
    logits, axis = problem.inputs["logits"], axis_of(problem)
    rows = wide_rows(logits, axis)  # (r, C)
    wrong = ~kept(problem) & _no_softmax(rows)
    zeroed = from_rows(np.where(wrong[:, None], 0.0, rows), logits.shape, axis)
    return _with_input(problem, "logits", zeroed.astype(logits.dtype)) if wrong.any() else None


def _input_of_ignored_rows(problem: Problem) -> Problem | None:
    """With 0 for the input of ignored rows whose logits have no softmax."""
    weight = problem.inputs["linear_weight"]
    if not is_labels(problem) or weight.ndim != 2:
        return None
    given = main_input(problem)
    rows = given.reshape(-1, given.shape[-1])  # (N, F)
    with np.errstate(all="ignore"):
        logits = (rows.astype(np.float64) @ weight.T.astype(np.float64)).astype(weight.dtype)  # (N, C)
    wrong = ~kept(problem) & _no_softmax(logits)
    zeroed = np.where(wrong[:, None], rows.dtype.type(0), rows).reshape(given.shape)
    return _with_input(problem, "input", zeroed) if wrong.any() else None


KNOWN = (
    Known(
        "gradient-of-an-ignored-row-of-nan",
        "torch.nn.functional:cross_entropy",
        "cross_entropy",
        "nonfinite",
        _logits_of_ignored_rows,
    ),
    Known(
        "gradient-of-an-ignored-row",
        "torch.nn.functional:linear_cross_entropy",
        "linear_cross_entropy",
        "ignore_index",
        _input_of_ignored_rows,
    ),
)
