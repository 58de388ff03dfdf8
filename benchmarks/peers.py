"""Other tools beside xbarch, where their users have them installed: what a run from the shell takes in the same run.

Each is run in its own folder, with its own defaults, by the command that its authors give. A path to an executable
file instead of a folder is run as it is: a script that sets up an environment, or starts another network.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.page import number, table
from benchmarks.spent import Cost, command, xbarch

TITLE = "Other tools"
LIMIT = 3600.0  # s
SHORT = 60.0  # s; what takes less is run as often as xbarch is, the least of them counts: the first reads from the disk


@dataclass(frozen=True)
class Peer:
    """A tool. place: the folder to run in, in the one given. words: the command. needs: files it takes, in `place`."""

    name: str
    network: str
    place: str
    words: tuple[str, ...]
    needs: tuple[str, ...]


PEERS = {
    # github.com/thu-nics/MNSIM-2.0, main.py: hardware model alone. It reads weights all the same, by default those of
    # VGG-8, which the repository lacks too; untrained ones do. In its folder:
    #   python -c "import torch; from MNSIM.Interface.interface import TrainTestInterface as Net; torch.save(Net(
    #   'resnet18', 'MNSIM.Interface.cifar10', 'SimConfig.ini').net.state_dict(), 'cifar10_resnet18_params.pth')"
    "mnsim": Peer("MNSIM 2.0", "ResNet-18, 32×32", ".",
                  (sys.executable, "main.py", "-NN", "resnet18", "-DisAccu", "-Weights", "cifar10_resnet18_params.pth"),
                  ("main.py", "SimConfig.ini", "cifar10_resnet18_params.pth")),
    # github.com/neurosim/DNN_NeuroSim_V1.4: inference.py records the layers and then runs this, which can be run again
    "neurosim": Peer("NeuroSim V1.4", "ResNet-18, 224×224", "Inference_pytorch",
                     ("bash", "layer_record_ResNet18/trace_command.sh"),
                     ("NeuroSIM/main", "layer_record_ResNet18/trace_command.sh")),
    # github.com/wangxy-2000/pimsim-nn, README: simulation example
    "pimsim": Peer("pimsim-nn", "ResNet-18, 224×224, compiled before", "build",
                   ("./ChipTest", "../example/resnet18.gz", "../example/config/latency_config.json"),
                   ("ChipTest", "../example/resnet18.gz", "../example/config/latency_config.json")),
}
OWN = [("resnet18_dense", "ResNet-18, 32×32", 1), ("resnet18_imagenet_synthetic", "ResNet-18, 224×224", 1)]


def measure(asked: Any, say: Any) -> dict[str, Any]:
    rows = []
    for workload, network, images in OWN:
        words = ["simulate", "-a", "isaac_like", "-w", workload, "--images", str(images)]
        say(f"xbarch {' '.join(words)}")
        best = min((xbarch(*words) for _ in range(asked.repeat + 1)), key=lambda cost: cost.cpu_s)
        rows.append(_row("xbarch", f"{network}, `{workload}`", best))
    for key, peer in PEERS.items():
        given = getattr(asked, key)
        if given is None:
            rows.append({"tool": peer.name, "network": peer.network, "why": "not run here"})
            continue
        say(f"{peer.name} at {given}")
        rows.append(least(peer, given, asked.repeat))
    return {"rows": rows, "note": asked.note}


def least(peer: Peer, given: Path, more: int) -> dict[str, Any]:
    """`ran`, and where that is short, the run that took least CPU time of it and so many more."""
    first = ran(peer, given)
    if "why" in first or first["wall_s"] > SHORT:
        return first
    found = [first, *(ran(peer, given) for _ in range(more))]
    failed = [row for row in found if "why" in row]
    return failed[0] if failed else min(found, key=lambda row: row["cpu_s"])


def ran(peer: Peer, given: Path, limit: float = LIMIT) -> dict[str, Any]:
    """What a tool took, or why there is nothing to tell. given: its folder, or a file to execute."""
    own = given.is_file()
    place = given.parent if own else given / peer.place
    if lacks := [] if own else [name for name in peer.needs if not (place / name).exists()]:
        return {"tool": peer.name, "network": peer.network, "why": f"lacks {', '.join(lacks)}"}
    network = f"whatever `{given.name}` runs" if own else peer.network
    words: Sequence[str | Path] = [given.resolve()] if own else peer.words
    cost = command(words, cwd=place, limit=limit)
    if cost.code:
        why = f"took longer than {limit:g} s" if cost.code == 124 else f"exit code {cost.code}"
        return {**_row(peer.name, network, cost), "why": why, "said": cost.said.strip().rpartition("\n")[2]}
    return _row(peer.name, network, cost)


def path(text: str) -> Path:
    """Of a folder, or of a file that can be executed.

    Raises:
        ArgumentTypeError: it is neither.
    """
    found = Path(text)
    if not text or not (found.is_dir() or (found.is_file() and os.access(found, os.X_OK))):
        raise ArgumentTypeError(f"must be a tool's folder or an executable file, not {text!r}")
    return found


def _row(tool: str, network: str, cost: Cost) -> dict[str, Any]:
    return {"tool": tool, "network": network, "cpu_s": cost.cpu_s, "wall_s": cost.wall_s, "peak_mb": cost.peak_mb}


def lines(found: dict[str, Any]) -> list[str]:
    rows, own = found["rows"], len(OWN)
    base = rows[own - 1]

    def cells(row: dict[str, Any]) -> list[str]:
        if "why" in row:
            return [row["why"], "", "", ""]
        return [*(number(row[k]) for k in ("cpu_s", "wall_s", "peak_mb")), f"{row['cpu_s'] / base['cpu_s']:.2f}"]

    return [
        "A process from the shell each, every tool with its own defaults (xbarch: one image, every packet on the",
        f"network on chip), the least of several where one takes less than {SHORT:g} s. Networks of one name are not",
        "always the same, nor is what the tools model.",
        "`--mnsim`, `--neurosim` and `--pimsim` say where a tool is installed, or name a script that runs it.",
        *([f"Here: {found['note']}."] if found.get("note") else []),
        *table(["tool", "network", "CPU s", "wall s", "peak MB", "× xbarch at 224×224"],
               [[row["tool"], row["network"], *cells(row)] for row in rows], left=2)]
