"""`softproof init TARGET` asks a function what it takes: nothing that is merely wrong is left out."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import manual
import softproof
from softproof import Problem, judge
from softproof.candidates.guesses import inputs_in_order, operation_of
from softproof.cli.commands import main
from softproof.cli.table import entries, models_of
from softproof.mutants.catalogue import MUTANTS
from softproof.problem.operations import OPERATIONS
from softproof.problem.problem import Array
from softproof.runs.config import settings
from softproof.runs.fitting import Fit
from softproof.runs.introduction import CannotAskError, Profile
from softproof.runs.profile import Probe, option_of

from .helpers.profiles import opener_of, profile_of


class _Fused(torch.autograd.Function):
    """Right: a stored logsumexp, and gradients of its own."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, ignored: int, reduction: str) -> Tensor:
        x, keep = logits.float(), labels != ignored
        lse, safe = torch.logsumexp(x, -1), torch.where(keep, labels, 0)
        loss = torch.where(keep, lse - x.gather(1, safe[:, None]).squeeze(1), 0.0)
        ctx.save_for_backward(x, lse, safe, keep)
        ctx.count = keep.sum() if reduction == "mean" else 1
        total: Tensor = loss.sum() / ctx.count
        return total.to(logits.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, lse, labels, keep = ctx.saved_tensors
        p = torch.exp(x - lse[:, None])
        p[torch.arange(len(labels)), labels] -= 1
        found = torch.where(keep[:, None], p * (grads[0].float() / ctx.count), 0.0)
        return found.to(grads[0].dtype), None, None, None


def fused_ce(
    logits: Tensor, labels: Tensor, ignore_idx: int = -100, lse_square_scale: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Takes matrices in two formats, labels alone, and two reductions."""
    if logits.ndim != 2:
        raise ValueError(f"expected logits of shape (N, C), got {tuple(logits.shape)}")
    if logits.dtype not in (torch.float32, torch.bfloat16):
        raise TypeError(f"expected float32 or bfloat16, got {logits.dtype}")
    if labels.is_floating_point():
        raise TypeError("labels must be class indices")
    if reduction not in ("mean", "sum") or lse_square_scale:
        raise ValueError(f"unknown reduction {reduction!r}")
    found: Tensor = _Fused.apply(logits, labels, ignore_idx, reduction)  # type: ignore[no-untyped-call]
    return found


def test_a_right_kernel_agrees_in_the_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number_of_the_run: int
) -> None:
    """Two commands, and no option by hand."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "tests.test_init:fused_ce", "--in-process"]) == 0
    said = capsys.readouterr().out

    assert "NOT TESTED, since it cannot be asked:" in said
    assert "expected float32 or bfloat16, got torch.float64" in said
    assert "then run: softproof verify" in said
    (target,) = settings(Path("pyproject.toml")).targets
    assert target["names"] == {"ignore_index": "ignore_idx"}
    assert target["dtypes"] == ["float32", "bfloat16"]
    assert target["ndim"] == [2]
    assert target["without"] == ["reduction=none", "probabilities"]
    assert target["require"] == ["value", "gradient"]
    assert target["arithmetic"] == "stored-logsumexp"
    assert main(["verify", "--examples", "12", "--seed", f"{number_of_the_run}"]) == 0, capsys.readouterr().out


def test_a_table_that_is_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would be written is shown, and fits at its end."""
    monkeypatch.chdir(tmp_path)
    before = "[tool.softproof]\nseed = 1\n[[tool.softproof.targets]]\ntarget = 'mine:softmax'\n"
    Path("pyproject.toml").write_text(before)
    assert main(["init", "manual:entropy", "--in-process"]) == 2
    said = capsys.readouterr().out

    assert Path("pyproject.toml").read_text() == before
    assert "has a table [tool.softproof], which is left as it is. To judge this as well, add the lines above" in said
    shown = said[said.index("[[tool.softproof.targets]]") : said.rindex("pyproject.toml has a table")]
    names = [each["target"] for each in tomllib.loads(before + shown)["tool"]["softproof"]["targets"]]
    assert names[:2] == ["mine:softmax", "manual:entropy"]


@pytest.mark.parametrize("name", MUTANTS)
def test_no_bug_is_left_out(name: str) -> None:
    """Of a wrong implementation nothing is hidden that it has a parameter for, and no value is fixed for it."""
    mutant = MUTANTS[name]
    found = profile_of(mutant.make(), operation=mutant.operation)
    taken = softproof.load(mutant.make(), mutant.operation, "torch").supports(mutant.operation)
    options = taken - set(OPERATIONS[mutant.operation].kinds)

    assert not {option_of(each) for each in found.not_tested} & options
    assert "fixed" not in found.arguments
    assert "writes" not in found.arguments
    assert found.arguments["dtypes"] == ["float64", "float32", "float16", "bfloat16"]


def fails_by_accident(logits: Tensor, target: Tensor, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """Has a parameter for what it was never tried with."""
    picked = logits.log_softmax(1).gather(1, target[:, None])
    return -picked.mean() if reduction == "mean" and ignore_index else -picked.sum()


def test_an_accident_is_asked_all_the_same() -> None:
    """An index out of range is no refusal of an option that it has; wrong numbers are none either."""
    found = profile_of(fails_by_accident, operation="cross_entropy")

    assert "ignore_index" not in found.not_tested
    assert any("it has ignore_index, and for" in each for each in found.notes)
    assert not {"reduction", "reduction=none", "reduction=sum"} & set(found.not_tested)


def overwrites(x: Tensor) -> Tensor:
    """Its input is gone."""
    with torch.no_grad():
        x -= x.max(-1, keepdim=True).values
    return torch.softmax(x, -1)


def test_what_it_overwrites_is_told_and_not_excused() -> None:
    """Its user has to say that this is meant."""
    found = profile_of(overwrites, operation="softmax")

    assert "writes" not in found.arguments
    assert 'it overwrites logits; if that is documented: writes = ["logits"]' in found.notes


def losses_by_row(labels: Tensor, scores: Tensor, eps: float = 1e-8) -> Tensor:
    """Its inputs in another order, no reduction, and a name that is none of an option."""
    return torch.logsumexp(scores, -1) - scores.gather(1, labels[:, None]).squeeze(1) + 0 * eps


def by_keyword(*, target: Tensor, scores: Tensor, smoothing: float = 0.0) -> tuple[Tensor, None]:
    """Gives two things."""
    return F.cross_entropy(scores, target, label_smoothing=smoothing), None


IGNORING = {"fixed": {"ignore_index": -100}, "without": ["ignored_nonfinite"]}  # as torch does, with a finding


def with_eps(logits: Tensor, target: Tensor, eps: float = 0.0) -> Tensor:
    """Means smoothing."""
    return F.cross_entropy(logits, target, label_smoothing=eps)


def of_columns(x: Tensor) -> Tensor:
    """Along the first axis."""
    return torch.softmax(x, 0)


@torch.no_grad()
def value_alone(x: Tensor, dim: int = -1) -> Tensor:
    """For inference."""
    return torch.softmax(x, dim)


@pytest.mark.parametrize(
    ("function", "operation", "expected"),
    [
        (losses_by_row, "cross_entropy", {"names": {"logits": "scores", "target": "labels"},
                                          "fixed": {"reduction": "none"}, "ndim": [2], "without": ["probabilities"]}),
        (by_keyword, "cross_entropy", {"names": {"logits": "scores", "target": "target",
                                                 "label_smoothing": "smoothing"},
                                       "output": 0, **IGNORING}),
        (with_eps, "cross_entropy", {"names": {"label_smoothing": "eps"}, **IGNORING}),
        (of_columns, "softmax", {"fixed": {"dim": 0}}),
        (value_alone, "softmax", {"without": ["gradient"], "require": ["value"]}),
        (F.cross_entropy, "cross_entropy", {"require": ["value", "gradient", "jvp", "hvp"]}),
    ],
)  # fmt: skip
def test_what_is_found_out(function: Callable[..., Any], operation: str, expected: dict[str, Any]) -> None:
    """Names, order, results, values that it hard-codes, whether it has gradients; and what is written can be read."""
    found = profile_of(function, operation="" if function is by_keyword else operation)
    usual = {"operation": operation, "adapter": "torch", "dtypes": ["float64", "float32", "float16", "bfloat16"]}

    assert found.arguments == usual | {"require": found.arguments["require"]} | expected
    (target,) = tomllib.loads(entries("mine:function", found, {}))["tool"]["softproof"]["targets"]
    assert target == {"target": "mine:function", **found.arguments}


def test_a_doubtful_name_is_told() -> None:
    """With what to write if it is the option after all."""
    found = profile_of(losses_by_row, operation="cross_entropy")
    assert any("eps looks like label_smoothing, and its answers are not those" in each for each in found.notes)


def needs(logits: Tensor, labels: Tensor, shards: int) -> Tensor:
    """Nobody can know."""
    return F.cross_entropy(logits, labels) * shards


@pytest.mark.parametrize(
    ("function", "name", "words"),
    [(needs, "needs_ce", "--extra shards=VALUE"), (lambda a: a, "mine", "what does mine compute?")],
)
def test_what_to_do_where_nothing_can_be_asked(function: Callable[..., Any], name: str, words: str) -> None:
    """In words."""
    with pytest.raises(CannotAskError, match=words):
        profile_of(function, name)


def test_an_operation_is_found_out_by_its_answers() -> None:
    """Where neither a name nor parameters tell; of a wrong function nobody knows what it computes."""

    def mine(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        losses = F.cross_entropy(a, b, reduction="none")
        return losses.mean(), losses

    found = profile_of(mine, "mine")
    assert (found.operation, found.arguments["output"]) == ("cross_entropy", 0)
    assert found.comments["operation"] == "since its answers are right for it"
    assert profile_of(lambda a: a.softmax(-1), "f").operation == "softmax"
    assert profile_of(lambda a, b: a @ b.T, "g").operation == "linear"
    with pytest.raises(ValueError, match="what does wrong compute"):
        profile_of(lambda a, b: mine(a, b)[0] * 1.001, "wrong")


def test_models_of_half_precision() -> None:
    """The kernel is the same in each format; where it seems to compute in it throughout, it has an entry of its own."""
    fits = {"float32": Fit("fused", 9), "bfloat16": Fit("any-order", 9), "float16": Fit("any-order", 9, 3, {}, True)}
    found = models_of(Profile("softmax", {"dtypes": list(fits)}, fits=fits))

    assert [(dtypes, name) for dtypes, (name, _) in found] == [
        (["float32", "bfloat16"], "fused"),
        (["float16"], "fused"),
    ]
    assert "right under 'storage'" in found[1][1][1]


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("fused_ce", "cross_entropy"),
        ("LigerCrossEntropyLoss", "cross_entropy"),
        ("fused_linear_cross_entropy", "linear_cross_entropy"),
        ("online_softmax", "softmax"),
        ("LogSoftmax", "log_softmax"),
        ("row_lse", "logsumexp"),
        ("kl_div", "kl_divergence"),
        ("entropy_from_logits", "softmax_entropy"),
        ("logits_entropy", "softmax_entropy"),
        ("softmax_entropy_loss", "softmax_entropy"),
        ("softmax_cross_entropy_with_logits", "cross_entropy"),
        ("entropy_loss", "entropy"),
        ("kl_divergence_with_logits", "softmax_kl_divergence"),
        ("face", ""),
    ],
)
def test_operations_by_name(name: str, operation: str) -> None:
    """By the words of the name."""
    assert operation_of(name, ()) == operation


def test_the_order_of_inputs() -> None:
    """Where one has no name that is known, nothing is said."""
    assert inputs_in_order("linear_cross_entropy", ["lin_weight", "_input", "target"]) == {
        "input": "_input", "linear_weight": "lin_weight", "target": "target"}  # fmt: skip
    assert inputs_in_order("cross_entropy", ["foo", "labels"]) == {}


def computes_in_float32(logits: Tensor, dim: int = -1) -> Tensor:
    """Whatever it is given in."""
    return torch.softmax(logits.float(), dim)


def test_who_computes_in_float32_is_not_asked_for_more() -> None:
    """Unless its user wants it; half precision is rounded, since there that is done on purpose."""
    found = profile_of(computes_in_float32, operation="softmax")
    assert found.arguments["dtypes"] == ["float32", "float16", "bfloat16"]
    assert found.not_tested["float64"] == "it gives float32"

    wanted = profile_of(computes_in_float32, operation="softmax", dtypes=["float64"])
    assert wanted.arguments["dtypes"] == ["float64"]
    assert wanted.notes == ["for float64 it gives float32, which `verify` will not accept"]


def of_a_group(logits: Tensor, labels: Tensor, tp_group: object) -> Tensor:
    """Wrong, with the group that there is here: none."""
    return F.cross_entropy(logits, labels) * (2 if tp_group is None else 1)


def of_a_thing(logits: Tensor, labels: Tensor, scaler: Any) -> Tensor:
    """Right without."""
    loss = F.cross_entropy(logits, labels)
    return loss if scaler is None else scaler.scale(loss)


def wrong_of_a_thing(logits: Tensor, labels: Tensor, scaler: Any) -> Tensor:
    """With any."""
    return logits.sum() if scaler is None else labels.sum()


def test_what_is_missing_may_be_none() -> None:
    """Of a group of processes at once; of anything else where the answers are right then. A table can say so."""
    for function, name in ((of_a_group, "tp_group"), (of_a_thing, "scaler")):
        found = profile_of(function, operation="cross_entropy")
        (target,) = tomllib.loads(entries("mine:function", found, {}))["tool"]["softproof"]["targets"]
        assert target["extra"] == {name: "@none"}
        assert f"another {name} than None" in found.not_tested
        candidate = softproof.load(function, "cross_entropy", "torch", extra=target["extra"])
        problem = Problem("cross_entropy", "float32", {"logits": [[0.0, 1.0]], "target": [1]})
        assert judge(candidate, problem).ok == (function is of_a_thing)
    with pytest.raises(CannotAskError, match="--extra scaler=VALUE"):
        profile_of(wrong_of_a_thing, operation="cross_entropy")


def mean_of_what_counts(logits: Array, labels: Array) -> Array:
    """Of NumPy, of rows whose label is not -100; 0 where there are none."""
    counted = labels != -100
    if not counted.any():
        return np.zeros((), logits.dtype)
    return np.asarray(manual.cross_entropy(logits[counted], labels[counted]))


def another_number_of_nothing(logits: Array, labels: Array) -> Array:
    """The same, but for labels that are all ignored."""
    return mean_of_what_counts(logits, labels) if (labels != -100).any() else np.asarray(12345.0, logits.dtype)


def none_of_the_first_row(logits: Array, labels: Array) -> Array:
    """A mean that leaves out the first row, if that has the label -100, and no other."""
    left = int(labels[0] == -100)
    return np.asarray(manual.cross_entropy(logits[left:], np.abs(labels[left:]) % 2))


def of_numpy(function: Callable[..., Any], **given: Any) -> Profile:
    """What is found out about it, without its model."""
    return Probe(opener_of(function, "numpy"), "my_ce", {"arithmetic": "any-order", **given}, "cpu").profile()


def test_a_label_that_is_ignored_by_itself_is_asked() -> None:
    """If two answers show it; what it makes of labels that are all ignored is a rule of its own."""
    found = of_numpy(mean_of_what_counts)

    assert found.arguments["fixed"]["ignore_index"] == -100
    assert "all_ignored" in found.arguments["without"]
    assert "got 0.0, exact nan" in found.not_tested["all_ignored"]
    assert "ignore_index" not in of_numpy(none_of_the_first_row).arguments.get("fixed", {})
    for function, given in ((another_number_of_nothing, {}), (mean_of_what_counts, {"fixed": {"ignore_index": -100}})):
        found = of_numpy(function, **given)
        assert "all_ignored" not in found.arguments.get("without", ())
        assert any("all ignored" in each for each in found.notes)
