"""What is no network, and what one cannot be asked."""

from __future__ import annotations

from typing import Any

from softproof import Problem

from .inputs import Call, Table


def _stated(layers: Any, **more: Any) -> Call:
    return lambda f: f.network(layers, **more)


def _asked(**arguments: Any) -> Call:
    given = {"function": max, **arguments}  # which nobody gets to ask
    return lambda f: f.network([("linear", 1, 2)]).judge(**given)


NETWORKS: Table = {
    "layers that are a name": (_stated("relu"), TypeError, "layers is a str; expected a list such as"),
    "no layers": (_stated([]), ValueError, "layers is empty"),
    "an activation first": (
        _stated(["tanh", ("linear", 1, 2)]),
        ValueError,
        "layers begins with 'tanh'; expected a linear layer, which takes",
    ),
    "an activation last": (
        _stated([("linear", 1, 2), "relu"]),
        ValueError,
        "layers ends with 'relu'; expected a linear layer, which gives",
    ),
    "layers that do not fit": (
        _stated([("linear", 1, 2), ("linear", 3, 1)]),
        ValueError,
        "layers[1] takes 3 features; the layer before it gives 2",
    ),
    "a layer misspelt": (_stated([("linear", 1, 2), "tanhh", ("linear", 2, 1)]), ValueError, "did you mean 'tanh'"),
    "a layer without outputs": (
        _stated([("linear", 1)]),
        TypeError,
        "layers[0] is ('linear', 1); expected 'relu', 'tanh' or",
    ),
    "a layer of no features": (_stated([("linear", 0, 2)]), ValueError, "layers[0] size is 0"),
    "a layer of some features": (_stated([("linear", 1.5, 2)]), TypeError, "layers[0] size is 1.5"),
    "another loss": (
        _stated([("linear", 1, 2)], loss="mse"),
        ValueError,
        "loss is 'mse'; expected one of cross_entropy",
    ),
    "a network's function": (_asked(function=3), TypeError, "function is 3"),
    "a network's dtype": (
        _asked(dtypes=["float16"]),
        ValueError,
        "dtypes is 'float16'; expected one of float64, float32",
    ),
    "a network's problems": (_asked(problems=0), ValueError, "problems is 0"),
    "a network's seed": (_asked(seed=-1), ValueError, "seed is -1"),
    "a network without what it lacks": (
        _asked(without=["W9"]),
        ValueError,
        "without names W9; expected some of W1, b1, x",
    ),
    "a network's problem": (_asked(problems=[3]), TypeError, "problems has 3"),
    "a network's problem of other shapes": (
        _asked(problems=[Problem("network", "float32", {"x": [[1.0]]})]),
        ValueError,
        "a problem has inputs of the shapes",
    ),
}
