"""The repository, and the theorems that its pages state."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATED = re.compile(r"^\*\*Theorem (\d+)\b", re.MULTILINE)


def stated(texts: Iterable[str]) -> list[int]:
    """The numbers of the theorems that pages state, in order."""
    return sorted(int(number) for text in texts for number in STATED.findall(text))
