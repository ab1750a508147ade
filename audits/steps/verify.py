"""Step 1: the verdicts on a device, under the models that were read in sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from softproof.problem.formats import FORMATS

from ..record import LONGEST, NOT_IN_TORCH, NOT_INSTALLED, MissingError, Part, Record, Step, Where, pipe_table

COMPILED = ("torch_compiled:softmax", "torch_compiled:log_softmax", "torch_compiled:cross_entropy",
            "torch_compiled_linear:linear", "torch_compiled_linear:linear_cross_entropy")  # fmt: skip
EXAMPLES, SEED = 40, 0
_MODELS = {"cpu": "torch-cpu", "cuda": "torch-cuda"}


def parts(kind: str) -> list[Part]:
    """The reference in each dtype under each model, compiled functions one by one, and the chunked loss."""
    found = [_part("reference", _MODELS[kind], dtype) for dtype in FORMATS]
    found.append(_part("examples.candidates.torch_tf32", _tf32(kind), "float32"))
    found += [_part("reference", "fused", dtype) for dtype in ("float32", "float64")]
    found += [_part("reference", "auto", dtype) for dtype in FORMATS]  # what a user gets who names none
    found += [_part(f"examples.candidates.{name}", "fused", "float32", without(name), 10) for name in COMPILED]
    chunked = partial(_part, "examples.candidates.torch_chunked", _MODELS[kind], without=("unbatched",))
    found += [chunked(dtype) for dtype in ("float64", "float32")]
    return found


def without(name: str) -> tuple[str, ...]:
    """What a compiled function is not asked, in the words that its operation has."""
    if name.endswith(":linear"):
        return ("after another backward",)
    if name.endswith(":linear_cross_entropy"):
        return ("invalid_labels", "probabilities", "k_dimensional", "unbatched", "after another backward")
    of_losses = ("invalid_labels",) if name.endswith(":cross_entropy") else ()
    return ("nonfinite", *of_losses, "jvp", "hvp", "after another backward")


def _tf32(kind: str) -> str:
    return "torch-cuda-tf32" if kind == "cuda" else "torch-cpu"


def _part(target: str, arithmetic: str, dtype: str, without: Sequence[str] = (), examples: int = EXAMPLES) -> Part:
    name = f"{target.removeprefix('examples.candidates.')} {dtype}, {arithmetic}"
    return Part(name, partial(ask, target, arithmetic, dtype, tuple(without), examples))


def ask(target: str, arithmetic: str, dtype: str, without: Sequence[str], examples: int, where: Where) -> Record:
    """The rows of one target in one dtype under one model."""
    needs(target)
    import softproof

    limit = max(30.0, where.seconds)  # what compiles may need all of it for one question
    report = softproof.verify(target, device=where.device, dtypes=[dtype], arithmetic=arithmetic, examples=examples,
                              seed=SEED, without=list(without), time_limit=limit, startup_limit=limit)  # fmt: skip
    rows = json.loads(report.to_json())["rows"]
    kept = ("implementation", "operation", "dtype", "problems", "ulps", "ratio", "verdict", "reason", "lost", "seconds")
    witnesses = {row.operation: f"{row.failure or row.outcome.reason}"[:LONGEST] for row in report.rows if not row.ok}
    return {"rows": [{name: row[name] for name in kept} for row in rows], "witnesses": witnesses, "model": arithmetic}


def needs(target: str) -> None:
    """What a target needs of torch, or beside it."""
    from importlib.util import find_spec

    import torch

    if "chunked" in target and not hasattr(torch.nn, "LinearCrossEntropyOptions"):
        raise MissingError(NOT_IN_TORCH, f"torch {torch.__version__} has no LinearCrossEntropyOptions")
    if "linear_cross_entropy" in target and not hasattr(torch.nn.functional, "linear_cross_entropy"):
        raise MissingError(NOT_IN_TORCH, f"torch {torch.__version__} has no linear_cross_entropy")
    if "compiled" in target and torch.cuda.is_available() and not find_spec("triton"):
        raise MissingError(NOT_INSTALLED, "torch.compile on CUDA needs triton")


def tell(found: Sequence[Record]) -> list[str]:
    """A table of all rows, and each witness."""
    rows = [(part["found"]["model"], *_cells(row)) for part in found for row in part["found"].get("rows", ())]
    if not rows:
        return []
    header = ("arithmetic", "implementation", "operation", "dtype", "problems", "worst ulp", "error/bound", "verdict")
    lines = pipe_table(header, rows)
    for part in found:
        for operation, witness in part["found"].get("witnesses", {}).items():
            lines += [f"{part['part']}, {operation}:", "", "```text", witness.strip(), "```", ""]
    return lines


def _cells(row: Record) -> tuple[object, ...]:
    short = row["implementation"].removeprefix("examples.candidates.")
    numbers = ("-" if row[name] is None else f"{float(row[name]):.3g}" for name in ("ulps", "ratio"))
    return (short, row["operation"], row["dtype"], row["problems"], *numbers, row["verdict"])


def headline(found: Sequence[Record]) -> str:
    """How many rows agree."""
    rows = [row for part in found for row in part["found"].get("rows", ())]
    agreeing = sum(row["verdict"] in ("agrees", "unspecified") for row in rows)
    return f"{agreeing} of {len(rows)} rows agree"


STEP = Step("verify", "Verdicts", 3.0, parts, tell, headline, jobs=12)
