"""What a candidate is judged by: the model, the accuracy class, and the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis.database import ExampleDatabase

from ..bounds.accuracy import Accuracy
from ..bounds.arithmetic import Arithmetic
from ..bounds.models import Model, arithmetic_of
from ..bounds.theorems import bound
from ..candidates.candidate import Candidate
from ..candidates.loading import Target
from ..candidates.preparation import DTYPES as DTYPES
from ..diagnosis.diagnose import Diagnosing
from ..problem.problem import Problem, Result
from ..problem.validation import shown
from ..properties.measured import Measured
from ..verdicts.case import BITS
from ..verdicts.judgement import judge, judge_result
from ..verdicts.stagewise import stages, worst
from ..verdicts.verdict import Verdict
from .ladder import wider

LOGITS = frozenset(("logits", "p_logits", "q_logits"))


@dataclass(frozen=True)
class Criteria:
    """What a candidate is judged by."""

    device: str
    model: Model
    name: str  # of the model; empty for the default
    accuracy: str
    baseline: Candidate | None
    factor: float
    dtypes: tuple[str, ...] = DTYPES
    by_stages: bool = False
    shrink: bool = True
    database: ExampleDatabase | None = None
    require: tuple[str, ...] = ()  # outputs without which a row does not agree
    diagnosing: Diagnosing | None = None  # what says more about a failure, if anything does
    max_failures: int = 1  # of a row, each of another cause
    auto: bool = False  # whether what disagrees is judged under wider models as well

    def wider(self, dtype: str) -> Iterator[Criteria]:
        """The same with the models that allow more in a format, if the model is to be found out."""
        for name, chosen in wider(self.name, dtype, self.device) if self.auto else ():
            yield replace(self, name=name, model=chosen)

    def verdict(self, candidate: Candidate, problem: Problem) -> Verdict:
        """On a whole problem, or on the worst of its stages."""
        if not self.by_stages:
            return self.judge(candidate, problem)
        return worst(stages(candidate, problem, lambda stage: self.judge(candidate, stage), self.device))

    def judge(self, candidate: Candidate, problem: Problem, bits: Sequence[int] | None = None) -> Verdict:
        """One verdict; in float64 from balls alone, so that the report states errors and not limits of errors."""
        return judge(
            candidate,
            problem,
            device=self.device,
            arithmetic=self.model,
            accuracy=self.accuracy,
            baseline=self.baseline,
            factor=self.factor,
            bits=bits or (BITS[1:] if problem.dtype == "float64" else BITS),
        )

    def judge_result(self, problem: Problem, result: Result) -> Verdict:
        """One verdict on another answer."""
        bits = BITS[1:] if problem.dtype == "float64" else BITS
        return judge_result(
            problem, result, device=self.device, arithmetic=self.model, accuracy=self.accuracy, bits=bits
        )

    def promised(self, problem: Problem) -> Problem:
        """What is asked where bounds are infinite because a logsumexp is subtracted, or logits scaled.

        Large logits are clipped where it is the bound of the value; where it is that of a derivative, none is asked.
        """
        arithmetic = arithmetic_of(self.model, problem)
        subtracts = arithmetic.subtracts_logsumexp or problem.operation == "logsumexp"  # in its gradient: Theorem 6 (c)
        if not (subtracts or arithmetic.scales_logits):
            return problem
        lost = _without_bounds(problem, arithmetic)
        if "value" in lost and LOGITS & problem.inputs.keys():
            problem = _clipped(problem, 2.0**-8 / arithmetic.compute.u)
            lost = _without_bounds(problem, arithmetic)
        return replace(problem, grad_output=None, tangent=None) if lost else problem

    def words(self, operation: str) -> str:
        """The keyword arguments of `judge` that repeat this, as far as they can be written down."""
        words = f"device={self.device!r}"
        if isinstance(self.model, Measured):
            words += f", arithmetic=Measured(candidate, {self.device!r})"
        elif self.name:
            words += f", arithmetic={self.name!r}"
        if self.accuracy != "C":
            words += f", accuracy={self.accuracy!r}"
        if self.baseline is not None:
            words += f", baseline=load({self.baseline.source}, operation={operation!r}), factor={self.factor!r}"
        return words


def _without_bounds(problem: Problem, arithmetic: Arithmetic) -> set[str]:
    """Outputs of which nothing is promised because of what the arithmetic does with a stored logsumexp, or log₂e."""
    usual = bound(problem, replace(arithmetic, subtracts_logsumexp=False, scales_logits=False))
    limits = bound(problem, arithmetic)
    if problem.operation == "logsumexp":
        usual |= {name: np.zeros(()) for name in limits if name != "value"}
    return {name for name, limit in limits.items() if (np.isinf(limit) & np.isfinite(usual[name])).any()}


def within_reach(problem: Problem, criteria: Criteria) -> Problem | None:
    """The same question with smaller logits, for which a model has bounds whose logsumexp is stored; None if it is."""
    most = 2.0**-8 / arithmetic_of(criteria.model, problem).compute.u
    clipped = _clipped(problem, most)
    alike = all(np.array_equal(x, clipped.inputs[name], equal_nan=True) for name, x in problem.inputs.items())
    return None if alike else clipped


def _clipped(problem: Problem, most: float) -> Problem:
    """The same question with logits of at most this size; those that are infinite stay so."""
    given = {name: problem.inputs[name] for name in LOGITS & problem.inputs.keys()}
    clipped = {name: np.where(np.isfinite(x), np.clip(x, -most, most), x) for name, x in given.items()}
    return replace(problem, inputs={**problem.inputs, **clipped})


def name_of(arithmetic: str | Arithmetic | Model | None) -> str:
    """How a report calls a model."""
    if arithmetic is None or isinstance(arithmetic, str):
        return arithmetic or ""
    return arithmetic.name if isinstance(arithmetic, Arithmetic) else getattr(arithmetic, "__name__", "a function")


def check_baseline(accuracy: str, baseline: Target | None, factor: float = 1.0) -> None:
    """ValueError or TypeError where a baseline is given for another class than D, or none for that."""
    Accuracy(accuracy, factor)
    if (accuracy == "D") != (baseline is not None):
        raise ValueError(
            f"accuracy is {accuracy!r} and baseline is {shown(baseline)}; class D, and no other, needs a baseline"
        )
    if accuracy != "D" and factor != 1.0:
        raise ValueError(f"factor is {factor}; it applies to class D, and accuracy is {accuracy!r}")


def check_criteria(candidate: Candidate, baseline: Candidate | None, chosen: Model, dtypes: Sequence[str]) -> None:
    """ValueError or TypeError where a baseline lacks an operation, or a model does not suit a dtype."""
    if baseline is not None and (missing := set(candidate.operations) - set(baseline.operations)):
        raise ValueError(f"baseline {baseline.name} has no {', '.join(sorted(missing))}, which {candidate.name} has")
    for dtype in dtypes:
        arithmetic_of(chosen, Problem("softmax", dtype, {"logits": [0.0]}, {"dim": 0}))
