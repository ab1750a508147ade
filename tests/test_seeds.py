"""Runs of the suite from random seeds: each is written down, red ones by name, and green ones in a row are counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audits import seeds

GREEN = {"seed": 1, "commit": "a", "seconds": 100, "passed": 9, "failed": {}}
RED = {
    "seed": 2,
    "commit": "a",
    "seconds": 300,
    "passed": 8,
    "failed": {"tests.test_relations::test_it": "assert 1 == 2"},
}


def test_a_run_is_red_by_name(tmp_path: Path) -> None:
    """A test that fails on one seed alone, beside one that passes and one that is skipped."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_seed(pytestconfig):\n    assert pytestconfig.getoption('--hypothesis-seed') != '7'\n"
        "def test_right():\n    pass\n"
        "def test_left_out():\n    pytest.skip('always')\n"
    )
    where = ["-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={tmp_path}", str(tmp_path)]
    red, green = seeds.ask(7, where), seeds.ask(8, where)

    assert (red["seed"], red["passed"], [*red["failed"]]) == (7, 1, ["test_it::test_seed"])
    assert "assert '7' != '7'" in red["failed"]["test_it::test_seed"]
    assert (green["seed"], green["passed"], green["failed"]) == (8, 2, {})
    assert red["commit"] == green["commit"] == seeds.commit()


def test_a_run_that_breaks_is_red(tmp_path: Path) -> None:
    """Though no test failed."""
    found = seeds.ask(1, ["-c", "/dev/null", f"--rootdir={tmp_path}", str(tmp_path), "--no-such-option"])

    assert found["passed"] == 0
    assert "unrecognized arguments: --no-such-option" in found["failed"]["pytest"]


@pytest.mark.parametrize(
    ("records", "row"),
    [([], 0), ([GREEN], 1), ([GREEN, RED], 0), ([RED, GREEN, GREEN], 2), ([GREEN, GREEN | {"commit": "b"}], 1)],
)
def test_green_in_a_row(records: list[seeds.Record], row: int) -> None:
    """At one commit, up to the last run."""
    assert seeds.in_a_row(records) == row


def test_the_table_adds_up() -> None:
    """By commit; what was red stays in it."""
    told = seeds.summary([GREEN, RED, GREEN | {"seed": 3}]).splitlines()

    assert told[-4].split() == ["a", "3", "2", "9", "100"]
    assert told[-3] == "RED: tests.test_relations::test_it, 1 times, first on seed 2"
    assert told[-1] == "NOT MET  40 seeds in a row are green: 1"
    assert seeds.summary([GREEN] * 40).splitlines()[-1] == "met      40 seeds in a row are green"


def test_every_run_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After what the log holds already, with a seed of its own."""
    log = tmp_path / "seeds.jsonl"
    log.write_text(json.dumps(RED) + "\n")
    monkeypatch.setattr(seeds, "ask", lambda seed, arguments: GREEN | {"seed": seed, "arguments": arguments})
    monkeypatch.setattr("sys.argv", ["seeds", "--count", "3", "--log", str(log)])
    seeds.main()

    first, *new = seeds.read(log)
    assert first == RED
    assert len({record["seed"] for record in new}) == 3
    assert all(record["arguments"] == ["-n", "auto"] for record in new)
    assert "NOT MET  40 seeds in a row are green: 3" in capsys.readouterr().out


def test_a_commit_that_nobody_knows_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a folder that somebody has downloaded."""
    monkeypatch.setenv("PATH", "")
    assert seeds.commit() == "unknown"
