"""Large problems are asked in every run, and huge ones where somebody asks for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise, product, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from softproof import OPERATIONS, Output, Problem, Result, judge, judge_result, large_problems, load, verify
from softproof.bounds.models import model
from softproof.generation import large
from softproof.generation.coverage import sizes_of
from softproof.generation.large import BEYOND, DIMENSIONS
from softproof.generation.large_arrays import (
    BESIDE,
    FAR,
    FINITE,
    LIFT,
    LOOKS,
    PEAKS,
    SMOOTH,
    TILE,
    labels,
    last_of_tile,
    numbers,
    shared_out,
    with_labels,
)
from softproof.generation.large_making import ROWS, made
from softproof.generation.long_dimensions import LEAST, MOST, TOP, limits, place, size_between, standing_out, strata
from softproof.mutants.steps.softmax import LogSoftmax
from softproof.problem.checks import check
from softproof.problem.formats import FORMATS
from softproof.problem.losses import is_labels, kept
from softproof.problem.outputs import value_shape
from softproof.problem.rows import class_axes, main_input, row_axes, row_length, wide_rows
from softproof.problem.size_limits import is_limit, sizes
from softproof.runs import search
from softproof.runs.criteria import Criteria
from softproof.runs.large import verdicts_on_large
from softproof.runs.schedule import Schedule
from softproof.runs.search import EXAMPLES

REDUCTIONS = ("none", "mean", "sum")
MANY_ROWS = "more than 1,000 rows"


OPTIONS = {
    "softmax": ("dim not last", "strided", "tangent"),
    "log_softmax": ("dim not last", "strided", "tangent"),
    "logsumexp": ("dim not last", "strided", "tangent", "keepdim"),
    "linear": ("bias", "strided"),
    "cross_entropy": ("weight", "label_smoothing", "ignored", "probabilities", "strided", "tangent", *REDUCTIONS),
    "linear_cross_entropy": ("weight", "label_smoothing", "ignored", "probabilities", "strided", "bias", *REDUCTIONS),
}
HAS: dict[str, Callable[[Problem], bool]] = {
    "dim not last": lambda problem: class_axes(problem) != (main_input(problem).ndim - 1,),
    "strided": lambda problem: problem.layout != "contiguous",
    "tangent": lambda problem: problem.tangent is not None,
    "keepdim": lambda problem: bool(problem.options.get("keepdim")),
    "bias": lambda problem: "bias" in problem.inputs or "linear_bias" in problem.inputs,
    "weight": lambda problem: "weight" in problem.inputs,
    "label_smoothing": lambda problem: problem.options.get("label_smoothing", 0) > 0,
    "ignored": lambda problem: is_labels(problem) and not kept(problem).all(),
    "probabilities": lambda problem: not is_labels(problem),
    "none": lambda problem: problem.options["reduction"] == "none",
    "mean": lambda problem: problem.options["reduction"] == "mean",
    "sum": lambda problem: problem.options["reduction"] == "sum",
}


def _sizes(problem: Problem) -> dict[str, int]:
    """The size of each dimension; of a batch the first axis of rows, and of positions the second."""
    main = main_input(problem)
    if "input" in problem.inputs:
        weight = problem.inputs["weight" if problem.operation == "linear" else "linear_weight"]
        lead, classes = (*main.shape[:-1], *weight.shape[1:-1]), len(weight)
    else:
        lead, classes = tuple(main.shape[axis] for axis in row_axes(problem)), row_length(problem)
    batch, positions = (*lead, 1, 1)[:2]
    return {"batch": batch, "positions": positions, "classes": classes, "features": main.shape[-1]}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_dimension_is_long_with_every_option(operation: str, dtype: str, trial_seed: int) -> None:
    """From each seed: in each range of sizes, and above all limits with each option."""
    problems = large_problems(operation, dtype, seed=trial_seed)
    wanted = {*OPTIONS.get(operation, ("dim not last", "strided"))}

    for dimension in DIMENSIONS[operation]:
        numbers = [number for number, plan in enumerate(problems.plans) if plan.dimension == dimension]
        sizes = [problems.plans[number].size for number in numbers]
        for low, high in strata(dimension):
            assert any(low <= size <= high for size in sizes), (dimension, low)
        top = [number for number in numbers if problems.plans[number].size >= TOP[dimension]]
        short = [problems.resized(number, 40) for number in top]
        missed = {name for name in wanted if not any(HAS[name](problem) for problem in short)}
        assert not missed, (dimension, missed)


@pytest.mark.parametrize("operation", OPTIONS)
def test_any_two_options_meet_and_most_threes(operation: str, trial_seed: int) -> None:
    """With each other and without, and with each dimension that is long; of three, all but a few in a thousand."""
    problems, names = large_problems(operation, "float32", seed=trial_seed), (*OPTIONS[operation], "dimension")
    rows = [
        {name: HAS[name](problem) for name in OPTIONS[operation]} | {"dimension": plan.dimension}
        for plan, problem in zip(problems.plans, map(problems.resized, range(len(problems)), repeat(40)), strict=False)
    ]

    for count in (2, 3):
        missed, whole = list[object](), 0
        for chosen in combinations(names, count):
            met = {tuple(row[name] for name in chosen) for row in rows}
            levels = [DIMENSIONS[operation] if name == "dimension" else (True, False) for name in chosen]
            possible = [each for each in product(*levels) if _may_meet(dict(zip(chosen, each, strict=True)))]
            missed += [(chosen, each) for each in possible if each not in met]
            whole += len(possible)
        assert len(missed) <= (max(3, whole // 200) if count == 3 else 0), missed


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_calls_that_are_made_most_are_long_in_each_dimension(operation: str, trial_seed: int) -> None:
    """A batch along its last dimension, by the mean, some labels ignored, and nothing else; or one thing else."""
    losses = operation in ("cross_entropy", "linear_cross_entropy")
    problems = large_problems(operation, "float32", seed=trial_seed)
    for dimension in sorted({*DIMENSIONS[operation]} - {"positions"}):
        ordinary = [(number, plan) for number, plan in enumerate(problems.plans)
                    if plan.dimension == dimension and (plan.lead, plan.axis, plan.other) == (1, 1, 0)]  # fmt: skip
        changed = {number: len(plan.has - {"ignored", "exact"})
                   + (losses and not plan.has & {"ignored", "probabilities"})
                   + (losses and plan.reduction != "mean") for number, plan in ordinary}  # fmt: skip
        for low, high in pairwise((256, 4096, TOP[dimension], 1 << 19)):
            plain = [number for number, plan in ordinary if low <= plan.size <= high and not changed[number]]
            assert plain, (dimension, low)
            problem = problems.resized(plain[0], 40)
            assert problem.layout == "contiguous"
            assert not losses or HAS["ignored"](problem)
        assert sum(count == 1 for count in changed.values()) > 0


@pytest.mark.parametrize("operation", ["log_softmax", "cross_entropy"])
def test_two_dimensions_are_long_images_have_two_axes_and_rows_are_far_apart(operation: str, trial_seed: int) -> None:
    """Of each, several in a row of problems."""
    problems = large_problems(operation, "float32", seed=trial_seed)
    found = [problem for plan, problem in zip(problems.plans, problems, strict=True) if plan.dimension != "classes"]
    tops = [wide_rows(problem.inputs["logits"], class_axes(problem)[0]).max(-1) for problem in found]

    assert sum(min(len(top), row_length(problem)) > 3 for problem, top in zip(found, tops, strict=True)) > 2
    assert sum(problem.inputs["logits"].ndim == 4 for problem in found) > 2
    assert sum(bool(np.ptp(top[np.isfinite(top)]) > FAR / 2) for top in tops) > 2


def _may_meet(levels: dict[str, object]) -> bool:
    """One reduction, and nothing that is ignored beside probabilities."""
    reduced = [levels[name] for name in REDUCTIONS if name in levels]
    one = reduced.count(True) == 1 if len(reduced) == len(REDUCTIONS) else reduced.count(True) <= 1
    return one and not (levels.get("ignored") is True and levels.get("probabilities") is True)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_large_problem_is_what_its_plan_says(operation: str, dtype: str, trial_seed: int) -> None:
    """A question that makes sense, of that size along that dimension, in any size."""
    problems = large_problems(operation, dtype, seed=trial_seed)

    for number, plan in enumerate(problems.plans):
        for size in (1, 2, 33):
            problem = problems.resized(number, size)
            check(problem)
            assert _sizes(problem)[plan.dimension] == size
            assert problem.grad_output is not None
            assert ("tangent" in plan.has) == HAS["tangent"](problem)


def test_the_numbers_of_a_row_are_bounded() -> None:
    """At most 2^22 in a problem, and 2^24 in a row."""
    for operation in ("kl_divergence", "linear_cross_entropy"):
        sizes = [sum(array.size for array in each.inputs.values()) for each in large_problems(operation, "float32")]

        assert max(sizes) <= 2**22
        assert sum(sizes) <= 2**24


def test_a_seed_alone_makes_large_problems() -> None:
    """The same from the same seed, and others from another."""
    one, two, three = (large_problems("cross_entropy", "float32", seed=seed) for seed in (5, 5, -5))

    assert [problem.digest() for problem in one[:9]] == [problem.digest() for problem in two[:9]]
    assert [problem.digest() for problem in one[:9]] != [problem.digest() for problem in three[:9]]


@pytest.mark.parametrize("dimension", TOP)
def test_sizes_are_limits_or_any(dimension: str) -> None:
    """Every size is in its range, about half of them are limits, and every limit is found."""
    rng = np.random.default_rng(0)
    found = [size_between(rng, dimension, LEAST, MOST[dimension]) for _ in range(3000)]

    inside = {size for size in limits(dimension) if size >= LEAST}
    assert LEAST <= min(found) < max(found) <= MOST[dimension]
    assert inside <= set(found)
    assert 0.45 <= np.mean([size in inside for size in found]) <= 0.65
    assert {31, 32, 33, 48, 65535, 65536, 65537} <= inside
    assert dimension != "classes" or {32000, 50257, 128256, 151936, 152064, 256000, 262144} <= inside


def test_the_last_place_and_the_middle_stand_out() -> None:
    """Always; and one of them is the largest of a row, by far, in half of the rows that have one, or in all."""
    peaks = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        size = int(rng.integers(20, 5000))
        assert standing_out(rng, "classes", size)[[size // 2, size - 1]].all()
        peaks.append(LOOKS["far"](rng, size).argmax() == size - 1)
        assert LOOKS["middle"](rng, size)[size // 2] == FAR
        assert LOOKS["edge"](rng, size)[last_of_tile(size)] == FAR
    assert sum(peaks) > 20


@pytest.mark.parametrize("tile", [1 << power for power in range(1, 12)])
def test_two_logits_far_above_the_others_are_in_the_middle_tile_or_at_ends_of_tiles(tile: int) -> None:
    """Of each size of a tile, and not equal: an entropy of one, or a gradient of two equal ones, is 0 without them."""
    for size in (tile, 2 * tile + 1, 5 * tile - 1, 40000 + tile):
        rows = [LOOKS[look](np.random.default_rng(size), size) for look in ("middle", "edge")]
        middle, edge = (np.flatnonzero(row >= FAR - BESIDE) for row in rows)
        assert {*(middle // tile)} == {size // tile // 2}
        assert len(middle) == 2
        assert all(len(np.unique(x[at])) == len(at) for x, at in zip(rows, (middle, edge), strict=True))
        assert {*(edge % tile)} == {tile - 1} or size < TILE
        assert len(edge) == 1 + (size >= 2 * TILE)


def test_long_sums_have_numbers_of_one_sign_or_of_both() -> None:
    """Whole numbers and others."""
    drawn = [numbers(np.random.default_rng(seed), (100,), FORMATS["float32"], seed % 2 > 0) for seed in range(40)]
    kinds = {(len(np.unique(np.sign(x))), bool((x == np.rint(x)).all())) for x in drawn}
    assert kinds == {(1, True), (1, False), (2, True), (2, False)}


@pytest.mark.parametrize("operation", ["entropy", "distribution_cross_entropy", "kl_divergence"])
@pytest.mark.parametrize("stored", ["float32", "float16", "bfloat16"])
def test_a_tile_in_the_middle_of_a_sum_of_many_terms_counts(operation: str, stored: str, trial_seed: int) -> None:
    """Though the order of the sum may cost more than a term: a sixth of the probability is there."""
    problems = large_problems(operation, stored, seed=trial_seed)
    many = [number for number, plan in enumerate(problems.plans) if plan.dimension == "classes" and plan.size > 1 << 17]

    values = [replace(problems[number], grad_output=None, tangent=None) for number in many]
    assert all(judge_result(each, _without_the_middle(each, 0)).ok for each in values)
    assert not all(judge_result(each, _without_the_middle(each, 32)).ok for each in values)


def _without_the_middle(problem: Problem, count: int) -> Result:
    """The value, which is right but for so many terms."""
    p, q = (np.asarray(x, np.float64) for x in (problem.inputs["p"], problem.inputs.get("q", problem.inputs["p"])))
    terms = -p * np.log(q) if problem.operation != "kl_divergence" else p * np.log(p / q)
    axis = class_axes(problem)[0]
    start = terms.shape[axis] // 64 * 32
    values = FORMATS[problem.dtype].round(np.delete(terms, slice(start, start + count), axis).sum(axis))
    return Result({"value": Output(values.reshape(value_shape(problem)).astype(np.float32), problem.dtype)})


@pytest.mark.parametrize("operation", ["cross_entropy", "linear_cross_entropy"])
def test_losses_of_rows_are_asked_twice_above_all_limits(operation: str, trial_seed: int) -> None:
    """And each reduction once, in each dimension."""
    plans = large_problems(operation, "float32", seed=trial_seed).plans
    for dimension in DIMENSIONS[operation]:
        top = [plan.reduction for plan in plans if plan.dimension == dimension and plan.size >= TOP[dimension]]
        assert top.count("none") >= 2
        assert {*top} == {*REDUCTIONS}


@pytest.mark.parametrize("stored", FORMATS)
def test_exact_sums_are_as_long_as_any_and_overflow_in_no_format(stored: str, trial_seed: int) -> None:
    """Both factors are whole numbers of some unit."""
    problems = large_problems("linear", stored, seed=trial_seed)
    for dimension in DIMENSIONS["linear"]:
        exact = [problems[number] for number, plan in enumerate(problems.plans)
                 if plan.dimension == dimension and plan.size >= TOP[dimension] and "exact" in plan.has]  # fmt: skip
        assert exact
        for problem in exact:
            assert problem.grad_output is not None
            x, w, g = (np.abs(np.asarray(each, np.float64)) for each in (
                problem.inputs["input"], problem.inputs["weight"], problem.grad_output))  # fmt: skip
            x, g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
            assert all(len(np.unique(each[each > 0])) <= 3 for each in (x, w, g))
            assert max((x @ w.T).max(), (g @ w).max(), (g.T @ x).max()) < FORMATS[stored].largest


def test_both_ends_of_a_row_are_masked_in_some_rows() -> None:
    """And something between them is not."""
    rows = [
        LOOKS[look](np.random.default_rng(seed), 5000) for seed in range(20) for look in ("masked", "far", "middle")
    ]
    both = [row for row in rows if np.isneginf(row[[0, -1]]).all()]
    assert len(both) > 10
    assert all(np.isfinite(row).any() for row in both)


def test_every_kind_of_row_is_among_the_long(trial_seed: int) -> None:
    """Rows alike, heavy in places, with one logit above all, and masked, above all limits."""
    problems = large_problems("softmax", "float32", seed=trial_seed)
    looks = [look for plan in problems.plans if plan.dimension == "classes" and plan.size >= TOP["classes"]
             for look in plan.looks]  # fmt: skip

    assert {*PEAKS, *SMOOTH} <= set(looks)
    assert {*PEAKS, *SMOOTH, *FINITE[0]} == set(LOOKS)


def test_a_path_for_finite_rows_alone_has_logits_far_above_the_others(trial_seed: int) -> None:
    """And some that rise; none of them is masked."""
    problems = large_problems("softmax", "float32", seed=trial_seed)
    finite = [number for number, plan in enumerate(problems.plans) if {*plan.looks} & {*FINITE[0]}]

    assert len({*FINITE[0]} & {look for number in finite for look in problems.plans[number].looks}) > 2
    assert all(np.isfinite(problems[number].inputs["logits"]).all() for number in finite)


@pytest.mark.parametrize("stored", FORMATS)
def test_where_few_classes_have_all_of_the_probability_no_other_counts(stored: str, trial_seed: int) -> None:
    """What the others have is gone from any sum, as far as the format goes; and a divergence is not 0."""
    problems, least = large_problems("kl_divergence", stored, seed=trial_seed), FORMATS[stored].subnormal
    for number, plan in enumerate(problems.plans):
        if "alone" in plan.looks and plan.size >= TOP["classes"]:
            p, q = (np.moveaxis(x, plan.axis, -1).reshape(-1, plan.size).astype(np.float64)
                    for x in problems[number].inputs.values())  # fmt: skip
            few = p > 64 * max(least, 1e-16)
            row = few.sum(-1).argmax()
            assert 100 < few[row].sum() < 200
            assert p[row].sum(where=~few[row]) < max(2.0**-24, 2 * plan.size * least)
            assert not (p == q)[few].any()
            return
    pytest.fail("no such problem")


@pytest.mark.parametrize("operation", ["softmax", "cross_entropy", "kl_divergence"])
def test_of_two_rows_above_all_limits_one_has_a_logit_far_above_the_others(operation: str, trial_seed: int) -> None:
    """Which shows the maximum; the other shows sums."""
    plans = large_problems(operation, "float32", seed=trial_seed).plans
    looks = [plan.looks for plan in plans if plan.dimension == "classes" and plan.size >= TOP["classes"]]
    pairs = [pair for pair in looks if len(pair) == 2 and "rising" not in pair]

    assert len(pairs) > 2
    assert all(len({*pair} & {*PEAKS}) == len({*pair} & {*SMOOTH}) == 1 for pair in pairs)


@pytest.mark.parametrize(("classes", "rows"), [(1, 3), (20, 64), (300, 100), (4000, 8)])
@pytest.mark.parametrize("stored", FORMATS)
def test_rows_share_out_the_classes(classes: int, rows: int, stored: str) -> None:
    """Each is far above all others, or has a share that its format can tell from nothing, before any is so again."""
    fmt = FORMATS[stored]
    x = shared_out(np.random.default_rng(classes), rows, classes, fmt)
    peaks, shares = x[1::2].argmax(-1), x[::2]
    there = shares > -FAR

    assert (x[1::2].max(-1) == FAR).all()
    assert len({*peaks.tolist()}) == min(classes, rows // 2)
    assert there.any(-1).all()
    assert np.abs(np.log(np.exp(shares).sum(-1))).max() < 1e-9
    assert there.sum(-1).max() <= max(2, 0.25 / fmt.u)
    assert there.any(0).sum() == min(classes, there.sum())
    assert {classes // 2, classes - 1} <= {*peaks.tolist()} & {*np.flatnonzero(there.any(0)).tolist()}


class _Forgetting(LogSoftmax):
    """Leaves out one class of the maximum, or of the sum."""

    def __init__(self, left_out: int, of: str) -> None:
        self.left_out, self.of = left_out, of

    def forward(self, z: torch.Tensor, dim: int) -> torch.Tensor:
        d = z.float() - self.without(z.float(), dim, "maximum").amax(dim, keepdim=True)
        return d - self.without(d, dim, "sum").exp().sum(dim, keepdim=True).log()

    def without(self, x: torch.Tensor, dim: int, of: str) -> torch.Tensor:
        """The same without that class, if it is left out there."""
        return x.index_fill(dim, torch.tensor([self.left_out]), -torch.inf) if of == self.of else x


@pytest.mark.parametrize("of", ["maximum", "sum"])
@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
def test_each_class_that_is_forgotten_shows(of: str, stored: str, trial_seed: int) -> None:
    """Where rows share them out, in half precision too."""
    x = shared_out(np.random.default_rng(trial_seed), 200, 100, FORMATS[stored])
    problem = Problem("log_softmax", stored, {"logits": FORMATS[stored].round(x)}, {"dim": -1})

    assert judge(load(F.log_softmax, operation="log_softmax", adapter="torch"), problem).ok
    for left_out in range(0, 100, 7):
        wrong = load(_Forgetting(left_out, of), operation="log_softmax", adapter="torch")
        assert not judge(wrong, problem).ok, left_out


def test_a_label_is_above_where_few_classes_have_all_of_the_probability() -> None:
    """Its loss is small, and in no format hides one of them."""
    rng = np.random.default_rng(0)
    x = np.array([LOOKS[look](rng, 5000) for look in ("alone", "alike", "heavy", "far")])
    before, lifted = x[:, 77].copy(), with_labels(x, np.full(4, 77))[:, 77]

    assert lifted[0] == LIFT
    assert (lifted[1:] == np.where(np.isneginf(before[1:]), 0.0, before[1:])).all()


@pytest.mark.parametrize("operation", ["softmax", "kl_divergence", "cross_entropy"])
def test_few_classes_have_many_rows(operation: str, trial_seed: int) -> None:
    """As many as cost next to nothing."""
    plans = large_problems(operation, "float32", seed=trial_seed).plans
    short = [plan for plan in plans if plan.dimension == "classes" and plan.lead and plan.size <= 512]

    assert short
    assert all(main_input(made(plan)).size == plan.size * (plan.other or ROWS) for plan in short)


def test_two_softmaxes_are_the_same_in_some_rows_of_many_classes(trial_seed: int) -> None:
    """Their divergence is 0, and as small as what a sum adds to it that forgets a class."""
    problems = large_problems("softmax_kl_divergence", "float32", seed=trial_seed)
    same = list[bool]()
    for plan, problem in zip(problems.plans, problems, strict=True):
        p, q = (wide_rows(problem.inputs[name], class_axes(problem)[0]) for name in ("p_logits", "q_logits"))
        same += (p == q).all(-1).tolist() if plan.dimension == "classes" else []

    assert 0.25 < np.mean(same) < 0.75


@pytest.mark.parametrize("operation", ["cross_entropy", "linear_cross_entropy"])
def test_all_labels_but_one_are_ignored_in_some_long_batches(operation: str) -> None:
    """Above all limits in each but the usual call, which ignores a run of them."""
    counts = {True: list[int](), False: list[int]()}
    for seed in range(4):
        for plan in large_problems(operation, "float32", seed=seed).plans:
            if plan.dimension == "batch" and plan.size >= TOP["batch"] and "ignored" in plan.has:
                counts[plan.has <= {"ignored", "exact"}].append(int(kept(made(plan)).sum()))

    assert len(counts[True]) >= 4
    assert max(counts[True]) > 1
    assert {*counts[False]} == {1}


def test_what_fails_while_a_large_problem_is_made_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """An IndexError, too, which ends the iteration of a sequence without a word."""

    def fails(_: object) -> Problem:
        raise IndexError

    monkeypatch.setattr(large, "made", fails)
    with pytest.raises(IndexError):
        list(large_problems("softmax", "float32"))


def _softmax_of_short_rows(input: torch.Tensor, dim: int) -> torch.Tensor:
    """Leaves out what is beyond 2^16 classes."""
    return (
        F.softmax(input.narrow(dim, 0, min(input.shape[dim], 2**16)), dim)
        if input.ndim and input.shape[dim] > 2**16
        else (F.softmax(input, dim))
    )


def _cross_entropy_of_short_batches(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Counts rows in 16 bits."""
    if not target.ndim:
        return F.cross_entropy(input, target)
    return F.cross_entropy(input[: 2**16], target[: 2**16])


@pytest.mark.parametrize(
    ("function", "operation", "dimension", "stored"),
    [
        (_softmax_of_short_rows, "softmax", "classes", "float32"),
        pytest.param(_cross_entropy_of_short_batches, "cross_entropy", "batch", "bfloat16", marks=pytest.mark.thorough),
        pytest.param(_softmax_of_short_rows, "softmax", "classes", "bfloat16", marks=pytest.mark.thorough),
        pytest.param(_cross_entropy_of_short_batches, "cross_entropy", "batch", "float32", marks=pytest.mark.thorough),
    ],
)
def test_a_counter_of_16_bits_is_caught(
    function: Callable[..., torch.Tensor], operation: str, dimension: str, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the large problem, which the report names instead of printing it, with the size from which on it is wrong."""
    monkeypatch.setattr(search, "MORE", 0)  # problems in regions that a hundred have missed
    report = verify(function, operation=operation, adapter="torch", dtypes=[stored], seed=0, arithmetic="torch-cpu",
                    without=["nonfinite", "jvp", "hvp"])  # fmt: skip

    row = report.rows[0]
    assert row.failure is not None
    assert row.coverage.problems > EXAMPLES
    assert f"{dimension}: 65537, and with 65536 it agrees" in str(row.failure.verdict)
    assert ", seed=0).resized(" in row.failure.snippet
    assert "from softproof import judge, large_problems, load" in row.failure.snippet
    assert len(str(report)) < 4000


def test_what_the_arithmetic_promises_nothing_of_is_left_out() -> None:
    """The sum of 262144 exponentials may keep no digit of float16; many short rows keep theirs."""
    problems, candidate = large_problems("log_softmax", "float16"), load("manual:log_softmax")
    dimensions = [plan.dimension for plan in problems.plans]
    long, short = (len(problems) - 1 - dimensions[::-1].index(dimension) for dimension in ("classes", "batch"))

    assert judge(candidate, problems[long], arithmetic="storage").outcome == "no guarantee"
    assert judge(candidate, problems[short], arithmetic="storage").ok


@pytest.mark.thorough
def test_the_report_counts_what_is_left_out() -> None:
    """Apart from the problems that are judged."""
    report = verify("manual:log_softmax", dtypes=["float16"], arithmetic="storage", seed=0, in_process=True)

    row = report.rows[0]
    problems, uncounted = row.coverage.problems, row.coverage.uncounted
    assert (row.verdict, uncounted >= 1) == ("agrees", True)
    assert problems + uncounted >= EXAMPLES + 2  # both large ones, and what the search for regions adds
    assert f"no guarantee by the arithmetic, nor counted: log_softmax in {uncounted} problems" in str(report)


def _rows_again_from_the_first(input: torch.Tensor, target: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Gives row 2^16 the loss of the first, which no mean shows."""
    rows = F.cross_entropy(input, target, reduction="none")
    rows = rows.reshape(-1)[torch.arange(rows.numel()) % 2**16].reshape(rows.shape)
    return rows if reduction == "none" else rows.sum() if reduction == "sum" else rows.mean()


def test_one_row_among_many_is_caught(trial_seed: int) -> None:
    """By the losses one by one, of problems that have no other option."""
    found = large_problems("cross_entropy", "float32", {"reduction"}, {"reduction": "none"}, seed=trial_seed)
    many = [replace(each, grad_output=None) for each in found if sizes_of(each)[:1] == (MANY_ROWS,)]
    wrong, right = (load(each, operation="cross_entropy", adapter="torch")
                    for each in (_rows_again_from_the_first, F.cross_entropy))  # fmt: skip

    assert many
    assert all(judge(right, each).ok for each in many)
    assert not all(judge(wrong, each).ok for each in many)


def _softmax_shifted_by_the_first_block(input: torch.Tensor, dim: int) -> torch.Tensor:
    """Looks for the largest logit among the first 1024."""
    e = (input - input.narrow(dim, 0, min(input.shape[dim], 1024)).amax(dim, keepdim=True)).exp()
    return e / e.sum(dim, keepdim=True)


def test_a_row_whose_largest_is_behind_the_first_block_is_among_the_large(trial_seed: int) -> None:
    """It stands far above the others, from each seed."""
    problems = large_problems("softmax", "float32", seed=trial_seed)
    candidate = load(_softmax_shifted_by_the_first_block, operation="softmax", adapter="torch")
    far = [
        number for number, plan in enumerate(problems.plans) if {"far", "middle"} & {*plan.looks} and plan.size > 2048
    ]

    assert not all(judge(candidate, replace(problems[number], grad_output=None, tangent=None)).ok for number in far)


@pytest.mark.parametrize("operation", ["cross_entropy", "linear_cross_entropy"])
def test_options_are_alone_and_two_together_beyond_where_kernels_take_another_path(
    operation: str, trial_seed: int
) -> None:
    """Of each dimension, with nothing that hides them: a mean of one row hides its weight."""
    plans = large_problems(operation, "float32", seed=trial_seed).plans
    hide, found = {"weight", "label_smoothing", "probabilities"}, set()
    for plan in plans:
        names = frozenset(plan.has & hide)
        if plan.size >= BEYOND and len(names) in (1, 2) and (len(names) == 1 or plan.reduction != "mean"):
            found.add((plan.dimension, names))

    assert len(found) >= 0.65 * len(DIMENSIONS[operation]) * 6


def test_the_largest_logit_so_far_changes_from_tile_to_tile(trial_seed: int) -> None:
    """In rows that are finite, beside others that are."""
    plans = large_problems("logsumexp", "float32", seed=trial_seed).plans
    finite = [plan for plan in plans if plan.dimension == "classes" and not {"far", "middle", "masked"} & {*plan.looks}]

    rising = 0
    for plan in finite:
        if "rising" in plan.looks and 1024 < plan.size < 1 << 17:
            x = made(plan).inputs["logits"]
            rows = np.moveaxis(x, plan.axis, -1).reshape(-1, plan.size)[:, : plan.size // 64 * 64]
            so_far = np.maximum.accumulate(rows.reshape(len(rows), 64, -1).max(-1), -1)
            rising += int(((np.diff(so_far) > 0).sum(-1) > 8).any())
    assert rising


def test_labels_are_near_the_end() -> None:
    """Of a shard or tile that is shorter than the others."""
    rng = np.random.default_rng(0)
    found = np.array([place(rng, "classes", 1001) for _ in range(400)])

    assert ((found > 984) & (found < 1000)).sum() > 20


def test_labels_of_more_than_four_rows_are_where_something_may_end() -> None:
    """Each of them once, while there are any."""
    found = labels(np.random.default_rng(0), 40, 5000)[4:]

    assert {*found.tolist()} <= {*limits("classes")}
    assert len({*found.tolist()}) == 36


@pytest.mark.parametrize(
    ("operation", "ndim"),
    [("cross_entropy", ()), ("cross_entropy", (3,)), ("cross_entropy", (4,)), ("linear_cross_entropy", ())],
)
def test_every_class_is_a_label(operation: str, ndim: tuple[int, ...], number_of_the_run: int) -> None:
    """Of more classes than a byte counts, such as one that somebody ignores without a word."""
    found = []
    for problem in large_problems(operation, "float32", seed=number_of_the_run, ndim=ndim):
        labels, classes = problem.inputs["target"], sizes(problem)["classes"]
        if labels.dtype == np.int64 and 256 < classes <= 512 and problem.options.get("ignore_index", -100) == -100:
            found += [classes - len({*labels.ravel().tolist()} - {-100})]

    assert 0 in found


def test_what_is_wrong_from_a_small_size_on_is_printed() -> None:
    """A large problem that a small one takes the place of, made as small as any other."""

    def doubled(input: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.linear(input, weight) * (2 if input.shape[-1] > 20 else 1)

    candidate = load(doubled, operation="linear", adapter="torch")
    schedule = Schedule(candidate, Criteria("cpu", model(None), "", "C", None, 1.0), candidate.supports("linear"))
    found = verdicts_on_large(schedule, "linear", "float32", 0)

    *_, last = found.found.values()
    assert found.source == ""
    assert last.problem is not None
    assert last.problem.inputs["input"].shape[-1] == 21
    assert last.problem.inputs["input"].size == 21


@pytest.mark.huge
@pytest.mark.parametrize("operation", ["softmax", "log_softmax", "cross_entropy"])
def test_rows_beyond_2_to_the_31_elements(operation: str, device: str) -> None:
    """65537 rows of 32768 classes in bfloat16: first, last and other rows are those of a problem of their own."""
    rows, classes = 65537, 32768
    generator = torch.Generator(device).manual_seed(0)
    logits = torch.randn(rows, classes, dtype=torch.bfloat16, device=device, generator=generator)
    target = torch.arange(rows, device=device) % classes
    if operation == "cross_entropy":
        found = F.cross_entropy(logits, target, reduction="none")
    else:
        found = getattr(F, operation)(logits, -1)

    arithmetic = "torch-cpu" if device == "cpu" else "torch-cuda"
    for row in (0, 1, 2**15, 2**16 - 1, 2**16):
        values = found[row : row + 1].float().cpu().numpy()
        inputs = {"logits": logits[row : row + 1].float().cpu().numpy()}
        options = {"dim": -1} if operation != "cross_entropy" else {"reduction": "none"}
        inputs |= {} if operation != "cross_entropy" else {"target": target[row : row + 1].cpu().numpy()}
        problem = Problem(operation, "bfloat16", inputs, options)
        verdict = judge_result(
            problem, Result({"value": Output(np.asarray(values), "bfloat16")}), arithmetic=arithmetic
        )
        assert verdict.ok, (row, verdict)


def test_what_takes_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the dimension that is long, with the option that leaves it out; nothing where it is quick."""
    clock = iter(range(10**6))
    with monkeypatch.context() as patch:
        patch.setattr("softproof.runs.large.time", SimpleNamespace(perf_counter=lambda: 2.0 * next(clock)))
        (row,) = verify("manual:softmax", dtypes=["float32"], seed=1, in_process=True).rows
    (quick,) = verify("manual:softmax", dtypes=["float32"], seed=1, in_process=True).rows

    without = {each.rpartition(" --without ")[2] for each in row.asked.hints}
    assert without == {"more_than_1000_of_a_batch", "more_than_1000_positions", "more_than_1000_classes"}
    assert all(map(is_limit, without))
    assert any(each.startswith("its problems of large batches took ") for each in row.asked.hints)
    assert quick.asked.hints == ()


def test_what_takes_too_long_is_not_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of large problems, and its user is told how to allow for it; a small one that hangs *disagrees*."""
    monkeypatch.chdir(tmp_path)
    Path("slow.py").write_text(
        "import time, torch\n"
        "def softmax(logits, dim=-1):\n"
        "    if logits.shape[-1:] and logits.shape[-1] > MOST: time.sleep(60)\n"
        "    return torch.softmax(logits, dim)\n"
        "MOST = 2000\n"
    )
    Path("hangs.py").write_text(Path("slow.py").read_text().replace("2000", "3"))
    how: dict[str, Any] = {"dtypes": ["float32"], "ndim": [2], "seed": 1, "time_limit": 8.0}
    monkeypatch.syspath_prepend(tmp_path)
    (slow,) = verify("slow:softmax", without=FEWEST, **how).rows
    (hangs,) = verify("hangs:softmax", without=FEWEST, **how).rows

    assert (slow.verdict, hangs.verdict) == ("cannot ask", "disagrees")
    assert slow.status == 3
    found = re.search(r"within 8 s to a problem of ([0-9,]+) classes; .* --without (more_than_\d+_classes)$",
                      slow.outcome.reason)  # fmt: skip
    assert found is not None, slow.outcome.reason
    assert int(found[1].replace(",", "")) > 2000
    (shorter,) = verify("slow:softmax", without=[*FEWEST, found[2]], **how).rows
    assert shorter.verdict == "agrees", shorter.outcome.reason


FEWEST = ["dim", "jvp", "hvp", "nonfinite", "masked"]


def test_what_takes_too_long_is_not_wrong_beside_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a loss that shares one with torch: after what its process did not survive nothing is asked."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_loss.py").write_text(
        "import time\nimport torch.nn.functional as F\n"
        "def cross_entropy(logits, target, ignore_index=-100):\n"
        "    if logits.shape[1] > 2000: time.sleep(60)\n"
        "    return F.cross_entropy(logits, target, ignore_index=ignore_index)\n"
    )
    how: dict[str, Any] = {"dtypes": ["float32"], "ndim": [2], "seed": 1, "time_limit": 8.0, "diagnose": True}
    (row,) = verify("slow_loss:cross_entropy", without=["jvp", "hvp"], **how).rows
    assert row.verdict == "cannot ask", row.failure
    assert "more_than_" in row.outcome.reason


def test_what_is_wrong_stays_so_though_less_is_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number is wrong above a size; a smaller one, that is asked to find the smallest, takes too long."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "both.py").write_text(
        "import time, torch\n"
        "met = []\n"
        "def softmax(logits):\n"
        "    many = logits.shape[-1:] and logits.shape[-1] > 3000\n"
        "    if met: time.sleep(60)\n"
        "    met.extend([1] * bool(many))\n"
        "    return torch.softmax(logits, -1) * (2 if many else 1)\n"
    )
    how: dict[str, Any] = {"dtypes": ["float32"], "ndim": [2], "seed": 1, "time_limit": 8.0, "without": FEWEST}
    (row,) = verify("both:softmax", **how).rows
    assert row.verdict == "disagrees"
    assert row.failure is not None
    assert row.failure.verdict.output == "value"
