"""What an implementation does besides its value: the same question asked again, by one behaviour check or another.

Every answer must have the same bits as the first one, or be judged by itself. An answer that agrees with other bits is
not reproducible bit for bit; this is reported, and is not a failure. docs/theory/behaviour.md describes each check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..bounds.arithmetic import Arithmetic
from ..bounds.models import Model
from ..candidates.bits import same_bits
from ..candidates.candidate import Candidate
from ..problem.checks import LOADED, check_asked
from ..problem.formats import FORMATS
from ..problem.problem import Problem, Result
from ..problem.records import NAMES, a, check_fields
from ..problem.validation import check_kind, check_name, check_names
from ..verdicts.case import BITS
from ..verdicts.judgement import check_criteria, judge_result
from ..verdicts.misfits import not_an_answer
from ..verdicts.verdict import AGREES, DISAGREES, NOT_APPLICABLE, Verdict
from .checks import CHECKS
from .questions import DTYPES, AnotherAnswer, Question, question_of


@dataclass(frozen=True)
class Behaviour:
    """What was found: `checks` made, and those whose bits `differ` from the first answer within the bounds."""

    verdict: Verdict
    checks: tuple[str, ...]
    differ: tuple[str, ...]

    def __post_init__(self) -> None:
        check_fields(self, {"verdict": a(Verdict, "a softproof.Verdict"), "checks": NAMES, "differ": NAMES})

    @property
    def ok(self) -> bool:
        """Whether something was asked and nothing disagrees."""
        return self.verdict.ok

    def __str__(self) -> str:
        return str(self.verdict)


def check_behaviour(
    candidate: Candidate,
    problem: Problem,
    *,
    check: str | None = None,
    device: str = "cpu",
    dtypes: Sequence[str] = DTYPES,
    arithmetic: str | Arithmetic | Model | None = None,
    accuracy: str = "C",
    bits: Sequence[int] = BITS,
) -> Behaviour:
    """Ask a question again, by behaviour checks; every answer has the bits of the first one, or is judged by itself.

    Args:
        candidate: what is judged, as `softproof.load` gives it.
        problem: the question.
        check: one of `softproof.CHECKS`; by default all that apply, but those that the candidate is `without`.
        device: where tensors live.
        dtypes: formats that the candidate may be asked in between.
        arithmetic: the model that the bounds are theorems about, as in `softproof.judge`.
        accuracy: the class that other answers are judged by, "A" to "C".
        bits: precisions of the truth to try in turn, as in `softproof.judge`.
    Returns: a `Behaviour`: a verdict, the checks made, and those that differ in their bits. The outcome is
        *not applicable*, which is not ok, where no check applies to the problem.
    Raises: ValueError for an unknown check, or an argument that does not fit.

    >>> import numpy as np, softproof
    >>> def softmax(logits, dim=-1):
    ...     e = np.exp(logits - logits.max(dim, keepdims=True))
    ...     return logits if logits.shape[dim] == 0 else e / e.sum(dim, keepdims=True)
    >>> problem = Problem("softmax", "float64", {"logits": [[0.0, 1.0], [2.0, 0.0]]}, {"dim": -1})
    >>> found = softproof.check_behaviour(softproof.load(softmax, adapter="numpy"), problem)
    >>> print(found)
    agrees: 12 checks, with the same bits
    """
    check_kind("candidate", candidate, Candidate, LOADED)
    check_asked(candidate, problem, device, "candidate")
    if check is not None:
        check_name("check", check, CHECKS)
    check_names("dtypes", dtypes, "float32", FORMATS)
    check_criteria(problem, arithmetic, accuracy, bits)
    if accuracy == "D":
        raise ValueError("accuracy D compares with a baseline; check_behaviour judges other answers in class A, B or C")
    question = question_of(candidate, problem, device, dtypes)
    if text := not_an_answer(question.problem, question.first, device):
        return Behaviour(Verdict(DISAGREES, np.inf, np.inf, explanation=text, problem=problem), (), ())
    names = _applying(question, check)
    if not names:
        text = "no check applies" if check is None else f"{check}: does not apply"
        return Behaviour(Verdict(NOT_APPLICABLE, explanation=text, problem=problem, accuracy=accuracy), (), ())
    judge = partial(judge_result, device=device, arithmetic=arithmetic, accuracy=accuracy, bits=bits)
    differ: list[str] = []
    for name in names:
        verdict, same = check_answers(question, name, judge)
        if not verdict.ok:
            return Behaviour(replace(verdict, problem=problem, accuracy=accuracy), names, tuple(differ))
        differ += [] if same else [name]
    text = f"{len(names)} checks, " if check is None else f"{check}: "
    text += f"with other bits: {', '.join(differ)}" if differ else "with the same bits"
    return Behaviour(Verdict(AGREES, explanation=text, problem=problem, accuracy=accuracy), names, tuple(differ))


def _applying(question: Question, check: str | None) -> tuple[str, ...]:
    """The checks that apply to a question: this one, or all that its candidate is not `without`."""
    wanted = [name for name in CHECKS if name not in question.candidate.interface.without] if check is None else [check]
    return tuple(name for name in wanted if CHECKS[name].applies(question))


def check_answers(question: Question, check: str, judge: Callable[[Problem, Result], Verdict]) -> tuple[Verdict, bool]:
    """The verdict on the answers of one check, and whether all that are comparable had the same bits."""
    same = True
    for answer in CHECKS[check].asks(question):
        if isinstance(answer, str):
            return Verdict(DISAGREES, np.inf, np.inf, explanation=answer), same
        verdict, as_before = compared(answer, judge)
        same = same and as_before
        if verdict.outcome == DISAGREES and not _is_usual(question, answer, verdict, judge):
            return verdict, same
    return Verdict(AGREES), same


def compared(answer: AnotherAnswer, judge: Callable[[Problem, Result], Verdict]) -> tuple[Verdict, bool]:
    """The verdict on another answer, and whether it has the bits that were expected, if any were."""
    if _has_expected_bits(answer):
        return Verdict(AGREES), True
    verdict = judge(answer.problem, answer.result)
    if verdict.outcome == DISAGREES:
        verdict = replace(verdict, explanation=f"{answer.words}: {verdict.explanation}")
    return verdict, answer.expected is None


def asked_at_the_end(question: Question, judge: Callable[[Problem, Result], Verdict]) -> tuple[Verdict, bool]:
    """The verdict on the answer to a problem of the start of a row, asked again after all others."""
    words = "asked again after all other problems of the row"
    answer = question.same(words, question.again())
    return (
        compared(answer, judge) if isinstance(answer, AnotherAnswer) else (Verdict(DISAGREES, explanation=answer), True)
    )


def _is_usual(
    question: Question, answer: AnotherAnswer, verdict: Verdict, judge: Callable[[Problem, Result], Verdict]
) -> bool:
    """Whether numbers in another dtype, which has a row of its own, are wrong where nothing was asked before, too."""
    if answer.fresh is None or not verdict.output:
        return False
    fresh = judge(answer.fresh, question.again(answer.fresh))
    return fresh.outcome == DISAGREES and bool(fresh.output)


def _has_expected_bits(answer: AnotherAnswer) -> bool:
    if answer.expected is None or answer.seen is None:
        return False
    result = answer.result
    if not result.outputs or result.written or result.changed or result.observed:
        return False
    if answer.seen.keys() != answer.expected.keys():
        return False
    return all(same_bits(answer.seen[name], answer.expected[name]) for name in answer.seen)
