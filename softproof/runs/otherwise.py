"""Answers that are right for another interface: of an option that is hard-coded, or in float32 for half precision.

Such numbers are not wrong. The option that says so is found out by asking the usual question, and named.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np

from ..candidates.candidate import Candidate
from ..diagnosis.interview import Given
from ..problem.formats import FORMATS, HALF
from ..problem.interface import HALF_VALUE
from ..problem.operations import OPERATIONS, PER_ROW
from ..problem.problem import Output, Problem, Result
from ..problem.rows import main_input
from ..verdicts.judgement import judge
from .harmless import apart, plain
from .ladder import widest

INSTEAD: dict[str, tuple[Any, ...]] = {  # what is hard-coded; a label of 0 that is ignored stands for padding
    "reduction": ("none", "sum"),
    "label_smoothing": (0.1,),
    "ignore_index": (0,),
}
Options = Mapping[str, Any]
OF_ROWS = ("logits", "input", "target", "p", "q", "p_logits", "q_logits")  # inputs with a row for each row
REPEATED = 11  # a number of rows that nothing else asks


def hard_coded(free: Collection[str], is_right: Callable[[Options], bool]) -> dict[str, Any]:
    """The values that answers have of options without a parameter, as few as may be; empty where they have the usual.

    >>> hard_coded(["reduction", "dim"], lambda options: options == {"reduction": "sum"})
    {'reduction': 'sum'}
    """
    return next((dict(each) for each in ({}, *_combined(free)) if is_right(each)), {})


def _combined(free: Collection[str]) -> Iterator[dict[str, Any]]:
    """The values of one option, then those of several."""
    known = [[{}, *({name: value} for value in values)] for name, values in INSTEAD.items() if name in free]
    found = [{key: value for each in chosen for key, value in each.items()} for chosen in product(*known)]
    yield from sorted(filter(None, found), key=len)


def in_half(problem: Problem, result: Result) -> Result:
    """The answer with a value in float32 rounded to the half precision that was asked for, if it was."""
    value = result.outputs.get("value")
    if value is None or problem.dtype not in HALF or value.dtype != "float32":
        return result
    rounded = Output(FORMATS[problem.dtype].round(value.values), problem.dtype, value.device)
    return replace(result, outputs={**result.outputs, "value": rounded})


def told_alone(problem: Problem, result: Result) -> Result:
    """The numbers of an answer, rounded to half precision: that it has written into an input is another matter."""
    return replace(in_half(problem, result), written=())


def of_another_interface(candidate: Candidate, operation: str, dtype: str, device: str) -> str:
    """What its answers to the usual question are right for, and how to say so; empty where that is not found."""
    free = unknown_options(candidate, operation)
    usual = _usual(candidate, operation, dtype)
    if usual is None:
        return ""
    with warnings.catch_warnings(action="ignore"):
        given = candidate.answer(usual, device)
        result = in_half(usual, given)
        held = result is given

    def is_right(options: Options) -> bool:
        meant = replace(usual, options={**usual.options, **options})
        with warnings.catch_warnings(action="ignore"):
            return judge(Given(candidate, result), meant, device=device, arithmetic=widest(dtype, device)).ok

    fixed = hard_coded(free, is_right)
    if fixed and not _is_right_for_more(candidate, usual, fixed, device):
        fixed = {}
    if fixed or (not held and is_right({})):
        return _said(fixed, () if held else (HALF_VALUE,), dtype)
    if by_rows := _by_rows(candidate, usual, device):
        return by_rows
    if soft := _soft(candidate, operation, dtype, device, free):
        return soft
    if operation == "kl_divergence" and _is_of_torch(candidate, usual, device):
        return OF_TORCH
    if names := _of_logarithms(candidate, usual, device):
        instead = INSTEAD_OF_LOGARITHMS.get((operation, len(names)), NO_OPERATION)
        return LOGARITHMS.format(operation=operation, taken=" and ".join(f"log {name}" for name in names)) + instead
    result = negative(result)
    fixed = hard_coded(free, is_right)
    return NEGATIVE if "target" in usual.inputs and (fixed or is_right({})) else ""


def unknown_options(candidate: Candidate, operation: str) -> set[str]:
    """Options that it has no parameter for, and whose value nobody has said."""
    interface = candidate.interface
    return {*OPERATIONS[operation].options} - candidate.supports(operation) - interface.fixed.keys() - interface.without


def _is_right_for_more(candidate: Candidate, usual: Problem, options: Options, device: str) -> bool:
    """Whether these options also tell what it answers for many times the rows: a state is no interface."""
    rows = {name: each for name, each in usual.inputs.items() if name in OF_ROWS}
    if not all(each.ndim for each in rows.values()):
        return True
    more = {name: np.concatenate([each] * REPEATED) for name, each in rows.items()}
    asked = replace(usual, inputs={**usual.inputs, **more}, options={**usual.options, **options})
    with warnings.catch_warnings(action="ignore"):
        found = candidate.answer(replace(asked, options=usual.options), device)
        return judge(
            Given(candidate, in_half(asked, found)), asked, device=device, arithmetic=widest(asked.dtype, device)
        ).ok


def _by_rows(candidate: Candidate, usual: Problem, device: str) -> str:
    """What to say where it gives one number for all rows, and that of one is right, or is with two inputs swapped."""
    about, x, usual = OPERATIONS[usual.operation], main_input(usual), apart(usual)
    if about.value != PER_ROW or x.ndim != 2:
        return ""
    one = replace(usual, inputs={name: each[:1] for name, each in usual.inputs.items()})
    with warnings.catch_warnings(action="ignore"):
        several = candidate.answer(usual, device).outputs.get("value")
        value = candidate.answer(one, device).outputs.get("value")
    if several is None or value is None or several.values.size != 1 or value.values.size != 1:
        return ""
    found = Given(candidate, Result({"value": replace(value, values=value.values.reshape(1))}))

    def is_right(order: Sequence[str]) -> bool:
        meant = replace(one, inputs={name: one.inputs[of] for name, of in zip(about.inputs, order, strict=True)})
        return judge(found, meant, device=device, arithmetic=widest(usual.dtype, device)).ok

    if is_right(about.inputs):
        return BY_ROWS.format(options="--row-by-row", python="row_by_row=True")
    parameters = candidate.capabilities.parameters(usual.operation)
    if len(about.inputs) != 2 or len(parameters) < 2 or not is_right(about.inputs[::-1]):
        return ""
    names = dict(zip(about.inputs, parameters[1::-1], strict=True))
    options = " ".join(["--row-by-row", *(f"--name {ours}={theirs}" for ours, theirs in names.items())])
    return BY_ROWS.format(options=options, python=f"row_by_row=True, names={names}")


def soft_question(candidate: Candidate, operation: str, dtype: str, device: str) -> Problem | None:
    """The most usual question with target probabilities, of a loss that raises an error for labels of a matrix."""
    supports = candidate.supports(operation)
    labelled = plain(operation, dtype, supports, 2, candidate.interface.fixed)
    if not supports >= {"labels", "probabilities"} or labelled is None or not candidate.takes(labelled):
        return None
    with warnings.catch_warnings(action="ignore"):
        if candidate.answer(replace(labelled, grad_output=None), device).raised is None:
            return None
    asked = (plain(operation, dtype, supports - {"labels"}, ndim, candidate.interface.fixed) for ndim in (2, 3, 1, 4))
    found = next((each for each in asked if each is not None and candidate.takes(each)), None)
    return None if found is None else replace(found, grad_output=None)


def _soft(candidate: Candidate, operation: str, dtype: str, device: str, free: Set[str]) -> str:
    """What to say where its value is right for target probabilities alone; empty where it is not."""
    asked = soft_question(candidate, operation, dtype, device)
    if asked is None:
        return ""
    with warnings.catch_warnings(action="ignore"):
        given = candidate.answer(asked, device)
        result = in_half(asked, given)

    def is_right(options: Options) -> bool:
        meant = replace(asked, options={**asked.options, **options})
        with warnings.catch_warnings(action="ignore"):
            return judge(Given(candidate, result), meant, device=device, arithmetic=widest(dtype, device)).ok

    fixed = hard_coded(free - {"ignore_index"}, is_right)
    if not (fixed or is_right({})):
        return ""
    return _said(fixed, ("labels", *(() if result is given else (HALF_VALUE,))), dtype)


def _of_logarithms(candidate: Candidate, usual: Problem, device: str) -> tuple[str, ...]:
    """The probabilities whose logarithms it takes, by its value for these."""
    given = [name for name in usual.inputs if name in ("p", "q")]
    rolled = {name: np.roll(usual.inputs[name], place, -1) for place, name in enumerate(given)}  # so that they differ
    asked = replace(usual, inputs={**usual.inputs, **rolled})

    def is_right(names: Collection[str]) -> bool:
        logs = {name: FORMATS[asked.dtype].round(np.log(asked.inputs[name])) for name in names}
        with warnings.catch_warnings(action="ignore"):
            found = candidate.answer(replace(asked, inputs={**asked.inputs, **logs}), device)
            return judge(Given(candidate, found), asked, device=device, arithmetic=widest(asked.dtype, device)).ok

    some = (each for count in range(1, len(given) + 1) for each in combinations(given, count))
    return next(filter(is_right, some), ())


def _is_of_torch(candidate: Candidate, usual: Problem, device: str) -> bool:
    """Whether it is a sum, or a mean, of target (log target - input), in the order of torch's kl_div.

    The rows are all the same, and each size is a power of 2, so that one of these numbers times what it is divided by
    is the divergence of a row, with no rounding more.
    """
    p, q = np.array([0.5, 0.25, 0.125, 0.125]), np.array([0.125, 0.5, 0.25, 0.125])
    lead = (2,) * (usual.inputs["p"].ndim - 1)
    rows = {"p": FORMATS[usual.dtype].round(np.log(q)), "q": p}
    asked = replace(usual, inputs={name: np.tile(each, (*lead, 1)) for name, each in rows.items()})
    with warnings.catch_warnings(action="ignore"):
        value = candidate.answer(asked, device).outputs.get("value")
    if value is None or value.values.ndim:
        return False
    row, many = Problem("kl_divergence", usual.dtype, {"p": p, "q": q}, {"dim": -1}), 2 ** len(lead)
    given = (Given(candidate, Result({"value": replace(value, values=value.values * times)}))
             for times in (1 / many, 1.0, len(p)))  # fmt: skip
    return any(judge(each, row, device=device, arithmetic=widest(usual.dtype, device)).ok for each in given)


BY_ROWS = (
    "it gives one number for all rows, and that of one row is right. To be judged on that, row by row: {options} (in "
    "Python: {python})"
)
OF_TORCH = (
    "kl_divergence takes probabilities p and q, and its value is right for target (log target - input): it takes "
    "log-probabilities first, as torch's kl_div does. Judge a function of p and q, with a divergence for each row: "
    'def kl(p, q): return kl_div(q.log(), p, reduction="none").sum(-1)'
)
LOGARITHMS = (
    "{operation} takes probabilities, and its value is right for {taken}: it takes logits, or log-probabilities, "
)
INSTEAD_OF_LOGARITHMS = {  # by the operation, and of how many of its inputs logarithms are taken
    ("distribution_cross_entropy", 1): "which cross_entropy does, with target probabilities: --operation cross_entropy",
    ("entropy", 1): "which softmax_entropy does: --operation softmax_entropy",
    ("kl_divergence", 2): "which softmax_kl_divergence does: --operation softmax_kl_divergence",
}
NO_OPERATION = "which no such operation does; log_softmax, softmax and logsumexp, of which it is made, can be judged"
NEGATIVE = (
    "its value is right times -1. If it gives log-probabilities, a loss is minus these: --negative (in Python: "
    "negative=True)"
)


def negative(result: Result) -> Result:
    """The answer with its value times -1."""
    value = result.outputs.get("value")
    if value is None:
        return result
    return replace(result, outputs={**result.outputs, "value": replace(value, values=-value.values)})


def _usual(candidate: Candidate, operation: str, dtype: str) -> Problem | None:
    """The most usual question that it may be asked, of its value alone."""
    supports, interface = candidate.supports(operation), candidate.interface
    asked = (plain(operation, dtype, supports, ndim, interface.fixed) for ndim in (2, 3, 1, 4, 0))
    found = next((each for each in asked if each is not None and candidate.takes(each)), None)
    return None if found is None else replace(found, grad_output=None)


def _said(fixed: Options, without: Collection[str], dtype: str) -> str:
    """What the answers are, the options of the command line, and the same in Python."""
    what = [f"for {name}={value}, for which it has no parameter" for name, value in fixed.items()]
    half = HALF_VALUE in without
    what += ["for target probabilities, and labels raise an error"] if "labels" in without else []
    what += [f"in float32, and for {dtype} arrays one in {dtype} is expected"] if half else []
    words = [f"--fixed {name}={value}" for name, value in fixed.items()]
    words += [f"--without {','.join(without)}"] if without else []
    python = ([f"fixed={dict(fixed)}"] if fixed else []) + ([f"without={list(without)}"] if without else [])
    rounds = f", which rounds it to {dtype} before it is judged" if half else ""
    options = f"{' '.join(words)} (in Python: {', '.join(python)})"
    return f"its value is right {', and '.join(what)}. Say so: {options}{rounds}"
