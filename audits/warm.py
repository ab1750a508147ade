"""Tests in forked children of one process that has imported and collected everything; what each comes to is told."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import hypothesis
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase

from .stubs import functions, replace_by, watch

PASSED, SKIPPED, ASSERTED, CRASHED, LATE, DIED = "passed", "skipped", "asserted", "crashed", "took too long", "died"
FAILED = (ASSERTED, CRASHED, LATE, DIED)
LEAST, TIMES = 30.0, 20.0  # seconds that a test may take, or times as long as it computed without a stub


@dataclass(frozen=True)
class Job:
    """Tests to be run in one child: with a stub, or watched."""

    tests: tuple[str, ...]
    function: str = ""
    stub: str = ""
    seconds: dict[str, float] = field(default_factory=dict, compare=False)  # that each took without a stub


class _LateError(BaseException):
    """Nobody catches it but pytest."""


def _late(*_: object) -> None:
    raise _LateError


class Warm:
    """A plugin of pytest that hands the collected tests to `work` in place of running them."""

    def __init__(self, work: Callable[[Warm], None]) -> None:
        self.work, self.items, self._error = work, dict[str, pytest.Item](), PASSED

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        self.items = {item.nodeid: item for item in session.items}
        functions()  # which children then need not look for
        settings = hypothesis.settings(
            hypothesis.settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate, Phase.target)
        )  # fmt: skip
        hypothesis.settings.register_profile("warm", settings)  # what fails need not be small
        hypothesis.settings.load_profile("warm")
        self.work(self)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        """What a phase of a test came to; the first that is not right counts."""
        if call.excinfo is not None and self._error == PASSED:
            self._error = outcome(call.excinfo.value)

    def outcome_of(self, test: Callable[[], Any]) -> str:
        """What a test comes to that is run by a function."""
        self._error = PASSED
        try:
            test()
        except BaseException as error:  # which pytest hands on
            self._error = outcome(error)
        return self._error

    def run(self, jobs: Iterable[Job], workers: int) -> Iterator[tuple[Job, list[dict[str, Any]]]]:
        """Each job with the records of its tests, as it is finished; what a child did not survive is told."""
        todo, running = iter(jobs), dict[int, tuple[Job, Path, float]]()
        with tempfile.TemporaryDirectory() as folder:
            while True:
                while len(running) < workers and (job := next(todo, None)) is not None:
                    file = Path(folder) / str(time.monotonic_ns())
                    running[self._fork(job, file)] = job, file, time.monotonic() + sum(map(_limit(job), job.tests))
                if not running:
                    return
                for pid in _ended({pid: deadline for pid, (_, _, deadline) in running.items()}):
                    job, file, _ = running.pop(pid)
                    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
                    rest = job.tests[len(found) :]
                    found += [{"test": test, "outcome": DIED, "seconds": 0.0} for test in rest[:1]]
                    yield job, found
                    if len(rest) > 1:
                        left = Job(rest[1:], job.function, job.stub, job.seconds)
                        file = Path(folder) / str(time.monotonic_ns())
                        limit = time.monotonic() + sum(map(_limit(job), left.tests))
                        running[self._fork(left, file)] = left, file, limit

    def _fork(self, job: Job, file: Path) -> int:
        sys.stdout.flush()
        with warnings.catch_warnings(action="ignore"):  # of threads, which this process has none of
            pid = os.fork()
        if pid:
            return pid
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            signal.signal(signal.SIGALRM, _late)
            with file.open("w") as out:
                self._child(job, out)
        finally:
            os._exit(0)

    def _child(self, job: Job, out: TextIO) -> None:
        if job.stub:
            replace_by(job.function, job.stub)
        limit, events = _limit(job), Counter[str]()
        sys.addaudithook(lambda event, _: events.update([event]) if event == "subprocess.Popen" else None)
        for test in job.tests:
            started, self._error = _spent(), PASSED
            called = [] if job.stub else watch()
            signal.setitimer(signal.ITIMER_REAL, limit(test), 1.0)
            try:
                runtestprotocol(self.items[test], nextitem=None, log=False)
            except BaseException as error:  # which pytest hands on
                self._error = outcome(error)
            signal.setitimer(signal.ITIMER_REAL, 0)
            record = {"test": test, "outcome": self._error, "seconds": round(_spent() - started, 3)}
            if not job.stub:
                record |= {"functions": sorted(set(called)), "children": bool(events)}
            print(json.dumps(record), file=out, flush=True)


def _spent() -> float:
    """Seconds that this process has computed, and the children that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _limit(job: Job) -> Callable[[str], float]:
    """Seconds that a test may take."""
    return lambda test: max(LEAST, TIMES * job.seconds.get(test, 60.0))


def _ended(deadlines: dict[int, float]) -> list[int]:
    """Those of some children that have ended by now, or whose time is over."""
    found = []
    for pid, deadline in deadlines.items():
        if time.monotonic() > deadline + LEAST:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            found.append(pid)
        elif os.waitpid(pid, os.WNOHANG)[0]:
            found.append(pid)
    if not found:
        time.sleep(0.01)
    return found


def outcome(error: BaseException) -> str:
    """What a test came to: an assertion of its own, or whatever else ended it."""
    if isinstance(error, pytest.skip.Exception):
        return SKIPPED
    if isinstance(error, _LateError):
        return LATE
    asserted = isinstance(error, AssertionError | pytest.fail.Exception) or "DocTest" in type(error).__name__
    return ASSERTED if asserted or "MultipleDoctestFailures" in type(error).__name__ else CRASHED


def collected(work: Callable[[Warm], None], tests: Sequence[str]) -> None:
    """Collect tests, and hand them to `work`."""
    options = ["-qq", "-s", "--no-header", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options += ["-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=ci"]
    options += ["-p", "tests.helpers.costs", "-p", "tests.helpers.draws", "--all-cases"]
    status = pytest.main([*options, *tests], plugins=[Warm(work)])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(int(status))
