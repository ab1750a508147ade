"""What a run chooses for itself: of one seed, and the same in all processes of one run.

Another seed changes which tests the budget pays for (costs.py), the tests of Hypothesis, those that take the fixture
`seed_of_the_run`, those whose cases it chooses by `seed_of`, those that draw inside and are marked `draws`, and maybe
examples in documentation. --by-seed leaves out what a run with the fixed seed asks in the same way. A test that draws
by the seed and is none of these is an error while it runs, with --by-seed or without.
"""

from __future__ import annotations

import random
import secrets
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hypothesis
import pytest
from hypothesis import core

from . import costs

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
    """--by-seed."""
    parser.addoption("--by-seed", action="store_true", help="leave out what a run with the fixed profile asks as well")


@pytest.hookimpl(trylast=True)  # the thorough ones are out by then
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that the budget pays for, and with --by-seed only what a run with the fixed seed does not ask as well."""
    by_seed = config.getoption("--by-seed")
    asked, before = (_asked(config, items, seed) for seed in (run_seed(config), FIXED))
    keep = [item.nodeid in asked and not (by_seed and item.nodeid in before and not changes(item)) for item in items]
    config.hook.pytest_deselected(items=[item for item, keeps in zip(items, keep, strict=True) if not keeps])
    items[:] = [item for item, keeps in zip(items, keep, strict=True) if keeps]


def _asked(config: pytest.Config, items: Sequence[pytest.Item], seed: str) -> frozenset[str]:
    tests, always = (
        [item.nodeid for item in items],
        [item.nodeid for item in items if item.get_closest_marker("always")],
    )
    if config.getoption("--thorough", default=False) or config.getoption("--all-cases"):
        return frozenset(tests)
    always = [item.nodeid for item in items if item.get_closest_marker("always")]
    return costs.paid(tests, costs.read(config.getoption("--known-costs")), config.getoption("--budget"), seed, always)


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
