"""A report as JSON; report.schema.json, beside this file, says what stands in it.

A number is a number. Of those that JSON has no word for, infinity is the text "Infinity" and no number "NaN", which
`float` of Python and `Number` of JavaScript both read. What was not measured is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from .row import Failure, Row
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
    measured = row.problems > 0
    return {
        "name": row.name,
        "implementation": row.implementation,
        "operation": row.operation,
        "dtype": row.dtype,
        "device": row.device,
        "verdict": row.verdict,
        "reason": row.reason,
        "lost": row.lost,
        "expected_to_fail": expected,
        "problems": row.problems,
        "problems_sha256": row.digest or None,
        "ratio": row.ratio if measured else None,
        "ulps": row.ulps if measured else None,
        "accuracy": row.accuracy,
        "arithmetic": row.arithmetic,
        "model": row.model,
        "theorems": row.theorems,
        "beyond": [{"arithmetic": name, "ratio": ratio} for name, ratio in row.beyond.items()],
        "sums": [{"classes": int(classes), "depth": depth} for classes, depth in row.sums.items()],
        "unmeasured": [{"why": why, "kinds": count} for why, count in row.unmeasured.items()],
        "outputs": _outputs(row),
        "coverage": [{"region": region, "problems": count} for region, count in row.regions.items()],
        "behaviour": row.checks,
        "other_bits": row.differ,
        "relations": row.relations,
        "gradients": row.gradients,
        "not_tested": left_out(row),
        "unbounded": row.unbounded,
        "uncounted": row.uncounted,
        "unspecified": row.unspecified,
        "hints": row.hints,
        "reported": row.reported,
        "isolated": row.isolated,
        "printed": row.printed,
        "seconds": float(row.seconds),
        "drawing": _drawing(row),
        "failures": [_record_of(each) for each in (row.failure, *row.more) if each is not None],
    }


def _outputs(row: Row) -> list[dict[str, Any]]:
    """What is known of each output: its worst error, the error that would be seen, and what would pass."""
    names = dict.fromkeys([*row.ratios, *row.detectable, *row.vacuous])
    return [
        {
            "output": name,
            "ratio": row.ratios.get(name),
            "detectable": row.detectable.get(name),
            "vacuous": [{"answer": answer, "problems": count} for answer, count in row.vacuous.get(name, {}).items()],
        }
        for name in names
    ]


def _drawing(row: Row) -> dict[str, Any]:
    """What its problems depend on; nothing of a row without one."""
    found = {name: row.drawing.get(name, ()) for name in ("supports", "layouts", "fixed")}
    return {**found, "ndim": [int(each) for each in row.drawing.get("ndim", ())]}


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
