"""A folder that a candidate may fill, and its removal, which the candidate may not want."""

from __future__ import annotations

import contextlib
import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make(parent: str) -> str:
    """A new folder inside another, of this user alone."""
    folder = f"{parent}/softproof-scratch-{os.urandom(8).hex()}"
    os.mkdir(folder, stat.S_IRWXU)
    return folder


def variables(folder: str) -> dict[str, str]:
    """Of the environment: where programs keep their files, all in one folder; Python writes no bytecode."""
    homes = ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP")
    caches = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TRITON_CACHE_DIR", "TRITON_DUMP_DIR",
              "TRITON_HOME", "TORCHINDUCTOR_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "PYTORCH_KERNEL_CACHE_PATH",
              "CUDA_CACHE_PATH", "CUPY_CACHE_DIR", "MIOPEN_CUSTOM_CACHE_DIR", "MIOPEN_USER_DB_PATH",
              "SYCL_CACHE_DIR", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")  # fmt: skip
    places = {name: f"{folder}/{name.lower()}" for name in caches}
    return {**dict.fromkeys(homes, folder), **places, "PYTHONDONTWRITEBYTECODE": "1"}


def remove(folder: str) -> None:
    """A folder with all that is in it, however deep; links are removed, never followed.

    Nobody may write there any more. What cannot be removed is left.
    """
    with contextlib.suppress(OSError):
        top = _opened(folder, None)
        try:
            while names := os.listdir(top):
                for name in names:
                    _remove(name, top)
        finally:
            os.close(top)
        os.rmdir(folder)


def _opened(name: str, parent: int | None) -> int:
    """A descriptor of a folder, which is made open to its owner."""
    os.chmod(name, stat.S_IRWXU, dir_fd=parent)
    return os.open(name, _FOLDER, dir_fd=parent)


def _remove(name: str, top: int) -> None:
    """One entry; of a folder the folders in it come first, which move up: so none is too deep."""
    if _unlinked(name, top):
        return
    inside = _opened(name, top)
    try:
        for entry in os.listdir(inside):
            if not _unlinked(entry, inside):
                os.chmod(entry, stat.S_IRWXU, dir_fd=inside)  # a folder can be moved by who may write in it
                os.rename(entry, os.urandom(16).hex(), src_dir_fd=inside, dst_dir_fd=top)
    finally:
        os.close(inside)
    os.rmdir(name, dir_fd=top)


def _unlinked(name: str, parent: int) -> bool:
    """Whether an entry was no folder, and is gone; OSError where it can never go."""
    try:
        os.unlink(name, dir_fd=parent)
    except (IsADirectoryError, PermissionError):  # which of the two is said of a folder differs between systems
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise
        return False
    return True
