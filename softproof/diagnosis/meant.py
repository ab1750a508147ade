"""What a function may be meant for that answers wrongly: one row alone, log-probabilities, or the next token."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import FORMATS
from ..problem.losses import is_labels
from ..problem.problem import Problem, Result
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
ROWS, CLASSES = 5, 3


def meant_otherwise(interview: Interview, witness: Reply) -> tuple[Pattern, str] | None:
    """What a wrong value is right for, and what to do; None where neither is."""
    if witness.verdict.output in ("value", "grad_logits") and _is_shifted(interview, witness.problem):
        return SHIFTED, FOR_SHIFTED
    if witness.verdict.output != "value":
        return None
    if _is_of_one_row(interview, witness):
        return ONE_ROW, FOR_ONE_ROW
    return (LOGARITHMS, FOR_LOGARITHMS) if _is_of_logarithms(interview, witness.problem) else None


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
    """Whether a loss is right for logits that are normalised already, which changes no right loss."""
    if problem.operation != "cross_entropy" or not np.isfinite(main_input(problem)).all():
        return False
    x = problem.inputs["logits"].astype(np.float64)
    axis = min(1, x.ndim - 1) if x.ndim else 0
    z = x - x.max(axis, keepdims=True, initial=-np.inf)
    logp = FORMATS[problem.dtype].round(z - np.log(np.exp(z).sum(axis, keepdims=True)))
    alone = replace(problem, inputs={**problem.inputs, "logits": logp}, grad_output=None, tangent=None)
    interview.most = max(interview.most, len(interview.replies) + 1)
    reply = interview.ask(alone)
    return reply is not None and reply.verdict.ok


def _is_shifted(interview: Interview, problem: Problem) -> bool:
    """Whether a loss of several rows is right for all but the last, with the labels of the rows after them."""
    if problem.operation != "cross_entropy" or "weight" in problem.inputs or not is_labels(problem):
        return False
    logits, labels = np.resize([0.0, 0.5, -1.0, 2.0, 0.25], (ROWS, CLASSES)), np.array([0, 2, 1, 1, 0])
    options = {name: value for name, value in problem.options.items() if name == "reduction"}
    asked = Problem("cross_entropy", problem.dtype, {"logits": logits, "target": labels}, options)
    interview.most = max(interview.most, len(interview.replies) + 1)
    reply = interview.ask(asked) if interview.candidate.takes(asked) else None
    value = None if reply is None else reply.result.outputs.get("value")
    shifted = replace(asked, inputs={"logits": logits[:-1], "target": labels[1:]})
    return value is not None and interview.judged(shifted, Result({"value": value})).ok
