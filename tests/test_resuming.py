"""What passed is left out of the next run, until something changes; what comes too late is skipped."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from .helpers.resuming import state

COMMIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "commit"]
TESTS = """
import os, pytest

@pytest.mark.parametrize("n", range(4))
def test_it(n):
    assert n != int(os.environ["BAD"])

def test_skipped():
    pytest.skip("always")

@pytest.fixture
def broken():
    yield
    assert False

def test_that_leaves_a_mess(broken):
    pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with tests in it."""
    if which("git") is None:
        pytest.skip("git is not installed")
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / ".gitignore").write_text("__pycache__\npassed.jsonl\n")
    for command in (["git", "init", "-q"], ["git", "add", "."], [*COMMIT, "-qm", "first"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def _run(project: Path, bad: int, *more: str) -> dict[str, int]:
    """How many tests passed, failed and so on."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.helpers.resuming", "-p", "no:cacheprovider", *more]
    env = os.environ | {"BAD": str(bad), "PYTHONPATH": os.pathsep.join(sys.path), "PYTEST_ADDOPTS": ""}
    run = subprocess.run(
        [*command, "--rootdir", str(project)], cwd=project, env=env, capture_output=True, text=True, check=False
    )
    return {
        word: int(count) for count, word in re.findall(r"(\d+) (\w+)", run.stdout.splitlines()[-1].split(" in ")[0])
    }


def test_what_passed_is_left_out(project: Path) -> None:
    """What failed, by itself or after, or was skipped is not what passed; a new file asks everything again."""
    log = ("--passed", "passed.jsonl")
    first, second = _run(project, 2, *log, "-n", "2"), _run(project, 5, *log)
    kept = [json.loads(line) for line in (project / "passed.jsonl").read_text().splitlines()]
    (project / "new.py").touch()
    third = _run(project, 5, *log)

    assert first == {"passed": 4, "failed": 1, "skipped": 1, "error": 1}
    assert second == {"passed": 2, "skipped": 1, "error": 1, "deselected": 3}
    assert third == {"passed": 5, "skipped": 1, "error": 1}
    assert sorted(each["test"] for each in kept) == [f"test_it.py::test_it[{n}]" for n in range(4)]


def test_what_comes_too_late_is_skipped(project: Path) -> None:
    """And is not said to have passed."""
    assert _run(project, 2, "--minutes", "0", "--passed", "passed.jsonl") == {"skipped": 6}
    assert not (project / "passed.jsonl").exists()


def test_every_change_is_another_state(project: Path) -> None:
    """Of a file that is tracked or new, and a commit."""
    found = [state(project)]
    for name, text in (("test_it.py", "# one"), ("new.py", "# two"), ("new.py", "# three")):
        with (project / name).open("a") as file:
            file.write(text)
        found.append(state(project))
    subprocess.run([*COMMIT, "-qam", "second"], cwd=project, check=True)
    found.append(state(project))

    assert len({*found}) == len(found) == 5
    assert state(project) == found[-1]
