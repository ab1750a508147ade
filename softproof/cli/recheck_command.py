"""`softproof recheck`: a certificate is checked by drawing its problems and judging its target once more."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..certificates.differences import Difference, differences, of_problems
from ..certificates.form import canonical
from ..certificates.reading import read
from ..problem.validation import shown
from ..reports.files import ReportFile
from ..reports.odd_files import read_file
from ..reports.terminal import printable
from .certify_command import Prepared, add_source, certified, prepared, process_of
from .options import Command, add_process, target_name
from .output import tell

LARGEST = 1 << 24  # bytes of a certificate


class Recheck(NamedTuple):
    """A certificate, whether its text is canonical, and what is judged."""

    said: Mapping[str, Any]
    is_canonical: bool
    what: Prepared


def add_options(command: argparse.ArgumentParser) -> None:
    """The certificate, the target if it is another, and where that runs."""
    command.add_argument("file", type=Path, metavar="CERTIFICATE", help="what `softproof certify` has written")
    command.add_argument(
        "target", nargs="?", type=target_name, metavar="TARGET", help="what is judged (default: what it names)"
    )
    add_source(command)
    add_process(command)


def prepare(options: argparse.Namespace) -> Recheck:
    """What the certificate says, once it is one, and what it asks of whom."""
    text = _text(options.file)
    said = read(text, str(options.file))
    asked = said["predicate"]["asked"]
    arguments = {**_arguments(asked, str(options.file)), **process_of(options)}
    if options.target is not None:
        arguments["target"] = options.target
    elif asked["adapter"] == "process" or asked["interface"]["extra"]:
        what = "runs a command" if asked["adapter"] == "process" else "passes arguments of its own (extra)"
        raise ValueError(
            f"{options.file} {what}, which somebody else may have written; look at it, and name the target: "
            f"softproof recheck {options.file} TARGET"
        )
    is_canonical = text.removesuffix("\n") == canonical(said)
    return Recheck(said, is_canonical, prepared(arguments, int(asked["seed"]), options.source))


def _text(file: Path) -> str:
    data = read_file(file, LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{file} has more than {LARGEST} bytes; expected a certificate of softproof")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not in UTF-8: {error}; expected a certificate of softproof") from error


def _arguments(asked: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Those of `softproof.verify`, and nothing that was not given."""
    interface = dict(asked["interface"])
    for key in ("fixed", "extra", "gradients"):
        interface[key] = {option: _literal(text, f"{name}: {key}.{option}") for option, text in interface[key].items()}
    names = ("target", "operation", "adapter", "device", "dtypes", "examples", "arithmetic", "accuracy", "require")
    found = {key: asked[key] for key in (*names, "sandbox")} | interface
    return {key: value for key, value in found.items() if value not in (None, [], {})} | (
        {"supports": interface["supports"]} if interface["supports"] is not None else {}
    )


def _literal(text: str, where: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(f"{where} is {shown(text)}; expected a value as Python writes it, such as 'none'") from None


def run(options: argparse.Namespace, task: Recheck, files: dict[str, ReportFile]) -> int:
    """Say what differs: 0 where that is nothing that matters and the target agrees."""
    differ = of_problems(task.said)
    report, certificate, status = certified(task.what, files)
    if certificate is not None:
        differ += differences(task.said, certificate)
    text = _told(options, task, differ, certificate is not None)
    if any(each.matters for each in differ):
        status = max(status, 1)
    return max(status, tell(f"{report}\n\n{text}", {}, {}))


def _told(options: argparse.Namespace, task: Recheck, found: Iterable[Difference], judged: bool) -> str:
    """The differences, those that matter first, and what they come to."""
    matters = [each.words for each in found if each.matters]
    rest = [each.words for each in found if not each.matters]
    rest += [] if task.is_canonical else ["it is not written as canonical JSON, so that its digest is another one"]
    lines = [*_listed("differs:", matters), *_listed("differs, which does not matter:", rest)]
    result = task.said["predicate"]["result"]
    if not judged:
        end = "NOT CHECKED: the target was not judged to the end"
    elif matters:
        end = f"NOT CONFIRMED: {options.file} says {result}; {len(matters)} difference{'s' * (len(matters) > 1)} above"
    else:
        end = f"CONFIRMED: {options.file} says {result}, and so does everything that was drawn and judged again"
    return printable("\n".join([*lines, end]))


def _listed(title: str, words: list[str]) -> list[str]:
    return [title, *(f"  {each}" for each in words)] if words else []


COMMAND = Command("check a certificate: draw its problems and judge its target again", add_options, prepare, run)
