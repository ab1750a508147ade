"""What has to be judged is judged, or the row does not agree: a candidate cannot hide its backward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import manual
import softproof
from manual.arrays import Array
from softproof.cli.commands import main
from softproof.reports.report import Report

QUICK: dict[str, Any] = {"dtypes": ["float64"], "examples": 30, "seed": 0, "in_process": True}


def softmax(logits: Array, dim: int = -1) -> Array:
    """Right, with no backward pass beside it."""
    return manual.softmax(logits, dim)


def of(target: Any, *require: str, **more: Any) -> Report:
    """The report of one row."""
    return softproof.verify(target, require=require, **{**QUICK, **more})


def test_a_hidden_backward_pass_does_not_agree() -> None:
    """It does where nothing is required: its gradients are told as not asked, and no more."""
    assert of(softmax).ok

    found = of(softmax, "value", "gradient")
    (row,) = found.rows
    assert (row.verdict, found.status, found.ok) == ("cannot ask", 1, False)
    assert "required, and judged in none of its problems: gradient" in str(found)
    assert '"reason": "required, and judged in none of its problems: gradient"' in found.to_json()


@pytest.mark.parametrize("require", [("gradient",), ("value", "gradient", "jvp", "hvp"), ()])
def test_what_is_there_is_enough(require: tuple[str, ...]) -> None:
    """Whatever of it is required."""
    assert of(manual.softmax, *require).ok


@pytest.mark.parametrize(("name", "missing"), [("jvp", "jvp"), ("hvp", "hvp"), ("gradient", "")])
def test_each_is_told_by_its_name(name: str, missing: str) -> None:
    """One that has a backward pass, and no derivatives in a direction."""
    found = of("tests.test_required:with_backward", name, operation="softmax")
    assert found.ok == (not missing)
    assert (f"judged in none of its problems: {missing}" in str(found)) == bool(missing)


def with_backward(logits: Array, dim: int = -1) -> Array:
    """Right."""
    return manual.softmax(logits, dim)


with_backward_backward = manual.softmax_backward


def test_what_disagrees_does_so_whatever_is_required() -> None:
    """And one that could not be asked is no expected success."""
    found = of(lambda logits: logits, "gradient", operation="softmax")
    assert [row.verdict for row in found.rows] == ["disagrees"]


def test_no_derivative_is_required_of_what_has_none() -> None:
    """Nobody has a gradient of an operation without one."""
    none = [name for name, about in softproof.OPERATIONS.items() if not about.gradients]
    for operation in none:
        assert of(getattr(manual, operation), "gradient", operation=operation).ok


def test_a_word_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is asked, in Python and on the command line."""
    with pytest.raises(ValueError, match="require names 'gradients'; expected some of value, gradient, jvp, hvp"):
        of(softmax, "gradients")
    with pytest.raises(SystemExit, match="2"):
        main(["verify", "manual:softmax", "--require", "value,magic"])
    assert "require names 'magic'" in capsys.readouterr().err


def test_the_table_and_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty list of the command line overrides the table; `--huge` requires one thing more."""
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(
        "[tool.softproof]\nrequire = ['gradient']\ndtypes = ['float64']\nexamples = 10\nin-process = true\n"
        "[[tool.softproof.targets]]\ntarget = 'tests.test_required:softmax'\n"
    )
    assert main(["verify"]) == 1
    assert main(["verify", "--require", ""]) == 0
    capsys.readouterr()
    for more, lacks in (([], "gradient, huge"), (["--require", "value"], "huge"), (["--require", ""], "huge")):
        assert main(["verify", "--huge", *more]) == 1  # so few problems have no such arrays
        out = capsys.readouterr().out
        assert f"required, and judged in none of its problems: {lacks}; arrays of more than 2^31" in out
