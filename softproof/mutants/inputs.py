"""How the suites of other projects draw their numbers: by name, from a fixed seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..problem.operations import OPERATIONS

if TYPE_CHECKING:
    from .suites import SuiteQuestion

TensorDraw = Callable[[torch.Generator, tuple[int, ...]], Tensor]  # in float64


def _normal(random: torch.Generator, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    return scale * torch.randn(shape, generator=random, dtype=torch.float64)


def _uniform(random: torch.Generator, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=random, dtype=torch.float64)


def _halves_masked(random: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """Normal, where what is below 0 becomes -inf."""
    x = _normal(random, shape)
    return torch.where(x < 0, -torch.inf, x)


def extreme(random: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """10 in the first class, -10 in the others."""
    x = torch.full(shape, -10.0, dtype=torch.float64)
    x[..., 0] = 10.0
    return x


def _steps(random: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """0, 1, 2, … in the first row, and 10 000 more in each that follows."""
    rows, classes = shape
    return torch.arange(classes, dtype=torch.float64) + 1e4 * torch.arange(rows, dtype=torch.float64)[:, None]


def _whole_and_a_part(random: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """A whole number from -300 to 299, and a part in [0, 1)."""
    whole = torch.randint(-300, 300, shape, generator=random)
    return whole + _uniform(random, shape)


def _standardised(random: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """The same, each column with mean 0 and standard deviation 1: of a single row nothing is left but zeros."""
    x = _whole_and_a_part(random, shape)
    return (x - x.mean(0)) / (x.std(0, correction=0) + torch.finfo(torch.float64).eps)


def _shares(random: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """Uniform in [0, 1), divided by the sum of the row."""
    x = _uniform(random, shape)
    return x / x.sum(-1, keepdim=True)


def _four(random: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.tensor([5.5, 1.3, -4.2, 0.9], dtype=torch.float64).expand(shape)


def _softmax_of_uniform(random: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    return _uniform(random, shape, -9.0, 9.0).softmax(min(len(shape) - 1, 1))


DRAWS: dict[str, TensorDraw] = {
    "normal": _normal,
    "0.1 normal": partial(_normal, scale=0.1),
    "0.02 normal": partial(_normal, scale=0.02),
    "magnitude of a normal": lambda random, shape: _normal(random, shape).abs(),
    "normal, -inf below 0": _halves_masked,
    "uniform": _uniform,
    "uniform and 0.1": partial(_uniform, low=0.1, high=1.1),
    "uniform to 2": partial(_uniform, low=-2.0, high=2.0),
    "uniform to 9": partial(_uniform, low=-9.0, high=9.0),
    "uniform from 0.5 to 2": partial(_uniform, low=0.5, high=2.0),
    "uniform from 1e3": partial(_uniform, low=1e3, high=2e3),
    "uniform from 1e6": partial(_uniform, low=1e6, high=2e6),
    "softmax of uniform": _softmax_of_uniform,
    "softmax of uniform from 0": lambda random, shape: _uniform(random, shape, 0.0, 9.0).softmax(-1),
    "10": lambda random, shape: torch.full(shape, 10.0, dtype=torch.float64),
    "-10": lambda random, shape: torch.full(shape, -10.0, dtype=torch.float64),
    "10 and -10": extreme,
    "-1, 0, 1": lambda random, shape: torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64).expand(shape),
    "steps": _steps,
    "whole to 300": _whole_and_a_part,
    "standardised": _standardised,
    "shares": _shares,
    "four numbers": _four,
    "five weights": lambda random, shape: torch.tensor([0.2, 0.3, 0.6, 0.1, 0.5], dtype=torch.float64),
}


# ---- classifiers: input and weight ----------------------------------------------------------------------------------

Pair = Callable[[torch.Generator, int, int, int], tuple[Tensor, Tensor]]  # rows, features, classes


def _correlated(random: torch.Generator, rows: int, features: int, classes: int) -> tuple[Tensor, Tensor]:
    """Input of length 1; the first rows of the weight are rows of the input."""
    x, w = _normal(random, (rows, features), features**-0.5), _normal(random, (classes, features))
    half = min(rows, classes) // 2
    w[:half] = x[:half]
    return x, w


PAIRS: dict[str, Pair] = {
    "normal and uniform": lambda random, n, d, c: (_normal(random, (n, d)), _uniform(random, (c, d))),
    "0.1 normal and of length 1": lambda random, n, d, c: (
        _normal(random, (n, d), 0.1),
        _normal(random, (c, d), d**-0.5),
    ),
    "correlated": _correlated,
    "both uniform to 2": lambda random, n, d, c: (
        _uniform(random, (n, d), -2.0, 2.0),
        _uniform(random, (c, d), -2.0, 2.0),
    ),
}


# ---- all tensors of a question --------------------------------------------------------------------------------------


def drawn(question: SuiteQuestion) -> dict[str, Tensor]:
    """The tensors of a question by name, in its dtype; fresh ones, since a mutant may write to them."""
    return {name: x.clone() for name, x in _drawn(question).items()}


@lru_cache(maxsize=8)
def _drawn(question: SuiteQuestion) -> dict[str, Tensor]:
    random, dtype = torch.Generator().manual_seed(0), getattr(torch, question.dtype)
    tensors = {name: x.to(dtype) for name, x in _factors(question, random).items()}
    if question.weight:
        tensors["weight"] = DRAWS[question.weight](random, (_classes(question),)).to(dtype)
    if question.bias:
        name = "bias" if question.operation == "linear" else "linear_bias"
        tensors[name] = DRAWS[question.bias](random, (_classes(question),)).to(dtype)
    if question.operation in ("cross_entropy", "linear_cross_entropy"):
        tensors["target"] = _target(question, random)
    return tensors


def _classes(question: SuiteQuestion) -> int:
    return question.shape[min(len(question.shape) - 1, 1) if question.operation == "cross_entropy" else -1]


def _factors(question: SuiteQuestion, random: torch.Generator) -> dict[str, Tensor]:
    if question.operation in ("linear", "linear_cross_entropy"):
        x, w = PAIRS[question.draw](random, *question.shape)
        return {"input": x, "weight" if question.operation == "linear" else "linear_weight": w}
    inputs = OPERATIONS[question.operation].inputs
    names = inputs if "p" in inputs else ("input",)
    return {name: DRAWS[question.draw](random, question.shape) for name in names}


def ignored_rows(share: float, rows: int) -> int:
    """How many rows are ignored: at least one, where any are."""
    return math.ceil(share * rows - 1e-9)


def _target(question: SuiteQuestion, random: torch.Generator) -> Tensor:
    """Labels, of which the share that is ignored comes first; or probabilities."""
    shape, classes = question.shape, _classes(question)
    if question.target not in ("labels", "labels but the last"):
        return DRAWS[question.target](random, shape).to(getattr(torch, question.dtype))
    rows = shape[:1] if question.operation == "linear_cross_entropy" else (*shape[:1], *shape[2:])
    labels = torch.randint(0, classes - (question.target != "labels"), rows, generator=random)
    labels.view(-1)[: ignored_rows(question.ignored, labels.numel())] = question.options.get("ignore_index", -100)
    return labels
