"""Step 3: all rows of two logits in half precision: softmax, log-softmax and both losses, values and gradients.

A pair is 32 bits, the logits one after the other; a block is 2²⁰ pairs. What float64 finds within its own error of the
bound, or outside, is asked of the judge, pair by pair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import softproof
from softproof import Problem, judge_result
from softproof.bounds.arithmetic import Arithmetic
from softproof.bounds.models import MODELS
from softproof.problem.problem import Output, Result
from softproof.verdicts.verdict import AGREES, NO_GUARANTEE

from ..record import LONGEST, Part, Record, Step, Where
from .elementary import order
from .pair_bounds import GRAD, Expected, expected
from .pair_bounds import NAMES as NAMES
from .pair_tables import headline, tell

DTYPES = ("float16", "bfloat16")
BLOCK, BLOCKS, GROUP = 1 << 20, 1 << 12, 16
REHEARSED = {"cpu": 1, "cuda": BLOCKS // GROUP}  # groups of blocks
COMPARED = {"cpu": 1 << 17, "cuda": 1 << 20}  # random pairs held against the judge's own truth and bound
BALLS, BITS = 1 << 11, 1536  # of them by balls, which know 1 - p relatively where p is 1 - 2⁻¹⁰⁰⁰
EDGE = 2.0**-20  # above what float64 is off by (Theorem 15)
ASKED = 8  # pairs of some blocks that the judge is asked of an operation: many disagree for one reason
MODEL = {"cpu": "torch-cpu", "cuda": "torch-cuda"}
AT = {"float16": 0x3C05, "bfloat16": 0x3F81}  # the second logit of a pair near 1, beside the first numbers of its block
Answer = dict[str, Tensor]
Asking = Callable[[str, Tensor], Answer]


def parts(kind: str) -> list[Part]:
    """The comparison with the judge, the planted error, and the blocks, so that any first ones are spread evenly."""
    found = []
    for dtype in DTYPES:
        found.append(Part(f"{dtype}: as the judge says", partial(compare, dtype)))
        found.append(Part(f"{dtype}: a planted error", partial(planted, dtype)))
    numbers = order(BLOCKS)
    for group in range(REHEARSED[kind]):
        chosen = numbers[group * GROUP : (group + 1) * GROUP]
        found += [Part(f"{dtype}: blocks {group * GROUP} to {group * GROUP + GROUP - 1}", partial(sweep, dtype, chosen))
                  for dtype in DTYPES]  # fmt: skip
    return found


def block(number: int, dtype: str, device: str) -> Tensor:
    """The pairs of a block (2²⁰, 2), infinities and NaN among them."""
    pattern = torch.arange(BLOCK, dtype=torch.int64, device=device) + number * BLOCK
    bits = torch.stack([pattern >> 16, pattern & 0xFFFF], -1)
    return torch.where(bits < 2**15, bits, bits - 2**16).to(torch.int16).view(getattr(torch, dtype))


def model(kind: str, operation: str, dtype: str) -> Arithmetic:
    """What the bound is a theorem about."""
    return MODELS[MODEL[kind]](problem(operation, dtype, np.zeros((1, 2))))


def problem(operation: str, dtype: str, rows: Any) -> Problem:
    """The question that a batch of pairs asks."""
    rows = np.asarray(rows, np.float64)
    name, _, label = operation.partition(" ")
    if not label:
        return Problem(name, dtype, {"logits": rows}, {"dim": -1}, grad_output=np.tile(GRAD, (len(rows), 1)))
    target = np.full(len(rows), int(label))
    return Problem(name, dtype, {"logits": rows, "target": target}, {"reduction": "none"}, np.ones(len(rows)))


def answers(operation: str, x: Tensor) -> Answer:
    """What torch makes of pairs: the value, (n, 2) or (n, 1), and the gradient (n, 2)."""
    x = x.detach().requires_grad_()
    name, _, label = operation.partition(" ")
    if label:
        target = torch.full((len(x),), int(label), device=x.device)
        value = F.cross_entropy(x, target, reduction="none")
        g = torch.ones_like(value)
    else:
        value = getattr(F, name)(x, -1)
        g = torch.tensor(GRAD, dtype=x.dtype, device=x.device).repeat(len(x), 1)
    (grad,) = torch.autograd.grad(value, x, g)
    return {"value": value.detach().reshape(len(x), -1), "grad": grad}


def sweep(dtype: str, numbers: Sequence[int], where: Where, asking: Asking = answers) -> Record:
    """Some blocks."""
    start, found = time.monotonic(), Found()
    for number in numbers:
        found.add(number, dtype, where, asking)
    seconds = time.monotonic() - start
    return {"dtype": dtype, "pairs": found.pairs, "worst": found.worst, "open": found.open, "hashes": found.hashes,
            "disagreeing": found.disagreeing, "not asked": found.unasked, "witnesses": found.witnesses[:8],
            "pairs a second": round(found.pairs / seconds)}  # fmt: skip


class Found:
    """What blocks have shown."""

    def __init__(self) -> None:
        self.pairs = self.open = self.disagreeing = self.unasked = 0
        self.asked = dict.fromkeys(NAMES, 0)
        self.hashes: dict[str, str] = {}
        self.worst: dict[str, float] = {}
        self.witnesses: list[str] = []

    def add(self, number: int, dtype: str, where: Where, asking: Asking) -> None:
        """One block: all finite pairs of it."""
        x = block(number, dtype, where.device)
        x = x[x.isfinite().all(-1)]
        self.pairs += len(x)
        total = 0
        for operation in NAMES if len(x) else ():
            answer = asking(operation, x)
            total = _hash(total, answer)
            should = expected(model(where.kind, operation, dtype), operation, x)
            self._hold(operation, dtype, x, answer, should, where)
        self.hashes[f"{number:#05x}"] = f"{total:016x}"

    def _hold(
        self, operation: str, dtype: str, x: Tensor, answer: Answer, should: dict[str, Expected], where: Where
    ) -> None:
        open_ = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for name, (truth, bound) in should.items():
            ratio = (answer[name].double() - truth).abs() / bound
            certain = ratio <= 1 - EDGE  # NaN is not
            open_ |= ~certain.all(-1)
            worst = float(torch.where(ratio.isfinite(), ratio, 0.0).amax())
            key = f"{operation}, {name}"
            self.worst[key] = max(self.worst.get(key, 0.0), worst)
        places = open_.nonzero()[:, 0].tolist()
        self.open += len(places)
        asked = places[: ASKED - self.asked[operation]]
        self.asked[operation] += len(asked)
        self.unasked += len(places) - len(asked)
        for place in asked:
            self._ask(
                operation, dtype, x[place : place + 1], {name: each[place] for name, each in answer.items()}, where
            )

    def _ask(self, operation: str, dtype: str, x: Tensor, answer: Answer, where: Where) -> None:
        """The judge, of one pair."""
        asked = problem(operation, dtype, x.double().cpu().numpy())
        shape = (1,) if "target" in asked.inputs else (1, 2)
        value = answer["value"].float().cpu().numpy().reshape(shape)
        outputs = {
            "value": Output(value, dtype, "cpu"),
            "grad_logits": Output(answer["grad"].float().cpu().numpy().reshape(1, -1), dtype, "cpu"),
        }
        verdict = judge_result(asked, Result(outputs), arithmetic=MODEL[where.kind])
        if verdict.outcome not in (AGREES, NO_GUARANTEE):
            self.disagreeing += 1
            self.witnesses.append(f"{operation} of {asked.inputs['logits'].tolist()}: {verdict}"[:LONGEST])


def _hash(total: int, answer: Answer) -> int:
    """A sum of all bits, each number with a factor of its own, modulo 2⁶⁴; the order of additions is nothing to it."""
    for each in answer.values():
        bits = each.contiguous().view(torch.int16).reshape(-1).to(torch.int64)
        factors = torch.arange(len(bits), dtype=torch.int64, device=bits.device) * 2 + 1
        total = (total * 1_000_003 + int(((bits + 40_503) * factors * factors).sum())) % 2**64
    return total


def planted(dtype: str, where: Where) -> Record:
    """An answer that is off by twice the bound in one pair is found, and it alone."""
    number, place = AT[dtype] >> 4, torch.tensor(AT[dtype], dtype=torch.int16, device=where.device)

    def off(operation: str, x: Tensor) -> Answer:
        answer = answers(operation, x)
        if operation == "softmax":
            row = (x[:, 1] == place.view(x.dtype)).nonzero()[0, 0]
            truth, bound = expected(model(where.kind, operation, dtype), operation, x)["value"]
            moved = (truth[row, 0] + 2 * bound[row, 0]).to(x.dtype)
            up = (moved.view(torch.int16) + 1).view(x.dtype)  # not to be rounded back
            answer["value"][row, 0] = up
        return answer

    right, wrong = (sweep(dtype, [number], where, asking) for asking in (answers, off))
    return {"dtype": dtype, "disagreeing": right["disagreeing"], "planted": wrong["disagreeing"],
            "witness": (wrong["witnesses"] or [""])[0]}  # fmt: skip


def compare(dtype: str, where: Where) -> Record:
    """Truth and bound of random pairs on the device, and the judge's own."""
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(-(2**15), 2**15, (COMPARED[where.kind], 2), generator=generator).to(torch.int16)
    x = bits.view(getattr(torch, dtype))
    x = x[x.isfinite().all(-1)]
    worst = {"bound": 0.0, "truth by balls": 0.0}
    for operation in NAMES:
        arithmetic, rows = model(where.kind, operation, dtype), x.double().numpy()
        mine = expected(arithmetic, operation, x.to(where.device))
        bounds = softproof.bound(problem(operation, dtype, rows), arithmetic)
        balls = softproof.solve(problem(operation, dtype, rows[:BALLS]), BITS)
        for name, own in (("value", "value"), ("grad", "grad_logits")):
            truth, bound = (each.cpu().numpy() for each in mine[name])
            worst["bound"] = max(worst["bound"], _apart(bound, bounds[own].reshape(bound.shape)))
            exact = np.array([float(each) for each in balls[own].reshape(-1)])
            worst["truth by balls"] = max(worst["truth by balls"], _apart(truth[:BALLS].reshape(-1), exact))
    return {"dtype": dtype, "pairs": len(x), "pairs by balls": min(BALLS, len(x)), "relative": worst,
            "equal": max(worst.values()) <= 2.0**-40}  # fmt: skip


def _apart(one: Any, two: Any) -> float:
    """The largest relative difference; 0 of what is equal, infinities too, or below what float64 can be precise in."""
    same = (one == two) | ((np.abs(one) < 2.0**-960) & (np.abs(two) < 2.0**-960))
    with np.errstate(all="ignore"):
        found = np.where(same, 0.0, np.abs(one - two) / np.abs(two))
    return float(np.max(np.where(np.isnan(found), np.inf, found), initial=0.0))


STEP = Step("pairs", "All pairs of logits in half precision", 2.0, parts, tell, headline)
