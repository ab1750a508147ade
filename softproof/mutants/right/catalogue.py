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
    for variant in VARIANTS.values():
        order = variant.sum.order.__name__.replace("_", " ")
        assumes = ", ".join(variant.needs) or "A1 to A7"
        lines.append(f"| {variant.operation} | {variant.words} | {order} | {assumes} | `{variant.model}` |")
    return "\n".join(lines) + "\n"


def _all() -> dict[str, Right]:
    """By name, from one home after the other. Raises: ImportError for an operation that has none."""
    homes = {about.home: operation for operation, about in OPERATIONS.items()}
    variants = [variant for operation in homes.values() for variant in in_home(__package__, operation, "variants")()]
    for operation in {*OPERATIONS} - {variant.operation for variant in variants}:
        raise ImportError(
            f"{operation} has no right variant in softproof/mutants/right/{OPERATIONS[operation].home}.py"
        )
    return {variant.name: variant for variant in variants}


VARIANTS = _all()
