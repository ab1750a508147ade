"""What a loss is compared with may be a constant for it: its gradient is left out, and told; any other is not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import softproof
from softproof import Problem, judge, load
from softproof.cli.commands import main
from softproof.problem.problem import Array
from softproof.runs.profile import Probe
from tests.helpers.profiles import opener_of, profile_of

NO_GRADIENT = "autograd has no gradient of"


def of_a_teacher(p: Tensor, q: Tensor) -> Tensor:
    """A divergence whose teacher is detached."""
    p, q = torch.log_softmax(p.detach(), -1), torch.log_softmax(q, -1)
    return (p.exp() * (p - q)).sum(-1)


def of_a_teacher_twice(p: Tensor, q: Tensor) -> Tensor:
    """Wrong: the gradient of the student is doubled."""
    value = of_a_teacher(p, q)
    return 2 * value - value.detach()


def of_a_student(p: Tensor, q: Tensor) -> Tensor:
    """Wrong: it is the student that is detached."""
    p, q = torch.log_softmax(p, -1), torch.log_softmax(q.detach(), -1)
    return (p.exp() * (p - q)).sum(-1)


def of_soft_targets(logits: Tensor, target: Tensor) -> Tensor:
    """Labels, or probabilities that are detached."""
    return F.cross_entropy(logits, target if target.dtype == torch.int64 else target.detach())


def of_probabilities(p: Tensor, q: Tensor) -> Tensor:
    """A cross-entropy of distributions, of which the first is detached."""
    each: Tensor = torch.special.xlogy(p.detach(), q)
    return -each.sum(-1)


@pytest.mark.parametrize(
    ("function", "operation", "name"),
    [(of_a_teacher, "softmax_kl_divergence", "p_logits"), (of_soft_targets, "cross_entropy", "target"),
     (of_probabilities, "distribution_cross_entropy", "p")],
)  # fmt: skip
def test_it_is_left_out(function: Callable[..., Any], operation: str, name: str) -> None:
    """And told, with what was raised; the other gradient is judged."""
    found = profile_of(function, operation=operation, dtypes=["float32"])
    word = f"gradient_of_{name}"
    assert word in found.arguments["without"]
    assert f"{NO_GRADIENT} {name}" in found.not_tested[word]
    assert "probabilities" not in found.arguments["without"]

    known = {key: found.arguments[key] for key in ("operation", "without", "fixed") if key in found.arguments}
    (row,) = softproof.verify(function, dtypes=["float32"], seed=3, examples=60, arithmetic="auto", **known).rows
    assert row.verdict == "agrees", row.failure
    assert word in row.asked.unsupported
    assert any(output.startswith("grad_") for output in row.errors.ratios)
    assert f"grad_{name}" not in row.errors.ratios


def test_the_other_gradient_is_judged() -> None:
    """By its numbers."""
    found = profile_of(of_a_teacher_twice, operation="softmax_kl_divergence", dtypes=["float32"])
    problem = Problem("softmax_kl_divergence", "float32", {"p_logits": [0.0, 1.0], "q_logits": [0.5, 0.0]}, {}, 1.0)
    candidate = load(of_a_teacher_twice, operation=problem.operation, without=found.arguments["without"])
    verdict = judge(candidate, problem)
    assert (verdict.outcome, verdict.output) == ("disagrees", "grad_q_logits")


def test_no_other_gradient_is_left_out() -> None:
    """That of a student, or of logits, has to be there."""
    found = profile_of(of_a_student, operation="softmax_kl_divergence", dtypes=["float32"])
    assert not any(each.startswith("gradient_of") for each in found.arguments.get("without", ()))
    (row,) = softproof.verify(of_a_student, operation="softmax_kl_divergence", dtypes=["float32"], seed=3).rows
    assert row.verdict == "disagrees"


def one_hot(logits: Array, target: Array) -> Any:
    """The mean loss of labels, and of rows that are one-hot."""
    hot = np.eye(logits.shape[1], dtype=logits.dtype)[target] if target.ndim == 1 else target
    x = logits - logits.max(1, keepdims=True)
    return (np.log(np.exp(x).sum(1)) - np.take_along_axis(x, hot.argmax(1)[:, None], 1)[:, 0]).mean()


def one_hot_backward(grad_output: Array, logits: Array, target: Array) -> Any:
    """Of the logits alone."""
    hot = np.eye(logits.shape[1], dtype=logits.dtype)[target] if target.ndim == 1 else target
    p = np.exp(logits - logits.max(1, keepdims=True))
    return grad_output * (p / p.sum(1, keepdims=True) - hot) / logits.dtype.type(len(logits))


def test_a_loss_of_one_hot_rows_alone_is_judged_on_labels() -> None:
    """Its value is wrong for other probabilities, which it may not be meant for."""
    given: dict[str, Any] = {"operation": "cross_entropy", "arithmetic": "any-order", "dtypes": ["float64"]}
    found = Probe(opener_of(one_hot, "numpy"), "one_hot", given, "cpu").profile()
    assert "probabilities" in found.arguments["without"]
    assert "gradient_of_target" not in found.arguments["without"]


def test_an_input_that_there_is_not() -> None:
    """Is an error, with those that there are."""
    with pytest.raises(ValueError, match=r"without names gradient_of_bias; .*gradient_of_logits"):
        load(torch.softmax, operation="softmax", without=["gradient_of_bias"])


def test_one_command_asks_a_detached_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was raised for its gradient stands no more."""
    monkeypatch.chdir(tmp_path)
    Path("teacher.py").write_text("import torch\nfrom torch import Tensor\n\n" + inspect.getsource(of_a_teacher))
    how = ("--operation", "softmax_kl_divergence", "--dtype", "float32", "--examples", "40", "--seed", "1")
    assert main(["verify", "teacher.py:of_a_teacher", *how]) == 0
    assert "--without gradient_of_p_logits" in capsys.readouterr().out


def masked(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Losses of labels or of probabilities, of which none is detached."""
    return F.cross_entropy(logits, target, reduction="none") * mask


def test_target_probabilities_beside_a_mask_keep_their_gradient() -> None:
    """It is the labels of rows that do not count that a mask replaces."""
    found = profile_of(masked, operation="cross_entropy", dtypes=["float32"])
    assert not any(each.startswith("gradient_of") for each in found.arguments.get("without", ()))
    problem = Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [[0.25, 0.75]]},
                      {"reduction": "none"}, [1.0])  # fmt: skip
    names, fixed = found.arguments["names"], {"reduction": "none"}
    verdict = judge(load(masked, operation="cross_entropy", adapter="torch", names=names, fixed=fixed), problem)
    assert "grad_target" in verdict.ratios
    assert verdict.ok
