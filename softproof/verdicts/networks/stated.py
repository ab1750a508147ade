"""A network that is stated layer by layer, and the verdict on a forward and backward pass of somebody's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...generation.seeded import fresh_seed
from ...problem.formats import FORMATS
from ...problem.problem import Array, Problem
from ...problem.validation import check_name, check_names, check_whole, shown
from ..elements import Elements
from ..verdict import AGREES, DISAGREES, Verdict, citation
from .answers import KINK, Pass, advice, ask, compare, title
from .drawn import OFFSET, check_problem, problem_of
from .layers import Layers, layers_of, linear_layers

PROBLEMS = 24  # four numbers of rows in each style
LOSSES = ("cross_entropy",)


@dataclass(frozen=True)
class Network:
    """Layers and a loss, as `softproof.network` makes them."""

    layers: Layers
    loss: str

    def __repr__(self) -> str:
        """Python that states the same network again."""
        stated = [each if isinstance(each, str) else ("linear", each.features, each.outputs) for each in self.layers]
        return f"softproof.network({stated!r}, loss={self.loss!r})"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Those of the parameters, by name."""
        return {name: shape for layer in linear_layers(self.layers) for name, shape in layer.shapes.items()}

    def judge(
        self,
        function: Pass,
        *,
        dtypes: Sequence[str] = ("float64", "float32"),
        problems: int | Sequence[Problem] = PROBLEMS,
        seed: int | None = None,
        without: Sequence[str] = (),
    ) -> Verdict:
        """Ask a forward and backward pass drawn problems, those with few rows and few digits first.

        Args:
            function: it takes x (N, D), labels (N,) and the parameters by name, W1, b1, W2, … (`shapes`), and returns
                the loss and its gradients by name: those of the parameters, and that of "x". It runs in this process.
            dtypes: the formats that are asked. An answer in a wider one is as good.
            problems: how many are drawn for each format; or problems, such as that of an earlier verdict.
            seed: makes the problems the same in every run; by default a new one is drawn, and reported.
            without: gradients that are not asked for, such as ["x"].
        Returns: a `Verdict`. Where it disagrees, it says which gradient is the first that is wrong on the way back from
            the loss, and its `problem` is the first, a small one, that shows it.
        Raises: TypeError or ValueError naming an argument that does not fit.

        >>> import numpy as np, softproof
        >>> net = softproof.network([("linear", 2, 2)], loss="cross_entropy")
        >>> def forgets_the_mean(x, labels, parameters):
        ...     a = x @ parameters["W1"].T + parameters["b1"]
        ...     e = np.exp(a - a.max(1, keepdims=True))
        ...     p, y = e / e.sum(1, keepdims=True), np.eye(2)[labels]
        ...     g = p - y
        ...     return -np.log((p * y).sum(1)).mean(), {"W1": g.T @ x, "b1": g.sum(0), "x": g @ parameters["W1"]}
        >>> verdict = net.judge(forgets_the_mean, seed=1)
        >>> verdict.outcome, verdict.output, len(verdict.problem.inputs["x"])
        ('disagrees', 'grad_W1', 2)
        """
        if not callable(function):
            raise TypeError(f"function is {shown(function)}; expected one that gives (loss, gradients)")
        names = (*self.shapes, "x")
        left_out = check_names("without", without, "x", names)
        wanted = [name for name in names if name not in left_out]
        if isinstance(problems, Sequence):
            asked, told = [check_problem(self.layers, each) for each in problems], ""
        else:
            count = check_whole("problems", problems, "a number of problems, or a list of them", 1)
            dtypes = [check_name("dtypes", each, OFFSET) for each in check_names("dtypes", dtypes, "float32")]
            seed = fresh_seed() if seed is None else check_whole("seed", seed, "a whole number from 0", 0)
            asked = [problem_of(self.layers, each, number, seed) for each in dtypes for number in range(count)]
            told = f", seed {seed}"
        return _judged(self, function, wanted, asked, told)


def network(layers: Sequence[Any], *, loss: str = "cross_entropy") -> Network:
    """State a small network, to judge a forward and backward pass of your own.

    With h₀ = x, a linear layer k is a = h Wₖᵀ + bₖ, "relu" is max(a, 0), "tanh" is tanh a, and what comes last are the
    logits z of

        loss = -1/N Σ_i log softmax(z_i)[labels_i].

    Judged are the loss and its gradients by each W and b and by x, against the chain rule in arbitrary precision. How
    far they may be off is Theorem 26 of docs/theory/bounds.md, for sums in any order and roundings in each step.

    Args:
        layers: linear layers, ("linear", features, outputs), as the first and the last, with "relu" and "tanh" anywhere
            between; W1  # (outputs, features), b1  # (outputs,) and so on, and x  # (N, features), are float64 or
            float32, labels  # (N,) are int64, and the loss is one number.
        loss: "cross_entropy", the mean over the rows.
    Returns: a `Network`, whose `judge` asks your function.
    Raises: TypeError or ValueError for layers that are none, do not fit each other, or do not end in logits.

    >>> import numpy as np
    >>> net = network([("linear", 2, 3), "tanh", ("linear", 3, 2)], loss="cross_entropy")
    >>> def my_network(x, labels, parameters):
    ...     W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    ...     h = np.tanh(x @ W1.T + b1)  # (N, 3)
    ...     z = h @ W2.T + b2  # (N, 2)
    ...     e = np.exp(z - z.max(1, keepdims=True))
    ...     p, rows = e / e.sum(1, keepdims=True), np.arange(len(x))
    ...     loss = -np.log(p[rows, labels]).mean()
    ...     p[rows, labels] -= 1
    ...     g = p / len(x)  # (N, 2)
    ...     g1 = g @ W2 * (1 - h**2)  # (N, 3)
    ...     return loss, {"W1": g1.T @ x, "b1": g1.sum(0), "W2": g.T @ h, "b2": g.sum(0), "x": g1 @ W1}
    >>> net.judge(my_network, seed=0).outcome
    'agrees'
    """
    check_name("loss", loss, LOSSES)
    return Network(layers_of(layers), loss)


def _judged(network: Network, function: Pass, wanted: Sequence[str], problems: Sequence[Problem], told: str) -> Verdict:
    """The verdict on all problems, or on the first that fails."""
    ratios, excused, unsure = dict[str, float](), False, None
    before: list[tuple[str, Array, Array]] = []
    for number, problem in enumerate(problems, 1):
        where = f"{problem.dtype}; problem {number} of {len(problems)}{told}"
        answer = ask(function, problem, wanted)
        if changed := [title(name) for name, array, copy in before if not np.array_equal(array, copy, equal_nan=True)]:
            answer = f"a later call changed {', '.join(changed)} of an earlier one; return new arrays"
        if isinstance(answer, str):
            text = f"{answer}{_again(network, problem, where)}"
            return Verdict(DISAGREES, np.inf, np.inf, explanation=text, problem=problem)
        before = [(name, array, array.copy()) for name, array in answer.items()]
        found = compare(network.layers, problem, answer)
        ratios = {name: max(ratios.get(name, 0.0), _ratio(each)) for name, each in found.items()}
        excused |= any(each.excused is not None for each in found.values())
        outcomes = {each.outcomes()[0][0] for each in found.values()}
        if DISAGREES in outcomes:
            again = ask(function, problem, wanted)
            return _failed(network, problem, found, _same(answer, again), where)
        for outcome in outcomes - {AGREES}:
            text = f"a bound promises nothing, or the truth is not known well enough{_again(network, problem, where)}"
            unsure = unsure or Verdict(outcome, explanation=text, problem=problem)
    if unsure is not None:
        return unsure
    ratios = {title(name): ratio for name, ratio in ratios.items()}
    worst = ", ".join(f"{name} {ratio:.2g}" for name, ratio in ratios.items())
    row = f"; accepted as unspecified behaviour: {citation(KINK)}" if excused else ""
    formats = " and ".join(dict.fromkeys(problem.dtype for problem in problems))
    text = f"{len(problems)} problems in {formats}{told}; error/bound at most: {worst}{row}"
    return Verdict(AGREES, max(ratios.values()), explanation=text, ratios=ratios, unspecified=(KINK,) * excused)


def _ratio(elements: Elements) -> float:
    """The largest error/bound of what the bound decides."""
    decided = True if elements.excused is None else elements.excused == 0
    return float(elements.ratio.max(initial=0.0, where=decided))


def _same(answer: dict[str, Array], again: dict[str, Array] | str) -> bool:
    return not isinstance(again, str) and all(np.array_equal(answer[n], again[n], equal_nan=True) for n in answer)


def _failed(network: Network, problem: Problem, found: dict[str, Elements], same: bool, where: str) -> Verdict:
    """What is wrong first on the way back from the loss, and where to look."""
    wrong = [name for name, each in found.items() if each.refuted.any()]
    first, storage = wrong[0], FORMATS[problem.dtype]
    elements, shape = found[first], problem.inputs[first].shape if first in problem.inputs else ()
    column = int(np.where(elements.refuted, elements.ratio, -1.0).argmax())
    index = tuple(map(int, np.unravel_index(column, shape)))
    place = f"{title(first)}{list(index)}" if index else title(first)
    telling = {name for name, each in found.items() if (np.abs(each.nearest) > each.allowed).any()}
    lines = [
        f"{place}: {elements.describe(0, column, storage)}{_factor(elements, len(problem.inputs['x']))}",
        f"  right      {', '.join(title(name) for name in found if name not in wrong) or 'nothing'}",
        f"  wrong      {', '.join(map(title, wrong))}",
        f"  next       {advice(network.layers, set(wrong), telling)}",
    ]
    if not same:
        lines.append("  again      the same question got another answer: the function keeps something between calls")
    ratios = {title(name): _ratio(each) for name, each in found.items()}
    text = "\n".join(lines) + _again(network, problem, where)
    ulps = float(elements.ulps(storage).max())
    return Verdict(DISAGREES, ratios[title(first)], ulps, title(first), index, text, problem, ratios)


def _factor(elements: Elements, rows: int) -> str:
    """Where all of an output is one number times what it should be, as far as the bounds tell."""
    some = np.abs(elements.nearest) > 2 * elements.allowed
    got, exact, allowed = elements.got[some], elements.nearest[some], elements.allowed[some]

    def is_factor(factor: float) -> bool:
        return bool((np.abs(got - factor * exact) <= (1 + abs(factor)) * allowed).all())

    if got.size and rows > 1 and is_factor(rows):
        return f"; all of it is {rows} times the exact: is 1/N forgotten, of {rows} rows?"
    if got.size < 2 or not np.isfinite(got).all():
        return ""
    largest = np.abs(exact).argmax()
    factor = float(got[largest] / exact[largest])
    return f"; all of it is {factor:.4g} times the exact" if is_factor(factor) else ""


def _again(network: Network, problem: Problem, where: str) -> str:
    return f"""
To see it again, with your function in the place of my_network ({where}):

from numpy import array
import softproof
from softproof import Problem

net = {network}
problem = {problem}
print(net.judge(my_network, problems=[problem]))
"""
