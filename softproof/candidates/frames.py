"""Messages between two processes as data alone: a header in JSON, and the bytes of arrays. Nothing in one is code.

A frame is a sign, the size of its header, the header, and the bytes of the arrays that the header announces, one after
the other, the last index running fastest, the lowest byte first. docs/guides/isolation.md describes it. Whoever reads
one is on guard: everything is bounded before it is read, and what is not as described is a `FrameError`, whatever it
is.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..problem.problem import Array
from .plain_text import plain, quoted

SIGN = b"softprf1"
START = struct.Struct("<8sI")  # the sign, and how many bytes the header has
LONGEST_HEADER = 1 << 20  # bytes
TOGETHER = 1 << 14  # bytes of arrays that are written with their header, as one piece
MOST_ARRAYS, MOST_AXES, MOST_BRACKETS, MOST_DIGITS = 64, 32, 1 << 12, 20
KINDS: dict[str, np.dtype[Any]] = {name: np.dtype(name).newbyteorder("<") for name in ("float64", "float32", "int64")}
NAMES = {dtype: name for name, dtype in KINDS.items()}
_PARTS = {"nonce", "body", "arrays"}  # of a header


class FrameError(Exception):
    """What was read is no message, and why."""


@dataclass(frozen=True)
class Message:
    """Plain data and arrays by name; an answer has the `nonce` of its question."""

    nonce: str
    body: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Announced:
    """A header: a message whose arrays are still to be read, each with its dtype and shape."""

    nonce: str
    body: dict[str, Any]
    arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...]]]

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        return sum(dtype.itemsize * math.prod(shape) for dtype, shape in self.arrays.values())


def packed(message: Message) -> list[bytes | memoryview]:
    """The bytes of a message, in pieces that are written one after the other."""
    arrays = {name: _in_order(array) for name, array in message.arrays.items()}
    announced = [[name, NAMES[array.dtype], list(array.shape)] for name, array in arrays.items()]
    header = {"nonce": message.nonce, "body": message.body, "arrays": announced}
    text = json.dumps(header, allow_nan=False).encode("ascii")
    pieces = [array.reshape(-1).view(np.uint8).data for array in arrays.values() if array.size]
    start = START.pack(SIGN, len(text)) + text
    return [start, *pieces] if sum(map(len, pieces)) > TOGETHER else [b"".join([start, *pieces])]


def _in_order(array: Array) -> Array:
    """The same numbers in C order, the lowest byte first."""
    dtype = array.dtype if array.dtype in NAMES else KINDS[array.dtype.name]
    return np.asarray(array, dtype, order="C")


def header_size(start: bytes) -> int:
    """How long the header is, from the first bytes of a frame."""
    sign, size = START.unpack(start)
    if sign != SIGN:
        raise FrameError(f"bytes that begin with {plain(repr(start), 80)}")
    if size > LONGEST_HEADER:
        raise FrameError(f"a header of {size} bytes; at most {LONGEST_HEADER} are read")
    return int(size)


def opened(text: bytes, most: int | None = None) -> Announced:
    """The header that these bytes are, of a message with at most so many bytes of arrays."""
    header = parsed(text)
    if header.keys() != _PARTS or not isinstance(header["nonce"], str) or not isinstance(header["body"], dict):
        raise FrameError(f"a header with {_listed(header)}; expected nonce, body and arrays")
    arrays = header["arrays"]
    if not isinstance(arrays, list) or len(arrays) > MOST_ARRAYS:
        raise FrameError(f"a header whose arrays are no list of at most {MOST_ARRAYS}")
    shapes_of: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
    for entry in arrays:
        name, dtype, shape = _announced(entry)
        if name in shapes_of:
            raise FrameError(f"an array {name!r} twice")
        shapes_of[name] = dtype, shape
    announced = Announced(header["nonce"], header["body"], shapes_of)
    if most is not None and announced.size > most:
        shapes = ", ".join(f"{plain(name, 40)} of shape {shape}" for name, (_, shape) in shapes_of.items())
        raise FrameError(f"{announced.size} bytes of arrays ({plain(shapes, 200)}); at most {most} are read")
    return announced


def _announced(entry: Any) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    """Name, dtype and shape of an array; the shape is one that can be, and the dtype one of those that are sent."""
    if not isinstance(entry, list) or len(entry) != 3:
        raise FrameError(f"an array announced by {quoted(entry)}; expected its name, dtype and shape")
    name, dtype, shape = entry
    if not isinstance(name, str) or not isinstance(dtype, str) or dtype not in KINDS:
        raise FrameError(f"an array announced by {quoted(entry)}; expected a name and one of {', '.join(KINDS)}")
    if not isinstance(shape, list) or len(shape) > MOST_AXES or not all(map(_is_size, shape)):
        raise FrameError(f"an array announced by {quoted(entry)}; expected a shape of at most {MOST_AXES} sizes")
    if math.prod(size for size in shape if size) >= 2**48:
        raise FrameError(f"an array announced by {quoted(entry)}; no memory is as large")
    return name, KINDS[dtype], tuple(shape)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48


def _listed(header: Mapping[str, Any]) -> str:
    return plain(", ".join(header) or "nothing", 120)


def parsed(text: bytes) -> dict[str, Any]:
    """JSON that is an object: no NaN, no key twice, no number of many digits, nothing deep, and UTF-8."""
    if text.count(b"[") + text.count(b"{") > MOST_BRACKETS:
        raise FrameError(f"a header with more than {MOST_BRACKETS} brackets")
    try:
        header = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_once,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_no_number,
        )
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a header that is no JSON: {plain(str(error), 120)}") from None
    if not isinstance(header, dict):
        raise FrameError("a header that is no object")
    return header


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that float64 does not hold")
    return number


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def read(announced: Announced, into: Callable[[memoryview], None]) -> Message:
    """The message, once `into` has filled the memory of each of its arrays."""
    arrays = {name: np.empty(shape, dtype) for name, (dtype, shape) in announced.arrays.items()}
    for array in arrays.values():
        if array.size:
            into(array.reshape(-1).view(np.uint8).data)
    return Message(announced.nonce, announced.body, arrays)
