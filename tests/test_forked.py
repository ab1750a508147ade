"""A worker that is forked from a process of the judge's is as one that is started by itself, and ends as one."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from softproof.candidates import needed
from softproof.candidates.channel import Child
from softproof.candidates.isolated import isolated
from softproof.candidates.isolation import warm
from softproof.candidates.isolation.launcher import Launched
from softproof.candidates.isolation.start import PYTHON

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
STATE = """
import json, os, random, resource, signal, sys, tempfile, threading
sys.stdin.read()
limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT")}
print(json.dumps({
    "argv": sys.argv[1:], "variables": dict(os.environ), "folder": os.getcwd(), "limits": limits,
    "descriptors": [each for each in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{each}")],
    "path": sys.path,
    "signals": {each.name: str(signal.getsignal(each)) for each in signal.valid_signals() if hasattr(each, "name")},
    "threads": threading.active_count(), "of the system": len(os.listdir("/proc/self/task")), "name": __name__,
    "session": os.getsid(0) == os.getpid(), "bytecode": sys.dont_write_bytecode, "mask": os.umask(0),
    "temporary": tempfile.gettempdir(), "flags": (sys.flags.safe_path, sys.flags.isolated),
}))
print(json.dumps([random.random(), sorted(sys.modules)]))
"""


@pytest.fixture
def own_stems(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[Any, warm.Stem]]:
    """Those of this test alone."""
    stems: dict[Any, warm.Stem] = {}
    monkeypatch.setattr(warm, "_KEPT", stems)
    yield stems
    for each in stems.values():
        each.asks.close()


def _said(command: list[str], folder: Path, sandbox: bool, stem: warm.Stem | None = None) -> list[Any]:
    """What a worker prints, which has not been asked anything."""
    worker = Launched(command, folder=str(folder), path=[*sys.path, str(folder)], sandbox=sandbox, stem=stem)
    worker.stdin.close()
    said = worker.stdout.read()
    assert worker.wait(10.0) == 0, worker.stderr.read()
    worker.close()
    worker.stderr.close()
    scratch = worker._scratch or "no scratch folder"
    return [json.loads(line.replace(scratch, "SCRATCH")) for line in said.decode().splitlines()]


@pytest.mark.parametrize("sandbox", [False, True])
def test_a_fork_is_as_a_new_process(
    sandbox: bool, tmp_path: Path, own_stems: dict[Any, warm.Stem], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables, descriptors, signals, limits, threads; only what it has imported differs, and what is random."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    (tmp_path / "state.py").write_text(STATE)
    path = [str(tmp_path), *filter(None, sys.path)]
    stem = warm.stem(PYTHON, path, ["softproof.candidates.guard", "no.such.module"])
    executed, (_, before) = _said([*PYTHON, "state", *path], tmp_path, sandbox)
    (forked, (one, modules)), (_, (two, _)) = (_said(["state"], tmp_path, sandbox, stem) for _ in range(2))
    assert executed == forked
    assert one != two
    assert "numpy" not in before[1]
    assert "numpy" in modules
    assert len(own_stems) == 1


def test_numbers_that_are_random_differ_between_forks(tmp_path: Path, own_stems: dict[Any, warm.Stem]) -> None:
    """Also those of NumPy's generator, whose state a fork would share."""
    (tmp_path / "drawn.py").write_text("import numpy; print(numpy.random.random(4).tolist())")
    stem = warm.stem(PYTHON, [str(tmp_path), *filter(None, sys.path)], ["numpy.random"])
    assert _said(["drawn"], tmp_path, False, stem) != _said(["drawn"], tmp_path, False, stem)
    assert own_stems


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("import os; os._exit(4)", 4), ("1 / 0", 1),
                                              ("raise SystemExit('no')", 1), ("", 0),
                                              ("raise KeyboardInterrupt", -signal.SIGINT),
                                              ("import os; os.abort()", -signal.SIGABRT)])  # fmt: skip
def test_its_exit_status_is_that_of_a_program(
    code: str, status: int, tmp_path: Path, own_stems: dict[Any, warm.Stem]
) -> None:
    """However it ends."""
    (tmp_path / "ends.py").write_text(code)
    path = [str(tmp_path), *filter(None, sys.path)]
    for command, stem in (([*PYTHON, "ends", *path], None), (["ends"], warm.stem(PYTHON, path, []))):
        worker = Launched(command, folder=str(tmp_path), path=path, stem=stem)
        assert worker.wait(10.0) == status
        worker.close()
        worker.stderr.close()
    assert own_stems


def test_without_a_stem_a_worker_starts_by_itself(own_stems: dict[Any, warm.Stem]) -> None:
    """Where somebody has ended it; the next one has a stem again."""
    for gone in (False, True, False):
        if gone:
            (stem,) = own_stems.values()
            stem.asks.shutdown(2)
        child = Child("softproof.candidates.worker")
        command = Path(f"/proc/{child._process.pid}/cmdline").read_bytes()
        assert (warm.STEM.encode() in command) != gone
        assert len(own_stems) == (not gone)
        child.end()


def test_other_variables_have_another_stem(own_stems: dict[Any, warm.Stem], monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries look at them when they are imported; some stems are kept, and no more."""
    for number in range(warm.MOST + 2):
        monkeypatch.setenv("OMP_NUM_THREADS", str(number + 1))
        child = Child("softproof.candidates.worker")
        child.end()
    assert len(own_stems) == warm.MOST


JUDGE = """
import sys, time
sys.path[:0] = {path!r}
from softproof.candidates.channel import Child
child = Child("softproof.candidates.worker")
print(child._process.pid, child._process._supervisor.pid, flush=True)
time.sleep(60)
"""


def test_a_stem_ends_with_the_judge() -> None:
    """However that ends; so does what it has forked."""
    code = JUDGE.format(path=list(filter(None, sys.path)))
    judge = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert judge.stdout is not None
    worker, supervisor = map(int, judge.stdout.readline().split())
    stem = int(Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2].split()[1])
    numbers = {worker, supervisor, stem}
    assert warm.STEM.encode() in Path(f"/proc/{stem}/cmdline").read_bytes()
    assert {each for each in numbers if Path(f"/proc/{each}").exists()} == numbers
    judge.kill()
    judge.wait()
    judge.stdout.close()
    until = time.monotonic() + 10
    while any(_lives(each) for each in numbers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(_lives(each) for each in numbers)


ROWS = """
import sys, time
sys.path[:0] = {path!r}
if __name__ == "__main__":
    from softproof.runs.own_processes import start
    from tests.test_forked import works
    process, end = start(works)
    print(process.pid, end.recv(), flush=True)
    time.sleep(60)
"""


def works(end: Connection) -> None:
    """As a process that judges rows, with nobody to tell for a while."""
    end.send("begun")
    time.sleep(60)


def test_a_process_that_judges_rows_ends_with_the_judge(tmp_path: Path) -> None:
    """In the middle of a row, if the judge is killed."""
    (tmp_path / "judge.py").write_text(ROWS.format(path=list(filter(None, sys.path))))
    judge = subprocess.Popen([sys.executable, str(tmp_path / "judge.py")], stdout=subprocess.PIPE, text=True)
    assert judge.stdout is not None
    number, begun = judge.stdout.readline().split()
    assert begun == "begun"
    assert _lives(int(number))
    judge.kill()
    judge.wait()
    judge.stdout.close()
    until = time.monotonic() + 10
    while _lives(int(number)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(int(number))


def _lives(number: int) -> bool:
    """One that has ended, and that nobody has looked after, does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


SLOW = """
import time
from pathlib import Path
import manual
if Path(__file__).with_name("again").exists():
    time.sleep(30)
softmax = manual.softmax
"""


def test_what_limits_a_question_limits_a_start(tmp_path: Path) -> None:
    """As where what is left of a budget is shared out, and a new process is asked."""
    (tmp_path / "slow.py").write_text(SLOW)
    candidate = isolated("slow:softmax", "softmax", "numpy", folders=[str(tmp_path)])
    (tmp_path / "again").touch()
    candidate.process.limit(1.0)
    begun = time.monotonic()
    candidate.process.restart()
    assert time.monotonic() - begun < 10.0
    assert candidate.process.lost == "it gave no answer within 1 s"
    candidate.close()


def test_what_a_target_needs_is_what_its_files_import(tmp_path: Path) -> None:
    """torch where one of them says so; whatever is missing, the process imports by itself."""
    (tmp_path / "by_hand.py").write_text("import numpy as np  # import torch\n")
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text("")
    (tmp_path / "kernels" / "fused.py").write_text("def f():\n    from torch import nn\n")
    folders = [str(tmp_path)]
    torch = {name: "torch" in needed.modules_for(name, folders)
             for name in ("by_hand:softmax", "kernels:fused", "kernels.fused:f", "torch.nn.functional:softmax",
                          "./program --of mine", "no_such")}  # fmt: skip
    assert torch == {"by_hand:softmax": False, "kernels:fused": True, "kernels.fused:f": True,
                     "torch.nn.functional:softmax": True, "./program --of mine": False, "no_such": False}  # fmt: skip
