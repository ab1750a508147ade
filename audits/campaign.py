"""How often an implementation that is right exceeds a bound, which must never happen, and how close it comes to one.

A row-check is one row of one output beside its bound. The implementations are `manual` and `reference`, each under
every arithmetic model that it should fit; problems are batches of rows of one look (audits/questions.py). Rows of
131072 classes along the first axis are added up one by one by torch, which nearly reaches the bound of a sum.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import text
from softproof import OPERATIONS, Candidate, Problem, judge_result, load
from softproof.diagnosis.known import is_read_beyond
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.losses import denominator, is_labels
from softproof.problem.rows import axis_of, class_count, reduction_of, row_form, wide_rows
from softproof.runs.climbing import counts
from softproof.verdicts.case import BITS

from . import questions

CHECKS_GOAL = 1_000_000  # at least so many row-checks
SHARP_GOAL = 0.3  # of its bound, which some error of each operation reaches in each dtype
SOFTMAX_GOAL = 0.9  # the same for softmax and log-softmax


class Contestant(NamedTuple):
    """An implementation on a device, and the models that it should fit in some dtypes."""

    candidate: Candidate
    device: str
    dtypes: tuple[str, ...]
    models: tuple[str, ...]


def contestants() -> list[Contestant]:
    """Both halves on the CPU, and the reference on CUDA where there is one."""
    by_hand, by_torch = load("manual", adapter="numpy"), load("reference", adapter="torch")
    full, half = ("float64", "float32"), ("float16", "bfloat16")
    found = [
        Contestant(by_hand, "cpu", (*full, "float16"), ("any-order", "numpy")),
        Contestant(by_torch, "cpu", full, ("any-order", "torch-cpu")),
        Contestant(by_torch, "cpu", half, ("torch-cpu",)),
    ]
    if torch.cuda.is_available():
        found.append(Contestant(by_torch, "cuda", full, ("any-order", "torch-cuda")))
        found.append(Contestant(by_torch, "cuda", half, ("torch-cuda",)))
    return found


class Size(NamedTuple):
    """Which widths are tried, and how many elements and rows a problem has at most."""

    classes: tuple[int, ...]
    wide: tuple[int, ...]
    elements: int
    rows: int

    def rows_of(self, classes: int, operation: str, dtype: str) -> int:
        """Fewer where the truth costs more: balls in float64, and all rows at once in a linear layer."""
        most = min(self.rows, 16) if "linear" in operation else self.rows
        return max(1, min(most, self.elements // classes) // (8 if dtype == "float64" else 1))


FULL = Size((1, 2, 3, 5, 10, 17, 64, 100, 1000), (4096, 131072), elements=8192, rows=512)
QUICK = Size((1, 2, 3, 17, 100), (4096,), elements=1024, rows=128)
WIDE_LOOKS = ("normal", "equal", "near 1", "stagnation")


class Ask(NamedTuple):
    """One batch: what is drawn."""

    contestant: Contestant
    dtype: str
    operation: str
    look: str
    rows: int
    classes: int

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.operation} {self.dtype}, {self.look}, {self.rows} x {self.classes}"


def asks(size: Size, who: Sequence[Contestant]) -> Iterator[Ask]:
    """All that is asked in one campaign."""
    for each in who:
        for dtype in each.dtypes:
            for operation in OPERATIONS:
                looks = questions.looks(operation, dtype) * (8 if "linear" in operation else 1)
                for classes in (*size.classes, *size.wide):
                    rows = size.rows_of(classes, operation, dtype)
                    for look in looks if classes in size.classes else _wide_looks(operation, looks):
                        yield Ask(each, dtype, operation, look, rows, classes)


def _wide_looks(operation: str, looks: Sequence[str]) -> list[str]:
    return [look for look in WIDE_LOOKS if look in looks and operation in (*questions.OF_LOGITS, "cross_entropy")]


class Row(NamedTuple):
    """A line of the table of violations."""

    implementation: str
    device: str
    model: str
    dtype: str


@dataclass
class Campaign:
    """What has been seen so far."""

    problems: Counter[Row] = field(default_factory=Counter)
    checks: Counter[Row] = field(default_factory=Counter)
    violations: Counter[Row] = field(default_factory=Counter)
    findings: Counter[Row] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    closest: dict[tuple[str, str, str], tuple[float, str]] = field(default_factory=dict)  # by operation, output, dtype

    def ask(self, ask: Ask, problem: Problem, bits: Sequence[int] = BITS) -> None:
        """One problem, under every model that the contestant should fit."""
        each = ask.contestant
        with warnings.catch_warnings(action="ignore"):
            answer = each.candidate.answer(problem, each.device)
        for model in each.models:
            row = Row(each.candidate.name, each.device, model, ask.dtype)
            verdict = judge_result(problem, answer, device=each.device, arithmetic=model, bits=bits)
            if not counts(verdict):
                continue
            self.problems[row] += 1
            self.checks[row] += sum(
                len(row_form(problem, name, output.values)) for name, output in answer.outputs.items()
            )
            if verdict.ok:
                self._remember(ask, row, verdict.ratios, certain=ask.dtype != "float64" or bits != BITS)
                continue
            known = finding(each.candidate, problem)
            (self.findings if known else self.violations)[row] += 1
            self.refused.append(f"{known or 'VIOLATION'}: {' '.join(row)}: {ask.name}: {verdict}")

    def _remember(self, ask: Ask, row: Row, ratios: dict[str, float], certain: bool) -> None:
        """The closest errors; in float64 the judge's ratios are exact only where balls were the truth."""
        if not certain:
            return
        for output, ratio in ratios.items():
            key = ask.operation, output, ask.dtype
            if ratio > self.closest.get(key, (-1.0, ""))[0]:
                self.closest[key] = ratio, f"{row.implementation}, {row.model}, {ask.look}, C = {ask.classes}"


def _sum_overflows(problem: Problem) -> bool:
    """Whether a row has exponentials whose sum is 65504 or more, beyond which float16 has only infinity."""
    if problem.dtype != "float16":
        return False
    sums = (np.exp(x - x.max(-1, keepdims=True)).sum(-1) for x in _logits(problem))
    return any((each >= FORMATS["float16"].largest).any() for each in sums)


def _logits(problem: Problem) -> Iterator[Floats]:
    """Rows of logits (r, C) that are given; or made by a linear layer, and rounded to float16."""
    if "linear_weight" not in problem.inputs:
        yield from (wide_rows(each, axis_of(problem)) for name, each in problem.inputs.items() if "logits" in name)
        return
    x, weight = (problem.inputs[name].astype(np.float64) for name in ("input", "linear_weight"))
    made = np.moveaxis(np.tensordot(np.atleast_2d(x), weight, (-1, -1)), 1, -1)  # (N, d1, …, C)
    bias = np.moveaxis(problem.inputs.get("linear_bias", np.zeros(len(weight))).astype(np.float64), 0, -1)
    yield FORMATS["float16"].round((made + bias).reshape(-1, len(weight)))


def _count_overflows(problem: Problem) -> bool:
    """Whether a float16 mean divides by 65504 or more, if only once a relation has multiplied the weights by 4."""
    if problem.dtype != "float16" or not is_labels(problem) or reduction_of(problem) != "mean":
        return False
    return bool(4 * abs(denominator(problem, class_count(problem))) >= FORMATS["float16"].largest)


# What docs/generated/findings.md says of torch on the CPU, as far as its own model does not say it: by operation.
FINDINGS: dict[str, dict[str, Callable[[Problem], bool]]] = {
    "log_softmax": {"log-softmax-overflows-its-sum": _sum_overflows},
    "cross_entropy": {
        "log-softmax-overflows-its-sum": _sum_overflows,
        "cross-entropy-overflows-its-count": _count_overflows,
    },
    "logsumexp": {"logsumexp-overflows-its-sum": _sum_overflows},
    "softmax_entropy": {"log-softmax-overflows-its-sum": _sum_overflows},
    "softmax_kl_divergence": {"log-softmax-overflows-its-sum": _sum_overflows},
    "linear": {"linear-reads-beyond-its-rows": is_read_beyond},
    "linear_cross_entropy": {
        "log-softmax-overflows-its-sum": _sum_overflows,
        "cross-entropy-overflows-its-count": _count_overflows,
        "linear-reads-beyond-its-rows": is_read_beyond,
    },
}


def finding(candidate: Candidate, problem: Problem) -> str:
    """The name of the finding that explains why this problem is not answered as it should be, or nothing."""
    known = FINDINGS.get(problem.operation, {}) if candidate.adapter == "torch" else {}
    return next((name for name, contains in known.items() if contains(problem)), "")


def run(size: Size, who: Sequence[Contestant], seed: int = 0) -> Campaign:
    """The whole campaign: every look and width, then float64 in balls, then sums one by one."""
    campaign, rng = Campaign(), np.random.default_rng(seed)
    todo = list(asks(size, who))
    for done, ask in enumerate(todo, 1):
        if done % 50 == 0 or done == len(todo):
            text.progress(done, len(todo), f"violations: {ask.name}")
        problem = questions.question(rng, ask.operation, ask.dtype, ask.look, ask.rows, ask.classes)
        campaign.ask(ask, problem)
    _in_balls(campaign, [ask for ask in todo if ask.dtype == "float64" and ask.classes in size.classes], rng)
    _one_by_one(campaign, size, who)
    return campaign


def _in_balls(campaign: Campaign, todo: Sequence[Ask], rng: np.random.Generator) -> None:
    """Float64 once more with fewer rows, where the truth is known well enough to measure an error beside a bound."""
    for done, ask in enumerate(todo, 1):
        if done % 50 == 0 or done == len(todo):
            text.progress(done, len(todo), f"sharpness: {ask.name}")
        rows = max(1, min(ask.rows, 128 // ask.classes))
        problem = questions.question(rng, ask.operation, ask.dtype, ask.look, rows, ask.classes)
        campaign.ask(ask, problem, BITS[1:])


def _one_by_one(campaign: Campaign, size: Size, who: Sequence[Contestant]) -> None:
    """One row of 1 and as many exponentials just below one rounding of it, along the first axis and along the last."""
    operations = (*questions.OF_LOGITS, "cross_entropy")
    todo = [
        Ask(each, dtype, operation, "one by one", 1, max(size.wide))
        for each in who
        for dtype in each.dtypes
        for operation in operations
    ]
    for done, ask in enumerate(todo, 1):
        text.progress(done, len(todo), f"sharpness: {ask.name}")
        x = np.full((1, ask.classes), np.log(0.999 * (2.0**-53 if ask.dtype == "float64" else 2.0**-24)))
        x[0, 0] = 0.0
        for last in (False, True):
            problem = _one_row(ask.operation, ask.dtype, FORMATS[ask.dtype].round(x), last)
            campaign.ask(ask, problem, BITS[1:] if ask.dtype == "float64" else BITS)


def _one_row(operation: str, dtype: str, x: Floats, last: bool) -> Problem:
    if operation in questions.OF_LOGITS:
        return questions.of_logits(np.random.default_rng(0), operation, dtype, x, last)
    inputs = {"logits": x, "target": np.array([0])} if last else {"logits": x.T[None], "target": np.array([[0]])}
    return Problem(operation, dtype, inputs, {"reduction": "sum"}, 1.0)


# ---- in words -------------------------------------------------------------------------------------------------------


def violations(campaign: Campaign) -> str:
    """The first table, and everything that did not agree."""
    lines: list[tuple[str, ...]]
    lines = [("implementation", "device", "model", "dtype", "problems", "row-checks", "violations", "findings")]
    counters = campaign.problems, campaign.checks, campaign.violations, campaign.findings
    lines += [(*row, *(f"{counter[row]:,}" for counter in counters)) for row in campaign.problems]
    lines.append(("all", "", "", "", *(f"{counter.total():,}" for counter in counters)))
    found = text.table("Violations by implementations that are right", lines, left=4)
    return "\n".join([found, *(["", *campaign.refused] if campaign.refused else [])])


def sharpness(campaign: Campaign) -> str:
    """The second table: the largest error of each output in units of its bound, and where it was seen."""
    lines = [("operation", "output", *FORMATS)]
    for operation, output in dict.fromkeys(key[:2] for key in campaign.closest):
        found = [campaign.closest.get((operation, output, dtype)) for dtype in FORMATS]
        lines.append((operation, output, *("-" if each is None else _share(each[0]) for each in found)))
    where = [("operation", "dtype", "largest", "of", "where")]
    for (operation, dtype), (output, ratio, place) in sorted(_by_operation(campaign).items(), key=_in_order):
        where.append((operation, dtype, _share(ratio), output, place))
    return "\n\n".join(
        [
            text.table("Largest error / bound", lines, left=2),
            text.table("Where the largest of each operation was seen", where, left=5),
        ]
    )


def _share(ratio: float) -> str:
    """Three digits, cut off: 1.000 would be a bound that is reached."""
    return f"{np.floor(ratio * 1000) / 1000:.3f}"


def _in_order(item: tuple[tuple[str, str], object]) -> tuple[int, int]:
    """Operations and dtypes in the order in which the project names them."""
    operation, dtype = item[0]
    return list(OPERATIONS).index(operation), list(FORMATS).index(dtype)


def _by_operation(campaign: Campaign) -> dict[tuple[str, str], tuple[str, float, str]]:
    """For each operation and dtype the output that came closest to its bound, how close, and where."""
    found: dict[tuple[str, str], tuple[str, float, str]] = {}
    for (operation, output, dtype), (ratio, place) in campaign.closest.items():
        if ratio > found.get((operation, dtype), ("", -1.0, ""))[1]:
            found[operation, dtype] = output, ratio, place
    return found


def goals(campaign: Campaign) -> list[str]:
    """What the project wants of these two tables."""
    checks, violated = campaign.checks.total(), campaign.violations.total()
    best = {key: ratio for key, (_, ratio, _) in _by_operation(campaign).items()}
    sharp = {key: ratio for key, ratio in best.items() if key[0] in ("softmax", "log_softmax")}
    return [
        text.goal("no violation besides named findings", [f"{violated} problems"] if violated else [], 1),
        text.goal(f"at least {CHECKS_GOAL:,} row-checks", [f"{checks:,}"] if checks < CHECKS_GOAL else [], 1),
        text.goal(
            f"an error of {SHARP_GOAL} of its bound for each operation and dtype", _below(best, SHARP_GOAL), len(best)
        ),
        text.goal(f"{SOFTMAX_GOAL} for softmax and log_softmax", _below(sharp, SOFTMAX_GOAL), len(sharp)),
    ]


def _below(found: dict[tuple[str, str], float], limit: float) -> list[str]:
    return [f"{' '.join(key)}: {ratio:.3f}" for key, ratio in found.items() if ratio < limit]
