"""The search for false alarms counts what it asks, tells every alarm, and goes on where its log ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import manual
from audits import alarms
from audits.alarms import Part
from audits.campaign import finding
from softproof import OPERATIONS, Candidate, Problem, load
from softproof.candidates.devices import has_amx
from softproof.generation.large import large_problems
from softproof.mutants.right.catalogue import VARIANTS
from softproof.problem.problem import Array

from .helpers.candidates import MANUAL, REFERENCE

QUICK = {"float32": 10}


def _without_zeros(logits: Array, dim: int = -1) -> Array:
    """A softmax that takes 0 for a mask."""
    return np.where(logits == 0, 0, manual.softmax(logits, dim)).astype(logits.dtype)


def _forgetful() -> Candidate:
    """A logsumexp without the last class of more than a thousand."""

    def logsumexp(logits: Array, dim: int = -1) -> Array:
        kept = np.arange(logits.shape[dim]) < max(1000, logits.shape[dim] - 1)
        return manual.logsumexp(np.compress(kept, logits, axis=dim), dim)

    return load(logsumexp, operation="logsumexp", adapter="numpy")


def test_both_halves_answer_every_problem() -> None:
    """In half precision too; the half in NumPy has no bfloat16."""
    for dtype, names in (("float32", ["manual", "reference"]), ("bfloat16", ["reference"])):
        record = alarms.ask(Part("cross_entropy", dtype, 0, 20))

        assert [half["name"] for half in record["halves"]] == names
        assert [half["answers"] for half in record["halves"]] == [20] * len(names)
        assert all(half["alarms"] == [] for half in record["halves"])
        assert record["halves"][0]["besides"] > 0
        assert sum(record["regions"].values()) > 20


def test_an_alarm_is_told_with_its_problem() -> None:
    """And does not end the search."""
    wrong = load(_without_zeros, operation="softmax", adapter="numpy")
    record = alarms.ask(Part("softmax", "float32", 0, 30), [(wrong, "any-order")])

    told = record["halves"][0]["alarms"]
    assert record["halves"][0]["answers"] == 30
    assert len(told) > 1
    assert told[0].startswith("judge: disagrees: value[0]: got 0.0")
    assert "Problem(\n    'softmax', 'float32'" in told[0]
    assert "ALARM: _without_zeros, seed 0: judge" in alarms.summary([record])
    assert alarms.goals([record])[0] == f"NOT MET  no false alarm besides named findings: {len(told)} alarms"


def test_large_problems_have_a_part_of_their_own() -> None:
    """Which asks all of them, and tells each alarm."""
    record = alarms.ask(
        Part("logsumexp", "float32", 3, 0, large=True), [(MANUAL, "any-order"), (_forgetful(), "any-order")]
    )

    large = large_problems("logsumexp", "float32", seed=3)
    right, wrong = record["halves"]
    assert [right["answers"], wrong["answers"], record["asked"]] == [len(large)] * 3
    assert right["alarms"] == []
    assert len(wrong["alarms"]) > 1
    assert "more than 65,536 classes" in record["regions"]
    assert f"{len(large)}" in alarms.reached([record])


@pytest.mark.parametrize("classes", [65000, 65520])
def test_what_a_finding_explains_is_no_alarm(classes: int) -> None:
    """A sum of exponentials beyond float16, of logits or of a linear layer, and what tiles of the CPU read."""
    name = "log-softmax-overflows-its-sum" if classes > 65504 else ""
    x, w = np.zeros((1, classes)), np.zeros((classes, 1))
    asked: list[tuple[str, Any]] = [
        ("softmax_entropy", {"logits": x}),
        ("softmax_kl_divergence", {"p_logits": x - 1, "q_logits": np.where(np.arange(classes), x, 40)}),
        ("cross_entropy", {"logits": x, "target": [0]}),
        ("linear_cross_entropy", {"input": [[0.0]], "linear_weight": w, "target": [0]}),
        ("linear_cross_entropy", {"input": [1.0], "linear_weight": w, "linear_bias": w[:, 0], "target": 0}),
    ]
    for operation, inputs in asked:
        assert finding(REFERENCE, Problem(operation, "float16", inputs)) == name
        assert finding(REFERENCE, Problem(operation, "bfloat16", inputs)) == ""
        assert finding(MANUAL, Problem(operation, "float16", inputs)) == ""
    beyond = Problem("linear", "bfloat16", {"input": x[:, :3], "weight": w[:3].T}, layout="sliced")
    assert (finding(REFERENCE, beyond) == "linear-reads-beyond-its-rows") == has_amx()


def test_the_right_variants_answer_one_batch_in_ten() -> None:
    """Each under its model; or all batches, and their twins are hunted."""
    beside, alone = (alarms.ask(Part("logsumexp", "float32", 0, 20, right)) for right in (False, True))

    for record, problems in ((beside, 10), (alone, 20)):
        answers = {each["model"]: each["answers"] for each in record["variants"]}
        assert answers.keys() == {"any-order", "any-order-through-maximum", "fused", "fused-base-2"}
        assert 0 < answers["any-order"] <= 4 * problems
        assert all(each["alarms"] == [] for each in record["variants"])
    assert (len(beside["halves"]), beside["twins"]) == (2, {})
    assert (len(alone["halves"]), alone["twins"]) == (0, {"hunted": 18, "accepted": []})
    assert alarms.goals([alone])[0] == "met      each of 18 twins of right variants rejected"
    assert alarms.goals([alone])[1:] == ["met      no false alarm besides named findings"]
    alone["twins"]["accepted"] = ["one"]
    assert alarms.goals([alone])[0] == "NOT MET  each of 18 twins of right variants rejected: one"


def test_a_right_variant_that_is_rejected_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a half is."""
    variant = next(each for each in VARIANTS.values() if each.operation == "entropy")
    monkeypatch.setattr("softproof.mutants.right.trial.VARIANTS", {"twin": variant.twin("doubled")})
    record = alarms.ask(Part("entropy", "float32", 0, 20, True))

    told = record["variants"][0]["alarms"]
    assert len(told) > 1
    assert told[0].startswith(f"{variant.name}, the last term doubled: disagrees: value")
    assert f"ALARM: right variants, seed 0: {variant.name}" in alarms.summary([record])


def test_the_tables_add_up() -> None:
    """Answers, seeds and regions of several parts."""
    who = [(MANUAL, "any-order")]
    records = [alarms.ask(Part(operation, "float32", seed, 10), who) for operation in OPERATIONS for seed in (0, 1)]

    table = alarms.summary(records).splitlines()
    assert table[0] == "False alarms on drawn problems, 2 seeds"
    assert table[-1].split()[1] == str(20 * len(OPERATIONS))
    assert "cross_entropy" in alarms.reached(records)
    assert alarms.goals(records)[0].startswith("met ")
    assert alarms.goals(records)[1] == f"NOT MET  at least 1,000,000 answers: {20 * len(OPERATIONS)}"
    assert alarms.goals(records)[2] == "NOT MET  at least 20 seeds: 2"


def test_another_seed_asks_other_problems() -> None:
    """And the same seed the same."""
    one, again, other = (
        alarms.ask(Part("softmax", "float32", seed, 40), [(MANUAL, "any-order")])["regions"] for seed in (0, 0, 1)
    )

    assert one == again
    assert one != other


def test_a_run_goes_on_where_its_log_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked twice."""
    log, wanted = tmp_path / "a.jsonl", list(alarms.parts(2, QUICK))
    record = alarms.ask(wanted[0], [(MANUAL, "any-order")])
    assert [part.large for part in wanted[:2]] == [False, True]
    log.write_text(json.dumps(record) + "\n")

    assert alarms.read(tmp_path / "none.jsonl") == []
    assert alarms.unfinished(wanted, alarms.read(log)) == wanted[1:]

    asked: list[Part] = []

    def run(todo: list[Part], jobs: int) -> list[alarms.Record]:
        asked.extend(todo * jobs)
        return [record]

    monkeypatch.setattr(alarms, "PROBLEMS", QUICK)
    monkeypatch.setattr(alarms, "run", run)
    monkeypatch.setattr("sys.argv", ["alarms", "--seeds", "2", "--log", str(log)])
    alarms.main()

    assert asked == wanted[1:]
    assert len(alarms.read(log)) == 2
    assert "Regions visited" in capsys.readouterr().out
