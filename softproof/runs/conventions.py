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
from ..problem.operations import LOSS_DEFAULTS, OF_REDUCTIONS, OPERATIONS
from ..problem.problem import Problem
from ..problem.rows import main_input
from ..verdicts.verdict import DISAGREES
from .harmless import CLASSES, Harmless, kinds, labelled, plain
from .ladder import widest

MOST = 20  # questions
NO_CLASS = (CLASSES, -1)  # labels of the usual question


def conventions(candidate: Candidate, usual: Problem, device: str) -> Iterator[tuple[str, str]]:
    """What leaves a kind of question out, and how it is answered; nothing where the usual question is not."""
    interview = Interview(candidate, device, widest(usual.dtype, device), "C", MOST)
    first = interview.ask(usual)
    if first is None or first.verdict.outcome == DISAGREES:
        return
    supports = candidate.supports(usual.operation)
    may = {*OPERATIONS[usual.operation].kinds} - OF_REDUCTIONS.keys()
    for each in (*kinds(usual.operation, usual.dtype, supports, usual), *_infinite(usual, supports)):
        reply = interview.ask(each.problem) if each.option in may and candidate.takes(each.problem) else None
        if reply is not None and reply.result.raised is None and reply.verdict.outcome == DISAGREES:
            yield each.option, f"for {each.words} its {reply.verdict.explanation.partition(';')[0]}"
    many = [each for each in (3, 4) if not candidate.interface.ndim or each in candidate.interface.ndim]
    for ndim in many if main_input(usual).ndim == 2 else ():
        asked = plain(usual.operation, usual.dtype, supports, ndim, candidate.interface.fixed)
        reply = None if asked is None else interview.ask(asked)
        if reply is not None and reply.result.raised is None and reply.verdict.outcome == DISAGREES:
            yield "ndim", f"for arrays of {ndim} dimensions its {reply.verdict.explanation.partition(';')[0]}"
    if "target" not in usual.inputs or not is_labels(usual):
        return
    ignored = _ignored_row(usual, supports)
    reply = None if ignored is None or "nonfinite" not in supports else interview.ask(ignored)
    if reply is not None and reply.result.raised is None and reply.verdict.outcome == DISAGREES:
        yield "nonfinite", f"for an ignored row of NaN its {reply.verdict.explanation.partition(';')[0]}"
    if "invalid_labels" in supports and device == "cpu" and any(_is_taken(candidate, usual, each) for each in NO_CLASS):
        yield "invalid_labels", "for a label of no class it gives numbers, where torch raises an error"


def _infinite(usual: Problem, supports: frozenset[str]) -> Iterator[Harmless]:
    """Rows of -inf, and a logit of +inf beside others."""
    if "nonfinite" in supports and "logits" in usual.inputs:
        x = usual.inputs["logits"]
        first = np.arange(x.size).reshape(x.shape) == 0
        for words, logits in (("logits of -inf", np.full_like(x, -np.inf)), ("+inf", np.where(first, np.inf, x))):
            yield Harmless("nonfinite", words, replace(usual, inputs={**usual.inputs, "logits": logits}))


def _is_taken(candidate: Candidate, usual: Problem, label: int) -> bool:
    """Whether a label of no class is answered by numbers, and is not the one that is ignored."""
    asked = replace(labelled(usual, label), grad_output=None)
    ignored = usual.options.get("ignore_index", LOSS_DEFAULTS["ignore_index"])
    return label != ignored and candidate.answer(asked, "cpu").raised is None


def _ignored_row(usual: Problem, supports: frozenset[str]) -> Problem | None:
    """The usual question with a row of NaN that is ignored, if that can be asked."""
    if ("ignore_index" not in supports and "ignore_index" not in usual.options) or main_input(usual).ndim != 2:
        return None
    ignored = usual.options.get("ignore_index", LOSS_DEFAULTS["ignore_index"])
    found, name = labelled(usual, ignored), next(iter(usual.inputs))
    x = found.inputs[name].copy()
    x[0] = np.nan
    return replace(found, inputs={**found.inputs, name: x})
