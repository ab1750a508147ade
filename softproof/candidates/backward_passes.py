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
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .guesses import INPUTS
from .results import results_of
from .signature import signature_of

Function = Callable[..., Any]
NO_UPSTREAM, NOT_KEPT = "takes no upstream gradient", "keeps no gradient of"  # in errors of what has no such gradient
_FORWARD = "_forward"
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_UPSTREAM = re.compile(
    r"(?i)_?(d_?(out|output|y|z|l|loss|a|h|s|p|value|values|scores|logits)|g|gy|go|ct|cot|delta|seed)_?"
)
_UPSTREAM_WORDS = re.compile(r"(?i)grad|upstream|cotangent|dout")
_KEPT = re.compile(
    r"(?i)_?(y|y_?hat|out|outputs?|results?|values?|s|a|p|probs?|probabilities|softmax(_out)?|sm|lse|"
    r"caches?|ctx|context|saved\w*|state|res|residuals?|memo|tape|aux|intermediates?|stats?)_?"
)


def of_forward_pass(name: str) -> str:
    """What a function is called whose forward pass has this name; empty for any other name.

    >>> of_forward_pass("affine_forward"), of_forward_pass("affine")
    ('affine', '')
    """
    return name.removesuffix(_FORWARD) if name.endswith(_FORWARD) else ""


def readings(forward: Function, backward: Function) -> list[Function]:
    """A backward pass of the upstream gradient and of what its forward pass takes, in each way that it may be meant.

    As it is, if it may take just that; and given what the forward pass keeps, if it may take something else.

    >>> def square_forward(x): return x * x, 2 * x
    >>> def square_backward(dout, cache): return dout * cache
    >>> [each(0.5, 3.0) for each in readings(square_forward, square_backward)]
    [1.5, 3.0]
    """
    try:
        takes, needs = signature_of(forward), _needed(signature_of(backward))
    except (ValueError, TypeError):
        return [backward]
    upstream = _upstream(signature_of(backward), [*takes.parameters])
    labels = next(iter(_labels_among(takes.parameters)), "")
    strange = [name for name in needs if name not in takes.parameters and name != upstream]
    strange = [name for name in strange if not (labels and _is_label(name))]
    usual = [backward] if _may_be_usual(needs, upstream, takes) else []
    if usual and not any(map(_KEPT.fullmatch, strange)):
        return usual
    return [*usual, _given_what_is_kept(forward, backward, upstream, labels)]


def _given_what_is_kept(forward: Function, backward: Function, upstream: str, labels: str) -> Function:
    """A backward pass that is given by name what its forward pass takes, and in order what that keeps."""
    takes, own = signature_of(forward), signature_of(backward)
    needs = _needed(own)

    def called(grad_output: Any, *inputs: Any, **options: Any) -> Any:
        answer = forward(*inputs, **options)
        given = _by_name(takes, inputs, options)
        given |= {name: given[labels] for name in _labels_among(needs) if labels in given and name not in given}
        kept = [name for name in needs if name != upstream and name not in given]
        known = {**given, **dict(zip(kept, _kept(answer, len(kept)), strict=True)), upstream: grad_output}
        more = {name: known[name] for name in _by_keyword(own) if name in known}
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
        return {name: times(upstream, each) for name, each in gradients.items()}
    if isinstance(gradients, tuple | list):
        return tuple(times(upstream, each) for each in gradients)
    if gradients is None:
        return None
    return upstream * gradients


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _upstream(backward: inspect.Signature, taken: Sequence[str]) -> str:
    """Which parameter of a backward pass is the upstream gradient: by its name, or the first; empty if none is."""
    needs = _needed(backward)
    own = [name for name in (*needs, *_by_keyword(backward)) if name not in taken]
    by_name = (name for name in own if _UPSTREAM.fullmatch(name) or _UPSTREAM_WORDS.search(name))
    return next(by_name, own[0] if own and own[0] in needs and not _KEPT.fullmatch(own[0]) else "")


def _labels_among(names: Iterable[str]) -> list[str]:
    """Those of the names that are names of labels."""
    return [name for name in names if _is_label(name)]


def _is_label(name: str) -> bool:
    return _plain(name) in INPUTS["target"]


def _may_be_usual(needs: Sequence[str], upstream: str, takes: inspect.Signature) -> bool:
    """Whether it may take the upstream gradient and then as many inputs as its forward pass, by whatever names."""
    if not upstream or needs[:1] != [upstream]:
        return not needs
    if all(name in takes.parameters for name in needs[1:]):
        return [*needs[1:]] == [name for name in takes.parameters if name in needs[1:]]
    most = sum(each.kind in _BY_POSITION for each in takes.parameters.values())
    return len(_needed(takes)) <= len(needs) - 1 <= most


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
    by_position = (each for each in signature.parameters.values() if each.kind in _BY_POSITION)
    return [each.name for each in by_position if each.default is each.empty]


def _by_keyword(signature: inspect.Signature) -> list[str]:
    """The parameters that are given by name: those with a default, and those that can be given so alone."""
    return [each.name for each in signature.parameters.values() if each.kind is each.KEYWORD_ONLY
            or (each.kind is each.POSITIONAL_OR_KEYWORD and each.default is not each.empty)]  # fmt: skip


def _by_name(takes: inspect.Signature, inputs: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """What a forward pass is given, by its own names, with its defaults."""
    bound = takes.bind(*inputs, **options)
    bound.apply_defaults()
    given = dict(bound.arguments)
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
