"""A plugin of pytest for the GPU pack: some of the tests, property tests first, within some seconds.

--pack device asks the tests that take a device, --pack rest the others. What has not begun in time is skipped.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

START = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    """--pack, --pack-seconds and --pack-log."""
    group = parser.getgroup("the GPU pack")
    group.addoption("--pack", choices=("device", "rest"), required=True, help="tests that take a device, or the others")
    group.addoption("--pack-seconds", type=float, required=True, help="skip what has not begun by then")
    group.addoption("--pack-log", type=Path, required=True, help="one outcome on a line")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that are asked, in order."""
    wanted = config.getoption("--pack") == "device"
    others = [item for item in items if takes_device(item) != wanted]
    config.hook.pytest_deselected(items=others)
    items[:] = sorted((item for item in items if takes_device(item) == wanted), key=lambda item: not is_property(item))


def takes_device(item: pytest.Item) -> bool:
    """Whether a test runs on a device that is told."""
    return "device" in getattr(item, "fixturenames", ())


def is_property(item: pytest.Item) -> bool:
    """Whether Hypothesis draws for a test."""
    return bool(getattr(getattr(item, "function", None), "is_hypothesis_test", False))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What comes too late is skipped."""
    if time.monotonic() - START > item.config.getoption("--pack-seconds"):
        pytest.skip("not begun in time")


class _Outcomes:
    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of the call, and of a setup that does not pass."""
        if report.when == "call" or report.outcome != "passed":
            text = (
                report.longreprtext
                if report.failed
                else report.longrepr[2]
                if isinstance(report.longrepr, tuple)
                else ""
            )
            line = {"test": report.nodeid, "outcome": report.outcome, "text": text[-1500:]}
            with self.path.open("a") as file:
                print(json.dumps(line), file=file)


def pytest_configure(config: pytest.Config) -> None:
    """The process that collects the reports writes them; workers of pytest-xdist do not."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Outcomes(config.getoption("--pack-log")))
