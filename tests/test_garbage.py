"""No model of arithmetic is content with garbage: NaN, infinities, zeros, twice the right answer, or minus it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits import garbage
from audits.alarms import Part, Record, read
from audits.edges import STYLES, at_the_edges
from audits.garbage import NAMES, Asked, failures, judged, right_answer
from softproof import OPERATIONS, Problem, Verdict, bound, problems
from softproof.problem.checks import check
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.verdicts.elements import Elements
from softproof.verdicts.verdict import AGREES

SMALL = Problem("softmax", "float32", {"logits": [[0.0, 1.0]]}, {"dim": -1})
WIDE = Problem("linear", "float32", {"input": [[2.0**127, 2.0**127]], "weight": [[1.0, 1.0], [2.0, -2.0]]})


@st.composite
def _questions(draw: st.DrawFn) -> Problem:
    """As `verify` draws them, or nastier."""
    operation, dtype = draw(st.sampled_from(list(OPERATIONS))), draw(st.sampled_from(list(FORMATS)))
    if draw(st.booleans()):
        return draw(problems(operation, dtype, small=True))
    return at_the_edges(operation, dtype, np.random.default_rng(draw(st.integers(0, 2**32 - 1))))


@hypothesis.settings(suppress_health_check=list(hypothesis.HealthCheck))
@given(problem=_questions(), name=st.sampled_from(NAMES), seed=st.integers(0, 2**32 - 1))
def test_no_verdict_is_content_with_garbage(problem: Problem, name: str, seed: int) -> None:
    """A verdict has a reason for every element that it accepts: an exact value, twice a bound, a theorem or a row."""
    seen: Counter[str] = Counter()

    assert list(failures(Asked(problem), name, np.random.default_rng(seed), seen)) == []
    outputs = [each for each in right_answer(problem).values() if each.size]
    assert sum(seen[outcome] for outcome in garbage.OUTCOMES) == 1 + 6 * len(outputs)


@pytest.mark.thorough
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_model_is_content_with_garbage(operation: str, name: str) -> None:
    """Every operation in every format before every model; the campaign does the same from more seeds."""
    record = garbage.ask(Part(operation, name, 1000, 60))

    assert record["failures"] == []
    assert record["verdicts"]["problems"] == 60
    assert record["verdicts"]["disagrees"] > record["verdicts"]["agrees"] > 0


def _told(problem: Problem, verdict: Verdict, **spoiled: Array) -> list[str]:
    answer = {**right_answer(problem), **spoiled}
    return Asked(problem).unjustified("any-order", bound(problem), verdict, answer)


def test_what_has_no_reason_is_told() -> None:
    """Garbage that is not cited; a theorem of overflow where nothing is large; and one that excuses a number."""
    right, content = right_answer(SMALL)["value"], Verdict(AGREES)
    nan, off = np.array([[np.nan, 0.73]]), right + np.array([[0.0, 3 * bound(SMALL)["value"][0, 1]]])
    theorem, row = (replace(content, cited={"value": np.array([[number, 0]])}) for number in (-13, 3))

    assert _told(SMALL, content) == []
    assert _told(SMALL, judged(SMALL, {"value": nan}, "any-order"), value=nan) == []  # which is not content
    assert _told(SMALL, content, value=off)[0].startswith("value[0, 1] is 0.731")
    assert _told(SMALL, content, value=nan)[0].startswith("value[0, 0] is nan, exact [0.26894")
    assert _told(SMALL, theorem, value=np.where(np.isnan(nan), nan, right))
    assert _told(SMALL, row, value=np.where(np.isnan(nan), nan, right)) == []
    assert _told(WIDE, replace(content, cited={"value": np.array([[-13, -13]])}), value=np.full((1, 2), np.inf)) == []
    assert _told(WIDE, replace(content, cited={"value": np.array([[-13, -13]])}), value=np.full((1, 2), 1.0))


def test_a_judge_that_is_content_with_nan_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign counts it, with the problem."""
    monkeypatch.setattr(
        Elements, "_with_strange", lambda self, _: replace(self, agreed=self.agreed | np.isnan(self.got))
    )
    monkeypatch.setattr(garbage, "NAMES", ["any-order"])
    record = garbage.ask(Part("softmax", "float32", 0, 4))

    assert len(record["failures"]) > 3
    assert any("any-order, NaN in value[" in words and "Problem(\n" in words for words in record["failures"])
    assert garbage.goals([record])[0] == f"NOT MET  no verdict content with garbage: {len(record['failures'])} failures"
    assert f"FAILURE: seed 0: {record['failures'][0]}" in garbage.summary([record])


def test_a_judge_that_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """And does not end the campaign."""

    def judged(*_: object) -> Verdict:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(garbage, "judged", judged)
    record = garbage.ask(Part("entropy", "float32", 0, 2))

    assert [words.split("\n")[0] for words in record["failures"]] == ["raised ZeroDivisionError: by zero"] * 2


@given(
    seed=st.integers(0, 2**32 - 1), operation=st.sampled_from(list(OPERATIONS)), dtype=st.sampled_from(list(FORMATS))
)
def test_nasty_problems_are_problems(seed: int, operation: str, dtype: str) -> None:
    """Each follows from its seed."""
    one, two = (at_the_edges(operation, dtype, np.random.default_rng(seed)) for _ in range(2))

    check(one)
    assert repr(one) == repr(two)


def test_every_style_is_met() -> None:
    """The largest numbers, subnormal ones, masks, weights of both signs, and hundreds of rows."""
    drawn = [at_the_edges("cross_entropy", "float16", np.random.default_rng(seed)) for seed in range(200)]
    storage = FORMATS["float16"]

    logits = [np.abs(each.inputs["logits"]) for each in drawn]
    assert sum(bool((x == np.inf).any()) for x in logits) > 10
    assert sum(bool((x >= storage.largest / 2).any()) for x in logits) > 20
    assert sum(bool(((x > 0) & (x < storage.tiny)).any()) for x in logits) > 10
    weights = [each.inputs["weight"] for each in drawn if "weight" in each.inputs]
    assert sum(bool((w > 0).any() and (w < 0).any()) for w in weights) > 20
    assert max(len(x) for x in logits) > 257
    assert len(STYLES) == 8


def test_a_campaign_goes_on_where_its_log_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked twice, and the table adds up."""
    monkeypatch.setattr(garbage, "NAMES", ["fused"])
    log, wanted = tmp_path / "g.jsonl", list(garbage.parts(1, 2))
    record = garbage.ask(wanted[8])
    log.write_text(json.dumps({**record, **wanted[0]._asdict()}) + "\n")
    asked: list[Part] = []

    def run(todo: list[Part], jobs: int, asking: object, what: str) -> list[Record]:
        asked.extend(todo)
        assert (jobs, asking, what) == (3, garbage.ask, "garbage")
        return [record]

    monkeypatch.setattr(garbage, "run", run)
    monkeypatch.setattr("sys.argv", ["garbage", "--seeds", "1", "--size", "2", "--jobs", "3", "--log", str(log)])
    garbage.main()

    assert asked == wanted[1:]
    assert len(read(log)) == 2
    shown = capsys.readouterr().out
    verdicts = sum(record["verdicts"].get(outcome, 0) for outcome in garbage.OUTCOMES)
    assert shown.split("\nall ")[1].split()[:2] == ["4", str(2 * verdicts)]
    assert "met      no verdict content with garbage" in shown
    assert f"NOT MET  at least 100,000 verdicts: {2 * verdicts}" in shown
