"""Drawn faults are what their records say: from a seed, wrong where they say and nowhere else, and seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audits import faults
from audits.alarms import read
from audits.drawn_faults import asking, record
from audits.drawn_faults.answers import active, asked, result, right, wrong
from audits.drawn_faults.asking import ALIVE, HARMLESS, KILLED, NOT_ASKED, VISIBLE, WITHIN, Row, silently
from audits.drawn_faults.places import REGIONS, index_along, labels_of, sizes, smallest_size, within
from audits.drawn_faults.record import BUILDING, BUILDING_LATER, EFFECTS, KINDS, MOST, REPORTING, RUNS, Fault, drawn
from audits.drawn_faults.steps import steps_of
from audits.drawn_faults.tailored import tailored
from softproof import OPERATIONS, Problem, judge_result
from softproof.problem.formats import FORMATS

FAMILY = [drawn(BUILDING, number) for number in range(1000)]
LATER = [drawn(BUILDING_LATER, number) for number in range(200)]
NAMES = [  # of the first fault of each family
    "distribution_cross_entropy float16: lifetime, gradient when the value is dropped, all, rows > 37081, tile 8",
    "cross_entropy float32: sum, forward total 0, doubled, tile ends, rows > 384, tile 2",
    "softmax_kl_divergence float64: output, value, neighbour, beyond, rows > 24576, tile 128",
    "softmax_kl_divergence bfloat16: sum, backward sum 4, forgotten, middle tile, classes > 32000, tile 32",
]
CLEAR = ("output", "sum", "mask", "option", "lifetime")  # kinds that a problem of their own shows, all of them


def _few(kind: str, count: int, effect: str = "") -> list[Fault]:
    """Those of a kind that are wrong from the smallest sizes on."""
    own = [each for each in FAMILY if each.kind == kind and effect in ("", each.effect)]
    return sorted(own, key=lambda each: each.threshold)[:count]


# ---- the family -----------------------------------------------------------------------------------------------------


def test_a_fault_follows_from_its_family_and_number() -> None:
    """Those for reporting are others than those for building."""
    assert [drawn(BUILDING, number) for number in range(1000)] == FAMILY
    assert len({replace(each, number=0) for each in FAMILY}) > 990
    reported = [drawn(REPORTING, number) for number in range(50)]
    assert {replace(each, family=0) for each in reported}.isdisjoint({replace(each, family=0) for each in FAMILY})


def test_a_number_stays_the_fault_that_it_was() -> None:
    """Whatever operations came later."""
    names = [drawn(family, 0).name for family in record.DRAWN_OF]
    assert names == NAMES
    for family, operations in record.DRAWN_OF.items():
        assert {drawn(family, number).operation for number in range(200)} == {*operations}


@pytest.mark.parametrize("operation", record.DRAWN_OF[BUILDING_LATER])
def test_faults_of_operations_that_came_later_are_seen(operation: str) -> None:
    """By problems of their own; a maximum that overflows leaves an entropy of 0, which is right."""
    own = [each for each in LATER if each.operation == operation and each.kind in ("output", "sum", "lifetime")]
    own = [each for each in own if "amax" not in each.step]
    for fault in sorted(own, key=lambda each: each.threshold)[:12]:
        assert silently(fault, None)[0] == VISIBLE, fault.name
        problem = asked(fault, next(tailored(fault)))
        assert judge_result(problem, result(problem, right(problem))).ok, fault.name


def test_everything_that_may_be_drawn_is_drawn() -> None:
    """Kinds, effects, places, options and formats."""
    assert {each.kind for each in FAMILY} == KINDS.keys()
    for kind, effects in EFFECTS.items():
        assert {each.effect for each in FAMILY if each.kind == kind} == set(effects)
    assert {each.region for each in FAMILY} == set(REGIONS)
    assert {each.operation for each in (*FAMILY, *LATER)} == OPERATIONS.keys()
    assert {each.dtype for each in FAMILY} == FORMATS.keys()
    assert {each.dimension for each in FAMILY} == MOST.keys()
    assert {each.run for each in FAMILY} == {"", *RUNS}
    assert {each.when for each in FAMILY} == {"", *(when for every in record.WHEN.values() for when in every)}
    assert {"value", "grad_logits", "grad_target", "grad_linear_weight", "grad_p", "jvp", "hvp_logits"} <= {
        each.output for each in FAMILY
    }


def test_thresholds_reach_over_the_whole_range_of_each_dimension() -> None:
    """As many from one decade as from another, and limits of tiles, grids and vocabularies beside them."""
    for dimension, most in MOST.items():
        own = [each.threshold for each in FAMILY if each.dimension == dimension]
        assert 1 <= min(own) <= max(own) < most
        assert all(any(10**power <= each < 10 ** (power + 1) for each in own) for power in range(5))
    assert {50257, 65535, 65536} <= {each.threshold for each in FAMILY}
    assert all(each.tile <= max(2, each.threshold) for each in FAMILY)


def test_steps_are_named_with_the_dimension_that_they_sum_over() -> None:
    """Each operation has a forward and a backward pass."""
    assert dict(steps_of("linear")) == {
        "forward matmul 0": "features", "forward add 0": "", "backward matmul 0": "classes",
        "backward matmul 1": "rows", "backward sum 0": "rows",
    }  # fmt: skip
    assert dict(steps_of("cross_entropy"))["forward total 0"] == "rows"
    for operation in OPERATIONS:
        assert {name.split()[0] for name, _ in steps_of(operation)} == {"forward", "backward"}


# ---- where a fault is -----------------------------------------------------------------------------------------------


def test_dimensions_of_a_problem() -> None:
    """Positions are what an image has beside its batch and its classes."""
    x, labels = np.zeros((2, 5, 3, 4)), np.zeros((2, 3, 4), int)
    loss = Problem("cross_entropy", "float32", {"logits": x, "target": labels}, {"reduction": "none"}, labels * 0.0)
    assert sizes(loss) == {"rows": 24, "batch": 2, "positions": 12, "classes": 5}
    assert (labels_of(loss, "grad_logits"), labels_of(loss, "value")) == ("bcpp", "bpp")
    linear = Problem("linear", "float32", {"input": np.zeros((7, 3)), "weight": np.zeros((5, 3))}, {}, np.zeros((7, 5)))
    assert sizes(linear) == {"rows": 7, "batch": 7, "classes": 5, "features": 3}
    assert (labels_of(linear, "value"), labels_of(linear, "grad_weight")) == ("bc", "cf")
    kept = Problem("logsumexp", "float32", {"logits": np.zeros((3, 2))}, {"dim": 0, "keepdim": True})
    assert (sizes(kept), labels_of(kept, "value")) == ({"rows": 2, "batch": 2, "classes": 3}, "1b")


def test_a_region_begins_above_its_threshold() -> None:
    """At its smallest size it has an index, and one size of the threshold has none."""
    assert np.flatnonzero(within("middle tile", 13, 8, 4)).tolist() == [4, 5, 6, 7]
    assert np.flatnonzero(within("last tile", 10, 8, 4)).tolist() == [8, 9]
    for fault in FAMILY:
        size = smallest_size(fault.region, fault.threshold, fault.tile)
        assert within(fault.region, size, fault.threshold, fault.tile).any()
        assert not within(fault.region, fault.threshold, fault.threshold, fault.tile).any()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"lifetime"}))
def test_a_fault_is_active_only_where_its_record_says(kind: str) -> None:
    """Neither at its threshold nor without its option; and of an output nothing outside its region is touched."""
    tried = _few(kind, 8)
    assert len(tried) >= 3
    for fault in tried:
        problem = asked(fault, next(tailored(fault)))
        answer = right(problem)
        assert active(fault, problem)
        larger = replace(fault, threshold=sizes(problem)[fault.dimension])
        assert wrong(larger, problem, answer) is answer
        spoiled = wrong(fault, problem, answer)
        if kind != "output":
            continue
        index = index_along(labels_of(problem, fault.output), answer[fault.output].shape, fault.dimension)
        assert index is not None
        there = within(fault.region, sizes(problem)[fault.dimension], fault.threshold, fault.tile)[index]
        np.testing.assert_array_equal(spoiled[fault.output][~there], answer[fault.output][~there])
        assert all(spoiled[name] is answer[name] for name in answer.keys() - {fault.output, *spoiled.keys()})


def test_an_option_that_is_not_given_leaves_a_fault_asleep() -> None:
    """Class weights, for one."""
    fault = Fault(0, 0, "output", "cross_entropy", "float32", "rows", 1, 2, "all", "doubled", "value", "", "weight")
    problem = next(tailored(fault))
    without = replace(problem, inputs={name: x for name, x in problem.inputs.items() if name != "weight"})
    assert (active(fault, problem), active(fault, without)) == (True, False)


@pytest.mark.parametrize(("effect", "total"), [("forgotten", 2.0), ("doubled", 6.0)])
def test_a_sum_forgets_a_region_or_counts_it_twice(effect: str, total: float) -> None:
    """Four equal logits, the last two of which are in the region: each probability is 1 by that sum."""
    fault = Fault(0, 0, "sum", "softmax", "float64", "classes", 2, 2, "beyond", effect, step="forward sum 0")
    problem = Problem("softmax", "float64", {"logits": np.zeros((1, 4))}, {"dim": -1})
    np.testing.assert_array_equal(wrong(fault, problem, right(problem))["value"], np.full((1, 4), 1 / total))


# ---- what the judge makes of them -----------------------------------------------------------------------------------

_EFFECTS = [(kind, effect) for kind in CLEAR for effect in dict.fromkeys(EFFECTS[kind])]


@pytest.mark.parametrize(("kind", "effect"), _EFFECTS)
def test_its_own_problem_is_red_for_a_fault_and_green_for_the_right_implementation(kind: str, effect: str) -> None:
    """Of every kind and effect."""
    tried = _few(kind, 3, effect)
    assert tried
    for fault in tried:
        assert silently(fault, None)[0] == VISIBLE, fault.name
        problem = asked(fault, next(tailored(fault)))
        verdict = judge_result(problem, result(problem, right(problem)))
        assert verdict.ok, f"{fault.name}: {verdict}"


@pytest.mark.parametrize("kind", ["precision", "accumulator"])
def test_roundings_are_seen_allowed_or_no_faults(kind: str) -> None:
    """Which of these is found out, and most are seen; the right implementation is beside them."""
    tried = _few(kind, 12)
    ends = [silently(fault, None)[0] for fault in tried]
    assert set(ends) <= {VISIBLE, WITHIN, HARMLESS}
    assert ends.count(VISIBLE) * 2 > len(tried) >= 8


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_right_implementation_agrees_with_no_fault(operation: str) -> None:
    """On what a row is asked."""
    dtype = list(FORMATS)[list(OPERATIONS).index(operation) % len(FORMATS)]
    row = Row(operation, dtype, 0, examples=20)
    assert len(row.problems) == 20
    for problem in row.problems:
        own = problem if dtype in ("float64", "float32") else replace(problem, tangent=None)
        assert not asking.rejected(own, right(own)), own


def test_a_fault_is_killed_or_alive_or_not_reached() -> None:
    """By the problems of one row; a fault that changes nothing lives."""
    row = Row("softmax", "float32", 0, examples=20)
    fault = Fault(0, 0, "output", "softmax", "float32", "classes", 1, 2, "all", "doubled", "value")
    outcome, at = silently(fault, row)
    assert (outcome, active(fault, row.problems[at - 1])) == (KILLED, True)
    finite = [each for each in row.problems[: at - 1] if np.isfinite(each.inputs["logits"]).all()]
    assert not any(active(fault, problem) for problem in finite)
    assert silently(replace(fault, threshold=100_000), row) == (NOT_ASKED, 0)
    harmless = replace(fault, kind="precision", step="forward exp 0", output="", effect="float32")
    assert silently(harmless, row) == (ALIVE, 0)


# ---- the run --------------------------------------------------------------------------------------------------------


def test_a_log_is_told_in_tables_and_gone_on_with(tmp_path: Path) -> None:
    """What no problem could show does not count in the share."""
    wanted = list(faults.parts(True, 40, 1))
    ends = ((KILLED, VISIBLE), (ALIVE, WITHIN), (NOT_ASKED, VISIBLE), (ALIVE, HARMLESS))
    found = [{"number": number, "outcome": end, "at": 0, "own": own} for number, (end, own) in enumerate(ends)]
    line = {**wanted[0]._asdict(), "problems": 3, "found": found}
    (tmp_path / "log").write_text(json.dumps(line) + "\n")
    records = read(tmp_path / "log")

    assert len(wanted) == len(OPERATIONS) * len(FORMATS)
    assert faults.unfinished(wanted, records) == wanted[1:]
    told = faults.summary(records)
    assert ["all", *["4", "1", "1", "2", "1", "1", "0", "50.0", "%"]] in [text.split() for text in told.splitlines()]
    assert told.endswith("NOT MET  97% of the real faults killed: 50.0%")
    assert faults.alive(records) == [f"{NOT_ASKED}: {drawn(BUILDING, 2).name}"]
    assert faults.alive([{**line, "family": REPORTING}]) == []


def test_every_fault_of_a_family_is_in_one_part() -> None:
    """And a part of one operation and dtype has these alone."""
    found = [fault for part in faults.parts(True, 60, 1) for fault in faults.faults_of(part)]
    expected = [(BUILDING, number) for number in range(60)] + [(BUILDING_LATER, number) for number in range(14)]
    assert sorted((fault.family, fault.number) for fault in found) == expected
