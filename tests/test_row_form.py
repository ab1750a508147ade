"""Rows of an array: some of them are those of all, whatever is copied, and lie in memory as their sums want them."""

from __future__ import annotations

import numpy as np
import pytest

from softproof.problem.rows import ALL, MANY, SHORT, Axis, some_rows, to_rows, wide_rows


def _arrays(rng: np.random.Generator) -> tuple[np.ndarray, Axis]:
    """An array of up to four axes, some of them empty, and one, none or several axes of classes."""
    array = rng.normal(size=tuple(rng.integers(0, 5, rng.integers(0, 5))))
    axes = tuple(sorted(rng.permutation(array.ndim)[: rng.integers(0, array.ndim + 1)].tolist()))
    return array, axes[0] if len(axes) == 1 else axes


def test_some_rows_are_those_of_all(number_of_the_run: int) -> None:
    """Slices, and rows by number, of every shape."""
    rng, asked = np.random.default_rng(number_of_the_run), 0
    for _ in range(300):
        array, axis = _arrays(rng)
        everything = to_rows(array, axis)
        start, stop = sorted(rng.integers(0, len(everything) + 3, 2).tolist())
        chosen = rng.integers(0, len(everything), 3) if len(everything) else np.zeros(0, np.int64)
        for rows in (ALL, slice(start, stop), slice(stop), chosen):
            found = some_rows(array, axis, rows)
            np.testing.assert_array_equal(found, everything[rows])
            assert found.shape == everything[rows].shape
            asked += bool(found.size)
    assert asked > 300


def test_a_block_copies_no_more_than_its_images() -> None:
    """All would be a copy, since the classes are not last."""
    array = np.arange(6000.0).reshape(100, 3, 20)
    found = some_rows(array, 1, slice(55, 65))
    assert found.base is not None
    assert found.base.size == 2 * 3 * 20
    assert np.shares_memory(some_rows(array, 1, slice(45, 55)), array)


@pytest.mark.parametrize("classes", [2, 3, SHORT])
def test_many_short_rows_lie_one_class_after_another(classes: int) -> None:
    """Whatever lies in memory before."""
    rows = np.random.default_rng(0).normal(size=(MANY + 1, classes)).astype(np.float32)
    found = wide_rows(rows, -1)
    assert found.flags.f_contiguous
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, rows)


def test_longer_rows_lie_one_after_another() -> None:
    """NumPy adds eight numbers or more in pairs, as Theorem 15 assumes, where they are next to each other alone."""
    x = np.random.default_rng(0).normal(size=(SHORT + 1, MANY + 1)).T
    assert wide_rows(x, -1).flags.c_contiguous
