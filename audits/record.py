"""What an audit writes: one JSON object on a line, as it comes; and what a step and its parts are."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Record = dict[str, Any]
LOG, RECORD, TABLE = "gpu.jsonl", "record.json", "table.txt"

DONE, FAILED, CRASHED, LATE = "done", "failed", "crashed", "out of time"
NOT_IN_TORCH, NOT_INSTALLED, NOT_HERE = "not in this torch", "not installed", "not on this machine"
FINAL = (DONE, FAILED, CRASHED, NOT_IN_TORCH, NOT_INSTALLED, NOT_HERE)  # what is not asked again
_PART = r"[^\s/'\":,;()<>]+/"
_FOLDERS = re.compile(
    rf"(?<![\w.:/])/(?!proc/|dev/|sys/)(?:{_PART})*?(?:site-packages/((?:{_PART})*)|{_PART}(?!{_PART}))"
)
LONGEST = 4000  # characters of a witness that are kept


class MissingError(Exception):
    """What a part needs and does not find; `status` is one of the three words for that."""

    def __init__(self, status: str, what: str) -> None:
        super().__init__(what)
        self.status = status


class Where(NamedTuple):
    """Where a part is asked: the device, in how many seconds, and the folder that it may write to."""

    device: str
    seconds: float
    out: Path

    @property
    def kind(self) -> str:
        """Of device: cpu or cuda."""
        return self.device.split(":")[0]


class Part(NamedTuple):
    """One question of a step; the answer goes into the record."""

    name: str
    ask: Callable[[Where], Record]


class Step(NamedTuple):
    """A step: what it asks, how much of the time it may take, and how its answers are told."""

    name: str
    title: str
    weight: float  # its share of the minutes, beside the weights of the other steps
    parts: Callable[[str], Sequence[Part]]  # of a kind of device
    tell: Callable[[Sequence[Record]], list[str]]  # lines of Markdown, of the parts that are done
    headline: Callable[[Sequence[Record]], str]  # in a few words
    jobs: int = 1  # processes side by side


def write(out: Path, record: Record) -> None:
    """Add a line, without places of this machine; several processes may, since a line is one write."""
    out.mkdir(parents=True, exist_ok=True)
    file = os.open(out / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, (json.dumps(placeless(record)) + "\n").encode())
    finally:
        os.close(file)


def placeless(value: Any) -> Any:
    """The same without the folders of this machine that lead to a file, in all texts.

    >>> placeless({"why": ["/home/me/site-packages/a/b.py:3 and /tmp/c.py; https://example.org/d/e"]})
    {'why': ['site-packages/a/b.py:3 and …/c.py; https://example.org/d/e']}
    """
    if isinstance(value, str):
        return _FOLDERS.sub(lambda found: "site-packages/" + found[1] if found[1] is not None else "…/", value)
    if isinstance(value, dict):
        return {name: placeless(each) for name, each in value.items()}
    return [placeless(each) for each in value] if isinstance(value, list | tuple) else value


def read(out: Path) -> list[Record]:
    """The lines of a log, if there is one; the last may be torn."""
    path = out / LOG
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def finished(records: Sequence[Record], step: str) -> dict[str, Record]:
    """By its name, each part of a step that need not be asked again."""
    own = [record for record in records if record.get("step") == step]
    return {record["part"]: record for record in own if record.get("status") in FINAL}


def pipe_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(str(cell).replace('|', '∣') for cell in line)} |" for line in lines] + [""]
