"""A network's passes in a small format that do their worst, each step in any of its legal forms (Theorem 26)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from softproof.problem.formats import Floats
from softproof.problem.problem import Array
from softproof.verdicts.networks.carried import TANH
from softproof.verdicts.networks.layers import Layers, Linear

from .small_formats import Machine, Row, leans


def products(m: Machine, p: Floats, q: Floats, bias: Floats | None = None) -> Floats:
    """P Q + bias, in any order."""
    found = m.dot(p[:, None, :], q.T[None])[..., 0]
    return found if bias is None else m.add(found, bias)


def _tanh(m: Machine, z: Floats) -> Floats:
    return m._off(np.tanh(z), TANH * m.format.u * np.ones(z.shape), leans(m.rng, z.shape))


def _slope(m: Machine, z: Floats, h: Floats) -> Floats:
    one, cosh = np.ones(h.shape), np.cosh(z)
    by_cosh = m._off(cosh, (m.arithmetic.c_exp + 2) * m.format.u * cosh, leans(m.rng, z.shape))
    return m.any_of(
        lambda: m.fused(-h, h, one),
        lambda: m.mul(m.add(one, -h), m.add(one, h)),
        lambda: m.round(1 / m.mul(by_cosh, by_cosh)),
    )


def _of_logits(m: Machine, p: Floats, labels: Array) -> Floats:
    y = np.eye(p.shape[1])[labels]
    by_label = m.mul(m.round(1 / p), m.round(np.divide(1.0, len(p))) * np.ones(p.shape))
    g = -(y * by_label).sum(1, keepdims=True)  # of the label, -1/(p N)
    at_label = m.any_of(lambda: m.mul(p, m.round(1 - p)), lambda: m.round(p - m.mul(p, p)))
    off_label = -m.mul(p, (y * p).sum(1, keepdims=True))
    return m.any_of(
        lambda: m.div(m.round(p - y), np.float64(len(p))),
        lambda: m.mul(g, np.where(y == 1, at_label, off_label)),
    )


def outputs(m: Machine, layers: Layers, inputs: Mapping[str, Array]) -> dict[str, Floats]:
    """The loss and the gradients by name."""
    h, kept, labels = inputs["x"], list[Floats](), inputs["target"]
    for layer in layers:
        kept.append(h)
        if isinstance(layer, Linear):
            weight, bias = (inputs[name] for name in layer.names)
            h = products(m, h, weight.T, bias)
        else:
            h = _tanh(m, h) if layer == "tanh" else np.maximum(h, 0.0)
    row = Row(m, h, leans(m.rng, h.shape), leans(m.rng, (len(h), 1)))
    p, at = row.p, (np.arange(len(h)), labels)
    log_p = m.any_of(lambda: row.log_p, lambda: m.round(h - row.lse), lambda: m.log(p, leans(m.rng, p.shape)))
    found = {"loss": m.div(m.sum(-log_p[at][None]), np.float64(len(h))).reshape(())}
    g = _of_logits(m, p, labels)
    for place, layer in reversed([*enumerate(layers)]):
        if isinstance(layer, Linear):
            of_weight, of_bias = layer.names
            found |= {of_weight: products(m, g.T, kept[place]), of_bias: m.sum(g.T)[:, 0]}
            g = products(m, g, inputs[of_weight])
        else:
            after = [*kept, h][place + 1]
            g = m.mul(g, _slope(m, kept[place], after) if layer == "tanh" else np.where(kept[place] > 0, 1.0, 0.0))
    return found | {"x": g}
