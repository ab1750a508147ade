"""Wrong steps: right implementations in torch, of which one sum forgets something or one result is rounded too much.

Each call of torch that the forward or the backward pass makes is a step, named by pass, function and number, such as
"forward sum 0"; which dimension a sum is over is found out by asking a problem whose sizes all differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from softproof import OPERATIONS, Problem
from softproof.candidates.adapters.torch_arrays import make
from softproof.mutants.correct import CORRECT
from softproof.mutants.steps.cross_entropy import LinearCrossEntropy
from softproof.problem.formats import FORMATS
from softproof.problem.operations import DEFAULTS
from softproof.problem.outputs import gradient_names
from softproof.problem.problem import Array

Answer = dict[str, Array]
Change = Callable[["Step", Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


class Step(NamedTuple):
    """One call of torch, and the size of what it sums over (0 for no sum)."""

    name: str
    over: int = 0


class Whole(LinearCrossEntropy):
    """All rows in one chunk, so that each step is taken once."""

    chunk = 1 << 30


STEPPED = {each.operation: each for each in (*CORRECT, Whole())}
ROUNDED = ("exp", "log", "amax", "sum", "total", "matmul", "div", "mul", "sub", "add", "neg")
SUMS = ("sum", "total", "matmul", "amax")


class _Calls(TorchFunctionMode):
    """Asks `change` what comes of each call that is a step."""

    def __init__(self, phase: str, change: Change) -> None:
        super().__init__()
        self.phase, self.change = phase, change
        self.counts: Counter[str] = Counter()

    def __torch_function__(
        self, func: Callable[..., Any], _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "").strip("_")
        name = {"sum": "total"}.get(name, name) if len(args) == 1 else name
        if name not in ROUNDED or not (isinstance(args[0], Tensor) and args[0].is_floating_point()):
            return func(*args, **(kwargs or {}))
        step = Step(f"{self.phase} {name} {self.counts[name]}", _over(name, args))
        self.counts[name] += 1
        return self.change(step, func, args, kwargs or {})


def _over(name: str, args: tuple[Any, ...]) -> int:
    """How many numbers are summed up for one."""
    if name == "matmul":
        return int(args[0].shape[-1])
    if name not in SUMS:
        return 0
    return int(args[0].numel() if len(args) < 2 else args[0].shape[args[1]])


def answer(problem: Problem, change: Change | None = None) -> Answer:
    """Value and gradients, in float32 or float64, with one step changed or none."""
    operation, about = STEPPED[problem.operation], OPERATIONS[problem.operation]
    arrays = {name: make(x, problem.dtype, "contiguous", "cpu") for name, x in problem.inputs.items()}
    names = (*about.inputs, *about.optional)
    tensors = tuple(arrays.get(name) for name in names)
    options: dict[str, Any] = {name: DEFAULTS[name] for name in about.options if name != "keepdim"} | {
        name: value for name, value in problem.options.items() if name != "keepdim"
    }
    with torch.no_grad():
        value = _in("forward", change, lambda: operation.forward(*tensors, **options))
        found = {"value": value}
        if problem.grad_output is not None:
            g = make(problem.grad_output, problem.dtype, "contiguous", "cpu")
            if problem.options.get("keepdim"):
                g = g.squeeze(options["dim"])
            grads = _in("backward", change, lambda: operation.backward(g, *tensors, **options))
            by_name = dict(zip(names, grads, strict=True))
            found |= {f"grad_{name}": by_name[name] for name in gradient_names(problem)}
        if problem.options.get("keepdim"):
            found["value"] = found["value"].unsqueeze(options["dim"])
    return {name: _stored(tensor, problem.dtype) for name, tensor in found.items()}


def _in(phase: str, change: Change | None, call: Callable[[], Any]) -> Any:
    if change is None:
        return call()
    with _Calls(phase, change):
        return call()


def _stored(tensor: Tensor, dtype: str) -> Array:
    """Rounded once to the dtype."""
    tensor = tensor.to(getattr(torch, dtype))
    return tensor.to(torch.float64 if dtype == "float64" else torch.float32).numpy().copy()


# ---- which steps there are ------------------------------------------------------------------------------------------

_SIZES = {"rows": 7, "classes": 5, "features": 3}


@cache
def steps_of(operation: str) -> tuple[tuple[str, str], ...]:
    """(step, dimension that it sums over or ""), of a problem whose sizes all differ."""
    n, c, d = _SIZES.values()
    rng, about = np.random.default_rng(0), OPERATIONS[operation]
    arrays: dict[str, Array] = {
        "logits": rng.normal(size=(n, c)), "p": rng.random((n, c)), "q": rng.random((n, c)),
        "input": rng.normal(size=(n, d)), "linear_weight": rng.normal(size=(c, d)), "target": rng.integers(0, c, n),
        "bias": rng.normal(size=c), "linear_bias": rng.normal(size=c),
        "p_logits": rng.normal(size=(n, c)), "q_logits": rng.normal(size=(n, c)),
        "weight": rng.normal(size=(c, d)) if operation == "linear" else rng.random(c),
    }  # fmt: skip
    inputs = {name: FORMATS["float64"].round(arrays[name]) if name != "target" else arrays[name]
              for name in (*about.inputs, *about.optional)}  # fmt: skip
    options = {"label_smoothing": 0.5} if "target" in inputs else {"dim": -1} if "dim" in about.options else {}
    upstream = {"linear": (n, c), "softmax": (n, c), "log_softmax": (n, c)}.get(operation, (n,))
    g = rng.normal(size=() if "target" in inputs else upstream)
    found: dict[str, str] = {}

    def note(step: Step, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found[step.name] = next((name for name, size in _SIZES.items() if size == step.over), "")
        return func(*args, **kwargs)

    answer(Problem(operation, "float64", inputs, options, g), note)
    return tuple(found.items())


# ---- wrong steps ----------------------------------------------------------------------------------------------------


def rounded(x: Tensor, to: str) -> Tensor:
    """The nearest numbers of another format, in the dtype that they came in."""
    if to == "tf32":
        bits = x.float().view(torch.int32)
        kept = (bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF
        return torch.where(x.isfinite(), kept.view(torch.float32), x.float()).to(x.dtype)
    return x.to(getattr(torch, to)).to(x.dtype)


def rounding(name: str, to: str) -> Change:
    """The result of one step is rounded to a format."""

    def change(step: Step, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found = func(*args, **kwargs)
        return rounded(found, to) if step.name == name else found

    return change


def accumulating(name: str, to: str, tile: int) -> Change:
    """One sum is taken tile by tile, and the sum of the tiles is rounded to a format each time."""

    def change(step: Step, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if step.name != name or step.over <= tile:
            return func(*args, **kwargs)
        total = torch.zeros(())
        for start in range(0, step.over, tile):
            total = rounded(total + func(*_part(args, start, min(tile, step.over - start)), **kwargs), to)
        return total

    return change


def spoiling(name: str, where: Array, effect: str) -> Change:
    """One sum forgets what lies in a region, or counts it twice."""

    def change(step: Step, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found = func(*args, **kwargs)
        if step.name != name or step.over != len(where):
            return found
        if effect == "forgotten" or " amax " in name:
            return func(*_with(step, args, torch.from_numpy(~where)), **kwargs)
        return found + func(*_with(step, args, torch.from_numpy(where)), **kwargs)

    return change


def _axis(args: tuple[Any, ...]) -> int | None:
    """The axis that is summed over; None where all are. Of a product the second argument is a matrix."""
    if len(args) < 2:
        return None
    ndim: int = args[0].ndim
    return ndim - 1 if isinstance(args[1], Tensor) else int(args[1]) % ndim


def _with(step: Step, args: tuple[Any, ...], part: Tensor) -> tuple[Any, ...]:
    """The arguments of a sum with 0 wherever it is not to look; of a maximum with the least number."""
    x, axis = args[0], _axis(args)
    shape = x.shape if axis is None else [-1 if each == axis else 1 for each in range(x.ndim)]
    return torch.where(part.reshape(shape), x, -torch.inf if " amax " in step.name else 0.0), *args[1:]


def _part(args: tuple[Any, ...], start: int, count: int) -> tuple[Any, ...]:
    """The arguments of a sum over some of the numbers alone."""
    x, axis = args[0], _axis(args)
    if axis is None:
        return (x.reshape(-1)[start : start + count],)
    if isinstance(args[1], Tensor):
        return x.narrow(axis, start, count), args[1].narrow(0, start, count)
    return x.narrow(axis, start, count), *args[1:]
