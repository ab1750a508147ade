"""Arithmetic models: what an implementation is assumed to do, as data with sources. Bounds are theorems about these.

A *model* chooses the arithmetic for a problem, since one library does different things for different operations and
layouts. The default, *any order*, is for a kernel whose source you do not know. Every sum may be taken in any order,
every product may be fused, and exp and log are as inaccurate as in the least accurate library named in `source`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np

from ..problem.formats import FORMATS, Format
from ..problem.problem import Array
from ..problem.validation import check_flag, check_name, check_names, check_number, check_text, check_whole, shown

_MAY_BE_NONE = ("total", "factors")
STORED = frozenset(
    (
        "shift",
        "exp",
        "sum",
        "log",
        "output",
        "terms",
        "total",
        "logits",
        "product",
        "partial products",
        "gradient",
        "derivatives",
        "logsumexp",
        "scaled",
    )
)


@dataclass(frozen=True)
class Arithmetic:
    """Formats, elementary functions, the order of sums, and which intermediate results are kept in storage.

    `c_exp` and `c_log` bound the relative error of exp and log in units of `compute.u`; `exp_subnormals` bounds the
    absolute error of an exp whose result is subnormal, in units of the smallest subnormal. `source` says why.

    `depth` says how many additions one summand of a row's sum can go through, by a name in DEPTHS or as a number.
    `backward_depth` says the same of the sums of a row in a backward pass, by a name, and `total_depth` of the sum of
    losses over rows, which is taken in the format `total`.

    `stored` names the intermediate results that are rounded to `storage`: "shift" x - m, "exp", "sum" and "log" of a
    row; "output", when the backward pass starts from the stored result of the forward pass; "terms" of a loss or of its
    gradient, and their "total"; "logits" of a classifier and their gradient; a "product" before the bias is added, or
    "partial products"; the "gradient" of a loss, made in its forward pass, before it is multiplied by the upstream
    gradient; "derivatives" in a direction, every step of which is then rounded; a "logsumexp" before it is subtracted;
    and logits that are "scaled" by log₂e.

    `quotient` says that softmax is formed as a quotient, not as exp of a logarithm. `divides` says that a mean is
    divided after its sum, and its gradient once; neither is multiplied by a rounded reciprocal. `flushes` says that
    subnormal numbers may be flushed to 0. `factors` is the format that the factors of a matrix product are rounded to
    first, if they are. `forward` asks for accuracy class B, more than the usual algorithm gives.

    Four fields say what a fused kernel may do instead of what A2 to A4 of docs/theory/bounds.md assume. `online`: the
    sum of exponentials is rescaled whenever a larger maximum is met. `base2`: exp(x) is formed as 2^(x log₂e), with the
    product rounded. `subtracts_logsumexp`: log-probabilities are formed as x - ŷ, with ŷ a rounded logsumexp.
    `scales_logits`: logits are multiplied by log₂e before anything is subtracted, and the row is taken to base 2.

    `folded_from` says that a logsumexp may be folded from those of blocks of so many classes or more, but for one of
    them (Theorem 29); 0 that it is not.

    `through_maximum` says that derivatives may go through the row's maximum too, as autograd takes them (Theorem 28).
    """

    name: str
    storage: Format
    compute: Format
    c_exp: float
    c_log: float
    exp_subnormals: float
    source: str
    depth: str | int = "any order"
    backward_depth: str = "any order"
    total_depth: str | int = "any order"
    total: Format | None = None
    stored: frozenset[str] = frozenset()
    quotient: bool = False
    divides: bool = False
    flushes: bool = False
    factors: Format | None = None
    forward: bool = False
    online: bool = False
    base2: bool = False
    subtracts_logsumexp: bool = False
    scales_logits: bool = False
    folded_from: int = 0
    through_maximum: bool = False

    def __post_init__(self) -> None:
        for name in ("name", "source"):
            check_text(name, getattr(self, name), "a text")
        for name in ("storage", "compute", "total", "factors"):
            if not isinstance(getattr(self, name), Format) and not (
                name in _MAY_BE_NONE and getattr(self, name) is None
            ):
                raise TypeError(
                    f"{name} is {shown(getattr(self, name))}; expected a Format, such as FORMATS['float32']"
                )
        for name, least in (("c_exp", np.nextafter(0, 1)), ("c_log", np.nextafter(0, 1)), ("exp_subnormals", 0.0)):
            expected = "a positive number" if least else "a number that is not negative"
            if not least <= check_number(name, getattr(self, name), expected) < np.inf:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected {expected}")
        check_name("backward_depth", self.backward_depth, DEPTHS)
        for name in ("depth", "total_depth"):
            if isinstance(given := getattr(self, name), str):
                check_name(name, given, DEPTHS)
            else:
                check_whole(name, given, f"a number of additions, or one of {', '.join(DEPTHS)}", 0, 2**53)
        check_whole("folded_from", self.folded_from, "a number of classes, or 0", 0, 2**53)
        object.__setattr__(self, "stored", frozenset(check_names("stored", self.stored, "exp", sorted(STORED))))
        for each in fields(self):
            if isinstance(each.default, bool):
                check_flag(each.name, getattr(self, each.name))

    @property
    def rounds_on_storing(self) -> bool:
        """Whether a result is rounded once more when it is stored."""
        return self.storage != self.compute

    def rounding(self, step: str) -> float:
        """Relative error of the rounding of one result: u, or more when the result is stored."""
        u, stored = self.compute.u, self.storage.u if step in self.stored else 0.0
        return u + stored + u * stored

    def underflow(self, step: str = "") -> float:
        """Absolute error of one result that is too small for its format."""
        formats = (self.compute, self.storage) if step in self.stored else (self.compute,)
        return sum(each.tiny if self.flushes else each.subnormal for each in formats)

    def flushed(self, additions: Array | int) -> Array | float:
        """What sums may lose where subnormal numbers are flushed to 0."""
        return additions * self.compute.tiny if self.flushes else 0.0

    def blocks(self, classes: int) -> int:
        """How many blocks of a row may have a logsumexp of their own."""
        return -(-classes // self.folded_from) if self.folded_from else 1

    @property
    def exp_underflow(self) -> float:
        """Absolute error of an exp whose result is subnormal."""
        return self.compute.tiny if self.flushes else self.exp_subnormals * self.compute.subnormal


# ---- the order of sums ----------------------------------------------------------------------------------------------


@cache
def _numpy_depth(n: int) -> int:
    """numpy/_core/src/umath/loops_utils.h.src, pairwise_sum: eight accumulators up to 128 numbers, halves above."""
    if n < 8:
        return n - 1
    if n <= 128:
        return n // 8 - 1 + 3 + n % 8
    half = n // 2 - (n // 2) % 8
    return 1 + max(_numpy_depth(half), _numpy_depth(n - half))


def _lanes_depth(n: int, least: int) -> int:
    """torch CPU, aten/src/ATen/cpu/vec/functional_base.h: one accumulator for each lane of a vector, then the lanes.

    A vector of 16, 32 or 64 bytes has `least` lanes, or up to 16, by the processor and the format. Nothing is rounded
    where a lane is empty, so that n numbers need no more than n - 1 additions that round.
    """
    return min(n - 1, max(-(-n // lanes) - 1 + lanes - 1 for lanes in (2, 4, 8, 16) if lanes >= least))


def _cuda_depth(n: int) -> int:
    """torch CUDA, SoftMax.cu, PersistentSoftmax.cuh: up to 1024 threads with eight numbers at a time, then a tree.

    Up to 2048 numbers it is what was measured on an H200 (docs/generated/gpu.md); above, it allows for blocks whose
    warps are added up one after the other, as older torch has them, and more than was measured.
    """
    return min(n - 1, -(-n // 32) + 4 if n <= 2048 else -(-n // 1024) + 32)


DEPTHS: dict[str, Callable[[int], int]] = {
    "any order": lambda n: n - 1,
    "numpy": _numpy_depth,
    "2 lanes": lambda n: _lanes_depth(n, 2),
    "4 lanes": lambda n: _lanes_depth(n, 4),
    "8 lanes": lambda n: _lanes_depth(n, 8),
    "cuda": _cuda_depth,
}


def height(depth: str | int, n: int) -> int:
    """How many additions one of n numbers can go through."""
    return DEPTHS[depth](n) if isinstance(depth, str) else depth


# ---- arithmetics ----------------------------------------------------------------------------------------------------

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
    """The default for results stored in `dtype`; half precision computes in float32 and rounds once at the end.

    Raises: ValueError or TypeError for an unknown dtype.

    >>> any_order("float16").compute.name
    'float32'
    """
    check_name("dtype", dtype, FORMATS)
    if dtype == "float64":
        return _FLOAT64
    if dtype == "float32":
        return _FLOAT32
    return replace(_FLOAT32, name=f"any order in float32, one rounding to {dtype}", storage=FORMATS[dtype])


NUMPY64 = replace(
    _FLOAT64,
    name="numpy",
    c_exp=2.0,
    c_log=2.0,
    depth="numpy",
    backward_depth="numpy",
    total_depth="numpy",
    quotient=True,
    divides=True,
    source="exp, log: below 1 ulp (Intel SVML, class ha; glibc manual, 19.7); sums: pairwise, loops_utils.h.src.",
)
