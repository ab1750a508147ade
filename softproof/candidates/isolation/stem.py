"""``python -m softproof.candidates.isolation.stem``: it has imported what workers need, and forks one for each start.

It runs no candidate, and its only threads are those that libraries start when they are imported: a fork has one. Each
fork becomes a supervisor (`supervisor.py`), whose worker is confined as any other before it runs a line of a candidate.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import traceback
import warnings
from typing import NoReturn

from .plan import WorkerPlan
from .supervisor import FIRST
from .supervisor import main as supervise
from .system import PR_SET_DUMPABLE, prctl

MOST = 1 << 16  # bytes of a message
DESCRIPTORS = 6  # of a start: for the answer, the supervisor's two, and the worker's three


def main() -> None:
    """Import what the first message names, and fork at each that follows; end with the last of the forks."""
    prctl(PR_SET_DUMPABLE, 0)  # what is forked later is as it was imported
    starts = socket.socket(fileno=os.dup(0))
    _close_to_nothing(0, 1)
    for name in json.loads(starts.recv(MOST)):
        with contextlib.suppress(Exception):  # the worker says so
            importlib.import_module(name)
    gc.freeze()  # what is never changed is never copied
    forks: dict[int, tuple[int, socket.socket]] = {}  # by a descriptor that tells their end
    asked = True
    while asked or forks:
        poll = select.poll()
        for each in (*([starts.fileno()] if asked else []), *forks):
            poll.register(each, select.POLLIN)
        for ready, _ in poll.poll():
            if ready == starts.fileno():
                asked = _forked(starts, forks)
            else:
                _tell_the_end(ready, *forks.pop(ready))


def _forked(starts: socket.socket, forks: dict[int, tuple[int, socket.socket]]) -> bool:
    """One more of them; whether others may follow."""
    message, (*descriptors,), _, _ = socket.recv_fds(starts, MOST, DESCRIPTORS)
    if not message:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which the fork does not have
        number = os.fork()
    if number == 0:
        _become_a_supervisor(*descriptors)
    answers, *others = descriptors
    for each in others:
        os.close(each)
    answer, end = socket.socket(fileno=answers), os.pidfd_open(number)
    forks[end] = number, answer
    with contextlib.suppress(OSError):  # nobody waits for it any more
        socket.send_fds(answer, [str(number).encode()], [end])
    return True


def _tell_the_end(descriptor: int, number: int, answer: socket.socket) -> None:
    """With which exit status a fork ended."""
    os.close(descriptor)
    _, status = os.waitpid(number, 0)
    with contextlib.suppress(OSError), answer:
        answer.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become_a_supervisor(_answer: int, control: int, status: int, *streams: int) -> NoReturn:
    """In the fork: one that is started by itself has the judge at 0 and 1, and nothing else but the streams."""
    try:
        read, written, printed = (fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, FIRST) for each in streams)
        os.dup2(control, 0)
        os.dup2(status, 1)
        os.closerange(3, min(read, written, printed))
        supervise((read, written, printed), _become_the_worker)
        os._exit(0)
    finally:
        os._exit(1)


def _become_the_worker(plan: WorkerPlan, environment: dict[str, str]) -> NoReturn:
    """Be as a new process of Python that runs the module with the name that is given."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # as where a program is executed
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    tempfile.tempdir = None
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # of the two generators that everybody shares, the one that no fork changes
    importlib.invalidate_caches()
    module, *sys.argv[1:] = plan.command
    os._exit(_status(module))


def _status(module: str) -> int:
    """The exit status of a module that is run as a program."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        if isinstance(error, KeyboardInterrupt):  # of which a program of Python ends by the signal
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        return 1
    finally:
        for each in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # which may be anything now
                each.flush()


def _close_to_nothing(*numbers: int) -> None:
    """Standard streams of nobody."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for each in numbers:
        os.dup2(nothing, each)
    os.close(nothing)


if __name__ == "__main__":
    main()
