"""An adder tree under every bit column: sums are digital in the array (Chih et al., ISSCC 2021)."""

from typing import ClassVar

import numpy as np

from xbarch.parts.sensing.base import Sensing


class AdderTree(Sensing):
    """A cycle multiplies a bit of every input by the stored bits and adds up each column; nothing is converted."""

    name: ClassVar[str] = "adder_tree"
    summary: ClassVar[str] = "an adder tree per bit column, digital sums in the array"
    provenance: ClassVar[str] = "Chih et al., ISSCC 2021"
    emits: ClassVar[tuple[str, ...]] = ("tree",)

    def each(self, work):
        return np.full(len(work.columns), self.array.read, np.int64)

    def actions(self, work):
        return {"tree": work.reads * work.columns}
