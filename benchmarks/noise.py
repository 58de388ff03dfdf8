"""CPU time and memory of accuracy on drawn devices: `python -m benchmarks.noise`.

VGG-7 at a quarter of its width, 4 bits, dense on ISAAC: draws of 1,000 images, with and without converters.
"""

from __future__ import annotations

import argparse
import os
import time

WORKLOAD = "digit_pairs/vgg7_dense_longer"
CELLS = "noise.effects.programming.independent=0.05"
CASES = {
    "cells, no converters": (CELLS, "noise.full_scale=ideal"),
    "cells and read noise, no converters": (CELLS, "noise.effects.read.independent=0.01", "noise.full_scale=ideal"),
    "cells, converters": (CELLS,),
    "cells, converters with offset and gain": (CELLS, "noise.effects.converter={offset: 0.5, gain: 0.01}"),
    "cells, converters with noise at every conversion": (CELLS, "noise.effects.converter.noise=0.25"),
}


def measure(name: str, images: int, draws: int) -> tuple[float, int]:
    """CPU seconds and peak MB of one case, in a process of its own."""
    pid = os.fork()
    start = time.monotonic()
    if not pid:
        import xbarch

        found = xbarch.accuracy("isaac_like", WORKLOAD, datapath="dense", images=images, draws=draws,
                                overrides=CASES[name])
        print(f"  {found}", flush=True)
        os._exit(0)
    _, status, used = os.wait4(pid, 0)
    assert status == 0
    print(f"{name}: {used.ru_utime + used.ru_stime:.1f} s of CPU, {used.ru_maxrss // 1024} MB, "
          f"{time.monotonic() - start:.1f} s", flush=True)
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--case", choices=CASES, action="append")
    asked = parser.parse_args()
    for case in asked.case or CASES:
        measure(case, asked.images, asked.draws)
