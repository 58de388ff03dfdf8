"""What crossbars really conduct: cells and inputs as they are, where a machine's energy follows their values.

A cell that holds level g on a word line driven with digit x adds g * x to its bit line's sum. An array whose current is
paid for, or a converter whose energy grows with its code, costs in proportion to those sums. CiMLoop (Andrulis et al.,
ISPASS 2024) takes them from distributions of values; here they are counted for the stored inputs.
"""

from __future__ import annotations

import numpy as np

from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.functional.arrays import Ints, reads
from xbarch.mapping.pack import Packed


class Levels:
    """Of one packed layer, for every window of its stored inputs, [windows, crossbars]:

    cells: sum over the cells that a read senses of |level| * digit, over all phases.
    rows: sum over the word lines of a crossbar of the digits that they are driven with, over all phases.

    Raises:
        InputError: the workload stores no inputs of the layer.
    """

    def __init__(self, packed: Packed, geometry: Geometry) -> None:
        if packed.stream is None:
            raise InputError(f"follows the values of inputs, and the workload stores none of layer {packed.layer.name};"
                             " choose a workload with stored inputs, or price cell_read and row_drive",
                             field="components")
        digits = self._digits(packed, geometry)
        self.cells = np.zeros((len(digits), packed.crossbars), np.int64)
        self.rows = np.zeros_like(self.cells)
        for read in reads(packed.blocks, geometry):
            driven, crossbar = digits[:, read.inputs], read.blocks[0].crossbar
            self.cells[:, crossbar] += driven @ np.abs(read.cells).sum(axis=1, dtype=np.int64)
            self.rows[:, crossbar] += driven.sum(axis=1)

    @staticmethod
    def _digits(packed: Packed, geometry: Geometry) -> Ints:
        """Sum of the digits with which each input drives its word line, [windows, inputs]."""
        assert packed.stream is not None
        vectors, one = packed.stream.vectors().astype(np.int64), (1 << geometry.dac_bits) - 1
        phases = range(0, geometry.phases(packed.layer.input_bits) * geometry.dac_bits, geometry.dac_bits)
        return sum((vectors >> shift & one for shift in phases), np.zeros_like(vectors))
