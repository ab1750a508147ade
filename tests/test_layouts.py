"""How arrays lie in memory: the same values, at the strides that the layout names, with NaN in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from softproof import Problem, judge, load
from softproof.candidates.adapters import numpy_arrays, torch_arrays
from softproof.problem.problem import LAYOUTS, Array

SHAPES = [(2, 3), (4,), (), (0, 3), (3, 0), (1, 1), (2, 1, 3)]


def _values(shape: tuple[int, ...], dtype: str) -> Array:
    values = np.arange(np.prod(shape)).reshape(shape)
    return values.astype(np.int64 if dtype == "int64" else np.float64)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["float32", "int64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_values_are_the_same(layout: str, kind: str, shape: tuple[int, ...]) -> None:
    """In both frameworks, for logits and for labels."""
    values = _values(shape, kind)

    by_numpy = numpy_arrays.make(values, "float32", layout, "cpu")
    assert by_numpy.dtype == kind
    assert by_numpy.shape == shape
    assert np.array_equal(by_numpy, values)
    if layout in torch_arrays.LAYOUTS:
        by_torch = torch_arrays.make(values, "float32", layout, "cpu")
        assert tuple(by_torch.shape) == shape
        assert np.array_equal(by_torch.numpy(), values)


def test_torch_has_no_negative_steps() -> None:
    """An error that names what there is."""
    with pytest.raises(ValueError, match="layout is 'reversed'; torch has contiguous, transposed"):
        torch_arrays.make(np.zeros(2), "float32", "reversed", "cpu")


def _rows_backwards(logits: Array, dim: int) -> Array:
    """Reads the rows from the lowest address up."""
    e = np.exp(logits - logits.max(dim, keepdims=True))
    found: Array = e / e.sum(dim, keepdims=True)
    return found[::-1] if logits.strides[0] < 0 else found


@pytest.mark.parametrize(("layout", "ok"), [("contiguous", True), ("reversed", False)])
def test_rows_in_reverse_order_are_asked(layout: str, ok: bool) -> None:
    """As x[::-1] has them, and not the places of a row alone."""
    problem = Problem("softmax", "float32", {"logits": [[0.0, 1.0], [2.0, 0.0]]}, {"dim": -1}, layout=layout)
    assert judge(load(_rows_backwards, operation="softmax", adapter="numpy"), problem).ok is ok


STRIDES = {
    "contiguous": ((3, 1), 0),
    "transposed": ((1, 2), 0),
    "strided": ((6, 2), 0),
    "sliced": ((6, 1), 1),
    "offset": ((3, 1), 1),
    "expanded": ((0, 1), 0),
    "reversed": ((-3, -1), 5),
}


def _steps(array: Array) -> tuple[int, ...]:
    return tuple(stride // array.itemsize for stride in array.strides)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_and_offsets_are_those_of_the_layout(layout: str) -> None:
    """Of two rows that are alike, in elements."""
    values = np.array([[1.0, 2.0, 3.0]] * 2)

    by_numpy = numpy_arrays.make(values, "float32", layout, "cpu")
    base: Any = by_numpy.base if by_numpy.base is not None else by_numpy
    while base.base is not None:
        base = base.base
    start = (by_numpy.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // 4
    assert (_steps(by_numpy), start) == STRIDES[layout]
    if layout in torch_arrays.LAYOUTS:
        by_torch = torch_arrays.make(values, "float32", layout, "cpu")
        assert (by_torch.stride(), by_torch.storage_offset()) == STRIDES[layout]


def _laid_out(values: Array) -> list[Array]:
    """The same numbers as callers may hand them over, with strides that a copy of NumPy's keeps, or turns around."""
    return [
        np.asfortranarray(values),
        np.broadcast_to(values[:1], values.shape),
        np.ascontiguousarray(values.swapaxes(0, -1)).swapaxes(0, -1),
        np.ascontiguousarray(values[..., ::-1])[..., ::-1],
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("numbers", ["float64", "float32", "float16"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4)])
def test_the_layout_is_the_same_however_the_values_were_given(
    shape: tuple[int, ...], numbers: str, layout: str
) -> None:
    """Contiguous rows are contiguous also where the given ones were not; of a problem, and of arrays alone."""
    values = np.array(np.broadcast_to(np.arange(np.prod(shape[1:])).reshape(shape[1:]), shape), np.float64)
    for given in _laid_out(values):
        inside = Problem("softmax", numbers, {"logits": given}, {"dim": -1}, given, tangent=given)
        kept = [inside.inputs["logits"], inside.grad_output, inside.tangent]

        assert not given.flags.c_contiguous
        assert all(each is not None and each.flags.c_contiguous for each in kept)
        by_numpy = numpy_arrays.make(given, numbers, layout, "cpu")
        assert np.array_equal(by_numpy, values)
        assert _steps(by_numpy) == _steps(numpy_arrays.make(values, numbers, layout, "cpu"))
        if layout in torch_arrays.LAYOUTS:
            by_torch = torch_arrays.make(given, numbers, layout, "cpu")
            assert by_torch.stride() == torch_arrays.make(values, numbers, layout, "cpu").stride()


def test_what_is_constant_is_expanded_along_every_axis() -> None:
    """As the upstream gradient that a sum hands back; -0 is not 0."""
    assert torch_arrays.make(np.ones((2, 3)), "float32", "expanded", "cpu").stride() == (0, 0)
    assert torch_arrays.make(np.array([0.0, -0.0]), "float32", "expanded", "cpu").stride() == (1,)


@pytest.mark.parametrize("layout", ["strided", "sliced", "offset"])
def test_what_lies_between_is_nan(layout: str) -> None:
    """So that reading it shows."""
    by_torch = torch_arrays.make(np.ones((2, 3)), "float32", layout, "cpu")
    storage = torch.empty(0).set_(by_torch.untyped_storage())

    assert storage.isnan().sum() == storage.numel() - 6 > 0


def _softmax_of_the_storage(input: torch.Tensor, dim: int) -> torch.Tensor:
    """Reads rows one after another from where the tensor starts, whatever its strides."""
    storage = input.as_strided(input.shape, torch.empty(input.shape).stride())
    return torch.softmax(storage, dim)


@pytest.mark.parametrize("layout", ["transposed", "strided", "sliced"])
def test_strides_that_are_ignored_show(layout: str) -> None:
    """And do not where the tensor is contiguous."""
    candidate = load(_softmax_of_the_storage, operation="softmax", adapter="torch")
    logits = {"logits": np.arange(6.0).reshape(2, 3)}

    def verdict(layout: str) -> bool:
        return judge(candidate, Problem("softmax", "float32", logits, {"dim": 1}, layout={"logits": layout})).ok

    assert verdict("contiguous")
    assert not verdict(layout)
