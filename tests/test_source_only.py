"""What a target's process runs is its source, and no cache that says it need not be compared with that."""

from __future__ import annotations

import importlib
import os
import py_compile
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import softproof
from softproof.candidates.source_only import from_source_only, is_installed
from softproof.cli.commands import main

RIGHT = """import numpy as np

def softmax(x, dim=-1):
    e = np.exp(x - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)
"""
WRONG = """import numpy as np

def softmax(x, dim=-1):
    return np.exp(x)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module and a package with one, both wrong, and caches of what is right, which name no time and no source."""
    (tmp_path / "inner").mkdir()
    for path in (tmp_path / "kern.py", tmp_path / "inner" / "part.py"):
        path.write_text(RIGHT)
        cache = py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        assert cache is not None
        assert Path(cache).exists()
        path.write_text(WRONG)
    (tmp_path / "inner" / "__init__.py").write_text("")
    (tmp_path / "outer.py").write_text("from inner.part import softmax\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


HOW = ["--operation", "softmax", "--dtype", "float32", "--examples", "5", "--seed", "1", "--adapter", "numpy"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("target", ["kern:softmax", "inner.part:softmax", "outer:softmax"])
def test_the_source_is_judged(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In a process of its own, and for a certificate."""
    assert main(["verify", target, *HOW]) == 1
    assert "disagrees" in capsys.readouterr().out
    assert main(["certify", target, *HOW, "--arithmetic", "any-order", "-o", "c.json"]) == 1


def test_the_source_of_an_editable_install_is_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another finder finds, as those that setuptools writes."""

    class Finder:
        @staticmethod
        def find_spec(name: str, _path: Any = None, _target: Any = None) -> Any:
            return spec_from_file_location(name, folder / "kern.py") if name == "an_editable_kernel" else None

    monkeypatch.setattr(sys, "meta_path", [object(), *sys.meta_path, Finder])  # one is of a time before find_spec
    from_source_only()
    from_source_only()
    assert sum(type(each).__module__ == from_source_only.__module__ for each in sys.meta_path) == 1
    module = importlib.import_module("an_editable_kernel")
    monkeypatch.delitem(sys.modules, "an_editable_kernel")
    assert module.softmax(np.zeros(2)).tolist() == [1.0, 1.0]  # which is wrong, as its source is
    assert type(getattr(importlib.import_module("json").__spec__, "loader", None)) is SourceFileLoader


def test_no_cache_is_written_or_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of its source would be taken by whoever imports it next, and is nobody's to change."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    before = {path: path.read_bytes() for path in folder.rglob("*.pyc")}
    (folder / "alone.py").write_text(RIGHT)
    assert main(["verify", "alone:softmax", *HOW, "--without", "empty,nonfinite,masked,scalars"]) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*.pyc")} == before


def test_what_is_installed_keeps_its_caches() -> None:
    """The standard library, packages, and the judge; nothing beside them."""
    import hypothesis

    for module in (os, hypothesis, softproof):
        assert is_installed(str(module.__file__)), module
    beside = Path(softproof.__file__).parents[1]
    for path in ("/home/me/kernel.py", str(Path(__file__)), os.path.join(sys.prefix, "..", "kernel.py"),
                 f"{beside}/softproof_kernels/kern.py", f"{beside}/softproof_mine.py",
                 "/home/me/site-packages/kern.py"):  # fmt: skip
        assert not is_installed(path), path
