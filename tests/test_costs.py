"""A short run asks what its budget of time pays for: by the seed, and by costs that were measured."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from math import inf, isclose
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from .helpers.costs import COSTS, allowance, paid, read

TESTS = Path(__file__).parent
ROOT = TESTS.parent


@given(needs=st.lists(st.floats(0, 100), min_size=1), budget=st.floats(0.1, 1000))
def test_the_allowance_is_what_makes_the_whole_cost_the_budget(needs: list[float], budget: float) -> None:
    """The same for each test; without a limit where the budget is enough."""
    share = allowance(needs, budget)

    if sum(needs) <= budget:
        assert share == inf or isclose(share, max(needs))
    else:
        assert isclose(sum(min(need, share) for need in needs), budget)


CASES = [f"dear[{number}]" for number in range(10)]
COST = {"dear": 1.0, "dearest": 10.0, "cheap": 0.01}  # seconds


def _asked(seed: int, budget: float = 5.02) -> frozenset[str]:
    return paid([*CASES, "dearest", "cheap", "unknown"], COST, budget, f"{seed}")  # 2.505 s for each of the dear ones


def test_what_costs_little_is_asked_and_so_is_what_nobody_measured() -> None:
    """On every seed, whatever the budget."""
    assert all({"cheap", "unknown"} <= _asked(seed) for seed in range(50))
    assert _asked(0, 0.001) >= {"unknown"}


def test_of_what_costs_more_the_seed_draws_what_the_allowance_pays_for() -> None:
    """Two or three cases of the one, and one run in four of the other; each case on some seed, by the seed alone."""
    asked = [_asked(seed) for seed in range(400)]
    counts = Counter(sum(case in each for case in CASES) for each in asked)

    assert counts.keys() == {2, 3}
    assert 150 < counts[3] < 255  # of 400 with a chance of 0.505: six standard deviations are 60
    assert 55 < sum("dearest" in each for each in asked) < 152  # 0.2505
    assert frozenset[str]().union(*asked) >= {*CASES}
    assert _asked(7) == paid(["unknown", "cheap", "dearest", *CASES[::-1]], COST, 5.02, "7")


def test_what_is_asked_always_is_paid_for_first() -> None:
    """Three cases leave 2.02 of 5.02 s: 1.005 s for each of the dear ones."""
    asked = [paid([*CASES, "dearest", "cheap"], COST, 5.02, f"{seed}", CASES[:3]) for seed in range(200)]

    assert all({*CASES[:3], "cheap"} <= each for each in asked)
    assert {len(each & {*CASES}) for each in asked} == {4, 5}
    assert paid(CASES, COST, 1.0, "0", CASES[:3]) == {*CASES[:3]}


def test_a_budget_that_is_enough_pays_for_all() -> None:
    """Of a single file, say."""
    assert _asked(0, 21.0) == {*CASES, "dearest", "cheap", "unknown"}


def _pytest(folder: Path, *arguments: str) -> str:
    """What a run of the tests in a folder prints."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", *arguments, "."]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": f"{ROOT}", "PATH": ""}, capture_output=True, text=True, check=False
    ).stdout


SOME = """
import pytest, time

@pytest.fixture
def dear():
    end = time.process_time() + 0.2
    while time.process_time() < end: pass

@pytest.mark.parametrize("n", range(4))
def test_dear(n, dear): pass
def test_cheap(): pass
"""


def test_a_run_measures_what_tests_cost_and_another_asks_what_it_can_pay(tmp_path: Path) -> None:
    """In one process or in several; a cost that is not measured again is kept, and the rest is counted as left out."""
    (tmp_path / "conftest.py").write_text(
        "pytest_plugins = ['tests.helpers.costs', 'tests.helpers.draws']\n"
        "def pytest_addoption(parser):\n    parser.addoption('--thorough', action='store_true')\n"
    )
    (tmp_path / "test_it.py").write_text(SOME)
    (tmp_path / "costs.txt").write_text("7.000 test_other.py::test_it\n0.000 test_it.py::test_dear\n")
    known = ["--known-costs=costs.txt", "--hypothesis-seed=1"]
    measured = _pytest(tmp_path, "--costs=costs.txt", *known, "-n2")
    costs = read(tmp_path / "costs.txt")

    assert "5 passed" in measured
    assert {name: seconds > 0.15 for name, seconds in costs.items()} == {
        "test_it.py::test_dear": True,
        "test_it.py::test_cheap": False,
        "test_other.py::test_it": True,
    }
    some = _pytest(tmp_path, *known, f"--budget={2.1 * costs['test_it.py::test_dear']}")
    whole = [_pytest(tmp_path, *known, "--budget=0.1", more) for more in ("--all-cases", "--thorough")]
    assert re.search(r"3 passed, 2 deselected", some), some
    assert all("5 passed" in each for each in whole)


def _functions() -> set[str]:
    """The tests of the files of tests/."""
    return {
        f"{file.relative_to(ROOT).as_posix()}::{node.name}"
        for file in TESTS.rglob("test_*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_the_costs_of_the_suite_are_known() -> None:
    """Of tests that are there, and of 9 in 10 of those: after a few more, or with other names, `make costs`."""
    known, tests = {name for name in read(COSTS) if name.startswith("tests/")}, _functions()

    assert len(tests) > 900
    assert len(known - tests) < len(tests) / 10
    assert len(tests - known) < len(tests) / 10
