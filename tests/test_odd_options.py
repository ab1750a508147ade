"""Options that do not go together are wrong usage, or a row that cannot be asked; never a fault of the judge."""

from __future__ import annotations

import random
from typing import Any

import pytest

import softproof
from softproof.problem.operations import OPERATIONS
from softproof.reports.row import JUDGE_FAILED

KINDS = sorted({extra for about in OPERATIONS.values() for extra in about.extras} | {"layouts", "rows alone"})
INPUTS = sorted({name for about in OPERATIONS.values() for name in (*about.inputs, *about.optional)})
VALUES: dict[str, list[Any]] = {
    "fixed": [{"dim": 5}, {"dim": 0}, {"dim": -4}, {"dim": 2**62}, {"reduction": "sum"}, {"reduction": "none"},
              {"keepdim": True}, {"ignore_index": 1}, {"ignore_index": -(2**62)}, {"label_smoothing": 1},
              {"label_smoothing": 0.5, "reduction": "none"}],
    "without": [[name] for name in KINDS] + [["dim", "empty", "scalars"], ["weight", "reduction"], KINDS],
    "ndim": [[0], [1], [2], [4], [0, 1], [3, 4], []],
    "supports": [[], ["dim"], ["weight", "ignore_index"], ["reduction"], ["bias"]],
    "writes": [[name] for name in INPUTS],
    "output": [0, 1, -1],
    "names": [{"dim": "axis"}, {"logits": "x"}, {"weight": "w"}, {"target": "labels"}],
    "extra": [{"chunk": 1}, {"dim": 0}],
    "dtypes": [["float16"], ["bfloat16"], ["float64", "float32"]],
    "accuracy": ["A", "B", "D"],
    "arithmetic": ["storage", "auto", "numpy", "torch-cuda-tf32", "flush-to-zero"],
    "require": [["value"], ["hvp"], ["gradient", "jvp"]],
    "examples": [1, 2, 7],
    "device": ["cuda", "cpu", "nowhere"],
}  # fmt: skip


def outcome(options: dict[str, Any]) -> str:
    """What becomes of a run: the verdicts of its rows, or the words of wrong usage."""
    given = {"target": "manual:softmax", "examples": 3, "dtypes": ["float32"], **options}
    try:
        report = softproof.verify(**given, seed=0, in_process=True)
    except (ValueError, TypeError) as error:
        return f"wrong usage: {error}"
    assert report.rows
    return "; ".join(f"{row.verdict}: {row.outcome.reason}" for row in report.rows)


@pytest.mark.parametrize(
    "options",
    [
        {"fixed": {"dim": 5}, "without": ["dim"]},
        {"fixed": {"dim": 5}, "ndim": [2]},
        {"fixed": {"dim": 2}, "ndim": [1, 2]},
        {"ndim": [0], "without": ["scalars"]},
    ],
)
def test_a_row_of_which_nothing_can_be_asked(options: dict[str, Any]) -> None:
    """It says so, and which of the options leave nothing."""
    assert outcome(options).startswith("cannot ask: cannot ask: ndim is ")


@pytest.mark.thorough
@pytest.mark.draws
def test_no_options_make_the_judge_fail(seed_of_the_run: str) -> None:
    """One, two or three of them together, of any operation."""
    rng, seen, wrong = random.Random(seed_of_the_run), set[str](), list[str]()
    for _ in range(150):
        names = rng.sample(sorted(VALUES), rng.choice((1, 2, 2, 3)))
        options = {name: rng.choice(VALUES[name]) for name in names}
        options["target"] = f"manual:{rng.choice(sorted(OPERATIONS))}"
        found = outcome(options)
        seen.add(found.partition(":")[0])
        wrong += [f"{options}: {found}"] if JUDGE_FAILED in found else []

    assert wrong == []
    assert {"wrong usage", "agrees"} <= seen


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"operation": "sofmax"}, "softmax"),
        ({"dtypes": ["flaot32"]}, "float32"),
        ({"arithmetic": "fusd"}, "fused"),
        ({"adapter": "nunpy"}, "numpy"),
        ({"accuracy": "C", "fixed": {"reduction": "meen"}}, "mean"),
    ],
)
def test_a_misspelt_name(options: dict[str, Any], meant: str) -> None:
    """The message has the name that is written most alike."""
    assert outcome(options).endswith(f"did you mean {meant!r}?")
