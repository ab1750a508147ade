"""``python -m softproof.mutants.lineup``: the process in which mutants answer what an implementation was asked.

It is told an operation, or a problem and names; it gives the records of the mutants, or their answers as arrays.
"""

from __future__ import annotations

import contextlib
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..candidates.channel import Parent
from ..candidates.frames import Message
from ..candidates.loading import load
from ..candidates.protocol import problem_of
from ..diagnosis.likeness import Answer, answer_of
from ..problem.problem import COMMON_LAYOUTS, Array, Problem
from ..properties.behaviour import check_behaviour
from .catalogue import MUTANTS
from .record import Mutant, left_out

TOLD = ("name", "group", "story", "source", "place")  # of a mutant


def main() -> None:
    """Answer until nobody asks; no mutant has been asked anything before."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    parent = Parent()
    while True:
        question = parent.question()
        if "records of" in question.body:
            parent.answer(Message(question.nonce, {"records": records(question.body["records of"])}))
        elif "check" in question.body:
            body, problem = question.body, laid_out(problem_of(question))
            fails = [name for name in body["names"] if misbehaves(MUTANTS[name], problem, body["check"])]
            parent.answer(Message(question.nonce, {"fails": fails}))
        else:
            parent.answer(told(question.nonce, laid_out(problem_of(question)), question.body["names"]))


def laid_out(problem: Problem) -> Problem:
    """The same numbers, one after the other where they lie as torch has no tensors."""
    names = [*problem.inputs, "grad_output", "tangent"]
    known = {name: each for name in names if (each := problem.layout_of(name)) in COMMON_LAYOUTS}
    return replace(problem, layout=known)


def records(operation: str) -> list[dict[str, str]]:
    """Of the mutants of an operation."""
    return [{name: getattr(each, name) for name in TOLD} for each in MUTANTS.values() if each.operation == operation]


def answer(mutant: Mutant, problem: Problem) -> Answer:
    """Of one that has not been asked anything yet."""
    candidate = load(mutant.make(), mutant.operation, "torch", without=left_out(mutant.operation))
    if not candidate.takes(problem):
        return Answer("has no such question")
    return answer_of(problem, candidate.answer(problem))


def misbehaves(mutant: Mutant, problem: Problem, check: str) -> bool:
    """Whether a behaviour check shows a fault."""
    candidate = load(mutant.make(), mutant.operation, "torch", without=left_out(mutant.operation))
    return candidate.takes(problem) and not check_behaviour(candidate, problem, check=check).ok


def told(nonce: str, problem: Problem, names: Sequence[str]) -> Message:
    """The answers of some mutants, those of one output together."""
    answers = {name: answer(MUTANTS[name], problem) for name in names}
    stacks: dict[str, dict[str, Array]] = defaultdict(dict)
    for name, given in answers.items():
        for output, values in given.outputs.items():
            stacks[output][name] = values.astype(np.float64)
    body: dict[str, Any] = {
        "faults": {name: given.fault for name, given in answers.items()},
        "stacks": {output: list(stack) for output, stack in stacks.items()},
    }
    return Message(nonce, body, {output: np.stack([*stack.values()]) for output, stack in stacks.items()})


if __name__ == "__main__":
    with contextlib.suppress(EOFError):  # which says that the parent has ended
        main()
