"""A candidate's process has what it needs to compute, and nothing of the judge."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import softproof
from softproof import CHECKS
from softproof.candidates.directives import NAMES_OF_CHECKS
from softproof.candidates.frameworks import FRAMEWORKS

OF_THE_JUDGE = {"hypothesis", "flint", "torch"} | {
    f"softproof.{name}" for name in ("bounds", "generation", "properties", "reports", "runs", "truth", "verdicts")
}


def _modules(imported: str) -> set[str]:
    """What has been imported with something, in a fresh process."""
    code = f"import {imported}, sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_worker_imports_nothing_of_the_judge() -> None:
    """No truth, no bound, no verdict, and no library of theirs; the same question finds them in the judge."""
    assert not _modules("softproof.candidates.worker") & OF_THE_JUDGE
    assert _modules("softproof.runs.verification") >= OF_THE_JUDGE - {"torch"}


def test_the_package_imports_nothing_before_it_is_used() -> None:
    """Its names are there all the same."""
    assert {name for name in _modules("softproof") if name.startswith("softproof.")} == set()
    assert {"verify", "judge", "Problem", "CHECKS"} <= set(dir(softproof))
    with pytest.raises(AttributeError, match="module 'softproof' has no attribute 'nothing'"):
        softproof.nothing  # type: ignore[attr-defined]  # noqa: B018  # that is the mistake


def test_every_name_is_that_of_its_module() -> None:
    """And none is left out of what mypy and editors see."""
    for name in dir(softproof):
        if not name.startswith("_"):
            assert getattr(softproof, name) is not None
    assert len([name for name in dir(softproof) if not name.startswith("_")]) == 38


@pytest.mark.parametrize("adapter", FRAMEWORKS)
def test_what_the_judge_knows_of_an_adapter_is_what_its_module_says(adapter: str) -> None:
    """Without importing it."""
    own = adapter if adapter in ("torch", "jax") else "numpy"
    if own == "jax":
        pytest.importorskip("jax")
    module, known = importlib.import_module(f"softproof.candidates.adapters.{own}_arrays"), FRAMEWORKS[adapter]

    assert (known.dtypes, known.layouts) == (tuple(module.DTYPES), tuple(module.LAYOUTS))
    assert known.differentiates == hasattr(module, "differentiate")


def test_the_ways_are_known_to_who_loads_a_candidate() -> None:
    """Without importing the judge."""
    assert tuple(CHECKS) == NAMES_OF_CHECKS
