"""A report as JSON; report.schema.json, beside this file, says what stands in it.

A number is a number. Of those that JSON has no word for, infinity is the text "Infinity" and no number "NaN", which
`float` of Python and `Number` of JavaScript both read. What was not measured is null. `Errors.points`, of which the
page draws its pictures, is left out: it may be a part of the problems, and `outputs` and `coverage` sum up all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from .failure import Failure
from .row import Row
from .terminal import left_out, printable

FORMAT = 1  # of which "softproof" is the number, at the beginning of each report
SCHEMA = Path(__file__).with_name("report.schema.json")


def in_json(value: Any) -> Any:
    """The same of what JSON has.

    >>> in_json({"worst": float("inf"), "least": [float("nan"), 0.5]})
    {'worst': 'Infinity', 'least': ['NaN', 0.5]}
    """
    if isinstance(value, Mapping):
        return {in_json(key): in_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [in_json(each) for each in value]
    if isinstance(value, str):
        return printable(value)
    value = value.item() if hasattr(value, "item") else value  # of NumPy
    return _word(value) if isinstance(value, float) and not isfinite(value) else value


def _word(value: float) -> str:
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def record(row: Row, expected: bool) -> dict[str, Any]:
    """A row, and whether it was expected not to agree."""
    outcome, asked, coverage, errors, basis = row.outcome, row.asked, row.coverage, row.errors, row.basis
    measured = coverage.problems > 0
    return {
        "name": row.name,
        "implementation": row.implementation,
        "operation": row.operation,
        "dtype": row.dtype,
        "device": row.device,
        "verdict": row.verdict,
        "reason": outcome.reason,
        "lost": outcome.lost,
        "expected_to_fail": expected,
        "problems": coverage.problems,
        "problems_sha256": coverage.digest or None,
        "ratio": errors.ratio if measured else None,
        "ulps": errors.ulps if measured else None,
        "accuracy": basis.accuracy,
        "arithmetic": basis.arithmetic,
        "model": basis.model,
        "theorems": basis.theorems,
        "beyond": [{"arithmetic": name, "ratio": ratio} for name, ratio in errors.beyond.items()],
        "sums": [{"classes": int(classes), "depth": depth} for classes, depth in basis.sums.items()],
        "unmeasured": [{"why": why, "kinds": count} for why, count in basis.unmeasured.items()],
        "outputs": _outputs(row),
        "coverage": [{"region": region, "problems": count} for region, count in coverage.regions.items()],
        "behaviour": asked.checks,
        "other_bits": asked.differ,
        "relations": asked.relations,
        "gradients": asked.gradients,
        "not_tested": left_out(row),
        "unbounded": coverage.unbounded,
        "uncounted": coverage.uncounted,
        "unspecified": outcome.unspecified,
        "findings": outcome.findings,
        "rest": outcome.rest,
        "hints": asked.hints,
        "reported": basis.reported,
        "isolated": basis.isolated,
        "printed": outcome.printed,
        "seconds": float(outcome.seconds),
        "drawing": _drawing(row),
        "failures": [_record_of(each) for each in row.failures],
    }


def _outputs(row: Row) -> list[dict[str, Any]]:
    """What is known of each output: its worst error, the error that would be seen, and what would pass."""
    errors = row.errors
    names = dict.fromkeys([*errors.ratios, *errors.detectable, *errors.vacuous])
    return [
        {
            "output": name,
            "ratio": errors.ratios.get(name),
            "detectable": errors.detectable.get(name),
            "vacuous": [
                {"answer": answer, "problems": count} for answer, count in errors.vacuous.get(name, {}).items()
            ],
        }
        for name in names
    ]


def _drawing(row: Row) -> dict[str, Any]:
    """What its problems depend on; nothing of a row without one."""
    found = {name: row.coverage.drawing.get(name, ()) for name in ("supports", "layouts", "fixed")}
    return {**found, "ndim": [int(each) for each in row.coverage.drawing.get("ndim", ())]}


def _record_of(failure: Failure) -> dict[str, Any]:
    verdict = failure.verdict
    return {
        "check": failure.check,
        "output": verdict.output or None,
        "index": verdict.index if verdict.output else None,
        "ratio": verdict.ratio,
        "ulps": verdict.ulps,
        "explanation": verdict.explanation,
        "problem_sha256": None if verdict.problem is None else verdict.problem.digest(),
        "seed": failure.seed,
        "snippet": failure.snippet,
        "diagnosis": failure.diagnosis.to_dict(),
    }
