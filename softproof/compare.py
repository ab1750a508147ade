"""Result, truth and bound in; Verdict out. Shape, dtype, device and finiteness come before values.

A comparison is made with balls, so that its outcome is certain: ``|got - exact| <= allowed`` or its opposite, or the
enclosure is too wide to tell and more bits are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from flint import arb

from .bounds import Bounds
from .exact import Truth, balls
from .formats import FORMATS
from .problem import Array, Output, Problem, Result

AGREES, DISAGREES, UNDECIDED, NO_GUARANTEE = "agrees", "disagrees", "undecided", "no guarantee"


@dataclass(frozen=True)
class Verdict:
    """What the judge says about one answer.

    `ratio` is the worst error in units of the bound and `ulps` in units in the last place of the exact value (elements
    that are exactly zero have no such unit and do not count). `output` and `index` say where the verdict was decided.
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
    if result.raised is not None:
        return Verdict(DISAGREES, np.inf, np.inf, explanation=f"raised {result.raised}", problem=problem)
    if result.written:
        text = f"the call changed its input {', '.join(result.written)}"
        return Verdict(DISAGREES, np.inf, np.inf, explanation=text, problem=problem)
    if missing := set(result.outputs) ^ set(truth):
        text = f"gave {', '.join(result.outputs) or 'nothing'}; expected {', '.join(truth)}"
        return Verdict(DISAGREES, np.inf, np.inf, output=min(missing), explanation=text, problem=problem)
    verdicts = [
        _compare_output(problem, name, result.outputs[name], truth[name], bound[name], device) for name in truth
    ]
    for outcome in (DISAGREES, UNDECIDED, NO_GUARANTEE):
        if found := [verdict for verdict in verdicts if verdict.outcome == outcome]:
            return max(found, key=lambda verdict: verdict.ratio)
    worst = max(verdicts, key=lambda verdict: verdict.ratio)
    ulps = max(verdict.ulps for verdict in verdicts)
    return Verdict(AGREES, worst.ratio, ulps, worst.output, worst.index, worst.explanation, problem)


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

    got, exact, allowed = output.values.reshape(-1), truth.reshape(-1), bound.reshape(-1)
    special = _is_float(exact).astype(bool)  # the exact answer is inf, -inf or nan
    nearest = exact.astype(np.float64)
    error = np.zeros(len(got), dtype=object)
    finite = ~special & np.isfinite(got)
    error[finite] = np.abs(balls(got[finite]) - exact[finite])

    agreed = np.where(special, (got == nearest) | (np.isnan(got) & np.isnan(nearest)), False)
    agreed[finite] = error[finite] <= balls(allowed[finite])
    refuted = ~agreed
    refuted[finite] = error[finite] > balls(allowed[finite])
    overflow = _overflow_allowed(problem, got, nearest, allowed, special)
    agreed, refuted = agreed | overflow, refuted & ~overflow

    ratio, ulps = _sizes(problem, error, nearest, allowed, finite)
    ratio[refuted & ~finite] = ulps[refuted & ~finite] = np.inf
    unsure = ~np.isfinite(allowed) & ~special
    if refuted.any():
        outcome, where = DISAGREES, refuted
    elif (~agreed & ~unsure).any():
        outcome, where = UNDECIDED, ~agreed & ~unsure
    elif unsure.any():
        outcome, where = NO_GUARANTEE, unsure
    else:
        outcome, where = AGREES, agreed
    worst = int(np.argmax(np.where(where, ratio, -1.0)))
    index = tuple(int(i) for i in np.unravel_index(worst, truth.shape))
    place = f"{name}[{', '.join(map(str, index))}]" if index else name
    text = (
        f"{place}: got {float(got[worst])!r}, exact {_digits(exact[worst])}, allowed error {allowed[worst]:.3g}; "
        f"error {ratio[worst]:.3g} of the bound, {ulps[worst]:.3g} ulp; {int(where.sum())} of {where.size} elements"
    )
    return Verdict(outcome, float(ratio[worst]), float(ulps.max()), name, index, text, problem)


_is_float = np.frompyfunc(lambda element: isinstance(element, float), 1, 1)


def _digits(element: arb | float) -> str:
    return element.str(17, radius=False) if isinstance(element, arb) else repr(element)


def _overflow_allowed(problem: Problem, got: Array, nearest: Array, allowed: Array, special: Array) -> Array:
    """Theorem 12: the correctly signed infinity, where the exact value is within its bound of overflowing."""
    near = np.abs(nearest) >= FORMATS[problem.dtype].largest - allowed
    return np.asarray(np.isinf(got) & (np.sign(got) == np.sign(nearest)) & near & ~special)


def _sizes(problem: Problem, error: Array, nearest: Array, allowed: Array, finite: Array) -> tuple[Array, Array]:
    """Errors in units of the bound, and in ulps of the exact value."""
    absolute = np.where(finite, error, 0.0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(absolute == 0, 0.0, absolute / allowed)
        ulps = np.where(finite & (nearest != 0), absolute / FORMATS[problem.dtype].ulp(nearest), 0.0)
    return ratio, ulps
