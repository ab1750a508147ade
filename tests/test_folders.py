"""What each folder of the judge may import: only what stands above it in one table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import softproof

ROOT = Path(__file__).parent.parent

# Each part of softproof/, level by level; it imports from its own folder and from levels above its own.
LEVELS = (
    ("problem",),
    ("candidates", "truth", "generation"),
    ("bounds",),
    ("verdicts",),
    ("properties", "diagnosis"),
    ("reports",),
    ("runs",),
    ("certificates", "grading"),
    ("mutants", "cli"),
    ("__main__",),
)
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
FILES = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "softproof").rglob("*.py"))]


def part_of(path: str) -> str:
    """The folder or file of softproof/ that a path lies in."""
    return path.split("/")[1].removesuffix(".py")


def imported(path: str, source: str) -> Iterator[str]:
    """The parts of softproof/ that a file imports from, wherever in the file."""
    here = path.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("softproof."))
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - node.level + 1] * bool(node.level), *(node.module or "").split(".")]
            names = list(filter(None, base))
            if names[:1] == ["softproof"]:
                yield from [names[1]] if len(names) > 1 else (alias.name for alias in node.names)


def upward(path: str, source: str) -> list[str]:
    """The parts that a file imports from although they do not stand above its own."""
    own = part_of(path)
    return sorted({each for each in imported(path, source) if each != own and LEVEL[each] >= LEVEL[own]})


def test_every_part_has_its_level() -> None:
    """The table names what is there, and nothing else."""
    assert {part_of(path) for path in FILES} == {*LEVEL, "__init__"}


@pytest.mark.parametrize("path", [path for path in FILES if path != "softproof/__init__.py"])
def test_imports_run_one_way(path: str) -> None:
    """From `problem` down to the command line, and never back."""
    assert upward(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("softproof/problem/rows.py", "from ..truth.solver import solve", ["truth"]),
        ("softproof/truth/solver.py", "from ..bounds import models", ["bounds"]),
        ("softproof/truth/solver.py", "from ..generation import large", ["generation"]),
        ("softproof/candidates/adapters/process.py", "from ...runs.search import search", ["runs"]),
        ("softproof/verdicts/elements.py", "def f():\n    import softproof.cli.commands", ["cli"]),
        ("softproof/reports/report.py", "from softproof import mutants", ["mutants"]),
        ("softproof/runs/search.py", "from ..generation.coverage import REGIONS", []),
        ("softproof/runs/search.py", "from .criteria import Criteria", []),
    ],
)
def test_the_test_of_levels_can_fail(path: str, source: str, found: list[str]) -> None:
    """An import that runs up is seen in each form that it may have."""
    assert upward(path, source) == found


def test_the_tree_stays_small() -> None:
    """A reader takes in 16 names, and nine levels of folders."""
    names = [path.name for path in (ROOT / "softproof").iterdir() if path.name != "__pycache__"]

    assert len(names) <= 16
    assert len([parts for parts in LEVELS if parts != ("__main__",)]) <= 9


def test_readme_has_the_folders_in_this_order() -> None:
    """Its map goes down the levels, and none is missing."""
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| &emsp;`")]
    names = [name for line in lines for name in re.findall(r"`(\w+)/`", line.split(" | ")[0])]

    assert set(names) == {path.name for path in (ROOT / "softproof").iterdir() if (path / "__init__.py").exists()}
    assert [LEVEL[name] for name in names] == sorted(LEVEL[name] for name in names)


def test_no_public_name_is_that_of_a_module() -> None:
    """`softproof.judge` is a function, and no module is called that."""
    modules = {Path(path).stem for path in FILES} | {part_of(path) for path in FILES}

    assert modules & set(softproof.__all__) == set()
    assert "problem" in modules
    assert "judge" in softproof.__all__
