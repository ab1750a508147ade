"""A report for GitHub Actions: an annotation for each cause, where the code is, and the summary of a job."""

from __future__ import annotations

import re
from collections.abc import Callable

from .as_html import heading, rows_table
from .causes import Cause, causes
from .markup import items, tag
from .report import Report
from .row import Row
from .terminal import notes, printable

SourceLine = tuple[str, int]  # a file, from the working directory, and a line of it
_RAISED = re.compile(r" at ([^\s:]+):(\d+)")


def annotated(report: Report, defined: Callable[[Row], SourceLine | None]) -> list[str]:
    """Lines that GitHub shows beside the code: what fails, each once.

    `defined` tells where the code of a row is. An error that was raised in that file is shown where that was.

    >>> row = Row.unjudged("mine:f", "cpu", "no guarantee", "100% of it", operation="softmax", dtype="float32")
    >>> annotated(Report((row,), seed=0), lambda row: ("mine.py", 3))
    ['::error file=mine.py,line=3,title=softproof%3A no guarantee::100%25 of it (mine:f softmax float32 cpu)']
    """
    lines = [_annotation(each, defined(each.row)) for each in causes(report.failing)]
    return lines + [_command(f"softproof: {each}", None, "softproof: expected failures") for each in report.unexpected]


def _annotation(cause: Cause, place: SourceLine | None) -> str:
    said = cause.row.outcome.reason or (str(cause.failure.verdict) if cause.failure is not None else cause.row.verdict)
    raised = _RAISED.search(said)
    if raised is not None and place is not None and place[0].rpartition("/")[2] == raised[1]:
        place = place[0], int(raised[2])
    following = [] if cause.failure is None else cause.failure.diagnosis.lines
    names = ", ".join(row.name for row in cause.rows)
    return _command("\n".join([f"{said} ({names})", *following]), place, f"softproof: {cause.check}")


def _command(message: str, place: SourceLine | None, title: str) -> str:
    """One line, in which nobody begins another."""
    where = [] if place is None else [f"file={_property(place[0])}", f"line={place[1]}"]
    return f"::error {','.join([*where, f'title={_property(title)}'])}::{_data(message)}"


def _data(message: str) -> str:
    return printable(message).replace("%", "%25").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def summary(report: Report) -> str:
    """Markdown for GITHUB_STEP_SUMMARY, in elements of HTML: no text of others is Markdown in it.

    A blank line ends an element of HTML there, but not one that begins with <pre>.
    """
    parts = [tag("h2", heading(report)), rows_table(report, leads=False)]
    for number, cause in enumerate(causes(report.failing), start=1):
        names = ", ".join(row.name for row in cause.rows)
        parts += [tag("h3", f"{number}. {cause.check}"), tag("p", f"seen in {names}"), tag("pre", _told(cause))]
    parts += [items([*report.unexpected, *notes(report.rows)])]
    return "\n\n".join(each if each.startswith("<pre>") else each.replace("\n", " ") for each in parts) + "\n"


def _told(cause: Cause) -> str:
    return cause.row.outcome.reason if cause.failure is None else cause.failure.told()
