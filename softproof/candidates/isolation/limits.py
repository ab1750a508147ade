"""Limits of one process: how many files, bytes and processes."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from .protections import COUNT, SIZES, Protection

if sys.platform != "win32":
    import resource

LARGEST_FILE = 1 << 35  # bytes
OPEN_FILES = 1 << 16
PROCESSES, OF_A_PROCESSOR = 512, 64  # with their threads; libraries start more where there are more processors
_MEMORY_OF_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_SCORE = Path("/proc/self/oom_score_adj")
_FIRST, _LATER = "1000", "999"  # of all scores the highest, whose process is ended first where memory is short


def memory() -> int:
    """Bytes that this machine, or the control group of this process, has."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in map(Path, _MEMORY_OF_GROUPS):
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            sizes.append(int(file.read_text()))
    return min(sizes)


def end_first() -> None:
    """Let this process and its children be ended first where memory is short.

    Of a process with the privilege to lower the score no descendant without it may do so again: it is called while
    there is one.
    """
    with contextlib.suppress(OSError):
        _SCORE.write_text(_FIRST)


def _short() -> str:
    """Whether this process is ended first, in words: it could say otherwise, where nobody with privileges has."""
    end_first()
    try:
        _SCORE.write_text(_LATER)
    except OSError:
        return "ended first where memory is short"
    end_first()
    return "ended first where memory is short, unless it asks not to be"


def limit_sizes(most: int | None) -> Protection:
    """No core dumps, no endless files; `most` bytes of memory of its own, where that is given.

    It has given up its privileges before.
    """
    short = _short()
    _lower("RLIMIT_CORE", 0)
    _lower("RLIMIT_FSIZE", LARGEST_FILE)
    _lower("RLIMIT_NOFILE", OPEN_FILES)
    if most is None:
        return Protection(SIZES, True, f"{short}; memory without a limit, as devices need more addresses than memory")
    _lower("RLIMIT_DATA", most)  # of addresses there may be more: libraries reserve what they never touch
    return Protection(SIZES, True, f"{short}; {most / 2**30:.0f} GiB of memory")


def limit_processes(most: int, others: int, exempt: bool) -> Protection:
    """At most so many processes and threads beside the `others` of the same user, who is exempt if that is root."""
    if exempt:
        return Protection(COUNT, False, "no limit holds for root")
    _lower("RLIMIT_NPROC", most + others)
    return Protection(COUNT, True, f"at most {most:,} with their threads")


def processes() -> int:
    """How many a candidate may have, threads counted."""
    return PROCESSES + OF_A_PROCESSOR * (os.cpu_count() or 1)


def running() -> int:
    """Processes and threads on this machine."""
    return int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])


def _lower(name: str, most: int) -> None:
    """A limit that may not be raised again."""
    which = getattr(resource, name)
    _, hard = resource.getrlimit(which)
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (value, value))
