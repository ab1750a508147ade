"""Landlock: which files a process may use, by system calls that need no privileges.

Rights and structures are those of include/uapi/linux/landlock.h; https://docs.kernel.org/userspace-api/landlock.html
tells what each version of the interface (ABI) has.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from .system import system_call

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on all processors
VERSION, PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE  # the others make sense for folders alone
READ = EXECUTE | READ_FILE | READ_DIR
DEVICE = READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEVICE
ALL = (1 << 16) - 1
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many rights to files each ABI knows
_NETWORK = 0b11  # to bind and to connect TCP, from ABI 4 on
_SCOPES = 0b11  # abstract sockets and signals, from ABI 6 on

Rules = Iterable[tuple[str, int]]  # a path, and what is allowed there and below


def abi() -> int:
    """The newest version that this kernel has; OSError where Landlock is absent or turned off."""
    return system_call(CREATE_RULESET, None, 0, VERSION)


def rights(version: int) -> int:
    """All rights to files of a version.

    >>> [f"{rights(version):x}" for version in (1, 2, 3, 4, 5, 6, 7)]
    ['1fff', '3fff', '7fff', '7fff', 'ffff', 'ffff', 'ffff']
    """
    return (1 << _RIGHTS[min(version, max(_RIGHTS))]) - 1


def ruleset(version: int) -> bytes:
    """struct landlock_ruleset_attr: what is forbidden unless a rule allows it; shorter where the kernel is older."""
    fields = [rights(version)]
    if version >= 4:
        fields.append(_NETWORK)
    if version >= 6:
        fields.append(_SCOPES)
    return struct.pack(f"={len(fields)}Q", *fields)


def rule(allowed: int, descriptor: int) -> bytes:
    """struct landlock_path_beneath_attr, which is packed.

    >>> rule(READ, 5).hex()
    '0d0000000000000005000000'
    """
    return struct.pack("=Qi", allowed, descriptor)


def restrict(rules: Rules) -> int:
    """Allow this process and its children what the rules allow, and nothing else; the ABI.

    It has given up new privileges before. A path that does not exist is left out: it cannot be used.
    """
    version = abi()
    handled = rights(version)
    attributes = ruleset(version)
    descriptor = system_call(CREATE_RULESET, ctypes.c_char_p(attributes), len(attributes), 0)
    try:
        for path, allowed in rules:
            _allow(descriptor, path, allowed & handled)
        system_call(RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)
    return version


def _allow(descriptor: int, path: str, allowed: int) -> None:
    """Add one rule."""
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed &= ~0 if stat.S_ISDIR(os.fstat(beneath).st_mode) else OF_FILES
        system_call(ADD_RULE, descriptor, PATH_BENEATH, ctypes.c_char_p(rule(allowed, beneath)), 0)
    finally:
        os.close(beneath)
