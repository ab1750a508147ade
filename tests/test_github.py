"""What GitHub Actions is told: an annotation for each cause, where the code is, and the summary of a job."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest

from softproof import Report
from softproof.candidates.plain_text import plain
from softproof.certificates.sources import defined
from softproof.cli.commands import main
from softproof.reports.causes import causes
from softproof.reports.github import annotated, summary

from .helpers.pages import Page
from .helpers.reports import HOSTILE, KINDS, raises, reports, with_text
from .helpers.repository import ROOT
from .wrong import broken

QUICK = ["--operation", "softmax", "--dtype", "float32", "--examples", "5", "--seed", "0"]
QUICK += ["--in-process", "--no-shrink", "--no-diagnosis"]
FORGED = f"{HOSTILE}\n::error::forged\n\n# 100% forged, a:b\r\n```"


@pytest.mark.parametrize("kind", KINDS)
def test_each_cause_is_one_line_of_the_judge(kind: str) -> None:
    """Whatever texts a report has: none begins a line, ends a property, or has a character that is not seen."""
    report = replace(with_text(reports()[kind], FORGED), expected=("no row",), ended_by=0)
    place = f"{FORGED}.py"
    lines = annotated(report, lambda _: (place, 3))

    assert len(lines) == len(causes(report.failing)) + 1
    assert not report.failing or plain(HOSTILE).replace("%", "%25") in lines[0]
    for line in lines:
        assert line.isprintable()
        found = re.fullmatch(r"::error (?:file=([^,:]+),line=3,)?title=([^,:]+)::(.*)", line)
        assert found, line
        assert not re.search("%(?!0A|25|3A|2C)", line)
    assert "[file=" not in str(lines)


def _line_of(function: object) -> tuple[str, int]:
    """As Python knows it."""
    return Path(inspect.getfile(function)).relative_to(ROOT).as_posix(), inspect.getsourcelines(function)[1]  # type: ignore[arg-type]


def test_where_the_code_is() -> None:
    """A function by its name, the function of an operation in a module; nothing that is installed, or no module."""
    assert defined("tests.wrong.broken:softmax_without_shift", "softmax") == _line_of(broken.softmax_without_shift)
    found = defined("manual.log_softmax", "log_softmax")
    assert found is not None
    path, line = found
    assert path == "manual/log_softmax.py"
    assert Path(path).read_text().splitlines()[line - 1].startswith("def log_softmax(")
    for target in ("torch.nn.functional:softmax", "no_such_module:f", "", "../program --fast", "json:loads"):
        assert defined(target, "softmax") is None, target


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_of_others_is_markdown(kind: str) -> None:
    """A summary has the same elements as with a harmless word; only what cannot end has blank lines in it."""
    hostile, harmless = (summary(with_text(reports()[kind], text)) for text in (FORGED, "harmless"))

    assert Page(hostile).structure == Page(harmless).structure
    assert plain(HOSTILE) in Page(hostile).said
    parts = re.split(r"\n\n(?=<(?:h2|h3|p|pre|table|ul)\b)", hostile.removesuffix("\n"))
    assert len(parts) == len(re.findall(r"</(?:h2|h3|p|pre|table|ul)>", hostile))
    for part in parts:
        assert part.startswith("<pre>") or "\n" not in part, part


def test_a_summary_says_what_matters() -> None:
    """The verdict, the rows, each cause with the program that shows it again, and what was not tested."""
    (row,) = reports()["disagrees"].rows
    assert row.failure is not None
    said = Page(summary(reports()["disagrees"])).said

    for words in ("softproof: FAILED, 0 of 1 rows agree", "✗ DISAGREES", "not tested of softmax", row.failure.check):
        assert words in said
    assert "\n    ".join(row.failure.snippet.splitlines()) in said
    assert "PASSED" in summary(reports()["agrees"])
    assert summary(Report((), 0)).startswith("<h2>softproof: FAILED, 0 of 0 rows agree</h2>")


def test_the_command_line_tells_github(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary is added to what is there; the line of an error that is raised in the target's own file is told."""
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    targets = ["tests.wrong.broken:softmax_without_shift", "tests.helpers.reports:raises"]
    assert main(["verify", *targets, *QUICK, "--github"]) == 1

    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err  # of no colour, and of nobody else
    one, two = re.findall("^::error .*", printed.out, re.MULTILINE)
    path, line = _line_of(broken.softmax_without_shift)
    assert one.startswith(f"::error file={path},line={line},title=softproof%3A value::disagrees: value")
    line = _line_of(raises)[1] + 2
    assert two.startswith(f"::error file=tests/helpers/reports.py,line={line},title=softproof%3A cannot ask::")
    assert file.read_text(encoding="utf-8").startswith("before\n<h2>softproof: FAILED, 0 of 2 rows agree</h2>")

    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert main(["verify", "manual:softmax", *QUICK, "--github"]) == 4
    assert "softproof: --github: IsADirectoryError" in capsys.readouterr().err
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert main(["verify", "manual:softmax", *QUICK, "--github"]) == 0
    assert "::error" not in capsys.readouterr().out
