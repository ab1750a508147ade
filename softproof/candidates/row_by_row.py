"""A function that gives one number for all of its rows, such as a divergence that is summed: it is given one at a time.

So the numbers of all rows are judged. What it does with several rows is not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

_MATRIX = 2  # dimensions of arrays with rows


def row_by_row(function: Callable[..., Any], framework: ModuleType, same: Collection[str] = ()) -> Callable[..., Any]:
    """The function, called for each row of its matrices, and the results joined; or each of several results.

    What is named is the `same` for each row.
    """

    def called(*arrays: Any, **named: Any) -> Any:
        matrix = next(x for x in (*arrays, *named.values()) if getattr(x, "ndim", 0) == _MATRIX)  # (N, C)
        parts = []
        for row in range(len(matrix)):
            of_row = {name: x if name in same else _of(x, row) for name, x in named.items()}
            answer = function(*(_of(x, row) for x in arrays), **of_row)
            parts.append(answer if isinstance(answer, tuple | list) else (answer,))
        joined = tuple(framework.join([_row(matrix, x, framework) for x in each]) for each in zip(*parts, strict=True))
        return joined if len(joined) > 1 else joined[0]

    return called


def _of(x: Any, row: int) -> Any:
    """A row of a matrix, as a matrix, or an entry of a vector; anything else is the same for all rows."""
    dimensions = getattr(x, "ndim", 0)
    return x[row : row + 1] if dimensions == _MATRIX else x[row] if dimensions == 1 else x


def _row(matrix: Any, answer: Any, framework: ModuleType) -> Any:
    """A number as a vector, which the rows have one of; a row of a matrix as it is."""
    answer = framework.like(matrix, np.asarray(answer)) if type(answer) in (float, int) else answer  # no np.float64
    if not hasattr(answer, "shape"):
        raise TypeError(f"the answer for a row is a {type(answer).__name__}; expected an array")
    return answer.reshape(1) if answer.ndim != _MATRIX and prod(answer.shape) == 1 else answer
