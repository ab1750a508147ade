"""What the process of a target is likely to need: imported once, and there for each process that is forked later."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

OF_EVERY = ("preparation", "description", "guard", "protocol", "adapters.numpy_arrays")
OF_TORCH = (
    "torch",
    "torch.fx.experimental.symbolic_shapes",
    "torch._dynamo",  # which forward mode imports when it is first used
    "adapters.torch_arrays",
    "adapters.torch_directions",
    "adapters.torch_modules",
)
LARGEST = 1 << 20  # bytes of a file that is looked at
_IMPORTS_TORCH = re.compile(r"^\s*(import|from)\s+torch\b", re.MULTILINE)


def modules_for(target: str, folders: Sequence[str]) -> tuple[str, ...]:
    """The modules that its process needs whatever it is asked, as far as its files say; what is missing it imports."""
    module, own = target.partition(":")[0], __package__
    torch = any(map(_IMPORTS_TORCH.search, (f"import {module}", *_texts(module, [*folders, *sys.path]))))
    names = (*OF_EVERY, *(OF_TORCH if torch else ()))
    return tuple(name if name.startswith("torch") else f"{own}.{name}" for name in names)


def _texts(module: str, folders: Sequence[str]) -> Iterator[str]:
    """The files of a module or package, in the first folder that has it."""
    for folder in folders:
        place = Path(folder, *module.split("."))
        files = [*place.glob("*.py")] or [place.with_name(f"{place.name}.py")]
        if any(each.is_file() for each in files):
            yield from (each.read_text(errors="replace") for each in files if each.stat().st_size <= LARGEST)
            return
