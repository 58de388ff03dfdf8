"""Word and bit lines that have resistance."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
from pydantic import Field

from xbarch.parts.effects.base import Effect, Given, Singles, Stage
from xbarch.parts.wires import Wires
from xbarch.specs.model import Options
from xbarch.units import Ohms


class WireOptions(Options):
    """Options of `wire`: resistance of one segment between neighbouring cells."""

    word: Ohms = Field(0, description="of a word line")
    bit: Ohms = Field(0, description="of a bit line")


class Wire(Effect[WireOptions]):
    """Currents through wires of finite resistance, by an exact solution of every array: what a word line at one volt,
    all others at 0 V, makes flow in each bit line. All word lines of the array count, also those of other operation
    units and of blocks that a read does not drive."""

    stage: ClassVar[Stage] = "wire"
    absolute: ClassVar[bool] = True
    name: ClassVar[str] = "wire"
    summary: ClassVar[str] = "resistance of word and bit lines, solved exactly for every array"
    provenance: ClassVar[str] = (
        "the circuit of Xiao et al., CrossSim (Sandia): a segment between neighbouring cells and one at either end; "
        "solved word line by word line here")
    Options: ClassVar[type[Options]] = WireOptions

    def cells(self, conductance: Singles, given: Given) -> Singles:
        o = self.options
        if not (o.word or o.bit):
            return conductance
        assert given.highest is not None
        share = given.highest * 1e-12 * 1e-6  # uohm times pS
        return _seen(Wires(o.word * share, o.bit * share), conductance.shape, conductance.astype(np.float32).tobytes())


@lru_cache(maxsize=256)
def _seen(wires: Wires, shape: tuple[int, int], cells: bytes) -> Singles:
    """Solved arrays: where cells are not drawn every draw has the same."""
    return wires.seen(np.frombuffer(cells, np.float32).reshape(shape)).astype(np.float32)
