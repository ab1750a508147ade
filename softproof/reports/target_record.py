"""What was asked of a target, and what it was made from: for the report, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..candidates.isolated import SECONDS, STARTUP_SECONDS
from ..candidates.plain_text import plain
from ..problem.arrangements import ARRANGEMENTS
from ..problem.records import NAMES, TEXT, a, check_fields, tuple_of


@dataclass(frozen=True)
class TargetRecord:
    """One target with the arguments of `softproof.verify`, and its files as they were before it started.

    `commit` is what the repository of its files had checked out. Both are empty where nobody looked for them.
    """

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[tuple[str, str], ...] = ()  # names of files, and the SHA-256 of each
    commit: str = ""

    def __post_init__(self) -> None:
        check_fields(self, _FIELDS)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what was not given has its default.

        >>> TargetRecord("mine:loss", {"fixed": {"reduction": "none"}, "ndim": [2]}).to_dict()["options"]["fixed"]
        ["reduction='none'"]
        """
        given = {name: value for name, value in self.options.items() if value is not None}
        return {
            "target": plain(self.target),
            "options": {name: told(given.get(name, default)) for name, (default, told) in _OPTIONS.items()},
            "sources": [{"name": plain(name), "sha256": digest} for name, digest in self.sources],
            "commit": self.commit or None,
        }


def _texts(values: Iterable[Any]) -> list[str]:
    """Of a set, in the order of the alphabet."""
    found = [str(each) for each in values]
    return sorted(found) if isinstance(values, set | frozenset) else found


def _texts_or_none(values: Iterable[Any] | None) -> list[str] | None:
    return None if values is None else _texts(values)


def _pairs(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def _literals(values: Mapping[str, Any]) -> list[str]:
    """As Python writes them."""
    return [f"{name}={value!r}" for name, value in values.items()]


def _itself(value: Any) -> Any:
    return value


_OPTIONS: dict[str, tuple[Any, Callable[[Any], Any]]] = {  # each with its default, and how it is told
    "operation": (None, _itself),
    "adapter": (None, _itself),
    "device": ("cpu", _itself),
    "dtypes": ((), _texts),
    "examples": (None, _itself),
    "arithmetic": (None, _itself),
    "accuracy": ("C", _itself),
    "baseline": (None, _itself),
    "factor": (1.0, float),
    "require": ((), _texts),
    "supports": (None, _texts_or_none),
    "without": ((), _texts),
    "names": ({}, _pairs),
    "fixed": ({}, _literals),
    "extra": ({}, _literals),
    "ndim": ((), sorted),
    "writes": ((), _texts),
    "transposed": ((), _texts),
    "keepdim": ((), _texts),
    "output": (None, _itself),
    "gradients": ({}, _literals),
    "negative": (False, bool),
    **dict.fromkeys(ARRANGEMENTS, (False, bool)),
    "in_process": (False, bool),
    "sandbox": ("off", _itself),
    "sandbox_read": ((), _texts),
    "sandbox_env": ((), _texts),
    "time_limit": (SECONDS, float),
    "startup_limit": (STARTUP_SECONDS, float),
    "shrink": (True, bool),
    "diagnose": (False, bool),
    "max_failures": (1, _itself),
}
_FIELDS = {
    "target": TEXT,
    "options": a(Mapping, "a mapping"),
    "sources": tuple_of(NAMES, "pairs of texts"),
    "commit": TEXT,
}
