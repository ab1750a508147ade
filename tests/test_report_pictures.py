"""The pictures of a report: they show the errors that were measured, all of them, and say so in words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from softproof import Problem, Report
from softproof.reports.as_html import html
from softproof.reports.pictures import histogram
from softproof.reports.row import Point
from softproof.runs.points import MOST, points
from softproof.verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE, Verdict

from .helpers.pages import Page
from .helpers.reports import KINDS, reports
from .helpers.rows import AGREEING, changed


def judged(outcome: str = AGREES, ratio: float = 0.5, rows: int = 2, classes: int = 3, **more: Any) -> Verdict:
    """A verdict on so many rows of a softmax."""
    problem = Problem("softmax", "float32", {"logits": np.zeros((rows, classes))}, {"dim": 1})
    return Verdict(outcome, ratio, problem=problem, ratios={"value": ratio}, **more)


def drawn(*of_row: Point) -> list[tuple[str, dict[str, str]]]:
    """The elements of a page about one row with these problems."""
    row = changed(AGREEING, points=of_row, problems=max(1, len(of_row)))
    return Page(html(Report((row,), 0))).elements


def dots(elements: list[tuple[str, dict[str, str]]], kind: str) -> int:
    """How many there are of a kind."""
    return sum(each["d"].count("M") for tag, each in elements if tag == "path" and each["class"] == kind)


def counts(histograms: list[str]) -> list[int]:
    """How many problems are in each bar, in words."""
    return [int(count) for each in histograms for count in re.findall(r"(\d+) (?:with|up|above)", each)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_problem_is_in_the_pictures(kind: str) -> None:
    """A bar has its number in words, a dot is a problem that has the output, and each is once in the map."""
    (row,) = reports()[kind].rows
    page = Page(html(reports()[kind]))
    words = [each["aria-label"] for tag, each in page.elements if tag == "svg" and each.get("class") == "plot"]
    outputs = [name for point in row.errors.points for name in point.ratios]
    sure = [point for point in row.errors.points if point.confidence is not None]

    assert len(row.errors.points) == (0 if kind in ("no guarantee", "cannot load") else row.coverage.problems)
    assert sum(counts([each for each in words if ", worst" not in each])) == len(outputs)
    assert sum(dots(page.elements, each) for each in ("dot", "dot limit", "dot over")) == len(outputs) + len(sure)
    in_map = re.findall(r"<b>(\d+)</b>", html(reports()[kind]))
    assert sum(map(int, in_map)) == len(row.errors.points)


def test_there_are_as_many_bars_as_kinds_of_error() -> None:
    """Exactly 0, each tenth up to the bound with its end, and beyond it what is infinite or no number, too."""
    page = Page(histogram("value", [0.0, 0.05, 0.1, 0.15, 1.0, 1.5, float("inf"), float("nan")]))
    bars = [each for tag, each in page.elements if tag == "rect"]
    (words,) = (each["aria-label"] for tag, each in page.elements if tag == "svg")

    assert words == "value: 1 with 0, 2 up to 0.1, 1 up to 0.2, 1 up to 1.0, 3 above 1"
    assert [each["class"] for each in bars] == ["bar"] * 4 + ["over"]
    assert [float(each["height"]) for each in bars] == [29.3, 58.7, 29.3, 29.3, 88.0]
    assert page.said.startswith("01.12")  # a label below, and a number above


def test_what_is_drawn_where() -> None:
    """Further right with more classes, up to the bound with a larger error, above it what is wrong; limits apart."""
    elements = drawn(
        Point(1, 1, 0.0, {"value": 0.0}),
        Point(1, 10**6, 1.0, {"value": 1.0}),
        Point(1, 1000, 0.5, {"value": 0.5}, is_limit=True),
        Point(1, 1, 2.0, {"value": 2.0}),
        Point(1, 10, float("nan"), {"value": float("nan")}),
    )
    paths = {each["class"]: each["d"] for tag, each in elements if tag == "path"}

    assert paths["dot"] == "M22 104h0M230 16h0"
    assert paths["dot limit"] == "M126 60h0"
    assert paths["dot over"] == "M22 8h0M57 8h0"
    assert paths["bound"] == "M16 16H236"
    (words,) = (each["aria-label"] for tag, each in elements if ", worst error/bound" in each.get("aria-label", ""))
    assert words == (
        "value, worst error/bound by the number of classes; 1: 2, from 10: NaN, from 1,000: 0.500, from 1,000,000: 1"
    )


def test_the_map_says_how_many_how_far_and_what_was_vacuous() -> None:
    """By decades; what is a limit says so, and stands behind what is measured."""
    row = changed(AGREEING, problems=6, points=(
        Point(3, 5, 0.25, {"value": 0.25}), Point(9, 2, 0.5, {"value": 0.5}, passing=("value",)),
        Point(4, 4, 0.75, {"value": 0.75}, is_limit=True), Point(200, 5, 0.75, {"value": 0.75}, is_limit=True),
        Point(200, 131072, 0.125, {"value": 0.125}), Point(200, 131072, float("nan"), {"value": float("nan")}),
    ))  # fmt: skip
    said = re.sub(r"<svg.*?</svg>", "|", html(Report((row,), 0)))

    assert '<th scope="col">from 2</th><th scope="col">from 100,000</th>' in said
    assert '<th scope="row">from 2</th><td><b>3</b>|0.500<span class="quiet"> 1 vacuous</span></td><td>–</td>' in said
    assert '<th scope="row">from 100</th><td><b>1</b>|≤ 0.750</td><td><b>2</b>|NaN</td>' in said
    assert "grey: at most that" in said
    assert "value: 1 up to 0.2, 1 up to 0.3, 1 up to 0.5, 1 above 1" in html(Report((row,), 0))


# ---- what is kept of a problem --------------------------------------------------------------------------------------


def test_few_of_many_are_kept_and_the_worst() -> None:
    """Spread over all of them; the page says so."""
    verdicts = [judged(ratio=0.001 * (number == 777)) for number in range(10 * MOST)]
    kept = points(verdicts, [])

    assert len(kept) == MOST + 1
    assert max(point.ratio for point in kept) == 0.001
    assert len(points(verdicts[:MOST], [])) == MOST
    row = changed(AGREEING, points=kept, problems=len(verdicts))
    assert f"{MOST + 1} of 4,000 problems, spread evenly, and the worst" in html(Report((row,), 0))


def test_what_counts_is_kept() -> None:
    """Nothing of which nothing is promised; of large problems that agree errors are limits."""
    large = [judged(rows=7), judged(DISAGREES, 2.0)]
    assert points([], []) == points([judged(NO_GUARANTEE, 0.0), Verdict(AGREES)], []) == ()
    assert [(each.rows, each.is_limit) for each in points([judged()], large)] == [(2, False), (7, True), (2, False)]
    assert points([judged(vacuous={"value": ("zero",)})], [])[0].passing == ("value",)


@pytest.mark.parametrize(
    ("index", "shape", "dim", "expected"),
    [((1, 2), (2, 3), 1, 0.5), ((2, 1), (3, 2), 0, 0.5), ((1,), (2, 3), 1, 0.5), ((), (2, 3), 1, None),
     ((0, 0), (2, 3), 1, 1 / 3), ((), (3,), 0, 1 / 3)],
)  # fmt: skip
def test_the_confidence_is_that_of_the_row(
    index: tuple[int, ...], shape: tuple[int, ...], dim: int, expected: float | None
) -> None:
    """Of the one in which the worst error is, whichever axis has the classes; of a reduced loss there is none."""
    logits = np.zeros(shape)
    if logits.ndim > 1:
        np.moveaxis(logits, dim, -1)[1, 0] = np.log(2.0)
    problem = Problem("logsumexp", "float64", {"logits": logits}, {"dim": dim})
    (point,) = points([Verdict(AGREES, 0.5, output="value", index=index, problem=problem)], [])

    assert point.confidence == (None if expected is None else pytest.approx(expected))


def test_no_confidence_without_a_softmax() -> None:
    """Of a row with NaN, of no class, of a layer, and of what disagrees, whose place may be that of another problem."""
    none = [Problem("softmax", "float64", {"logits": [[np.nan, 0.0]]}, {"dim": 1}),
            Problem("softmax", "float64", {"logits": np.zeros((1, 0))}, {"dim": 1}),
            Problem("linear", "float64", {"input": [[1.0]], "weight": [[1.0]]})]  # fmt: skip
    verdicts = [Verdict(AGREES, index=(0, 0), problem=each) for each in none]

    assert [each.confidence for each in points([*verdicts, judged(DISAGREES, 2.0, index=(9, 9))], [])] == [None] * 4
