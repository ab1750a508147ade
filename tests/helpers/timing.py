"""Tests of time on a machine that may be busy with something else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

TRIES = 3
P = ParamSpec("P")


def in_some_try(test: Callable[P, None]) -> Callable[P, None]:
    """Once more, and again, where an assertion fails: what is always late is late three times out of three."""

    @functools.wraps(test)
    def tried(*args: P.args, **kwargs: P.kwargs) -> None:
        for left in reversed(range(TRIES)):
            try:
                test(*args, **kwargs)
            except AssertionError:
                if not left:
                    raise
            else:
                return

    return tried
