"""What a function refuses, found out by harmless questions, and how to say so: `cannot ask` and `softproof init`.

An error is no wrong number. Where a function raises one for a kind of question that it may leave out, and answers the
usual question, its interface differs from torch's, and an option describes that.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from ..candidates.candidate import Candidate
from ..candidates.devices import lacks_memory
from ..candidates.functions import positional
from ..candidates.guesses import inputs_in_order
from ..candidates.lookalikes import lookalikes_of
from ..diagnosis.interview import Given
from ..problem.interface import DIMENSIONS
from ..problem.kinds import kinds_of
from ..problem.operations import DEFAULTS, OF_REDUCTIONS, OPERATIONS
from ..problem.outputs import value_shape
from ..problem.problem import Problem
from ..problem.row_masks import MASKS
from ..problem.rows import main_input
from ..problem.size_limits import limit
from ..properties.metamorphic import UNTAKEN
from ..verdicts.judgement import judge
from .calling import how_to_call
from .harmless import another, kinds, plain
from .ladder import widest
from .large import BY_LAYOUT

SHAPE = re.compile(r"value has shape \(.*\); expected \(")
_AT_MOST = re.compile(r"; (\w+): \d+, and with (\d+) it agrees$")
DELIBERATE = ("ValueError", "TypeError", "NotImplementedError", "AssertionError")  # what people raise on purpose
_ON_PURPOSE = re.compile(rf"raised ({'|'.join(DELIBERATE)}|RuntimeError) at (?!.*CUDA error)")
OTHER_INPUTS = ("labels", "probabilities")  # kinds that a backward pass may refuse alone; others are values of the same
OF_TARGET = "autograd has no gradient of target, and has one of"
_LACKS_ONE = re.compile(r"gradients from the backward pass: 1; inputs that have a gradient: \w+, target$")
ANOTHER_ORDER = "its parameters look like the inputs in another order"
ANOTHER_AXIS = "gave numbers of another axis than the last"


@dataclass(frozen=True)
class Refusals:
    """What one operation of a candidate refuses, in words by option; how many dimensions it takes; what it writes."""

    ndim: tuple[int, ...] = ()
    dimensions: dict[int, str] = field(default_factory=dict)  # that it does not take, and what it raised
    without: dict[str, str] = field(default_factory=dict)
    written: tuple[str, ...] = ()  # inputs that it has overwritten
    error: str = ""  # what it raised for the most usual question

    @property
    def options(self) -> str:
        """Options of the command line that leave it out, and the same in Python.

        >>> Refusals((2,), {1: "raised IndexError"}, {"empty": "raised ValueError"}).options
        "--ndim 2 --without empty (in Python: ndim=[2], without=['empty'])"
        """
        narrow, left = self.ndim if self.dimensions else (), list(self.without)
        words = [f"--ndim {each}" for each in narrow] + ([f"--without {','.join(left)}"] if left else [])
        python = ([f"ndim={list(narrow)}"] if narrow else []) + ([f"without={left}"] if left else [])
        return f"{' '.join(words)} (in Python: {', '.join(python)})"


def refusals(
    candidate: Candidate, operation: str, dtype: str, device: str = "cpu", *, in_backward: bool = False
) -> Refusals:
    """Ask harmless questions, and keep those that are answered by an error; if asked so, by one `in_backward` too."""
    supports, allowed = candidate.supports(operation), candidate.interface.ndim
    fixed = candidate.interface.fixed
    may = [ndim for ndim in DIMENSIONS if not allowed or ndim in allowed]
    asked = {ndim: plain(operation, dtype, supports, ndim, fixed) for ndim in may}
    if "scalars" not in supports:
        asked.pop(0, None)
    if "unbatched" not in supports and "target" in _inputs(asked):
        asked.pop(1, None)
    raised = {ndim: _raised(candidate, each, device) for ndim, each in asked.items() if each is not None}
    answered = {ndim: each for ndim, each in asked.items() if each is not None and not raised[ndim]}
    backward = {ndim: _raised_in_backward(candidate, each, device) for ndim, each in answered.items() if in_backward}
    raised |= backward if "" in backward.values() else {}
    raised |= _along_another_axis(candidate, operation, answered, device)
    raised |= _of_other_shapes(candidate, answered, device)
    takes = tuple(ndim for ndim, error in raised.items() if not error)
    if not takes:
        return Refusals(error=raised.get(2) or next(iter(raised.values()), ""))
    usual = asked[2 if 2 in takes else takes[-1]]
    assert usual is not None  # since it was asked
    without: dict[str, str] = {}
    for each in kinds(operation, dtype, supports, usual):
        if main_input(each.problem).ndim not in takes or each.option in without:
            continue
        if each.option == "unnormalised" and "probabilities" in without:
            continue
        asks, error = _raised, _raised(candidate, each.problem, device)
        if not error and each.option in OTHER_INPUTS and backward.get(main_input(usual).ndim) == "":
            asks, error = _raised_in_backward, _raised_in_backward(candidate, each.problem, device)
        more = another(each.problem, fixed)
        if error and (not candidate.takes(more) or asks(candidate, more, device)):
            without[each.option] = f"{each.words}: {error}"
    if without.keys() >= OF_REDUCTIONS.keys():
        without = {"reduction": without[min(OF_REDUCTIONS)]} | {
            name: error for name, error in without.items() if name not in OF_REDUCTIONS
        }
    alone = replace(usual, grad_output=None)  # of leaves that ask for gradients autograd lets nobody write
    asked_so = (candidate.interface.part(usual), alone) if candidate.differentiates(operation) else (alone,)
    written = next(filter(None, (candidate.answer(each, device).written for each in asked_so)), ())
    return Refusals(takes, {ndim: error for ndim, error in raised.items() if error}, without, written)


def _along_another_axis(candidate: Candidate, operation: str, asked: dict[int, Problem], device: str) -> dict[int, str]:
    """Dimensions with which a function that has no `dim` answers for another axis than the last, if it has the last."""
    if "dim" not in OPERATIONS[operation].options or "dim" in candidate.supports(operation):
        return {}
    right = {ndim: _is_right(candidate, each, device) for ndim, each in asked.items()}
    return {
        ndim: ANOTHER_AXIS
        for ndim, each in asked.items()
        if any(right.values()) and not right[ndim] and _is_of_another(candidate, each, device)
    }


def _is_right(candidate: Candidate, problem: Problem, device: str) -> bool:
    """Whether an answer agrees under the widest model."""
    with warnings.catch_warnings(action="ignore"):
        return judge(candidate, problem, device=device, arithmetic=widest(problem.dtype, device)).ok


def _is_of_another(candidate: Candidate, problem: Problem, device: str) -> bool:
    """Whether the value agrees as that along another axis than the last; any other value is merely wrong."""
    problem = replace(problem, grad_output=None)
    with warnings.catch_warnings(action="ignore"):
        given = Given(candidate, candidate.answer(problem, device))
        others = (replace(problem, options={"dim": dim}) for dim in range(main_input(problem).ndim - 1))
        return any(judge(given, each, device=device, arithmetic=widest(problem.dtype, device)).ok for each in others)


def _inputs(asked: dict[int, Problem | None]) -> set[str]:
    return {name for problem in asked.values() if problem is not None for name in problem.inputs}


def _raised(candidate: Candidate, problem: Problem, device: str) -> str:
    """What it raises for a value, or nothing; that it gives no answer any more is no refusal."""
    if not candidate.takes(problem):
        return ""
    problem = replace(problem, grad_output=None)
    with warnings.catch_warnings(action="ignore"):
        return candidate.answer(problem, device).raised or ""


def _raised_in_backward(candidate: Candidate, problem: Problem, device: str) -> str:
    """What it raises itself where it gives a value and is asked for its gradient; that there is none is no refusal.

    Unless there is one of the logits, and none of the target.
    """
    if not candidate.differentiates(problem.operation) or not candidate.takes(problem):
        return ""
    with warnings.catch_warnings(action="ignore"):
        raised = candidate.answer(candidate.interface.part(problem), device).raised or ""
    own = " at " in raised.partition(":")[0]
    return raised if own or OF_TARGET in raised or _LACKS_ONE.search(raised) else ""


def _of_other_shapes(candidate: Candidate, asked: dict[int, Problem], device: str) -> dict[int, str]:
    """Dimensions with which the value has another shape than it should, if with some it has the right one.

    That of a single number says nothing: one too many is kept there, too.
    """
    misshapen = {}
    for ndim, problem in asked.items():
        with warnings.catch_warnings(action="ignore"):
            value = candidate.answer(replace(problem, grad_output=None), device).outputs.get("value")
        if value is not None and value.values.shape != value_shape(problem):
            misshapen[ndim] = f"gave a value of shape {value.values.shape}; expected {value_shape(problem)}"
    return misshapen if asked.keys() - misshapen.keys() - {0} else {}


def cannot_ask(
    candidate: Candidate, refused: Refusals, problem: Problem | None, explanation: str, device: str = "cpu"
) -> str:
    """Why a question could not be asked, and what to do; empty where an error was raised for what it does take."""
    if problem is None:
        return ""
    unbatched = UNTAKEN in explanation and 1 in refused.dimensions  # which was asked beside the problem
    if SHAPE.search(explanation) and (unbatched or main_input(problem).ndim in refused.dimensions):
        return (
            f"{explanation.partition(';')[0]}. If it is not to take that, leave out what it refuses: {refused.options}"
        )
    if "raised " not in explanation:
        return ""
    what = explanation[explanation.index("raised ") :].partition(";")[0].removesuffix(".")
    denied = candidate.process.denied(explanation)
    if lacks_memory(what):
        return f"{what}. There was no memory left, which says nothing of its numbers: ask where there is more"
    if large := _too_large(what, explanation):
        return large
    if refused.error:
        to_do = denied or how_to_call(candidate, problem.operation, problem.dtype, device, what)
        return f"it answers no question: {what}. {to_do}"
    if denied:
        return f"{what}. {denied}"
    if not unbatched and not _is_refused(refused, problem, what):
        return ""
    many = {ndim: error for ndim, error in refused.dimensions.items() if ndim == main_input(problem).ndim}
    for_ = f" for arrays of {_counted(many)}" if many else ""
    return f"{what}{for_}. If it is not to take that, leave out what it refuses: {refused.options}"


def _too_large(what: str, explanation: str) -> str:
    """Of an error that says on purpose that there are too many, or of another layout: what it takes, and the option."""
    if explanation.endswith(BY_LAYOUT):
        return f"{what}. It agrees with contiguous arrays. If it is not to take others: --without layouts"
    found = _AT_MOST.search(explanation)
    if found is None or not _ON_PURPOSE.match(what):
        return ""
    name, most = "of a batch" if found[1] == "batch" else found[1], int(found[2])
    return f"{what}. With {most} {name} it agrees. If it is not to take more: --without {limit(most, name)}"


def _counted(dimensions: Iterable[int]) -> str:
    return " or ".join(f"{each} dimension{'s' * (each != 1)}" for each in dimensions)


def _is_refused(refused: Refusals, problem: Problem, what: str) -> bool:
    """Whether a question has something that is refused, or was refused at the same place."""
    if main_input(problem).ndim in refused.dimensions or refused.without.keys() & kinds_of(problem):
        return True
    place = what.removeprefix("raised ").partition(": ")[0]  # its kind, file and line
    if " at " not in place:
        return False
    return any(f"{place}: " in error for error in (*refused.dimensions.values(), *refused.without.values()))


def hints(candidate: Candidate, operation: str) -> tuple[str, ...]:
    """Parameters that look like an option or like inputs in another order, and defaults that are not torch's."""
    parameters = candidate.capabilities.parameters(operation)
    similar = lookalikes_of(candidate, operation, candidate.interface.names)
    left_out = {*candidate.interface.without, *candidate.interface.fixed, *candidate.supports(operation)}
    given, order = set(candidate.interface.extra), inputs_in_order(operation, parameters)
    swapped: tuple[str, ...] = ()
    if order and not order.keys() & candidate.interface.names.keys():
        options = " ".join(f"--name {ours}={theirs}" for ours, theirs in order.items())
        swapped = (f"{ANOTHER_ORDER}: {options}",)
    others = tuple(
        f"the default of {name} was not tested: {DEFAULTS[name]!r} was given in its place"
        for name in candidate.capabilities.other_defaults(operation)
    )
    return (
        swapped
        + others
        + _own(candidate, operation, {*similar.values(), *order.values()})
        + tuple(
            f"{theirs!r} looks like {name}, which was not tested: --name {name}={theirs}"
            for name, theirs in similar.items()
            if name not in left_out and theirs not in given
        )
    )


DEPRECATED = ("size_average", "reduce")  # of torch, in place of reduction


def _own(candidate: Candidate, operation: str, explained: Collection[str]) -> tuple[str, ...]:
    """Parameters that are none of the operation's, and have had their defaults: such as a temperature."""
    about, interface = OPERATIONS[operation], candidate.interface
    known = {interface.names.get(name, name) for name in (*about.inputs, *about.optional, *about.options, *MASKS)}
    by_place = positional(operation, interface)
    own = [name for name in candidate.capabilities.parameters(operation)[by_place:]
           if not name.startswith("_") and name not in {*known, *interface.extra, *explained, *DEPRECATED}]  # fmt: skip
    return (f"parameters of its own had their defaults, and were not tested: {', '.join(own)}",) if own else ()
