"""TIMELY's time-domain converters (Li et al., ISCA 2020), for a machine whose crossbars lie in stacks."""

from typing import ClassVar

import numpy as np

from xbarch.parts.sensing.base import Sensing


class TimeDomain(Sensing):
    """A product takes its cycle whatever its size. Inputs pass from crossbar to crossbar in X-subBufs, sums of currents
    in P-subBufs; what a stack sums up is charged, compared, converted to a number and added once."""

    name: ClassVar[str] = "time_domain"
    summary: ClassVar[str] = "charging, comparators and time-to-digital converters behind stacks (TIMELY)"
    provenance: ClassVar[str] = "Li et al., TIMELY, ISCA 2020; the order of the parts is this test's reading"
    emits: ClassVar[tuple[str, ...]] = ("conversion", "charge", "i_add", "x_pass", "p_pass")
    apart: ClassVar[tuple[str, ...]] = ("x_pass", "p_pass")

    def each(self, work):
        return np.full(len(work.columns), self.array.read, np.int64)

    def actions(self, work):
        rows, columns = work.reads * work.rows, work.reads * work.columns
        return {"conversion": columns, "charge": columns, "i_add": columns, "x_pass": rows, "p_pass": columns}
