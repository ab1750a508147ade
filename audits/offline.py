"""dist/offline/: all that a machine with torch and without a network needs to run the GPU pack.

python -m audits.offline --out dist/offline

It builds the wheel of softproof, fetches the wheels of what such a machine may lack, and copies what the pack reads.
`run.sh` there installs what is missing into a folder beside it, changes nothing of the machine's Python, and runs
``python -m audits.gpu`` with the arguments that it is given.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 40 << 20  # bytes of all of it
FOLDERS = ("manual", "reference", "tests", "audits", "benchmarks", "examples", "docs")
FILES = ("conftest.py", "pyproject.toml", "constraints.txt", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")
# By the module whose absence asks for it. python-flint's wheel is of the stable ABI: one for every Python from 3.10 on.
WHEELS = {
    "flint": "python-flint",
    "hypothesis": "hypothesis",
    "sortedcontainers": "sortedcontainers",
    "pytest": "pytest",
    "pluggy": "pluggy",
    "iniconfig": "iniconfig",
    "packaging": "packaging",
    "pygments": "pygments",
    "xdist": "pytest-xdist",
    "execnet": "execnet",
    "mpmath": "mpmath",
    "expecttest": "expecttest",
    "redis": "redis",
    "liger_kernel": "liger-kernel",
    "cut_cross_entropy": "cut-cross-entropy",
}
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")

RUN = """\
#!/bin/sh
# Makes a virtual environment beside this file that has what the machine's Python has, installs what is missing into it
# without a network, and runs the GPU pack: sh run.sh --minutes 8 --device cuda --out DIR.
# PYTHON names another Python than python3, SOFTPROOF_SITE another place than site/.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
site=${SOFTPROOF_SITE:-$here/site}
export PYTHONDONTWRITEBYTECODE=1
"$python" -m venv --without-pip "$site"
packages=$("$site/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" "$here/install.py" places > "$packages/machine.pth"
for wheel in $("$python" "$here/install.py" wheels); do
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check \\
    --target "$packages" --upgrade "$wheel"
done
exec "$site/bin/python" -m audits.gpu "$@"
"""

INSTALL = '''\
"""Prints the wheels of what this Python lacks, softproof's own among them; or where it has the others."""

import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = {modules!r}


def suits(wheel, modules=sys.version_info):
    """Whether a wheel is for this version of Python."""
    python, abi, _ = wheel.stem.split("-")[-3:]
    version = f"cp{{modules[0]}}{{modules[1]}}"
    return version in python.split(".") or python.startswith("py") or abi == "abi3"


def places():
    print(HERE)
    for place in sys.path:
        if place.endswith("-packages"):
            print(f"import site; site.addsitedir({{place!r}})")


def wheels():
    for module, name in MODULES.items():
        if module != "softproof" and find_spec(module):
            continue
        for wheel in sorted((HERE / "wheels").glob(f"{{name.replace('-', '_')}}-*.whl")):
            if suits(wheel):
                print(wheel)
                break


if __name__ == "__main__":
    {{"places": places, "wheels": wheels}}[sys.argv[1]]()
'''


def build(out: Path, wheels: Path | None = None) -> None:
    """Write the folder anew; `wheels` has those of others already."""
    shutil.rmtree(out, ignore_errors=True)
    (out / "wheels").mkdir(parents=True)
    _pip("wheel", "--no-deps", "--wheel-dir", str(out / "wheels"), str(ROOT))
    if wheels is None:
        fetch(out / "wheels")
    else:
        for wheel in wheels.glob("*.whl"):
            shutil.copy(wheel, out / "wheels")
    for name in tracked():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, out / name)
    (out / "run.sh").write_text(RUN)
    (out / "run.sh").chmod(0o755)
    (out / "install.py").write_text(INSTALL.format(modules={"softproof": "softproof", **WHEELS}))
    if (size := size_of(out)) > LARGEST:
        raise ValueError(f"{out} has {size / 2**20:.1f} MB; expected at most {LARGEST >> 20}")


def fetch(folder: Path) -> None:
    """The wheels of others, in the versions of constraints.txt; for each Python those that are not for all."""
    names = list(WHEELS.values())
    for python in PYTHONS:
        platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
        _pip("download", "--no-deps", "--only-binary=:all:", "--python-version", python, *platforms,
             "--constraint", str(ROOT / "constraints.txt"), "--dest", str(folder), *names)  # fmt: skip
        names = [name for name in names if not any(map(is_for_all, _of(folder, name)))]


def is_for_all(wheel: Path) -> bool:
    """Whether a wheel is for every version of Python that this project takes."""
    return wheel.stem.endswith("-none-any") or "-abi3-" in wheel.name


def _of(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name.replace('-', '_')}-*.whl"))


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", words[0], "--quiet", "--disable-pip-version-check", *words[1:]]
    subprocess.run(command, check=True, cwd=ROOT)


def tracked() -> list[str]:
    """The files of the repository that travel, by git; where that says nothing, all there are but Python's caches."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *FOLDERS, *FILES]
    try:
        told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
        told = [path.relative_to(ROOT).as_posix() for path in paths if "__pycache__" not in path.parts] + [*FILES]
    return [name for name in told if name and (ROOT / name).is_file()]


def size_of(folder: Path) -> int:
    """Bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(arguments: Sequence[str] | None = None) -> None:
    """Write it, and say how large it is."""
    parser = argparse.ArgumentParser(prog="python -m audits.offline", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("dist/offline"), help="the folder (dist/offline)")
    parser.add_argument("--wheels", type=Path, help="a folder with the wheels of others, which are not fetched then")
    options = parser.parse_args(arguments)
    build(options.out, options.wheels)
    print(f"{options.out}: {size_of(options.out) / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
