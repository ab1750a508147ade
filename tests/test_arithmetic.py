"""The constants of the arithmetic models hold for the libraries on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from softproof import any_order
from softproof.problem.problem import Array


def _worst(computed: Array, exact: Array) -> float:
    """The largest relative error in units of u = 2^-24; the reference is float64, whose own error is below 2^-28 u."""
    return float((np.abs(computed.astype(np.float64) - exact) / np.abs(exact)).max() * 2**24)


LIBRARIES: dict[str, dict[str, Callable[[Array], Any]]] = {
    "numpy": {"exp": np.exp, "log": np.log},
    "torch": {
        "exp": lambda x: torch.from_numpy(x).exp().numpy(),
        "log": lambda x: torch.from_numpy(x).log().numpy(),
    },
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("start", [0.5, 1.0, 2.0, 1024.0])
def test_log_is_as_accurate_as_assumed(library: str, start: float) -> None:
    """Every float32 number of a binade; next to 1 the logarithm is small and the relative error at its largest."""
    bits = np.float32(start).view(np.uint32) + np.arange(2**23, dtype=np.uint32)
    x = bits.view(np.float32)
    x = x[x != 1]

    assert _worst(LIBRARIES[library]["log"](x), np.log(x.astype(np.float64))) <= any_order("float32").c_log


@pytest.mark.parametrize("library", LIBRARIES)
def test_exp_is_as_accurate_as_assumed(library: str) -> None:
    """Two million arguments between 0 and the smallest normal result."""
    x = np.linspace(-87, 0, 2_000_001, dtype=np.float32)

    assert _worst(LIBRARIES[library]["exp"](x), np.exp(x.astype(np.float64))) <= any_order("float32").c_exp


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["float64", "float32"])
def test_exp_of_zero_is_one(library: str, name: str) -> None:
    """Exactly, so that the largest term of a row has no error."""
    assert LIBRARIES[library]["exp"](np.zeros(33, name)).tolist() == [1.0] * 33


@pytest.mark.parametrize("library", LIBRARIES)
def test_subnormal_results_of_exp_are_as_accurate_as_assumed(library: str) -> None:
    """In units of the smallest subnormal, beyond the relative error."""
    model, x = any_order("float32"), np.linspace(-104, -87, 1_000_001, dtype=np.float32)
    exact = np.exp(x.astype(np.float64))

    error = np.abs(LIBRARIES[library]["exp"](x).astype(np.float64) - exact)

    assert ((error - model.c_exp * model.compute.u * exact) / model.compute.subnormal).max() <= model.exp_subnormals
