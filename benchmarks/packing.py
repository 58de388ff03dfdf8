"""CPU time of packing and of the projections that training asks for, on the whole of ResNet-18 (CIFAR form).

Weights are drawn from a Laplace distribution, 4 bits, crossbars of 128 x 128 2-bit cells. Times are also given as
ratios to sorting all weights once in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.page import Goal, goals, number, table
from benchmarks.spent import cpu
from xbarch.datapaths.base import Geometry
from xbarch.plugins import registry
from xbarch.workload.graph import Layer
from xbarch.workload.zoo import synthetic

TITLE = "Packing and projections"
ISAAC = Geometry(128, 128, 2)
METHODS: list[tuple[str, dict[str, Any], float, float | None]] = [  # data path, options, density, most s of projecting
    ("meng", {}, 0.12, None), ("huai", {}, 0.1175, None), ("segprune", {}, 0.125, 20.0),
    ("xue", {"adc_bits": 2}, 0.1, 60.0), ("xue", {"adc_bits": 3}, 0.25, 10.0)]
QUICK = METHODS[:2]
PACKING = 2.0  # most s of packing
VOTING = 3.0  # most s of the projection of one wide layer by SegPrune, whose filters vote
WIDE, QUICK_WIDE = 4096, 256  # its filters
Weights = NDArray[np.float64]


def measure(asked: Any, say: Any) -> dict[str, Any]:
    layers, weights = drawn()
    sorting, _ = cpu(lambda: np.sort(np.concatenate([w.ravel() for w in weights])))
    rows = []
    for name, options, density, most in QUICK if asked.quick else METHODS:
        say(f"{name} {options or ''}".strip())
        rows.append({"datapath": name, "options": options, "density": density, "most_s": most,
                     **packed(name, options, density, layers, weights)})
    filters = QUICK_WIDE if asked.quick else WIDE
    say(f"voting of {filters} filters")
    return {"sorting_s": sorting, "rows": rows, "filters": filters, "voting_s": voting(filters)}


def voting(filters: int) -> float:
    """CPU seconds of SegPrune's projection of a layer of 3 x 3 kernels of 512 channels."""
    layer = next(la for la in synthetic("resnet18", "resnet18", 4, 4, 0).compute_layers
                 if la.kernel == (3, 3) and la.in_shape[0] == 512)
    wide = replace(layer, out_shape=(filters, *layer.out_shape[1:]))
    weights = np.random.default_rng(0).laplace(size=(filters, 512, 3, 3)) * 2
    return cpu(lambda: registry.datapath("segprune").project(weights, wide, ISAAC, 0.125))[0]


def drawn() -> tuple[list[Layer], list[Weights]]:
    """The layers of ResNet-18, and weights for each."""
    rng = np.random.default_rng(0)
    layers = synthetic("resnet18", "resnet18", 4, 4, 0).compute_layers
    shapes = [(la.filters, la.rows // (la.kernel[0] * la.kernel[1]), *la.kernel) for la in layers]
    return layers, [rng.laplace(size=shape) * 2 for shape in shapes]


def packed(name: str, options: Mapping[str, Any], density: float, layers: Sequence[Layer],
           weights: Sequence[Weights]) -> dict[str, Any]:
    """CPU seconds of projecting and of packing all layers, and how many crossbars they take."""
    path = registry.datapath(name, options)
    pruned = [la for la in layers[1:] if path.prunes(la)]
    chosen = [w for w, la in zip(weights, layers, strict=True) if la in pruned]

    def project():
        shares = path.share(chosen, pruned, ISAAC, density)
        return [path.project(w, la, ISAAC, d) for w, la, d in zip(chosen, pruned, shares, strict=True)]

    projecting, found = cpu(project)
    kept = {la.name: p for la, p in zip(pruned, found, strict=True)}
    low, high = path.levels(4)
    ready = []
    for la, w in zip(layers, weights, strict=True):
        p = kept.get(la.name)
        codes = np.clip(np.rint(w if p is None else p.weights), low, high).astype(np.int8)
        ready.append(replace(la, weights=lambda c=codes: c, mask=None if p is None else lambda m=p.mask: m))
    packing, blocks = cpu(lambda: [path.pack(la, ISAAC) for la in ready])
    return {"project_s": projecting, "pack_s": packing,
            "crossbars": sum(1 + max(b.crossbar for b in made) for made in blocks)}


def lines(found: dict[str, Any]) -> list[str]:
    rows, sorting = found["rows"], found["sorting_s"]

    def words(row: dict[str, Any]) -> str:
        return ", ".join(f"{k} {v}" for k, v in row["options"].items()) or "–"

    def named(row: dict[str, Any], what: str) -> str:
        return f"`{row['datapath']}`{', ' + words(row) if row['options'] else ''}: {what}"

    return [
        "All layers of ResNet-18 (11.2 M weights drawn at random, 4 bits) on 128 × 128 2-bit cells; sorting the",
        f"weights once took {sorting:.2f} s of CPU in the same run.",
        *table(["data path", "options", "density", "projection, CPU s", "× sorting", "packing, CPU s", "× sorting",
                "crossbars"], [
            [row["datapath"], words(row), f"{row['density']:g}", number(row["project_s"]),
             number(row["project_s"] / sorting), number(row["pack_s"]), number(row["pack_s"] / sorting),
             f"{row['crossbars']:,}"] for row in rows], left=2),
        *goals([*([Goal(f"`segprune`: projection of a layer of {found['filters']:,} filters", found["voting_s"], VOTING,
                        "s")] if "voting_s" in found else []),
                *(Goal(named(row, "projection"), row["project_s"], row["most_s"], "s")
                  for row in rows if row["most_s"]),
                *(Goal(named(row, "packing"), row["pack_s"], PACKING, "s") for row in rows)])]
