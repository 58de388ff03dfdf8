"""What the stages of all layers are made with: servers, rooms, reads and writes of buffers, deliveries. Each emits its
time and its actions together, so that time and energy rest on the same work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xbarch.errors import InputError
from xbarch.machine.counts import crossbar_actions
from xbarch.machine.machine import Machine
from xbarch.machine.units import Count
from xbarch.mapping.network import Hop, Link, label
from xbarch.mapping.pack import Ints, Packed
from xbarch.mapping.place import Part
from xbarch.mapping.plan import Plan
from xbarch.mapping.reuse import brought
from xbarch.mapping.traffic import Way
from xbarch.sim.graph import Pool, Server, Stage
from xbarch.specs import pipeline
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.infer import products_per_output

if TYPE_CHECKING:
    from xbarch.machine.levels import Levels

OUTSIDE = -1  # the home of the image
QUEUE = "queue@"  # begins the names of rooms in queues


@dataclass
class Stages:
    """The stages of one copy while they are being assembled."""

    stages: list[Stage] = field(default_factory=list)

    def add(self, stage: Stage) -> int:
        self.stages.append(stage)
        return len(self.stages) - 1


@dataclass(kw_only=True)
class Emitter:
    """Makes stages; a server is created the first time it is named."""

    machine: Machine
    workload: Workload
    packed: Mapping[str, Packed]
    plan: Plan
    servers: list[Server] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    pools: list[Pool] = field(default_factory=list)
    rooms: dict[str, int] = field(default_factory=dict)
    over: dict[Link, int] = field(default_factory=dict)  # link -> its server
    moved: dict[tuple[Any, ...], tuple[Count, Count, tuple[tuple[str, Count], ...]]] = field(default_factory=dict)
    """(layer, stage, first crossbar, end, place in an IMA) -> (time, latency, actions) of bringing inputs"""
    reused: dict[tuple[str, bytes], tuple[Ints, int]] = field(default_factory=dict)  # layer, inputs -> see `brought`
    kept: dict[int, dict[int, int]] = field(default_factory=dict)
    """tile -> place of a part's first crossbar -> bits of inputs that the registers keep for it"""
    acted: dict[tuple[str, int, int, int], tuple[tuple[str, Count], ...]] = field(default_factory=dict)
    conducted: dict[str, Levels] = field(default_factory=dict)
    """(layer, first crossbar, end, place in an IMA) -> actions of a part"""
    busy: dict[tuple[str, int, int], tuple[Count, Count]] = field(default_factory=dict)  # part -> (time, latency)
    takes: dict[tuple[tuple[Link, ...], int], tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """(links, flits) -> (queue, flits that a packet takes of it)"""
    widest: int = 0  # flits of the longest of what was sent, before it was cut into packets
    writers: dict[int, int] = field(default_factory=dict)  # tile -> see `written`
    sent: dict[tuple[int, tuple[int, ...], int, int, int], list[Stage]] = field(default_factory=dict)
    """of the layer that is compiled: (tile, tiles to which it sends, bits, stage before, stages before) -> stages"""
    alike: dict[tuple[Any, ...], Stage] = field(default_factory=dict)
    """of the layer that is compiled: what a step of a packet is made of -> that step, which its copies share"""

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

    def times(self, packed: Packed, part: Part) -> tuple[Count, Count]:
        """Return how long a part's crossbars are busy for one window and when its sums are ready; the same for all
        copies."""
        key = packed.layer.name, part.start, part.stop
        if key not in self.busy:
            longest = packed.occupancy[..., part.start:part.stop].max(axis=-1)
            time: Count = int(longest) if longest.ndim == 0 else self.ordered(packed.layer, longest)
            self.busy[key] = time, time + self.machine.of(key[0]).latency("compute") + packed.work.latency
        return self.busy[key]

    def actions(self, packed: Packed, part: Part) -> tuple[tuple[str, Count], ...]:
        """Return the actions of a part's crossbars for one window; the same for all copies."""
        m = self.machine.of(packed.layer.name)
        place = part.slot % m.crossbars_per_ima if m.stack > 1 or m.architecture.drives_imas else 0
        key = packed.layer.name, part.start, part.stop, place
        if key not in self.acted:
            self.acted[key] = tuple(
                (name, self.ordered(packed.layer, count) if isinstance(count, np.ndarray) else count)
                for name, count in crossbar_actions(m, packed, part, self.levels(packed)))
        return self.acted[key]

    def levels(self, packed: Packed) -> Levels | None:
        """Return what a layer's cells conduct, where its machine prices that."""
        m, name = self.machine.of(packed.layer.name), packed.layer.name
        if m.by_value and name not in self.conducted:
            from xbarch.machine.levels import Levels

            self.conducted[name] = Levels(packed, m.geometry)
        return self.conducted.get(name)

    def ordered(self, layer: Layer, values: Ints) -> Ints:
        """Values of every window, given along the rows of one or more images, in the order in which they are
        computed."""
        share = self.plan.shares.get(layer.name)
        if share is None:
            return values
        images = values.reshape(-1, layer.windows, *values.shape[1:])
        return np.ascontiguousarray(images[:, share.order].reshape(values.shape))

    def brought(self, packed: Packed, start: int, stop: int) -> tuple[Ints, int]:
        """Return how many inputs each window brings to crossbars [start, stop) of a copy that keeps inputs, and the
        most that are kept at a time."""
        layer, how = packed.layer, self.machine.of(packed.layer.name).keeps
        assert how != "window"
        inputs = packed.inputs(start, stop)
        key = layer.name, inputs.tobytes()
        if key not in self.reused:
            share, owner = self.plan.shares.get(layer.name), np.arange(layer.windows) % self.plan.copies[layer.name]
            if share is not None:
                owner[share.order] = share.owner
            counts, most = brought(layer, inputs, owner, how)
            self.reused[key] = self.ordered(layer, counts), most
        return self.reused[key]

    def keep(self, packed: Packed, part: Part) -> None:
        """Keep a part's inputs in the registers of its tile.

        Raises:
            InputError: they hold less than its windows and those of other parts need.
        """
        m, layer, here = self.machine.at(part.tile), packed.layer, self.kept.setdefault(part.tile, {})
        if m.keeps == "window":
            return
        here[part.slot] = bits = self.brought(packed, part.start, part.stop)[1] * layer.input_bits
        if sum(here.values()) > m.architecture.registers:
            raise InputError(f"must hold {sum(here.values()) // 8:,} B or more for inputs to be brought in "
                             f"{'once' if m.keeps == 'once' else 'where they are new'}, as tile {part.tile} keeps "
                             f"{bits // 8:,} B of layer {layer.name}, not {m.architecture.registers // 8:,} B; or give "
                             "dataflow.input: window", field="dataflow.registers")

    def span(self, part: Part) -> tuple[int, int, int, int]:
        """Return a part's first and last crossbar, the first one's place in the tile, and the crossbars per IMA."""
        return part.start, part.stop, part.slot, self.machine.at(part.tile).crossbars_per_ima

    def at(self, stage: pipeline.Stage, kind: str, tile: int) -> int:
        """Return the server of a stage in a tile: the tile's own part of that kind, or a shared unit; of one that has
        fixed turns, the tile's turn."""
        unit = self.machine.at(tile).units.get(stage.unit or "")
        if unit is None:
            return self.server(kind, f"tile{tile}")
        return self.server(unit.name, unit.place(tile) if unit.queues else f"{unit.place(tile)}.tile{tile}")

    def pool(self, name: str, capacity: int) -> int:
        """Return the room of that name."""
        if name not in self.rooms:
            self.rooms[name] = len(self.pools)
            self.pools.append(Pool(name, capacity))
        return self.rooms[name]

    def finish(self, built: Stages, layer: Layer, way: Way, home: int, outputs: int, after: tuple[int, ...]) -> None:
        """Scale and activate, then deliver the outputs."""
        m, products = self.machine.at(home), products_per_output(layer)
        more = (("requantize", outputs * products),) if products else ()
        for stage in m.stages.has("activate"):
            action, time = m.operating(stage, outputs)
            after, more = (built.add(Stage(
                f"{layer.name}/{stage.called}", self.at(stage, "activation", home), time, m.late(stage, time), after,
                actions=m.act((action, outputs), *more))),), ()
        if more or len(after) > 1:
            after = (built.add(Stage(f"{layer.name}/outputs", -1, 0, 0, after, actions=m.act(*more))),)
        self.deliver(built, layer, way, home, outputs * layer.output_bits, after[0])

    def read(self, name: str, tile: int, *pieces: int) -> Stage:
        """Return the stage that reads pieces of so many bits from a tile's buffer for work that needs no crossbar; one
        without time where nothing is read."""
        m, found = self.machine.at(tile), self.machine.stages.has("read")
        if not found:
            return Stage(name, -1, 0, 0, gate=True)
        action, words, times = zip(*(m.moving(found[0], bits) for bits in pieces), strict=True)
        time = sum(times)
        return Stage(name, self.at(found[0], "edram", tile), time, m.latency("transfer", time), gate=True,
                     actions=m.act((action[0], sum(words))))

    def write(self, name: str, tile: int, bits: int, after: int, tail: int = 0) -> Stage:
        """Return the stage that writes bits to a tile's buffer, `tail` after they begin to come in; one without a
        server where nothing is written."""
        m, found = self.machine.at(tile), self.machine.stages.has("write")
        if not found:
            return Stage(name, -1, 0, tail, (after,), gate=True)
        action, words, time = m.moving(found[0], bits)
        return Stage(name, self.written(tile), time, m.late(found[0], time) + tail, (after,), gate=True,
                     actions=m.act((action, words)))

    def written(self, tile: int) -> int:
        """Return the server through which a tile's buffer is written; -1 where nothing is."""
        if tile not in self.writers:
            found = self.machine.stages.has("write")
            self.writers[tile] = self.at(found[0], "edram", tile) if found else -1
        return self.writers[tile]

    # -- interconnect -----------------------------------------------------------------------------------

    def deliver(self, built: Stages, layer: Layer, way: Way, home: int, bits: int, after: int) -> None:
        """Send outputs to the eDRAM of every tile that consumes them, over each link of the multicast tree once. Copies
        on one tile that send to the same tiles share their stages."""
        tiles = way.tiles or (() if self.plan.readers[layer.name] else (max(home, 0),))
        first = len(built.stages)
        key = home, tiles, bits, after, first
        if key in self.sent:
            built.stages += self.sent[key]
            return
        self.send(built, layer, tiles, home, bits, after)
        self.sent[key] = built.stages[first:]

    def send(self, built: Stages, layer: Layer, tiles: tuple[int, ...], home: int, bits: int, after: int) -> None:
        """Add the stages that send outputs from a tile, or from outside, to other tiles."""
        m = self.machine
        source = m.network.gate() if home == OUTSIDE else m.network.router(home)
        at = [m.network.router(tile) for tile in tiles]
        hops, reached = m.network.tree(source, dict.fromkeys(at))
        name, one = f"{layer.name}/write", {m.at(tile): tile for tile in reversed(tiles)}  # a tile of each kind
        for packet in self.packets(bits) if hops else [bits]:
            links = self.links(built, layer, hops, packet, after)
            flits = m.flits(packet)
            here, there = ({kind: self.write(name, tile, packet, after, tail) for kind, tile in one.items()}
                           for tail in (0, m.link_time(packet)))
            acts = [{kind: (*stage.actions, ("flit_hop", hop)) for kind, stage in each.items()}
                    for each, hop in ((here, 0), (there, flits))]
            for tile, router in zip(tiles, at, strict=True):
                last, kind, away, server = reached[router], m.at(tile), tile != home, self.written(tile)
                before = links[last] if last >= 0 else after
                key = server, before, packet, away, kind
                if key not in self.alike:
                    stage = (there if away else here)[kind]
                    self.alike[key] = Stage(name, server, stage.occupancy, stage.latency, (before,),
                                            actions=acts[away][kind])
                built.add(self.alike[key])

    def packets(self, bits: int) -> list[int]:
        """Return the bits of each packet that `bits` are sent in."""
        self.widest = max(self.widest, self.machine.flits(bits))
        return self.machine.packets(bits)

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
            room = self.room(hop, flits) if inside and server >= 0 else ()
            key = server, before, bits, inside, room
            if key not in self.alike:
                self.alike[key] = (
                    Stage(name, server, time, m.router_latency, (before,), actions=actions, room=room) if inside else
                    Stage(f"{layer.name}/chip_link", server, far, far, (before,)))
            made.append(built.add(self.alike[key]))
        return made

    def room(self, hop: Hop, flits: int) -> tuple[tuple[int, int], ...]:
        """Return the room that a packet takes in the queues behind a link; empty if they are unlimited."""
        queue, key = self.machine.queue, (hop.queues, flits)
        if queue is None or not flits:
            return ()
        if key not in self.takes:
            all_planes = queue * self.machine.architecture.network.planes
            self.takes[key] = tuple((self.pool(f"{QUEUE}{label(link)}", all_planes), flits) for link in hop.queues)
        return self.takes[key]
