"""A report as JUnit XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from softproof import Report
from softproof.cli import commands
from softproof.reports.junit import junit

from .helpers.rows import AGREEING, changed

ROW = changed(AGREEING, seconds=1.5)


def test_rows_are_test_cases() -> None:
    """A failure, an expected one, one that agrees all the same, and one that is not there."""
    wrong = changed(ROW, dtype="float64", verdict="disagrees")
    known = changed(ROW, operation="entropy", verdict="no guarantee")
    suite = ET.fromstring(junit(Report((ROW, wrong, known), 0, (known.name, ROW.name, "nobody"))))[0]
    cases = {(case.get("classname"), case.get("name")): [each.tag for each in case] for case in suite.iter("testcase")}

    assert cases == {
        ("mine.softmax", "float32-cpu"): [],
        ("mine.softmax", "float64-cpu"): ["failure"],
        ("mine.entropy", "float32-cpu"): ["skipped"],
        ("expected failures", ROW.name): ["failure"],
        ("expected failures", "nobody"): ["failure"],
    }
    assert [(each.get("name"), each.get("value")) for each in suite.iter("property")] == [
        ("not isolated, in the process of the judge", "mine")
    ]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "5", "failures": "3", "errors": "0", "skipped": "1", "time": "4.500",
    }  # fmt: skip


def test_a_failure_says_what_the_report_says(tmp_path: Path) -> None:
    """What failed in a word, and the problem; whatever a message holds, the file is XML."""
    file = tmp_path / "report.xml"
    arguments = ["--operation", "softmax", "--seed", "0", "--dtype", "float32", "--in-process", "--junit", str(file)]
    status = commands.main(["verify", "tests.wrong.broken:softmax_without_shift", *arguments])
    (failure,) = ET.parse(file).iter("failure")

    assert status == 1
    assert (failure.get("message") or "").startswith("value: value[0")
    assert "got nan, exact 1.0" in (failure.get("message") or "")
    assert "Problem(" in (failure.text or "")

    control = changed(ROW, implementation="a \x1b[31mred\x00 name", verdict="disagrees")
    assert r"a \x1b[31mred\x00 name" in junit(Report((control,), 0))
    ET.fromstring(junit(Report((control,), 0)))
