"""Regions of the targets and options of a loss, alone and together."""

from __future__ import annotations

import numpy as np

from ...problem.losses import is_labels, target_rows
from ...problem.problem import Array, Problem
from ...problem.rows import class_count, main_input
from .region import Region
from .upstream import upstream


def _ignored(problem: Problem) -> float:
    """The share of ignored labels."""
    target = problem.inputs["target"]
    if not is_labels(problem) or not target.size:
        return 0.0
    return float((target == problem.options.get("ignore_index", -100)).mean())


def counted_labels(problem: Problem) -> Array:
    """The labels that count."""
    labels = problem.inputs["target"] if is_labels(problem) else np.zeros(0, np.int64)
    return np.asarray(labels[labels != problem.options.get("ignore_index", -100)])


def _sum_of_several(problem: Problem) -> bool:
    """Whether a sum over all rows that count, two at least, differs from their mean, and the gradients do as well."""
    some = _ignored(problem) > 0 and len(counted_labels(problem)) > 1
    return some and reduction(problem) == "sum" and bool(upstream(problem).any())


CHUNK = 16  # rows


def _ignored_chunk(problem: Problem) -> bool:
    """Whether a chunk of rows is ignored as a whole before some that count, and have a gradient."""
    ignored = problem.inputs["target"].reshape(-1) == problem.options.get("ignore_index", -100)
    count = len(ignored) // CHUNK if is_labels(problem) else 0
    whole = np.flatnonzero(ignored[: count * CHUNK].reshape(count, CHUNK).all(-1))
    return bool(whole.size and not ignored[whole[0] * CHUNK :].all() and (upstream(problem) != 0).all())


def _smoothed_beside_an_ignored_class(problem: Problem) -> bool:
    """Whether a class that names ignored rows has its part of the smoothing in others."""
    ignored = problem.options.get("ignore_index", -100)
    return is_smoothed(problem) and len(counted_labels(problem)) > 0 and 0 <= ignored < class_count(problem)


def _ignores_a_label_in_fewer_bits(problem: Problem) -> bool:
    """Whether a label that counts is the one that is ignored to whom reads 32 bits of both, and it shows."""
    alike = (counted_labels(problem) - problem.options.get("ignore_index", -100)) % 2**32 == 0
    return bool(alike.any() and upstream(problem).any() and np.isfinite(main_input(problem)).all()) and _is_plain(
        problem
    )


def _is_plain(problem: Problem) -> bool:
    """Whether each row that counts does so alike."""
    return not is_weighted(problem) and not is_smoothed(problem)


def _last_ignored_by_a_class(problem: Problem) -> bool:
    """Whether rows that come one after another, more than four whole chunks, end with one that a class ignores.

    Their number is odd: no chunk of two rows or more ends with the last one.
    """
    index, labels = problem.options.get("ignore_index", -100), problem.inputs["target"]
    if not is_labels(problem) or labels.ndim != 1 or len(labels) <= 4 * CHUNK or len(labels) % 2 == 0:
        return False
    some = labels[-1] == index and bool((labels != index).any() and upstream(problem).all()) and _is_plain(problem)
    return some and 0 <= index < class_count(problem) > 1 and bool(np.isfinite(main_input(problem)).all())


def is_smoothed(problem: Problem) -> bool:
    """Whether the labels are smoothed."""
    return "label_smoothing" in problem.options


def is_weighted(problem: Problem) -> bool:
    """Whether classes have weights."""
    return "weight" in problem.inputs


def mean_of_chunks(problem: Problem) -> bool:
    """Whether there are more rows than a chunk of 16, and the mean of several chunks is not the mean of all."""
    chunks = problem.inputs["target"].shape[:1] > (16,)
    return chunks and is_labels(problem) and reduction(problem) == "mean" and _ignored(problem) < 1


def reduction(problem: Problem) -> str:
    """The reduction of the losses."""
    return str(problem.options.get("reduction", "mean"))


def _reduced(*names: str) -> Region:
    return lambda problem: reduction(problem) in names


def _is_square(problem: Problem) -> bool:
    """Whether labels may be taken for a row of numbers, and it shows: two that count differ, and logits are finite."""
    labels = problem.inputs["target"]
    if not is_labels(problem) or labels.size != class_count(problem):
        return False
    return len(np.unique(counted_labels(problem))) > 1 and bool(np.isfinite(main_input(problem)).all())


OPTIONS: dict[str, Region] = {
    "labels": is_labels,
    "labels, as many as classes": _is_square,
    "probabilities": lambda problem: not is_labels(problem),
    "reduction none": _reduced("none"),
    "reduction sum": _reduced("sum"),
    "reduction mean": _reduced("mean"),
    "weights": is_weighted,
    "smoothing": is_smoothed,
    "some rows ignored": lambda problem: 0 < _ignored(problem) < 1,
    "all rows ignored": lambda problem: _ignored(problem) == 1,
    "a chunk of ignored rows before others": _ignored_chunk,
    "all rows ignored but one": lambda problem: (
        is_labels(problem) and problem.inputs["target"].size > 2 and len(counted_labels(problem)) == 1
    ),
    "an ignore_index that is a class": lambda problem: (
        is_labels(problem) and problem.options.get("ignore_index", -100) >= 0
    ),
    "an ignore_index of -1": lambda problem: problem.options.get("ignore_index") == -1 and _ignored(problem) > 0,
    "several rows count, some are ignored, reduction sum": _sum_of_several,
    "smoothing, an ignore_index that is a class": _smoothed_beside_an_ignored_class,
}


VALUES: dict[str, Region] = {
    "probabilities that do not sum to 1": lambda problem: (
        not is_labels(problem)
        and problem.inputs["target"].size > 0
        and bool((np.abs(shares(problem).sum(-1) - 1) > 0.1).any())
    ),
    "a row without probability": lambda problem: (
        not is_labels(problem)
        and len(shares(problem)) > 1
        and bool((shares(problem) == 0).all(-1).any())
        and bool(shares(problem).any())
    ),
    "negative probabilities": lambda problem: not is_labels(problem) and bool((problem.inputs["target"] < 0).any()),
    "a weight of 0": lambda problem: is_weighted(problem) and bool((problem.inputs["weight"] == 0).any()),
    "a negative weight": lambda problem: is_weighted(problem) and bool((problem.inputs["weight"] < 0).any()),
    "smoothing 1": lambda problem: problem.options.get("label_smoothing") == 1.0,
}


def shares(problem: Problem) -> Array:
    """The probabilities of the classes, one row below another."""
    return target_rows(problem)


_BY_REDUCTION: dict[str, Region] = {
    "an ignore_index that is a label in 32 bits": _ignores_a_label_in_fewer_bits,
    "the last of many rows ignored by a class": _last_ignored_by_a_class,
}  # what is counted, added up and carried back are three things


def pairs() -> dict[str, Region]:
    """Every two options at a time that can meet, and three of them; and what is asked with each reduction."""
    options = {name: OPTIONS[name] for name in ("weights", "smoothing", "some rows ignored", "probabilities")}
    reductions = {name: OPTIONS[name] for name in ("reduction none", "reduction sum", "reduction mean")}
    names = [*options, *reductions]
    contains = options | reductions | _BY_REDUCTION

    def both(first: str, second: str) -> Region:
        return lambda problem: contains[first](problem) and contains[second](problem)

    pairs = {
        f"{first}, {second}": both(first, second)
        for i, first in enumerate(names)
        for second in names[i + 1 :]
        if {first, second} != {"some rows ignored", "probabilities"} and not {first, second} <= set(reductions)
    }
    three = {"weights", "smoothing", "some rows ignored"}
    triples: dict[str, Region] = {
        "weights, smoothing, some rows ignored": lambda problem: all(options[name](problem) for name in three),
        "weights, smoothing, probabilities": lambda problem: (
            is_weighted(problem) and is_smoothed(problem) and not is_labels(problem)
        ),
    }
    return (
        pairs
        | triples
        | {f"{first}, {second}": both(first, second) for first in _BY_REDUCTION for second in reductions}
    )
