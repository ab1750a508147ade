"""All right variants: each formula in some orders of its sum. `softproof.mutants.right` says what they are for.

The file of an operation's home has them in `variants`.
"""

from __future__ import annotations

from ...problem.homes import in_home
from ...problem.operations import OPERATIONS
from .record import Right


def table() -> str:
    """All of them in Markdown, for docs/generated/right_variants.md."""
    lines = ["| operation | formula | order of its sum | assumes | model |", "|---|---|---|---|---|"]
    for each in VARIANTS.values():
        order = each.sum.order.__name__.replace("_", " ")
        assumes = ", ".join(each.needs) or "A1 to A7"
        lines.append(f"| {each.operation} | {each.words} | {order} | {assumes} | `{each.model}` |")
    return "\n".join(lines) + "\n"


def _all() -> dict[str, Right]:
    """By name, from one home after the other. Raises: ImportError for an operation that has none."""
    homes = {about.home: operation for operation, about in OPERATIONS.items()}
    found = [each for operation in homes.values() for each in in_home(__package__, operation, "variants")()]
    for operation in {*OPERATIONS} - {each.operation for each in found}:
        raise ImportError(
            f"{operation} has no right variant in softproof/mutants/right/{OPERATIONS[operation].home}.py"
        )
    return {each.name: each for each in found}


VARIANTS = _all()
