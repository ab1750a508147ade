"""The order of a sum, read out through the operation that hides it: how many additions each term goes through.

One logit is 0, so that its exponential is 1, and all others have the exponential t = 2⁻²⁴(1 + ε)/m. A partial sum of
s such terms that meets the 1 is added as round(s/2m) units of 2⁻²³: nothing where s < m. By how many units the whole
sum is above 1 tells how many partial sums on the way of the 1 have at least m terms, for m = n - 1 down to 1. They
are as many as the additions that the 1 goes through. Their sizes must add up to n - 1, which no wider accumulator,
and no other way to form the sum, meets. FPRev (Xie, arXiv 2411.00442) reads sums of both signs; this one needs
neither.

That is for sums in float32; in another format 24 is its precision. The assumption: the order depends on shapes, strides
and the device, and not on the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..problem.formats import Floats
from ..problem.problem import Array

Ask = Callable[[Floats], Array]  # rows of logits, or of numbers to add, (r, n) → what the sums are above 1 (r,)
PRECISION, SHARE = 24, 4  # of float32; 1/ε for each term


def little(n: int, share: int = SHARE) -> float:
    """1 + ε: what makes m terms round up, and m - 1 terms not."""
    return 1 + 1 / (share * n)


def questions(n: int, place: int, precision: int = PRECISION, share: int = SHARE) -> Floats:
    """The terms of n - 1 sums (n - 1, n): 1 at `place`, and t elsewhere, for m = n - 1 down to 1."""
    sizes = np.arange(n - 1, 0, -1)
    terms = np.repeat((2.0**-precision * little(n, share) / sizes)[:, None], n, axis=1)
    terms[:, place] = 1.0
    return terms


def siblings(above: Array, n: int, precision: int = PRECISION, share: int = SHARE) -> list[int] | None:
    """The sizes of the partial sums that met the term, from what each sum is `above` 1; None where no order fits.

    >>> siblings(np.array([0.0, 1.0]) * 2**-23, 3), siblings(np.array([0.0, 2.0]) * 2**-23, 3)
    (None, [1, 1])
    """
    units = np.rint(np.asarray(above, np.float64) / 2.0 ** (1 - precision))
    if not np.isfinite(units).all():
        return None
    sizes_met, sizes = np.zeros(0), np.arange(n - 1, 0, -1)
    for m, seen in zip(sizes, units, strict=True):
        more = int(seen - np.floor(sizes_met * (little(n, share) / (2 * m)) + 0.5).sum())
        if more < 0 or len(sizes_met) + more > n - 1:
            return None
        if more:
            sizes_met = np.append(sizes_met, np.full(more, float(m)))
    return [int(size) for size in sizes_met] if sizes_met.sum() == n - 1 else None


def places(n: int, count: int = 6) -> list[int]:
    """Where the 1 stands: the ends, the middle, and others between them; everywhere, where `count` is n."""
    if count >= n:
        return list(range(n))
    return sorted({min(n - 1, round(share * (n - 1))) for share in (0, 1, *np.linspace(0.11, 0.87, max(1, count - 2)))})


def depth(ask: Ask, n: int, at: Sequence[int] | None = None, precision: int = PRECISION) -> int | None:
    """The most additions that a term of n goes through, of those at some places; None where no order fits.

    >>> one_by_one = lambda terms: np.add.accumulate(terms.astype(np.float32), -1)[:, -1] - 1
    >>> depth(one_by_one, 100), depth(lambda terms: terms.sum(-1) - 1, 100)
    (99, None)
    """
    if n < 2:
        return 0
    return deepest([path(ask, n, place, precision) for place in (places(n) if at is None else at)])


def deepest(paths: Sequence[list[int] | None]) -> int | None:
    """The length of the longest of some paths; None where one has no order, or they are of no one tree."""
    depths = [len(each) for each in paths if each is not None]
    if len(depths) < len(paths) or sum(2.0**-each for each in depths) > 1:  # Kraft: not the leaves of one binary tree
        return None
    return max(depths)


def path(ask: Ask, n: int, place: int, precision: int = PRECISION, share: int = SHARE) -> list[int] | None:
    """The sizes of the partial sums that the term at a place meets; None where no order fits."""
    return siblings(ask(questions(n, place, precision, share)), n, precision, share)
