"""Outputs that a row has to be judged on: a candidate that hides its backward pass is told so, and does not agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..problem.operations import OPERATIONS
from ..problem.validation import check_names, shown

CANNOT_ASK = "cannot ask"  # the verdict of a row that lacks one
OUTPUTS = {"value": "value", "gradient": "grad_", "jvp": "jvp", "hvp": "hvp_"}  # how their names begin
HUGE = "huge"  # arrays of more elements than an index of 32 bits counts
EXPECTED = f"some of {', '.join(OUTPUTS)}"
OR_HUGE = f"{EXPECTED}, and {HUGE}, arrays of more than 2^31 elements"


def check_required(require: Any, expected: str = EXPECTED) -> tuple[str, ...]:
    """The names, each once; ValueError or TypeError for others."""
    names = tuple(dict.fromkeys(check_names("require", require, "gradient")))
    if unknown := [name for name in names if not (name in OUTPUTS or (name == HUGE and expected == OR_HUGE))]:
        raise ValueError(f"require names {shown(unknown[0])}; expected {expected}")
    return names


def missing(require: Sequence[str], operation: str, judged: Iterable[str]) -> tuple[str, ...]:
    """Those of the required outputs that the operation has, and of which nothing was judged.

    >>> missing(("value", "gradient"), "softmax", ["value"]), missing(("gradient",), "softmax", ["grad_logits"])
    (('gradient',), ())
    """
    return tuple(name for name in require if _has(operation, name) and not _among(name, judged))


def _has(operation: str, name: str) -> bool:
    """Whether there is such an output of the operation at all."""
    about = OPERATIONS[operation]
    return name in ("value", HUGE) or (bool(about.gradients) if name == "gradient" else name in about.kinds)


def _among(name: str, judged: Iterable[str]) -> bool:
    return any(output.startswith(OUTPUTS.get(name, name)) for output in judged)
