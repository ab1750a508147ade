"""Result, truth and bound in; Verdict out. Shape, dtype, device and finiteness come before values.

A comparison is made with balls, so that its outcome is certain: ``|got - exact| <= allowed`` or its opposite, or the
enclosure is too wide to tell and more bits are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .bounds import Bounds
from .exact import Truth, balls
from .formats import FORMATS, Format
from .problem import Array, Output, Problem, Result

AGREES, DISAGREES, UNDECIDED, NO_GUARANTEE = "agrees", "disagrees", "undecided", "no guarantee"


@dataclass(frozen=True)
class Verdict:
    """What the judge says about one answer.

    `ratio` is the worst error in units of the bound and `ulps` in units in the last place of the exact value; elements
    that are, or may be, exactly zero have no such unit and do not count. `output` and `index` say where the verdict was
    decided.
    """

    outcome: str
    ratio: float = 0.0
    ulps: float = 0.0
    output: str = ""
    index: tuple[int, ...] = ()
    explanation: str = ""
    problem: Problem | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the answer agrees with the truth; *no guarantee* and *undecided* are not agreement."""
        return self.outcome == AGREES

    def __str__(self) -> str:
        return f"{self.outcome}: {self.explanation}"


def compare(problem: Problem, result: Result, truth: Truth, bound: Bounds, *, device: str = "cpu") -> Verdict:
    """Judge one answer: the verdict of its worst output."""
    if text := _not_an_answer(result, truth):
        return Verdict(DISAGREES, np.inf, np.inf, explanation=text, problem=problem)
    verdicts = [
        _compare_output(problem, name, result.outputs[name], truth[name], bound[name], device) for name in truth
    ]
    for outcome in (DISAGREES, UNDECIDED, NO_GUARANTEE):
        if found := [verdict for verdict in verdicts if verdict.outcome == outcome]:
            return max(found, key=lambda verdict: verdict.ratio)
    worst = max(verdicts, key=lambda verdict: verdict.ratio)
    return replace(worst, ulps=max(verdict.ulps for verdict in verdicts))


def _not_an_answer(result: Result, truth: Truth) -> str:
    """What is wrong with an answer before any of its outputs is looked at; empty when nothing is."""
    if result.raised is not None:
        return f"raised {result.raised}"
    if result.written:
        return f"the call changed its input {', '.join(result.written)}"
    if result.outputs.keys() != truth.keys():
        return f"gave {', '.join(result.outputs) or 'nothing'}; expected {', '.join(truth)}"
    return ""


def _compare_output(problem: Problem, name: str, output: Output, truth: Array, bound: Array, device: str) -> Verdict:
    for what, given, expected in (
        ("shape", output.values.shape, truth.shape),
        ("dtype", output.dtype, problem.dtype),
        ("device", output.device.removesuffix(":0"), device.removesuffix(":0")),
    ):
        if given != expected:
            text = f"{name} has {what} {given}; expected {expected}"
            return Verdict(DISAGREES, np.inf, np.inf, name, explanation=text, problem=problem)
    if truth.size == 0:
        return Verdict(AGREES, output=name, problem=problem)

    elements = _Elements.of(output.values, truth, bound, FORMATS[problem.dtype])
    outcome, where = elements.outcome()
    worst = int(np.argmax(np.where(where, elements.ratio, -1.0)))
    index = tuple(int(i) for i in np.unravel_index(worst, truth.shape))
    place = f"{name}[{', '.join(map(str, index))}]" if index else name
    text = f"{place}: {elements.describe(worst)}; {int(where.sum())} of {where.size} elements"
    return Verdict(outcome, float(elements.ratio[worst]), float(elements.ulps.max()), name, index, text, problem)


@dataclass(frozen=True)
class _Elements:
    """The elements of one output, side by side with the truth."""

    got: Array
    exact: Array  # balls, or the floats inf, -inf and nan
    allowed: Array
    agreed: Array  # certainly within the bound
    refuted: Array  # certainly outside
    unsure: Array  # the bound promises nothing
    ratio: Array  # error in units of the bound
    ulps: Array  # error in ulps of the exact value

    @classmethod
    def of(cls, values: Array, truth: Array, bound: Array, storage: Format) -> _Elements:
        got, exact, allowed = values.reshape(-1), truth.reshape(-1), bound.reshape(-1)
        nearest, special = exact.astype(np.float64), _is_float(exact).astype(bool)
        finite = ~special & np.isfinite(got)
        error, limit = np.abs(balls(got[finite]) - exact[finite]), balls(allowed[finite])

        agreed = special & ((got == nearest) | (np.isnan(got) & np.isnan(nearest)))
        agreed |= ~special & _overflow_allowed(got, nearest, allowed, storage)
        refuted = ~agreed
        agreed[finite], refuted[finite] = error <= limit, error > limit

        absolute = np.where(refuted, np.inf, 0.0)
        absolute[finite] = error.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.where(absolute == 0, 0.0, np.where(np.isfinite(absolute), absolute / allowed, np.inf))
            ulps = np.where((absolute == 0) | _may_be_zero(exact).astype(bool), 0.0, absolute / storage.ulp(nearest))
        return cls(got, exact, allowed, agreed, refuted, ~special & ~np.isfinite(allowed), ratio, ulps)

    def outcome(self) -> tuple[str, Array]:
        """The outcome and the elements that it rests on: one certain failure decides."""
        if self.refuted.any():
            return DISAGREES, self.refuted
        if (open_ := ~self.agreed & ~self.unsure).any():
            return UNDECIDED, open_
        if self.unsure.any():
            return NO_GUARANTEE, self.unsure
        return AGREES, self.agreed

    def describe(self, i: int) -> str:
        """One element in words."""
        got, exact, allowed = float(self.got[i]), self.exact[i], f"{self.allowed[i]:.3g}"
        digits = repr(exact) if isinstance(exact, float) else exact.str(17, radius=False)
        text = f"got {got!r}, exact {digits}"
        if isinstance(exact, float):
            return text
        if not np.isfinite(self.ratio[i]):
            return f"{text}; the allowed error is {allowed}"
        ulps = f" ({self.ulps[i]:.3g} ulp)" if self.ulps[i] else ""
        return f"{text}; the error is {self.ratio[i]:.3g} times the allowed {allowed}{ulps}"


_is_float = np.frompyfunc(lambda element: isinstance(element, float), 1, 1)
_may_be_zero = np.frompyfunc(lambda element: not isinstance(element, float) and element.contains(0), 1, 1)


def _overflow_allowed(got: Array, nearest: Array, allowed: Array, storage: Format) -> Array:
    """Theorem 13: the correctly signed infinity, where the exact value is within its bound of overflowing."""
    near = np.abs(nearest) - storage.largest >= storage.ulp(storage.largest) / 2 - allowed
    return np.asarray(np.isinf(got) & (np.sign(got) == np.sign(nearest)) & near)
