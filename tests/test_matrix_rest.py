"""What a document of the matrix lacks is asked, nothing else, and both together are what a whole run would show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audits import matrix, matrix_rest
from audits.matrix import Matrix, Record, document
from audits.matrix_rest import Part, joined, missing, shown
from audits.properties import PROPERTIES, RIGHT, Drawing
from softproof.mutants.catalogue import MUTANTS

NAMES, KNOWN, NEW = ("an answer", "value"), "not-a-number", "infinite"


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two properties, two mutants and one who is right."""
    monkeypatch.setattr(matrix_rest, "PROPERTIES", {name: PROPERTIES[name] for name in NAMES})
    monkeypatch.setattr(matrix, "PROPERTIES", {name: PROPERTIES[name] for name in NAMES})
    monkeypatch.setattr(matrix, "INNOCENT", {RIGHT[0].name: RIGHT[0]})
    monkeypatch.setattr(matrix_rest, "MUTANTS", {name: MUTANTS[name] for name in (KNOWN, NEW)})
    monkeypatch.setattr(matrix_rest, "KEPT", {})
    monkeypatch.setattr(matrix_rest, "BY_ONE", {})


def record(name: str, asked: list[str], killed: list[str], cost: float = 3.0) -> Record:
    """A line of a log."""
    return {"name": name, "examples": 50, "seed": 0, "asked": dict.fromkeys(asked, 1), "killed": killed,
            "cost": dict.fromkeys(asked, cost), "seconds": dict.fromkeys(asked, 0.5)}  # fmt: skip


OLD = [record(RIGHT[0].name, ["value"], [], 2.0), record(KNOWN, ["value"], ["value"])]
REST = [
    record(NEW, list(NAMES), ["value"]),
    record(RIGHT[0].name, ["an answer"], []),
    record(KNOWN, ["an answer"], ["an answer"]),
]


def old() -> str:
    """A document of the time when there was one property and one mutant."""
    found, only = matrix.gathered(OLD), "value"
    asked, kills = {only: found.asked[only]}, {only: found.kills[only]}
    matrix_then = Matrix(asked, kills, {only: found.cost[only]}, {only: found.seconds[only]}, found.mutants)
    return document(matrix_then, {}, {}, "versions; 50 problems")


def test_what_a_document_lacks_is_asked() -> None:
    """All of a new mutant; the new property alone of the others, of whom it is told how many kill them."""
    assert missing(shown(old())) == [
        Part(NEW, NAMES, 0), Part(RIGHT[0].name, ("an answer",), 0), Part(KNOWN, ("an answer",), 1)
    ]  # fmt: skip


def test_both_together_are_the_whole() -> None:
    """As if all had been asked in one run, but for the order of the log; then nothing is missing."""
    whole = matrix.gathered([
        record(RIGHT[0].name, ["value"], [], 2.0) | {"asked": {"an answer": 1, "value": 1},
                                                    "cost": {"an answer": 3.0, "value": 2.0},
                                                    "seconds": dict.fromkeys(NAMES, 0.5)},
        record(KNOWN, list(NAMES), ["an answer", "value"]),
        record(NEW, list(NAMES), ["value"]),
    ])  # fmt: skip
    written = document(joined(shown(old()), REST), {}, {}, "x")

    assert written == document(whole, {}, {}, "x")
    assert missing(shown(written)) == []


def test_a_run_completes_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the log has is not asked again, and what is missing is told."""
    file, log = tmp_path / "m.md", tmp_path / "m.jsonl"
    file.write_text(old())
    log.write_text("".join(f"{json.dumps(each)}\n" for each in REST))

    assert matrix_rest.main([str(file), "--log", str(log)]) == 1

    assert (
        "versions; 50 problems; 1 properties and 1 mutants in a later run: 2 mutants, 2 properties" in file.read_text()
    )
    assert f"{NEW} is killed by value alone" in capsys.readouterr().err
    assert missing(shown(file.read_text())) == []


def test_a_mutant_that_few_kill_gets_more_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has killed it before counts."""
    asked: list[int] = []

    def pointed(_mutant: object, drawing: Drawing, _names: object) -> Record:
        asked.append(drawing.examples)
        return record(NEW, ["value"], ["value"])

    monkeypatch.setattr(matrix, "point", pointed)

    for killers, examples in ((1, [50]), (0, [50, matrix.MORE])):
        asked.clear()
        assert matrix_rest.ask(Part(NEW, ("value",), killers))["examples"] == 50
        assert asked == examples
