"""Who may import whom, and that the two halves are a twin."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import manual
import reference

ROOT = Path(__file__).parent.parent
OURS = {"manual", "reference", "softproof", "tests", "conftest", "examples", "benchmarks", "audits"}

# What each part may import besides the standard library and itself; the longest path that fits a file counts.
ALLOWED: dict[str, set[str]] = {
    "manual": {"numpy"},
    "reference": {"torch", "numpy"},
    "softproof": {"numpy", "hypothesis", "flint"},
    "softproof/candidates/adapters/torch_arrays.py": {"numpy", "torch"},
    "softproof/candidates/adapters/torch_directions.py": {"torch"},
    "softproof/candidates/adapters/torch_modules.py": {"torch"},
    "softproof/candidates/adapters/jax_arrays.py": {"numpy", "jax"},
    "softproof/runs/testing.py": {"pytest"},
    "softproof/runs/failures.py": {"hypothesis", "redis"},
    "softproof/mutants": {"numpy", "torch"},
    "softproof/mutants/right": {"numpy", "hypothesis"},
}


def imports(source: str) -> Iterator[str]:
    """The absolute modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module


def forbidden(path: str, source: str) -> list[str]:
    """The imports in a file at `path` that the table does not allow."""
    part = max((prefix for prefix in ALLOWED if path.startswith(prefix)), key=len)
    tops = {name.split(".")[0] for name in imports(source)} - set(sys.stdlib_module_names)
    return sorted(tops - ALLOWED[part] - {part.split("/")[0]})


FILES = [path.relative_to(ROOT).as_posix() for part in ("manual", "reference", "softproof")
         for path in sorted((ROOT / part).rglob("*.py"))]  # fmt: skip


@pytest.mark.parametrize("path", FILES)
def test_imports_follow_the_table(path: str) -> None:
    """manual imports numpy only, reference torch, and the judge neither of the two."""
    assert forbidden(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("manual/softmax.py", "import torch", ["torch"]),
        ("manual/softmax.py", "def f():\n    from scipy import special", ["scipy"]),
        ("reference/softmax.py", "from manual.arrays import floats", ["manual"]),
        ("softproof/truth/solver.py", "import torch.nn", ["torch"]),
        ("softproof/candidates/adapters/torch_arrays.py", "import reference", ["reference"]),
        ("softproof/cli/commands.py", "import tests.helpers.candidates", ["tests"]),
    ],
)
def test_the_import_test_can_fail(path: str, source: str, found: list[str]) -> None:
    """Each rule broken once."""
    assert forbidden(path, source) == found


TWINS = "tests/exploits/test_twins.py"  # which runs tests of its folder once more, where one protection is off
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))


def imported_tests(path: str, source: str) -> list[str]:
    """The test modules that a file imports from, wherever in the file."""
    found = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found |= {*(node.module or "").split("."), *(alias.name for alias in node.names if not node.module)}
            found |= {alias.name for alias in node.names if node.module in ("tests", "tests.exploits")}
        elif isinstance(node, ast.Import):
            found |= {each for alias in node.names for each in alias.name.split(".")}
    return sorted(f"{path}: {each}" for each in found if re.fullmatch(r"test_\w+", each))


@pytest.mark.always
def test_no_test_imports_a_test() -> None:
    """What two share is in tests/helpers/, and what is wrong in tests/wrong/."""
    assert [each for path in TESTS if path != TWINS for each in imported_tests(path, (ROOT / path).read_text())] == []


@pytest.mark.parametrize(
    "source",
    ["from .test_cli import run", "from tests.test_cli import run", "from . import test_cli",
     "from tests import test_cli", "def f():\n    import tests.test_cli"],
)  # fmt: skip
def test_the_test_of_tests_can_fail(source: str) -> None:
    """In each form that an import may have."""
    assert imported_tests("tests", source) == ["tests: test_cli"]


LONGEST = 300  # lines
TABLES = {"softproof/mutants/published.py"}  # of data, which may be longer


def too_long(lines: dict[str, int]) -> list[str]:
    """The files that are longer and no tables, and the tables that need not be named."""
    return sorted(path for path, count in lines.items() if (count > LONGEST) != (path in TABLES))


def test_no_file_is_too_long() -> None:
    """One idea each; a table of data is named."""
    assert too_long({path: len((ROOT / path).read_text().splitlines()) for path in FILES}) == []


def test_the_test_of_lengths_can_fail() -> None:
    """By a file that is too long, and by a table that is short."""
    table, *_ = TABLES

    assert too_long({"manual/softmax.py": LONGEST, table: LONGEST + 1}) == []
    assert too_long({"manual/softmax.py": LONGEST + 1, table: LONGEST}) == sorted(["manual/softmax.py", table])


MOST = 15  # methods of a class of candidates/


def too_many(path: str, source: str) -> list[str]:
    """The classes of a file that have more methods than that."""
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    return [
        f"{path}: {one.name}" for one in classes if sum(isinstance(each, ast.FunctionDef) for each in one.body) > MOST
    ]


def test_no_candidate_does_everything() -> None:
    """What a candidate is, what it can do, how it is called and where it lives are parts of their own."""
    paths = [path for path in FILES if path.startswith("softproof/candidates/")]
    assert [each for path in paths for each in too_many(path, (ROOT / path).read_text())] == []


def test_the_test_of_methods_can_fail() -> None:
    """By one method more."""
    methods = [f"    def m{number}(self): ...\n" for number in range(MOST + 1)]

    assert too_many("p", "class A:\n" + "".join(methods[:MOST])) == []
    assert too_many("p", "class A:\n" + "".join(methods)) == ["p: A"]


def test_problem_imports_nothing_of_ours() -> None:
    """The question and the answer stand alone."""
    tree = ast.parse((ROOT / "softproof/problem/problem.py").read_text())

    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]


@pytest.mark.parametrize(("package", "absent"), [("manual", "torch"), ("softproof", "torch"), ("softproof", "manual")])
def test_importing_does_not_load_what_it_may_not(package: str, absent: str) -> None:
    """In a fresh process, and indirectly too."""
    code = f"import sys, {package}; sys.exit({absent!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_process_test_can_fail() -> None:
    """reference does load torch, and the same code says so."""
    code = "import sys, reference; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 1


def test_the_halves_have_the_same_files() -> None:
    """Reading one beside the other teaches the subject."""
    names = [{path.name for path in (ROOT / part).glob("*.py")} for part in ("manual", "reference")]

    assert names[0] == names[1]


def _public(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if inspect.isfunction(value)}


def test_the_halves_have_the_same_functions() -> None:
    """Name by name."""
    assert _public(manual).keys() == _public(reference).keys()


@pytest.mark.parametrize("name", sorted(_public(manual)))
def test_the_halves_have_the_same_arguments(name: str) -> None:
    """In the same order with the same defaults, and device besides."""
    by_hand, by_torch = (inspect.signature(_public(half)[name]).parameters for half in (manual, reference))

    shared = {key: value for key, value in by_torch.items() if key != "device"}
    assert "device" in by_torch
    assert [(p.name, p.kind, p.default) for p in by_hand.values()] == [
        (p.name, p.kind, p.default) for p in shared.values()
    ]


@pytest.mark.parametrize("name", sorted(_public(manual)))
def test_public_functions_are_documented(name: str) -> None:
    """With an example that runs as a doctest, in both halves."""
    for half in (manual, reference):
        assert ">>>" in (inspect.getdoc(_public(half)[name]) or ""), f"{half.__name__}.{name}"
