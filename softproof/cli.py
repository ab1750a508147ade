"""The command line: ``softproof verify TARGET…``, ``softproof semantics TARGET…``, ``softproof mutants`` and
``softproof findings``.

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
from pathlib import Path
from types import ModuleType

from . import findings
from .accuracy import CLASSES, NAMES
from .implementation import ADAPTERS, Candidate
from .interface import InterfaceArguments
from .isolated import SECONDS
from .loading import load
from .models import MODELS, model
from .operations import OPERATIONS
from .report import Report, Row, versions
from .semantics import semantics_report
from .verify import EXAMPLES, check_terms, dtypes_of, load_baseline, settled, verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(Path.cwd()))  # targets are looked up from where the command runs, as by python -m
    try:
        candidates = _check(options)
    except (ValueError, TypeError) as error:
        parser.error(str(error))
    if options.command == "findings":
        return _findings(options)
    if options.command == "semantics":
        return _semantics(options)
    if options.command == "mutants":
        return _mutants(options)
    report = _verify(options, candidates)
    print(report)
    if options.regions:
        print(f"\n{report.regions()}")
    if options.power:
        print(f"\n{report.power()}")
    print(f"\n{_summary(report)}")
    if options.json is not None:
        options.json.write_text(report.to_json() + "\n")
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
        nargs="+",
        metavar="TARGET",
        help="a module, package.module:function, model.onnx, or with --adapter process a command",
    )
    names = ", ".join(OPERATIONS)
    command.add_argument(
        "--operation", choices=OPERATIONS, metavar="NAME", help=f"what a function computes (default: its name): {names}"
    )
    command.add_argument("--adapter", choices=ADAPTERS, help="the arrays that it takes (default: tried out)")
    command.add_argument("--device", default="cpu", help="where tensors live: cpu (default), cuda, cuda:1")
    dtypes = "float64, float32, float16 or bfloat16; may be repeated (default: float64 and float32)"
    command.add_argument("--dtype", action="append", dest="dtypes", metavar="NAME", help=dtypes)
    command.add_argument("--examples", type=int, default=EXAMPLES, help="problems per row (default: %(default)s)")
    command.add_argument("--seed", type=int, help="repeat a run (default: a new seed, which is printed)")
    command.add_argument(
        "--arithmetic",
        metavar="NAME",
        help=f"what the bounds assume (default: any-order): {', '.join(MODELS)}, or package.module:object",
    )
    command.add_argument("--accuracy", choices=CLASSES, default="C", help=f"the class that is asked for: {_CLASSES}")
    command.add_argument("--baseline", metavar="TARGET", help="for class D, whose error counts")
    command.add_argument("--factor", type=float, default=1.0, help="for class D, times that error (default: 1)")
    _add_interface(command)
    command.add_argument(
        "--no-shrink",
        dest="shrink",
        action="store_false",
        help="report the first problem found, not a smaller one",
    )
    command.add_argument("--in-process", action="store_true", help="in this process, not in one of its own")
    seconds = "for one question, in its own process (default: %(default)g)"
    command.add_argument("--time-limit", type=float, default=SECONDS, metavar="SECONDS", help=seconds)
    command.add_argument("--json", type=Path, metavar="FILE", help="write the report there as well")
    command.add_argument("--regions", action="store_true", help="print how many problems lay in each region as well")
    command.add_argument("--power", action="store_true", help="print what errors of each output would be seen as well")
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
        help=f"what is not asked: an option (weight, reduction, dim, …), or one of {_KINDS}",
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
    return [each for text in texts or () for each in text.split(",") if each]


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


def _check(options: argparse.Namespace) -> list[Candidate]:
    """Look at every argument before the first question is asked; what `verify` is to ask, ready."""
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
    baseline = load_baseline(options.accuracy, options.baseline, options.factor, options.operation)
    chosen = model(options.arithmetic)
    candidates = []
    for target in options.targets:
        candidate = settled(
            target,
            options.operation,
            options.adapter,
            options.device,
            options.dtypes,
            options.examples,
            _interface(options),
            in_process=options.in_process,
            time_limit=options.time_limit,
        )
        check_terms(candidate, baseline, chosen, dtypes_of(candidate, options.dtypes))
        candidates.append(candidate)
    return candidates


def _check_folder(option: str, file: Path | None) -> None:
    if file is not None and not file.resolve().parent.is_dir():
        raise ValueError(f"{option} {file}: there is no folder {file.resolve().parent}")


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


def _verify(options: argparse.Namespace, candidates: Sequence[Candidate]) -> Report:
    """The reports of all targets as one."""
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    rows: tuple[Row, ...] = ()
    for candidate in candidates:
        rows += verify(
            candidate,
            operation=options.operation,
            adapter=options.adapter,
            device=options.device,
            dtypes=options.dtypes,
            examples=options.examples,
            seed=seed,
            arithmetic=options.arithmetic,
            accuracy=options.accuracy,
            baseline=options.baseline,
            factor=options.factor,
            in_process=True,
            shrink=options.shrink,
            progress=_progress,
        ).rows
    return Report(rows, seed)


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
