"""Step 2: exp, log, exp2, log2, log1p and expm1 of every float32, held against float64."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..record import Part, Record, Step, Where, pipe_table

NAMES = ("exp", "log", "exp2", "log2", "log1p", "expm1")
PUBLISHED = {
    "CUDA": dict(zip(NAMES, (2, 1, 2, 1, 1, 1), strict=True)),
    "HIP": dict(zip(NAMES, (1, 2, 1, 1, 1, 1), strict=True)),
}  # LLVM, libc/docs/headers/math/index.rst at 010d639f: over all float32, in ulps between rounded results
ALL = 1 << 32
BLOCK = {"cpu": 1 << 18, "cuda": 1 << 24}  # bit patterns at a time
TINY, SUBNORMAL = 2.0**-126, 2.0**-149


def parts(_kind: str) -> list[Part]:
    """One for each function."""
    return [Part(name, partial(ask, name)) for name in NAMES]


def order(blocks: int) -> list[int]:
    """The numbers of all blocks so that any first ones are spread evenly: their bits reversed."""
    width = blocks.bit_length() - 1
    return [int(f"{number:0{width}b}"[::-1], 2) for number in range(blocks)]


def ask(name: str, where: Where, function: Any = None, blocks: int | None = None) -> Record:
    """As many blocks as the seconds allow; all of them, on a GPU."""
    import torch

    end = time.monotonic() + 0.9 * where.seconds
    mine, exact = function or getattr(torch, name), getattr(torch, name)
    found: Record = {"asked": 0, "ulps": 0.0, "at": "", "units": 0.0, "units at": "", "odd": 0, "odd at": ""}
    size = BLOCK[where.kind]
    for block in order(ALL // size)[:blocks]:
        pattern = torch.arange(size, dtype=torch.int64, device=where.device) + block * size
        x = torch.where(pattern < 2**31, pattern, pattern - 2**32).to(torch.int32).view(torch.float32)
        _worse(found, x, mine(x), exact(x.double()))
        found["asked"] += size
        if time.monotonic() > end:
            break
    return {"function": name, **found, "of": ALL}


def _worse(found: Record, x: Any, got: Any, exact: Any) -> None:
    """Keep the largest error in ulps, or in units of the smallest number, and what is of another kind."""
    import torch

    near = exact.float()  # what overflows, or is no number, is so in float32
    odd = (got.isfinite() != near.isfinite()) | (got.isnan() != near.isnan())
    odd |= near.isinf() & got.isinf() & (near != got)
    normal, small = exact.abs() >= TINY, (exact.abs() < TINY) & (exact != 0)
    power = torch.exp2(torch.floor(torch.log2(exact.abs().clamp(min=TINY))))
    power = torch.where(power > exact.abs().clamp(min=TINY), power / 2, power)  # log2 rounded up
    power = torch.where(power * 2 <= exact.abs(), power * 2, power)
    error = (got.double() - exact).abs()
    usable = ~odd & near.isfinite() & got.isfinite()
    for key, at, size, here in (
        ("ulps", "at", error / (power * 2.0**-23), usable & normal),
        ("units", "units at", error / SUBNORMAL, usable & small),
    ):
        masked = torch.where(here, size, torch.zeros_like(size))
        place = int(masked.argmax())
        if (worst := float(masked[place])) > found[key]:
            found[key], found[at] = worst, float(x[place]).hex()
    count = int(odd.sum())
    if count and not found["odd"]:
        found["odd at"] = float(x[int(odd.int().argmax())]).hex()
    found["odd"] += count


def tell(found: Sequence[Record]) -> list[str]:
    """The largest errors, beside the published ones."""
    if not found:
        return []
    rows = [
        (each["function"], _share(each), f"{each['ulps']:.4f}", f"`{each['at']}`", f"{each['units']:.3f}", each["odd"],
         *(PUBLISHED[vendor][each["function"]] for vendor in PUBLISHED))
        for each in (part["found"] for part in found)
    ]  # fmt: skip
    header = ("function", "of all float32", "largest error, ulp", "at", "where subnormal, units", "of another kind")
    published = (f"{vendor}, published" for vendor in PUBLISHED)
    return [
        *pipe_table((*header, *published), rows),
        "An error is that of the result against the exact value, in ulps of that; half an ulp of it is the rounding to",
        "float32. The published figures, of LLVM's exhaustive tests on an RTX 4000 SFF Ada and an RX 6950 XT, are",
        "distances from the rounded exact value. *Of another kind* are results that are infinite, or NaN, where the",
        "exact one is not, or the other way round.",
        "",
    ]


def _share(each: Record) -> str:
    return "all" if each["asked"] == each["of"] else f"{each['asked'] / each['of']:.3%}"


def headline(found: Sequence[Record]) -> str:
    """The errors of exp and log."""
    told = {part["part"]: part["found"] for part in found}
    errors = [f"{name} {told[name]['ulps']:.3f} ulp" for name in ("exp", "log") if name in told]
    asked = sum(each["asked"] for each in told.values())
    return f"{', '.join(errors)}; {asked:.3g} values"


STEP = Step("elementary", "Elementary functions", 1.0, parts, tell, headline)
