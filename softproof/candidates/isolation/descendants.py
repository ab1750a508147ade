"""All descendants of this process, which has adopted those whose parents have ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable

TIMES = 500  # that children are killed before all descendants are looked for
PATIENCE = 0.8  # seconds until what was killed and does not end, as in a device that does not answer, is left


def end_descendants(patience: float = PATIENCE) -> None:
    """Stop them all, so that none starts another, and kill them; again, until there is none.

    One that ends as soon as it has started another is a child of ours by then, and is killed at once: a look at all
    processes would be too late for it. However late it is, nothing is left that was not killed once: on a busy machine
    this process may sleep longer than its patience.
    """
    until, killed = time.monotonic() + patience, set[int]()
    while _has_children():
        _kill_children(TIMES)
        stopped: set[int] = set()
        while new := descendants(os.getpid()) - stopped:
            _send(new, signal.SIGSTOP)
            stopped |= new
            if time.monotonic() > until:
                break
        _send(stopped, signal.SIGKILL)
        _reap_for(0.01)
        if time.monotonic() > until and stopped <= killed:
            return
        killed |= stopped


def descendants(ancestor: int) -> set[int]:
    """The numbers of all processes that live below one, by their parents in /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal() and (parent := _parent(name)) is not None:
            children.setdefault(parent, []).append(int(name))
    below, waiting = set[int](), [ancestor]
    while waiting:
        new = children.get(waiting.pop(), [])
        below.update(new)
        waiting += new
    return below


def _kill_children(times: int) -> None:
    """So many times in a row, as long as there are any; where the kernel does not list them, never."""
    own = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    with contextlib.suppress(OSError):
        while times and _has_children():
            with open(own, "rb") as file:
                _send(map(int, file.read().split()), signal.SIGKILL)
            times -= 1


def reap(but: int) -> None:
    """Take note of adopted processes that have ended, except of one."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and found.si_pid != but:
            os.waitpid(found.si_pid, os.WNOHANG)


def _parent(name: str) -> int | None:
    """The parent of a process that is more than an entry in the table."""
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            state, parent = file.read().rsplit(b")", 1)[1].split()[:2]
    except OSError:
        return None
    return None if state in b"ZX" else int(parent)


def _send(numbers: Iterable[int], what: signal.Signals) -> None:
    for each in numbers:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(each, what)


def _has_children() -> bool:
    """Whether any lives, or has ended and was not taken note of; those are taken note of here."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _reap_for(seconds: float) -> None:
    """Give them time to end."""
    until = time.monotonic() + seconds
    while _has_children() and time.monotonic() < until:
        time.sleep(0.001)
