"""Which tests a short run asks: what a budget of time pays for, by the costs that were measured and by the seed.

Each test gets the same allowance, whatever it costs and however many cases it has. A test that needs less is asked
whole; of one that needs more, the seed draws cases up to its allowance: of a test of one case that costs four times the
allowance, that is one run in four. The allowance is what makes the whole cost the budget: a test that is added takes
from all. Asked whole are tests that are marked `always`, and those without a known cost. --all-cases asks everything,
and --costs FILE measures it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

COSTS = Path(__file__).with_name("costs.txt")
BUDGET = 200.0  # seconds, as costs.txt has them; with 240 a run took 151 s on two idle cores
SECONDS = "seconds"  # the name of what was measured, in the report of a test
_BEGAN = pytest.StashKey[float]()


def function_of(test: str) -> str:
    """The test without its case."""
    return test.partition("[")[0]


def read(path: Path) -> dict[str, float]:
    """Seconds of one case of each test, as they were measured."""
    pairs = (line.split(" ", 1) for line in path.read_text().splitlines())
    return {test: float(seconds) for seconds, test in pairs}


def allowance(needs: Iterable[float], budget: float) -> float:
    """The a for which the sum of min(need, a) is the budget; infinite where the budget is enough for all."""
    left, rest = budget, sorted(needs)
    for number, need in enumerate(rest):
        share = left / (len(rest) - number)
        if need > share:
            return share
        left -= need
    return float("inf")


def paid(
    tests: Iterable[str], costs: Mapping[str, float], budget: float, seed: str, always: Iterable[str] = ()
) -> frozenset[str]:
    """Those that the budget pays for once it has paid for those that are asked `always`."""
    whole, cases = frozenset(always), dict[str, list[str]]()
    for test in tests:
        if test not in whole:
            cases.setdefault(function_of(test), []).append(test)
    left = max(0.0, budget - sum(costs.get(function_of(test), 0.0) for test in whole))
    share = allowance([len(own) * costs.get(name, 0.0) for name, own in cases.items()], left)
    some = (_some(own, costs.get(name, 0.0), share, seed) for name, own in cases.items())
    return whole.union(*some)


def _some(cases: list[str], cost: float, share: float, seed: str) -> list[str]:
    """As many of them as the share pays for: the part of one that is left over is a chance."""
    if len(cases) * cost <= share:
        return cases
    chance = random.Random(f"{seed} {function_of(cases[0])}")
    return chance.sample(sorted(cases), min(len(cases), int(share / cost + chance.random())))


# ---- measured: on an idle machine, with a process for each core -----------------------------------------------------


class Measured:
    """What each test costs, gathered from all processes, written when they are done."""

    def __init__(self, path: Path) -> None:
        self.path, self.found = path, dict[str, list[float]]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The last report of a test has its cost."""
        for name, seconds in report.user_properties:
            if report.when == "teardown" and name == SECONDS and isinstance(seconds, float):
                self.found.setdefault(function_of(report.nodeid), []).append(seconds)

    def pytest_sessionfinish(self) -> None:
        """The mean of its cases; what was not asked keeps its cost."""
        before = read(self.path) if self.path.exists() else {}
        mean = {name: sum(each) / len(each) for name, each in self.found.items()}
        lines = (f"{seconds:.3f} {name}\n" for name, seconds in sorted((before | mean).items()))
        self.path.write_text("".join(lines))


def pytest_addoption(parser: pytest.Parser) -> None:
    """--budget, --known-costs, --all-cases and --costs."""
    group = parser.getgroup("softproof")
    group.addoption("--budget", type=float, default=BUDGET, help=f"seconds of a core for tests ({BUDGET:g})")
    group.addoption("--known-costs", type=Path, default=COSTS, metavar="FILE", help="of each test (%(default)s)")
    group.addoption("--all-cases", action="store_true", help="all tests but the thorough ones, whatever they cost")
    group.addoption("--costs", type=Path, metavar="FILE", help="measure how long each test takes, and write it")


def pytest_configure(config: pytest.Config) -> None:
    """The process that gets the reports writes."""
    if config.getoption("--costs") is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Measured(config.getoption("--costs")))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """From here on."""
    item.stash[_BEGAN] = time.perf_counter()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """To here, with the fixtures that begin and end with it."""
    try:
        return (yield)
    finally:
        if item.config.getoption("--costs") is not None:
            item.user_properties.append((SECONDS, time.perf_counter() - item.stash[_BEGAN]))
