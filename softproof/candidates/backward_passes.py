"""A backward pass that is called otherwise than its forward pass: with what that keeps, or with its value.

Courses and kernels have ``affine_forward(x, w, b)``, giving ``(out, cache)``, and ``affine_backward(dout, cache)``;
``softmax_backward(dout, out)`` of the value; a gradient of a loss that takes no upstream gradient; and functions that
give, beside their value, a function of the upstream gradient. Each becomes here one of the upstream gradient and of
what the forward pass takes, which calls the forward pass again.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .guesses import INPUTS
from .results import results_of
from .signature import signature_of

Function = Callable[..., Any]
SUFFIXES = ("backward", "bwd")
NO_UPSTREAM, NOT_KEPT = "takes no upstream gradient", "keeps no gradient of"  # in errors of what has no such gradient
_FORWARD = ("_forward", "_fwd")
_UPSTREAM = re.compile(
    r"(?i)_?(d_?(out|output|y|z|l|loss|a|h|s|p|value|values|scores|logits)|g|gy|go|ct|cot|delta|seed)_?"
)
_UPSTREAM_WORDS = re.compile(r"(?i)grad|upstream|cotangent|dout")
_KEPT = re.compile(
    r"(?i)_?(y|y_?hat|out|outputs?|results?|values?|s|a|p|probs?|probabilities|softmax(_out)?|sm|lse|"
    r"caches?|ctx|context|saved\w*|state|res|residuals?|memo|tape|aux|intermediates?|stats?)_?"
)


def names_of(name: str, suffix: str) -> Iterator[str]:
    """What the backward pass, or another derivative, of a function of this name may be called.

    >>> list(names_of("affine_forward", "backward"))
    ['affine_forward_backward', 'affine_backward', 'affine_bwd']
    """
    yield f"{name}_{suffix}"
    stem = next((name.removesuffix(each) for each in _FORWARD if name.endswith(each)), name)
    for other in SUFFIXES if suffix in SUFFIXES else ():
        if f"{stem}_{other}" != f"{name}_{suffix}":
            yield f"{stem}_{other}"


def after_forward(forward: Function, backward: Function) -> Function:
    """A backward pass, given the upstream gradient and then what its forward pass takes, whatever it takes itself.

    >>> def square_forward(x): return x * x, 2 * x
    >>> def square_backward(dout, cache): return dout * cache
    >>> after_forward(square_forward, square_backward)(0.5, 3.0)
    3.0
    """
    try:
        takes, needs = signature_of(forward), _needed(signature_of(backward))
    except (ValueError, TypeError):
        return backward
    upstream = _upstream(needs, [*takes.parameters])
    if _is_usual(needs, _needed(takes), upstream, takes):
        return backward
    labels = next(iter(_labels_among(takes.parameters)), "")

    def called(grad_output: Any, *inputs: Any, **options: Any) -> Any:
        answer = forward(*inputs, **options)
        given = _by_name(takes, inputs, options)
        given |= {name: given[labels] for name in _labels_among(needs) if labels in given and name not in given}
        kept = [name for name in needs if name != upstream and name not in given]
        known = {**given, **dict(zip(kept, _kept(answer, len(kept)), strict=True)), upstream: grad_output}
        more = {name: known[name] for name in _optional(signature_of(backward)) if name in known}
        gradients = backward(*(known[name] for name in needs), **more)
        return in_order(gradients if upstream else times(grad_output, gradients), [*takes.parameters])

    return _with_upstream(called, takes, backward)


def of_results(forward: Function) -> Function:
    """The backward pass of a function that gives it beside its value.

    >>> def square(x): return x * x, lambda g: 2 * x * g
    >>> of_results(square)(0.5, 3.0)
    3.0
    """
    takes = signature_of(forward)

    def called(grad_output: Any, *inputs: Any, **options: Any) -> Any:
        function = function_in(forward(*inputs, **options))
        if function is None:
            raise TypeError("it gave no function of the upstream gradient beside its value")
        gradients = function(grad_output) if _takes_one(function) else times(grad_output, function())
        return in_order(gradients, [*takes.parameters])

    return _with_upstream(called, takes, forward)


def function_in(answer: Any) -> Function | None:
    """The function among several results, if there is one, and no more."""
    found = [each for each in results_of(answer, by_number=True).values() if _is_function(each)]
    return found[0] if len(found) == 1 else None


def in_order(gradients: Any, names: Sequence[str]) -> Any:
    """Gradients as a tuple in the order of the inputs; those by name, such as dW, are put in it.

    >>> in_order({"db": 3.0, "dW": 2.0, "dx": 1.0}, ["x", "W", "b"]), in_order([1.0, 2.0], []), in_order(1.0, [])
    ((1.0, 2.0, 3.0), (1.0, 2.0), 1.0)
    """
    if isinstance(gradients, Mapping):
        found = (named(gradients, name) for name in names)
        return tuple(each for each in found if each is not None)
    return tuple(gradients) if isinstance(gradients, list) else gradients


def named(gradients: Mapping[str, Any], name: str) -> Any:
    """The gradient of an input among others by name, such as dW, grad_W or W_grad; None if there is none."""
    plain, plains = _plain(name), {_plain(str(key)): each for key, each in gradients.items()}
    possible = (f"d{plain}", f"grad{plain}", f"{plain}grad", f"grad{plain}s", plain)
    return next((plains[each] for each in possible if each in plains), None)


def times(upstream: Any, gradients: Any) -> Any:
    """Gradients for an upstream gradient of 1, times another number, which such a function leaves to its user."""
    if np.ndim(upstream):
        raise TypeError(f"backward {NO_UPSTREAM}; one of shape {np.shape(upstream)} was to be given")
    if isinstance(gradients, Mapping):
        return {name: upstream * each for name, each in gradients.items()}
    if isinstance(gradients, tuple | list):
        return tuple(upstream * each for each in gradients)
    return upstream * gradients


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _upstream(needs: Sequence[str], taken: Sequence[str]) -> str:
    """Which of the parameters of a backward pass is the upstream gradient: by its name, or the first; empty if none."""
    own = [name for name in needs if name not in taken]
    by_name = (name for name in own if _UPSTREAM.fullmatch(name) or _UPSTREAM_WORDS.search(name))
    return next(by_name, own[0] if own and not _KEPT.fullmatch(own[0]) else "")


def _labels_among(names: Iterable[str]) -> list[str]:
    """Those of the names that are names of labels."""
    return [name for name in names if _plain(name) in INPUTS["target"]]


def _is_usual(needs: Sequence[str], inputs: Sequence[str], upstream: str, takes: inspect.Signature) -> bool:
    """Whether it takes the upstream gradient and then the inputs, by whatever names."""
    if not upstream or needs[0] != upstream:
        return not needs
    rest = [name for name in needs[1:] if name not in takes.parameters]
    if not rest:
        return needs[1:] == [name for name in takes.parameters if name in needs[1:]]
    return len(needs) == 1 + len(inputs) and not any(map(_KEPT.fullmatch, rest))


def _kept(answer: Any, count: int) -> list[Any]:
    """So many things that a forward pass has kept: those beside the value, all, these together, or the value."""
    results = list(results_of(answer, by_number=True).values())
    others = results[1:]
    for found in (others, results, [tuple(others)] if len(others) > 1 else [answer]):
        if len(found) == count:
            return found
    raise TypeError(
        f"the forward pass gave {max(1, len(results))} results, and its backward pass takes {count} of them"
    )


def _needed(signature: inspect.Signature) -> list[str]:
    """The parameters without a default that are given by position."""
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        each.name for each in signature.parameters.values() if each.kind in by_position and each.default is each.empty
    ]


def _optional(signature: inspect.Signature) -> list[str]:
    """The parameters that may be given by name, and have a default."""
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        each.name for each in signature.parameters.values() if each.kind in by_name and each.default is not each.empty
    ]


def _by_name(takes: inspect.Signature, inputs: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """What a forward pass is given, by its own names."""
    given = dict(takes.bind(*inputs, **options).arguments)
    for name, parameter in takes.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= given.pop(name, {})
    return given


def _with_upstream(called: Function, takes: inspect.Signature, of: Function) -> Function:
    """The function under the name of another one, with the upstream gradient before what the forward pass takes."""
    first = inspect.Parameter("grad_output", inspect.Parameter.POSITIONAL_ONLY)
    called.__signature__ = takes.replace(parameters=[first, *takes.parameters.values()])  # type: ignore[attr-defined]
    called.__name__, called.__wrapped__ = getattr(of, "__name__", "backward"), of  # type: ignore[attr-defined]
    return called


def _is_function(found: Any) -> bool:
    return inspect.isroutine(found) or isinstance(found, functools.partial)


def _takes_one(function: Function) -> bool:
    """Whether it takes anything by position."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return True
    return any(each.kind is not each.KEYWORD_ONLY and each.kind is not each.VAR_KEYWORD for each in parameters)
