"""`softproof certify` and `softproof recheck` as a shell sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from softproof.certificates.form import canonical
from softproof.cli.commands import main
from softproof.problem.interface import InterfaceArguments
from tests.helpers.repository import ROOT

RIGHT = """
import numpy as np

def softmax(logits, dim=-1):
    e = np.exp(logits - logits.max(dim, keepdims=True, initial=-np.inf))
    return e / e.sum(dim, keepdims=True)
"""
WRONG = RIGHT.replace("return e / e.sum(dim, keepdims=True)", "return e / (e.sum(dim, keepdims=True) + 1e-3)")
ASKED = ["--arithmetic", "any-order", "--dtype", "float32", "--examples", "10", "--seed", "7"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a right kernel is, and a wrong one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    return tmp_path


def certify(target: str, *more: str) -> int:
    """To c.json, a few problems in float32."""
    return main(["certify", f"{target}:softmax", *ASKED, *more, "-o", "c.json"])


def forge(edit: Callable[[dict[str, Any]], Any], file: str = "c.json") -> None:
    """Change the certificate, and write it as it should be written."""
    value = json.loads(Path(file).read_text())
    edit(value)
    Path(file).write_text(canonical(value) + "\n")


def test_a_certificate_of_a_right_kernel(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Is written, confirmed, and told from one of other files and other problems."""
    assert certify("right", "--badge", "badge.json") == 0
    out, err = capsys.readouterr()
    value = json.loads((folder / "c.json").read_text())
    assert "PASSED: 1 of 1 rows passed, wimpy, arithmetic any-order, seed 7" in out
    assert "c.json is written, SHA-256 " in err
    assert (folder / "c.json").read_text() == canonical(value) + "\n"
    assert [each["name"] for each in value["subject"]] == ["right.py"]
    assert value["predicate"]["rows"][0]["isolated"] is True
    assert any("numpy" in each for each in value["predicate"]["reported"])
    assert json.loads((folder / "badge.json").read_text()) == {
        "schemaVersion": 1, "label": "softproof", "message": "1 of 1 rows agree, any-order, few problems",
        "color": "yellow"}  # fmt: skip

    assert main(["recheck", "c.json"]) == 0
    assert "CONFIRMED: c.json says PASSED" in capsys.readouterr().out

    forge(lambda value: value["predicate"]["asked"].update(seed="8"))
    (folder / "right.py").write_text(f"# other bytes, the same function\n{RIGHT}")
    assert main(["recheck", "c.json"]) == 1
    out = capsys.readouterr().out
    assert "NOT CONFIRMED: c.json says PASSED; " in out
    assert "  subject: right.py has changed: SHA-256 " in out
    assert "  row softmax float32 cpu: the problems: the certificate has 8 with SHA-256 " in out


@pytest.mark.usefixtures("folder")
def test_a_certificate_of_a_wrong_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    """Has the failed row; it is confirmed, and the status is that of a failure; a flipped outcome is told."""
    assert certify("wrong") == 1
    assert "FAILED: 0 of 1 rows passed" in capsys.readouterr().out
    assert main(["recheck", "c.json"]) == 1
    assert "\nCONFIRMED: c.json says FAILED" in capsys.readouterr().out

    def flip(value: dict[str, Any]) -> None:
        row = value["predicate"]["rows"][0]
        row.update(verdict="agrees", result="PASSED", worst={"error_over_bound": "0x1.0p-1", "ulps": "0x1.0p+0"})
        row["worst"] = {name: float.fromhex(text).hex() for name, text in row["worst"].items()}
        value["predicate"]["result"] = "PASSED"

    forge(flip)
    assert main(["recheck", "c.json", "--sandbox"]) == 1
    out = capsys.readouterr().out
    assert "row softmax float32 cpu: verdict: the certificate has 'agrees'; judged again it is 'disagrees'" in out
    assert "result: the certificate has 'PASSED'; judged again it is 'FAILED'" in out
    assert "NOT CONFIRMED" in out


def test_another_target_may_be_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same bytes under another name are confirmed; a target that is not there is not judged."""
    assert certify("right") == 0
    (folder / "right.py").rename(folder / "renamed.py")
    assert main(["recheck", "c.json", "renamed:softmax"]) == 0
    assert "files have other names: right.py, and now renamed.py" in capsys.readouterr().out

    Path("broken.py").write_text("raise ValueError('not today')")
    assert main(["recheck", "c.json", "broken:softmax"]) == 3
    out, err = capsys.readouterr()
    assert "NOT CHECKED: the target was not judged to the end" in out
    assert "not today" in err


def _refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The error of wrong usage."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--arithmetic", "auto"], "--arithmetic auto: a certificate names what was assumed"),
        (
            ["--arithmetic", "mine:model"],
            "--arithmetic mine:model: a certificate can only cite",
        ),
        (["--arithmetic", "fusde"], "did you mean 'fused'?"),
        ([], "the following arguments are required: --arithmetic"),
        (["--arithmetic", "fused", "--in-process"], "--in-process: a target in the process of the judge"),
        (["--arithmetic", "fused", "--accuracy", "D"], "--accuracy"),
        (["--arithmetic", "fused", "--examples", "0"], "examples is 0"),
        (["--arithmetic", "fused", "--source", "absent.cu"], "absent.cu is a file of the target, and cannot be read"),
    ],
)
def test_what_cannot_be_certified(
    arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Is wrong usage, by its name, before anything starts; no file is left."""
    assert words in _refused(["certify", "right:softmax", "-o", "c.json", *arguments], capsys)
    assert sorted(each.name for each in folder.iterdir()) == ["right.py", "wrong.py"]


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_rechecked(capsys: pytest.CaptureFixture[str]) -> None:
    """No file, no certificate, and one that would run a command or pass arguments of somebody else's."""
    assert "No such file" in _refused(["recheck", "c.json"], capsys)
    assert certify("right") == 0
    whole = Path("c.json").read_text()

    forge(lambda value: value["predicate"].pop("not_tested"))
    assert "c.json: predicate has no not_tested; expected result, level" in _refused(["recheck", "c.json"], capsys)
    Path("c.json").write_bytes(b"\xff")
    assert "c.json is not in UTF-8" in _refused(["recheck", "c.json"], capsys)
    Path("c.json").write_text(whole)

    forge(lambda value: value["predicate"]["asked"].update(target="touch harm", adapter="process", operation="softmax"))
    assert "c.json runs a command, which somebody else may have written" in _refused(["recheck", "c.json"], capsys)
    Path("c.json").write_text(whole)
    forge(lambda value: value["predicate"]["asked"]["interface"]["extra"].update(command="'touch harm'"))
    assert "passes arguments of its own" in _refused(["recheck", "c.json"], capsys)
    forge(lambda value: value["predicate"]["asked"]["interface"]["extra"].update(command="open('harm', 'w')"))
    assert "expected a value as Python writes it" in _refused(["recheck", "c.json", "right:softmax"], capsys)
    assert not Path("harm").exists()


def test_files_that_change_during_the_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no certificate of a target that has rewritten itself."""
    rewriting = f"{RIGHT}\nopen(__file__, 'a').write('# more')\n"
    (folder / "rewriting.py").write_text(rewriting)

    assert certify("rewriting") == 4
    assert "no certificate: files of rewriting:softmax changed while it was judged" in capsys.readouterr().err
    assert not (folder / "c.json").exists()
    assert main(["certify", "absent:softmax", *ASKED, "--source", "right.py", "-o", "c.json"]) == 3
    assert "no certificate: cannot load" in capsys.readouterr().err
    assert not (folder / "c.json").exists()


def test_options_come_back(folder: Path) -> None:
    """How a target is called is written down, and read again as it was."""
    (folder / "odd.py").write_text(RIGHT.replace("logits, dim=-1", "x, scale, dim=-1").replace("logits", "x"))
    asked = ["--name", "logits=x", "--extra", "scale=0.1", "--fixed", "dim=-1", "--ndim", "2", "--without", "layouts"]

    assert certify("odd", *asked) == 0
    interface = json.loads(Path("c.json").read_text())["predicate"]["asked"]["interface"]
    usual: dict[str, Any] = dict.fromkeys(InterfaceArguments.__annotations__, False)
    usual |= {"supports": None, "output": None} | {name: {} for name in ("names", "fixed", "extra", "gradients")}
    usual |= {name: [] for name in ("without", "writes", "transposed", "keepdim", "ndim")}
    said = {"names": {"logits": "x"}, "extra": {"scale": "0.1"}, "fixed": {"dim": "-1"}, "ndim": [2],
            "without": ["layouts"]}  # fmt: skip
    assert interface == usual | said
    assert main(["recheck", "c.json", "odd:softmax"]) == 0


def test_a_flag_comes_back(folder: Path) -> None:
    """That it takes a row in each column is written down, and without it the function is another."""
    (folder / "columns.py").write_text("def linear(x, weight): return weight @ x\n")

    assert main(["certify", "columns:linear", "--columns", *ASKED, "-o", "c.json"]) == 0
    asked = json.loads(Path("c.json").read_text())["predicate"]["asked"]["interface"]
    assert {name for name, value in asked.items() if value is True} == {"columns"}
    assert main(["recheck", "c.json", "columns:linear"]) == 0


def _shell(python: str, folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command of softproof in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    return subprocess.run(
        [python, "-P", "-m", "softproof", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_fresh_process_confirms_it(folder: Path) -> None:
    """With another order of hashes."""
    path = {"PYTHONPATH": str(ROOT)}
    made = _shell(sys.executable, folder, "certify", "right", *ASKED, "-o", "c.json", PYTHONHASHSEED="1", **path)
    assert made.returncode == 0, made.stderr
    again = _shell(sys.executable, folder, "recheck", "c.json", PYTHONHASHSEED="2", **path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.splitlines()[-1].startswith("CONFIRMED: c.json says PASSED")


@pytest.mark.thorough
def test_a_fresh_environment_confirms_it(folder: Path) -> None:
    """Another Python, into which the wheel of this tree and what it needs were installed by pip, and no torch."""
    path = {"PYTHONPATH": str(ROOT)}
    more = ["--arithmetic", "any-order", "--seed", "11", "--dtype", "float32", "-o", "c.json"]
    made = _shell(sys.executable, folder, "certify", "right:softmax", *more, **path)
    assert made.returncode == 0, made.stderr
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = str(folder / "venv/bin/python")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([python, "-m", "pip", "install", "-q", "-c", "constraints.txt", "."], cwd=ROOT, env=kept, check=True)

    again = _shell(python, folder, "recheck", "c.json", PYTHONPATH="")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.splitlines()[-1].startswith("CONFIRMED: c.json says PASSED")
    assert "environment: torch: the certificate has" in again.stdout
