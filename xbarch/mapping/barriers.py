"""Whole feature maps in the tiles' buffers, as a barrier between layers needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

from xbarch.errors import CapacityError
from xbarch.mapping.buffers import Buffers
from xbarch.mapping.plan import Plan
from xbarch.workload.graph import Workload


def require_room(plan: Plan, workload: Workload, buffer: Callable[[int], int], images: int = 1) -> None:
    """Refuse a plan whose tiles cannot hold the feature maps of `images` images.

    Every tile that reads a feature map holds the columns that it reads, from the start of the layer that makes the map
    to the end of the layer that reads it; layers run one after another in their order. buffer: bits of the buffer of a
    tile.

    Raises:
        CapacityError: names the layer during which a tile would need more, what it needs and what it has.
    """
    full = [(bits, layer, tile) for layer, held in _held(plan, workload, images).items()
            for tile, bits in held.items() if bits > buffer(tile)]
    if full:
        need, layer, tile = max(full)
        raise CapacityError(f"while layer {layer} runs a tile would hold feature maps of {ceil(need / 8192):,} KB, it "
                            f"has {buffer(tile) // 8192:,} KB; a larger eDRAM (buffer.size) or the mode pipelined "
                            "would do", field="mode")


def _held(plan: Plan, workload: Workload, images: int) -> Mapping[str, Mapping[int, int]]:
    """Bits of feature maps that are held, by running layer and tile."""
    order = {name: number for number, name in enumerate(plan.edges)}
    names = list(plan.edges)
    held: dict[str, dict[int, int]] = {name: {} for name in names}
    buffers = Buffers(workload.by_name, plan.edges, plan.shares, plan.capacity)
    for name, edges in plan.edges.items():
        copies: dict[int, list[int]] = {}
        for copy in range(plan.copies[name]):
            for tile in plan.tiles_of(name, copy):
                copies.setdefault(tile, []).append(copy)
        for index, edge in enumerate(edges):
            height = workload[edge.producer].out_shape[1]
            for tile, mine in copies.items():
                bits = images * height * buffers.columns(name, index, mine) * edge.words * edge.bits
                for during in names[order[edge.producer]:order[name] + 1]:
                    held[during][tile] = held[during].get(tile, 0) + bits
                held[name][tile] += images * edge.sums
    return held
