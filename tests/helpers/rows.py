"""Rows that no judge has made."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import Any

from softproof import Row
from softproof.reports.row import Asked, Basis, Coverage, Errors, Outcome

_GROUPS = Outcome("agrees"), Asked(gradients=True), Coverage(1), Errors(0.0, 0.0), Basis("any-order")
AGREEING = Row("mine", "softmax", "float32", "cpu", *_GROUPS)


def changed(row: Row, **fields: Any) -> Row:
    """The same with other values of some fields, whichever group they are in."""
    groups: dict[str, Any] = {name: group for name, group in vars(row).items() if is_dataclass(group)}
    for name, group in groups.items():
        groups[name] = replace(group, **{each: fields.pop(each) for each in vars(group).keys() & fields.keys()})
    return replace(row, **groups | fields)
