"""A row and its failures as JSON has them."""

from __future__ import annotations

from dataclasses import fields
from math import isfinite
from typing import Any

from .row import Failure, Row
from .terminal import printable


def in_json(value: Any) -> Any:
    """The same of what JSON has."""
    if isinstance(value, dict):
        return {in_json(key): in_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [in_json(each) for each in value]
    if isinstance(value, str):
        return printable(value)
    value = value.item() if hasattr(value, "item") else value  # of NumPy
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def record(row: Row) -> dict[str, Any]:
    """All fields, and the failures as such."""
    found = {each.name: getattr(row, each.name) for each in fields(row) if each.name not in ("failure", "more")}
    if row.failure is not None:
        found["failure"] = _record_of(row.failure)
    return found | ({"more failures": [_record_of(each) for each in row.more]} if row.more else {})


def _record_of(failure: Failure) -> dict[str, Any]:
    return {
        "check": failure.check,
        "explanation": failure.verdict.explanation,
        "snippet": failure.snippet,
        "diagnosis": failure.diagnosis.to_dict(),
    }
