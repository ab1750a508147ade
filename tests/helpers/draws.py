"""What a run chooses for itself: of one seed, and the same in all processes of one run."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from itertools import islice

import hypothesis
import pytest

_FRESH = f"{secrets.randbelow(2**32)}"  # of a run in one process to which no seed was told


def run_seed(config: pytest.Config) -> str:
    """--hypothesis-seed; otherwise one of its own in each run, and always the same in a derandomised profile."""
    told = config.getoption("--hypothesis-seed")
    if told is not None:
        return f"{told}"
    if hypothesis.settings().derandomize:
        return "0"
    worker: dict[str, str] = getattr(config, "workerinput", {})
    return worker.get("testrunuid", _FRESH)  # of pytest-xdist: each worker has to collect the same tests


def drawn(names: Sequence[str], share: int, seed: str) -> frozenset[str]:
    """One of `share` names, at least one, by the seed."""
    return frozenset(random.Random(seed).sample(sorted(names), -(-len(names) // share)))


def pytest_addoption(parser: pytest.Parser) -> None:
    """--all-cases."""
    parser.addoption("--all-cases", action="store_true", help="also the cases that the seed does not draw")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test, or a file, that is marked `drawn(n)` one case in n is asked, by the seed; all of them if thorough."""
    if config.getoption("--thorough", default=False) or config.getoption("--all-cases"):
        return
    seed, families = run_seed(config), dict[str, tuple[int, list[str]]]()
    for item in items:
        for node, mark in islice(item.iter_markers_with_node("drawn"), 1):  # the closest
            name = node.nodeid.partition("[")[0]  # of the test, or of its file
            families.setdefault(name, (mark.args[0], []))[1].append(item.nodeid)
    asked = {each for name, (share, own) in families.items() for each in drawn(own, share, f"{seed} {name}")}
    kept = [not item.get_closest_marker("drawn") or item.nodeid in asked for item in items]
    config.hook.pytest_deselected(items=[item for item, keep in zip(items, kept, strict=True) if not keep])
    items[:] = [item for item, keep in zip(items, kept, strict=True) if keep]
