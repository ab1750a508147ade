"""What a run chooses for itself: of one seed, and the same in all processes of one run.

Another seed changes the tests of Hypothesis, those that take the fixture `seed_of_the_run`, those whose cases it
chooses (by the mark `drawn`, or by `seed_of`), those that draw inside and are marked `draws`, and maybe examples in
documentation. --by-seed asks these alone: it leaves out what a run with the fixed seed asks in the same way. A test
that draws by the seed and is none of these is an error while it runs, with --by-seed or without.
"""

from __future__ import annotations

import random
import secrets
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import hypothesis
import pytest
from hypothesis import core

FIXED = "0"  # the seed of a derandomised profile
_FRESH = f"{secrets.randbelow(2**32)}"  # of a run in one process to which no seed was told
_CHOSEN = pytest.StashKey[set[str]]()  # tests whose cases the seed has chosen
_RUNNING: list[pytest.Item] = []


def run_seed(config: pytest.Config) -> str:
    """That of a run, for a test that is known to draw by it."""
    _check_known("what asks for it")
    return told_or_fresh(config)


def told_or_fresh(config: pytest.Config) -> str:
    """--hypothesis-seed; otherwise one of its own in each run, and always the same in a derandomised profile."""
    told = config.getoption("--hypothesis-seed")
    if told is not None:
        return f"{told}"
    if hypothesis.settings().derandomize:
        return FIXED
    worker: dict[str, str] = getattr(config, "workerinput", {})
    return worker.get("testrunuid", _FRESH)  # of pytest-xdist: each worker has to collect the same tests


@pytest.fixture(scope="session")
def seed_of_the_run(pytestconfig: pytest.Config) -> str:
    """For a test that draws for itself."""
    return run_seed(pytestconfig)


@pytest.fixture(scope="session")
def number_of_the_run(seed_of_the_run: str) -> int:
    """The same as a number, whatever the seed is: without one, a run in several processes has a name in its place."""
    return zlib.crc32(seed_of_the_run.encode())


def seed_of(metafunc: pytest.Metafunc) -> str:
    """For a test whose cases the seed chooses; that it does is taken note of."""
    metafunc.config.stash.setdefault(_CHOSEN, set()).add(metafunc.definition.nodeid)
    return run_seed(metafunc.config)


def drawn(names: Sequence[str], share: int, seed: str) -> frozenset[str]:
    """One of `share` names, at least one, by the seed."""
    return frozenset(random.Random(seed).sample(sorted(names), -(-len(names) // share)))


def changes(item: pytest.Item) -> bool:
    """Whether another seed may change what this test asks, once it has been collected."""
    return (
        getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        or "seed_of_the_run" in getattr(item, "fixturenames", ())
        or item.nodeid.partition("[")[0] in item.config.stash.get(_CHOSEN, set())
        or item.get_closest_marker("draws") is not None
        or isinstance(item, pytest.DoctestItem)  # which cannot be marked
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """--all-cases and --by-seed."""
    parser.addoption("--all-cases", action="store_true", help="also the cases that the seed does not draw")
    parser.addoption("--by-seed", action="store_true", help="leave out what a run with the fixed profile asks as well")


def _asked(items: Sequence[pytest.Item], seed: str) -> frozenset[str]:
    """Of tests that are marked `drawn(n)`, those that this seed draws."""
    families = dict[str, tuple[int, list[str]]]()
    for item in items:
        for node, mark in islice(item.iter_markers_with_node("drawn"), 1):  # the closest
            name = mark.kwargs.get("among", node.nodeid.partition("[")[0])  # of several tests, of one, or of its file
            families.setdefault(name, (mark.args[0], []))[1].append(item.nodeid)
    return frozenset(each for name, (share, own) in families.items() for each in drawn(own, share, f"{seed} {name}"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test, or a file, that is marked `drawn(n)` one case in n is asked, by the seed; all of them if thorough.

    Of all tests that are marked `drawn(n, among="…")` with the same words one in n.
    """
    everything = config.getoption("--thorough", default=False) or config.getoption("--all-cases")
    by_seed, whole = config.getoption("--by-seed"), frozenset(item.nodeid for item in items)
    asked, before = (whole if everything else _asked(items, seed) for seed in (run_seed(config), FIXED))

    def kept(item: pytest.Item) -> bool:
        marked = item.get_closest_marker("drawn") is not None
        new = changes(item) or (marked and item.nodeid not in before)
        return (not marked or item.nodeid in asked) and (new or not by_seed)

    keep = [kept(item) for item in items]
    config.hook.pytest_deselected(items=[item for item, keeps in zip(items, keep, strict=True) if not keeps])
    items[:] = [item for item, keeps in zip(items, keep, strict=True) if keeps]


# ---- nobody draws by the seed unseen --------------------------------------------------------------------------------


def pytest_configure() -> None:
    """Hypothesis asks here for the randomness of each test, and of each loop inside a test."""
    before: Callable[..., random.Random] = core.get_random_for_wrapped_test

    def watched(test: Any, wrapped: Any) -> random.Random:
        if wrapped._hypothesis_internal_use_seed is None:
            _check_known(getattr(test, "__qualname__", "a function"))
        return before(test, wrapped)

    core.get_random_for_wrapped_test = watched


def _check_known(what: str) -> None:
    for item in _RUNNING[-1:]:
        if not changes(item):
            raise AssertionError(
                f"{item.nodeid}: {what} draws by the seed of the run; mark the test: pytest.mark.draws"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Who runs."""
    _RUNNING.append(item)
    try:
        return (yield)
    finally:
        _RUNNING.pop()
