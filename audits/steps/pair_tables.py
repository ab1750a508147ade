"""What is told of all pairs: how many, how near to the bound, what disagrees."""

from __future__ import annotations

from collections.abc import Sequence

from ..record import Record, pipe_table


def tell(found: Sequence[Record]) -> list[str]:
    """Pairs, the largest error of each output in units of its bound, and what disagrees."""
    lines: list[str] = []
    for dtype in ("float16", "bfloat16"):
        swept = [each for each in _swept(found) if each["dtype"] == dtype]
        lines += _of_dtype(dtype, swept) if swept else []
    for each in (part["found"] for part in found):
        if "relative" in each:
            apart = ", ".join(f"{name} {size:.1e}" for name, size in each["relative"].items())
            asked = f"{each['pairs']:,} random pairs ({each['pairs by balls']:,} of them by balls)"
            lines += [f"{each['dtype']}, {asked}: the device is this far from the judge, relatively: {apart}.", ""]
        elif "witness" in each:
            lines += [f"{each['dtype']}, a planted error of twice the bound: {each['planted']} pair disagrees.", ""]
    return lines


def _of_dtype(dtype: str, swept: Sequence[Record]) -> list[str]:
    pairs, open_, wrong, unasked = (
        sum(each[name] for each in swept) for name in ("pairs", "open", "disagreeing", "not asked")
    )
    said = f"Float64 leaves {open_:,} open; the judge says that {wrong:,} of {open_ - unasked:,} disagree"
    lines = [f"{dtype}: {pairs:,} pairs of finite numbers. {said}; {unasked:,} were not asked.", ""]
    worst = {key: max(each["worst"].get(key, 0.0) for each in swept) for each in swept for key in each["worst"]}
    lines += pipe_table(("output", "largest error/bound"), [(key, f"{each:.4f}") for key, each in worst.items()])
    witnesses = [witness for each in swept for witness in each["witnesses"]]
    return [*lines, *(["```text", *witnesses[:4], "```", ""] if witnesses else [])]


def _swept(found: Sequence[Record]) -> list[Record]:
    return [part["found"] for part in found if "pairs a second" in part["found"]]


def headline(found: Sequence[Record]) -> str:
    """How many pairs, and how many disagree."""
    swept = _swept(found)
    speed = max((each["pairs a second"] for each in swept), default=0)
    wrong = sum(each["disagreeing"] for each in swept)
    return f"{sum(each['pairs'] for each in swept):.3g} pairs, {wrong} disagree; {speed:.2g}/s"
