"""How a window passes the crossbars of one copy of a layer, stage by stage as the machine's pipeline has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from xbarch.errors import InputError
from xbarch.machine.counts import driven, sensed
from xbarch.machine.emit import Emitter, Stages
from xbarch.machine.machine import Machine
from xbarch.machine.units import Count, Shared, plain
from xbarch.mapping.pack import Ints, Packed
from xbarch.mapping.place import Part
from xbarch.mapping.traffic import Way, merging
from xbarch.sim.graph import Stage
from xbarch.specs import pipeline
from xbarch.workload.graph import Layer

After = tuple[int, ...]  # stages of the copy that are waited for


@dataclass(kw_only=True)
class Passage:
    """One copy while its stages are being assembled."""

    emitter: Emitter
    built: Stages
    layer: Layer
    packed: Packed
    way: Way

    @property
    def machine(self) -> Machine:
        """The machine of the kind of tile that the layer runs on."""
        return self.emitter.machine.of(self.layer.name)

    def assemble(self) -> None:
        """Add every stage: the near ones in each part; those of the home tile, where the parts' sums meet; delivery."""
        parts = self.emitter.plan.parts[self.layer.name][self.way.copy]
        for group in merging(self.packed, parts):
            home, ends = group[0].tile, list[int]()
            for part in group:
                ends += self.send(part, home, self.near(part))
            self.gather(group, home, tuple(ends))

    def add(self, name: str, server: int, time: Count, latency: Count, after: After, **more: object) -> int:
        """Add a stage of the layer."""
        return self.built.add(Stage(f"{self.layer.name}/{name}", server, time, latency, after, **more))  # type: ignore[arg-type]

    # -- in every tile that holds a part ----------------------------------------------------------------------------

    def near(self, part: Part) -> After:
        """Add a part's stages up to its sums; returns the last ones."""
        stages = self.emitter.machine.stages
        self.emitter.keep(self.packed, part)
        does: dict[str, Callable[[pipeline.Stage, Part, After], After]] = {
            "read": self.bring, "transfer": self.bring, "drive": self.drive, "compute": self.compute,
            "convert": self.convert}
        done: dict[str, After] = {}
        for stage in stages.near:
            after = tuple(end for name in stages.before[stage.called] for end in done[name])
            done[stage.called] = does[stage.role](stage, part, after)
        return tuple(end for name in stages.ends for end in done[name])

    def bring(self, stage: pipeline.Stage, part: Part, after: After) -> After:
        """Read a part's inputs from the tile's eDRAM, or transfer them over its bus; the last transfer is into the
        input registers of all IMAs, once in each that they drive."""
        c, m = self.emitter, self.machine
        key = (self.layer.name, stage.called, part.start, part.stop, part.slot % m.crossbars_per_ima)
        if key not in c.moved:
            action, count, time = m.moving(stage, self.bits([(part.start, part.stop)]))
            actions: tuple[tuple[str, Count], ...] = ((action, count),)
            if stage.called == m.stages.last_in:
                actions = (*actions, ("ir_access", -(-self.bits(self.packed.imas(*c.span(part))) // m.edram_bits)))
            c.moved[key] = time, m.late(stage, time), m.act(*actions)
        time, latency, actions = c.moved[key]
        server = c.at(stage, "bus" if stage.role == "transfer" else "edram", part.tile)
        return (self.add(stage.called, server, time, latency, after, actions=actions),)

    def bits(self, pieces: Iterable[tuple[int, int]]) -> Count:
        """Bits that a window brings to crossbars [start, stop), each of these pieces for itself."""
        c, how = self.emitter, self.machine.keeps
        if how == "window":
            return sum(self.packed.drivers(*piece) for piece in pieces) * self.layer.input_bits
        return plain(np.sum([c.brought(self.packed, *piece)[0] for piece in pieces], axis=0)) * self.layer.input_bits

    def drive(self, stage: pipeline.Stage, part: Part, after: After) -> After:
        """Drive the word lines by drivers that crossbars share. The first read starts with its inputs; the last one
        when all are driven."""
        m, unit = self.machine, self.unit(stage)
        counts, action = self.ordered(driven(m, self.packed, part)), m.actions[stage.called]
        assert unit.spec.time is not None
        ends = []
        for place, start, stop in unit.pieces(part):
            mine = counts[..., start - part.start:stop - part.start]
            time = unit.crossbars_time(mine, Fraction(unit.spec.time))
            ends.append(self.add(stage.called, self.shared(unit, place, part), time, self.first(time) + stage.latency,
                                 after, actions=self.machine.act((action, plain(mine.sum(axis=-1))))))
        return tuple(ends)

    def compute(self, stage: pipeline.Stage, part: Part, after: After) -> After:
        """Read the crossbars of a part, all of them together. Where converters are shared, a window's sums are held
        until they are converted, one read at a time: its second read ends no sooner than the first is converted. So
        what its crossbars are held for begins with the end of its first read, which takes place while the last sums of
        the window before are converted."""
        c, name = self.emitter, f"{self.layer.name}.{self.way.copy}.tile{part.tile}.{part.slot}"
        time, latency = c.times(self.packed, part)
        actions, server = c.actions(self.packed, part), c.server("crossbar", name)
        if not c.machine.stages.has("convert"):
            return (self.add(stage.called, server, time, latency, after, gate=True, actions=actions),)
        read = self.add("first_read", -1, 0, self.first_read(part) + self.packed.work.latency, after)
        return (self.add(stage.called, server, time, stage.latency, (read,), gate=True, actions=actions,
                         room=((c.pool(f"sums@{name}", 1), 1),)),)

    def convert(self, stage: pipeline.Stage, part: Part, after: After) -> After:
        """Convert the sums of a part at the converters that its crossbars share with others: done when the converters
        are, and not before the last read's sums are made and converted."""
        unit, m = self.unit(stage), self.machine
        counts, timed = (self.ordered(sensed(m, self.packed, part, each))
                         for each in (self.packed.actions["conversion"], self.timed))
        ends, last = list[int](), list[Count]()
        for place, start, stop in unit.pieces(part):
            mine = slice(start - part.start, stop - part.start)
            time = unit.crossbars_time(timed[..., mine], self.packed.sensing.conversion)
            last.append(self.first(time))
            ends.append(self.add(stage.called, self.shared(unit, place, part), time, time + stage.latency, after,
                                 actions=self.machine.act(("conversion", plain(counts[..., mine].sum(axis=-1))))))
        rest = self.emitter.times(self.packed, part)[0] - self.first_read(part) + latest(last) + stage.latency
        return (*ends, self.add("last_read", -1, 0, rest, after))

    def unit(self, stage: pipeline.Stage) -> Shared:
        """The shared unit of a stage that has one."""
        return self.machine.units[stage.unit or ""]

    def shared(self, unit: Shared, place: str, part: Part) -> int:
        """The server of a shared unit; where it is shared in fixed turns, a part's own."""
        own = f"{place}.{self.layer.name}.{self.way.copy}.{part.tile}.{part.slot}"
        return self.emitter.server(unit.name, place if unit.queues else own)

    @cached_property
    def timed(self) -> Ints:
        """Conversions that take time, of each entry of `work`: that of a reference column is hidden."""
        columns, most = np.maximum(self.packed.work.columns, 1), self.packed.sensing.array.columns
        found: Ints = self.packed.actions["conversion"] * np.minimum(columns, most) // columns
        return found

    def ordered(self, counts: Ints) -> Ints:
        """Counts of every window in the order in which windows are computed; others as they are."""
        return self.emitter.ordered(self.layer, counts) if counts.ndim > 1 else counts

    @cached_property
    def reads(self) -> Count:
        """Reads of a window on the crossbar that has most, at least one."""
        whole = Part(0, 0, self.packed.crossbars, 0)
        counts = self.ordered(self.packed.by_crossbar(whole, self.packed.work.reads))
        return plain(np.maximum(counts.max(axis=-1), 1))

    def first(self, time: Count) -> Count:
        """The share of one read in the time for all reads of a window, rounded up."""
        return -(-time // self.reads)

    def first_read(self, part: Part) -> Count:
        """How long a part's first read takes: the mean of its reads, rounded up."""
        return self.first(self.emitter.times(self.packed, part)[0])

    # -- in the tile where the sums meet ----------------------------------------------------------------------------

    def send(self, part: Part, home: int, last: After) -> After:
        """Send a part's sums to its home, if that is another tile; returns the last stages."""
        c, m = self.emitter, self.emitter.machine
        if part.tile == home:
            return last
        if len(last) > 1:
            last = (self.add("sums", -1, 0, 0, last),)
        width = self.packed.targets(part.start, part.stop) * m.sum_bits(self.layer)
        hops, reached = m.network.tree(m.network.router(part.tile), [m.network.router(home)])
        at, ends = reached[m.network.router(home)], list[int]()
        for packet in c.packets(width):
            links = c.links(self.built, self.layer, hops, packet, last[0])
            ends.append(self.add("arrive", -1, 0, m.link_time(packet), (links[at] if at >= 0 else last[0],),
                                 actions=(("flit_hop", m.flits(packet)),)))
        return tuple(ends)

    def gather(self, group: Sequence[Part], home: int, after: After) -> None:
        """Add the partial sums of IMAs and tiles in the home tile, activate and deliver the outputs."""
        c, m = self.emitter, self.machine
        outputs = self.packed.targets(group[0].start, group[-1].stop)
        adds = sum(self.packed.partial_sums(*c.span(p)) for p in group) - outputs
        merges = m.stages.has("merge")
        if adds and not merges:
            raise InputError(
                f"layer {self.layer.name} has {adds + outputs} partial sums for {outputs} outputs in a copy, and "
                f"{m.architecture.name} has no stage that merges them; use taller crossbars, so that its "
                f"{self.layer.rows} inputs fit the word lines of one IMA, or add a stage of role merge",
                field="pipeline.stages")
        for stage in merges:
            action, time = m.operating(stage, adds)
            after = (self.add(stage.called, c.at(stage, "tile_shift_add", home) if adds else -1, time,
                              m.late(stage, time), after, actions=m.act((action, adds), ("tile_or_access", outputs))),)
        c.finish(self.built, self.layer, self.way, home, outputs, after)


def latest(times: Sequence[Count]) -> Count:
    """The longest of some times, of every window where they differ."""
    return max(times) if all(isinstance(time, int) for time in times) else np.maximum.reduce(times)  # type: ignore
