"""The edge cases: both halves do what is demanded, and docs/theory/semantics.md shows what everybody does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from torch import Tensor

import manual
from softproof import Candidate, Output, Problem, Result, judge_result, load
from softproof.cli.commands import main
from softproof.generation.edge_cases import EDGE_CASES, SECTIONS
from softproof.generation.edges.edge_case import ERROR, EdgeCase
from softproof.generation.edges.edge_case import UNSPECIFIED as NOT_FIXED
from softproof.problem.problem import Array
from softproof.reports.semantics import Seen, see, semantics_report
from softproof.verdicts.verdict import AGREES, DISAGREES, UNSPECIFIED

from .helpers.candidates import MANUAL, REFERENCE
from .helpers.recorded import recorded_here

DOCS = Path(__file__).parent.parent / "docs" / "theory" / "semantics.md"
TARGETS = ("torch.nn.functional", "reference", "manual", "examples.candidates.scipy_special")
VERSIONS = re.compile(r"^\| (numpy|torch) \| .* \|$", re.MULTILINE)
CELL = re.compile(r"(?<!\\)\|")
BY_NUMBER = {edge_case.number: edge_case for edge_case in EDGE_CASES}
IN_HALF_PRECISION = {26, 150}  # torch leaves "float32 inside" there (docs/generated/findings.md), the second on the CPU


def _seen(number: int, candidate: Candidate, device: str = "cpu") -> Seen:
    seen = see(BY_NUMBER[number], candidate, device)
    assert seen is not None
    return seen


def test_numbers_are_unique_and_ascend() -> None:
    """They are cited."""
    numbers = [edge_case.number for edge_case in EDGE_CASES]

    assert numbers == sorted(set(numbers))


def test_all_combinations_of_options_are_there() -> None:
    """Three reductions, with and without weight and smoothing; labels also with and without an ignored row."""
    combinations = {
        (
            problem.inputs["target"].dtype == np.int64,
            problem.options["reduction"],
            "weight" in problem.inputs,
            bool((problem.inputs["target"] == -100).any()),
            "label_smoothing" in problem.options,
        )
        for problem in (edge_case.problem for edge_case in SECTIONS["Cross-entropy: all combinations of options"])
    }

    assert len(combinations) == 3 * 2 * 2 * (2 + 1)


def _told(seen: Seen | None) -> str:
    """The outcome with the rows that excuse something; or that nothing was asked, or judged."""
    if seen is None:
        return "not asked"
    return (
        "not judged" if seen.verdict is None else " ".join((seen.verdict.outcome, *map(str, seen.verdict.unspecified)))
    )


def _is_asked(half: Candidate, device: str, edge_case: EdgeCase) -> bool:
    """Whether a half takes such labels and such a format, and an error leaves the device as it was."""
    takes = half is not MANUAL or (edge_case.labels == "int64" and edge_case.problem.dtype != "bfloat16")
    return takes and (device == "cpu" or edge_case.demanded != ERROR)


def _each(edge_cases: list[EdgeCase]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("edge_case", edge_cases, ids=lambda edge_case: str(edge_case.number))


@_each([edge_case for edge_case in EDGE_CASES if edge_case.demanded != NOT_FIXED])
def test_both_halves_do_what_is_demanded(half: Candidate, device: str, edge_case: EdgeCase) -> None:
    """The value, NaN, an error, and no row excuses anything; each half is asked whatever it takes."""
    there = half is REFERENCE and edge_case.number in IN_HALF_PRECISION - ({150} if device == "cuda" else set())
    outcome = DISAGREES if there else AGREES

    assert _told(see(edge_case, half, device)) == (outcome if _is_asked(half, device, edge_case) else "not asked")


@_each([edge_case for edge_case in EDGE_CASES if edge_case.demanded == NOT_FIXED])
def test_what_is_not_fixed(half: Candidate, device: str, edge_case: EdgeCase) -> None:
    """Is excused where it is judged, or agrees by itself."""
    told = _told(see(edge_case, half, device))

    assert told.split()[0] in {AGREES, UNSPECIFIED} if edge_case.judged else told == "not judged"


def test_a_wrong_nan_is_excused_nowhere_else() -> None:
    """NaN in place of all outputs disagrees in each edge case that demands something else."""
    for edge_case in EDGE_CASES:
        seen = see(edge_case, MANUAL)
        if seen is None or seen.verdict is None or edge_case.demanded in (ERROR, NOT_FIXED):
            continue
        for name, output in seen.result.outputs.items():
            all_nan = replace(output, values=np.full_like(output.values, np.nan))
            verdict = judge_result(edge_case.problem, Result({**seen.result.outputs, name: all_nan}))
            assert verdict.ok is bool(np.isnan(output.values).all()), (edge_case.number, name)


def _excused(problem: Problem, name: str, values: object) -> str:
    """The outcome of one output being replaced, the others being by hand."""
    found = MANUAL.answer(problem).outputs
    output = Output(np.asarray(values, np.float32).reshape(found[name].values.shape), problem.dtype)
    return judge_result(problem, Result({**found, name: output})).outcome


@pytest.mark.parametrize(
    ("number", "name", "right", "wrong"),
    [
        (3, "value", [np.nan, np.nan], [0.5, 0.5]),
        (3, "value", [1.0, 0.0], [np.nan, 0.5]),
        (4, "value", [np.nan, np.nan, 0.0], [0.5, 0.5, 0.0]),
        (13, "value", [np.nan, np.nan, -np.inf], [np.nan, np.nan, 0.0]),
        (12, "grad_logits", [np.nan, np.nan], [0.0, 0.0]),
        (22, "grad_logits", [np.nan, 0.0], [0.5, 0.5]),
        (22, "value", np.inf, np.nan),
        (23, "grad_logits", [np.nan, np.nan, 0.0], [np.nan, np.nan, 1.0]),
        (31, "grad_p", [np.nan, -1.0], [0.0, -1.0]),
        (34, "grad_q", [np.nan, -0.5], [np.inf, -0.5]),
        (35, "grad_p", [0.0, 0.0], [1.0, 0.0]),
        (94, "value", np.inf, 0.0),
        (94, "grad_logits", [np.nan] * 4, [0.0] * 4),
        (96, "value", np.inf, 1.0),
        (105, "jvp", 0.0, 1.0),
        (105, "value", np.nan, 0.0),
        (113, "value", np.nan, np.inf),
        (113, "value", None, 0.0),
        (113, "grad_logits", None, [np.nan] * 3),
        (115, "value", np.nan, np.inf),
        (118, "value", np.nan, 1.0),
        (120, "grad_target", None, [[1.0, np.inf, 1.0]]),
        (122, "value", np.nan, np.inf),
        (123, "grad_logits", [np.nan, np.nan], [0.0, 0.0]),
        (92, "grad_logits", [0.0] * 4, [np.nan] * 4),
        (111, "value", np.inf, np.nan),
        (110, "value", None, np.nan),
    ],
)
def test_what_is_right_besides_the_exact_value(number: int, name: str, right: object, wrong: object) -> None:
    """Each rule excuses what its row names, and nothing else."""
    problem = BY_NUMBER[number].problem
    if right is not None:
        assert _excused(problem, name, right) in (AGREES, UNSPECIFIED)
    if wrong is not None:
        assert _excused(problem, name, wrong) == DISAGREES


def test_a_row_that_is_excused_does_not_excuse_its_neighbours() -> None:
    """A NaN beside the row that no document fixes is wrong."""
    problem = Problem("softmax", "float32", {"logits": [[np.inf, 0.0], [0.0, 0.0]]}, {"dim": -1})

    def verdict(rows: list[list[float]]) -> str:
        return judge_result(problem, Result({"value": Output(np.array(rows, np.float32), "float32")})).outcome

    assert verdict([[np.nan, np.nan], [0.5, 0.5]]) == AGREES
    assert verdict([[np.nan, np.nan], [np.nan, 0.5]]) == DISAGREES


@pytest.mark.parametrize(
    ("g", "options", "excused"),
    [
        (1.0, {}, False),
        (1.0, {"label_smoothing": 1.0}, True),
        (2.0**-127, {}, True),
        (2.0**-125, {"reduction": "sum"}, False),
        (2.0**-125, {"reduction": "mean"}, True),
        ([0.0, 1.0], {"reduction": "none"}, True),
        ([1.0, 0.0], {"reduction": "none"}, False),
    ],
    ids=str,
)
def test_a_slope_is_excused_where_its_factors_vanish(g: float, options: dict[str, Any], excused: bool) -> None:
    """NaN for the infinite slope of the first row, at a masked class: where g w (1 - ε)/D may be 0, and only there."""
    rows = [[0.0, -np.inf], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]][: 2 if options.get("reduction") == "none" else 4]
    inputs = {"logits": rows, "target": [[1.0, 0.0]] * len(rows)}
    problem = Problem("cross_entropy", "float32", inputs, options, g)
    right = MANUAL.answer(problem).outputs["grad_target"].values.copy()
    right[0, 1] = np.nan

    assert (_excused(problem, "grad_target", right) != DISAGREES) == excused


def test_no_slope_excuses_where_no_class_is_masked() -> None:
    """0 times a finite logarithm is 0."""
    inputs = {"logits": [[0.0, -np.inf], [0.0, 0.0]], "target": [[1.0, 0.0]] * 2}
    problem = Problem("cross_entropy", "float32", inputs, {}, 0.0)

    assert _excused(problem, "grad_target", [[0.0, np.nan], [0.0, 0.0]]) == AGREES
    assert _excused(problem, "grad_target", [[0.0, np.nan], [np.nan, 0.0]]) == DISAGREES


def test_no_weight_times_a_loss_that_overflows() -> None:
    """Is 0, and NaN may be left of it (Theorem 13); with a weight it is infinite."""

    def loss(weight: float) -> Problem:
        inputs: dict[str, Any] = {"logits": [[-3e38, 3e38]], "target": [0], "weight": [weight, 1.0]}
        inputs["logits"] = np.array(inputs["logits"], np.float32)
        return Problem("cross_entropy", "float32", inputs, {"reduction": "none"})

    assert _excused(loss(0.0), "value", [np.nan]) == AGREES
    assert _excused(loss(0.0), "value", [0.0]) == AGREES
    assert _excused(loss(1.0), "value", [np.nan]) == DISAGREES


def test_a_loss_that_is_excused_does_not_excuse_its_neighbours() -> None:
    """0 times the infinite loss of a masked class may be NaN, in its own row."""
    inputs: dict[str, Any] = {"logits": [[-np.inf, 0.0], [0.0, 0.0]], "target": [0, 1], "weight": [0.0, 1.0]}
    problem = Problem("cross_entropy", "float32", inputs, {"reduction": "none"})

    assert _excused(problem, "value", [np.nan, np.log(2)]) == AGREES
    assert _excused(problem, "value", [np.nan, np.nan]) == DISAGREES


def test_nothing_but_excuses_is_no_agreement() -> None:
    """The outcome says so, cites the rows, and speaks against nothing."""
    problem = Problem("softmax", "float32", {"logits": [np.inf, 0.0]}, {"dim": -1})

    verdict = judge_result(problem, Result({"value": Output(np.full(2, np.nan, np.float32), "float32")}))

    assert verdict.outcome == UNSPECIFIED
    assert verdict.unspecified == (3,)
    assert verdict.ok


def _wrapping(logits: Array, target: Array, **options: Any) -> Array:
    """A loss that reads a label outside the classes as another class."""
    return manual.cross_entropy(logits, target % logits.shape[1], **options)


def test_an_answer_to_what_should_be_an_error_disagrees() -> None:
    """Labels that wrap around."""
    candidate = load(_wrapping, operation="cross_entropy", adapter="numpy")

    for number in (135, 136, 137):
        verdict = _seen(number, candidate).verdict
        assert verdict is not None
        assert verdict.outcome == DISAGREES
        assert "expected an error" in verdict.explanation


@recorded_here
def test_the_document_is_the_report() -> None:
    """But for the versions."""
    report = semantics_report([load(name) for name in TARGETS]) + "\n"

    assert VERSIONS.sub("", DOCS.read_text()) == VERSIONS.sub("", report)


def test_the_command_shows_your_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One function, on the screen and in a file."""
    file = tmp_path / "semantics.md"

    assert main(["semantics", "manual:softmax", "--write", str(file)]) == 0

    printed = capsys.readouterr().out
    assert printed == file.read_text()
    assert "| 1 | [1, 0]; ∂logits [0, 0] |" in printed


def _plain(input: Tensor, target: Tensor) -> Tensor:
    """A loss without options."""
    return F.cross_entropy(input, target)


def _plain_softmax(x: Array) -> Array:
    """A softmax without `dim`."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


@pytest.mark.parametrize(
    ("function", "operation", "number"),
    [(_plain_softmax, "softmax", 1), (_plain, "cross_entropy", 66), (_plain, "cross_entropy", 110)],
)
def test_options_with_their_default_value_are_asked_of_everybody(
    function: Callable[..., Any], operation: str, number: int
) -> None:
    """`dim` of the last axis and reduction="mean" need not be in the signature; one row alone says no reduction."""
    verdict = _seen(number, load(function, operation=operation)).verdict

    assert verdict is not None
    assert verdict.ok, verdict


def test_an_option_with_another_value_is_not_asked_of_who_lacks_it() -> None:
    """A sum, of a loss that is a mean."""
    edge_case = next(edge_case for edge_case in EDGE_CASES if edge_case.problem.options.get("reduction") == "sum")

    assert see(edge_case, load(_plain, operation="cross_entropy")) is None


def test_a_derivative_is_not_asked_of_who_has_none() -> None:
    """Row 105 is about the derivative in a direction, and judges nobody without one."""
    without = replace(MANUAL, jvps={}, hvps={})

    assert see(BY_NUMBER[105], without) is None
    assert _seen(105, MANUAL).verdict is not None


def test_what_nobody_has_is_left_out() -> None:
    """A single softmax has one section, and every line of a table as many cells as the one above."""
    report = semantics_report([load("manual:softmax")])

    assert re.findall("^## (.*)$", report, re.MULTILINE) == ["Softmax and log-softmax"]
    assert "log_softmax of" not in report
    lines = report.splitlines()
    for above, below in pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert len(CELL.findall(above)) == len(CELL.findall(below)), below


def test_ignored_rows_are_not_asked_of_who_ignores_none() -> None:
    """A loss without `ignore_index` has labels of classes alone."""

    def loss(logits: Array, target: Array) -> Array:
        return np.asarray(manual.cross_entropy(logits, target))

    candidate = load(loss, operation="cross_entropy", adapter="numpy")

    assert see(BY_NUMBER[92], candidate) is None
    assert see(BY_NUMBER[126], candidate) is None
    assert _seen(103, candidate).verdict is not None


@pytest.mark.parametrize(
    ("label", "given", "options", "outcome"),
    [
        (2, np.inf, {}, "unspecified"),
        (2, np.nan, {}, "agrees"),
        (2, -np.inf, {}, "disagrees"),
        (2, 5.0, {}, "disagrees"),
        (1, np.inf, {}, "disagrees"),
        (2, np.inf, {"label_smoothing": 0.1}, "disagrees"),
        (2, np.inf, {"weight": [1.0, 1.0, 0.0]}, "disagrees"),
        (2, np.inf, {"reduction": "mean"}, "unspecified"),
        (2, np.inf, {"reduction": "sum", "others": [[0.0, 1.0, 2.0], [np.inf, 0.0, 0.0]]}, "unspecified"),
        (2, np.inf, {"reduction": "sum", "others": [[np.inf, 0.0, np.inf]]}, "disagrees"),
        (2, np.inf, {"reduction": "mean", "others": [[np.nan, 0.0, 0.0]]}, "disagrees"),
        (2, -np.inf, {"reduction": "sum"}, "disagrees"),
        (1, np.inf, {"reduction": "mean"}, "disagrees"),
    ],
)
def test_a_loss_below_several_infinities(label: int, given: float, options: dict[str, Any], outcome: str) -> None:
    """Has the limit +inf where the label's logit is finite, which is as right as NaN; row 129."""
    others = options.get("others", [])
    inputs: dict[str, Any] = {"logits": [[np.inf, np.inf, 0.0], *others], "target": [label] + [2] * len(others)}
    inputs |= {name: options[name] for name in options if name == "weight"}
    rest = {name: options[name] for name in options if name not in ("weight", "others")}
    problem = Problem("cross_entropy", "float32", inputs, {"reduction": "none", **rest})
    value = np.array(given if "reduction" in rest else [given], np.float32)
    verdict = judge_result(problem, Result({"value": Output(value, "float32")}))

    assert verdict.outcome == outcome
    assert verdict.unspecified == ((129,) if outcome == "unspecified" else ())


@pytest.mark.parametrize(
    ("label", "given", "options", "outcome"),
    [
        (3, [np.nan, np.nan, 0.0, -6.0], {}, "agrees"),
        (3, [np.nan, np.nan, np.nan, -6.0], {}, "agrees"),
        (3, [np.nan, np.nan, np.nan, 0.0], {}, "disagrees"),
        (3, [np.nan, np.nan, 1e-30, -6.0], {}, "disagrees"),
        (3, [0.0, np.nan, 0.0, -6.0], {}, "disagrees"),
        (0, [np.nan, np.nan, 0.0, 0.0], {}, "agrees"),
        (0, [-3.0, np.nan, 0.0, 0.0], {}, "disagrees"),
        (3, [np.nan, np.nan, 0.0, -6.0], {"reduction": "mean"}, "disagrees"),
        (3, [np.nan, np.nan, 0.0, -3.0], {"reduction": "mean"}, "agrees"),
        (3, [np.nan, np.nan, 0.0, -6.0], {"reduction": "sum"}, "agrees"),
        (3, [np.nan, np.nan, 0.0, -6.00001], {"reduction": "sum"}, "disagrees"),
        (0, [np.nan, np.nan, 0.0, 0.0], {"reduction": "sum"}, "agrees"),
        (3, [np.nan, np.nan, 0.0, -5.4], {"label_smoothing": 0.1}, "disagrees"),
    ],
)
def test_a_gradient_below_several_infinities(
    label: int, given: list[float], options: dict[str, Any], outcome: str
) -> None:
    """Has the limit -g (y - 0) w where the logits are finite; row 129."""
    reduced = "reduction" in options
    problem = Problem(
        "cross_entropy",
        "float32",
        {"logits": [[np.inf, np.inf, 1.0, 0.0]], "target": [label], "weight": [1.0, 1.0, 1.0, 2.0]},
        {"reduction": "none", **options},
        np.array(3.0) if reduced else [3.0],
    )
    loss = np.array(np.nan if reduced else [np.nan], np.float32)
    outputs = {"value": Output(loss, "float32"), "grad_logits": Output(np.array([given], np.float32), "float32")}
    verdict = judge_result(problem, Result(outputs))

    assert verdict.outcome == outcome
