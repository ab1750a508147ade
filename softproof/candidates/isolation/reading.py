"""Which files a candidate in a sandbox may read: a list of folders, and what inside them is hidden."""

from __future__ import annotations

import contextlib
import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from .compilers import installations, is_in
from .landlock import ALL, DEVICE, READ, READ_DIR, READ_FILE, TRUNCATE, WRITE_FILE

SYSTEM = (
    "/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/local/lib",
    "/usr/local/lib64", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/include",
    "/usr/local/include", "/usr/share", "/opt/cuda", "/opt/rocm", "/opt/intel", "/nix/store", "/etc/ld.so.cache",
    "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
    "/etc/alternatives", "/etc/OpenCL", "/sys",
)  # fmt: skip
SIMPLE_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
ACCELERATORS = ("/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/accel", "/dev/dxg")
SHARED_MEMORY = "/dev/shm"
OF_PROCESSES = (
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/version",
    "/proc/filesystems", "/proc/devices", "/proc/modules", "/proc/sys", "/proc/driver",
)  # fmt: skip
Rules = list[tuple[str, int]]


def rules(path: Iterable[str], folder: str, hidden: Iterable[str]) -> Rules:
    """What may be read, as rules of Landlock: the interpreter, what is installed, and the candidate's own folder.

    Args:
        path: where the candidate's modules are looked up. folder: where it runs.
        hidden: files of the judge, which are in none of the rules.
    """
    own = [folder, *path, *_editable()]
    hidden = list(map(os.path.realpath, hidden))
    installed = [*_toolkits(), *installations(os.environ, own)]
    covered = {*hidden_in_home(), *hidden, *_second_names(hidden, [*own, *installed])}
    found = [(each, READ) for each in (*SYSTEM, *_interpreter())]
    for each in dict.fromkeys(map(os.path.realpath, (*own, *installed))):
        found += _around(each, covered)
    return found


def devices() -> Rules:
    """Device files: those that hold nothing, and accelerators."""
    accelerators = [each for pattern in ACCELERATORS for each in glob.glob(pattern)]
    return [(each, DEVICE) for each in accelerators] + [(each, READ_FILE | WRITE_FILE) for each in SIMPLE_DEVICES]


def writing(scratch: str) -> Rules:
    """Where the candidate may write."""
    return [(scratch, ALL), (SHARED_MEMORY, ALL)]


def processes(own: bool) -> Rules:
    """What may be read in /proc: everything where it shows the candidate's own processes alone.

    Threads may be given names, which CUDA cannot start without.
    """
    found = [("/proc", READ)] if own else [(each, READ) for each in OF_PROCESSES]
    return [*found, ("/proc/self/task", WRITE_FILE | TRUNCATE)]


def _interpreter() -> Iterator[str]:
    """Where Python is."""
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    yield os.path.dirname(os.path.realpath(sys.executable))
    yield str(Path(__file__).parents[2])


def _toolkits() -> Iterator[str]:
    """Where compilers and libraries of accelerators are, and shared libraries that this system finds elsewhere."""
    yield from (*glob.glob("/usr/local/cuda*"), *glob.glob("/usr/local/nvidia*"))
    yield from (
        os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH", "ROCM_PATH", "CONDA_PREFIX") if os.environ.get(name)
    )
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
    for each in glob.glob("/etc/ld.so.conf.d/*.conf"):
        with contextlib.suppress(OSError):
            yield from (line for line in Path(each).read_text(errors="replace").split() if os.path.isabs(line))


def _editable() -> Iterator[str]:
    """Folders of packages that are installed in place, by import hooks of setuptools."""
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):
            for place in getattr(module, "MAPPING", {}).values():
                yield from (place, f"{place}.py")


def hidden_in_home() -> list[str]:
    """What lies hidden in the user's home, where keys and passwords are."""
    home = os.path.realpath(os.path.expanduser("~"))
    return glob.glob(f"{glob.escape(home)}/.*")


def _second_names(hidden: Iterable[str], folders: Iterable[str]) -> Iterator[str]:
    """Other names of hidden files, by hard links in these folders: rules are about files, whichever name is opened."""
    linked = set()
    for name in hidden:
        with contextlib.suppress(OSError):
            status = os.stat(name)
            linked |= {(status.st_dev, status.st_ino)} if os.path.isfile(name) and status.st_nlink > 1 else set()
    for root in map(os.path.realpath, folders if linked else ()):
        for folder, _, names in os.walk(root):
            for path in (os.path.join(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    status = os.lstat(path)
                    if (status.st_dev, status.st_ino) in linked:
                        yield path


def _around(root: str, hidden: Iterable[str]) -> Rules:
    """Rules for all of a folder except what is hidden and what links lead to; its names may be listed."""
    inside = [name for name in hidden if is_in(name, root)]
    if root in inside:
        return []
    if not inside and root != os.sep:
        return [(root, READ)]
    allowed: Rules = [(root, READ_DIR)] if root != os.sep else []
    with contextlib.suppress(OSError), os.scandir(root) as entries:  # what the judge cannot list, nobody reads
        for entry in entries:
            wanted = root != os.sep or entry.name.endswith(".py") or os.path.isfile(f"{entry.path}/__init__.py")
            if wanted and not entry.is_symlink():
                allowed += _around(entry.path, inside)
    return allowed
