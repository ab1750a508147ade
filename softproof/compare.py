"""Result, truth and bound in; Verdict out. Shape, dtype, device and finiteness come before values.

A comparison is certain: ``|got - exact| <= allowed`` or its opposite, or the truth is not known well enough to tell,
and more bits are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from functools import cached_property

import numpy as np
from flint import arb

from .bounds import Allowed, RowFactor
from .exact import balls
from .formats import Format
from .operations import output_shapes
from .problem import Array, Problem, Result

AGREES, DISAGREES, UNDECIDED, NO_GUARANTEE = "agrees", "disagrees", "undecided", "no guarantee"
UNSPECIFIED, NOT_APPLICABLE = "unspecified", "not applicable"
ROUNDING = 2.0**-48  # of the few float64 operations between an error and its comparison


@dataclass(frozen=True)
class Verdict:
    """What the judge says about one answer.

    `ratio` is the worst error in units of the bound and `ulps` in units in the last place of the exact value; elements
    that are, or may be, exactly zero have no such unit and do not count. `output` and `index` say where the verdict was
    decided, `ratios` gives the worst error of each output, and `accuracy` is the class that was asked for.
    `unspecified` numbers the rows of docs/semantics.md without which some elements would not agree; the outcome is
    *unspecified* when these are all elements there are. `powerless` has the outputs whose bounds would have let answers
    pass that are wrong altogether, with these answers (`softproof.power`); `detectable` is the smallest relative error
    of an element of each output that would have been seen.
    """

    outcome: str
    ratio: float = 0.0
    ulps: float = 0.0
    output: str = ""
    index: tuple[int, ...] = ()
    explanation: str = ""
    problem: Problem | None = field(default=None, repr=False)
    ratios: dict[str, float] = field(default_factory=dict, repr=False)
    accuracy: str = "C"
    unspecified: tuple[int, ...] = ()
    powerless: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    detectable: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """Whether something was asked and nothing speaks against the answer; *unspecified* does not.

        *no guarantee*, *undecided* and *not applicable*, where nothing was asked, are not ok.
        """
        return self.outcome in (AGREES, UNSPECIFIED)

    def __str__(self) -> str:
        return f"{self.outcome}: {self.explanation}"


def not_an_answer(problem: Problem, result: Result, device: str, unasked: frozenset[str] = frozenset()) -> str:
    """What is wrong with an answer before any number of it is looked at; empty when nothing is.

    `unasked` names outputs of the problem that were not asked of this implementation.
    """
    if result.lost is not None:
        return result.lost
    if result.changed:
        return f"the call changed {', '.join(result.changed)}"
    if result.raised is not None:
        return f"raised {result.raised}"
    if result.written:
        return f"the call changed its input {', '.join(result.written)}"
    shapes = {name: shape for name, shape in output_shapes(problem).items() if name not in unasked}
    if result.outputs.keys() != shapes.keys():
        return f"gave {', '.join(result.outputs) or 'nothing'}; expected {', '.join(shapes)}"
    for name, output in result.outputs.items():
        for what, given, expected in (
            ("shape", output.values.shape, shapes[name]),
            ("dtype", output.dtype, problem.dtype),
            ("device", output.device.removesuffix(":0"), device.removesuffix(":0")),
        ):
            if given != expected:
                return f"{name} has {what} {given}; expected {expected}"
    return ""


@dataclass(frozen=True)
class Elements:
    """Some rows of one output beside the truth, in row form (r, k)."""

    got: Array
    exact: Array  # as it was given
    nearest: Array  # the exact value, or the float64 next to it
    special: Array  # where the exact value is inf, -inf or nan
    error: Array  # got - exact, where both are finite
    doubt: Array  # how far `error` may be off
    allowed: Array
    agreed: Array  # certainly within the bound
    refuted: Array  # certainly outside
    factor: RowFactor | None = None
    overflows: Array | bool = False  # where an intermediate result may
    excused: Array | None = None  # the numbers of docs/semantics.md that made elements agree, and 0

    @classmethod
    def of(cls, got: Array, exact: Array, doubt: Array | float, bound: Allowed, storage: Format) -> Elements:
        """`exact` holds float64 values that are `doubt` away from the truth at most, or balls and special floats."""
        got = got.astype(np.float64)
        if exact.dtype == object:
            return cls._of_balls(got, exact, bound, storage)
        with np.errstate(invalid="ignore", over="ignore"):
            error = got - exact
        return cls._decided(
            got, exact, exact, ~np.isfinite(exact), error, np.broadcast_to(doubt, got.shape), bound, storage
        )

    @classmethod
    def _of_balls(cls, got: Array, exact: Array, bound: Allowed, storage: Format) -> Elements:
        special = _is_float(exact).astype(bool)
        finite = ~special & np.isfinite(got)
        error, doubt = np.full(got.shape, np.inf), np.zeros(got.shape)
        difference = balls(got[finite]) - exact[finite]
        error[finite] = difference.astype(np.float64)  # the middles
        doubt[finite] = _radius(difference).astype(np.float64) * (1 + ROUNDING)
        found = cls._decided(got, exact, exact.astype(np.float64), special, error, doubt, bound, storage)
        near = ~special & np.isfinite(got) & np.isfinite(found.allowed) & ~found.agreed & ~found.refuted
        for i in zip(*np.nonzero(near), strict=True):
            distance, limit = abs(balls(got[i]).item() - exact[i]), balls(found.allowed[i]).item()
            found.agreed[i], found.refuted[i] = distance <= limit, distance > limit  # exactly, on the edge
        return found

    @classmethod
    def _decided(
        cls,
        got: Array,
        exact: Array,
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
        if special.any() or not np.isfinite(error).all():
            strange, promised = special | ~np.isfinite(got), np.isfinite(allowed)
            right = special & ((got == nearest) | (np.isnan(got) & np.isnan(nearest)))
            overflowed = np.isinf(got) & (np.sign(got) == np.sign(nearest)) & _overflow(nearest, bound, storage)
            right |= ~special & overflowed & (promised | _certainly_overflows(nearest, storage))
            right |= ~special & ~np.isfinite(got) & bound.overflows & bound.mixed
            agreed, refuted = np.where(strange, right, agreed), np.where(strange, ~right, refuted)
        overflows = np.broadcast_to(np.asarray(bound.overflows), got.shape) if np.any(bound.overflows) else False
        return cls(got, exact, nearest, special, error, doubt, allowed, agreed, refuted, bound.row, overflows)

    def of_rows(self, rows: Array) -> Elements:
        """Some rows alone."""
        arrays = [one.name for one in fields(self) if isinstance(getattr(self, one.name), np.ndarray)]
        each = {name: getattr(self, name)[rows] for name in arrays}
        return replace(self, **each, factor=None if self.factor is None else self.factor.of_rows(rows))

    def unless(self, number: int, where: Array, also: Callable[[Array], Array]) -> Elements:
        """The same, but `where` row `number` of docs/semantics.md applies, what is `also` right agrees."""
        excused = ~self.agreed & where & also(self.got)
        if not excused.any():
            return self
        numbers = np.where(excused, number, 0 if self.excused is None else self.excused)
        return replace(self, agreed=self.agreed | excused, refuted=self.refuted & ~excused, excused=numbers)

    @property
    def unsure(self) -> Array:
        """Where the bound promises nothing."""
        unsure = ~self.special & ~np.isfinite(self.allowed)
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
            strange = strange if self.excused is None else strange | (self.excused > 0)
            ratio = np.where(strange, np.where(self.agreed, 0.0, np.inf), ratio)
            ratio = np.where(self.unsure & ~self.refuted, 0.0, ratio)
        return ratio

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
        text = f"got {float(self.got[at])!r}, exact {written(exact)}"
        if self.special[at]:
            return text
        allowed = f"{self.allowed[at]:.3g}"
        if not np.isfinite(self.got[at]) and not np.isfinite(self.allowed[at]):
            return f"{text}; no bound excuses what is not a number"
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


_is_float = np.frompyfunc(lambda element: isinstance(element, float), 1, 1)
_radius = np.frompyfunc(arb.rad, 1, 1)


def _certainly_overflows(nearest: Array, storage: Format) -> Array:
    """Where the exact value itself rounds to an infinity."""
    with np.errstate(over="ignore"):
        return np.asarray(np.abs(nearest) >= storage.largest + storage.ulp(storage.largest) / 2)


def _overflow(nearest: Array, bound: Allowed, storage: Format) -> Array:
    """Theorem 13: where an infinity agrees, since the result is within its bound of overflowing, or a part of it is."""
    with np.errstate(invalid="ignore"):
        near = np.abs(nearest) - storage.largest >= storage.ulp(storage.largest) / 2 - bound.error
    return np.asarray(near | bound.overflows)


@np.errstate(all="ignore")  # an interval may be empty of numbers, or without an end
def infeasible_rows(elements: Elements) -> tuple[Array, Array, Array]:
    """Theorem 14: rows whose errors no single error of the sum explains.

    Returns: for each row how many times too far apart two of its elements are (above 1 is certainly wrong; 0 where the
    test says nothing), and the two columns.
    """
    factor = elements.factor
    assert factor is not None
    counted = ~elements.special & np.isfinite(elements.got) & np.isfinite(elements.allowed)
    error, own = elements.error, factor.fixed + elements.doubt
    if factor.multiplies:
        p = elements.nearest
        low = np.where(counted, (error - own - factor.scaled) / (p + factor.scaled), -np.inf)
        high = np.where(counted & (p > factor.scaled), (error + own + factor.scaled) / (p - factor.scaled), np.inf)
    else:
        low, high = np.where(counted, error - own, -np.inf), np.where(counted, error + own, np.inf)
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)  # 0/0: exactly 0
    first, second = low.argmax(-1), high.argmin(-1)
    rows = np.arange(len(low))
    gap = low[rows, first] - high[rows, second]
    width = np.abs(high - low) / 2
    reach = width[rows, first] + width[rows, second]
    ratio = np.where(gap * (1 - ROUNDING) > 0, 1 + gap / reach, 0.0)
    return np.nan_to_num(ratio, nan=0.0, posinf=np.inf), first, second
