"""What an edge case is: one question with a number, and what is demanded of its answer."""

from __future__ import annotations

from dataclasses import dataclass

from ...problem.problem import Problem

VALUE, ERROR, UNSPECIFIED = "the value", "an error", "unspecified"


DOCS = "torch.nn.CrossEntropyLoss"


@dataclass(frozen=True)
class EdgeCase:
    """One numbered row of docs/theory/semantics.md.

    Args:
        number: its number, by which `unspecified` and verdicts cite it.
        question: in words.
        problem: the same for an implementation.
        mathematics: what follows from the definition.
        documented: what torch's documentation says, paraphrased; empty where it is silent.
        demanded: what the judge demands, VALUE, ERROR or UNSPECIFIED, …
        besides: … and, where it is unspecified, what is right besides the exact value.
        labels: the integer type of the labels.
        judged: whether the judge can be asked.
    """

    number: int
    question: str
    problem: Problem
    mathematics: str
    documented: str = ""
    demanded: str = VALUE
    besides: str = ""
    labels: str = "int64"
    judged: bool = True


F32 = "float32"
