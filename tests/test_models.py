"""Arithmetic models: named, found, applied, and true of the libraries on this machine."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from softproof import (
    MODELS,
    OPERATIONS,
    Arithmetic,
    Output,
    Problem,
    Result,
    any_order,
    bound,
    judge,
    judge_result,
    solve,
    verify,
)
from softproof.bounds.arithmetic import DEPTHS
from softproof.bounds.libraries import TF32, torch_cpu
from softproof.bounds.models import model
from softproof.bounds.theorems import allowed
from softproof.problem.formats import FORMATS
from softproof.problem.problem import LAYOUTS, Array
from softproof.runs.criteria import Criteria

from .helpers.candidates import MANUAL, REFERENCE

HALF = ("float16", "bfloat16")
ROWS = Problem("softmax", "float32", {"logits": np.zeros((3, 4))}, {"dim": -1})


@pytest.mark.parametrize("name", MODELS)
def test_models_have_names_and_sources(name: str) -> None:
    """And arithmetic for every format."""
    for dtype in ("float64", "float32", *HALF):
        chosen = model(name)(replace(ROWS, dtype=dtype))

        assert chosen.storage.name == dtype
        assert chosen.source
        assert np.isfinite(bound(replace(ROWS, dtype=dtype), chosen)["value"]).all()


@pytest.mark.parametrize(("stored", "agrees"), [("bfloat16", True), ("float16", False)])
@pytest.mark.parametrize("operation", ["linear", "linear_cross_entropy"])
def test_processors_multiply_subnormal_bfloat16_as_zero(operation: str, stored: str, agrees: bool) -> None:
    """As they do from some size on; what comes of subnormal gradients is 0 then."""
    tiny, weight = FORMATS[stored].tiny, "weight" if operation == "linear" else "linear_weight"
    inputs = {"input": np.ones((1, 2)), weight: np.ones((2, 2))}
    problem = Problem(operation, stored, inputs, grad_output=[[tiny / 2, tiny / 2]])
    if operation == "linear_cross_entropy":
        problem = Problem(
            operation, stored, {**inputs, weight: [[4.0, 4.0], [0.0, 0.0]], "target": [1]}, grad_output=tiny
        )
    result = REFERENCE.answer(problem)
    flushed = {**result.outputs, "grad_input": Output(np.zeros((1, 2), np.float32), stored)}

    assert judge_result(problem, Result(flushed), arithmetic="torch-cpu").ok == agrees


def test_a_model_of_your_own() -> None:
    """By the name of a module's attribute, as one Arithmetic, or as a function."""
    own = replace(any_order("float32"), name="own", c_exp=2.0)

    assert model("softproof.bounds.models:torch_cpu") is torch_cpu
    assert model(own)(ROWS) is own
    assert model(lambda _problem: own)(ROWS) is own


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("numpi", ValueError, "arithmetic is 'numpi'; expected one of any-order, numpy"),
        ("softproof.bounds.models:nothing", ValueError, "arithmetic is 'softproof.bounds.models:nothing'.*nothing"),
        ("no_such_module:model", ValueError, "no_such_module"),
        ("softproof.bounds.models:MODELS", TypeError, "is a dict; expected an Arithmetic"),
    ],
)
def test_a_model_that_is_not_there(name: str, error: type[Exception], words: str) -> None:
    """Named, with what there is."""
    with pytest.raises(error, match=words):
        model(name)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"stored": frozenset({"exps"})}, ValueError, "stored names exps; expected some of derivatives, exp, gradient"),
        ({"c_exp": -1.0}, ValueError, "c_exp is -1.0; expected a positive number"),
        ({"c_exp": 0.0}, ValueError, "c_exp is 0.0; expected a positive number"),
        ({"c_log": float("nan")}, ValueError, "c_log is nan; expected a positive number"),
        ({"exp_subnormals": float("inf")}, ValueError, "exp_subnormals is inf; expected a number that is not negative"),
        ({"total_depth": True}, TypeError, "total_depth is True; expected a number of additions, or one of"),
        ({"flushes": 1}, TypeError, "flushes is 1; expected True or False"),
        ({"depth": "sequential"}, ValueError, "depth is 'sequential'; expected one of any order, numpy"),
        ({"compute": "float32"}, TypeError, "compute is 'float32'; expected a Format"),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_an_arithmetic_that_makes_no_sense(change: dict[str, Any], error: type[Exception], words: str) -> None:
    """When it is made, not when it is used."""
    with pytest.raises(error, match=words):
        replace(any_order("float32"), **change)


def test_an_arithmetic_that_raises_is_named() -> None:
    """With the operation that it was asked for."""

    def careless(problem: Problem) -> Arithmetic:
        raise ValueError(f"no {problem.dtype}")

    with pytest.raises(ValueError, match="arithmetic 'careless' raised ValueError: no float32; asked for softmax"):
        judge(MANUAL, ROWS, arithmetic=careless)


def test_an_arithmetic_whose_module_raises_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a target is."""
    (tmp_path / "broken_model.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ValueError, match="'broken_model:fast': importing it raised RuntimeError: no licence"):
        model("broken_model:fast")


def test_an_arithmetic_for_another_format() -> None:
    """Its bounds are those of that format, so it is refused; and so is a model that gives none."""
    with pytest.raises(ValueError, match="stores float64; the problem is in float32"):
        judge(MANUAL, ROWS, arithmetic=any_order("float64"))
    with pytest.raises(ValueError, match="stores float32; the problem is in float64"):
        verify(MANUAL.only("softmax"), arithmetic=any_order("float32"), examples=1)
    with pytest.raises(TypeError, match=r"gave a NoneType; expected a softproof\.Arithmetic"):
        verify(MANUAL.only("softmax"), arithmetic=lambda _problem: None, examples=1)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("name", DEPTHS)
def test_no_sum_is_deeper_than_any_order(name: str) -> None:
    """n - 1 additions are all that round; and at least ⌈log₂ n⌉ are on the longest path of any tree."""
    for n in (1, 2, 3, 7, 8, 16, 100, 129, 2048, 2049, 4096, 131072):
        assert np.ceil(np.log2(n)) <= DEPTHS[name](n) <= n - 1
    assert (DEPTHS[name](131072) <= 131072 / 2) == (name != "any order")


def _adds(numbers: list[int]) -> int:
    """The depth of NumPy's pairwise sum, by taking it: each number is how deep it is."""
    if len(numbers) < 8:
        return functools.reduce(lambda one, two: max(one, two) + 1, numbers)
    if len(numbers) <= 128:
        lanes = [functools.reduce(lambda one, two: max(one, two) + 1, numbers[k : len(numbers) // 8 * 8 : 8])
                 for k in range(8)]  # fmt: skip
        return functools.reduce(lambda one, two: max(one, two) + 1, numbers[len(numbers) // 8 * 8 :], max(lanes) + 3)
    half = len(numbers) // 2 - len(numbers) // 2 % 8
    return 1 + max(_adds(numbers[:half]), _adds(numbers[half:]))


def test_the_depth_of_a_sum_is_that_of_its_tree() -> None:
    """Built for NumPy's, number by number."""
    assert [DEPTHS["numpy"](n) for n in (1, 5, 8, 13, 128, 129, 1000, 4097)] == [
        _adds([0] * n) for n in (1, 5, 8, 13, 128, 129, 1000, 4097)
    ]


def test_a_stored_result_widens_the_bound_and_nothing_else_does() -> None:
    """Along the last dimension torch keeps the sum of log-softmax in half precision, along others it does not."""
    column = Problem("log_softmax", "bfloat16", {"logits": [[0.0], [-5.0]]}, {"dim": 0})
    row = Problem("log_softmax", "bfloat16", {"logits": [[0.0, -5.0]]}, {"dim": 1})

    assert bound(row, torch_cpu(row))["value"].max() > 2.0**-9
    assert bound(column, torch_cpu(column))["value"][0, 0] < 2.0**-12
    assert np.array_equal(bound(column)["value"].ravel(), bound(row)["value"].ravel())


def test_a_known_order_of_sums_narrows_the_bound() -> None:
    """At 100000 classes by more than a hundred, where the layout is the one whose order is known."""
    wide = Problem("logsumexp", "float32", {"logits": np.linspace(-1, 0, 100_000, dtype=np.float32)[None]}, {"dim": -1})

    assert bound(wide, "numpy")["value"] * 100 < bound(wide)["value"]
    strided = replace(wide, layout="strided")
    assert bound(strided, "numpy")["value"] * 2 > bound(strided)["value"]


@pytest.mark.parametrize("size", [1.0, 1e-30])
def test_rounded_factors_widen_the_bound_of_a_product(size: float) -> None:
    """TF32: an exact product of rounded factors is within the bound of that model, and of no other."""
    rng = np.random.default_rng(0)
    x, w = (np.float32(size ** (i == 0)) * rng.normal(size=(9, 7)).astype(np.float32) for i in range(2))
    problem = Problem("linear", "float32", {"input": x, "weight": w})
    got = (TF32.round(x) @ TF32.round(w).T).astype(np.float32)
    result = Result({"value": Output(got, "float32")})

    assert judge_result(problem, result, arithmetic="torch-cuda-tf32").ok
    assert not judge_result(problem, result, arithmetic="torch-cuda").ok


@pytest.mark.parametrize("name", HALF)
def test_no_guarantee_is_not_agreement(name: str) -> None:
    """Everything in half precision: enough additions could lose every digit, and then nothing agrees."""
    count = 2 ** (12 if name == "float16" else 9)
    problem = Problem("logsumexp", name, {"logits": np.zeros(count)}, {"dim": -1})

    verdict = judge(REFERENCE, problem, arithmetic="storage")

    assert verdict.outcome == "no guarantee"
    assert not verdict.ok


# ---- fused kernels ---


def by_a_stored_logsumexp(input: torch.Tensor, target: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """logsumexp(x) - x_y, as fused kernels form it."""
    losses = torch.logsumexp(input, -1) - input.gather(-1, target[..., None])[..., 0]
    return losses.mean() if reduction == "mean" else losses.sum() if reduction == "sum" else losses


@pytest.mark.parametrize("name", ["any-order", "stored-logsumexp", "fused"])
def test_a_loss_from_a_stored_logsumexp(name: str) -> None:
    """Agrees with the models that are made for it, at any offset, and with no other."""
    report = verify(by_a_stored_logsumexp, operation="cross_entropy", adapter="torch", dtypes=["float32"], seed=0,
                    arithmetic=name, examples=40, ndim=[2], without=["probabilities", "nonfinite", "invalid_labels"],
                    shrink=False)  # fmt: skip

    assert report.rows[0].verdict == ("disagrees" if name == "any-order" else "agrees"), report


@pytest.mark.parametrize("name", ["any-order", "stored-logsumexp"])
def test_a_log_softmax_from_a_stored_logsumexp(name: str) -> None:
    """A row whose logsumexp is off has one error for all, which is larger than that of a sum."""
    x = np.array([[1000.0, 999.5, 998.25, 0.0]], np.float32) + np.float32(0.3)
    stored = np.float32(np.nextafter(np.float32(np.logaddexp.reduce(x[0].astype(np.float64))), np.float32(np.inf)))
    problem = Problem("log_softmax", "float32", {"logits": x}, {"dim": -1})
    result = Result({"value": Output(x - stored, "float32")})

    row = allowed(problem, model(name)(problem))[0]["value"].row
    assert row is not None
    shared = abs(float(stored) - np.logaddexp.reduce(x[0].astype(np.float64)))
    assert (shared <= row.limit).all() == (name == "stored-logsumexp")
    assert judge_result(problem, result, arithmetic=name).ok == (name == "stored-logsumexp")


LOG2E, LN2 = np.float32(np.log2(np.e)), np.float32(np.log(2))


def _logsumexp_2(z: Array) -> Array:
    """log₂ Σ 2^z of a row, one logit after the other, rescaled as the largest grows (R, 1)."""
    top, total = z[:, :1], np.ones_like(z[:, :1])
    for each in z[:, 1:].T[..., None]:
        new = np.maximum(top, each)
        total, top = total * np.exp2(top - new) + np.exp2(each - new), new
    return np.asarray(top + np.log2(total))


def _stored(x: Array) -> Array:
    """exp(x - logsumexp(x)), the logsumexp rounded."""
    top = x.max(-1, keepdims=True)
    return np.asarray(np.exp(x - (top + np.log(np.exp(x - top).sum(-1, keepdims=True)))))


KERNELS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "a stored logsumexp": ("softmax", _stored),
    "base 2, log-softmax": ("log_softmax", lambda x: (x * LOG2E - _logsumexp_2(x * LOG2E)) / LOG2E),
    "base 2, softmax": ("softmax", lambda x: np.exp2(x * LOG2E - _logsumexp_2(x * LOG2E))),
    "base 2, logsumexp": ("logsumexp", lambda x: _logsumexp_2(x * LOG2E)[:, 0] * LN2),
}


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        *((kernel, name) for kernel in KERNELS for name in ("any-order", "fused-base-2")),
        *(("a stored logsumexp", name) for name in ("stored-logsumexp", "fused")),
    ],
)
def test_rows_of_fused_kernels(kernel: str, name: str) -> None:
    """At an offset of 1000, 20 times: each agrees with the models that are made for it, and leaves any order."""
    operation, function = KERNELS[kernel]
    rng, outcomes = np.random.default_rng(0), set[str]()
    for _ in range(20):
        x = (1000 + rng.normal(0, 3, (4, 7))).astype(np.float32)
        result = Result({"value": Output(function(x), "float32")})
        problem = Problem(operation, "float32", {"logits": x}, {"dim": -1})
        outcomes.add(judge_result(problem, result, arithmetic=name).outcome)

    assert "disagrees" in outcomes if name == "any-order" else outcomes == {"agrees"}


@pytest.mark.parametrize("epsilon", [0.1, 0.999, 0.9999999])
def test_a_smoothing_that_is_a_float32_argument(epsilon: float) -> None:
    """1 - ε has lost digits where ε is near 1; the value, and the gradients of logits and probabilities."""
    rng, rounded = np.random.default_rng(1), np.float32(epsilon)
    x, q = rng.normal(0, 1, (5, 4)).astype(np.float32), rng.dirichlet(np.ones(4), 5).astype(np.float32)
    d = x - x.max(-1, keepdims=True)
    log_p = d - np.log(np.exp(d).sum(-1, keepdims=True))
    t = (1 - rounded) * q + rounded / np.float32(4)
    result = Result({"value": Output(-(t * log_p).sum(), "float32"),
                     "grad_logits": Output(np.exp(log_p) * t.sum(-1, keepdims=True) - t, "float32"),
                     "grad_target": Output(-(1 - rounded) * log_p, "float32")})  # fmt: skip
    options = {"label_smoothing": epsilon, "reduction": "sum"}

    verdict = judge_result(Problem("cross_entropy", "float32", {"logits": x, "target": q}, options, 1.0), result)
    assert verdict.ok, verdict


def test_the_report_counts_what_is_not_promised() -> None:
    """Derivatives at offsets where a stored logsumexp has no digit; the value is asked."""
    report = verify(REFERENCE.only("log_softmax"), dtypes=["float32"], arithmetic="fused", examples=30, seed=0)

    assert report.ok
    unbounded = report.rows[0].coverage.unbounded
    assert 0 < unbounded < 30
    assert f"no derivative promised, nor asked: log_softmax in {unbounded} problems" in report.in_full()
    assert not verify(REFERENCE.only("log_softmax"), dtypes=["float32"], examples=10, seed=0).rows[0].coverage.unbounded


@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "logsumexp", "cross_entropy"])
@pytest.mark.parametrize("name", ["fused", "fused-base-2"])
def test_logits_of_which_nothing_is_promised_are_clipped(operation: str, name: str) -> None:
    """Of logits around 1e30 a softmax that is exp(x - ŷ) may be anything; the drawn problems are asked all the same."""
    x = np.array([[1e30, -3e38, 1e30, -np.inf]], np.float32)
    inputs = {"logits": x} | ({"target": [0]} if operation == "cross_entropy" else {})
    problem = Problem(operation, "float32", inputs, {} if operation == "cross_entropy" else {"dim": -1})
    criteria = Criteria("cpu", model(name), name, "C", None, 1.0)

    asked = criteria.promised(problem)
    assert np.isfinite(bound(asked, name)["value"]).all()
    if np.isinf(bound(problem, name)["value"]).any():
        assert asked.inputs["logits"].tolist() == [[2.0**16, -(2.0**16), 2.0**16, -np.inf]]
    else:
        assert (operation, name) != ("softmax", "fused")
        assert asked is problem
    if operation == "softmax":
        verify(REFERENCE.only(operation), dtypes=["float32"], arithmetic=name, examples=15, seed=3).check()


@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "cross_entropy", "linear_cross_entropy"])
def test_whoever_shifts_agrees_with_a_fused_model(operation: str, thorough: bool) -> None:
    """It allows more than any order, and promises something of all that is asked."""
    examples = 100 if thorough else 10
    verify(REFERENCE.only(operation), dtypes=["float32"], arithmetic="fused", examples=examples, seed=0).check()


def test_a_fused_model_promises_something_at_the_lowest_number(dtype: str) -> None:
    """2^(x log₂e) is 0 there, though x log₂e is infinite."""
    lowest = -float(np.finfo(dtype).max)
    problem = Problem("softmax", dtype, {"logits": [0.0, lowest]}, {"dim": -1}, [1.0, 2.0])

    assert judge(REFERENCE, problem, arithmetic="fused").ok


# ---- half precision -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", HALF)
def test_torch_follows_its_model_on_the_cpu(operation: str, name: str, thorough: bool) -> None:
    """Every operation, value and gradients, any dimension and layout."""
    examples = 100 if thorough else 10
    verify(REFERENCE.only(operation), dtypes=[name], arithmetic="torch-cpu", examples=examples, seed=1).check()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_manual_computes_in_float32_and_rounds_once(operation: str, thorough: bool) -> None:
    """In float16, the one format of half precision that NumPy has."""
    verify(MANUAL.only(operation), dtypes=["float16"], examples=100 if thorough else 10, seed=1).check()


@pytest.mark.parametrize("operation", ["log_softmax", "logsumexp", "cross_entropy"])
@pytest.mark.parametrize("name", HALF)
def test_torch_does_not_compute_in_float32_throughout(operation: str, name: str) -> None:
    """Which is why it has a model of its own; docs/generated/findings.md holds the witnesses."""
    report = verify(REFERENCE.only(operation), dtypes=[name], examples=15, seed=1, shrink=False)

    assert report.rows[0].verdict == "disagrees"


@pytest.mark.parametrize("weight", [{}, {"weight": [1.0, 0.25]}], ids=["", "weighted"])
def test_probabilities_above_1_may_overflow_a_sum_of_losses(weight: dict[str, Any]) -> None:
    """Two losses of 40000, or 10000 of 40000 at first, whose sum is no float16; a mean of 1 is not infinite."""
    rows = {"target": [[0.0, 2.0]] * 2, **weight}
    large, small = (Problem("cross_entropy", "float16", {"logits": [[0.0, x]] * 2, **rows}) for x in (-20000.0, -1.0))
    infinite = Result({"value": Output(np.array(np.inf, np.float32), "float16")})

    assert judge(REFERENCE, large, arithmetic="torch-cpu").ok
    assert judge_result(large, infinite, arithmetic="torch-cpu").ok
    assert not judge_result(small, infinite, arithmetic="torch-cpu").ok


@pytest.mark.parametrize(("half", "name"), [(MANUAL, "numpy"), (REFERENCE, "torch-cpu")], ids=["manual", "reference"])
def test_each_half_follows_its_library(half: object, name: str, dtype: str, thorough: bool) -> None:
    """A narrower bound than that of any order, which refuses what is between the two."""
    examples = 100 if thorough else 15
    verify(half, operation="log_softmax", dtypes=[dtype], arithmetic=name, examples=examples, seed=2).check()  # type: ignore[arg-type]
    problem = Problem("log_softmax", dtype, {"logits": np.resize([0.0, -0.125], (1, 1000))}, {"dim": -1})
    wide, narrow = bound(problem)["value"], bound(problem, name)["value"]
    between = solve(problem)["value"].astype(np.float64) + (wide + narrow) / 2
    result = Result({"value": Output(between.astype(dtype), dtype)})

    assert (narrow < 0.7 * wide).all()
    assert judge_result(problem, result).ok
    assert not judge_result(problem, result, arithmetic=name).ok


def _equal_summands(operation: str, numbers: str, shape: tuple[int, ...], dim: int, given: str, layout: str) -> Problem:
    """Exponentials, and entries of a gradient, of which each addition to the others may lose as much as it can."""
    fmt, first = FORMATS[numbers], [slice(None)] * len(shape)
    x, g = np.full(shape, fmt.round(-1.2741)), np.full(shape, fmt.round(-0.27970946))
    first[dim] = slice(0, 1)
    x[tuple(first)] = 0.0
    if given == "by columns":
        x, g = np.asfortranarray(x), np.asfortranarray(g)
    elif given == "repeated":
        x, g = (np.broadcast_to(each[:1] if dim else each[:, :1], shape) for each in (x, g))
    if operation == "cross_entropy":
        return Problem(operation, numbers, {"logits": x, "target": -g}, {}, np.ones(shape[0]).sum(), layout)
    return Problem(operation, numbers, {"logits": x}, {"dim": dim}, g, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("given", ["by rows", "by columns", "repeated"])
@pytest.mark.parametrize("n", [2, 255, pytest.param(5000, marks=pytest.mark.thorough)])
def test_numpy_adds_in_pairs_where_its_model_says_so(n: int, given: str, layout: str) -> None:
    """Along the last of the axes of contiguous arrays, and one by one elsewhere, however the values were given."""
    for numbers in ("float64", "float32", "float16"):
        for operation in ("softmax", "log_softmax", "cross_entropy"):
            for shape, dim in (((3, n), 1), ((3, n, 2), 1), ((n, 3), 0), ((2, 2, n), 2)):
                if operation != "cross_entropy" or dim == 1:
                    problem = _equal_summands(operation, numbers, shape, dim, given, layout)
                    verdict = judge(MANUAL, problem, arithmetic="numpy")
                    assert verdict.ok, (operation, numbers, shape, dim, str(verdict))
