"""Tells, with proof, whether softmax, cross-entropy or a linear classifier, and its gradients, is right.

generation -> Problem -> candidate -> Result; truth + bounds -> Verdict -> report.

Names are loaded when they are first used, so that a candidate's own process imports no more than it needs.
"""

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:  # `python -m softproof` looks for modules in the working
    del sys.path[0]  # directory first, and what lies beside a target is not the judge's

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bounds.arithmetic import Arithmetic as Arithmetic
    from .bounds.arithmetic import any_order as any_order
    from .bounds.models import MODELS as MODELS
    from .bounds.theorems import bound as bound
    from .candidates.candidate import Candidate as Candidate
    from .candidates.implementation import Implementation as Implementation
    from .candidates.loading import load as load
    from .generation.large import large_problems as large_problems
    from .generation.many_elements import repeated_rows as repeated_rows
    from .generation.strategies import problems as problems
    from .grading.bank_file import Bank as Bank
    from .grading.bank_file import bank as bank
    from .grading.grades import Grade as Grade
    from .grading.grades import grade as grade
    from .problem.interface import Interface as Interface
    from .problem.operations import OPERATIONS as OPERATIONS
    from .problem.problem import Output as Output
    from .problem.problem import Problem as Problem
    from .problem.problem import Result as Result
    from .properties.behaviour import Behaviour as Behaviour
    from .properties.behaviour import check_behaviour as check_behaviour
    from .properties.checks import CHECKS as CHECKS
    from .properties.in_parts import judge_repeated as judge_repeated
    from .properties.measured import Measured as Measured
    from .properties.metamorphic import RELATIONS as RELATIONS
    from .properties.metamorphic import check_relations as check_relations
    from .reports.report import Report as Report
    from .reports.row import Row as Row
    from .runs.failures import database as database
    from .runs.testing import conformance as conformance
    from .runs.verification import verify as verify
    from .truth.solver import solve as solve
    from .verdicts.judgement import judge as judge
    from .verdicts.judgement import judge_refusal as judge_refusal
    from .verdicts.judgement import judge_result as judge_result
    from .verdicts.networks.stated import network as network
    from .verdicts.stagewise import stages as stages
    from .verdicts.verdict import Verdict as Verdict

_MODULES = {
    "bounds.arithmetic": ("Arithmetic", "any_order"),
    "bounds.models": ("MODELS",),
    "bounds.theorems": ("bound",),
    "candidates.candidate": ("Candidate",),
    "candidates.implementation": ("Implementation",),
    "candidates.loading": ("load",),
    "generation.large": ("large_problems",),
    "generation.many_elements": ("repeated_rows",),
    "generation.strategies": ("problems",),
    "grading.bank_file": ("Bank", "bank"),
    "grading.grades": ("Grade", "grade"),
    "problem.interface": ("Interface",),
    "problem.operations": ("OPERATIONS",),
    "problem.problem": ("Output", "Problem", "Result"),
    "properties.behaviour": ("Behaviour", "check_behaviour"),
    "properties.measured": ("Measured",),
    "properties.metamorphic": ("RELATIONS", "check_relations"),
    "properties.checks": ("CHECKS",),
    "properties.in_parts": ("judge_repeated",),
    "reports.report": ("Report", "Row"),
    "runs.failures": ("database",),
    "runs.testing": ("conformance",),
    "runs.verification": ("verify",),
    "truth.solver": ("solve",),
    "verdicts.verdict": ("Verdict",),
    "verdicts.judgement": ("judge", "judge_refusal", "judge_result"),
    "verdicts.networks.stated": ("network",),
    "verdicts.stagewise": ("stages",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "CHECKS",
    "MODELS",
    "OPERATIONS",
    "RELATIONS",
    "Arithmetic",
    "Bank",
    "Behaviour",
    "Candidate",
    "Grade",
    "Implementation",
    "Interface",
    "Measured",
    "Output",
    "Problem",
    "Report",
    "Result",
    "Row",
    "Verdict",
    "any_order",
    "bank",
    "bound",
    "check_behaviour",
    "check_relations",
    "conformance",
    "database",
    "grade",
    "judge",
    "judge_refusal",
    "judge_repeated",
    "judge_result",
    "large_problems",
    "load",
    "network",
    "problems",
    "repeated_rows",
    "solve",
    "stages",
    "verify",
]


def _load(name: str) -> Any:
    """One of the names of the package, when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


if not TYPE_CHECKING:  # or every name would be one, as far as a type checker can tell
    __getattr__ = _load


def __dir__() -> list[str]:
    """The names of the package, loaded or not."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
