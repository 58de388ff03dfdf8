"""The kinds of plugins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from xbarch.datapaths.base import DataPath
from xbarch.parts.effects.base import Effect
from xbarch.parts.processes.base import UnitProcess
from xbarch.parts.scaling.base import Scaling
from xbarch.parts.sensing.base import Sensing
from xbarch.parts.topologies.base import Topology
from xbarch.specs.model import Plugin

P = TypeVar("P", bound=Plugin[Any])


@dataclass(frozen=True)
class Kind(Generic[P]):
    """One kind of plugin."""

    group: str
    """The group of its entry points."""
    base: type[Any]
    """The class that its plugins extend; P for type checkers."""
    noun: str
    """What messages call it."""
    field: str
    """Where a user names one."""

    @property
    def label(self) -> str:
        """The last part of its group, as `xbarch list --json` has it."""
        return self.group.partition(".")[2]


PATHS: Kind[DataPath[Any]] = Kind("xbarch.datapaths", DataPath, "data path", "datapath")
SENSING: Kind[Sensing[Any]] = Kind("xbarch.sensing", Sensing, "sensing unit", "crossbar.sensing.unit")
SCALING: Kind[Scaling[Any]] = Kind("xbarch.scaling", Scaling, "scaling model", "scaling")
TOPOLOGIES: Kind[Topology[Any]] = Kind("xbarch.topologies", Topology, "topology", "network.topology")
PROCESSES: Kind[UnitProcess[Any]] = Kind("xbarch.processes", UnitProcess, "unit process", "processes")
EFFECTS: Kind[Effect[Any]] = Kind("xbarch.effects", Effect, "effect", "noise.effects")
KINDS: tuple[Kind[Any], ...] = (PATHS, SENSING, SCALING, TOPOLOGIES, PROCESSES, EFFECTS)
