"""A Dask cluster grades: real processes on this machine, a scheduler and two workers, of which one is killed."""

from __future__ import annotations

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

from softproof.cli import commands
from softproof.grading.compiling import build

TARGETS, WORKERS = 6, 2
KERNEL = """
import time
import numpy as np
def softmax(logits, dim=-1):
    time.sleep(0.1)
    e = np.exp(logits - logits.max(axis=dim, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=dim, keepdims=True)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slow kernels, and a bank for them."""
    (tmp_path / "kernels").mkdir()
    for number in range(TARGETS):
        (tmp_path / "kernels" / f"k{number}.py").write_text(KERNEL)
    built = build(["softmax"], ["float32"], ["any-order"], seed=3, examples=9, without=["gradient", "jvp", "hvp"])
    (tmp_path / "bank.npz").write_bytes(built.to_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Of a scheduler and workers, each a process that is somewhere else."""
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install distributed")
    place = tmp_path_factory.mktemp("cluster")
    file = str(place / "scheduler.json")
    root = str(Path(__file__).parent.parent)
    at_home = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    where = ["--scheduler-file", file, "--no-dashboard"]
    commands_of = [["dask_scheduler", *where, "--host", "127.0.0.1", "--port", "0"]]
    commands_of += [["dask_worker", *where, "--host", "127.0.0.1", "--no-nanny", "--nthreads", "1"]] * WORKERS
    started = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.{name}", *more], cwd=place, env=at_home)
        for name, *more in commands_of
    ]
    try:
        with distributed.Client(scheduler_file=file, timeout=120, set_as_default=False) as client:
            client.wait_for_workers(WORKERS, timeout=120)
            yield client
    finally:
        for process in started:
            process.kill()
            process.wait()


def _command(address: str) -> list[str]:
    asked = ["--operation", "softmax", "--adapter", "numpy", "--bank", "bank.npz", "-o", "results.jsonl"]
    return ["grade", "kernels", *asked, "--dask", address]


def _kill_one_at_work(client: Any, results: Path, killed: list[int]) -> None:
    """Of the workers, once a line is there."""
    while not (results.exists() and results.read_bytes()):
        time.sleep(0.05)
    pids = client.run(os.getpid)
    while not (at_work := [each for each, tasks in client.processing().items() if tasks]):
        time.sleep(0.05)
    os.kill(pids[at_work[0]], signal.SIGKILL)
    killed.append(pids[at_work[0]])


def test_one_that_is_killed_costs_nothing(client: Any, folder: Path) -> None:
    """Each target has its line, once, and the whole score."""
    killed: list[int] = []
    results = folder / "results.jsonl"
    thread = threading.Thread(target=_kill_one_at_work, args=[client, results, killed])
    thread.start()
    status = commands.main(_command(client.scheduler.address))
    thread.join(60)

    assert (len(killed), len(client.scheduler_info()["workers"])) == (1, WORKERS - 1)
    lines = [json.loads(each) for each in results.read_text().splitlines()]
    assert sorted(each["target"] for each in lines) == [f"kernels.k{number}:softmax" for number in range(TARGETS)]
    assert {(each["verdict"], each["score"]) for each in lines} == {("agrees", 1.0)}
    assert status == 0


def test_what_is_no_cluster(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Is wrong usage, and so are two numbers of workers."""
    assert folder
    for more, words in (
        ([], "--dask is 'tcp://127.0.0.1:9', "),
        (["--jobs", "2"], "--jobs is 2, and --dask is 'tcp://127.0.0.1:9', which has its own workers; expected one"),
    ):
        with pytest.raises(SystemExit) as exited:
            commands.main([*_command("tcp://127.0.0.1:9"), *more])
        assert exited.value.code == 2
        assert words in capsys.readouterr().err
