"""Rows shared among processes of the judge's are those of one process, in its order, whatever becomes of the others."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import softproof
from softproof import OPERATIONS
from softproof.cli import batch, commands, plan, side_by_side, verify_command
from softproof.cli.side_by_side import shares

from .helpers.candidates import MANUAL

ROOT = Path(__file__).parent.parent
KERNEL = """
import numpy as np
def softmax(logits, dim=-1):
    e = np.exp(logits - logits.max(dim, keepdims=True, initial=-np.inf))
    return e / e.sum(dim, keepdims=True)
def logsumexp(logits, dim=-1):
    return np.log(np.exp(logits).sum(dim))
"""
AGREES = {
    "softmax float64": True,
    "softmax float32": True,
    "logsumexp float64": False,
    "logsumexp float32": False,
}


@given(rows=st.lists(st.tuples(st.text(), st.text()), unique=True, min_size=1), jobs=st.integers(1, 9))
def test_each_row_has_one_process(rows: list[tuple[str, str]], jobs: int) -> None:
    """As many as there are jobs, with as many rows each, give or take one."""
    found = shares(rows, jobs)

    assert sorted(row for share in found for row in share) == sorted(rows)
    assert len(found) == min(jobs, len(rows))
    assert max(map(len, found)) - min(map(len, found)) <= 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With a kernel, as the working directory."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("kernel", "narrow"):
        sys.modules.pop(name, None)


def _verify(*more: str) -> tuple[int, list[dict[str, object]]]:
    arguments = ["verify", "kernel", "--examples", "4", "--seed", "0", "--adapter", "numpy", "--no-diagnosis"]
    status = commands.main([*arguments, *more, "--json", "report.json"])
    return status, json.loads(Path("report.json").read_text())["rows"]


@pytest.mark.usefixtures("folder")
def test_the_report_is_that_of_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    """But for the time: rows in the same order, about the same problems, with the same errors and witnesses."""
    (one, rows), (two, others) = _verify("--jobs", "1"), _verify("--jobs", "2")
    for row in (*rows, *others):
        row.pop("seconds")

    assert one == two == 1
    assert others == rows
    assert [f"{row['operation']} {row['dtype']}" for row in rows] == list(AGREES)
    assert [row["verdict"] == "agrees" for row in rows] == list(AGREES.values())
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("[")]
    assert [line.partition("]")[0] for line in told] == [f"[{number}/4" for number in (1, 2, 3, 4)] * 2


NARROW = """
import multiprocessing, os
from softproof.bounds.arithmetic import any_order
def model(problem):
    if multiprocessing.parent_process() is not None:
        os._exit(9)
    return any_order(problem.dtype)
"""


def test_a_process_that_ends_costs_its_own_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which nobody has judged then; here a model that somebody else wrote ends it."""
    (folder / "narrow.py").write_text(NARROW)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
    monkeypatch.syspath_prepend(folder)
    status, rows = _verify("--arithmetic", "narrow:model", "--jobs", "2")

    assert status == 4
    assert [(row["operation"], row["dtype"]) for row in rows if row["verdict"] != "the judge failed"] == [
        ("softmax", "float64"),
        ("logsumexp", "float32"),
    ]
    assert sum("process of the judge's" in str(row["reason"]) for row in rows) == 2


ONCE = """
import os
if os.path.exists("taken"):
    raise ImportError("there is one of me already")
open("taken", "x").close()
"""


def test_a_target_that_is_loaded_only_once_is_a_row_that_says_so(folder: Path) -> None:
    """It has no verdict in the other process, and the judge has not failed."""
    (folder / "kernel.py").write_text(ONCE + KERNEL)
    status, rows = _verify("--jobs", "2")

    assert status == 3
    assert [row["verdict"] for row in rows].count("cannot load") == 2
    assert all("one of me" in str(row["reason"]) for row in rows if row["verdict"] == "cannot load")


def _plan(**more: Any) -> plan.Plan:
    return plan.Plan(({"target": "kernel", "adapter": "numpy", "device": "cpu", "examples": 2},), 0, **more)


@pytest.mark.usefixtures("folder")
def test_a_fault_of_the_judge_is_no_target_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever error it is: the process ends with it, and its rows are those that nobody has judged."""

    def fails(*_: Any) -> Any:
        raise ValueError("of the judge's own")

    monkeypatch.setattr(batch, "_verified", fails)
    rows: list[softproof.Row] = []
    with pytest.raises(ValueError, match="of the judge's own"):
        batch._share(_plan().targets[0], _plan(), [("softmax", "float32")], rows.append)
    assert not rows


@pytest.mark.usefixtures("folder")
def test_rows_are_told_one_by_one() -> None:
    """Whichever process they come from: nobody is told of two at the same time, and each has its number."""
    meeting, numbers, met = threading.Event(), list[int](), list[bool]()

    def progress(_row: softproof.Row, number: int, _total: int) -> None:
        numbers.append(number)
        if number > 1:
            meeting.set()
        else:
            met.append(meeting.wait(5))  # while the first is told, the other process finishes its own

    report = batch.judged(_plan(jobs=2), progress)

    assert numbers == [1, 2, 3, 4]
    assert met == [False]
    assert len(report.rows) == 4


SLOW = """
import fcntl, time
held = open("held")
fcntl.flock(held, fcntl.LOCK_SH)
with open("began", "a") as began:
    began.write("x")
"""


def test_an_interruption_ends_all_of_them(folder: Path) -> None:
    """With a report of what was finished, and no process left: the lock that both candidates held is free."""
    (folder / "held").touch()
    (folder / "began").touch()
    (folder / "kernel.py").write_text(SLOW + KERNEL.replace("    return", "    time.sleep(0.05)\n    return"))
    command = [sys.executable, "-P", "-m", "softproof", "verify", "kernel", "--adapter", "numpy", "--jobs", "2"]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}"}
    with (folder / "held").open() as held:
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            while len((folder / "began").read_text()) < 2:
                assert run.poll() is None
                time.sleep(0.05)
            with pytest.raises(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            run.send_signal(signal.SIGTERM)  # SIGINT is ignored by what a script starts in the background
            printed, _ = run.communicate(timeout=60)
        fcntl.flock(held, fcntl.LOCK_EX)

    assert run.returncode == 128 + signal.SIGTERM
    assert "INTERRUPTED" in printed


@pytest.mark.parametrize(
    ("words", "jobs"),
    [([], 3), (["--jobs", "7"], 7), (["--examples", "5"], 1), (["--device", "meta"], 1), (["--in-process"], 1)],
)
def test_how_many_there_are(words: list[str], jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as cores; one where that is faster, or a GPU is shared."""
    monkeypatch.setattr(verify_command, "cores", lambda: 3)
    options = commands._parser().parse_args(["verify", "manual:softmax", *words])

    assert verify_command.prepare(options).jobs == jobs
    assert 1 <= side_by_side.cores() <= side_by_side.MOST


def test_a_row_is_the_same_without_the_others() -> None:
    """`only` has it judged alone; what is no row is an error."""
    common: Any = {"dtypes": ["float32"], "examples": 3, "seed": 5}
    whole = {row.operation: row for row in softproof.verify(MANUAL, **common).rows}
    (alone,) = softproof.verify(MANUAL, only=[("linear", "float32")], **common).rows

    assert len(whole) == len(OPERATIONS) + 1  # a classifier by its stages, too
    with_others = whole["linear"]
    assert alone.coverage.digest == with_others.coverage.digest
    assert alone.coverage.problems == with_others.coverage.problems
    assert alone.errors.ratio == with_others.errors.ratio
    with pytest.raises(ValueError, match=r"only names \('linear', 'float64'\); expected some of .*'float32'"):
        softproof.verify(MANUAL, only=[("linear", "float64")], **common)
    with pytest.raises(TypeError, match="only is 'linear'; expected pairs of an operation and a dtype"):
        softproof.verify(MANUAL, only="linear", **common)  # type: ignore[arg-type]
