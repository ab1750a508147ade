"""What the subcommands share: the options of a target, what was given of them, and what a subcommand is."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple, cast

from ..candidates.isolated import SECONDS, STARTUP_SECONDS
from ..candidates.loading import PART
from ..problem.arrangements import ARRANGEMENTS
from ..problem.interface import InterfaceArguments, Place
from ..problem.operations import OPERATIONS
from ..reports.files import ReportFile

_KINDS = ", ".join(dict.fromkeys(kind for operation in OPERATIONS.values() for kind in operation.kinds))


class Command(NamedTuple):
    """A subcommand: its help, its options, what is done before any candidate starts, and what then."""

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    prepare: Callable[[argparse.Namespace], Any]
    run: Callable[[argparse.Namespace, Any, dict[str, ReportFile]], int]


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the description."""


def add_process(command: argparse.ArgumentParser) -> None:
    """Where a target runs."""
    trusted = "do not use a subprocess: the target is trusted code"
    command.add_argument("--in-process", action="store_const", const=True, help=trusted)
    # an option with or without a value would take the target that follows it for one
    confined = (
        "confine the process: it writes only in a scratch folder, reads only a list of folders, and has no network"
    )
    command.add_argument("--sandbox", action="store_const", const="on", help=confined)
    strict = "the same, and an error if this system lacks a protection; --sandbox=off overrides pyproject.toml"
    command.add_argument("--sandbox=strict", action="store_const", const="strict", dest="sandbox", help=strict)
    command.add_argument("--sandbox=on", action="store_const", const="on", dest="sandbox", help=argparse.SUPPRESS)
    command.add_argument("--sandbox=off", action="store_const", const="off", dest="sandbox", help=argparse.SUPPRESS)
    more = "may read this folder in a sandbox, too; may be repeated"
    command.add_argument("--sandbox-read", action="append", metavar="DIR", help=more)
    more = "may know this variable of the environment, too; may be repeated"
    command.add_argument("--sandbox-env", action="append", metavar="NAME", help=more)
    seconds = f"limit for one question (default: {SECONDS:g})"
    command.add_argument("--time-limit", type=float, metavar="SECONDS", help=seconds)
    seconds = f"limit to start the process, import the target and try it out (default: {STARTUP_SECONDS:g})"
    command.add_argument("--startup-limit", type=float, metavar="SECONDS", help=seconds)


def add_interface(command: argparse.ArgumentParser) -> None:
    """How a target is called; softproof.Interface explains these."""
    group = command.add_argument_group("how to call the target, if it differs from torch; all may be repeated")
    group.add_argument(
        "--supports",
        action="append",
        metavar="NAME,…",
        help="the optional inputs and options it takes (default: those of its signature)",
    )
    group.add_argument(
        "--without",
        action="append",
        metavar="NAME,…",
        help=f"what to leave out: an option (weight, reduction, dim, …), one of {_KINDS}, gradient, layouts, "
        "half_value, gradient_of_ and an input, a size, such as more_than_65536_classes, or a behaviour check, such as "
        "'after another backward'",
    )
    group.add_argument(
        "--name", action="append", dest="names", metavar="OURS=THEIRS", help="its name for an input or an option"
    )
    group.add_argument(
        "--fixed", action="append", metavar="OPTION=VALUE", help="the value that it hard-codes for an option"
    )
    group.add_argument("--extra", action="append", metavar="NAME=VALUE", help="an argument to pass every time")
    group.add_argument(
        "--ndim", action="append", type=int, metavar="N", help="how many dimensions the logits may have (default: any)"
    )
    group.add_argument("--writes", action="append", metavar="NAME,…", help="inputs that it overwrites, as documented")
    group.add_argument(
        "--transposed", action="append", metavar="NAME", help="a matrix it takes as (features, classes): x @ weight"
    )
    group.add_argument(
        "--keepdim", action="append", metavar="NAME,…", help="what is (N, 1) for it in place of (N,): target, value"
    )
    group.add_argument(
        "--output", type=_place, metavar="N", help="which of several results is the value, counted from 0, or by name"
    )
    group.add_argument(
        "--gradient", action="append", dest="gradients", metavar="INPUT=N", help="which result is the gradient of INPUT"
    )
    group.add_argument(
        "--negative", action="store_true", help="its result is minus the value, as a log-probability is minus a loss"
    )
    for name, how in ARRANGEMENTS.items():
        group.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=how.help)


def target_name(text: str) -> str:
    """A target as its user names it; a function in a file below the working directory is one of a module.

    >>> target_name("kernels/fused.py:loss"), target_name("./01-softmax.py:f"), target_name("kernels.fused:loss")
    ('kernels.fused:loss', '01-softmax:f', 'kernels.fused:loss')
    """
    file, colon, function = text.partition(":")
    if not (colon and file.endswith(".py")):
        return text
    path = PurePath(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    stems = path.with_suffix("").parts
    is_below = all(re.fullmatch(PART, each) for each in stems)
    return f"{'.'.join(stems)}:{function}" if is_below else text


def words_of(arguments: Mapping[str, Any]) -> str:
    """The options of a command line that say how a target is called, `given_interface` the other way round.

    >>> words_of({"operation": "softmax", "fixed": {"dim": -1}, "ndim": [1, 2], "without": ["empty", "layouts"]})
    '--operation softmax --fixed dim=-1 --ndim 1 --ndim 2 --without empty,layouts'
    """
    words = []
    for name, option in _OPTIONS.items():
        value = arguments.get(name)
        if isinstance(value, Mapping):
            words += [f"{option} {shlex.quote(f'{key}={each}')}" for key, each in value.items()]
        elif name == "ndim":
            words += [f"{option} {each}" for each in value or ()]
        elif value is True:
            words.append(option)
        elif value is not False and value not in (None, (), []):
            words.append(f"{option} {shlex.quote(str(value) if isinstance(value, str | int) else ','.join(value))}")
    return " ".join(words)


_OPTIONS = {
    "operation": "--operation",
    "adapter": "--adapter",
    "supports": "--supports",
    "names": "--name",
    "fixed": "--fixed",
    "extra": "--extra",
    "output": "--output",
    "gradients": "--gradient",
    "negative": "--negative",
    **{name: f"--{name.replace('_', '-')}" for name in ARRANGEMENTS},
    "transposed": "--transposed",
    "keepdim": "--keepdim",
    "ndim": "--ndim",
    "writes": "--writes",
    "without": "--without",
}


def given_interface(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of how a target is called, and nothing that it does not say."""
    found = {**_interface(options), "operation": options.operation, "adapter": options.adapter}
    return {name: value for name, value in found.items() if name == "supports" or value not in (None, (), [], {})}


def _interface(options: argparse.Namespace) -> InterfaceArguments:
    """The arguments of `softproof.Interface` that were given."""
    interface = cast(
        "InterfaceArguments", {name: True for name in ("negative", *ARRANGEMENTS) if getattr(options, name)}
    )
    interface["output"], interface["ndim"] = options.output, options.ndim or ()
    interface["transposed"], interface["keepdim"] = split(options.transposed), split(options.keepdim)
    if options.supports is not None:
        interface["supports"] = split(options.supports)
    interface["without"], interface["writes"] = split(options.without), split(options.writes)
    interface["names"] = dict(_pair("--name", each) for each in options.names or ())
    gradients = (_pair("--gradient", each) for each in options.gradients or ())
    interface["gradients"] = {key: _place(value) for key, value in gradients}
    for name in ("fixed", "extra"):
        pairs = (_pair(f"--{name}", each) for each in getattr(options, name) or ())
        interface[name] = {key: _literal(value) for key, value in pairs}
    return interface


def split(texts: Sequence[str] | None) -> list[str]:
    """The names in texts such as "a, b"."""
    return [each.strip() for text in texts or () for each in text.split(",") if each.strip()]


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{option} {text}: expected NAME=VALUE")
    return name, value


def _place(text: str) -> Place:
    """The number of a result, or its name."""
    return int(text) if text.lstrip("-").isdecimal() else text


def _literal(text: str) -> object:
    """A number, True, None, a list…, as Python writes them; anything else is a text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
