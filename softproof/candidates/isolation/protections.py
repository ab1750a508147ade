"""What protects a run from its candidate: each by name, whether it is active here, and how or why not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

PROCESSES = "nothing keeps running"
MEMORY = "no access to the judge's memory, environment and open files"
SIGNALS = "no signals to other processes"
PRIVILEGES = "no privileges"
INHERITED = "nothing inherited but a list of variables and three streams"
COUNT = "number of processes"
SIZES = "sizes of memory, files and core dumps"
WRITING = "no writing outside the scratch folder"
READING = "no reading outside the list"
NETWORK = "no network"
CALLS = "no system calls that programs do not need"
NO_SANDBOX = "without --sandbox"  # why those of a sandbox are absent where nobody wants one
OF_SANDBOX = (WRITING, READING, NETWORK, CALLS)
ALL = (PROCESSES, MEMORY, SIGNALS, PRIVILEGES, INHERITED, COUNT, SIZES, *OF_SANDBOX)


class Protection(NamedTuple):
    """One protection of one process."""

    name: str
    active: bool
    how: str  # or why not

    @property
    def state(self) -> str:
        """For the report.

        >>> Protection(NETWORK, True, "a network namespace").state
        'active: a network namespace'
        """
        return f"{'active' if self.active else 'absent'}: {self.how}"


Protections = tuple[Protection, ...]


class LaunchError(RuntimeError):
    """A worker could not be started, and why."""


def complete(protections: Iterable[Protection]) -> Protections:
    """In the order of the report; of several for one name an active one counts, and what nobody has tried is absent."""
    by_name = {name: Protection(name, False, "not available") for name in ALL}
    for protection in protections:
        earlier = by_name[protection.name]
        if protection.active and earlier.active:
            by_name[protection.name] = earlier._replace(how=f"{earlier.how}, {protection.how}")
        elif protection.active or not earlier.active:
            by_name[protection.name] = protection
    return tuple(by_name.values())


def weakest(several: Iterable[Protection]) -> Protections:
    """Of several processes: what is absent in one is absent.

    >>> [each.state for each in weakest([Protection("a", True, "x"), Protection("a", False, "y")] * 2)]
    ['absent: y']
    """
    by_name: dict[str, Protection] = {}
    for each in several:
        if each.name not in by_name or by_name[each.name].active:
            by_name[each.name] = each
    return tuple(by_name.values())


def keeps_apart(protections: Iterable[Protection]) -> bool:
    """Whether candidates cannot look into each other's processes, each in a namespace or under rules of its own."""
    return any(each.name in (SIGNALS, READING) and each.active for each in protections)


def missing(protections: Iterable[Protection]) -> str:
    """Those that are absent, in words; empty where there are none."""
    return "; ".join(f"{each.name} ({each.how})" for each in protections if not each.active)
