"""The process between the judge and the worker: it starts the worker, tells how it ended, and leaves nothing running.

Its standard input is the judge: one line, a `WorkerPlan`, and when it closes, the end. Its standard output tells the
judge, in lines of JSON, which protections are active, and the exit status of the worker. Candidates reach neither.

Where namespaces are allowed, the worker's parent is the first process of a namespace, and whatever runs there ends with
it. Elsewhere this process adopts the orphans of its descendants, and ends all that it finds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
from collections.abc import Callable, Iterator
from typing import NoReturn

from . import limits, namespaces
from .confinement import confine
from .descendants import end_descendants, reap
from .plan import WorkerPlan
from .protections import PROCESSES, SIGNALS, Protection, Protections, complete
from .scratch import make, remove, variables
from .system import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_PDEATHSIG, prctl

FIRST = 64  # of the descriptors of the supervisor itself
Become = Callable[[WorkerPlan, dict[str, str]], NoReturn]
OFTEN = 0.2  # seconds between two looks at whether the judge still lives


class Judge:
    """The two pipes to the process that asks."""

    def __init__(self) -> None:
        self.number = os.getppid()
        self.control, self.status = (fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, FIRST) for each in (0, 1))

    def plan(self) -> WorkerPlan:
        """What is to be done."""
        found = b""
        while not found.endswith(b"\n") and (chunk := os.read(self.control, 1 << 16)):
            found += chunk
        return WorkerPlan.from_json(found.decode())

    def tell(self, **what: object) -> None:
        """One line, if the judge still listens."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self.status, (json.dumps(what) + "\n").encode())

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return os.getppid() != self.number

    @contextlib.contextmanager
    def told_of_errors(self) -> Iterator[None]:
        """A child of ours ends here at the latest, and says what went wrong."""
        try:
            yield
        except BaseException as error:
            self.tell(error=f"{type(error).__name__}: {error}")
        finally:
            os._exit(127)


def execute(plan: WorkerPlan, environment: dict[str, str]) -> NoReturn:
    """Run the worker's program in place of this one."""
    for name in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(name, signal.SIG_DFL)
    os.execve(plan.command[0], plan.command, environment)


def main(streams: tuple[int, int, int] | None = None, become: Become = execute) -> None:
    """Supervise one worker.

    Args:
        streams: its three descriptors, if they are others than the plan says.
        become: what makes a confined process the worker.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    judge = Judge()
    plan = judge.plan()
    plan = plan if streams is None else plan._replace(streams=streams)
    scratch = make(plan.scratch) if plan.scratch else None
    try:
        child, separate = _start(judge, plan, scratch, become)
        status = _watch(judge, child, separate)
        end_descendants()
    finally:
        if scratch is not None:
            remove(scratch)
    judge.tell(status=status)


def _start(judge: Judge, plan: WorkerPlan, scratch: str | None, become: Become) -> tuple[int, bool]:
    """The worker, or the first process of its namespace, and whether it is the latter."""
    if "limits" not in plan.without:
        limits.end_first()
    adopts = "subreaper" not in plan.without
    if adopts:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    protections = [Protection(PROCESSES, adopts, "a supervisor that adopts orphans" if adopts else "switched off")]
    separate = "namespaces" not in plan.without
    if separate:
        try:
            protections += namespaces.separate(network=scratch is not None and "network" not in plan.without)
        except OSError as error:
            separate = False
            protections.append(Protection(SIGNALS, False, f"no namespaces: {error.strerror}"))
    if "dumpable" not in plan.without:
        prctl(PR_SET_DUMPABLE, 0)
    supervisor = os.getpid()
    child = os.fork()
    if child == 0:
        with judge.told_of_errors():
            _die_with(0 if separate else supervisor)
            if separate:
                _first(judge, plan, scratch, protections, become)
            _work(judge, plan, scratch, protections, become)
    _close(plan.streams)
    return child, separate


def _die_with(parent: int) -> None:
    """End when the parent does, which may be so already; one outside the namespace has the number 0 here."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(127)


def _close(streams: tuple[int, ...]) -> None:
    """They are the worker's alone."""
    for each in streams:
        os.close(each)


def _first(
    judge: Judge, plan: WorkerPlan, scratch: str | None, protections: list[Protection], become: Become
) -> NoReturn:
    """The first process of a namespace: it waits for the worker, and ends all others by ending."""
    own, more = namespaces.furnish(scratch)
    protections += more
    if own and "limits" not in plan.without and (limit := namespaces.limit_processes(plan.processes)):
        protections.append(limit)
    if "settings" not in plan.without:
        namespaces.seal_settings()
    me = os.getpid()
    worker = os.fork()
    if worker == 0:
        with judge.told_of_errors():
            _die_with(me)
            _work(judge, plan, scratch, protections, become, own)
    _close(plan.streams)
    while True:
        child, status = os.wait()
        if child == worker:
            judge.tell(status=os.waitstatus_to_exitcode(status))
            os._exit(0)


def _work(
    judge: Judge,
    plan: WorkerPlan,
    scratch: str | None,
    protections: list[Protection],
    become: Become,
    own: bool = False,
) -> NoReturn:
    """Become the worker; `own`: /proc shows its own processes alone."""
    os.setsid()
    for number, stream in enumerate(plan.streams):
        os.dup2(stream, number)
    if "descriptors" not in plan.without:
        os.closerange(3, judge.status)
        os.closerange(judge.status + 1, max(os.sysconf("SC_OPEN_MAX"), judge.status + 1))
    os.chdir(plan.folder)
    environment = plan.environment | (variables(scratch) if scratch else {})
    protections = [*protections, *confine(plan, scratch, own, protections)]
    judge.tell(ready=_stated(protections), worker=os.getpid(), scratch=scratch)
    become(plan, environment)


def _stated(protections: list[Protection]) -> Protections:
    """All protections; a supervisor that can be ended protects from nobody who wants to stay."""
    stated = complete(protections)
    if any(each.name == SIGNALS and each.active for each in stated):
        return stated
    how = "a supervisor adopts orphans, and the candidate could end it"
    return tuple(Protection(PROCESSES, False, how) if each.name == PROCESSES else each for each in stated)


def _watch(judge: Judge, child: int, separate: bool) -> int:
    """Wait until the worker has ended, or the judge has, or wants it to end; then end it."""
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    while not (_ended(child) or judge.gone or judge.control in _ready(woken, judge.control)):
        reap(child)
    os.kill(child, signal.SIGKILL)  # if it has ended, it is still in the table
    _, status = os.waitpid(child, 0)  # of a namespace: once no process is left in it
    return -signal.SIGKILL if separate else os.waitstatus_to_exitcode(status)


def _ended(child: int) -> bool:
    """Whether a child has; it stays in the table."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _ready(woken: int, control: int) -> list[int]:
    """Which of the two can be read, now or soon; signals are taken note of."""
    ready, _, _ = select.select([woken, control], [], [], OFTEN)
    if woken in ready:
        os.read(woken, 4096)
    return ready
