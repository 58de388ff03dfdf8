"""Cost of whole commands: CPU time and peak memory of `xbarch simulate` in a process of its own.

    python benchmarks/simulate.py [--repeat N] [--out docs/performance.md]

Times are also given as ratios to a million bare SimPy timeouts measured in the same run, so that machines can be
compared. Limits are this project's goals on a two-core machine; nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import simpy
from page import put

JOBS = [  # workload, images, CPU seconds and MB aimed at
    ("resnet18_pruned", 8, 6.0, 350),
    ("resnet18_dense", 8, 6.0, 350),
    ("vgg7_pruned", 8, 6.0, 350),
    ("resnet18_imagenet_synthetic", 1, 15.0, None),
]


def bare(events: int = 1_000_000) -> float:
    """CPU seconds of that many SimPy timeouts in one process."""
    env = simpy.Environment()

    def loop():
        for _ in range(events):
            yield env.timeout(1)

    env.process(loop())
    start = time.process_time()
    env.run()
    return time.process_time() - start


_CHILD = """
import json, resource, subprocess, sys
command = [sys.executable, "-m", "xbarch", "simulate", "-a", "isaac_like", "-w", sys.argv[1]]
command += ["--images", sys.argv[2], "--json"]
out = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out["counts"]["visits"]]))
"""


def measured(workload: str, images: int) -> tuple[float, float, int]:
    """(CPU seconds, peak MB, visits of stages) of one command; a helper process measures its only child."""
    command = [sys.executable, "-c", _CHILD, workload, str(images)]
    found = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    seconds, megabytes, visits = json.loads(found)
    return seconds, megabytes, visits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each job; the fastest counts")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    reference = min(bare() for _ in range(arguments.repeat))
    lines = ["| workload | images | CPU s | goal | × a million SimPy timeouts | peak MB | goal | visits |",
             "|---|---|---|---|---|---|---|---|"]
    for workload, images, seconds_goal, memory_goal in JOBS:
        runs = [measured(workload, images) for _ in range(arguments.repeat)]
        seconds, megabytes, visits = min(runs)
        lines.append(f"| {workload} | {images} | {seconds:.2f} | {seconds_goal:g} | {seconds / reference:.2f} | "
                     f"{megabytes:.0f} | {memory_goal or '–'} | {visits:,} |")
        print(lines[-1], flush=True)
    if arguments.out:
        put(arguments.out, "Simulation", [
            f"Whole commands, `xbarch simulate` on `isaac_like`, policy `fit`, fastest of {arguments.repeat};",
            f"a million SimPy timeouts took {reference:.2f} s of CPU in the same run",
            "(`python benchmarks/simulate.py --out docs/performance.md`).",
            "", *lines])


if __name__ == "__main__":
    main()
