"""Evaluations in a small format that do their worst: any order of sums, fused or not, exp and log as far off as may be.

What docs/theory/bounds.md says of every evaluation is here seen on many. The numbers are float64 numbers that a
`Format` of a few bits holds; sums and products of two of them are exact in float64, and so are rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from softproof import Arithmetic
from softproof.problem.formats import Floats, Format
from softproof.problem.problem import Array


def small(precision: int, e_min: int = -30, e_max: int = 40, c: float = 3.0) -> Arithmetic:
    """Everything in one format of so many bits; exp and log within c u, subnormal exponentials within 2 units."""
    fmt = Format(f"{precision} bits", precision, e_min, e_max)
    return Arithmetic(f"any order in {precision} bits", fmt, fmt, c, c, 2.0, "tests")


@dataclass(frozen=True)
class Machine:
    """Operations of an arithmetic, each correctly rounded, and elementary functions that lean to one side.

    A lean of 1 is the largest number that A2 allows, of -1 the smallest, of 0 the nearest.
    """

    arithmetic: Arithmetic
    rng: np.random.Generator

    @property
    def format(self) -> Format:
        """That is computed in."""
        return self.arithmetic.compute

    def round(self, x: Floats) -> Floats:
        """To the format."""
        return self.format.round(x)

    def kept(self, step: str, x: Floats) -> Floats:
        """What becomes of an intermediate result: it is rounded where the arithmetic stores it."""
        return self.arithmetic.storage.round(x) if step in self.arithmetic.stored else x

    def add(self, *terms: Floats) -> Floats:
        """The first two, then the next, each addition rounded."""
        total = terms[0]
        for term in terms[1:]:
            total = self.round(total + term)
        return total

    def mul(self, *factors: Floats) -> Floats:
        """From the left, each product rounded."""
        product = factors[0]
        for factor in factors[1:]:
            product = self.round(product * factor)
        return product

    def div(self, x: Floats, y: Floats | float) -> Floats:
        """A quotient, or a product with a rounded inverse."""
        return self.round(x / y) if self.rng.random() < 0.5 else self.mul(x, self.round(np.divide(1.0, y)))

    def fused(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """x y + z, rounded once or twice."""
        return self.round(x * y + z) if self.rng.random() < 0.5 else self.add(self.mul(x, y), z)

    def _off(self, exact: Floats, error: Floats, lean: Floats) -> Floats:
        """The number of the format that is furthest from `exact` on the side of `lean`, and within `error`."""
        found = self.round(exact + lean * error)
        step = self.format.ulp(found)
        outside = np.abs(found - exact) > error
        back = np.where(outside, self.round(found - np.sign(found - exact) * step), found)
        nearest = self.round(exact)
        return np.where(np.abs(back - exact) <= error, back, nearest)

    def exp(self, x: Floats, lean: Floats) -> Floats:
        """A2, and 1 for 0."""
        a = self.arithmetic
        if a.base2 and self.rng.random() < 0.5:
            x = self.mul(x, self.round(np.log2([np.e]))) * np.log(2)
        e = np.exp(x)
        error = a.c_exp * a.compute.u * e + np.where(e < 2 * a.compute.tiny, a.exp_underflow, 0.0)
        return np.where(x == 0, 1.0, np.maximum(self._off(e, error, lean), 0.0))

    def log(self, x: Floats, lean: Floats, unit: float = 1.0) -> Floats:
        """A2, and 0 for 1; log₂ where the unit is log 2."""
        return self._logarithm(np.log(x) / unit, lean)

    def log1p(self, x: Floats, lean: Floats) -> Floats:
        """A2."""
        return self._logarithm(np.log1p(x), lean)

    def _logarithm(self, exact: Floats, lean: Floats) -> Floats:
        error = self.arithmetic.c_log * self.format.u * np.abs(exact)
        return np.where(exact == 0, 0.0, self._off(exact, error, lean))

    def sum(self, terms: Floats, start: Floats | None = None) -> Floats:
        """Of the last axis, kept: one after another, in halves, or by any tree; zeros change nothing."""
        left = [terms[..., k : k + 1] for k in self.rng.permutation(terms.shape[-1])]
        left += [] if start is None else [start]
        return self._tree(left, self.add)

    def dot(self, x: Floats, y: Floats) -> Floats:
        """Σ x y over the last axis, kept; products fused with the running sum, or rounded before a tree."""
        if self.rng.random() < 0.5:
            return self.sum(self.mul(x, y))
        order = self.rng.permutation(x.shape[-1])
        total = self.mul(x, y)[..., order[:1]]
        for k in order[1:]:
            total = self.round(x[..., k : k + 1] * y[..., k : k + 1] + total)
        return total

    def _tree(self, left: list[Floats], add: Callable[[Floats, Floats], Floats]) -> Floats:
        kind = self.rng.integers(3)
        while len(left) > 1:
            first = int(self.rng.integers(len(left))) if kind == 2 else 0
            one = left.pop(first)
            second = int(self.rng.integers(len(left))) if kind == 2 else 0
            total = add(one, left.pop(second))
            left.insert(len(left) if kind == 1 else 0, total)
        return left[0]

    def any_of(self, *forms: Callable[[], Floats]) -> Floats:
        """One of several ways to the same number."""
        return forms[int(self.rng.integers(len(forms)))]()


# ---- rows of logits -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Softmax of rows x (R, C) as A3 says, with a lean for each exponential and each logarithm."""

    machine: Machine
    x: Floats
    lean: Floats  # of exponentials (R, C)
    lean_log: Floats  # (R, 1)

    @cached_property
    def scaled(self) -> bool:
        """Whether the logits are multiplied by log₂e first (A2'')."""
        m = self.machine
        return m.arithmetic.scales_logits and m.rng.random() < 0.7

    @property
    def unit(self) -> float:
        """What z is counted in."""
        return float(np.log(2)) if self.scaled else 1.0

    @cached_property
    def z(self) -> Floats:
        """x, or x log₂e."""
        return self.machine.mul(self.x, self.machine.round(np.log2([np.e]))) if self.scaled else self.x

    def back(self, v: Floats) -> Floats:
        """What was counted in units of z."""
        m = self.machine
        if not self.scaled:
            return v
        return m.any_of(lambda: m.mul(v, m.round(np.log([2.0]))), lambda: m.div(v, m.round(np.log2([np.e]))))

    @cached_property
    def top(self) -> Floats:
        """m (R, 1)."""
        return np.asarray(self.z.max(-1, keepdims=True))

    @cached_property
    def d(self) -> Floats:
        """z - m, where the product with log₂e may be fused."""
        m = self.machine
        if self.scaled and m.rng.random() < 0.5:
            return m.round(self.x * m.round(np.log2([np.e])) - self.top)
        return m.kept("shift", m.round(self.z - self.top))

    @cached_property
    def e(self) -> Floats:
        """Exponentials."""
        return self.machine.kept("exp", self.machine.exp(self.d * self.unit, self.lean))

    @cached_property
    def s(self) -> Floats:
        """Their sum (R, 1)."""
        m = self.machine
        return m.kept("sum", m.sum(self.e) if not m.arithmetic.online else m.any_of(self._online, self.ascending))

    def _online(self) -> Floats:
        """In blocks that have maxima of their own, merged by any tree."""
        order = np.broadcast_to(self.machine.rng.permutation(self.x.shape[-1]), self.x.shape)
        return self._merged(order, int(self.machine.rng.integers(1, 4)))

    def ascending(self) -> Floats:
        """One after another from the least logit, so that all raise the maximum."""
        return self._merged(np.argsort(self.x, -1), 1)

    def _merged(self, order: Array, width: int) -> Floats:
        m, blocks = self.machine, []
        for start in range(0, order.shape[-1], width):
            at = order[:, start : start + width]
            z, lean = (np.take_along_axis(each, at, -1) for each in (self.z, self.lean))
            top = z.max(-1, keepdims=True)
            blocks.append((top, m.sum(m.exp(m.round(z - top) * self.unit, lean))))
        top, total = blocks[0]
        for other, added in blocks[1:]:
            new = np.maximum(top, other)
            total = m.add(self._rescaled(total, top, new), self._rescaled(added, other, new))
            top = new
        return total

    def _rescaled(self, total: Floats, top: Floats, new: Floats) -> Floats:
        moved = self.machine.round(top - new) * self.unit
        return self.machine.mul(total, self.machine.exp(moved, self.lean[:, :1]))

    @cached_property
    def log_s(self) -> Floats:
        """Its logarithm."""
        return self.machine.kept("log", self.machine.log(self.s, self.lean_log, self.unit))

    @cached_property
    def _log_p(self) -> Floats:
        """In units of z: Theorem 4, or 19."""
        m = self.machine
        if m.arithmetic.subtracts_logsumexp and m.rng.random() < 0.5:
            return m.round(self.z - self._lse)
        return m.round(self.d - self.log_s)

    @cached_property
    def log_p(self) -> Floats:
        """Theorem 4, or 19."""
        m = self.machine
        if self.scaled and m.arithmetic.subtracts_logsumexp and m.rng.random() < 0.5:
            return m.round(self.x - self.lse)
        return self.back(self._log_p)

    @cached_property
    def _lse(self) -> Floats:
        return self.machine.round(self.top + self.log_s)

    @cached_property
    def lse(self) -> Floats:
        """Theorem 3."""
        return self.back(self._lse)

    @cached_property
    def p(self) -> Floats:
        """Theorem 2, or exp of the log-softmax."""
        m = self.machine
        by_log = lambda: m.exp(self._log_p * self.unit, self.lean)  # noqa: E731
        return m.any_of(lambda: m.div(self.e, self.s), by_log, lambda: m.exp(self.log_p, self.lean))


def leans(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """One side for the row, another for a few of it, or any."""
    rows = rng.choice([-1.0, 1.0], (shape[0], 1)) * np.ones(shape)
    odd = rng.random(shape) < rng.choice([0.0, 1.0 / shape[1], 0.5])
    return np.where(odd, -rows, rows)


def vjp(m: Machine, p: Floats, h: Floats) -> Floats:
    """h - p Σh."""
    return m.fused(-p, m.sum(h), h)
