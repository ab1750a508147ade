"""Step 2, continued: the order of sums inside softmax, log-softmax, the loss and the linear layer, by width."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from softproof.bounds.arithmetic import DEPTHS
from softproof.properties.summation import depth, places

from ..record import Part, Record, Step, Where, pipe_table

WIDTHS = (32, 33, 128, 200, 1000, 1024, 4096, 16384)
REDUCED = (32, 33, 64, 128, 200, 257, 512, 1000)  # rows of a loss, each of which is a call
MODELLED = ("cuda", "8 lanes", "numpy", "any order")
ROWS = 4096  # asked at a time, of as many as there are classes


def parts(_kind: str) -> list[Part]:
    """Each operation, the classes last or first; widths grow within a part, until its seconds are over."""
    return [Part(name, partial(ask, name)) for name in OPERATIONS]


def ask(name: str, where: Where) -> Record:
    """Depths by width; None where no order of float32 sums fits what came out."""
    end, found = time.monotonic() + 0.8 * where.seconds, {}
    depth(lambda terms: OPERATIONS[name](terms, where.device), 2)  # whatever a device does once
    for n in REDUCED if "rows" in name else WIDTHS[: None if where.kind == "cuda" else -1]:
        start = time.monotonic()
        found[str(n)] = depth(lambda terms: OPERATIONS[name](terms, where.device), n, places(n, count(n)))
        took = time.monotonic() - start
        if time.monotonic() + 10 * took > end:
            break
    return {"operation": name, "depths": found}


def count(n: int) -> int:
    """How many places of a term are tried: all of them where they are few."""
    return n if n <= 64 else 6 if n <= 4096 else 3


def _in_blocks(terms: Any, compute: Callable[[Any], Any], device: str) -> Any:
    """The rows of terms some at a time, on the device, as float32, and what came out as float64."""
    import torch

    blocks = [torch.from_numpy(terms[i : i + ROWS]) for i in range(0, len(terms), ROWS)]
    return np.concatenate([compute(block.to(device)).double().cpu().numpy() for block in blocks])


def _by_softmax(terms: Any, device: str, dim: int) -> Any:
    """1/p - 1 of the logit that is 0."""
    import torch

    def compute(block: Any) -> Any:
        logits = torch.log(block).float()
        p = torch.softmax(logits, -1) if dim else torch.softmax(logits.T.contiguous(), 0).T
        return 1 / p.amax(-1).double() - 1

    return _in_blocks(terms, compute, device)


def _by_log_softmax(terms: Any, device: str, dim: int) -> Any:
    """e^(-l) - 1 of the logit that is 0."""
    import torch

    def compute(block: Any) -> Any:
        logits = torch.log(block).float()
        found = torch.log_softmax(logits, -1) if dim else torch.log_softmax(logits.T.contiguous(), 0).T
        return torch.expm1(-found.amax(-1).double())

    return _in_blocks(terms, compute, device)


def _by_loss(terms: Any, device: str, dim: int) -> Any:
    """e^loss - 1 of the label whose logit is 0; with positions, the classes are not the last dimension."""
    import torch

    def compute(block: Any) -> Any:
        logits, target = torch.log(block).float(), block.argmax(-1)
        if dim:
            found = torch.nn.functional.cross_entropy(logits, target, reduction="none")
        else:
            by_positions = logits.T.contiguous()[None]  # (1, C, positions)
            found = torch.nn.functional.cross_entropy(by_positions, target[None], reduction="none")[0]
        return torch.expm1(found.double())

    return _in_blocks(terms, compute, device)


def _by_linear(terms: Any, device: str, columns: int) -> Any:
    """x · ones, of a few or of many features out."""
    import torch

    ones = torch.ones(columns, terms.shape[-1], device=device)
    return _in_blocks(terms, lambda block: torch.nn.functional.linear(block.float(), ones)[:, 0].double() - 1, device)


def _by_rows(terms: Any, device: str, reduction: str) -> Any:
    """The sum of the losses of n rows: of two classes each, the label's so far below that the loss is its distance."""
    import torch

    found = []
    scale = 2.0 ** (9 + 24 + int(terms.shape[-1]).bit_length())  # all losses are above 2^8, whose exponentials are 0
    for row in torch.from_numpy(terms * scale).to(device).float():
        logits = torch.stack([torch.zeros_like(row), -row], -1)
        target = torch.ones(len(row), dtype=torch.int64, device=device)
        loss = torch.nn.functional.cross_entropy(logits, target, reduction=reduction).double()
        found.append(float(loss) * (len(row) if reduction == "mean" else 1) / scale - 1)
    return np.array(found)


OPERATIONS: dict[str, Callable[[Any, str], Any]] = {
    "softmax, last dim": partial(_by_softmax, dim=1),
    "softmax, dim 0": partial(_by_softmax, dim=0),
    "log_softmax, last dim": partial(_by_log_softmax, dim=1),
    "log_softmax, dim 0": partial(_by_log_softmax, dim=0),
    "cross_entropy, last dim": partial(_by_loss, dim=1),
    "cross_entropy, positions": partial(_by_loss, dim=0),
    "linear, 1 feature out": partial(_by_linear, columns=1),
    "linear, 64 features out": partial(_by_linear, columns=64),
    "sum over rows of losses": partial(_by_rows, reduction="sum"),
}


def tell(found: Sequence[Record]) -> list[str]:
    """Depths measured, beside those of the models."""
    if not found:
        return []
    rows = []
    for name, depths in ((part["part"], part["found"]["depths"]) for part in found):
        measured = [f"{n}: {'no order fits' if each is None else each}" for n, each in depths.items()]
        rows.append((name, "; ".join(measured)))
    modelled = [(name, "; ".join(f"{n}: {DEPTHS[name](n)}" for n in WIDTHS)) for name in MODELLED]
    return [*pipe_table(("float32 sums of", "width: additions on the longest way, measured"), rows),
            *pipe_table(("model", "width: additions, as modelled"), modelled)]  # fmt: skip


def headline(found: Sequence[Record]) -> str:
    """The depths at the width 1000."""
    told = [f"{part['part']} {part['found']['depths']['1000']}" for part in found if "1000" in part["found"]["depths"]]
    return f"at n = 1000: {'; '.join(told[:3])}"


STEP = Step("order", "The order of sums", 0.8, parts, tell, headline)
