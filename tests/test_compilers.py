"""Kernels that call a compiler when they first run, in a sandbox: wherever it is installed, and nothing beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import softproof
from softproof.candidates import isolated
from softproof.candidates.isolation.compilers import installations, is_shared

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
SCRIPT = '#!/bin/sh\ncat "$(dirname "$(readlink -f "$0")")/../share/specs"\n'
COMPILING = """
import os, subprocess
import numpy as np
def softmax(logits, dim=-1):
    assert subprocess.check_output([NAME], text=True) == "specs of a compiler"
    x = np.exp(logits - logits.max(axis=dim, keepdims=True, initial=-np.inf))
    return x / x.sum(axis=dim, keepdims=True)
"""
CACHES = ("TRITON_CACHE_DIR", "TRITON_DUMP_DIR", "TRITON_HOME", "TORCHINDUCTOR_CACHE_DIR", "TORCH_EXTENSIONS_DIR",
          "PYTORCH_KERNEL_CACHE_PATH", "CUDA_CACHE_PATH", "CUPY_CACHE_DIR", "MIOPEN_CUSTOM_CACHE_DIR",
          "MIOPEN_USER_DB_PATH", "SYCL_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR")  # fmt: skip
CACHING = """
import os, tempfile
import numpy as np
def softmax(logits, dim=-1):
    for place in [*(os.environ[name] for name in NAMES), tempfile.gettempdir(), os.path.expanduser("~/.nv")]:
        os.makedirs(place, exist_ok=True)
        assert not place.startswith(JUDGE)
        open(place + "/kernel", "w").close()
    x = np.exp(logits - logits.max(axis=dim, keepdims=True, initial=-np.inf))
    return x / x.sum(axis=dim, keepdims=True)
"""


def installed(prefix: Path, name: str = "gcc") -> Path:
    """A compiler that reads a file of its installation."""
    for each in ("bin", "share"):
        (prefix / each).mkdir(parents=True)
    (prefix / "share" / "specs").write_text("specs of a compiler")
    compiler = prefix / "bin" / name
    compiler.write_text(SCRIPT)
    compiler.chmod(0o755)
    return compiler


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The candidate's folder; the home of its user is another one."""
    for each in ("own", "home"):
        (tmp_path / each).mkdir()
    monkeypatch.chdir(tmp_path / "own")
    monkeypatch.syspath_prepend(tmp_path / "own")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for each in ("CC", "CXX"):
        monkeypatch.delenv(each, raising=False)
    return tmp_path / "own"


def said_by(own: Path, text: str) -> str:
    """What a softmax raises in a strict sandbox, or nothing."""
    (own / "compiling.py").write_text(text)
    candidate = isolated.isolated("compiling:softmax", "softmax", "numpy", sandbox="strict")
    answer = candidate.answer(softproof.Problem("softmax", "float64", {"logits": [[0.0, 0.0]]}))
    candidate.close()
    return str(answer.raised or answer.lost or "")


@pytest.mark.parametrize(
    ("name", "variable"),
    [("gcc", "PATH"), ("nvcc", "PATH"), ("of a link", "PATH"), ("cc-99", "CC"), ("cc-98", "CXX"), ("lint", "PATH")],
)
def test_a_compiler_is_read_and_run_where_it_is_installed(
    name: str, variable: str, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found on PATH, by a link too, or named by a variable with its options; another program is not."""
    compiler = installed(tmp_path / "prefix", name)
    if name == "of a link":
        (tmp_path / "links").mkdir()
        (tmp_path / "links" / "g++").symlink_to(compiler)
        compiler = tmp_path / "links" / "g++"
    value = f"{compiler.parent}:{os.environ['PATH']}" if variable == "PATH" else f"{compiler} -O2"
    monkeypatch.setenv(variable, value)

    said = said_by(own, COMPILING.replace("NAME", repr(str(compiler))))

    assert said == "" if name != "lint" else "Permission denied" in said, said


def test_other_folders_give_no_more_than_their_programs_and_libraries(tmp_path: Path, own: Path) -> None:
    """A home folder with a bin gives no keys; a compiler that lies among other files gives itself."""
    home = tmp_path / "home"
    for prefix in (home, home / ".local"):
        compiler = installed(prefix)
        found = installations({"PATH": str(compiler.parent)}, [str(own)])
        assert str(prefix / "bin") in found
        assert not {str(prefix), str(prefix / "share")} & {*found}
    loose = home / "gcc"
    (home / "bin" / "gcc").rename(loose)
    assert installations({"PATH": str(home)}, [str(own)]) == [str(loose)]
    assert is_shared(str(tmp_path))  # home is in it
    assert not is_shared(str(tmp_path / "own"))


@pytest.mark.parametrize("path", ["bin", "{own}/bin"])
def test_a_candidate_makes_nothing_readable_by_links_of_its_own(path: str, own: Path, tmp_path: Path) -> None:
    """Nor is a folder of PATH that depends on where a program runs looked into."""
    secret = installed(tmp_path / "secret", "key")
    (own / "bin").mkdir()
    (own / "bin" / "gcc").symlink_to(secret)

    assert installations({"PATH": path.format(own=own)}, [str(own)]) == []
    assert str(tmp_path / "secret") in installations({"PATH": str(own / "bin")}, [])


def test_compilers_keep_their_files_in_scratch(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever those of the judge keep theirs."""
    for each in CACHES:
        if each != "TMPDIR":
            monkeypatch.setenv(each, str(tmp_path / "home" / each))

    text = CACHING.replace("NAMES", repr(CACHES)).replace("JUDGE", repr(str(tmp_path / "home")))

    assert said_by(own, text) == ""


def test_the_linker_s_folders_are_listed_by_a_program_in_sbin(own: Path) -> None:
    """By which Triton looks for the library of CUDA."""
    text = COMPILING.replace("[NAME]", "['/sbin/ldconfig', '-p']").replace("== ", "!= ")
    assert said_by(own, text) == ""
