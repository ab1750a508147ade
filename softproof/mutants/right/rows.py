"""Ways to take a row of logits: a subclass replaces one step.

x (R, C) logits, m (R, 1) the largest, d = x - m, e = exp d, s = Σ e, y the logsumexp, p and l the softmax and its
logarithm.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar

import numpy as np

from ...problem.problem import Array
from .sums import Sum


class LogitRow:
    """A2 to A4: the largest logit is subtracted, then everything is divided by the sum."""

    words: ClassVar[str] = "e/s, x - m - log s"
    needs: ClassVar[tuple[str, ...]] = ()
    below: ClassVar[float] = np.inf

    def __init__(self, x: Array, sum: Sum) -> None:  # it is one
        self.x, self.sum = x, sum

    @cached_property
    def m(self) -> Array:
        return np.asarray(self.x.max(-1, keepdims=True))

    @cached_property
    def d(self) -> Array:
        return np.asarray(self.x - self.m)

    @cached_property
    def e(self) -> Array:
        return np.asarray(np.exp(self.d))

    @cached_property
    def s(self) -> Array:
        return self.sum(self.e)

    @cached_property
    def log_s(self) -> Array:
        return np.asarray(np.log(self.s))

    @cached_property
    def p(self) -> Array:
        return np.asarray(self.e / self.s)

    @cached_property
    def l(self) -> Array:  # noqa: E743  # the letter of the literature
        return np.asarray(self.d - self.log_s)

    @cached_property
    def y(self) -> Array:
        return np.asarray(self.m + self.log_s)


def through_first_maximum(row: LogitRow, found: Array, sum: Sum, besides: Array | float = 0.0) -> Array:
    """A3'': what the gradient of the maximum is, minus the sum of those of the logits, at the first of the largest."""
    found = found.copy()
    at = (np.arange(len(found)), row.x.argmax(-1))
    found[at] += (besides - sum(found))[:, 0]
    return found


def through_all_maxima(row: LogitRow, found: Array, sum: Sum, besides: Array | float = 0.0) -> Array:
    """The same in equal parts at all of them."""
    largest = row.x == row.m
    share = (besides - sum(found)) / np.count_nonzero(largest, -1, keepdims=True).astype(found.dtype)
    return np.where(largest, found + share, found)


Maximum = Callable[..., Array]


def words_of(maximum: Maximum) -> str:
    """Of one of these two."""
    return maximum.__name__.replace("_", " ")


class Reciprocal(LogitRow):
    """A product with 1/s."""

    words = "e·(1/s)"

    @cached_property
    def p(self) -> Array:
        return np.asarray(self.e * (1 / self.s))


class ByLogarithm(LogitRow):
    """The softmax as exp of its logarithm."""

    words = "exp(log p)"

    @cached_property
    def p(self) -> Array:
        return np.asarray(np.exp(self.l))


class WithoutLargest(LogitRow):
    """The largest term, which is 1, is not added: log1p of the others."""

    words = "log1p of the others"

    @cached_property
    def _others(self) -> Array:
        e = self.e.copy()
        np.put_along_axis(e, self.x.argmax(-1)[:, None], 0, -1)
        return self.sum(e)

    @cached_property
    def s(self) -> Array:
        return np.asarray(1 + self._others)

    @cached_property
    def log_s(self) -> Array:
        return np.asarray(np.log1p(self._others))


class Base2(LogitRow):
    """A2': exp(d) as 2^(d log₂e)."""

    words, needs = "2^((x - m) log₂e)", ("A2'",)

    @cached_property
    def e(self) -> Array:
        return np.asarray(np.exp2(self.d * self.x.dtype.type(np.log2(np.e))))


class Online(LogitRow):
    """A3': blocks of three columns, each sum relative to the largest logit so far."""

    words = "a sum rescaled online"
    needs: ClassVar[tuple[str, ...]] = ("A3'",)
    width: ClassVar[int] = 3

    @cached_property
    def s(self) -> Array:
        return _online(self.x, self.sum, self.width, np.exp)


def _online(x: Array, sum: Sum, width: int, exp: Callable[[Array], Array]) -> Array:
    top, total = np.full_like(x[:, :1], -np.inf), np.zeros_like(x[:, :1])
    for start in range(0, x.shape[-1], width):
        block = x[:, start : start + width]
        new = np.maximum(top, block.max(-1, keepdims=True))
        safe = np.where(new == -np.inf, 0, new)
        last = start + width >= x.shape[-1]
        more = (sum if last else sum.intact)(exp(block - safe))
        total, top = total * np.where(top == new, 1, exp(top - safe)) + more, new
    return np.asarray(total)


class Stepwise(Online):
    """A3': one logit after another."""

    words, width = "a sum rescaled at each logit", 1


class Stored(LogitRow):
    """A4': x - y, from a logsumexp that is rounded."""

    words = "x - y, exp(x - y)"
    needs: ClassVar[tuple[str, ...]] = ("A4'",)

    @cached_property
    def l(self) -> Array:  # noqa: E743
        return np.asarray(self.x - self.y)

    @cached_property
    def p(self) -> Array:
        return np.asarray(np.exp(self.l))


class OnlineStored(Stored, Online):
    """A3' and A4'."""

    words, needs = "x - y, a sum rescaled online", ("A3'", "A4'")


class Folded(Stored):
    """A4''': blocks of 64 columns, each with a logsumexp of its own."""

    words, needs, width = "x - y, y folded from blocks", ("A4'", "A4'''"), 64

    @cached_property
    def y(self) -> Array:
        y = np.full_like(self.m, -np.inf)
        for start in range(0, self.x.shape[-1], self.width):
            last = start + self.width >= self.x.shape[-1]
            block = LogitRow(self.x[:, start : start + self.width], self.sum if last else self.sum.intact)
            y = np.logaddexp(y, np.where(block.m == -np.inf, -np.inf, block.y))
        return np.asarray(y)


class Scaled(LogitRow):
    """A2'': all of it to base 2, from logits times log₂e, with an online sum and a stored logsumexp."""

    words, needs = "2^(x log₂e - y₂)", ("A2''", "A3'", "A4'")
    below = 2.0**60

    @cached_property
    def _log2e(self) -> Array:
        return np.asarray(np.log2(np.e), self.x.dtype)

    @cached_property
    def _z(self) -> Array:
        return np.asarray(self.x * self._log2e)

    @cached_property
    def s(self) -> Array:
        return _online(self._z, self.sum, 4, np.exp2)

    @cached_property
    def _y2(self) -> Array:
        return np.asarray(self._z.max(-1, keepdims=True) + np.log2(self.s))

    @cached_property
    def p(self) -> Array:
        return np.asarray(np.exp2(self._z - self._y2))

    @cached_property
    def l(self) -> Array:  # noqa: E743
        return np.asarray((self._z - self._y2) / self._log2e)

    @cached_property
    def y(self) -> Array:
        return np.asarray(self._y2 * self.x.dtype.type(np.log(2)))


class ScaledFused(LogitRow):
    """A2'': x log₂e - m₂ with one rounding for both, as float64 has it for narrower formats."""

    words, needs = "2^fma(x, log₂e, -m₂)", ("A2''",)
    below = 2.0**60

    @cached_property
    def e(self) -> Array:
        log2e = np.float64(self.x.dtype.type(np.log2(np.e)))
        m2 = (self.m * log2e).astype(self.x.dtype)
        return np.asarray(np.exp2((self.x * log2e - m2).astype(self.x.dtype)))
