"""All that can be said of one failure, in one pass: the witness is asked once more, then what tells causes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..bounds.models import Model
from ..candidates.candidate import Candidate
from ..candidates.channel import LostError
from ..problem.problem import Problem
from ..verdicts.verdict import DISAGREES, Verdict
from .features import Seen
from .interview import Interview, Reply
from .kinds import right_alone, without_a_kind
from .known import known_finding, what_to_do
from .lineup import Lineup
from .maximum import ADVICE, through_the_maximum
from .meant import meant_otherwise
from .models import try_next, under_models
from .patterns import patterns_of
from .pool import pool
from .record import Diagnosis, Models, Pattern, Resemblance
from .resemblance import resembling

QUESTIONS = 12  # that a candidate is asked besides
MORE = 2  # problems like the one that failed
AFRESH = "right as the first question of a new process: something is kept from one call to another"
KEPT = (
    "look for what outlives a call: a cache and what it is looked up by, a workspace, a counter, a global variable; "
    "the program below asks this first, and may agree: the same command with the same seed shows it"
)
AGAIN = (
    "the same problem agreed when it was asked again: look for what differs between two calls, such as a counter, a "
    "cache, random numbers or a race"
)
INVALID = "invalid labels"  # the check that few kernels are meant for
LEFT_OUT_BY = {INVALID: "invalid_labels", "another layout": "layouts"}  # of checks, by another name


@dataclass(frozen=True)
class Failed:
    """What failed: the verdict on the smallest problem, the check or relation that was asked, and the first problem."""

    verdict: Verdict
    question: tuple[str, str] | None = None
    first: Problem | None = None
    seen: Sequence[Seen] = ()  # problems of the row, and whether each agreed
    compared: Callable[[], Sequence[Problem]] = tuple  # the problems of a relation that failed


@dataclass
class Diagnosing:
    """What one run needs for its diagnoses, until it is closed."""

    device: str
    accuracy: str
    lineup: Lineup = field(default_factory=Lineup)

    def diagnosis(self, candidate: Candidate, failed: Failed, model: Model) -> Diagnosis:
        """What is known about a failure under a model."""
        if candidate.process.lost or failed.verdict.problem is None or self.accuracy == "D":
            return Diagnosis()
        interview = Interview(candidate, self.device, model, self.accuracy, QUESTIONS)
        try:
            return self._diagnosed(interview, failed)
        except Exception as error:  # a fault of the judge's own, which costs nothing but the diagnosis
            return Diagnosis(asked=len(interview.replies), fault=f"{type(error).__name__}: {error}")

    def _diagnosed(self, interview: Interview, failed: Failed) -> Diagnosis:
        problem = failed.verdict.problem
        kind, check = failed.question or ("", "")
        if problem is None:
            return Diagnosis()
        failed = _of_its_operation(failed, problem.operation)
        witness = _of_a_relation(interview, failed.compared()) if kind == "relation" else interview.ask(problem)
        if witness is None:
            return Diagnosis()
        problem, check = witness.problem, check if kind == "check" else ""
        if witness.verdict.ok and not check:
            return Diagnosis(asked=1, next=AGAIN)
        if not check and (known := known_finding(interview, witness)) is not None:
            next_ = what_to_do(known, interview, problem)
            return Diagnosis(next=next_, asked=len(interview.replies), finding=known.finding, known=str(known))
        if not check and _is_right_afresh(interview, witness):
            return Diagnosis((Pattern(AFRESH, 0, 0),), asked=len(interview.replies), next=KEPT)
        problems = pool(interview.candidate, problem)
        replies = [witness, *self._more(interview, failed, problems)]
        models = None if check else under_models(interview, replies)
        nothing = bool(check) and failed.verdict.is_error  # an error is like any other
        resembles, fault = ((), "") if nothing else self._resembling(interview, replies, problems, check, models)
        cause, advice = ((), "") if check or (models and models.agrees) else _cause(interview, witness)
        if check and (not resembles or check == INVALID):
            leave_out = f"if it is not meant to be asked so, leave that out: --without {_quoted(check)}"
            advice = _of_overwriting(*replies) or leave_out  # which any check may stumble over
        patterns = () if check else (*cause, *patterns_of(interview, failed.seen, problems, known=bool(cause)))
        said = try_next(models, patterns, resembles, advice)
        return Diagnosis(patterns, resembles, models, said, len(interview.replies), fault)

    def _more(self, interview: Interview, failed: Failed, problems: Sequence[Problem]) -> list[Reply]:
        """Answers to the problem that failed first, and to some like it."""
        first = [] if failed.first is None or failed.question is not None else [failed.first]
        found = (interview.ask(each) for each in (*first, *problems[:MORE]))
        return [each for each in found if each is not None]

    def _resembling(
        self,
        interview: Interview,
        replies: Sequence[Reply],
        problems: Sequence[Problem],
        check: str,
        models: Models | None,
    ) -> tuple[tuple[Resemblance, ...], str]:
        """Known bugs, and why none could be asked; nothing where it is a matter of rounding."""
        if models is not None and models.agrees:
            return (), ""
        if self.lineup.missing:
            return (), self.lineup.missing
        try:
            return resembling(interview, self.lineup, replies, problems[MORE:], check=check), ""
        except LostError as error:
            return (), f"known bugs could not be asked: {error}"

    def close(self) -> None:
        """End the process that it may have started."""
        self.lineup.close()


def _is_right_afresh(interview: Interview, witness: Reply) -> bool:
    """Whether the witness is answered right by a new process, whose first question it is."""
    process = interview.candidate.process
    if not process.elsewhere or witness.verdict.ok or process.lost:
        return False
    process.restart()
    again = replace(interview, replies=[]).ask(witness.problem)  # which counts for no pattern
    return again is not None and again.verdict.ok


def _of_its_operation(failed: Failed, operation: str) -> Failed:
    """The same without problems of other operations: a stage fails with its own, where the row asked the whole."""
    first = failed.first if failed.first is not None and failed.first.operation == operation else None
    return replace(failed, first=first, seen=[each for each in failed.seen if each[0].operation == operation])


def _cause(interview: Interview, witness: Reply) -> tuple[tuple[Pattern, ...], str]:
    """What was found by asking the witness without something, or by mending one place of its answer; what to do."""
    if witness.result.written and not witness.verdict.output:
        return (), _of_overwriting(witness)
    for cause in (without_a_kind, right_alone, meant_otherwise):
        if (found := cause(interview, witness)) is not None:
            return (found[0],), found[1]
    if (advice := unseen(witness)) or (advice := _of_the_call(witness)):
        return (), advice
    pattern = through_the_maximum(interview, witness)
    return ((), KEPT_CONSTANT if witness.verdict.output == "hvp_logits" else "") if pattern is None else (
        (pattern,), ADVICE)  # fmt: skip


KEPT_CONSTANT = (
    "autograd takes what its backward pass keeps, or computes by itself, for constants, so that a gradient of its "
    "gradient is wrong, without a word: mark that backward with torch.autograd.function.once_differentiable, which "
    "refuses it; or leave it out: --without hvp"
)


UNSEEN = {  # outputs that autograd gives 0 for, without a word
    "hvp_logits": "autograd takes its gradient for a constant, so that a gradient of that is 0, without a word: mark "
    "its backward with torch.autograd.function.once_differentiable, which refuses that; or leave it out: --without hvp",
    "jvp": "forward-mode autograd sees nothing of it, as of what torch.compile makes, and gives 0, without a word: "
    "if it is not meant for that, leave it out: --without jvp",
}


def unseen(witness: Reply) -> str:
    """What to do where a derivative in a direction is what is wrong, and 0 everywhere; empty elsewhere."""
    output = witness.result.outputs.get(witness.verdict.output)
    silent = witness.verdict.output in UNSEEN and output is not None and not output.values.any()
    return UNSEEN[witness.verdict.output] if silent else ""


def _of_the_call(witness: Reply) -> str:
    """What to do where there is no graph at all, or an input is overwritten; empty elsewhere."""
    if "as far as autograd can tell" in (witness.result.raised or ""):
        return "if it has no backward pass, and is meant for its value alone: --without gradient"
    if "gradients from the backward pass" in (witness.result.raised or ""):
        return (
            "give a tuple of the gradients of these inputs, in this order; or judge the value alone: --without gradient"
        )
    return _of_overwriting(witness)


def _of_overwriting(*replies: Reply) -> str:
    """What to do where an input is overwritten; empty elsewhere."""
    written = ",".join(dict.fromkeys(name for reply in replies for name in reply.result.written))
    return f"if it is documented to overwrite that: --writes {written}" if written else ""


def _quoted(check: str) -> str:
    """The words of `--without`, as a shell takes them."""
    name = LEFT_OUT_BY.get(check, check)
    return f"'{name}'" if " " in name else name


def _of_a_relation(interview: Interview, problems: Sequence[Problem]) -> Reply | None:
    """The first of the answers that a relation compares which is wrong on its own, if one is."""
    for problem in problems:
        reply = interview.ask(problem)
        if reply is not None and reply.verdict.outcome == DISAGREES:
            interview.replies = [reply]
            return reply
    return None
