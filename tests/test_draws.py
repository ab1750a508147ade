"""A run has one seed, told or drawn, in all its processes. What draws by it unseen is an error.

A run of another seed may leave out what the seed does not change.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from manual import softmax
from softproof.runs import verification

from .helpers.draws import told_or_fresh

PLUGINS = "pytest_plugins = ['tests.helpers.costs', 'tests.helpers.draws']"


def _pytest(folder: Path, *arguments: str) -> str:
    """What a run of the tests in a folder prints."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", *arguments, "."]
    env = {"PYTHONPATH": f"{Path(__file__).parents[1]}", "PATH": ""}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


OUTCOMES = ("PASSED", "FAILED")
SEEDS = """
import pytest
from hypothesis import given, seed, settings, strategies as st
from tests.helpers.draws import run_seed, seed_of

numbers = given(n=st.integers())

def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", [seed_of(metafunc)])

@numbers
def test_of_hypothesis(n): pass
def test_with_the_fixture(seed_of_the_run): assert seed_of_the_run == "5"
def test_of_a_case(case): assert case == "5"
@pytest.mark.draws
def test_with_a_loop(): numbers(lambda n: None)()
@pytest.mark.parametrize("n", range(20))
def test_dear(n): pass

def test_nothing(): pass
def test_with_its_own_seed(): seed(1)(numbers(lambda n: None))()
def test_unseen(): numbers(lambda n: None)()
def test_asks_for_it(pytestconfig): run_seed(pytestconfig)
"""


@pytest.mark.parametrize("words", [["--hypothesis-seed=5"], ["-n", "1"], ["--hypothesis-profile=ci", "-n", "1"]])
def test_the_seed_is_a_number_however_it_comes(words: list[str], tmp_path: Path) -> None:
    """Told, or none in several processes, where it is the name of the run."""
    (tmp_path / "conftest.py").write_text(PLUGINS)
    (tmp_path / "test_it.py").write_text("def test_it(number_of_the_run): assert number_of_the_run >= 0")

    assert "1 passed" in _pytest(tmp_path, *words)


def test_what_the_seed_changes_is_asked_again(tmp_path: Path) -> None:
    """And of what costs too much, what was not chosen before; who draws by the seed without a mark is told so."""
    (tmp_path / "conftest.py").write_text(PLUGINS)
    (tmp_path / "test_it.py").write_text(SEEDS)
    (tmp_path / "costs.txt").write_text("1.0 test_it.py::test_dear")
    paid = ["--known-costs=costs.txt", "--budget=10"]
    before, whole, again = (
        {each: set(re.findall(rf"(?m)^{each} \S*::(\S+)", printed)) for each in OUTCOMES}
        for words in (["--hypothesis-seed=0"], ["--hypothesis-seed=5"], ["--hypothesis-seed=5", "--by-seed"])
        for printed in [_pytest(tmp_path, "-rA", *paid, *words)]
    )

    marked = {"test_of_hypothesis", "test_with_the_fixture", "test_of_a_case[5]", "test_with_a_loop"}
    cases = [{name for name in each["PASSED"] if "dear" in name} for each in (before, whole)]
    assert whole["FAILED"] == {"test_unseen", "test_asks_for_it"}
    assert whole["PASSED"] == marked | cases[1] | {"test_nothing", "test_with_its_own_seed"}
    assert again == {"PASSED": marked | (cases[1] - cases[0]), "FAILED": set()}
    assert len(cases[0]) == len(cases[1]) == 10 > len(cases[1] - cases[0]) > 0


def test_a_seed_that_nobody_tells_is_by_the_run_and_the_test(request: pytest.FixtureRequest) -> None:
    """And by the number of the call."""
    found = [verification.verify(softmax, dtypes=["float32"], examples=1).seed for _ in range(2)]

    about = f"{told_or_fresh(request.config)} {request.node.nodeid}"
    assert found == [zlib.crc32(f"{about} {call}".encode()) for call in range(2)]
