"""The smallest problem that shows a known defect is one that people can check by hand."""

from __future__ import annotations

import pytest

from softproof import OPERATIONS, verify

from .wrong.witnesses import WITNESSES, Witness

UNRELATED = {"jvp", "hvp", "nonfinite", "invalid_labels"}  # kinds of question that these functions have other faults in


@pytest.mark.parametrize("witness", WITNESSES, ids=lambda witness: witness.function.__name__)
def test_the_smallest_witness(witness: Witness, trial_seed: int) -> None:
    """Found in the default number of examples, of a few logits, with the option that it takes and no large number."""
    without = sorted(UNRELATED & set(OPERATIONS[witness.operation].kinds))

    report = verify(witness.function, operation=witness.operation, adapter="torch", dtypes=["float32"], seed=trial_seed,
                    without=without)  # fmt: skip

    failure = report.rows[0].failure
    assert failure is not None, f"survived {report.rows[0].coverage.problems} problems"
    problem = failure.verdict.problem
    assert problem is not None
    assert problem.inputs["logits"].size <= witness.most
    assert failure.call != "judge" or witness.needs(problem), problem
