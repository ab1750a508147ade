"""Step 2, continued: whether subnormal numbers are kept, and how many bits the factors of a product have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..record import Part, Record, Step, Where, pipe_table

DTYPES = ("float32", "float16", "bfloat16", "float64")


def parts(_kind: str) -> list[Part]:
    """Subnormal numbers in each dtype, and products as torch is set, and with TF32 allowed."""
    return [
        *(Part(f"subnormal {dtype}", partial(subnormal, dtype)) for dtype in DTYPES),
        Part("products, as torch is set", partial(products, None)),
        Part("products, TF32 allowed", partial(products, True)),
        Part("products, TF32 not allowed", partial(products, False)),
    ]


def subnormal(dtype: str, where: Where) -> Record:
    """Which operations keep a subnormal operand, or result."""
    import torch

    kind = getattr(torch, dtype)
    tiny = torch.full((64,), torch.finfo(kind).tiny, dtype=kind, device=where.device)
    half = torch.full_like(tiny, torch.finfo(kind).tiny / 2)
    logits = torch.zeros(1, 2, dtype=kind, device=where.device)
    logits[0, 1] = torch.log(torch.tensor(torch.finfo(kind).tiny, dtype=torch.float64)) - 1
    operations: dict[str, Callable[[], Any]] = {
        "x + 0": lambda: half + torch.zeros_like(half),
        "x - y": lambda: tiny * 1.5 - tiny,
        "x · 1": lambda: half * torch.ones_like(half),
        "x · 1/2": lambda: tiny * 0.5,
        "sum": lambda: torch.stack([half, torch.zeros_like(half)]).sum(0),
        "exp": lambda: torch.exp(logits[:, 1]),
        "softmax": lambda: torch.softmax(logits, -1)[:, 1],
        "softmax, dim 0": lambda: torch.softmax(logits.T.contiguous(), 0)[1],
        "linear": lambda: torch.nn.functional.linear(half[:1, None], torch.ones_like(half[:1, None])),
    }
    return {"dtype": dtype, "kept": {name: _kept(operation) for name, operation in operations.items()}}


def _kept(operation: Callable[[], Any]) -> str:
    """Whether a result that is not 0 comes out so."""
    try:
        answer = operation()
    except RuntimeError as error:
        return f"not there: {str(error).splitlines()[0][:80]}"
    return "kept" if bool((answer != 0).all()) else "flushed"


def products(allowed: bool | None, where: Where) -> Record:
    """How many bits of a factor reach a product of float32 matrices: 24, or 11 as TF32 has."""
    import torch

    if allowed is not None:
        torch.backends.cuda.matmul.allow_tf32 = allowed
    n = 256
    ones = torch.ones(n, n, device=where.device)
    bits = 0
    for place in range(1, 24):
        x = torch.zeros(n, n, device=where.device)
        x[:, 0] = 1 + 2.0**-place
        if bool(((x @ ones) == 1 + 2.0**-place).all()):
            bits = place + 1
        else:
            break
    wide = torch.zeros(n, n, device=where.device)
    wide[:, 0], wide[:, 1] = 2.0**24, 1.0  # float32 keeps the 1 in no order; a wider accumulator might
    wide[:, 2] = -(2.0**24)
    return {"allowed": allowed, "set to": torch.backends.cuda.matmul.allow_tf32, "bits": bits,
            "2^24 + 1 - 2^24": float((wide @ ones)[0, 0])}  # fmt: skip


def tell(found: Sequence[Record]) -> list[str]:
    """What is kept, by operation and dtype; and the bits."""
    kept = {part["found"]["dtype"]: part["found"]["kept"] for part in found if "kept" in part["found"]}
    lines: list[str] = []
    if kept:
        names = list(next(iter(kept.values())))
        rows = [(name, *(each[name] for each in kept.values())) for name in names]
        lines += pipe_table(("subnormal numbers", *kept), rows)
    bits = [(part["part"], part["found"]["bits"]) for part in found if "bits" in part["found"]]
    return lines + (pipe_table(("float32 matrices", "bits of a factor"), bits) if bits else [])


def headline(found: Sequence[Record]) -> str:
    """Where something is flushed, and the bits of a product."""
    flushed = [
        f"{part['found']['dtype']} {name}"
        for part in found
        for name, how in part["found"].get("kept", {}).items()
        if how == "flushed"
    ]
    bits = [str(part["found"]["bits"]) for part in found if "bits" in part["found"]]
    return f"flushed: {len(flushed)}; bits of a factor: {', '.join(bits)}"


STEP = Step("rounding", "Subnormal numbers and products", 0.2, parts, tell, headline)
