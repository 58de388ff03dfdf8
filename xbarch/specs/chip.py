"""An accelerator as data: crossbars, hierarchy, components with prices, buffers, interconnect, pipeline.

Every model refuses unknown keys, bounds every number and, where it holds published constants, demands a source.
Quantities carry units in the YAML and are integers here: ps, aJ, µW, nm², bits, Hz (see `xbarch.units`).
"""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
import re
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any, Literal

from pydantic import Field

from xbarch.specs.component import Component, Scaled
from xbarch.specs.crossbar import Crossbar
from xbarch.specs.fields import Name, Source, Text
from xbarch.specs.model import Spec
from xbarch.specs.noise import Noise
from xbarch.specs.pipeline import ACTIONS, SPLIT, Dataflow, Pipeline, SharedUnit, Stage
from xbarch.specs.tile_kind import TileKind
from xbarch.units import Bandwidth, Frequency, Length, Memory, Time


class Hierarchy(Spec):
    """How many of what."""

    tiles: int = Field(ge=1, le=65536, description="tiles per chip")
    imas_per_tile: int = Field(ge=1, le=4096)
    crossbars_per_ima: int = Field(ge=1, le=4096)
    source: Source


class Precision(Spec):
    """Largest integers the machine's registers and shift-and-add units hold; the workload chooses within."""

    weight_bits: int = Field(ge=1, le=16)
    input_bits: int = Field(ge=1, le=16)
    source: Source


class Buffer(Spec):
    """A tile's eDRAM: `access_bits` every `access`. ideal: no contention at its port."""

    size: Memory = Field(ge=1)
    access_bits: int = Field(ge=1, le=65536)
    access: Time = Field(ge=1)
    ports: int = Field(1, ge=1, le=1024, description="accesses at a time, each to a memory of its own")
    ideal: bool = False
    source: Source


class GlobalBuffer(Buffer):
    """A memory that the tiles of a chip share, beside their own: what comes in and what leaves passes through it, a
    write and a read of `access_bits` every `access` each. ideal: no contention at its port."""


class Bus(Spec):
    """The tile's bus from eDRAM to the input registers. ideal: no contention."""

    wires: int = Field(ge=1, le=65536)
    bandwidth: Bandwidth = Field(ge=1, description="what it moves at most")
    ideal: bool = False
    source: Source


class NetworkSpec(Spec):
    """Links between the tiles of one chip, and the queues behind them. ideal: links without contention."""

    topology: Name = Field("mesh", description="as `xbarch list` names them")
    options: dict[str, Any] = Field(default_factory=dict)
    link_bits: int = Field(ge=1, le=4096)
    clock: Frequency = Field(ge=1)
    planes: int = Field(1, ge=1, le=1024, description="networks side by side that share the packets: so many times the "
                                                      "links, routers and queues")
    router_latency: Time
    queue: int | None = Field(None, ge=1, le=10**9, description="flits that the queue behind a link holds; none: no "
                                                                "limit")
    ideal: bool = False
    source: Source


class OffChip(Spec):
    """Links out of the chip: images come in here, chips of a chain talk over it."""

    bandwidth: Bandwidth = Field(ge=1)
    ideal: bool = False
    source: Source


class Served(Spec):
    """A registered process that serves every unit of a kind, with its options."""

    unit: Name = Field(description="as `xbarch list` names them")
    options: dict[str, Any] = Field(default_factory=dict)


Unit = Literal["edram", "bus", "crossbar", "tile_shift_add", "activation", "maxpool", "link", "hypertransport",
               "global_buffer"]


class Encoding(Spec):
    """The data path that an architecture is built for: that of workloads that choose none themselves or, required, of
    all."""

    name: Name = Field(description="as `xbarch list` names them")
    options: dict[str, Any] = Field(default_factory=dict)
    required: bool = Field(False, description="every workload runs on it, and another is refused; false: workloads "
                                              "without a method of their own do, unless another is asked for")


class Chip(Spec):
    """The fields of an accelerator, each right by itself; `xbarch.specs.architecture` checks them together."""

    schema_: Literal["xbarch.architecture/1", "xbarch.architecture/2"] = Field(alias="schema")
    name: Name
    summary: Text
    source: Source
    technology: Text
    node: Length | None = Field(None, ge=1, description="technology node of the CMOS, for prices that follow it; none: "
                                                        "the first length in nm that `technology` names")
    node_model: Scaled | None = Field(None, description="the scaling model of kind node that a price follows where the "
                                      "node differs from the one it is written for; none: it stays and is marked")
    crossbar: Crossbar
    hierarchy: Hierarchy
    precision: Precision
    buffer: Buffer | None = Field(None, description="none: inputs wait in the registers of a tile (dataflow.registers)")
    global_buffer: GlobalBuffer | None = Field(None, description="none: tiles are sent what comes in as it comes")
    bus: Bus
    network: NetworkSpec
    off_chip: OffChip
    pipeline: Pipeline
    units: dict[Name, SharedUnit] = Field(default={}, max_length=32, description="hardware that crossbars, IMAs or "
                                          "tiles share, by names that stages give; none: nothing is shared but what "
                                          "a tile has")
    dataflow: Dataflow | None = Field(None, description="none: every window brings in all its inputs, every crossbar "
                                      "has drivers of its own and its sums are sensed by themselves")
    datapath: Encoding | None = Field(None, description="none: each workload's own")
    noise: Noise | None = Field(None, description="errors of cells and converters, for accuracy; none: all are exact")
    components: dict[Name, Component] = Field(min_length=1, max_length=200)
    kinds: dict[Name, TileKind] = Field(
        {}, max_length=16, description="kinds of tile, where a chip has several; none: all tiles are alike")
    processes: dict[Unit, Served] = Field(
        default={}, description="units that are processes of their own instead of serving a token at a time for a time "
                                "known beforehand: `crossbar` those of a layer's copy in a tile, `edram` the port of a "
                                "tile's buffer, `link` each of the network")

    @property
    def stack(self) -> int:
        """Crossbars above one another whose sums are sensed together."""
        return self.dataflow.stack if self.dataflow else 1

    @property
    def registers(self) -> int:
        """Bits of inputs that the registers of a tile keep."""
        return (self.dataflow.registers if self.dataflow else None) or 0

    @property
    def drives_imas(self) -> bool:
        """Whether an input is driven once for all crossbars of an IMA."""
        return self.dataflow is not None and self.dataflow.drive == "ima"

    @property
    def own_drivers(self) -> bool:
        """Whether every word line of every crossbar has a driver of its own."""
        return not self.drives_imas and not any(stage.role == "drive" for stage in self.pipeline.stages)

    @property
    def word(self) -> int:
        """Bits of a word of a tile's buffer and registers; without a buffer, of its bus."""
        return self.buffer.access_bits if self.buffer else self.bus.wires

    @cached_property
    def splits(self) -> bool:
        """Whether reads and writes of a buffer have prices of their own."""
        return any(set(SPLIT.values()) & {c.action, *c.covers} for c in self.components.values())

    def action(self, stage: Stage) -> str:
        """What a stage's work is counted and paid as."""
        unit = self.units.get(stage.unit or "")
        return (unit and unit.action) or ((self.splits and SPLIT.get(stage.role)) or ACTIONS[stage.role])

    def shared_by(self, level: str) -> int:
        """Crossbars of one crossbar, IMA, tile or chip."""
        return {"crossbar": 1, "ima": self.hierarchy.crossbars_per_ima, "tile": self.crossbars_per_tile,
                "chip": self.crossbars}[level]

    def converters(self, unit: SharedUnit) -> Fraction:
        """Converters that those whom a unit serves share."""
        return Fraction(self.crossbar.adcs_per_crossbar) * unit.serves * self.shared_by(unit.level)

    @property
    def built_node(self) -> int:
        """The technology node, nm; 0: not known."""
        named = re.search(r"(\d+) ?nm", self.technology)
        return self.node or (int(named[1]) if named else 0)

    @property
    def crossbars_per_tile(self) -> int:
        return self.hierarchy.imas_per_tile * self.hierarchy.crossbars_per_ima

    @property
    def crossbars(self) -> int:
        """Crossbars of a chip."""
        h = self.hierarchy
        return sum(kind.tiles * prod(kind.hierarchy.get(key, getattr(h, key)) for key in (
            "imas_per_tile", "crossbars_per_ima")) for kind in self.kinds.values()) or h.tiles * self.crossbars_per_tile

    def instances(self, component: Component) -> Fraction:
        """Parents of a component's level on a chip: tiles, IMAs or one."""
        return Fraction({"chip": 1, "tile": self.hierarchy.tiles,
                         "ima": self.hierarchy.tiles * self.hierarchy.imas_per_tile}[component.level])
