"""A report as JUnit XML, which CI systems show: a test case for each row, named after it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from .report import Report, Row


def junit(report: Report) -> str:
    """The report as JUnit XML: a failure where a row does not agree, *skipped* where that was expected.

    >>> row = Row("mine", "softmax", "float32", "cpu", 1, 0.0, 0.0, "agrees", True, (), "any-order")
    >>> print(junit(Report((row,), seed=0)))
    <?xml version='1.0' encoding='utf-8'?>
    <testsuites>
      <testsuite name="softproof" tests="1" failures="0" errors="0" skipped="0" time="0.000">
        <testcase classname="mine.softmax" name="float32-cpu" time="0.000" />
      </testsuite>
    </testsuites>
    """
    expected = [row for row in report.rows if not row.ok and row.name in report.expected]
    suite = ET.Element(
        "testsuite",
        name="softproof",
        tests=str(len(report.rows) + len(report.unforeseen)),
        failures=str(len(report.failing) + len(report.unforeseen)),
        errors="0",
        skipped=str(len(expected)),
        time=f"{sum(row.seconds for row in report.rows):.3f}",
    )
    for row in report.rows:
        suite.append(_case(row, row in report.failing, row in expected))
    for text in report.unforeseen:
        what, _, name = text.partition(": ")
        case = ET.SubElement(suite, "testcase", classname="expected failures", name=name, time="0.000")
        ET.SubElement(case, "failure", message=what)
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    written: bytes = ET.tostring(suites, "utf-8", xml_declaration=True)
    return written.decode()


def _case(row: Row, fails: bool, expected: bool) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=_text(f"{row.implementation}.{row.operation}"),
        name=f"{row.dtype}-{row.device}",
        time=f"{row.seconds:.3f}",
    )
    if fails:
        check = row.failure.check if row.failure else row.verdict
        failure = ET.SubElement(case, "failure", message=_text(check))
        failure.text = _text(str(row.failure or row.verdict))
    if expected:
        ET.SubElement(case, "skipped", message="expected not to agree")
    return case


def _text(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(each if each >= " " or each in "\n\t" else "�" for each in text)
