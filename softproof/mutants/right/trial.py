"""Right variants and their twins on drawn problems: what is rejected, and must not be; and what is not, and must."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace

import hypothesis
from hypothesis import HealthCheck, Phase

from ...bounds.models import model
from ...generation.strategies import problems
from ...problem.problem import Problem
from ...runs.criteria import Criteria
from ...verdicts.judgement import judge
from ...verdicts.verdict import Verdict
from .catalogue import VARIANTS
from .record import Right

BATCH = 10  # problems that Hypothesis draws together
TWIN_BATCHES = 30  # of problems, before a twin counts as accepted


def asked_of(variant: Right, problem: Problem) -> Problem | None:
    """What of a problem a variant can be asked under its model; None where that is nothing."""
    if not variant.takes(problem):
        return None
    criteria = Criteria("cpu", model(variant.model), variant.model, "C", None, 1.0)
    return criteria.promised(replace(problem, tangent=None))


def verdict_on(variant: Right, problem: Problem) -> Verdict | None:
    """Under its model; None where it does not take the problem."""
    asked = asked_of(variant, problem)
    return None if asked is None else judge(variant, asked, arithmetic=variant.model)


def variants_of(operation: str, dtype: str) -> list[Right]:
    """Those that can be asked."""
    return [each for each in VARIANTS.values() if each.operation == operation and dtype in each.dtypes]


def drawn(operation: str, dtype: str, count: int, seed: str, *, small: bool = False) -> list[Problem]:
    """Problems of an operation that right variants can be asked, the same from the same seed."""
    variant = next(each for each in VARIANTS.values() if each.operation == operation)
    collected: list[Problem] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(problem=problems(operation, dtype, supports=variant.supports(operation), small=small))
    def draw(problem: Problem) -> None:
        collected.append(problem)

    with warnings.catch_warnings(action="ignore"):
        draw()
    return collected


def rejected(variants: Iterable[Right], asked: Iterable[Problem]) -> Iterator[tuple[Right, Verdict]]:
    """Each variant that a problem rejects, or of which it promises nothing, with the verdict."""
    asked = list(asked)
    for variant in variants:
        for problem in asked:
            verdict = verdict_on(variant, problem)
            if verdict is not None and not verdict.ok:
                yield variant, verdict


def hunt(twin: Right, dtype: str, seed: str) -> Verdict | None:
    """The first disagreement with a twin, if drawn problems have one."""
    for number in range(TWIN_BATCHES):
        asked = drawn(twin.operation, dtype, BATCH, f"{seed} {number}", small=number % 3 == 2)
        found = (verdict for _, verdict in rejected([twin], asked) if verdict.outcome == "disagrees")
        if (verdict := next(found, None)) is not None:
            return verdict
    return None
