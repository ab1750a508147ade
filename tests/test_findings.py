"""Findings: what is recorded is what happens, what a pasted witness prints, and what becomes of one that is fixed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from softproof import Output, Problem, Result, judge_refusal, judge_result, solve
from softproof.candidates.devices import has_amx
from softproof.cli.commands import main
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.reports import findings_report as module
from softproof.reports.finding import AMX, CUDA, FIXED, NOT_JUDGED, REPRODUCES, Finding, FindingStatus, ask
from softproof.reports.findings import FINDINGS
from softproof.reports.findings_report import ask_all, findings_report
from softproof.verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE

from .helpers.recorded import DOCS, recorded_here

VERSIONS = re.compile(r"^\| (softproof|torch) \| .* \|$", re.MULTILINE)

SOFTMAX = Problem("softmax", "float32", {"logits": [0.0, 0.0]}, {"dim": -1})
MADE_UP = Finding("made-up", "torch.nn.functional:softmax", SOFTMAX, happens="Nothing.", right="It is.")


@cache
def asked(name: str) -> FindingStatus:
    """A finding by its name, asked once."""
    return ask(next(each for each in FINDINGS if each.name == name))


def _each(findings: Sequence[Finding]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("finding", findings, ids=lambda finding: finding.name)


each_finding = _each(FINDINGS)


def test_names_are_distinct_slugs() -> None:
    """They are anchors in the document."""
    names = [finding.name for finding in FINDINGS]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


@recorded_here
@each_finding
def test_the_status_is_the_recorded_one(finding: Finding) -> None:
    """On the versions that the document names."""
    recorded = re.search(rf"^\| \[{finding.name}\].* \| (.*) \|$", DOCS.read_text(), re.MULTILINE)

    assert recorded
    if finding.shows_on == AMX and not has_amx():
        pytest.skip(asked(finding.name).text)
    assert asked(finding.name).status == recorded[1], asked(finding.name).text


@recorded_here
def test_the_document_is_the_report() -> None:
    """But for the versions."""
    report = findings_report([asked(finding.name) for finding in FINDINGS]) + "\n"
    elsewhere = [finding.name for finding in FINDINGS if finding.shows_on == AMX and not has_amx()]

    assert _but(DOCS.read_text(), elsewhere) == _but(report, elsewhere)


def _but(text: str, names: Sequence[str]) -> str:
    """A document without its versions, and without findings that cannot show here."""
    for name in names:
        text = re.sub(rf"^\| \[{name}\].*\n", "", text, flags=re.MULTILINE)
        text = re.sub(rf"^## {name}\n.*?(?=^## |\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
    summary = r"^\d+ findings: .*$" if names else r"\Z"
    return VERSIONS.sub("", re.sub(summary, "", text, flags=re.MULTILINE))


@each_finding
def test_the_snippet_prints_the_verdict(finding: Finding, capsys: pytest.CaptureFixture[str]) -> None:
    """Pasted as it stands."""
    if asked(finding.name).status == NOT_JUDGED:
        pytest.skip(asked(finding.name).text)

    exec(finding.snippet(), {})

    assert capsys.readouterr().out == f"{asked(finding.name).text}\n"


def exact_result(problem: Problem) -> Result:
    """The exact values, each rounded once."""

    def rounded(values: Array) -> Array:
        numbers = [float(x) if isinstance(x, float) else float(x.mid()) for x in values.flat]
        return FORMATS[problem.dtype].round(numbers).reshape(values.shape)

    return Result({name: Output(rounded(values), problem.dtype) for name, values in solve(problem).items()})


@_each([finding for finding in FINDINGS if not finding.refuses])
def test_the_right_answer_is_not_refuted(finding: Finding) -> None:
    """It agrees, so that a fix will be seen; beside a row whose logits overflow there is no guarantee."""
    verdict = judge_result(finding.problem, exact_result(finding.problem), arithmetic=finding.arithmetic)

    overflows = finding.name.endswith("of-an-ignored-row")
    assert verdict.outcome == (NO_GUARANTEE if overflows else AGREES), verdict


@_each([finding for finding in FINDINGS if finding.refuses])
def test_an_error_is_right_and_no_number_is(finding: Finding) -> None:
    """Where a finding is that numbers come of what wants an error."""
    number = Output(np.zeros(()), finding.problem.dtype)

    assert judge_refusal(finding.problem, Result(raised="ValueError")).outcome == AGREES
    assert judge_refusal(finding.problem, Result({"value": number})).outcome == DISAGREES


@_each([finding for finding in FINDINGS if finding.shows_on == CUDA])
def test_what_shows_on_a_gpu_alone_is_not_called_fixed_elsewhere(finding: Finding, device: str) -> None:
    """It is asked on that device, and on no other."""
    found = ask(finding, device)

    if device == finding.shows_on:
        assert found.status in (REPRODUCES, FIXED), found.text
    else:
        assert (found.status, found.text) == (NOT_JUDGED, f"shows on {finding.shows_on}; this was asked on {device}")


@pytest.mark.parametrize("amx", [True, False])
def test_what_shows_on_some_cpus_is_not_called_fixed_on_others(amx: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on a GPU."""
    monkeypatch.setattr("softproof.reports.finding.has_amx", lambda: amx)
    made_up = replace(MADE_UP, shows_on=AMX)

    assert ask(made_up, "cpu").status == (FIXED if amx else NOT_JUDGED)
    assert ask(made_up, "cuda").text == f"shows on {AMX}; this was asked on cuda"
    assert "device='cpu'" in findings_report([ask(made_up)], "cuda")


def test_whether_a_cpu_has_amx_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its flags, and from what oneDNN is told not to use."""
    (tmp_path / "with").write_text("flags : avx2 amx_bf16 amx_tile")
    (tmp_path / "without").write_text("flags : avx2")
    for isa, with_amx in ((None, True), ("AVX512_CORE_AMX", True), ("all", True), ("AVX512_CORE_BF16", False)):
        has_amx.cache_clear()
        monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
        if isa:
            monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", isa)
        found = [has_amx(tmp_path / name) for name in ("with", "without", "missing")]
        assert found == [with_amx, False, False]
    has_amx.cache_clear()


def test_what_agrees_is_fixed() -> None:
    """Not hidden: it is in the table and has a section."""
    found = ask(MADE_UP)
    report = findings_report([found])

    assert found.status == FIXED
    assert "1 findings: 0 reproduce, 1 fixed, 0 not judged." in report
    assert "| [made-up](#made-up) | `torch.nn.functional.softmax` | float32 | fixed |" in report
    assert "\n## made-up\n\n`torch.nn.functional.softmax` in float32: **fixed**.\n\nNothing. It is.\n" in report
    assert "\nagrees: value[" in report


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        ("torch.nn.functional:no_such", NOT_JUDGED, "torch.nn.functional has no 'no_such'"),
        ("torch:det", NOT_JUDGED, "raised TypeError"),
        ("torch:softmax", FIXED, "got 0.5, exact 0.5"),
        ("torch:cumsum", REPRODUCES, "got 0.0, exact 0.5"),
    ],
)
def test_a_wrong_number_is_the_finding(target: str, status: str, words: str) -> None:
    """An absent function, and one that raises, are not judged."""
    found = ask(Finding("made-up", target, SOFTMAX, happens="", right=""))

    assert found.status == status
    assert words in found.text


def test_progress_waits_for_patience_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said about what is quick."""
    seen: list[tuple[str, int, int]] = []

    def progress(asked: FindingStatus, number: int, total: int) -> None:
        seen.append((asked.status, number, total))

    ask_all([MADE_UP], progress=progress)
    assert seen == []

    monkeypatch.setattr(module, "PATIENCE", 0.0)
    ask_all([MADE_UP], progress=progress)
    assert seen == [(FIXED, 1, 1)]


def test_the_command_writes_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exits with 0 whether a finding is fixed or not."""
    file = tmp_path / "findings.md"
    monkeypatch.setattr(module, "FINDINGS", (FINDINGS[0], MADE_UP))

    assert main(["findings", "--write", str(file)]) == 0

    out, err = capsys.readouterr()
    assert file.read_text() == out == findings_report() + "\n"
    assert re.search(r"^2 findings: \d reproduce, \d fixed, 0 not judged\n\Z", err, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "nowhere"], "device is 'nowhere'; torch cannot use it"),
        (["--write", "/no/such/folder/findings.md"], "there is no folder /no/such/folder"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before any finding is asked."""
    with pytest.raises(SystemExit) as exit_:
        main(["findings", *arguments])

    out, err = capsys.readouterr()
    assert exit_.value.code == 2
    assert words in " ".join(err.split())
    assert not out


@pytest.mark.parametrize(
    "values", [np.zeros((5, 20)), np.full(100, 2.5), np.full(65, -0.0), np.full(70, np.inf), [7] * 99]
)
def test_a_constant_array_is_written_in_short(values: Array) -> None:
    """And gives the same bits again, of -0 too, which is written in full."""
    problem = Problem("softmax", "float32", {"logits": values})

    again = eval(repr(problem), {"Problem": Problem, "array": np.array, "zeros": np.zeros, "inf": np.inf})

    assert again.inputs["logits"].dtype == problem.inputs["logits"].dtype
    assert again.inputs["logits"].tobytes() == problem.inputs["logits"].tobytes()
    assert (len(repr(problem)) < 120) == (str(np.ravel(values)[0]) != "-0.0")
