"""Every mutant is killed, the right implementations beside them survive, and the trial would tell if it were not so."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from softproof import OPERATIONS
from softproof.cli import commands
from softproof.mutants import trial as trials
from softproof.mutants.catalogue import GROUPS, MUTANTS, NOT_COVERED
from softproof.mutants.correct import CORRECT
from softproof.mutants.document import document, table
from softproof.mutants.peers import PEERS, killed_by_peers
from softproof.mutants.published import SUITES
from softproof.mutants.record import Mutant, group
from softproof.mutants.steps.information import DistributionCrossEntropy, Entropy, KlDivergence
from softproof.mutants.steps.linear import Linear
from softproof.mutants.steps.operation import Operation
from softproof.mutants.steps.softmax import Softmax
from softproof.mutants.trial import Kill, Trial, Tried, brief, hunt, trial
from softproof.runs.search import EXAMPLES

from .helpers.draws import seed_of

RIGHT = Mutant("right", "none", "s", "e", "t", "s", "forward", "softmax", Softmax)


def sample(seed: str) -> frozenset[str]:
    """An eighth of the mutants, with some of each group and of each operation: those that a short run hunts."""
    shuffled = random.Random(seed).sample(sorted(MUTANTS), len(MUTANTS))
    kinds = {kind: name for name in shuffled for kind in (MUTANTS[name].group, MUTANTS[name].operation)}
    return frozenset([*dict.fromkeys([*kinds.values(), *shuffled])][: len(MUTANTS) // 8])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Mutants that are not in the sample of this run's seed are marked thorough."""
    if metafunc.function is test_every_mutant_is_killed:
        short = sample(seed_of(metafunc))
        marks: dict[bool, tuple[pytest.MarkDecorator, ...]] = {True: (), False: (pytest.mark.thorough,)}
        metafunc.parametrize("name", [pytest.param(name, marks=marks[name in short]) for name in MUTANTS])


def test_every_mutant_is_killed(name: str, trial_seed: int) -> None:
    """In the default profile."""
    kill, failure = hunt(MUTANTS[name], trial_seed)

    assert kill.check, f"{name} survived {kill.problems} problems"
    assert failure is not None


@pytest.mark.parametrize("operation", [each.operation for each in CORRECT])
def test_the_right_implementations_survive(operation: str, thorough: bool) -> None:
    """Each in every dtype that one of its mutants is asked in."""
    mutants = [mutant for mutant in MUTANTS.values() if mutant.operation == operation and mutant.accuracy == "C"]
    (right,) = (each for each in CORRECT if each.operation == operation)

    assert mutants
    assert trials._rejected(right, mutants, [0], EXAMPLES // (2 if thorough else 10)) == []


@pytest.mark.parametrize("operation", [each.operation for each in CORRECT])
def test_a_wrong_one_would_not_survive(operation: str) -> None:
    """If it were taken for a right one; in the dtypes of its mutants."""
    own = [each for each in MUTANTS.values() if each.operation == operation and each.place != "state"]
    mutant, wrong = next((each, made) for each in own if isinstance(made := each.make(), Operation))

    rejected = trials._rejected(wrong, [mutant], [0], EXAMPLES, shrink=False)

    assert rejected
    assert rejected[0].startswith(f"{operation} {mutant.dtypes[0]}, seed 0: disagrees")


def test_a_short_run_hunts_an_eighth() -> None:
    """With some of each group and operation; the same from one seed, others from others, and each from some seed."""
    samples = [sample(f"{seed}") for seed in range(60)]

    for each in samples:
        assert len(each) == len(MUTANTS) // 8
        assert {MUTANTS[name].group for name in each} == {mutant.group for mutant in MUTANTS.values()}
        assert {MUTANTS[name].operation for name in each} == set(OPERATIONS)
    assert sample("0") == samples[0] != samples[1]
    assert frozenset().union(*samples) == MUTANTS.keys()


# ---- right, in another way ------------------------------------------------------------------------------------------


class _SequentialEntropy(Entropy):
    """Terms one after the other, from the last to the first."""

    def total(self, terms: Tensor, dim: int) -> Tensor:
        total = torch.zeros_like(terms.select(dim, 0))
        for each in reversed(terms.unbind(dim)):
            total = total + each
        return total


class _EntropyInFloat64(Entropy):
    """Rounded once at the end."""

    def forward(self, p: Tensor, dim: int) -> Tensor:
        return super().forward(p.double(), dim)


class _LogOfTheQuotient(KlDivergence):
    """p log(p/q), and log(p/q) + 1 in the gradient, where p/q is a normal number."""

    def terms(self, p: Tensor, q: Tensor) -> Tensor:
        return torch.where(_normal(p / q), p * (p / q).log(), super().terms(p, q))

    def of_p(self, g: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return torch.where(_normal(p / q), g * ((p / q).log() + 1), super().of_p(g, p, q))


def _normal(x: Tensor) -> Tensor:
    return x.isfinite() & (x >= torch.finfo(x.dtype).tiny)


class _DifferenceOfEntropies(KlDivergence):
    """H(p, q) - H(p), each summed by itself."""

    def forward(self, p: Tensor, q: Tensor, dim: int) -> Tensor:
        return DistributionCrossEntropy().forward(p, q, dim) - Entropy().forward(p, dim)


class _DotProduct(DistributionCrossEntropy):
    """A sum as a product with ones."""

    def total(self, terms: Tensor, dim: int) -> Tensor:
        rows = terms.movedim(dim, -1)
        return (rows[..., None, :] @ torch.ones_like(rows)[..., None]).squeeze(-1).squeeze(-1)


class _BlocksOfFeatures(Linear):
    """Partial sums of 8 features each, added to the bias."""

    def forward(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        a = x.new_zeros(*x.shape[:-1], len(w)) if b is None else b.expand(*x.shape[:-1], len(w))
        for some, of_w in zip(torch.split(x, 8, -1), torch.split(w, 8, -1), strict=True):
            a = a + some @ of_w.T
        return a


class _RowByRow(Linear):
    """Gradients of the weight and the bias as sums of one row after the other."""

    def of_weight(self, g: Tensor, x: Tensor) -> Tensor:
        total = g.new_zeros(g.shape[1], x.shape[1])
        for of_row, row in zip(g, x, strict=True):
            total = total + torch.outer(of_row, row)
        return total

    def of_bias(self, g: Tensor) -> Tensor:
        total = g.new_zeros(g.shape[1])
        for of_row in g:
            total = total + of_row
        return total


VARIANTS: tuple[type[Operation], ...] = (
    _SequentialEntropy, _EntropyInFloat64, _LogOfTheQuotient, _DifferenceOfEntropies, _DotProduct, _BlocksOfFeatures,
    _RowByRow,
)  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__.lstrip("_"))
def test_what_is_right_in_another_way_survives(variant: type[Operation], thorough: bool) -> None:
    """Under the assumptions that hold by default."""
    mutants = [replace(RIGHT, operation=variant.operation, dtypes=("float64", "float32"))]

    assert trials._rejected(variant(), mutants, range(20) if thorough else [0], EXAMPLES if thorough else 8) == []


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__.lstrip("_"))
def test_a_variant_with_a_mistake_does_not(variant: type[Operation]) -> None:
    """Values doubled: the question above can be answered with no."""

    class Doubled(variant):  # type: ignore[valid-type,misc]  # whatever class it is
        def forward(self, *tensors: Any, **options: Any) -> Tensor:
            found: Tensor = super().forward(*tensors, **options)
            return 2 * found

    assert trials._rejected(Doubled(), [replace(RIGHT, operation=variant.operation)], [0], 15, shrink=False)


# ---- the records ----------------------------------------------------------------------------------------------------


def test_every_operation_has_mutants() -> None:
    """Several, beside a right implementation; and every file has some."""
    count = Counter(mutant.operation for mutant in MUTANTS.values())

    assert count.keys() == set(OPERATIONS) == {each.operation for each in CORRECT}
    assert min(count.values()) >= 3
    assert {mutant.implementation.__module__ for mutant in MUTANTS.values()} == {file.__name__ for file in GROUPS}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_record_is_complete(name: str) -> None:
    """Every field says something, sentences end, and who is made is the one that is recorded: wrong in some step."""
    mutant = MUTANTS[name]
    (right,) = (type(each) for each in CORRECT if each.operation == mutant.operation)

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(mutant.story.split()) >= 3
    assert mutant.story.endswith((".", ")"))
    assert mutant.effect.endswith(".")
    assert mutant.trigger
    assert mutant.source
    assert mutant.place in ("forward", "backward", "both", "state")
    made, another = mutant.make(), mutant.make()
    if isinstance(mutant.implementation, type):
        assert type(made) is type(another) is mutant.implementation
        assert made is not another
        assert mutant.operation == mutant.implementation.operation  # type: ignore[attr-defined]  # an Operation
        steps = {step for each in mutant.implementation.__mro__ for step in vars(each)}
        assert any(getattr(made, step) != getattr(right, step, None) for step in steps - vars(object).keys())
    else:
        assert made is another is mutant.implementation


def test_what_is_not_covered_is_told_with_its_reason() -> None:
    """In the document: each in a line, after the mutants."""
    found = Trial((Tried("a-few-ulps", "g", (Kill(0, "value", 3),)),), (0,), ("softmax",))

    told = document(found).split("\n## Not covered\n\n")[1].split("\n\n")

    assert "p - 1 in place of the sum of the others" in " ".join(NOT_COVERED)
    assert [line.rstrip(".\n") for line in told] == [f"- {what}: {why}" for what, why in NOT_COVERED.items()]
    assert all(len(why.split()) > 4 for why in NOT_COVERED.values())


ROOT = Path(__file__).parents[1]


def test_the_document_has_every_mutant() -> None:
    """Each once; `make mutants` writes it."""
    names = re.findall(r"^\*\*([a-z0-9-]+)\*\* \(", (ROOT / "docs/generated/mutants.md").read_text(), re.MULTILINE)

    assert sorted(names) == sorted(MUTANTS)


def test_the_evidence_has_the_numbers_of_the_document() -> None:
    """Of every public suite, in its table, and how many mutants each operation has; README has their sum."""
    folder = ROOT / "docs"
    evidence, document = ((folder / name).read_text() for name in ("theory/evidence.md", "generated/mutants.md"))
    rows = re.findall(r"^\| ([^|`]+) \| (\d+) \| (\d+) \|$", evidence, re.MULTILINE)
    told = re.findall(r"^([^*].*?) {2,}(\d+) of (\d+)$", document, re.MULTILINE)

    assert {name for name, *_ in rows} == {suite.name for suite in SUITES}
    assert set(rows) <= set(told)
    count = Counter(mutant.operation for mutant in MUTANTS.values())
    for operation, number in count.items():
        assert f"`{operation}` {number}" in evidence
        assert re.search(rf"^{operation} +{number} +{number} ", document, re.MULTILINE)
    assert f"{len(MUTANTS)} known wrong implementations" in (ROOT / "README.md").read_text()
    assert f"{len(SUITES)} public suites" in (ROOT / "README.md").read_text()


def test_no_two_mutants_have_one_name() -> None:
    """The second would hide the first."""
    record = group("any")("softmax-twice", story="", effect="", trigger="", source="", place="both")

    with pytest.raises(ValueError, match="two mutants named 'softmax-twice'"):
        record(Softmax)


# ---- the trial itself -----------------------------------------------------------------------------------------------


def test_a_survivor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right implementation that is called a mutant."""
    monkeypatch.setitem(MUTANTS, "right", RIGHT)

    found = trial(["right"], seeds=[0], examples=5)

    assert not found.ok
    assert found.score == 0
    assert found.tried[0].kills == (Kill(0, "", 5),)
    assert "right         5  SURVIVED 1 seed of 1" in table(found)
    assert "0 of 1 mutants killed" in table(found)


def test_a_rejection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant that is called right."""
    wrong = MUTANTS["diagonal-of-the-jacobian"].make()
    monkeypatch.setattr(trials, "CORRECT", (wrong,))

    found = trial(["a-few-ulps"], seeds=[0], witnesses=False)

    assert found.tried[0].killed
    assert not found.ok
    told = re.search(r"^softmax float32, seed 0: disagrees: (by .*, asked as usual: )?(\S+)\[", table(found), re.M)
    assert told is not None
    assert told[2] == "grad_logits"


def test_a_mutant_that_one_seed_misses_is_not_killed() -> None:
    """The table says which share of them."""
    kills = (Kill(0, "value", 3), Kill(1, "", 100), Kill(2, "value", 7), Kill(3, "relation: flattened", 9))
    found = Trial((Tried("a-few-ulps", "g", kills),), (0, 1, 2, 3), ("softmax",))

    assert not found.ok
    assert found.score == 0.75
    assert "SURVIVED 1 seed of 4; else value, relation: flattened" in table(found)
    assert "7-100" in table(found)
    assert "median 7, 95th percentile 7" in table(found)


def test_the_number_of_problems_is_that_of_the_first_failure() -> None:
    """Not of what it shrinks through, which has an answer of its own."""
    mutant = MUTANTS["largest-logit-broadcast-along-columns"]
    first, _ = hunt(mutant, 1)
    shrunk, failure = hunt(mutant, 1, shrink=True)

    assert first.problems == shrunk.problems
    assert failure is not None
    assert failure.verdict.problem is not None
    assert "logits [[" in brief(failure.verdict.problem)


# ---- the peers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("right", CORRECT, ids=lambda right: right.operation)
def test_peers_accept_what_is_right(right: Operation) -> None:
    """With every option that they ask."""
    assert killed_by_peers(replace(RIGHT, operation=right.operation, implementation=type(right))) == ()


@pytest.mark.parametrize(
    ("name", "kills"),
    [
        ("gradient-of-the-other-sign", set(PEERS)),
        ("mean-over-entries", {"assert_close", "assert_close, with options"}),  # the gradient is as wrong as the value
        ("mean-over-ignored", {"assert_close, with options"}),
        ("weights-in-the-value-alone", {name for name in PEERS if "options" in name}),
        ("contiguous-or-nothing", {"assert_close, with options"}),  # .sum() hands back an expanded gradient
        ("logsumexp-then-subtract", set()),
    ],
)
def test_what_peers_kill(name: str, kills: set[str]) -> None:
    """Where it is known why."""
    assert set(killed_by_peers(MUTANTS[name])) == kills


# ---- the command line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-mutant"], "there is no mutant no-such-mutant; known are"),
        (["--seeds", "0"], "--seeds is 0; expected at least 1"),
        (["--examples", "0"], "--examples is 0; expected at least 1"),
        (["--json", "no/folder/x.json"], "there is no folder"),
        (["--write", "no/folder/x.md"], "there is no folder"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and what was expected."""
    with pytest.raises(SystemExit) as error:
        commands.main(["mutants", *arguments])

    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_the_trial_wants_mutants_and_seeds() -> None:
    """At least one of each."""
    with pytest.raises(ValueError, match="seeds is empty"):
        trial(["a-few-ulps"], seeds=[])
    with pytest.raises(ValueError, match="names is empty"):
        trial([])


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table, and everything else in two files."""
    files = tmp_path / "m.json", tmp_path / "m.md"

    status = commands.main(["mutants", "a-few-ulps", "sum-for-mean", "--seeds", "2", "--examples", "12",
                       "--json", str(files[0]), "--write", str(files[1])])  # fmt: skip

    printed, report = capsys.readouterr(), json.loads(files[0].read_text())
    assert status == 0
    assert "2 of 2 mutants killed from 2 seeds" in printed.out
    assert "softmax, cross_entropy: all survived" in printed.out
    assert "[4/4]" in printed.err
    assert report["ok"] is True
    assert report["mutants"][0]["killed"] is True
    assert report["mutants"][0]["story"]
    exec(report["mutants"][0]["witness"], {})  # the snippet is what is under test
    assert "disagrees: value[0]" in capsys.readouterr().out
    assert "**sum-for-mean** (cross_entropy; both)" in files[1].read_text()
    assert "- smallest witness: logits" in files[1].read_text()


def test_the_exit_status_of_a_survivor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is 1."""
    monkeypatch.setitem(MUTANTS, "right", RIGHT)

    assert commands.main(["mutants", "right", "--examples", "3"]) == 1
