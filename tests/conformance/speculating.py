"""A data path whose groups are read in two ways, as a plugin file."""

import numpy as np

from xbarch.datapaths.base import Work
from xbarch.datapaths.dense import Dense


class Speculating(Dense):
    """RAELLA's way of reading: all bit lines at few, wide phases; then an eighth of them again, phase by phase."""

    name = "speculating"
    summary = "two kinds of read per group"
    provenance = "a test"

    def work(self, blocks, layer, geometry, stream=None):
        done = Dense.work(self, blocks, layer, geometry)
        again = -(-done.columns // 8)
        return Work(
            crossbar=np.repeat(done.crossbar, 2), group=np.repeat([b.group for b in blocks], 2),
            rows=np.repeat(done.rows, 2), columns=np.stack([done.columns, again], 1).ravel(),
            cells=np.stack([done.cells, done.rows * again], 1).ravel(),
            reads=np.stack([-(-done.reads // 3), done.reads], 1).ravel(),
            outputs=np.stack([done.outputs, 0 * done.outputs], 1).ravel())

    def accepts(self, workload, geometry):
        return "it does not read operation units" if geometry.operation_units else super().accepts(workload, geometry)
