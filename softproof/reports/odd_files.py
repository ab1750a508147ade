"""Files of which the judge knows the name alone: what is no ordinary file is said, and never waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def kind_of(mode: int) -> str:
    """What a file is that is no ordinary one; empty for one that is.

    >>> kind_of(stat.S_IFIFO), kind_of(stat.S_IFREG)
    ('a named pipe', '')
    """
    return "" if stat.S_ISREG(mode) else next((what for is_kind, what in KINDS if is_kind(mode)), "no ordinary file")


def read_file(file: Path, most: int | None = None, flags: int = 0) -> bytes:
    """The bytes of an ordinary file, at most so many; a link is followed.

    Raises: ValueError where it is something else, such as a pipe, on which others would wait; OSError.
    """
    descriptor = os.open(file, os.O_RDONLY | AT_ONCE | flags)
    try:
        if kind := kind_of(os.fstat(descriptor).st_mode):
            raise ValueError(f"{file} is {kind}; expected an ordinary file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(-1 if most is None else most)
    finally:
        os.close(descriptor)
