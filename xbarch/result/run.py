"""A finished simulation with everything it made on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xbarch.cost.nameplate import Nameplate
from xbarch.datapaths.base import DataPath
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.mapping.plan import Plan
from xbarch.result.ledger import Ledger
from xbarch.result.schema import Measured
from xbarch.sim.graph import StageGraph, Trace
from xbarch.sim.steady import Steady
from xbarch.workload.graph import Workload


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a simulation produced, before `record` sums it up."""

    machine: Machine
    workload: Workload
    path: DataPath
    packed: Mapping[str, Packed]
    """One packed copy of each compute layer."""
    plan: Plan
    graph: StageGraph
    trace: Trace
    steady: Steady
    bounds: tuple[int, int]
    """Analytic lower and upper bound of the makespan (ps)."""
    ledger: Ledger
    nameplate: Nameplate
    overrides: tuple[str, ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)
    """Options of the data path that were asked for."""
    batch: int | None = None
    """Images per programming of the crossbars."""
    mode: str = "pipelined"
    engine: str = "simpy"
    accuracy: Measured | None = None
    """On this machine, if it was asked for."""
    why: str = "asked for"
    """Why this engine ran."""
