"""CPU time of packing and of the projections that training asks for, on the whole of ResNet-18 (CIFAR form).

    python benchmarks/methods.py [--out docs/performance.md]

Weights are drawn from a Laplace distribution, 4 bits, crossbars of 128 x 128 2-bit cells. Times are also given as
ratios to sorting all weights once in the same run, so that machines can be compared. Goals are this project's, in CPU
seconds on one core of a two-core machine; nothing is asserted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from page import put

from xbarch import plugins
from xbarch.datapaths.base import Geometry
from xbarch.workload.zoo import synthetic

ISAAC = Geometry(128, 128, 2)
METHODS = [  # data path, options, density, goals of projection and packing
    ("meng", {}, 0.12, None, 2.0),
    ("huai", {}, 0.1175, None, 2.0),
    ("segprune", {}, 0.125, 20.0, 2.0),
    ("xue", {"adc_bits": 2}, 0.1, 60.0, 2.0),
    ("xue", {"adc_bits": 3}, 0.25, 60.0, 2.0),
]


def timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    layers = synthetic("resnet18", "resnet18", 4, 4, 0).compute_layers
    shapes = [(la.filters, la.rows // (la.kernel[0] * la.kernel[1]), *la.kernel) for la in layers]
    weights = [rng.laplace(size=shape) * 2 for shape in shapes]
    reference, _ = timed(lambda: np.sort(np.concatenate([w.ravel() for w in weights])))
    lines = ["| data path | options | density | projection, CPU s | goal | × sorting | packing, CPU s | goal "
             "| × sorting | crossbars |", "|---|---|---|---|---|---|---|---|---|---|"]
    for name, options, density, projecting, packing in METHODS:
        path = plugins.datapath(name, options)
        pruned = [la for la in layers[1:] if path.prunes(la)]
        chosen = [w for w, la in zip(weights, layers, strict=True) if la in pruned]

        def project(path=path, pruned=pruned, chosen=chosen, density=density):
            shares = path.share(chosen, pruned, ISAAC, density)
            return [path.project(w, la, ISAAC, d) for w, la, d in zip(chosen, pruned, shares, strict=True)]

        took, found = timed(project)
        kept = {la.name: p for la, p in zip(pruned, found, strict=True)}
        low, high = path.levels(4)
        ready = []
        for la, w in zip(layers, weights, strict=True):
            p = kept.get(la.name)
            codes = np.clip(np.rint(w if p is None else p.weights), low, high).astype(np.int8)
            ready.append(replace(la, weights=lambda c=codes: c, mask=None if p is None else lambda m=p.mask: m))
        packed, blocks = timed(lambda path=path, ready=ready: [path.pack(la, ISAAC) for la in ready])
        count = sum(1 + max(b.crossbar for b in made) for made in blocks)
        words = ", ".join(f"{k} {v}" for k, v in options.items()) or "–"
        lines.append(f"| {name} | {words} | {density:g} | {took:.2f} | {projecting or '–'} | {took / reference:.2f} | "
                     f"{packed:.2f} | {packing:g} | {packed / reference:.2f} | {count:,} |")
        print(lines[-1], flush=True)
    if arguments.out:
        put(arguments.out, "Packing and projections", [
            "All layers of ResNet-18 (11.2 M weights drawn at random, 4 bits) on 128 × 128 2-bit cells;",
            f"sorting the weights once took {reference:.2f} s of CPU in the same run",
            "(`python benchmarks/methods.py --out docs/performance.md`).", "", *lines])


if __name__ == "__main__":
    main()
