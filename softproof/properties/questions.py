"""A problem, the candidate that is asked, and an answer to compare with the first one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..candidates.candidate import Candidate
from ..problem.problem import Array, Problem, Result
from ..verdicts.judgement import narrowed

DTYPES = ("float64", "float32")  # those between which a check changes
BEFORE, AFTER = 13, 4  # padding rows; not the size of a block
VALUE_DROPPED, VALUE_DETACHED = "value dropped", "value detached"


@dataclass(frozen=True)
class AnotherAnswer:
    """Another answer, to the same or to another problem; `seen` should have the bits of `expected`, if that is given.

    `words` begin the sentence that explains what is wrong.
    """

    words: str
    problem: Problem
    result: Result
    seen: Mapping[str, Array] | None = None
    expected: Mapping[str, Array] | None = None
    fresh: Problem | None = None  # where this, which was never asked, disagrees too, the answer is as accurate as any


Answers = Iterator[AnotherAnswer | str]  # an answer to be compared, or what is wrong in words


@dataclass(frozen=True)
class Question:
    """A problem, the candidate that is asked, and its first answer."""

    candidate: Candidate
    problem: Problem
    first: Result
    device: str
    dtypes: Sequence[str]

    @property
    def differentiates(self) -> bool:
        """Whether gradients are asked."""
        return self.problem.grad_output is not None

    @property
    def by_torch(self) -> bool:
        """Whether the candidate takes tensors of torch."""
        return self.candidate.adapter == "torch"

    @property
    def by_framework(self) -> bool:
        """Whether gradients are taken by torch or JAX."""
        own = self.problem.operation in self.candidate.backwards
        return self.differentiates and self.candidate.capabilities.by_framework and not own

    @property
    def beside(self) -> bool:
        """Whether gradients are results of the function beside the value."""
        return bool(self.candidate.interface.beside(self.problem.operation))

    @property
    def by_autograd(self) -> bool:
        """Whether gradients are taken by torch."""
        return self.by_framework and self.by_torch

    def ask(self, directive: str, *arguments: str) -> Result:
        """The problem asked by a directive of `softproof.candidates.directives`."""
        return self.candidate.ask(self.problem, self.device, directive, *arguments)

    def again(self, problem: Problem | None = None) -> Result:
        """The problem, or another one, asked as usual."""
        return self.candidate.answer(problem or self.problem, self.device)

    def same(self, words: str, result: Result, names: Sequence[str] | None = None) -> AnotherAnswer | str:
        """The same problem once more. The outputs with these `names`, or all, are demanded, and no others.

        Those that this check does not give are then those of the first answer.
        """
        first, seen = self.first.outputs, values(result)
        expected = {name: output.values for name, output in first.items() if names is None or name in names}
        if seen and seen.keys() != expected.keys():
            return f"{words}: gave {', '.join(seen)}; expected {', '.join(expected)}"
        if seen:
            result = replace(result, outputs={**first, **result.outputs})
        return AnotherAnswer(words, self.problem, result, seen, expected)


def values(result: Result) -> dict[str, Array]:
    """The numbers of each output."""
    return {name: output.values for name, output in result.outputs.items()}


@dataclass(frozen=True)
class Check:
    """A behaviour check; `of_rows` when it is about the independence of rows."""

    asks: Callable[[Question], Answers]
    applies: Callable[[Question], bool] = lambda _question: True
    of_rows: bool = False


def question_of(candidate: Candidate, problem: Problem, device: str, dtypes: Sequence[str] = DTYPES) -> Question:
    """The problem without a direction, with its first answer; without gradients where the candidate has none."""
    problem, _ = narrowed(candidate, replace(problem, tangent=None))
    return Question(candidate, problem, candidate.answer(problem, device), device, dtypes)
