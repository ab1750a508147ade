"""Step 5: kernels that need a GPU: those of others where they are installed, and two of our own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..record import LONGEST, NOT_HERE, NOT_INSTALLED, MissingError, Part, Record, Step, Where
from .verify import SEED, headline

OWN = "examples.candidates.triton_cross_entropy:cross_entropy"
PLANTED = "examples.candidates.triton_padded:cross_entropy"
CONFIG = Path(__file__).parents[2] / "examples/candidates/pyproject.toml"
LABELS = ("invalid_labels", "probabilities", "unbatched", "empty")
NEEDS = {"triton_": "triton", "liger": "liger_kernel", "cut_": "cut_cross_entropy", "flash": "flash_attn",
         "quack": "quack"}  # fmt: skip
OURS: tuple[dict[str, Any], ...] = tuple(
    {"target": target, "dtypes": [dtype], "arithmetic": "fused", "ndim": [2], "without": ["nonfinite", *LABELS]}
    for dtype in ("float32", "bfloat16")
    for target in (OWN, PLANTED)
)
OTHERS: tuple[dict[str, Any], ...] = (
    {"target": "examples.candidates.flash_attention:cross_entropy", "dtypes": ["float32"], "arithmetic": "fused",
     "ndim": [2], "fixed": {"reduction": "none"}, "without": ["nonfinite", *LABELS]},
    {"target": "examples.candidates.quack_kernels:softmax", "dtypes": ["float32"], "arithmetic": "fused-base-2",
     "ndim": [2], "fixed": {"dim": -1}, "without": ["nonfinite", "empty"]},
)  # fmt: skip


def parts(_kind: str) -> list[Part]:
    """Ours, and those of the table in examples/candidates/ that are written for a GPU; each with its number."""
    from softproof.runs.config import settings

    table = [each for each in settings(CONFIG).targets if "liger" in each["target"] or "cut_" in each["target"]]
    targets = [*OURS, *table, *OTHERS]
    return [Part(f"{number}: {_short(each)}", partial(ask, dict(each))) for number, each in enumerate(targets, start=1)]


def _short(arguments: dict[str, Any]) -> str:
    return f"{arguments['target'].removeprefix('examples.candidates.')} {', '.join(arguments['dtypes'])}"


def ask(arguments: dict[str, Any], where: Where) -> Record:
    """The rows of a target."""
    target = arguments.pop("target")
    package = next(name for prefix, name in NEEDS.items() if f".{prefix}" in target)
    for needed in {package, "triton"} - {"quack"} | {package}:
        if not find_spec(needed):
            raise MissingError(NOT_INSTALLED, needed)
    if where.kind == "cpu" and package not in ("triton", "liger_kernel"):  # the latter are interpreted
        raise MissingError(NOT_HERE, "a CUDA device")
    import softproof

    given = {name.replace("-", "_"): value for name, value in arguments.items() if name != "device"}
    given |= {"examples": 20, "time_limit": max(60.0, where.seconds), "startup_limit": max(60.0, where.seconds)}
    report = softproof.verify(target, device=where.device, seed=SEED, **given)
    witnesses = {row.operation: f"{row.failure or row.outcome.reason}"[:LONGEST] for row in report.rows if not row.ok}
    rows = json.loads(report.to_json())["rows"]
    kept = ("implementation", "operation", "dtype", "problems", "ulps", "ratio", "verdict", "reason", "lost", "seconds")
    return {"rows": [{name: row[name] for name in kept} for row in rows], "witnesses": witnesses,
            "model": arguments["arithmetic"], "planted": target == PLANTED}  # fmt: skip


def tell(found: Sequence[Record]) -> list[str]:
    """A table of all rows, and each witness; the planted fault has to disagree."""
    from .verify import tell as of_verdicts

    planted = [row["verdict"] for part in found if part["found"].get("planted") for row in part["found"]["rows"]]
    said = f"The kernel with a planted fault: {', '.join(planted)}."
    return [*of_verdicts(found), *([said, ""] if planted else [])]


STEP = Step("kernels", "Kernels that need a GPU", 1.0, parts, tell, headline, jobs=8)
