"""Questions that tell bugs apart: the one that failed with other numbers, and ordinary ones of its operation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase

from ..candidates.candidate import Candidate
from ..generation.strategies import problems
from ..problem.checks import check
from ..problem.formats import FORMATS
from ..problem.kinds import SHAPES
from ..problem.operations import DIRECTIONAL, OPERATIONS
from ..problem.problem import COMMON_LAYOUTS, Array, Problem

STRANGE = frozenset(
    ("nonfinite", "ignored_nonfinite", "empty", "empty_classes", "scalars", "invalid_labels", *DIRECTIONAL)
)
BATCHES, EACH = 4, 10  # problems that Hypothesis draws together are mutated from the eleventh on
MOST = 1 << 12  # numbers in a problem
DISTRIBUTIONS = ("p", "q")


def pool(candidate: Candidate, witness: Problem) -> list[Problem]:
    """Problems that a candidate takes, without derivatives in a direction: those like the witness come first."""
    like = list(alike(witness))
    found = [*like, *_simpler(like[0]), *drawn(candidate, witness)]
    strange = _strange(candidate)
    unlike = {each.digest(): each for each in found if candidate.takes(each) and _is_ordinary(each, strange)}
    return [each for each in unlike.values() if each.digest() != witness.digest()]


def alike(witness: Problem) -> Iterator[Problem]:
    """The witness with other numbers in its floating-point arrays: the same shape, labels and options."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        inputs = {name: _numbers(name, array, witness, rng) for name, array in witness.inputs.items()}
        upstream = witness.grad_output
        if upstream is not None:
            upstream = FORMATS[witness.dtype].round(rng.uniform(0.5, 2.0, upstream.shape))
        yield replace(witness, inputs=inputs, grad_output=upstream, tangent=None)


def _numbers(name: str, array: Array, problem: Problem, rng: np.random.Generator) -> Array:
    """Normal numbers; positive ones for weights of classes and for distributions, which sum to 1; labels stay."""
    if array.dtype == np.int64:
        return array
    if name in DISTRIBUTIONS or name == "target":
        x = rng.uniform(0.1, 1.0, array.shape)
        axis = problem.options.get("dim", -1) if name in DISTRIBUTIONS else min(array.ndim - 1, 1)
        return FORMATS[problem.dtype].round(x / x.sum(axis, keepdims=True) if array.ndim else x)
    if (name == "weight" and "target" in problem.inputs) or name in OPERATIONS[problem.operation].constants:
        return FORMATS[problem.dtype].round(rng.uniform(0.5, 2.0, array.shape))
    return FORMATS[problem.dtype].round(rng.standard_normal(array.shape))


def drawn(candidate: Candidate, witness: Problem) -> list[Problem]:
    """As a run draws them, always the same; no number of them is infinite, or no number."""
    collected: list[Problem] = []
    interface = candidate.interface
    strategy = problems(
        witness.operation,
        witness.dtype,
        supports=candidate.supports(witness.operation) - _strange(candidate),
        layouts=[each for each in candidate.layouts if each in COMMON_LAYOUTS],
        fixed=interface.fixed,
        ndim=interface.ndim,
    )
    for batch in range(BATCHES):

        @hypothesis.seed(f"pool {batch}")
        @hypothesis.settings(max_examples=EACH, database=None, deadline=None, phases=(Phase.generate,),
                             suppress_health_check=list(HealthCheck))  # fmt: skip
        @hypothesis.given(problem=strategy)
        def draw(problem: Problem) -> None:
            collected.append(_usual(replace(problem, tangent=None), len(collected)))

        with warnings.catch_warnings(action="ignore"):
            draw()
    return collected


def _usual(problem: Problem, number: int) -> Problem:
    """Every third with an upstream gradient of 1, as a loss that is trained with has."""
    upstream = problem.grad_output
    return problem if upstream is None or number % 3 else replace(problem, grad_output=np.ones_like(upstream))


def _simpler(problem: Problem) -> list[Problem]:
    """The same question without one thing each."""
    simpler = [replace(problem, layout="contiguous")]
    if problem.grad_output is not None:
        simpler.append(replace(problem, grad_output=np.ones_like(problem.grad_output)))
    options = [{key: each for key, each in problem.options.items() if key != name} for name in problem.options]
    simpler += [replace(problem, options=each) for each in options]
    if "target" in problem.inputs and "weight" in problem.inputs:
        inputs = {key: each for key, each in problem.inputs.items() if key != "weight"}
        simpler.append(replace(problem, inputs=inputs))
    return [each for each in simpler if _is_a_question(each)]


def _is_a_question(problem: Problem) -> bool:
    """Whether labels are still labels, and shapes still fit."""
    try:
        check(problem)
    except (ValueError, TypeError, IndexError):
        return False
    return True


def _strange(candidate: Candidate) -> frozenset[str]:
    """Kinds of question that tell little; single numbers are not strange to who takes nothing else."""
    return STRANGE - {"scalars"} if set(candidate.interface.ndim) == {0} else STRANGE


def _is_ordinary(problem: Problem, strange: frozenset[str]) -> bool:
    sizes = [array.size for array in problem.inputs.values()]
    plain = not any(kind in strange and is_of_kind(problem) for kind, is_of_kind in SHAPES.items())
    finite = all(np.isfinite(array).all() for array in problem.inputs.values())
    return plain and finite and min(sizes) > 0 and sum(sizes) <= MOST
