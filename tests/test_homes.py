"""What an operation needs is found from its record, and what it lacks is named."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from softproof import OPERATIONS
from softproof.problem.homes import entries, functions, home, in_home

FOLDERS = ("softproof.truth", "softproof.bounds", "softproof.generation")


@pytest.mark.parametrize("package", FOLDERS)
def test_every_operation_has_its_function(package: str) -> None:
    """In the file of its home."""
    assert {name: each.__module__ for name, each in functions(package).items()} == {
        name: f"{package}.{about.home}" for name, about in OPERATIONS.items()
    }


@pytest.mark.parametrize("package", FOLDERS)
def test_a_missing_file_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the operation that lacks it."""
    monkeypatch.setitem(OPERATIONS, "tempered", replace(OPERATIONS["softmax"], home="nowhere"))

    with pytest.raises(ImportError, match=re.escape(f"tempered has no {package.replace('.', '/')}/nowhere.py")):
        functions(package)


def test_a_missing_function_and_a_missing_entry_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there, and nothing in it is of that name."""
    monkeypatch.setitem(OPERATIONS, "tempered", OPERATIONS["softmax"])

    with pytest.raises(ImportError, match=re.escape("tempered has no tempered in softproof/truth/softmax.py")):
        functions("softproof.truth")
    with pytest.raises(ImportError, match=re.escape("tempered has no entry in CITED of softproof.bounds.softmax")):
        entries("softproof.bounds", "CITED")


def test_an_error_in_a_file_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that it imports and that is not there is not taken for the file."""
    monkeypatch.setattr("softproof.problem.homes.import_module", lambda _: __import__("nowhere_at_all"))

    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        home("softproof.truth", "softmax")
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        in_home("softproof.truth", "softmax", "softmax")
