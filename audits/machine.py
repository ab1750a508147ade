"""On what machine an audit runs: the device, its driver, and the versions of what computes."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .record import Record

PACKAGES = ("softproof", "python-flint", "numpy", "torch", "triton", "jax", "cupy-cuda13x", "cupy-cuda12x",
            "hypothesis", "pytest", "liger-kernel", "cut-cross-entropy")  # fmt: skip


def machine(device: str) -> Record:
    """What the record begins with."""
    import torch

    found: Record = {
        "device": device,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch for the cpu": torch.backends.cpu.get_cpu_capability(),
        "packages": {name: number for name in PACKAGES if (number := _version(name))},
    }
    if device.startswith("cuda") and torch.cuda.is_available():
        found |= _cuda(torch.device(device).index or 0)
    return found


def _cuda(index: int) -> Record:
    import torch

    properties = torch.cuda.get_device_properties(index)
    return {
        "gpu": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "memory": f"{properties.total_memory / 2**30:.0f} GiB",
        "gpus": torch.cuda.device_count(),
        "cuda of torch": str(torch.version.cuda),
        "driver": _driver(),
    }


def _driver() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown"
    command = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout.split()
    return told[0] if told else "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
