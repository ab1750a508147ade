"""Sizes of long dimensions, and which places of a long dimension stand out.

Kernels go wrong where a tile, a warp, a chunk, a grid or a counter ends, and at the sizes of real vocabularies. Half of
the sizes are such limits, the others come from a log-uniform distribution; so are the places that stand out.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..problem.problem import Array

VOCABULARIES = (32000, 32768, 50257, 128256, 151936, 152064, 200064, 201088, 256000, 262144, 262208)
GRID = 65535  # the most blocks along the second and third axis of a grid, and the most that 16 bits count
LEAST = 18  # the smallest size that is long
MOST = {"batch": 9 << 13, "positions": 9 << 13, "features": 9 << 13, "classes": (1 << 18) + 1024}
TOP = {"batch": GRID + 2, "positions": GRID + 2, "features": GRID + 2, "classes": 1 << 18}  # above all known limits
STEP = 4  # a stratum ends at so many times its first size


@cache
def limits(dimension: str) -> tuple[int, ...]:
    """Where something may end, in ascending order: powers of 2, also times 3, vocabularies, and beside each of them.

    >>> limits("features")[:8]
    (1, 2, 3, 4, 5, 6, 7, 8)
    """
    ends = [1 << power for power in range(20)] + [3 << power for power in range(20)]
    found = {end + beside for end in ends for beside in (-1, 0, 1)}
    if dimension == "classes":
        found |= {size + beside for size in VOCABULARIES for beside in (-1, 0, 1)}
    return tuple(sorted(size for size in found if 0 < size <= MOST[dimension]))


def limits_below(dimension: str, size: int) -> list[int]:
    """The limits below a size, in ascending order."""
    return [each for each in limits(dimension) if each < size]


def size_between(rng: np.random.Generator, dimension: str, low: int, high: int) -> int:
    """One of several limits in [low, high], or in half of the cases a size from a log-uniform distribution over it."""
    among = [size for size in limits(dimension) if low <= size <= high]
    if len(among) > 1 and rng.random() < 0.5:
        return among[rng.integers(len(among))]
    return int(min(high, np.floor(low * ((high + 1) / low) ** rng.random())))


def strata(dimension: str) -> tuple[tuple[int, int], ...]:
    """Ranges of sizes, first to last, that cover a dimension from `LEAST` up; the last holds all above the limits."""
    ranges, low = [], LEAST
    while low < TOP[dimension]:
        high = min(STEP * low, TOP[dimension])
        high = TOP[dimension] if TOP[dimension] < 2 * high else high  # no short one before the last
        ranges.append((low, high - 1))
        low = high
    return (*ranges, (low, MOST[dimension]))


# ---- places ---------------------------------------------------------------------------------------------------------

PATTERNS = ("limits", "blocks", "points")
FEW = 24  # points


def standing_out(rng: np.random.Generator, dimension: str, size: int, pattern: str = "") -> Array:
    """Which places of a long dimension stand out: limits; blocks as of tiles; or some points: (size,).

    The last place and the middle are always among them: a tile that is forgotten is most often the last, or any other.
    """
    stands_out, pattern = np.zeros(size, bool), pattern or PATTERNS[rng.integers(len(PATTERNS))]
    if pattern == "limits":
        stands_out[[0, *limits_below(dimension, size)]] = True
    elif pattern == "blocks":
        for length in 2 ** rng.integers(0, 12, 3):
            start = place(rng, dimension, size) // length * length
            stands_out[start : start + length] = True
    else:
        stands_out[[place(rng, dimension, size) for _ in range(FEW)]] = True
    stands_out[[size // 2, size - 1]] = True
    return stands_out


def place(rng: np.random.Generator, dimension: str, size: int) -> int:
    """The last place, the middle, the last of the largest tile, a limit, any, or one near the last."""
    inside = limits_below(dimension, size) or [0]
    tile = (1 << (size.bit_length() - 1)) - 1
    near = size - int(size ** rng.random())
    likely = (size - 1, size // 2, tile, inside[rng.integers(len(inside))], int(rng.integers(size)), near)
    return likely[rng.integers(len(likely))]
