"""Devices, Hypothesis profiles and the header of a test run."""

from __future__ import annotations

import gc
import os
import zlib
from importlib.util import find_spec
from itertools import count
from typing import Any

import hypothesis
import pytest
import torch

from softproof.cli import plan
from softproof.diagnosis.lineup import Lineup
from softproof.generation import seeded
from softproof.reports.environment import versions
from softproof.runs import verification
from tests.helpers.candidates import MANUAL, REFERENCE

SHORT, LONG = 6, 20  # examples of a property, without and with --thorough

DTYPES = ("float64", "float32")
pytest_plugins = [f"tests.helpers.{name}" for name in ("costs", "draws", "programs", "resuming")]
collect_ignore = [] if find_spec("jax") else ["softproof/candidates/adapters/jax_arrays.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """--device and --require-cuda."""
    group = parser.getgroup("softproof")
    group.addoption("--device", action="append", help="try this device only (cpu, cuda, cuda:1, …); may be repeated")
    group.addoption("--seeds", type=int, default=1, help="seeds for mutants, smallest witnesses and regions (1)")
    group.addoption("--thorough", action="store_true", help="also the tests marked thorough, which take hours")
    group.addoption("--huge", action="store_true", help="also problems of more than 2^31 elements, in 20 GB of memory")
    group.addoption("--require-cuda", action="store_true", help="fail at once when there is no CUDA device")


def _register_profiles(examples: int) -> None:
    """Of dev and ci; a property in the profile thorough has many more, in either tier."""
    common: dict[str, Any] = {"deadline": None, "print_blob": True}
    hypothesis.settings.register_profile("dev", max_examples=examples, **common)
    hypothesis.settings.register_profile("ci", max_examples=examples, derandomize=True, database=None, **common)
    hypothesis.settings.register_profile("thorough", max_examples=10_000, **common)


_register_profiles(SHORT)


@pytest.hookimpl(tryfirst=True)  # before Hypothesis loads the profile that it is told
def pytest_configure(config: pytest.Config) -> None:
    """A device that was asked for and is not there is an error, never a skip; the default profile is dev."""
    _register_profiles(LONG if config.getoption("--thorough") else SHORT)
    if not config.getoption("--hypothesis-profile"):
        hypothesis.settings.load_profile("dev")
    if hasattr(seeded.providers, "_get_local_constants"):  # one seed, one run, in whichever order modules are loaded
        seeded.providers._get_local_constants = seeded.providers.Constants
    wanted = config.getoption("--device") or []
    needs_cuda = config.getoption("--require-cuda") or any(device.startswith("cuda") for device in wanted)
    if needs_cuda and not torch.cuda.is_available():
        raise pytest.UsageError("a CUDA device was asked for, and torch finds none on this machine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Huge problems are skipped unless somebody asks for them; thorough tests are left out, and counted as such."""
    if not config.getoption("--thorough"):
        left_out = [item for item in items if item.get_closest_marker("thorough")]
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=left_out)
    if not config.getoption("--huge"):
        for item in items:
            if item.get_closest_marker("huge"):
                item.add_marker(pytest.mark.skip(reason="needs --huge, and 20 GB of memory"))


def pytest_collection_finish() -> None:
    """What has been imported and collected stays, and need not be looked at whenever garbage is."""
    gc.collect()
    gc.freeze()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What is tried, and with what."""
    profile = config.getoption("--hypothesis-profile") or "dev"
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "absent, its tests are skipped"
    return [
        "softproof: " + ", ".join(f"{name} {number}" for name, number in versions().items()),
        f"devices: {', '.join(config.getoption('--device') or ['cpu', 'cuda'])} (cuda: {cuda})",
        f"tests: {_how_many(config)}",
        f"dtypes: {', '.join(DTYPES)}; profile: {profile}, {hypothesis.settings().max_examples:,} examples",
    ]


def _how_many(config: pytest.Config) -> str:
    if config.getoption("--thorough"):
        return "all"
    if config.getoption("--all-cases"):
        return "all but the thorough ones"
    return f"those that {config.getoption('--budget'):g} s of one core pay for, chosen by the seed; all: --all-cases"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take `device`, `dtype`, `half` or `trial_seed` run for each; the half in NumPy is on the CPU alone."""
    absent = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
    chosen = metafunc.config.getoption("--device") or ["cpu", "cuda"]
    marks = {device: [absent] if device == "cuda" else [] for device in chosen}
    if {"half", "device"} <= set(metafunc.fixturenames):
        pairs = [(REFERENCE, device, marks[device]) for device in chosen]
        if "cpu" in chosen:
            pairs.insert(0, (MANUAL, "cpu", []))
        values = [pytest.param(half, device, marks=mark, id=f"{half.name}-{device}") for half, device, mark in pairs]
        metafunc.parametrize(("half", "device"), values)
    elif "device" in metafunc.fixturenames:
        metafunc.parametrize("device", [pytest.param(device, marks=marks[device]) for device in chosen])
    if "trial_seed" in metafunc.fixturenames:
        metafunc.parametrize("trial_seed", range(metafunc.config.getoption("--seeds")))
    if "dtype" in metafunc.fixturenames:
        metafunc.parametrize("dtype", DTYPES)


@pytest.fixture(scope="session")
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether --thorough was given: random tests that draw for themselves draw many more then."""
    return bool(pytestconfig.getoption("--thorough"))


@pytest.fixture(scope="session", autouse=True)
def _options_of_this_run() -> None:
    """Runs that a test starts are not told what this one was told."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def _seeds_by_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test tells no seed it has one by its name and the run's, from call to call another: a run is repeated."""
    from tests.helpers.draws import told_or_fresh  # a plugin, which pytest imports first

    calls, about = count(), f"{told_or_fresh(request.config)} {request.node.nodeid}"
    for module in (plan, verification):
        monkeypatch.setattr(module, "fresh_seed", lambda: zlib.crc32(f"{about} {next(calls)}".encode()))


@pytest.fixture(autouse=True)
def _no_known_bugs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bugs take seconds to start, and are asked by the tests marked `known_bugs` alone."""
    if request.node.get_closest_marker("known_bugs") is None:
        monkeypatch.setattr(Lineup, "missing", property(lambda _: "no known bugs in this test"))
