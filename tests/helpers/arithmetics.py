"""Other arithmetics than the truth's: mpmath, decimal and fractions, each number with a bound of its own error.

The bound is a running one (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.3): every
operation carries the errors of its operands over, and adds `unit` times its result and `tiny`. The arithmetics that
round keep 420 digits, and 410 are taken for good: the rest covers the last digits of exp and log and the rounding of
the bound itself. A gap of 800 between logits leaves e^-800, about 10^-347, of a loss: 60 digits of that remain.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, Self

import mpmath  # type: ignore[import-untyped]  # mpmath ships no types
from flint import arb, ctx

DIGITS, GOOD = 420, 410
MP = mpmath.MPContext()
MP.dps = DIGITS
DECIMAL = decimal.Context(prec=DIGITS, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)
BITS = 2000  # for the way to a ball; more than the digits have


@dataclass(frozen=True)
class Number:
    """A number of some arithmetic, within `error` of the exact one."""

    value: Any
    error: Any

    unit: ClassVar[Any]
    tiny: ClassVar[Any]

    @classmethod
    def context(cls) -> AbstractContextManager[object]:
        """Where to calculate."""
        return nullcontext()

    @classmethod
    def exactly(cls, value: Any) -> Self:
        """`value` of this arithmetic, without an error."""
        return cls(value, cls.tiny * 0)

    @classmethod
    def of(cls, x: float) -> Self:
        """A float64 number, exactly."""
        raise NotImplementedError

    @classmethod
    def top(cls, x: Sequence[Self]) -> Self:
        """What is subtracted from logits before they are exponentiated: any number gives the same mathematics."""
        return cls.exactly(max(each.value for each in x))

    @classmethod
    def total(cls, terms: Sequence[Self]) -> Self:
        """The sum, 0 of nothing."""
        return sum(terms, cls.of(0.0))

    def ball(self) -> arb:
        """An enclosure of the exact number."""
        with ctx.workprec(BITS):
            return self._arb(self.value) + arb(0, 1) * self._arb(self.error)

    @staticmethod
    def _arb(value: Any) -> arb:
        return arb(value)

    def _rounded(self, value: Any, error: Any) -> Self:
        return type(self)(value, error + self.unit * abs(value) + self.tiny)

    def __neg__(self) -> Self:
        return type(self)(-self.value, self.error)

    def __add__(self, other: Self) -> Self:
        return self._rounded(self.value + other.value, self.error + other.error)

    def __sub__(self, other: Self) -> Self:
        return self + -other

    def __mul__(self, other: Self) -> Self:
        error = abs(self.value) * other.error + abs(other.value) * self.error + self.error * other.error
        return self._rounded(self.value * other.value, error)

    def __truediv__(self, other: Self) -> Self:
        quotient, least = self.value / other.value, abs(other.value) - other.error
        assert least > 0
        return self._rounded(quotient, (self.error + abs(quotient) * other.error) / least)

    def exp(self) -> Self:
        """e^x; e^δ - 1 <= 2δ for 0 <= δ <= 1."""
        assert self.error <= 1
        power = self._exp()
        return self._rounded(power, 2 * self.error * power)

    def log(self) -> Self:
        """log x; its slope is at most that at the lower end."""
        assert self.value > self.error
        return self._rounded(self._log(), self.error / (self.value - self.error))

    def _exp(self) -> Any:
        raise NotImplementedError

    def _log(self) -> Any:
        raise NotImplementedError


_exp = lru_cache(maxsize=4096)(MP.exp)  # e^(10^300) takes its time


class InMpmath(Number):
    """mpmath: exponents have no end, and so nothing is subtracted before exponentiating."""

    unit, tiny = MP.mpf(10) ** -GOOD, MP.mpf(0)

    @classmethod
    def of(cls, x: float) -> Self:
        """A float64 number, exactly."""
        return cls.exactly(MP.mpf(x))

    @classmethod
    def top(cls, x: Sequence[Self]) -> Self:  # noqa: ARG003  # the argument that the others need
        """Nothing."""
        return cls.of(0.0)

    def _exp(self) -> Any:
        return _exp(self.value)

    def _log(self) -> Any:
        return MP.log(self.value)


class InDecimal(Number):
    """decimal: exponents end at 10^18, and what lies below is 0 but for `tiny`."""

    unit, tiny = Decimal(10) ** -GOOD, Decimal(f"1e-{10**17}")

    @classmethod
    def context(cls) -> AbstractContextManager[object]:
        """Operators take their precision from the thread's context."""
        return decimal.localcontext(DECIMAL)

    @classmethod
    def of(cls, x: float) -> Self:
        """A float64 number, exactly."""
        return cls.exactly(Decimal(x))

    @staticmethod
    def _arb(value: Any) -> arb:
        return arb(str(value))

    def _exp(self) -> Any:
        return self.value.exp()

    def _log(self) -> Any:
        return self.value.ln()


class InFractions(Number):
    """fractions: no errors, e^0 = 1 and no other power, and of log x no more than that it is within x + 1/x of 0."""

    unit, tiny = Fraction(0), Fraction(0)

    @classmethod
    def of(cls, x: float) -> Self:
        """A float64 number, exactly."""
        return cls.exactly(Fraction(x))

    @staticmethod
    def _arb(value: Any) -> arb:
        quotient: arb = arb(value.numerator) / value.denominator
        return quotient

    def log(self) -> Self:
        """0, and an error that covers it."""
        return type(self)(Fraction(0), self.value + 1 / self.value + self.error)

    def _exp(self) -> Any:
        if self.value != 0:
            raise ArithmeticError(f"exp of {self.value} is not rational")
        return Fraction(1)
