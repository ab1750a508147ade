"""Numbers that carry derivatives along: a + b ε + c η + d εη with ε² = η² = 0, each part a number of some arithmetic.

f(x + u ε + v η) = f + (∂f·u) ε + (∂f·v) η + (uᵀ ∂²f v) εη, exactly: Fike & Alonso, "The development of hyper-dual
numbers for exact second-derivative calculations", AIAA 2011-886. The definition of a value so defines its derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .arithmetics import Number


@dataclass(frozen=True)
class Hyperdual:
    """The four parts."""

    a: Any
    b: Any
    c: Any
    d: Any

    @property
    def value(self) -> Any:
        """That of the number itself."""
        return self.a.value

    def _of(self, f: Any, first: Any, second: Any) -> Hyperdual:
        """A function of this number, by its value and its first two derivatives there."""
        return Hyperdual(f, first * self.b, first * self.c, first * self.d + second * self.b * self.c)

    def __neg__(self) -> Hyperdual:
        return Hyperdual(-self.a, -self.b, -self.c, -self.d)

    def __add__(self, other: Hyperdual) -> Hyperdual:
        return Hyperdual(self.a + other.a, self.b + other.b, self.c + other.c, self.d + other.d)

    def __sub__(self, other: Hyperdual) -> Hyperdual:
        return self + -other

    def __mul__(self, other: Hyperdual) -> Hyperdual:
        mixed = self.a * other.d + self.b * other.c + self.c * other.b + self.d * other.a
        b, c = self.a * other.b + self.b * other.a, self.a * other.c + self.c * other.a
        return Hyperdual(self.a * other.a, b, c, mixed)

    def __truediv__(self, other: Hyperdual) -> Hyperdual:
        one = type(other.a).of(1.0)
        inverse = one / other.a
        square = inverse * inverse
        return self * other._of(inverse, -square, (square + square) * inverse)

    def exp(self) -> Hyperdual:
        """e^x."""
        power = self.a.exp()
        return self._of(power, power, power)

    def log(self) -> Hyperdual:
        """log x."""
        inverse = type(self.a).of(1.0) / self.a
        return self._of(self.a.log(), inverse, -(inverse * inverse))


@dataclass(frozen=True)
class Hyperduals:
    """The kind of number that has parts of `kind`."""

    kind: type[Number]

    def of(self, x: float) -> Hyperdual:
        """A constant."""
        return Hyperdual(self.kind.of(x), *[self.kind.of(0.0)] * 3)

    def variable(self, x: Any, first: Any, second: Any) -> Hyperdual:
        """x + first ε + second η."""
        return Hyperdual(x, first, second, self.kind.of(0.0))

    def top(self, x: Sequence[Hyperdual]) -> Hyperdual:
        """A constant too: what is subtracted from logits before they are exponentiated changes nothing."""
        return Hyperdual(self.kind.top([each.a for each in x]), *[self.kind.of(0.0)] * 3)

    def total(self, terms: Sequence[Hyperdual]) -> Hyperdual:
        """The sum."""
        return sum(terms, self.of(0.0))
