"""An accelerator as data: crossbars, hierarchy, components with prices, buffers, interconnect, pipeline.

Every model refuses unknown keys, bounds every number and, where it holds published constants, demands a source.
Quantities carry units in the YAML and are integers here: ps, aJ, µW, nm², bits, Hz (see `xbarch.units`).
"""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
import re
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xbarch.specs.fields import Name, Ratio, Source, Text
from xbarch.specs.model import Spec
from xbarch.specs.moves import refuse_moves, refuse_units
from xbarch.specs.pipeline import ACTIONS, SPLIT, Dataflow, Pipeline, SharedUnit, Stage
from xbarch.specs.tile_kinds import TileKind, refuse_kinds
from xbarch.units import Area, Bandwidth, Energy, Frequency, Length, Memory, Power, Time


class OperationUnit(Spec):
    """The largest part of an array that is sensed at a time (SRE, ISCA 2019)."""

    rows: int = Field(ge=1, le=4096, description="word lines driven together")
    columns: int = Field(ge=1, le=4096, description="bit lines converted together")
    read: Time = Field(ge=1, description="time of one read, until its sums can be converted")
    source: Source


class Parallel(Spec):
    """How much is written at a time: at most so many cells of a row, crossbars of an IMA, IMAs of a tile, tiles of a
    chip."""

    cells: int = Field(ge=1, le=8192)
    crossbars: int = Field(ge=1, le=4096)
    imas: int = Field(ge=1, le=4096)
    tiles: int = Field(ge=1, le=65536)
    source: Source


class Verify(Spec):
    """Program and verify: a read after every pulse, until the cell holds its level.

    pulses: mean of a cell, for energy. rounds: until the last of the cells written together is done, for time.
    read, energy: time of a read, energy of it for one cell.
    """

    pulses: Ratio
    rounds: int = Field(ge=1, le=10**6)
    read: Time
    energy: Energy
    source: Source

    @model_validator(mode="after")
    def _ordered(self) -> "Verify":
        if not 1 <= Fraction(self.pulses) <= self.rounds:
            raise ValueError(f"pulses: must be 1 to {self.rounds} (rounds), not {self.pulses}")
        return self


class Programming(Spec):
    """Writing cells. energy: of one write pulse of one cell. pulse: its time, of all cells written together."""

    energy: Energy
    pulse: Time = Field(ge=1)
    parallel: Parallel
    verify: Verify | None = Field(None, description="none: one pulse writes a cell for good")
    source: Source


class Sensed(Spec):
    """How sums on bit lines become numbers: a registered unit with its options."""

    unit: Name = Field("adc", description="as `xbarch list` names them")
    options: dict[str, Any] = Field(default_factory=dict)


class Crossbar(Spec):
    """One array and its converters."""

    rows: int = Field(ge=1, le=4096, description="word lines")
    columns: int = Field(ge=1, le=4096, description="bit lines")
    cell_bits: int = Field(ge=1, le=8)
    unit_column: bool = Field(description="one more bit line beside the columns, for a reference")
    subtraction: Literal["none", "analog"] = Field(
        "none", description="analog: a crossbar is a pair of arrays that share word lines, the bit lines of one are "
                            "subtracted from those of the other before they are sensed, so that a cell holds a sign")
    dac_bits: int = Field(ge=1, le=8)
    adc_bits: int = Field(ge=1, le=16)
    adcs_per_crossbar: Ratio = Field(description="converters per crossbar; 1/8: eight crossbars share one")
    read: Time = Field(ge=1, description="time of one array read")
    read_rows: int | None = Field(None, ge=1, le=4096, description="word lines of the array that `read` is the time "
                                  "of; none: `rows`, or those of the file that states `read`")
    conversion: Time = Field(ge=1, description="time of one conversion")
    sensing: Sensed = Sensed()
    signed_inputs: Literal["twos_complement", "offset"] | None = Field(
        None, description="how signed inputs of b bits drive word lines. twos_complement: the sums of the last phase "
                          "are subtracted (ISAAC), which needs phases of one bit; offset: 2**(b - 1) is added, and the "
                          "activation unit's bias takes it out. Neither needs more phases. none: twos_complement "
                          "where phases have one bit, else offset")
    operation_unit: OperationUnit | None = Field(None, description="none: a read senses the whole array")
    gated: bool = Field(True, description="bit lines that hold nothing are not converted, as the schedule knows them; "
                                          "false: a read converts every bit line of the array, or of its operation "
                                          "unit")
    programming: Programming
    source: Source

    @model_validator(mode="after")
    def _signs_fit(self) -> "Crossbar":
        if self.signed_inputs == "twos_complement" and self.dac_bits > 1:
            raise ValueError(f"signed_inputs: must be offset where a phase drives {self.dac_bits} bits, since a sign "
                             "has a phase of its own in two's complement")
        return self

    @model_validator(mode="after")
    def _units_fit(self) -> "Crossbar":
        unit = self.operation_unit
        if unit is not None and (unit.rows > self.rows or unit.columns > self.columns):
            raise ValueError(f"operation_unit: must be at most {self.rows} x {self.columns}, the crossbar, not "
                             f"{unit.rows} x {unit.columns}")
        return self

    @property
    def offset_inputs(self) -> bool:
        return self.signed_inputs == "offset" or self.dac_bits > 1

    @property
    def unused(self) -> str:
        """What a read does with bit lines that hold nothing, in words."""
        return "not converted" if self.gated else "converted"


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


class GlobalBuffer(Spec):
    """A memory that the tiles of a chip share, beside their own: what comes in and what leaves passes through it, a
    write and a read of `access_bits` every `access` each. ideal: no contention at its port."""

    size: Memory = Field(ge=1)
    access_bits: int = Field(ge=1, le=65536)
    access: Time = Field(ge=1)
    ports: int = Field(1, ge=1, le=1024, description="accesses at a time, each to a memory of its own")
    ideal: bool = False
    source: Source


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


class Scaled(Spec):
    """A registered model that a component's price follows, with its options beside its name."""

    model_config = ConfigDict(extra="allow")

    model: Name = Field(description="as `xbarch list` names them")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        """The name alone means a model without options."""
        return {"model": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(core)]}

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


_SERVING = ("edram", "bus", "tile_shift_add", "activation", "maxpool")  # what of a tile is known to be busy or not


class Encoding(Spec):
    """The data path that an architecture is built for: that of workloads that choose none themselves or, required, of
    all."""

    name: Name = Field(description="as `xbarch list` names them")
    options: dict[str, Any] = Field(default_factory=dict)
    required: bool = Field(False, description="every workload runs on it, and another is refused; false: workloads "
                                              "without a method of their own do, unless another is asked for")


ACTION_ENERGIES = (10, 10**12)
"""aJ, of one action of a component: from the read of a resistive cell (27 aJ in Li et al., TIMELY, ISCA 2020, the
smallest price known here) to a microjoule, as much as whole layers take."""
_PAYS = ("action", "power", "energy", "actions", "per")  # what an action's price is made of


class Component(Spec):
    """Hardware of one kind in one parent of its level.

    `power` and `area` are totals of the `count` instances. An action costs `energy`, or, where only the power
    at full activity is published, power * per / actions: the group does `actions` of them in `per` then. Of an action
    with `energy`, power follows where it is not stated, from `actions` and `per` or from the rate of the machine
    (`xbarch.cost.nameplate.full_power`). `constant: true` marks power drawn all the time (no action).
    """

    level: Literal["chip", "tile", "ima"]
    count: Ratio
    area: Area
    power: Power | None = Field(None, description="at full activity, of all `count`; none: follows from `energy`")
    action: Name | None = None
    actions: int | None = Field(default=None, ge=1, le=10**12)
    per: Time | None = None
    energy: Energy | None = None
    constant: bool = False
    covers: list[Name] = Field(default=[], max_length=50, description="further actions whose price is in this one's")
    leakage: Power = Field(0, description="drawn by all `count` in an occupied parent, beside the actions' energy")
    gated: bool = Field(False, description="leaks only while it works")
    scope: Literal["compute", "chip", "whole"] = "compute"
    bits: int | None = Field(default=None, ge=1, le=16, description="of an ADC: the resolution its price is for")
    of: dict[str, Any] = Field(
        default={}, max_length=50, description="fields of the machine that the price is written for, where they differ "
                                               "from this one's, such as crossbar.rows: 128")
    scaling: Scaled | None = Field(
        default=None, description="how its price follows what is built: a registered model, by its name or with its "
                                  "options; none: the default model of its action")
    when: Literal["scales"] | None = Field(
        default=None, description="built only where needed, no part of the nameplate; scales: the workload multiplies "
                                  "sums by scales that are no powers of two")
    note: Text | None = None
    source: Source

    @model_validator(mode="after")
    def _priced(self) -> "Component":
        if self.constant:
            if self.action or self.actions or self.per is not None or self.energy is not None or self.covers:
                raise ValueError("constant power takes no action, actions, per, energy or covers")
            if self.power is None:
                raise ValueError("constant: true needs power")
        else:
            self._paid_once()
        if self.constant and self.leakage:
            raise ValueError("leakage: must be left out of constant power, which is drawn all the time anyway")
        if self.gated and not self.leakage:
            raise ValueError("gated: needs leakage, the power that is gated")
        return self

    def _paid_once(self) -> None:
        """Refuse an action without an energy, or with two."""
        rated = self.actions is not None and self.per is not None
        if (self.actions is None) != (self.per is None):
            raise ValueError(f"actions and per belong together, but {'actions' if self.per is not None else 'per'} is "
                             "missing; to take an inherited one away, set it to null")
        if self.action is None or (self.energy is None and (self.power is None or not rated)):
            raise ValueError("needs an action with energy, an action with power, actions and per, or constant: true "
                             "with power; "
                             f"it has {', '.join(key for key in _PAYS if getattr(self, key) is not None) or 'none'}")
        if self.energy is not None and self.power is not None and rated:
            raise ValueError("states the energy of an action twice, by energy and by power, actions and per; take "
                             "one away: `power: null` (it then follows from the energy), or `actions: null` with "
                             "`per: null`, or `energy: null`")
        self._plausible()

    def _plausible(self) -> None:
        """Refuse a price in the wrong unit, and an action that pays for itself twice."""
        if self.action in self.covers:
            raise ValueError(f"covers: {self.action} is the action whose price it states; take it out of the list")
        low, high = ACTION_ENERGIES
        if self.energy_aj and not low <= self.energy_aj <= high:
            raise ValueError(f"an action {self.action} would cost {self.energy_aj:,} aJ; hardware takes {low} to "
                             f"{high:,} aJ, so a unit may be wrong (1 pJ is 1,000,000 aJ)")

    @property
    def scaling_model(self) -> str:
        """Name of its scaling model; empty without one."""
        return self.scaling.model if self.scaling else ""

    @property
    def energy_aj(self) -> int:
        """Energy of one action (aJ), rounded once. 1 µW * 1 ps = 1 aJ."""
        if self.energy is not None:
            return self.energy
        if self.actions is None or self.per is None or self.power is None:
            return 0
        return round(Fraction(self.power * self.per, self.actions))


class Architecture(Spec):
    """A whole accelerator."""

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
    components: dict[Name, Component] = Field(min_length=1, max_length=200)
    kinds: dict[Name, TileKind] = Field(
        {}, max_length=16, description="kinds of tile, where a chip has several; none: all tiles are alike")
    processes: dict[Unit, Served] = Field(
        default={}, description="units that are processes of their own instead of serving a token at a time for a time "
                                "known beforehand: `crossbar` those of a layer's copy in a tile, `edram` the port of a "
                                "tile's buffer, `link` each of the network")

    @model_validator(mode="after")
    def _consistent(self) -> "Architecture":
        for name, component in self.components.items():
            if component.gated and component.level != "ima" and name not in _SERVING:
                raise ValueError(f"components.{name}.gated: must be false at level {component.level}; gated are "
                                 f"components of level ima, and {', '.join(_SERVING)}")
        refuse_moves(self)
        refuse_units(self, get_args(Unit))
        if self.kinds:
            refuse_kinds(self)
        if self.crossbars > 10**8:
            raise ValueError(f"hierarchy: must make at most 100,000,000 crossbars, not {self.crossbars:,}")
        return self

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
