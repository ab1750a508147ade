"""What a wrong function may be meant for: one row, log-probabilities, the next token, another smoothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import FORMATS
from ..problem.losses import is_labels
from ..problem.problem import Array, Problem, Result
from ..problem.rows import main_input
from .interview import Interview, Reply
from .record import Pattern

ONE_ROW = Pattern("its value is that of one row of all elements", 0, 0)
FOR_ONE_ROW = (
    "if it is meant for one row alone, as under jax.vmap: --ndim 1; if not, its maximum and its sum lack an axis"
)
LOGARITHMS = Pattern("its value is right where the logits are log-probabilities", 0, 0)
FOR_LOGARITHMS = (
    "if it takes log-probabilities, as NLLLoss does, judge what gives it these, such as: "
    "def loss(logits, labels): return function(log_softmax(logits, 1), labels)"
)
SHIFTED = Pattern("its value is that of each row with the label of the next", 0, 0)
FOR_SHIFTED = (
    "if it shifts labels by one token itself, as a language model's loss does, judge it on what is one token longer: "
    "def loss(logits, labels): return function(pad(logits, (0, 0, 0, 1)), pad(labels, (1, 0))), with pad of "
    "torch.nn.functional"
)
OTHERS = Pattern(
    "its value is right where label_smoothing goes to the other classes, ε/(C - 1), in place of ε/C to all", 0, 0
)
FOR_OTHERS = (
    "if it is meant so, as in fairseq and Megatron-LM, that is another smoothing than torch's; without it the rest is "
    "judged: --without label_smoothing"
)
SINGLE = Pattern("its value is right where label_smoothing is rounded to float32", 0, 0)
FOR_SINGLE = "if it takes options in float32, as a Triton kernel does, it is meant for that format: --dtype float32"
IGNORED = "its value is right where the label {label} is ignored"
FOR_IGNORED = "if label {label} is one that is to be ignored: --fixed ignore_index={label}"
MOST = 4  # labels that may be such a one
LOGITS = np.resize([0.0, 0.5, -1.0, 2.0, 0.25], (5, 4))
LABELS = np.array([0, 2, 1, 1, 0])
SMALL, ALIKE = 0.1875, 0.25  # a smoothing over 3 other classes, and the same over all 4


def meant_otherwise(interview: Interview, witness: Reply) -> tuple[Pattern, str] | None:
    """What wrong answers are right for, and what to do; None where nothing is found."""
    output, problem = witness.verdict.output, witness.problem
    if problem.operation == "cross_entropy" and output in ("value", "grad_logits", ""):
        found = next((said for is_meant, said in MEANINGS if is_meant(interview, problem)), None)
        return found or _ignored(interview, witness)
    return (ONE_ROW, FOR_ONE_ROW) if output == "value" and _is_of_one_row(interview, witness) else None


def _is_of_one_row(interview: Interview, witness: Reply) -> bool:
    """Whether the value of a softmax is right where all elements are one row."""
    problem, value = witness.problem, witness.result.outputs["value"]
    x = main_input(problem)
    if problem.operation not in ("softmax", "log_softmax") or x.ndim < 2:
        return False
    row = Problem(problem.operation, problem.dtype, {"logits": x.reshape(-1)})
    flat = Result({"value": replace(value, values=value.values.reshape(-1))})
    return value.values.shape == x.shape and interview.judged(row, flat).ok


def _is_of_logarithms(interview: Interview, problem: Problem) -> bool:
    """Whether a loss is right for logits that are normalised already, which changes no right loss, and for no other."""
    logp = FORMATS[problem.dtype].round(LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True)))
    asked = _with_labels(problem, logp)
    reductions = [{**asked.options, "reduction": each} for each in ("mean", "sum", "none")]  # one may be hard-coded
    right = next((each for each in reductions if _is_right(interview, asked, replace(asked, options=each))), None)
    of_any = _with_labels(problem, LOGITS)
    return right is not None and not _is_right(interview, of_any, replace(of_any, options=right))


def _is_shifted(interview: Interview, problem: Problem) -> bool:
    """Whether a loss of several rows is right for all but the last, with the labels of the rows after them."""
    asked = _with_labels(problem, LOGITS)
    return _is_right(interview, asked, _with_labels(problem, LOGITS[:-1], LABELS[1:]))


def _smooths_others(interview: Interview, problem: Problem) -> bool:
    """Whether smoothing goes to the other classes alone: the label keeps 1 - ε."""
    return _smooths(interview, problem, SMALL, ALIKE)


def _smooths_in_float32(interview: Interview, problem: Problem) -> bool:
    """Whether a loss in float64 has the smoothing that float32 has."""
    return problem.dtype == "float64" and _smooths(interview, problem, 0.1, float(np.float32(0.1)))


def _smooths(interview: Interview, problem: Problem, given: float, meant: float) -> bool:
    """Whether a loss with one smoothing is the right one with another."""
    if not problem.options.get("label_smoothing"):
        return False
    asked, right = (_with_labels(problem, LOGITS, label_smoothing=each) for each in (given, meant))
    return _is_right(interview, asked, right)


def _ignored(interview: Interview, witness: Reply) -> tuple[Pattern, str] | None:
    """A label that does not count, found by questions of which one row has it."""
    for label in _labels(witness):
        if all(_ignores(interview, witness.problem, label, numbers) for numbers in (LOGITS, LOGITS[::-1] + 0.125)):
            return Pattern(IGNORED.format(label=label), 0, 0), FOR_IGNORED.format(label=label)
    return None


def _ignores(interview: Interview, problem: Problem, label: int, numbers: Array) -> bool:
    """Whether a loss of two rows, made of these numbers, is right without the first, and not with it."""
    asked = _with_labels(problem, np.resize(numbers, (2, label + 2)), np.array([label, label + 1]))
    right = replace(asked, options={**asked.options, "ignore_index": label})
    return _is_right(interview, asked, right) and not _is_right(interview, asked, asked)


def _labels(witness: Reply) -> list[int]:
    """The label of the row that is wrong, where there is one; otherwise all, if they are few."""
    problem, index = witness.problem, witness.verdict.index
    if not is_labels(problem) or problem.options.get("ignore_index", -100) != -100:
        return []
    labels, of_row = problem.inputs["target"], (*index[:1], *index[2:]) if witness.verdict.output != "value" else index
    found = np.unique(labels[of_row] if index and len(of_row) <= labels.ndim else labels)
    return [int(each) for each in found if each >= 0] if found.size <= MOST else []


def _with_labels(problem: Problem, logits: Array, labels: Array = LABELS, **options: float) -> Problem:
    """Rows of logits and labels, of the format, reduction and, from three on, the dimensions of a problem."""
    own = {name: value for name, value in problem.options.items() if name == "reduction"}
    if (more := main_input(problem).ndim - 3) >= 0:  # with the rows along the first axis of positions
        logits, labels = logits.T.reshape(1, *logits.T.shape, *(1,) * more), labels.reshape(1, -1, *(1,) * more)
    return Problem("cross_entropy", problem.dtype, {"logits": logits, "target": labels}, {**own, **options})


def _is_right(interview: Interview, asked: Problem, meant: Problem) -> bool:
    """Whether the value for one question is that of another."""
    interview.most = max(interview.most, len(interview.replies) + 1)
    reply = interview.ask(asked) if interview.candidate.takes(asked) else None
    value = None if reply is None else reply.result.outputs.get("value")
    return value is not None and interview.judged(meant, Result({"value": value})).ok


MEANINGS = (
    (_is_shifted, (SHIFTED, FOR_SHIFTED)),
    (_is_of_logarithms, (LOGARITHMS, FOR_LOGARITHMS)),
    (_smooths_others, (OTHERS, FOR_OTHERS)),
    (_smooths_in_float32, (SINGLE, FOR_SINGLE)),
)
