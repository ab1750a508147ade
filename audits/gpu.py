"""The GPU pack: what the judge says there, what its models assume there, and whether its tests pass there.

python -m audits.gpu --minutes 8 --out gpu --device cuda

The most valuable questions come first. Each step has a process of its own and a deadline; results are written as they
come, to DIR/gpu.jsonl, and a run goes on where that ends. At the end, and after each step, DIR/record.json holds all of
it in one object, for `make gpu-document`, and DIR/table.txt a summary. `--device cpu` rehearses everything.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks import text

from . import running
from .machine import machine
from .record import CRASHED, DONE, FAILED, LATE, RECORD, TABLE, Record, Step, Where, finished, read, write
from .steps import STEPS


def run(steps: Sequence[Step], where: Where) -> list[Record]:
    """Each step that is not finished; what one does not use of its time is left to those that follow."""
    end = time.monotonic() + where.seconds
    write(where.out, {"machine": machine(where.device), "begun at": dt.date.today().isoformat()})
    for number, step in enumerate(steps, start=1):
        left = unfinished(step, where)
        seconds = max(0.0, end - time.monotonic()) * step.weight / sum(each.weight for each in steps[number - 1 :])
        text.progress(number, len(steps), f"{step.name}: {len(left)} parts, at most {seconds:.0f} s")
        start = time.monotonic()
        if left and seconds > 0:
            running.run(step, where._replace(seconds=seconds))
            write(where.out, {"step": step.name, "took": round(time.monotonic() - start, 1)})
        keep(steps, where)
    return collected(steps, where)


def unfinished(step: Step, where: Where) -> list[str]:
    """The parts of a step that the log has no answer of."""
    done = finished(read(where.out), step.name)
    return [part.name for part in step.parts(where.kind) if part.name not in done]


def collected(steps: Sequence[Step], where: Where) -> list[Record]:
    """For each step its parts, in order, and the seconds that it took, runs before this one included."""
    records, found = read(where.out), []
    for step in steps:
        done = finished(records, step.name)
        own = [record for record in records if record.get("step") == step.name]
        late = {record["part"] for record in own if record.get("status") == LATE}
        names = [part.name for part in step.parts(where.kind)]
        parts = [
            {**done[name], "part": name} if name in done
            else {"part": name, "status": LATE, "why": "begun, not ended" if name in late else "not begun", "found": {}}
            for name in names
        ]  # fmt: skip
        seconds = sum(record.get("took", 0.0) for record in own)
        found.append({"step": step.name, "title": step.title, "seconds": round(seconds, 1), "parts": parts})
    return found


def keep(steps: Sequence[Step], where: Where) -> None:
    """The record and the table, as far as they are."""
    found = collected(steps, where)
    machines = [record["machine"] for record in read(where.out) if "machine" in record]
    days = [record["begun at"] for record in read(where.out) if "begun at" in record]
    whole = {"softproof gpu record": 1, "machine": machines[-1], "day": days[-1], "steps": found}
    (where.out / RECORD).write_text(written(whole))
    (where.out / TABLE).write_text(summary(found) + "\n")


def written(record: Record) -> str:
    """A record as JSON, each part of a step on a line."""
    head = {name: value for name, value in record.items() if name != "steps"}
    steps = []
    for step in record["steps"]:
        parts = ",\n".join(json.dumps(part) for part in step["parts"])
        about = json.dumps({name: value for name, value in step.items() if name != "parts"})
        steps.append(f'{about[:-1]}, "parts": [\n{parts}\n]}}')
    return f'{json.dumps(head, indent=1)[:-2]},\n "steps": [\n' + ",\n".join(steps) + "\n]}\n"


def summary(found: Sequence[Record]) -> str:
    """One line for each step, and one for each part that was not answered."""
    lines: list[tuple[str, ...]] = [("step", "found", "parts", "done", "seconds")]
    more: list[str] = []
    for record in found:
        statuses = Counter(part["status"] for part in record["parts"])
        done = [part for part in record["parts"] if part["status"] == DONE]
        told = STEPS[record["step"]].headline(done) if done else "-"
        lines.append((record["step"], told, str(len(record["parts"])), str(statuses[DONE]), f"{record['seconds']:.1f}"))
        groups = Counter((part["status"], part["why"]) for part in record["parts"] if part["status"] != DONE)
        more += [f"{record['step']}: {count} {status}: {why}" for (status, why), count in groups.items()]
    return "\n".join([text.table("The GPU pack", lines, left=2), "", *more])


def main() -> int:
    """Ask, write, and print the table; status 1 where a part failed or crashed."""
    parser = argparse.ArgumentParser(prog="python -m audits.gpu", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--minutes", type=float, default=8.0, help="for all steps together (8)")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="the folder that is written (gpu)")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1; or cpu, to rehearse (cuda)")
    parser.add_argument("--steps", default=",".join(STEPS), help=f"some of {','.join(STEPS)}")
    options = parser.parse_args()
    if unknown := set(options.steps.split(",")) - set(STEPS):
        parser.error(f"--steps names {', '.join(sorted(unknown))}; expected some of {', '.join(STEPS)}")
    if why := absent(options.device):
        parser.error(why)
    steps = [STEPS[name] for name in options.steps.split(",")]
    found = run(steps, Where(options.device, 60 * options.minutes, options.out))
    print(summary(found))
    return int(any(part["status"] in (FAILED, CRASHED) for each in found for part in each["parts"]))


def absent(device: str) -> str:
    """Why there is no such device; nothing, where there is."""
    import torch

    if device.split(":")[0] == "cuda" and not torch.cuda.is_available():
        return f"--device is {device}; torch finds no CUDA device on this machine"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        return f"--device is {device}; torch cannot use it: {str(error).splitlines()[0]}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
