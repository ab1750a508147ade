"""Under which models of arithmetic an answer would agree: whether it is a matter of rounding at all."""

from __future__ import annotations

import numpy as np

from ..bounds.models import MODELS
from ..problem.formats import FORMATS
from ..truth.solver import FLOAT64, solve
from ..verdicts.compare import AGREES, DISAGREES, UNSPECIFIED
from .interview import Interview, Reply
from .record import Models

BITS, MANY = 128, 1 << 12  # of the truth that an error is measured by; elements from which float64 has to do
FUSED = ("stored-logsumexp", "fused", "fused-base-2")  # from the narrowest on


def under_models(interview: Interview, reply: Reply) -> Models | None:
    """What each model says of an answer; None where the answer has no numbers that a model could be about."""
    if not reply.verdict.output or reply.verdict.outcome != DISAGREES:
        return None
    said: dict[str, list[str]] = {AGREES: [], DISAGREES: [], "": []}
    for name in _NAMES:
        outcome = interview.judged(reply.problem, reply.result, MODELS[name]).outcome
        said[AGREES if outcome == UNSPECIFIED else outcome if outcome in said else ""].append(name)
    agrees, wrong, silent = map(tuple, said.values())
    return Models(agrees, wrong, silent, next_to_underflow(reply))


_NAMES = [name for name, model in MODELS.items() if model is not MODELS["any-order"] or name == "any-order"]


def next_to_underflow(reply: Reply) -> bool:
    """Whether the output that is wrong is nowhere further from the truth than the smallest normal number."""
    size = sum(array.size for array in reply.problem.inputs.values())
    truth = solve(reply.problem, BITS if size < MANY else FLOAT64)
    name = reply.verdict.output
    got, exact = reply.result.outputs[name].values.astype(np.float64), truth[name].astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(got.reshape(-1) - exact.reshape(-1))
    return bool((error < FORMATS[reply.problem.dtype].tiny).all())


def try_next(models: Models) -> str:
    """What to do about it."""
    narrow = [name for name in FUSED if name in models.agrees]
    if names := narrow or list(models.agrees):
        return f"if that is how it computes: --arithmetic {names[0]}"
    return ""
