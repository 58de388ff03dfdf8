"""The laws of what a data path counts (`Work`) and prices (`Added`); those of blocks are in `xbarch.plugins.laws`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.records import Added, Block, Geometry, Ints, Stream, Work
from xbarch.plugins import checked
from xbarch.plugins.guard import asking
from xbarch.plugins.laws import Asked

_WINDOWS = 64  # output pixels at which skipped reads are looked at
AREAS = (10**4, 10**15)
"""nm², of one instance of added hardware: from half a bit of the smallest published SRAM cell (0.021 µm², 5 nm: Yeap et
al., IEDM 2019) to more than a reticle's field (26 mm x 33 mm)."""
ENERGIES = (10**2, 10**12)
"""aJ, of one action of added hardware: from about one switching logic gate (0.1 fJ) to a microjoule, as much as whole
layers take."""
Groups = list[tuple[tuple[int, int], list[Block]]]


def groups(packed: Sequence[Block]) -> Groups:
    """The blocks of every activation group, by (crossbar, group) in order."""
    found: dict[tuple[int, int], list[Block]] = {}
    for block in packed:
        found.setdefault((block.crossbar, block.group), []).append(block)
    return sorted(found.items(), key=lambda item: item[0])


class _Group:
    """What the blocks of an activation group are: word lines driven, bit lines converted, partial sums."""

    def __init__(self, members: list[Block], geometry: Geometry) -> None:
        self.driven = len({row for b in members for row in range(b.row0, b.row0 + b.rows)})
        used = sum(b.columns for b in members)
        self.charged = used if all(b.gated for b in members) else geometry.converted(used)
        self.sums = sum(len(set(b.targets.tolist())) for b in members)


def counted(asked: Asked, packed: Sequence[Block], work: Work) -> None:
    """What `work` says of an activation group is what its blocks are, while no inputs are known to skip.

    Read as a whole, a group has one entry: its word lines, its bit lines (all of the array where nothing gates them),
    its partial sums, one read or more. In operation units all entries together sense what the group tiled into units
    does. Where `Work.group` says whose an entry is, see `_several`.
    """
    geometry, found = asked.geometry, groups(packed)
    known = [_Group(members, geometry) for _, members in found]
    checks: list[tuple[str, Any, Any]]
    if work.group is not None:
        _several(asked, [key for key, _ in found], known, work)
        return
    if geometry.operation_units:
        phases = geometry.phases(asked.layer.input_bits)
        high, wide = geometry.ou_rows, geometry.ou_columns
        stacked = [(-(-k.driven // high) * phases, k.charged) for k in known]  # phases times units above one another
        checks = [("reads", int(work.reads.sum()), sum(n * -(-c // wide) for n, c in stacked)),
                  ("conversions", int((work.reads * work.columns).sum()), sum(n * c for n, c in stacked)),
                  ("cells sensed", int((work.reads * work.cells).sum()),
                   phases * sum(k.driven * k.charged for k in known)),
                  ("units of too many rows", int((work.rows > high).sum()), 0)]
    else:
        checks = [("crossbars of the groups", work.crossbar.tolist(), [crossbar for (crossbar, _), _ in found]),
                  ("rows", work.rows.tolist(), [k.driven for k in known]),
                  ("columns", work.columns.tolist(), [k.charged for k in known]),
                  ("cells", work.cells.tolist(), [k.driven * k.charged for k in known]),
                  ("outputs", work.outputs.tolist(), [k.sums for k in known]),
                  ("groups never read", int((work.reads < 1).sum()), 0)]
    for name, counts, blocks in checks:
        if counts != blocks:
            hint = "; where a group is read in several ways, `group` must say whose each entry is" \
                if name.startswith("crossbars") else ""
            raise asked.wrong(f"work must count {name} {_short(blocks)}, as the blocks are, not {_short(counts)}{hint}")
    _delivered(asked, packed, work)


def _several(asked: Asked, keys: list[tuple[int, int]], known: list[_Group], work: Work) -> None:
    """A group that is read in several ways: no read drives, converts or senses more than the group (or an operation
    unit) has, and together they drive every word line, convert every bit line and deliver every sum."""
    geometry, group = asked.geometry, work.group
    assert group is not None
    number = {key: n for n, key in enumerate(keys)}
    pairs = list(zip(work.crossbar.tolist(), group.tolist(), strict=True))
    if strange := [pair for pair in pairs if pair not in number]:
        raise asked.wrong(f"work counts reads of the group {strange[0][1]} of crossbar {strange[0][0]}, which has no "
                          "block")
    which = np.array([number[pair] for pair in pairs], np.int64)
    tall = np.array([min(k.driven, geometry.ou_rows or k.driven) for k in known])[which]
    wide = np.array([min(k.charged, geometry.ou_columns or k.charged) for k in known])[which]
    pulses = (1 << geometry.dac_bits) - 1
    for name, values, most in (("rows", work.rows, tall), ("columns", work.columns, wide),
                               ("cells", work.cells, work.rows * work.columns * pulses)):
        if (bad := np.flatnonzero((values < 1) | (values > most))).size:
            crossbar, at = pairs[bad[0]]
            raise asked.wrong(f"a read of the group {at} of crossbar {crossbar} must have {name} from 1 to "
                              f"{most[bad[0]]}, not {values[bad[0]]}")
    for name, each, least in (("word lines driven", work.reads * work.rows, [k.driven for k in known]),
                              ("bit lines converted", work.reads * work.columns, [k.charged for k in known])):
        total = np.bincount(which, each, len(known))
        if (bad := np.flatnonzero(total < least)).size:
            raise asked.wrong(f"all reads of the group {keys[bad[0]][1]} of crossbar {keys[bad[0]][0]} together must "
                              f"have {least[bad[0]]} {name} or more, not {int(total[bad[0]])}")
    if (sums := np.bincount(which, work.outputs, len(known)).astype(int).tolist()) != (own := [k.sums for k in known]):
        raise asked.wrong(f"work must count outputs {_short(own)}, as the blocks are, not {_short(sums)}")


def _delivered(asked: Asked, packed: Sequence[Block], work: Work) -> None:
    """A crossbar delivers each output that it adds to at least once, and none more often than its blocks do."""
    total = np.bincount(work.crossbar, work.outputs).astype(np.int64)
    most = np.bincount([b.crossbar for b in packed], [b.outputs for b in packed])
    own = [np.unique(np.concatenate(targets)) for targets in _by_crossbar(packed)]
    least = np.array([len(targets) for targets in own])
    if (bad := np.flatnonzero((total < least) | (total > most))).size:
        at = bad[0]
        raise asked.wrong(f"work must count outputs of crossbar {at} from {least[at]} to {int(most[at])}, as the "
                          f"blocks are, not {total[at]}")


def _by_crossbar(packed: Sequence[Block]) -> list[list[Ints]]:
    found: list[list[Ints]] = [[] for _ in range(1 + max(b.crossbar for b in packed))]
    for block in packed:
        found[block.crossbar].append(block.targets)
    return found


def skipped(asked: Asked, packed: Sequence[Block], whole: Work, work: Work, stream: Stream) -> None:
    """Reads that inputs make unnecessary. whole: the work while nothing is known; work: with these inputs. In no output
    pixel (64 are looked at) knowing them costs a crossbar more reads, conversions or driven word lines; and a group one
    of whose weights other than zero meets an input digit other than zero is read in that phase."""
    size = 1 + max(b.crossbar for b in packed)

    def each(found: Work, per_read: Ints | int) -> Ints:
        begins = np.searchsorted(found.crossbar, np.arange(size))
        return np.atleast_2d(np.add.reduceat(found.reads * per_read, begins, axis=-1))

    for what, had, has in (("reads", each(whole, 1), each(work, 1)),
                           ("conversions", each(whole, whole.columns), each(work, work.columns)),
                           ("driven word lines", each(whole, whole.rows), each(work, work.rows))):
        if (bad := np.argwhere(has > had)).size:
            window, crossbar = bad[0].tolist()
            raise asked.wrong(f"with its inputs known, output pixel {window} must take at most {had[0, crossbar]} "
                              f"{what} of crossbar {crossbar}, as without, not {has[window, crossbar]}")
    vectors = stream.vectors()
    some = np.unique(np.linspace(0, len(vectors) - 1, _WINDOWS).astype(int))
    least, reads = _needed(asked, packed, vectors[some], size), each(work, 1)
    has = reads[some] if len(reads) > 1 else np.broadcast_to(reads, least.shape)
    if (bad := np.argwhere(has < least)).size:
        at, crossbar = bad[0].tolist()
        raise asked.wrong(f"output pixel {some[at]} must take at least {least[at, crossbar]} reads of crossbar "
                          f"{crossbar}, one per group and phase with an input other than zero, not {has[at, crossbar]}")


def _needed(asked: Asked, packed: Sequence[Block], vectors: Any, size: int) -> Ints:
    """Reads of each crossbar that inputs make necessary, [windows, crossbars]."""
    geometry, alive = asked.geometry, asked.alive
    found = np.zeros((len(vectors), size), np.int64)
    own = [(crossbar, np.concatenate([b.inputs[alive[np.ix_(b.inputs, b.targets)].any(axis=1)] for b in members]))
           for (crossbar, _), members in groups(packed)]
    for phase in range(geometry.phases(asked.layer.input_bits)):
        digits = (vectors >> phase * geometry.dac_bits & (1 << geometry.dac_bits) - 1) != 0
        for crossbar, inputs in own:
            found[:, crossbar] += digits[:, inputs].any(axis=1)
    return found


# -- prices ---------------------------------------------------------------------------------------------------

def priced(asked: Asked, extra: Collection[str], paid: Collection[str]) -> None:
    """Actions of its own and hardware of its own belong together. paid: actions that the machine's components pay."""
    added = {a.action for a in checked.hardware(asked.path, asked.geometry)}
    if odd := sorted((added - set(extra)) | (set(extra) - added - set(paid))):
        raise asked.wrong(f"the action {odd[0]!r} is counted but not priced, or priced but not counted")


def hardware(path: DataPath[Any], geometry: Geometry, names: Collection[str]) -> list[Added]:
    """What a data path adds: each part with a number, a source, an area and an energy that hardware can have, and a
    name that is not the machine's. names: those of the machine's components. A part that performs an action of the
    machine is charged beside the machine's own."""
    added = checked.hardware(path, geometry)
    with asking(path, "components", limited=False) as wrong:
        for number, a in enumerate(added):
            if not (a.area and a.energy and a.count and a.source):
                raise wrong(f"returned the part {a.name!r}, which must have a count, an area, an energy and a source")
            if a.name in names or a.name in [other.name for other in added[:number]]:
                raise wrong(f"returned the part {a.name!r}, a name that another component has; choose another")
            for what, value, (low, high) in (("area", a.area, AREAS), ("energy", a.energy, ENERGIES)):
                if not low <= value <= high:
                    unit = {"area": "nm²", "energy": "aJ"}[what]
                    raise wrong(f"returned the part {a.name!r}, whose {what} must be {low:,} to {high:,} {unit}, not "
                                f"{value:,}")
    return added


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
