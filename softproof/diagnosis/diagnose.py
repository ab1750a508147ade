"""All that can be said of one failure, in one pass: the witness is asked once more, and then described."""

from __future__ import annotations

from ..bounds.models import Model
from ..candidates.candidate import Candidate
from ..verdicts.compare import Verdict
from .interview import Interview
from .models import try_next, under_models
from .record import Diagnosis

QUESTIONS = 12  # that a candidate is asked besides


def diagnose(
    candidate: Candidate,
    verdict: Verdict,
    question: tuple[str, str] | None,
    *,
    device: str,
    model: Model,
    accuracy: str,
) -> Diagnosis:
    """What is known about a failure; its `question` is the way or the law that was asked, if it was one."""
    if candidate.lost or verdict.problem is None or accuracy == "D":
        return Diagnosis()
    interview = Interview(candidate, device, model, accuracy, QUESTIONS)
    try:
        return _diagnosed(interview, verdict, question)
    except Exception as error:  # a fault of the judge's own, which costs nothing but the diagnosis
        return Diagnosis(asked=len(interview.replies), fault=f"{type(error).__name__}: {error}")


def _diagnosed(interview: Interview, verdict: Verdict, question: tuple[str, str] | None) -> Diagnosis:
    assert verdict.problem is not None
    if question is not None or (witness := interview.ask(verdict.problem)) is None:
        return Diagnosis()
    models = under_models(interview, witness)
    return Diagnosis(models, "" if models is None else try_next(models), len(interview.replies))
