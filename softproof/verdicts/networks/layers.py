"""What a network is made of: linear layers, numbered from 1, with activations between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...problem.validation import check_kind, check_name, check_whole, shown

ACTIVATIONS = ("relu", "tanh")


@dataclass(frozen=True)
class Linear:
    """a = h Wᵀ + b, with W (outputs, features) and b (outputs,): the layer `number` of its kind."""

    number: int
    features: int
    outputs: int

    @property
    def names(self) -> tuple[str, str]:
        """Those of its weight and its bias."""
        return f"W{self.number}", f"b{self.number}"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of its weight and its bias, by name."""
        weight, bias = self.names
        return {weight: (self.outputs, self.features), bias: (self.outputs,)}


Layers = tuple[Linear | str, ...]


def linear_layers(layers: Layers) -> Iterator[Linear]:
    """Those that have parameters."""
    return (layer for layer in layers if isinstance(layer, Linear))


def layers_of(stated: Sequence[Any]) -> Layers:
    """The layers that are meant by names and tuples. Raises: TypeError or ValueError where these are no network.

    >>> layers_of([("linear", 4, 2), "tanh"])
    Traceback (most recent call last):
    ValueError: layers ends with 'tanh'; expected a linear layer, which gives the logits
    """
    check_kind("layers", stated, (list, tuple), "a list such as [('linear', 4, 8), 'tanh', ('linear', 8, 3)]")
    found, numbered, width = list[Linear | str](), 0, None
    for place, each in enumerate(stated):
        name = f"layers[{place}]"
        if isinstance(each, str):
            found.append(check_name(name, each, ACTIVATIONS))
            continue
        if not isinstance(each, tuple | list) or len(each) != 3 or each[0] != "linear":
            names = ", ".join(map(repr, ACTIVATIONS))
            raise TypeError(f"{name} is {shown(each)}; expected {names} or ('linear', features, outputs)")
        numbered += 1
        features, outputs = (check_whole(f"{name} size", size, "a whole number from 1", 1) for size in each[1:])
        if width not in (None, features):
            raise ValueError(f"{name} takes {features} features; the layer before it gives {width}")
        found.append(Linear(numbered, features, outputs))
        width = outputs
    for where, end in (("begins", found[:1]), ("ends", found[-1:])):
        if not end or not isinstance(end[0], Linear):
            what = "takes the input" if where == "begins" else "gives the logits"
            raise ValueError(f"layers {where} with {end[0]!r}; expected a linear layer, which {what}" if end
                             else "layers is empty; expected a linear layer at least")  # fmt: skip
    return tuple(found)
