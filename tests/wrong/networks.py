"""Forward and backward passes of small networks in NumPy: a right one in steps, right variants of it, and wrong ones.

Each overrides a step of `ByHand`, and so says in a line what it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from softproof.problem.problem import Array
from softproof.verdicts.networks.layers import Layers, Linear

Answer = tuple[Any, dict[str, Array]]


@dataclass
class ByHand:
    """A forward pass that keeps what it needs, and the backward pass; as people write it."""

    layers: Layers

    def __call__(self, x: Array, labels: Array, parameters: dict[str, Array]) -> Answer:
        """The loss, and its gradients by name."""
        h, kept = x, list[Array]()
        for layer in self.layers:
            kept.append(h)
            if isinstance(layer, Linear):
                weight, bias = (parameters[name] for name in layer.names)
                h = self.linear(h, weight, bias)
            else:
                h = self.tanh(h) if layer == "tanh" else self.relu(h)
        p = self.softmax(h)
        loss, g, found = self.loss(p, labels), self.of_logits(p, labels), dict[str, Array]()
        for place, layer in reversed([*enumerate(self.layers)]):
            if isinstance(layer, Linear):
                of_weight, of_bias = layer.names
                found[of_weight], found[of_bias] = self.of_weight(g, kept[place]), self.of_bias(g)
                g = self.of_input(g, parameters[of_weight])
            else:
                slope = self.slope_of_tanh if layer == "tanh" else self.slope_of_relu
                g = g * slope(kept[place], [*kept, h][place + 1])
        return loss, found | {"x": g}

    def matmul(self, p: Array, q: Array) -> Array:
        return np.asarray(p @ q)

    def linear(self, h: Array, weight: Array, bias: Array) -> Array:
        return self.matmul(h, weight.T) + bias

    def tanh(self, z: Array) -> Array:
        return np.asarray(np.tanh(z))

    def slope_of_tanh(self, z: Array, h: Array) -> Array:
        return np.asarray(1 - h**2)

    def relu(self, z: Array) -> Array:
        return np.maximum(z, 0)

    def slope_of_relu(self, z: Array, h: Array) -> Array:
        return np.asarray(z > 0)

    def softmax(self, z: Array) -> Array:
        e = np.exp(z - z.max(1, keepdims=True))
        return np.asarray(e / e.sum(1, keepdims=True))

    def loss(self, p: Array, labels: Array) -> Any:
        return -np.log(p[np.arange(len(p)), labels]).mean()

    def of_logits(self, p: Array, labels: Array) -> Array:
        g = p.copy()
        g[np.arange(len(p)), labels] -= 1
        return np.asarray(g / len(p))

    def of_weight(self, g: Array, h: Array) -> Array:
        return self.matmul(g.T, h)

    def of_bias(self, g: Array) -> Array:
        return np.asarray(g.sum(0))

    def of_input(self, g: Array, weight: Array) -> Array:
        return self.matmul(g, weight)


# ---- right -----------------------------------------------------------------------------------------------------------


class ByJacobian(ByHand):
    """∂L/∂p = -y/p, times the whole Jacobian diag(p) - p pᵀ of each row."""

    def of_logits(self, p: Array, labels: Array) -> Array:
        by_p = -np.eye(p.shape[1], dtype=p.dtype)[labels] / p / len(p)
        jacobians = np.stack([np.diag(row) - np.outer(row, row) for row in p])
        return np.asarray(np.einsum("nij,nj->ni", jacobians, by_p))


class OneAfterAnother(ByHand):
    """Sums from the last term to the first, each addition rounded."""

    def matmul(self, p: Array, q: Array) -> Array:
        return np.add.accumulate((p[:, :, None] * q[None])[:, ::-1], axis=1)[:, -1]

    def of_bias(self, g: Array) -> Array:
        return np.asarray(np.add.accumulate(g[::-1], axis=0)[-1])


class Float64Inside(ByHand):
    """All of it in float64, and the results rounded."""

    def __call__(self, x: Array, labels: Array, parameters: dict[str, Array]) -> Answer:
        wide = {name: array.astype(np.float64) for name, array in parameters.items()}
        loss, gradients = super().__call__(x.astype(np.float64), labels, wide)
        return float(loss), {name: array.astype(x.dtype) for name, array in gradients.items()}


class OneHot(ByHand):
    """A table of labels in float64, as np.eye gives it, and everything after it in that."""

    def loss(self, p: Array, labels: Array) -> Any:
        return -(np.eye(p.shape[1])[labels] * np.log(p)).sum() / len(p)

    def of_logits(self, p: Array, labels: Array) -> Array:
        return np.asarray((p - np.eye(p.shape[1])[labels]) / len(p))


class ByLogSoftmax(ByHand):
    """Log-probabilities first, z - logsumexp, and p from these."""

    def softmax(self, z: Array) -> Array:
        top = z.max(1, keepdims=True)
        self.log_p = z - (top + np.log(np.exp(z - top).sum(1, keepdims=True)))
        return np.asarray(np.exp(self.log_p))

    def loss(self, p: Array, labels: Array) -> Any:
        return -np.mean(self.log_p[np.arange(len(p)), labels])


class TanhByExponentials(ByHand):
    """2/(1 + e^-2z) - 1, and the slope by cosh."""

    def tanh(self, z: Array) -> Array:
        return np.asarray(2 / (1 + np.exp(-2 * z)) - 1)

    def slope_of_tanh(self, z: Array, h: Array) -> Array:
        return np.asarray(1 / np.cosh(z) ** 2)


class SlopeOneAtZero(ByHand):
    """Of relu, where no document fixes it."""

    def slope_of_relu(self, z: Array, h: Array) -> Array:
        return np.asarray(z >= 0)


RIGHT = (ByHand, ByJacobian, OneAfterAnother, Float64Inside, OneHot, ByLogSoftmax, TanhByExponentials, SlopeOneAtZero)

# ---- wrong -----------------------------------------------------------------------------------------------------------


class NoBiasGradient(ByHand):
    """The path by the bias is dropped."""

    def of_bias(self, g: Array) -> Array:
        return np.zeros_like(g[0])


class BiasOfOneRow(ByHand):
    """The bias gets the gradient of the last row alone."""

    def of_bias(self, g: Array) -> Array:
        return np.asarray(g[-1])


class NoSlope(ByHand):
    """Nothing is passed through tanh'."""

    def slope_of_tanh(self, z: Array, h: Array) -> Array:
        return np.ones_like(h)


class SlopeOfInput(ByHand):
    """1 - z² for 1 - tanh² z."""

    def slope_of_tanh(self, z: Array, h: Array) -> Array:
        return np.asarray(1 - z**2)


class NoMask(ByHand):
    """Nothing is stopped by relu."""

    def slope_of_relu(self, z: Array, h: Array) -> Array:
        return np.ones_like(z)


class MaskOfAnotherLayer(ByHand):
    """The mask of the last relu, for every relu of that width."""

    def relu(self, z: Array) -> Array:
        self.mask = z > 0
        return super().relu(z)

    def slope_of_relu(self, z: Array, h: Array) -> Array:
        return self.mask


class NoMean(ByHand):
    """1/N is forgotten in the gradient."""

    def of_logits(self, p: Array, labels: Array) -> Array:
        return super().of_logits(p, labels) * len(p)


class SumForMean(ByHand):
    """And in the loss alone."""

    def loss(self, p: Array, labels: Array) -> Any:
        return super().loss(p, labels) * len(p)


class DiagonalOnly(ByHand):
    """The Jacobian of softmax without its other entries: one path of the chain rule."""

    def of_logits(self, p: Array, labels: Array) -> Array:
        return np.asarray(-np.eye(p.shape[1], dtype=p.dtype)[labels] * (1 - p) / len(p))


class Transposed(ByHand):
    """g Wᵀ, which fits where W is square."""

    def of_input(self, g: Array, weight: Array) -> Array:
        return self.matmul(g, weight.T if weight.shape[0] == weight.shape[1] else weight)


class InPlace(ByHand):
    """p - y is written into p before the loss is formed of it."""

    def loss(self, p: Array, labels: Array) -> Any:
        p[np.arange(len(p)), labels] -= 1
        return super().loss(p, labels)

    def of_logits(self, p: Array, labels: Array) -> Array:
        return np.asarray(p / len(p))


class SlopeInPlace(ByHand):
    """The slope of tanh is kept in the array that the next layer reads."""

    def tanh(self, z: Array) -> Array:
        h = super().tanh(z)
        self.slope = np.subtract(1, np.square(h, out=h), out=h)
        return h

    def slope_of_tanh(self, z: Array, h: Array) -> Array:
        return self.slope


class WritesInput(ByHand):
    """A step of plain gradient descent, in the caller's arrays."""

    def __call__(self, x: Array, labels: Array, parameters: dict[str, Array]) -> Answer:
        loss, gradients = super().__call__(x, labels, parameters)
        for name, array in parameters.items():
            np.subtract(array, 0.1 * gradients[name], out=array, casting="same_kind")
        return loss, gradients


class OneBuffer(ByHand):
    """Gradients are written into arrays that are kept for the next call."""

    def __call__(self, x: Array, labels: Array, parameters: dict[str, Array]) -> Answer:
        loss, gradients = super().__call__(x, labels, parameters)
        self.kept = getattr(self, "kept", {name: np.zeros(array.shape) for name, array in parameters.items()})
        for name, array in self.kept.items():
            array[...] = gradients[name]
        return loss, gradients | self.kept


class AddsUp(ByHand):
    """Gradients of all calls are added up: nobody sets them to zero."""

    def __call__(self, x: Array, labels: Array, parameters: dict[str, Array]) -> Answer:
        loss, gradients = super().__call__(x, labels, parameters)
        before = getattr(self, "total", {})
        self.total = {name: gradients[name] + before.get(name, 0) for name in parameters}
        return loss, gradients | self.total


class NoShift(ByHand):
    """exp of the logits themselves, which overflows."""

    def softmax(self, z: Array) -> Array:
        return np.asarray(np.exp(z) / np.exp(z).sum(1, keepdims=True))


class Epsilon(ByHand):
    """log(p + 1e-8), so that p = 0 does no harm."""

    def loss(self, p: Array, labels: Array) -> Any:
        return super().loss(p + p.dtype.type(1e-8), labels)


class TanhOverflows(ByHand):
    """(e^2z - 1)/(e^2z + 1), which is ∞/∞ for large z."""

    def tanh(self, z: Array) -> Array:
        return np.asarray((np.exp(2 * z) - 1) / (np.exp(2 * z) + 1))


class HalfInside(ByHand):
    """Weights are rounded to float16."""

    def linear(self, h: Array, weight: Array, bias: Array) -> Array:
        return super().linear(h, weight.astype(np.float16).astype(h.dtype), bias)


WRONG = {  # and the output that a verdict names
    NoBiasGradient: "grad_b3",
    BiasOfOneRow: "grad_b3",
    NoSlope: "grad_W2",
    SlopeOfInput: "grad_W2",
    NoMask: "grad_W1",
    MaskOfAnotherLayer: "grad_W1",
    NoMean: "grad_W3",
    SumForMean: "loss",
    DiagonalOnly: "grad_W3",
    Transposed: "grad_W1",
    InPlace: "loss",
    SlopeInPlace: "loss",
    WritesInput: "",
    OneBuffer: "",
    AddsUp: "grad_W3",
    NoShift: "loss",
    Epsilon: "loss",
    TanhOverflows: "loss",
    HalfInside: "loss",
}
