"""What autograd does not see of a function: that is no number of its own, as long as it never sees it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..candidates.backward_passes import NO_UPSTREAM, NOT_KEPT
from ..candidates.candidate import Candidate
from ..diagnosis.pool import drawn
from ..problem.formats import FORMATS
from ..problem.interface import DIMENSIONS
from ..problem.problem import Array, Problem
from ..problem.rows import main_input
from ..truth.solver import FLOAT64, solve
from ..verdicts.judgement import judge
from ..verdicts.verdict import DISAGREES
from .harmless import kinds, plain
from .ladder import widest

NO_GRADIENT = (  # in an error where there is none
    "does not depend on",
    "NotImplementedError",
    "do not support JVP",
    NO_UPSTREAM,
    NOT_KEPT,
)
IN_PLACE = "modified by an inplace operation"  # the same, of a function that is meant to overwrite what it is given
OUTPUTS = {"jvp": "jvp", "hvp": "hvp_logits"}
SECOND = "after another backward"  # the check that asks for a gradient twice
FEW = 3  # problems that tell enough


def no_backward(candidate: Candidate, usual: Problem, dtypes: Sequence[str], device: str) -> str:
    """What is raised wherever a gradient is asked for; empty where one is given, or fails in another way, even once.

    A graph that is cut for some sizes, formats, options or kinds of input alone is a bug.
    """
    said, words = "", (*NO_GRADIENT, *([IN_PLACE] if candidate.interface.writes else []))
    with warnings.catch_warnings(action="ignore"):
        for problem in _of_all_kinds(candidate, usual, dtypes):
            raised = candidate.answer(candidate.interface.part(problem), device).raised
            if raised is not None and any(each in raised for each in words):
                said = said or raised
            elif NO_UPSTREAM in said and not main_input(problem).ndim:
                continue  # of a single number the gradient is that for an upstream gradient of 1, times another number
            elif raised is None or candidate.answer(replace(problem, grad_output=None), device).raised is None:
                return ""
    return said


def _of_all_kinds(candidate: Candidate, usual: Problem, dtypes: Sequence[str]) -> Iterator[Problem]:
    """The usual question in each format, with each number of dimensions and each option; and such as a run draws."""
    operation, supports, fixed = usual.operation, candidate.supports(usual.operation), candidate.interface.fixed
    asked: list[Problem | None] = [replace(usual, dtype=dtype) for dtype in dtypes]
    asked += [plain(operation, usual.dtype, supports, ndim, fixed) for ndim in DIMENSIONS]
    asked += [each.problem for each in kinds(operation, usual.dtype, supports, usual)]
    yield from (each for each in asked if each is not None and candidate.takes(each))
    yield from (each for each in drawn(candidate, usual) if each.grad_output is not None)


def no_second_backward(candidate: Candidate, usual: Problem, device: str) -> str:
    """What is raised wherever a right gradient is asked for twice; empty where it is given, even once."""
    said = ""
    with warnings.catch_warnings(action="ignore"):
        asked = map(candidate.interface.part, (usual, *drawn(candidate, usual))[:FEW])
        for problem in (each for each in asked if each.grad_output is not None):
            if candidate.answer(problem, device).raised is None:
                said = candidate.ask(problem, device, SECOND).raised or ""
                if not said:
                    return ""
    return said


def is_silent(candidate: Candidate, usual: Problem, kind: str, device: str) -> bool:
    """Whether autograd gives 0 for a derivative in a direction without a word, wherever the gradient is right.

    So it does where it takes the gradient for a constant, and in forward mode where it sees no more than a number. A
    function that gives 0 itself has given a number.
    """
    by_framework = candidate.capabilities.by_framework and usual.operation not in candidate.backwards
    if "logits" not in usual.inputs or not by_framework:
        return False
    with warnings.catch_warnings(action="ignore"):
        asked = [each for each in _along(candidate, usual) if _is_a_number(solve(each, FLOAT64)[OUTPUTS[kind]])]
        return bool(asked) and all(_is_silent(candidate, each, kind, device) for each in asked[:FEW])


def _is_a_number(truth: Array) -> bool:
    """That is not 0."""
    return bool(np.isfinite(truth).all() and truth.any())


def _along(candidate: Candidate, usual: Problem) -> Iterator[Problem]:
    """Ordinary questions about derivatives in a direction."""
    for number, each in enumerate((usual, *drawn(candidate, usual))):
        if each.grad_output is not None:
            rng, fmt = np.random.default_rng(number), FORMATS[each.dtype]
            upstream, tangent = rng.normal(size=each.grad_output.shape), rng.normal(size=each.inputs["logits"].shape)
            yield replace(each, grad_output=fmt.round(upstream), tangent=fmt.round(tangent))


def _is_silent(candidate: Candidate, problem: Problem, kind: str, device: str) -> bool:
    derivative = candidate.answer(problem, device).outputs.get(OUTPUTS[kind])
    if derivative is None or derivative.values.any():
        return False
    if candidate.ask(problem, device, "derivative seen", kind).raised is None:
        return False
    alone = replace(problem, tangent=None)
    verdict = judge(candidate, alone, device=device, arithmetic=widest(problem.dtype, device))
    return verdict.outcome != DISAGREES
