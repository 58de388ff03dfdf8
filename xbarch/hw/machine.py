"""An architecture as the compiler needs it: times and sizes of every unit, prices of every action."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil

import numpy as np

from xbarch.cost.ledger import Price
from xbarch.datapaths.base import DataPath, Geometry, Work
from xbarch.errors import InputError
from xbarch.hw.mesh import Mesh
from xbarch.mapping.pack import Ints, Occupancy, Packed
from xbarch.mapping.plan import Room
from xbarch.spec.architecture import Architecture
from xbarch.workload.graph import Layer, Workload


class Machine:
    """`chips` chips of `architecture`. All times in ps, sizes in bits, energies in aJ, areas in nm²."""

    def __init__(self, architecture: Architecture, chips: int = 1) -> None:
        a = architecture
        self.architecture, self.chips = a, chips
        self.geometry = Geometry(a.crossbar.rows, a.crossbar.columns, a.crossbar.cell_bits, a.crossbar.dac_bits,
                                 a.crossbar.adc_bits, a.crossbar.unit_column)
