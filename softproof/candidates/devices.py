"""What the errors of a device say, in the words of torch, JAX and Python; and what this machine's CPU has."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

_OF_DEVICES = ("CUDA error", "HIP error", "device-side assert")
_NO_MEMORY = re.compile(r"out of memory|\bMemoryError\b|can't allocate memory|RESOURCE_EXHAUSTED", re.IGNORECASE)


def lacks_memory(error: str) -> bool:
    """Whether there was not enough memory.

    >>> lacks_memory("raised RuntimeError: CUDA error: out of memory")
    True
    """
    return _NO_MEMORY.search(error) is not None


def ends_a_device(error: str) -> bool:
    """Whether nothing is computed on a device after it.

    >>> ends_a_device("CUDA error: an illegal memory access"), ends_a_device("CUDA error: out of memory")
    (True, False)
    """
    return any(each in error for each in _OF_DEVICES) and not lacks_memory(error)


@cache
def has_amx(about: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether bfloat16 products may be made by the AMX tiles of an x86 CPU, which oneDNN can be told not to use."""
    try:
        flags = about.read_text()
    except OSError:
        return False
    return "amx_bf16" in flags and "AMX" in os.environ.get("ONEDNN_MAX_CPU_ISA", "AMX").upper().replace("ALL", "AMX")
