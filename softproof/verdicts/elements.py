"""Whether each element of an answer agrees with the truth, within its bound.

A comparison has three outcomes: ``|got - exact| <= allowed`` is certain, its opposite is certain, or the truth is not
known well enough yet and more bits are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
from flint import arb

from ..bounds.algebra import Allowed, RowFactor, RowUnknowns
from ..bounds.overflow import ANYTHING, allows, clashes
from ..problem.formats import Format
from ..problem.problem import Array
from ..problem.rows import wide
from ..truth.balls import balls
from ..truth.double_double import RADIUS, DoubleDouble
from ..truth.error_free import U, two_sum
from .verdict import AGREES, DISAGREES, NO_GUARANTEE, UNDECIDED, citation

OVERFLOW = 13  # the theorem of docs/theory/bounds.md
NEVER = "NaN and infinity are never accepted here"
VAGUE = 2.0**-20  # of a bound: a larger radius would show in what is reported, and is left to balls
LEAST, FINE = 2.0**-1074, 2.0**-1021  # the least float64 number, and up to where it is half a unit or more
ROUNDING = 2.0**-48  # of the few float64 operations on a radius, and between an error and its comparison


@dataclass(frozen=True)
class Elements:
    """Some rows of one output beside the truth, in row form (r, k)."""

    got: Array
    exact: Any  # as it was given: an array, or DoubleDouble
    nearest: Array  # the exact value, or the float64 next to it
    special: Array  # where the exact value is inf, -inf or nan
    error: Array  # got - exact, where both are finite
    doubt: Array  # how far `error` may be off
    allowed: Array
    agreed: Array  # certainly within the bound
    refuted: Array  # certainly outside
    factor: RowFactor | RowUnknowns | None = None
    left: Array | int = 0  # what an overflow on the way may leave (`bounds.overflow`)
    excused: Array | None = None  # by what elements agree besides their bounds, numbered as in `Verdict.cited`; and 0
    waits: Array | bool = False  # where the truth is not known well enough to tell whether it overflows
    open_ended: Array | bool = False  # where no document fixes the answer, and too little is known to tell a wrong one

    @classmethod
    def of(cls, got: Array, exact: Any, doubt: Array | float, bound: Allowed, storage: Format) -> Elements:
        """`exact` holds float64 values that are `doubt` away from the truth at most, or balls and special floats; or it
        is a `DoubleDouble`.
        """
        got = wide(got)
        if isinstance(exact, DoubleDouble):
            return cls._of_double_double(got, exact, bound, storage)
        if exact.dtype == object:
            return cls._of_balls(got, exact, bound, storage)
        with np.errstate(invalid="ignore", over="ignore"):
            error = got - exact
        return cls._decided(
            got, exact, exact, ~np.isfinite(exact), error, np.broadcast_to(doubt, got.shape), bound, storage
        )

    @classmethod
    def _of_double_double(cls, got: Array, exact: DoubleDouble, bound: Allowed, storage: Format) -> Elements:
        special, unknown = exact.special, exact.unknown
        nearest = np.where(unknown, np.nan, exact.high)
        with np.errstate(invalid="ignore", over="ignore"):
            s, lost = two_sum(got, -nearest)  # got - high, without an error
            rest = lost - exact.low
            error = np.where(unknown, 0.0, s + rest)
            radius = exact.radius * RADIUS
            doubt = radius + 2 * U * (np.abs(rest) + np.abs(error))
        finite = ~special & np.isfinite(got)
        doubt = np.where(finite, doubt, np.where(special, 0.0, radius + np.abs(exact.low)))
        error = np.where(finite, error, np.inf)
        elements = cls._decided(got, exact, nearest, special, error, doubt, bound, storage)
        far = elements.refuted & (np.abs(error) > 2 * bound.error)  # known to within a part of itself
        vague = unknown | finite & ~far & (doubt > np.maximum(bound.error * VAGUE, LEAST))
        if not vague.any():
            return elements
        agreed, refuted, waits = elements.agreed & ~vague, elements.refuted & ~vague, elements.waits | unknown
        return replace(elements, agreed=agreed, refuted=refuted, waits=waits)

    @classmethod
    def _of_balls(cls, got: Array, exact: Array, bound: Allowed, storage: Format) -> Elements:
        nearest = exact.astype(np.float64)
        floats = _is_float(exact).astype(bool)
        special = floats & ~np.isfinite(nearest)  # a float that is finite is a number
        finite = ~special & np.isfinite(got)
        error, doubt = np.full(got.shape, np.inf), np.zeros(got.shape)
        if (known := floats & ~special).any():
            exact = exact.copy()
            exact[known] = balls(nearest[known])
        difference = balls(got[finite]) - exact[finite]
        error[finite] = difference.astype(np.float64)  # the middles
        doubt[finite] = _radius(difference).astype(np.float64) * (1 + ROUNDING)
        if (rounded := finite & (np.abs(error) < FINE)).any():  # to multiples of the least number
            doubt[rounded] += np.where((error[rounded] == 0) & (got[rounded] == nearest[rounded]), 0.0, LEAST)
        if (strange := ~special & ~finite & np.isfinite(nearest)).any():
            beside = abs(balls(nearest[strange]) - exact[strange])
            doubt[strange] = _upper(beside).astype(np.float64) * (1 + ROUNDING)
        elements = cls._decided(got, exact, nearest, special, error, doubt, bound, storage)
        beyond = ~special & ~np.isfinite(nearest)
        if beyond.any() and (unknown := beyond & ~_is_known(exact).astype(bool)).any():
            elements = replace(elements, agreed=elements.agreed & ~unknown, refuted=elements.refuted & ~unknown,
                            waits=elements.waits | unknown)  # fmt: skip
        near = ~special & np.isfinite(got) & np.isfinite(elements.allowed) & ~elements.agreed & ~elements.refuted
        for i in zip(*np.nonzero(near), strict=True):
            distance, limit = abs(balls(got[i]).item() - exact[i]), balls(elements.allowed[i]).item()
            elements.agreed[i], elements.refuted[i] = distance <= limit, distance > limit  # exactly, on the edge
        return elements

    @classmethod
    def _decided(
        cls,
        got: Array,
        exact: Any,
        nearest: Array,
        special: Array,
        error: Array,
        doubt: Array,
        bound: Allowed,
        storage: Format,
    ) -> Elements:
        size, allowed = np.abs(error), bound.error
        with np.errstate(invalid="ignore", over="ignore"):
            agreed = size * (1 + ROUNDING) + doubt <= allowed
            refuted = np.zeros(got.shape, bool) if agreed.all() else size * (1 - ROUNDING) - doubt > allowed
        if not np.isfinite(allowed.max(initial=0.0)):
            agreed = agreed & np.isfinite(allowed)
        left = np.broadcast_to(np.asarray(bound.left), got.shape) if np.any(bound.left) else 0
        found = cls(got, exact, nearest, special, error, doubt, allowed, agreed, refuted, bound.row, left)
        return found._with_strange(storage) if special.any() or not np.isfinite(error).all() else found

    def _with_strange(self, storage: Format) -> Elements:
        """What is not finite, of the truth or of the answer, decided without the error (Theorem 13)."""
        strange = self.special | ~np.isfinite(self.got)
        right = self.special & ((self.got == self.nearest) | (np.isnan(self.got) & np.isnan(self.nearest)))
        infinite = ~self.special & np.isinf(self.got)
        vague = infinite & (self.allowed >= storage.largest)  # a bound that any number is within
        allowed = np.where(vague, np.inf, self.allowed)
        signed = np.where(self.got > 0, self.nearest, -self.nearest)
        certain, possible = (
            infinite & _rounds_to_infinity(signed, allowed, by, storage) for by in (-self.doubt, self.doubt)
        )
        on_the_way = ~self.special & ~np.isfinite(self.got) & allows(self.left, self.got)
        clash = self.special & clashes(self.left, self.nearest, self.got)
        vague_clash = clash & ((np.asarray(self.left) & ANYTHING) == ANYTHING)
        overflowed = certain | on_the_way & np.isfinite(allowed) | clash & ~vague_clash
        agreed = np.where(strange, right | overflowed, self.agreed)
        vague &= np.isfinite(self.allowed)
        refuted = np.where(strange, ~(agreed | possible | on_the_way | clash | vague), self.refuted)
        excused = np.where(overflowed, -OVERFLOW, 0) if overflowed.any() else None
        waits = possible & ~overflowed
        found = replace(self, allowed=allowed, agreed=agreed, refuted=refuted, excused=excused, waits=waits)
        return found.without_guarantee(vague_clash)

    def of_rows(self, rows: Array) -> Elements:
        """Some rows alone."""
        return self.moved(lambda each: each[rows], None if self.factor is None else self.factor.of_rows(rows))

    def moved(self, move: Callable[[Any], Any], factor: RowFactor | RowUnknowns | None) -> Elements:
        """Some elements alone, or elsewhere, and what their rows have in common."""
        arrays = (one.name for one in fields(self) if isinstance(getattr(self, one.name), (np.ndarray, DoubleDouble)))
        return replace(self, **{name: move(getattr(self, name)) for name in arrays}, factor=factor)

    def unless(self, number: int, where: Array, also: Callable[[Array], Array]) -> Elements:
        """The same; `where` row `number` of docs/theory/semantics.md applies, what is right by `also` agrees, too."""
        excused = ~self.agreed & where & also(self.got)
        if not excused.any():
            return self
        numbers = np.where(excused, number, 0 if self.excused is None else self.excused)
        return replace(self, agreed=self.agreed | excused, refuted=self.refuted & ~excused, excused=numbers)

    def without_guarantee(self, where: Array) -> Elements:
        """The same; nothing is guaranteed of the elements `where` this holds, unless they agree already."""
        where = where & ~self.agreed
        return replace(self, refuted=self.refuted & ~where, open_ended=self.open_ended | where)

    @property
    def unsure(self) -> Array:
        """Where neither the bound nor anything else guarantees a number."""
        unsure = ~self.special & ~np.isfinite(self.allowed) & ~np.asarray(self.waits) | self.open_ended
        return np.asarray(unsure if self.excused is None else unsure & (self.excused == 0))

    @property
    def open(self) -> Array:
        """Where more bits are needed."""
        found = ~self.agreed & ~self.refuted
        return np.asarray(found & ~self.unsure if found.any() else found)

    def outcomes(self) -> list[tuple[str, Array]]:
        """Each outcome that occurs, the worst first, and where."""
        if self.agreed.all():
            return [(AGREES, self.agreed)]
        found = [(DISAGREES, self.refuted), (UNDECIDED, self.open), (NO_GUARANTEE, self.unsure & ~self.refuted)]
        return [(outcome, where) for outcome, where in (*found, (AGREES, self.agreed)) if where.any()]

    @cached_property
    def _size(self) -> Array:
        """At least the error."""
        return np.asarray(np.abs(self.error) + self.doubt)

    @cached_property
    def ratio(self) -> Array:
        """At least the error in units of the bound."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = self._size / self.allowed
        if self.special.any() or not np.isfinite(ratio).all():
            ratio = np.where(self._size == 0, 0.0, ratio)
            strange = self.special | ~np.isfinite(self.got)
            strange = strange if self.excused is None else strange | (self.excused != 0)
            ratio = np.where(strange, np.where(self.agreed, 0.0, np.inf), ratio)
            ratio = np.where(self.unsure & ~self.refuted, 0.0, ratio)
        return np.where(self.agreed, np.minimum(ratio, 1.0), ratio) if ratio.max(initial=0.0) > 1 else ratio

    def ulps(self, storage: Format) -> Array:
        """At least the error in ulps of the exact value; 0 for elements that may be 0."""
        with np.errstate(invalid="ignore", over="ignore"):
            size = self._size / storage.ulp(self.nearest)
            counted = (np.abs(self.nearest) > self.doubt) & np.isfinite(size)
        return size if counted.all() else np.where(counted, size, 0.0)

    def describe(self, row: int, column: int, storage: Format) -> str:
        """One element in words."""
        at = row, column
        exact = self.exact[at]
        exact = exact.balls().item() if isinstance(exact, DoubleDouble) else exact
        text = f"got {float(self.got[at])!r}, exact {written(exact)}"
        if self.excused is not None and self.excused[at]:
            return f"{text}; {citation(int(self.excused[at]))}"
        if self.special[at]:
            return text
        allowed = f"{self.allowed[at]:.3g}"
        if not np.isfinite(self.got[at]) and not np.isfinite(self.allowed[at]):
            return f"{text}; " + (
                NEVER if self.refuted[at] else "an overflow may have left it, and the bound promises nothing"
            )
        if not np.isfinite(self.ratio[at]):
            return f"{text}; the allowed error is {allowed}"
        ulps = float(self.ulps(storage)[at])
        return f"{text}; the error is {self.ratio[at]:.3g} times the allowed {allowed}" + (
            f" ({ulps:.3g} ulp)" if ulps else ""
        )


FAR = 5  # digits of an exponent that are still read


def written(exact: float | arb) -> str:
    """The middle of a ball in words; a number that is very far from 1 by its magnitude alone.

    >>> written(arb(-1e20).exp()), written(arb(0.5))
    ('about 10^-4.34e+19', '0.50000000000000000')
    """
    if isinstance(exact, float):
        return repr(float(exact))
    text = str(exact.str(17, radius=False))
    digits, _, exponent = text.partition("e")
    if len(exponent.lstrip("+-")) <= FAR:
        return text
    sign = "-" * digits.startswith("-")
    power = f"10^{Decimal(exponent):.2e}"
    return f"about {sign}{power}" if float(digits) else f"0, within {power}"


_is_float = np.frompyfunc(float.__instancecheck__, 1, 1)  # isinstance(element, float)
_is_known = np.frompyfunc(lambda element: isinstance(element, float) or element.is_finite(), 1, 1)
_radius = np.frompyfunc(arb.rad, 1, 1)
_upper = np.frompyfunc(arb.abs_upper, 1, 1)


def _rounds_to_infinity(nearest: Array, allowed: Array, doubt: Array, storage: Format) -> Array:
    """Where a number rounds to inf: the exact value itself, or one within a bound that promises something."""
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = nearest + doubt - storage.largest
        return np.asarray(beyond + np.where(np.isfinite(allowed), allowed, 0.0) >= storage.ulp(storage.largest) / 2)
