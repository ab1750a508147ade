"""A failure of a row: what disagreed, what it comes from, and how to see it again."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..diagnosis.record import Diagnosis
from ..verdicts.verdict import Verdict


@dataclass(frozen=True)
class Failure:
    """A verdict that is not agreement, on the smallest problem found, and how to see it again."""

    verdict: Verdict
    target: str  # the source text of the target
    adapter: str
    interface: str  # how it is called, as keyword arguments of `load`
    device: str
    seed: int
    words: str = ""  # keyword arguments of the call
    call: str = "judge"  # or "check_behaviour", "check_relations" or "judge_repeated"
    source: str = ""  # Python that makes the problem, where it is too large to be shown
    question: tuple[str, str] | None = (
        None  # the check or the relation that was asked, ("check", its name), if it was one
    )
    diagnosis: Diagnosis = field(default_factory=Diagnosis)

    @property
    def check(self) -> str:
        """What it was that failed, in a word or two: an output, what came in its place, a check or a relation."""
        if self.question is not None:
            return f"{self.question[0]}: {self.question[1]}"
        wrong = (name for sign, name in _NO_ANSWERS.items() if sign in self.verdict.explanation)
        return self.verdict.output or next(wrong, "outputs")

    @property
    def snippet(self) -> str:
        """Python that asks the same question again when pasted."""
        assert self.verdict.problem is not None
        operation = self.verdict.problem.operation
        narrowed = self.source.startswith(NARROWED)
        maker = self.source.removeprefix(NARROWED).partition("(")[0] or "Problem"
        model = ("Measured",) if "=Measured(" in self.words else ()
        return "\n".join(
            [
                *(["from dataclasses import replace"] if narrowed else []),
                "from numpy import array, inf, nan, zeros",
                f"from softproof import {', '.join(sorted((maker, self.call, 'load', *model)))}",
                f"candidate = load({self.target}, operation={operation!r}, adapter={self.adapter!r}{self.interface})",
                f"problem = {self.source or repr(self.verdict.problem)}",
                f"print({self.call}(candidate, problem, {self.words or f'device={self.device!r}'}))",
            ]
        )

    def __str__(self) -> str:
        return self.told()

    def told(self, *lines: str) -> str:
        """The verdict, its diagnosis, more `lines`, and how to see it again."""
        said = "".join(f"\n  {line}" for line in (*self.diagnosis.lines, *lines))
        return f"{self.verdict}{said}\nTo see it again (seed {self.seed}):\n\n{_indented(self.snippet)}"


NARROWED = "replace("  # how the source begins of a problem of which not all is asked
_NO_ANSWERS = {  # what `misfits.not_an_answer` says, and what it is called here
    "raised ": "error",
    "the call changed its input": "input written",
    "the call changed ": "library changed",
    "its process ended": "process ended",
    "it gave no answer within": "time limit",
    " has shape ": "shape",
    " has dtype ": "dtype",
    " has device ": "device",
    ": values ": "values",
    ", which is not a ": "format",
}


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else line for line in text.splitlines())
