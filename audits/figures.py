"""Violations, sharpness, detection and cost of the judge, measured in one run: python -m audits.figures.

The goals at the end are reported, not enforced: another machine, or a busy one, may miss those of cost.
docs/generated/figures.md holds one run's output.
"""

from __future__ import annotations

import argparse
import os
import platform

import torch

from benchmarks import cost
from softproof.reports.environment import versions

from . import campaign, detection


def main() -> None:
    """Measure, print the tables, and say which goals are met."""
    parser = argparse.ArgumentParser(prog="python -m audits.figures", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller problems, for a rough look")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "absent"
    print(", ".join(f"{name} {number}" for name, number in versions().items()))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, 1 thread; CUDA: {cuda}\n", flush=True)

    seen = campaign.run(campaign.QUICK if quick else campaign.FULL, campaign.contestants())
    print(campaign.violations(seen), end="\n\n")
    print(campaign.sharpness(seen), end="\n\n", flush=True)
    print(detection.detection((10, 1000)) if quick else detection.detection(), end="\n\n", flush=True)
    print(detection.wrong_answers(), end="\n\n", flush=True)
    table, goals = cost.cost(large=(256, 4000)) if quick else cost.cost()
    print(table, end="\n\n")
    print("Goals, in this run\n")
    print("\n".join([*campaign.goals(seen), *goals]))


if __name__ == "__main__":
    main()
