"""A test of time is asked again where it fails, and what always fails still does."""

from __future__ import annotations

import pytest

from .helpers.timing import TRIES, in_some_try


@pytest.mark.parametrize(("late", "passes"), [(0, True), (TRIES - 1, True), (TRIES, False)])
def test_one_try_in_time_is_enough(late: int, passes: bool) -> None:
    """And no more are made than are needed."""
    tries: list[int] = []

    @in_some_try
    def test(first: int) -> None:
        tries.append(first)
        assert len(tries) > late

    if passes:
        test(7)
    else:
        with pytest.raises(AssertionError):
            test(7)
    assert tries == [7] * min(late + 1, TRIES)
