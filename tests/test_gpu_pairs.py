"""All pairs of the GPU pack, on the CPU: truth and bound are the judge's, and an error of twice the bound is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import softproof
from audits.record import MissingError, Where
from audits.steps import pair_bounds, pair_tables, pairs
from softproof.bounds.models import MODELS

WHERE = Where("cpu", 60.0, Path())


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 2¹² pairs, so that the last numbers of a block's 16 first logits are few."""
    monkeypatch.setattr(pairs, "COMPARED", {"cpu": 1 << 12})
    monkeypatch.setattr(pairs, "BALLS", 128)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("form", pairs.DTYPES)
def test_truth_and_bound_are_those_of_the_judge(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To 2⁻⁴⁰ of themselves, on random pairs; a bound that is larger by 10⁻⁹ is not."""
    found = pairs.compare(form, WHERE)
    assert found["equal"]
    assert found["pairs"] > 3000
    assert 0 < found["relative"]["bound"] < 2.0**-40

    monkeypatch.setattr(pair_bounds, "EVALUATION", pair_bounds.EVALUATION + 1e-9)
    assert not pairs.compare(form, WHERE)["equal"]


@pytest.mark.parametrize("name", ["torch-cuda", "torch-cpu", "any-order"])
@pytest.mark.parametrize("form", pairs.DTYPES)
def test_the_bound_is_that_of_each_model(name: str, form: str) -> None:
    """That of the GPU as well; equal logits, large and small ones are among them."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 2.0**k, (200, 2)) for k in (-20, -6, 0, 3, 6, 9)])
    rows = np.concatenate([rows, np.zeros((1, 2)), [[1.0, 1.0], [0.0, 2.0**-14], [-104.0, 0.0], [60000.0, -60000.0]]])
    x = torch.from_numpy(rows).to(getattr(torch, form))
    for operation in pairs.NAMES:
        problem = pairs.problem(operation, form, x.double().numpy())
        arithmetic = MODELS[name](problem)
        bounds = softproof.bound(problem, arithmetic)
        mine = pair_bounds.expected(arithmetic, operation, x)
        for ours, theirs in (("value", "value"), ("grad", "grad_logits")):
            bound = mine[ours].bound.numpy()
            assert pairs._apart(bound, bounds[theirs].reshape(bound.shape)) <= 2.0**-40, (operation, ours)


def test_a_model_of_other_kernels_is_refused() -> None:
    """Rather than held to a bound that is none of it."""
    problem = pairs.problem("softmax", "float16", [[0.0, 1.0]])
    for name, told in (("fused", "online, base2"), ("flush-to-zero", "flushes")):
        with pytest.raises(MissingError, match=told):
            pair_bounds.expected(MODELS[name](problem), "softmax", torch.zeros(1, 2))


def _first(x: Tensor) -> Tensor:
    """Of a block, the pairs whose second number has the bits of few exponents."""
    return x[x[:, 1].abs() < 1e-6][:3000]


@pytest.mark.parametrize("form", pairs.DTYPES)
def test_a_planted_error_is_found(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twice the bound in one pair, which has a witness; torch has none."""
    real = pairs.block
    near = torch.tensor(pairs.AT[form], dtype=torch.int16).view(getattr(torch, form))
    monkeypatch.setattr(
        pairs, "block", lambda *of: torch.cat([_first(x := real(*of)), x[(x[:, 1] == near).nonzero()[:, 0]]])
    )
    found = pairs.planted(form, WHERE)

    assert (found["disagreeing"], found["planted"]) == (0, 1)
    assert found["witness"].startswith("softmax of [[1.0, 1.00")
    assert "disagrees: value[0, 0]: got" in found["witness"]
    assert "1 pair disagrees" in "\n".join(pair_tables.tell([{"found": found}]))


@pytest.mark.parametrize("form", pairs.DTYPES)
def test_a_block_is_all_of_its_pairs(form: str) -> None:
    """The first logits of the block, each beside all numbers; what is not finite is left out, and NaN is found."""
    x = pairs.block(0x3C0, form, "cpu")
    bits = x.view(torch.int16).to(torch.int64) & 0xFFFF
    assert sorted(set(bits[:, 0].tolist())) == list(range(0x3C00, 0x3C10))
    assert len(torch.unique(bits[:, 0] * 2**16 + bits[:, 1])) == 1 << 20


def test_a_sweep_counts_hashes_and_asks_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same block has the same hash; another answer another; NaN, and a wrong gradient, disagree."""
    real = pairs.block
    monkeypatch.setattr(pairs, "block", lambda *of: real(*of)[12_000:13_000])
    right = pairs.sweep("float16", [0x3C0], WHERE)
    assert right["pairs"] == 1000
    assert right["hashes"] == pairs.sweep("float16", [0x3C0], WHERE)["hashes"]
    assert (right["disagreeing"], right["witnesses"]) == (0, [])
    assert {"softmax, value", "cross_entropy 1, grad"} < right["worst"].keys()
    assert all(0.1 < worst <= 1 for worst in right["worst"].values())

    for wrong in (torch.nan, 0.25):

        def asking(operation: str, x: Tensor, wrong: float = wrong) -> pairs.Answer:
            answer = pairs.answers(operation, x)
            answer["grad"][7, 1] = wrong if operation == "cross_entropy 0" else answer["grad"][7, 1]
            return answer

        found = pairs.sweep("float16", [0x3C0], WHERE, asking)
        assert (found["open"], found["disagreeing"]) == (1, 1)
        assert "grad_logits[0, 1]: got" in found["witnesses"][0]
        assert found["hashes"] != right["hashes"]
    many = pairs.sweep(
        "float16", [0x3C0], WHERE, lambda name, x: {**(a := pairs.answers(name, x)), "grad": a["grad"] + 9}
    )
    assert (many["open"], many["disagreeing"]) == (4000, 4 * pairs.ASKED)
    assert many["not asked"] == 4000 - 4 * pairs.ASKED
    assert pair_tables.headline([{"found": right}]).startswith("1e+03 pairs, 0 disagree")
    assert "float16: 1,000 pairs of finite numbers" in "\n".join(pair_tables.tell([{"found": right}]))


def test_blocks_with_no_finite_number_are_counted_as_empty() -> None:
    """Their first logits are NaN."""
    found = pairs.sweep("float16", [0x7D0], WHERE)

    assert (found["pairs"], found["hashes"]) == (0, {"0x7d0": "0" * 16})
