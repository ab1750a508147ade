"""Tells, with proof, whether softmax, cross-entropy or a linear classifier, and its gradients, is right.

Start with `softproof verify package.module:function`. docs/guides/first_verdict.md takes five minutes.

Exit status: 0 the report is complete and nothing disagrees; 1 something disagrees; 2 wrong usage; 3 a target could not
be loaded, or judged to the end; 4 the judge itself failed, or could not write the report; 128 + N ended by signal N.
docs/guides/ci.md has all cases.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import os
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ..bounds.accuracy import CLASSES, NAMES
from ..bounds.models import MODELS
from ..candidates.candidate import ADAPTERS
from ..candidates.isolated import SECONDS, STARTUP_SECONDS
from ..candidates.plain_text import plain
from ..config import TERMS, Settings, settings, write_first
from ..problem.interface import InterfaceArguments
from ..problem.operations import OPERATIONS
from ..reports import findings
from ..reports.files import ReportFile, open_files
from ..reports.junit import junit
from ..reports.report import CANNOT_LOAD, INTERRUPTED, Report, Row, printable, table, versions
from ..reports.required import EXPECTED
from ..reports.semantics import semantics_report
from ..runs.failures import FORMS
from ..runs.search import EXAMPLES
from ..runs.verification import fault
from ..verdicts.compare import AGREES
from .batch import LIMITS, MORE, Plan, check_target, judged, opened
from .console import note, say
from .interruption import Interruption

FILES = ("json", "junit", "write")  # options that name a file of a report
JUDGE_ITSELF = 4  # exit status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    files: dict[str, ReportFile] = {}
    interruption = Interruption()
    try:
        with interruption:
            return _run(parser, options, files)
    except KeyboardInterrupt:
        note("softproof: interrupted")
        return INTERRUPTED + (interruption.signal or signal.SIGINT)
    except Exception:  # a fault of the judge's own, which no candidate is to be blamed for
        note(f"{traceback.format_exc()}softproof: the judge itself failed")
        return JUDGE_ITSELF
    finally:
        for file in files.values():
            file.discard()


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace, files: dict[str, ReportFile]) -> int:
    """What a command does, once all that it needs is known to fit."""
    prepare, run = _COMMANDS[options.command]
    try:
        prepared = prepare(options)
        files |= open_files((f"--{name}", getattr(options, name, None)) for name in FILES)
    except (ValueError, TypeError, OSError) as error:
        parser.error(printable(str(error)))
    for file in files.values():
        if file.trouble:
            note(f"softproof: {file.trouble}; there will be no such report")
    return run(options, prepared, files)


_CLASSES = ", ".join(f"{letter} {name}" for letter, name in NAMES.items())
_REQUIRE = f"outputs that must be judged, or the row does not agree: {EXPECTED}"
_KINDS = ", ".join(dict.fromkeys(kind for operation in OPERATIONS.values() for kind in operation.kinds))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="softproof", description=__doc__, formatter_class=_Formatter)
    parser.add_argument("--version", action="version", version=f"softproof {versions()['softproof']}")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("verify", help="judge implementations against the truth", formatter_class=_Formatter)
    command.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="a module, package.module:function, model.onnx or, with --adapter process, a command "
        "(default: the targets of [tool.softproof] in pyproject.toml)",
    )
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=Path("pyproject.toml"),
        help="where [tool.softproof] is (default: %(default)s)",
    )
    names = ", ".join(OPERATIONS)
    command.add_argument(
        "--operation", choices=OPERATIONS, metavar="NAME", help=f"what a function computes (default: its name): {names}"
    )
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: found out)")
    command.add_argument("--device", help="where tensors live: cpu (default), cuda, cuda:1")
    dtypes = "float64, float32, float16 or bfloat16; may be repeated (default: float64 and float32)"
    command.add_argument("--dtype", action="append", dest="dtypes", metavar="NAME", help=dtypes)
    command.add_argument("--examples", type=int, help=f"problems per row (default: {EXAMPLES})")
    command.add_argument("--seed", type=int, help="repeat a run (default: a new seed, which is printed)")
    command.add_argument(
        "--arithmetic",
        metavar="NAME",
        help=f"what the bounds assume (default: any-order): {', '.join(MODELS)}, or package.module:object",
    )
    command.add_argument("--accuracy", choices=CLASSES, help=f"accuracy class (default: C): {_CLASSES}")
    command.add_argument("--baseline", metavar="TARGET", help="class D: the implementation to compare with")
    command.add_argument("--require", action="append", metavar="NAME,…", help=_REQUIRE)
    command.add_argument("--factor", type=float, help="class D: how many times its error is allowed (default: 1)")
    _add_interface(command)
    command.add_argument(
        "--no-shrink",
        dest="shrink",
        action="store_false",
        help="report the first problem that fails, not the smallest",
    )
    _add_process(command)
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON")
    command.add_argument("--junit", type=Path, metavar="FILE", help="also write the report as JUnit XML")
    command.add_argument(
        "--expected-failures",
        type=Path,
        metavar="FILE",
        help="rows that you expect to fail, one a line, such as mine:softmax softmax float32 cpu",
    )
    command.add_argument(
        "--database", metavar="WHERE", help=f"keep failures there, and try them first the next time: {FORMS}"
    )
    command.add_argument("--regions", action="store_true", help="also print how many problems lay in each region")
    command.add_argument(
        "--power", action="store_true", help="also print how small an error of each output would be seen"
    )
    command = commands.add_parser(
        "init", help="add a commented [tool.softproof] to pyproject.toml", formatter_class=_Formatter
    )
    command.add_argument(
        "--config", type=Path, metavar="FILE", default=Path("pyproject.toml"), help="another file (%(default)s)"
    )
    command = commands.add_parser(
        "semantics",
        help="show what implementations do in edge cases, and what they should do",
        formatter_class=_Formatter,
    )
    command.add_argument("targets", nargs="+", metavar="TARGET", help="a module, or package.module:function")
    command.add_argument("--operation", choices=OPERATIONS, metavar="NAME", help="what a function computes")
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: found out)")
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    _add_interface(command)
    _add_process(command)
    command.add_argument("--write", type=Path, metavar="FILE", help="also write the Markdown there")
    command = commands.add_parser(
        "mutants", help="judge known wrong implementations, to test the judge", formatter_class=_Formatter
    )
    command.add_argument("names", nargs="*", metavar="NAME", help="names of mutants (default: all)")
    command.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0 on (default: %(default)s)")
    command.add_argument("--examples", type=int, default=EXAMPLES, help="problems per row (default: %(default)s)")
    command.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    command.add_argument("--write", type=Path, metavar="FILE", help="also write it as Markdown")
    command = commands.add_parser(
        "findings", help="reproduce what is known to be wrong in torch", formatter_class=_Formatter
    )
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    command.add_argument("--write", type=Path, metavar="FILE", help="also write the Markdown there")
    return parser


def _add_process(command: argparse.ArgumentParser) -> None:
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


def _add_interface(command: argparse.ArgumentParser) -> None:
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
        help=f"what to leave out: an option (weight, reduction, dim, …), one of {_KINDS}, layouts, or a behaviour "
        "check, such as 'after another backward'",
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
    group.add_argument("--output", type=int, metavar="N", help="which of several results is the value, counted from 0")


def _interface(options: argparse.Namespace) -> InterfaceArguments:
    """The arguments of `softproof.Interface` that were given."""
    found: InterfaceArguments = {"output": options.output, "ndim": options.ndim or ()}
    if options.supports is not None:
        found["supports"] = _split(options.supports)
    found["without"], found["writes"] = _split(options.without), _split(options.writes)
    found["names"] = dict(_pair("--name", each) for each in options.names or ())
    for name in ("fixed", "extra"):
        pairs = (_pair(f"--{name}", each) for each in getattr(options, name) or ())
        found[name] = {key: _literal(value) for key, value in pairs}
    return found


def _split(texts: Sequence[str] | None) -> list[str]:
    return [each.strip() for text in texts or () for each in text.split(",") if each.strip()]


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{option} {text}: expected NAME=VALUE")
    return name, value


def _literal(text: str) -> object:
    """A number, True, None, a list…, as Python writes them; anything else is a text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the description."""


def _prepare_verify(options: argparse.Namespace) -> Plan:
    """All that is asked, before any candidate starts."""
    return Plan.of(_settings(options), options.shrink)


def _prepare_init(options: argparse.Namespace) -> None:
    """Whether there is a place for the table."""
    folder = Path(os.path.realpath(options.config.parent))  # which does not mind a link to itself
    if not folder.is_dir():
        raise ValueError(f"--config {options.config}: there is no folder {folder}")


def _prepare_findings(options: argparse.Namespace) -> None:
    """Whether there is such a device."""
    findings.check_device(options.device)


def _prepare_semantics(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The arguments of each target."""
    given = {**_given_interface(options), "device": options.device, "in_process": options.in_process or None}
    names = (*LIMITS, *MORE, "sandbox")
    given |= {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    found = [{"target": target, **given} for target in options.targets]
    for arguments in found:
        check_target(arguments)
    return found


def _prepare_mutants(options: argparse.Namespace) -> None:
    """Whether there are such mutants, and how many problems they are asked."""
    _trial().check_names(options.names)
    for name in ("seeds", "examples"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}; expected at least 1")


def _given_interface(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of how a target is called, and nothing that it does not say."""
    found = {**_interface(options), "operation": options.operation, "adapter": options.adapter}
    return {name: value for name, value in found.items() if name == "supports" or value not in (None, (), [], {})}


def _settings(options: argparse.Namespace) -> Settings:
    """What is asked: the targets of the command line, or those of the table, as the command line overrides it."""
    given = {key: getattr(options, key.replace("-", "_")) for key in TERMS}
    given = {key: value for key, value in given.items() if value is not None}
    given |= {} if options.require is None else {"require": _split(options.require)}
    given |= {} if options.device is None else {"devices": [options.device]}
    of_one = _given_interface(options)
    if options.targets:
        common = {key.replace("-", "_"): value for key, value in given.items() if key != "devices"}
        device = options.device or "cpu"
        found = Settings(tuple({"target": each, "device": device, **common, **of_one} for each in options.targets))
    elif of_one:
        option = next(iter(of_one)).replace("names", "name")
        raise ValueError(f"--{option} is given, and no TARGET that it belongs to")
    elif not os.path.lexists(options.config):
        raise ValueError(f"no TARGET, and there is no {options.config}; `softproof init` writes one to start from")
    else:
        found = settings(options.config, given)
    seed = found.seed if options.seed is None else options.seed
    found = replace(found, seed=seed, database=options.database or found.database)
    return found if options.expected_failures is None else found.expecting(options.expected_failures)


def _init(options: argparse.Namespace, _prepared: None, _files: dict[str, ReportFile]) -> int:
    """Add the table, and say what to do next."""
    try:
        new = write_first(options.config)
    except (ValueError, OSError) as error:
        note(f"softproof init: {error}")
        return 2
    done = "wrote" if new else "added [tool.softproof] to"
    return 0 if say(f"{done} {options.config}; name your target there, then run: softproof verify") else JUDGE_ITSELF


def _semantics(options: argparse.Namespace, prepared: Sequence[Mapping[str, Any]], files: dict[str, ReportFile]) -> int:
    """Print what the targets do in the corners; that is no verdict, and the exit status is 0 whatever it is."""
    status = 0
    with ExitStack() as stack:
        candidates = []
        for arguments in prepared:
            try:
                candidates.append(stack.enter_context(closing(opened(arguments))))
            except (ValueError, TypeError) as error:
                note(f"{plain(arguments['target'])}: {CANNOT_LOAD}: {printable(str(error))}")
                status = 3
        if not candidates:
            return status
        text = semantics_report(candidates, options.device)
    return max(status, _tell(text, files, {"--write": lambda: text}))


def _tell(text: str, files: Mapping[str, ReportFile], contents: Mapping[str, Callable[[], str]]) -> int:
    """Print a report, and then write the files that were asked for: 0, or 4 where that cannot be done whole."""
    whole = say(text)
    for option, file in files.items():
        whole &= _written(file, contents[option])
    return 0 if whole else JUDGE_ITSELF


def _written(file: ReportFile, content: Callable[[], str]) -> bool:
    """Whether a file could be written."""
    try:
        digest = file.write(content() + "\n")
    except OSError as error:
        note(f"softproof: {file.said}: {error.strerror or error}")
    except Exception as error:  # of the report, as it is made: a fault of the judge's own
        note(f"softproof: {file.said}: {fault(error)}")
    else:
        note(f"{file.said} is written, SHA-256 {digest}")
        return True
    return False


def _trial() -> ModuleType:
    """softproof.mutants.trial, whose mutants are written in torch."""
    if not importlib.util.find_spec("torch"):
        raise ValueError("mutants are written in torch, which is not installed")
    return importlib.import_module("softproof.mutants.trial")


def _mutants(options: argparse.Namespace, _prepared: None, files: dict[str, ReportFile]) -> int:
    """Print what the judge made of the mutants."""
    trial, written = _trial(), options.json or options.write
    found = trial.trial(
        options.names or None,
        seeds=range(options.seeds),
        examples=options.examples,
        witnesses=written is not None,
        progress=_tried,
    )
    contents = {"--json": found.to_json, "--write": lambda: trial.document(found).removesuffix("\n")}
    return max(0 if found.ok else 1, _tell(trial.table(found), files, contents))


def _tried(text: str, number: int, total: int) -> None:
    """One line per mutant on standard error."""
    note(f"[{number}/{total}] {text}")


def _findings(options: argparse.Namespace, _prepared: None, files: dict[str, ReportFile]) -> int:
    """Print the report of the findings; the exit status is 0 whatever has become of them."""
    asked = findings.ask_all(device=options.device, progress=_asked)
    text = findings.findings_report(asked, options.device)
    status = _tell(text, files, {"--write": lambda: text})
    note(findings.summary(asked))
    return status


def _asked(asked: findings.Asked, number: int, total: int) -> None:
    """One line per finding on standard error."""
    note(f"[{number}/{total}] {asked.finding.name}: {asked.status}")


def _verify(options: argparse.Namespace, plan: Plan, files: dict[str, ReportFile]) -> int:
    """Print the report of all targets, and write it."""
    places = tuple(place for file in files.values() for place in file.places)
    report = judged(replace(plan, hidden=(*plan.hidden, *places)), _progress)
    try:
        more = [report.regions()] if options.regions else []
        more += [report.power()] if options.power else []
        text, status = "\n\n".join([str(report), *more, _summary(report)]), 0
    except Exception as error:  # a fault of the judge's own costs the details, and not the table
        text, status = f"{printable(table(report.rows))}\n\nthe judge failed to tell more: {fault(error)}", JUDGE_ITSELF
    status = max(status, _tell(text, files, {"--json": report.to_json, "--junit": lambda: junit(report)}))
    return report.status if report.interrupted else max(report.status, status)


def _progress(row: Row, number: int, total: int) -> None:
    """One line per finished row on standard error, so that standard output holds the report alone."""
    note(f"[{number}/{total}] {row.name}: {row.verdict}")


def _summary(report: Report) -> str:
    problems = sum(row.problems for row in report.rows)
    agreeing = sum(row.verdict == AGREES for row in report.rows)
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    asked = [row for row in report.rows if row.arithmetic]
    models = ", ".join(sorted({row.arithmetic for row in asked}))
    classes = ", ".join(sorted({f"{row.accuracy}, {NAMES[row.accuracy]}" for row in asked}))
    promise = f"accuracy class {classes}; arithmetic: {models}; docs/theory/bounds.md says what both promise\n"
    return (
        f"{agreeing} of {len(report.rows)} rows agree; {problems} problems; seed {report.seed}\n"
        "error/bound decides, above 1 disagrees; an ulp is that of the exact element, however small\n"
        f"{promise if asked else ''}{used}"
    )


Command = tuple[Callable[[argparse.Namespace], Any], Callable[[argparse.Namespace, Any, dict[str, ReportFile]], int]]
_COMMANDS: dict[str, Command] = {  # what is done before any candidate starts, and what then
    "verify": (_prepare_verify, _verify),
    "init": (_prepare_init, _init),
    "semantics": (_prepare_semantics, _semantics),
    "mutants": (_prepare_mutants, _mutants),
    "findings": (_prepare_findings, _findings),
}
