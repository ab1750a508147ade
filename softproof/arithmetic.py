"""Arithmetic models: what an implementation is assumed to do, as data with sources. Bounds are theorems about these.

The default, *any order*, is for a kernel that nobody has read: every sum may be taken in any order, every product may
be fused, and exp and log are as inaccurate as in the least accurate of the libraries named in `source`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .formats import FORMATS, Format


@dataclass(frozen=True)
class Arithmetic:
    """Formats and elementary functions.

    `c_exp` and `c_log` bound the relative error of exp and log in units of `compute.u`; `exp_subnormals` bounds the
    absolute error of an exp whose result is subnormal, in units of the smallest subnormal. `source` says why.
    """

    name: str
    storage: Format
    compute: Format
    c_exp: float
    c_log: float
    exp_subnormals: float
    source: str

    @property
    def rounds_on_storing(self) -> bool:
        """Whether a result is rounded once more when it is stored."""
        return self.storage != self.compute


_FLOAT64 = Arithmetic(
    "any order",
    storage=FORMATS["float64"],
    compute=FORMATS["float64"],
    c_exp=3.0,
    c_log=3.0,
    exp_subnormals=2.0,
    source="exp, log: CUDA C++ Programming Guide, 1 ulp from the rounded result: 1.5 ulp <= 3u. "
    "Subnormal results of exp: as for float32.",
)
_FLOAT32 = Arithmetic(
    "any order",
    storage=FORMATS["float32"],
    compute=FORMATS["float32"],
    c_exp=5.0,
    c_log=5.0,
    exp_subnormals=2.0,
    source="expf: CUDA C++ Programming Guide, 2 ulp from the rounded result: 2.5 ulp <= 5u. "
    "logf: NumPy's is the least accurate; its source states 2.359e-7 <= 4u, and 4.58u was measured on [1/2, 1) "
    "(tests/test_arithmetic.py), so 5u. Subnormal results of expf: measured on NumPy, 1.51 units.",
)


def any_order(dtype: str) -> Arithmetic:
    """The default model for results stored in `dtype`; half precision computes in float32 and rounds once at the end.

    >>> any_order("float16").compute.name
    'float32'
    """
    if dtype == "float64":
        return _FLOAT64
    if dtype == "float32":
        return _FLOAT32
    return replace(_FLOAT32, name=f"any order in float32, one rounding to {dtype}", storage=FORMATS[dtype])
