"""Hard cases for double-double numbers, and what each building block of them must do with these."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
from flint import arb, ctx, fmpq

from softproof.truth import double_double, elementary, error_free, products
from softproof.truth.double_double import RADIUS, SMALL, DoubleDouble
from softproof.truth.error_free import two_sum

TINY, LARGEST = 2.0**-1074, float(np.finfo(np.float64).max)
EDGES = [
    0.0,
    TINY,
    3 * TINY,
    2.0**-1022,
    2.0**-969,
    1.0,
    1 + 2.0**-52,
    3.0,
    1 / 3,
    2.0**52 + 1,
    2.0**990,
    2.0**1000,
    LARGEST,
]


def drawn(rng: np.random.Generator, size: int, spread: int = 60, radius: float = 0.0) -> DoubleDouble:
    """Numbers of both signs, with low parts and radii, 0 among them."""
    high = np.ldexp(rng.uniform(0.5, 1, size), rng.integers(-spread, min(spread, 480), size)) * rng.choice(
        [-1, 1, 1, 0], size
    )
    low = np.spacing(np.abs(high)) / 2 * rng.uniform(-1, 1, size) * rng.integers(0, 2, size)
    high, low = two_sum(high, low)
    return DoubleDouble(high, low, np.abs(high) * radius * rng.random(size))


def middles(x: DoubleDouble) -> list[Fraction]:
    """high + low."""
    return [
        Fraction(high) + Fraction(low)
        for high, low in zip(*(part.reshape(-1).tolist() for part in (x.high, x.low)), strict=True)
    ]


def ends(x: DoubleDouble) -> list[tuple[Fraction, Fraction]]:
    """The least and the largest number that each element may be."""
    return [(m - Fraction(r), m + Fraction(r)) for m, r in zip(middles(x), x.radius.reshape(-1).tolist(), strict=True)]


def holds(found: DoubleDouble, exact: list[Any], sharp: float | None = None) -> None:
    """Each exact number is within the radius, which is at most the part `sharp` of a number that is not small."""
    assert found.size == len(exact)
    known = 0
    for high, middle, radius, number in zip(
        found.high.reshape(-1), middles_or_none(found), found.radius.reshape(-1), exact, strict=True
    ):
        if not np.isfinite(radius):
            continue
        known += 1
        assert middle is not None
        assert _distance(middle, number) <= Fraction(float(radius)) * Fraction(RADIUS), (float(high), number)
        assert sharp is None or abs(high) < SMALL or radius <= sharp * abs(high), (float(high), float(radius))
    assert known >= 0.8 * len(exact)


def middles_or_none(x: DoubleDouble) -> list[Fraction | None]:
    """The same of elements that may be unknown."""
    finite = np.isfinite(x.radius).reshape(-1)
    return [middles(x.reshape(-1)[i : i + 1])[0] if ok else None for i, ok in enumerate(finite)]


def _distance(middle: Fraction, number: Any) -> Fraction:
    """From a rational number, or an upper bound of that from a ball."""
    if isinstance(number, Fraction):
        return abs(middle - number)
    with ctx.workprec(4000):
        far = abs(arb(fmpq(middle.numerator, middle.denominator)) - number).upper()
        mantissa, exponent = map(int, far.man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


def balls_of(x: DoubleDouble) -> list[arb]:
    """high + low as balls without a radius."""
    with ctx.workprec(4000):
        return [arb(fmpq(m.numerator, m.denominator)) for m in middles(x)]


# ---- building blocks ------------------------------------------------------------------------------------------------


def check_transformations(module: ModuleType, rng: np.random.Generator) -> None:
    """Sums and products of float64 numbers are those of two numbers, unless they overflow or underflow."""
    x, y = drawn(rng, 300, 1000).high, drawn(rng, 300, 1000).high
    x, y = np.append(x, np.repeat(EDGES[:-1], 12)), np.append(y, np.tile(EDGES[:-1], 12))
    x = np.append(x, -y * (1 + 2.0**-50))
    y = np.append(y, y)
    s, lost = module.two_sum(x, y)
    assert [Fraction(a) + Fraction(b) for a, b in zip(x, y, strict=True)] == middles(DoubleDouble(s, lost))
    fits = (np.abs(x * y) >= SMALL) & (np.abs(x * y) < LARGEST) & (np.maximum(np.abs(x), np.abs(y)) < 2.0**990)
    p, lost = module.two_product(x[fits], y[fits])
    assert fits.sum() > 100
    assert [Fraction(a) * Fraction(b) for a, b in zip(x[fits], y[fits], strict=True)] == middles(DoubleDouble(p, lost))


OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
}


def check_arithmetic(module: ModuleType, rng: np.random.Generator) -> None:
    """Whatever the factors are within their radii."""
    for spread, radius in ((20, 0.0), (20, 2.0**-70), (20, 0.3), (480, 2.0**-60), (1070, 0.0)):
        x, y = drawn(rng, 150, spread, radius), drawn(rng, 150, spread, radius)
        x[:30] = DoubleDouble(-y.high[:30] * (1 + 2.0**-51), y.low[:30], y.radius[:30])  # cancels
        y.high[:100] += y.high[:100] == 0
        for name, exact in OPERATIONS.items():
            sharp = 2.0**-100 if name in ("multiply", "divide") and radius == 0 and spread == 20 else None
            first, second = (x[:100], y[:100]) if name == "divide" else (x, y)
            found = getattr(module, name)(first, second)
            for i in range(4):
                values = [exact(a[i % 2], b[i // 2]) for a, b in zip(ends(first), ends(second), strict=True)]
                holds(found, values, sharp)


def check_sums(module: ModuleType, rng: np.random.Generator) -> None:
    """Of many, and of one or none; those that cancel, and those of very different sizes."""
    for size, spread in ((0, 5), (1, 5), (7, 900), (1000, 5)):
        x = drawn(rng, size, spread, 2.0**-80)
        x = DoubleDouble(
            *(np.concatenate([part, sign * part[::-1]]) for part, sign in zip(x.parts, (-1, -1, 1), strict=True))
        )
        found = module.total(x)
        holds(found.reshape(-1), [sum(middles(x), Fraction(0))])
        assert found.radius.item() <= 2.0**-75 * np.abs(x.high).sum()
    wide = drawn(rng, 60).reshape(5, 12)
    assert module.total(wide, -1).shape == (5, 1)
    assert module.total(wide, 0).shape == (1, 12)
    holds(module.total(wide, 0).reshape(-1), [sum(middles(wide[:, i]), Fraction(0)) for i in range(12)])


def arguments(rng: np.random.Generator, *edges: float) -> DoubleDouble:
    """Drawn numbers, and some beside each of the edges."""
    near = np.array(
        [edge * (1 + step) for edge in edges for step in (0, 2.0**-52, -(2.0**-53), 2.0**-30, -(2.0**-9), 0.01)]
    )
    x = drawn(rng, 100, 12)
    return DoubleDouble(np.append(x.high, near), np.append(x.low, near * 2.0**-54 * rng.uniform(-0.5, 0.5, len(near))))


def check_functions(module: ModuleType, rng: np.random.Generator) -> None:
    """Next to where they overflow and underflow, and to 0 and 1; with radii, which grow as they must."""
    x = arguments(rng, 709.78, -700.0, -745.13, -800.0, 1e-300, 1e-10, -1e-5, 0.5, 2.0**-36, -(2.0**-34), 60.0)
    x = x[np.abs(x.high) < 2000]
    with ctx.workprec(4000):
        e = [each.exp() for each in balls_of(x)]
        holds(module.exp(x), e, 2.0**-93)
        holds(module.expm1(x), [each - 1 for each in e], 2.0**-58)
        wide = DoubleDouble(x.high, x.low, np.full(x.shape, 1e-3))
        holds(module.exp(wide), [each * arb(1e-3).exp() for each in e])
        holds(module.expm1(wide), [each * arb(-1e-3).exp() - 1 for each in e])
    y = arguments(rng, 1.0, 1.0, 2.0, 2.0**0.5, 0.7071, 1e300, 1e-310, 5e-324, 1 + 2.0**-12, 1e-3, 2.0**-10)
    y = DoubleDouble(np.abs(y.high), np.sign(y.high) * y.low)[y.high != 0]
    with ctx.workprec(4000):
        holds(module.log(y), [each.log() for each in balls_of(y)], 2.0**-88)
        holds(module.log1p(y), [each.log1p() for each in balls_of(y)], 2.0**-88)
        wide = DoubleDouble(y.high, None, y.high * 1e-3)
        most = [fmpq(end.numerator, end.denominator) for _, end in ends(wide)]
        holds(module.log(wide), [arb(each).log() for each in most])


def check_products(module: ModuleType, rng: np.random.Generator) -> None:
    """Of matrices whose elements differ in size, have low parts and radii, or are 0."""
    for (m, n, k), spread, radius in (
        ((3, 5, 4), 3, 0.0),
        ((2, 300, 3), 40, 2.0**-80),
        ((4, 1, 2), 500, 0.0),
        ((2, 3, 2), 5, 0.2),
    ):
        p, q = drawn(rng, m * n, spread, radius).reshape(m, n), drawn(rng, n * k, spread, radius).reshape(n, k)
        p[0] = 0.0
        found = module.matmul(p, q)
        for end in (0, 1):
            (a, b) = (np.array([each[end] for each in ends(x)], dtype=object).reshape(x.shape) for x in (p, q))
            holds(found.reshape(-1), [sum((a[i] * b[:, j]).tolist(), Fraction(0)) for i in range(m) for j in range(k)])
        assert (found.radius[0] == 0).all()
        size = np.abs(p.high).max(1, keepdims=True) * np.abs(q.high).max(0)
        assert (found.radius <= n * (2.0**-98 + 3 * radius) * size + 2.0**-1060).all()


Check = Callable[[ModuleType, np.random.Generator], None]
CHECKS: dict[Check, ModuleType] = {
    check_transformations: error_free,
    check_arithmetic: double_double,
    check_sums: double_double,
    check_functions: elementary,
    check_products: products,
}
