"""Smaller problems are well-formed, ask nothing that was not asked, and end where nothing can be left out."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softproof import OPERATIONS, Problem, problems
from softproof.generation.shrinking import simpler, smallest
from softproof.problem.checks import check
from softproof.problem.losses import is_labels
from softproof.problem.rows import axis_of, class_count, main_input, wide_rows


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_a_simpler_problem_asks_nothing_new(operation: str, thorough: bool, data: st.DataObject) -> None:
    """A batch stays a batch, labels stay labels of classes, sums of probabilities and signs of weights stay."""
    problem = data.draw(problems(operation, "float32"))
    digest = problem.digest()

    for smaller in islice(simpler(problem), 25 if thorough else 8):
        check(smaller)
        assert smaller.digest() != digest
        assert main_input(smaller).ndim == main_input(problem).ndim
        assert set(smaller.options) <= set(problem.options)
        assert set(smaller.inputs) <= set(problem.inputs)
        if "weight" in smaller.inputs and "target" in smaller.inputs:
            assert set(np.sign(smaller.inputs["weight"])) <= {*np.sign(problem.inputs["weight"]), 1.0}
        if "target" in smaller.inputs and is_labels(smaller):
            labels, ignored = smaller.inputs["target"], smaller.options.get("ignore_index", -100)
            assert ((labels == ignored) | (labels < class_count(smaller))).all()
            assert np.unique(labels).size <= np.unique(problem.inputs["target"]).size
        for name in {"p", "q", "target"} & smaller.inputs.keys():
            if smaller.inputs[name].dtype.kind == "f":
                sums = [wide_rows(each.inputs[name], axis_of(each)).sum(-1) for each in (smaller, problem)]
                assert set(sums[0]) <= set(sums[1])


def _largest(problem: Problem) -> float:
    return float(problem.inputs["logits"].max(initial=0.0))


def test_the_smallest_problem_is_small() -> None:
    """A large batch with everything, of which one logit counts."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(33, 65)).astype(np.float32)
    logits[20, 7] = 9.0
    problem = Problem(
        "cross_entropy",
        "float32",
        {"logits": logits, "target": rng.integers(0, 65, 33), "weight": np.ones(65)},
        {"reduction": "none", "label_smoothing": 0.5, "ignore_index": 3},
        np.ones(33),
        {"logits": "strided"},
    )

    found = smallest(problem, lambda smaller: _largest(smaller) > 8)

    assert found.inputs["logits"].shape[0] == 1
    assert found.inputs["logits"].size <= 2
    assert _largest(found) == 9
    assert found.options == {"reduction": "none"}
    assert found.layout == "contiguous"
    assert found.grad_output is None
    assert "weight" not in found.inputs


def test_steps_are_counted() -> None:
    """No more problems are tried than that."""
    asked: list[Problem] = []

    def fails(problem: Problem) -> bool:
        asked.append(problem)
        return True

    smallest(Problem("softmax", "float32", {"logits": np.ones((64, 64))}, {"dim": 1}), fails, steps=3)

    assert len(asked) == 3


def test_what_cannot_be_left_out_stays() -> None:
    """The class of a label, and any class of a distribution."""
    labels = Problem("cross_entropy", "float32", {"logits": [[0.0, 0.0, 0.0]], "target": [1]})
    shares = Problem("cross_entropy", "float32", {"logits": [[0.0, 0.0]], "target": [[0.5, 0.5]]})

    assert [smaller.inputs["target"].tolist() for smaller in simpler(labels)] == [[0], [0], [1]]
    assert list(simpler(shares)) == []
