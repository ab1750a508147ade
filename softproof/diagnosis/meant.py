"""What a function may be meant for that answers wrongly: one row alone, or log-probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import FORMATS
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


def meant_otherwise(interview: Interview, witness: Reply) -> tuple[Pattern, str] | None:
    """What a wrong value is right for, and what to do; None where neither is."""
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
