"""The judge's end of the streams of another process: questions go out, answers come in, and what it prints is kept.

Nothing waits for the process for longer than a deadline. What it has answered before it ends is still read.
"""

from __future__ import annotations

import math
import os
import re
import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from .frames import START, Message, header_size, opened, read
from .plain_text import plain

KEPT = 4096  # bytes of what was printed last
AT_ONCE = 1 << 20  # bytes that are written or read together
BUFFER = 1 << 16  # bytes that are read before they are asked for
POLLS = hasattr(select, "poll") and hasattr(os, "readv")  # as on all systems but Windows, where looking again must do
A_MOMENT = 0.2  # seconds after which it is looked at whether a process still lives


class LateError(Exception):
    """The time is over."""


class Line:
    """The two streams of a child; what it prints while it is waited for is read as well."""

    def __init__(self, questions: int, answers: int, printed: Printed, lives: Callable[[], bool]) -> None:
        self.questions, self.answers, self.printed, self.lives = questions, answers, printed, lives
        self.deadline = math.inf
        self._unsent: deque[memoryview] = deque()
        self._buffer = memoryview(bytearray(BUFFER))
        self._ahead = self._buffer[:0]  # what has been read of the next answers

    def send(self, pieces: Iterable[bytes | memoryview]) -> None:
        """As many of these bytes as can be written at once; the others while an answer is waited for."""
        self._unsent.extend(map(memoryview, pieces))
        self._push()

    def _push(self) -> None:
        try:
            while self._unsent:
                count = os.write(self.questions, self._unsent[0][:AT_ONCE])
                if not count:
                    return
                self._unsent[0] = self._unsent[0][count:]
                if not self._unsent[0]:
                    self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError:  # nobody reads them; what was answered before still comes
            self._unsent.clear()

    def message(self, most: int, deadline: float) -> Message:
        """The next frame, until the deadline."""
        self.deadline = deadline
        size = header_size(self._bytes(START.size))
        return read(opened(self._bytes(size), most), self._fill)

    def _bytes(self, size: int) -> bytes:
        found = bytearray(size)
        self._fill(memoryview(found))
        return bytes(found)

    def _fill(self, rest: memoryview) -> None:
        """Read until there is no place left; EOFError where nothing more can come."""
        living = True
        while rest:
            try:
                count = self._take(rest)
            except BlockingIOError:
                if not living:  # others may hold its stream open
                    raise EOFError from None
                living = self.lives()  # what was written before the end is still read
                if living:
                    self._wait()
                continue
            if not count:
                raise EOFError
            rest = rest[count:]
            self._check()

    def _take(self, rest: memoryview) -> int:
        """How many bytes have come into a place in memory; 0 at the end."""
        if not self._ahead:
            if len(rest) >= BUFFER:
                return _read_into(self.answers, rest[:AT_ONCE])
            self._ahead = self._buffer[: _read_into(self.answers, self._buffer)]
        count = min(len(rest), len(self._ahead))
        rest[:count], self._ahead = self._ahead[:count], self._ahead[count:]
        return count

    def _check(self) -> None:
        if time.monotonic() >= self.deadline:
            raise LateError

    def _wait(self) -> None:
        """Until something can be read, or written, or a moment has passed."""
        self._check()
        if POLLS:
            poll = select.poll()
            poll.register(self.answers, select.POLLIN)
            if self._unsent:
                poll.register(self.questions, select.POLLOUT)
            if self.printed.open:
                poll.register(self.printed.descriptor, select.POLLIN)
            poll.poll(1000 * max(0.0, min(A_MOMENT, self.deadline - time.monotonic())))
        else:
            time.sleep(0.001)
        self._push()
        self.printed.drain()


def _read_into(descriptor: int, place: memoryview) -> int:
    """How many bytes have been read into a place in memory; 0 at the end."""
    if POLLS:
        return os.readv(descriptor, [place])
    found = os.read(descriptor, len(place))
    place[: len(found)] = found
    return len(found)


class Printed:
    """What comes out of a stream: how much, and its end. It is read when there is time, and never waited for."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.count, self.end, self.open = descriptor, 0, b"", True

    def drain(self) -> None:
        """Read what is there; of a child that never stops printing, as much as a pipe holds many times over."""
        for _ in range(64 if self.open else 0):
            try:
                chunk = os.read(self.descriptor, 1 << 16)
            except BlockingIOError:
                return
            except OSError:  # of a stream that has been closed
                chunk = b""
            if not chunk:
                self.open = False
                return
            self.count += len(chunk)
            self.end = (self.end + chunk)[-KEPT:]

    def last_words(self) -> str:
        """The line of the candidate that a crash report names, or the last line that was printed."""
        text = self.end.decode(errors="replace")
        own = str(Path(__file__).parents[1])
        for file, line in re.findall(r'File "(.*?)", line (\d+)', text if "Fatal Python error" in text else ""):
            if not file.startswith((own, "<")):
                return plain(f" at {Path(file).name}:{line}")
        lines = text.split("\n") if text.strip() else []
        return plain(f"; it printed {[line for line in lines if line.strip()][-1].strip()!r}") if lines else ""
