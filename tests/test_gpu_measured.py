"""What the GPU pack measures of a machine, on the CPU: errors of functions, subnormal numbers, the order of sums."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from audits.record import Where
from audits.steps import elementary, order, rounding
from softproof.bounds.arithmetic import DEPTHS
from softproof.problem.problem import Array
from softproof.properties.summation import depth, places, questions, siblings

WHERE = Where("cpu", 60.0, Path())
NUMBER = int(np.float32(1.5).view(np.int32)) >> 18  # of the block that has 1.5


def test_the_blocks_are_all_of_them_and_spread() -> None:
    """Any first ones are even; so a share of them sees all exponents."""
    assert elementary.order(8) == [0, 4, 2, 6, 1, 5, 3, 7]


@pytest.mark.parametrize("name", elementary.NAMES)
def test_an_error_of_a_function_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's own is off by less than 2 ulps; one that is off by 3 in one place is seen there, and so is a NaN."""

    def off(x: torch.Tensor) -> torch.Tensor:
        y = getattr(torch, name)(x)
        return torch.where(x == 1.5, (y.view(torch.int32) + 3).view(torch.float32), y)

    def odd(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x == 1.5, torch.nan, getattr(torch, name)(x))

    monkeypatch.setattr(elementary, "order", lambda _blocks: [NUMBER])
    right, wrong, other = (elementary.ask(name, WHERE, function, 1) for function in (None, off, odd))

    assert right["asked"] == 1 << 18
    assert 0.3 < right["ulps"] < 2
    assert (right["odd"], wrong["odd"], other["odd"]) == (0, 0, 1)
    assert wrong["at"] == other["odd at"] == (1.5).hex()
    assert 2 < wrong["ulps"] < 4


def test_the_table_of_functions_states_the_share() -> None:
    """And the published figures."""
    found = [{"part": "exp", "found": elementary.ask("exp", WHERE, blocks=2)}]

    assert elementary.headline(found).startswith("exp 0.")
    assert "| exp | 0.012% |" in "\n".join(elementary.tell(found))


def test_flushing_is_seen() -> None:
    """torch.set_flush_denormal flushes on this processor, where it can."""
    kept = rounding.subnormal("float32", WHERE)["kept"]
    assert set(kept.values()) == {"kept"}
    if torch.set_flush_denormal(True):
        try:
            flushed = rounding.subnormal("float32", WHERE)["kept"]
        finally:
            torch.set_flush_denormal(False)
        assert flushed["x · 1/2"] == "flushed"


def test_the_bits_of_a_factor_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """24 of float32; 11 where a product rounds its factors so."""
    assert rounding.products(None, WHERE)["bits"] == 24
    real = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda x, y: real(x.half().float(), y))
    found = rounding.products(None, WHERE)

    assert found["bits"] == 11
    assert "| float32 matrices | bits of a factor |" in rounding.tell([{"part": "products", "found": found}])


# ---- the order of sums ----------------------------------------------------------------------------------------------

Sum = Callable[[Array], Array]  # float32 rows (r, n) → sums (r,)


def _one_by_one(x: Array) -> Array:
    return np.add.accumulate(x, -1)[:, -1]


def _halves(x: Array) -> Array:
    n = x.shape[-1]
    return x[:, 0] if n == 1 else _halves(x[:, : n // 2]) + _halves(x[:, n // 2 :])


def _lanes(x: Array, lanes: int = 8) -> Array:
    whole = x.shape[-1] // lanes * lanes
    sums = _one_by_one(np.moveaxis(x[:, :whole].reshape(len(x), -1, lanes), 1, 2).reshape(len(x) * lanes, -1))
    return _one_by_one(np.concatenate([sums.reshape(len(x), lanes), x[:, whole:]], -1))


SUMS: dict[str, tuple[Sum, Callable[[int], int]]] = {
    "one by one": (_one_by_one, lambda n: n - 1),
    "halves": (_halves, lambda n: (n - 1).bit_length()),
    "lanes": (_lanes, lambda n: n // 8 - 1 + 7 + n % 8),
    "numpy": (lambda x: x.sum(-1), DEPTHS["numpy"]),
}


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("n", [8, 17, 33, 64, 100, 200])
def test_the_depth_of_a_known_order_is_read(name: str, n: int) -> None:
    """With a 1 in every place: that of the order that it is."""
    add, expected = SUMS[name]
    found = depth(lambda terms: add(terms.astype(np.float32)).astype(float) - 1, n, range(n))

    assert found == expected(n)


@pytest.mark.parametrize("n", [3, 33, 200])
def test_an_accumulator_that_is_wider_fits_no_order(n: int) -> None:
    """Float64 inside, rounded to float32 at the end, or not at all; and a NaN."""
    for add in (
        lambda terms: terms.astype(np.float32).sum(-1, dtype=float) - 1,
        lambda terms: terms.astype(np.float32).sum(-1, dtype=float).astype(np.float32).astype(float) - 1,
        lambda terms: np.full(len(terms), np.nan),
    ):
        assert depth(add, n) is None


def test_sizes_that_do_not_add_up_are_refused() -> None:
    """Those of a permuted answer, as of any that is not of one sum."""
    n = 40
    above = _halves(questions(n, 3).astype(np.float32)).astype(float) - 1

    assert sum(siblings(above, n) or []) == n - 1
    assert siblings(above[::-1], n) is None
    assert places(5, 5) == [0, 1, 2, 3, 4]
    assert {0, 99} < set(places(100))


@pytest.mark.parametrize("name", [name for name in order.OPERATIONS if not name.startswith("linear")])
def test_each_operation_is_read_on_the_cpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's own sums in float32; where another dimension has the classes, one after the other."""
    monkeypatch.setattr(order, "WIDTHS", (33, 16384))
    monkeypatch.setattr(order, "REDUCED", (33,))
    found = order.ask(name, WHERE)["depths"]["33"]

    assert 4 < found < 33
    if "dim 0" in name or "positions" in name:
        assert found == 32


def test_the_table_of_depths_has_the_models_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says where no order fits."""
    monkeypatch.setattr(order, "WIDTHS", (33, 1000, 16384))
    asked = [{"part": name, "found": order.ask(name, WHERE)} for name in ("softmax, dim 0", "softmax, last dim")]
    asked.append({"part": "linear", "found": {"operation": "linear", "depths": {"33": None}}})

    text = "\n".join(order.tell(asked))
    assert "| softmax, dim 0 | 33: 32; 1000: 999 |" in text
    assert "| linear | 33: no order fits |" in text
    assert "| 8 lanes | 33: 17; 1000: 131; 16384: 2054 |" in text
    assert order.headline(asked).startswith("at n = 1000: softmax, dim 0 999; ")
