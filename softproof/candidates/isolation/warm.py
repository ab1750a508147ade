"""The judge's end of processes that have imported what workers need, and fork one for each start (`stem.py`)."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from .environment import QUIET, listed

SECONDS = 100.0  # for its imports, on a machine that has other things to do
MOST = 3  # that are kept
STEM = "softproof.candidates.isolation.stem"
Key = tuple[Any, ...]  # what a worker gets from its stem: the environment, the path, and what is imported
Stems = tuple[tuple[Key, socket.socket], ...]
_KEPT: dict[Key, Stem] = {}
_KEEPING = threading.Lock()


class StemError(Exception):
    """There is no fork; a worker can be started without."""


class Forked:
    """A supervisor that a stem has forked, with what `subprocess.Popen` has of a child."""

    def __init__(self, asks: socket.socket, streams: Sequence[int]) -> None:
        self._answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        (control, write), (read, status) = os.pipe(), os.pipe()
        self.stdin, self.stdout = os.fdopen(write, "wb", 0), os.fdopen(read, "rb", 0)
        self.returncode: int | None = None
        self._waiting = threading.Lock()
        try:
            socket.send_fds(asks, [b"fork"], [theirs.fileno(), control, status, *streams])
            theirs.close()
            self._answers.settimeout(SECONDS)
            number, (self._process, *_), _, _ = socket.recv_fds(self._answers, 64, 1)
            self.pid = int(number)
        except (OSError, ValueError) as error:  # the second where it ended
            self._close()
            raise StemError from error
        finally:
            theirs.close()
            os.close(control)
            os.close(status)

    def _close(self) -> None:
        for each in (self.stdin, self.stdout, self._answers):
            each.close()

    def poll(self) -> int | None:
        """Its exit status, if it has ended; that of one whose stem is gone is not known."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; subprocess.TimeoutExpired if it has not ended in so many seconds."""
        with self._waiting:
            if self.returncode is None:
                poll = select.poll()
                poll.register(self._answers, select.POLLIN)
                if not poll.poll(None if timeout is None else timeout * 1000):
                    raise subprocess.TimeoutExpired("supervisor", timeout or 0.0)
                self.returncode = int(self._answers.recv(64) or -signal.SIGKILL)
                os.close(self._process)
                self._answers.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        """If it has not ended."""
        if self.poll() is None:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._process, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Stem:
    """A process that forks. It ends once nobody can ask it any more, and its last fork has ended."""

    def __init__(self, asks: socket.socket) -> None:
        self.asks = asks

    @classmethod
    def started(cls, command: Sequence[str], environment: dict[str, str], imports: Sequence[str]) -> Stem:
        """A new one, which imports these modules before anything else."""
        asks, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
                start_new_session=True, cwd=os.sep,
            )  # fmt: skip
        atexit.register(_end, process, asks)
        asks.send(json.dumps(imports).encode())
        return cls(asks)

    def supervisor(self, streams: Sequence[int]) -> Forked:
        """A supervisor that waits for its plan; StemError where there is none."""
        return Forked(self.asks, streams)


def _end(process: subprocess.Popen[bytes], asks: socket.socket) -> None:
    asks.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)


def stem(command: Sequence[str], path: Sequence[str], imports: Iterable[str]) -> Stem | None:
    """The one whose forks have these modules, and are otherwise as a new process; None where there can be none.

    `command` runs a module, whose name is to be appended with the path.
    """
    if not _has_descriptors_of_processes():
        return None
    environment, imports = {**QUIET, **listed(os.environ)}, tuple(imports)
    key = (tuple(sorted(environment.items())), tuple(path), imports)
    with _KEEPING:
        if key not in _KEPT:
            try:
                _KEPT[key] = Stem.started([*command, STEM, *path], environment, imports)
            except OSError:
                return None
            for other in [*_KEPT][:-MOST]:
                _KEPT.pop(other).asks.close()
        return _KEPT[key]


@functools.cache
def _has_descriptors_of_processes() -> bool:
    """Whether this system has them, and allows them."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def kept() -> Stems:
    """Those of this process, for another one of the judge's."""
    with _KEEPING:
        return tuple((key, each.asks) for key, each in _KEPT.items())


def adopt(stems: Stems) -> None:
    """Ask those of another process as well."""
    with _KEEPING:
        _KEPT.update({key: Stem(asks) for key, asks in stems})


def forget(stem: Stem) -> None:
    """One that is gone."""
    with _KEEPING:
        for key in [key for key, each in _KEPT.items() if each is stem]:
            _KEPT.pop(key).asks.close()
