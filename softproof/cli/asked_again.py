"""A function that cannot be asked as it is: it is asked what it takes, and then judged on that.

So that a right kernel with an interface of its own has a verdict after one command. What was found out is told, as the
options that say the same; a table in pyproject.toml is never added to.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..candidates.candidate import Candidate
from ..candidates.description import DECLARING
from ..candidates.plain_text import plain
from ..candidates.preparation import DTYPES
from ..config import INTERFACE
from ..problem.formats import FORMATS
from ..reports.required import CANNOT_ASK
from ..reports.row import CANNOT_LOAD, Row
from ..runs.introduction import Profile
from ..runs.profile import Probe
from .options import words_of

Opener = Callable[[Mapping[str, Any]], Candidate]


class Again(NamedTuple):
    """How a target is asked again, and how to say the same."""

    arguments: Mapping[str, Any]
    profile: Profile
    said: str


def asked_again(arguments: Mapping[str, Any], rows: Sequence[Row], opener: Opener) -> Again | None:
    """What a target takes, if it is a function of which a row could not be asked, and it answers something else.

    `opener` opens it with the arguments that it is given.
    """
    if not _is_function(arguments) or not any(map(_is_otherwise, rows)):
        return None
    target = str(arguments["target"])
    given = {name: value for name, value in arguments.items() if name != "target" and value is not None}
    try:
        profile = Probe(opener, target.partition(":")[2].split(".")[-1], given, given["device"]).profile()
    except (ValueError, TypeError):  # which the rows tell already
        return None
    found = {name: profile.arguments[name] for name in (*INTERFACE, "operation") if name in profile.arguments}
    if all(arguments.get(name) == value for name, value in found.items()):
        return None
    merged = {**arguments, **found, "dtypes": _dtypes(arguments, profile)}
    return Again(merged, profile, f"softproof verify {shlex.quote(plain(target))} {words_of(merged)}")


def _is_function(arguments: Mapping[str, Any]) -> bool:
    target = str(arguments["target"])
    return ":" in target and arguments.get("adapter") not in DECLARING and not target.endswith(".onnx")


def _is_otherwise(row: Row) -> bool:
    """Whether it could not be asked, or nobody knows what it computes."""
    return row.reason.startswith(f"{CANNOT_ASK}: ") or (row.verdict == CANNOT_LOAD and "cannot infer" in row.reason)


def _dtypes(arguments: Mapping[str, Any], profile: Profile) -> list[str]:
    """Those that were named; otherwise of the usual ones those in which it answers, or all in which it does."""
    if arguments.get("dtypes"):
        return list(arguments["dtypes"])
    answers = [each for each in FORMATS if each in profile.arguments["dtypes"]]
    return [each for each in DTYPES if each in answers] or answers
