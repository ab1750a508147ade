"""Certificates: what they hold, what is no certificate, and that a forged one is told from what is found again."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import softproof.runs.large
from softproof import OPERATIONS, Report, verify
from softproof.bounds import theorems
from softproof.bounds.models import MODELS
from softproof.candidates.isolation.protections import Protection
from softproof.certificates.differences import AGAIN, differences, of_problems
from softproof.certificates.form import PREDICATE_TYPE, STATEMENT_TYPE, canonical
from softproof.certificates.reading import read
from softproof.certificates.sources import Source, sources
from softproof.certificates.statement import statement
from softproof.problem.problem import Problem
from softproof.properties.checks import CHECKS
from softproof.runs.drawing import digests
from softproof.runs.schedule import Schedule
from tests.helpers.repository import ROOT, stated
from tests.wrong import broken

Edit = Callable[[dict[str, Any]], Any]
FILES = (Source("mine.py", "ab" * 32), Source("side.py", "ef" * 32))
ARGUMENTS = {"target": "mine", "device": "cpu", "dtypes": ["float64"], "examples": 10, "arithmetic": "any-order"}


@pytest.fixture(scope="module")
def certificate() -> dict[str, Any]:
    """Of two rows: the second has failed."""
    import manual

    report = verify(manual, operation="softmax", dtypes=["float64"], examples=10, seed=3, without=["hvp"])
    wrong = verify(broken.softmax_without_shift, operation="softmax", dtypes=["float32"], seed=3, examples=10)
    assert report.ok
    assert not wrong.ok
    both = Report((*report.rows, *wrong.rows), 3, protections=(Protection("no network", True, "a namespace"),))
    return statement(both, ARGUMENTS, FILES)


def predicate(value: dict[str, Any]) -> dict[str, Any]:
    """That of a statement."""
    found: dict[str, Any] = value["predicate"]
    return found


def test_it_is_a_statement_with_everything_that_is_required(certificate: dict[str, Any]) -> None:
    """The failed row is there, with why; what was not tested and what is assumed, of the whole and of each row."""
    text = canonical(certificate)
    assert read(text, "c.json") == json.loads(text) == certificate

    one, two = predicate(certificate)["rows"]
    assert (certificate["_type"], certificate["predicateType"]) == (STATEMENT_TYPE, PREDICATE_TYPE)
    assert certificate["subject"][0] == {"name": "mine.py", "digest": {"sha256": "ab" * 32}}
    assert (one["dtype"], one["result"], one["verdict"]) == ("float64", "PASSED", "agrees")
    assert (two["dtype"], two["result"], two["verdict"]) == ("float32", "FAILED", "disagrees")
    assert "value" in two["reason"]
    assert "hvp" in one["not_tested"]
    assert 0 < float.fromhex(one["worst"]["error_over_bound"]) <= 1 < float.fromhex(two["worst"]["error_over_bound"])
    about = predicate(certificate)
    assert (about["result"], about["level"], about["asked"]["seed"]) == ("FAILED", "wimpy", "3")
    for words, name in (("not drawn", "not_tested"), ("float16", "not_tested"), ("A1 to A7", "assumptions"),
                        ("float64: any order", "assumptions")):  # fmt: skip
        assert any(words in each for each in about[name])
    assert about["environment"]["protections"] == {"no network": "active: a namespace"}
    assert "softproof" in about["environment"]["versions"]


def test_it_is_the_same_text_each_time_but_for_the_environment() -> None:
    """Byte by byte, and of the default number of problems the level is another one."""
    texts = []
    for _ in range(2):
        report = verify(broken.softmax_without_shift, operation="softmax", dtypes=["float32"], seed=1, examples=100)
        found = statement(report, {**ARGUMENTS, "examples": 100}, FILES)
        assert predicate(found)["level"] == "sampled"
        predicate(found).pop("environment")
        texts.append(canonical(found))

    assert texts[0] == texts[1]
    assert texts[0].startswith('{"_type":"https://in-toto.io/Statement/v1","predicate":{"asked":{"accuracy":"C",')


def _set(*path: Any) -> Edit:
    """Put the last of the words at the place that the others name."""

    def edit(value: Any) -> None:
        for key in path[:-2]:
            value = value[key]
        value[path[-2]] = path[-1]

    return edit


def _drop(*path: Any) -> Edit:
    def edit(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        del value[path[-1]]

    return edit


def _all(*edits: Edit) -> Edit:
    def edit(value: Any) -> None:
        for each in edits:
            each(value)

    return edit


P, ROWS = "predicate", ("predicate", "rows")
FORGED: dict[str, tuple[Edit, str]] = {
    "a failed row dropped": (
        _all(_drop(*ROWS, 1), _set(P, "result", "PASSED")),
        "row softmax float32 cpu: it disagrees, and the certificate does not have it",
    ),
    "a row of its own": (
        lambda value: value[P]["rows"].append({**value[P]["rows"][0], "operation": "linear"}),
        "row linear float64 cpu: the certificate has it, and judged again there is no such row",
    ),
    "outcome flipped": (
        _all(*(_set(*ROWS, 1, *each) for each in (
            ("verdict", "agrees"), ("result", "PASSED"), ("worst", "error_over_bound", "0x1.8000000000000p-1"))),
            _set(P, "result", "PASSED")),
        "row softmax float32 cpu: verdict: the certificate has 'agrees'; judged again it is 'disagrees'",
    ),
    "seed changed": (_set(P, "asked", "seed", "4"), "its seed 4 draws"),
    "level raised": (
        _all(_set(P, "level", "sampled"), _set(P, "asked", "examples", 100)),
        "level: the certificate has 'sampled'; judged again it is 'wimpy'",
    ),
    "digests of problems changed": (_set(*ROWS, 0, "drawn", "sha256", "0" * 64), "the problems: the certificate has 8"),
    "fewer problems": (_set(*ROWS, 0, "drawn", "count", 7), "the problems: the certificate has 7"),
    "not_tested but for one": (
        lambda value: value[P].update(not_tested=value[P]["not_tested"][:1]),
        "not_tested: judged again there is 'devices other than cpu'",
    ),
    "not_tested of a row emptied": (
        _set(*ROWS, 0, "not_tested", []),
        "row softmax float64 cpu: not_tested: judged again there is 'hvp'",
    ),
    "assumptions invented": (_set(P, "assumptions", ["none"]), "assumptions: the certificate has 'none'"),
    "a wider model": (_set(P, "asked", "arithmetic", "fused"), "asked.arithmetic is 'fused', and now 'any-order'"),
    "another file": (_set("subject", 0, "digest", "sha256", "cd" * 32), "mine.py has changed"),
    "another name of a file": (_set("subject", 0, "name", "other.py"), "files have other names"),
    "a file left out": (_drop("subject", 1), "side.py is a file of the target now; the certificate does not have it"),
    "a file too many": (
        lambda value: value["subject"].append({"name": "more.py", "digest": {"sha256": "01" * 32}}),
        "subject: the certificate has more.py, which is no file of the target now",
    ),
    "a smaller error": (
        _set(*ROWS, 0, "worst", "error_over_bound", "0x1.0000000000000p-9"),
        "worst: the certificate has",
    ),
    "theorems": (_set(*ROWS, 0, "theorems", [1]), "theorems: the certificate has [1]"),
    "isolated": (_set(*ROWS, 0, "isolated", True), "isolated: the certificate has True"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_certificate_is_told(name: str, certificate: dict[str, Any]) -> None:
    """It is well formed, and differs from what is found again in words that say where."""
    edit, words = FORGED[name]
    forged = copy.deepcopy(certificate)
    edit(forged)
    said = read(canonical(forged), "c.json")
    found = [*of_problems(said), *differences(said, certificate)]

    assert any(words in each.words for each in found), found
    assert any(each.matters for each in found) == (name != "another name of a file")


def test_nothing_differs_from_itself(certificate: dict[str, Any]) -> None:
    """And in another environment only what does not matter does, measured numbers with it."""
    assert [*of_problems(certificate), *differences(certificate, certificate)] == []

    elsewhere = copy.deepcopy(certificate)
    predicate(elsewhere)["environment"]["versions"]["numpy"] = "9.9"
    predicate(elsewhere)["environment"]["time"] = "2030-01-01T00:00:00Z"
    predicate(elsewhere)["rows"][0]["worst"]["ulps"] = (2.5).hex()
    found = differences(certificate, elsewhere)

    assert [each.words.partition(": the")[0] for each in found] == [
        "row softmax float64 cpu: worst", "environment: numpy"]  # fmt: skip
    assert not any(each.matters for each in found)


def test_numbers_that_nobody_can_repeat_do_not_matter(certificate: dict[str, Any]) -> None:
    """Of a target that gives other bits when it is asked the same again: now, and not as the certificate says."""
    forged, found = copy.deepcopy(certificate), copy.deepcopy(certificate)
    predicate(forged)["rows"][0]["worst"]["ulps"] = (2.5).hex()
    for said, now, matters in (([], [], True), (["asked twice"], [], True), ([], ["rows alone"], True),
                               ([], ["asked twice"], False)):  # fmt: skip
        predicate(forged)["rows"][0]["other_bits"], predicate(found)["rows"][0]["other_bits"] = said, now
        assert {each.matters for each in differences(forged, found)} == {matters}
    assert set(AGAIN) <= CHECKS.keys()


def _fields(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all keys that a form demands."""
    if isinstance(value, dict):
        named = path[-1:] in [(name,) for name in ("names", "fixed", "extra", "detectable", "vacuous", "versions",
                                                   "protections")]  # fmt: skip
        return [each for key, inner in value.items() for each in [*([] if named else [(*path, key)]),
                                                                  *_fields(inner, (*path, key))]]  # fmt: skip
    return [each for number, inner in enumerate(value[:1]) for each in _fields(inner, (*path, number))] if isinstance(
        value, list) else []  # fmt: skip


def test_every_field_is_required(certificate: dict[str, Any]) -> None:
    """One removed, or one of another kind, and it is no certificate."""
    places = _fields(certificate)
    assert len(places) > 60

    for place in places:
        for edit, words in ((_drop(*place), f"has no {place[-1]}"), (_set(*place, 0.5), "has the number 0.5")):
            value = copy.deepcopy(certificate)
            edit(value)
            with pytest.raises(ValueError, match=words) as raised:
                read(json.dumps(value), "c.json")
            assert "expected" in str(raised.value)


MALFORMED: dict[str, tuple[Edit, str]] = {
    "not_tested emptied": (_set(P, "not_tested", []), "predicate.not_tested is []; expected a list of at least 1"),
    "assumptions emptied": (_set(P, "assumptions", []), "predicate.assumptions is []; expected a list of at least 1"),
    "level alone": (_set(P, "level", "sampled"), "predicate.level is 'sampled', and predicate.asked.examples is 10"),
    "level": (_set(P, "level", "proven"), "predicate.level is 'proven'; expected one of 'sampled', 'wimpy'"),
    "result alone": (_set(P, "result", "PASSED"), "predicate.result is 'PASSED', and of 2 rows 1 have failed"),
    "verdict alone": (_set(*ROWS, 1, "verdict", "agrees"), "has result 'FAILED' and verdict 'agrees'"),
    "verdict and result": (
        _all(_set(*ROWS, 1, "verdict", "agrees"), _set(*ROWS, 1, "result", "PASSED")),
        "error_over_bound inf; expected at most 1"),
    "a row twice": (lambda value: value[P]["rows"].append(value[P]["rows"][0]), "stands there 2 times; expected once"),
    "no rows": (_set(P, "rows", []), "predicate.rows is []; expected a list of at least 1"),
    "no subject": (_set("subject", []), "subject is []"),
    "auto": (_set(P, "asked", "arithmetic", "auto"), "asked.arithmetic is 'auto'; expected one of 'any-order'"),
    "another kind": (_set("predicateType", "https://slsa.dev/provenance/v1"), "predicateType is 'https://slsa.dev"),
    "more": (_set(P, "note", "x"), "predicate has 'note'; expected result, level"),
    "misspelt": (_all(_set(P, "levle", "x")), "did you mean 'level'?"),
    "negative": (_set(*ROWS, 0, "problems", -1), "problems is -1; expected a whole number that is not negative"),
    "true for 1": (_set(*ROWS, 0, "problems", True), "problems is True; expected a whole number"),
    "a decimal float": (_set(*ROWS, 0, "worst", "ulps", "0.5"), "ulps is '0.5'; expected a float that is not"),
    "too large a float": (_set(*ROWS, 0, "worst", "ulps", "0x1.0p+99999"), "ulps is '0x1.0p+99999'"),
    "a seed": (_set(P, "asked", "seed", "1.0"), "seed is '1.0'; expected a whole number of 64 bits"),
    "a digest": (_set("subject", 0, "digest", "sha256", "AB" * 32), "expected a SHA-256"),
    "null": (_set(P, None), "predicate is None; expected an object"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_certificate(name: str, certificate: dict[str, Any]) -> None:
    """It is told what it is, and what was expected."""
    edit, words = MALFORMED[name]
    value = copy.deepcopy(certificate)
    edit(value)

    with pytest.raises(ValueError, match="expected") as raised:
        read(canonical(value), "c.json")
    assert words in str(raised.value)
    assert str(raised.value).startswith("c.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "c.json is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "c.json: it is []; expected an object"),
        ('{"a": 1, "a": 2}', "'a' stands twice in one object"),
        ('{"a": NaN}', "it has the number NaN"),
        ('{"a": 1' + "0" * 5000 + "}", "c.json: "),
    ],
    ids=["empty", "deep", "list", "twice", "nan", "long"],
)
def test_what_is_no_json_of_ours(text: str, words: str) -> None:
    """Whatever the text is, it is a ValueError that names the file."""
    with pytest.raises(ValueError, match=r"c\.json") as raised:
        read(text, "c.json")
    assert words in str(raised.value)


def test_canonical_text_is_that_of_rfc_8785() -> None:
    """Keys in order, no blanks, escapes as short as they get, everything else as it is."""
    value = {"b": ['\u20ac$\x0f\nA\'B"\\"/', True, None], "a": {"z": 1, "\u00e9": -2, "e": 10}}

    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'  # in UTF-16
    assert canonical(value) == ('{"a":{"e":10,"z":1,"\u00e9":-2},"b":["\u20ac$\\u000f\\nA\'B\\"\\\\\\"/",true,null]}')


@pytest.mark.parametrize("examples", [7, 25, pytest.param(100, marks=pytest.mark.thorough)])
def test_the_problems_of_a_certificate_are_those_that_were_asked(
    examples: int, number_of_the_run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their order, and first; what follows from the answers comes after those that are drawn apart."""
    asked, large, seed = list[str](), list[str](), number_of_the_run
    original, of_large = Schedule.verdict, softproof.runs.large._judged

    def spy(self: Schedule, problem: Problem) -> Any:
        asked.append(problem.digest())
        return original(self, problem)

    def spy_of_large(schedule: Schedule, problem: Problem) -> Any:
        large.append(problem.digest())
        return of_large(schedule, problem)

    monkeypatch.setattr(Schedule, "verdict", spy)
    monkeypatch.setattr("softproof.runs.large._judged", spy_of_large)
    report = verify("manual:softmax", dtypes=["float32"], examples=examples, seed=seed, in_process=True)
    found = digests("softmax", "float32", report.rows[0].coverage.drawing, seed, examples)
    drawn = examples - examples // 5

    assert report.ok
    assert len(set(found)) > 0.6 * drawn
    assert found[:drawn] == asked[:drawn]
    assert found[drawn:] == large
    assert bool(large) == (examples >= 100)


def test_every_operation_cites_its_theorems() -> None:
    """All of them are stated, and each theorem about bounds is cited by an operation."""
    numbers = set(stated([(ROOT / "docs/theory/bounds.md").read_text()]))
    problem = Problem("softmax", "float32", {"logits": [0.0]}, {"dim": 0})
    cited = {
        number
        for operation in OPERATIONS
        for name in ("any-order-through-maximum", "folded-logsumexp")
        for number in theorems.theorems(operation, MODELS[name](problem), "B")
    }

    assert theorems.CITED.keys() == OPERATIONS.keys()
    assert cited == numbers - {23, 24, 25, 26}  # 23 to 25 are about the truth, 26 about networks
    assert theorems.theorems("softmax", MODELS["fused"](problem), "A") == ()


def test_the_files_of_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own, those of packages around it, and what they import from the same folder; nothing is imported."""
    files = {
        "top.py": "from side import f\nimport numpy, pack.deep.inner\nraise SystemExit",
        "side.py": "def f():\n    import lazy",
        "lazy.py": "import nothing_of_this_name",
        "other.py": "",
        "pack/__init__.py": "",
        "pack/deep/__init__.py": "from . import beside",
        "pack/deep/inner.py": "from ..near import x",
        "pack/deep/beside.py": "",
        "pack/near.py": "not python",
        "pack/unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "run.sh").write_text("exit")
    monkeypatch.chdir(tmp_path)

    found = sources("top:f", None)
    assert {each.name for each in found} == set(files) - {"other.py", "pack/unused.py"}
    assert {each.name: each.sha256 for each in found}["side.py"] == sha256(files["side.py"].encode()).hexdigest()
    assert {each.name for each in sources("pack.deep.beside", None)} == {
        "pack/__init__.py", "pack/deep/__init__.py", "pack/deep/beside.py"}  # fmt: skip
    assert "run.sh" in {each.name for each in sources("sh run.sh --fast", "process")}
    assert [each.name for each in sources("other", None, ["run.sh"])] == ["other.py", "run.sh"]
    assert [each.name for each in sources("torch.nn.functional:cross_entropy", None)] == [
        "torch/__init__.py", "torch/nn/__init__.py", "torch/nn/functional.py"]  # fmt: skip
    for target, words in (("nothing_of_this_name", "no file of it is found"), ("absent.onnx", "cannot be read")):
        with pytest.raises(ValueError, match=words):
            sources(target, None)


def test_a_folder_that_is_no_package_has_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python imports from one without an `__init__.py`; one with such a file comes first, wherever it lies."""
    for name in ("loose", "elsewhere/loose"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "loose" / "fused.py").write_text("from loose import common\n")
    (tmp_path / "loose" / "common.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    assert [each.name for each in sources("loose.fused:loss", None)] == ["loose/common.py", "loose/fused.py"]
    (tmp_path / "elsewhere" / "loose" / "__init__.py").write_text("")
    assert [each.name for each in sources("loose.fused:loss", None)] == ["loose/__init__.py"]
