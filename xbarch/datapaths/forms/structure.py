"""Which filters and rows FORMS keeps: of all pairs of counts that fill crossbars, the pair of most energy."""

from __future__ import annotations

import numpy as np

from xbarch.datapaths.records import Bools, Ints, Reals
from xbarch.datapaths.tools.groups import largest


def densest(energy: Reals, density: float, per: int, rows: tuple[int, int], blocks: bool
            ) -> tuple[Bools, tuple[int, int]]:
    """The mask that keeps at most `density` of one group's weights and the most of their energy, and how many filters
    and rows it keeps.

    Args:
        energy: squares of the weights [R, F]. per: weight columns of a crossbar. rows: those of a crossbar, and those
            of a fragment. blocks: rows are chosen for every column of crossbars, see `_chosen`.
    """
    allowed = _counts(energy.shape[0], *rows)
    best: tuple[float, Bools, tuple[int, int]] | None = None
    for f in _counts(energy.shape[1], per, 1):
        fits = allowed[allowed * f <= density * energy.size + 1e-6]
        if len(fits):
            mask = _chosen(energy, int(f), int(fits[-1]), per if blocks else None)
            kept = float(energy[mask].sum())
            if best is None or kept > best[0]:
                best = kept, mask, (int(f), int(fits[-1]))
    assert best is not None  # one filter of one fragment fits
    return best[1], best[2]


def _chosen(energy: Reals, filters: int, rows: int, per: int | None) -> Bools:
    """Mask that keeps `filters` filters and `rows` rows: the filters of most energy, the rows of most energy in these
    filters, the filters of most energy in these rows, and so on for a second round. Rows are then chosen again for
    every column of crossbars, which is `per` filters wide, unless that is None."""
    chosen = largest(energy.sum(axis=0), filters)
    for _ in range(2):
        kept = largest(energy @ chosen, rows)
        chosen = largest(kept @ energy, filters)
    kept = largest(energy @ chosen, rows)
    mask = np.outer(kept, chosen)
    if per is not None:
        where = np.flatnonzero(chosen)
        for members in np.split(where, np.arange(per, len(where), per)):
            mask[:, members] = largest(energy[:, members].sum(axis=1), rows)[:, None]
    return mask


def _counts(size: int, unit: int, fine: int) -> Ints:
    """Counts that fill crossbars: multiples of `unit`, below `unit` multiples of `fine`, and `size` itself;
    ascending."""
    return np.unique([*range(fine, min(unit, size), fine), *range(unit, size, unit), size])
