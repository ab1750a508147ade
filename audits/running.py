"""Steps in processes of their own, each under its own deadline: whatever ends one is a row, and the others go on.

``python -m audits.running STEP`` is such a process. It says which part it begins, so that the process above can name
the part that a crash, or the deadline, ended; what is left of the step goes on in a fresh process.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .record import CRASHED, DONE, FAILED, LATE, MissingError, Part, Record, Step, Where, finished, read, write

SPOILED = 75  # status of a process whose device answers no more, after the part that it had begun is written


class Share(NamedTuple):
    """Which parts of a step a process asks: those whose number leaves this rest."""

    number: int
    of: int


# ---- below: the process of a step ----------------------------------------------------------------------------------


def ask(step: Step, where: Where, share: Share) -> int:
    """All parts of this share that are not finished, until the seconds are over."""
    end = time.monotonic() + where.seconds
    own = [part for i, part in enumerate(step.parts(where.kind)) if i % share.of == share.number]
    done = finished(read(where.out), step.name)
    left = [part for part in own if part.name not in done]
    for number, part in enumerate(left):
        remaining = end - time.monotonic()
        if remaining <= 0:
            break
        seconds = remaining / (len(left) - number)
        write(where.out, {"step": step.name, "part": part.name, "begun": os.getpid()})
        record, spoiled = answer(part, where._replace(seconds=seconds))
        write(where.out, {"step": step.name, "part": part.name, **record})
        if spoiled:
            return SPOILED
    return 0


def answer(part: Part, where: Where) -> tuple[Record, bool]:
    """What one part finds, or why it found nothing; and whether the device may be spoiled by now."""
    start = time.monotonic()
    found, why, spoiled = {}, "", False
    try:
        found, status = part.ask(where), DONE
    except MissingError as missing:
        status, why = missing.status, str(missing)
    except Exception as error:
        status, why = FAILED, f"{type(error).__name__}: {error}"
        spoiled = "CUDA" in why or "cuda" in why
    seconds = round(time.monotonic() - start, 2)
    return {"status": status, "why": why[:2000], "seconds": seconds, "found": found}, spoiled


# ---- above: the process that keeps the time ------------------------------------------------------------------------


def run(step: Step, where: Where) -> None:
    """One step, in as many processes as it has jobs."""
    jobs = max(1, min(step.jobs, os.cpu_count() or 1, len(step.parts(where.kind))))
    end = time.monotonic() + where.seconds
    with ThreadPoolExecutor(jobs) as pool:
        for future in [pool.submit(_run_share, step, where, Share(number, jobs), end) for number in range(jobs)]:
            future.result()


def _run_share(step: Step, where: Where, share: Share, end: float) -> None:
    """Fresh processes until all of the share is asked, or the time is over."""
    while (seconds := end - time.monotonic()) > 0 and _left(step, where, share):
        pid, status, told = _process(step, where._replace(seconds=seconds), share)
        _account(step, where, share, pid, status, told)
        if status == 0:
            return


def _left(step: Step, where: Where, share: Share) -> list[str]:
    done = finished(read(where.out), step.name)
    own = [part.name for i, part in enumerate(step.parts(where.kind)) if i % share.of == share.number]
    return [name for name in own if name not in done]


def _process(step: Step, where: Where, share: Share) -> tuple[int, int | None, str]:
    """The process of a share: its number, its status, None where the time was over, and the end of what it said."""
    command = [sys.executable, "-m", "audits.running", step.name, "--device", where.device, "--out", str(where.out)]
    command += ["--seconds", f"{where.seconds:.3f}", "--share", f"{share.number}/{share.of}"]
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told, start_new_session=True)
        try:
            status: int | None = process.wait(where.seconds)
        except subprocess.TimeoutExpired:
            status = None
        with contextlib.suppress(ProcessLookupError):  # and whatever it has started
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        told.seek(0)
        return process.pid, status, told.read().decode(errors="replace")[-600:]


def _account(step: Step, where: Where, share: Share, pid: int, status: int | None, told: str) -> None:
    """The row of the part that the process had begun and not ended; of all, where it could not even begin."""
    records = read(where.out)
    own = [record for record in records if record.get("step") == step.name]
    begun = [record["part"] for record in own if record.get("begun") == pid]
    ended = {record["part"] for record in own if "status" in record and record["status"] != LATE}
    open_ = [name for name in begun if name not in ended]
    if status is None:
        why = {"status": LATE, "why": "the time of the step was over", "seconds": 0, "found": {}}
    else:
        told = told.strip().rsplit("\n", 1)[-1]
        why = {"status": CRASHED, "why": f"exit status {status}: {told}", "seconds": 0, "found": {}}
    for name in open_[-1:] if begun or status in (0, None) else _left(step, where, share):
        write(where.out, {"step": step.name, "part": name, **why})


def main() -> int:
    """One process of a step."""
    from .steps import STEPS

    parser = argparse.ArgumentParser(prog="python -m audits.running", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--share", default="0/1")
    options = parser.parse_args()
    share = Share(*map(int, options.share.split("/")))
    return ask(STEPS[options.step], Where(options.device, options.seconds, options.out), share)


if __name__ == "__main__":
    sys.exit(main())
