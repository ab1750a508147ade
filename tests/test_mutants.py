"""Every mutant is killed, the right implementations beside them survive, and the trial would tell if it were not so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from softproof import OPERATIONS, cli
from softproof.mutants import trial as trials
from softproof.mutants.catalogue import GROUPS, MUTANTS, NOT_COVERED
from softproof.mutants.correct import CORRECT, CrossEntropy, Operation, Softmax
from softproof.mutants.peers import PEERS, killed_by_peers
from softproof.mutants.record import Mutant, group
from softproof.mutants.trial import Kill, Trial, Tried, brief, hunt, trial
from softproof.search import EXAMPLES

RIGHT = Mutant("right", "none", "s", "e", "t", "s", "forward", "softmax", Softmax)


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_is_killed(name: str, trial_seed: int) -> None:
    """In the default profile."""
    kill, failure = hunt(MUTANTS[name], trial_seed)

    assert kill.check, f"{name} survived {kill.problems} problems"
    assert failure is not None


@pytest.mark.parametrize("operation", [each.operation for each in CORRECT])
def test_the_right_implementations_survive(operation: str) -> None:
    """Each in every dtype that one of its mutants is asked in."""
    mutants = [mutant for mutant in MUTANTS.values() if mutant.operation == operation and mutant.accuracy == "C"]
    (right,) = (each for each in CORRECT if each.operation == operation)

    assert mutants
    assert trials._accused(right, mutants, [0], EXAMPLES // 2) == []


@pytest.mark.parametrize("operation", [each.operation for each in CORRECT])
def test_a_wrong_one_would_not_survive(operation: str) -> None:
    """If it were taken for a right one; in the dtypes of its mutants."""
    own = [each for each in MUTANTS.values() if each.operation == operation and each.place != "state"]
    mutant, wrong = next((each, made) for each in own if isinstance(made := each.make(), Operation))

    accused = trials._accused(wrong, [mutant], [0], EXAMPLES)

    assert accused
    assert accused[0].startswith(f"{operation} {mutant.dtypes[0]}, seed 0: disagrees")


def test_every_operation_with_logits_has_mutants() -> None:
    """And every group some."""
    asked = {mutant.operation for mutant in MUTANTS.values()}
    assert asked == {each.operation for each in CORRECT}
    assert {name for name, operation in OPERATIONS.items() if "logits" in operation.inputs} <= asked <= set(OPERATIONS)
    assert len({mutant.group for mutant in MUTANTS.values()}) == len(GROUPS)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_record_is_complete(name: str) -> None:
    """Every field says something, and sentences end."""
    mutant = MUTANTS[name]

    assert name == name.lower()
    assert " " not in name
    assert mutant.story.endswith((".", ")"))
    assert mutant.effect.endswith(".")
    assert mutant.trigger
    assert mutant.source
    assert mutant.place in ("forward", "backward", "both", "state")
    assert callable(mutant.make())


def test_what_is_not_covered_has_a_reason() -> None:
    """In words."""
    assert all(len(reason.split()) > 4 for reason in NOT_COVERED.values())


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
    assert "right         5  SURVIVED 1 seed of 1" in trials.table(found)
    assert "0 of 1 mutants killed" in trials.table(found)


def test_an_accusation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant that is called right."""
    wrong = MUTANTS["diagonal-of-the-jacobian"].make()
    monkeypatch.setattr(trials, "CORRECT", (wrong,))

    found = trial(["a-few-ulps"], seeds=[0], witnesses=False)

    assert found.tried[0].killed
    assert not found.ok
    assert "softmax float32, seed 0: disagrees: grad_logits" in trials.table(found)


def test_a_mutant_that_one_seed_misses_is_not_killed() -> None:
    """The table says which share of them."""
    kills = (Kill(0, "value", 3), Kill(1, "", 100), Kill(2, "value", 7), Kill(3, "law: flattened", 9))
    found = Trial((Tried("a-few-ulps", "g", kills),), (0, 1, 2, 3), ("softmax",))

    assert not found.ok
    assert found.score == 0.75
    assert "SURVIVED 1 seed of 4; else value, law: flattened" in trials.table(found)
    assert "7-100" in trials.table(found)
    assert "median 7, 95th percentile 7" in trials.table(found)


def test_the_number_of_problems_is_that_of_the_first_failure() -> None:
    """Not of what it shrinks through, which has an answer of its own."""
    mutant = MUTANTS["one-hot-for-the-whole-batch"]
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
        cli.main(["mutants", *arguments])

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

    status = cli.main(["mutants", "a-few-ulps", "sum-for-mean", "--seeds", "2", "--examples", "50",
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
    monkeypatch.setitem(MUTANTS, "right", replace(RIGHT, operation="cross_entropy", implementation=CrossEntropy))

    assert cli.main(["mutants", "right", "--examples", "3"]) == 1
