"""The table of docs/theory/accuracy.md is what examples/confidence.py prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.confidence import main

PAGE = Path(__file__).parent.parent / "docs" / "theory" / "accuracy.md"


def _cells(text: str) -> list[list[str]]:
    """The rows of the one table in a text."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_the_table_is_what_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """What is ours to the digit; the other columns, where the order of the sum decides, to within one."""
    assert main() == 0

    header, rule, *printed = _cells(capsys.readouterr().out)
    assert _cells(PAGE.read_text())[:2] == [header, rule]
    for row, written in zip(printed, _cells(PAGE.read_text())[2:], strict=True):
        assert row[:2] == written[:2]
        for name, cell, expected in zip(header[2:], row[2:], written[2:], strict=True):
            assert abs(int(cell) - int(expected)) <= ("accurate" not in name), (row, written)


def test_the_accurate_form_keeps_all_that_the_usual_one_loses() -> None:
    """At p = 1 - 2^-24, for two classes and for a thousand."""
    header, *rows = _cells(PAGE.read_text())
    last = [dict(zip(header, row, strict=True)) for row in rows if row[1] == "1 - 2^-24"]

    assert [(row["loss, usual"], row["loss, accurate"], row["gradient, accurate"]) for row in last] == [
        ("0", "6", "6"),
        ("0", "6", "6"),
    ]
