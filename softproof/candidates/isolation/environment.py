"""The variables of the environment that a candidate may know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# How libraries and compilers are found and set. What may hold a secret, or makes Python or the loader run a file, is
# not here.
NAMES = (
    "PATH", "LANG", "LANGUAGE", "LC_.*", "TZ", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "TERM",
    "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CC", "CXX", "CUDAHOSTCXX", "VIRTUAL_ENV",
    "CONDA_PREFIX", "NIX_.*", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE",
    "PYTHONFAULTHANDLER", "PYTHONMALLOC", "PYTHONWARNINGS", "CUDA_.*", "CUBLAS_.*", "CUDNN_.*", "NVIDIA_.*", "HIP_.*",
    "HSA_.*", "ROCM_.*", "ROCR_.*", "ROCBLAS_.*", "MIOPEN_.*", "ONEAPI_.*", "SYCL_.*", "ZE_.*", "GPU_.*", "OMP_.*",
    "GOMP_.*", "KMP_.*", "MKL_.*", "OPENBLAS_.*", "BLIS_.*", "NUMEXPR_.*", "VECLIB_.*", "DNNL_.*", "ONEDNN_.*",
    "ATEN_.*", "NPY_.*", "NUMBA_.*", "TORCH_.*", "TORCHINDUCTOR_.*", "TORCHDYNAMO_.*", "PYTORCH_.*", "TRITON_.*",
    "JAX_.*", "XLA_.*", "TF_CPP_.*", "ORT_.*", "MLX_.*", "TINYGRAD_.*", "MALLOC_.*", "SystemRoot", "SYSTEMROOT",
    "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "PROCESSOR_.*", "NUMBER_OF_PROCESSORS", "APPDATA", "LOCALAPPDATA",
    "PROGRAMDATA", "USERPROFILE", "COVERAGE_.*",
)  # fmt: skip
# Unless they are set: threads that wait leave their cores to the judge, and JAX the memory of a GPU to others.
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
_LISTED = re.compile("|".join(NAMES))
_SECRET = re.compile("TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|_KEY(_|$)|_PAT$|AUTH", re.IGNORECASE)


def listed(environment: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """What a candidate may know of an environment; `more` are variables by their names, whatever these are.

    >>> listed({"PATH": "/bin", "OMP_NUM_THREADS": "1", "GITHUB_TOKEN": "?", "LD_PRELOAD": "a.so", "JAX_TOKEN": "?"})
    {'PATH': '/bin', 'OMP_NUM_THREADS': '1'}
    """
    names = [name for name in environment if _LISTED.fullmatch(name) and not is_secret(name)]
    return {name: environment[name] for name in (*names, *more) if name in environment}


def is_secret(name: str) -> bool:
    """Whether a variable may hold a secret, by its name."""
    return bool(_SECRET.search(name))
