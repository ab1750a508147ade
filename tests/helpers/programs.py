"""Programs of others that some tests need: a browser, and a Redis server.

Where one is missing its tests are skipped, with that reason. With --require-browser or --require-redis that is an
error; and where it is there all of its tests are asked, whatever the budget pays for.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .browser import Browser

PROGRAMS = {
    "browser": ("chromium", "google-chrome", "chromium-browser", "chrome"),
    "redis": ("redis-server", "valkey-server"),
}  # each by a fixture of that name


def program(name: str) -> str | None:
    """Where it is, if it is somewhere."""
    return next(filter(None, map(shutil.which, PROGRAMS[name])), None)


def skip_without(name: str) -> str:
    """Where it is; a test that needs it goes no further where it is not."""
    found = program(name)
    return found or pytest.skip(f"no {name} on this machine: none of {', '.join(PROGRAMS[name])} is in PATH")


def pytest_addoption(parser: pytest.Parser) -> None:
    """--require-browser and --require-redis."""
    group = parser.getgroup("softproof")
    for name in PROGRAMS:
        group.addoption(
            f"--require-{name}", action="store_true", help=f"all tests that need {name}; fail at once without"
        )


def pytest_configure(config: pytest.Config) -> None:
    """What was asked for and is not there is an error, never a skip."""
    for name, programs in PROGRAMS.items():
        if config.getoption(f"--require-{name}") and program(name) is None:
            raise pytest.UsageError(f"--require-{name}: none of {', '.join(programs)} is in PATH")


@pytest.hookimpl(tryfirst=True)  # before draws.py chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is required is asked."""
    required = {name for name in PROGRAMS if config.getoption(f"--require-{name}")}
    for item in items:
        if required & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.always)


def pytest_report_header() -> list[str]:
    """Which there are."""
    return [f"{name}: {program(name) or 'absent, its tests are skipped'}" for name in PROGRAMS]


@pytest.fixture(scope="module")
def browser(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that shows pages; one that is there and does not start is as good as none."""
    found = Browser(skip_without("browser"), tmp_path_factory.mktemp("browser"))
    with found:
        try:
            found.start()
        except OSError as error:
            if pytestconfig.getoption("--require-browser"):
                raise
            pytest.skip(f"the browser does not start: {error}")
        yield found


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The address of an empty server that ends with the test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [skip_without("redis"), "--bind", "127.0.0.1", "--port", f"{port}", "--save", "", "--dir", f"{tmp_path}"]
    with (tmp_path / "redis.log").open("wb") as log, subprocess.Popen(command, stdout=log) as server:
        try:
            while not _answers(port):
                assert server.poll() is None, (tmp_path / "redis.log").read_text()
                time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
            line.sendall(b"PING\r\n")
            return line.recv(7) == b"+PONG\r\n"
    except OSError:
        return False
