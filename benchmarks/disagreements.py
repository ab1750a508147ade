"""Why released implementations disagree: what was found when each row of docs/conformance.md was looked into."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Disagreement:
    """One cause, and the rows that show it, by how their names begin."""

    name: str
    rows: str
    cause: str  # what it does, and what is right
    fault: str  # there, here, or a matter of what is promised
    witness: str  # Python without softproof, and what it prints
    upstream: str  # where it is known, or that nothing was found

    @property
    def markdown(self) -> str:
        """A section of the document."""
        return (f"### {self.name}\n\n{self.cause} *{self.fault}.* {self.upstream}\n\n"
                f"```python\n{self.witness.strip()}\n```")  # fmt: skip


DISAGREEMENTS: tuple[Disagreement, ...] = ()
