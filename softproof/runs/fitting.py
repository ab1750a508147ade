"""Which model of the ladder a kernel's answers fit, on problems that tell the models apart and some ordinary ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..bounds.models import MODELS
from ..candidates.candidate import Candidate
from ..diagnosis.interview import Interview, Reply
from ..diagnosis.pool import pool
from ..problem.formats import FORMATS
from ..problem.operations import OPERATIONS, reductions
from ..problem.outputs import value_shape
from ..problem.problem import Array, Problem
from ..problem.rows import main_input
from ..verdicts.verdict import DISAGREES
from .harmless import plain
from .ladder import LADDER, together, wider

OFFSETS = (0.0, 8.0, 100.0, 1000.0)  # of logits: what a stored logsumexp loses grows with them
WIDTHS = (2, 5, 33, 257)
MANY = 100_000  # classes, of which a logsumexp that is folded from blocks shows its roundings
MOST = 100
THROUGHOUT = "storage"  # the model of what computes in the format of its results


@dataclass(frozen=True)
class Fit:
    """The narrowest `model` under which as many as possible of the answers agree; how far `beyond` others they are.

    `wrong` of those that were `asked` disagree under all of the ladder, and `throughout` tells whether they agree where
    everything is computed in the format.
    """

    model: str
    asked: int
    wrong: int = 0
    beyond: dict[str, float] = field(default_factory=dict)
    throughout: bool = False


def fitted(candidate: Candidate, operation: str, dtype: str, device: str) -> Fit:
    """Ask some problems; each answer is judged under the model of those before, and then under wider ones."""
    interview = Interview(candidate, device, MODELS[LADDER[0]], "C", MOST)
    fits, wrong, beyond, rungs = LADDER[0], list[Reply](), dict[str, float](), _rungs(dtype, device)
    for problem in _asked(candidate, operation, dtype):
        reply = interview.ask(problem)
        if reply is None:
            continue
        ratios = list(_ratios(interview, reply))
        if len(ratios) == len(rungs):
            wrong.append(reply)
            continue
        for name, ratio in zip(rungs, ratios, strict=False):
            beyond[name] = max(beyond.get(name, 0.0), ratio)
        fits = together(fits, rungs[len(ratios)])
    other = [interview.judged(each.problem, each.result, MODELS[THROUGHOUT]).outcome for each in wrong]
    throughout = bool(wrong) and DISAGREES not in other
    return Fit(fits, len(interview.replies), len(wrong), beyond, throughout)


def _rungs(dtype: str, device: str) -> list[str]:
    """The names of the models that are tried in a format on a device."""
    return [LADDER[0], *(name for name, _ in wider("", dtype, device))]


def _ratios(interview: Interview, reply: Reply) -> Iterator[float]:
    """How far an answer is beyond the bounds of each model in turn, up to the one under which it agrees."""
    for name in _rungs(reply.problem.dtype, interview.device):
        verdict = reply.verdict if name == LADDER[0] else interview.judged(reply.problem, reply.result, MODELS[name])
        if verdict.outcome != DISAGREES:
            return
        yield verdict.ratio


def _asked(candidate: Candidate, operation: str, dtype: str) -> Iterator[Problem]:
    """What tells models apart, if there are logits; and then ordinary problems."""
    supports, fixed, ndim = candidate.supports(operation), candidate.interface.fixed, candidate.interface.ndim
    usual = next(filter(None, (plain(operation, dtype, supports, each, fixed)
                               for each in (2, 3, 1, 4) if not ndim or each in ndim)), None)  # fmt: skip
    if usual is None:
        return
    if "logits" in usual.inputs and usual.inputs["logits"].ndim == 2:
        yield from _telling(usual, supports)
    if dtype == "float32" and main_input(usual).ndim == 2:
        yield from (replace(each, grad_output=None) for each in _of_many_classes(usual, supports))
    yield from (replace(each, dtype=dtype) for each in pool(candidate, usual))


def _telling(usual: Problem, supports: frozenset[str]) -> Iterator[Problem]:
    """Rows of logits around larger and larger numbers, which differ by little."""
    for number, (offset, width) in enumerate((offset, width) for offset in OFFSETS for width in WIDTHS):
        rng = np.random.default_rng(number)
        logits = FORMATS[usual.dtype].round(offset + rng.normal(size=(4, width)) * rng.choice([0.5, 2.0]))
        yield _of_rows(usual, supports, {"logits": logits}, width, rng)


def _of_many_classes(usual: Problem, supports: frozenset[str]) -> Iterator[Problem]:
    """Rows of many logits that are all the same, so that no sum rounds, but what is folded; all are at the maximum, so
    that gradients would not tell what goes through it.
    """
    level, rng = np.array(OFFSETS)[:, None], np.random.default_rng(0)
    if "logits" in usual.inputs:
        yield _of_rows(usual, supports, {"logits": np.repeat(level, MANY, 1)}, MANY, rng)
    elif usual.operation == "linear_cross_entropy":
        yield _of_rows(usual, supports, {"input": level, "linear_weight": np.ones((MANY, 1))}, MANY, rng)


def _of_rows(
    usual: Problem, supports: frozenset[str], inputs: dict[str, Array], classes: int, rng: np.random.Generator
) -> Problem:
    """The usual question of other rows, with any labels and any upstream gradient."""
    options = dict(usual.options)
    if "reduction" in supports:
        options["reduction"] = reductions(supports)[0]
    if "target" in OPERATIONS[usual.operation].inputs:
        inputs = inputs | {"target": rng.integers(0, classes, len(OFFSETS))}
    problem = replace(usual, inputs=inputs, options=options, grad_output=None)
    return replace(problem, grad_output=FORMATS[usual.dtype].round(rng.normal(size=value_shape(problem))))
