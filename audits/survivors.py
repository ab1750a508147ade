"""What is known of stubs and tests: which tests call which functions, what each stub did to them, and who survived."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .stubs import digest, functions
from .warm import ASSERTED, FAILED, PASSED

# Functions that no test misses and tests that no stub fails, with what excuses them.
REASONS: dict[str, str] = {}


@cache
def version(test: str) -> str:
    """A digest of the file of a test."""
    file = Path(test.split("::")[0])
    return digest(file.read_text()) if file.exists() else ""


@dataclass
class State:
    """What is known so far."""

    seconds: dict[str, float] = field(default_factory=dict)  # of each test
    calls: dict[str, set[str]] = field(default_factory=dict)  # its functions
    children: set[str] = field(default_factory=set)  # tests that start a process
    broken: dict[str, str] = field(default_factory=dict)  # tests that do not pass without a stub either
    tried: dict[tuple[str, str], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    spent: float = 0.0

    def note_calls(self, record: dict[str, Any]) -> None:
        """One line of the file of calls."""
        test = record["test"]
        self.seconds[test], self.calls[test] = record["seconds"], set(record.get("functions", ()))
        if record.get("children"):
            self.children.add(test)
        if record["outcome"] != PASSED:
            self.broken[test] = record["outcome"]

    def note(self, record: dict[str, Any]) -> None:
        """One line of the log."""
        self.spent += record["seconds"]
        self.tried[record["function"], record["stub"]] |= record["tests"]

    def callers(self, function: str) -> list[str]:
        """Tests that call a function; those that no stub has failed yet first, then the cheapest."""
        own = [test for test, called in self.calls.items() if function in called and test not in self.broken]
        return sorted(own, key=lambda test: (test in self.failed, self.seconds[test]))

    @property
    def failed(self) -> dict[str, str]:
        """Tests that some stub has failed: by an assertion, if one did."""
        found: dict[str, str] = {}
        for outcomes in self.tried.values():
            for test, outcome in outcomes.items():
                if outcome in FAILED and found.get(test) != ASSERTED:
                    found[test] = outcome
        return found

    def missed(self) -> dict[str, tuple[str, str]]:
        """Functions with a stub and a test that it fails; an assertion, and a cheap test, before others."""
        found: dict[str, tuple[bool, float, str, str]] = {}
        for (function, stub), outcomes in self.tried.items():
            for test, outcome in outcomes.items():
                if outcome in FAILED:
                    own = (outcome != ASSERTED, self.seconds.get(test, 0.0), stub, test)
                    found[function] = min(found.get(function, own), own)
        return {function: (stub, test) for function, (_, _, stub, test) in sorted(found.items())}


# ---- in words -------------------------------------------------------------------------------------------------------


def report(state: State, only: str = "") -> tuple[str, list[str]]:
    """What was tried and what survived, and the names that have no reason."""
    wanted = [name for name in functions() if re.search(only, name)]
    missed, run = state.missed(), {name for called in state.calls.values() for name in called}
    never = [name for name in wanted if name not in run]
    survivors, waiting = list[str](), list[str]()
    for name in wanted:
        if name in run and name not in missed:
            done = all(set(state.callers(name)) <= state.tried[name, stub].keys() for stub in functions()[name].stubs)
            (survivors if done else waiting).append(name)
    failed, about = state.failed, {test for test, called in state.calls.items() if called & set(wanted)}
    kinds = Counter(failed.get(test, "") for test in about if test not in state.broken)
    untouched, unasked = [], 0
    for test in sorted(about - state.broken.keys()):
        if test not in failed:
            pairs = [(name, stub) for name in state.calls[test] for stub in functions()[name].stubs]
            tried = all(test in state.tried[pair] for pair in pairs)
            untouched += [test] if tried else []
            unasked += not tried
    pairs_tried = sum(bool(outcomes) for outcomes in state.tried.values())
    ended = sum(kinds[each] for each in FAILED if each != ASSERTED)
    lines = [
        f"Extreme mutation: {len(wanted)} functions, {sum(len(functions()[name].stubs) for name in wanted)} stubs",
        f"  {pairs_tried} stubs tried, {state.spent / 60:.0f} minutes of tests",
        f"  {sum(name in missed for name in wanted)} functions are missed by a test, {len(waiting)} wait to be tried",
        f"  {len(about)} tests call them: {kinds[ASSERTED]} fail an assertion with some stub, {ended} end otherwise",
        f"  {unasked} tests wait to be tried",
        *_list("functions that no test calls in its own process", never),
        *_list("functions that no test misses", survivors),
        *_list("tests that no stub fails", [_told(test, state) for test in untouched]),
        *_list("tests that do not pass, or are skipped, without a stub either",
               [f"{count} {kind}" for kind, count in Counter(state.broken.values()).items()]),
    ]  # fmt: skip
    return "\n".join(lines), [name for name in (*survivors, *untouched) if name not in REASONS]


def _told(test: str, state: State) -> str:
    """A test, and whether what it asks happens where no stub is."""
    return f"{test}{' (judged in a process of its own)' if test in state.children else ''}"


def _list(title: str, names: list[str]) -> list[str]:
    excused = [f"    {name}{f': {REASONS[name]}' if name in REASONS else ''}" for name in names]
    return [f"  {len(names)} {title}{':' if names else ''}", *excused]
