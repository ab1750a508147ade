"""A layer that holds its weight and its bias, as a function that is given them: those of its constructor, or those that
it makes itself, and replaces.

Its gradients are what its backward pass gives, and then those that it keeps: ``dW``, ``grad_weight`` or ``grads[0]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backward_passes import NOT_KEPT, named
from .built import Maker
from .guesses import is_bias, is_weight_of_layer, size_named

GIVEN = ("weight", "bias")
FEATURES, CLASSES = 2, 3  # of a layer that is made to see what it holds
_HELD, _GRADIENTS = ("params", "parameters", "weights"), ("grads", "gradients", "grad")  # mappings and lists


@dataclass(frozen=True)
class Weights:
    """The names of a layer's weight and bias, in the order in which they are given, and how it is made with them."""

    names: tuple[str, ...]
    given: tuple[str, ...]  # what these are called as parameters
    made: Callable[[dict[str, Any]], Any]  # of what is given by name, out of which it takes what it needs
    sizes: tuple[str, ...] = ()  # parameters of its constructor that nobody has to give

    def gradients(self, layer: Any, of_inputs: Any) -> tuple[Any, ...]:
        """Those of its inputs, and then of its weights; ValueError where it keeps none."""
        inputs = tuple(of_inputs) if isinstance(of_inputs, tuple | list) else (of_inputs,)
        return (*inputs, *(_kept(layer, name, place) for place, name in enumerate(self.names)))


class Held:
    """The layer of the last question: asked with the same weight, which has other numbers now, it is called again.

    So that what a layer keeps of a weight shows, once an optimiser has changed that in place. For any other question a
    layer is made anew, and so is one that holds something else than the weight, such as a scaled one.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._holds: bool | None = None  # what it is given
        self._last: tuple[dict[str, Any], Any, Any] | None = None  # what it was made of, the numbers, and the layer

    def made(self, given: dict[str, Any]) -> Any:
        """The same layer, or another, made of what it takes out of what is given by name."""
        before = dict(given)
        if self._last is not None:
            own, numbers, layer = self._last
            if self._has_changed(own, numbers, before) and _takes_over(layer, self.weights, own, before):
                self._keep(own.keys(), before, layer)
                for name in own:
                    del given[name]
                return layer
        layer = self.weights.made(given)
        if self._holds is None:
            self._holds = _holds_what_is_given(self.weights)
        if self._holds:
            self._keep(before.keys() - given.keys(), before, layer)
        return layer

    def _keep(self, taken: Set[str], given: Mapping[str, Any], layer: Any) -> None:
        own = {name: given[name] for name in taken}
        self._last = own, np.array(own.get(self.weights.given[0])), layer

    def _has_changed(self, own: Mapping[str, Any], numbers: Any, given: Mapping[str, Any]) -> bool:
        """Whether it would be made of the same weight and of the same of all else but a bias, with other numbers."""
        same = own.keys() - {*self.weights.given[1:]}
        if not own.keys() <= given.keys() or not all(own[name] is given[name] for name in same):
            return False
        weight: Any = given.get(self.weights.given[0])
        return not np.array_equal(numbers, weight)


def _holds_what_is_given(weights: Weights) -> bool:
    """Whether a layer holds the numbers that it is made with, as they are: found out with some that all differ."""
    numbers = np.arange(1.0, 1 + FEATURES * CLASSES)
    for shape in ((FEATURES, CLASSES), (CLASSES, FEATURES)):
        weight, bias = numbers.reshape(shape), numbers[:CLASSES]
        given = {each: weight if is_weight_of_layer(each) else bias for each in weights.given}
        try:
            held = _held(weights.made(dict(given)))
        except Exception:  # whatever it needs
            continue
        names = zip(weights.names, weights.given, strict=True)
        if all(name in held and _alike(held[name], given[theirs]) for name, theirs in names):
            return True
    return False


def _alike(held: Any, given: Any) -> bool:
    """Whether an array has the numbers of another, in its shape, but for axes of one."""
    return held.size == given.size and np.array_equal(np.squeeze(held), np.squeeze(given))


def _takes_over(layer: Any, weights: Weights, own: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether it holds the arrays that are given now, or copies that have been given their numbers, in place.

    An array of an earlier question is never written: it is replaced, as is done by a training step that assigns.
    """
    held, pairs = _held(layer), list[tuple[str, Any, Any, Any]]()
    for name, theirs in zip(weights.names, weights.given, strict=True):
        x, before, y = held.get(name), own.get(theirs), given.get(theirs)
        if x is None or before is None or y is None or (x.size, x.dtype) != (y.size, y.dtype):
            return False
        if not np.shares_memory(x, before) and not x.flags.writeable:
            return False
        pairs.append((name, x, before, y))
    for name, x, before, y in pairs:
        if not np.shares_memory(x, before):
            x[...] = y.reshape(x.shape)
        elif y is not before:
            _replace(layer, name, y)
    return True


def weights_of(kind: Any, maker: Maker) -> Weights | None:
    """Those of a class of layers; None where it has none."""
    required = [each.name for each in maker.parameters if each.default is each.empty]
    taken = tuple(name for name in required if is_weight_of_layer(name) or is_bias(name))
    if any(map(is_weight_of_layer, taken)):
        return Weights(taken, taken, maker.made)
    if len(required) != 2 or not isinstance(kind, type):
        return None
    first, second = required
    places = (first, second) if size_named(second) != "@features" else (second, first)
    try:
        held = _held(kind(**dict(zip(places, (FEATURES, CLASSES), strict=True))))
    except Exception:  # whatever it needs
        return None
    weight = _first([name for name, x in held.items() if sorted(x.shape) == [FEATURES, CLASSES]], is_weight_of_layer)
    if weight is None:
        return None
    bias = _first([name for name, x in held.items() if x.size == CLASSES and x.ndim in (1, 2)], is_bias)
    by_features = held[weight].shape == (FEATURES, CLASSES)

    def made(given: dict[str, Any]) -> Any:
        shape = getattr(given.get("weight"), "shape", ())
        if len(shape) != held[weight].ndim:
            raise TypeError(f"{kind.__name__} holds a weight of {held[weight].ndim} axes, and was given shape {shape}")
        sizes = shape if by_features else shape[::-1]
        own = {each.name: given.pop(each.name) for each in maker.parameters if each.name in given}
        layer = kind(**own, **dict(zip(places, map(int, sizes), strict=True)))
        for name, ours in zip(names, GIVEN, strict=False):
            _replace(layer, name, given.pop(ours))
        return layer

    names = (weight,) if bias is None else (weight, bias)
    return Weights(names, GIVEN[: len(names)], made, places)


def _first(names: list[str], is_named: Callable[[str], bool]) -> str | None:
    """The first that is named as it should be, or else the first."""
    return next(filter(is_named, names), next(iter(names), None))


def _own(layer: Any) -> Mapping[str, Any]:
    """The attributes of a layer."""
    slots = getattr(type(layer), "__slots__", ())
    return vars(layer) if hasattr(layer, "__dict__") else {name: getattr(layer, name, None) for name in slots}


def _held(layer: Any) -> dict[str, Any]:
    """The arrays that it holds, by name, in attributes or in a mapping of parameters."""
    own = _own(layer)
    inner = (own[name] for name in _HELD if isinstance(own.get(name), Mapping))
    found = {name: each for values in (own, *inner) for name, each in values.items()}
    return {name: each for name, each in found.items() if isinstance(each, np.ndarray) and name.isidentifier()}


def _replace(layer: Any, name: str, values: Any) -> None:
    """Other numbers in place of those that it holds, in their shape."""
    own, before = _own(layer), _held(layer)[name]
    after = values.reshape(before.shape) if values.size == before.size and values.ndim < before.ndim else values
    for key in [key for key, held in own.items() if held is before]:  # wherever it is held
        setattr(layer, key, after)
    for inner in (own[each] for each in _HELD if isinstance(own.get(each), MutableMapping)):
        inner.update({key: after for key, held in inner.items() if held is before})


def _kept(layer: Any, name: str, place: int) -> Any:
    """The gradient of a weight that a layer keeps; with one axis that of a bias (1, C), as that was given.

    ValueError where it keeps none, or several that differ.
    """
    own = _own(layer)
    among = [own[each] for each in _GRADIENTS if each in own]
    by_name = (named(each, name) for each in (own, *among) if isinstance(each, Mapping) and name not in _GRADIENTS)
    by_place = (each[place] for each in among if isinstance(each, list | tuple) and len(each) > place)
    found = [each for each in (*_other_than(own, name, by_name), *by_place) if each is not None]
    if not found:
        raise ValueError(f"{type(layer).__name__} {NOT_KEPT} {name}; expected an attribute such as d{name}")
    if not all(np.array_equal(each, found[0], equal_nan=True) for each in found):
        raise ValueError(f"{type(layer).__name__} has two gradients of {name} that differ; expected one")
    held, gradient = _held(layer).get(name), found[0]
    turned = held is not None and is_bias(name) and held.ndim > 1 and np.shape(gradient) == held.shape
    return gradient.reshape(-1) if turned else gradient


def _other_than(own: Mapping[str, Any], name: str, found: Any) -> Any:
    """Those of them that are not the weight itself."""
    return (each for each in found if each is not own.get(name))
