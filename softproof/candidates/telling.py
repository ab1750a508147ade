"""A candidate's side of an answer, in the process where its functions are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..problem.class_masks import masks_classes, unfilled
from ..problem.problem import Output, Problem
from .axes import is_beyond, taken_so
from .directives import DIRECTIVES
from .functions import made
from .guard import Guard
from .in_parts import PART, forget
from .places import place_of
from .protocol import Told
from .task import Task

if TYPE_CHECKING:
    from .candidate import Candidate


def told_by(candidate: Candidate, problem: Problem, device: str, directive: str, arguments: tuple[str, ...]) -> Told:
    """What a directive makes of the problem and its arrays, or what was raised; and what the call changed."""
    if directive != PART:
        forget()
    task, guard = Task(candidate, problem, made(candidate, problem, device), arguments, device), Guard()
    try:
        found = {name: _taken(task, array) for name, array in DIRECTIVES[directive](task).items()}
    except (Exception, SystemExit) as error:  # any failure of the candidate is an answer, and a wrong one
        return Told(raised=f"{type(error).__name__}{place_of(error)}: {_words(error)}", changed=guard.changed())
    if changed := guard.changed():
        return Told(changed=changed)
    after = {name: task.framework.take(array) for name, array in task.arrays.items()}
    more = [("beyond", name) for name, each in found.items() if is_beyond(name, each, problem, candidate.interface)]
    outputs, after = ({name: taken_so(name, each, problem, candidate.interface) for name, each in some.items()}
                      for some in (found, after))  # fmt: skip
    numbers = {name: each.values for name, each in after.items()}
    if masks_classes(candidate.interface.extra):
        numbers["logits"] = unfilled(numbers["logits"], problem)
    return Told(outputs, numbers, observed=(*task.observed, *more))


def _taken(task: Task, array: Any) -> Output:
    """What came back, which a directive may have taken already."""
    return array if type(array) is Output else task.framework.take(array)


def _words(error: BaseException) -> str:
    """What an exception says, if it can be asked."""
    try:
        return str(error)
    except Exception as another:  # an exception is as much the candidate's as its answer is
        return f"its message raised {type(another).__name__}"
