"""A finding: what a released implementation does, what would be right, and whether it does so here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from ..candidates.candidate import Candidate
from ..candidates.devices import has_amx
from ..candidates.frameworks import arrays_of
from ..candidates.loading import load
from ..problem.problem import Problem
from ..verdicts.judgement import judge, judge_refusal
from ..verdicts.verdict import AGREES, DISAGREES, Verdict

REPRODUCES, FIXED, NOT_JUDGED = "reproduces", "fixed", "not judged"
CUDA, AMX = "cuda", "a CPU with AMX"
PATIENCE = 2.0  # seconds without a sign of life


@dataclass(frozen=True)
class Finding:
    """One place where a released implementation is not right.

    Args:
        name: what it is called, in kebab-case.
        target: the implementation, as `softproof.load` takes it by name.
        problem: the smallest question that shows it.
        happens: what the implementation does, and where in its source.
        right: what is right, and why.
        objects: keyword arguments of the target that are no options of the operation: by name, the class of each,
            ``package.module:Class``, which is made without arguments.
        arithmetic: the model that it is judged under, a name in `softproof.bounds.models.MODELS`.
        link: a public report about it, or about its like.
        refuses: whether an error is what is right.
        shows_on: the kind of device on which it shows, `CUDA` or `AMX`; any, where it is empty.
    """

    name: str
    target: str
    problem: Problem
    happens: str
    right: str
    objects: Mapping[str, str] = field(default_factory=dict)
    arithmetic: str = "float32-inside"
    link: str = ""
    refuses: bool = False
    shows_on: str = ""

    @property
    def operation(self) -> str:
        """What the target computes."""
        return self.problem.operation

    def shows(self, device: str) -> bool:
        """Whether it may show on this device of this machine."""
        kind = device.split(":")[0]
        return self.shows_on in ("", kind) or (self.shows_on == AMX and kind == "cpu" and has_amx())

    @property
    def device(self) -> str:
        """One of the kind on which it shows; empty where that is any."""
        return "cpu" if self.shows_on == AMX else self.shows_on

    def candidate(self) -> Candidate:
        """The implementation; ValueError where the installed version does not have it."""
        candidate = load(self.target, self.operation, adapter="torch")
        made = {name: _named(path)() for name, path in self.objects.items()}
        function = candidate.functions[self.operation]
        return replace(candidate, functions={self.operation: partial(function, **made)}) if made else candidate

    def snippet(self, device: str = "cpu") -> str:
        """Python that asks the question again when pasted, and prints the verdict."""
        target, imports = repr(self.target), ["from numpy import array, inf, nan, zeros"]
        if self.objects:
            parts = [path.partition(":") for path in (*self.objects.values(), self.target)]
            imports = [
                "from functools import partial",
                *imports,
                *(f"from {each[0]} import {each[2]}" for each in parts),
            ]
            made = ", ".join(f"{name}={each[2]}()" for name, each in zip(self.objects, parts, strict=False))
            target = f"partial({parts[-1][2]}, {made})"
        call = f"judge(candidate, problem, device={device!r}, arithmetic={self.arithmetic!r})"
        if self.refuses:
            call = f"judge_refusal(problem, candidate.answer(problem, {device!r}))"
        return "\n".join(
            [
                *imports,
                f"from softproof import Problem, {call.partition('(')[0]}, load",
                f"candidate = load({target}, operation={self.operation!r}, adapter='torch')",
                f"problem = {self.problem!r}",
                f"print({call})",
            ]
        )


def _named(path: str) -> Callable[[], object]:
    """The class that ``package.module:Class`` names."""
    module, _, name = path.partition(":")
    found: Callable[[], object] = getattr(importlib.import_module(module), name)
    return found


@dataclass(frozen=True)
class FindingStatus:
    """A finding on the installed version: its status, and what the judge said."""

    finding: Finding
    status: str
    text: str


def reproduce(finding: Finding, device: str = "cpu") -> Verdict:
    """The verdict on a finding's witness; ValueError where the installed version does not have its target.

    >>> from softproof.reports.findings import FINDINGS
    >>> reproduce(FINDINGS[0]).outcome in ("agrees", "disagrees")
    True
    """
    candidate, problem = finding.candidate(), finding.problem
    if finding.refuses:
        return judge_refusal(problem, candidate.answer(problem, device))
    return judge(candidate, problem, device=device, arithmetic=finding.arithmetic)


def ask(finding: Finding, device: str = "cpu") -> FindingStatus:
    """A number that disagrees reproduces the finding; agreement is a fix; anything else is no answer to judge."""
    if not finding.shows(device):
        return FindingStatus(finding, NOT_JUDGED, f"shows on {finding.shows_on}; this was asked on {device}")
    try:
        finding.candidate()
    except ValueError as error:
        return FindingStatus(finding, NOT_JUDGED, str(error))
    verdict = reproduce(finding, device)
    if verdict.outcome == AGREES:
        status = FIXED
    else:
        status = REPRODUCES if verdict.outcome == DISAGREES and verdict.output else NOT_JUDGED
    return FindingStatus(finding, status, str(verdict))


def check_device(device: str) -> None:
    """Raise ValueError where torch, or the device, is missing."""
    torch = load("torch.nn.functional:softmax", adapter="torch")
    arrays_of(torch.adapter).check_device(device)
