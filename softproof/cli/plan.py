"""What a command asks of which targets, all of it known before any of them starts, and how each is opened."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..bounds.models import model
from ..candidates.candidate import Candidate
from ..candidates.description import DECLARING
from ..candidates.isolation.start import check_more, check_sandbox
from ..candidates.loading import check_target_name
from ..candidates.preparation import check_arguments
from ..certificates.sources import commit_of, sources
from ..generation.seeded import fresh_seed
from ..problem.formats import HALF
from ..problem.interface import Interface
from ..problem.validation import check_flag
from ..reports.required import OR_HUGE, check_required
from ..reports.row import Row
from ..reports.target_record import TargetRecord
from ..runs.config import INTERFACE, Settings
from ..runs.criteria import check_baseline
from ..runs.failures import database
from ..runs.further import MOST
from ..runs.ladder import check_ladder, named
from ..runs.opening import check_limits, check_trusted, open_candidate
from ..runs.search import EXAMPLES
from ..runs.verification import check_run
from .options import given_interface

CRITERIA = ("dtypes", "examples", "arithmetic", "accuracy", "factor", "require")  # of `verify`, that are handed on
LIMITS = ("time_limit", "startup_limit")
NO_LARGE = f"large problems were NOT TESTED: they come with --examples {EXAMPLES}, the default"
NO_HALF = "half precision was NOT TESTED: --dtype float16; of torch and JAX --dtype bfloat16, too"
NO_FLOAT16 = "float16 was NOT TESTED: --dtype float16"
OF_TORCH = "bfloat16"  # the format of half precision in which a function of torch that agrees is asked as well
MORE = ("sandbox_read", "sandbox_env")


@dataclass(frozen=True)
class Plan:
    """What is asked of whom: all that a candidate cannot change any more when it starts."""

    targets: tuple[Mapping[str, Any], ...]  # each with the arguments of `verify`
    seed: int
    shrink: bool = True
    database: str | None = None
    expected: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()  # files that were read for it, and their digests
    hidden: tuple[str, ...] = ()  # files of the judge, which no candidate in a sandbox may read
    diagnose: bool = True
    max_failures: int = MOST
    jobs: int = 1  # processes of the judge's, which share the rows of a target
    reported: tuple[TargetRecord, ...] = ()  # for the report, where there is one that tells it
    probing: bool = False  # a function that cannot be asked as it is, is asked what it takes
    half: bool = False  # a function of torch that agrees in the usual formats is asked in OF_TORCH, too

    @classmethod
    def of(cls, settings: Settings, shrink: bool) -> Plan:
        """What the settings say, once every argument is known to fit; ValueError or TypeError otherwise."""
        for arguments in settings.targets:
            check_target(arguments)
        check_run(settings.seed, shrink)
        seed = fresh_seed() if settings.seed is None else settings.seed
        if settings.database is not None:
            database(settings.database)
        hidden = [file for file, _ in settings.inputs] + ([] if settings.database is None else [settings.database])
        return cls(settings.targets, seed, shrink, settings.database, settings.expected, settings.inputs, tuple(hidden))

    def untested(self, rows: Sequence[Row] = ()) -> tuple[str, ...]:
        """What nobody asked for, and was not asked in these rows, and how to, in lines."""
        few = any(each.get("examples", EXAMPLES) < EXAMPLES for each in self.targets)
        half = any(each.get("dtypes") is None and each.get("adapter") not in DECLARING for each in self.targets)
        of_each = {name: {row.dtype for row in rows if row.implementation == name} for name in
                   {row.implementation for row in rows}}  # fmt: skip
        missing = {dtype for dtype in HALF if not of_each or any(dtype not in each for each in of_each.values())}
        lines = [NO_LARGE] if few else []
        if half and missing:
            lines.append(NO_FLOAT16 if OF_TORCH not in missing else NO_HALF)
        return tuple(lines)

    def told(self) -> Plan:
        """With what is asked of each target and with its files, as they are before any of them starts."""
        how = {"shrink": self.shrink, "diagnose": self.diagnose, "max_failures": self.max_failures}
        return replace(self, reported=tuple(_target({"examples": EXAMPLES, **each, **how}) for each in self.targets))


def _target(arguments: Mapping[str, Any]) -> TargetRecord:
    """Of one target; no file of a target that has none, or of one that cannot be read."""
    about = arguments["target"], arguments.get("adapter")
    try:
        found = tuple((each.name, each.sha256) for each in sources(*about))
    except ValueError:
        found = ()
    return TargetRecord(arguments["target"], arguments, found, commit_of(*about) if found else "")


def check_target(arguments: Mapping[str, Any]) -> None:
    """ValueError or TypeError for what is wrong before the target is even loaded; a model is imported here."""
    asked = arguments.get("operation"), arguments.get("adapter"), arguments["device"], arguments.get("dtypes")
    check_arguments(*asked, arguments.get("examples", EXAMPLES), interface_of(arguments))
    check_limits(**limits_of(arguments))
    check_sandbox(arguments.get("sandbox", "off"), arguments["device"])
    check_more(*(arguments.get(name, ()) for name in MORE))
    if arguments.get("in_process"):
        check_trusted(arguments.get("sandbox", "off"))
    check_baseline(arguments.get("accuracy", "C"), arguments.get("baseline"), arguments.get("factor", 1.0))
    if arguments.get("in_process") is not None:
        check_flag("in-process", arguments["in_process"])
    check_required(arguments.get("require", ()), OR_HUGE)
    check_ladder(arguments.get("arithmetic"), arguments.get("accuracy", "C"))
    model(named(arguments.get("arithmetic")))
    check_target_name(arguments["target"], arguments.get("adapter"))
    if arguments.get("baseline") is not None:
        check_target_name(arguments["baseline"])


def checked_targets(options: argparse.Namespace, targets: Sequence[str]) -> list[dict[str, Any]]:
    """The arguments of each target on a command line that makes all alike: how it is called, and where it runs."""
    given = {**given_interface(options), "device": options.device}
    given |= {"in_process": True} if options.in_process else {}
    names = (*LIMITS, *MORE, "sandbox")
    given |= {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    found = [{"target": target, **given} for target in targets]
    for arguments in found:
        check_target(arguments)
    return found


def interface_of(arguments: Mapping[str, Any]) -> Any:
    """How the target is called."""
    return {name: value for name, value in arguments.items() if name in INTERFACE}


def interface_in(arguments: Mapping[str, Any]) -> Interface:
    """The same, as an interface."""
    given: Any = {name: value for name, value in interface_of(arguments).items() if value is not None}
    return Interface().but(given)


def limits_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """How long its process may take."""
    return {name: value for name, value in arguments.items() if name in LIMITS}


def more_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What its process may read and know besides."""
    return {name: value for name, value in arguments.items() if name in MORE}


def opened(arguments: Mapping[str, Any], hidden: Sequence[str] = ()) -> Candidate:
    """The target, where it runs; ValueError or TypeError where it cannot be loaded. What is `hidden` is not for it.

    It is looked up in the working directory first.
    """
    asked = arguments.get("operation"), arguments.get("adapter"), arguments["device"], arguments.get("dtypes")
    return open_candidate(
        arguments["target"],
        *asked,
        arguments.get("examples", EXAMPLES),
        interface_of(arguments),
        in_process=arguments.get("in_process"),
        folders=[str(Path.cwd())],
        sandbox=arguments.get("sandbox", "off"),
        hidden=hidden,
        **limits_of(arguments),
        **more_of(arguments),
    )
