"""False alarms where bounds are sharpest: right variants and both halves on large problems, and on twisted ones.

python -m audits.twisted --jobs 2 --log twisted.jsonl

A twist puts one hard thing into a problem: masked classes, equal or whole logits, logits whose exponentials are
subnormal, weights of 0, a label smoothing near 1, upstream gradients that are huge, tiny or sum to 0. A line of the log
is one operation in one dtype from one seed, of large or of twisted problems; a run goes on where its log ends. Its
column *besides* counts answers of which the arithmetic guarantees nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import torch

from softproof import Candidate, Problem, large_problems
from softproof.bounds.models import model
from softproof.mutants.right.catalogue import VARIANTS
from softproof.mutants.right.record import Right
from softproof.mutants.right.trial import drawn, verdict_on
from softproof.problem.formats import FORMATS
from softproof.problem.problem import Array
from softproof.problem.rows import axis_of
from softproof.runs.criteria import Criteria
from softproof.verdicts.verdict import NO_GUARANTEE

from .alarms import Part, Record, goals, halves, parts, read, run, summary, unfinished
from .campaign import finding
from .right import Variants, by_model

LARGE = 0  # problems of a part that asks the large ones
PROBLEMS = dict.fromkeys(FORMATS, 40)  # drawn and twisted, of an operation from one seed
MOST, FEW = 1 << 18, 1 << 13  # numbers of a large problem, and of one that every variant answers; the others, some
SOME = 4
Twist = Callable[[Problem, np.random.Generator], Problem]


def _with(problem: Problem, name: str, array: Array) -> Problem:
    """The same with another input, rounded to the format."""
    rounded = FORMATS[problem.dtype].round(np.asarray(array, np.float64)).astype(problem.inputs[name].dtype)
    return replace(problem, inputs={**problem.inputs, name: rounded})


def _upstream(problem: Problem, array: Array) -> Problem:
    """The same with another upstream gradient, rounded to the format."""
    rounded = FORMATS[problem.dtype].round(np.asarray(array, np.float64))
    return problem if problem.grad_output is None else replace(problem, grad_output=rounded)


def _of_logits(change: Callable[[Array, np.random.Generator], Array]) -> Twist:
    """Of problems that have logits."""

    def twist(problem: Problem, rng: np.random.Generator) -> Problem:
        if "logits" not in problem.inputs or not problem.inputs["logits"].size:
            return problem
        return _with(problem, "logits", change(problem.inputs["logits"].astype(np.float64), rng))

    return twist


def _masked(problem: Problem, rng: np.random.Generator) -> Problem:
    """Classes of -inf, in every row some that are not."""
    axis = axis_of(problem)
    if "logits" not in problem.inputs or not problem.inputs["logits"].size or not isinstance(axis, int):
        return problem
    x = problem.inputs["logits"]
    mask = rng.random(x.shape) < rng.choice([0.1, 0.5, 0.95])
    stays = np.argmax(np.where(np.isfinite(x), rng.random(x.shape), -1), axis, keepdims=True)
    np.put_along_axis(mask, stays, False, axis)
    return _with(problem, "logits", np.where(mask, -np.inf, x))


def _subnormal(x: Array, rng: np.random.Generator) -> Array:
    """Exponentials around the smallest numbers of float32, float16 and bfloat16."""
    return np.asarray(np.where(rng.random(x.shape) < 0.5, -rng.choice([10.0, 16.0, 88.0, 100.0, 104.0]), 0.0)
                      - rng.random(x.shape) * 6)  # fmt: skip


def _weights(problem: Problem, rng: np.random.Generator) -> Problem:
    """Class weights of which some are 0, or tiny, or huge."""
    if "weight" not in problem.inputs or problem.operation == "linear":
        return problem
    fmt, w = FORMATS[problem.dtype], problem.inputs["weight"]
    return _with(problem, "weight", rng.choice([0.0, fmt.subnormal, fmt.tiny, 1.0, 3.0, fmt.largest / 4], w.shape))


def _smoothing(problem: Problem, rng: np.random.Generator) -> Problem:
    """Label smoothing next to 1, or to 0."""
    if "label_smoothing" not in problem.options:
        return problem
    near = 2.0 ** -rng.integers(1, 60)
    return replace(problem, options={**problem.options, "label_smoothing": float(rng.choice([near, 1 - near, 1.0]))})


def _huge(problem: Problem, rng: np.random.Generator) -> Problem:
    """An upstream gradient next to overflow, or underflow."""
    if problem.grad_output is None:
        return problem
    fmt = FORMATS[problem.dtype]
    size = rng.choice([fmt.largest, fmt.largest / 8, fmt.tiny, fmt.subnormal * 3])
    return _upstream(problem, rng.choice([-1.0, 1.0, 0.5, 0.0], problem.grad_output.shape) * size)


def _balanced(problem: Problem, rng: np.random.Generator) -> Problem:
    """An upstream gradient whose sum is exactly 0, or that has one value."""
    if problem.grad_output is None or not problem.grad_output.size:
        return problem
    g = rng.choice([1.0, 0.5, 3.0], problem.grad_output.shape)
    signs = np.resize([1.0, -1.0], g.size).reshape(g.shape)
    return _upstream(problem, signs if rng.random() < 0.5 else np.full(g.shape, g.reshape(-1)[0]))


TWISTS: dict[str, Twist] = {
    "masked": _masked,
    "equal": _of_logits(lambda x, rng: np.full(x.shape, rng.choice([0.0, 1.0, -7.0, 300.0]))),
    "whole": _of_logits(lambda x, rng: rng.integers(-120, 3, x.shape).astype(float)),
    "one above": _of_logits(lambda x, rng: np.where(rng.random(x.shape) < 0.1, 0.0, -rng.choice([17.0, 30.0, 110.0]))),
    "subnormal": _of_logits(_subnormal),
    "weights": _weights,
    "smoothing": _smoothing,
    "huge": _huge,
    "balanced": _balanced,
}


def twisted(problem: Problem, rng: np.random.Generator) -> Problem:
    """With one to three twists, or as it was where that is no problem."""
    for name in rng.permutation(list(TWISTS))[: rng.integers(1, 4)]:
        problem = TWISTS[name](problem, rng)
    return problem


def asked(part: Part) -> list[Problem]:
    """The problems of one part."""
    if part.problems == LARGE:
        variant = next(each for each in VARIANTS.values() if each.operation == part.operation)
        found = large_problems(part.operation, part.dtype, variant.supports(part.operation), seed=part.seed)
        return [each for each in found if sum(array.size for array in each.inputs.values()) <= MOST]
    rng = np.random.default_rng([part.seed, crc32(f"{part.operation} {part.dtype}".encode())])
    batches = (drawn(part.operation, part.dtype, 10, f"twisted {part.seed} {number}", small=number % 3 == 2)
               for number in range(-(-part.problems // 10)))  # fmt: skip
    return [twisted(each, rng) for batch in batches for each in batch]


def ask(part: Part) -> Record:
    """One line of the log."""
    torch.set_num_threads(1)
    both = [_Half(candidate, name) for candidate, name in halves(part.dtype)]
    variants, chosen = by_model(part.operation, part.dtype), random.Random(f"{part}")
    everybody = [(each, variant) for each in variants for variant in each.variants]
    with warnings.catch_warnings(action="ignore"):
        for problem in asked(part):
            size = sum(array.size for array in problem.inputs.values())
            for each, variant in everybody if size <= FEW else chosen.sample(everybody, min(SOME, len(everybody))):
                _ask(each, variant, problem)
            for half in both:
                half.ask(problem)
    answers = {"halves": [each.record() for each in both], "variants": [each.record() for each in variants]}
    return {**part._asdict(), "regions": {}, **answers, "twins": {}}


class _Half:
    """What one half has answered so far."""

    def __init__(self, candidate: Candidate, name: str) -> None:
        self.candidate, self.name, self.criteria = candidate, name, Criteria("cpu", model(name), name, "C", None, 1.0)
        self.counts, self.alarms = Counter[str](), list[str]()

    def ask(self, problem: Problem) -> None:
        """If it takes the problem; what torch is known for is no alarm."""
        if not self.candidate.takes(problem):
            return
        verdict = self.criteria.judge(self.candidate, self.criteria.promised(problem))
        known = not verdict.ok and verdict.outcome != NO_GUARANTEE and bool(finding(self.candidate, problem))
        self.counts["besides" if verdict.outcome == NO_GUARANTEE else "findings" if known else "answers"] += 1
        self.counts["unspecified"] += bool(verdict.unspecified)
        if not (verdict.ok or known or verdict.outcome == NO_GUARANTEE):
            self.alarms.append(f"{verdict}\n{verdict.problem or problem!r}")

    def record(self) -> Record:
        """For the log."""
        return {"name": self.candidate.name, "model": self.name, **self.counts, "alarms": self.alarms}


def _ask(seen: Variants, variant: Right, problem: Problem) -> None:
    """If it takes the problem; an answer without a guarantee is none that is rejected."""
    verdict = verdict_on(variant, problem)
    if verdict is None or verdict.outcome == NO_GUARANTEE:
        seen.counts["besides"] += verdict is not None
        return
    seen.counts["answers"] += 1
    seen.counts["unspecified"] += bool(verdict.unspecified)
    if not verdict.ok:
        seen.alarms.append(f"{variant.name}: {verdict}\n{verdict.problem or problem!r}")


def main() -> None:
    """Ask, write the log, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m audits.twisted", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds, from 0 on (20)")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    parser.add_argument("--log", type=Path, default=Path("twisted.jsonl"), help="one line for each part")
    options = parser.parse_args()
    drawn_ones = list(parts(options.seeds, PROBLEMS, right=True))
    wanted = [*drawn_ones, *(part._replace(problems=LARGE) for part in drawn_ones)]
    for record in run(unfinished(wanted, read(options.log)), options.jobs, ask, "twisted"):
        with options.log.open("a") as log:
            log.write(json.dumps(record) + "\n")
    records = read(options.log)
    print(summary(records), goals(records)[0], sep="\n\n")


if __name__ == "__main__":
    main()
