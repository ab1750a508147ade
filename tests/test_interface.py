"""How a target is called, where that differs from torch: names, fixed options, dimensions, what it overwrites."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import islice, product
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

import softproof
from softproof import Interface, Problem, load, problems
from softproof.bounds.models import model
from softproof.candidates.adapters import numpy_arrays, torch_arrays
from softproof.cli.commands import main
from softproof.runs.criteria import Criteria
from softproof.runs.large import verdicts_on_large
from softproof.runs.schedule import Schedule

from .wrong import broken

LABELS_ALONE = ["probabilities", "unnormalised"]


def losses_by_row(scores: Tensor, labels: Tensor, *, smoothing: float = 0.0, chunk: int) -> tuple[Tensor, int]:
    """Takes one dimension of rows, by names of its own; gives the losses and something else."""
    assert scores.ndim == 2
    found = F.cross_entropy(scores, labels, label_smoothing=smoothing, reduction="none")
    return found, chunk


OWN: dict[str, Any] = {
    "operation": "cross_entropy",
    "adapter": "torch",
    "names": {"label_smoothing": "smoothing"},
    "fixed": {"reduction": "none"},
    "extra": {"chunk": 4},
    "ndim": [2],
    "output": 0,
    "without": [*LABELS_ALONE, "nonfinite"],
}


def test_a_loss_with_an_interface_of_its_own_is_judged() -> None:
    """And asked about everything that it has."""
    report = softproof.verify(losses_by_row, seed=0, examples=30, **OWN)
    report.check()

    assert report.rows[0].asked.gradients
    assert "label_smoothing" not in report.rows[0].asked.unsupported
    assert {"reduction", "weight", "ignore_index"} <= set(report.rows[0].asked.unsupported)


def test_the_smallest_problem_has_the_dimensions_that_are_taken() -> None:
    """What a kernel does not take is no smaller problem."""
    report = softproof.verify(broken.softmax_without_shift, operation="softmax", dtypes=["float32"], seed=0, ndim=[3])
    failure = report.rows[0].failure

    assert failure is not None
    assert failure.verdict.problem is not None
    assert failure.verdict.problem.inputs["logits"].ndim == 3


def twice_the_smoothed_loss(input: Tensor, target: Tensor) -> Tensor:
    """Wrong."""
    return 2 * F.cross_entropy(input, target, label_smoothing=0.5)


def test_the_smallest_problem_has_the_option_that_is_fixed() -> None:
    """A problem with less said is none of these."""
    asked: Any = {"operation": "cross_entropy", "adapter": "torch", "dtypes": ["float32"], "seed": 0}
    report = softproof.verify(twice_the_smoothed_loss, fixed={"label_smoothing": 0.5}, without=["nonfinite"], **asked)
    failure = report.rows[0].failure

    assert failure is not None
    assert failure.verdict.problem is not None
    assert failure.verdict.problem.options["label_smoothing"] == 0.5


def of_three_dimensions(input: Tensor, dim: int) -> Tensor:
    """Of no others."""
    assert input.ndim == 3
    return F.softmax(input, dim)


def test_large_problems_have_the_dimensions_that_are_taken() -> None:
    """Where only two are taken, the first is answered by an error; a single one has no batch."""
    criteria, asked = Criteria("cpu", model(None), "", "C", None, 1.0), list[int]()
    for ndim in (2, 1):
        candidate = load(of_three_dimensions, operation="softmax", adapter="torch", ndim=[ndim])
        schedule = Schedule(candidate, criteria, candidate.supports("softmax"))
        asked.append(len(verdicts_on_large(schedule, "softmax", "float32", 0).found))

    assert asked == [1, 1]
    for ndim in (1, 2, 3):
        found = softproof.large_problems("softmax", "float32", ndim=[ndim])
        assert {found.resized(number, 20).inputs["logits"].ndim for number in range(len(found))} == {ndim}


@pytest.mark.parametrize("missing", ["names", "fixed", "extra", "ndim", "output"])
def test_each_part_of_an_interface_is_needed(missing: str) -> None:
    """Without it the same function is asked what it does not take, or less."""
    report = softproof.verify(
        losses_by_row,
        seed=0,
        examples=30,
        dtypes=["float32"],
        shrink=False,
        **{**OWN, missing: Interface().__dict__[missing]},
    )

    assert not report.ok or "label_smoothing" in report.rows[0].asked.unsupported


def test_a_failure_is_seen_again_with_the_interface() -> None:
    """The snippet runs, and says how the target is called."""
    report = softproof.verify(
        "tests.test_interface:twice_the_losses", seed=0, examples=10, dtypes=["float32"], in_process=True, **OWN
    )
    failure = report.rows[0].failure
    assert failure is not None

    assert "names={'label_smoothing': 'smoothing'}, fixed={'reduction': 'none'}, extra={'chunk': 4}, ndim=[2]" in (
        failure.snippet
    )
    printed: list[softproof.Verdict] = []
    exec(failure.snippet, {"print": printed.append})
    assert printed[0].outcome == "disagrees"


def twice_the_losses(scores: Tensor, labels: Tensor, *, smoothing: float = 0.0, chunk: int) -> tuple[Tensor, int]:
    """Wrong."""
    found, chunk = losses_by_row(scores, labels, smoothing=smoothing, chunk=chunk)
    return 2 * found, chunk


def test_the_command_line_takes_an_interface(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every part of it, by options."""
    status = main(
        "verify tests.test_interface:losses_by_row --operation cross_entropy --adapter torch --name "
        "label_smoothing=smoothing --fixed reduction=none --extra chunk=4 --ndim 2 --output 0 --without "
        f"probabilities,unnormalised --without nonfinite --examples 10 --seed 0 --json {tmp_path}/report.json".split()
    )

    assert status == 0, capsys.readouterr().out
    assert len(json.loads((tmp_path / "report.json").read_text())["rows"]) == 3  # in bfloat16 as well


def test_named_inputs_are_given_by_name() -> None:
    """And what comes after the first of them too."""

    def cross_entropy(*, target: Tensor, scores: Tensor) -> Tensor:
        return F.cross_entropy(scores, target)

    names = {"logits": "scores", "target": "target"}
    without = [*LABELS_ALONE, "nonfinite"]
    softproof.verify(
        cross_entropy, adapter="torch", names=names, examples=10, seed=0, without=without, dtypes=["float32"]
    ).check()


def test_axis_is_dim() -> None:
    """NumPy's name, wherever a function has no `dim`."""

    def softmax(logits: Any, axis: int = -1) -> Any:
        e = np.exp(logits - logits.max(axis, keepdims=True))
        return e / e.sum(axis, keepdims=True)

    assert "dim" in load(softmax).supports("softmax")


# ---- who hides what it takes ----------------------------------------------------------------------------------------


def test_hidden_options_are_tried_out() -> None:
    """Those that raise a TypeError are not asked."""

    def cross_entropy(*inputs: Any, **options: Any) -> Tensor:
        if unknown := set(options) - {"reduction", "ignore_index"}:
            raise TypeError(f"unexpected {unknown}")
        return F.cross_entropy(*inputs, **options)

    candidate = load(cross_entropy, adapter="torch")

    named = candidate.supports("cross_entropy") & {"weight", "reduction", "ignore_index", "label_smoothing"}
    assert named == {"reduction", "ignore_index"}
    everything = load(cross_entropy, adapter="torch", tried=False).supports("cross_entropy")
    assert {"weight", "label_smoothing"} <= everything


def test_a_module_of_torch_has_the_options_of_its_forward() -> None:
    """Its call hides them."""

    class Loss(torch.nn.Module):
        def forward(self, input: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
            return F.cross_entropy(input, target, ignore_index=ignore_index)

    found = load(Loss(), "cross_entropy", "torch").supports("cross_entropy")

    assert "ignore_index" in found
    assert not {"weight", "reduction"} & found


def test_what_is_said_to_be_supported_is_asked_alone() -> None:
    """Kinds of input are left out by `without`."""
    candidate = load(F.cross_entropy, adapter="torch", supports=["weight"], without=["nonfinite"])

    assert "weight" in candidate.supports("cross_entropy")
    assert "unbatched" in candidate.supports("cross_entropy")
    assert not {"reduction", "nonfinite"} & candidate.supports("cross_entropy")


# ---- what it overwrites ---------------------------------------------------------------------------------------------


class _InPlace(torch.autograd.Function):
    """Leaves its gradient in the memory of the logits, as kernels do that have no memory to spare."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        lse = z.logsumexp(-1)
        ctx.gradient = z.detach().softmax(-1) if 0 in z.stride() else z.copy_(z.softmax(-1))
        return lse

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return ctx.gradient * grads[0].unsqueeze(-1)


def logsumexp(logits: Tensor) -> Tensor:
    """In place."""
    return _InPlace.apply(logits)  # type: ignore[no-any-return, no-untyped-call]  # torch's own


@pytest.mark.parametrize(("writes", "ok"), [(["logits"], True), ([], False)], ids=["declared", "not declared"])
def test_an_input_that_is_overwritten_as_documented(writes: list[str], ok: bool) -> None:
    """Every call has a copy of its own, of the same layout."""
    report = softproof.verify(
        logsumexp,
        adapter="torch",
        writes=writes,
        seed=0,
        examples=40,
        shrink=False,
        without=["jvp", "hvp", "nonfinite"],
    )

    assert report.ok == ok, str(report)
    if not ok:
        assert "changed its input logits" in str(report)


@pytest.mark.parametrize(
    ("arrays", "layout"), [(arrays, layout) for arrays in (numpy_arrays, torch_arrays) for layout in arrays.LAYOUTS]
)
def test_a_copy_lies_as_the_array_does(arrays: Any, layout: str) -> None:
    """Same numbers, same strides, no shared memory; what is expanded becomes whole."""
    values = np.repeat(np.arange(6.0).reshape(1, 6), 4, 0) if layout == "expanded" else np.arange(24.0).reshape(4, 6)
    array = arrays.make(values, "float32", layout, "cpu")
    copy = arrays.copy(array)

    assert np.array_equal(arrays.take(copy).values, values)
    assert not arrays.share_memory(array, copy)
    strides = (array.strides, copy.strides) if arrays is numpy_arrays else (array.stride(), copy.stride())
    assert (strides[0] == strides[1]) == (layout != "expanded")
    arrays.overwrite(copy)
    assert np.array_equal(arrays.take(array).values, values)
    nothing = arrays.copy(arrays.make(np.zeros((0, 5)), "float32", layout, "cpu"))
    assert nothing.shape == (0, 5)


# ---- what is drawn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("operation", "ndim"), [
    *product(["softmax", "logsumexp", "kl_divergence", "cross_entropy"], [1, 2, 3, 4]), *product(["linear"], [1, 2, 3]),
])  # fmt: skip
@given(data=st.data())
def test_problems_have_the_dimensions_that_are_asked(operation: str, ndim: int, data: st.DataObject) -> None:
    """Of every operation that has so many."""
    problem = data.draw(problems(operation, "float32", ndim=[ndim]))

    assert next(iter(problem.inputs.values())).ndim == ndim
    assert Interface(ndim=frozenset({ndim})).takes(problem)
    assert not Interface(ndim=frozenset(range(5)) - {ndim}).takes(problem)


@pytest.mark.parametrize(
    "fixed",
    [
        {"reduction": "none"},
        {"reduction": "sum", "ignore_index": 255},
        {"label_smoothing": 0.1, "reduction": "mean", "ignore_index": -100},
    ],
    ids=str,
)
@pytest.mark.parametrize("operation", ["cross_entropy", "linear_cross_entropy"])
@given(data=st.data())
def test_problems_have_the_options_that_are_fixed(operation: str, fixed: dict[str, Any], data: st.DataObject) -> None:
    """Whatever else is drawn."""
    problem = data.draw(problems(operation, "float32", fixed=fixed))

    assert Interface(fixed=fixed).takes(problem)
    assert not Interface(fixed={**fixed, "reduction": "other"}).takes(problem)


@given(data=st.data())
def test_problems_have_the_axis_that_is_fixed(data: st.DataObject) -> None:
    """As long as there is one."""
    problem = data.draw(problems("softmax", "float32", fixed={"dim": 1}))

    assert problem.options["dim"] == 1
    assert problem.inputs["logits"].ndim >= 2


def test_large_problems_have_the_options_that_are_fixed() -> None:
    """The loss of each row, where none is reduced."""
    fixed = {"reduction": "none", "label_smoothing": 0.1}
    found = softproof.large_problems("cross_entropy", "float32", [], fixed)

    assert len(found) > 20
    for number in range(len(found)):
        problem = found.resized(number, 40)
        assert problem.options == fixed
        assert problem.inputs["logits"].ndim > 1


@pytest.mark.parametrize(
    ("interface", "options", "takes"),
    [
        ({"fixed": {"dim": -1}}, {"dim": 1}, True),
        ({"fixed": {"dim": 0}}, {"dim": 1}, False),
        ({"fixed": {"dim": 1}}, {}, True),
        ({"fixed": {"dim": 2}}, {"dim": 1}, False),
        ({"fixed": {"reduction": "sum"}}, {"dim": 1}, True),
    ],
)
def test_the_last_axis_has_two_names(interface: dict[str, Any], options: dict[str, Any], takes: bool) -> None:
    """And an option of another operation says nothing."""
    assert Interface(**interface).takes(Problem("softmax", "float32", {"logits": [[0.0]]}, options)) == takes


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"names": ["dim"]}, TypeError, r"names is \['dim'\]; expected a mapping from names, such as {'dim': 'axis'}"),
        ({"names": {"x": "y"}}, ValueError, "names names x; manual has"),
        ({"fixed": {"weight": 1}}, ValueError, "fixed names weight; manual has dim, ignore_index"),
        ({"fixed": {"reduction": "all"}}, ValueError, "fixed reduction is 'all'; expected one of none, sum, mean"),
        ({"fixed": {"dim": "last"}}, TypeError, "fixed dim is 'last'; expected a whole number"),
        ({"fixed": {"label_smoothing": 2.0}}, ValueError, "fixed label_smoothing is 2.0; expected a number from 0 to"),
        ({"fixed": {"dim": 1}, "supports": ["dim"]}, ValueError, "dim is in fixed and in supports"),
        ({"supports": ["bias2"]}, ValueError, "supports names bias2; manual has"),
        ({"supports": ["nonfinite"]}, ValueError, "supports names nonfinite; manual has"),
        ({"supports": "weight"}, TypeError, r"supports is 'weight'; expected a list of names such as \['weight'\]"),
        ({"ndim": [6]}, ValueError, "ndim is 6; expected a whole number from 0 to 5"),
        ({"ndim": 2}, TypeError, r"ndim is 2; expected a list of numbers such as \[2\]"),
        ({"writes": ["x"]}, ValueError, "writes names x; manual has"),
        ({"output": "-1"}, TypeError, "output is '-1'; expected a whole number"),
        ({"outputs": 1}, TypeError, "unknown argument outputs; an interface has supports, without"),
    ],
)
def test_an_interface_that_does_not_fit(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    """Is an error before anything is asked."""
    with pytest.raises(error, match=words):
        load("manual", **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"names": {"label_smoothing": "smoothness"}},
            "names gives smoothness; losses_by_row takes chunk, labels, scores",
        ),
        ({"extra": {"chunks": 4}}, "extra gives chunks; losses_by_row takes chunk, labels, scores, smoothing"),
    ],
)
def test_a_name_that_the_signature_lacks(arguments: dict[str, Any], words: str) -> None:
    """Is an error too, and no reason to ask less."""
    with pytest.raises(ValueError, match=words):
        load(losses_by_row, **{**OWN, **arguments})


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: problems("linear_cross_entropy", "float32", ndim=[4]), "linear_cross_entropy has 1, 2 dimensions"),
        (lambda: problems("softmax", "float32", ndim=[1], fixed={"dim": 1}), r"ndim is \[1\], fixed is {'dim': 1}"),
        (lambda: problems("cross_entropy", "float32", ndim=[1], supports=frozenset()), "a loss without a batch"),
    ],
    ids=["dimensions", "axis", "unbatched"],
)
def test_problems_that_there_are_none_of(draw: Callable[[], Any], words: str) -> None:
    """Are an error when they are asked for, not when they are drawn."""
    with pytest.raises(ValueError, match=words):
        draw()


@pytest.mark.parametrize("option", ["--fixed reduction", "--name =axis"])
def test_the_command_line_refuses_half_a_pair(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what it wants."""
    with pytest.raises(SystemExit):
        main(["verify", "manual", *option.split()])

    assert f"{option}: expected NAME=VALUE" in capsys.readouterr().err


class _Once(torch.autograd.Function):
    """A backward pass that uses up what was kept for it, and reads contiguous memory alone."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, dim: int) -> Tensor:
        if not input.is_contiguous():
            raise RuntimeError("input must be contiguous")
        value = torch.log_softmax(input, dim)
        ctx.kept, ctx.dim = [value.clone()], dim
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (g,) = grads
        value = ctx.kept.pop()
        return g - value.exp() * g.sum(ctx.dim, keepdim=True), None


def _once(input: Tensor, dim: int) -> Tensor:
    found: Tensor = _Once.apply(input, dim)  # type: ignore[no-untyped-call]  # torch's own
    return found


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (["layouts"], "after a backward pass with another upstream gradient: raised IndexError"),
        (["after another backward"], "raised RuntimeError"),
        (["layouts", "after another backward"], ""),
    ],
)
def test_ways_of_asking_can_be_left_out(without: list[str], words: str) -> None:
    """By their names, and other layouts together; the report says which were."""
    asked: Any = {"operation": "log_softmax", "adapter": "torch", "dtypes": ["float64"]}
    report = softproof.verify(
        _once, seed=0, examples=40, shrink=False, without=["jvp", "hvp", "nonfinite", *without], **asked
    )

    assert report.ok is not bool(words)
    assert words in str(report)
    assert not set(without) & set(report.rows[0].asked.checks)
    assert "layouts" not in without or "logits strided" not in report.rows[0].coverage.regions
    assert set(without) <= set(report.rows[0].asked.unsupported)


def test_a_check_that_is_left_out_is_asked_where_it_is_wanted() -> None:
    """By its name."""
    candidate = load(_once, "log_softmax", "torch", without=["after another backward", "layouts"])
    problem = Problem("log_softmax", "float64", {"logits": [[0.0, 1.0]]}, {"dim": -1}, [[1.0, 0.5]])
    found = softproof.check_behaviour(candidate, problem)

    assert found.ok
    assert not {"after another backward", "another layout"} & set(found.checks)
    assert not softproof.check_behaviour(candidate, problem, check="after another backward").ok


def test_what_has_no_rows_is_not_taken() -> None:
    """Whoever asks: drawn problems, relations and edge cases."""
    rows, none = (Problem("softmax", "float32", {"logits": np.zeros((count, 2))}, {"dim": -1}) for count in (1, 0))

    assert Interface(without=frozenset({"empty"})).takes(rows)
    assert not Interface(without=frozenset({"empty"})).takes(none)
    assert Interface().takes(none)


def least_size(operation: str, supports: frozenset[str], small: bool) -> int:
    """Of an input, among many drawn problems."""
    sizes = []

    @hypothesis.seed(0)
    @settings(max_examples=150, database=None, phases=[Phase.generate])
    @given(problem=problems(operation, "float32", supports=supports, small=small))
    def draw(problem: Problem) -> None:
        sizes.append(min(each.size for each in problem.inputs.values()))

    draw()
    return min(sizes)


@pytest.mark.parametrize("operation", softproof.OPERATIONS)
@pytest.mark.parametrize("small", [True, False], ids=["small", ""])
def test_without_empty_there_are_rows(operation: str, small: bool) -> None:
    """And with it there are none now and then, among small problems often."""
    extras = frozenset(softproof.OPERATIONS[operation].extras)

    assert least_size(operation, extras - {"empty"}, small) > 0
    if small:
        assert least_size(operation, extras, small) == 0


# ---- what is left out in part ----------------------------------------------------------------------------------------


NAMES_OF_REDUCTIONS = ("reduction none", "reduction sum", "reduction mean")


def reduced_losses(logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """A loss that has no losses of rows."""
    if reduction == "none":
        raise ValueError(f"reduction is {reduction!r}; expected mean or sum")
    return F.cross_entropy(logits, target, reduction=reduction)


def test_one_value_of_an_option_is_left_out_and_the_others_are_asked() -> None:
    """Among drawn problems, large ones, and behaviour checks."""
    about: dict[str, Any] = {"operation": "cross_entropy", "adapter": "torch", "dtypes": ["float32"], "seed": 0}
    asked = softproof.verify(reduced_losses, without=["nonfinite"], examples=20, **about)
    assert asked.rows[0].verdict == "cannot ask"
    assert "reduction=none" in asked.rows[0].outcome.reason

    without = ["nonfinite", "probabilities", "reduction=none"]
    row = softproof.verify(reduced_losses, without=without, examples=20, **about).rows[0]
    assert row.verdict == "agrees", row.failure
    assert {name for name in row.coverage.regions if name in NAMES_OF_REDUCTIONS} == {"reduction mean", "reduction sum"}
    assert "reduction=none" in row.asked.unsupported
    supports = load(reduced_losses, "cross_entropy", "torch", without=without).supports("cross_entropy")
    large = softproof.large_problems("cross_entropy", "float32", list(supports))
    assert {str(each.options["reduction"]) for each in islice(large, 12)} == {"mean", "sum"}


def test_no_value_of_an_option_is_wrong_usage() -> None:
    """There would be nothing to ask."""
    with pytest.raises(ValueError, match="expected at most two of these, or reduction"):
        load(reduced_losses, "cross_entropy", "torch", without=["reduction=none", "reduction=sum", "reduction=mean"])


@torch.no_grad()
def value_alone(logits: Tensor, dim: int = -1) -> Tensor:
    """A softmax for inference."""
    return torch.softmax(logits, dim)


def test_a_value_without_gradients_is_judged_on_its_own() -> None:
    """If that is what it is to be; the report says so."""
    about: dict[str, Any] = {"operation": "softmax", "adapter": "torch", "dtypes": ["float32"], "seed": 0}
    assert softproof.verify(value_alone, examples=10, **about).rows[0].verdict == "disagrees"

    report = softproof.verify(value_alone, examples=30, without=["gradient"], **about)
    report.check()
    assert "gradients (no backward pass)" in str(report)


# ---- the adapter ----------------------------------------------------------------------------------------------------

ELSEWHERE = """
def softmax(input, dim=-1):
    import torch
    if not getattr(input, "is_elsewhere", False):
        raise RuntimeError("this kernel needs a GPU")
    return torch.softmax(input, dim)
"""


@pytest.mark.parametrize(("devices", "adapter"), [(("cpu",), "numpy"), (("cpu", "gpu"), "torch")])
def test_an_adapter_is_tried_out_on_every_device(
    devices: tuple[str, ...], adapter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that runs on one of them alone takes tensors, whatever its module imports."""
    (tmp_path / "kernel_elsewhere.py").write_text(ELSEWHERE)
    monkeypatch.syspath_prepend(str(tmp_path))
    make = torch_arrays.make

    def made(values: Any, dtype: str, layout: str, device: str) -> Tensor:
        found = make(values, dtype, layout, "cpu")
        found.is_elsewhere = device == "gpu"  # type: ignore[attr-defined]
        return found

    monkeypatch.setattr(torch_arrays, "make", made)
    monkeypatch.setattr(torch_arrays, "devices", lambda: devices)

    assert load("kernel_elsewhere:softmax").adapter == adapter
    sys.modules.pop("kernel_elsewhere")
