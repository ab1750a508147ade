"""A short run asks a share of what is marked `drawn`: of its seed, others from others, and all of it when thorough.

A run of another seed may leave out what the seed does not change; what draws by the seed unseen is an error.
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

from .helpers.draws import drawn, told_or_fresh

NAMES = [f"{number}" for number in range(10)]


def test_a_share_is_drawn() -> None:
    """Rounded up, so never nothing; each from some seed, in whatever order they are collected."""
    samples = [drawn(NAMES, 4, f"{seed}") for seed in range(50)]

    assert {len(each) for each in samples} == {3}
    assert frozenset().union(*samples) == set(NAMES)
    assert samples[0] == drawn(NAMES[::-1], 4, "0") != samples[1]
    assert drawn(NAMES, 1, "0") == set(NAMES)
    assert drawn(["it"], 9, "0") == {"it"}


def _pytest(folder: Path, *arguments: str) -> str:
    """What a run of the tests in a folder prints."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", *arguments, "."]
    env = {"PYTHONPATH": f"{Path(__file__).parents[1]}", "PATH": ""}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


def test_what_is_not_drawn_is_left_out(tmp_path: Path) -> None:
    """And counted as such; a test without a mark is asked, and with --thorough everything."""
    (tmp_path / "conftest.py").write_text(
        "pytest_plugins = ['tests.helpers.draws']\n"
        "def pytest_addoption(parser):\n    parser.addoption('--thorough', action='store_true')\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.drawn(4)\n@pytest.mark.parametrize('n', range(10))\ndef test_it(n):\n    pass\n"
        "def test_other():\n    pass\n"
    )
    (tmp_path / "test_file.py").write_text(
        "import pytest\npytestmark = [pytest.mark.drawn(2)]\n"
        "@pytest.mark.parametrize('n', range(3))\ndef test_it(n):\n    pass\n"
        "def test_other():\n    pass\n"
    )
    chosen = (["--hypothesis-seed=1"], ["--thorough"], ["--all-cases"])
    told = [_pytest(tmp_path, "--collect-only", *more) for more in chosen]

    assert [re.findall(r"(\d+)(?:/15)? tests collected", each) for each in told] == [["6"], ["15"], ["15"]], told
    assert "9 deselected" in told[0]


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
@pytest.mark.drawn(2)
@pytest.mark.parametrize("n", range(20))
def test_drawn(n): pass

def test_nothing(): pass
def test_with_its_own_seed(): seed(1)(numbers(lambda n: None))()
def test_unseen(): numbers(lambda n: None)()
def test_asks_for_it(pytestconfig): run_seed(pytestconfig)
"""


def test_some_of_several_tests_are_asked(tmp_path: Path) -> None:
    """One in two of those that have the same words, wherever they are."""
    (tmp_path / "conftest.py").write_text("pytest_plugins = ['tests.helpers.draws']")
    for file in ("test_one.py", "test_two.py"):
        mark = "import pytest\n@pytest.mark.drawn(2, among='these')\n"
        (tmp_path / file).write_text(f"{mark}def test_it(): pass\n{mark.partition(chr(10))[2]}def test_that(): pass\n")

    printed = [_pytest(tmp_path, f"--hypothesis-seed={seed}") for seed in range(3)]
    assert all("2 passed, 2 deselected" in each for each in printed)


@pytest.mark.drawn(3, among="whole runs")
@pytest.mark.parametrize("words", [["--hypothesis-seed=5"], ["-n", "1"], ["--hypothesis-profile=ci", "-n", "1"]])
def test_the_seed_is_a_number_however_it_comes(words: list[str], tmp_path: Path) -> None:
    """Told, or none in several processes, where it is the name of the run."""
    (tmp_path / "conftest.py").write_text("pytest_plugins = ['tests.helpers.draws']")
    (tmp_path / "test_it.py").write_text("def test_it(number_of_the_run): assert number_of_the_run >= 0")

    assert "1 passed" in _pytest(tmp_path, *words)


@pytest.mark.drawn(3, among="whole runs")
def test_what_the_seed_changes_is_asked_again(tmp_path: Path) -> None:
    """And of what is drawn, what was not drawn before; who draws by the seed without a mark is told so."""
    (tmp_path / "conftest.py").write_text("pytest_plugins = ['tests.helpers.draws']")
    (tmp_path / "test_it.py").write_text(SEEDS)
    before, whole, again = (
        {each: set(re.findall(rf"(?m)^{each} \S*::(\S+)", printed)) for each in OUTCOMES}
        for words in (["--hypothesis-seed=0"], ["--hypothesis-seed=5"], ["--hypothesis-seed=5", "--by-seed"])
        for printed in [_pytest(tmp_path, "-rA", *words)]
    )

    marked = {"test_of_hypothesis", "test_with_the_fixture", "test_of_a_case[5]", "test_with_a_loop"}
    cases = [{name for name in each["PASSED"] if "drawn" in name} for each in (before, whole)]
    assert whole["FAILED"] == {"test_unseen", "test_asks_for_it"}
    assert whole["PASSED"] == marked | cases[1] | {"test_nothing", "test_with_its_own_seed"}
    assert again == {"PASSED": marked | (cases[1] - cases[0]), "FAILED": set()}
    assert len(cases[0]) == len(cases[1]) == 10 > len(cases[1] - cases[0]) > 0


def test_a_seed_that_nobody_tells_is_by_the_run_and_the_test(request: pytest.FixtureRequest) -> None:
    """And by the number of the call."""
    found = [verification.verify(softmax, dtypes=["float32"], examples=1).seed for _ in range(2)]

    about = f"{told_or_fresh(request.config)} {request.node.nodeid}"
    assert found == [zlib.crc32(f"{about} {call}".encode()) for call in range(2)]
