"""All causes of a row in one run: it goes on without what failed, and each cause is told once, whatever the row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch

import manual
import softproof
from softproof.cli.commands import main
from softproof.problem.problem import Array
from softproof.reports.causes import causes
from softproof.reports.junit import junit
from softproof.reports.report import Report
from softproof.runs import rows
from softproof.runs.further import LeftOut, headline_first

ABOUT: dict[str, Any] = {"operation": "softmax", "adapter": "numpy", "seed": 0, "examples": 40, "diagnose": True}
ABOUT["without"] = ["empty", "nonfinite", "scalars"]
asked = [0]


def softmax(logits: Array, dim: int = -1) -> Array:
    """Wrong along all axes but the last."""
    asked[0] += 1
    e = np.exp(logits - logits.max(dim, keepdims=True))
    factor = logits.dtype.type(1.0 if dim % logits.ndim == logits.ndim - 1 else 1.5)
    return np.asarray(factor * e / e.sum(dim, keepdims=True))


def softmax_backward(grad_output: Array, logits: Array, dim: int = -1) -> Array:
    """Twice too large, whatever the axis."""
    e = np.exp(logits - logits.max(dim, keepdims=True))
    p = e / e.sum(dim, keepdims=True)
    return np.asarray(2 * p * (grad_output - (p * grad_output).sum(dim, keepdims=True)))


def right(logits: Array, dim: int = -1) -> Array:
    """Nothing is wrong with it."""
    asked[0] += 1
    e = np.exp(logits - logits.max(dim, keepdims=True))
    return np.asarray(e / e.sum(dim, keepdims=True))


def mean_of_chunk_means(logits: Array, target: Array, ignore_index: int = -100) -> Array:
    """0 where nothing counts; and from 129 rows on, a row that is ignored counts for its chunk."""
    total = 0.0
    for rows_of, labels in zip(np.split(logits, range(128, len(logits), 128)),
                               np.split(target, range(128, len(target), 128)), strict=True):  # fmt: skip
        counted = max(1, int((labels != ignore_index).sum()))
        losses = manual.cross_entropy(rows_of, labels, reduction="sum", ignore_index=ignore_index)
        total += float(losses) / counted * len(labels) / len(target)
    return np.asarray(total, logits.dtype)


def test_a_row_with_a_convention_comes_to_its_end() -> None:
    """Made smaller, what is wrong of many rows is not what was left out: no cause is found again and again."""
    without = ["probabilities", "empty", "nonfinite", "unbatched", "invalid_labels", "gradient"]
    (row,) = softproof.verify(
        mean_of_chunk_means, operation="cross_entropy", adapter="numpy", dtypes=["float32"], seed=3,
        ndim=[2], without=without, max_failures=3, diagnose=True,
    ).rows  # fmt: skip

    assert [each.diagnosis.without for each in row.failures] == ["", "all_ignored"]
    assert "; batch: " in row.failures[0].verdict.explanation


def test_what_leaves_nothing_more_out_ends_a_row(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same failure, although it was left out, is no reason to ask all again."""
    rounds = [0]

    def counted(left: LeftOut, _failure: Any) -> LeftOut:
        rounds[0] += 1
        return left

    monkeypatch.setattr(LeftOut, "and_without", counted)
    (row,) = softproof.verify(softmax, dtypes=["float32"], max_failures=3, **ABOUT).rows

    assert (len(row.failures), rounds[0]) == (1, 1)
    assert len(report.rows[0].failures) > 1


@pytest.fixture(scope="module")
def report() -> Report:
    """Of two formats, with two bugs each."""
    return softproof.verify(softmax, dtypes=["float32", "float64"], max_failures=3, **{**ABOUT, "diagnose": False})


def test_a_row_goes_on_without_what_failed(report: Report) -> None:
    """Its first failure is all there is without --max-failures, and others are of other outputs."""
    (first,) = softproof.verify(softmax, dtypes=["float32"], **ABOUT).rows
    assert len(first.failures) == 1

    for row in report.rows:
        assert row.failure is not None
        assert {failure.check for failure in row.failures} == {"value", "grad_logits"}
        assert row.verdict == first.verdict
    assert (report.rows[0].coverage, report.rows[0].errors) == (first.coverage, first.errors)


def test_each_cause_is_told_once(report: Report) -> None:
    """With the rows that it is seen in; JSON and JUnit have all failures."""
    found = causes(report.rows)
    assert sorted(each.check for each in found) == ["grad_logits", "value"]
    assert all([row.dtype for row in each.rows] == ["float32", "float64"] for each in found)

    said = str(report)
    assert said.count("To see it again") == 2
    assert said.count("seen in    float32 cpu, float64 cpu") == 2
    written = json.loads(report.to_json())
    assert [each["rows"] for each in written["causes"]] == [[row.name for row in report.rows]] * 2
    assert all(len({each["check"] for each in row["failures"]}) == 2 for row in written["rows"])
    for case in ET.fromstring(junit(report)).iter("failure"):
        assert case.text is not None
        assert case.text.count("To see it again") == 2


def test_a_row_that_agrees_is_asked_no_more() -> None:
    """As many questions, whatever the number of failures that is looked for."""
    counts = []
    for most in (1, 3):
        asked[0] = 0
        softproof.verify(right, dtypes=["float32"], max_failures=most, **ABOUT).check()
        counts.append(asked[0])
    assert counts[0] == counts[1] > 40


def test_an_ordinary_number_is_the_headline(report: Report) -> None:
    """Before an error, and before what is no number."""
    failure = report.rows[0].failure
    assert failure is not None
    error = replace(failure, verdict=replace(failure.verdict, output="", explanation="raised ValueError: no"))
    infinite = replace(failure, verdict=replace(failure.verdict, explanation="value[0]: got nan, exact 0.5"))

    along = replace(failure, verdict=replace(failure.verdict, output="hvp_logits"))

    assert headline_first([error, infinite, along, failure]) == [failure, error, infinite, along]


def test_what_is_left_out(report: Report) -> None:
    """A check by its name, a derivative by its output; where nothing is left to leave out, that is the end."""
    failures = [failure for row in report.rows for failure in row.failures]
    gradient = next(replace(each, diagnosis=type(each.diagnosis)()) for each in failures if each.check == "grad_logits")
    bare = softproof.Problem("softmax", "float32", {"logits": [0.0, 1.0]}, {"dim": 0})
    plain = replace(gradient.verdict, problem=bare)
    problem = softproof.Problem("softmax", "float32", {"logits": [0.0, 1.0]}, {"dim": 0}, [1.0, 0.0])

    left = LeftOut().and_without(replace(gradient, verdict=plain))
    assert left == LeftOut(gradient=True, tangent=True)
    narrowed = left.narrowed(problem)
    assert narrowed is not None
    assert narrowed.grad_output is None
    assert left.and_without(replace(gradient, verdict=plain)) is None
    relation = LeftOut().and_without(replace(gradient, question=("relation", "shift")))
    assert relation == LeftOut(questions=frozenset({("relation", "shift")}))


def test_the_command_line_has_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    """With its default; a number below 1 is wrong usage."""
    target = (
        "verify tests.test_causes:softmax --in-process --examples 40 --seed 0 --dtype float32 "
        "--without empty,nonfinite,scalars"
    )
    assert main(target.split()) == 1
    assert "2 causes of 2 failures" in capsys.readouterr().out
    assert main([*target.split(), "--max-failures", "1"]) == 1
    assert "also " not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*target.split(), "--max-failures", "0"])
    assert "--max-failures is 0; expected a whole number of at least 1" in capsys.readouterr().err


def a_tile_short(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """0 in place of NaN for no rows that count; its gradient forgets what comes after the first 512 classes."""
    x = torch.cat([logits[:, :512], logits[:, 512:].detach()], -1)
    return torch.nan_to_num(torch.nn.functional.cross_entropy(x, target))


def of_a_layout(logits: torch.Tensor) -> torch.Tensor:
    """An error for expanded arrays, and wrong numbers for transposed ones."""
    if 0 in logits.stride() and logits.numel() > 1:
        raise RuntimeError("expanded")
    wrong = logits.stride()[0] == 1 and logits.numel() > 1 and not logits.is_contiguous()
    return torch.softmax(logits, -1) * (2 if wrong else 1)


OF_TORCH: Any = {"operation": "softmax", "adapter": "torch", "ndim": [2], "dtypes": ["float32"], "seed": 1,
                 "diagnose": True, "max_failures": 3, "without": ["jvp", "hvp", "nonfinite", "masked"]}  # fmt: skip


def test_what_is_large_is_asked_of_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong in large problems alone is told in the same run as what failed before; the program shows it."""
    monkeypatch.setattr(rows, "EXAMPLES", 30)
    how = {**OF_TORCH, "operation": "cross_entropy", "without": [*OF_TORCH["without"], "probabilities"]}
    (row,) = softproof.verify(a_tile_short, examples=30, **how).rows
    first, *others = row.failures
    assert first.verdict.output == "grad_logits"
    assert {each.diagnosis.without for each in others} <= {"empty", "all_ignored", "ignored_nonfinite"}
    assert others
    assert "classes: 513, and with 512 it agrees" in first.verdict.explanation
    assert row.outcome.rest == 0

    (row,) = softproof.verify(a_tile_short, examples=29, **how).rows
    assert "grad_logits" not in {each.verdict.output for each in row.failures}


def test_layouts_are_left_out_one_by_one() -> None:
    """Numbers that are wrong for one are told beside an error that another raises."""
    (row,) = softproof.verify(of_a_layout, examples=60, **OF_TORCH).rows
    told = [(each.verdict.output, each.diagnosis.without) for each in row.failures]
    assert told[0] == ("value", "layouts")
    assert ("", "layouts") in told


def of_many_classes(logits: torch.Tensor) -> torch.Tensor:
    """A gradient that is twice too large, and a value that is wrong above 65,536 classes."""
    p = torch.softmax(logits, -1)
    p = p * 2 - p.detach()
    return p * (1.01 if logits.shape[-1] > 65536 else 1)


def test_the_values_of_large_problems_are_asked_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where gradients are left out; the program that is printed leaves them out, too."""
    monkeypatch.setattr(rows, "EXAMPLES", 30)
    (row,) = softproof.verify(of_many_classes, examples=30, **OF_TORCH).rows
    large = next(each for each in row.failures if each.source)
    assert large.verdict.output == "value"
    assert "grad_output=None" in large.source
    told: dict[str, Any] = {"load": lambda *_, **how: softproof.load(of_many_classes, **how)}
    lines = [line.replace(", load, ", ", ").replace("print(", "found = (") for line in large.snippet.splitlines()]
    exec("\n".join(lines), told)
    assert told["found"].output == "value"
    assert not told["found"].ok
