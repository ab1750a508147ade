"""Masks that leave nothing out, as arguments of a function: for an operation that says nothing of masks."""

from __future__ import annotations

import numpy as np

from .problem import Array

_VALUES = {"@false": False, "@zeros": 0.0, "@true": True, "@ones": 1.0}
_OF_ROWS = "_rows"
WHOLE = tuple(
    name + shape for name in _VALUES for shape in ("", _OF_ROWS)
)  # as they are tried: 1 added to each logit seems right, too


def whole_mask(name: str, entries: tuple[int, ...], rows: tuple[int, ...]) -> Array:
    """The array of one of WHOLE: of the shape of the logits, or of the rows.

    >>> whole_mask("@true", (1, 2), (1,)), whole_mask("@zeros_rows", (1, 2), (1,))
    (array([[ True,  True]]), array([0.]))
    """
    return np.full(rows if name.endswith(_OF_ROWS) else entries, _VALUES[name.removesuffix(_OF_ROWS)])
