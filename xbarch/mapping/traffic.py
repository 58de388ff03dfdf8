"""What a plan sends over the interconnect, in closed form: sources, destinations, bits and how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbarch.mapping.pack import Packed
from xbarch.mapping.place import Part
from xbarch.mapping.plan import Plan
from xbarch.mapping.reads import Labels, Slide
from xbarch.support.latest import Latest
from xbarch.workload.graph import Layer, Workload

GATE = -1  # as a source: where pixels enter the first chip


@dataclass(frozen=True)
class Transfer:
    """`bits` for each of `windows` windows, from tile `source` (or GATE) to all tiles in `targets` at once; the source
    may be one of the targets."""

    layer: str
    source: int
    targets: tuple[int, ...]
    bits: int
    windows: int


@dataclass(frozen=True)
class Way:
    """Windows of a copy whose outputs go to the same tiles, ascending."""

    copy: int
    tiles: tuple[int, ...]


@dataclass(frozen=True)
class Ways:
    """The ways of a layer's outputs. taken: the way that each window takes, in the order in which they are computed;
    None where every copy has one way and copies take windows in turn."""

    ways: list[Way]
    taken: NDArray[np.int64] | None

    def windows(self, total: int) -> list[int]:
        """How many of `total` windows, whole images, take each way."""
        if self.taken is None:
            return [len(range(number, total, len(self.ways))) for number in range(len(self.ways))]
        counts: list[int] = np.bincount(self.taken, minlength=len(self.ways)).tolist()
        return [count * (total // len(self.taken)) for count in counts]


def traffic(workload: Workload, packed: Mapping[str, Packed], plan: Plan, sum_bits: Callable[[Layer], int],
            images: int = 1) -> list[Transfer]:
    """All transfers of a run of `images` images: partial sums between the tiles of a copy, and outputs.

    sum_bits: bits of a layer's partial sum. Transfers inside a tile are left out, except where a tile's outputs go to
    itself and to others.
    """
    made = []
    for name, homes in plan.homes.items():
        layer = workload[name]
        found, word = ways(workload, plan, name), layer.output_bits
        for way, windows in zip(found.ways, found.windows(layer.windows * images), strict=True):
            number, home, targets = way.copy, homes[way.copy], way.tiles
            if name not in packed:
                source = GATE if layer.op == "input" else home
                made.append(Transfer(name, source, targets, layer.out_shape[0] * word, windows))
                continue
            for group in merging(packed[name], plan.parts[name][number]):
                end = group[0].tile
                made += [Transfer(name, p.tile, (end,), packed[name].targets(p.start, p.stop) * sum_bits(layer),
                                  windows) for p in group[1:] if p.tile != end]
                outputs = packed[name].targets(group[0].start, group[-1].stop)
                made.append(Transfer(name, end, targets or (end,), outputs * word, windows))
    return made


known: Latest[dict[str, Ways]] = Latest()  # of layers of the latest plans


def ways(workload: Workload, plan: Plan, layer: str) -> Ways:
    """Where the outputs of a layer go: to all tiles that hold a part of a copy that reads them."""
    found = known.get((workload, plan), (), dict)
    if layer not in found:
        found[layer] = _ways(workload, plan, layer)
    return found[layer]


def _ways(workload: Workload, plan: Plan, layer: str) -> Ways:
    if layer not in plan.shares:
        return Ways([Way(n, tiles) for n, tiles in enumerate(_in_turn(plan, layer))], None)
    share = plan.shares[layer]
    which, tiles = _targets(workload, plan, layer)
    keys, taken = np.unique(share.owners * len(tiles) + which, return_inverse=True)
    return Ways([Way(*place) for place in zip((keys // len(tiles)).tolist(), (tiles[k] for k in keys % len(tiles)),
                                              strict=True)], taken.ravel()[share.order])


def _targets(workload: Workload, plan: Plan, layer: str) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
    """(which, tiles): pixel [y, x] of a layer goes to tiles[which[y, x]]."""
    share, labels = plan.shares[layer], Labels()
    found = np.full((share.height, share.width), labels.add(0), np.int64)
    for name, index in plan.readers[layer]:
        copies = [labels.add(sum(1 << tile for tile in plan.tiles_of(name, copy)))
                  for copy in range(plan.copies[name])]
        slide = Slide.of(workload[name], plan.edges[name][index].moved)
        found = labels.union(found, labels.readers(slide, found.shape, np.array(copies)[plan.shares[name].owners]))
    return found, [_marked(tiles) for tiles in labels.sets]


def _marked(bits: int) -> tuple[int, ...]:
    """The places of the bits that are set, the lowest first."""
    octets = np.frombuffer(bits.to_bytes(-(-bits.bit_length() // 8), "little"), np.uint8)
    return tuple(np.flatnonzero(np.unpackbits(octets, bitorder="little")).tolist())


def _in_turn(plan: Plan, layer: str) -> list[tuple[int, ...]]:
    """For every copy of a layer whose copies take windows in turn, the tiles that buffer its outputs, ascending."""
    riders = [name for name, index in plan.readers[layer] if index == 0 and name in plan.rides]
    common = {tile for name, index in plan.readers[layer] if index or name not in plan.rides
              for copy in range(plan.copies[name]) for tile in plan.tiles_of(name, copy)}
    near = [tuple(plan.homes[name][number] for name in riders) for number in range(plan.copies[layer])]
    found = {homes: tuple(sorted(common.union(homes))) for homes in dict.fromkeys(near)}
    return [found[homes] for homes in near]


def merging(packed: Packed, parts: list[Part]) -> list[list[Part]]:
    """The parts in groups, such that parts of different groups share no output; sums merge at the first part of each
    group."""
    groups: list[list[Part]] = []
    for part in parts:
        if part.start in packed.cuts:
            groups.append([part])
        else:
            groups[-1].append(part)
    return groups
