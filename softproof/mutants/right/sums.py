"""Sums of the last axis in many orders, each rounded to the format of its terms; and such with a term too few or many.

An order takes terms (R, n) with n >= 1 and gives their sum (R,). All of them fit A4 of docs/theory/bounds.md, or are
more accurate than it asks; those that add in float64 have a dtype of terms that is narrower.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ...problem.problem import Array

Order = Callable[[Array], Array]
Spoiled = Literal["", "dropped", "doubled"]


def _columns(terms: Array) -> list[Array]:
    return list(terms.T)


def sequential(terms: Array) -> Array:
    """One after another."""
    return np.asarray(np.add.accumulate(terms, -1)[:, -1])


def backwards(terms: Array) -> Array:
    """One after another from the last."""
    return sequential(terms[:, ::-1])


def ascending(terms: Array) -> Array:
    """The small ones first."""
    return sequential(np.take_along_axis(terms, np.argsort(np.abs(terms), -1), -1))


def descending(terms: Array) -> Array:
    """The large ones first."""
    return sequential(np.take_along_axis(terms, np.argsort(-np.abs(terms), -1), -1))


def pairwise(terms: Array) -> Array:
    """In halves of halves."""
    n = terms.shape[-1]
    return terms[:, 0] if n == 1 else np.asarray(pairwise(terms[:, : n // 2]) + pairwise(terms[:, n // 2 :]))


def folded(terms: Array) -> Array:
    """The second half onto the first, again and again, as the threads of a block do."""
    while (n := terms.shape[-1]) > 1:
        half = -(-n // 2)
        terms = np.concatenate((terms[:, : n - half] + terms[:, half:], terms[:, n - half : half]), -1)
    return terms[:, 0]


def random_tree(terms: Array) -> Array:
    """Any two partial sums, until one is left; the same tree for the same terms."""
    rng, left = np.random.default_rng(zlib.crc32(terms.tobytes())), _columns(terms)
    while len(left) > 1:
        one = left.pop(int(rng.integers(len(left))))
        other = left.pop(int(rng.integers(len(left))))
        left.append(one + other)
    return np.asarray(left[0])


def lanes(terms: Array, width: int = 4) -> Array:
    """Every fourth into one accumulator, and then these."""
    return sequential(np.stack([sequential(terms[:, k::width]) for k in range(min(width, terms.shape[-1]))], -1))


def blocked(terms: Array, width: int = 8) -> Array:
    """Eight by eight, and then the blocks."""
    blocks = range(0, terms.shape[-1], width)
    return sequential(np.stack([sequential(terms[:, k : k + width]) for k in blocks], -1))


def kahan(terms: Array) -> Array:
    """With a compensation: W. Kahan, CACM 8(1), 1965."""
    total, lost = np.zeros_like(terms[:, 0]), np.zeros_like(terms[:, 0])
    for each in _columns(terms):
        corrected = each - lost
        new = total + corrected
        lost = np.where(np.isfinite(new), (new - total) - corrected, 0)
        total = new
    return np.asarray(total)


def by_library(terms: Array) -> Array:
    """numpy.sum."""
    return np.asarray(terms.sum(-1))


def by_product(terms: Array) -> Array:
    """A product with a vector of ones."""
    return np.asarray(terms @ np.ones(terms.shape[-1], terms.dtype))


def by_einsum(terms: Array) -> Array:
    """numpy.einsum."""
    return np.asarray(np.einsum("ij->i", terms))


def scattered(terms: Array) -> Array:
    """Added to its place one by one, as atomic additions are."""
    total = np.zeros_like(terms[:, 0])
    np.add.at(total, np.repeat(np.arange(len(terms)), terms.shape[-1]), terms.reshape(-1))
    return total


def in_float64(terms: Array) -> Array:
    """In float64, and one rounding."""
    return np.asarray(terms.astype(np.float64).sum(-1), terms.dtype)


def bincount(terms: Array) -> Array:
    """numpy.bincount, whose weights are float64."""
    rows = np.repeat(np.arange(len(terms)), terms.shape[-1])
    return np.bincount(rows, terms.reshape(-1), minlength=len(terms)).astype(terms.dtype)


def welford(terms: Array) -> Array:
    """A running mean in float64, times n: B. P. Welford, Technometrics 4(3), 1962."""
    mean = np.zeros(len(terms))
    for k, each in enumerate(_columns(terms.astype(np.float64)), 1):
        mean += (each - mean) / k
    return np.asarray(mean * terms.shape[-1], terms.dtype)


def exact(terms: Array) -> Array:
    """Exactly, and one rounding: math.fsum."""
    return np.array([math.fsum(row) if np.isfinite(row).all() else row.sum() for row in terms], terms.dtype)


NARROW = (welford,)  # which are accurate because float64 is, for terms that are narrower


@dataclass(frozen=True)
class Sum:
    """A sum of the last axis (…, n) in an order, (…, 1); spoiled, its last term is missing or counts twice."""

    order: Order
    spoiled: Spoiled = ""

    def __call__(self, terms: Array) -> Array:
        """Of the terms that the formula is about."""
        if self.spoiled == "dropped":
            terms = terms[..., :-1]
        elif self.spoiled == "doubled":
            terms = np.concatenate((terms, terms[..., -1:]), -1)
        return self._added(terms)

    @property
    def intact(self) -> Sum:
        """The same order, for the other sums of a formula; another one where NARROW ones fail: terms that cancel."""
        return replace(self, order=in_float64 if self.order in NARROW else self.order, spoiled="")

    def dot(self, x: Array, y: Array) -> Array:
        """Products with rounding, and their sum."""
        return self(x * y)

    def _added(self, terms: Array) -> Array:
        if not terms.size:
            return np.zeros((*terms.shape[:-1], 1), terms.dtype)
        rows = self.order(np.ascontiguousarray(terms.reshape(-1, terms.shape[-1])))
        return rows.reshape(*terms.shape[:-1], 1)
