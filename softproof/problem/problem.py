"""The question and the answer: a Problem, a Result and the arrays inside them.

Nothing here knows how anybody computes. Values are numbers of the problem's dtype, held in float64, or in float32 where
that holds them all: bfloat16 (which NumPy lacks) fits, no input is ever rounded twice, and a large problem takes no
more memory than its answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

LAYOUTS = {
    "contiguous": "one element after another",
    "transposed": "strides reversed",
    "strided": "every second element of a buffer twice as long",
    "sliced": "columns from the middle of wider rows",
    "offset": "one element after another, from the second element of a buffer on",
    "expanded": "stride 0 along every axis along which the values do not change",
    "reversed": "a negative step along every axis, which torch does not have",
}
COMMON_LAYOUTS = tuple(name for name in LAYOUTS if name != "reversed")  # those that every framework has


def _fits_float32(array: Array) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.array_equal(array.astype(np.float32), array, equal_nan=True))


def _has_mask(values: Any, depth: int) -> bool:
    """Whether there is a masked array among lists so deep, whose mask NumPy would drop."""
    if isinstance(values, np.ma.MaskedArray) or depth == 0:
        return isinstance(values, np.ma.MaskedArray)
    return isinstance(values, list | tuple) and any(_has_mask(each, depth - 1) for each in values)


def _plain(name: str, values: ArrayLike) -> Array:
    """Real numbers as an array of NumPy; TypeError where it does not hold them as they are."""
    try:
        array = np.asarray(values)
    except Exception as error:  # whatever an object raises that is to become an array
        raise TypeError(f"{name} is a {type(values).__name__}; expected numbers that NumPy holds ({error})") from None
    if _has_mask(values, array.ndim):
        raise TypeError(f"{name} is masked; expected numbers without a mask")
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} has dtype {array.dtype}; expected integers or floating-point numbers")
    return array


def _converted(name: str, array: Array, dtype: type) -> Array:
    """The same numbers in another dtype; ValueError where it does not hold them."""
    with np.errstate(over="ignore", invalid="ignore"):
        converted: Array = array.astype(dtype, order="C")
        lost = (converted.astype(array.dtype) != array) | ((converted < 0) != (array < 0))
    if lost.any():
        raise ValueError(f"{name} holds {array[lost][0]}; expected integers that {np.dtype(dtype)} holds")
    return converted


def _frozen(name: str, values: ArrayLike, dtype: str) -> Array:
    """A read-only contiguous copy: int64 for labels, float64 for numbers, or float32 where that loses nothing.

    Integers are labels in a target, and numbers anywhere else.
    """
    array = _plain(name, values)
    if array.dtype.kind in "iu":
        array = _converted(name, array, np.int64 if name == "target" else np.float64)
    if array.dtype.kind == "f":
        narrow = array.dtype == np.float32 or (dtype != "float64" and _fits_float32(array))
        array = array.astype(np.float32 if narrow else np.float64, order="C")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False, init=False)
class Problem:
    """One question put to an implementation.

    Args:
        operation: a name from `softproof.OPERATIONS`, such as ``"cross_entropy"``.
        dtype: the floating-point format of the inputs and of the answer, such as ``"float32"``.
        inputs: arrays by name; floating-point values must be representable in `dtype`, labels are integers.
        options: keyword options that are not arrays, such as ``{"reduction": "mean"}``.
        grad_output: the upstream gradient, of the shape of the operation's value.
        layout: how the arrays lie in memory, a key of `LAYOUTS` for all of them, or one for each by name, such as
            ``{"logits": "transposed", "grad_output": "expanded"}``, the others being contiguous. The values are the
            same in each; what lies between them in memory is NaN, or the label 0.
        tangent: a direction of the logits, of their shape: asks for derivatives in this direction as well.
        gradients: the inputs whose gradients are asked, where there is a `grad_output`; by default all that have one.

    >>> problem = Problem("softmax", "float32", {"logits": [1.0, 2.0]}, {"dim": -1}, grad_output=[1.0, 0.0])
    >>> problem.inputs["logits"]
    array([1., 2.], dtype=float32)
    """

    operation: str
    dtype: str
    inputs: Mapping[str, Array]
    options: Mapping[str, Any]
    grad_output: Array | None
    layout: str | Mapping[str, str]
    tangent: Array | None
    gradients: tuple[str, ...] | None

    def __init__(
        self,
        operation: str,
        dtype: str,
        inputs: Mapping[str, ArrayLike],
        options: Mapping[str, Any] | None = None,
        grad_output: ArrayLike | None = None,
        layout: str | Mapping[str, str] = "contiguous",
        tangent: ArrayLike | None = None,
        gradients: Sequence[str] | None = None,
    ) -> None:
        for name, text in (("operation", operation), ("dtype", dtype)):
            _check_text(name, text, "a name")
        for name, mapping in (("inputs", inputs), ("options", {} if options is None else options)):
            _check_mapping(name, mapping)
        if not isinstance(layout, str):
            _check_mapping("layout", layout)
            for name, arrangement in layout.items():
                _check_text(f"layout of {name}", arrangement, f"one of {', '.join(LAYOUTS)}")
        frozen = {name: _frozen(name, values, dtype) for name, values in inputs.items()}
        upstream = None if grad_output is None else _frozen("grad_output", grad_output, dtype)
        direction = None if tangent is None else _frozen("tangent", tangent, dtype)
        if not isinstance(layout, str):
            layout = {name: each for name, each in layout.items() if each != "contiguous"} or "contiguous"
        wanted = None if gradients is None else _names("gradients", gradients)
        values = (str(operation), str(dtype), frozen, dict(options or {}), upstream, layout, direction, wanted)
        for each, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, each.name, value)

    def layout_of(self, name: str) -> str:
        """How one of the arrays lies in memory."""
        return self.layout if isinstance(self.layout, str) else self.layout.get(name, "contiguous")

    def digest(self) -> str:
        """The SHA-256 of all that the problem asks, in hexadecimal: the same for the same problem, on every machine.

        >>> Problem("softmax", "float32", {"logits": [1.0, 2.0]}).digest()[:16]
        '348189cf20afb670'
        """
        options = {
            name: value.item() if isinstance(value, np.generic) else value for name, value in self.options.items()
        }
        digest = sha256(repr((self.operation, self.dtype, sorted(options.items()))).encode())
        for name, array in sorted(self._arrays.items()):
            digest.update(repr((name, array.dtype.kind, array.shape, self.layout_of(name))).encode())
            digest.update(_canonical(array))
        if self.gradients is not None:
            digest.update(repr(self.gradients).encode())
        return digest.hexdigest()

    @property
    def _arrays(self) -> dict[str, Array]:
        vectors = {"grad_output": self.grad_output, "tangent": self.tangent}
        return {**self.inputs, **{name: array for name, array in vectors.items() if array is not None}}

    def __repr__(self) -> str:
        """Python that builds the same problem again (with ``array`` and ``inf`` in scope)."""
        inputs = ",\n     ".join(f"{name!r}: {_literal(array)}" for name, array in self.inputs.items())
        lines = [f"{self.operation!r}, {self.dtype!r}", f"{{{inputs}}}"]
        if self.options:
            lines.append(f"{self.options!r}")
        if self.grad_output is not None:
            lines.append(f"grad_output={_literal(self.grad_output)}")
        if self.layout != "contiguous":
            lines.append(f"layout={self.layout!r}")
        if self.tangent is not None:
            lines.append(f"tangent={_literal(self.tangent)}")
        if self.gradients is not None:
            lines.append(f"gradients={self.gradients!r}")
        return "Problem(\n    " + ",\n    ".join(lines) + ",\n)"


def _canonical(array: Array) -> bytes:
    """The numbers in C order, little-endian, in 64 bits each; every NaN is the same."""
    if array.dtype.kind == "i":
        return array.astype("<i8").tobytes()
    return np.where(np.isnan(array), np.nan, array).astype("<f8").tobytes()


def _literal(array: Array) -> str:
    """An array as source text that gives the same bits: Python's repr of a float round-trips."""
    if 0 in array.shape:
        return f"zeros({array.shape}, dtype={array.dtype.name!r})"
    if array.size > 64 and _is_constant(array):
        constant = array.flat[0].item()
        return f"zeros({array.shape}, dtype={array.dtype.name!r})" + (f" + {constant!r}" if constant else "")
    return f"array({array.tolist()!r})" if array.ndim else repr(array.item())


def _is_constant(array: Array) -> bool:
    """Whether the array holds one number all over; 0 plus -0 is 0, so -0 is none."""
    first = array.flat[0]
    return bool((array == first).all()) and not bool((np.signbit(array) & (array == 0)).any())


def _check_text(name: str, value: Any, expected: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}; expected {expected}")


def _names(name: str, value: Any) -> tuple[str, ...]:
    """A list of names."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"{name} is {value!r}; expected a list of names such as ['logits']")
    return tuple(value)


def _check_mapping(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is a {type(value).__name__}; expected a mapping from names")
    if wrong := [each for each in value if not isinstance(each, str)]:
        raise TypeError(f"{name} has the key {wrong[0]!r}; expected a mapping from names")


@dataclass(frozen=True, eq=False)
class Output:
    """One array of an answer: its values in float32 or float64, without loss, and the dtype and device it came in.

    Raises: TypeError where the values are anything but a plain NumPy array of real floating-point numbers: without a
        mask, no objects, texts or integers. Whether they are numbers of `dtype` is for the verdict to say.
    """

    values: Array
    dtype: str
    device: str = "cpu"

    def __post_init__(self) -> None:
        if isinstance(self.values, np.generic):
            object.__setattr__(self, "values", np.asarray(self.values))
        if text := not_an_output(self):
            raise TypeError(text)
        wide = self.values.dtype if self.values.dtype.itemsize > 2 else np.dtype(np.float32)
        object.__setattr__(self, "values", self.values.astype(wide.newbyteorder("="), copy=False))


def not_an_output(output: Output) -> str:
    """What keeps an output from being a plain array of real numbers with a dtype and a device; empty if nothing does.

    One that comes out of another process was not made by `Output`.
    """
    values = output.values
    if type(values) is not np.ndarray:
        return f"values is a {type(values).__name__}; expected a NumPy array"
    if values.dtype.kind != "f" or values.dtype.itemsize > 8:
        return f"values has dtype {values.dtype}; expected floating-point numbers"
    wrong = (name for name in ("dtype", "device") if not isinstance(getattr(output, name), str))
    return next((f"{name} is a {type(getattr(output, name)).__name__}; expected a name" for name in wrong), "")


@dataclass(frozen=True, eq=False)
class Result:
    """An answer: outputs by name (``"value"``, ``"grad_logits"``, ``"jvp"``, …), or what was raised instead.

    `written` names the inputs that the call changed, and `changed` what it changed that everybody shares, such as a
    function of numpy; `observed` says what else was seen, such as an output that shares memory with an input. All three
    should be empty. `lost` says why there is no answer at all: the process ended, for one.
    """

    outputs: Mapping[str, Output] = field(default_factory=dict)
    written: tuple[str, ...] = ()
    raised: str | None = None
    changed: tuple[str, ...] = ()
    lost: str | None = None
    observed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_mapping("outputs", self.outputs)
        for name, output in self.outputs.items():
            if not isinstance(output, Output):
                raise TypeError(f"outputs: output {name} is a {type(output).__name__}; expected a softproof.Output")
        for name in ("written", "changed", "observed"):
            names = getattr(self, name)
            if not isinstance(names, tuple):
                raise TypeError(f"{name} is a {type(names).__name__}; expected a tuple of names")
            if wrong := [type(each).__name__ for each in names if not isinstance(each, str)]:
                raise TypeError(f"{name} has a {wrong[0]}; expected a tuple of names")
        for name in ("raised", "lost"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name), "what is said of it, or None")
