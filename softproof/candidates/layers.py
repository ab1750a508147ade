"""A class with the methods `forward` and `backward`, as courses have their layers, as two functions.

Such a layer keeps what its forward pass has computed until its backward pass. Here each backward pass has a forward
pass of its own before it, with nothing between the two. A layer that holds a weight is given one (`layer_weights.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple

from .backward_passes import times
from .built import Maker, of_class
from .layer_weights import Held, Weights, weights_of

OF_TORCH = "torch."
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Layer(NamedTuple):
    """The value of its inputs and options; and its gradients, given the upstream gradient first."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]


def layer_of(found: Any) -> Layer | None:
    """The functions of a layer, or of a class of one, which is made with its options; None of anything else.

    Its backward pass takes an upstream gradient, or nothing. A layer with `__call__` is called for its value. One
    thread at a time asks it.

    Raises: ValueError where the backward pass of a class takes more.

    >>> class Double:
    ...     def forward(self, x): return 2 * x
    ...     def backward(self, dout): return 2 * dout
    >>> layer_of(Double).backward(0.5, 3.0)
    1.0
    """
    kind: Any = found if isinstance(found, type) else type(found)
    own = all(inspect.isfunction(inspect.getattr_static(kind, name, None)) for name in ("forward", "backward"))
    if not own or any(each.__module__.startswith(OF_TORCH) for each in kind.__mro__):
        return None
    upstream = [*inspect.signature(kind.backward).parameters.values()][1:]
    if len(upstream) > 1 or any(each.kind not in _BY_POSITION for each in upstream):
        if isinstance(found, type):
            raise ValueError(
                f"target is the class {kind.__name__}, whose backward takes {', '.join(map(str, upstream))}; expected "
                "the upstream gradient, or nothing: judge a function that calls it"
            )
        return None
    method = "__call__" if inspect.isfunction(getattr(kind, "__call__", None)) else "forward"  # noqa: B004
    recipe = of_class(kind, method)
    maker = Maker(kind if isinstance(found, type) else lambda: found, recipe.signature.parameters)
    weights = weights_of(kind, maker) if isinstance(found, type) else None
    made, alone = maker.made if weights is None else weights.made, Lock()
    held = made if weights is None else Held(weights).made
    named = _signature(maker.signature(recipe.signature), weights)
    inputs_first = len([each for each in recipe.signature.parameters.values() if each.kind in _BY_POSITION])

    def with_names(inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        """The inputs of a call; weights that are given by place go to the options."""
        if weights is not None:
            options |= dict(zip(weights.given, inputs[inputs_first:], strict=False))
        return inputs if weights is None else inputs[:inputs_first]

    def forward(*inputs: Any, **options: Any) -> Any:
        inputs = with_names(inputs, options)
        with alone:
            layer = held(options)
            return recipe.called(layer)(*inputs, **options)

    def backward(grad_output: Any, *inputs: Any, **options: Any) -> Any:
        inputs = with_names(inputs, options)
        layer = made(options)
        with alone:
            recipe.called(layer)(*inputs, **options)
            gradients = layer.backward(grad_output) if upstream else times(grad_output, layer.backward())
            return gradients if weights is None else weights.gradients(layer, gradients)

    first = inspect.Parameter("grad_output", inspect.Parameter.POSITIONAL_ONLY)
    forward.__signature__ = named  # type: ignore[attr-defined]  # which inspect reads
    backward.__signature__ = inspect.Signature([first, *named.parameters.values()])  # type: ignore[attr-defined]
    forward.__wrapped__ = kind.forward  # type: ignore[attr-defined]  # whose module is the user's
    forward.__name__, forward.__qualname__, forward.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Layer(forward, backward)


def _signature(named: inspect.Signature, weights: Weights | None) -> inspect.Signature:
    """That of a layer: what a call takes, then its weights by place, then what else it is made of."""
    if weights is None:
        return named
    own = [each for name, each in named.parameters.items() if name not in {*weights.given, *weights.sizes}]
    first = [each for each in own if each.kind in _BY_POSITION]
    given = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in weights.given]
    return named.replace(parameters=[*first, *given, *(each for each in own if each not in first)])
