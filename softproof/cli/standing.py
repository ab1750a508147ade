"""What failed before a function was asked what it takes, and stands: it takes that, and the answer was wrong."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence, Set
from contextlib import closing
from dataclasses import replace

from ..candidates.axes import is_moved, last_axis
from ..candidates.candidate import Candidate
from ..problem.interface import Interface, gradient_of
from ..problem.kinds import kinds_of
from ..problem.operations import DIRECTIONAL, OF_REDUCTIONS, OPERATIONS
from ..reports.failure import Failure
from ..reports.required import OUTPUTS
from ..reports.row import Row
from ..runs.ladder import widest
from ..verdicts.judgement import judge
from ..verdicts.verdict import DISAGREES

_WRITTEN = re.compile(r"(?:^|: )the call changed its input ([a-z_]+(?:, [a-z_]+)*)$")
INVALID, UNCHECKED = ("check", "invalid labels"), "invalid_labels"  # a question, and what leaves it out


def with_standing(
    before: Sequence[Row], rows: Sequence[Row], first: Interface, interface: Interface, opener: Callable[[], Candidate]
) -> list[Row]:
    """The rows of the second asking; where one agrees, or is missing, what failed in the first and stands comes back.

    `first` is the interface of the first asking, `interface` that of the second, and `opener` opens the function so.
    """
    turned = last_axis(first) != last_axis(interface)
    judged = {row.name: row for row in rows}
    for row in before:
        if row.verdict != DISAGREES or (row.name in judged and not judged[row.name].ok):
            continue
        if first.shifted != interface.shifted or _by_name(first, row.operation) != _by_name(interface, row.operation):
            continue  # labels, or inputs, were in another order
        same = (each for each in row.failures if not (turned and is_moved(each.verdict.problem)))
        standing = tuple(each for each in same if _stands(each, first, interface, opener))
        if standing:
            judged[row.name] = replace(row, failures=standing)
    return list(judged.values())


def _by_name(interface: Interface, operation: str) -> set[str]:
    """The inputs that are given by name."""
    return {*OPERATIONS[operation].inputs} & interface.names.keys()


def written_by(failure: Failure) -> set[str]:
    """The inputs that a call changed, if that is all that failed."""
    told = _WRITTEN.search(failure.verdict.explanation)
    return set(told[1].split(", ")) if told else set()


def _stands(failure: Failure, first: Interface, interface: Interface, opener: Callable[[], Candidate]) -> bool:
    """Whether it is asked that, and fails: what a problem raised is asked again, since it is called otherwise now."""
    changed = written_by(failure)
    interface = replace(interface, without=interface.without - _answered(failure, first, interface, opener))
    if not _is_taken(failure, interface) or (changed and changed <= interface.writes):
        return False
    return bool(failure.question) or not failure.verdict.is_error or _raises(failure, interface, opener)


def _answered(
    failure: Failure, first: Interface, interface: Interface, opener: Callable[[], Candidate]
) -> frozenset[str]:
    """What is left out now as what it refuses, and was answered with wrong numbers: it takes that, whatever it says.

    Of options and inputs that it has by name, and of a gradient. What a function that is called otherwise now still
    answers with wrong numbers was answered, too.
    """
    problem, output = failure.verdict.problem, failure.verdict.output
    if problem is None or failure.question is not None or not output or failure.verdict.is_error:
        return frozenset()
    about = OPERATIONS[problem.operation]
    named = {*about.optional, *about.options, *OF_REDUCTIONS} & kinds_of(problem)
    named |= {"gradient"} if output.startswith(OUTPUTS["gradient"]) else set()
    named &= interface.without - first.without
    alike = replace(interface, without=first.without, ndim=first.ndim, supports=first.supports) == first
    return frozenset(named) if named and (alike or _is_wrong(failure, named, opener)) else frozenset()


def _is_wrong(failure: Failure, named: Set[str], opener: Callable[[], Candidate]) -> bool:
    """Whether it is answered with wrong numbers, where the function is called as it was found to be."""
    problem = failure.verdict.problem
    assert problem is not None
    with closing(opener()) as candidate, warnings.catch_warnings(action="ignore"):
        own = replace(candidate, interface=replace(candidate.interface, without=candidate.interface.without - named))
        model = widest(problem.dtype, failure.device)
        verdict = judge(own, problem, device=failure.device, arithmetic=model)
    return verdict.outcome == DISAGREES and not verdict.is_error


def _is_taken(failure: Failure, interface: Interface) -> bool:
    """Whether a function with this interface is still asked what failed; a relation may ask what it does not take."""
    problem, without = failure.verdict.problem, interface.without
    if problem is None:
        return True
    kind, name = failure.question or ("", "")
    output = next((each for each, begin in OUTPUTS.items() if failure.verdict.output.startswith(begin)), "value")
    own = gradient_of(failure.verdict.output.removeprefix("grad_"))  # of an input that is a constant for it now
    left = {name, output, own, *kinds_of(problem), *(["gradient"] if output in DIRECTIONAL else [])} & without
    unchecked = failure.question == INVALID and UNCHECKED in without
    untaken = kind == "relation" and failure.verdict.is_error
    return not (left or unchecked or untaken) and interface.takes(problem)


def _raises(failure: Failure, interface: Interface, opener: Callable[[], Candidate]) -> bool:
    """Whether an error is raised again, where it is called as it was found to be."""
    problem = failure.verdict.problem
    if problem is None:
        return True
    if "gradient" in interface.without:
        problem = replace(problem, grad_output=None)
    if problem.grad_output is None or interface.without & {*DIRECTIONAL}:
        problem = replace(problem, tangent=None)
    with closing(opener()) as candidate, warnings.catch_warnings(action="ignore"):
        return candidate.answer(interface.part(problem), failure.device).raised is not None
