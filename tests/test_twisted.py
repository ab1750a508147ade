"""Twisted problems: each twist does something, right answers to them agree, and wrong ones are told."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from audits import twisted
from audits.alarms import Part
from audits.right import Variants
from softproof import OPERATIONS, Problem
from softproof.mutants.right.catalogue import VARIANTS
from softproof.mutants.right.trial import drawn

PART = Part("cross_entropy", "float32", 0, 10, right=True)


@pytest.mark.draws
def test_each_twist_changes_some_problem(number_of_the_run: int) -> None:
    """Of an operation that has what it is about; never the shapes."""
    rng, changed = np.random.default_rng(number_of_the_run), Counter[str]()
    for operation in ("softmax", "cross_entropy"):
        for problem in drawn(operation, "float32", 20, f"twist {number_of_the_run}"):
            for name, twist in twisted.TWISTS.items():
                found = twist(problem, rng)
                assert [each.shape for each in found.inputs.values()] == [e.shape for e in problem.inputs.values()]
                changed[name] += repr(found) != repr(problem)

    assert min(changed[name] for name in twisted.TWISTS) > 0


def test_a_twin_is_an_alarm_and_a_right_variant_is_none() -> None:
    """On the same problems; both halves answer as well."""
    variant = next(each for each in VARIANTS.values() if each.operation == PART.operation)
    right, wrong = Variants("any-order", [variant]), Variants("any-order", [variant.twin("dropped")])
    for problem in twisted.asked(PART):
        for seen in (right, wrong):
            twisted._ask(seen, seen.variants[0], problem)

    assert right.counts["answers"] > 5
    assert right.alarms == []
    assert wrong.alarms


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_line_of_the_log(operation: str, number_of_the_run: int) -> None:
    """Counts of right variants and of both halves, and no alarm."""
    record = twisted.ask(PART._replace(operation=operation, seed=number_of_the_run, problems=10))
    own = [*record["halves"], *record["variants"]]

    assert {each["name"] for each in own} == {"manual", "reference", "right variants"}
    assert all(each["alarms"] == [] for each in own)
    assert sum(each["answers"] for each in own) > 20


def test_large_problems_are_those_of_the_seed() -> None:
    """Each as large as what its dimension calls for, and none larger than the limit."""
    found = twisted.asked(PART._replace(problems=twisted.LARGE))
    sizes = [sum(each.size for each in problem.inputs.values()) for problem in found]

    assert all(isinstance(each, Problem) for each in found)
    assert twisted.FEW < max(sizes) <= twisted.MOST
