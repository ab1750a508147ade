"""Double-double numbers: each radius holds and says something, over hard cases, and planted errors are seen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from softproof.truth import double_double, elementary
from softproof.truth.balls import of_fraction
from softproof.truth.double_double import RADIUS, DoubleDouble

from .helpers.double_doubles import (
    CHECKS,
    LARGEST,
    Check,
    check_arithmetic,
    check_functions,
    check_products,
    check_sums,
    check_transformations,
    drawn,
    holds,
)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


@pytest.fixture
def rng(number_of_the_run: int) -> np.random.Generator:
    """Of the seed of the run."""
    return np.random.default_rng(number_of_the_run)


@pytest.mark.parametrize("check", CHECKS)
def test_each_radius_holds(check: Check, rng: np.random.Generator) -> None:
    """Of every building block, against fractions and balls."""
    check(CHECKS[check], rng)


# What is changed in a file, and so must be seen: dropped low parts, wrong coefficients, radii that are too small.
FAULTS: list[tuple[Check, str, str]] = [
    (check_transformations, "(a - (s - t)) + (b - t)", "(a - (s - t))"),
    (check_transformations, "2.0**27 + 1", "2.0**29 + 1"),
    (check_transformations, ") + a_low * b_low", ")"),
    (check_arithmetic, "low = x.low + y.low", "low = x.low"),
    (check_arithmetic, "radius + y.radius + 2 * U", "radius + 2 * U"),
    (check_arithmetic, "radius + 2 * U * (np.abs(low) + np.abs(rest))", "radius"),
    (check_arithmetic, "x.high * y.low + x.low * y.high", "x.high * y.low"),
    (check_arithmetic, "PRODUCT, QUOTIENT = 16 * U * U, 32 * U * U", "PRODUCT, QUOTIENT = U * U / 16, 32 * U * U"),
    (check_arithmetic, "PRODUCT, QUOTIENT = 16 * U * U, 32 * U * U", "PRODUCT, QUOTIENT = 16 * U * U, U * U / 16"),
    (check_arithmetic, "x.radius * (other + y.radius)", "x.radius * other"),
    (check_arithmetic, "_may_differ_from_0(y), LOST, 0.0)", "_may_differ_from_0(y), 0.0, 0.0)"),
    (check_arithmetic, " - q * y.low", ""),
    (check_arithmetic, "size - y.radius, 0.0)", "size, 0.0)"),
    (check_arithmetic, "np.abs(high) * (1 + 2 * U) * y.radius", "0"),
    (check_sums, "low + lost.sum(0), size", "low, size"),
    (check_sums, "parts[0], parts[1].sum(0), parts[2]", "parts[0], 0 * parts[1].sum(0), parts[2]"),
    (check_sums, "high[2 * half :]", "high[:1]"),
    (check_functions, "1 / 24", "1 / 25"),
    (check_functions, "(1 / 120)", "(1 / 100)"),
    (check_functions, "(low - k * third)", "low"),
    (check_functions, "-(k * second)", "-(k * second * (1 + 2.0**-40))"),
    (check_functions, "lost / 2 + r * rest", "lost / 2"),
    (check_functions, "t * p_low + t_low * p", "t * p_low"),
    (check_functions, "(m_low + t_low)", "m_low"),
    (check_functions, "x.radius * (1 + x.radius), np.inf", "0 * x.radius, np.inf"),
    (check_functions, "LOST * (1 + grown)", "0 * grown"),
    (check_functions, "arb(1) / 5", "arb(1) / 7"),
    (check_functions, "1 / 7 + z.high / 9", "1 / 8 + z.high / 9"),
    (check_functions, "np.ldexp(x.low, -k) * c[at]", "0 * x.low"),
    (check_functions, "found.radius + x.radius / beside", "found.radius"),
    (check_functions, "close + square\n", "close\n"),
    (check_products, "x.radius, -exponents)", "0 * x.radius, -exponents)"),
    (check_products, "(54 - n.bit_length()) // 2", "30"),
    (check_products, "for part in (x.high, x.low)", "for part in (x.high,)"),
    (check_products, "p_size @ q_off", "0"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "old", "new"), FAULTS)
def test_planted_errors_are_seen(check: Check, old: str, new: str) -> None:
    """By the same checks."""
    right = CHECKS[check]
    source = Path(str(right.__file__)).read_text()
    assert source.count(old) == 1, source.count(old)
    wrong = ModuleType(right.__name__)
    wrong.__dict__["__package__"] = right.__package__
    exec(compile(source.replace(old, new), "wrong.py", "exec"), wrong.__dict__)

    with pytest.raises(AssertionError):
        check(wrong, np.random.default_rng(0))


def test_a_sum_of_many(rng: np.random.Generator) -> None:
    """A hundred thousand numbers that nearly cancel."""
    x = drawn(rng, 100_000, 3)
    high = np.append(x.high, -x.high[::-1] * (1 + 2.0**-40))
    found = DoubleDouble(high).summed()

    with ctx.workprec(400):
        exact: Any = sum((arb(each) for each in high.tolist()), arb(0))
        error = abs(arb(found.high.item()) + arb(found.low.item()) - exact)
    assert error <= found.radius.item() * RADIUS
    assert found.radius.item() <= 2.0**-80 * np.abs(high).sum()


# ---- arrays of them -------------------------------------------------------------------------------------------------


def test_what_overflows_is_unknown() -> None:
    """And never an infinity that the truth might be taken to be."""
    large = DoubleDouble(np.array([LARGEST, 1e308, 2.0**1000]))
    zero = DoubleDouble(np.zeros(3))

    results: list[Any] = [large + large, large * large, large / zero, np.exp(large), zero / zero, np.log(-large)]
    for found in results:
        assert found.unknown.any()
        assert not found.special.any()


def test_an_infinity_that_is_meant_stays() -> None:
    """As inf, -inf and nan among numbers."""
    one = DoubleDouble(np.ones(3))
    first, second = np.array([True, False, False]), np.array([False, True, False])
    found: Any = -double_double.where(first, np.inf, double_double.where(second, np.nan, one))

    assert found.special.tolist() == [True, True, False]
    assert found.balls()[0] == -np.inf
    assert np.isnan(found.balls()[1])
    assert found.balls()[2] == -1


def test_exact_zeros_stay_exact() -> None:
    """Though products of small numbers are not."""
    zero, small = DoubleDouble(np.zeros(1)), DoubleDouble(np.array([1e-200]))

    assert (zero * small).radius == 0 == (zero / small).radius
    assert (small * small).radius > 0


def test_rational_numbers() -> None:
    """Of any size; one that float64 cannot hold is unknown."""
    for exact in (
        Fraction(1, 3),
        Fraction(3),
        Fraction(2) ** 60 + Fraction(1, 7),
        Fraction(1, 3**400),
        Fraction(1, 10**400),
    ):
        holds(of_fraction(exact).reshape(1), [exact])
    assert of_fraction(Fraction(3)).radius == 0
    assert of_fraction(Fraction(10) ** 400).unknown


def test_large_arrays_are_evaluated_by_chunks(rng: np.random.Generator) -> None:
    """As small ones are, broadcast or not."""
    x, y, row = drawn(rng, 30_000).reshape(3, 10_000), drawn(rng, 3).reshape(3, 1), drawn(rng, 10_000)
    for shape in ((3, 10_000), (10_000, 3)):
        wide = x.reshape(*shape)
        for other in (y, row) if shape[0] == 3 else (y.T,):
            whole: Any = wide * other
            part = double_double.multiply(wide, other)
            assert all(np.array_equal(a, b) for a, b in zip(whole.parts, part.parts, strict=True))
    powers: Any = np.exp(x)
    pairs = zip(powers.parts, elementary.exp(x).parts, strict=True)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
