"""Namespaces of Linux: processes, files of processes, shared memory and a network of the candidate's own."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .protections import COUNT, MEMORY, NETWORK, PROCESSES, SIGNALS, WRITING, Protection
from .reading import SHARED_MEMORY
from .system import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    kernel,
    mount,
    set_mount,
    unshare,
)

_OWN_LIMIT = (6, 14)  # the first Linux in which each pid namespace has a largest number of its own
_SMALLEST = 301  # that this number may be
_OF_THE_MACHINE = ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger")  # that root may write


def separate(network: bool) -> list[Protection]:
    """Leave the namespaces of users, processes and shared memory, and of the network if told and allowed.

    The next child is the first process of the new one.

    Raises: OSError where this system does not allow it; this process is then what it was.
    """
    for with_network in (True, False) if network else (False,):
        if (error := _tried(with_network)) == 0:
            _leave(with_network)
            found = [Protection(name, True, "user and pid namespaces") for name in (PROCESSES, MEMORY, SIGNALS)]
            return found + ([Protection(NETWORK, True, "a network namespace")] if with_network else [])
    raise OSError(error, os.strerror(error))


def _tried(network: bool) -> int:
    """The number of the error with which a child of ours failed to leave; 0 where it did not."""
    child = os.fork()
    if child == 0:
        try:
            _leave(network)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 1)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _leave(network: bool) -> None:
    """All at once, and be the same user as before."""
    user, group = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | (CLONE_NEWNET if network else 0))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def furnish(scratch: str | None) -> tuple[bool, list[Protection]]:
    """In the first process: /proc, shared memory and the scratch folder of its own, as far as that is allowed.

    Returns: whether /proc shows the processes of this namespace alone, and what it adds to the protections.
    """
    try:
        unshare(CLONE_NEWNS)
        mount("none", "/", None, MS_REC | MS_PRIVATE)
    except OSError:
        return False, []
    shared = _memory(SHARED_MEMORY, "mode=1777,size=50%")
    protections = []
    writable = [folder for folder in (scratch, SHARED_MEMORY if shared else None) if folder]
    if scratch is not None and _memory(scratch, "mode=0700,size=50%") and _read_only(writable):
        protections.append(Protection(WRITING, True, "all else is mounted for reading"))
    try:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:  # as where parts of /proc are covered, in a container
        return False, protections
    return True, protections


def _memory(folder: str, options: str) -> bool:
    """Whether a folder is one in memory now, that ends with its namespace."""
    try:
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, options)
    except OSError:
        return False
    return True


def _read_only(but: list[str]) -> bool:
    """Whether nothing can be changed now but in these, nor modes, times and owners, which Landlock leaves alone."""
    try:
        set_mount("/", read_only=True, recursive=True)
        for folder in but:
            set_mount(folder, read_only=False)
    except OSError:
        return False
    return True


def seal_settings() -> None:
    """Let nobody change the settings of the machine in a /proc of ours: such as which program is run after a crash.

    They are root's, whatever its namespace is, without any capability.
    """
    for path in filter(os.path.exists, _OF_THE_MACHINE):
        with contextlib.suppress(OSError):
            mount(path, path, None, MS_BIND | MS_REC)
            set_mount(path, read_only=True, recursive=True)


def limit_processes(most: int) -> Protection | None:
    """At most so many processes and threads in this namespace, of root too; where the kernel can."""
    if kernel() < _OWN_LIMIT:  # where this file would be that of the whole machine
        return None
    try:
        Path("/proc/sys/kernel/pid_max").write_text(str(max(most, _SMALLEST)))
    except OSError:
        return None
    return Protection(COUNT, True, f"at most {most:,} with their threads")
