"""What `audits.figures` prints is counted and compared as it says; on problems of a few rows."""

from __future__ import annotations

import time

import numpy as np
import pytest

from audits import campaign, detection, figures, questions
from audits.campaign import Ask, Campaign, Contestant, Size
from benchmarks import cost, text
from softproof import OPERATIONS, Problem, load
from softproof.problem.checks import check
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array

from .helpers.candidates import MANUAL, REFERENCE

BY_HAND = Contestant(MANUAL, "cpu", ("float32",), ("any-order",))
TINY = Size((3,), (40,), elements=24, rows=8)


def uniform(logits: Array, dim: int = -1) -> Array:
    """No softmax."""
    return np.full_like(logits, 1 / logits.shape[dim])


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", FORMATS)
def test_questions_are_well_formed(operation: str, name: str) -> None:
    """In every look, with one class and with more."""
    rng = np.random.default_rng(0)

    for look in questions.looks(operation, name):
        for rows, classes in ((1, 1), (4, 5)):
            check(questions.question(rng, operation, name, look, rows, classes))


def test_a_right_implementation_has_no_violation() -> None:
    """And is closer to some bound than the goal asks."""
    seen = campaign.run(TINY, [BY_HAND])

    assert not seen.refused
    assert seen.violations.total() == seen.findings.total() == 0
    assert seen.closest["log_softmax", "value", "float32"][0] > campaign.SHARP_GOAL
    assert "VIOLATION" not in campaign.violations(seen)
    assert {key[0] for key in seen.closest} == set(OPERATIONS)
    assert all(operation in campaign.sharpness(seen) for operation in OPERATIONS)


def test_rows_are_counted() -> None:
    """Four rows of a value and four of a gradient; a mean and its gradient are one row and four."""
    seen, x = Campaign(), np.zeros((4, 3))
    seen.ask(Ask(BY_HAND, "float32", "softmax", "equal", 4, 3), Problem("softmax", "float32", {"logits": x}, {}, x))
    assert seen.checks.total() == 8

    labels = Problem("cross_entropy", "float32", {"logits": x, "target": [0, 1, 2, 0]}, {}, 1.0)
    seen.ask(Ask(BY_HAND, "float32", "cross_entropy", "equal", 4, 3), labels)
    assert seen.checks.total() == 8 + 5


def test_a_wrong_implementation_has_violations() -> None:
    """They are counted, shown, and a goal is not met."""
    wrong = Contestant(load(uniform, operation="softmax"), "cpu", ("float32",), ("any-order",))
    problem = Problem("softmax", "float32", {"logits": [[0.0, 1.0]]}, {"dim": -1})
    seen = Campaign()
    seen.ask(Ask(wrong, "float32", "softmax", "normal", 1, 2), problem)

    assert seen.violations.total() == 1
    assert "VIOLATION: uniform cpu any-order float32: softmax float32, normal, 1 x 2" in campaign.violations(seen)
    assert campaign.goals(seen)[0] == "NOT MET  no violation besides named findings: 1 problems"


def test_a_finding_is_no_violation() -> None:
    """A float16 sum that torch stores as an infinity; in float32, and by hand, it would be one."""
    zeros = np.zeros((1, 65536))
    problem = Problem("log_softmax", "float16", {"logits": zeros}, {"dim": -1})

    assert campaign.finding(REFERENCE, problem) == "log-softmax-overflows-its-sum"
    assert campaign.finding(REFERENCE, Problem("log_softmax", "float32", {"logits": zeros}, {"dim": -1})) == ""
    assert campaign.finding(MANUAL, problem) == ""


def test_goals_of_sharpness() -> None:
    """What stays below is named."""
    seen = Campaign(closest={("softmax", "value", "float32"): (0.2, ""), ("linear", "value", "float32"): (0.4, "")})

    assert "softmax float32: 0.200" in campaign.goals(seen)[2]
    assert "linear" not in campaign.goals(seen)[2]
    assert campaign.goals(seen)[3] == "NOT MET  0.9 for softmax and log_softmax: softmax float32: 0.200"


# ---- detection ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "found"), [(0.3, 0.5), (0.5, 0.5), (2.0**-70, 2.0**-60), (np.inf, np.inf)])
def test_the_smallest_power_that_is_caught(limit: float, found: float) -> None:
    """By bisection: the smallest that is tried, and infinity where nothing is caught."""
    assert detection.smallest(lambda size: size >= limit) == found


def test_one_element_is_spoiled() -> None:
    """The one of median magnitude."""
    right = np.array([[3.0, -1.0, 0.5]])

    wrong = detection.spoiled("float32", right, 0.5)

    assert wrong.tolist() == [[3.0, -1.5, 0.5]]
    assert detection.relative_error(wrong, right) == 0.5


def test_the_last_row_is_spoiled() -> None:
    """All of it."""
    right = np.array([[3.0, -1.0, 0.5], [1.0, 2.0, -4.0]])

    assert detection.spoiled_row("float32", right, 0.5).tolist() == [[3.0, -1.0, 0.5], [1.5, 3.0, -6.0]]


@pytest.mark.parametrize(("operation", "output"), detection.NAMES)
@pytest.mark.parametrize("name", FORMATS)
def test_the_judge_sees_more_than_assert_close(operation: str, output: str, name: str) -> None:
    """Of ten classes already; and more than gradcheck, which is asked about one gradient."""
    found = detection.thresholds(detection.Case(operation, name, 10, output))

    assert 0 < found["softproof"] < found["assert_close"]
    assert 0 < found["whole row"] < 0.1
    assert ("gradcheck" in found) == ((operation, name) == ("cross_entropy", "float64"))
    assert found["softproof"] < found.get("gradcheck", np.inf)


def test_gradcheck_accepts_the_right_gradient() -> None:
    """And sees one that is twice as large."""
    case = detection.Case("cross_entropy", "float64", 10, "grad_logits")
    problem = detection.question(np.random.default_rng(0), case)
    right = detection.nearest(problem)

    assert not detection.gradchecked(problem, right)
    assert detection.gradchecked(problem, right | {"grad_logits": 2 * right["grad_logits"]})


def test_answers_that_are_wrong_altogether() -> None:
    """The judge rejects all of them, and `assert_close` has something to say when they are short."""
    lines = detection.wrong_answers(classes=200, many=(4, 50), long=(60, 4)).splitlines()[4:]

    assert len(lines) == 21
    assert {line.split()[-2] for line in lines} == {"rejected"}
    assert "rejected" in {line.split()[-1] for line in lines}


# ---- cost and text --------------------------------------------------------------------------------------------------


def test_cost_is_measured() -> None:
    """Four goals, and the lines that they are about."""
    table, goals = cost.cost(small=(1, 8), large=(4, 16))

    assert [line.split("  ")[0] for line in table.splitlines()[4:]] == ["1 x 8 float64"] * 5 + ["4 x 16 float32"] * 4
    measured = [line.removesuffix(" ms").removesuffix(" s").split()[-1] for line in table.splitlines()[4:]]
    assert all(float(number.replace(",", "")) >= 0 for number in measured)
    assert float(measured[-1]) > 1  # what is held is counted
    assert len(goals) == 4


def test_the_goals_of_cost_are_about_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are met by these times, and two are not."""
    times = {"judge": 2e-3, "gradcheck, fast": 3e-3, "gradcheck, slow": 0.25}
    monkeypatch.setattr(cost, "gradient_of_a_loss", lambda *_: times)
    monkeypatch.setattr(cost, "large_loss", lambda *_: cost.Large(0.1, 1.25, 1.5))

    table, goals = cost.cost()

    assert [line.rsplit("  ", 1)[-1].strip() for line in table.splitlines()[4:]] == [
        "2.0 ms", "3.0 ms", "250.0 ms", "1.50", "125.00", "0.10 s", "1.25 s", "12.50", "1.500",
    ]  # fmt: skip
    assert [goal.split("  ")[0] for goal in goals] == ["met", "met", "NOT MET", "NOT MET"]
    assert [goal.rsplit(": ", 1)[-1] for goal in goals[2:]] == ["12.50", "1.50"]


def test_seconds_are_those_of_a_clock() -> None:
    """The median of a few runs that wait, and one more that warms up."""
    calls: list[int] = []

    def run() -> None:
        calls.append(1)
        time.sleep(0.02 if len(calls) > 1 else 1e-3)

    assert cost.seconds(run, 3) >= 0.02
    assert len(calls) == 4


def test_peak_counts_what_is_there_at_once() -> None:
    """One array of two mebibytes after another is one array."""

    def twice() -> None:
        for _ in range(2):
            np.ones(1 << 18)

    assert 1 << 21 <= cost.peak(twice) < 3 << 20


def test_tables_and_goals_in_words() -> None:
    """Words to the left, numbers to the right."""
    assert text.table("T", [("a", "n"), ("bcd", "1000")], left=1).splitlines()[2:] == [
        "a       n",
        "---------",
        "bcd  1000",
    ]
    assert text.goal("g", [], 3) == "met      g"
    assert text.goal("g", ["x"], 1) == "NOT MET  g: x"
    assert text.goal("g", ["x"], 3) == "NOT MET  g; 1 of 3 are not:\n           x"


def test_the_whole_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, with the versions above and the goals below."""
    monkeypatch.setattr("sys.argv", ["figures", "--quick"])
    monkeypatch.setattr(campaign, "contestants", lambda: [BY_HAND])
    monkeypatch.setattr(campaign, "QUICK", TINY)
    monkeypatch.setattr(detection, "detection", lambda _: "detection")
    monkeypatch.setattr(detection, "wrong_answers", lambda: "wrong answers")
    monkeypatch.setattr(cost, "cost", lambda **_: ("cost", ["met      cost"]))

    figures.main()

    printed = capsys.readouterr().out
    parts = (
        "python ",
        "Violations",
        "Largest error / bound",
        "detection",
        "wrong answers",
        "cost",
        "Goals",
        "met      cost",
    )
    places = [printed.index(part) for part in parts]
    assert places == sorted(places)
