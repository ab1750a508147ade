"""What a function answers otherwise than torch where little is computed: whether that is meant, its user has to say.

Such an answer is judged wrong by `softproof verify`, unless its kind of question is left out. `softproof init` tells
which those are before anything is judged, and leaves out none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..candidates.candidate import Candidate
from ..diagnosis.interview import Interview
from ..problem.losses import is_labels
from ..problem.operations import OF_REDUCTIONS, OPERATIONS
from ..problem.problem import Problem
from ..problem.rows import main_input
from ..verdicts.verdict import DISAGREES
from .harmless import CLASSES, Harmless, ignored_label, kinds, labelled, plain
from .ladder import widest

MOST = 20  # questions
NO_CLASS = (CLASSES, -1)  # labels of the usual question


def conventions(candidate: Candidate, usual: Problem, device: str) -> Iterator[tuple[str, str]]:
    """What leaves a kind of question out, and how it is answered; nothing where the usual question is not."""
    interview = Interview(candidate, device, widest(usual.dtype, device), "C", MOST)
    first = interview.ask(usual)
    if first is None or first.verdict.outcome == DISAGREES:
        return
    for asked in _questions(candidate, usual):
        reply = interview.ask(asked.problem)
        if reply is not None and reply.result.outputs and reply.verdict.outcome == DISAGREES and reply.verdict.output:
            yield asked.option, f"for {asked.words} its {reply.verdict.explanation.partition(';')[0]}"
    if device == "cpu" and _takes_any_label(candidate, usual):
        yield "invalid_labels", "for a label of no class it gives numbers, where torch raises an error"


def _questions(candidate: Candidate, usual: Problem) -> Iterator[Harmless]:
    """Of each kind that may be left out, and of more dimensions."""
    supports, interface = candidate.supports(usual.operation), candidate.interface
    may = {*OPERATIONS[usual.operation].kinds} - OF_REDUCTIONS.keys()
    for asked in (*kinds(usual.operation, usual.dtype, supports, usual), *_infinite(usual, supports)):
        if asked.option in may and candidate.takes(asked.problem):
            yield asked
    for ndim in (3, 4) if main_input(usual).ndim == 2 else ():
        problem = plain(usual.operation, usual.dtype, supports, ndim, interface.fixed)
        if problem is not None and (not interface.ndim or ndim in interface.ndim):
            yield Harmless("ndim", f"arrays of {ndim} dimensions", problem)


def _infinite(usual: Problem, supports: frozenset[str]) -> Iterator[Harmless]:
    """Rows of -inf, and a logit of +inf beside others."""
    if "nonfinite" in supports and "logits" in usual.inputs:
        x = usual.inputs["logits"]
        first = np.arange(x.size).reshape(x.shape) == 0
        for words, logits in (("logits of -inf", np.full_like(x, -np.inf)), ("+inf", np.where(first, np.inf, x))):
            yield Harmless("nonfinite", words, replace(usual, inputs={**usual.inputs, "logits": logits}))


def _takes_any_label(candidate: Candidate, usual: Problem) -> bool:
    """Whether a label of no class, other than the one that is ignored, is answered by numbers."""
    if not _has_labels(usual) or "invalid_labels" not in candidate.supports(usual.operation):
        return False
    strange = (replace(labelled(usual, label), grad_output=None) for label in NO_CLASS if label != ignored_label(usual))
    return any(candidate.answer(problem, "cpu").raised is None for problem in strange)


def _has_labels(problem: Problem) -> bool:
    return "target" in problem.inputs and is_labels(problem)
