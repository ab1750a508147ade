"""[tool.softproof] of a pyproject.toml, `softproof init`, and what is expected to fail."""

from __future__ import annotations

import json
import re
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest

from softproof import Report
from softproof.cli.commands import main
from softproof.runs.config import KINDS, OF_A_TARGET, OF_ALL, TEMPLATE, read_expected, settings

from .helpers.rows import AGREEING, changed

TABLE = """
[tool.softproof]
examples = 5
seed = 3
dtypes = ["float32"]
{common}
[[tool.softproof.targets]]
target = "manual:softmax"
{target}
"""


def written(folder: Path, common: str = "", target: str = "") -> Path:
    """A pyproject.toml."""
    file = folder / "pyproject.toml"
    file.write_text(TABLE.format(common=common, target=target))
    return file


def test_the_command_line_asks_what_the_table_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Targets, examples, seed and dtypes; what the command line says comes before the table."""
    file = str(written(tmp_path, target="[[tool.softproof.targets]]\ntarget = 'manual:entropy'\ndtypes = ['float64']"))

    assert main(["verify", "--config", file]) == 0
    out = capsys.readouterr().out
    assert "2 of 2 rows agree; 10 problems; seed 3" in out
    assert [line.split()[:3] for line in out.splitlines()[1:3]] == [
        ["manual:softmax", "softmax", "float32"],
        ["manual:entropy", "entropy", "float64"],
    ]
    assert main(["verify", "--config", file, "--dtype", "float16", "--seed", "4", "--examples", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 of 2 rows agree; 4 problems; seed 4" in out
    assert out.count(" float16 ") == 2


def test_a_target_has_what_all_have_and_its_own(tmp_path: Path) -> None:
    """Once for each device; names of arguments are those of `verify`."""
    file = written(tmp_path, "devices = ['cpu', 'cuda']\ntime-limit = 9", "fixed = {dim = 0}\nexamples = 7")
    found = settings(file)

    common = {"examples": 7, "dtypes": ["float32"], "time_limit": 9, "target": "manual:softmax", "fixed": {"dim": 0}}
    assert found.targets == ({**common, "device": "cpu"}, {**common, "device": "cuda"})
    assert found.seed == 3


@pytest.mark.parametrize(
    ("common", "target", "words"),
    [
        ("exmples = 7", "", r"\[tool.softproof\] has exmples; expected some of targets, devices"),
        (
            "",
            "exmples = 7",
            r"\[\[tool.softproof.targets\]\], number 1 has exmples; expected some of target, operation",
        ),
        ("", "seed = 7", "number 1 has seed"),
        ("", "dtypes = 'float32'", "dtypes is 'float32'; expected a list of texts"),
        ("", "ndim = 2", "ndim is 2; expected a list of numbers"),
        ("devices = 'cpu'", "", r"\[tool.softproof\]: devices is 'cpu'; expected a list of texts"),
        ("", "[[tool.softproof.targets]]\nadapter = 'numpy'", "number 2: target is None; expected the name of one"),
        ("", "= 1", "pyproject.toml: Invalid"),
        ("", "operation = 'sofmax'", "operation is 'sofmax'; expected one of softmax"),
        ("", "adapter = 'numpi'", "adapter is 'numpi'"),
        ("", "fixed = {reductoin = 'none'}", "fixed names reductoin; expected some of dim, "),
        ("in-process = 'no'", "", r"\[tool.softproof\]: in-process is 'no'; expected true or false"),
        ("", "in-process = 0", "number 1: in-process is 0; expected true or false"),
        ("", "examples = true", "examples is True; expected a whole number"),
        ("factor = '2'", "", "factor is '2'; expected a number"),
        ("time-limit = true", "", "time-limit is True; expected a number"),
        ("accuracy = 1", "", "accuracy is 1; expected a text"),
        ("arithmetic = []", "", r"arithmetic is \[\]; expected a text"),
        ("baseline = 1", "", "baseline is 1; expected a text"),
        ("", "names = 'x'", "names is 'x'; expected a table"),
        ("", "extra = []", r"extra is \[\]; expected a table"),
        ("", "output = '0'", "output is '0'; expected a whole number"),
        ("", "ndim = [true]", r"ndim is \[True\]; expected a list of numbers"),
        ("", "operation = 1", "operation is 1; expected a text"),
        ("expected-failures = 1", "", "expected-failures is 1; expected a list of texts, or the name of a file"),
        ("", "examples = 0", "examples is 0; expected a whole number"),
        ("devices = []", "", "devices is \\[\\]; expected at least one name"),
        ("database = 3", "", "database is 3; expected a text"),
        ("expected-failures = 'nowhere.txt'", "", "No such file or directory: .*nowhere.txt"),
        ("database = 'ftp://x'", "", "database is 'ftp://x'; expected a folder, redis://"),
    ],
)
def test_a_table_that_makes_no_sense(
    common: str, target: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Is wrong usage, before anything is asked, and both sides are told."""
    with pytest.raises(SystemExit, match="2"):
        main(["verify", "--config", str(written(tmp_path, common, target))])

    assert re.search(words, capsys.readouterr().err)


def test_each_key_has_a_kind() -> None:
    """So that no value of another kind is taken for one, as a text is for true."""
    assert set(KINDS) == {*OF_ALL, *OF_A_TARGET}


def test_a_file_is_read_once_and_its_digest_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table, and the expected failures that it names."""
    file = written(tmp_path, "expected-failures = 'expected.txt'")
    (tmp_path / "expected.txt").write_text("# none\n")

    assert main(["verify", "-v", "--config", str(file), "--json", str(tmp_path / "report.json")]) == 0

    inputs = {str(each): sha256(each.read_bytes()).hexdigest() for each in (file, tmp_path / "expected.txt")}
    told = json.loads((tmp_path / "report.json").read_text())["inputs"]
    assert [(each["name"], each["sha256"]) for each in told] == list(inputs.items())
    printed = capsys.readouterr().out
    assert all(f"read first: {name}, SHA-256 {digest}" in printed for name, digest in inputs.items())


def test_without_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file, no table in it, no target, and options of a target that is not there."""
    file = tmp_path / "pyproject.toml"
    for text, arguments, words in (
        (None, [], "no TARGET, and there is no "),
        ("[project]\n", [], "has no table [tool.softproof]; `softproof init` writes one"),
        ("[tool.softproof]\n", [], "expected at least one [[tool.softproof.targets]]"),
        ("[tool]\nsoftproof = 1\n", [], "[tool.softproof] is 1; expected a table"),
        ("", ["--operation", "softmax"], "--operation is given, and no TARGET that it belongs to"),
        ("", ["--fixed", "dim=0"], "--fixed is given, and no TARGET"),
        ("", ["--name", "dim=axis"], "--name is given, and no TARGET"),
        ("", ["--output", "0"], "--output is given, and no TARGET"),
    ):
        if text is not None:
            file.write_text(text)
        with pytest.raises(SystemExit, match="2"):
            main(["verify", "--config", str(file), *arguments])
        assert words in capsys.readouterr().err


def test_entries_by_dtype_keep_to_their_own(tmp_path: Path) -> None:
    """Two entries of a target, where the command line asks some dtypes; what none of them has is asked once."""
    file = tmp_path / "pyproject.toml"
    entry = "[[tool.softproof.targets]]\ntarget = 'mine:softmax'\ndtypes = ['{}']\n"
    file.write_text(entry.format("float32") + entry.format("float16"))

    assert [each["dtypes"] for each in settings(file).targets] == [["float32"], ["float16"]]
    for asked, expected in (
        (["float16"], [["float16"]]),
        (["float64"], [["float64"]]),
        (["float16", "float64", "float32"], [["float32", "float64"], ["float16"]]),
    ):
        assert [each["dtypes"] for each in settings(file, {"dtypes": asked}).targets] == expected


# ---- softproof init -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [None, "", "[project]\nname = 'x'\n", "[project]\nname = 'x'"])
def test_init_adds_a_table(before: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To a pyproject.toml, or to none, and leaves what is there as it is."""
    file = tmp_path / "pyproject.toml"
    if before is not None:
        file.write_text(before)

    assert main(["init", "--config", str(file)]) == 0

    assert file.read_text().startswith(before or "")
    assert file.read_text().endswith(TEMPLATE)
    assert tomllib.loads(file.read_text())["tool"]["softproof"] == {"targets": [{"target": "my_kernels:softmax"}]}
    assert "then run: softproof verify" in capsys.readouterr().out


@pytest.mark.parametrize("before", ["[tool.softproof]\nseed = 1\n", "[tool\n"])
def test_init_changes_nothing_else(before: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table that is there, or a file that is no TOML."""
    file = tmp_path / "pyproject.toml"
    file.write_text(before)

    assert main(["init", "--config", str(file)]) == 2
    assert file.read_text() == before
    assert "softproof init: " in capsys.readouterr().err


def test_everything_that_init_writes_can_be_used(tmp_path: Path) -> None:
    """Without the signs of a comment each line is a key of the table, and each key has a line."""
    plain = "\n".join(line.removeprefix("# ") if "=" in line else line for line in TEMPLATE.splitlines())
    table = tomllib.loads(plain)["tool"]["softproof"]
    file = tmp_path / "pyproject.toml"
    file.write_text(plain.replace('expected-failures = "expected.txt"', "expected-failures = []"))

    assert settings(file).targets[0]["names"] == {"label_smoothing": "smoothing"}
    assert set(table) | {"in-process", "baseline", "factor"} == set(OF_ALL)
    assert set(table["targets"][0]) | set(table) >= set(OF_A_TARGET) - {"in-process", "baseline", "factor"}


def test_the_table_of_the_documentation(tmp_path: Path) -> None:
    """docs/guides/ci.md."""
    (text,) = re.findall(r"```toml\n(.*?)```", (Path(__file__).parents[1] / "docs/guides/ci.md").read_text(), re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(text)
    (tmp_path / "expected.txt").write_text("my_kernels:fused_loss cross_entropy bfloat16 cuda  # our issue 12\n")
    found = settings(tmp_path / "pyproject.toml")

    assert found.expected == ("my_kernels:fused_loss cross_entropy bfloat16 cuda",)
    assert found.targets[0]["device"] == "cuda"


# ---- expected failures ----------------------------------------------------------------------------------------------


def test_names_of_expected_failures(tmp_path: Path) -> None:
    """A line each; comments and empty lines are left out, and a name stands there once."""
    file = tmp_path / "expected.txt"
    file.write_text("# known\n\nmine softmax float32 cpu  # issue 7\n  mine softmax float64 cpu\n")
    assert read_expected(file) == ("mine softmax float32 cpu", "mine softmax float64 cpu")

    file.write_text("a b c d\na b c d # again\n")
    with pytest.raises(ValueError, match="names 'a b c d' twice"):
        read_expected(file)


@pytest.mark.parametrize(
    ("verdict", "expected", "ok", "words"),
    [
        ("agrees", (), True, ""),
        ("disagrees", (), False, ""),
        ("disagrees", (AGREEING.name,), True, "expected failure: mine softmax float32 cpu"),
        ("no guarantee", (AGREEING.name,), True, "expected failure: mine softmax float32 cpu"),
        ("agrees", (AGREEING.name,), False, "expected to fail, and agrees: mine softmax float32 cpu"),
        ("disagrees", (AGREEING.name, "no such row"), False, "expected to fail, and no row has that name: no such row"),
    ],
)
def test_a_report_with_expected_failures(verdict: str, expected: tuple[str, ...], ok: bool, words: str) -> None:
    """Is right when these, and no others, do not agree."""
    report = Report((changed(AGREEING, verdict=verdict),), 0, expected)

    assert report.ok == ok
    assert words in str(report)
    assert bool(report.failing) == (verdict == "disagrees" and not expected)
