"""Questions and answers as messages: how a problem is sent to a candidate's process, and what is believed of an answer.

The judge builds each `Result` itself: from the bytes of arrays and a few short texts, of which every one is checked.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..problem.outputs import output_shapes
from ..problem.problem import Array, Output, Problem, Result
from .bits import alike, identical
from .frames import FrameError, Message
from .plain_text import plain, quoted

SLACK = 1 << 24  # bytes of an answer beyond those that it should have, so that a wrong shape can be told
MOST_TEXTS, LONGEST_NAME = 64, 64
VECTORS = ("grad_output", "tangent")
_PARTS = {"outputs", "raised", "changed", "observed"}  # of an answer


OBSERVATIONS = {  # what may be observed, of one or two names of arrays
    "changed": "{} of the first answer changed when the second was asked",
    "shared with an input": "{} shares memory with the input {}",
    "shared with an answer": "{} shares memory with that of an earlier answer",
    "beyond": "{} is not 0 at the last position, whose logits no label follows",
}


@dataclass(frozen=True)
class Told:
    """What a candidate's side has to say: outputs, and its inputs as they are after the call; or what was raised.

    `changed` names what the call changed that everybody shares, `observed` has keys of OBSERVATIONS with names, and
    `lost` says why there is nothing else.
    """

    outputs: Mapping[str, Output] = field(default_factory=dict)
    after: Mapping[str, Array] = field(default_factory=dict)
    raised: str | None = None
    changed: tuple[str, ...] = ()
    observed: tuple[tuple[str, ...], ...] = ()
    lost: str | None = None


def result_of(problem: Problem, told: Told) -> Result:
    """The answer, as the judge sees it: which inputs were changed it finds out itself."""
    if told.lost is not None:
        return Result(lost=told.lost)
    if told.raised is not None or told.changed:
        return Result(raised=told.raised, changed=told.changed)
    written = [name for name, array in given(problem).items() if not _is_as_it_was(array, told.after.get(name))]
    words = tuple(OBSERVATIONS[kind].format(*names) for kind, *names in told.observed)
    return Result(told.outputs, written=tuple(written), observed=words)


def _is_as_it_was(array: Array, after: Array | None) -> bool:
    """Whether an input came back, in whatever format, with the same numbers; -0 is not 0."""
    if after is None:
        return False
    return identical(after, array) or alike(after, array)


def given(problem: Problem) -> dict[str, Array]:
    """All arrays of a problem."""
    vectors = {"grad_output": problem.grad_output, "tangent": problem.tangent}
    return dict(problem.inputs) | {name: array for name, array in vectors.items() if array is not None}


# ---- a question -----------------------------------------------------------------------------------------------------


def question(problem: Problem, device: str, directive: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    """What a question says besides its arrays, which are `given`."""
    return {
        "ask": directive,
        "arguments": list(arguments),
        "device": device,
        "operation": problem.operation,
        "dtype": problem.dtype,
        "options": encoded(dict(problem.options)),
        "layout": encoded(problem.layout),
        "gradients": encoded(problem.gradients),
    }


def problem_of(message: Message) -> Problem:
    """The problem of a question, in the candidate's process."""
    body, arrays = message.body, dict(message.arrays)
    upstream, tangent = (arrays.pop(name, None) for name in VECTORS)
    options, layout, gradients = (decoded(body[name]) for name in ("options", "layout", "gradients"))
    return Problem(body["operation"], body["dtype"], arrays, options, upstream, layout, tangent, gradients)


def most_bytes(problem: Problem) -> int:
    """How many bytes of arrays an answer may have: those that are asked in the widest dtype, its inputs, and some."""
    numbers = sum(map(math.prod, output_shapes(problem).values())) + sum(each.size for each in given(problem).values())
    return 8 * numbers + SLACK


def encoded(value: Any) -> Any:
    """Plain data in a form that JSON has; TypeError for anything else.

    >>> decoded(encoded({"dim": (0, 1), "scale": float("inf")}))
    {'dim': (0, 1), 'scale': inf}
    """
    if value is None or type(value) in (str, bool):  # as most are
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {"mapping": [[encoded(key), encoded(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [encoded(item) for item in value]}
    if isinstance(value, list):
        return [encoded(item) for item in value]
    if isinstance(value, float):
        return {"float": float(value).hex()}
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return {"whole": hex(value)}
    raise TypeError(
        f"is a {type(value).__name__}; expected plain data: numbers, texts, None, and lists or maps of these"
    )


def decoded(value: Any) -> Any:
    """The plain data that was `encoded`."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "mapping":
        return {decoded(key): decoded(item) for key, item in inner}
    if kind == "tuple":
        return tuple(decoded(item) for item in inner)
    return float.fromhex(inner) if kind == "float" else int(inner, 16)


# ---- an answer ------------------------------------------------------------------------------------------------------


def answer(nonce: str, told: Told) -> Message:
    """What is told, as a message."""
    body = {
        "outputs": {name: [output.dtype, output.device] for name, output in told.outputs.items()},
        "raised": None if told.raised is None else plain(told.raised),  # the words may be many
        "changed": list(told.changed),
        "observed": [list(each) for each in told.observed],
    }
    arrays = {f"output {name}": output.values for name, output in told.outputs.items()}
    return Message(nonce, body, arrays | {f"after {name}": array for name, array in told.after.items()})


def told_of(message: Message, inputs: Collection[str]) -> Told:
    """What is believed of an answer: arrays and short texts. FrameError where it is not as described.

    `inputs` are the names of the arrays that come back with outputs.
    """
    body, arrays = message.body, dict(message.arrays)
    if body.keys() != _PARTS:
        raise FrameError(f"an answer with {quoted(list(body))}; expected {', '.join(sorted(_PARTS))}")
    raised, outputs = body["raised"], body["outputs"]
    if not isinstance(outputs, dict) or not (raised is None or isinstance(raised, str)):
        raise FrameError("an answer whose outputs are no mapping, or whose error is no text")
    answers = {plain(name, LONGEST_NAME): _output(name, about, arrays) for name, about in outputs.items()}
    if raised is not None and answers:
        raise FrameError("an answer that has both outputs and an error")
    words, changed = None if raised is None else plain(raised), tuple(texts(body["changed"], "changed"))
    after = {name: f"after {name}" for name in (() if raised is not None or changed else inputs)}
    if arrays.keys() != set(after.values()):
        expected = f"{quoted(sorted(after.values()))}"
        raise FrameError(f"an answer with the arrays {quoted(sorted(arrays))} besides outputs; expected {expected}")
    kept = {name: arrays[theirs] for name, theirs in after.items()}
    return Told(answers, kept, words, changed, tuple(_observed(body["observed"])))


def _output(name: str, about: Any, arrays: dict[str, Array]) -> Output:
    """One output, with the dtype and device that it says it has; its numbers are checked by the verdict."""
    values = arrays.pop(f"output {name}", None)
    if not isinstance(about, list) or len(about) != 2 or not all(isinstance(each, str) for each in about):
        raise FrameError(f"an output {quoted(name)} described by {quoted(about)}; expected its dtype and device")
    if values is None or values.dtype.kind != "f":
        raise FrameError(f"an output {quoted(name)} without floating-point numbers")
    dtype, device = about
    return Output(values, plain(dtype, LONGEST_NAME), plain(device, LONGEST_NAME))


def texts(value: Any, name: str) -> list[str]:
    """A list of short texts."""
    if not isinstance(value, list) or len(value) > MOST_TEXTS or not all(isinstance(each, str) for each in value):
        raise FrameError(f"{name} is {quoted(value)}; expected a list of at most {MOST_TEXTS} texts")
    return [plain(each, LONGEST_NAME) for each in value]


def _observed(value: Any) -> list[tuple[str, ...]]:
    if not isinstance(value, list) or len(value) > MOST_TEXTS:
        raise FrameError(f"observed is {quoted(value)}; expected a list")
    observations = [tuple(texts(each, "an observation")) for each in value]
    for kind, *names in observations:
        if kind not in OBSERVATIONS or OBSERVATIONS[kind].count("{}") != len(names):
            raise FrameError(f"an observation {quoted([kind, *names])}; expected one of {', '.join(OBSERVATIONS)}")
    return observations
