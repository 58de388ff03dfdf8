"""An architecture as the compiler needs it: times and sizes of every component, prices of every action."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarch.cost.nameplate import full
from xbarch.datapaths.base import DataPath, Geometry
from xbarch.errors import InputError
from xbarch.machine.payers import BY_VALUE, Payers, payers
from xbarch.machine.periphery import PUBLISHED, Periphery
from xbarch.machine.stages import Stages
from xbarch.machine.units import Amount, Count, Shared
from xbarch.machine.variant import tile_area
from xbarch.mapping.kinds import kind_of, part
from xbarch.mapping.network import Network
from xbarch.mapping.pack import Packed, dense_crossbars
from xbarch.mapping.room import KindRoom, Pace, Room
from xbarch.mapping.windows import running_sums
from xbarch.parts.processes.base import UnitProcess
from xbarch.parts.sensing.base import Sensing
from xbarch.plugins import checked, guard
from xbarch.plugins.registry import sensed, served, wired
from xbarch.sim.graph import StageGraph
from xbarch.specs.architecture import Architecture
from xbarch.specs.chip import Unit
from xbarch.specs.component import Component
from xbarch.specs.pipeline import Stage
from xbarch.specs.text import brief
from xbarch.specs.tile_kinds import SHARED
from xbarch.workload.graph import Layer, Workload

if TYPE_CHECKING:
    from xbarch.functional.device import Imperfect


def _imperfect(a: Architecture, geometry: Geometry, sensing: Sensing[Any]) -> Imperfect | None:
    """What is not ideal about the crossbars; nothing is loaded for those that are."""
    if a.noise is None or a.noise.ideal:
        return None
    from xbarch.machine.imperfect import imperfect

    return imperfect(a, geometry, sensing)


class Machine:
    """`chips` chips of `architecture`. All times in ps, sizes in bits, energies in aJ, areas in nm².

    Where chips have several kinds of tile, `kinds` are the machines of these, by name, each with the tiles of its kind
    alone, and `on` says on which kind each compute layer runs. What belongs to a tile is asked of the kind: `of` a
    layer, `at` a tile, or `each`. `architecture` is then that of what all tiles share. periphery: how `architecture`
    differs in size from what is published.
    """

    def __init__(self, architecture: Architecture, chips: int = 1, periphery: Periphery = PUBLISHED,
                 kinds: Mapping[str, Machine] | None = None, on: Mapping[str, str] | None = None) -> None:
        a = architecture
        self.architecture, self.chips, self.kinds, self.on = a, chips, dict(kinds or {}), dict(on or {})
        self.kind, self.periphery = "", periphery
        self.geometry = Geometry.of(a.crossbar)
        self.slot, self.ahead = a.pipeline.slot, a.pipeline.ahead
        self.adcs_per_crossbar = Fraction(a.crossbar.adcs_per_crossbar)
        self.stages = Stages.of(a.pipeline)
        self.sensing = sensed(a, elsewhere=bool(self.stages.has("convert")))
        self.imperfect = _imperfect(a, self.geometry, self.sensing)
        self.crossbars_per_ima, self.stack = a.hierarchy.crossbars_per_ima, a.stack
        self.crossbars: int = sum(m.crossbars for m in self.kinds.values()) or a.crossbars * chips
        self.edram_bits, self.bus_bits, self.flit_bits = a.word, a.bus.wires, a.network.link_bits
        self.router_latency, self.queue = a.network.router_latency, a.network.queue
        self.network = Network(wired(a.network, a.hierarchy.tiles))
        self.ideal = {kind for kind, part in (("edram", a.buffer), ("bus", a.bus), ("link", a.network),
                                              ("hypertransport", a.off_chip), ("global_buffer", a.global_buffer))
                      if part is not None and part.ideal}
        self.processes: dict[str, UnitProcess] = {kind: self._process(kind) for kind in a.processes}
        self._rates: dict[str, Fraction] = {}  # ps an operation, of actions
        self.actions = {stage.called: a.action(stage) for stage in self.stages.all}
        self.keeps = a.dataflow.input if a.dataflow else "window"
        self.by_value = sorted({c.action for c in a.components.values() if c.action in BY_VALUE})
        self.units = {name: Shared.of(name, a) for name in a.units}
        self._refuse_unconverted()
        self._firsts: list[int] = []  # number of each kind's first tile on a chip
        for name, machine in self.kinds.items():
            self._firsts.append(sum(m.architecture.hierarchy.tiles for m in self.each[:len(self._firsts)]))
            machine.kind, machine.network = name, self.network
            machine.units = {name: replace(unit, tiles=self.network.tiles) for name, unit in machine.units.items()}

    # -- kinds of tile ------------------------------------------------------------------------------------

    @property
    def each(self) -> list[Machine]:
        """The machine of each kind of tile; of one kind, this one."""
        return list(self.kinds.values()) or [self]

    def of(self, layer: str) -> Machine:
        """Return the machine of the kind of tile that a compute layer runs on."""
        return self.kinds[kind_of(self.on, layer)] if self.kinds else self

    def at(self, tile: int) -> Machine:
        """Return the machine of a tile's kind."""
        if not self.kinds:
            return self
        return self.each[bisect_right(self._firsts, tile % self.network.tiles) - 1]

    def act(self, *actions: tuple[str, Count]) -> tuple[tuple[str, Count], ...]:
        """Return actions in tiles of this kind as the ledger knows them: named after the kind where there are several,
        since each pays its own prices."""
        return tuple((f"{action}@{self.kind}", count) for action, count in actions) if self.kind else actions

    def _process(self, kind: Unit) -> UnitProcess:
        if kind in self.ideal:
            raise InputError(f"{kind} is ideal: it has no queue, so it cannot be a unit process",
                             field=f"processes.{kind}")
        return served(self.architecture.processes[kind], f"processes.{kind}")

    def _refuse_unconverted(self) -> None:
        """Refuse converters to share where the sensing unit converts nothing."""
        converts = self.stages.has("convert")
        if converts and "conversion" not in checked.actions(self.sensing, full(self.architecture, 1)):
            raise InputError(f"{converts[0].unit} are converters, but the sensing unit {self.sensing.name} counts no "
                             "conversions; leave the stage convert out", field="pipeline.stages")

    def refuse_stacked(self) -> None:
        """Refuse to execute sums of crossbars above one another: crossbars are executed one by one.

        Raises:
            InputError: this machine adds such sums up before it senses them.
        """
        if self.stack > 1:
            raise InputError(f"must be 1 where crossbars are executed (verify, accuracy), not {self.stack}: they are "
                             "executed one by one", field="dataflow.stack")

    # -- times ------------------------------------------------------------------------------------------

    def latency(self, role: str, time: int = 0) -> int:
        """Return the time from grant to result of the stage with that role, or the first of them, if it takes `time`;
        none where the machine has no such stage."""
        found = self.stages.has(role)
        return self.late(found[0], time) if found else 0

    def late(self, stage: Stage, time: Amount) -> Amount:
        """Return the time from grant to result of a stage that takes `time`: at least the stage's latency, rounded up
        to whole slots.

        A stage with latency 0 is cut through: the next stage starts with its first word.
        """
        if not stage.latency:
            return time * 0
        longest = np.maximum(time, stage.latency) if isinstance(time, np.ndarray) else max(time, stage.latency)
        return -(-longest // self.slot) * self.slot if self.slot else longest

    def moving(self, stage: Stage, bits: Amount) -> tuple[str, Amount, Amount]:
        """Return what moving `bits` in a stage of role read, transfer or write is counted as, how often, and how long
        it takes."""
        unit = self.units.get(stage.unit or "")
        width = self.bus_bits if stage.role == "transfer" else self.edram_bits
        usual = self.bus_time(bits) if stage.role == "transfer" else self.edram_time(bits)
        action = self.actions[stage.called]
        if unit is None:
            return action, -(-bits // width), usual
        words = -(-bits // (unit.spec.bits or width))
        time = unit.tile_time(usual, Fraction(1)) if unit.spec.time is None else \
            unit.tile_time(words, Fraction(unit.spec.time))
        return action, words, time

    def operating(self, stage: Stage, operations: int) -> tuple[str, int]:
        """Return what operations in a stage of role merge or activate are counted as, and how long they take."""
        unit, action = self.units.get(stage.unit or ""), self.actions[stage.called]
        if unit is None:
            return action, self.unit_time(action, operations)
        each = self.rate(action) if unit.spec.time is None else Fraction(unit.spec.time)
        return action, unit.tile_time(operations, each)

    def edram_time(self, bits: Amount) -> Amount:
        """Return how long `bits` occupy a port of a tile's buffer."""
        buffer = self.architecture.buffer
        if buffer is None:
            return bits * 0
        return -(-(-(-bits // self.edram_bits) * buffer.access) // buffer.ports)

    def global_time(self, bits: int) -> int:
        """Return how long `bits` occupy the port of the chip's buffer."""
        shared = self.architecture.global_buffer
        return -(-(-(-bits // shared.access_bits) * shared.access) // shared.ports) if shared else 0

    def bus_time(self, bits: Amount) -> Amount:
        """Return how long `bits` occupy a tile's bus."""
        return -(-bits * 10**12 // self.architecture.bus.bandwidth)

    def flits(self, bits: int) -> int:
        return -(-bits // self.flit_bits)

    def packets(self, bits: int) -> list[int]:
        """Return the bits of each packet that `bits` are sent in: one, or as many as fit in the queues behind links."""
        if self.queue is None or self.flits(bits) <= self.queue:
            return [bits]
        most = self.queue * self.flit_bits
        return [*(most for _ in range((bits - 1) // most)), (bits - 1) % most + 1]

    def link_time(self, bits: int) -> int:
        """Return how long `bits` occupy the links of a chip between two routers: one clock cycle per flit on each."""
        network = self.architecture.network
        return -(-self.flits(bits) * 10**12 // (network.clock * network.planes))

    def off_chip_time(self, bits: int) -> int:
        return -(-bits * 10**12 // self.architecture.off_chip.bandwidth)

    def unit_time(self, action: str, operations: int) -> int:
        """Return how long a component needs for `operations` of `action`, at the rate of its full activity; of several,
        the slowest, since each of them has a part in every operation."""
        return ceil(operations * self.rate(action))

    def rate(self, action: str) -> Fraction:
        """Return the time (ps) of one `action` at full activity."""
        if action not in self._rates:
            self._rates[action] = max((
                Fraction(c.per, c.actions) for c in self.architecture.components.values()
                if c.action == action and c.actions and c.per is not None), default=Fraction(0))
        return self._rates[action]

    def digital_work(self, layer: Layer, bits: Sequence[int]) -> tuple[int, int]:
        """Return the bits read and the additions (of max pooling, comparisons) done for one window of a layer without
        weights, from the word width of each input; with running sums also those that are written."""
        channels, kernel = layer.out_shape[0], prod(layer.kernel)
        if layer.summed:
            return kernel * (bits[0] * channels + 2 * running_sums(layer, bits[0])), channels * (kernel - 1)
        if layer.op == "add":
            return sum(bits) * channels, channels * (len(bits) - 1)
        if layer.op in ("mul", "affine", "concat"):  # multiplied where levels are scaled
            return bits[0] * channels * (2 if layer.op == "mul" else 1), 0
        if layer.op == "norm":  # a sum and a sum of squares of what the window normalizes, shared by its pixels
            return bits[0] * channels * 2, 2 * channels
        return bits[0] * channels * kernel, channels * max(1, kernel - 1)

    def pace(self, layer: Layer, packed: Packed | None) -> Pace:
        """Return how long a window of the layer occupies the components its tile shares, and how many windows of a copy
        are in flight. A layer without crossbars may sit on any kind of tile, so the slowest counts."""
        if self.kinds:
            paces = [m.pace(layer, packed) for m in ([self.of(layer.name)] if packed is not None else self.each)]
            return Pace(max(p.time for p in paces), max(p.flight for p in paces))
        held = ceil(packed.mean_occupancy) if packed is not None else self.shared_time(layer, False, set())
        return Pace(self.shared_time(layer, packed is not None, self.ideal),
                    self.ahead + ceil(sum(stage.latency for stage in self.stages.all) / max(1, held)))

    def shared_time(self, layer: Layer, crossbars: bool, ideal: Container[str]) -> int:
        """Return how long a window of the layer, on crossbars or not, occupies the slowest shared component that is not
        `ideal`."""
        produced = layer.out_shape[0] * layer.output_bits
        if layer.op in ("input", "flatten"):
            return 0 if "hypertransport" in ideal else self.off_chip_time(produced)
        port = 0 if "edram" in ideal else self.edram_time(produced)
        activates = layer.op != "maxpool" and self.stages.has("activate")
        activated = self.operating(activates[0], layer.out_shape[0])[1] if activates else 0
        if crossbars:
            return max(activated, port)
        bits, operations = self.digital_work(layer, [layer.input_bits] * max(1, len(layer.inputs)))
        unit = self.unit_time("pool" if layer.op == "maxpool" else "merge_add", operations)
        return max(port + self.edram_time(bits) if "edram" not in ideal else 0, unit, activated)

    # -- sizes ------------------------------------------------------------------------------

    def sum_bits(self, layer: Layer) -> int:
        """Return the bits of a partial sum, in whole bytes: weight and input bits plus the carries of all rows."""
        return ceil((layer.weight_bits + layer.input_bits + layer.rows.bit_length()) / 8) * 8

    # -- room and cost ----------------------------------------------------------------------------------

    def precision(self, network: Workload) -> tuple[int, int]:
        """Return the widest weights and inputs of a workload, which set the peak rate."""
        layers = network.compute_layers
        return max(la.weight_bits for la in layers), max(la.input_bits for la in layers)

    @property
    def tiles(self) -> int:
        """Tiles of all chips."""
        return self.architecture.hierarchy.tiles * self.chips

    def dense(self, network: Workload) -> dict[str, int]:
        """Return the crossbars of one dense copy of the layers on each kind of tile."""
        return {m.kind: dense_crossbars(part(network, self.on, m.kind), m.geometry) for m in self.each}

    @property
    def holds(self) -> int:
        """Bits of inputs that wait in a tile: in its buffer, or else in its registers."""
        a = self.architecture
        return a.buffer.size if a.buffer else a.registers

    def room(self, network: Workload | None = None) -> Room:
        """Return what a plan of the network may fill. Several kinds have the buffer of the smallest."""
        dense = self.dense(network) if network is not None and self.kinds else {}
        layers = self.on if network is None else [la.name for la in network.compute_layers]
        a, per_chip = self.architecture, self.network.tiles
        kinds = tuple(
            KindRoom(m.tiles, m.architecture.crossbars_per_tile, m.holds, self.ahead, kind=name,
                     dense=dense.get(name, 0),
                     layers=frozenset(la for la in layers if kind_of(self.on, la) == name),
                     numbers=[chip * per_chip + first + tile for chip in range(self.chips)
                              for tile in range(m.architecture.hierarchy.tiles)])
            for (name, m), first in zip(self.kinds.items(), self._firsts, strict=True))
        buffer = min((kind.buffer for kind in kinds), default=self.holds)
        return Room(self.tiles, a.crossbars_per_tile, buffer, self.ahead, kinds)

    def areas(self, used: Mapping[str, int] | None = None) -> tuple[int, int, dict[str, int]]:
        """Return the area of the tiles in use, the area of all chips, and the latter by component. used: tiles of each
        kind; None: all."""
        by = dict[str, int]()
        for name, c, count in self._built(None):
            by[name] = by.get(name, 0) + c.area * count
        tiles = sum(tile_area(m.architecture.components.values(), m.architecture.hierarchy.imas_per_tile) * (
            m.tiles if used is None else used.get(m.kind, 0)) for m in self.each)
        return tiles, sum(by.values()), by

    def prices(self) -> Payers:
        """Return the components that are paid for each action, and their prices (`xbarch.machine.payers`); of several
        kinds of tile, of each action of each kind."""
        return self._prices

    @cached_property
    def _prices(self) -> Payers:
        if not self.kinds:
            return payers(self.architecture)
        shared = {action: paid for action, paid in payers(self.architecture).items() if action in SHARED}
        return shared | {f"{action}@{kind}": paid for kind, m in self.kinds.items()
                         for action, paid in payers(m.architecture).items() if action not in SHARED}

    def find_unpriced(self, actions: Iterable[str]) -> str:
        """Return why the architecture lacks a component for the sensing unit's actions; "" if all are priced."""
        paid = self.prices()
        free = next((action for action in actions if action not in paid), "")
        return free and (f"no component prices the action {free!r} of the sensing unit {self.sensing.name} on "
                         f"{self.architecture.name}; add one with action: {free}")

    def refuse_unpaid(self, path: DataPath, name: str, packed: Packed) -> None:
        """Refuse a packed layer whose actions no component prices.

        Raises:
            InputError: which action, and the plugin that counts it.
        """
        prices = self.prices()
        with guard.asking(path, "work", name) as wrong:
            if free := [action for action in packed.work.extra if action not in prices]:
                raise wrong(f"returned the action {brief(free[0])!r}, which no component prices; the priced ones are "
                            f"{', '.join(prices)}")
        with guard.asking(self.sensing, "actions", name) as wrong:
            done = checked.actions(packed.sensing, packed.work, packed.windows)
            if guard.is_builtin(self.sensing) and (lacks := self.find_unpriced(done)):
                raise InputError(lacks, field="components")
            if free := [action for action in done if action not in prices]:
                raise wrong(f"returned the action {brief(free[0])!r}, which no component of {self.architecture.name} "
                            f"prices; the priced ones are {', '.join(prices)}")

    def refuse_unpriced(self, graph: StageGraph) -> None:
        """Refuse, before it is simulated, a graph with an action that no component prices.

        Raises:
            InputError: which action, and the stage that does it.
        """
        prices = self.prices()
        for flow in () if graph.actions <= prices.keys() else graph.flows:
            for stage in (stage for copy in flow.copies for stage in copy):
                for action, count in stage.actions:
                    if action not in prices and np.any(count):
                        name, _, kind = action.partition("@")
                        where = f" in tiles of kind {kind}" if kind else ""
                        raise InputError(f"no component prices the action {name!r}, which stage {stage.name} does"
                                         f"{where}; add one with action: {name}", field="components")

    def static_powers(self, used: Mapping[str, int] | None = None) -> dict[str, int]:
        """Return the constant power (µW) by component of the tiles in use and of what all chips have besides tiles.
        used: tiles of each kind; None: all."""
        found = dict[str, int]()
        for name, c, count in self._built(used):
            if c.constant:
                found[name] = found.get(name, 0) + (c.power or 0) * count
        return found

    def _built(self, used: Mapping[str, int] | None) -> Iterator[tuple[str, Component, int]]:
        """Yield every component with the number of its parents on all chips with so many tiles of each kind: chips,
        tiles or IMAs. What several kinds of tile share belongs to the chip."""
        for m in dict.fromkeys((*self.each, self)):
            tiles = (m.tiles if used is None else used.get(m.kind, 0)) if m in self.each else 0
            parents = {"chip": self.chips if m is self else 0, "tile": tiles,
                       "ima": tiles * m.architecture.hierarchy.imas_per_tile}
            for name, c in m.architecture.components.items():
                yield name, c, parents[c.level]
