"""What data paths and sensing units answer, checked against the contract: whatever they do wrong is refused in one
sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xbarch.datapaths.base import Added, Block, DataPath, Geometry, Stream, Work
from xbarch.datapaths.records import Ints
from xbarch.errors import InputError
from xbarch.parts.effects.base import Effect
from xbarch.parts.sensing.base import Sensing, Setting
from xbarch.plugins.guard import asking
from xbarch.specs.text import brief
from xbarch.workload.graph import Layer, Workload

Wrong = Callable[[str], InputError]
_MOST = 2**31  # of every number in a `Work`
_LONGEST = 10**15  # ps a read, as of a time in a spec
_WIDEST = 64  # bits of a sum


def reason(path: DataPath, network: Workload, geometry: Geometry) -> str:
    """Why the data path does not take the workload; empty if it does."""
    with asking(path, "accepts") as wrong:
        found = path.accepts(network, geometry)
        if not isinstance(found, str):
            raise wrong(f"must return text, empty if it can run the workload, not {_kind(found)}")
        return brief(found, 400)


def hardware(path: DataPath, geometry: Geometry) -> list[Added]:
    """The hardware it adds."""
    return _hardware(path, "components", path.components, geometry)


def added(effect: Effect[Any], geometry: Geometry) -> list[Added]:
    """The hardware that an effect adds, and its spare bit lines."""
    with asking(effect, "spares") as wrong:
        if not isinstance(found := effect.spares(), int) or found < 0:
            raise wrong(f"must return a whole number of at least 0, not {brief(found)}")
    return _hardware(effect, "components", effect.components, geometry)


def _hardware(plugin: Any, method: str, ask: Callable[[Geometry], Any], geometry: Geometry) -> list[Added]:
    with asking(plugin, method) as wrong:
        found: list[Added] = ask(geometry)
        if not _listed(found, Added):
            raise wrong(f"must return a list of Added, not {_kind(found)}")
        for added in found:
            if added.level not in ("tile", "ima") or not all(isinstance(n, int) and n >= 0 for n in (
                    added.count, added.area, added.energy)):
                raise wrong(f"must return Added with level tile or ima and whole numbers of at least 0, not "
                            f"{brief(added.name)} with level {brief(added.level)}, count {brief(added.count)}, area "
                            f"{brief(added.area)}, energy {brief(added.energy)}")
        return found


def index_bits(path: DataPath, packed: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
    """Bits that it stores beside the weights of one copy."""
    with asking(path, "index_bits", layer.name) as wrong:
        found = path.index_bits(packed, layer, geometry)
        if not isinstance(found, int | np.integer) or found < 0:
            raise wrong(f"must return a whole number of bits of at least 0, not {brief(found)}")
        return int(found)


def adc_bits(path: DataPath, layer: Layer, geometry: Geometry) -> int | None:
    """ADC bits it guarantees to suffice, if any."""
    with asking(path, "adc_bits", layer.name) as wrong:
        found = path.adc_bits(layer, geometry)
        if found is not None and not (isinstance(found, int | np.integer) and 1 <= found <= 32):
            raise wrong(f"must return None or a whole number from 1 to 32, not {brief(found)}")
        return found


def blocks(path: DataPath, layer: Layer, geometry: Geometry) -> Sequence[Block]:
    """One packed copy: blocks inside their crossbars, crossbars numbered from 0 without gaps, no cell used twice."""
    with asking(path, "pack", layer.name) as wrong:
        found = path.pack(layer, geometry)
        if not found or not _listed(found, Block):
            raise wrong(f"must return a list of one or more blocks, not {_kind(found)}")
        table = np.array([(b.crossbar, b.row0, b.col0, len(b.inputs), b.columns, b.kept, b.group) for b in found])
        if table.dtype.kind != "i":
            raise wrong("returned a block whose place or size is not a whole number of 64 bits")
        crossbar, row0, col0, rows, columns, kept, _ = table.T
        wide = geometry.columns + geometry.unit_column
        for name, values, low, high in (
                ("crossbar", crossbar, 0, len(found) - 1), ("rows", rows, 1, geometry.rows),
                ("columns", columns, 1, wide), ("row0", row0, 0, geometry.rows - rows),
                ("col0", col0, 0, wide - columns), ("kept", kept, 0, geometry.rows * wide)):
            bad = np.flatnonzero((values < low) | (values > high))
            if bad.size:
                first = int(bad[0])
                most = int(np.broadcast_to(high, values.shape)[first])
                raise wrong(f"returned block {first} of {len(found)} with {name} = {values[first]}, which "
                            f"must be {low} to {most}")
        for number, b in enumerate(found):
            if b.cap is not None and not (isinstance(b.cap, int | np.integer) and b.cap >= 0):
                raise wrong(f"returned block {number} with cap = {brief(b.cap)}, which must be None or a whole number "
                            "of at least 0")
        used = np.bincount(crossbar)
        if not used.all():
            raise wrong(f"returned blocks up to crossbar {len(used) - 1} but none on crossbar {int(used.argmin())}; "
                        "crossbars must be numbered from 0 without gaps")
        for what, most in (("inputs", layer.rows * layer.groups), ("targets", layer.filters)):
            _within(what, [getattr(b, what) for b in found], most, wrong)
        if (clash := _overlap(crossbar, row0, rows, col0, columns)) is not None:
            raise wrong(f"returned blocks {clash[0]} and {clash[1]}, which share cells of crossbar "
                        f"{crossbar[clash[0]]}")
        return found


def work(path: DataPath, packed: Sequence[Block], layer: Layer, geometry: Geometry,
         stream: Stream | None = None) -> Work:
    """What a window costs: whole numbers for every activation group and crossbar."""
    with asking(path, "work", layer.name) as wrong:
        found = path.work(packed, layer, geometry, stream)
        if not isinstance(found, Work):
            raise wrong(f"must return a Work, not {_kind(found)}")
        crossbars = np.arange(1 + max(b.crossbar for b in packed))
        if not np.array_equal(np.unique(found.crossbar), crossbars) or (np.diff(found.crossbar) < 0).any():
            raise wrong(f"must return activation groups of crossbars 0 to {len(crossbars) - 1} in order, those of the "
                        "blocks")
        groups = len(found.crossbar)
        several = isinstance(found.reads, np.ndarray) and found.reads.ndim > 1  # one row per window
        for name, values, size, least in (
                *((n, getattr(found, n), groups, 0) for n in ("rows", "columns", "cells", "outputs")),
                ("reads", found.reads, groups, 0 if several else 1),
                *((("group", found.group, groups, -_MOST),) if found.group is not None else ()),
                *((f"extra[{brief(n)!r}]", v, len(crossbars), 0) for n, v in found.extra.items()),
                *((("interval", found.interval, len(crossbars), 0),) if found.interval is not None else ()),
                ("latency", np.array([found.latency]), 1, 0)):
            if not isinstance(values, np.ndarray):
                raise wrong(f"must return {name} as an array of {size} whole numbers, not {_kind(values)}")
            if values.dtype.kind not in "iu" or values.ndim > 1 + (name == "reads") or values.shape[-1] != size:
                raise wrong(f"must return {name} as {size} whole numbers, not {values.dtype} {values.shape}")
            if values.ndim > 1 and len(values) != (windows := layer.windows * (stream.images if stream else 1)):
                raise wrong(f"must return {name} of {windows} windows, not {len(values)}")
            low, high = int(values.min()), int(values.max())
            if low < least or high > _MOST:
                raise wrong(f"must return {name} from {least} to {_MOST:,}, not {low} to {high}")
        return found


def adjusted(unit: Sensing, given: Setting) -> Sensing:
    """The unit as it is set for a layer."""
    with asking(unit, "adjusted", given.layer.name, limited=False) as wrong:
        found = unit.adjusted(given)
        if not isinstance(found, Sensing):
            raise wrong(f"must return a Sensing, not {_kind(found)}")
        return found


def dropped(unit: Sensing, worth: Ints, bits: int) -> Ints | None:
    """How many low bits conversions drop, if any do."""
    with asking(unit, "dropped") as wrong:
        found = unit.dropped(worth, bits)
        return None if found is None else _counted("bits", found, [worth.shape], (0, _WIDEST), wrong)


def each(unit: Sensing, work: Work) -> Ints:
    """Time of one read of each entry (ps): time passes with every read, or nothing would ever be late."""
    with asking(unit, "each") as wrong:
        return _counted("times of a read", unit.each(work), [work.crossbar.shape], (1, _LONGEST), wrong)


def rest(unit: Sensing, work: Work, windows: int = 0) -> Ints | None:
    """What follows the reads of a window (ps), if anything does. windows: of the stored inputs."""
    with asking(unit, "rest") as wrong:
        found = unit.rest(work)
        return None if found is None else _counted("times", found, _shapes(work, windows), (0, _LONGEST), wrong)


def actions(unit: Sensing, work: Work, windows: int = 0) -> dict[str, Ints]:
    """How often each entry does what in a window. windows: of the stored inputs."""
    with asking(unit, "actions") as wrong:
        found = unit.actions(work)
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
            raise wrong(f"must return a dict of action names and counts, not {_kind(found)}")
        return {name: _counted(f"counts of {brief(name)}", counts, _shapes(work, windows), (0, 2**53), wrong)
                for name, counts in found.items()}


def _shapes(work: Work, windows: int) -> list[tuple[int, ...]]:
    """Of what is given for every entry, or for every window and entry."""
    several = [(windows, *work.crossbar.shape)] if windows else []
    return list(dict.fromkeys([work.crossbar.shape, work.reads.shape, *several]))


def _counted(what: str, values: object, shapes: Sequence[tuple[int, ...]], bounds: tuple[int, int],
             wrong: Wrong) -> Ints:
    """Whole numbers of one of the shapes, within bounds."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu" or values.shape not in shapes:
        found = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else _kind(values)
        raise wrong(f"must return {what} as whole numbers {' or '.join(map(str, shapes))}, not {found}")
    if values.size and not bounds[0] <= int(values.min()) <= int(values.max()) <= bounds[1]:
        raise wrong(f"must return {what} from {bounds[0]} to {bounds[1]:,}, not {values.min()} to {values.max()}")
    return values


def _within(what: str, arrays: list[Any], most: int, wrong: Wrong) -> None:
    """Indices 0 to most - 1. Blocks share arrays; each is looked at once."""
    for indices in {id(a): a for a in arrays}.values():
        if not isinstance(indices, np.ndarray) or indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise wrong(f"returned a block whose {what} must be an array of whole numbers, not {_kind(indices)}")
        if indices.size and (indices.min() < 0 or indices.max() >= most):
            raise wrong(f"returned a block with {what} from {indices.min()} to {indices.max()}, which must be 0 to "
                        f"{most - 1}")


def _overlap(crossbar: Ints, row0: Ints, rows: Ints, col0: Ints, columns: Ints) -> tuple[int, int] | None:
    """Two blocks that share a cell, if any do.

    By crossbar and first row, each block is compared with the next, the one after and so on, as long as their rows
    meet; the comparisons of one distance are made at once.
    """
    order = np.lexsort((row0, crossbar))
    crossbar, top, bottom = crossbar[order], row0[order], (row0 + rows)[order]
    left, right = col0[order], (col0 + columns)[order]
    first, distance = np.arange(len(order) - 1), 1
    while first.size:
        second = first + distance
        near = (crossbar[first] == crossbar[second]) & (top[second] < bottom[first])
        first, second = first[near], second[near]
        clash = np.flatnonzero((left[first] < right[second]) & (left[second] < right[first]))
        if clash.size:
            a, b = sorted((int(order[first[clash[0]]]), int(order[second[clash[0]]])))
            return a, b
        distance += 1
        first = first[first + distance < len(order)]
    return None


def _listed(found: object, kind: type) -> bool:
    return isinstance(found, list | tuple) and all(isinstance(item, kind) for item in found)


def _kind(value: object) -> str:
    """A value of the wrong kind in words."""
    if isinstance(value, list | tuple):
        odd = dict.fromkeys(type(item).__name__ for item in value)
        return f"a list of {', '.join(odd)}" if odd else "an empty list"
    return type(value).__name__
