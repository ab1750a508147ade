"""Step 6: what a device does later than it is told: illegal accesses, other streams, stale memory, old addresses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..record import LONGEST, NOT_HERE, MissingError, Part, Record, Step, Where, pipe_table
from .verify import SEED

AGREES, DISAGREES, CANNOT = "agrees", "disagrees", "cannot ask"
EITHER = f"{DISAGREES} or {CANNOT}"  # the second on a CPU, which raises an error at once
# What is asked one after the other in the process of a part, each in a process of its own, and what it should read.
QUESTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "an illegal access, and the run goes on": (("illegal_access", EITHER), ("right", AGREES)),
    "another stream, not synchronised": (("other_stream", DISAGREES), ("right", AGREES)),
    "poisoned memory": (("unwritten", DISAGREES), ("right_where_poisoned", AGREES)),
    "new values at the same address": (("kept_by_address", DISAGREES), ("right_at_one_address", AGREES)),
    "out of memory, and the run goes on": (("out_of_memory", CANNOT), ("right", AGREES)),
    "two devices": (("right", AGREES),),
}
OF_A_GPU = ("another stream, not synchronised", "two devices")


def parts(_kind: str) -> list[Part]:
    """One for each kind of trouble."""
    return [Part(name, partial(ask, name)) for name in QUESTIONS]


def ask(name: str, where: Where) -> Record:
    """The verdicts on candidates that misbehave in this way, and on right ones after them."""
    import torch

    device = where.device
    if name in OF_A_GPU and where.kind == "cpu":
        raise MissingError(NOT_HERE, "a CUDA device")
    if name == "two devices":
        if torch.cuda.device_count() < 2:
            raise MissingError(NOT_HERE, f"two CUDA devices; there is {torch.cuda.device_count()}")
        device = f"cuda:{1 - (torch.device(device).index or 0)}"
    return {"rows": [_asked(candidate, should, device) for candidate, should in QUESTIONS[name]]}


def _asked(candidate: str, should: str, device: str) -> Record:
    """One verdict, in float32, of the value and of the gradient by autograd."""
    import softproof

    target = f"audits.misbehaving:{candidate}"
    report = softproof.verify(target, operation="softmax", device=device, dtypes=["float32"], examples=10, seed=SEED,
                              shrink=False)  # fmt: skip
    row = report.rows[0]
    said = f"{row.failure.verdict if row.failure else row.outcome.lost or row.outcome.reason}"[:LONGEST]
    return {"candidate": candidate, "device": device, "verdict": row.verdict, "expected": should, "said": said}


def tell(found: Sequence[Record]) -> list[str]:
    """Each candidate, its verdict, and what the report said."""
    rows = [
        (part["part"], row["candidate"], row["verdict"], row["expected"], row["said"].split("\n")[0][:160] or "-")
        for part in found
        for row in part["found"]["rows"]
    ]
    return pipe_table(("question", "candidate", "verdict", "expected", "the report says"), rows) if rows else []


def headline(found: Sequence[Record]) -> str:
    """How many verdicts are what they should be."""
    rows = [row for part in found for row in part["found"]["rows"]]
    return f"{sum(row['verdict'] in row['expected'].split(' or ') for row in rows)} of {len(rows)} verdicts as expected"


STEP = Step("asynchronous", "Asynchronous behaviour", 0.6, parts, tell, headline, jobs=6)
