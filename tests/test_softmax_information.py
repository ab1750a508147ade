"""Entropy of a softmax, divergence of two: Theorem 27 in small formats that do their worst, and both halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import mpmath as mp  # type: ignore[import-untyped]  # mpmath ships no types
import numpy as np
import pytest
import torch

import manual
import reference
from softproof import Arithmetic, Problem, bound, judge, load
from softproof.problem.formats import Floats

from .helpers.candidates import MANUAL
from .helpers.hard_rows import arithmetics, limits_of, row_of, worst_of
from .helpers.small_formats import Machine, Row, leans, small, vjp

# ---- the theorem ----------------------------------------------------------------------------------------------------


def _values(row: Row, p: Floats) -> dict[str, Callable[[], Floats]]:
    """Ways to the entropy (R, 1), as Theorem 27 (a) has them, and (d) where a logsumexp may be subtracted."""
    m, a, log_p = row.machine, row.machine.arithmetic, row.log_p
    found = {
        "-Σ p l": lambda: -m.dot(p, log_p),
        "-Σ p log p": lambda: -m.dot(p, np.where(p < 4 * a.compute.tiny, log_p, m.log(p, leans(m.rng, p.shape)))),
    }
    if not row.scaled:
        e = np.where(p == 0, 0.0, row.e)
        found["log s - Σ p d"] = lambda: m.round(row.log_s - m.dot(p, row.d))
        found["log s - Σ e d / s"] = lambda: m.round(row.log_s - m.div(m.dot(e, row.d), row.s))
    if a.subtracts_logsumexp:
        found["y - Σ p x"] = lambda: m.round(row.lse - m.dot(p, row.x))
        found["normalised twice"] = lambda: -m.dot(_again(row), row.log_p)
    if a.online and not row.scaled:
        found["moved"] = lambda: _moved(row)
    return found


def _again(row: Row) -> Floats:
    """Softmax of the log-softmax."""
    m = row.machine
    d = m.round(row.log_p - row.log_p.max(-1, keepdims=True))
    e = _without_gone(m, d, m.exp(d, row.lean))
    return m.div(e, m.sum(e))


def _moved(row: Row) -> Floats:
    """log s - w/s with w = Σ e d, moved at each logit above the others, from the least on."""
    m = row.machine
    order = np.argsort(row.x, -1)
    x, lean = (np.take_along_axis(each, order, -1) for each in (row.x, row.lean))
    top, s, w = x[:, :1], np.ones_like(x[:, :1]), np.zeros_like(x[:, :1])
    for k in range(1, x.shape[-1]):
        new = x[:, k : k + 1]  # not below
        moved = m.round(top - new)
        factor = _without_gone(m, moved, m.exp(moved, lean[:, k : k + 1]))
        w = m.mul(m.add(w, m.mul(s, moved)), factor)
        s, top = m.add(m.mul(s, factor), np.ones_like(s)), new
    return m.round(m.log(s, row.lean_log) - m.div(w, s))


def _without_gone(m: Machine, d: Floats, e: Floats) -> Floats:
    """(c): exponentials that are far below the least number are 0."""
    return np.where(d < 1.9 * np.log(m.arithmetic.compute.subnormal), 0.0, e)


def _slopes(row: Row, p: Floats, entropy: Floats, g: Floats) -> dict[str, Callable[[], Floats]]:
    """Ways to the gradient (R, C), as Theorem 27 (b) has them; g (R, 1)."""
    m, a = row.machine, row.machine.arithmetic
    log_p, one = row.log_p, np.ones_like(p)
    other = _without_gone(m, row.d * row.unit, m.exp(log_p, -row.lean))  # another exponential of the same logarithm

    def softmax_of(c: Floats) -> Floats:
        inner = m.dot(c, p)
        return m.any_of(lambda: m.mul(p, m.round(c - inner)), lambda: m.fused(p, c, -m.mul(p, inner)))

    def by_logarithm() -> Floats:
        h = m.add(m.mul(-g * one, other, log_p), m.mul(-g * one, other))
        return vjp(m, other, h)

    found = {
        "closed": lambda: m.mul(-g * one, p, m.round(log_p + entropy)),
        "multiplied out": lambda: m.add(m.mul(-g * one, p, log_p), m.mul(-g * one, p, entropy)),
        "through both": lambda: m.add(softmax_of(m.mul(-g, log_p)), vjp(m, other, m.mul(-g, p))),
        "through exp(l) l": by_logarithm,
    }
    if not row.scaled:
        found["through d"] = lambda: m.add(m.mul(g, other), m.mul(-g, p), softmax_of(m.mul(-g, row.d)))
    if a.subtracts_logsumexp:
        back = _without_gone(m, row.d * row.unit, m.exp(m.round(row.x - row.lse), row.lean))
        found["through x"] = lambda: m.add(m.mul(g, back), m.mul(-g, p), softmax_of(m.mul(-g, row.x)))
    return found


def _entropies(rng: np.random.Generator, arithmetic: Arithmetic) -> dict[str, float]:
    """The worst of each form, in units of its bound."""
    row = row_of(rng, arithmetic, int(rng.choice([1, 2, 3, 6, 14])))
    m, g = row.machine, row.machine.round(rng.normal(size=(len(row.x), 1)))
    p = _without_gone(m, row.d * row.unit, row.p)
    truth, limit = limits_of("softmax_entropy", arithmetic, {"logits": row.x}, {"dim": -1}, g[:, 0])
    values = {name: form() for name, form in _values(row, p).items()}
    found = {name: worst_of(value, truth["value"], limit["value"].error) for name, value in values.items()}
    entropy = values[str(rng.choice(list(values)))]
    for name, slope in _slopes(row, p, entropy, g).items():
        found[name] = worst_of(slope(), truth["grad_logits"], limit["grad_logits"].error)
    return found


def _divergences(rng: np.random.Generator, arithmetic: Arithmetic) -> dict[str, float]:
    """Theorem 27 (e): of rows and others that are as hard."""
    one = row_of(rng, arithmetic, int(rng.choice([1, 2, 3, 6, 14])))
    m, other = one.machine, replace(one, x=one.x[::-1].copy() if rng.random() < 0.7 else one.x.copy())
    g = m.round(rng.normal(size=(len(one.x), 1)))
    p, q = (_without_gone(m, row.d * row.unit, row.p) for row in (one, other))
    log_p, log_q = one.log_p, other.log_p
    values: dict[str, Callable[[], Floats]] = {
        "Σ p (l - k)": lambda: m.dot(p, m.round(log_p - log_q)),
        "Σ p l - p k": lambda: m.sum(np.concatenate((m.mul(p, log_p), -m.mul(p, log_q)), -1)),
        "two sums": lambda: m.round(m.dot(p, log_p) - m.dot(p, log_q)),
    }
    if not (one.scaled or other.scaled):
        d = m.round(one.d - other.d)
        values["of shifted logits"] = lambda: m.add(m.dot(p, d), -one.log_s, other.log_s)
    inputs = {"p_logits": one.x, "q_logits": other.x}
    truth, limit = limits_of("softmax_kl_divergence", arithmetic, inputs, {"dim": -1}, g[:, 0])
    made = {name: form() for name, form in values.items()}
    found = {name: worst_of(value, truth["value"], limit["value"].error) for name, value in made.items()}
    value, between, c = made[str(rng.choice(list(made)))], m.round(log_p - log_q), g * np.ones_like(p)
    inner = m.dot(m.mul(c, between), p)
    slopes: dict[str, Callable[[], Floats]] = {
        "closed": lambda: m.mul(c, p, m.round(between - value)),
        "through both": lambda: m.add(m.mul(p, m.round(m.mul(c, between) - inner)), vjp(m, p, m.mul(c, p))),
    }
    for name, slope in slopes.items():
        found[name] = worst_of(slope(), truth["grad_p_logits"], limit["grad_p_logits"].error)
    slopes = {"q - p": lambda: m.mul(c, m.round(q - p)), "h - q Σ h": lambda: vjp(m, q, -m.mul(c, p))}
    for name, slope in slopes.items():
        found[name] = worst_of(slope(), truth["grad_q_logits"], limit["grad_q_logits"].error)
    return found


def _fused(rng: np.random.Generator) -> Iterator[Arithmetic]:
    for usual in arithmetics(rng):
        stored = replace(usual, subtracts_logsumexp=True)
        yield from (stored, replace(stored, online=True, base2=True), replace(stored, online=True, scales_logits=True))


def _searched(
    simulate: Callable[[np.random.Generator, Arithmetic], dict[str, float]],
    drawn: Callable[[np.random.Generator], Iterator[Arithmetic]],
    times: int,
) -> dict[str, float]:
    rng, worst = np.random.default_rng(1), dict[str, float]()
    with np.errstate(all="ignore"):
        for _ in range(times):
            for arithmetic in drawn(rng):
                for name, ratio in simulate(rng, arithmetic).items():
                    if not ratio <= worst.get(name, 0.0):  # NaN too
                        worst[name] = ratio
    return worst


@pytest.mark.parametrize("simulate", [_entropies, _divergences])
@pytest.mark.parametrize(("drawn", "times", "least"), [(arithmetics, 15, 0.2), (_fused, 5, 0.04)])
def test_no_evaluation_exceeds_its_bound(
    simulate: Callable[[np.random.Generator, Arithmetic], dict[str, float]],
    drawn: Callable[[np.random.Generator], Iterator[Arithmetic]],
    times: int,
    least: float,
) -> None:
    """In whatever order, fused or not, with exp and log as far off as A2 allows; and all come near."""
    worst = _searched(simulate, drawn, times)

    assert {name: ratio for name, ratio in worst.items() if not ratio <= 1} == {}
    assert min(worst.values()) >= least, worst


def test_an_offset_belongs_to_a_stored_logsumexp() -> None:
    """y - Σ p x is outside any order, and within the model that subtracts a logsumexp."""
    usual, worst = small(11, c=5.0), dict[bool, float]()
    rng = np.random.default_rng(1)
    x = usual.compute.round(rng.normal(size=(50, 6)) + 64)
    row = Row(Machine(usual, rng), x, leans(rng, x.shape), np.ones((50, 1)))
    value = row.machine.round(row.lse - row.machine.dot(row.p, x))
    for subtracts in (False, True):
        arithmetic = replace(usual, subtracts_logsumexp=subtracts)
        truth, limit = limits_of("softmax_entropy", arithmetic, {"logits": x}, {"dim": -1}, np.ones(50))
        worst[subtracts] = worst_of(value, truth["value"], limit["value"].error)

    assert worst[True] <= 1 < worst[False]


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_a_bound_is_a_few_tens_of_units(classes: int) -> None:
    """In float32, for rows of moderate logits: of the value relative to 1 + H, of the gradient to its row."""
    x = np.random.default_rng(classes).normal(0, 2, (20, classes)).astype(np.float32)
    limits = bound(Problem("softmax_entropy", "float32", {"logits": x}, {"dim": -1}, np.ones(20)))
    entropy, u = manual.softmax_entropy(x.astype(np.float64)), 2.0**-24

    assert (limits["value"] < (60 + 4 * classes) * u * (1 + entropy)).all()
    assert (limits["grad_logits"] < (200 + 12 * classes) * u * manual.softmax(x.astype(np.float64)).T.max(0)[:, None]
            * (1 + entropy)[:, None]).all()  # fmt: skip


def test_a_mask_by_the_lowest_number_counts_nothing() -> None:
    """(c): neither in the value nor in the bound, which is that of the classes that are left."""
    masked = np.append(np.zeros((1, 2)), np.full((1, 500), -np.finfo(np.float32).max), -1)
    many, few = (bound(Problem("softmax_entropy", "float32", {"logits": each}))["value"] for each in (
        masked, np.where(np.arange(502) < 2, masked, -np.inf)))  # fmt: skip

    assert many == pytest.approx(few, rel=1e-6)


# ---- both halves ----------------------------------------------------------------------------------------------------


def _entropy(x: list[mp.mpf]) -> mp.mpf:
    total = sum(mp.exp(each) for each in x)
    return -sum(mp.exp(each) / total * mp.log(mp.exp(each) / total) for each in x)


def test_gradients_are_difference_quotients() -> None:
    """Of the definition, in 40 digits."""
    x, g, step = [0.5, -2.0, 3.0, 0.5], 0.75, mp.mpf(10) ** -12
    with mp.workdps(40):
        slopes = [
            float(g * (_entropy([*x[:k], x[k] + step, *x[k + 1 :]]) - _entropy([*x[:k], x[k] - step, *x[k + 1 :]]))
                  / (2 * step)) for k in range(4)
        ]  # fmt: skip
        value = float(_entropy(x))

    for half in (manual, reference):
        assert float(half.softmax_entropy(x)) == pytest.approx(value, rel=1e-14)
        assert np.asarray(half.softmax_entropy_backward(g, x)) == pytest.approx(slopes, rel=1e-13)


def test_it_is_the_entropy_of_the_softmax() -> None:
    """And its gradient goes through both: masked classes count 0."""
    x = np.array([[0.5, -2.0, -np.inf, 3.0], [0.0, 0.0, 0.0, 0.0]])
    p, g = manual.softmax(x), np.array([2.0, -0.5])
    of_p = np.where(p == 0, 0, manual.entropy_backward(g, p))

    assert manual.softmax_entropy(x) == pytest.approx(manual.entropy(p), rel=1e-15)
    assert manual.softmax_entropy_backward(g, x) == pytest.approx(manual.softmax_backward(of_p, x), abs=1e-15)


def test_it_is_the_divergence_of_the_softmaxes() -> None:
    """And its gradients go through both; of the same logits it is 0, and so are they."""
    x = np.array([[0.5, -2.0, 1.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    y = np.array([[1.0, 1.0, 0.0, -1.0], [0.5, 0.0, 0.0, 2.0]])
    (p, q), g = (manual.softmax(each) for each in (x, y)), np.array([2.0, -0.5])
    of_p, of_q = manual.kl_divergence_backward(g, p, q)
    through = manual.softmax_backward(of_p, x), manual.softmax_backward(of_q, y)

    for half in (manual, reference):
        assert np.asarray(half.softmax_kl_divergence(x, y)) == pytest.approx(manual.kl_divergence(p, q), rel=1e-14)
        for found, expected in zip(half.softmax_kl_divergence_backward(g, x, y), through, strict=True):
            assert np.asarray(found) == pytest.approx(expected, abs=1e-15)
        assert not np.asarray(half.softmax_kl_divergence(x, x)).any()
        assert np.abs(np.asarray(half.softmax_kl_divergence_backward(g, x, x))).max() < 1e-15


def _naive(logits: torch.Tensor, dim: int = -1) -> torch.Tensor:
    return -(logits.softmax(dim) * logits.log_softmax(dim)).sum(dim)


def _categorical(logits: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = torch.distributions.Categorical(logits=logits).entropy()  # type: ignore[no-untyped-call]
    return found


def test_what_torch_makes_of_a_mask() -> None:
    """0·(-inf) is no number; nor is the gradient by torch.distributions, whose lowest number times 2 is -inf."""
    problem = Problem("softmax_entropy", "float32", {"logits": [[0.0, 1.0, -np.inf]]}, {}, [2.0])
    naive, own = (load(each, "softmax_entropy") for each in (_naive, _categorical))

    assert judge(MANUAL, problem).ok
    assert not judge(naive, replace(problem, grad_output=None)).ok
    assert judge(own, replace(problem, grad_output=None)).ok
    assert "grad_logits" in judge(own, problem).explanation
