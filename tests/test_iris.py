"""Real data: the short version of examples/train_iris.py."""

from __future__ import annotations

import numpy as np
import pytest

from examples.train_iris import accuracy, iris, main, train
from softproof import Candidate


def test_the_data_are_fishers() -> None:
    """150 flowers, 50 of each species, standardised."""
    x, labels = iris("float64")

    assert x.shape == (150, 4)
    assert np.bincount(labels).tolist() == [50, 50, 50]
    assert np.abs(x.mean(0)).max() < 2.0**-40
    assert np.abs(x.std(0) - 1).max() < 2.0**-40


def test_training_is_judged_at_every_step(half: Candidate, device: str, dtype: str) -> None:
    """Five steps: all verdicts agree, the loss starts at log 3 and falls."""
    steps = list(train(half, 5, dtype, device))

    assert all(verdict.ok for step in steps for verdict in step.verdicts)
    assert round(steps[0].loss, 6) == round(np.log(3), 6)
    assert [step.loss for step in steps] == sorted((step.loss for step in steps), reverse=True)
    assert accuracy(steps[-1].logits) > 0.8


def test_the_program_ends_with_accuracy_and_error(capsys: pytest.CaptureFixture[str]) -> None:
    """And exits with 0."""
    assert main(["--steps", "2"]) == 0

    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["manual", "reference", "every"]
    assert "accuracy" in out
    assert "step 2 of 2" in err


def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """No steps, no training."""
    with pytest.raises(SystemExit) as exit_:
        main(["--steps", "0"])

    assert exit_.value.code == 2
    assert "--steps 0: expected at least 1" in capsys.readouterr().err
