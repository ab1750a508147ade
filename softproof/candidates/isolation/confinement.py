"""What a worker gives up before it runs: in its own process, in front of the first line that is not ours."""

from __future__ import annotations

import os

from . import landlock, limits, seccomp
from .plan import WorkerPlan
from .protections import (
    CALLS,
    COUNT,
    INHERITED,
    MEMORY,
    NETWORK,
    NO_SANDBOX,
    OF_SANDBOX,
    PRIVILEGES,
    READING,
    SIGNALS,
    WRITING,
    Protection,
)
from .reading import SHARED_MEMORY, devices, processes, writing
from .system import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, drop_capabilities, prctl

_OFF = "switched off"


def confine(plan: WorkerPlan, scratch: str | None, own_processes: bool, before: list[Protection]) -> list[Protection]:
    """Privileges, then limits, then files and system calls.

    Args:
        scratch: the folder that it may write in. own_processes: whether /proc shows its own processes alone.
        before: what protects from it already.
    """
    prctl(PR_SET_DUMPABLE, 1)  # this process is the candidate's from here on, and /proc/self is its own
    protections = [Protection(INHERITED, True, f"{len(plan.environment)} variables"), *_privileges(plan)]
    if "limits" not in plan.without:
        protections.append(limits.limit_sizes(plan.memory))
        if not _has(before, COUNT):
            protections.append(_count(plan))
    if scratch is None:
        return protections + [Protection(name, False, NO_SANDBOX) for name in OF_SANDBOX]
    alone = _has(before, SIGNALS)
    return protections + _files(plan, scratch, own_processes, alone) + _calls(plan, alone)


def _has(found: list[Protection], name: str) -> bool:
    """Whether there is such a protection."""
    return any(each.name == name and each.active for each in found)


def _count(plan: WorkerPlan) -> Protection:
    """The limit of the user, who has other processes too."""
    return limits.limit_processes(plan.processes, limits.running(), is_root())


def is_root() -> bool:
    """Whether this is the user whom no limit of processes holds, root of the machine and of no container."""
    with open("/proc/self/uid_map") as file:
        inside, outside, _ = map(int, file.readline().split())
    return os.getuid() - inside + outside == 0


def _privileges(plan: WorkerPlan) -> list[Protection]:
    """No capabilities, and no programs that give some; who has fewer than the judge may not look into it."""
    privileged = _has_capabilities()
    if "capabilities" not in plan.without:
        drop_capabilities()
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if "capabilities" in plan.without:
        return [Protection(PRIVILEGES, False, _OFF)]
    found = [Protection(PRIVILEGES, True, "no capabilities, and none from programs")]
    return found + ([Protection(MEMORY, True, "fewer capabilities than the judge")] if privileged else [])


def _has_capabilities() -> bool:
    """Whether there is something to give up, as the judge has it too."""
    with open("/proc/self/status") as file:
        return any(line.startswith("CapPrm:") and int(line.split()[1], 16) for line in file)


def _files(plan: WorkerPlan, scratch: str, own_processes: bool, alone: bool) -> list[Protection]:
    """Landlock; shared memory is that of everybody unless it is alone."""
    if "landlock" in plan.without:
        return [Protection(name, False, _OFF) for name in (WRITING, READING)]
    try:
        abi = landlock.restrict([*plan.rules, *devices(), *writing(scratch), *processes(own_processes)])
    except OSError as error:
        return [Protection(name, False, f"Landlock: {error.strerror}") for name in (WRITING, READING)]
    how = f"Landlock ABI {abi}"
    protections = [Protection(name, True, how) for name in (READING, MEMORY)]
    not_covered = "modes and times" if abi >= 3 else "modes, times and lengths"
    shared = "" if alone else f", and {SHARED_MEMORY}"
    protections.append(Protection(WRITING, abi >= 3, f"{how}, but for {not_covered} of files{shared}"))
    return protections + ([Protection(SIGNALS, True, how)] if abi >= 6 else [])


def _calls(plan: WorkerPlan, alone: bool) -> list[Protection]:
    """The filter, which leaves no way to a network either, nor to others, if it is not alone."""
    if "seccomp" in plan.without:
        return [Protection(CALLS, False, _OFF)]
    try:
        seccomp.restrict(alone)
    except KeyError as error:
        return [Protection(CALLS, False, f"there is no filter for {error.args[0]}")]
    except OSError as error:
        return [Protection(CALLS, False, f"seccomp: {error.strerror}")]
    return [Protection(CALLS, True, "seccomp"), Protection(NETWORK, True, "seccomp without connections")]
