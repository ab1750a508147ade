"""A gradient that also goes through the row's maximum: its part there is 0, and rounding leaves a rest of it.

Autograd adds minus the sum of the gradients of x - m to that of the largest logit. The sum is 0 but for the errors of
its terms, each of which is within its own bound; no bound of the largest logit allows for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.formats import FORMATS
from ..problem.problem import Array, Output
from ..problem.rows import row_form, shaped
from .interview import Interview, Reply
from .likeness import Yardstick
from .record import Pattern

WORDS = "wrong only at the largest logit of a row, by no more than the row's errors together"
ADVICE = (
    "if autograd differentiates through the row's maximum, detach it, such as x.max(-1, keepdim=True).values.detach(): "
    "its gradient is 0 but for rounding"
)


def through_the_maximum(interview: Interview, witness: Reply) -> Pattern | None:
    """Whether the witness agrees once its gradients at the largest logits, which are near the truth, are the truth."""
    problem, name = witness.problem, witness.verdict.output
    if "logits" not in problem.inputs or name not in ("grad_logits", "hvp_logits") or not problem.inputs["logits"].size:
        return None
    yardstick = Yardstick.of(problem, interview.model)
    got, exact = witness.result.outputs[name], yardstick.exact[name]
    x = row_form(problem, "grad_logits", problem.inputs["logits"])
    largest = x == x.max(-1, keepdims=True)
    error = row_form(problem, name, np.abs(got.values.astype(np.float64) - exact))
    together = row_form(problem, name, yardstick.allowed[name]).sum(-1, keepdims=True)
    if not (error[largest] <= np.broadcast_to(2 * together, error.shape)[largest]).all():
        return None
    values = row_form(problem, name, got.values).copy()
    values[largest] = FORMATS[problem.dtype].round(row_form(problem, name, exact))[largest]
    return Pattern(WORDS, 0, 0) if _agrees(interview, witness, name, values) else None


def _agrees(interview: Interview, witness: Reply, name: str, rows: Array) -> bool:
    """Whether the answer agrees with these numbers in the place of one output."""
    old = witness.result.outputs[name]
    values = shaped(witness.problem, name, rows, old.values.shape).astype(old.values.dtype)
    outputs = {**witness.result.outputs, name: Output(values, old.dtype, old.device)}
    return interview.judged(witness.problem, replace(witness.result, outputs=outputs)).ok
