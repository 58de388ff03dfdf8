"""What the price of a component can depend on: the geometry, the widths and the rates of a machine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Point:
    """A machine as its parts' prices see it. Times in ps, sizes in bits."""

    rows: int
    columns: int
    arrays: int
    """Arrays of a crossbar: 2 where bit lines are subtracted in analog."""
    cell_bits: int
    dac_bits: int
    adc_bits: int
    adcs: Fraction
    """Converters that a crossbar has to itself."""
    conversion: int
    cadence: Fraction
    """Time between two reads of a full array."""
    crossbars: int
    """Crossbars per IMA."""
    imas: int
    """IMAs per tile."""
    weight_bits: int
    input_bits: int
    buffer: int
    access_bits: int
    access: int
    ports: int
    """Accesses to a tile's buffer at a time."""
    shared: tuple[int, int, int, int]
    """Size, bits of an access, its time and ports of the buffer that a chip's tiles share; zeros: there is none."""
    wires: int
    bandwidth: int
    """Of a tile's bus, bit/s."""
    link_bits: int
    clock: int
    """Of the network, Hz."""
    planes: int
    """Networks side by side."""
    queue: int
    """Flits behind a link; 0: no limit."""
    concentration: int
    """Tiles that share a router."""
    off_chip: int
    """Bandwidth of the links out of the chip, bit/s."""
    node: int
    """Technology node, nm; 0: not stated."""

    @property
    def cells(self) -> int:
        """Cells of the crossbars of an IMA."""
        return self.rows * self.columns * self.arrays * self.crossbars

    @property
    def slices(self) -> int:
        """Cells of a weight of the machine's widest kind."""
        return -(-self.weight_bits // self.cell_bits)


PATHS = {
    "rows": "crossbar.rows", "columns": "crossbar.columns",
    "arrays": "crossbar.subtraction", "cell_bits": "crossbar.cell_bits", "dac_bits": "crossbar.dac_bits",
    "adc_bits": "crossbar.adc_bits", "adcs": "crossbar.adcs_per_crossbar", "conversion": "crossbar.conversion",
    "crossbars": "hierarchy.crossbars_per_ima", "imas": "hierarchy.imas_per_tile",
    "weight_bits": "precision.weight_bits", "input_bits": "precision.input_bits", "buffer": "buffer.size",
    "access_bits": "buffer.access_bits", "access": "buffer.access", "ports": "buffer.ports", "shared": "global_buffer",
    "wires": "bus.wires", "bandwidth": "bus.bandwidth",
    "link_bits": "network.link_bits", "clock": "network.clock", "planes": "network.planes", "queue": "network.queue",
    "concentration": "network.options", "off_chip": "off_chip.bandwidth", "node": "node",
}
"""The field of an architecture behind each attribute. `cadence` has none: it follows from several."""


def differing(of: Point, at: Point) -> frozenset[str]:
    """The attributes in which two points differ."""
    return frozenset(f.name for f in fields(Point) if getattr(of, f.name) != getattr(at, f.name))
