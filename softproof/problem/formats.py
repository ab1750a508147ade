"""Floating-point formats: unit roundoff, range, and correct rounding to them from float64.

IEEE 754-2019, section 3.3, for float16, float32 and float64; bfloat16 has float32's exponent range and 8 significant
bits. Each format rounds to nearest, ties to even.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
_EXPONENT = np.int64(0x7FF0000000000000)  # of a float64


@dataclass(frozen=True)
class Format:
    """A binary floating-point format with `precision` significant bits and normal exponents down to `e_min`."""

    name: str
    precision: int
    e_min: int
    e_max: int

    @property
    def u(self) -> float:
        """Unit roundoff: the largest relative error of rounding to nearest."""
        return 2.0**-self.precision

    @property
    def tiny(self) -> float:
        """Smallest positive normal number."""
        return 2.0**self.e_min

    @property
    def subnormal(self) -> float:
        """Smallest positive number."""
        return 2.0 ** (self.e_min - self.precision + 1)

    @property
    def largest(self) -> float:
        """Largest finite number."""
        return (2.0 - 2.0 ** (1 - self.precision)) * 2.0**self.e_max

    def ulp(self, values: ArrayLike) -> Floats:
        """Spacing of the format's numbers just above |values| (Muller et al., Handbook of Floating-Point, 2.3).

        >>> FORMATS["float32"].ulp(1.0) == 2.0**-23
        np.True_
        """
        x = np.asarray(values, np.float64)
        power = (x.view(np.int64) & _EXPONENT).view(np.float64)  # 2**floor(log2 |x|), and 0 for subnormal x
        if power.min(initial=1.0) < self.tiny or power.max(initial=1.0) > 2.0**self.e_max:
            power = np.clip(power, self.tiny, 2.0**self.e_max)
        return np.asarray(power * (2 * self.u))

    def half_ulp(self, sizes: ArrayLike) -> Floats:
        """Half of that, for numbers that are not negative; beyond the largest it grows on, up to infinity.

        >>> FORMATS["float32"].half_ulp([1.5, 0.0]).tolist() == [2.0**-24, 2.0**-150]
        True
        """
        power = (np.asarray(sizes, np.float64).view(np.int64) & _EXPONENT).view(np.float64)
        found = np.maximum(power, self.tiny)
        found *= self.u
        return np.asarray(found)

    def round(self, values: ArrayLike) -> Floats:
        """The nearest numbers of this format, ties to even, infinity past the largest; float64 in, float64 out.

        >>> FORMATS["bfloat16"].round([1.00390625, 1.01171875, 4e38])
        array([1.      , 1.015625,      inf])
        """
        x = np.asarray(values, np.float64)
        if self.precision == 24:
            with np.errstate(over="ignore"):
                return x.astype(np.float32).astype(np.float64)
        quantum = self.ulp(x)
        with np.errstate(invalid="ignore", over="ignore"):
            rounded = np.where(np.isfinite(x), np.rint(x / quantum) * quantum, x)
        return np.where(np.abs(rounded) > self.largest, np.copysign(np.inf, rounded), rounded)

    def holds(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Which values are numbers of this format (infinities and NaN are)."""
        x = np.asarray(values, np.float64)
        return np.asarray((self.round(x) == x) | np.isnan(x))

    def first_not_held(self, array: NDArray[Any]) -> float | None:
        """The first of many numbers that is none of this format; None where all of them are.

        >>> FORMATS["float16"].first_not_held(np.array([1.0, 0.1])), FORMATS["float32"].first_not_held(np.zeros(3))
        (0.1, None)
        """
        if array.dtype.kind != "f" or self.precision >= {2: 24, 4: 24, 8: 53}[array.dtype.itemsize]:
            return None
        for start in range(0, array.size, 1 << 20):
            part = array.reshape(-1)[start : start + (1 << 20)]
            if (bad := ~self.holds(part)).any():
                return float(part[bad][0])
        return None


FORMATS = {
    "float64": Format("float64", 53, -1022, 1023),
    "float32": Format("float32", 24, -126, 127),
    "float16": Format("float16", 11, -14, 15),
    "bfloat16": Format("bfloat16", 8, -126, 127),
}
HALF = ("float16", "bfloat16")
