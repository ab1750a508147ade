"""Known wrong implementations that answer in a process of their own, `softproof.mutants.lineup`, which needs torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..candidates.channel import Child, LostError
from ..candidates.protocol import given, most_bytes, question
from ..problem.problem import Problem
from .likeness import Answer

SECONDS = 30.0  # for one question to all of them
TEXTS = 1 << 22  # bytes
NO_TORCH = "install torch to compare with known bugs"


class Lineup:
    """The process, started when it is first asked; what is in `without` is as if it were not there."""

    def __init__(self, seconds: float = SECONDS, without: Iterable[str] = ()) -> None:
        self.seconds, self.without = seconds, frozenset(without)
        self.known: dict[str, list[dict[str, str]]] = {}
        self._child: Child | None = None

    @property
    def missing(self) -> str:
        """What keeps it from being asked; empty where nothing does."""
        return "" if importlib.util.find_spec("torch") else NO_TORCH

    def records(self, operation: str) -> list[dict[str, str]]:
        """Name, group, story, source and place of the mutants of an operation."""
        if operation not in self.known:
            self.known[operation] = self._ask({"records of": operation}).body["records"]
        return [each for each in self.known[operation] if each["name"] not in self.without]

    def answers(self, problem: Problem, names: Iterable[str]) -> dict[str, Answer]:
        """Of some mutants to one problem."""
        names = list(names)
        body = {**question(problem, "cpu", "answer", ()), "names": names}
        message = self._ask(body, given(problem), len(names) * most_bytes(problem))
        outputs: dict[str, dict[str, Any]] = {name: {} for name in names}
        for output, stack in message.body["stacks"].items():
            for name, values in zip(stack, message.arrays[output], strict=True):
                outputs[name][output] = np.asarray(values)
        return {name: Answer(fault, outputs[name]) for name, fault in message.body["faults"].items()}

    def misbehaving(self, problem: Problem, check: str, names: Iterable[str]) -> list[str]:
        """Those in which a behaviour check shows a fault."""
        body = {**question(problem, "cpu", "answer", ()), "names": list(names), "check": check}
        return list(self._ask(body, given(problem)).body["fails"])

    def _ask(self, body: dict[str, Any], arrays: Any = None, most: int = 0) -> Any:
        if self._child is None:
            self._child = Child("softproof.mutants.lineup")
        try:
            return self._child.ask(body, arrays or {}, self.seconds, most + TEXTS)
        except LostError:
            self.close()
            raise

    def close(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.end()
            self._child = None
