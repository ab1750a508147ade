"""A function of one's own that calls what cannot be called as it is, ready to be filled in."""

from __future__ import annotations

from collections.abc import Mapping

from ..candidates.candidate import Candidate
from ..candidates.plain_text import plain
from ..problem.operations import OPERATIONS

_ARRAYS: Mapping[str, str] = {  # what an input is
    "logits": "logits (N, C)",
    "p_logits": "logits of p (N, C)",
    "q_logits": "logits of q (N, C)",
    "p": "probabilities p (N, C)",
    "q": "probabilities q (N, C)",
    "input": "features (N, D)",
    "weight": "weight (C, D)",
    "linear_weight": "weight (C, D)",
    "target": "labels (N,)",
}
_LOSS = "the mean of the losses, (); or with --fixed reduction=none each, (N,)"
_GIVES: Mapping[str, str] = {  # what an operation gives
    "softmax": "(N, C)",
    "log_softmax": "(N, C)",
    "linear": "(N, C)",
    "cross_entropy": _LOSS,
    "linear_cross_entropy": _LOSS,
}
_OF_ROWS = "one number for each row, (N,)"
FILE = "judged.py"


def wrapper(candidate: Candidate, operation: str) -> str:
    """Python to be filled in, of rows alone, and the command that judges it."""
    inputs = OPERATIONS[operation].inputs
    module, _, name = candidate.source.strip("'").partition(":")  # which its user has said
    called = name or candidate.name
    imported = [f"from {module} import {name.partition('.')[0]}", ""] if name else []
    takes = plain(", ".join(candidate.capabilities.parameters(operation))) or "…"  # as its process says
    arrays = ", ".join(_ARRAYS[each] for each in inputs)
    lines = [
        *imported,
        f"def {operation}({', '.join(inputs)}):  # {arrays}",
        f"    # {called}({takes})",
        f"    return {called}{'(...)' if _is_class(called) else ''}(...)  # gives {_GIVES.get(operation, _OF_ROWS)}",
    ]
    if operation in candidate.backwards:
        lines += ["", f"def {operation}_backward(grad_output, {', '.join(inputs)}):  # gives a gradient of each"]
    code = "\n".join(f"    {line}" if line else "" for line in lines)
    return (
        f"\n  Or judge a function of your own that calls it as you do. Write {FILE}, with the dots filled in:\n\n{code}"
        f"\n\n  and then: softproof verify {FILE}:{operation} --ndim 2"
    )


def _is_class(called: str) -> bool:
    """Whether it is named as one, so that an object of it is called."""
    return "." not in called and called[:1].isupper()
