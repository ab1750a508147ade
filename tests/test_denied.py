"""A kernel that fails because of its sandbox is told what the sandbox did, and the option that allows it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import softproof
from softproof.candidates.isolation.denied import advice
from softproof.candidates.isolation.protections import ALL, Protection, complete
from softproof.candidates.isolation.start import Place
from softproof.cli import commands

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
KERNEL = """
import ctypes, os, shutil, socket, subprocess, urllib.request
import numpy as np
def softmax(logits, dim=-1):
    CODE
    x = np.exp(logits - logits.max(axis=dim, keepdims=True, initial=-np.inf))
    return x / x.sum(axis=dim, keepdims=True)
"""
READ, WRITE = "The sandbox does not let it read {}: ", "The sandbox does not let it write {}: "
WEIGHTS, TOOL = "PLACE/some weights/a.bin", "PLACE/toolkit/bin/tool"
NETWORK, SECRET = "The sandbox has no network", "copy it to a folder that holds nothing else: --sandbox-read DIR"
ARGUMENTS: dict[str, Any] = {
    "operation": "softmax",
    "adapter": "numpy",
    "dtypes": ["float32"],
    "examples": 2,
    "seed": 0,
}
EVERYTHING = complete(Protection(name, True, "?") for name in ALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with weights and a program, beside that of a kernel."""
    for each in ("own", "home", "toolkit/bin", "some weights"):
        (tmp_path / each).mkdir(parents=True)
    (tmp_path / "toolkit" / "bin" / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "toolkit" / "bin" / "tool").chmod(0o755)
    (tmp_path / "some weights" / "a.bin").touch()
    (tmp_path / "home" / ".key").touch()
    (tmp_path / "own" / "report.json").touch()
    monkeypatch.chdir(tmp_path / "own")
    monkeypatch.syspath_prepend(tmp_path / "own")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OF_MY_KERNEL", "1")
    monkeypatch.setenv("TOKEN_OF_MINE", "1")
    return tmp_path


def reason(place: Path, code: str, **more: Any) -> str:
    """Of its row."""
    (place / "own" / "denied.py").write_text(KERNEL.replace("CODE", code.replace("PLACE", str(place))))
    (row,) = softproof.verify("denied:softmax", **{**ARGUMENTS, "sandbox": "strict", **more}).rows
    assert row.verdict == ("cannot ask" if row.outcome.reason else "agrees")
    return row.outcome.reason.replace(str(place), "PLACE")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("open('PLACE/some weights/a.bin')", READ.format(WEIGHTS) + "--sandbox-read 'PLACE/some weights'"),
        ("os.listdir('PLACE/some weights')", READ.format("PLACE/some weights") + "--sandbox-read 'PLACE/some weights'"),
        ("subprocess.run(['PLACE/toolkit/bin/tool'])", READ.format(TOOL) + "--sandbox-read PLACE/toolkit"),
        ("subprocess.run('PLACE/toolkit/bin/tool -v', shell=True, check=True)", "--sandbox-read PLACE/toolkit"),
        ("ctypes.CDLL('PLACE/some weights/a.bin')", READ.format(WEIGHTS)),
        ("open('PLACE/home/.key')", READ.format("PLACE/home/.key") + SECRET),
        ("open('cache', 'w')", WRITE.format("PLACE/own/cache") + "it writes in its scratch folder alone"),
        ("open('denied.py', 'a')", WRITE.format("PLACE/own/denied.py")),
        ("os.makedirs('PLACE/toolkit/cache')", WRITE.format("PLACE/toolkit/cache")),
        ("socket.create_connection(('127.0.0.1', 9))", NETWORK),
        ("urllib.request.urlopen('http://127.0.0.1:9/')", NETWORK),
        ("socket.getaddrinfo('localhost.invalid', 9)", NETWORK),
        ("os.environ['OF_MY_KERNEL']", "It is not given the variable OF_MY_KERNEL: --sandbox-env OF_MY_KERNEL"),
        ("os.environ['TOKEN_OF_MINE']", "TOKEN_OF_MINE, if it is no secret: --sandbox-env TOKEN_OF_MINE"),
    ],
)  # fmt: skip
def test_what_a_sandbox_denies_is_told(code: str, words: str, place: Path) -> None:
    """And not how it is to be called."""
    said = reason(place, code)

    assert said.startswith("cannot ask: it answers no question: raised "), said
    assert words in said
    assert "--name" not in said


def test_what_a_program_prints_gives_no_commands_to_a_terminal(place: Path) -> None:
    """Nor does it end the line."""
    (place / "own" / "script").write_text("printf 'first\\n/a\\033[31mb: Permission denied\\nlast' >&2; exit 3")
    said = reason(place, "subprocess.run('true; . ./script', shell=True, check=True)")
    assert said.isprintable()
    assert WRITE.format(r"/a\x1b[31mb") in said


def test_the_option_that_is_told_helps(place: Path) -> None:
    """With it the kernel agrees."""
    weights, variable = "open('PLACE/some weights/a.bin')", "os.environ['OF_MY_KERNEL']"
    assert reason(place, weights, sandbox_read=[str(place / "some weights")]) == ""
    assert reason(place, variable, sandbox_env=["OF_MY_KERNEL"]) == ""
    assert "--sandbox-env OF_MY_KERNEL" in reason(place, variable, sandbox="off")  # nobody is given all variables


@pytest.mark.parametrize(
    "code",
    ["raise ValueError('no kernel')", "{}['OF_ANOTHER']", "raise OSError('connection lost')", "{}['PATH']",
     "raise ValueError('OF_MY_KERNEL is no mode')"],
)  # fmt: skip
def test_another_error_is_none_of_the_sandbox(code: str, place: Path) -> None:
    """It is told as ever, how the kernel is to be called."""
    said = reason(place, code)
    assert "Describe how it is called: --name" in said
    assert "sandbox" not in said


def test_what_is_denied_later_is_no_wrong_number(place: Path) -> None:
    """A kernel that reads a file for some inputs."""
    said = reason(place, "logits.size > 4 and open('PLACE/some weights/a.bin')", examples=20)
    assert said.startswith("cannot ask: raised PermissionError at denied.py:5"), said
    assert "--sandbox-read 'PLACE/some weights'" in said


def test_what_is_denied_at_the_import_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By `verify`; and by `init`, where a question is asked."""
    (place / "own" / "importing.py").write_text(f"open({str(place / 'some weights' / 'a.bin')!r})\n")
    (place / "own" / "asked.py").write_text(KERNEL.replace("CODE", "open('cache', 'w')"))
    assert commands.main(["verify", "importing:softmax", "--sandbox"]) != 0
    assert f"--sandbox-read '{place}/some weights'" in capsys.readouterr().out
    assert commands.main(["init", "asked:softmax", "--sandbox"]) != 0
    said = capsys.readouterr()
    assert WRITE.format(place / "own" / "cache") in said.out + said.err


@pytest.mark.parametrize(
    "words",
    [
        "gcc: fatal error: cannot execute 'PLACE/toolkit/bin/tool': execvp: Permission denied",
        "sh: exec /bin/env PLACE/toolkit/bin/tool: Permission denied",
        "/bin/sh: 1: PLACE/toolkit/bin/tool: Permission denied",
        "PLACE/toolkit/bin/tool: cannot open shared object file: Permission denied",
        "filesystem error: cannot open: Permission denied [PLACE/toolkit/bin/tool]",
        "[Errno 13] Permission denied: b'PLACE/toolkit/bin/tool'",
        "[Errno 13] Permission denied: 'tool'",  # found on PATH
        "[Errno 13] Permission denied: '../toolkit/bin/tool'",
    ],
)
def test_the_words_of_others(words: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilers, shells, the loader and libraries of C++; only what is active has denied it."""
    monkeypatch.setenv("PATH", f"{place}/toolkit/bin:/bin")
    error = words.replace("PLACE", str(place))
    told = advice(error, Place("on"), EVERYTHING)
    if "'tool'" in words:  # is of no installation of a compiler, but its folder is on PATH
        assert told.startswith(READ.format(f"{place}/toolkit/bin/tool"))
    assert told.endswith(f": --sandbox-read {place}/toolkit")
    assert advice(error, Place(), ()) == ""


def test_files_of_the_run_stay_hidden(place: Path) -> None:
    """No option shows them."""
    report = str(place / "own" / "report.json")
    told = advice(f"[Errno 13] Permission denied: '{report}'", Place("on", hidden=(report,)), EVERYTHING)
    assert told == f"{READ.format(report)}it is a file of this run"
