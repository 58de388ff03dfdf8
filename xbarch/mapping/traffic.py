"""What a plan sends over the interconnect, in closed form: sources, destinations, bits and how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xbarch.mapping.pack import Packed
from xbarch.mapping.place import Part
from xbarch.mapping.plan import Plan
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


def traffic(workload: Workload, packed: Mapping[str, Packed], plan: Plan, sum_bits: Callable[[Layer], int],
            images: int = 1) -> list[Transfer]:
    """All transfers of a run of `images` images: partial sums between the tiles of a copy, and outputs.

    sum_bits: bits of a layer's partial sum. Transfers inside a tile are left out, except where a tile's outputs go to
    itself and to others.
    """
    made = []
    for name, homes in plan.homes.items():
        layer = workload[name]
        total, word = layer.windows * images, layer.output_bits
        for number, home in enumerate(homes):
            windows = len(range(number, total, len(homes)))  # windows are dealt round robin
            targets = destinations(plan, name, number)
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


def destinations(plan: Plan, layer: str, number: int) -> tuple[int, ...]:
    """Tiles that buffer the outputs of copy `number` of the layer, ascending."""
    found: set[int] = set()
    for name, edges in plan.edges.items():
        for index, edge in enumerate(edges):
            if edge.producer != layer:
                continue
            if index == 0 and name in plan.rides:
                found.add(plan.homes[name][number])
            elif name in plan.parts:
                found |= {p.tile for copy in plan.parts[name] for p in copy}
            else:
                found |= set(plan.homes[name])
    return tuple(sorted(found))


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
