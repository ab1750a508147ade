"""Long runs that are resumed: what passed at this state of the files is not asked again; and samples of long runs.

--passed FILE keeps the tests that passed, one JSON object on a line. A later run with the same file leaves them out if
the commit is the same, and so are all changes that are not committed. --minutes M skips what has not begun after
M minutes, and asks in an order that the seed decides, so that short runs are samples.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

START = pytest.StashKey[float]()
PASSED = pytest.StashKey["Passed"]()


def state(root: Path) -> str:
    """A name for the commit, and for all that is changed beside it, or new."""

    def git(words: str) -> bytes:
        return subprocess.run(["git", *words.split()], cwd=root, capture_output=True, check=True).stdout

    new = git("ls-files --others --exclude-standard -z").split(b"\0")[:-1]
    contents = [name + b"\0" + (root / os.fsdecode(name)).read_bytes() for name in new]
    return hashlib.sha256(b"\0".join([git("rev-parse HEAD"), git("diff HEAD"), *contents])).hexdigest()[:16]


class Passed:
    """The tests that passed at this state, and the file that keeps them."""

    def __init__(self, path: Path, state: str) -> None:
        lines = path.read_text().splitlines() if path.exists() else []
        records = [json.loads(line) for line in lines if line.endswith("}")]  # the last may be torn
        self.path, self.state = path, state
        self.before = frozenset(record["test"] for record in records if record["state"] == state)
        self.seconds: dict[str, float] = {}
        self.good: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Setup, call and teardown come one by one; a test is kept if the call passed and none failed."""
        test = report.nodeid
        self.seconds[test] = self.seconds.get(test, 0.0) + report.duration
        self.good |= {test} if report.when == "call" and report.passed else set()
        self.good -= {test} if report.failed else set()
        if report.when == "teardown" and test in self.good:
            with self.path.open("a") as file:
                print(
                    json.dumps({"state": self.state, "test": test, "seconds": round(self.seconds[test], 2)}), file=file
                )


def pytest_addoption(parser: pytest.Parser) -> None:
    """--passed and --minutes."""
    group = parser.getgroup("softproof")
    group.addoption("--passed", type=Path, metavar="FILE", help="leave out what passed at this commit, by this file")
    group.addoption("--minutes", type=float, help="skip what has not begun by then, in an order that the seed decides")


def pytest_configure(config: pytest.Config) -> None:
    """The process that collects the reports keeps the file; workers of pytest-xdist are told what to leave out."""
    config.stash[START] = time.monotonic()
    if config.getoption("--passed") is not None and not hasattr(config, "workerinput"):
        config.stash[PASSED] = Passed(config.getoption("--passed"), state(config.rootpath))
        config.pluginmanager.register(config.stash[PASSED])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """The same for every worker, whenever it starts."""
    if PASSED in node.config.stash:
        node.workerinput["passed"] = sorted(node.config.stash[PASSED].before)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what passed, and shuffles what is to be a sample."""
    told = getattr(config, "workerinput", {}).get("passed", ())
    passed = config.stash[PASSED].before if PASSED in config.stash else frozenset(told)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in passed])
    items[:] = [item for item in items if item.nodeid not in passed]
    if config.getoption("--minutes") is not None:
        random.Random(str(config.getoption("--hypothesis-seed"))).shuffle(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What comes too late is skipped."""
    minutes = item.config.getoption("--minutes")
    if minutes is not None and time.monotonic() - item.config.stash[START] > 60 * minutes:
        pytest.skip(f"not begun within {minutes:g} minutes")
