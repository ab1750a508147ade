"""Two processes that ask and answer, in messages (`frames.py`), through the streams of the one that answers.

The child keeps the two streams for itself and leaves its candidate an empty standard input, and standard error for
everything that it prints, of which the parent keeps the end. The parent never waits for the child longer than it said:
not to write, not to read, and not to see it end.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..problem.problem import Array
from .frames import START, FrameError, Message, header_size, opened, packed, read
from .isolation.protections import LaunchError, Protections
from .isolation.start import DEFAULT, Place, Process, start
from .plain_text import plain
from .streams import LateError, Line, Printed

GRACE = 0.5  # seconds for a process that is ending
LATE = "it gave no answer within"


class LostError(Exception):
    """There is no answer, and why."""


def is_late(lost: str | None) -> bool:
    """Whether there is no answer since it took too long."""
    return (lost or "").startswith(LATE)


class Child:
    """A process that runs a module of this package, and answers what it is asked."""

    def __init__(self, module: str, place: Place = DEFAULT) -> None:
        path = list(filter(None, sys.path))  # the working directory is searched for a target alone
        path += [own for own in [str(Path(__file__).resolve().parents[2])] if own not in path]
        try:
            self._process = start(module, path, place)
        except LaunchError as error:
            raise LostError(str(error)) from error
        self._printed = Printed(self._process.stderr.fileno())
        self._finalizer = weakref.finalize(self, _end, self._process, self._printed)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            os.set_blocking(stream.fileno(), False)
        process = self._process
        self._line = Line(process.stdin.fileno(), process.stdout.fileno(), self._printed,
                           lambda: process.wait(0.0) is None)  # fmt: skip

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
        return self.answer(self.send(body, arrays), seconds, most, since)

    def send(self, body: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
        """Ask, whether or not what was asked before has been answered; the nonce of the answer."""
        nonce = secrets.token_hex(16)
        self._line.send(packed(Message(nonce, body, arrays)))
        return nonce

    def answer(self, nonce: str, seconds: float, most: int, since: float | None = None) -> Message:
        """The next answer, which has this nonce; as `ask`."""
        try:
            answer = self._line.message(most, (time.monotonic() if since is None else since) + seconds)
            if answer.nonce != nonce:
                raise FrameError("an answer to another question")
        except FrameError as error:
            self.end()
            raise LostError(f"it wrote something else where its answer was expected: {error}") from error
        except LateError as error:
            self.end()
            raise LostError(f"{LATE} {seconds:g} s") from error
        except (OSError, EOFError) as error:
            raise LostError(self._end_of_it()) from error
        self._printed.drain()
        return answer

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


def _end(process: Process, printed: Printed) -> None:
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
