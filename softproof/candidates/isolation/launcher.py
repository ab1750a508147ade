"""The judge's end: a worker is started through a supervisor, confined, and ended with all that it started."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from . import limits
from .environment import QUIET, listed
from .plan import WorkerPlan
from .protections import MEMORY, PROCESSES, LaunchError, Protection, Protections, complete
from .reading import rules
from .scratch import remove
from .system import PR_GET_DUMPABLE, PR_SET_DUMPABLE, prctl
from .warm import Stem, StemError

FIRST = 64  # of the descriptors that a supervisor is given
A_MOMENT = 0.05  # seconds
SECONDS_TO_START = 20.0
SECONDS_TO_END = 0.7  # that the judge waits
SECONDS_TO_CLEAR_UP = 5.0  # that a supervisor may take in all, as on a machine that has other things to do
_ENDING: list[Launched] = []  # whose supervisors are at work, and are not waited for any more
SUPERVISOR = "import sys; sys.path.append(sys.argv[1]); from isolation.supervisor import main; main()"


class Launched:
    """A worker that runs, its three streams, and what protects the judge from it.

    Args:
        command: the worker's program, by its path, and its arguments.
        folder: where it runs. path: where its modules are looked up. variables: more of its environment. names: of the
            judge's variables that it may know as well.
        hidden: files of the judge that it may not read in a sandbox.
        device: where it computes; memory is limited on the CPU alone, to `memory` bytes or what there is.
        without: mechanisms that are switched off, for tests that show what they stop.
        stem: what forks it; `command` is then a module and its arguments.

    Raises: StemError where the stem is gone.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: str,
        path: Sequence[str],
        variables: Mapping[str, str] | None = None,
        names: Iterable[str] = (),
        hidden: Iterable[str] = (),
        device: str = "cpu",
        memory: int | None = None,
        sandbox: bool = False,
        processes: int | None = None,
        without: Iterable[str] = (),
        stem: Stem | None = None,
    ) -> None:
        reading = tuple(rules(path, folder, hidden)) if sandbox else ()
        inherited = os.environ if "environment" in without else listed(os.environ, names)
        self.status: int | None = None
        self._ending = threading.Lock()  # by one thread
        self._worker, self._scratch = 0, None
        self.stdin, self.stdout, self.stderr, theirs = _streams()
        plan = WorkerPlan(
            tuple(command), {**QUIET, **inherited, **(variables or {})}, folder, theirs,
            tempfile.gettempdir() if sandbox else "", reading,
            (memory or limits.memory()) if device == "cpu" else None, processes or limits.processes(), tuple(without),
        )  # fmt: skip
        _look_after_the_ending()
        try:
            self._supervisor = stem.supervisor(plan.streams) if stem else _supervisor(plan)
        except StemError:
            for stream in (self.stdin, self.stdout, self.stderr):
                stream.close()
            raise
        finally:
            for descriptor in plan.streams:
                os.close(descriptor)
        self._start(plan)

    def _start(self, plan: WorkerPlan) -> None:
        """Tell the supervisor its plan, and wait until the worker is about to run."""
        self._told = b""
        assert self._supervisor.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._supervisor.stdin.write((plan.to_json() + "\n").encode())
        message = self._message(SECONDS_TO_START) or {"error": "its supervisor ended, or did not begin in time"}
        if "ready" not in message:
            self.close()
            raise LaunchError(f"the process of the candidate could not be started: {message.get('error')}")
        self._worker, self._scratch = message["worker"], message["scratch"]
        self.protections = _hardened(tuple(Protection(*fields) for fields in message["ready"]), plan.without)

    def _message(self, seconds: float) -> dict[str, Any] | None:
        """The next line of the supervisor; nothing in it at its end, None after so many seconds."""
        assert self._supervisor.stdout is not None
        if self._supervisor.stdout.closed:
            return None
        until = time.monotonic() + seconds
        while b"\n" not in self._told:
            if not _readable(self._supervisor.stdout, until):
                return None
            if not (chunk := os.read(self._supervisor.stdout.fileno(), 4096)):
                return {}
            self._told += chunk
        line, _, self._told = self._told.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    @property
    def pid(self) -> int:
        """The worker, or the first process of its namespace, as this process knows it."""
        children = Path(f"/proc/{self._supervisor.pid}/task/{self._supervisor.pid}/children")
        with contextlib.suppress(OSError, IndexError):
            return int(children.read_text().split()[0])
        return self._supervisor.pid

    def wait(self, seconds: float) -> int | None:
        """The exit status of the worker, as `Popen.returncode` has it, once all that it started has ended; or None."""
        with contextlib.suppress(ValueError):  # of a stream that another thread has closed, which ends it
            if self.status is None and (message := self._message(seconds)) is not None:
                self.status = message.get("status", -signal.SIGKILL)
        return self.status

    def kill(self) -> None:
        """End the worker and all that it started, and the supervisor; this takes a second at most."""
        with self._ending:
            self._kill()

    def _kill(self) -> None:
        supervisor = self._supervisor
        assert supervisor.stdin is not None
        assert supervisor.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            supervisor.stdin.close()
        if supervisor.stdout.closed:
            return
        self._until = time.monotonic() + SECONDS_TO_CLEAR_UP
        self._wait_for_supervisor(time.monotonic() + SECONDS_TO_END)
        if not self._cleared_up():  # one that is busy, or the last of thousands of processes in a namespace
            _ENDING.append(self)
        if self.status is None:
            self.status = -signal.SIGKILL
        supervisor.stdout.close()

    def _wait_for_supervisor(self, until: float) -> None:
        """Until it has ended, or that time; one that was stopped, as by a candidate, goes on, once that is killed."""
        while self._supervisor.poll() is None and (left := until - time.monotonic()) > 0:
            if self.wait(min(left, A_MOMENT)) is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._supervisor.wait(min(left, A_MOMENT))
            if is_stopped(self._supervisor.pid) and not self._separate:
                self._kill_group()
                self._supervisor.send_signal(signal.SIGCONT)

    def _cleared_up(self) -> bool:
        """Whether nothing is left to be done: its supervisor has ended, or had to be."""
        supervisor = self._supervisor
        if supervisor.poll() == 0:
            return True
        busy = supervisor.returncode is None and not is_stopped(supervisor.pid)
        if busy and (self._separate or time.monotonic() < self._until):
            return False
        supervisor.kill()  # it was stopped or killed, where nothing forbids that
        supervisor.wait()
        self._kill_group()
        if self._scratch is not None:
            remove(self._scratch)
        return True

    def _kill_group(self) -> None:
        """The worker's own processes, where no supervisor and no namespace is left to find the others."""
        if self._worker > 1 and not self._separate:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._worker, signal.SIGKILL)

    @property
    def _separate(self) -> bool:
        """Whether it has a namespace of its own, whose end is its processes' end, and cannot reach its supervisor."""
        protections = getattr(self, "protections", ())
        return any(each.name == PROCESSES and "namespace" in each.how for each in protections)

    def close(self) -> None:
        """End everything, and close the streams of the judge, but for standard error, which its reader closes."""
        self.kill()
        for stream in (self.stdin, self.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _supervisor(plan: WorkerPlan) -> subprocess.Popen[bytes]:
    """A new process, which has nothing but the streams of its worker."""
    closing = "descriptors" not in plan.without
    for descriptor in plan.streams:
        os.set_inheritable(descriptor, not closing)
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", SUPERVISOR, str(Path(__file__).parents[1])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=plan.environment, start_new_session=True, bufsize=0,
        close_fds=closing, pass_fds=plan.streams if closing else (),
    )  # fmt: skip


def is_stopped(number: int) -> bool:
    """Whether a process is, by a signal or by one that traces it; a busy one, or one that waits, is not."""
    try:
        state = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state in (b"T", b"t")


@atexit.register
def _end_all() -> None:
    """What is still at work gets the time that it may take; a namespace ends without the judge."""
    while any(not each._separate for each in _ENDING):
        time.sleep(A_MOMENT)
        _look_after_the_ending()


def _look_after_the_ending() -> None:
    """Forget those that have ended, and end what was stopped meanwhile, or has taken too long."""
    _ENDING[:] = [each for each in _ENDING if not each._cleared_up()]


def _streams() -> tuple[IO[bytes], IO[bytes], IO[bytes], tuple[int, int, int]]:
    """The judge's ends of three pipes, and the worker's, whose numbers are in nobody's way."""
    (read, questions), (answers, write), (errors, printed) = os.pipe(), os.pipe(), os.pipe()
    theirs = []
    for each in (read, write, printed):
        theirs.append(fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, FIRST))
        os.close(each)
    first, second, third = theirs
    return os.fdopen(questions, "wb"), os.fdopen(answers, "rb"), os.fdopen(errors, "rb"), (first, second, third)


def _readable(stream: IO[bytes], until: float) -> bool:
    """Whether there is something to read, or its end, before that time."""
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))


def _hardened(protections: Protections, without: Sequence[str]) -> Protections:
    """Where nothing else keeps the candidate from the judge's memory, this process gives up being looked into."""
    if "dumpable" in without or any(each.name == MEMORY and each.active for each in protections):
        return protections
    prctl(PR_SET_DUMPABLE, 0)
    how = "the judge allows nobody to look into it" if prctl(PR_GET_DUMPABLE) == 0 else "refused by this system"
    return complete([*protections, Protection(MEMORY, prctl(PR_GET_DUMPABLE) == 0, how)])
