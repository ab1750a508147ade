"""dist/offline/: it is small, its wheels suit, and a machine with torch alone runs the pack from it, unconnected."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from audits import offline

SITE = Path(sysconfig.get_paths()["purelib"])
ABSENT = ("softproof", "flint", "python_flint", "_editable_impl", "expecttest")  # of what stands in the site
UNCONNECTED = """
import socket
def refused(*arguments, **options): raise OSError("this machine has no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refused
"""


def _install(folder: Path) -> ModuleType:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wheels").mkdir(exist_ok=True)
    modules = {"softproof": "softproof", **offline.WHEELS}
    (folder / "install.py").write_text(offline.INSTALL.format(modules=modules))
    spec = importlib.util.spec_from_file_location("install", folder / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("wheel", "suits"),
    [
        ("python_flint-0.9.0-cp310-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", True),
        ("hypothesis-6.1-cp312-cp312-manylinux_2_17_x86_64.whl", True),
        ("hypothesis-6.1-cp311-cp311-manylinux_2_17_x86_64.whl", False),
        ("mpmath-1.3.0-py3-none-any.whl", True),
        ("sortedcontainers-2.4.0-py2.py3-none-any.whl", True),
    ],
)
def test_a_wheel_suits_a_python(tmp_path: Path, wheel: str, suits: bool) -> None:
    """That of the stable ABI every one, another its own."""
    assert _install(tmp_path).suits(Path(wheel), (3, 12)) is suits


def test_what_travels_is_known_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a folder that somebody has downloaded."""
    files = set(offline.tracked())
    monkeypatch.setenv("PATH", "")
    assert files <= set(offline.tracked())


def test_what_is_missing_is_installed_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """softproof always, from its wheel; others where they cannot be imported."""
    module = _install(tmp_path)
    for name in ("softproof-0.1.0-py3-none-any", "python_flint-0.9.0-cp310-abi3-any", "mpmath-1.3.0-py3-none-any"):
        (tmp_path / "wheels" / f"{name}.whl").touch()
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "flint" else name)
    module.wheels()

    names = [Path(line).name.split("-")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["softproof", "python_flint"]


def test_its_python_has_what_the_machines_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a line for each folder of packages, whose own such files count; and the pack itself."""
    module, packages = _install(tmp_path), tmp_path / "site-packages"
    packages.mkdir()
    (packages / "more.pth").write_text(str(tmp_path / "wheels"))
    monkeypatch.setattr(sys, "path", ["", "/usr/lib/python3", str(packages)])
    module.places()
    lines = capsys.readouterr().out.splitlines()
    (tmp_path / "machine.pth").write_text("\n".join(lines))

    code = f"import site, sys; site.addsitedir({str(tmp_path)!r}); print(sys.path)"
    found = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(repr(str(each)) in found for each in (tmp_path, packages, tmp_path / "wheels"))
    assert "/usr/lib/python3'" not in "".join(lines)


def test_what_travels_is_what_the_pack_reads() -> None:
    """Tests and audits, and no source of softproof, which is installed."""
    names = offline.tracked()

    assert {"audits/gpu.py", "tests/test_offline.py", "manual/softmax.py", "conftest.py", "benchmarks/text.py",
            "examples/candidates/pyproject.toml"} <= set(names)  # fmt: skip
    assert not [name for name in names if name.startswith(("softproof/", "dist/", "."))]


def _machine(folder: Path) -> tuple[Path, dict[str, str]]:
    """A Python of its own that has torch and what stands beside it, but for softproof and what it needs alone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    links = folder / "machine"
    links.mkdir()
    for path in SITE.iterdir():
        if not path.name.startswith(ABSENT) and path.suffix != ".pth":
            (links / path.name).symlink_to(path)
    (links / "sitecustomize.py").write_text(UNCONNECTED)
    python = folder / "venv/bin/python"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (folder / "venv/lib" / version / "site-packages/machine.pth").write_text(f"{links}\n")
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
    return python, {**kept, "PYTHON": str(python), "OMP_NUM_THREADS": "1", "HOME": str(folder)}


def _wheels(folder: Path) -> Path:
    """Those of others: SOFTPROOF_WHEELS names a folder that has them; else they are fetched."""
    if told := os.environ.get("SOFTPROOF_WHEELS"):
        return Path(told)
    folder.mkdir()
    offline.fetch(folder)
    return folder


@pytest.mark.thorough
def test_a_machine_without_a_network_runs_the_pack(tmp_path: Path) -> None:
    """From the folder alone: run.sh installs beside itself, and the machine's Python stays as it is."""
    pack, out = tmp_path / "offline", tmp_path / "out"
    offline.build(pack, _wheels(tmp_path / "wheels"))
    assert offline.size_of(pack) < offline.LARGEST
    assert any("-abi3-" in path.name for path in (pack / "wheels").glob("python_flint-*"))

    python, environment = _machine(tmp_path)
    before = sorted((tmp_path / "venv").rglob("*"))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run(str(python), "-c", "import torch, numpy").returncode == 0
    assert "No module named 'flint'" in run(str(python), "-c", "import flint").stderr
    assert "no network" in run(str(python), "-c", "import urllib.request as u; u.urlopen('http://a.b')").stderr

    steps = ["--steps", "rounding,elementary", "--minutes", "3", "--device", "cpu", "--out", str(out)]
    done = run("sh", str(pack / "run.sh"), *steps)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The GPU pack" in done.stdout
    own = run(
        str(pack / "site/bin/python"), "-P", "-c", "import flint, softproof, torch, manual; print(softproof.__file__)"
    )
    assert own.stdout.startswith(str(pack / "site")), own.stderr
    assert sorted((tmp_path / "venv").rglob("*")) == before
    assert _statuses(out) == {"done"}

    missing = run("sh", str(pack / "run.sh"), "--device", "cuda:9", "--out", str(out))
    assert missing.returncode == 2
    assert "cuda:9" in missing.stderr


def _statuses(out: Path) -> set[Any]:
    from audits.record import read

    return {record["status"] for record in read(out) if "status" in record}
