"""Whole feature maps in the tiles' buffers, as a barrier between layers needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

from xbarch.errors import CapacityError
from xbarch.mapping.plan import Plan
from xbarch.workload.graph import Workload


def require_room(plan: Plan, workload: Workload, buffer: Callable[[int], int], images: int = 1) -> None:
    """Refuse a plan whose tiles cannot hold the feature maps of `images` images.

    A feature map is held in every tile that reads it, from the start of the layer that makes it to the end of the layer
    that reads it; layers run one after another in their order. buffer: bits of the buffer of a
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
    for name, edges in plan.edges.items():
        tiles = {p.tile for copy in plan.parts[name] for p in copy} if name in plan.parts else set(plan.homes[name])
        for edge in edges:
            bits = images * workload[edge.producer].windows * edge.words * edge.bits
            for during in names[order[edge.producer]:order[name] + 1]:
                for tile in tiles:
                    held[during][tile] = held[during].get(tile, 0) + bits
            for tile in tiles:
                held[name][tile] += images * edge.sums
    return held
