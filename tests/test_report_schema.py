"""The JSON of reports and its schema: every kind of report keeps to it, and whatever is changed does not."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest

from softproof import OPERATIONS, Report
from softproof.candidates.frameworks import ADAPTERS
from softproof.candidates.isolation.protections import ALL
from softproof.certificates.repository import commit
from softproof.cli.commands import main
from softproof.problem.formats import FORMATS
from softproof.reports.as_json import FORMAT, SCHEMA
from softproof.reports.environment import versions
from softproof.reports.row import Outcome
from softproof.reports.target_record import TargetRecord

from .helpers.json_schema import refusals
from .helpers.reports import KINDS, reports
from .helpers.rows import AGREEING, changed

ROOT = Path(__file__).parents[1]
WHOLE: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
ROW = WHOLE["$defs"]["row"]["properties"]
OTHERS: tuple[Any, ...] = ("a text that is no name", 1.5, -7, True, None, ["a text"], {"a": 1})


def written(kind: str) -> Any:
    """What stands in the file."""
    return json.loads(reports()[kind].to_json(), parse_constant=pytest.fail)


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_keeps_to_the_schema(kind: str) -> None:
    """Whatever has become of it; what it is about is there."""
    found = written(kind)

    assert refusals(WHOLE, found) == []
    assert [row["verdict"] for row in found["rows"]] == [KINDS[kind]]
    if find_spec("jsonschema"):
        from jsonschema import Draft202012Validator  # type: ignore[import-not-found, import-untyped, unused-ignore]

        Draft202012Validator.check_schema(WHOLE)
        Draft202012Validator(WHOLE).validate(found)


def test_what_each_report_tells() -> None:
    """Who was expected to fail, what was lost, which problems, under which theorems, and what was asked."""
    (known,) = written("expected failure")["rows"]
    (agreeing,), (lost,) = written("agrees")["rows"], written("lost")["rows"]
    (unjudged,) = written("cannot load")["rows"]

    assert (known["expected_to_fail"], agreeing["expected_to_fail"]) == (True, False)
    assert written("expected failure")["unexpected"] == ["expected to fail, and no row has that name: nobody"]
    assert "exit status 1" in lost["lost"]
    assert {5, 6, 14, 22} <= set(agreeing["theorems"])
    assert agreeing["model"].startswith("any order: expf: ")
    assert {each["output"] for each in agreeing["outputs"]} == {"value", "grad_logits", "jvp", "hvp_logits"}
    assert max(each["ratio"] for each in agreeing["outputs"]) == agreeing["ratio"] < 1
    assert agreeing["drawing"]["ndim"] == []
    assert (unjudged["ratio"], unjudged["ulps"], unjudged["problems_sha256"]) == (None, None, None)
    assert written("disagrees")["rows"][0]["failures"][0]["diagnosis"]["resembles"][0]["of"] == 7
    assert written("agrees")["targets"][0]["options"]["arithmetic"] == "auto"
    assert written("cannot load")["targets"][0]["commit"] == "e" * 40
    assert written("cannot load")["seed"] == 2**63


def places(value: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each property and item of a report: a name for all that are alike, where it stands, and its key there."""
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        name = f"{place}.{key}" if isinstance(key, str) else f"{place}[]"
        yield name, value, key
        yield from places(each, name)


def kind_of(value: Any) -> str:
    """What JSON calls it; a whole number is a number."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if number else type(value).__name__


def test_what_is_renamed_or_of_another_kind_is_refused() -> None:
    """Every property and item of all reports, each as often as it has another kind of value."""
    tried = set()
    for kind in KINDS:
        whole = written(kind)
        for name, holder, key in list(places(whole)):
            kept = holder[key]
            if (name, kind_of(kept)) in tried:
                continue
            tried.add((name, kind_of(kept)))
            for other in OTHERS:
                holder[key] = other
                if not _fits(name, kept, other):
                    assert refusals(WHOLE, whole), (name, kept, other)
            holder[key] = kept
            if isinstance(holder, dict):
                holder["unknown"] = kept
                assert refusals(WHOLE, whole), name
                del holder["unknown"]
                del holder[key]
                assert refusals(WHOLE, whole), name
                holder[f"{key}s"] = kept
                assert refusals(WHOLE, whole), name
                del holder[f"{key}s"]
                holder[key] = kept
        assert refusals(WHOLE, whole) == []
    assert len(tried) > 160
    assert {".rows[].failures[].diagnosis.models.agrees[]", ".targets[].sources[].sha256", ".causes[].check"} <= {
        name for name, _ in tried
    }


def _fits(name: str, value: Any, other: Any) -> bool:
    """Whether a place may have another value: of its own kind, or of those that the schema says besides."""
    if kind_of(other) == "number" == kind_of(value) and not name.endswith("seed"):
        return other > 0 and isinstance(value, float)
    return kind_of(other) in (kind_of(value), *NULLABLE.get(name, ()))


_OPTION, _FAILURE = ".targets[].options", ".rows[].failures[]"
_TEXT, _NULL, _NUMBER = ("NoneType", "str"), ("NoneType",), ("number",)
NULLABLE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((f"{_OPTION}.arithmetic", f"{_OPTION}.baseline"), _TEXT),
    **dict.fromkeys((f"{_OPTION}.operation", f"{_OPTION}.adapter", ".targets[].commit"), _NULL),
    **dict.fromkeys((f"{_OPTION}.examples", f"{_OPTION}.output"), (*_NULL, *_NUMBER)),
    f"{_OPTION}.supports": ("NoneType", "list"),
    **dict.fromkeys((".rows[].ratio", ".rows[].ulps"), (*_NULL, *_NUMBER)),
    **dict.fromkeys((".rows[].outputs[].ratio", ".rows[].outputs[].detectable"), (*_NULL, *_NUMBER)),
    **dict.fromkeys((f"{_FAILURE}.ratio", f"{_FAILURE}.ulps"), _NUMBER),
    ".rows[].problems_sha256": _NULL,
    **dict.fromkeys((f"{_FAILURE}.{name}" for name in ("problem_sha256", "output", "index")), _NULL),
    f"{_FAILURE}.diagnosis.models": _NULL,
}


def test_a_number_that_is_none_of_json() -> None:
    """Infinity and NaN are words that Python and JavaScript read, and NumPy's numbers are numbers."""
    more: dict[str, Any] = {"detectable": {"value": np.float32("inf")}, "regions": {"small": np.int64(3)}}
    more["ratios"] = {"value": np.float32(0.5)}
    row = changed(AGREEING, ulps=np.float64("nan"), ratio=float("inf"), verdict="disagrees", **more)
    found = json.loads(Report((row,), 0).to_json(), parse_constant=pytest.fail)

    assert refusals(WHOLE, found) == []
    told = found["rows"][0]
    assert (told["ulps"], told["ratio"]) == ("NaN", "Infinity")
    assert told["outputs"] == [{"output": "value", "ratio": 0.5, "detectable": "Infinity", "vacuous": []}]
    assert [float(told[name]) for name in ("ratio",)] == [float("inf")]
    told["ratio"] = "inf"
    assert refusals(WHOLE, found)


def test_a_row_is_a_few_small_groups() -> None:
    """Of at most eight fields each, of which no name stands twice."""
    groups = [vars(each) for each in vars(AGREEING).values() if is_dataclass(each)]
    names = [name for group in (vars(AGREEING), *groups) for name in group]

    assert len(groups) == 5
    assert max(map(len, groups)) <= 8
    assert len(set(names)) == len(names)


def test_names_in_the_schema_are_those_of_the_judge() -> None:
    """Verdicts, operations, formats, adapters, protections, packages, options: none is missing or left over."""
    verdicts = re.findall("'([^']+)'", str(ROW["verdict"]["enum"]))
    options = WHOLE["properties"]["targets"]["items"]["properties"]["options"]["properties"]

    with pytest.raises(ValueError, match="verdict is 'nothing'") as refused:
        Outcome("nothing")
    assert str(refused.value).endswith(f"expected one of {', '.join(verdicts)}")
    assert ROW["operation"]["enum"] == [*OPERATIONS, "linear_cross_entropy, by stages", "-"]
    assert ROW["dtype"]["enum"] == [*FORMATS, "-"]
    assert options["adapter"]["anyOf"][0]["enum"] == list(ADAPTERS)
    assert WHOLE["properties"]["protections"]["items"]["properties"]["name"]["enum"] == list(ALL)
    assert set(WHOLE["properties"]["versions"]["properties"]) == set(versions())
    assert set(options) == set(TargetRecord("mine").to_dict()["options"])
    assert WHOLE["properties"]["softproof"]["const"] == FORMAT


def test_the_schema_is_printed_and_what_is_written_keeps_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the files of the target, and the commit that they were checked out at."""
    assert main(["schema", "--write", str(tmp_path / "schema.json")]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "schema.json").read_text()) == WHOLE

    file = tmp_path / "report.json"
    arguments = ["--dtype", "float32", "--examples", "3", "--seed", "5", "--in-process", "--fixed", "dim=-1"]
    target = ["tests.helpers.reports:without_gradient", "--operation", "softmax"]
    assert main(["verify", *target, *arguments, "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert refusals(WHOLE, found) == []
    (told,) = found["targets"]
    assert told["options"]["fixed"] == ["dim=-1"]
    assert "tests/helpers/reports.py" in [each["name"] for each in told["sources"]]
    assert told["commit"] == (commit(ROOT) or None)
    assert found["rows"][0]["drawing"]["fixed"] == ["dim=-1"]


@pytest.mark.skipif(which("git") is None, reason="git is not installed")
def test_the_commit_of_a_repository(tmp_path: Path) -> None:
    """What git says, of a branch, when it is packed, without a branch, and in a worktree; none where there is none."""

    def git(*arguments: str, where: Path = tmp_path) -> str:
        name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *name, *arguments], cwd=where, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert commit(tmp_path) == ""
    git("init", "--quiet", "--initial-branch=main")
    assert commit(tmp_path) == ""
    git("commit", "--quiet", "--allow-empty", "--message=one")
    one = git("rev-parse", "HEAD")
    (tmp_path / "inside").mkdir()
    assert commit(tmp_path) == commit(tmp_path / "inside") == one
    git("pack-refs", "--all")
    assert commit(tmp_path) == one
    git("worktree", "add", "--quiet", "-b", "other", "beside")
    git("commit", "--quiet", "--allow-empty", "--message=two", where=tmp_path / "beside")
    two = git("rev-parse", "other")
    assert (commit(tmp_path / "beside"), commit(tmp_path)) == (two, one) != (one, two)
    git("checkout", "--quiet", "--detach", two)
    assert commit(tmp_path) == two
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/../../../etc/passwd\n")
    assert commit(tmp_path) == ""
