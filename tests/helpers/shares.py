"""How near right rows come to being refuted by Theorem 21."""

from __future__ import annotations

from dataclasses import replace

from softproof.bounds.algebra import Allowed, RowUnknowns
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.verdicts.elements import Elements
from softproof.verdicts.row_unknowns import Strips, refuted

SHARES = (0.7, 0.5, 0.4, 0.33, 0.2)


def needed(got: Array, exact: Array, limit: Allowed) -> float:
    """The largest share of what elements may be off by themselves that does not explain all rows; 2 for the whole."""
    unknowns = limit.row
    assert isinstance(unknowns, RowUnknowns)
    for share in (1.0, *SHARES):
        less = replace(limit, row=replace(unknowns, own=share * unknowns.own))
        elements = Elements.of(got, exact, 0.0, less, FORMATS["float64"])
        if refuted(Strips.of(elements)).ratio.any():
            return share if share < 1 else 2.0
    return 0.0
