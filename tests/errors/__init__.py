"""Wrong calls by subject, in tables of one form: the halves by operation, the judge by what it is given."""

from __future__ import annotations

import manual
import reference
import softproof

from .accurate import ACCURATE
from .answers import ANSWERS, OUTPUTS
from .commands import COMMANDS
from .cross_entropy import CROSS_ENTROPY
from .information import INFORMATION
from .inputs import Table, X
from .judging import FACTORS, JUDGING
from .linear import LINEAR
from .networks import NETWORKS
from .questions import QUESTIONS
from .softmax import SOFTMAX
from .targets import TARGETS


def _whole(*tables: Table) -> Table:
    """All cases of some tables, which have no name in common."""
    whole = {name: case for table in tables for name, case in table.items()}
    assert len(whole) == sum(map(len, tables)), "two cases have the same name"
    return whole


TWIN = _whole(SOFTMAX, INFORMATION, LINEAR, CROSS_ENTROPY, ACCURATE)
DEVICES: Table = {
    "a device that is not there": (
        lambda f: f.softmax(X, device="nowhere"),
        ValueError,
        "device is 'nowhere'; torch cannot use it",
    ),
}
TABLES = {
    manual: TWIN,
    reference: _whole(TWIN, DEVICES),
    softproof: _whole(QUESTIONS, JUDGING, FACTORS, ANSWERS, OUTPUTS, TARGETS, NETWORKS, COMMANDS),
}
