"""A grade: the verdict on one candidate, its score on the questions of a bank, and what it failed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field, replace
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any, Unpack

from ..bounds.models import MODELS
from ..candidates.candidate import Candidate
from ..candidates.isolated import SECONDS, STARTUP_SECONDS
from ..candidates.loading import Target
from ..diagnosis.lineup import Lineup
from ..problem.formats import FORMATS
from ..problem.interface import InterfaceArguments
from ..problem.operations import OPERATIONS
from ..problem.validation import check_flag, check_kind, check_name, check_names, is_number, shown
from ..reports.as_json import in_json
from ..reports.required import CANNOT_ASK, check_required
from ..reports.row import CANNOT_LOAD
from ..runs.opening import open_candidate
from ..verdicts.verdict import AGREES, DISAGREES, NO_GUARANTEE
from .asking import OVER, Score, ask, diagnosis_text, failure_text
from .bank_file import Bank, bank
from .kept import Kept

REQUIRED = ("value", "gradient")


@dataclass(frozen=True)
class Grade:
    """What came of the questions of a bank.

    `score` is the share of the questions that were passed. `outputs` has for each output how often it was in a
    question, asked and passed, and its worst error/bound, and `regions` has the same for each kind of question; a
    secret grade has none. A question is passed when everything that the candidate answered agrees, and no output is
    missing that was required. What was not asked is not passed.
    """

    target: str
    verdict: str
    score: float = 0.0
    questions: int = 0
    asked: int = 0
    passed: int = 0
    outputs: dict[str, dict[str, float]] = field(default_factory=dict)
    regions: dict[str, dict[str, float]] = field(default_factory=dict)
    worst: float = 0.0  # error/bound
    failure: str = ""  # on the smallest question that failed, or why not everything was asked
    diagnosis: str = ""  # what the failure may come from, and what to do, a line for each thing that is known
    seconds: float = 0.0  # of waiting, for the candidate and for the judge
    judge_seconds: float = 0.0  # of the processor, in the process of the judge
    protections: dict[str, str] = field(default_factory=dict)
    bank: str = ""  # the digest
    arithmetic: str = ""

    @property
    def ok(self) -> bool:
        """Whether every question was asked and passed."""
        return self.verdict == AGREES

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; a number that is not finite is a text."""
        texts = {"failure": self.failure, "diagnosis": self.diagnosis}
        found: dict[str, Any] = in_json(asdict(self) | dict.fromkeys(texts, ""))
        return found | texts

    def __str__(self) -> str:
        return f"{self.target}: {self.verdict}, {self.passed} of {self.questions} questions passed"


def grade(
    target: Target,
    bank: Bank | str | Path,
    *,
    arithmetic: str | None = None,
    operation: str | None = None,
    adapter: str | None = None,
    device: str = "cpu",
    dtypes: Sequence[str] | None = None,
    require: Sequence[str] = REQUIRED,
    budget: float | None = None,
    secret: bool = False,
    diagnose: bool | Lineup = True,
    in_process: bool | None = None,
    time_limit: float = SECONDS,
    startup_limit: float = STARTUP_SECONDS,
    sandbox: str = "on",
    sandbox_read: Sequence[str] = (),
    sandbox_env: Sequence[str] = (),
    hidden: Sequence[str] = (),
    **interface: Unpack[InterfaceArguments],
) -> Grade:
    """Ask an implementation the questions of a bank, and give it a score.

    Args:
        target: as in `softproof.verify`; one that is given by its name has a process of its own.
        bank: a `softproof.Bank`, or the name of its file. No candidate in a sandbox may read the file.
        arithmetic: the model by whose bounds it is judged, one of those of the bank; by default the only one.
        operation, adapter, device, dtypes, interface: as in `softproof.verify`; the questions are those of the bank
            about the operation, in these formats. By default a module is asked about all operations of the bank, and a
            function about its own.
        require: the kinds of output without which a question is not passed, of those that the question has.
        budget: seconds after which nothing more is asked; by default there is no such limit.
        secret: whether the text of a failure leaves the question out, and with it the regions and the diagnosis. Use
            this where candidates learn from the text.
        diagnose: whether to ask what a failure may come from, which takes a few questions more, and known bugs, which
            start a process; `softproof.diagnosis.lineup.Lineup()` is one that stays, for many grades.
        in_process, time_limit, startup_limit, sandbox, sandbox_read, sandbox_env: as in `softproof.verify`, but that a
            target that is given by its name is in a sandbox by default.
        hidden: more files that no candidate in a sandbox may read.
    Returns: a `Grade`; of a target that cannot be loaded one without questions asked.
    Raises: TypeError or ValueError naming an argument that does not fit; OSError where there is no such file.

    A reward for a kernel that an optimiser has written, all or nothing, with a share for what comes close:

    >>> from softproof.grading.compiling import build
    >>> bank = build(["softmax"], ["float32"], ["any-order"], seed=7, examples=10)
    >>> def reward(kernel):
    ...     found = grade(kernel, bank, operation="softmax", budget=60, secret=True)
    ...     return 1.0 if found.ok else 0.5 * found.score
    >>> from torch.nn.functional import softmax
    >>> reward(softmax), reward(lambda logits, dim: logits)
    (1.0, 0.0)
    """
    opened = _opened(bank)
    check_flag("secret", secret)
    check_kind("diagnose", diagnose, (bool, Lineup), "True, False or a Lineup")
    chosen = chosen_model(opened, arithmetic)
    questions = [each for each in opened.questions if each.arithmetic == chosen]
    limits = {"time_limit": time_limit, "startup_limit": startup_limit}
    if budget is not None:
        check_budget(budget)
        limits = {name: min(limit, budget) for name, limit in limits.items()}
    required, begun, spent = check_required(require), time.monotonic(), time.process_time()
    named: dict[str, Any] = {"target": name_of(target), "bank": opened.digest, "arithmetic": chosen}
    check_asked_of(opened, operation, dtypes)
    try:
        candidate = open_candidate(target, operation, adapter, device, dtypes, 1, interface, in_process=in_process,
                            sandbox=sandbox, sandbox_read=sandbox_read, sandbox_env=sandbox_env,
                            hidden=(*hidden, *filter(None, [opened.place])), folders=[str(Path.cwd())], **limits)  # type: ignore[arg-type]  # fmt: skip
    except (ValueError, TypeError) as error:
        if not isinstance(target, str):
            raise
        unloaded = cannot_load(target, str(error), opened, chosen, operation, dtypes)
        return replace(unloaded, seconds=time.monotonic() - begun)
    known = nullcontext(diagnose) if isinstance(diagnose, Lineup) else closing(Lineup())
    with closing(candidate), known as lineup:
        asked_of = _of_target(questions, operation, dtypes, candidate if _is_function(target, adapter) else None)
        deadline = inf if budget is None else begun + budget
        score = ask(candidate, asked_of, device, required, deadline)
        told = _told(score, candidate, failure_text(candidate, score, device, secret), secret)
        if diagnose and not secret:
            told["diagnosis"] = diagnosis_text(candidate, score, device, lineup, deadline - time.monotonic())
        protections = {each.name: each.state for each in candidate.process.protections}
        return Grade(**named, **told, seconds=time.monotonic() - begun,
                     judge_seconds=time.process_time() - spent, protections=protections)  # fmt: skip


def cannot_load(
    target: str, why: str, opened: Bank, arithmetic: str, operation: str | None, dtypes: Sequence[str] | None
) -> Grade:
    """Of a target that cannot be asked at all."""
    questions = [each for each in opened.questions if each.arithmetic == arithmetic]
    count = len(_of_target(questions, operation, dtypes, None))
    return Grade(target, CANNOT_LOAD, questions=count, failure=why, bank=opened.digest, arithmetic=arithmetic)


def name_of(target: Target) -> str:
    """How a grade calls it."""
    if isinstance(target, str):
        return target
    return target.name if isinstance(target, Candidate) else getattr(target, "__name__", type(target).__name__)


def least(counts: Mapping[str, Mapping[str, float]]) -> str:
    """Of what was asked the output, or the region, of which the least share was passed; empty where all was.

    >>> least({"value": {"questions": 8, "asked": 8, "passed": 8}, "jvp": {"questions": 8, "asked": 8, "passed": 2}})
    'jvp 0.2500'
    """
    shares = {name: each["passed"] / each["questions"] for name, each in counts.items() if each["asked"]}
    name = min(shares, key=lambda name: (shares[name], -counts[name]["questions"]), default="")
    return f"{name} {shares[name]:.4f}" if name and shares[name] < 1 else ""


def _told(score: Score, candidate: Candidate, failure: str, secret: bool) -> dict[str, Any]:
    """The verdict and the numbers of a grade."""
    counted = score.questions - score.uncounted
    why = failure or (OVER if score.over else score.lacks)
    if score.failed:
        verdict = DISAGREES
    elif score.over or score.lacks or not score.questions:
        verdict, why = CANNOT_ASK, why or f"{candidate.name} has {', '.join(candidate.operations)}; the bank has others"
    else:
        verdict = AGREES if counted else NO_GUARANTEE
    return {
        "verdict": verdict,
        "score": score.passed / counted if counted else 0.0,
        "questions": score.questions,
        "asked": score.asked,
        "passed": score.passed,
        "outputs": {name: asdict(each) for name, each in score.outputs.items()},
        "regions": {} if secret else {name: asdict(each) for name, each in score.regions.items()},
        "worst": max((each.ratio for each in score.outputs.values()), default=0.0),
        "failure": why,
    }


def _opened(given: Bank | str | Path) -> Bank:
    """The bank, which may be in a file."""
    check_kind("bank", given, (Bank, str, Path), "a softproof.Bank, or the name of its file")
    return given if isinstance(given, Bank) else bank(given)


def chosen_model(opened: Bank, name: str | None) -> str:
    """The model by whose bounds is judged; ValueError where the bank has several, or not this one."""
    if name is None and len(opened.models) == 1:
        return opened.models[0]
    if name is None:
        raise ValueError(f"arithmetic is None, and the bank has bounds under {', '.join(opened.models)}; expected one")
    if check_name("arithmetic", name, MODELS) not in opened.models:
        raise ValueError(f"arithmetic is {name!r}; the bank has bounds under {', '.join(opened.models)}")
    return name


def check_budget(budget: float) -> None:
    """ValueError for what is no time."""
    if not is_number(budget) or not 0 < budget < inf:
        raise ValueError(f"budget is {shown(budget)}; expected a positive number of seconds")


def check_asked_of(opened: Bank, operation: str | None, dtypes: Sequence[str] | None) -> None:
    """ValueError where the bank has no question about an operation, or in a format."""
    if operation is not None and check_name("operation", operation, OPERATIONS) not in opened.operations:
        raise ValueError(f"operation is {operation!r}; the bank asks about {', '.join(opened.operations)}")
    has = {each.problem.dtype for each in opened.questions}
    if dtypes is not None and (lacks := [name for name in check_names("dtypes", dtypes, "float32", FORMATS)
                                         if name not in has]):  # fmt: skip
        raise ValueError(f"dtypes has {lacks[0]!r}; the bank asks in {', '.join(sorted(has))}")


def _is_function(target: Target, adapter: str | None) -> bool:
    """Whether it is asked about no other operations than it has, of which a module may lack some."""
    if isinstance(target, str):
        return ":" in target or target.endswith(".onnx") or adapter in ("onnx", "process")
    return not isinstance(target, ModuleType)


def _of_target(
    questions: Sequence[Kept], operation: str | None, dtypes: Sequence[str] | None, candidate: Candidate | None
) -> list[Kept]:
    """The questions about an operation, or those that a candidate has, in these formats."""
    about = [operation] if operation is not None else None if candidate is None else candidate.operations
    return [
        each
        for each in questions
        if (about is None or each.problem.operation in about) and (not dtypes or each.problem.dtype in dtypes)
    ]
