"""Problems in batches of rows of one look: what the figures of docs/generated/figures.md are measured on."""

from __future__ import annotations

from typing import Any

import numpy as np

from softproof import Problem
from softproof.generation.logit_styles import STYLES, styles
from softproof.generation.softmax import has_gradient
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.operations import OPERATIONS, PER_ROW
from softproof.problem.problem import Array

MASKED = "-inf entries"
OF_LOGITS = ("softmax", "log_softmax", "logsumexp", "softmax_entropy")
OF_DISTRIBUTIONS = ("entropy", "distribution_cross_entropy", "kl_divergence")
FEATURES = 7  # of a linear layer


def looks(operation: str, dtype: str) -> list[str]:
    """The styles that the logits of an operation can have in `dtype`; a linear layer is drawn normal."""
    if "linear" in operation:
        return ["normal"]
    return [*styles(dtype, finite=operation == "cross_entropy"), MASKED]


def logits(rng: np.random.Generator, dtype: str, look: str, rows: int, classes: int) -> Floats:
    """Rows that look alike, and are drawn each by itself: (rows, classes)."""
    draw = STYLES["normal" if look == MASKED else look].draw
    x = FORMATS[dtype].round(np.array([draw(rng, (classes,)) for _ in range(rows)]))
    if look == MASKED:
        masked = rng.random(x.shape) < rng.random((rows, 1))
        np.put_along_axis(masked, x.argmax(-1)[:, None], False, axis=-1)
        x = np.where(masked, -np.inf, x)
    return x


def question(rng: np.random.Generator, operation: str, dtype: str, look: str, rows: int, classes: int) -> Problem:
    """One problem; which axis holds the classes, the options and the upstream gradient are drawn too."""
    if operation in OF_LOGITS:
        return of_logits(rng, operation, dtype, logits(rng, dtype, look, rows, classes), last=rng.random() < 0.5)
    if operation in OF_DISTRIBUTIONS:
        return _of_distributions(rng, operation, dtype, look, rows, classes)
    if operation == "linear":
        return _linear(rng, dtype, rows, classes)
    if operation == "linear_cross_entropy":
        return _linear_cross_entropy(rng, dtype, rows, classes)
    return _cross_entropy(rng, dtype, look, rows, classes)


def of_logits(rng: np.random.Generator, operation: str, dtype: str, x: Floats, last: bool) -> Problem:
    """A problem about the rows x (R, C), with the classes along the last axis or along the first."""
    of_rows = OPERATIONS[operation].value == PER_ROW
    shape = (len(x),) if of_rows else x.shape if last else x.T.shape
    g = _normal(rng, dtype, shape) if has_gradient(operation, x) else None
    return Problem(operation, dtype, {"logits": x if last else x.T}, {"dim": -1 if last else 0}, g)


def _normal(rng: np.random.Generator, dtype: str, shape: tuple[int, ...], scale: float = 1.0) -> Floats:
    return FORMATS[dtype].round(scale * rng.normal(size=shape))


def _probabilities(rng: np.random.Generator, dtype: str, look: str, rows: int, classes: int) -> Floats:
    """The softmax of logits that look so: (rows, classes)."""
    x = logits(rng, dtype, look, rows, classes)
    with np.errstate(over="ignore"):
        e = np.exp(x - x.max(-1, keepdims=True))
    return FORMATS[dtype].round(e / e.sum(-1, keepdims=True))


def _of_distributions(
    rng: np.random.Generator, operation: str, dtype: str, look: str, rows: int, classes: int
) -> Problem:
    names = ("p",) if operation == "entropy" else ("p", "q")
    inputs = {name: _probabilities(rng, dtype, look, rows, classes) for name in names}
    tiny = FORMATS[dtype].tiny  # no document fixes the slopes at 0, and near it 1/q overflows
    positive = all((each >= tiny).all() for each in inputs.values())
    g = _normal(rng, dtype, (rows,)) if positive else None
    if rng.random() < 0.5:
        return Problem(operation, dtype, inputs, {"dim": -1}, g)
    return Problem(operation, dtype, {name: each.T for name, each in inputs.items()}, {"dim": 0}, g)


def _loss(
    rng: np.random.Generator, dtype: str, rows: int, classes: int, labels: bool
) -> tuple[dict[str, Array], dict[str, Any], Floats]:
    """Target, class weights, options and upstream gradient for logits (rows, classes)."""
    inputs: dict[str, Array] = {}
    options: dict[str, Any] = {"reduction": str(rng.choice(("none", "sum", "mean")))}
    if labels:
        ignored = rng.random(rows) < rng.choice((0.0, 0.3))
        inputs["target"] = np.where(ignored, -100, rng.integers(0, classes, rows))
    else:
        inputs["target"] = _probabilities(rng, dtype, "normal", rows, classes)
    if rng.random() < 0.3:
        options["label_smoothing"] = float(rng.choice((0.1, 0.5)))
    if rng.random() < 0.5:
        inputs["weight"] = FORMATS[dtype].round(rng.uniform(0.1, 4.0, classes))
    return inputs, options, _normal(rng, dtype, (rows,) if options["reduction"] == "none" else ())


def _cross_entropy(rng: np.random.Generator, dtype: str, look: str, rows: int, classes: int) -> Problem:
    x = logits(rng, dtype, look, rows, classes)
    inputs, options, g = _loss(rng, dtype, rows, classes, look == MASKED or rng.random() < 0.7)
    inputs = {"logits": x} | inputs
    if rng.random() < 0.5:  # (1, C, R)
        inputs = {name: each.T[None] if name in ("logits", "target") else each for name, each in inputs.items()}
        g = g[None] if g.ndim else g
    return Problem("cross_entropy", dtype, inputs, options, g)


def _linear(rng: np.random.Generator, dtype: str, rows: int, features: int) -> Problem:
    inputs = {"input": (rows, features), "weight": (FEATURES, features), "bias": (FEATURES,)}
    factors = {
        name: _normal(rng, dtype, shape) for name, shape in inputs.items() if name != "bias" or rng.random() < 0.5
    }
    return Problem("linear", dtype, factors, {}, _normal(rng, dtype, (rows, FEATURES)))


def _linear_cross_entropy(rng: np.random.Generator, dtype: str, rows: int, classes: int) -> Problem:
    inputs = {"input": (rows, FEATURES), "linear_weight": (classes, FEATURES), "linear_bias": (classes,)}
    factors = {name: _normal(rng, dtype, shape) for name, shape in inputs.items()}
    extra, options, g = _loss(rng, dtype, rows, classes, bool(rng.random() < 0.7))
    return Problem("linear_cross_entropy", dtype, factors | extra, options, g)
