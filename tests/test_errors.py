"""Bad input gets an error that names the argument, what it is and what was expected; nothing else happens.

The wrong calls are in tests/errors/, by subject. Both halves are called alike.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import softproof
from softproof import Candidate, Problem

from .errors import TABLES
from .errors.inputs import ARRAYS, Call
from .helpers.recorder import PublicRecorder, public

CASES = [pytest.param(module, *case, id=f"{module.__name__}: {name}")
         for module, table in TABLES.items() for name, case in table.items()]  # fmt: skip
GIVEN = {
    softproof: {"Bank", "Grade", "Implementation"}
}  # records that the judge gives, and a protocol: nobody makes one


def _pattern(words: str) -> str:
    """The words literally, save the optional prefix that torch gives its dtypes."""
    return re.escape(words).replace(re.escape("(torch.)?"), r"(torch\.)?")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """The questions that any candidate of this process is asked."""
    questions = list[Problem]()
    monkeypatch.setattr(Candidate, "answer", lambda _candidate, problem, *_device: questions.append(problem))
    return questions


@pytest.mark.parametrize(("module", "call", "kind", "words"), CASES)
def test_the_error_names_both_sides(
    module: ModuleType,
    call: Call,
    kind: type[BaseException],
    words: str,
    asked: list[Problem],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Kind and text; a command exits with 2. Nobody is asked, nothing is written, and the arguments are as before."""
    monkeypatch.chdir(tmp_path)
    before = [array.copy() for array in ARRAYS]

    with pytest.raises(kind) as raised:
        call(module)

    printed = capsys.readouterr()
    assert re.search(_pattern(words), printed.err if kind is SystemExit else str(raised.value))
    assert getattr(raised.value, "code", 2) == 2
    assert (printed.out, asked, [*tmp_path.iterdir()]) == ("", [], [])
    assert all((array == copy).all() for array, copy in zip(ARRAYS, before, strict=True))


@pytest.mark.parametrize("module", TABLES, ids=lambda module: module.__name__)
def test_everything_public_is_in_a_table(module: ModuleType) -> None:
    """What can be called is, with at least one wrong argument."""
    recorder: Any = PublicRecorder(module)
    for call, kind, _ in TABLES[module].values():
        with pytest.raises(kind):
            call(recorder)

    assert public(module) - GIVEN.get(module, set()) == recorder.used
