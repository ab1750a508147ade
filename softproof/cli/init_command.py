"""`softproof init`: a first table [tool.softproof], of what a function is found to take, or for you to fill in."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ..candidates.candidate import Candidate
from ..candidates.description import DECLARING
from ..candidates.frameworks import ADAPTERS
from ..candidates.loading import name_of
from ..candidates.plain_text import plain
from ..problem.operations import OPERATIONS
from ..reports.files import ReportFile
from ..reports.row import CANNOT_LOAD
from ..reports.terminal import printable
from ..runs.config import check_first, write_first
from ..runs.introduction import CannotAskError, Profile
from ..runs.profile import Probe
from .console import note, say
from .options import Command, add_interface, add_process, target_name
from .output import JUDGE_ITSELF
from .plan import checked_targets, opened
from .table import COLUMN, entries, models_of

NOT_LOADED = 3  # exit status


def add_options(command: argparse.ArgumentParser) -> None:
    """The targets, what is known of them, and where the table goes."""
    command.add_argument(
        "targets",
        nargs="*",
        type=target_name,
        metavar="TARGET",
        help="package.module:function, or a module: it is asked what it takes, and the table says so (default: a table "
        "for you to fill in)",
    )
    command.add_argument(
        "--config", type=Path, metavar="FILE", default=Path("pyproject.toml"), help="another file (%(default)s)"
    )
    command.add_argument(
        "--operation", choices=OPERATIONS, metavar="NAME", help="what it computes (default: found out)"
    )
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: found out)")
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    add_interface(command)
    add_process(command)


def prepare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The arguments of each target, and whether there is a place for the table."""
    folder = Path(os.path.realpath(options.config.parent))  # which does not mind a link to itself
    if not folder.is_dir():
        raise ValueError(f"--config {options.config}: there is no folder {folder}")
    return checked_targets(options, options.targets)


def run(options: argparse.Namespace, prepared: list[dict[str, Any]], _files: dict[str, ReportFile]) -> int:
    """Ask each target what it takes, add the table, and say what to do next."""
    try:
        free = check_first(options.config)
    except (ValueError, OSError) as error:
        note(f"softproof init: {error}")
        return 2
    if not prepared and not free:
        note(f"softproof init: {options.config} has a table [tool.softproof]; it is left as it is")
        return 2
    texts, status = [], 0
    for arguments in prepared:
        try:
            texts += [_probed(each) for each in _functions(arguments)]
        except (ValueError, TypeError) as error:
            why = "" if isinstance(error, CannotAskError) else f"{CANNOT_LOAD}: "
            note(f"softproof init: {plain(arguments['target'])}: {why}{printable(str(error))}")
            status = NOT_LOADED
    if prepared and not texts:
        note(f"softproof init: nothing was written to {options.config}")
        return status
    return max(status, _written(options.config, "\n".join(texts), free))


def _written(file: Path, text: str, free: bool) -> int:
    """The table in its file; where there is one already, the text is shown instead."""
    if not free:
        todo = "To judge this as well, add the lines above at its end; then run: softproof verify"
        said = say(f"\n{text}\n{file} has a table [tool.softproof], which is left as it is. {todo}")
        return 2 if said else JUDGE_ITSELF
    try:
        new = write_first(file, text)
    except (ValueError, OSError) as error:
        note(f"softproof init: {error}")
        return 2
    done = "wrote" if new else "added [tool.softproof] to"
    todo = "look it over" if text else "name your target there"
    return 0 if say(f"{done} {file}; {todo}, then run: softproof verify") else JUDGE_ITSELF


def _functions(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry for each function of a module; a function is the only one."""
    target = arguments["target"]
    if ":" in target or arguments.get("adapter") in DECLARING or target.endswith(".onnx"):
        return [dict(arguments)]
    try:
        with closing(opened(arguments)) as candidate:
            operations = candidate.operations
    except ValueError as error:
        raise ValueError(f"{error}; name the function: softproof init {target}:FUNCTION") from error
    return [{**arguments, "target": f"{target}:{name}", "operation": name} for name in operations]


def _probed(arguments: dict[str, Any]) -> str:
    """What one function is found to take is told, and its entry of the table."""

    def opener(more: Mapping[str, Any]) -> Candidate:
        return opened({**arguments, **more})

    target = arguments["target"]
    given = {name: value for name, value in arguments.items() if name != "target"}
    note(f"asking {plain(target)} what it takes …")
    name = target if given.get("adapter") in DECLARING else name_of(target)
    profile = Probe(opener, name, given, given["device"]).profile()
    text = entries(target, profile, given)
    say(told(target, profile))
    return text


def told(target: str, profile: Profile) -> str:
    """What was found out, for people."""
    words = {key: value for key, value in profile.arguments.items() if key not in ("without", "require")}
    lines = [plain(target)]
    for key, value in words.items():
        lines.append(f"  {key:12} {_listed(value):{COLUMN - 15}} {profile.comments[key]}")
    for dtypes, (name, comment) in models_of(profile):
        lines += [f"  {'arithmetic':12} {name:{COLUMN - 15}} {', '.join(dtypes)}: {comment}"] if name else []
    if "require" in profile.arguments:
        lines.append(f"  {'judged':12} {_listed(profile.arguments['require'])}")
    lines += [f"  NOTE         {each}" for each in profile.notes]
    if profile.not_tested:
        lines.append("  NOT TESTED, since it cannot be asked:")
        width = max(map(len, profile.not_tested))
        lines += [f"    {what:{width}}  {why}" for what, why in profile.not_tested.items()]
    return printable("\n".join(lines))


def _listed(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


COMMAND = Command(
    "ask a function what it takes, and write [tool.softproof] of pyproject.toml", add_options, prepare, run
)
