"""System calls of Linux that Python has no function for."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_GET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 3, 22
PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_CHILD_SUBREAPER = 24, 28, 36
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
SECURE_NOROOT_LOCKED = 0b11  # user 0 gets no capabilities when it runs a program, and cannot change that
CLONE_NEWNS, CLONE_NEWIPC = 0x00020000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
CAPABILITY_VERSION_3 = 0x20080522


@functools.cache
def _libc() -> Any:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def _checked(status: int, name: str) -> int:
    """What a call gave; OSError where it failed."""
    if status < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return status


def system_call(number: int, *arguments: Any) -> int:
    """A system call by its number; each argument is an integer of 64 bits or a pointer."""
    whole = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *whole), f"system call {number}")


def prctl(option: int, *arguments: Any) -> int:
    """`prctl`, with zeros for the arguments that are not given."""
    given = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    padding = [ctypes.c_ulong(0)] * (4 - len(given))
    return _checked(_libc().prctl(ctypes.c_int(option), *given, *padding), f"prctl {option}")


def unshare(flags: int) -> None:
    """Leave the namespaces that are named."""
    _checked(_libc().unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Mount a file system, or change how one is mounted."""
    texts = [None if each is None else os.fsencode(each) for each in (source, target, kind, options)]
    _checked(_libc().mount(*texts[:3], ctypes.c_ulong(flags), texts[3]), f"mount {target}")


def set_mount(target: str, read_only: bool, recursive: bool = False) -> None:
    """Let nothing be changed in a file system, or again, as it is mounted here; from Linux 5.12 on."""
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY * read_only, MOUNT_ATTR_RDONLY * (not read_only), 0, 0)
    path, flags = ctypes.c_char_p(os.fsencode(target)), AT_RECURSIVE if recursive else 0
    system_call(MOUNT_SETATTR, AT_FDCWD, path, flags, attributes, ctypes.sizeof(attributes))


def drop_capabilities() -> None:
    """All of them, and the ways to get them back; the bounding set as far as this process may."""
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:  # no such capability, or not allowed: without privileges there is none to drop
            continue
    for option, argument in ((PR_SET_SECUREBITS, SECURE_NOROOT_LOCKED), (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)):
        try:
            prctl(option, argument)
        except OSError:
            continue
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    _checked(_libc().capset(header, (ctypes.c_uint32 * 6)()), "capset")


def machine() -> str:
    """The processor, as Linux names it."""
    return os.uname().machine


def kernel() -> tuple[int, int]:
    """The version of the kernel."""
    first, second = os.uname().release.split("-")[0].split(".")[:2]
    return int(first), int(second)
