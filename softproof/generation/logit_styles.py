"""Looks of logits: what a row of numbers can be like, made from a seed.

Each style is a region that hurts some implementation: common offsets, gaps at which exponentials vanish, ties, ramps,
numbers next to underflow and overflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..problem.formats import FORMATS, Floats, Format

Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


@dataclass(frozen=True)
class Style:
    """One look of logits: `draw` takes (rng, shape) and makes rows along the last axis, in float64.

    It needs a format of `precision` bits that holds numbers up to `largest`.
    """

    draw: Draw
    precision: int = 0
    largest: float = 0.0

    def fits(self, fmt: Format, finite: bool) -> bool:
        """Whether `fmt` holds these logits and, if they have to be `finite`, the distances between them."""
        return fmt.precision >= self.precision and fmt.largest >= self.largest * (1 + finite)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], scale: float = 3.0) -> Floats:
    return rng.normal(0.0, scale, shape)


def _one_dominant(rng: np.random.Generator, shape: tuple[int, ...], gap: float) -> Floats:
    """Each row has one logit that stands `gap` above the rest."""
    x = rng.uniform(-1.0, 1.0, shape)
    if x.size:
        np.put_along_axis(x, rng.integers(0, shape[-1], (*shape[:-1], 1)), gap, axis=-1)
    return x


def _two_levels(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """A high and a low value, in any proportion."""
    return np.where(rng.random(shape) < rng.random(), 0.0, -rng.exponential(10.0))


def _spread(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """All magnitudes from 1/1000 to 10 000."""
    return rng.choice((-1.0, 1.0), shape) * 10.0 ** rng.uniform(-3.0, 4.0, shape)


def _near_underflow(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Exponentials around the smallest normal and subnormal numbers of float16, of float32, or of float64."""
    low, high = ((-18.0, -9.0), (-105.0, -86.0), (-747.0, -707.0))[rng.integers(3)]
    x = rng.uniform(low, high, shape)
    if x.size:
        np.put_along_axis(x, rng.integers(0, shape[-1], (*shape[:-1], 1)), 0.0, axis=-1)
    return x


def _stagnation(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """1, and then many exponentials below one rounding of it, each ignored by a running sum in float32 or float64."""
    x = np.full(shape, np.log(rng.choice((0.999, 0.5)) * rng.choice((2.0**-24, 2.0**-53))))
    x[..., :1] = 0.0
    return x


def _near_one(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """One logit so far above the rest that their exponentials together are from 1/20 down to nothing beside its own."""
    return _one_dominant(rng, shape, np.log(shape[-1]) + rng.uniform(3.0, 40.0))


def _ramp(rng: np.random.Generator, shape: tuple[int, ...], sign: float) -> Floats:
    """Equal steps from one end of the row to the other."""
    return np.broadcast_to(sign * rng.choice((0.01, 0.1, 1.0, 20.0, 100.0)) * np.linspace(0.0, 1.0, shape[-1]), shape)


# The styles of the campaign that docs/generated/figures.md reports; what is not finite is drawn by `strategies`.
STYLES = {
    "normal": Style(_normal),
    "wide": Style(lambda rng, shape: rng.uniform(-100.0, 100.0, shape)),
    "equal": Style(lambda rng, shape: np.full(shape, rng.normal())),
    "ties": Style(lambda rng, shape: rng.integers(-2, 3, shape).astype(np.float64)),
    "gap 8": Style(lambda rng, shape: _one_dominant(rng, shape, 8.0)),
    "gap 17": Style(lambda rng, shape: _one_dominant(rng, shape, 17.0)),
    "gap 89": Style(lambda rng, shape: _one_dominant(rng, shape, 89.0)),
    "gap 104": Style(lambda rng, shape: _one_dominant(rng, shape, 104.0)),
    "gap 800": Style(lambda rng, shape: _one_dominant(rng, shape, 800.0)),
    "two levels": Style(_two_levels),
    "spread": Style(_spread),
    "near underflow": Style(_near_underflow),
    "stagnation": Style(_stagnation),
    "near 1": Style(_near_one),
    "ramp up": Style(lambda rng, shape: _ramp(rng, shape, 1.0)),
    "ramp down": Style(lambda rng, shape: _ramp(rng, shape, -1.0)),
    "tiny": Style(lambda rng, shape: rng.normal(0.0, 1e-30, shape)),
    "up to 3e38": Style(lambda rng, shape: rng.uniform(-3e38, 3e38, shape), largest=3e38),
    "up to 1e300": Style(lambda rng, shape: rng.uniform(-1e300, 1e300, shape), largest=1e300),
    "offset 1e2": Style(lambda rng, shape: _normal(rng, shape) + 1e2),
    "offset 1e4": Style(lambda rng, shape: _normal(rng, shape) - 1e4),
    "offset 1e8": Style(lambda rng, shape: _normal(rng, shape, 30.0) + 1e8, precision=24),
    "Laplace": Style(lambda rng, shape: rng.laplace(0.0, 3.0, shape)),
    "Cauchy": Style(lambda rng, shape: rng.standard_cauchy(shape).clip(-3e4, 3e4)),
}


def styles(dtype: str, *, finite: bool = True) -> list[str]:
    """The names of STYLES in `dtype`; where logits have to be `finite`, so do the distances between them."""
    return [name for name, style in STYLES.items() if style.fits(FORMATS[dtype], finite)]


def every_row_its_own(rng: np.random.Generator, shape: tuple[int, ...], names: list[str]) -> Floats:
    """A style for each row, so that one problem visits several regions."""
    rows = [STYLES[names[rng.integers(len(names))]].draw(rng, shape[-1:]) for _ in range(int(np.prod(shape[:-1])))]
    return np.array(rows, np.float64).reshape(shape)
