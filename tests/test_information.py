"""Gradients of entropy, cross-entropy and divergence against difference quotients, and what they are beside a zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath  # type: ignore[import-untyped]  # mpmath ships no types
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import manual
from softproof import Candidate, any_order
from softproof.bounds.algebra import powers, rmul
from softproof.candidates.frameworks import arrays_of
from softproof.generation.drawn_arrays import seeds
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array

MP = mpmath.MPContext()
MP.dps = 100

Values = Callable[..., Any]

DEFINITIONS: dict[str, Values] = {
    "entropy": lambda p: -sum(x * MP.log(x) for x in p),
    "distribution_cross_entropy": lambda p, q: -sum(x * MP.log(y) for x, y in zip(p, q, strict=True)),
    "kl_divergence": lambda p, q: sum(x * MP.log(x / y) for x, y in zip(p, q, strict=True)),
}


def _backward(half: Candidate, operation: str, dtype: str, device: str, *given: Array, dim: int = -1) -> list[Array]:
    """The gradients of a half, widened to float64, given the upstream gradient and the distributions."""
    arrays = [arrays_of(half.adapter).make(np.asarray(each), dtype, "contiguous", device) for each in given]
    found = half.backwards[operation](*arrays, dim=dim)
    outputs = [arrays_of(half.adapter).take(each) for each in (found if isinstance(found, tuple) else (found,))]
    assert all(output.dtype == dtype and output.device.startswith(device) for output in outputs)
    return [output.values for output in outputs]


def _slope(value: Values, rows: list[list[Any]], which: int, index: int) -> Any:
    """(f(x + h) - f(x - h)) / 2h for one element x > 0, with h = x / 10^30.

    Every third derivative is 0, 1/x² or 2f'/x² in size, so that what Taylor leaves is below 10^-60 of the terms of f';
    the 100 digits leave less for x >= 2^-10. Neither is anything beside the rounding of float64.
    """
    x = rows[which][index]
    h = x / MP.mpf(10) ** 30
    values = []
    for moved in (x + h, x - h):
        changed = [list(row) for row in rows]
        changed[which][index] = moved
        values.append(value(*changed))
    return (values[0] - values[1]) / (2 * h)


def _allowed(operation: str, dtype: str, which: int, g: float, row: list[float]) -> float:
    """The rounding of g (log p - log q + 1), each term with a logarithm and three roundings, or of two for g p / q.

    Nothing underflows, since p, q and g are 0 or at least 2^-10. The last factor is for the rounding of the bound.
    """
    arithmetic = any_order(dtype)
    u = arithmetic.compute.u
    if which == 1:
        error = abs(g * row[0] / row[1]) * powers(2, u)
    else:
        logs = sum(abs(np.log(x)) for x in (row[1:] if operation == "distribution_cross_entropy" else row))
        error = abs(g) * (logs + 1) * rmul(arithmetic.c_log * u, powers(3, u))
    return float(error * (1 + 2.0**-20))


@pytest.mark.parametrize("operation", DEFINITIONS)
@given(size=st.tuples(st.integers(1, 3), st.integers(1, 4)), seed=seeds(), first=st.booleans())
def test_gradients_are_difference_quotients(
    half: Candidate, device: str, operation: str, dtype: str, size: tuple[int, int], seed: int, first: bool
) -> None:
    """Of the definitions at 100 digits, along both axes."""
    rng, inputs = np.random.default_rng(seed), 1 if operation == "entropy" else 2
    rows = [FORMATS[dtype].round(rng.uniform(2.0**-10, 1.0, size)) for _ in range(inputs)]  # (N, C)
    g = np.round(rng.normal(size=size[:1]) * 2**10) / 2**10  # (N,)

    grads = _backward(half, operation, dtype, device, g, *[x.T if first else x for x in rows], dim=0 if first else 1)

    assert len(grads) == inputs
    for which, n, i in np.ndindex(inputs, *size):
        exact = [[MP.mpf(float(x)) for x in row[n]] for row in rows]
        slope = float(g[n]) * _slope(DEFINITIONS[operation], exact, which, i)
        error = abs(MP.mpf(float((grads[which].T if first else grads[which])[n, i])) - slope)
        assert error <= _allowed(operation, dtype, which, float(g[n]), [float(row[n, i]) for row in rows])


@pytest.mark.parametrize("g", [1.0, -2.0])
def test_gradients_beside_a_zero(half: Candidate, device: str, dtype: str, g: float) -> None:
    """The one-sided limits as p_i or q_i falls to 0, where not both do; there is no derivative."""
    zero, some = np.array([0.0]), np.array([1.0])

    def back(operation: str, *distributions: Array) -> list[float]:
        return [grad.item() for grad in _backward(half, operation, dtype, device, np.array(g), *distributions)]

    assert back("entropy", zero) == [g * np.inf]
    assert back("distribution_cross_entropy", zero, some) == [0.0, 0.0]
    assert back("distribution_cross_entropy", some, zero) == [g * np.inf, -g * np.inf]
    assert back("kl_divergence", zero, some) == [-g * np.inf, 0.0]
    assert back("kl_divergence", some, zero) == [g * np.inf, -g * np.inf]


@given(seed=seeds())
def test_half_precision_rounds_once(seed: int) -> None:
    """The gradients in float16 are those in float32, rounded."""
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(5), (2, 3)).astype(np.float16)  # (N, C)
    g = rng.normal(size=3).astype(np.float16)  # (N,)
    wide_g, wide_p, wide_q = (each.astype(np.float32) for each in (g, p, q))
    across, divergence = manual.distribution_cross_entropy_backward, manual.kl_divergence_backward

    for narrow, wide in (
        ((manual.entropy_backward(g, p),), (manual.entropy_backward(wide_g, wide_p),)),
        (across(g, p, q), across(wide_g, wide_p, wide_q)),
        (divergence(g, p, q), divergence(wide_g, wide_p, wide_q)),
    ):
        for one, other in zip(narrow, wide, strict=True):
            with np.errstate(over="ignore"):
                np.testing.assert_array_equal(one, other.astype(np.float16), strict=True)
