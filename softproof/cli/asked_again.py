"""A function that cannot be asked as it is: it is asked what it takes, and then judged on that.

So that a right kernel with an interface of its own has a verdict after one command. What was found out is told, as the
options that say the same; a table in pyproject.toml is never added to. What is left out is no wrong number, and
`standing.py` sees to it that none is lost.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..candidates.axes import is_moved
from ..candidates.candidate import Candidate
from ..candidates.channel import is_late
from ..candidates.description import DECLARING
from ..candidates.loading import NO_NAME, name_of
from ..candidates.plain_text import plain
from ..candidates.preparation import DTYPES
from ..problem.formats import FORMATS
from ..problem.operations import DIRECTIONAL
from ..reports.failure import Failure
from ..reports.required import CANNOT_ASK, OUTPUTS
from ..reports.row import CANNOT_LOAD, Row
from ..runs.config import INTERFACE
from ..runs.introduction import CannotAskError, Profile
from ..runs.probing import ANOTHER_ORDER, SHAPE
from ..runs.profile import NOTHING_TO_ASK, Probe
from ..verdicts.verdict import DISAGREES
from .options import words_of
from .standing import INVALID, UNCHECKED, written_by
from .table import LONGEST

Opener = Callable[[Mapping[str, Any]], Candidate]


class Again(NamedTuple):
    """How a target is asked again, how to say the same, and what to know: what is left out, and why.

    Where nothing is `said`, it is not asked again.
    """

    arguments: Mapping[str, Any]
    said: str
    notes: tuple[str, ...]


def asked_again(arguments: Mapping[str, Any], rows: Sequence[Row], opener: Opener) -> Again | None:
    """What a target takes, if it is a function of which a row could not be asked, and it answers something else.

    `opener` opens it with the arguments that it is given.
    """
    if not is_function(arguments) or not any(map(_is_otherwise, rows)):
        return None
    target = str(arguments["target"])
    given = {name: value for name, value in arguments.items() if name != "target" and value is not None}
    probe = Probe(opener, name_of(target), given, given["device"])
    try:
        profile = probe.profile()
    except CannotAskError as error:
        if not any(NO_NAME in row.outcome.reason for row in rows):
            return None
        if not probe.found.operation:
            return Again(arguments, "", (plain(f"NOTE: {error}", LONGEST),))
        merged = {**arguments, **_found(probe.found)}  # its rows tell what is raised, and what to do
        return Again(merged, _said(merged), ())
    except (ValueError, TypeError):  # which the rows tell already
        return None
    found = _found(profile)
    without = found.get("without", given.get("without", ()))
    if profile.unchecked and UNCHECKED not in without:
        found["without"] = [*without, UNCHECKED]
    found["dtypes"] = _dtypes(arguments, profile)
    known = {"operation": rows[0].operation, "dtypes": list({row.dtype: None for row in rows}), **given}
    if all(known.get(name) == value for name, value in found.items()):
        return None
    merged = {**arguments, **found}
    own = [] if arguments.get("dtypes") or found["dtypes"] == list(DTYPES) else found["dtypes"]
    return Again(merged, _said(merged, own), tuple(_notes(profile, merged["dtypes"])))


def _found(profile: Profile) -> dict[str, Any]:
    """Its operation, and how it is called, as far as that is found out."""
    return {name: profile.arguments[name] for name in (*INTERFACE, "operation") if name in profile.arguments}


def _said(arguments: Mapping[str, Any], dtypes: Sequence[str] = ()) -> str:
    """The command that asks so."""
    target = shlex.quote(plain(str(arguments["target"])))
    return " ".join(["softproof verify", target, words_of(arguments), *(f"--dtype {each}" for each in dtypes)])


def _notes(profile: Profile, dtypes: Sequence[str]) -> Iterator[str]:
    """What is left out, and why, but formats that nobody asks for; then what may be a convention, and is asked."""
    left: dict[str, list[str]] = {}
    unchecked = {UNCHECKED: profile.unchecked} if profile.unchecked else {}
    for name, why in (profile.not_tested | unchecked).items():
        if why not in NOTHING_TO_ASK and (name not in FORMATS or name in (*DTYPES, *dtypes)):
            left.setdefault(why, []).append(name)
    yield from (plain(f"NOT TESTED: {', '.join(names)}: {why}", LONGEST) for why, names in left.items())
    for note in profile.notes:
        if not profile.unchecked or profile.unchecked not in note:
            yield plain(f"NOTE: {note}")


def is_function(arguments: Mapping[str, Any]) -> bool:
    """Whether a target is a function, or a class, that a module or a file has."""
    target = str(arguments["target"])
    return ":" in target and arguments.get("adapter") not in DECLARING and not target.endswith(".onnx")


def _is_otherwise(row: Row) -> bool:
    """Whether it could not be asked, nobody knows what it computes, or some failure may come from its interface.

    As where its parameters have another order than ours.
    """
    reason = row.outcome.reason
    if row.verdict == CANNOT_ASK and is_late(row.outcome.lost):  # of what is large, and not of another interface
        return False
    if reason.startswith(f"{CANNOT_ASK}: ") or (row.verdict == CANNOT_LOAD and NO_NAME in reason):
        return True
    in_order = not any(each.startswith(ANOTHER_ORDER) for each in row.asked.hints)
    return row.verdict == DISAGREES and (not in_order or any(map(_may_be_otherwise, row.failures)))


def _may_be_otherwise(failure: Failure) -> bool:
    """An error, labels of no class that are not refused, or a derivative in a direction: no wrong value or gradient.

    Or a value of another shape, an array whose classes may lie elsewhere, or one that may be meant to be overwritten.
    """
    along = tuple(OUTPUTS[kind] for kind in DIRECTIONAL)
    if is_moved(failure.verdict.problem) or written_by(failure):
        return True
    if SHAPE.search(failure.verdict.explanation):
        return True
    return failure.question == INVALID or failure.verdict.is_error or failure.verdict.output.startswith(along)


def _dtypes(arguments: Mapping[str, Any], profile: Profile) -> list[str]:
    """Those that were named; otherwise of the usual ones those in which it answers, or all in which it does."""
    if arguments.get("dtypes"):
        return list(arguments["dtypes"])
    answers = [each for each in FORMATS if each in profile.arguments["dtypes"]]
    return [each for each in DTYPES if each in answers] or answers
