"""The question and the answer: a Problem, a Result and the arrays inside them.

Nothing here knows how anybody computes. Values are numbers of the problem's dtype, held in float64, or in float32 where
that holds them all: bfloat16 (which NumPy lacks) fits, no input is ever rounded twice, and a large problem takes no
more memory than its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    "reversed": "a negative step along the last axis, which torch does not have",
}
COMMON_LAYOUTS = tuple(name for name in LAYOUTS if name != "reversed")  # those that every framework has


def _fits_float32(array: Array) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.array_equal(array.astype(np.float32), array, equal_nan=True))


def _frozen(name: str, values: ArrayLike, dtype: str) -> Array:
    """A read-only copy: int64 for integers, float64 for numbers, or float32 where that loses nothing."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} is a {type(values).__name__}; expected numbers that NumPy holds ({error})") from None
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} has dtype {array.dtype}; expected integers or floating-point numbers")
    if array.dtype.kind in "iu":
        array = array.astype(np.int64)
    elif array.dtype == np.float32 or (dtype != "float64" and _fits_float32(array)):
        array = array.astype(np.float32)
    else:
        array = array.astype(np.float64)
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

    def __init__(
        self,
        operation: str,
        dtype: str,
        inputs: Mapping[str, ArrayLike],
        options: Mapping[str, Any] | None = None,
        grad_output: ArrayLike | None = None,
        layout: str | Mapping[str, str] = "contiguous",
        tangent: ArrayLike | None = None,
    ) -> None:
        for name, mapping in (("inputs", inputs), ("options", options or {})):
            if not isinstance(mapping, Mapping):
                raise TypeError(f"{name} is a {type(mapping).__name__}; expected a mapping from names")
        frozen = {name: _frozen(name, values, dtype) for name, values in inputs.items()}
        upstream = None if grad_output is None else _frozen("grad_output", grad_output, dtype)
        direction = None if tangent is None else _frozen("tangent", tangent, dtype)
        if not isinstance(layout, str):
            layout = {name: each for name, each in layout.items() if each != "contiguous"} or "contiguous"
        values = (operation, dtype, frozen, dict(options or {}), upstream, layout, direction)
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


@dataclass(frozen=True, eq=False)
class Output:
    """One array of an answer: its values in float32 or float64, without loss, and the dtype and device it came in."""

    values: Array
    dtype: str
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Result:
    """An answer: outputs by name (``"value"``, ``"grad_logits"``, ``"jvp"``, …), or what was raised instead.

    `written` names the inputs that the call changed, and `changed` what it changed that everybody shares, such as a
    function of numpy; both should be empty. `lost` says why there is no answer at all: the process ended, for one.
    """

    outputs: Mapping[str, Output] = field(default_factory=dict)
    written: tuple[str, ...] = ()
    raised: str | None = None
    changed: tuple[str, ...] = ()
    lost: str | None = None
