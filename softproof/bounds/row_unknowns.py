"""What the errors of a row of a derivative have in common (docs/theory/bounds.md, Theorem 21).

The error of a row's sum, and of every number that a row has once, is one unknown for all of its elements. What is left
to an element by itself is a few roundings, whatever the number of classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array
from .algebra import RowFactor, RowUnknowns, powers
from .arithmetic import Arithmetic

SLOPES = 2.0**-40  # relative error of p in float64: 1500 units for exponents down to -745, and a sum in pairs


@dataclass(frozen=True)
class Shared:
    """Probabilities ρ p ± own with one ρ for each row, which is 1 ± `grows` (Theorem 14)."""

    p: Floats  # (r, C)
    grows: Floats  # (r, 1)
    own: Floats  # (r, C)

    @classmethod
    def of(cls, p: Floats, factor: RowFactor) -> Shared:
        """By the factor of the probabilities that are used."""
        grows = np.expm1(factor.limit)
        own = factor.scaled * (1 + grows)
        own += factor.fixed
        return cls(p, grows, own)

    @property
    def most(self) -> Floats:
        """How large one may be (r, C)."""
        return np.asarray(self.p * (1 + self.grows) + self.own)

    def moved(self, size: Floats, error: Array | float) -> Floats:
        """How far ρ times a number that is known up to `error` may be from that number (r, 1)."""
        return np.asarray((size + error) * self.grows + error)


def of_difference(
    shared: Shared, value: Floats, total: Floats, total_error: Floats, lost: Array | float, a: Arithmetic
) -> RowUnknowns:
    """Theorem 21 (a): v = h - p T, T = Σh (r, 1), one unknown; `lost` is the error of h, and what underflows."""
    u, size = a.compute.u, np.abs(total)
    thrice, limit, most = float(powers(3, u)), shared.moved(size, total_error), size + total_error
    own = shared.own * (most * ((1 + u) * (1 + thrice)))
    own += shared.p * (u * (1 + thrice) * most * (1 + shared.grows) + (thrice + SLOPES) * limit)
    rounded = np.abs(value)
    rounded *= thrice
    own += rounded
    own += lost
    return RowUnknowns(shared.p, limit, own)


def of_product(shared: Shared, value: Floats, g: Floats, a: Arithmetic) -> RowUnknowns:
    """Theorem 21 (b): v = g p, g (r, 1), one unknown."""
    u, size = a.compute.u, np.abs(g)
    limit = shared.moved(size, 0.0)
    own = shared.own * (size * (1 + u))
    own += shared.p * ((u + SLOPES) * limit)
    own += u * np.abs(value)
    own += a.underflow()
    return RowUnknowns(shared.p, limit, own)


def of_centred(
    shared: Shared, value: Floats, g: Floats, inner: Floats, inner_error: Floats, roundings: Array, a: Arithmetic
) -> RowUnknowns:
    """Theorem 21 (c): v = p (g - S), S (r, 1) known up to `inner_error`, two unknowns."""
    size, most = np.abs(g), np.abs(inner) + inner_error
    reach = np.abs(g - inner) if a.quotient else size + np.abs(inner)
    limit = shared.moved(np.abs(inner), inner_error)
    own = shared.own * (reach + inner_error)
    own += shared.most * (roundings * (size + most))
    own += shared.p * ((a.compute.u + SLOPES) * (shared.grows * size + limit))
    own += a.compute.u * np.abs(value)
    own += 3 * a.underflow() + a.underflow("terms")
    return RowUnknowns(shared.p, limit, own, g, shared.grows)
