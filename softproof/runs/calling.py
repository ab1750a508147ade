"""How a function is to be called that answers no question: what its error and its parameters tell."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

from ..candidates.candidate import Candidate
from ..candidates.guesses import results_in_order
from ..candidates.lookalikes import is_mask, lookalikes_of
from ..candidates.results import BY_NAME
from ..problem.operations import OPERATIONS
from .harmless import plain
from .wrapping import wrapper

_MISSING = re.compile(
    r"missing (?:\d+|a) required (?:positional |keyword-only )?arguments?: (.*)"
)  # by Python, or inspect
TOO_MANY = re.compile(r"takes .*positional argument")
FORWARD = re.compile(r"takes 2 positional arguments but 3 were given")  # a method of one input, and a weight
HOLDS_ITS_WEIGHT = (
    "It seems to hold its weight itself. Judge a function that is given one, such as: def layer(x, w): "
    "return torch.func.functional_call(module, {'linear.weight': w}, (x,))"
)
SEVERAL = re.compile(r"the answer is a (tuple|list)\b(?!,)")
_NAMED = re.compile(rf"the answer is an? .*, {BY_NAME}([^;]*)")


def _answers(candidate: Candidate, operation: str, dtype: str, device: str) -> bool:
    """Whether it answers the usual question in a format."""
    asked = plain(operation, dtype, candidate.supports(operation), 2, candidate.interface.fixed)
    if asked is None or not candidate.takes(asked):
        return False
    with warnings.catch_warnings(action="ignore"):
        return candidate.answer(replace(asked, grad_output=None), device).raised is None


def in_format(candidate: Candidate, operation: str, dtype: str, device: str) -> str:
    """What it raises for the usual question in a format, of its gradient too if it has one; or that there is none."""
    supports, fixed = candidate.supports(operation), candidate.interface.fixed
    of_shapes = (plain(operation, dtype, supports, ndim, fixed) for ndim in (2, 3, 1, 4))
    asked = next((each for each in of_shapes if each is not None and candidate.takes(each)), None)
    if asked is None:
        return "no usual question fits its interface"
    asked = asked if candidate.differentiates(operation) else replace(asked, grad_output=None)
    with warnings.catch_warnings(action="ignore"):
        return candidate.answer(candidate.interface.part(asked), device).raised or candidate.process.lost


def missing_in(error: str) -> list[str]:
    """The parameters that a function says it lacks.

    >>> missing_in("TypeError: loss() missing 2 required positional arguments: 'mask' and 'scale'")
    ['mask', 'scale']
    """
    missing = _MISSING.search(error)
    return re.findall(r"'(\w+)'", missing[1]) if missing else []


def names_of_results(error: str) -> list[str]:
    """The names of the results of which an error tells, if it does.

    >>> names_of_results("TypeError: the answer is a dict, with results by name: accuracy, loss; expected one array")
    ['accuracy', 'loss']
    """
    named = _NAMED.search(error)
    return named[1].split(", ") if named else []


def options_for(candidate: Candidate, operation: str, raised: str) -> list[str]:
    """Options of the command line for what an error says; empty where it does not tell.

    What is missing and looks like an option is named so; anything else that is missing needs a value.
    """
    parameters, interface = candidate.capabilities.parameters(operation), candidate.interface
    if SEVERAL.search(raised):
        return ["--output 0"]
    if names := names_of_results(raised):
        telling, _ = results_in_order(operation, names)
        return [f"--output {telling[0] if telling else 'NAME'}"]
    if names := missing_in(raised):
        alike = {theirs: ours for ours, theirs in lookalikes_of(candidate, operation, interface.names).items()}
        alike |= {name: "counted" for name in names if is_mask(name) and "target" in OPERATIONS[operation].inputs}
        return [f"--name {alike[name]}={name}" if name in alike else f"--extra {name}=VALUE" for name in names]
    inputs = OPERATIONS[operation].inputs
    if TOO_MANY.search(raised) and inputs[0] not in interface.names and len(parameters) >= len(inputs):
        return [f"--name {ours}={theirs}" for ours, theirs in zip(inputs, parameters, strict=False)]
    return []


def how_to_call(candidate: Candidate, operation: str, dtype: str, device: str, raised: str) -> str:
    """What to do where no question is answered."""
    if others := [each for each in candidate.dtypes if each != dtype and _answers(candidate, operation, each, device)]:
        return f"It answers in {', '.join(others)}: {' '.join(f'--dtype {each}' for each in others)}"
    if "int32" in raised and "target" in OPERATIONS[operation].inputs:
        return "Labels are given as int64: judge a function that converts them, and calls it"
    if operation == "linear" and FORWARD.search(raised):
        return HOLDS_ITS_WEIGHT
    found = options_for(candidate, operation, raised)
    many = SEVERAL.search(raised) or names_of_results(raised)
    words = "It gives several results; say which is the value" if many else "Describe how it is called"
    options = " ".join(found) or "--name, --fixed, --extra, --ndim, --output"
    own = wrapper(candidate, operation) if not found or any("VALUE" in each for each in found) else ""
    return f"{words}: {options}; or let `softproof init` find out{own}"
