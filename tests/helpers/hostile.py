"""Valid calls of every public function, hostile values for their arguments, and what a hostile value may still mean.

A value that has a meaning, such as a list of numbers or NumPy's own integers, must give the answer of that meaning; one
that has none must be refused.
"""

from __future__ import annotations

import enum
import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

Make = Callable[[Any], Any]  # a hostile value from the valid one


class Word(str):
    """A text that is not exactly a text."""


class Whole(enum.IntEnum):
    """A number that is not exactly one."""

    ONE = 1


class Hidden(np.ndarray):
    """An array with more to it than its numbers."""


class Anything:
    """Made of anything."""

    def __init__(self, *_: Any, **__: Any) -> None: ...


class Unfriendly:
    """Neither hashed, nor compared, nor taken for true or false, nor made an array of."""

    __hash__ = None  # type: ignore[assignment]  # that is the point

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("it is not compared")

    def __bool__(self) -> bool:
        raise RuntimeError("it is neither true nor false")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("it is no array")


class Unshown:
    """It has no repr."""

    def __repr__(self) -> str:
        raise RuntimeError("it is not shown")


def _array(valid: Any) -> np.ndarray[Any, Any]:
    """The valid argument as an array, or another one where it is none."""
    if isinstance(valid, np.ndarray):
        return valid
    return np.array([[0.5, 0.25], [1.0, 2.0]])


def _masked(valid: Any) -> Any:
    array = np.ma.masked_array(_array(valid).copy())
    array.reshape(-1)[:1] = np.ma.masked
    return array


def _structured(valid: Any) -> Any:
    return np.zeros(_array(valid).shape, [("a", float), ("b", int)])


def _floats(valid: Any) -> Any:
    return np.asarray(_array(valid), np.float64)


def _tensor(valid: Any, **options: Any) -> Any:
    return torch.tensor(_floats(valid), **options)


def _of_inference(valid: Any) -> Any:
    with torch.inference_mode():
        return _tensor(valid)


def _generator(valid: Any) -> Iterator[Any]:
    return (each for each in _array(valid).reshape(-1).tolist())


# What takes the place of an argument; each is made anew.
HOSTILE: dict[str, Make] = {
    "None": lambda _: None,
    "True": lambda _: True,
    "False": lambda _: False,
    "a NumPy bool": lambda _: np.bool_(1),
    "a word": lambda _: "x",
    "no word": lambda _: "",
    "bytes": lambda _: b"x",
    "a text": lambda _: Word("mean"),
    "a NumPy text": lambda _: np.str_("float32"),
    "0": lambda _: 0,
    "-1": lambda _: -1,
    "10**30": lambda _: 10**30,
    "-10**30": lambda _: -(10**30),
    "10**400": lambda _: 10**400,
    "1.5": lambda _: 1.5,
    "nan": lambda _: math.nan,
    "inf": lambda _: math.inf,
    "1j": lambda _: 1j,
    "a NumPy integer": lambda _: np.int64(1),
    "a NumPy number": lambda _: np.float32(0.5),
    "an enumeration": lambda _: Whole.ONE,
    "an object": lambda _: object(),
    "an unfriendly object": lambda _: Unfriendly(),
    "a function": lambda _: lambda *_arguments, **_options: None,
    "a class": lambda _: Anything,
    "a module": lambda _: math,
    "a path": lambda _: Path("x"),
    "an empty list": lambda _: [],
    "an empty dict": lambda _: {},
    "a list of words": lambda _: ["x"],
    "a list of None": lambda _: [None],
    "a list of lists": lambda _: [[]],
    "a huge size": lambda _: [10**9],
    "a list of 10**30": lambda _: [10**30],
    "a list of -1": lambda _: [-1],
    "a list of True": lambda _: [True],
    "a list of nan": lambda _: [math.nan],
    "ragged": lambda _: [[1.0], [1.0, 2.0]],
    "a tuple": lambda valid: tuple(_array(valid).tolist()) if np.ndim(valid) else (1,),
    "a list": lambda valid: _array(valid).tolist(),
    "a set": lambda _: {1, 2},
    "a dict": lambda _: {"x": 1},
    "a dict of numbers": lambda _: {1: 2},
    "a generator": _generator,
    "masked": _masked,
    "a list of masked": lambda valid: [_masked(valid)],
    "objects": lambda valid: _array(valid).astype(object),
    "complex": lambda valid: _array(valid).astype(complex),
    "strings": lambda valid: _array(valid).astype(str),
    "structured": _structured,
    "dates": lambda valid: np.zeros(_array(valid).shape, "datetime64[s]"),
    "bools": lambda valid: _array(valid).astype(bool),
    "long doubles": lambda valid: _array(valid).astype(np.longdouble),
    "another byte order": lambda valid: _array(valid).astype(_array(valid).dtype.newbyteorder(">")),
    "uint64": lambda valid: np.full(_array(valid).shape, 2**63 + 2, np.uint64),
    "int32": lambda valid: _array(valid).astype(np.int32),
    "float16": lambda valid: _array(valid).astype(np.float16),
    "float32": lambda valid: _array(valid).astype(np.float32),
    "all nan": lambda valid: np.full(_array(valid).shape, np.nan),
    "0-d": lambda _: np.array(1.0),
    "one dimension more": lambda valid: _array(valid)[None],
    "one dimension less": lambda valid: _array(valid).reshape(-1)[:1].reshape(_array(valid).shape[1:2]),
    "one element more": lambda valid: np.concatenate([np.atleast_1d(_array(valid))] * 2),
    "empty": lambda valid: np.atleast_1d(_array(valid))[:0],
    "no classes": lambda valid: np.atleast_1d(_array(valid))[..., :0],
    "transposed": lambda valid: _array(valid).T,
    "a matrix": lambda valid: np.atleast_1d(_array(valid)).view(np.matrix) if np.ndim(valid) == 2 else np.matrix([[1]]),
    "a subclass": lambda valid: _array(valid).view(Hidden),
    "a tensor": _tensor,
    "a tensor with a gradient": lambda valid: _tensor(valid, requires_grad=True),
    "a meta tensor": lambda valid: _tensor(valid).to("meta"),
    "a sparse tensor": lambda valid: _tensor(valid).to_sparse(),
    "bfloat16": lambda valid: _tensor(valid, dtype=torch.bfloat16),
    "a complex tensor": lambda valid: _tensor(valid, dtype=torch.complex64),
    "a negative view": lambda valid: torch._neg_view(_tensor(valid)),
    "a nested tensor": lambda _: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]),
    "a list of tensors": lambda _: [torch.ones(2, requires_grad=True)],
    "of inference mode": _of_inference,
    "64 dimensions": lambda valid: np.broadcast_to(_floats(valid), (1,) * (64 - np.ndim(valid)) + np.shape(valid)),
    "a list without a repr": lambda _: [Unshown()],
    "a tuple without a repr": lambda _: (Unshown(),),
    "a database at no port": lambda _: "redis://host:port/number",
    "a device": lambda _: torch.device("cpu"),
    "the meta device": lambda _: "meta",
    "no such device": lambda _: "cuda:99",
}


class NoMeaningError(Exception):
    """What a hostile value has none of."""


def is_bool(value: Any) -> bool:
    """True or False, NumPy's too."""
    return isinstance(value, bool | np.bool_)


def whole(value: Any) -> Any:
    """An integer, NumPy's too."""
    if is_bool(value) or not isinstance(value, int | np.integer):
        raise NoMeaningError
    return int(value)


def real(value: Any) -> Any:
    """A real number, NumPy's too."""
    if is_bool(value) or not isinstance(value, numbers.Real):
        raise NoMeaningError
    return value if isinstance(value, int) else float(value)


def word(value: Any) -> Any:
    """A text."""
    if not isinstance(value, str):
        raise NoMeaningError
    return str(value)


def flag(value: Any) -> Any:
    """True or False."""
    if not is_bool(value):
        raise NoMeaningError
    return bool(value)


def items(of: Make) -> Make:
    """A collection of such things; neither a text, nor what can be read once only."""

    def found(value: Any) -> Any:
        if not isinstance(value, list | tuple | set | frozenset):
            raise NoMeaningError
        return [of(each) for each in value]

    return found


def anything(value: Any) -> Any:
    """Whatever is accepted."""
    return value


def nothing(_: Any) -> Any:
    """Nothing but what is valid."""
    raise NoMeaningError


def mapping(value: Any) -> Any:
    """From names to anything."""
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value):
        raise NoMeaningError
    return dict(value)


def _has_mask(value: Any) -> bool:
    return isinstance(value, np.ma.MaskedArray) or (isinstance(value, list | tuple) and any(map(_has_mask, value)))


def by_numpy(value: Any) -> Any:
    """Real numbers that NumPy holds, in its own byte order; a number itself is left to the function."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if _has_mask(value) or (isinstance(value, torch.Tensor) and value.requires_grad):
        raise NoMeaningError
    try:
        array = np.asarray(value)
    except Exception as error:
        raise NoMeaningError from error
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise NoMeaningError
    return np.array(array, array.dtype.newbyteorder("="))


def by_torch(value: Any) -> Any:
    """Real numbers that torch holds."""
    if not isinstance(value, torch.Tensor):
        return by_numpy(value)
    if value.layout is not torch.strided or value.is_nested or value.is_meta or value.is_complex():
        raise NoMeaningError
    return value.detach().clone().resolve_neg()


def optional(of: Make) -> Make:
    """None, too."""
    return lambda value: None if value is None else of(value)


by_numpy_or_none, by_torch_or_none = optional(by_numpy), optional(by_torch)
NUMBERS = (by_numpy, by_torch, by_numpy_or_none, by_torch_or_none)


@dataclass(frozen=True)
class Argument:
    """How a valid argument is made, and what another value means in its place."""

    make: Callable[[], Any]
    meaning: Make


@dataclass(frozen=True)
class Call:
    """A public function, its arguments by name, and what makes an answer of what it returns."""

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Argument]
    finish: Make = anything


def place(value: Any) -> Any:
    """Where something is kept: a text or a path."""
    if not isinstance(value, str | Path):
        raise NoMeaningError
    return value
