"""Options by name: which values each may have, and whether a problem has one."""

from __future__ import annotations

from typing import Any

from .operations import DEFAULTS, REDUCTIONS
from .problem import Problem
from .rows import main_input
from .validation import check_flag, check_name, check_whole, is_number, shown


def check_option(name: str, value: Any) -> None:
    """ValueError or TypeError for a value that an option cannot have."""
    if name == "reduction":
        check_name("fixed reduction", value, REDUCTIONS)
    if name == "keepdim":
        check_flag("fixed keepdim", value)
    if name in ("dim", "ignore_index"):
        check_whole(f"fixed {name}", value, "a whole number of 64 bits", -(2**63), 2**63 - 1)
    if name == "label_smoothing" and not (is_number(value) and 0 <= value <= 1):
        raise ValueError(f"fixed label_smoothing is {shown(value)}; expected a number from 0 to 1")


def has_value(problem: Problem, name: str, value: Any) -> bool:
    """Whether an option of a problem has this value; the last axis has two names."""
    given: Any = problem.options.get(name, DEFAULTS[name])
    if name == "dim":
        axes = max(1, main_input(problem).ndim)
        if isinstance(given, tuple):
            return False
        return bool(-axes <= value < axes and given % axes == value % axes)
    return bool(given == value)
