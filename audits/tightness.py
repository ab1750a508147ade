"""How sharp the bounds are: each beside a first-order running error analysis of the formula, with the same constants.

python -m audits.tightness                         # any order, 40 problems of each kind, in about a minute
python -m audits.tightness --arithmetic numpy --problems 10

The analysis is written from the formulas of manual/ and the constants of the arithmetic, not from the bounds: every
operation adds its own rounding to the errors that it passes on, to first order, and a sum of n numbers as many as the
model lets one of them go through, n - 1 in any order. Where the model leaves open which of two formulas is used, the
larger error counts. What underflows is left out. A bound is below 1 only where it knows of an exact sum (Theorem 22).
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import text
from softproof import MODELS, Arithmetic, Problem, bound
from softproof.bounds.arithmetic import height
from softproof.problem.formats import Floats

from .ordinary import KINDS, Kind

GOAL = 1.3  # times the yardstick, in the median


@dataclass(frozen=True)
class Near:
    """Numbers `v`, and how far what is computed may be from them, to first order."""

    v: Floats
    e: Floats

    @classmethod
    def exactly(cls, v: Any) -> Near:
        """What is given."""
        return cls(np.asarray(v, np.float64), np.zeros(np.shape(v)))

    def transposed(self) -> Near:
        """Columns as rows."""
        return Near(self.v.T, self.e.T)


@dataclass(frozen=True)
class Running:
    """The operations of an arithmetic on numbers that are nearly known."""

    a: Arithmetic

    def rounded(self, v: Floats, e: Floats) -> Near:
        """After one rounding."""
        return Near(v, e + self.a.compute.u * np.abs(v))

    def add(self, x: Near, y: Near) -> Near:
        """x + y."""
        return self.rounded(x.v + y.v, x.e + y.e)

    def sub(self, x: Near, y: Near) -> Near:
        """x - y."""
        return self.rounded(x.v - y.v, x.e + y.e)

    def mul(self, x: Near, y: Near) -> Near:
        """x y."""
        return self.rounded(x.v * y.v, np.abs(x.v) * y.e + np.abs(y.v) * x.e)

    def div(self, x: Near, y: Near) -> Near:
        """x / y."""
        return self.rounded(x.v / y.v, (x.e + np.abs(x.v / y.v) * y.e) / np.abs(y.v))

    def exp(self, x: Near) -> Near:
        """Exact at 0."""
        own = np.where((x.v == 0) & (x.e == 0), 0.0, self.a.c_exp * self.a.compute.u)
        return Near(np.exp(x.v), np.exp(x.v) * (x.e + own))

    def log(self, x: Near) -> Near:
        """With its own error."""
        return Near(np.log(x.v), x.e / x.v + self.a.c_log * self.a.compute.u * np.abs(np.log(x.v)))

    def sum(self, x: Near, depth: str | int = "any order", axis: int | None = -1) -> Near:
        """Numbers that are 0 round nothing, where the order is not known."""
        size = np.abs(x.v).sum(axis, keepdims=True)
        count = np.count_nonzero(x.v, axis, keepdims=True) - 1.0
        most = count if depth == "any order" else np.minimum(count, height(depth, x.v.size // size.size))
        return Near(x.v.sum(axis, keepdims=True), x.e.sum(axis, keepdims=True) + most * self.a.compute.u * size)

    def matmul(self, x: Near, y: Near, bias: Near | None = None) -> Near:
        """An inner product of n terms has n roundings of Σ|x y|, a bias counted as one."""
        size, n = np.abs(x.v) @ np.abs(y.v), x.v.shape[1] + (bias is not None)
        v, e = x.v @ y.v, x.e @ np.abs(y.v) + np.abs(x.v) @ y.e
        if bias is not None:
            v, size = v + bias.v, size + np.abs(bias.v)
        return Near(v, e + n * self.a.compute.u * size)

    def stored(self, x: Near) -> Floats:
        """The error, with half an ulp where the result is rounded once more."""
        return x.e + self.a.storage.ulp(x.v) / 2 if self.a.rounds_on_storing else x.e


def larger(one: Near, other: Near) -> Near:
    """One number by two formulas."""
    return Near(one.v, np.maximum(one.e, other.e))


@dataclass(frozen=True)
class Row:
    """d = x - m, whose error in m all of a row share, so that it cancels; e = exp d, s = Σ e; p and log p."""

    run: Running
    d: Near
    e: Near
    s: Near

    @classmethod
    def of(cls, run: Running, x: Near) -> Row:
        """x (R, C)."""
        top = x.v.max(-1, keepdims=True)
        d = Near(x.v - top, x.e + np.abs(run.a.compute.round(x.v - top) - (x.v - top)))
        if x.e.any():
            d = run.rounded(x.v - top, x.e)
        e = run.exp(d)
        return cls(run, d, e, run.sum(e, run.a.depth))

    def log_p(self) -> Near:
        """d - log s."""
        return self.run.sub(self.d, self.run.log(self.s))

    def quotient(self) -> Near:
        """e/s."""
        return self.run.div(self.e, self.s)

    def p(self) -> Near:
        """That, or exp of the other."""
        return larger(self.quotient(), self.run.exp(self.log_p()))

    def value(self) -> Near:
        """As the model says."""
        return self.quotient() if self.run.a.quotient else self.p()


def of_rows(run: Running, problem: Problem) -> dict[str, Near]:
    """Softmax, log-softmax, logsumexp, and the entropy of a softmax."""
    x, g = problem.inputs["logits"], Near.exactly(problem.grad_output)
    row, back = Row.of(run, Near.exactly(x)), run.a.backward_depth
    p = row.p()
    if problem.operation == "softmax":
        inner = run.sum(run.mul(g, p), back)
        return {"value": row.value(), "grad_logits": run.mul(p, run.sub(g, inner))}
    if problem.operation == "log_softmax":
        return {"value": row.log_p(), "grad_logits": run.sub(g, run.mul(p, run.sum(g, back)))}
    if problem.operation == "softmax_entropy":
        return of_entropy(run, p, larger(row.log_p(), run.log(p)), Near.exactly(g.v[:, None]))
    y = run.add(Near.exactly(x.max(-1, keepdims=True)), run.log(row.s))
    p = larger(p, run.exp(run.sub(Near.exactly(x), y)))
    return {"value": y, "grad_logits": run.mul(Near.exactly(g.v[:, None]), p)}


def of_entropy(run: Running, p: Near, log_p: Near, g: Near) -> dict[str, Near]:
    """-Σ p log p; and -g p (log p + H), to which autograd adds g p - p Σ g p, that is 0, but for its errors."""
    total = run.sum(run.mul(p, log_p), _order(run))
    slope = of_centred(run, p, log_p, total, g)
    return {"value": Near(-total.v, total.e), "grad_logits": Near(-slope.v, slope.e)}


def _order(run: Running) -> str:
    """That of a sum over classes which is none of exponentials."""
    return "numpy" if run.a.depth == "numpy" else "any order"


def of_centred(run: Running, p: Near, log_p: Near, total: Near, g: Near) -> Near:
    """g p (l - Σ p l), with what autograd adds."""
    of_p = run.mul(g, p)
    nothing = run.sub(of_p, run.mul(p, run.sum(of_p, run.a.backward_depth)))
    return run.add(run.mul(of_p, run.sub(log_p, total)), nothing)


def of_divergence(run: Running, problem: Problem) -> dict[str, Near]:
    """Σ p (log p - log q), or Σ (p log p - p log q); and g q Σ p - g p."""
    x, y, g = (Near.exactly(each) for each in (*problem.inputs.values(), problem.grad_output))
    of_x, of_y, g = Row.of(run, x), Row.of(run, y), Near.exactly(g.v[:, None])
    p, q = of_x.p(), of_y.p()
    log_p, log_q = larger(of_x.log_p(), run.log(p)), larger(of_y.log_p(), run.log(q))
    apart, one, other = run.sub(log_p, log_q), run.mul(p, log_p), run.mul(p, log_q)
    terms = Near(np.concatenate((one.v, -other.v), -1), np.concatenate((one.e, other.e), -1))
    total = larger(run.sum(run.mul(p, apart), _order(run)), run.sum(terms, _order(run)))
    slope = of_centred(run, p, apart, total, g)
    of_q = run.sub(run.mul(q, run.sum(run.mul(g, p), run.a.backward_depth)), run.mul(g, p))
    return {"value": total, "grad_p_logits": slope, "grad_q_logits": of_q}


def of_losses(run: Running, problem: Problem, x: Near) -> dict[str, Near]:
    """-Σ t log p with t = w ((1 - ε) q + ε/C), its sum or mean; (p Σ t - t) c, and -c w (1 - ε) log p."""
    row, classes, target = Row.of(run, x), x.v.shape[-1], problem.inputs["target"]
    labels, epsilon = target.dtype == np.int64, float(problem.options.get("label_smoothing", 0.0))
    t = Near.exactly(np.eye(classes)[target] if labels else target)
    share = run.rounded(np.array(1 - epsilon), np.abs(run.a.compute.round(epsilon) - epsilon))
    if epsilon:
        t = run.add(run.mul(share, t), run.rounded(np.full(classes, epsilon / classes), np.zeros(classes)))
    w = Near.exactly(np.asarray(problem.inputs.get("weight", np.ones(1)), np.float64))
    weighted = (lambda z: run.mul(w, z)) if "weight" in problem.inputs else (lambda z: z)
    t, log_p, sparse = weighted(t), row.log_p(), labels and not epsilon
    terms = Near(np.where(t.v == 0, 0.0, -log_p.v), np.where(t.v == 0, 0.0, log_p.e))
    terms = terms if sparse and w.v.size == 1 else run.mul(t, terms)
    reduction = problem.options["reduction"]
    flat = run.a.total_depth == "any order" and reduction != "none"
    value = terms if flat else run.sum(terms, "numpy" if run.a.depth == "numpy" else "any order")
    if reduction != "none":
        value = run.sum(value, run.a.total_depth, axis=None)
    c = Near.exactly(np.reshape(np.asarray(problem.grad_output), (-1, 1)))
    if reduction == "mean":
        each = labels and w.v.size > 1
        d = run.sum(Near.exactly(w.v[target] if each else np.ones(len(x.v))), run.a.total_depth if each else 0)
        value, c = run.div(value, d), run.div(c, d)
    p, total = row.p(), run.sum(t, run.a.backward_depth)
    slope = run.sub(p if sparse and w.v.size == 1 else run.mul(p, total), t)
    found = {"value": value, "grad_logits": run.mul(slope, c)}
    if not labels:
        of_target = weighted(run.mul(c, Near(-log_p.v, log_p.e)))
        found["grad_target"] = run.mul(share, of_target) if epsilon else of_target
    return found


def of_layer(run: Running, problem: Problem) -> dict[str, Near]:
    """x Wᵀ + b, the loss of it if there is a target, and g W, gᵀ x, Σ g."""
    name = "linear_" * ("target" in problem.inputs)
    x, w, b = (Near.exactly(problem.inputs[each]) for each in ("input", f"{name}weight", f"{name}bias"))
    logits = run.matmul(x, w.transposed(), b)
    alone = {"value": logits, "grad_logits": Near.exactly(problem.grad_output)}
    found = of_losses(run, problem, logits) if name else alone
    g = found.pop("grad_logits")
    of = {"input": run.matmul(g, w), f"{name}weight": run.matmul(g.transposed(), x), f"{name}bias": run.sum(g, axis=0)}
    return found | {f"grad_{each}": near for each, near in of.items()}


def yardstick(problem: Problem, arithmetic: Arithmetic) -> dict[str, Floats]:
    """The first-order error of each output."""
    run = Running(arithmetic)
    if "p_logits" in problem.inputs:
        found = of_divergence(run, problem)
    elif "input" in problem.inputs:
        found = of_layer(run, problem)
    else:
        x = Near.exactly(problem.inputs["logits"])
        found = of_losses(run, problem, x) if "target" in problem.inputs else of_rows(run, problem)
    return {name: run.stored(near) for name, near in found.items()}


def ratios(kind: Kind, dtype: str, model: str, problems: int) -> dict[str, list[float]]:
    """Bound ÷ yardstick of all elements of some problems, by output."""
    found = defaultdict[str, list[float]](list)
    for seed in range(problems):
        problem = kind(np.random.default_rng(seed), dtype)
        beside = yardstick(problem, MODELS[model](problem))
        for name, limit in bound(problem, model).items():
            first = beside[name].reshape(-1)
            known = first > 0
            found[name] += (limit.reshape(-1)[known] / first[known]).tolist()
    return found


def main() -> None:
    """The table, and whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arithmetic", default="any-order", choices=MODELS)
    parser.add_argument("--problems", type=int, default=40)
    chosen = parser.parse_args()
    dtypes = ("float32", "float64", "float16", "bfloat16")[: 2 if chosen.arithmetic == "torch-cpu" else 4]
    cells, missed = defaultdict[tuple[str, str], list[str]](list), list[str]()
    for done, kind in enumerate(KINDS, 1):
        text.progress(done, len(KINDS), kind)
        for dtype in dtypes:
            for name, each in ratios(KINDS[kind], dtype, chosen.arithmetic, chosen.problems).items():
                middle = statistics.median(each)
                cells[kind, name].append(f"{middle:.2f} ({max(each):.1f})")
                missed += [f"{kind}, {name}, {dtype}: {middle:.2f}"] if not middle <= GOAL else []
    lines = [("problem", "output", *dtypes), *((*key, *row) for key, row in cells.items())]
    print(text.table(f"Bound ÷ first-order analysis, {chosen.arithmetic}: median (max)", lines, left=2))
    print(text.goal(f"at most {GOAL} in the median", missed, sum(map(len, cells.values()))))


if __name__ == "__main__":
    main()
