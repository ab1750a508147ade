"""Every term of every bound, and whether some test turns red without it.

python -m audits.bound_terms --jobs 2 --log bound_terms.jsonl   # all of softproof/bounds, in some hours
python -m audits.bound_terms --only softmax.py --seconds 60     # one file, with no more than a minute of tests each

A summand is taken out of one sum, an argument out of one product of roundings, or one from a count of roundings. The
changed function takes the place of the old one in a forked child, which runs tests that call it, the cheapest first,
until one fails. A line of the log is one term, and a run goes on where its log ends.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

from _pytest.runner import runtestprotocol

import softproof

from .stubs import functions
from .warm import FAILED, Job, Warm, collected

FOLDER = Path(softproof.__file__).parent
SUMS, PRODUCTS, COUNTS = "summand", "rounding", "count"
NAMES = (
    *("theorems", "second_order_theorems", "second_order", "bounds", "overflow", "lost_terms", "logsumexp"),
    *("accurate", "exact_arithmetics", "models", "right_variants", "constants", "information", "unspecified"),
    *("judge", "compare", "findings", "stages"),
)


@dataclass(frozen=True)
class Term:
    """One part of an expression in a function, and the source of that function without it."""

    function: str
    line: int
    kind: str
    text: str
    code: CodeType

    @property
    def name(self) -> str:
        """Under which the log has it."""
        return f"{self.function} {self.kind} {self.text}"


# ---- what is taken out ----------------------------------------------------------------------------------------------


def terms(path: Path) -> Iterator[Term]:
    """The terms of all functions of a file."""
    tree = ast.parse(path.read_text())
    place, count = path.relative_to(FOLDER), 0
    for function, qualified in _functions(tree):
        for node in ast.walk(function):
            for kind, text, change in _changes(node):
                before = copy.copy(node.__dict__)
                change()
                code = _code(compile(ast.fix_missing_locations(tree), str(path), "exec"), qualified)
                node.__dict__.clear()
                node.__dict__.update(before)
                count += 1
                yield Term(f"{place}::{qualified}", getattr(node, "lineno", 0), kind, text, code)


def _functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node, node.name
        elif isinstance(node, ast.ClassDef):
            yield from ((each, f"{node.name}.{each.name}") for each in node.body if isinstance(each, ast.FunctionDef))


Change = Callable[[], None]


def _changes(node: ast.AST) -> Iterator[tuple[str, str, Change]]:
    """What may be taken out at a node, in words, and how."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for gone, left in ((node.right, node.left), (node.left, node.right)):
            chain = isinstance(gone, ast.BinOp) and isinstance(gone.op, ast.Add)
            if not isinstance(gone, ast.Constant) and not chain:
                yield SUMS, f"{ast.unparse(gone)} in {ast.unparse(node)}", _become(node, ast.BinOp(
                    left, ast.Add(), ast.Constant(0)))  # fmt: skip
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        yield SUMS, f"{ast.unparse(node.value)} in {ast.unparse(node)}", _become(
            node, ast.AugAssign(node.target, node.op, ast.Constant(0)))  # fmt: skip
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "rmul":
        for i, gone in enumerate(node.args):
            rest = [each for k, each in enumerate(node.args) if k != i]
            yield PRODUCTS, f"{ast.unparse(gone)} in {ast.unparse(node)}", _become(
                node, ast.Call(node.func, rest, node.keywords))  # fmt: skip
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "powers":
        fewer = ast.BinOp(node.args[0], ast.Sub(), ast.Constant(1))
        yield COUNTS, f"1 of {ast.unparse(node)}", _become(
            node, ast.Call(node.func, [fewer, *node.args[1:]], node.keywords))  # fmt: skip


def _become(node: ast.AST, other: ast.AST) -> Change:
    """Let a node be what another of its kind is."""

    def change() -> None:
        ast.copy_location(other, node)
        node.__dict__.update(other.__dict__)

    return change


def _code(module: CodeType, qualified: str) -> CodeType:
    """The code of a function in that of its module."""
    found = [each for each in module.co_consts if isinstance(each, CodeType)]
    for each in found:
        if each.co_qualname == qualified:
            return each
    return next(_code(each, qualified) for each in found if qualified.startswith(f"{each.co_qualname}."))


# ---- the run --------------------------------------------------------------------------------------------------------


def attend(warm: Warm, asked: list[Term], log: Path, jobs: int, seconds: float) -> None:
    """Run tests without each term; first each test with all of them, which tells what it calls."""
    calls = _calls(warm, log.with_suffix(".calls.jsonl"), jobs)
    done = {json.loads(line)["term"] for line in log.read_text().splitlines()} if log.exists() else set()
    todo, running = [each for each in asked if each.name not in done], dict[int, tuple[Term, int]]()
    with log.open("a") as out:
        while todo or running:
            while todo and len(running) < jobs:
                term = todo.pop()
                read, write = os.pipe()
                running[_forked(warm, term, _tests(calls, term.function, seconds), write)] = term, read
                os.close(write)
            pid, _ = os.wait()
            term, read = running.pop(pid)
            with os.fdopen(read) as said:
                killer = said.read()
            record = {"term": term.name, "line": term.line, "killed by": killer}
            print(json.dumps(record, ensure_ascii=False), file=out, flush=True)
            print(f"{len(todo) + len(running):4d} left; {'red' if killer else 'GREEN'}: {term.name}", flush=True)


def _calls(warm: Warm, file: Path, jobs: int) -> list[dict[str, Any]]:
    """Of each test what it calls, and how long it takes, the cheapest first."""
    if not file.exists():
        whole = [Job((each,)) for each in warm.items]
        file.write_text("".join(f"{json.dumps(found[0])}\n" for _, found in warm.run(whole, jobs)))
    records = [json.loads(line) for line in file.read_text().splitlines()]
    return sorted(
        (each for each in records if each["test"] in warm.items and each["outcome"] == "passed"),
        key=lambda each: float(each["seconds"]),
    )


def _tests(calls: list[dict[str, Any]], function: str, seconds: float) -> list[str]:
    found, total = list[str](), 0.0
    for each in calls:
        if function in each["functions"] and total + each["seconds"] <= seconds:
            found.append(each["test"])
            total += each["seconds"]
    return found


def _forked(warm: Warm, term: Term, tests: list[str], write: int) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        functions()[term.function].itself.__code__ = term.code
        signal.alarm(600)
        for test in tests:
            if warm.outcome_of(partial(runtestprotocol, warm.items[test], nextitem=None, log=False)) in FAILED:
                os.write(write, test.encode())
                break
    finally:
        os._exit(0)


def main() -> None:
    """The list of terms that no test misses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="terms whose name has this in it")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of tests for each term, as they take by themselves"
    )
    parser.add_argument("--log", type=Path, default=Path("bound_terms.jsonl"))
    arguments = parser.parse_args()
    asked = [each for path in sorted((FOLDER / "bounds").glob("*.py")) for each in terms(path)]
    asked = [each for each in asked if arguments.only in each.name and each.function in functions()]
    random.Random(0).shuffle(asked)
    tests = [name for name in (f"tests/test_{each}.py" for each in NAMES) if Path(name).exists()]
    tests.append("softproof/bounds")
    started = time.monotonic()
    collected(lambda warm: attend(warm, asked, arguments.log, arguments.jobs, arguments.seconds), tests)
    named = {each.name for each in asked}
    records = [json.loads(line) for line in arguments.log.read_text().splitlines()]
    records = [each for each in records if each["term"] in named]
    left = [each for each in records if not each["killed by"]]
    for each in left:
        print(f"no test misses line {each['line']}, {each['term']}")
    print(f"{len(records)} terms, {len(left)} that no test misses (the goal is 0); {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
