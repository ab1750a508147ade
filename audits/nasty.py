"""Small problems of the nastiest kinds: what cancels, underflows, overflows, is 0 or nearly, masked or ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from softproof import Problem
from softproof.problem.formats import FORMATS, Floats
from softproof.problem.operations import OPERATIONS, PER_ROW

Rng = np.random.Generator
INF = np.inf

# Multiples of the largest, the least normal and the least number of the format, and numbers between.
_PLAIN = (0.0, 1.0, -1.0, 2.0, 0.5, -0.75, 3.0, 1 / 3, 1e-3)
_LOGITS = (*_PLAIN, 37.5, 88.0, -104.0, 710.0, -745.5, 1e4, -1e8, 1e30, -1e77)
_SHARES = (0.0, 0.0, 1.0, 0.5, 0.25, 1e-4, 1e-30, 1e-200)
_SMOOTHING = (0.0, 0.0, 0.1, 0.5, 1.0, 5e-324, 1e-200, 1.0 - 2.0**-53, 0.75)
_UPSTREAM = (1.0, 1.0, -1.0, 2.0, 0.0, 1e-30, -1e30)


def _edges(dtype: str) -> tuple[float, ...]:
    fmt = FORMATS[dtype]
    return fmt.largest, -fmt.largest, fmt.largest / 2, fmt.tiny, -fmt.tiny, fmt.subnormal, -fmt.subnormal


def _numbers(rng: Rng, dtype: str, pool: tuple[float, ...], *shape: int) -> Floats:
    """Numbers of a pool, one in five of them from the edges of the format; all finite."""
    edges = rng.choice(np.array(_edges(dtype)), shape)
    return _held(dtype, np.where(rng.random(shape) < 0.2, edges, rng.choice(np.array(pool), shape)))


def _sizes(rng: Rng) -> tuple[int, int]:
    return int(rng.integers(1, 5)), int(rng.integers(1, 6))


def _weights(rng: Rng, dtype: str, classes: int) -> Floats:
    """Powers of 2 over the whole range, pairs of which cancel, with a little beside them; zeros; or plain numbers."""
    fmt, kind = FORMATS[dtype], rng.integers(0, 4)
    if kind == 0:
        return _numbers(rng, dtype, (*_PLAIN, 1e-30, 1e30), classes)
    if kind == 1:
        return rng.choice([0.0, fmt.subnormal, -fmt.subnormal, fmt.tiny, 1.0], classes)
    found = 2.0 ** rng.integers(int(np.log2(fmt.subnormal)), fmt.e_max + 1, classes) * rng.choice(
        [-1.0, 1.0, 1.0], classes
    )
    for j in range(1, classes, 2):
        if rng.random() < 0.7:
            found[j] = -found[j - 1]
    return rng.permutation(found) if kind == 3 else found


def _labels(rng: Rng, rows: int, classes: int, options: dict[str, Any]) -> Any:
    labels = np.arange(rows) % classes if rng.random() < 0.4 else rng.integers(0, classes, rows)
    options["ignore_index"] = int(rng.choice([-100, 0]))
    return np.where(rng.random(rows) < 0.15, options["ignore_index"], labels)


def _shares(rng: Rng, dtype: str, rows: int, classes: int, epsilon: float) -> Floats:
    """Probabilities of both signs, tiny ones, and such as what smoothing adds takes away, exactly or nearly."""
    found = _numbers(rng, dtype, _SHARES, rows, classes) * rng.choice([1.0, 1.0, 1.0, -1.0], (rows, classes))
    if 0 < epsilon < 1 and rng.random() < 0.5:
        opposite = FORMATS[dtype].round(np.array(-epsilon / (1 - epsilon) / classes))
        found = np.where(rng.random((rows, classes)) < 0.3, opposite * rng.choice([1.0, 1.0, 1.5]), found)
    return _held(dtype, found)


def _held(dtype: str, x: Floats) -> Floats:
    """The nearest numbers of the format, finite ones."""
    largest = FORMATS[dtype].largest
    return np.clip(FORMATS[dtype].round(np.clip(x, -largest, largest)), -largest, largest)


def _logits(rng: Rng, dtype: str, rows: int, classes: int, masked: float, infinite: float = 0.02) -> Floats:
    x = _numbers(rng, dtype, _PLAIN if rng.random() < 0.4 else _LOGITS, rows, classes)
    x = np.where(rng.random(x.shape) < masked, -INF, x)
    x = np.where(rng.random(x.shape) < infinite, INF, x)
    return np.where(rng.random(x.shape) < infinite / 4, np.nan, x)


def _losses(masked: float, weighted: float, soft: float) -> Callable[[Rng, str], Problem]:
    """Cross-entropy: how often a logit is masked, classes are weighted, and targets are probabilities."""

    def draw(rng: Rng, dtype: str) -> Problem:
        rows, classes = _sizes(rng)
        options: dict[str, Any] = {"reduction": str(rng.choice(["mean", "mean", "sum", "none"]))}
        options["label_smoothing"] = float(rng.choice(_SMOOTHING))
        inputs = {"logits": _logits(rng, dtype, rows, classes, masked, 0.02 if rng.random() < 0.3 else 0.0)}
        if rng.random() < soft:
            shares = _shares(rng, dtype, rows, classes, options["label_smoothing"])
            inputs["target"] = np.where(rng.random(shares.shape) < 0.01, np.nan, shares)
        else:
            inputs["target"] = _labels(rng, rows, classes, options)
        if rng.random() < weighted:
            inputs["weight"] = _weights(rng, dtype, classes)
        g = _numbers(rng, dtype, _UPSTREAM, *([rows] if options["reduction"] == "none" else []))
        tangent = _numbers(rng, dtype, _PLAIN, rows, classes) if rng.random() < 0.25 else None
        return Problem("cross_entropy", dtype, inputs, options, g, tangent=tangent)

    return draw


def _layers(pool: tuple[float, ...]) -> Callable[[Rng, str], Problem]:
    """The classifier, of features and weights from a pool."""

    def draw(rng: Rng, dtype: str) -> Problem:
        rows, classes = _sizes(rng)
        features, options = int(rng.integers(1, 4)), {"reduction": str(rng.choice(["mean", "sum", "none"]))}
        loss: dict[str, Any] = {**options, "label_smoothing": float(rng.choice(_SMOOTHING))}
        inputs = {
            "input": _numbers(rng, dtype, pool, rows, features),
            "linear_weight": _numbers(rng, dtype, pool, classes, features),
        }
        if rng.random() < 0.5:
            inputs["linear_bias"] = _numbers(rng, dtype, pool, classes)
        if rng.random() < 0.6:
            inputs["target"] = _labels(rng, rows, classes, loss)
        else:
            inputs["target"] = _shares(rng, dtype, rows, classes, loss["label_smoothing"])
        if rng.random() < 0.6:
            inputs["weight"] = _weights(rng, dtype, classes)
        g = _numbers(rng, dtype, _UPSTREAM, *([rows] if loss["reduction"] == "none" else []))
        return Problem("linear_cross_entropy", dtype, inputs, loss, g)

    return draw


def _linear(rng: Rng, dtype: str) -> Problem:
    rows, classes = _sizes(rng)
    features = int(rng.integers(0, 4))
    inputs = {
        "input": _numbers(rng, dtype, _LOGITS, rows, features),
        "weight": _numbers(rng, dtype, _LOGITS, classes, features),
        "bias": _numbers(rng, dtype, _LOGITS, classes),
    }
    return Problem("linear", dtype, inputs, {}, _numbers(rng, dtype, _UPSTREAM, rows, classes))


def _rows(rng: Rng, dtype: str) -> Problem:
    """Softmax and its relatives."""
    rows, classes = _sizes(rng)
    operation = str(rng.choice(["softmax", "log_softmax", "logsumexp", "softmax_entropy"]))
    x = _logits(rng, dtype, rows, classes, 0.15, 0.05)
    g = _numbers(rng, dtype, _UPSTREAM, rows, *([] if OPERATIONS[operation].value == PER_ROW else [classes]))
    may = "jvp" in OPERATIONS[operation].kinds
    tangent = _numbers(rng, dtype, _PLAIN, rows, classes) if rng.random() < 0.5 and may else None
    return Problem(operation, dtype, {"logits": x}, {"dim": -1}, g, tangent=tangent)


def _divergences(rng: Rng, dtype: str) -> Problem:
    """Of two arrays of finite logits."""
    rows, classes = _sizes(rng)
    inputs = {name: _logits(rng, dtype, rows, classes, 0.0, 0.0) for name in ("p_logits", "q_logits")}
    return Problem("softmax_kl_divergence", dtype, inputs, {"dim": -1}, _numbers(rng, dtype, _UPSTREAM, rows))


def _distributions(rng: Rng, dtype: str) -> Problem:
    rows, classes = _sizes(rng)
    operation = str(rng.choice(["entropy", "distribution_cross_entropy", "kl_divergence"]))
    names = ("p",) if operation == "entropy" else ("p", "q")
    inputs = {name: np.abs(_numbers(rng, dtype, _SHARES, rows, classes)) for name in names}
    return Problem(operation, dtype, inputs, {"dim": -1}, _numbers(rng, dtype, _UPSTREAM, rows))


NASTY: dict[str, Callable[[Rng, str], Problem]] = {
    "weights, labels": _losses(masked=0.05, weighted=1.0, soft=0.0),
    "weights, masks": _losses(masked=0.3, weighted=1.0, soft=0.0),
    "weights, probabilities": _losses(masked=0.1, weighted=1.0, soft=1.0),
    "probabilities, masks": _losses(masked=0.3, weighted=0.5, soft=1.0),
    "labels, masks": _losses(masked=0.3, weighted=0.0, soft=0.0),
    "layer": _layers(_LOGITS),
    "layer, huge logits": _layers((1e150, -1e200, 1e200, 1e308, 1e-200, 1.0, 0.0)),
    "linear": _linear,
    "softmax": _rows,
    "divergences of softmaxes": _divergences,
    "distributions": _distributions,
}


def draw(kind: str, dtype: str, seed: int, number: int) -> Problem:
    """One problem, the same for the same arguments."""
    name = [ord(each) for each in f"{kind} {dtype}"]
    return NASTY[kind](np.random.default_rng([seed, number, *name]), dtype)
