"""A folder of candidates: a line for each file, and a reason for one without a function that is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from softproof.cli import commands
from softproof.cli.folders import named
from softproof.grading.compiling import build

RIGHT = """
import numpy as np
def {}(logits, dim=-1):
    e = np.exp(logits - logits.max(axis=dim, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=dim, keepdims=True)
"""
FILES = {
    "b_by_operation": RIGHT.format("helper") + "softmax = helper\ndef other(logits): return logits\n",
    "a_only_one": RIGHT.format("f") + "def f_backward(*a): return 1\ndef _hidden(): return 2\n",
    "c_none": "from torch.nn.functional import softmax\n",
    "d_several": "def f(x): return x\nif True:\n    def g(x): return x\n",
    "e_no_python": "def f(x: return x\n",
    "f.with.dots": RIGHT.format("softmax"),
    "_helper": "raise SystemExit\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where candidates lie, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernels").mkdir()
    for name, text in FILES.items():
        (tmp_path / "kernels" / f"{name}.py").write_text(text)
    return tmp_path / "kernels"


def _found(*targets: str, function: str | None = None, operation: str | None = "softmax") -> dict[str, str]:
    return {each.target: each.why for each in named(targets, function, operation, None)}


def test_the_function_of_each_file(folder: Path) -> None:
    """The one of the operation or the only public one, in the order of the files; otherwise a reason."""
    (folder / "g_pipe.py").mkdir()
    found = _found("kernels")
    assert list(found) == [
        "kernels.a_only_one:f", "kernels.b_by_operation:softmax", "kernels/c_none.py", "kernels/d_several.py",
        "kernels/e_no_python.py", "kernels/f.with.dots.py", "kernels/g_pipe.py",
    ]  # fmt: skip
    expected = "expected one, or one named softmax; or name it: --function NAME"
    assert found["kernels.a_only_one:f"] == found["kernels.b_by_operation:softmax"] == ""
    assert found["kernels/c_none.py"] == f"kernels/c_none.py has no public function; {expected}"
    assert found["kernels/d_several.py"] == f"kernels/d_several.py has 2 public functions: f, g; {expected}"
    assert found["kernels/e_no_python.py"].startswith("kernels/e_no_python.py is no Python: SyntaxError: ")
    assert "a module cannot have a dot in its name: rename it" in found["kernels/f.with.dots.py"]
    assert found["kernels/g_pipe.py"] == "kernels/g_pipe.py is a folder; expected an ordinary file"
    assert _found("kernels/d_several.py", "kernels/a_only_one.py:f", function="g") == {
        "kernels.d_several:g": "", "kernels/a_only_one.py:f": "",
    }  # fmt: skip
    assert list(_found("kernels/b_by_operation.py", operation=None)) == ["kernels.b_by_operation:softmax"]


def test_a_package_is_a_module(folder: Path) -> None:
    """But with a slash at its end a folder, as what is no package is."""
    (folder / "__init__.py").write_text("")
    assert list(_found("kernels")) == ["kernels"]
    assert next(iter(_found("kernels/"))) == "kernels.a_only_one:f"


def test_what_is_no_folder_of_candidates(folder: Path) -> None:
    """Is wrong usage."""
    (folder / "empty").mkdir()
    outside = folder.parent.parent
    for targets, function, words in [
        (["kernels/empty"], None, "TARGET kernels/empty is a folder without a Python file; expected some"),
        ([str(outside)], None, f"in {outside.parent}, ask {outside.name}"),
        (["kernels:f"], "f", "--function is 'f', and no TARGET is a folder or a file; write TARGET:f"),
        (
            ["kernels", "kernels/a_only_one.py"],
            None,
            "TARGET kernels.a_only_one:f is given 2 times; expected each once",
        ),
    ]:
        with pytest.raises(ValueError) as raised:
            _found(*targets, function=function)
        assert words in str(raised.value)


def test_a_folder_is_graded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file is a line, whatever is in it, and none is asked again."""
    built = build(["softmax"], ["float32"], ["any-order"], seed=3, examples=9, without=["gradient", "jvp", "hvp"])
    Path("bank.npz").write_bytes(built.to_bytes())
    command = ["grade", "kernels", "--bank", "bank.npz", "--operation", "softmax", "--adapter", "numpy"]
    command += ["-o", "results.jsonl"]
    assert commands.main(command) == 3
    lines: list[dict[str, Any]] = [json.loads(each) for each in Path("results.jsonl").read_text().splitlines()]
    unloaded = {f"kernels/{each}.py" for each in ("c_none", "d_several", "e_no_python", "f.with.dots")}
    assert {each["target"]: (each["verdict"], each["score"]) for each in lines} == {
        **dict.fromkeys(unloaded, ("cannot load", 0.0)),
        "kernels.a_only_one:f": ("agrees", 1.0),
        "kernels.b_by_operation:softmax": ("agrees", 1.0),
    }
    assert {each["questions"] for each in lines} == {len(built.questions)}
    assert all(
        "--function NAME" in each["failure"] for each in lines if each["target"].endswith(("c_none.py", "d_several.py"))
    )

    (folder / "g_new.py").write_text(FILES["a_only_one"])
    capsys.readouterr()
    assert commands.main(command) == 3
    assert "6 of 7 stand in results.jsonl" in capsys.readouterr().err
    assert [json.loads(each)["target"] for each in Path("results.jsonl").read_text().splitlines()[6:]] == [
        "kernels.g_new:f"
    ]
