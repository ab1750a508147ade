"""The command line as a shell sees it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import manual
from manual.arrays import Array
from softproof.cli.commands import main
from softproof.cli.plan import NO_HALF

QUICK = ["--examples", "5", "--seed", "0", "--dtype", "float64"]


def test_agreement_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is on standard output, progress on standard error."""
    status = main(["verify", "manual", "manual:softmax", "--operation", "softmax", *QUICK])

    out, err = capsys.readouterr()
    assert status == 0
    assert out.splitlines()[0].split() == [
        "implementation", "operation", "dtype", "device", "problems", "value", "gradient", "jvp", "hvp", "verdict",
    ]  # fmt: skip
    assert "2 of 2 rows agree; 10 problems; seed 0" in out
    assert "large problems were NOT TESTED: they come with --examples 100" in out
    assert "half precision was NOT TESTED" not in out  # of a format that was asked for
    assert err.splitlines() == [
        "[1/1] manual softmax float64 cpu: agrees",
        "[1/1] manual:softmax softmax float64 cpu: agrees",
    ]


def test_half_precision_is_not_asked_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Which the summary says."""
    assert main(["verify", "manual:softmax", "--examples", "5", "--seed", "0", "--no-diagnosis"]) == 0
    assert f"{NO_HALF}\n" in capsys.readouterr().out


def test_the_one_cpu_device_may_have_its_number() -> None:
    """Whose tensors torch says to be on "cpu"."""
    assert main(["verify", "reference", "--operation", "softmax", "--device", "cpu:0", *QUICK]) == 0


def test_disagreement_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The problem, what came out, the truth, what was allowed and how to see it again."""
    target = "tests.wrong.broken:softmax_without_shift"
    status = main(["verify", target, "--operation", "softmax", "--seed", "0", "--dtype", "float32"])

    out, _ = capsys.readouterr()
    assert status == 1
    for words in ("DISAGREES", "got ", "exact ", "the allowed error is ", "Problem(", f"load('{target}'", "seed 0"):
        assert words in out


def test_the_model_and_the_class_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """In the summary, and in the lines that show a disagreement again."""
    arguments = ["--accuracy", "A", "--arithmetic", "numpy", "--seed", "0", "--dtype", "float32"]
    status = main(["verify", "manual:softmax", "--no-shrink", "-v", *arguments])

    out, _ = capsys.readouterr()
    assert status == 1
    assert "accuracy class A, correctly rounded; arithmetic: numpy" in out
    assert "arithmetic='numpy', accuracy='A'" in out


def test_no_worse_than_a_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    """Class D: nobody is worse than himself, and the baseline may be a function."""
    arguments = ["--accuracy", "D", "--baseline", "manual:softmax"]

    assert main(["verify", "manual:softmax", "-v", *arguments, *QUICK]) == 0
    assert "accuracy class D, relative to a baseline" in capsys.readouterr().out


def test_labels_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """A loss that takes no probabilities is not asked any, and the report says so."""
    arguments = ["--operation", "cross_entropy", "--accuracy", "B", "--without", "probabilities"]

    assert main(["verify", "manual:accurate_cross_entropy", *arguments, *QUICK]) == 0
    assert "not tested of cross_entropy: hvp, jvp, label_smoothing, probabilities" in capsys.readouterr().out


def test_the_help_lists_what_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Options by name, and every kind."""
    with pytest.raises(SystemExit):
        main(["verify", "--help"])

    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "an option (weight, reduction, dim, …), one of nonfinite, masked, jvp, hvp, empty, empty_classes, scalars,"
        in printed
    )


def test_json_is_written(tmp_path: Path) -> None:
    """The same report for programs."""
    file = tmp_path / "report.json"

    assert main(["verify", "manual", "--operation", "linear", "--json", str(file), *QUICK]) == 0

    assert json.loads(file.read_text())["rows"][0]["problems"] == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify"], "no TARGET, and pyproject.toml has no table [tool.softproof]; `softproof init` writes one"),
        (["verify", ":softmax"], "target ':softmax': it names no module; expected package.module"),
        (["verify", "../my_kernels.py:f"], "'../my_kernels.py:f' is no file below the working directory"),
        (["verify", "../my_kernels.py:f"], "in .., ask my_kernels:f"),
        (["verify", "my_kernels.v2.py:f"], "a module cannot have a dot in its name: rename it"),
        (["verify", "manual", "--operation", "argmax"], "argument --operation: invalid choice: 'argmax'"),
        (["verify", "manual", "--adapter", "mlx"], "argument --adapter: invalid choice: 'mlx'"),
        (["verify", "manual", "--dtype", "float8"], "dtype is 'float8'; expected one of float64, float32"),
        (["verify", "manual", "--examples", "0"], "examples is 0; expected a whole number of at least 1"),
        (["verify", "manual", "--examples", "many"], "argument --examples: invalid int value: 'many'"),
        (["verify", "manual", "--arithmetic", "numpi"], "arithmetic is 'numpi'; expected one of any-order, numpy"),
        (["verify", "manual", "--accuracy", "E"], "argument --accuracy: invalid choice: 'E'"),
        (["verify", "manual", "--accuracy", "D"], "accuracy is 'D' and baseline is None; class D, and no other"),
        (["verify", "manual", "--baseline", "manual"], "accuracy is 'C' and baseline is 'manual'; class D, and no"),
        (
            ["verify", "manual", "--accuracy", "D", "--baseline", "manual", "--factor", "0"],
            "factor is 0.0; expected a positive number",
        ),
        (["verify", "manual", "--factor", "2"], "factor is 2.0; it applies to class D, and accuracy is 'C'"),
        (
            ["verify", "manual:softmax", "--without", "nothing"],
            "without names nothing; expected some of all_ignored, bias, dim, empty, empty_classes, gradient, ",
        ),
        (["verify", "manual", "--json", "/no/such/folder/report.json"], "there is no folder /no/such/folder"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before any question is asked, with both sides of the mismatch."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)

    out, err = capsys.readouterr()
    assert exit_.value.code == 2
    assert words in " ".join(err.split())
    assert not out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "no_such_module"], "target 'no_such_module': there is no module 'no_such_module'"),
        (["verify", "manual:no_such_function"], "target 'manual:no_such_function': manual has no 'no_such_function'"),
        (["verify", "json"], "module json has no function named softmax or log_softmax"),
        (["verify", "math:exp"], "cannot infer the operation of math:exp; pass operation= or --operation: softmax"),
        (["verify", "manual:__name__", "--operation", "softmax"], "target is a str; expected a module, a callable"),
        (["verify", "manual", "--dtype", "bfloat16"], "dtype is 'bfloat16'; the numpy adapter has float64"),
        (["verify", "manual", "--device", "cuda"], "device is 'cuda'; the numpy adapter has cpu only"),
        (["verify", "reference", "--device", "nowhere"], "device is 'nowhere'; torch cannot use it"),
        (["verify", "reference", "--device", "cpu:3"], "device is 'cpu:3'; torch has one CPU device, 'cpu'"),
        (["verify", "manual:softmax", "--fixed", "reduction=sum"], "fixed names reduction; manual:softmax has dim"),
        (
            ["verify", "manual:softmax", "--accuracy", "D", "--baseline", "manual:linear"],
            "baseline manual:linear has no softmax, which manual:softmax has",
        ),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_a_target_that_cannot_be_asked_exits_with_3(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row says why, with both sides of the mismatch."""
    status = main(arguments)

    out, err = capsys.readouterr()
    assert status == 3
    assert "CANNOT LOAD" in out
    assert words in " ".join(out.split())
    assert words in " ".join(err.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise RuntimeError('no licence')", "importing it raised RuntimeError at broken_on_import.py:1: no licence"),
        ("def softmax(", "importing it raised SyntaxError: '(' was never closed (broken_on_import.py, line 1)"),
        ("raise SystemExit(0)", "importing it raised SystemExit at broken_on_import.py:1: 0"),
        ("\nimport not_there", "there is no module 'not_there', imported at broken_on_import.py:2"),
        ("import os; os._exit(0)", "when it was imported, its process ended with exit status 0"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "when it was imported, its process ended with SIGSEGV at broken",
        ),
        ("", "broken_on_import has no 'softmax'"),
    ],
    ids=["error", "syntax", "SystemExit", "import", "exit", "crash", "nothing"],
)
def test_a_target_that_cannot_be_imported_exits_with_3(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever its module does is quoted beside its name, with the line; what stands beside it is judged."""
    (tmp_path / "broken_on_import.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    status = main(["verify", "manual:softmax", "broken_on_import:softmax", "manual:entropy", *QUICK])

    printed = " ".join(capsys.readouterr().out.split())
    assert status == 3
    assert "broken_on_import:softmax - - cpu 0 - - - - CANNOT LOAD" in printed
    assert f"broken_on_import:softmax - - cpu: target 'broken_on_import:softmax': {words}" in printed
    assert "2 of 3 rows agree" in printed


def test_regions_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """By operation, where that is asked for."""
    main(["verify", "manual:softmax", "--dtype", "float32", "--examples", "20", "--seed", "0", "--regions"])

    printed = capsys.readouterr().out
    assert "operation  problems in the region" in printed
    assert "2 to 9 classes" in printed


def test_nothing_may_be_supported(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty --supports says that no option is taken, and is not the same as none."""
    assert main(["verify", "manual:softmax", "--supports", "", *QUICK]) == 0
    assert "not tested of softmax: dim" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("format_", "arithmetic", "told"),
    [("float16", "any-order", True), ("float32", "any-order", False), ("float16", "storage", False)],
)
def test_half_precision_says_what_else_could_be_asked(
    format_: str, arithmetic: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where its numbers disagree, and only there."""
    arguments = ["--dtype", format_, "--arithmetic", arithmetic, "--in-process", "--seed", "0", "--no-shrink"]
    assert main(["verify", f"{__name__}:_doubled", "--operation", "softmax", "--examples", "5", *arguments]) == 1

    printed = capsys.readouterr().out
    words = "If it is documented to compute in float16 throughout, ask for that: --arithmetic storage"
    assert (words in printed) == told


def _doubled(logits: Array) -> Array:
    """In no arithmetic."""
    return np.asarray(2 * manual.softmax(logits))


# ---- known wrong implementations -------------------------------------------------------------------------------------


def test_mutants_are_listed_and_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its name, operation, story and source; all of several words have to be there."""
    assert main(["mutants", "--list", "label smoothing", "cross_entropy"]) == 0
    some = capsys.readouterr().out
    assert main(["mutants", "--list"]) == 0
    everything = capsys.readouterr().out

    mutants = importlib.import_module("softproof.mutants.catalogue").MUTANTS
    for mutant in mutants.values():
        said = f"{mutant.operation}: {mutant.story}\n"
        assert said in everything
        words = " ".join((mutant.name, mutant.operation, mutant.group, mutant.story, mutant.source)).lower()
        assert (said in some) == ("label smoothing" in words and "cross_entropy" in words)
    assert f"{len(mutants)} of {len(mutants)} mutants" in everything


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["smothing"], "mutants has that; did you mean 'smoothing'?"),
        (["--json", "x.json"], "--list writes no file; expected neither --json nor --write"),
    ],
)
def test_a_list_that_cannot_be(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do."""
    with pytest.raises(SystemExit):
        main(["mutants", "--list", *arguments])
    assert words in " ".join(capsys.readouterr().err.split())
