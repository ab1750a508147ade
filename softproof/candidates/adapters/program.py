"""A running program, and the protocol that it is asked by: lines of text, and arrays as bytes."""

from __future__ import annotations

import contextlib
import math
import secrets
import shlex
import subprocess
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

import numpy as np

from ...problem.operations import OPERATIONS
from ...problem.problem import Array
from ..channel import named
from .numpy_arrays import DTYPES

T = TypeVar("T")
VERSION = 2
LONGEST = 4096  # bytes of a line
AT_ONCE = 1 << 20  # bytes that are read together
NONCE = 16  # bytes that an answer repeats, in hexadecimal digits
MOST_LINES, MOST_ARRAYS, MOST_BYTES = 1000, 64, 1 << 30  # of a greeting, and of an answer whose size nobody knows
_INTEGERS = ("ignore_index", "dim")


class ProgramError(RuntimeError):
    """A program ended, reported an error, or does not follow the protocol."""


@dataclass
class Described:
    """What a program says of itself."""

    operation: str = ""
    dtypes: list[str] = field(default_factory=list)
    takes: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    fixed: dict[str, Any] = field(default_factory=dict)
    ndim: list[int] = field(default_factory=list)
    gradients: bool = False


class Program:
    """A running program, and its two streams."""

    def __init__(self, command: str) -> None:
        self.command = command
        self._process: subprocess.Popen[bytes] | None = None

    def end(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._finalizer()
            self._process = None

    def start(self) -> Described:
        """Run it, and read what it says of itself."""
        self.end()
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
        self._process = subprocess.Popen(shlex.split(self.command), **pipes)
        self._questions, self._answers = (
            require_stream(self._process.stdin),
            _Answers(require_stream(self._process.stdout)),
        )
        self._finalizer = weakref.finalize(self, _end, self._process)
        return self._speaking(self._describes_itself)

    def ask(self, arrays: Mapping[str, Array], options: Mapping[str, Any], most: int = MOST_BYTES) -> dict[str, Array]:
        """The arrays of its answer by name, of which no more bytes than `most` are read."""
        if self._process is None or self._process.poll() is not None:  # it may have ended since
            self.start()
        return self._speaking(lambda: self._exchange(arrays, options, most))

    def _speaking(self, speak: Callable[[], T]) -> T:
        """What is heard; a program that has ended, or cannot be understood, is asked nothing more."""
        assert self._process is not None
        try:
            return speak()
        except (BrokenPipeError, EOFError) as error:
            status = named(self._process.wait())
            self.end()
            raise ProgramError(f"the program ended with {status}, in place of an answer") from error
        except ProtocolError as error:
            self.end()
            raise ProgramError(str(error)) from error

    def _describes_itself(self) -> Described:
        self._write(f"softproof {VERSION}\n".encode())
        if (first := self._line()) != f"softproof {VERSION}":
            raise ProtocolError(f"the first line is {first!r}; expected 'softproof {VERSION}'")
        about, lines = Described(), 0
        while (line := self._line()) != "end":
            _note(about, line)
            lines += 1
            if lines == MOST_LINES:
                raise ProtocolError(f"it described itself by {MOST_LINES} lines, and more")
        if not about.operation or not about.dtypes:
            raise ProtocolError("it named no operation, or no dtype")
        return about

    def _exchange(self, arrays: Mapping[str, Array], options: Mapping[str, Any], most: int) -> dict[str, Array]:
        nonce = secrets.token_hex(NONCE)
        lines = [
            f"question {nonce}\n".encode(),
            *(f"option {key} {value}\n".encode() for key, value in options.items()),
        ]
        self._write(b"".join((*lines, *_announced(arrays), b"end\n")))
        if not _answers(first := self._line(), nonce):
            raise ProtocolError(f"it wrote {first!r} where its answer was expected, which begins with 'answer {nonce}'")
        received: dict[str, Array] = {}
        while (line := self._line()) != "end":
            word, _, rest = line.partition(" ")
            if word == "error":
                raise ProgramError(rest)
            if word != "array":
                raise ProtocolError(f"it wrote {line!r}; expected 'array', 'end' or 'error'")
            name, dtype, shape = _header(line)
            size = math.prod(shape) * np.dtype(dtype).itemsize
            most -= size
            if most < 0 or name in received or len(received) == MOST_ARRAYS:
                raise ProtocolError(f"it announced an array by {line!r}; that is too many bytes, or one too many")
            received[name] = (
                np.frombuffer(self._answers.bytes_of(size), np.dtype(dtype).newbyteorder("<"))
                .astype(dtype)
                .reshape(shape)
            )
        return received

    def _write(self, message: bytes) -> None:
        rest = memoryview(message)
        while rest:
            rest = rest[self._questions.write(rest) :]

    def _line(self) -> str:
        line = self._answers.line()
        return line[:-1].decode(errors="replace").rstrip("\r")


class _Answers:
    """What a program writes, of which no more is kept than was asked for, and a little."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, bytearray()

    def line(self) -> bytes:
        """Up to the end of the line."""
        while (end := self._kept.find(b"\n") + 1) == 0 and len(self._kept) < LONGEST:
            self._kept += self._some(LONGEST)
        if not 0 < end <= LONGEST:
            raise ProtocolError(f"it wrote a line of more than {LONGEST} bytes")
        return self._taken(end)

    def bytes_of(self, size: int) -> bytes:
        """So many."""
        while len(self._kept) < size:
            self._kept += self._some(size - len(self._kept))
        return self._taken(size)

    def _some(self, most: int) -> bytes:
        if not (found := self._stream.read(min(most, AT_ONCE))):
            raise EOFError
        return found

    def _taken(self, size: int) -> bytes:
        found = bytes(self._kept[:size])
        del self._kept[:size]
        return found


class ProtocolError(Exception):
    """What a program wrote is not what the protocol says."""


def _note(about: Described, line: str) -> None:
    """A line of what a program says of itself."""
    word, *rest = line.split() or [""]
    if word == "operation" and len(rest) == 1 and rest[0] in OPERATIONS:
        about.operation = rest[0]
    elif word == "dtype" and len(rest) == 1 and rest[0] in DTYPES:
        about.dtypes.append(rest[0])
    elif word in ("takes", "without") and rest:
        (about.takes if word == "takes" else about.without).extend(rest)
    elif word == "fixed" and len(rest) == 2:
        about.fixed[rest[0]] = _value(*rest)
    elif word == "ndim" and all(each.isdigit() for each in rest):
        about.ndim.extend(map(int, rest))
    elif word == "gradients" and not rest:
        about.gradients = True
    else:
        raise ProtocolError(f"it described itself by {line!r}; docs/guides/adapters.md has the lines that there are")


def _value(name: str, text: str) -> Any:
    try:
        return text if name == "reduction" else int(text) if name in _INTEGERS else float(text)
    except ValueError:
        raise ProtocolError(f"it fixed {name} at {text!r}; expected a number") from None


def _announced(arrays: Mapping[str, Array]) -> Iterator[bytes]:
    """Each array: a line, and its bytes, the last index running fastest, the lowest byte first."""
    for name, array in arrays.items():
        yield " ".join(["array", name, array.dtype.name, str(array.ndim), *map(str, array.shape)]).encode() + b"\n"
        yield array.astype(array.dtype.newbyteorder("<")).tobytes()


def _answers(line: str, nonce: str) -> bool:
    """Whether a line begins the answer to the question that has this nonce."""
    return line == f"answer {nonce}"


def _header(line: str) -> tuple[str, str, tuple[int, ...]]:
    """Name, dtype and shape that a line announces."""
    try:
        _, name, dtype, count, *sizes = line.split()
        shape = tuple(map(int, sizes))
        if dtype not in (*DTYPES, "int64") or len(shape) != int(count) or min(shape, default=0) < 0:
            raise ValueError
    except ValueError:
        expected = "'array NAME DTYPE NDIM SIZE…'"
        raise ProtocolError(f"it announced an array by {line!r}; expected {expected}") from None
    return name, dtype, shape


def require_stream(stream: IO[bytes] | None) -> IO[bytes]:
    """A stream of a process that was started with one."""
    assert stream is not None
    return stream


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(BrokenPipeError):  # of what was not written any more
            require_stream(stream).close()
