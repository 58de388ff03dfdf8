"""The nameplate: counts times printed power and area, arithmetic without simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Geometry, Work
from xbarch.mapping.pack import occupied, pack
from xbarch.parts.sensing.base import Sensing, Setting
from xbarch.plugins.checked import actions, adjusted
from xbarch.plugins.registry import encoded, sensed
from xbarch.specs.architecture import Architecture
from xbarch.specs.component import Component
from xbarch.workload.graph import Layer


@dataclass(frozen=True, kw_only=True)
class Nameplate:
    """Roll-up of one chip.

    tops: peak throughput; a MAC is two operations.
    converter: the component that pays for conversions, of several the first, "" where nothing is converted.
    adc_share: the share of all of these in a tile's power.
    """

    tile_power_w: float
    tile_area_mm2: float
    power_w: float
    area_mm2: float
    tops: float
    converter: str
    adc_share: float

    @property
    def gops_per_w(self) -> float:
        return 1000 * self.tops / self.power_w

    @property
    def gops_per_mm2(self) -> float:
        return 1000 * self.tops / self.area_mm2


def nameplate(architecture: Architecture, weight_bits: int = 16, input_bits: int = 16,
              kinds: Sequence[Architecture] = ()) -> Nameplate:
    """Every unit at full activity (ISAAC, ISCA 2016, Table I: group totals times counts).

    Peak: rows * floor(columns / cells per weight) * crossbars * 2 operations in the time a full array takes for a
    window; where the architecture names its data path, those that it packs on full arrays, in the time it takes.

    kinds: the architectures of several kinds of tile (`xbarch.specs.tile_kinds`); figures of a tile are then means.
    """
    tiles = tops = Fraction(0)
    power, area, converting = [Fraction(0), Fraction(0)], [Fraction(0), Fraction(0)], Fraction(0)  # of tiles, of chips
    converter = ""
    for a in kinds or (architecture,):
        filled = _filled(a, weight_bits, input_bits)
        tops += Fraction(2 * filled.macs * a.crossbars, filled.busy)
        tiles += a.hierarchy.tiles
    for a, own in ((architecture, False), *((a, True) for a in kinds or (architecture,))):
        for name, c in a.components.items():
            if c.when is not None or own == (c.level == "chip"):
                continue
            drawn, count = full_power(a, c) or 0, a.instances(c)
            power[not own] += drawn * count
            area[not own] += c.area * count
            if own and "conversion" in (c.action, *c.covers):
                converter, converting = converter or name, converting + drawn * count
    return Nameplate(
        tile_power_w=float(power[0] / tiles / 10**6), tile_area_mm2=float(area[0] / tiles / 10**12),
        power_w=float(sum(power) / 10**6), area_mm2=float(sum(area) / 10**12), tops=float(tops), converter=converter,
        adc_share=float(converting / power[0]) if power[0] else 0.0)


def full_power(architecture: Architecture, component: Component) -> int | None:
    """Power (µW) of all of a component in one parent at full activity: as stated, or energy of its action times how
    often that is done. None: neither is known."""
    c = component
    if c.power is not None or c.energy is None or c.action is None:
        return c.power
    if c.actions is not None and c.per is not None:
        return round(Fraction(c.energy * c.actions, c.per))
    rate = _full_rate(architecture, c.action)
    return None if rate is None else round(c.energy * rate / architecture.instances(c))


def _full_rate(a: Architecture, action: str) -> Fraction | None:
    """How often (per ps) a chip does an action at full activity, where the machine says so: crossbars read without a
    pause, an access to every memory and register in each `buffer.access` (ISAAC, ISCA 2016, Table I, has its registers
    at the rate of its eDRAM; without a buffer, of its bus), as many reads as writes, buses at their bandwidth, a flit
    per clock in every tile's router."""
    tiles = a.hierarchy.tiles
    imas, shared = tiles * a.hierarchy.imas_per_tile, a.global_buffer
    b = a.buffer
    each = Fraction(1, b.access) if b else Fraction(a.bus.bandwidth, a.bus.wires * 10**12)  # of a register
    port = Fraction(tiles * b.ports, b.access) if b else Fraction(0)
    rates = {"edram_access": port, "edram_read": port / 2, "edram_write": port / 2, "tile_or_access": tiles * each,
             "ir_access": imas * each, "or_access": imas * each,
             "global_access": Fraction(shared.ports, shared.access) if shared else None,
             "bus_transfer": Fraction(tiles * a.bus.bandwidth, a.bus.wires * 10**12),
             "flit_hop": Fraction(tiles * a.network.planes * a.network.clock, 10**12)}
    if action in rates:
        return rates[action]
    filled = _filled(a, a.precision.weight_bits, a.precision.input_bits)
    work, unit = filled.work, filled.sensing
    lines, cells, digit = work.reads * work.rows, work.reads * work.cells, (1 << a.crossbar.dac_bits) - 1
    counts = {"row_drive": lines, "row_level": lines * digit, "cell_read": cells,
              "cell_level": cells * digit * ((1 << a.crossbar.cell_bits) - 1),
              **{name: count if name in unit.apart else -(-count // a.stack)
                 for name, count in actions(unit, work).items()}}
    if action not in counts:
        return None
    return Fraction(int(counts[action].sum()) * a.crossbars, filled.busy)


@dataclass(frozen=True)
class _Filled:
    """Full arrays at work on a window: multiply-accumulates and time (ps), summed over the arrays."""

    sensing: Sensing
    work: Work
    macs: int
    busy: int


def _filled(a: Architecture, weight_bits: int, input_bits: int) -> _Filled:
    """One full array; where the architecture names its data path, the arrays on which that packs a layer with an input
    for each word line and an output for each bit line, whose slices and reads are its own."""
    x = a.crossbar
    if a.datapath is None:
        unit, work = _set(a, weight_bits, input_bits), full(a, input_bits)
        weights = x.rows * (x.columns // ceil(weight_bits / x.cell_bits))
        return _Filled(unit, work, weights, int(occupied(unit, work)[0]))
    top = 2 ** (weight_bits - 1) - 1
    drawn = np.random.default_rng(0).integers(-top, top + 1, (x.columns, x.rows, 1, 1)).astype(np.int16)
    layer = replace(_layer(a, weight_bits, input_bits, x.columns), weights=lambda: drawn)
    packed = pack(layer, encoded(a.datapath), Geometry.of(x), sensed(a))
    return _Filled(packed.sensing, packed.work, layer.macs, int(packed.occupancy.sum()))


def window(architecture: Architecture, weight_bits: int, input_bits: int) -> int:
    """Time (ps) a full array takes for a window of weights and inputs of so many bits, operation unit by operation unit
    where it is read so."""
    return int(occupied(_set(architecture, weight_bits, input_bits), full(architecture, input_bits))[0])


def _set(a: Architecture, weight_bits: int, input_bits: int) -> Sensing:
    """The sensing unit, set for weights and inputs of so many bits on all word lines."""
    filters = max(1, a.crossbar.columns // ceil(weight_bits / a.crossbar.cell_bits))
    return adjusted(sensed(a), Setting(layer=_layer(a, weight_bits, input_bits, filters),
                                       geometry=Geometry.of(a.crossbar)))


def _layer(a: Architecture, weight_bits: int, input_bits: int, filters: int) -> Layer:
    """A layer with an input for each word line."""
    return Layer(name="nameplate", op="linear", inputs=("input",), in_shape=(a.crossbar.rows, 1, 1),
                 out_shape=(filters, 1, 1), weight_bits=weight_bits, input_bits=input_bits)


def full(architecture: Architecture, input_bits: int) -> Work:
    """A full array's window of inputs of so many bits."""
    x, unit = architecture.crossbar, architecture.crossbar.operation_unit
    high, wide = (unit.rows, unit.columns) if unit else (x.rows, x.columns)
    reads = ceil(x.rows / high) * ceil(x.columns / wide) * ceil(input_bits / x.dac_bits)
    return Work(crossbar=_one(0), rows=_one(high), columns=_one(wide), cells=_one(high * wide), reads=_one(reads),
                outputs=_one(0))


def _one(value: int) -> NDArray[np.int64]:
    return np.array([value], np.int64)
