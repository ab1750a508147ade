"""Extreme mutation: stubs answer in the place of functions, what survives is told, and nothing is tried twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audits import extreme, stubs, warm
from audits.stubs import functions
from audits.survivors import State, report
from softproof.problem.formats import FORMATS
from softproof.verdicts.verdict import DISAGREES, Verdict

OK, HOLDS = "verdicts/verdict.py::Verdict.ok", "problem/formats.py::Format.holds"


@pytest.fixture
def restored() -> Iterator[None]:
    """Every function of the judge is itself afterwards."""
    kept = {name: each.itself.__code__ for name, each in functions().items()}
    yield
    for name, code in kept.items():
        functions()[name].itself.__code__ = code


@pytest.mark.always
def test_functions_and_methods_are_found() -> None:
    """Those that do something, behind their decorators; wrong implementations are none of the judge's."""
    named = {
        OK,
        HOLDS,
        "verdicts/judgement.py::judge",
        "verdicts/infeasible.py::infeasible_rows",
        "verdicts/elements.py::Elements.ratio",
    }
    assert named <= set(functions())
    assert not any(name.startswith("mutants/") or "<" in name for name in functions())
    assert len(functions()) > 500


def test_every_function_has_a_stub() -> None:
    """One that gives nothing, and constants of its type."""
    assert all("None" in each.stubs for each in functions().values())
    assert set(functions()[OK].stubs) == {"None", "True", "False"}
    assert {"agrees", "disagrees", "its argument"} <= set(functions()["verdicts/judgement.py::judge"].stubs)


@pytest.mark.parametrize(("stub", "answer"), [("True", True), ("False", False), ("None", None)])
@pytest.mark.usefixtures("restored")
def test_a_stub_answers_for_a_property(stub: str, answer: bool | None) -> None:
    """Whatever the object is."""
    stubs.replace_by(OK, stub)

    assert Verdict(DISAGREES).ok is answer


@pytest.mark.parametrize(("stub", "answer"), [("zeros", 0.0), ("ones", 1.0)])
@pytest.mark.usefixtures("restored")
def test_a_stub_answers_wherever_the_function_is_held(stub: str, answer: float) -> None:
    """By whatever name; an array has the shape of the argument."""
    holds = FORMATS["float32"].holds
    stubs.replace_by(HOLDS, stub)

    assert holds(np.full((2, 1), 0.1)).tolist() == [[answer], [answer]]


@pytest.mark.usefixtures("restored")
def test_an_argument_is_the_first_that_is_not_the_object() -> None:
    """By place or by name."""
    stubs.replace_by(HOLDS, "its argument")
    x = np.array([0.1])

    assert FORMATS["float32"].holds(x) is x
    assert FORMATS["float32"].holds(values=x) is x


@pytest.mark.usefixtures("restored")
def test_what_is_called_is_seen() -> None:
    """Each once, with its own answer."""
    verdicts = [Verdict(DISAGREES), Verdict("agrees")]
    called = stubs.watch()

    assert [verdict.ok for verdict in verdicts] == [False, True]
    assert called == [OK]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AssertionError(), "asserted"),
        (pytest.fail.Exception("did not raise"), "asserted"),
        (TypeError(), "crashed"),
        (pytest.skip.Exception("no device"), "skipped"),
        (warm._LateError(), "took too long"),
    ],
)
def test_a_failed_assertion_is_no_crash(error: BaseException, kind: str) -> None:
    """Which any test meets where a stub gives nothing."""
    assert warm.outcome(error) == kind


def _state(tried: dict[str, str] | None = None) -> State:
    """Two functions and three tests; `tried` says what became of the test of Verdict.ok with each stub."""
    state = State()
    for test, called in {"a::one": [OK], "a::two": [HOLDS], "a::three": [OK, HOLDS]}.items():
        line = {"test": test, "seconds": 0.1, "outcome": "passed", "functions": called, "children": test == "a::two"}
        state.note_calls(line)
    for stub, outcome in (tried or {}).items():
        outcomes = {"a::one": outcome, "a::three": "crashed"}
        state.note({"function": OK, "stub": stub, "seconds": 0.5, "tests": outcomes})
    return state


def test_who_survives_is_told() -> None:
    """A test that no stub fails, a function that no test misses; and a test may only crash."""
    state = _state(dict.fromkeys(("True", "False", "None"), "passed"))
    for stub in functions()[HOLDS].stubs:
        both = dict.fromkeys(("a::two", "a::three"), "passed")
        state.note({"function": HOLDS, "stub": stub, "seconds": 0.5, "tests": both})

    words, names = report(state, f"^({OK}|{HOLDS})$".replace(".", r"\."))

    assert names == [HOLDS, "a::one", "a::two"]
    assert "1 functions that no test misses:\n    problem/formats.py::Format.holds" in words
    assert "2 tests that no stub fails:\n    a::one\n    a::two (judged in a process of its own)" in words
    assert "0 fail an assertion with some stub, 1 end otherwise" in words


def test_who_waits_is_no_survivor() -> None:
    """Nor is a function with a stub that was not tried."""
    words, names = report(_state({"True": "passed"}), f"^{OK}$")

    assert names == []
    assert "1 tests wait to be tried" in words
    assert report(State(), f"^{OK}$")[0].count("functions that no test calls in its own process:") == 1


def test_an_assertion_counts_more_than_a_crash() -> None:
    """And is what is known of a function afterwards."""
    state = _state({"True": "asserted", "None": "crashed"})

    assert state.failed == {"a::one": "asserted", "a::three": "crashed"}
    assert state.missed() == {OK: ("True", "a::one")}


def test_nothing_is_tried_twice() -> None:
    """Each stub once with each test that calls the function, until one fails."""
    state, asked = _state(), []
    for jobs in extreme.first_rounds(state, [OK]):
        for job in jobs:
            asked.append((job.stub, job.tests))
            state.note({"function": OK, "stub": job.stub, "seconds": 0, "tests": dict.fromkeys(job.tests, "passed")})

    assert [stub for stub, _ in asked] == ["True", "False", "None"]
    assert all(set(tests) == {"a::one", "a::three"} for _, tests in asked)
    assert list(extreme.further_rounds(state, [OK], 4)) == []


def test_a_function_that_is_missed_is_done() -> None:
    """The tests that have not failed yet are asked with other stubs, one at a time."""
    state = _state({"False": "asserted"})

    assert [jobs for jobs in extreme.first_rounds(state, [OK]) if jobs] == []
    (job,) = next(extreme.further_rounds(state, [OK], 1))
    assert (job.function, job.tests) == (OK, ("a::three",))


@pytest.mark.thorough
def test_one_function_from_end_to_end(tmp_path: Path) -> None:
    """In forked children, twice: the second run finds everything in its log."""
    command = [sys.executable, "-m", "audits.extreme", "--only", HOLDS, "--tests", "tests/test_formats.py",
               "--log", str(tmp_path / "log"), "--calls", str(tmp_path / "calls")]  # fmt: skip
    runs: list[Any] = [subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(2)]

    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {each["function"] for each in lines} == {HOLDS}
    assert "asserted" in {outcome for each in lines for outcome in each["tests"].values()}
    assert "1 functions are missed by a test, 0 wait to be tried" in runs[0].stdout
    assert runs[0].stdout == runs[1].stdout
