"""A report as one HTML file, which needs no network and no script: verdicts, causes, what was not tested, and how."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from ..bounds.accuracy import NAMES
from ..diagnosis.record import WIDTH
from .causes import Cause, causes
from .environment import gpus, machine, versions
from .failure import Failure
from .markup import Markup, folded, items, joined, pairs, table, tag
from .pictures import NO_NUMBER, bar, pictures, short
from .report import Report
from .row import Row
from .target_record import TargetRecord
from .terminal import details, left_out, notes, under

STYLE = Path(__file__).with_name("report.css")
NOTHING_ELSE = "default-src 'none'; style-src 'unsafe-inline'"  # nothing is fetched, and nothing runs


def html(report: Report) -> str:
    """The page. Whatever comes from a candidate is text in it, and nothing that a browser obeys.

    >>> row = Row.unjudged("mine:softmax", "cpu", "cannot load", "there is no module 'mine'")
    >>> html(Report((row,), seed=0)).splitlines()[0]
    '<!doctype html>'
    """
    unexcused, excused = causes(report.failing), causes(report.excused)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=NOTHING_ELSE),
        tag("title", heading(report)),
        tag("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )
    main = tag(
        "main",
        _section("Rows", rows_table(report), *_unexpected(report), items([*notes(report.rows), *details(report.rows)])),
        *([_section("What is wrong", *map(_cause, unexcused, count(1)))] if unexcused else []),
        *([_section("Expected failures", *map(_cause, excused, count(len(unexcused) + 1)))] if excused else []),
        _section("What was asked", *map(_details, report.rows, count(1))),
        _section("How it was run", *_run(report)),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', _header(report, len(unexcused)), main), lang='en')}"


def _section(title: str, *inside: Any) -> Markup:
    return tag("section", tag("h2", title), *inside)


def heading(report: Report) -> str:
    """The verdict on all."""
    agreeing = sum(row.ok for row in report.rows)
    ended = "INTERRUPTED, " if report.interrupted else ""
    return f"softproof: {ended}{'PASSED' if report.ok else 'FAILED'}, {agreeing} of {len(report.rows)} rows agree"


def _header(report: Report, found: int) -> Markup:
    """The verdict, and how much was asked."""
    said = f"{found} cause{'s' * (found != 1)}, " if found else ""
    problems = sum(row.coverage.problems for row in report.rows)
    seconds = sum(row.outcome.seconds for row in report.rows)
    return tag(
        "header",
        tag("h1", tag("span", heading(report), class_="good" if report.ok else "bad")),
        tag("p", f"{said}{problems} problems, {seconds:.1f} s, seed {report.seed}, {report.date}", class_="quiet"),
    )


# ---- verdicts -------------------------------------------------------------------------------------------------------


def rows_table(report: Report, *, leads: bool = True) -> Markup:
    """One line for each; where it `leads` somewhere, to what was asked of it."""
    headers = ("row", "problems", "error/bound", "verdict")
    links = (f"#row-{number}" if leads else None for number in count(1))
    return table(headers, *(_line(report, row, link) for row, link in zip(report.rows, links, strict=False)))


def _line(report: Report, row: Row, link: str | None) -> tuple[Any, ...]:
    words = f"{row.verdict if row.ok else row.verdict.upper()}{under(row)}"
    excused = " (expected failure)" if row in report.excused else ""
    verdict = tag("span", f"{'✓' if row.ok else '✗'} {words}", class_="good" if row.ok else "bad")
    worst = short(row.errors.ratio) if row.coverage.problems else NO_NUMBER
    name = row.name if link is None else tag("a", row.name, href=link)
    return name, row.coverage.problems, worst, joined(verdict, excused)


def _unexpected(report: Report) -> Iterator[Markup]:
    """Expected failures that are none, and what an interruption has left out."""
    if report.unexpected:
        yield tag("div", items(report.unexpected), class_="bad")
    if report.interrupted:
        yield tag("p", "The run was interrupted: rows that are not here were not judged.", class_="bad")


def _cause(cause: Cause, number: int) -> Markup:
    """What failed, where, on which problem, what it comes from, and how to see it again."""
    seen = ", ".join(row.name for row in cause.rows)
    title = tag("h3", f"{number}. ", tag("span", cause.check, class_="bad"))
    inside = _failure(cause.failure) if cause.failure is not None else [tag("pre", cause.row.outcome.reason)]
    return tag("article", title, pairs(("seen in", seen)), *inside, id=f"cause-{number}")


def _failure(failure: Failure) -> list[Markup]:
    said = [(line[:WIDTH].strip(), line[WIDTH:].strip()) for line in failure.diagnosis.lines]
    return [
        tag("pre", str(failure.verdict)),
        pairs(*said),
        tag("p", f"To see it again (seed {failure.seed}):"),
        tag("pre", tag("code", failure.snippet)),
    ]


# ---- what was asked -------------------------------------------------------------------------------------------------


def _details(row: Row, number: int) -> Markup:
    """One row: by what it was judged, each output, what was not tested, and where its problems lay."""
    outcome, basis = row.outcome, row.basis
    unbounded, uncounted = row.coverage.unbounded, row.coverage.uncounted
    theorems = ", ".join(map(str, basis.theorems))
    unspecified = ", ".join(map(str, outcome.unspecified))
    about = pairs(
        ("verdict", tag("span", row.verdict, class_="good" if row.ok else "bad")),
        ("reason", outcome.reason),
        ("lost", outcome.lost),
        ("arithmetic", f"{basis.arithmetic}{under(row)}"),
        ("model", basis.model),
        ("class", f"{basis.accuracy}, {NAMES[basis.accuracy]}"),
        ("theorems", f"{theorems} of docs/theory/bounds.md" if theorems else ""),
        ("worst error", f"{short(row.errors.ulps)} ulp" if row.coverage.problems else ""),
        ("not tested", ", ".join(left_out(row))),
        ("unbounded", f"no derivative promised, nor asked, in {unbounded} problems" if unbounded else ""),
        ("uncounted", f"no guarantee by the arithmetic in {uncounted} problems" if uncounted else ""),
        ("unspecified", f"accepted: rows {unspecified} of docs/theory/semantics.md" if unspecified else ""),
        ("warning", "; ".join(row.asked.hints)),
        ("reported", "; ".join(basis.reported)),
        ("printed", f"{outcome.printed:,} bytes, not shown" if outcome.printed else ""),
        ("ran", "in a process of its own" if basis.isolated else "not isolated, in the process of the judge"),
    )
    return tag(
        "article", tag("h3", row.name), about, *_outputs(row), *pictures(row), *_questions(row), id=f"row-{number}"
    )


def _outputs(row: Row) -> Iterator[Markup]:
    """The worst error of each output, as a share of its bound, and what would have passed besides."""
    errors = row.errors
    names = dict.fromkeys([*errors.ratios, *errors.detectable, *errors.vacuous])
    lines = [(name, *_output(row, name)) for name in names]
    if lines:
        yield table(("output", "share of the bound", "error/bound", "error seen from", "vacuous"), *lines)


def _output(row: Row, name: str) -> tuple[Any, ...]:
    errors = row.errors
    ratio, seen, wrong = errors.ratios.get(name), errors.detectable.get(name), errors.vacuous.get(name, {})
    passing = f"{max(wrong.values())} of {row.coverage.problems}: {', '.join(wrong)} would pass" if wrong else NO_NUMBER
    worst = (NO_NUMBER,) * 2 if ratio is None else (bar(ratio, f"{short(ratio)} of the bound"), short(ratio))
    return (*worst, NO_NUMBER if seen is None else f"{seen:.1e}", passing)


def _questions(row: Row) -> Iterator[Markup]:
    """Regions, behaviour checks and relations, which are many."""
    regions, asked = row.coverage.regions, row.asked
    if regions:
        most, counts = max(regions.values()), sorted(regions.items())
        lines = ((name, bar(found / most, f"{found} problems"), found) for name, found in counts)
        yield folded(f"Coverage: problems in {len(counts)} regions", table(("region", "share", "problems"), *lines))
    if asked.checks:
        bits = ", ".join(asked.differ)
        said = f"Other bits, within the bounds: {bits}" if bits else "All answers had the same bits."
        yield folded(f"Behaviour: {len(asked.checks)} checks", tag("p", said), items(asked.checks))
    if asked.relations:
        yield folded(f"Relations: {len(asked.relations)} asked", items(asked.relations))


# ---- the run --------------------------------------------------------------------------------------------------------


def _run(report: Report) -> Iterator[Markup]:
    """Targets and their files, versions, the machine, and protections."""
    yield from map(_target, report.targets)
    used = gpus() if any(not row.device.startswith("cpu") for row in report.rows) else []
    known = [("platform", machine()), ("GPUs", ", ".join(used)), ("trusted", ", ".join(report.trusted))]
    known += [("asked as", "; ".join(report.found_out)), ("found out", "; ".join(report.notes))]
    yield pairs(*versions().items(), *known)
    if report.inputs:
        yield folded("Read first, with SHA-256", table(("file", "SHA-256"), *report.inputs))
    if report.protections:
        states = [(each.name, "active" if each.active else "ABSENT", each.how) for each in report.protections]
        yield table(("protection", "state", "how, or why not"), *states)


def _target(target: TargetRecord) -> Markup:
    """How it was called, and what it was made from."""
    told = target.to_dict()
    given = [(name, _option(value)) for name, value in told["options"].items() if value not in (None, [])]
    inside = [folded("Options", pairs(*given)), *([pairs(("commit", told["commit"]))] if told["commit"] else [])]
    if target.sources:
        inside.append(
            folded(f"Files, with SHA-256: {len(target.sources)}", table(("file", "SHA-256"), *target.sources))
        )
    return tag("article", tag("h3", target.target), *inside)


def _option(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
