"""Every operation and its gradients from the definitions, one number after another, in any arithmetic of `arithmetics`.

Nothing is shared with the truth but the Problem: no rows, no coefficients, no formula of a gradient. Gradients are the
products of the upstream gradient with the partial derivatives ∂p_i/∂a_j = p_i (δ_ij - p_j) and ∂l_i/∂a_j = δ_ij - p_j.
Derivatives in a direction are those of the values themselves, by hyperdual numbers; a loss may be infinite, and its
derivative is the gradient times the direction. What is not a finite number is the float inf, -inf or nan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from softproof import Problem
from softproof.problem.problem import Array

from .arithmetics import Number
from .hyperdual import Hyperdual, Hyperduals

Kind = Any  # type[Number], or Hyperduals of one
Row = list[Any]  # numbers, or -inf for a logit that is masked
Outputs = dict[str, Array]


def expected(kind: Kind, problem: Problem) -> Outputs:
    """Value and gradients of a problem: object arrays of numbers of `kind`, and of floats that are not finite."""
    with kind.context():
        return DEFINITIONS[problem.operation](kind, problem)


def _rows(kind: Kind, array: Array, axis: int = -1) -> list[Row]:
    moved = np.moveaxis(array, axis, -1)
    rows = [moved[index].tolist() for index in np.ndindex(moved.shape[:-1])]
    return [[x if x == -np.inf else kind.of(x) for x in row] for row in rows]


def _array(numbers: Row, shape: tuple[int, ...]) -> Array:
    array = np.empty(len(numbers), dtype=object)
    array[:] = numbers
    return array.reshape(shape)


def _from_rows(rows: list[Row], shape: tuple[int, ...], axis: int = -1) -> Array:
    others = tuple(np.delete(shape, axis))
    return np.moveaxis(_array([x for row in rows for x in row], (*others, shape[axis])), -1, axis)


# ---- softmax and its relatives --------------------------------------------------------------------------------------


def _exponentials(kind: Kind, x: Row) -> tuple[Row, Number, Number]:
    top = kind.top([each for each in x if not isinstance(each, float)])
    e = [kind.of(0.0) if isinstance(each, float) else (each - top).exp() for each in x]
    return e, kind.total(e), top


def _softmax(kind: Kind, x: Row) -> Row:
    e, s, _ = _exponentials(kind, x)
    return [each / s for each in e]


def _log_softmax(kind: Kind, x: Row) -> Row:
    _, s, top = _exponentials(kind, x)
    return [-np.inf if isinstance(each, float) else each - top - s.log() for each in x]


def _logsumexp(kind: Kind, x: Row) -> Row:
    _, s, top = _exponentials(kind, x)
    return [top + s.log()]


def _softmax_backward(kind: Kind, g: Row, x: Row) -> Row:
    p, delta = _softmax(kind, x), _identity(kind, len(x))
    return [kind.total([g[i] * p[i] * (delta[i][j] - p[j]) for i in range(len(x))]) for j in range(len(x))]


def _log_softmax_backward(kind: Kind, g: Row, x: Row) -> Row:
    p, delta = _softmax(kind, x), _identity(kind, len(x))
    return [kind.total([g[i] * (delta[i][j] - p[j]) for i in range(len(x))]) for j in range(len(x))]


def _logsumexp_backward(kind: Kind, g: Row, x: Row) -> Row:
    return [g[0] * each for each in _softmax(kind, x)]


def _softmax_entropy(kind: Kind, x: Row) -> Row:
    pairs = zip(_softmax(kind, x), _log_softmax(kind, x), strict=True)
    return [kind.total([-(p * log_p) for p, log_p in pairs if not isinstance(log_p, float)])]


def _softmax_entropy_backward(kind: Kind, g: Row, x: Row) -> Row:
    one, zero = kind.of(1.0), kind.of(0.0)
    slopes = [zero if isinstance(each, float) else -(g[0] * (each + one)) for each in _log_softmax(kind, x)]
    return _softmax_backward(kind, slopes, x)


def _softmax_divergence(kind: Kind, problem: Problem) -> Outputs:
    """Σ p (log p - log q), and the slopes by log p, p and log q through the Jacobians."""
    shape, dim = problem.inputs["p_logits"].shape, problem.options.get("dim", -1)
    pairs = list(zip(*(_rows(kind, problem.inputs[name], dim) for name in ("p_logits", "q_logits")), strict=True))
    apart = [[a - b for a, b in zip(*(_log_softmax(kind, each) for each in pair), strict=True)] for pair in pairs]
    p = [_softmax(kind, x) for x, _ in pairs]
    value = [kind.total([a * b for a, b in zip(*each, strict=True)]) for each in zip(p, apart, strict=True)]
    found = {"value": _array(value, tuple(np.delete(shape, dim)))}
    if problem.grad_output is None:
        return found
    g, one = [kind.of(each) for each in problem.grad_output.reshape(-1).tolist()], kind.of(1.0)
    of_p, of_q = [], []
    for g_n, (x, y), p_n, apart_n in zip(g, pairs, p, apart, strict=True):
        of_p.append(_softmax_backward(kind, [g_n * (each + one) for each in apart_n], x))
        of_q.append(_log_softmax_backward(kind, [-(g_n * each) for each in p_n], y))
    grads = {"grad_p_logits": of_p, "grad_q_logits": of_q}
    return found | {name: _from_rows(each, shape, dim) for name, each in grads.items()}


def _identity(kind: Kind, size: int) -> list[Row]:
    return [[kind.of(float(i == j)) for j in range(size)] for i in range(size)]


def _of_logits(
    forward: Callable[[Kind, Row], Row], backward: Callable[[Kind, Row, Row], Row], reduces: bool = False
) -> Callable[[Kind, Problem], Outputs]:
    def outputs(kind: Kind, problem: Problem) -> Outputs:
        shape, axes = problem.inputs["logits"].shape, _axes(problem)
        last = {name: _flat(array, axes) for name, array in (("logits", problem.inputs["logits"]), *_vectors(problem))
                if array.shape == shape}  # fmt: skip
        if problem.grad_output is not None and reduces:
            last["grad_output"] = problem.grad_output.reshape(last["logits"].shape[:-1])
        flat = replace(problem, inputs={"logits": last["logits"]}, options={}, grad_output=last.get("grad_output"),
                       tangent=last.get("tangent"))  # fmt: skip
        found = of_last(kind, flat) if last["logits"].shape[-1] else _of_nothing(flat, reduces)
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape)
                     if axis not in axes or problem.options.get("keepdim", False))  # fmt: skip
        return {name: each.reshape(kept) if reduces and name in ("value", "jvp") else _unflat(each, axes, shape)
                for name, each in found.items()}  # fmt: skip

    def of_last(kind: Kind, problem: Problem) -> Outputs:
        logits, g, dim = problem.inputs["logits"], problem.grad_output, -1
        rows = _rows(kind, logits, dim)
        value = _from_rows([forward(kind, x) for x in rows], _one(logits.shape, dim) if reduces else logits.shape, dim)
        found = {"value": value.squeeze(dim) if reduces else value}
        if g is not None:
            upstream = _rows(kind, np.expand_dims(g, dim) if reduces else g, dim)
            grads = [backward(kind, *pair) for pair in zip(upstream, rows, strict=True)]
            found["grad_logits"] = _from_rows(grads, logits.shape, dim)
        if problem.tangent is not None:
            directions = _rows(kind, problem.tangent, dim)
            jvp = [_along(kind, forward, v, x) for v, x in zip(directions, rows, strict=True)]
            found["jvp"] = _from_rows(jvp, value.shape, dim)
            found["jvp"] = found["jvp"].squeeze(dim) if reduces else found["jvp"]
            if g is not None:
                hvp = [_hessian(kind, forward, *each) for each in zip(directions, upstream, rows, strict=True)]
                found["hvp_logits"] = _from_rows(hvp, logits.shape, dim)
        return found

    return outputs


def _axes(problem: Problem) -> list[int]:
    """The axes that `dim` names, in ascending order; none of a number alone."""
    dim, ndim = problem.options.get("dim", -1), problem.inputs["logits"].ndim
    return sorted(each % ndim for each in (dim if isinstance(dim, tuple) else (dim,))) if ndim else []


def _vectors(problem: Problem) -> list[tuple[str, Array]]:
    given = (("grad_output", problem.grad_output), ("tangent", problem.tangent))
    return [(name, each) for name, each in given if each is not None]


def _flat(array: Array, axes: list[int]) -> Array:
    """These axes as one, the last."""
    rest = [axis for axis in range(array.ndim) if axis not in axes]
    classes = int(np.prod([array.shape[axis] for axis in axes]))
    return array.transpose(rest + axes).reshape([*(array.shape[axis] for axis in rest), classes])


def _unflat(array: Array, axes: list[int], shape: tuple[int, ...]) -> Array:
    order = [axis for axis in range(len(shape)) if axis not in axes] + axes
    return array.reshape([shape[axis] for axis in order]).transpose(np.argsort(order) if order else None)


def _of_nothing(problem: Problem, reduces: bool) -> Outputs:
    """Rows without a class: no numbers, or log 0 and its derivative 0/0."""
    shape = problem.inputs["logits"].shape
    empty = {"value": problem, "grad_logits": problem.grad_output, "jvp": problem.tangent,
             "hvp_logits": None if problem.grad_output is None else problem.tangent}  # fmt: skip
    found = {name: np.zeros(shape, object) for name, given in empty.items() if given is not None}
    of_rows = {"value": -np.inf, "jvp": np.nan} if reduces else {}
    return found | {name: np.full(shape[:-1], each, object) for name, each in of_rows.items() if name in found}


def _varied(kind: Kind, forward: Callable[[Kind, Row], Row], x: Row, j: int, v: Row) -> list[Hyperdual]:
    """forward(x + e_j ε + v η); of a masked logit l_i = l_k + x_i - x_k, with any k that is not masked."""
    numbers, zero = Hyperduals(kind), kind.of(0.0)
    units = [kind.of(float(k == j)) for k in range(len(x))]
    out = forward(numbers, [
        each if isinstance(each, float) else numbers.variable(each, *both)
        for each, *both in zip(x, units, v, strict=True)
    ])  # fmt: skip
    known = next(k for k, each in enumerate(out) if not isinstance(each, float))
    return [
        out[known] + Hyperdual(zero, units[k] - units[known], v[k] - v[known], zero)
        if isinstance(each, float)
        else each
        for k, each in enumerate(out)
    ]


def _along(kind: Kind, forward: Callable[[Kind, Row], Row], v: Row, x: Row) -> Row:
    return [each.c for each in _varied(kind, forward, x, 0, v)]


def _hessian(kind: Kind, forward: Callable[[Kind, Row], Row], v: Row, g: Row, x: Row) -> Row:
    columns = [_varied(kind, forward, x, j, v) for j in range(len(x))]
    return [kind.total([g_i * each.d for g_i, each in zip(g, column, strict=True)]) for column in columns]


def _one(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    """`shape` with an axis of length 1."""
    return tuple(1 if axis == dim % len(shape) else size for axis, size in enumerate(shape))


# ---- distributions --------------------------------------------------------------------------------------------------


def _entropy(kind: Kind, p: Row) -> Any:
    return kind.total([-(x * x.log()) for x in p if x.value])


def _cross(kind: Kind, p: Row, q: Row) -> Any:
    pairs = [(x, y) for x, y in zip(p, q, strict=True) if x.value]
    return np.inf if any(not y.value for _, y in pairs) else kind.total([-(x * y.log()) for x, y in pairs])


def _divergence(kind: Kind, p: Row, q: Row) -> Any:
    pairs = [(x, y) for x, y in zip(p, q, strict=True) if x.value]
    return np.inf if any(not y.value for _, y in pairs) else kind.total([x * (x / y).log() for x, y in pairs])


def _entropy_slopes(kind: Kind, p: Number) -> Row:
    return [-(p.log() + kind.of(1.0)) if p.value else np.inf]


def _cross_slopes(kind: Kind, p: Number, q: Number) -> Row:
    return [-q.log() if q.value else np.inf, _minus_quotient(kind, p, q)]


def _divergence_slopes(kind: Kind, p: Number, q: Number) -> Row:
    if not p.value:
        return [-np.inf, _minus_quotient(kind, p, q)]
    return [(p / q).log() + kind.of(1.0) if q.value else np.inf, _minus_quotient(kind, p, q)]


def _minus_quotient(kind: Kind, p: Number, q: Number) -> Any:
    """-p/q, and its limits from within at q = 0."""
    return kind.of(0.0) - p / q if q.value else -np.inf if p.value else kind.of(0.0)


def _times(g: Number, slope: Any) -> Any:
    """g times something that may be infinite; 0 where g is."""
    if isinstance(slope, Number):
        return g * slope
    return float(np.sign(float(g.value))) * slope if g.value else 0.0


def _of_distributions(value: Callable[..., Any], slopes: Callable[..., Row]) -> Callable[[Kind, Problem], Outputs]:
    """The value, and g times the derivative of one term for each input in turn; a limit where a probability is 0."""

    def outputs(kind: Kind, problem: Problem) -> Outputs:
        dim = problem.options.get("dim", -1)
        rows = [_rows(kind, array, dim) for array in problem.inputs.values()]
        shape = problem.inputs["p"].shape
        pairs = list(zip(*rows, strict=True))
        found = {"value": _array([value(kind, *pair) for pair in pairs], tuple(np.delete(shape, dim)))}
        if problem.grad_output is None:
            return found
        upstream = [kind.of(g) for g in problem.grad_output.reshape(-1).tolist()]
        for i, name in enumerate(problem.inputs):
            grads = [
                [_times(g, slopes(kind, *each)[i]) for each in zip(*pair, strict=True)]
                for g, pair in zip(upstream, pairs, strict=True)
            ]
            found[f"grad_{name}"] = _from_rows(grads, shape, dim)
        return found

    return outputs


# ---- linear ---------------------------------------------------------------------------------------------------------


def _affine(kind: Kind, x: list[Row], w: list[Row], b: Row | None) -> list[Row]:
    """a_nk = Σ_j w_kj x_nj + b_k."""

    def sample(x_n: Row) -> Row:
        products = [[w_kj * x_nj for w_kj, x_nj in zip(w_k, x_n, strict=True)] for w_k in w]
        return [kind.total(products[k] + ([b[k]] if b else [])) for k in range(len(w))]

    return [sample(x_n) for x_n in x]


def _affine_backward(kind: Kind, g: list[Row], x: list[Row], w: list[Row]) -> tuple[list[Row], list[Row], Row]:
    """∂L/∂x_nj = Σ_k g_nk w_kj, ∂L/∂w_kj = Σ_n g_nk x_nj and ∂L/∂b_k = Σ_n g_nk."""
    samples, classes, features = range(len(x)), range(len(w)), range(len((w or x or [[]])[0]))
    return (
        [[kind.total([g[n][k] * w[k][j] for k in classes]) for j in features] for n in samples],
        [[kind.total([g[n][k] * x[n][j] for n in samples]) for j in features] for k in classes],
        [kind.total([g[n][k] for n in samples]) for k in classes],
    )


def _linear(kind: Kind, problem: Problem) -> Outputs:
    inputs, g = problem.inputs, problem.grad_output
    x, w = _rows(kind, inputs["input"]), _rows(kind, inputs["weight"])
    b = _rows(kind, inputs["bias"])[0] if "bias" in inputs else None
    found = {"value": _from_rows(_affine(kind, x, w, b), (*inputs["input"].shape[:-1], len(w)))}
    if g is not None:
        grads = _affine_backward(kind, _rows(kind, g), x, w)
        found["grad_input"] = _from_rows(grads[0], inputs["input"].shape)
        found["grad_weight"] = _from_rows(grads[1], inputs["weight"].shape)
        if b is not None:
            found["grad_bias"] = _array(grads[2], inputs["bias"].shape)
    return found


# ---- cross-entropy --------------------------------------------------------------------------------------------------


def _target(kind: Kind, problem: Problem, classes: int) -> tuple[list[Row], list[bool], Any]:
    """Target probabilities q, which rows count, and what the mean divides by."""
    target, one = problem.inputs["target"], kind.of(1.0)
    if target.dtype != np.int64:
        q = _rows(kind, target, min(target.ndim - 1, 1))
        return q, [True] * len(q), kind.total([one] * len(q))
    labels = target.reshape(-1).tolist()
    kept = [label != problem.options.get("ignore_index", -100) for label in labels]
    w = _weight(kind, problem, classes)
    q = [[kind.of(float(label == j)) for j in range(classes)] for label in labels]
    return q, kept, kind.total([w[label] for label, counts in zip(labels, kept, strict=True) if counts])


def _weight(kind: Kind, problem: Problem, classes: int) -> Row:
    return _rows(kind, problem.inputs.get("weight", np.ones(classes)))[0]


def _smoothing(kind: Kind, problem: Problem) -> Any:
    return kind.of(problem.options.get("label_smoothing", 0.0))


def _coefficients(kind: Kind, problem: Problem, q: Row) -> Row:
    """w_j ((1 - ε) q_j + ε / C)."""
    smoothing, classes = _smoothing(kind, problem), kind.of(float(len(q)))
    smooth = [(kind.of(1.0) - smoothing) * q_j + smoothing / classes for q_j in q]
    return [w_j * each for w_j, each in zip(_weight(kind, problem, len(q)), smooth, strict=True)]


def _row_loss(kind: Kind, problem: Problem, q: Row, a: Row) -> Any:
    """-Σ_j w_j ((1 - ε) q_j + ε / C) l_j over the terms that are not 0; infinite where such a class is masked."""
    pairs = zip(_coefficients(kind, problem, q), _log_softmax(kind, a), strict=True)
    return _sum(kind, [_times(-t, log_p) for t, log_p in pairs if t.value])


def _sum(kind: Kind, terms: Row) -> Any:
    """A sum, of which infinite terms leave an infinity, or nan where their signs differ."""
    infinite = [term for term in terms if not isinstance(term, Number)]
    return sum(infinite) if infinite else kind.total(terms)


def _loss(kind: Kind, problem: Problem, a: list[Row], classes: int) -> Row:
    """torch.nn.CrossEntropyLoss of rows of logits."""
    q, kept, count = _target(kind, problem, classes)
    losses = [
        _row_loss(kind, problem, q_n, a_n) if counts else kind.of(0.0)
        for q_n, a_n, counts in zip(q, a, kept, strict=True)
    ]
    reduction = problem.options.get("reduction", "mean")
    if reduction == "none":
        return losses
    if reduction == "mean" and not count.value:
        return [np.nan]
    total = _sum(kind, losses)
    if reduction == "sum":
        return [total]
    return [total / count if isinstance(total, Number) else total * float(np.sign(float(count.value)))]


def _loss_backward(
    kind: Kind, problem: Problem, a: list[Row], classes: int, grad_output: Array, v: list[Row] | None = None
) -> tuple[list[Row], list[Row]]:
    """∂L/∂a_k = -c Σ_j t_j ∂l_j/∂a_k, or its derivative in the direction v, and ∂L/∂q_j = -c w_j (1 - ε) l_j.

    c is ∂L/∂loss.
    """
    (q, kept, count), w = _target(kind, problem, classes), _weight(kind, problem, classes)
    g = [kind.of(x) for x in np.broadcast_to(grad_output.reshape(-1), len(a)).tolist()]
    mean, hard = problem.options.get("reduction", "mean") == "mean", kind.of(1.0) - _smoothing(kind, problem)
    grad_a, grad_q = [], []
    for n, a_n in enumerate(a):
        if not kept[n] or (mean and not count.value):
            grad_a.append([np.nan if kept[n] else kind.of(0.0)] * classes)
            continue
        c = -(g[n] / count if mean else g[n])
        slopes = [c * t_j for t_j in _coefficients(kind, problem, q[n])]
        grad_a.append(
            _log_softmax_backward(kind, slopes, a_n) if v is None else _hessian(kind, _log_softmax, v[n], slopes, a_n)
        )
        pairs = zip(w, _log_softmax(kind, a_n), strict=True)
        grad_q.append([_times(c * w_j * hard, log_p) for w_j, log_p in pairs])
    return grad_a, grad_q


def _cross_entropy(kind: Kind, problem: Problem) -> Outputs:
    logits, target = problem.inputs["logits"], problem.inputs["target"]
    axis = min(logits.ndim - 1, 1)
    a, classes = _rows(kind, logits, axis), logits.shape[axis]
    found = {"value": _reduced(problem, _loss(kind, problem, a, classes), tuple(np.delete(logits.shape, axis)))}
    if problem.grad_output is not None:
        grad_a, grad_q = _loss_backward(kind, problem, a, classes, problem.grad_output)
        found["grad_logits"] = _from_rows(grad_a, logits.shape, axis)
        if target.dtype != np.int64:
            found["grad_target"] = _from_rows(grad_q, logits.shape, axis)
    if problem.tangent is not None:
        v, one = _rows(kind, problem.tangent, axis), np.ones(())
        found["jvp"] = _loss_along(kind, problem, v, _loss_backward(kind, problem, a, classes, one)[0])
        if problem.grad_output is not None:
            hvp, _ = _loss_backward(kind, problem, a, classes, problem.grad_output, v)
            found["hvp_logits"] = _from_rows(hvp, logits.shape, axis)
    return found


def _loss_along(kind: Kind, problem: Problem, v: list[Row], gradient: list[Row]) -> Array:
    """The gradient times the direction, of each row or of all; a mean over nothing is none."""
    logits, reduction = problem.inputs["logits"], problem.options.get("reduction", "mean")
    *_, count = _target(kind, problem, logits.shape[min(logits.ndim - 1, 1)])
    if reduction == "mean" and not count.value:
        return _array([np.nan], ())
    rows = [kind.total([g * u for g, u in zip(*pair, strict=True)]) for pair in zip(gradient, v, strict=True)]
    shape = tuple(np.delete(logits.shape, min(logits.ndim - 1, 1)))
    return _reduced(problem, rows if reduction == "none" else [kind.total(rows)], shape)


def _reduced(problem: Problem, losses: Row, shape: tuple[int, ...]) -> Array:
    return _array(losses, shape if problem.options.get("reduction", "mean") == "none" else ())


def _linear_cross_entropy(kind: Kind, problem: Problem) -> Outputs:
    inputs = problem.inputs
    classes, *positions, features = inputs["linear_weight"].shape
    places = int(np.prod(positions))
    x, w = _rows(kind, inputs["input"]), _rows(kind, inputs["linear_weight"].reshape(classes * places, features))
    b = _rows(kind, inputs["linear_bias"].reshape(1, -1))[0] if "linear_bias" in inputs else None
    a = [row[place::places] for row in _affine(kind, x, w, b) for place in range(places)]  # one row for each place
    shape = (*inputs["input"].shape[:-1], *positions)
    found = {"value": _reduced(problem, _loss(kind, problem, a, classes), shape)}
    if problem.grad_output is not None:
        of_a = _loss_backward(kind, problem, a, classes, problem.grad_output)[0]
        of_rows = [
            [of_a[n * places + place][c] for c in range(classes) for place in range(places)] for n in range(len(x))
        ]
        grads = _affine_backward(kind, of_rows, x, w)
        found["grad_input"] = _from_rows(grads[0], inputs["input"].shape)
        found["grad_linear_weight"] = _array([each for row in grads[1] for each in row], inputs["linear_weight"].shape)
        if b is not None:
            found["grad_linear_bias"] = _array(grads[2], inputs["linear_bias"].shape)
    return found


DEFINITIONS: dict[str, Callable[[Kind, Problem], Outputs]] = {
    "softmax": _of_logits(_softmax, _softmax_backward),
    "log_softmax": _of_logits(_log_softmax, _log_softmax_backward),
    "logsumexp": _of_logits(_logsumexp, _logsumexp_backward, reduces=True),
    "softmax_entropy": _of_logits(_softmax_entropy, _softmax_entropy_backward, reduces=True),
    "softmax_kl_divergence": _softmax_divergence,
    "entropy": _of_distributions(_entropy, _entropy_slopes),
    "distribution_cross_entropy": _of_distributions(_cross, _cross_slopes),
    "kl_divergence": _of_distributions(_divergence, _divergence_slopes),
    "linear": _linear,
    "cross_entropy": _cross_entropy,
    "linear_cross_entropy": _linear_cross_entropy,
}
