"""What a candidate is told to do with the arrays of a question: half of `softproof.check_behaviour`, beside it.

A directive runs where the candidate's functions are, in a process of its own or in this one, and gives arrays. What
only it can see, such as arrays that share memory, it reports as observations; these can make a verdict worse, and
nothing that it says makes one better. The judge asks, keeps what it expects, and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .threads import at_once

if TYPE_CHECKING:
    from .candidate import Candidate
from .bits import same_bits
from .functions import made, placed
from .in_parts import PART, part_of_many
from .task import Arrays, Task, by_output, far_away, turned

# The behaviour checks, which `softproof.check_behaviour` makes, by name.
NAMES_OF_CHECKS = (
    "asked twice",
    "asked many times",
    "two threads",
    "overwritten answers",
    "after other values",
    "after another dtype",
    "after another shape",
    "updated in place",
    "after another backward",
    "two losses",
    "some gradients",
    "no gradients",
    "no_grad",
    "inference_mode",
    "scaled loss",
    "summed loss",
    "overwritten before backward",
    "value dropped",
    "value detached",
    "another call in between",
    "invalid labels",
    "labels of another type",
    "rows alone",
    "rows permuted",
    "padding rows",
    "another layout",
)

MANY = 32  # answers to the same arrays
HELD, SMALL = 8, 1 << 16  # sets of arrays that are held where they have fewer numbers


def twice(task: Task) -> Arrays:
    """The second answer to the same arrays."""
    task.outputs()
    return task.outputs()


def many_times(task: Task) -> Arrays:
    """The first of many answers to the same arrays that has other bits, or the last."""
    first = _taken(task)
    return _first_other(first, (_taken(task) for _ in range(MANY)))


def two_threads(task: Task) -> Arrays:
    """The first answer with other bits that a thread gives while another one asks something else, or the last."""
    other = replace(task, problem=far_away(turned(task.problem)), arrays=task.others())
    alone = _taken(task)
    begin = partial(made, task.candidate, task.problem, task.device)
    return _first_other(alone, at_once(partial(_taken, task), partial(_taken, other), begin))


def _taken(task: Task) -> Arrays:
    """The answer, in arrays that nobody else has."""
    return {name: task.framework.take(array) for name, array in task.outputs().items()}


def _first_other(first: Arrays, answers: Iterable[Arrays]) -> Arrays:
    """The first of some answers that differs from another one, or the last of them."""
    answer = first
    for answer in answers:
        if answer.keys() != first.keys() or any(
            not same_bits(answer[each].values, first[each].values) for each in first
        ):
            break
    return answer


def overwriting_answers(task: Task) -> Arrays:
    """The third answer, after the second has been overwritten."""
    arrays_of, arrays = task.framework, task.arrays
    first = task.outputs()
    kept = {name: arrays_of.take(array).values for name, array in first.items()}
    second = task.outputs()
    for name, array in first.items():
        if not same_bits(arrays_of.take(array).values, kept[name]):
            task.observed.append(("changed", name))
    for name, array in second.items():
        own = {each: other for each, other in arrays.items() if not _may_pass_on(task.candidate, name, each)}
        for each, other in own.items():
            if arrays_of.share_memory(array, other):
                task.observed.append(("shared with an input", name, each))
        if not any(arrays_of.share_memory(array, other) for other in arrays.values()):
            if arrays_of.share_memory(array, first[name]):
                task.observed.append(("shared with an answer", name))
            arrays_of.overwrite(array)
    return task.outputs()


def _may_pass_on(candidate: Candidate, output: str, given: str) -> bool:
    """Autograd hands an upstream gradient on where nothing is to be done, as for a bias."""
    return candidate.adapter == "torch" and output != "value" and given == "grad_output"


def after_another_backward(task: Task) -> Arrays:
    """Gradients after those for the opposite upstream gradient; by a framework on the same graph."""
    candidate, problem, arrays = task.candidate, task.problem, task.arrays
    opposite = task.framework.copy(task.upstream)
    opposite *= -1  # where -upstream without axes is a number in NumPy, and no array
    if problem.operation not in candidate.backwards and candidate.capabilities.by_framework:
        found = task.framework.differentiate_twice(task.call, arrays, task.wanted, opposite, task.upstream)
        return by_output(*found)
    value = task.call(arrays)
    task.gradients(opposite)
    return by_output(value, task.gradients(task.upstream))


def accumulated(task: Task) -> Arrays:
    """What leaves have gathered of two backward passes."""
    return by_output(*task.framework.accumulate(task.call, task.arrays, task.wanted, task.upstream))


def some_gradients(task: Task) -> Arrays:
    """The value, and gradients of the inputs that are named alone."""
    return by_output(*task.framework.differentiate(task.call, task.arrays, task.arguments, task.upstream))


def value_alone(task: Task) -> Arrays:
    """The value, where nothing requires a gradient."""
    return {"value": task.call(task.arrays)}


def switched_off(task: Task) -> Arrays:
    """The value where autograd is switched off, in the mode that is named."""
    return {"value": task.framework.value_in(task.arguments[0], task.call, task.arrays, task.wanted)}


def backward_of_sum(task: Task) -> Arrays:
    """backward() of the sum of the value, or "scaled" of twice the sum of its product with the upstream gradient."""
    given = task.upstream if task.arguments == ("scaled",) else None
    return by_output(*task.framework.backward_of_sum(task.call, task.arrays, task.wanted, given))


def overwritten_before_backward(task: Task) -> Arrays:
    """The gradients, when other numbers stand in the array that is named once the forward pass is done."""
    differentiate = task.framework.differentiate_overwritten
    return by_output(*differentiate(task.call, task.arrays, task.wanted, task.upstream, task.arguments[0]))


def value_dropped(task: Task) -> Arrays:
    """The answer whose gradients are taken when nobody holds the value."""
    return _without_value(task, detached=False)


def value_detached(task: Task) -> Arrays:
    """The answer whose gradients are taken when only its numbers are held, without the graph, and looked at later."""
    return _without_value(task, detached=True)


def _without_value(task: Task, *, detached: bool) -> Arrays:
    candidate, problem = task.candidate, task.problem
    if problem.operation in candidate.backwards:
        value_and_gradients = _overwritten(task), task.gradients(task.upstream)
    else:
        differentiate = task.framework.differentiate_dropped
        value_and_gradients = differentiate(task.call, task.arrays, task.wanted, task.upstream, detached=detached)
    return by_output(*value_and_gradients) | task.directional()


def _overwritten(task: Task) -> Any:
    """A copy of the value, which has been overwritten, as have the arrays that it was computed from."""
    arrays_of = task.framework
    own = {name: arrays_of.copy(x) if arrays_of.may_be_written(x) else x for name, x in task.arrays.items()}
    value = task.call(own)
    kept = arrays_of.take(value)
    for name, array in (("value", value), *own.items()):
        if name == "value" or array is not task.arrays[name]:
            arrays_of.overwrite(array)
    return kept


def another_call_in_between(task: Task) -> Arrays:
    """The value, then that of another question, and then the gradients of the first."""
    candidate, problem, others = task.candidate, task.problem, task.others()
    if problem.operation in candidate.backwards:
        value = task.call(task.arrays)
        task.call(others)
        return by_output(value, task.gradients(task.upstream))
    return by_output(*task.framework.differentiate_between(task.call, task.arrays, others, task.wanted, task.upstream))


def updated_in_place(task: Task) -> Arrays:
    """The answer after another question in the same arrays, as an optimiser leaves its weights.

    Small arrays are the last of several that are held, so that they seldom lie where the answer was asked for before.
    Where an argument says so, the value alone is asked, as in inference, where no array wants a gradient.
    """
    if task.arguments:
        task = replace(task, problem=replace(task.problem, grad_output=None, tangent=None))
    arrays_of, other = task.framework, turned(task.problem)
    small = sum(each.size for each in task.problem.inputs.values()) < SMALL
    held = [made(task.candidate, task.problem, task.device) for _ in range(HELD if small else 1)]
    for problem in (other, task.problem):
        for name, values in placed(task.candidate, problem).items():
            if name in problem.inputs and arrays_of.may_be_written(held[-1][name]):
                arrays_of.write(held[-1][name], values)
        found = replace(task, arrays=held[-1]).outputs()
    return found


def labels_cast(task: Task) -> Arrays:
    """The answer to labels of the integer type that is named."""
    labels = task.framework.cast(task.arrays["target"], task.arguments[0])
    return replace(task, arrays={**task.arrays, "target": labels}).outputs()


def derivative_seen(task: Task) -> Arrays:
    """The usual answer, if autograd has a number for the derivative that is named; RuntimeError if not."""
    (kind,) = task.arguments
    if not task.framework.sees(kind, task.call, task.arrays, task.upstream, task.arrays["tangent"]):
        raise RuntimeError(f"autograd sees no {kind}")
    return task.outputs()


DIRECTIVES: dict[str, Callable[[Task], Arrays]] = {
    "answer": Task.outputs,
    "labels cast": labels_cast,
    "derivative seen": derivative_seen,
    "results": Task.results,
    "twice": twice,
    "many times": many_times,
    "two threads": two_threads,
    "overwriting answers": overwriting_answers,
    "after another backward": after_another_backward,
    "accumulated": accumulated,
    "some gradients": some_gradients,
    "value alone": value_alone,
    "switched off": switched_off,
    "backward of sum": backward_of_sum,
    "overwritten before backward": overwritten_before_backward,
    "value dropped": value_dropped,
    "value detached": value_detached,
    "another call in between": another_call_in_between,
    "updated in place": updated_in_place,
    PART: part_of_many,
}
