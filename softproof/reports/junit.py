"""A report as JUnit XML, which CI systems show: a test case for each row, named after it."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from .report import Report
from .row import CANNOT_LOAD, JUDGE_FAILED, Row
from .terminal import isolation, printable


def junit(report: Report) -> str:
    """The report as JUnit XML: a failure where a row does not agree, *skipped* where that was expected.

    >>> from softproof.reports.row import Coverage, Errors, Outcome
    >>> row = Row("mine", "softmax", "float32", "cpu", Outcome("agrees"), coverage=Coverage(1), errors=Errors(0.0, 0.0))
    >>> print(junit(Report((row,), seed=0)))
    <?xml version='1.0' encoding='utf-8'?>
    <testsuites>
      <testsuite name="softproof" tests="1" failures="0" errors="0" skipped="0" time="0.000">
        <properties>
          <property name="not isolated, in the process of the judge" value="mine" />
        </properties>
        <testcase classname="mine.softmax" name="float32-cpu" time="0.000" />
      </testsuite>
    </testsuites>
    """
    unjudged = [row for row in report.rows if _is_unjudged(row)]
    suite = ET.Element(
        "testsuite",
        name="softproof",
        tests=str(len(report.rows) + len(report.unexpected) + report.interrupted),
        failures=str(len(report.failing) - len(unjudged) + len(report.unexpected)),
        errors=str(len(unjudged) + report.interrupted),
        skipped=str(len(report.excused)),
        time=f"{sum(row.outcome.seconds for row in report.rows):.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _told(report):
        ET.SubElement(properties, "property", name=printable(name), value=printable(value))
    for row in report.rows:
        suite.append(_case(row, row in report.failing, row in report.excused))
    for text in report.unexpected:
        what, _, name = text.partition(": ")
        case = ET.SubElement(suite, "testcase", classname="expected failures", name=printable(name), time="0.000")
        ET.SubElement(case, "failure", message=printable(what))
    if report.interrupted:
        case = ET.SubElement(suite, "testcase", classname="softproof", name="interrupted", time="0.000")
        ET.SubElement(case, "error", message="interrupted; rows that are not here were not judged")
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    written: bytes = ET.tostring(suites, "utf-8", xml_declaration=True)
    return written.decode()


def _told(report: Report) -> Iterator[tuple[str, str]]:
    """What holds of the whole run."""
    for words, names in isolation(report.rows).items():
        yield words, ", ".join(names)
    yield from ((each.name, each.state) for each in report.protections)
    for name in report.trusted:
        yield "trusted arithmetic", name
    yield from report.inputs


def _is_unjudged(row: Row) -> bool:
    """Whether the row is an error of JUnit's, which is no failure of a test."""
    return row.verdict in (CANNOT_LOAD, JUDGE_FAILED)


def _message(row: Row) -> str:
    """What failed, in a line that is shown by itself."""
    if row.outcome.reason or row.failure is None:
        return row.outcome.reason.partition("\n")[0] or row.verdict
    return f"{row.failure.check}: {row.failure.verdict.explanation}".partition("\n")[0]


def _case(row: Row, fails: bool, expected: bool) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=printable(f"{row.implementation}.{row.operation}"),
        name=printable(f"{row.dtype}-{row.device}"),
        time=f"{row.outcome.seconds:.3f}",
    )
    if fails:
        failure = ET.SubElement(case, "error" if _is_unjudged(row) else "failure", message=printable(_message(row)))
        failure.text = printable(
            "\n\nalso ".join(map(str, (row.outcome.reason or row.failure or row.verdict, *row.failures[1:])))
        )
    if expected:
        ET.SubElement(case, "skipped", message="expected failure")
    return case
