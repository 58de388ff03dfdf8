"""How often the crossbars of a part do what in a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xbarch.machine.machine import Machine
from xbarch.machine.units import Count, plain
from xbarch.mapping.pack import Ints, Packed
from xbarch.mapping.place import Part
from xbarch.specs.pipeline import ACTIONS, NEAR

if TYPE_CHECKING:
    from xbarch.machine.levels import Levels


def crossbar_actions(m: Machine, packed: Packed, part: Part,
                     levels: Levels | None = None) -> tuple[tuple[str, Count], ...]:
    """Return the actions of a part's crossbars for one window, but those of stages of their own (row drives at
    shared drivers, conversions at shared converters). levels: where the machine prices by values."""
    w, chosen = packed.work, slice(packed.entries[part.start], packed.entries[part.stop])
    reads, rows = w.reads[..., chosen], w.rows[chosen]

    def total(counts: Ints) -> Count:
        return plain(counts.sum(axis=-1))

    found = {action: total(packed.by_crossbar(part, counts) if action in m.sensing.apart else
                           sensed(m, packed, part, counts)) for action, counts in packed.actions.items()}
    found |= {"row_drive": total(driven(m, packed, part)), "cell_read": total(reads * w.cells[chosen]),
              "ir_access": total(reads * -(-rows // m.edram_bits)),
              "or_access": total(sensed(m, packed, part, w.outputs))}
    found |= {name: int(counts[part.start:part.stop].sum()) for name, counts in w.extra.items()}
    if levels is not None:
        mine = slice(part.start, part.stop)
        conducted = {"cell_level": levels.cells, "row_level": levels.rows}
        found |= {action: total(conducted[action][:, mine]) for action in m.by_value}
    elsewhere = {ACTIONS[stage.role] for role in NEAR for stage in m.stages.has(role)}
    return m.act(*((action, count) for action, count in found.items() if action not in elsewhere))


def sensed(m: Machine, packed: Packed, part: Part, counts: Ints) -> Ints:
    """Return counts of entries of `work` that go with sensing, [..., crossbars of a part]: of crossbars above one
    another once for all, at the first of them."""
    return packed.stacked(packed.by_crossbar(part, counts), part, m.stack)


def driven(m: Machine, packed: Packed, part: Part) -> Ints:
    """Return the word lines that are driven in a window, [..., crossbars of a part]; where an IMA has the drivers,
    each of its inputs once for all its crossbars, at the first of them."""
    counts = packed.by_crossbar(part, packed.work.reads, packed.work.rows)
    if not m.architecture.drives_imas:
        return counts
    found = np.zeros_like(counts)
    for start, stop in packed.imas(part.start, part.stop, part.slot, m.crossbars_per_ima):
        mine, each = slice(start - part.start, stop - part.start), range(start, stop)
        together = packed.drivers(start, stop)
        apart = sum(packed.drivers(crossbar, crossbar + 1) for crossbar in each)
        found[..., start - part.start] = -(-counts[..., mine].sum(axis=-1) * together // apart)
    return found
