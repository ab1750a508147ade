"""Sums and products of float64 numbers without an error, each as two float64 numbers.

T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18, 1971; D. E. Knuth,
The Art of Computer Programming 2, 4.2.2. A number that overflows on the way leaves nan.
"""

from __future__ import annotations

from ..problem.problem import Array

U = 2.0**-53
SPLITTER = 2.0**27 + 1


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """fl(a + b), and what it lacks (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def fast_two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """The same where |a| >= |b|, or a is 0 (Dekker)."""
    s = a + b
    return s, b - (s - a)


def split(a: Array) -> tuple[Array, Array]:
    """Two numbers of 26 bits whose sum is a (Veltkamp)."""
    t = SPLITTER * a
    high = t - (t - a)
    return high, a - high


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """fl(a b), and what it lacks, unless that underflows (Dekker)."""
    p = a * b
    (a_high, a_low), (b_high, b_low) = split(a), split(b)
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low
