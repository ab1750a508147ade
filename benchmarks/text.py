"""What the measurements have in common when they are printed: aligned tables, goals, and a line of progress."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def table(title: str, lines: Sequence[Sequence[str]], left: int) -> str:
    """Lines of cells under a title, the first as their header; `left` columns of words, then columns of numbers."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(
            cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([title, "", text[0], "-" * max(map(len, text)), *text[1:]])


def goal(text: str, missed: Sequence[str], count: int) -> str:
    """One goal, whether it is met, and where it is not."""
    if not missed:
        return f"met      {text}"
    if count == 1:
        return f"NOT MET  {text}: {missed[0]}"
    return "\n".join([f"NOT MET  {text}; {len(missed)} of {count} are not:", *(f"           {one}" for one in missed)])


def progress(done: int, total: int, what: str) -> None:
    """One line on stderr that overwrites itself."""
    print(f"\r[{done}/{total}] {what:<60}", end="" if done < total else "\n", file=sys.stderr, flush=True)
