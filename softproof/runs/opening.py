"""Where the code of a target runs, before it is asked anything: in a process of its own, or in this one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..candidates.candidate import Candidate
from ..candidates.isolated import SECONDS, STARTUP_SECONDS, Isolated, isolated
from ..candidates.isolation.start import check_more, check_sandbox
from ..candidates.loading import Target
from ..candidates.preparation import check_arguments, prepare
from ..problem.interface import InterfaceArguments
from ..problem.validation import is_number, shown


def open_candidate(
    target: Target,
    *arguments: Any,
    in_process: bool | None,
    time_limit: float = SECONDS,
    startup_limit: float = STARTUP_SECONDS,
    folders: Sequence[str] = (),
    sandbox: str = "off",
    hidden: Sequence[str] = (),
    sandbox_read: Sequence[str] = (),
    sandbox_env: Sequence[str] = (),
    closed: bool = False,
) -> Candidate:
    """The candidate of `target` and the arguments of `check_arguments`, in this process or in one of its own.

    Its modules are looked up in `folders` first. In a `sandbox` the files in `hidden` cannot be read. A `closed` one
    lets no other look into its process.
    """
    check_limits(time_limit=time_limit, startup_limit=startup_limit)
    check_sandbox(sandbox)
    check_more(sandbox_read, sandbox_env)
    if isinstance(target, Isolated):
        return target
    if in_process or (in_process is None and not isinstance(target, str)):
        check_trusted(sandbox)
        check_arguments(*arguments)
        operation, adapter, device, dtypes, _, interface = arguments
        return prepare(target, operation, adapter, device, dtypes, interface, folders=folders)
    if not isinstance(target, str):
        raise ValueError(
            f"in_process is False and target is a {type(target).__name__}; expected its name, such as 'manual:softmax'"
        )
    here = [str(Path.cwd())] if "" in sys.path else []  # as where Python is asked line by line
    return isolated(target, *arguments, seconds=time_limit, startup=startup_limit, folders=[*folders, *here],
                    sandbox=sandbox, hidden=hidden, sandbox_read=sandbox_read, sandbox_env=sandbox_env,
                    closed=closed)  # fmt: skip


def check_trusted(sandbox: str) -> None:
    """ValueError where a sandbox is strict, and a target is to run in this process."""
    if sandbox == "strict":
        raise ValueError("sandbox is 'strict', and the target runs in this process; expected the name of one, isolated")


def check_limits(**limits: float) -> None:
    """ValueError for what is no time that a process may take."""
    for name, limit in limits.items():
        if not is_number(limit) or not 0 < limit <= threading.TIMEOUT_MAX:
            raise ValueError(f"{name} is {shown(limit)}; expected a positive number of seconds")


def open_baseline(
    baseline: Target | None, operation: str | None = None, *, in_process: bool | None = None, **where: Any
) -> Candidate | None:
    """The baseline of class D, if there is one, where a target of its kind runs; its errors say whose they are."""
    if baseline is None:
        return None
    arguments = operation, None, "cpu", None, 1, InterfaceArguments()
    try:
        in_process = in_process if isinstance(baseline, str) else None
        return open_candidate(baseline, *arguments, in_process=in_process, closed=True, **where)
    except (ValueError, TypeError) as error:
        raise type(error)(f"baseline: {error}") from error
