"""Two processes that ask and answer, in messages (`frames.py`), through the streams of the one that answers.

The child keeps the two streams for itself and leaves its candidate an empty standard input, and standard error for
everything that it prints, of which the parent keeps the end. The parent never waits for the child longer than it said:
not to write, not to read, and not to see it end.
"""

from __future__ import annotations

import os
import re
import secrets
import select
import signal
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..problem.problem import Array
from .frames import START, FrameError, Message, header_size, opened, packed, read
from .isolation.protections import LaunchError, Protections
from .isolation.start import DEFAULT, Place, Process, start
from .plain_text import plain

KEPT = 4096  # bytes of what was printed last
AT_ONCE = 1 << 20  # bytes that are written or read together
POLLS = hasattr(select, "poll") and hasattr(os, "readv")  # as on all systems but Windows, where looking again must do
A_MOMENT = 0.2  # seconds after which it is looked at whether a process still lives
GRACE = 0.5  # seconds for a process that is ending


class LostError(Exception):
    """There is no answer, and why."""


class _LateError(Exception):
    """The time is over."""


class Child:
    """A process that runs a module of this package, and answers what it is asked."""

    def __init__(self, module: str, place: Place = DEFAULT) -> None:
        path = list(filter(None, sys.path))  # the working directory is searched for a target alone
        path += [own for own in [str(Path(__file__).resolve().parents[2])] if own not in path]
        try:
            self._process = start(module, path, place)
        except LaunchError as error:
            raise LostError(str(error)) from error
        self._printed = _Printed(self._process.stderr.fileno())
        self._finalizer = weakref.finalize(self, _end, self._process, self._printed)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            os.set_blocking(stream.fileno(), False)

    def ask(
        self,
        body: Mapping[str, Any],
        arrays: Mapping[str, Array],
        seconds: float,
        most: int,
        since: float | None = None,
    ) -> Message:
        """The answer, with at most so many bytes of arrays; LostError where none comes in time.

        There will be no other then. `seconds` are for the question and the answer together, from now on or since then.
        """
        nonce, line = secrets.token_hex(16), self._line((time.monotonic() if since is None else since) + seconds)
        try:
            for piece in packed(Message(nonce, body, arrays)):
                line.write(memoryview(piece))
            answer = line.message(most)
            if answer.nonce != nonce:
                raise FrameError("an answer to another question")
        except FrameError as error:
            self.end()
            raise LostError(f"it wrote something else where its answer was expected: {error}") from error
        except _LateError as error:
            self.end()
            raise LostError(f"it gave no answer within {seconds:g} s") from error
        except (OSError, EOFError) as error:
            raise LostError(self._end_of_it()) from error
        self._printed.drain()
        return answer

    def _line(self, deadline: float) -> _Line:
        questions, answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        return _Line(questions, answers, self._printed, deadline, lambda: self._process.wait(0.0) is None)

    @property
    def protections(self) -> Protections:
        """What protects the judge from it."""
        return self._process.protections

    @property
    def printed(self) -> int:
        """How many bytes it has printed."""
        return self._printed.count

    @property
    def last_printed(self) -> str:
        """The lines that it has printed last."""
        return "\n".join(map(plain, self._printed.end.decode(errors="replace").splitlines()))

    def end(self) -> None:
        """Stop it, and those that it started."""
        self._finalizer()

    def _end_of_it(self) -> str:
        """How a process ended that answers no more; nothing of it is left."""
        status = self._process.wait(GRACE)
        self._printed.drain()
        self.end()
        if status is None:
            return "it closed its end of the pipe where its answer was expected"
        return f"its process ended with {named(status)}{self._printed.last_words()}"


def _end(process: Process, printed: _Printed) -> None:
    """End it with all that it started, and close its streams."""
    process.kill()
    printed.drain()
    process.close()
    process.stderr.close()


def named(status: int) -> str:
    """An exit status in words.

    >>> named(3), named(-11)
    ('exit status 3', 'SIGSEGV')
    """
    if status >= 0:
        return f"exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:  # of a real-time signal
        name = f"signal {-status}"
    return name + (", as where memory is short" if status == -signal.SIGKILL else "")


# ---- the judge's end ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """The two streams of a child until a deadline; what it prints meanwhile is read as well."""

    questions: int
    answers: int
    printed: _Printed
    deadline: float
    lives: Callable[[], bool]

    def write(self, rest: memoryview) -> None:
        """All of these bytes."""
        while rest:
            try:
                count = os.write(self.questions, rest[:AT_ONCE])
            except BlockingIOError:
                count = 0
            rest = rest[count:]
            if not count:
                self._wait(self.questions, writing=True)

    def message(self, most: int) -> Message:
        """The next frame."""
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
                count = _read_into(self.answers, rest[:AT_ONCE])
            except BlockingIOError:
                if not living:  # others may hold its stream open
                    raise EOFError from None
                living = self.lives()  # what was written before the end is still read
                if living:
                    self._wait(self.answers)
                continue
            if not count:
                raise EOFError
            rest = rest[count:]
            self._check()

    def _check(self) -> None:
        if time.monotonic() >= self.deadline:
            raise _LateError

    def _wait(self, descriptor: int, *, writing: bool = False) -> None:
        """Until something can be written or read, or a moment has passed."""
        self._check()
        if POLLS:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
            if self.printed.open:
                poll.register(self.printed.descriptor, select.POLLIN)
            poll.poll(1000 * max(0.0, min(A_MOMENT, self.deadline - time.monotonic())))
        else:
            time.sleep(0.001)
        self.printed.drain()


def _read_into(descriptor: int, place: memoryview) -> int:
    """How many bytes have been read into a place in memory; 0 at the end."""
    if POLLS:
        return os.readv(descriptor, [place])
    found = os.read(descriptor, len(place))
    place[: len(found)] = found
    return len(found)


class _Printed:
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


# ---- the child's end ------------------------------------------------------------------------------------------------


class Parent:
    """The other end, in the child."""

    def __init__(self) -> None:
        self._questions, self._answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)

    def question(self) -> Message:
        """The next one; EOFError when there are no more."""
        return read(opened(self._bytes(header_size(self._bytes(START.size)))), self._fill)

    def answer(self, answer: Message) -> None:
        """Send it."""
        for piece in packed(answer):
            self._answers.write(piece)
        self._answers.flush()

    def _bytes(self, size: int) -> bytes:
        found = self._questions.read(size)
        if len(found) < size:
            raise EOFError
        return found

    def _fill(self, rest: memoryview) -> None:
        while rest:
            count = self._questions.readinto(rest)
            if not count:
                raise EOFError
            rest = rest[count:]
