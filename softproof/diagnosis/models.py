"""Under which models of arithmetic an answer would agree: whether it is a matter of rounding at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..bounds.models import MODELS, THROUGH, Model
from ..problem.formats import FORMATS
from ..problem.operations import OF_REDUCTIONS
from ..truth.solver import FLOAT64, solve
from ..verdicts.verdict import AGREES, DISAGREES, UNSPECIFIED
from .answers import OF_A_FORMAT
from .interview import Interview, Reply
from .record import MATRICES_ALONE, Models, Pattern, Resemblance
from .threshold import FROM

BITS, MANY = 128, 1 << 12  # of the truth that an error is measured by; elements from which float64 has to do
OPTIONS = {  # of the command line that leave out what failures come with
    "more than two dimensions": MATRICES_ALONE,
    "an array that is not contiguous": "--without layouts",
    **{f"reduction {name}": f"--without {kind}" for kind, name in OF_REDUCTIONS.items()},
}
REST = {"smoothing": "label_smoothing", "weights": "weight", "some rows ignored": "ignore_index"}
FUSED = (  # from the narrowest on
    *("stored-logsumexp", "fused", "fused-base-2", "folded-logsumexp"),
    *("eager", "eager-stored-logsumexp", "eager-base-2"),
    *(name for name in MODELS if name.endswith(THROUGH)),
)


def under_models(interview: Interview, replies: Sequence[Reply]) -> Models | None:
    """What each model says of all answers that have wrong numbers; None where none has."""
    wrong = [each for each in replies if each.verdict.output and each.verdict.outcome == DISAGREES]
    if not wrong or not replies[0].verdict.output:
        return None
    said: dict[str, list[str]] = {AGREES: [], DISAGREES: [], "": []}
    alone = []
    for name in _names(interview.device):
        outcome = _outcome(interview, wrong, MODELS[name])
        said[outcome].append(name)
        if outcome != AGREES and _outcome(interview, wrong[:1], MODELS[name]) == AGREES:
            alone.append(name)
    agrees, refuted, silent = map(tuple, said.values())
    return Models(agrees, refuted, silent, all(map(next_to_underflow, wrong)), tuple(alone))


def _outcome(interview: Interview, replies: Sequence[Reply], model: Model) -> str:
    """That a model disagrees with one of the answers, agrees with all, or neither."""
    outcomes = set()
    for each in replies:
        outcomes.add(interview.judged(each.problem, each.result, model).outcome)
        if DISAGREES in outcomes:
            return DISAGREES
    return AGREES if outcomes <= {AGREES, UNSPECIFIED} else ""


def _names(device: str) -> list[str]:
    """The models that an answer may have been computed by: those of CUDA not on a CPU, and none by two names."""
    others = (name for name, model in MODELS.items() if model is not MODELS["any-order"] or name == "any-order")
    return [name for name in others if "cuda" not in name or device.partition(":")[0] != "cpu"]


def next_to_underflow(reply: Reply) -> bool:
    """Whether the output that is wrong is nowhere further from the truth than the smallest normal number."""
    size = sum(array.size for array in reply.problem.inputs.values())
    truth = solve(reply.problem, BITS if size < MANY else FLOAT64)
    name = reply.verdict.output
    got, exact = reply.result.outputs[name].values.astype(np.float64), truth[name].astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(got.reshape(-1) - exact.reshape(-1))
    return bool((error < FORMATS[reply.problem.dtype].tiny).all())


def try_next(
    models: Models | None, patterns: Sequence[Pattern], resembles: Sequence[Resemblance], advice: str = ""
) -> str:
    """What to do about it; `advice` is what follows from its cause, if that is known."""
    agrees = () if models is None else models.agrees
    narrow = [name for name in FUSED if name in agrees]
    if names := narrow or list(agrees):
        return f"if that is how it computes: --arithmetic {names[0]}"
    if advice:
        return advice
    if resembles:
        return "see how it was mended there, or run the program below in a debugger"
    if narrower := next((each for each in patterns if each.words.startswith(OF_A_FORMAT)), None):
        name = narrower.words.removeprefix(OF_A_FORMAT).split()[0]
        return f"it computes in {name} on the way; if that is meant, judge it in that alone: --dtype {name}"
    if any(each.words.startswith(FROM) for each in patterns):
        return "see what it does from that size on, such as another tile, chunk or branch, or run the program below"
    if only := next((each for each in patterns if each.without), None):
        what = only.words.partition("with ")[2]
        if option := OPTIONS.get(what):
            return f"if it is not to take that, leave it out: {option}"
        rest = f" (--without {REST[what]} judges the rest)" if what in REST else ""
        return f"see what it does otherwise {_without(what)}{rest}, or run the program below in a debugger"
    return "run the program below in a debugger"


def _without(what: str) -> str:
    """In words.

    >>> _without("masked classes"), _without("more than 500 classes")
    ('without masked classes', 'with at most 500 classes')
    """
    most = what.removeprefix("more than ")
    return f"with at most {most}" if most != what else f"without {what}"
