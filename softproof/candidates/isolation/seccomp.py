"""A filter of system calls: programs in the language of classic BPF, for x86-64 and aarch64.

Numbers are those of asm/unistd_64.h and asm-generic/unistd.h; instructions and offsets those of linux/bpf_common.h and
linux/seccomp.h.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import NamedTuple

from .system import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, PR_SET_SECCOMP, machine, prctl

_LOAD, _EQUAL, _AND_SET, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _MACHINE, _ARGUMENT, _SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data; of the low halves of arguments
_X32 = 0x40000000  # calls of a third interface of x86-64, by other numbers
_FILTER = 2
_AF_UNIX, _STREAM, _SEQPACKET, _TYPE = 1, 1, 5, 0xF  # the last: what of a type are no flags
_NAMESPACES = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | 0x02000000 | 0x04000000


class Machine(NamedTuple):
    """A processor: how the kernel marks its calls, and their numbers where they differ."""

    audit: int
    x32: bool
    clone: int
    sockets: tuple[int, int]  # socket, socketpair
    forbidden: dict[str, int]  # to everybody: what programs do not need, or leave behind when they end
    of_others: dict[str, int]  # besides, where there are other processes: what concerns them
    by_number: dict[str, int]  # the same where the first argument is not 0, which is the one that calls


# The same numbers everywhere; what is missing in an older kernel does no harm here.
_COMMON = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443, "open_tree_attr": 467,
}  # fmt: skip
_X86_64 = {
    "shmget": 29, "shmat": 30, "shmctl": 31, "connect": 42, "semget": 64, "semop": 65, "semctl": 66,
    "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "ptrace": 101, "syslog": 103, "pivot_root": 155,
    "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167,
    "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
    "init_module": 175, "delete_module": 176, "quotactl": 179, "semtimedop": 220, "clock_settime": 227,
    "mq_open": 240, "mq_unlink": 241, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250,
    "unshare": 272, "perf_event_open": 298, "fanotify_init": 300, "open_by_handle_at": 304, "setns": 308,
    "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320,
    "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_AARCH64 = {
    "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "quotactl": 60, "acct": 89, "unshare": 97,
    "kexec_load": 104, "init_module": 105, "delete_module": 106, "clock_settime": 112, "syslog": 116,
    "ptrace": 117, "reboot": 142, "sethostname": 161, "setdomainname": 162, "settimeofday": 170, "mq_open": 180,
    "mq_unlink": 181, "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189, "semget": 190, "semctl": 191,
    "semtimedop": 192, "semop": 193, "shmget": 194, "shmctl": 195, "shmat": 196, "connect": 203, "add_key": 217,
    "request_key": 218, "keyctl": 219, "swapon": 224, "swapoff": 225, "perf_event_open": 241,
    "fanotify_init": 262, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
    "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "bpf": 280, "userfaultfd": 282,
    "kexec_file_load": 294,
}  # fmt: skip
_OF_OTHERS = (
    {"setpriority": 141, "ioprio_set": 251, "migrate_pages": 256, "move_pages": 279},
    {"setpriority": 140, "ioprio_set": 30, "migrate_pages": 238, "move_pages": 239},
)
_SCHEDULING = "sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr"
_BY_NUMBER = (
    {"prlimit64": 302, **dict(zip(_SCHEDULING, (142, 144, 203, 314), strict=True))},
    {"prlimit64": 261, **dict(zip(_SCHEDULING, (118, 119, 122, 274), strict=True))},
)
_CLONE3 = 435  # its flags are in memory, where no filter looks: "no such call" makes libraries use `clone`
MACHINES = {
    "x86_64": Machine(0xC000003E, True, 56, (41, 53), _X86_64 | _COMMON, _OF_OTHERS[0], _BY_NUMBER[0]),
    "aarch64": Machine(0xC00000B7, False, 220, (198, 199), _AARCH64 | _COMMON, _OF_OTHERS[1], _BY_NUMBER[1]),
}


def _instruction(code: int, operand: int, then: int = 0, otherwise: int = 0) -> bytes:
    """struct sock_filter."""
    return struct.pack("=HBBI", code, then, otherwise, operand)


def _refuse(error: int = errno.EPERM) -> bytes:
    """The call fails, and the process goes on."""
    return _instruction(_RETURN, _ERRNO | error)


def program(name: str, alone: bool = False) -> bytes:
    """The filter for a processor, as an array of instructions; KeyError where there is none.

    Who is `alone` sees no processes but its own, and may do with them what it likes.
    """
    about = MACHINES[name]
    lines = [_instruction(_LOAD, _MACHINE), _instruction(_EQUAL, about.audit, then=1), _refuse()]
    lines.append(_instruction(_LOAD, _NUMBER))
    if about.x32:
        lines += [_instruction(_AT_LEAST, _X32, otherwise=1), _refuse()]
    for number in sorted((about.forbidden | ({} if alone else about.of_others)).values()):
        lines += [_instruction(_EQUAL, number, otherwise=1), _refuse()]
    for number in () if alone else about.by_number.values():
        lines += [_instruction(_EQUAL, number, otherwise=4), _instruction(_LOAD, _ARGUMENT)]
        lines += [_instruction(_EQUAL, 0, otherwise=1), _instruction(_RETURN, _ALLOW), _refuse()]
    lines += [_instruction(_EQUAL, _CLONE3, otherwise=1), _refuse(errno.ENOSYS)]
    lines += [_instruction(_EQUAL, about.clone, otherwise=4), _instruction(_LOAD, _ARGUMENT)]
    lines += [_instruction(_AND_SET, _NAMESPACES, otherwise=1), _refuse(), _instruction(_RETURN, _ALLOW)]
    for number in about.sockets:  # CUDA opens one; datagrams would reach others unconnected
        lines += [_instruction(_EQUAL, number, otherwise=8), _instruction(_LOAD, _ARGUMENT)]
        lines += [_instruction(_EQUAL, _AF_UNIX, otherwise=4)]
        lines += [_instruction(_LOAD, _SECOND), _instruction(_AND, _TYPE)]
        lines += [_instruction(_EQUAL, _STREAM, then=2), _instruction(_EQUAL, _SEQPACKET, then=1)]
        lines += [_refuse(), _instruction(_RETURN, _ALLOW)]
    lines.append(_instruction(_RETURN, _ALLOW))
    return b"".join(lines)


def restrict(alone: bool = False) -> None:
    """Filter the calls of this process and of its children; OSError or KeyError where that cannot be done."""
    text = program(machine(), alone)
    buffer = ctypes.create_string_buffer(text, len(text))
    header = struct.pack("HxxxxxxP", len(text) // 8, ctypes.addressof(buffer))  # struct sock_fprog
    prctl(PR_SET_SECCOMP, _FILTER, ctypes.c_char_p(header))
