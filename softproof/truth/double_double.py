"""Numbers of two float64 parts with a radius: what balls say, for whole arrays at a time.

An element is high + low ± radius, with high = fl(high + low). Arithmetic is as in M. Joldes, J.-M. Muller and
V. Popescu, "Tight and rigorous error bounds for basic building blocks of double-word arithmetic", ACM TOMS 44(2), 2017;
sums of many as in T. Ogita, S. M. Rump and S. Oishi, "Accurate sum and dot product", SIAM J. Sci. Comput. 26(6), 2005.
docs/theory/bounds.md, Theorem 23, says why each radius holds. An element that overflows, or of which nothing is known,
has a radius that is not finite. An infinity or nan of radius 0 is special: the exact answer is that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from flint import arb, ctx
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..problem.problem import Array
from .error_free import U, fast_two_sum, two_product, two_sum

SMALL = 2.0**-900  # above, no part of a product underflows
LOST = 2.0**-1070  # at least what may be lost below
PRODUCT, QUOTIENT = 16 * U * U, 32 * U * U  # relative errors
CHUNK = 1 << 12  # elements at a time
RADIUS = 1 + 2.0**-20  # of the float64 operations that a radius goes through


class DoubleDouble(NDArrayOperatorsMixin):
    """An array of such numbers, for the functions of NumPy that the truth is written in."""

    def __init__(self, high: Any, low: Any = None, radius: Any = None) -> None:
        self.high = np.asarray(high, np.float64)
        self.low = np.zeros_like(self.high) if low is None else np.asarray(low)
        self.radius = np.zeros_like(self.high) if radius is None else np.asarray(radius)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **_: Any) -> Any:
        """+, -, *, / and the elementary functions."""
        if method != "__call__" or ufunc not in UFUNCS:
            return NotImplemented
        return by_chunks(UFUNCS[ufunc], *map(as_double_double, inputs))

    def __array_function__(self, function: Any, _: Any, args: Any, kwargs: Any) -> Any:
        """Sums, and what only moves elements."""
        return FUNCTIONS[function](*args, **kwargs) if function in FUNCTIONS else NotImplemented

    @property
    def parts(self) -> tuple[Array, Array, Array]:
        """High, low and radius."""
        return self.high, self.low, self.radius

    def __getattr__(self, name: str) -> Any:
        """Its shape, ndim, size and dtype are those of its parts."""
        if name in ("shape", "ndim", "size", "dtype"):
            return getattr(self.high, name)
        raise AttributeError(name)

    @property
    def T(self) -> DoubleDouble:  # noqa: N802
        """As of an array."""
        return self.moved(np.transpose)

    @property
    def special(self) -> Array:
        """Where the exact answer is inf, -inf or nan."""
        return np.asarray(~np.isfinite(self.high) & (self.radius == 0))

    @property
    def unknown(self) -> Array:
        """Where more bits are needed to say anything."""
        return ~np.isfinite(self.radius)

    def __len__(self) -> int:
        """As of an array."""
        return len(self.high)

    def __getitem__(self, key: Any) -> DoubleDouble:
        """As of an array."""
        return self.moved(lambda part: part[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        """As of an array."""
        for part, new in zip(self.parts, as_double_double(value).parts, strict=True):
            part[key] = new

    def moved(self, move: Callable[[Array], Array]) -> DoubleDouble:
        """The same elements elsewhere."""
        return DoubleDouble(*map(move, self.parts))

    def copy(self) -> DoubleDouble:
        """As of an array."""
        return self.moved(lambda part: part.copy("K"))

    def summed(self, axis: int | None = None) -> DoubleDouble:
        """Σ along an axis, or along all, which stay: Theorem 23."""
        return total(self, axis)

    def reshape(self, *shape: int) -> DoubleDouble:
        """As of an array."""
        return self.moved(lambda part: part.reshape(*shape))

    def astype(self, dtype: Any, copy: bool = True) -> Array:
        """The numbers of a format next to them."""
        return self.high.astype(dtype, copy=copy)

    def balls(self) -> Array:
        """Balls that hold them, and floats where they are special: an array of objects."""
        array = np.empty(self.shape, object)
        radius = np.where(self.unknown, np.inf, self.radius)
        with ctx.workprec(128):
            for i in np.ndindex(self.shape):
                high, low = float(self.high[i]), float(self.low[i])
                array[i] = high if self.special[i] else arb(high, float(radius[i]) * RADIUS) + arb(low)
        return array


def as_double_double(values: Any) -> DoubleDouble:
    """Float64 values as exact numbers."""
    return values if isinstance(values, DoubleDouble) else DoubleDouble(values)


# ---- arithmetic: Theorem 23 -----------------------------------------------------------------------------------------


def negative(x: DoubleDouble) -> DoubleDouble:
    """-x."""
    return DoubleDouble(-x.high, -x.low, x.radius)


def add(x: DoubleDouble, y: DoubleDouble) -> DoubleDouble:
    """x + y."""
    s, lost = two_sum(x.high, y.high)
    low = x.low + y.low
    rest = lost + low
    high, low_ = two_sum(s, rest)
    return DoubleDouble(high, low_, x.radius + y.radius + 2 * U * (np.abs(low) + np.abs(rest)))


def subtract(x: DoubleDouble, y: DoubleDouble) -> DoubleDouble:
    """x - y."""
    return add(x, negative(y))


def multiply(x: DoubleDouble, y: DoubleDouble) -> DoubleDouble:
    """x y."""
    p, lost = two_product(x.high, y.high)
    high, low = fast_two_sum(p, lost + (x.high * y.low + x.low * y.high))
    size, other = np.abs(x.high), np.abs(y.high) * (1 + 2 * U)
    radius = x.radius * (other + y.radius) + y.radius * size * (1 + 2 * U) + PRODUCT * np.abs(high)
    if (np.abs(p) < SMALL).any():
        radius += np.where((np.abs(p) < SMALL) & _may_differ_from_0(x) & _may_differ_from_0(y), LOST, 0.0)
    return DoubleDouble(high, low, radius)


def divide(x: DoubleDouble, y: DoubleDouble) -> DoubleDouble:
    """x / y."""
    q = x.high / y.high
    p, lost = two_product(q, y.high)
    rest = (((x.high - p) - lost) + x.low) - q * y.low
    high, low = fast_two_sum(q, rest / y.high)
    size = np.abs(y.high) * (1 - 2 * U)
    beside = np.where(y.radius <= size / 2, size - y.radius, 0.0)  # 0 where y may be 0: infinite, or not a number
    radius = (x.radius + np.abs(high) * (1 + 2 * U) * y.radius) / beside + QUOTIENT * np.abs(high)
    radius = np.where(beside > 0, radius, np.inf)
    if (small := np.minimum(np.abs(x.high), np.abs(q)) < SMALL).any():
        radius += np.where(small & _may_differ_from_0(x), LOST + LOST / beside, 0.0)
    return DoubleDouble(high, low, radius)


def _may_differ_from_0(x: DoubleDouble) -> Array:
    return np.asarray((x.high != 0) | (x.radius != 0))


def total(x: DoubleDouble, axis: int | None = None) -> DoubleDouble:
    """Σ x along an axis, which stays: the high parts in pairs, without an error; what they lack, and the low parts, in
    float64.
    """
    parts = [
        np.moveaxis(part.reshape(-1) if axis is None else part, 0 if axis is None else axis, 0) for part in x.parts
    ]
    high, low, radius = parts[0], parts[1].sum(0), parts[2].sum(0)
    size, count = np.abs(parts[1]).sum(0), 2 * len(high)
    while len(high) > 1:
        half = len(high) // 2
        s, lost = two_sum(high[:half], high[half : 2 * half])
        low, size = low + lost.sum(0), size + np.abs(lost).sum(0)
        high = np.concatenate([s, high[2 * half :]]) if len(high) % 2 else s
    first, last = two_sum(high[0] if len(high) else np.zeros(low.shape), low)
    shape = [1 if axis is None or i == axis % len(x.shape) else n for i, n in enumerate(x.shape)]
    return DoubleDouble(first, last, radius + (count + 64) * U * size).reshape(*shape)


def by_chunks(function: Callable[..., DoubleDouble], *inputs: DoubleDouble) -> DoubleDouble:
    """A function of elements, some of them at a time, so that what is between input and result stays in the cache."""
    shape = np.broadcast_shapes(*(each.shape for each in inputs))
    if len(shape) != 2 or shape[0] * shape[1] <= 2 * CHUNK:
        return function(*inputs)
    order: Any = "F" if any(not each.high.flags.c_contiguous for each in inputs if each.shape == shape) else "C"
    result = DoubleDouble(*(np.empty(shape, order=order) for _ in range(3)))
    rows, columns = max(1, CHUNK // shape[1]), min(CHUNK, shape[1])
    for at in (
        (slice(i, i + rows), slice(j, j + columns))
        for i in range(0, shape[0], rows)
        for j in range(0, shape[1], columns)
    ):
        result[at] = function(*(each[_within(at, each.shape)] for each in inputs))
    return result


def _within(at: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The part of an array of that shape that meets a part of what it is broadcast to."""
    slices = at[2 - len(shape) :]
    return tuple(slice(None) if size == 1 else each for each, size in zip(slices, shape, strict=True))


# ---- in the place of NumPy's functions ------------------------------------------------------------------------------


def where(condition: Array, x: Any, y: Any) -> DoubleDouble:
    """As of arrays."""
    pairs = zip(as_double_double(x).parts, as_double_double(y).parts, strict=True)
    return DoubleDouble(*(np.where(condition, a, b) for a, b in pairs))


def concatenate(arrays: Sequence[Any], axis: int = 0) -> DoubleDouble:
    """As of arrays."""
    parts = zip(*(as_double_double(each).parts for each in arrays), strict=True)
    return DoubleDouble(*(np.concatenate(part, axis) for part in parts))


def moving(function: Callable[..., Array]) -> Callable[..., DoubleDouble]:
    """As of arrays: what moves elements, or repeats them."""
    return lambda x, *arguments: x.moved(lambda part: function(part, *arguments))


UFUNCS: dict[Any, Callable[..., DoubleDouble]] = {
    np.negative: negative,
    np.add: add,
    np.subtract: subtract,
    np.multiply: multiply,
    np.true_divide: divide,
}
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: where,
    np.concatenate: concatenate,
    np.broadcast_to: moving(np.broadcast_to),
    np.moveaxis: moving(np.moveaxis),
}
