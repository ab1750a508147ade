"""Step 7: what is known to be wrong in torch, on this device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..record import LONGEST, Part, Record, Step, Where, pipe_table


def parts(_kind: str) -> list[Part]:
    """All of them at once: each is one small question."""
    return [Part("all findings", ask)]


def ask(where: Where) -> Record:
    """Name, status, and what the judge said, of each."""
    from softproof.reports.findings_report import ask_all

    found = ask_all(device=where.device)
    rows = [{"finding": each.finding.name, "status": each.status, "said": each.text[:LONGEST]} for each in found]
    return {"rows": rows}


def _rows(found: Sequence[Record]) -> list[Record]:
    return [row for part in found for row in part["found"]["rows"]]


def tell(found: Sequence[Record]) -> list[str]:
    """Each finding, and the first line of what the judge said."""
    rows = [(row["finding"], row["status"], row["said"].split("\n")[0][:160]) for row in _rows(found)]
    return pipe_table(("finding", "status", "the judge says"), rows) if rows else []


def headline(found: Sequence[Record]) -> str:
    """How many have which status."""
    counts = Counter(row["status"] for row in _rows(found))
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))


STEP = Step("findings", "What is known to be wrong in torch", 0.4, parts, tell, headline)
