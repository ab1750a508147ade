"""Tells, with proof, whether softmax, cross-entropy or a linear classifier, and its gradients, is right.

strategies -> Problem -> implementation -> Result; exact + bounds -> compare -> Verdict -> report.

Names are loaded when they are first used, so that a candidate's own process imports no more than it needs.
"""

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:  # `python -m softproof` looks for modules in the working
    del sys.path[0]  # directory first, and what lies beside a target is not the judge's

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arithmetic import Arithmetic as Arithmetic
    from .arithmetic import any_order as any_order
    from .bounds import bound as bound
    from .compare import Verdict as Verdict
    from .conduct import WAYS as WAYS
    from .conduct import Conduct as Conduct
    from .conduct import conduct as conduct
    from .conformance import conformance as conformance
    from .database import database as database
    from .exact import solve as solve
    from .implementation import Candidate as Candidate
    from .implementation import Implementation as Implementation
    from .interface import Interface as Interface
    from .judge import judge as judge
    from .judge import judge_refusal as judge_refusal
    from .judge import judge_result as judge_result
    from .large import large_problems as large_problems
    from .laws import LAWS as LAWS
    from .laws import laws as laws
    from .loading import load as load
    from .models import MODELS as MODELS
    from .operations import OPERATIONS as OPERATIONS
    from .problem import Output as Output
    from .problem import Problem as Problem
    from .problem import Result as Result
    from .report import Report as Report
    from .report import Row as Row
    from .stages import stages as stages
    from .strategies import problems as problems
    from .verify import verify as verify

_MODULES = {
    "arithmetic": ("Arithmetic", "any_order"),
    "bounds": ("bound",),
    "compare": ("Verdict",),
    "conduct": ("WAYS", "Conduct", "conduct"),
    "conformance": ("conformance",),
    "database": ("database",),
    "exact": ("solve",),
    "implementation": ("Candidate", "Implementation"),
    "interface": ("Interface",),
    "judge": ("judge", "judge_refusal", "judge_result"),
    "large": ("large_problems",),
    "laws": ("LAWS", "laws"),
    "loading": ("load",),
    "models": ("MODELS",),
    "operations": ("OPERATIONS",),
    "problem": ("Output", "Problem", "Result"),
    "report": ("Report", "Row"),
    "stages": ("stages",),
    "strategies": ("problems",),
    "verify": ("verify",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


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
    return sorted({*_HOMES, *(name for name in globals() if name.startswith("__"))})


class _Package(ModuleType):
    """A package in which `judge`, `verify` and others are the functions, and not the modules that hold them."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):  # as the import of a module sets its name
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
