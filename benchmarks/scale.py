"""How planning, compiling, checking, pricing and simulating grow with layers, chips and wide layers; and their memory.

    python -m benchmarks.scale AXIS SIZE OUT.json

measures one size in a process of its own, since memory that was once taken does not come back.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.graphs import ARCHITECTURE, chain
from benchmarks.growth import exponent
from benchmarks.page import Goal, goals, number, table
from benchmarks.spent import xbarch
from benchmarks.steps import Steps
from xbarch import run
from xbarch.workload.graph import Workload
from xbarch.workload.networks import Net, network

TITLE = "Scale"
SIZES = {"layers": (125, 250, 500, 1000), "chips": (4, 8, 16), "stack": (2, 4, 8)}
QUICK = {"layers": (10, 20), "chips": (4,), "stack": (2,)}
STEPS = {
    "plan": [("xbarch.run", "_planned")], "compile": [("xbarch.machine.alike", "compile_sent")],
    "check": [("xbarch.run", "check"), ("xbarch.machine.simulate", "conserve")], "ledger": [("xbarch.run", "counted")],
    "tables": [("xbarch.sim.fast", name) for name in ("tables", "_laid", "_grown", "_trace")],
    "kernel": [("xbarch.machine.simulate", "run")]}
LIMITS = {"layers": (("plan", "compile"), 1.15, 300), "chips": (("compile", "check", "ledger"), 1.15, 400),
          "stack": (("kernel",), 1.2, None)}  # axis: (steps, most exponent of each, most MB)
TOKENS, TILE_CROSSBARS = 512, 96


def measure(asked: Any, say: Any) -> dict[str, Any]:
    found: dict[str, list[dict[str, float]]] = {}
    with TemporaryDirectory() as folder:
        for axis, sizes in (QUICK if asked.quick else SIZES).items():
            found[axis] = []
            for size in sizes:
                say(f"{axis}: {size}")
                out = Path(folder) / "steps.json"
                cost = xbarch(axis, str(size), out, module="benchmarks.scale")
                found[axis].append({"size": size, "peak_mb": cost.peak_mb, **json.loads(out.read_text())})
    return found


def one(axis: str, size: int) -> dict[str, float]:
    """CPU seconds of the steps of a run, and its visits."""
    workload, choices = {"layers": _layers, "chips": _chips, "stack": _stack}[axis](size)
    with Steps(STEPS) as steps:
        done = run.execute(ARCHITECTURE, workload, images=1, engine="fast", **choices)
    return {**steps.seconds, "visits": done.trace.visits}


def _layers(size: int) -> tuple[Workload, dict[str, Any]]:
    return chain(size, 16, 64), {"chips": -(-size // 20)}


def _chips(size: int) -> tuple[Workload, dict[str, Any]]:
    return Workload(name="resnet50", layers=network("resnet50_imagenet")), {
        "chips": size, "policy": "chip", "bits": 8, "replication": "stripes"}


def _stack(size: int) -> tuple[Workload, dict[str, Any]]:
    """Layers of 4096 x 11008 and back for so many tokens, 8 bits, and one more that reads the last one: so every layer
    of the stack sends its outputs to all tiles of the next. With one that sends nothing, two layers would send once and
    eight seven times."""
    net, at = Net((4096, 1, TOKENS)), "input"
    for number_ in range(size + 1):
        at = net.conv(f"layer{number_ + 1}", at, 4096 if number_ % 2 else 11008, 1)
    chips = -(-(size + 1) * 11008 // (168 * TILE_CROSSBARS)) + 1
    return Workload(name=f"stack of {size}", layers=tuple(net.layers)), {"chips": chips, "bits": 8}


def lines(found: dict[str, Any]) -> list[str]:
    text = [
        "CPU seconds of the steps of a run on `isaac_like`, one image, each size in a process of its own, and the most",
        "memory that it held. *Layers*: chains of 3×3 convolutions of 64 channels at 16×16. *Chips*: ResNet-50 at",
        "224×224, each copy with its stripes, as many as gain anything: where links bind, fewer than fill them.",
        "*Stack*: layers of 4096×11008 and back,",
        f"{TOKENS} tokens, 8 bits, and one more that reads the last: each of them sends to a hundred tiles."]
    kept = []
    for axis, points in found.items():
        steps, most, memory = LIMITS[axis]
        text += table([axis, *STEPS, "visits", "MB"], [
            [point["size"], *(number(point[step]) for step in STEPS), f"{point['visits']:,}", number(point["peak_mb"])]
            for point in points])
        if len(points) > 1:
            kept += [Goal(f"{axis}: exponent of {step}", grown(points, step), most, "") for step in (*steps,)]
        if memory:
            kept.append(Goal(f"{axis}: memory at {points[-1]['size']}", points[-1]["peak_mb"], memory, "MB"))
    return [*text, *goals(kept)]


def grown(points: list[dict[str, float]], step: str) -> float:
    """The exponent with which a step grows."""
    return exponent([(point["size"], point[step]) for point in points])


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(one(sys.argv[1], int(sys.argv[2]))), encoding="utf-8")
