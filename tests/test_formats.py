"""Formats round as the hardware does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from softproof.problem.formats import FORMATS

NUMBERS = st.lists(st.floats(), min_size=1, max_size=8)


def _torch_rounds(values: list[float], dtype: str) -> np.ndarray:
    """What torch makes of float64 values; bfloat16 by way of float32 only where that is exact."""
    return torch.tensor(values, dtype=torch.float64).to(getattr(torch, dtype)).double().numpy()


@pytest.mark.parametrize("name", ["float64", "float32", "float16"])
@given(values=NUMBERS)
def test_rounding_is_numpys(name: str, values: list[float]) -> None:
    """float64 to each format, ties to even, overflow to infinity."""
    with np.errstate(over="ignore"):
        expected = np.array(values).astype(name).astype(np.float64)

    np.testing.assert_array_equal(FORMATS[name].round(values), expected)


@given(values=st.lists(st.floats(width=32), min_size=1, max_size=8))
def test_rounding_to_bfloat16_is_torchs(values: list[float]) -> None:
    """float32 values, which torch rounds to bfloat16 once."""
    np.testing.assert_array_equal(FORMATS["bfloat16"].round(values), _torch_rounds(values, "bfloat16"))


@pytest.mark.parametrize("name", ["float64", "float32", "float16"])
def test_constants_are_numpys(name: str) -> None:
    """u is half of eps; the smallest and the largest numbers are those of numpy.finfo."""
    fmt, info = FORMATS[name], np.finfo(name)

    assert 2 * fmt.u == info.eps
    assert [fmt.tiny, fmt.subnormal, fmt.largest] == [info.tiny, info.smallest_subnormal, info.max]


def test_constants_of_bfloat16_are_torchs() -> None:
    """bfloat16, which NumPy lacks."""
    fmt, info = FORMATS["bfloat16"], torch.finfo(torch.bfloat16)

    assert [2 * fmt.u, fmt.tiny, fmt.largest] == [info.eps, info.tiny, info.max]


@pytest.mark.parametrize("name", ["float64", "float32"])
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_ulp_is_numpys_spacing(name: str, value: float) -> None:
    """The distance to the next number away from zero; at the largest number, to the one that would follow."""
    fmt = FORMATS[name]
    x = min(abs(float(fmt.round(value))), fmt.largest)
    spacing = fmt.ulp(fmt.largest) if x == fmt.largest else np.spacing(np.asarray(x, name))

    assert fmt.ulp(x) == spacing


@pytest.mark.parametrize("name", FORMATS)
@given(values=NUMBERS)
def test_rounding_twice_is_rounding_once(name: str, values: list[float]) -> None:
    """A rounded number is a number of the format."""
    fmt = FORMATS[name]

    assert fmt.holds(fmt.round(values)).all()
