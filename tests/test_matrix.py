"""The matrix of properties and mutants tells what is missing, is made of what is there, and its document is in step."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from torch import Tensor

import manual
import reference
from audits import matrix as module
from audits.matrix import BY_ONE, KEPT, Matrix, document, faults, gathered, point
from audits.matrix_rest import PROPERTY, shown
from audits.properties import (
    ELSEWHERE,
    OF_LABELS,
    PROPERTIES,
    RIGHT,
    TESTS,
    Counted,
    Drawing,
    Property,
    fails,
    kill,
    made,
)
from softproof import Problem
from softproof.mutants.catalogue import MUTANTS
from softproof.mutants.record import Mutant
from softproof.problem.problem import Array

from .helpers.candidates import MANUAL
from .wrong.caught import CAUGHT
from .wrong.directions import WRONG, with_derivative
from .wrong.relations import BROKEN_RELATIONS

TESTS_FOLDER = Path(__file__).parent
DOCS = TESTS_FOLDER.parent / "docs" / "generated" / "matrix.md"
FEW = Drawing(examples=12, seed=0)


def _matrix(kills: Mapping[str, str], cost: Mapping[str, float] | None = None) -> Matrix:
    """Properties by name, each with the mutants, of one letter each, that it kills."""
    mutants = tuple(sorted(set("".join(kills.values()))))
    asked = dict.fromkeys(kills, frozenset(mutants))
    cost = cost or {name: float(number) for number, name in enumerate(kills)}
    return Matrix(asked, {name: frozenset(found) for name, found in kills.items()}, cost, cost, mutants)


# ---- what is missing ------------------------------------------------------------------------------------------------


def test_nothing_is_missing() -> None:
    """Each kills a mutant of its own, and each mutant is killed by two."""
    matrix = _matrix({"one": "ab", "two": "bc", "three": "abcd", "four": "de", "five": "e"})

    assert faults(matrix, {"five": "why"}, {}) == []


def test_a_property_that_kills_nothing_new_wants_a_reason() -> None:
    """Though it kills something, and though a dearer one kills nothing at all."""
    matrix = _matrix({"one": "ab", "two": "ab", "three": ""})

    assert [each.split(" kills")[0] for each in faults(matrix, {}, {})] == ["two", "three"]
    assert faults(matrix, {"two": "it needs no truth", "three": "it is about CUDA"}, {}) == []
    assert len(faults(matrix, {"two": "", "three": "it is about CUDA"}, {})) == 1


def test_a_reason_that_is_not_needed_is_told() -> None:
    """And for what, and one for what is no property."""
    matrix = _matrix({"one": "ab", "two": "abc", "three": "c"})

    told = faults(matrix, {"two": "why", "three": "why", "four": "why"}, {})

    assert told == [
        "two is kept for a reason that it does not need: it is the first that kills c",
        "a reason is given for four, which is no property",
    ]


def test_a_mutant_that_one_property_kills_is_told() -> None:
    """Or none."""
    matrix = _matrix({"one": "ab", "two": "ac", "three": "c"})
    matrix = Matrix(matrix.asked, matrix.kills, matrix.cost, matrix.seconds, (*matrix.mutants, "d"))

    told = faults(matrix, {"three": "why"}, {})

    assert told == ["b is killed by one alone", "d is killed by nothing alone"]
    assert faults(matrix, {"three": "why"}, {"b": "it is about CUDA", "d": "it is about CUDA"}) == [told[1]]


def test_a_mutant_that_is_said_to_be_killed_by_one_is_told() -> None:
    """Where two kill it, or nobody knows it."""
    matrix = _matrix({"one": "ab", "two": "abc", "three": "c"})

    told = faults(matrix, {"three": "why"}, {"a": "why", "e": "why"})

    assert told == [
        "a is said to be killed by one property; it is killed by one, two",
        "a reason is given for e, which is no mutant",
    ]


def test_a_rejection_is_told() -> None:
    """Of a right implementation."""
    right = _matrix({"one": "a", "two": "a"})
    matrix = Matrix(right.asked, right.kills, right.cost, right.seconds, right.mutants, ("softmax (one)",))

    assert faults(matrix, {"two": "why"}, {}) == ["softmax (one), which is right, is rejected"]


def test_the_cheaper_comes_first() -> None:
    """And of two that cost the same the one that is named first."""
    matrix = _matrix({"dear": "ab", "cheap": "a", "also cheap": "ac"}, {"dear": 9.0, "cheap": 1.0, "also cheap": 1.0})

    assert matrix.by_cost == ("cheap", "also cheap", "dear")
    assert [sorted(matrix.first(name)) for name in matrix.by_cost] == [["a"], ["c"], ["b"]]
    assert [sorted(matrix.alone(name)) for name in matrix.by_cost] == [[], ["c"], ["b"]]
    assert matrix.killers("a") == ["cheap", "also cheap", "dear"]


# ---- what is asked --------------------------------------------------------------------------------------------------


def _takes_an_implementation(test: ast.FunctionDef) -> bool:
    names = {argument.arg for argument in (*test.args.args, *test.args.kwonlyargs)}
    return test.name.startswith("test_") and bool(names & {"half", "candidate"})


@pytest.mark.always
def test_every_test_of_an_implementation_is_asked_or_has_a_reason() -> None:
    """Of all in tests/ that take one as `half` or `candidate`."""
    trees = {path.stem: ast.parse(path.read_text()) for path in TESTS_FOLDER.glob("test_*.py")}
    found = {f"{stem}.{node.name}" for stem, tree in trees.items() for node in ast.walk(tree)
             if isinstance(node, ast.FunctionDef) and _takes_an_implementation(node)}  # fmt: skip

    asked = [test for test, _ in TESTS.values()]
    assert sorted([*asked, *ELSEWHERE]) == sorted(found)
    assert all(ELSEWHERE.values())


def _left_out(test: str) -> bool:
    """Whether a test, such as test_relations.test_gibbs_inequality, is asked with --thorough alone, or now and then."""
    stem, name = test.split(".")
    module = import_module(f"tests.{stem}")
    marks = [mark for each in (module, getattr(module, name)) for mark in getattr(each, "pytestmark", [])]
    return any(mark.name in ("thorough", "drawn") for mark in marks)


@pytest.mark.parametrize("test", [*(test for test, _ in TESTS.values()), "test_mutants.test_every_mutant_is_killed"])
def test_every_property_is_in_the_short_tier(test: str) -> None:
    """In fewer examples, and an eighth of the hunts in each run; `make thorough` asks all that the matrix tells."""
    assert not _left_out(test)


def test_the_test_of_the_tiers_can_fail() -> None:
    """A test that is marked is seen."""
    assert _left_out("test_matrix.of_hours")


@pytest.mark.thorough
def of_hours() -> None:
    """Stands for a test that takes long."""


@pytest.mark.parametrize(
    ("name", "killed", "survives"),
    [
        ("uniform-softmax", {"value", "edges of the range", "edge cases"}, {"an answer"}),
        ("upstream-gradient-overwritten", {"an answer"}, {"value", "gradients", "softmax rows sum to one"}),
        ("gradient-of-the-other-sign", {"gradients", "three stages"}, {"an answer", "value"}),
        ("second-derivative-of-zero", {"hvp"}, {"value", "gradients", "a Hessian is symmetric"}),
        ("tail-dropped", {"gradients", "training on Iris"}, {"an answer"}),
        ("loss-without-log1p", {"small losses keep their digits"}, {"an answer"}),
        ("index-in-16-bits", {"large problems"}, {"value"}),
    ],
)
def test_what_is_known_to_kill(name: str, killed: set[str], survives: set[str]) -> None:
    """A slice of the matrix: what is asked for, and nothing else."""
    record = point(MUTANTS[name], FEW, sorted(killed | survives))

    assert set(record["killed"]) == killed
    assert set(record["asked"]) == killed | survives


CHEAP = [name for name in PROPERTIES if "large" not in name and "near" not in name]
SOME_RIGHT = [right for right in RIGHT if right.name in ("softmax, reference", "linear", "cross_entropy", OF_LABELS)]


@pytest.mark.parametrize("right", SOME_RIGHT, ids=lambda right: right.name)
def test_what_is_right_survives(right: Mutant) -> None:
    """Every property but the slow ones; `make matrix` asks all of them of every operation."""
    record = point(right, Drawing(examples=3, seed=1), CHEAP)

    assert record["killed"] == []
    assert len(record["asked"]) > 20


def test_cost_is_counted() -> None:
    """The numbers of each problem, thrice where it is asked twice more, by autograd and by hand, and in every run."""
    for right in (RIGHT[0], RIGHT[-1]):
        once = kill(PROPERTIES["value"], right, FEW)

        assert (once.questions, once.killed) == (FEW.examples, False)
        assert once.numbers > FEW.examples
        assert kill(PROPERTIES["value"], right, FEW) == once
        assert kill(PROPERTIES["check: asked twice"], right, FEW).numbers == 3 * once.numbers


LOSSES = [right for right in RIGHT if right.name in ("cross_entropy", OF_LABELS)]


@pytest.mark.parametrize("right", LOSSES, ids=["by autograd", "by hand"])
def test_the_numbers_of_a_problem_are_counted_once(right: Mutant) -> None:
    """With gradients too, whoever takes them."""
    candidate = made(right)
    candidate.supports("cross_entropy")  # which tries out what it has
    before = candidate.counts["numbers"]

    candidate.answer(Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0, 2.0]], "target": [2]}, {}, 1.0))

    assert candidate.counts["numbers"] - before == 4


def test_a_mutant_that_throws_dice_throws_the_same() -> None:
    """However often it has been asked, and nobody else's are touched."""
    found = set()
    for number in range(5):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)
            before = torch.get_rng_state()
            found.add(kill(PROPERTIES["check: asked twice"], MUTANTS["missing-barrier"], FEW))
            assert torch.equal(torch.get_rng_state(), before)

    assert len(found) == 1


def test_more_problems_accuse_nobody_who_is_right() -> None:
    """A mutant that few kill gets them; what the right steps beside it do not take is no fault of it."""
    more = Drawing(module.MORE, 0)

    assert not kill(PROPERTIES["gradient rows sum to zero"], RIGHT[0], more).killed
    assert RIGHT[0].operation == "softmax"


def test_who_is_asked_has_been_asked_nothing_before() -> None:
    """Each property gets a mutant of its own, whose state no other has touched."""
    mutant = MUTANTS["stale-answer"]

    first, second = made(mutant), made(mutant)

    assert first.functions["logsumexp"] is not second.functions["logsumexp"]


def test_only_what_a_test_asserts_is_a_kill() -> None:
    """Not that Hypothesis finds nothing to ask."""

    def finds_nothing() -> None:
        raise hypothesis.errors.Unsatisfiable("no problem")

    def differs() -> None:
        raise hypothesis.errors.Flaky("another answer")

    def refutes() -> None:
        raise AssertionError("wrong")

    assert fails(refutes)
    assert fails(differs)
    assert not fails(lambda: None)
    with pytest.raises(hypothesis.errors.Unsatisfiable):
        fails(finds_nothing)


# ---- the run and the document ---------------------------------------------------------------------------------------


def _asked_of(folder: Path, monkeypatch: pytest.MonkeyPatch, mutants: list[str]) -> int:
    names = ("an answer", "value")
    some: dict[str, Property] = {name: PROPERTIES[name] for name in names}
    monkeypatch.setattr(module, "PROPERTIES", some)
    monkeypatch.setattr(module, "INNOCENT", {RIGHT[0].name: RIGHT[0]})
    monkeypatch.setattr(module, "MUTANTS", {name: MUTANTS[name] for name in mutants})
    monkeypatch.setattr(module, "KEPT", {})
    monkeypatch.setattr(module, "BY_ONE", {})
    monkeypatch.setattr(module, "MORE", 12)
    monkeypatch.setattr(module, "point", lambda mutant, drawing: point(mutant, drawing, names))
    return module.main(["--examples", "12", "--log", str(folder / "m.jsonl"), "--write", str(folder / "m.md")])


def test_a_run_goes_on_where_its_log_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked twice, the document is written, and what is missing is told and is the exit status."""
    assert _asked_of(tmp_path, monkeypatch, ["not-a-number"]) == 1
    before = (tmp_path / "m.jsonl").read_text()
    assert _asked_of(tmp_path, monkeypatch, ["not-a-number", "upstream-gradient-overwritten"]) == 1

    lines = (tmp_path / "m.jsonl").read_text().splitlines()
    assert "\n".join(lines[:2]) + "\n" == before
    assert [json.loads(line)["name"] for line in lines] == ["softmax", "not-a-number", "upstream-gradient-overwritten"]
    assert "not-a-number is killed by value alone" in capsys.readouterr().err
    written = (tmp_path / "m.md").read_text()
    assert re.search(r"^1 +an answer +2 +1 +1 +1 +\d+ +\d+\.\d\d$", written, re.MULTILINE), written
    assert re.search(r"^not-a-number +2$", written, re.MULTILINE), written
    assert "- not-a-number is killed by value alone" in written


def test_a_mutant_that_fewer_than_two_kill_is_asked_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a right implementation is not."""
    asked: list[tuple[str, int]] = []

    def pointed(mutant: Mutant, drawing: Drawing) -> module.Record:
        asked.append((mutant.name, drawing.examples))
        killed = ["value"] * (2 if mutant.name == "infinite" or drawing.examples > 3 else 1)
        return {"name": mutant.name, "examples": drawing.examples, "asked": {}, "killed": killed}

    monkeypatch.setattr(module, "point", pointed)
    todo = [(name, Drawing(3, 0)) for name in (RIGHT[0].name, "infinite", "not-a-number")]

    found = list(module.run(todo, lambda *_: None))

    assert asked == [("softmax", 3), ("infinite", 3), ("not-a-number", 3), ("not-a-number", module.MORE)]
    assert [(len(record["killed"]), record["examples"]) for record in found] == [(1, 3), (2, 3), (2, 3)]


def test_what_one_seed_kills_is_killed() -> None:
    """And a right implementation that one property rejects is rejected."""

    def record(name: str, asked: list[str], killed: list[str]) -> module.Record:
        return {"name": name, "asked": dict.fromkeys(asked, 1), "killed": killed, "cost": dict.fromkeys(asked, 3),
                "seconds": dict.fromkeys(asked, 0.5)}  # fmt: skip

    found = gathered([
        record("a", ["value", "jvp"], []), record("a", ["value"], ["value"]), record("softmax", ["value"], ["value"])
    ])  # fmt: skip

    assert found.kills["value"] == {"a"}
    assert found.kills["jvp"] == set()
    assert found.asked["jvp"] == {"a"}
    assert found.mutants == ("a",)
    assert found.rejected == ("softmax (value)",)
    assert found.cost["value"] == 3


def _read() -> tuple[Matrix, dict[str, list[int]]]:
    """The matrix that the document shows, and for each property what it counts."""
    written = DOCS.read_text()
    return shown(written), {name: [int(each) for each in counts[1:4]] for _, name, *counts in PROPERTY.findall(written)}


def test_the_document_has_every_property_and_every_mutant() -> None:
    """`make matrix` writes it."""
    matrix, counts = _read()

    assert set(matrix.asked) == set(PROPERTIES)
    assert set(matrix.mutants) == set(MUTANTS)
    for name, found in counts.items():
        assert found == [len(matrix.kills[name]), len(matrix.first(name)), len(matrix.alone(name))], name


def test_the_document_shows_that_nothing_is_missing() -> None:
    """Exactly the properties that kill nothing of their own have a reason, and every mutant is killed by two."""
    matrix, _ = _read()

    assert faults(matrix, KEPT, BY_ONE) == []
    for name, reason in KEPT.items():
        assert f"**{name}**: {reason}." in DOCS.read_text()


def test_a_document_out_of_step_is_told() -> None:
    """The same as it is written, read again."""
    written = document(_matrix({"one": "ab", "two": "b"}), {}, {}, "x 1")

    assert "- two kills no mutant that no cheaper property kills, and nothing says why it is kept" in written
    assert "- a is killed by one alone" in written


# ---- what kills no mutant -------------------------------------------------------------------------------------------


def _against_convexity(*arguments: Any, **options: Any) -> Array:
    return -manual.logsumexp_hvp(*arguments, **options)


def _of_absolute_values(tangent: Array, *arguments: Any, **options: Any) -> Array:
    return manual.softmax_jvp(abs(tangent), *arguments, **options)


WRONG_DERIVATIVES = {
    "jvp": WRONG["the diagonal of J"],
    "a Hessian is symmetric": WRONG["half a product rule"],
    "a convex function has a Hessian >= 0": ("logsumexp", "hvp_logits", _against_convexity),
    "derivatives are linear in the direction": ("softmax", "jvp", _of_absolute_values),
    "near the other half in a direction": WRONG["half a product rule"],
}


@pytest.mark.parametrize("name", WRONG_DERIVATIVES)
def test_what_kills_no_mutant_is_seen_to_fail(name: str) -> None:
    """On a wrong derivative, which a mutant seldom has, and not on the right ones beside it."""
    operation, output, function = WRONG_DERIVATIVES[name]

    for candidate, killed in ((with_derivative(operation, output, function), True), (MANUAL.only(operation), False)):
        counted = Counted("m", candidate.functions, candidate.backwards, "numpy", jvps=candidate.jvps,
                          hvps=candidate.hvps)  # fmt: skip
        mutant = replace(RIGHT[0], operation=operation)
        assert any(PROPERTIES[name].asks(mutant, counted, FEW)) is killed


def _twice_the_loss(logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    return 2 * reference.accurate_cross_entropy(logits, target, reduction=reduction)


def test_class_b_is_seen_to_fail() -> None:
    """Of twice the loss, and not of the loss."""
    (right,) = (each for each in RIGHT if each.name == OF_LABELS)
    wrong = replace(right, implementation=_twice_the_loss)

    assert not kill(PROPERTIES["all options keep class B"], right, FEW).killed
    assert kill(PROPERTIES["all options keep class B"], wrong, FEW).killed


def test_whatever_kills_no_mutant_is_seen_to_fail_somewhere() -> None:
    """By a test of the property itself: above, or of each way, or of each relation."""
    matrix, _ = _read()
    seen = (
        {"all options keep class B"}
        | {f"check: {check}" for *_, check, _ in CAUGHT}
        | {f"relation: {relation}" for relation, *_ in BROKEN_RELATIONS}
    )

    assert {name for name in matrix.asked if not matrix.kills[name]} <= seen | WRONG_DERIVATIVES.keys()
