"""The command line: ``softproof verify TARGET…``, ``softproof init``, ``softproof semantics TARGET…``,
``softproof mutants`` and ``softproof findings``.

Exit status: 0 all agree, or every mutant is killed, or the corners or findings were asked; 1 not so; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from . import findings
from .accuracy import CLASSES, NAMES
from .configuration import INTERFACE, TERMS, Settings, read_expected, settings, write_first
from .database import FORMS, database
from .implementation import ADAPTERS, Candidate
from .interface import InterfaceArguments
from .isolated import SECONDS
from .junit import junit
from .loading import load
from .models import MODELS, model
from .operations import OPERATIONS
from .report import Report, Row, versions
from .search import EXAMPLES
from .semantics import semantics_report
from .terms import check_terms, load_baseline
from .verify import dtypes_of, settled, verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(Path.cwd()))  # targets are looked up from where the command runs, as by python -m
    try:
        jobs = _check(options)
    except (ValueError, TypeError, OSError) as error:
        parser.error(str(error))
    if options.command == "findings":
        return _findings(options)
    if options.command == "semantics":
        return _semantics(options)
    if options.command == "mutants":
        return _mutants(options)
    if options.command == "init":
        return _init(options)
    report = _verify(options, jobs)
    if options.json is not None:
        options.json.write_text(report.to_json() + "\n")
    if options.junit is not None:
        options.junit.write_text(junit(report) + "\n")
    print(report)
    if options.regions:
        print(f"\n{report.regions()}")
    if options.power:
        print(f"\n{report.power()}")
    print(f"\n{_summary(report)}")
    return 0 if report.ok else 1


_CLASSES = ", ".join(f"{letter} {name}" for letter, name in NAMES.items())
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
        help="a module, package.module:function, model.onnx, or with --adapter process a command; "
        "without one, those of [tool.softproof] in pyproject.toml",
    )
    command.add_argument(
        "--config", type=Path, metavar="FILE", default=Path("pyproject.toml"), help="another pyproject.toml"
    )
    names = ", ".join(OPERATIONS)
    command.add_argument(
        "--operation", choices=OPERATIONS, metavar="NAME", help=f"what a function computes (default: its name): {names}"
    )
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: tried out)")
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
    command.add_argument("--accuracy", choices=CLASSES, help=f"the class that is asked for (default: C): {_CLASSES}")
    command.add_argument("--baseline", metavar="TARGET", help="for class D, whose error counts")
    command.add_argument("--factor", type=float, help="for class D, times that error (default: 1)")
    _add_interface(command)
    command.add_argument(
        "--no-shrink",
        dest="shrink",
        action="store_false",
        help="report the first problem found, not a smaller one",
    )
    command.add_argument(
        "--in-process", action="store_const", const=True, help="in this process, not in one of its own"
    )
    seconds = f"for one question, in its own process (default: {SECONDS:g})"
    command.add_argument("--time-limit", type=float, metavar="SECONDS", help=seconds)
    command.add_argument("--json", type=Path, metavar="FILE", help="write the report there as well")
    command.add_argument("--junit", type=Path, metavar="FILE", help="write it there as JUnit XML")
    command.add_argument(
        "--expected-failures",
        type=Path,
        metavar="FILE",
        help="rows that are expected not to agree, a line each, such as mine:softmax softmax float32 cpu",
    )
    command.add_argument(
        "--database", metavar="WHERE", help=f"where failures are kept, and asked first the next time: {FORMS}"
    )
    command.add_argument("--regions", action="store_true", help="print how many problems lay in each region as well")
    command.add_argument("--power", action="store_true", help="print what errors of each output would be seen as well")
    command = commands.add_parser(
        "init", help="add a commented [tool.softproof] to pyproject.toml", formatter_class=_Formatter
    )
    command.add_argument(
        "--config", type=Path, metavar="FILE", default=Path("pyproject.toml"), help="another file (%(default)s)"
    )
    command = commands.add_parser(
        "semantics", help="what implementations do in the corners, beside what is demanded", formatter_class=_Formatter
    )
    command.add_argument("targets", nargs="+", metavar="TARGET", help="a module, or package.module:function")
    command.add_argument("--operation", choices=OPERATIONS, metavar="NAME", help="what a function computes")
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: tried out)")
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    command.add_argument("--write", type=Path, metavar="FILE", help="write the Markdown there as well")
    command = commands.add_parser(
        "mutants", help="put known wrong implementations before the judge", formatter_class=_Formatter
    )
    command.add_argument("names", nargs="*", metavar="NAME", help="of a mutant (default: all)")
    command.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0 on (default: %(default)s)")
    command.add_argument("--examples", type=int, default=EXAMPLES, help="problems per row (default: %(default)s)")
    command.add_argument("--json", type=Path, metavar="FILE", help="write everything there for programs")
    command.add_argument("--write", type=Path, metavar="FILE", help="write the Markdown there")
    command = commands.add_parser(
        "findings", help="ask all known findings about torch again", formatter_class=_Formatter
    )
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    command.add_argument("--write", type=Path, metavar="FILE", help="write the Markdown there as well")
    return parser


def _add_interface(command: argparse.ArgumentParser) -> None:
    """How a target is called; softproof.Interface explains these."""
    group = command.add_argument_group("how the target is called, where that differs from torch; all may be repeated")
    group.add_argument(
        "--supports", action="append", metavar="NAME,…", help="optional inputs and options (default: as it is declared)"
    )
    group.add_argument(
        "--without",
        action="append",
        metavar="NAME,…",
        help=f"what is not asked: an option (weight, reduction, dim, …), one of {_KINDS}, layouts, or a way of asking "
        "again, such as 'after another backward'",
    )
    group.add_argument(
        "--name", action="append", dest="names", metavar="OURS=THEIRS", help="what it calls an input or an option"
    )
    group.add_argument(
        "--fixed", action="append", metavar="OPTION=VALUE", help="what holds of an option that it does not take"
    )
    group.add_argument("--extra", action="append", metavar="NAME=VALUE", help="an argument that it is always given")
    group.add_argument("--ndim", action="append", type=int, metavar="N", help="dimensions of the logits (default: any)")
    group.add_argument("--writes", action="append", metavar="NAME,…", help="inputs that it is documented to overwrite")
    group.add_argument("--output", type=int, metavar="N", help="which of its results is the value, counted from 0")


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


Job = tuple[Candidate, dict[str, Any]]  # and the arguments of `verify`


def _check(options: argparse.Namespace) -> list[Job]:
    """Look at every argument before the first question is asked; what `verify` is to ask, ready."""
    if options.command == "init":
        _check_folder("--config", options.config)
        return []
    if options.command == "findings":
        _check_folder("--write", options.write)
        findings.check_device(options.device)
        return []
    if options.command == "semantics":
        _check_folder("--write", options.write)
        for target in options.targets:
            candidate = load(target, options.operation, options.adapter)
            if candidate.adapter != "numpy":
                candidate.arrays.check_device(options.device)
        return []
    _check_folder("--json", options.json)
    if options.command == "mutants":
        _check_folder("--write", options.write)
        _trial().check_names(options.names)
        for name in ("seeds", "examples"):
            if getattr(options, name) < 1:
                raise ValueError(f"--{name} is {getattr(options, name)}; expected at least 1")
        return []
    _check_folder("--junit", options.junit)
    found = _settings(options)
    options.seed, options.expected = found.seed, found.expected
    options.database = None if found.database is None else database(found.database)
    return [_job(arguments) for arguments in found.targets]


def _job(arguments: dict[str, Any]) -> Job:
    """A candidate, and what `verify` is called with."""
    terms = {name: value for name, value in arguments.items() if name not in ("target", *INTERFACE)}
    interface = {name: value for name, value in arguments.items() if name in INTERFACE}
    operation, dtypes, factor = terms.get("operation"), terms.get("dtypes"), terms.get("factor", 1.0)
    baseline = load_baseline(terms.get("accuracy", "C"), terms.get("baseline"), factor, operation)
    chosen = model(terms.get("arithmetic"))
    candidate = settled(
        arguments["target"],
        operation,
        terms.get("adapter"),
        terms["device"],
        dtypes,
        terms.get("examples", EXAMPLES),
        interface,
        in_process=terms.pop("in_process", None),
        time_limit=terms.pop("time_limit", SECONDS),
    )
    check_terms(candidate, baseline, chosen, dtypes_of(candidate, dtypes))
    return candidate, terms


def _settings(options: argparse.Namespace) -> Settings:
    """What is asked: the targets of the command line, or those of the table, as the command line overrides it."""
    given = {key: getattr(options, key.replace("-", "_")) for key in TERMS}
    given = {key: value for key, value in given.items() if value is not None}
    given |= {} if options.device is None else {"devices": [options.device]}
    of_one = {**_interface(options), "operation": options.operation, "adapter": options.adapter}
    of_one = {name: value for name, value in of_one.items() if name == "supports" or value not in (None, (), [], {})}
    if options.targets:
        common = {key.replace("-", "_"): value for key, value in given.items() if key != "devices"}
        device = options.device or "cpu"
        found = Settings(tuple({"target": each, "device": device, **common, **of_one} for each in options.targets))
    elif of_one:
        option = next(iter(of_one)).replace("names", "name")
        raise ValueError(f"--{option} is given, and no TARGET that it belongs to")
    elif not options.config.is_file():
        raise ValueError(f"no TARGET, and there is no {options.config}; `softproof init` writes one to start from")
    else:
        found = settings(options.config, given)
    expected = found.expected if options.expected_failures is None else read_expected(options.expected_failures)
    seed = found.seed if options.seed is None else options.seed
    return replace(found, seed=seed, expected=expected, database=options.database or found.database)


def _check_folder(option: str, file: Path | None) -> None:
    if file is not None and not file.resolve().parent.is_dir():
        raise ValueError(f"{option} {file}: there is no folder {file.resolve().parent}")


def _init(options: argparse.Namespace) -> int:
    """Add the table, and say what to do next."""
    try:
        new = write_first(options.config)
    except ValueError as error:
        print(f"softproof init: {error}", file=sys.stderr)
        return 2
    done = "wrote" if new else "added [tool.softproof] to"
    print(f"{done} {options.config}; name your target there, then run: softproof verify")
    return 0


def _semantics(options: argparse.Namespace) -> int:
    """Print what the targets do in the corners; the exit status is 0 whatever that is."""
    candidates = [load(target, options.operation, options.adapter) for target in options.targets]
    text = semantics_report(candidates, options.device)
    print(text)
    if options.write is not None:
        options.write.write_text(text + "\n")
    return 0


def _trial() -> ModuleType:
    """softproof.mutants.trial, whose mutants are written in torch."""
    if not importlib.util.find_spec("torch"):
        raise ValueError("mutants are written in torch, which is not installed")
    return importlib.import_module(".mutants.trial", __package__)


def _mutants(options: argparse.Namespace) -> int:
    """Print what the judge made of the mutants."""
    trial, written = _trial(), options.json or options.write
    found = trial.trial(
        options.names or None,
        seeds=range(options.seeds),
        examples=options.examples,
        witnesses=written is not None,
        progress=_tried,
    )
    print(trial.table(found))
    if options.json is not None:
        options.json.write_text(found.to_json() + "\n")
    if options.write is not None:
        options.write.write_text(trial.document(found))
    return 0 if found.ok else 1


def _tried(text: str, number: int, total: int) -> None:
    """One line per mutant on standard error."""
    print(f"[{number}/{total}] {text}", file=sys.stderr, flush=True)


def _findings(options: argparse.Namespace) -> int:
    """Print the report of the findings; the exit status is 0 whatever has become of them."""
    asked = findings.ask_all(device=options.device, progress=_asked)
    text = findings.findings_report(asked, options.device)
    print(text)
    if options.write is not None:
        options.write.write_text(text + "\n")
    print(findings.summary(asked), file=sys.stderr)
    return 0


def _asked(asked: findings.Asked, number: int, total: int) -> None:
    """One line per finding on standard error."""
    print(f"[{number}/{total}] {asked.finding.name}: {asked.status}", file=sys.stderr, flush=True)


def _verify(options: argparse.Namespace, jobs: Sequence[Job]) -> Report:
    """The reports of all targets as one."""
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    rows: tuple[Row, ...] = ()
    for candidate, terms in jobs:
        rows += verify(
            candidate,
            **terms,
            seed=seed,
            in_process=True,
            shrink=options.shrink,
            database=options.database,
            progress=_progress,
        ).rows
    return Report(rows, seed, options.expected)


def _progress(row: Row, number: int, total: int) -> None:
    """One line per finished row on standard error, so that standard output holds the report alone."""
    asked = f"{row.implementation} {row.operation} {row.dtype} {row.device}"
    print(f"[{number}/{total}] {asked}: {row.verdict}", file=sys.stderr, flush=True)


def _summary(report: Report) -> str:
    problems = sum(row.problems for row in report.rows)
    agreeing = sum(row.ok for row in report.rows)
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    models = ", ".join(sorted({row.arithmetic for row in report.rows}))
    classes = ", ".join(sorted({f"{row.accuracy}, {NAMES[row.accuracy]}" for row in report.rows}))
    return (
        f"{agreeing} of {len(report.rows)} rows agree; {problems} problems; seed {report.seed}\n"
        "error/bound decides, above 1 disagrees; an ulp is that of the exact element, however small\n"
        f"accuracy class {classes}; arithmetic: {models}; docs/bounds.md says what both promise\n{used}"
    )
