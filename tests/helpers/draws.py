"""What a run chooses for itself: of one seed, and the same in all processes of one run."""

from __future__ import annotations

import secrets

import hypothesis
import pytest

_FRESH = f"{secrets.randbelow(2**32)}"  # of a run in one process to which no seed was told


def run_seed(config: pytest.Config) -> str:
    """--hypothesis-seed; otherwise one of its own in each run, and always the same in a derandomised profile."""
    told = config.getoption("--hypothesis-seed")
    if told is not None:
        return f"{told}"
    if hypothesis.settings().derandomize:
        return "0"
    worker: dict[str, str] = getattr(config, "workerinput", {})
    return worker.get("testrunuid", _FRESH)  # of pytest-xdist: each worker has to collect the same tests
