"""skeleton: a sensing unit of xbarch. It works as it stands; change it into the circuit that you mean."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from xbarch.datapaths.records import Ints, Work
from xbarch.parts.sensing.base import Sensing
from xbarch.specs.model import Options


class SkeletonOptions(Options):
    """What `crossbar.sensing.options` may set; other names and values are refused by name."""

    settling: int = Field(0, ge=0, le=10**9, description="ps a read waits before its columns are converted")


class SkeletonUnit(Sensing[SkeletonOptions]):
    """Converters that wait until the bit lines have settled, then take the columns in turn.

    State here what is published and where, and what is your own reading.
    """

    name: ClassVar[str] = "skeleton"
    summary: ClassVar[str] = "converters that wait for the bit lines"
    provenance: ClassVar[str] = "made by `xbarch new`; cite your paper here"
    Options: ClassVar[type[Options]] = SkeletonOptions

    def each(self, work: Work) -> Ints:
        """ps of one read of each entry: settling, then the columns over the crossbar's converters, in turn."""
        a = self.array
        columns = np.minimum(work.columns, a.columns)  # a reference column beside the array is hidden
        return a.slotted(np.maximum(self.options.settling + a.converting(columns), a.read))

    def actions(self, work: Work) -> dict[str, Ints]:
        """What components of the architecture must pay for: a conversion a column and read."""
        converted = work.reads * work.columns
        return {"conversion": converted, "sample": converted, "shift_add": converted}
