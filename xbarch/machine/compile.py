"""Compile architecture, plan and packed layers into one stage graph. Times and actions are emitted here only, so that
time and energy rest on the same work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np

from xbarch.machine.machine import Machine
from xbarch.mapping.network import Hop, Link, label
from xbarch.mapping.pack import Ints, Packed
from xbarch.mapping.place import Part
from xbarch.mapping.plan import Plan
from xbarch.mapping.traffic import Way, Ways, merging, ways
from xbarch.sim.graph import Deal, Edge, Flow, Pool, Server, Stage, StageGraph
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.infer import multiplies

Count = int | Ints
_OUTSIDE = -1  # the home of the image


@dataclass
class Stages:
    """The stages of one copy while they are being assembled."""

    stages: list[Stage] = field(default_factory=list)

    def add(self, stage: Stage) -> int:
        self.stages.append(stage)
        return len(self.stages) - 1


@dataclass(kw_only=True)
class Compiler:
    """Builds the graph layer by layer; a server is created the first time it is named."""

    machine: Machine
    workload: Workload
    packed: Mapping[str, Packed]
    plan: Plan
    servers: list[Server] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    pools: list[Pool] = field(default_factory=list)
    queues: dict[str, int] = field(default_factory=dict)
    over: dict[Link, int] = field(default_factory=dict)  # link -> its server
    acted: dict[tuple[str, int, int], tuple[tuple[str, Count], ...]] = field(default_factory=dict)  # part -> actions
    busy: dict[tuple[str, int, int], tuple[Count, Count]] = field(default_factory=dict)  # part -> (time, latency)
    takes: dict[tuple[tuple[Link, ...], int], tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """(links, flits) -> (queue, flits that a packet takes of it)"""

    def server(self, kind: str, place: str) -> int:
        """Return the server of that kind at that place; -1 if the architecture declares the kind ideal."""
        if kind in self.machine.ideal:
            return -1
        name = f"{kind}@{place}"
        if name not in self.index:
            self.index[name] = len(self.servers)
            unit = self.machine.processes.get(kind)
            self.servers.append(Server(name, kind, None if unit is None else unit.serve))
        return self.index[name]

    def graph(self, images: int) -> StageGraph:
        """Return the stage graph for `images` images."""
        order, flows = dict[str, int](), list[Flow]()
        for name, edges in self.plan.edges.items():
            layer = self.workload[name]
            found = ways(self.workload, self.plan, name)
            copies = tuple(tuple(self.copy(layer, way).stages) for way in found.ways)
            inputs = tuple(Edge(order[e.producer], e.need, e.release, self.plan.capacity[name, i])
                           for i, e in enumerate(edges))
            if layer.summed:
                flows.append(self.sums(layer, inputs[0]))
                pixels: Ints = np.array([flows[-1].windows])
                inputs = (Edge(len(flows) - 1, pixels, pixels, flows[-1].windows),)  # until the sums have been read
            order[name] = len(flows)
            flows.append(Flow(name, layer.windows, copies, inputs, self.machine.ahead, deal=deal(found)))
        return StageGraph(tuple(self.servers), tuple(flows), images, tuple(self.pools))

    def copy(self, layer: Layer, way: Way) -> Stages:
        built = Stages()
        if layer.op == "input":
            self.arrive(built, layer, way)
        elif layer.compute:
            self.multiply(built, layer, way)
        else:
            self.digital(built, layer, way)
        return built

    # -- layers -----------------------------------------------------------------------------------------

    def arrive(self, built: Stages, layer: Layer, way: Way) -> None:
        """A pixel of the image arrives over the off-chip link."""
        bits = layer.out_shape[0] * layer.output_bits
        time = self.machine.off_chip_time(bits)
        first = built.add(Stage(f"{layer.name}/off_chip", self.server("hypertransport", "chip0"), time, time,
                                gate=True))
        self.deliver(built, layer, way, _OUTSIDE, bits, self.staged(built, layer, bits, first))

    def staged(self, built: Stages, layer: Layer, bits: int, after: int) -> int:
        """Write `bits` to the buffer that the chip's tiles share and read them from it again, where there is one.
        Returns the last stage."""
        shared = self.machine.architecture.global_buffer
        if shared is None:
            return after
        time, words = self.machine.global_time(bits), ceil(bits / shared.access_bits)
        for step in ("store", "load"):
            after = built.add(Stage(f"{layer.name}/{step}", self.server("global_buffer", "chip0"), time, time, (after,),
                                    actions=(("global_access", words),)))
        return after

    def multiply(self, built: Stages, layer: Layer, way: Way) -> None:
        """Compute one output pixel (window) of a layer on crossbars: read, transfer, compute in every part; merge;
        activate; deliver."""
        packed, parts = self.packed[layer.name], self.plan.parts[layer.name][way.copy]
        for group in merging(packed, parts):
            home, ends = group[0].tile, []
            for part in group:
                ends += self.part(built, layer, packed, part, way.copy, home)
            outputs = packed.targets(group[0].start, group[-1].stop)
            partial = sum(packed.partial_sums(*self.span(p)) for p in group)
            merged = self.merge(built, layer, home, partial - outputs, outputs, tuple(ends))
            self.finish(built, layer, way, home, outputs, merged)

    def part(self, built: Stages, layer: Layer, packed: Packed, part: Part, number: int,
             home: int) -> list[int]:
        """Compute one tile's share of a window up to its partial sums and send them to `home` if that is another tile.
        Returns the last stages."""
        m, place = self.machine, f"tile{part.tile}"
        bits = packed.drivers(part.start, part.stop) * layer.input_bits
        last = self.fetch(built, layer, place, bits, packed.registered(*self.span(part)) * layer.input_bits)
        time, latency = self.times(packed, part)
        last = built.add(Stage(
            f"{layer.name}/compute", self.server("crossbar", f"{layer.name}.{number}.{place}.{part.slot}"), time,
            latency, (last,), gate=True, actions=self.actions(packed, part)))
        if part.tile == home:
            return [last]
        width = packed.targets(part.start, part.stop) * m.sum_bits(layer)
        hops, reached = m.network.tree(m.network.router(part.tile), [m.network.router(home)])
        at, ends = reached[m.network.router(home)], list[int]()
        for packet in m.packets(width):
            links = self.links(built, layer, hops, packet, last)
            ends.append(built.add(Stage(
                f"{layer.name}/arrive", -1, 0, m.link_time(packet), (links[at] if at >= 0 else last,),
                actions=(("flit_hop", m.flits(packet)),))))
        return ends

    def times(self, packed: Packed, part: Part) -> tuple[Count, Count]:
        """Return how long a part's crossbars are busy for one window and when its sums are ready; the same for all
        copies."""
        key = packed.layer.name, part.start, part.stop
        if key not in self.busy:
            longest = packed.occupancy[..., part.start:part.stop].max(axis=-1)
            time: Count = int(longest) if longest.ndim == 0 else self.ordered(packed.layer, longest)
            self.busy[key] = time, time + self.machine.latency("compute") + packed.work.latency
        return self.busy[key]

    def actions(self, packed: Packed, part: Part) -> tuple[tuple[str, Count], ...]:
        """Return the actions of a part's crossbars for one window; the same for all copies."""
        key = packed.layer.name, part.start, part.stop
        if key not in self.acted:
            self.acted[key] = tuple((name, self.ordered(packed.layer, count)) for name, count in
                                    self.machine.crossbar_actions(packed, part.start, part.stop))
        return self.acted[key]

    def ordered(self, layer: Layer, values: Count) -> Count:
        """Values per window, given along the rows of one or more images, in the order in which they are computed."""
        share = self.plan.shares.get(layer.name)
        if share is None or not isinstance(values, np.ndarray):
            return values
        return np.ascontiguousarray(values.reshape(-1, layer.windows)[:, share.order].ravel())

    def span(self, part: Part) -> tuple[int, int, int, int]:
        """Return a part's first and last crossbar, the first one's place in the tile, and the crossbars per IMA."""
        return part.start, part.stop, part.slot, self.machine.crossbars_per_ima

    def fetch(self, built: Stages, layer: Layer, place: str, bits: int, registered: int) -> int:
        """Read `bits` from the eDRAM and transfer them once over the bus into the input registers of all IMAs, which
        store `registered` bits in total."""
        m = self.machine
        words, beats = ceil(bits / m.edram_bits), ceil(bits / m.bus_bits)
        read = built.add(Stage(f"{layer.name}/read", self.server("edram", place), m.edram_time(bits),
                               m.latency("read", m.edram_time(bits)), actions=(("edram_access", words),)))
        return built.add(Stage(f"{layer.name}/transfer", self.server("bus", place), m.bus_time(bits),
                               m.latency("transfer", m.bus_time(bits)), (read,),
                               actions=(("bus_transfer", beats), ("ir_access", ceil(registered / m.edram_bits)))))

    def merge(self, built: Stages, layer: Layer, home: int, adds: int, outputs: int, after: tuple[int, ...]) -> int:
        """Add the partial sums of IMAs and tiles in the home tile."""
        m = self.machine
        time = m.unit_time("merge_add", adds)
        server = self.server("tile_shift_add", f"tile{home}") if adds else -1
        return built.add(Stage(f"{layer.name}/merge", server, time, m.latency("merge", time), after,
                               actions=(("merge_add", adds), ("tile_or_access", outputs))))

    def finish(self, built: Stages, layer: Layer, way: Way, home: int, outputs: int, after: int) -> None:
        """Scale and activate, then deliver the outputs."""
        m = self.machine
        time = m.unit_time("activation", outputs)
        actions: tuple[tuple[str, Count], ...] = (("activation", outputs),)
        if multiplies(layer):
            actions = (*actions, ("requantize", outputs * max(1, len(layer.inputs))))
        last = built.add(Stage(f"{layer.name}/activate", self.server("activation", f"tile{home}"), time,
                               m.latency("activate", time), (after,), actions=actions))
        self.deliver(built, layer, way, home, outputs * layer.output_bits, last)

    def digital(self, built: Stages, layer: Layer, way: Way) -> None:
        """Compute one window of a pooling layer or residual addition in one tile, from its eDRAM."""
        m, outputs = self.machine, layer.out_shape[0]
        home = self.plan.homes[layer.name][way.copy]
        place, edges = f"tile{home}", self.plan.edges[layer.name]
        bits, operations = (edges[0].sums, 0) if layer.summed else m.digital_work(layer, [e.bits for e in edges])
        words = ceil(bits / m.edram_bits)
        read = built.add(Stage(f"{layer.name}/read", self.server("edram", place), m.edram_time(bits),
                               m.latency("transfer", m.edram_time(bits)), gate=True,
                               actions=(("edram_access", words),)))
        if layer.summed:
            self.finish(built, layer, way, home, outputs, read)
            return
        kind, action = ("maxpool", "pool") if layer.op == "maxpool" else ("tile_shift_add", "merge_add")
        time = m.unit_time(action, operations)
        last = built.add(Stage(f"{layer.name}/{layer.op}", self.server(kind, place), time, m.latency("merge", time),
                               (read,), actions=((action, operations),)))
        if layer.op == "maxpool":
            self.deliver(built, layer, way, home, outputs * layer.output_bits, last)
        else:
            self.finish(built, layer, way, home, outputs, last)

    def sums(self, layer: Layer, given: Edge) -> Flow:
        """Add every pixel of a feature map to running sums in the eDRAM, one after another; the first is stored. given:
        where the map comes from."""
        m, edge, pixels = self.machine, self.plan.edges[layer.name][0], int(given.release[-1])
        pixel, sums, place = edge.words * edge.bits, edge.sums, f"tile{self.plan.homes[layer.name][0]}"
        ramp: Ints = np.arange(1, pixels + 1, dtype=np.int64)

        def later(first: int, others: int) -> Ints:
            return np.where(ramp > 1, np.int64(others), np.int64(first))

        read, both = m.edram_time(pixel), m.edram_time(pixel) + m.edram_time(sums)
        add, write = m.unit_time("merge_add", edge.words), m.edram_time(sums)
        words = ceil(sums / m.edram_bits)
        stages = (
            Stage(f"{layer.name}/read", self.server("edram", place), later(read, both),
                  later(m.latency("transfer", read), m.latency("transfer", both)),
                  actions=(("edram_access", later(0, words) + ceil(pixel / m.edram_bits)),)),
            Stage(f"{layer.name}/add", self.server("tile_shift_add", place), later(0, add),
                  later(0, m.latency("merge", add)), (0,), actions=(("merge_add", later(0, edge.words)),)),
            Stage(f"{layer.name}/store", self.server("edram", place), write, m.latency("write", write), (1,), gate=True,
                  actions=(("edram_access", words),)))
        return Flow(f"{layer.name}.sums", pixels, (stages,), (replace(given, need=ramp, release=ramp),), 1, layer.name)

    # -- interconnect -----------------------------------------------------------------------------------

    def deliver(self, built: Stages, layer: Layer, way: Way, home: int, bits: int, after: int) -> None:
        """Send outputs to the eDRAM of every tile that consumes them, over each link of the multicast tree once; those
        of the last layer, to their own tile's. What no window reads is not sent."""
        m = self.machine
        source = m.network.gate() if home == _OUTSIDE else m.network.router(home)
        tiles = way.tiles or (() if self.plan.readers[layer.name] else (max(home, 0),))
        at = [m.network.router(tile) for tile in tiles]
        hops, reached = m.network.tree(source, dict.fromkeys(at))
        name = f"{layer.name}/write"
        for packet in m.packets(bits) if hops else [bits]:
            links = self.links(built, layer, hops, packet, after)
            time, tail, words = m.edram_time(packet), m.link_time(packet), -(-packet // m.edram_bits)
            latency = m.latency("write", time)
            own, others = ((late, (("edram_access", words), ("flit_hop", flits)))
                           for late, flits in ((latency, 0), (latency + tail, m.flits(packet))))
            for tile, router in zip(tiles, at, strict=True):
                late, actions = own if tile == home else others
                last = reached[router]
                built.add(Stage(name, self.server("edram", f"tile{tile}"), time, late,
                                (links[last] if last >= 0 else after,), actions=actions))

    def links(self, built: Stages, layer: Layer, hops: list[Hop], bits: int, after: int) -> list[int]:
        """Add the stages of a packet on the links of a multicast tree. Virtual cut-through: the head moves on at once,
        a link is occupied for all flits, and a packet starts only when the queues behind the link have room for all of
        it."""
        m, made = self.machine, list[int]()
        time, far, flits = m.link_time(bits), m.off_chip_time(bits), m.flits(bits)
        name, actions = f"{layer.name}/link", (("flit_hop", flits),)
        for hop in hops:
            before = after if hop.before < 0 else made[hop.before]
            inside = hop.link[0][0] == hop.link[1][0]
            if hop.link not in self.over:
                self.over[hop.link] = self.server("link" if inside else "hypertransport", label(hop.link))
            server = self.over[hop.link]
            made.append(built.add(
                Stage(name, server, time, m.router_latency, (before,), actions=actions,
                      room=self.room(hop, flits) if server >= 0 else ()) if inside else
                Stage(f"{layer.name}/chip_link", server, far, far, (before,))))
        return made

    def room(self, hop: Hop, flits: int) -> tuple[tuple[int, int], ...]:
        """Return the room that a packet takes in the queues behind a link; empty if they are unlimited."""
        queue, key = self.machine.queue, (hop.queues, flits)
        if queue is None or not flits:
            return ()
        if key not in self.takes:
            names = [f"queue@{label(link)}" for link in hop.queues]
            for name in names:
                if name not in self.queues:
                    self.queues[name] = len(self.pools)
                    self.pools.append(Pool(name, queue))
            self.takes[key] = tuple((self.queues[name], flits) for name in names)
        return self.takes[key]


def deal(found: Ways) -> Deal | None:
    """Which windows take which ways, and to which copies those belong."""
    if found.taken is None:
        return None
    return Deal(found.taken.astype(np.int64), np.array([way.copy for way in found.ways], np.int64))


def compile_graph(machine: Machine, workload: Workload, packed: Mapping[str, Packed], plan: Plan,
                  images: int) -> StageGraph:
    """Compile a planned workload into its stage graph, with times in ps and actions per window on every stage."""
    return Compiler(machine=machine, workload=workload, packed=packed, plan=plan).graph(images)


def total(count: Count, windows: int) -> int:
    """Sum an action count over the windows of an image."""
    return int(np.sum(count)) if isinstance(count, np.ndarray) else count * windows
