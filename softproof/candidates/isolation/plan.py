"""What the judge tells a supervisor: data of this package's own, as JSON."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class WorkerPlan(NamedTuple):
    """How a worker is started and confined."""

    command: tuple[str, ...]
    environment: dict[str, str]
    folder: str  # where it runs
    streams: tuple[int, int, int]  # descriptors of the supervisor that become 0, 1 and 2 of the worker
    scratch: str  # where its folder to write in is made, in a sandbox; otherwise empty
    rules: tuple[tuple[str, int], ...]  # what it may read in a sandbox
    memory: int | None  # bytes; no limit if None
    processes: int
    without: tuple[str, ...] = ()  # mechanisms that are switched off, for tests that show what they stop

    def to_json(self) -> str:
        """On one line."""
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> WorkerPlan:
        """What `to_json` gave."""
        fields: dict[str, Any] = json.loads(text)
        fields["rules"] = tuple((path, allowed) for path, allowed in fields["rules"])
        for name in ("command", "streams", "without"):
            fields[name] = tuple(fields[name])
        return cls(**fields)
