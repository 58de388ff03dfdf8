"""Writing the weights into the crossbars, once: cells, time and energy, apart from every figure of inference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np

from xbarch.errors import InputError
from xbarch.machine.kept import writes
from xbarch.machine.machine import Machine
from xbarch.mapping.network import Link
from xbarch.mapping.pack import Ints, Packed
from xbarch.mapping.place import Part
from xbarch.mapping.plan import Plan
from xbarch.result import exact
from xbarch.result.schema import Amortized

Parts = Mapping[str, list[list[Part]]]


@dataclass(frozen=True)
class Programming:
    """The cost of writing every copy of every layer."""

    cells: int
    """Written."""
    crossbars: int
    """That hold them."""
    write: int
    """ps to write the crossbars, as many at a time as the architecture allows."""
    load: int
    """ps for the weights to arrive over the busiest of off-chip links, links on chip and tile buses."""
    energy: Mapping[str, int]
    """aJ by part: pulses, verify, transfer, and static, the constant power meanwhile."""

    @property
    def time(self) -> int:
        """ps until everything is written: writing and loading overlap."""
        return max(self.write, self.load)

    @property
    def total(self) -> int:
        """aJ of all parts."""
        return sum(self.energy.values())


def programming(machine: Machine, packed: Mapping[str, Packed], plan: Plan) -> Programming:
    """The cost of programming a planned workload.

    All bit lines of a block are written except idle ones: zeros, reference and dummy columns too, since the previous
    content of a cell is unknown. The rows of a crossbar follow one another; a pulse writes `parallel.cells` of a row.
    With program and verify a cell takes `verify.pulses` pulses on average, and the cells written together take
    `verify.rounds`, each followed by a read; where an effect of the noise verifies, as many as its errors make
    expect. Crossbars, IMAs and tiles take turns in their order, `parallel` at a time; a turn takes as long as its
    longest member; kinds of tile and chips work at the same time.
    """
    def written(own: Machine) -> _Write:
        a = own.architecture
        found: _Write = writes.get((plan.parts, *(p.layout for p in packed.values())), (
            own.kind, machine.on, a.crossbar.programming, a.noise, own.geometry.rows, own.geometry.cell_bits,
            a.hierarchy, machine.network.tiles), lambda: _write(machine, own, packed, plan.parts))
        return found

    kinds = [written(each) for each in machine.each]
    stored = sum((k.stored for k in kinds), start=np.zeros_like(kinds[0].stored))
    write = max(k.time for k in kinds)
    load, transfer = _load(machine, stored)
    powers = machine.static_powers()
    energy = {"pulses": sum(k.pulses for k in kinds), "verify": sum(k.verify for k in kinds), "transfer": transfer,
              "static": sum(powers.values()) * max(write, load)}
    return Programming(int(stored.sum()), plan.crossbars, write, load, energy)


@dataclass(frozen=True)
class _Write:
    """Writing the tiles of one kind. time: ps. stored: cells on every tile. pulses, verify: aJ."""

    time: int
    stored: Ints
    pulses: int
    verify: int


def _write(machine: Machine, own: Machine, packed: Mapping[str, Packed], parts: Parts) -> _Write:
    """The cost of writing the parts of layers on tiles of one kind, `own`."""
    spec = own.architecture.crossbar.programming
    counted = {name: _written(p, own.geometry.rows, spec.parallel.cells) for name, p in packed.items()
               if machine.of(name) is own}
    mean, rounds = _pulses(own)
    step = ceil((spec.pulse + (spec.verify.read if spec.verify else 0)) * rounds)
    per_ima, per_tile, per_chip = own.crossbars_per_ima, own.architecture.crossbars_per_tile, machine.network.tiles
    chips = -(-(1 + max(part.tile for _, part in _each(parts))) // per_chip)
    tiles = chips * per_chip
    slowest = max((int(pulses.max()) for _, pulses in counted.values()), default=0) * step
    busy, stored = np.zeros((tiles, per_tile), exact.safe_type(slowest * tiles * per_tile)), np.zeros(tiles, np.int64)
    for name, part in _each(parts):
        if name in counted:
            cells, pulses = counted[name]
            there = busy[part.tile, part.slot:part.slot + part.crossbars]
            there[:] = pulses[part.start:part.stop].astype(busy.dtype) * step
            stored[part.tile] += int(cells[part.start:part.stop].sum())
    turns = _turns(busy.reshape(tiles, -1, per_ima), spec.parallel.crossbars)
    turns = _turns(turns, spec.parallel.imas)
    cells_written = int(stored.sum())
    return _Write(int(_turns(turns.reshape(chips, -1), spec.parallel.tiles).max()), stored,
                  round(cells_written * mean * spec.energy),
                  round(cells_written * mean * spec.verify.energy) if spec.verify else 0)


def _pulses(own: Machine) -> tuple[Fraction, Fraction]:
    """Mean pulses of a cell, and rounds of the cells written together: those of the noise where an effect verifies,
    else the architecture's.

    Raises:
        InputError: an effect verifies, but the architecture does not say what a verifying read takes.
    """
    spec, noisy = own.architecture.crossbar.programming, own.imperfect
    effects, lowest = ((), 0.0) if noisy is None else (noisy.effects, noisy.noise.conductance.lowest)
    for effect in effects:
        levels = np.linspace(lowest, 1, 1 << own.geometry.cell_bits, dtype=np.float32)
        found = effect.pulses(levels, spec.parallel.cells)
        if found is not None and spec.verify is None:
            raise InputError(f"must be stated where the effect {effect.name} verifies: time and energy of the read "
                             "after a pulse", field="crossbar.programming.verify")
        if found is not None:
            return Fraction(found[0]), Fraction(found[1])
    return (Fraction(spec.verify.pulses), Fraction(spec.verify.rounds)) if spec.verify else (Fraction(1), Fraction(1))


def amortized(done: Programming, images: int) -> Amortized:
    """Cells, time (ps) and energy (aJ) of one programming for each of the `images` between it and the next.

    Raises:
        InputError: fewer than one image.
    """
    if images < 1:
        raise InputError(f"must be at least 1, not {images}", field="batch")
    return Amortized(cells=done.cells / images, time_ps=done.time / images, energy_aj=done.total / images)


def _each(parts: Parts) -> Iterator[tuple[str, Part]]:
    for name, copies in parts.items():
        for copy in copies:
            for part in copy:
                yield name, part


def _written(packed: Packed, rows: int, together: int) -> tuple[Ints, Ints]:
    """Cells written on every crossbar of a copy, and pulses that follow one another there, [crossbars] each."""
    f, n = packed.layout, packed.crossbars
    cells = np.bincount(f.crossbar, f.rows * f.columns, n).astype(np.int64)
    pulses = np.bincount(f.crossbar, f.rows * -(-f.columns // together), n).astype(np.int64)
    shared = np.bincount(f.crossbar, minlength=n) > 1  # blocks of these share pulses where they share rows
    chosen = shared[f.crossbar]
    top = (np.cumsum(shared) - 1)[f.crossbar[chosen]] * (rows + 1) + f.row0[chosen]
    steps = np.bincount(np.concatenate((top, top + f.rows[chosen])),
                        np.concatenate((f.columns[chosen], -f.columns[chosen])), int(shared.sum()) * (rows + 1))
    width = np.cumsum(steps.astype(np.int64).reshape(-1, rows + 1), axis=1)[:, :rows]
    pulses[shared] = (-(-width // together)).sum(axis=1)
    return cells, pulses


def _turns(times: Ints, together: int) -> Ints:
    """Time of the last axis in turns of so many, each turn as long as its longest member."""
    size = times.shape[-1]
    wide = min(together, size)
    padded = np.pad(times, [(0, 0)] * (times.ndim - 1) + [(0, -size % wide)])
    found: Ints = padded.reshape(*times.shape[:-1], -1, wide).max(axis=-1).sum(axis=-1)
    return found


def _load(machine: Machine, stored: Ints) -> tuple[int, int]:
    """(ps for the weights to arrive, aJ of moving them) from the first chip's gate along the route to every tile, which
    holds `stored` cells [tiles]. Parts that the architecture calls ideal take no time."""
    m, on = machine, dict[Link, int]()
    prices = m.prices()
    hop = sum(price.energy for price in prices.get("flit_hop", ()))
    energy, most, total = 0, 0, 0
    for tile in np.flatnonzero(stored).tolist():
        own = m.at(tile)
        bits, ((moved, _),) = int(stored[tile]) * own.geometry.cell_bits, own.act(("bus_transfer", 1))
        beat = sum(price.energy for price in prices.get(moved, ()))
        path = m.network.path(m.network.gate(), m.network.router(tile))
        hops = [link for link in path if link[0][0] == link[1][0]]
        for link in hops:
            on[link] = on.get(link, 0) + bits
        energy += m.flits(bits) * (len(hops) + 1) * hop + -(-bits // own.bus_bits) * beat
        most, total = max(most, own.bus_time(bits)), total + bits
    times = {"hypertransport": m.off_chip_time(total), "link": m.link_time(max(on.values(), default=0)),
             "bus": most}
    return max((t for kind, t in times.items() if kind not in m.ideal), default=0), energy
