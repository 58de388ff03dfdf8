"""What goes over the network in the steady state, link by link, and how busy the crossbars of each tile are."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from xbarch.mapping.network import Link, label
from xbarch.mapping.traffic import traffic
from xbarch.result.schema import LINKS, TILES

if TYPE_CHECKING:
    from xbarch.result.record import Run


def interconnect(run: Run) -> dict[str, Any]:
    """The `interconnect` part of a record: all links of chips in use, the busiest by name, and the tiles in use.

    Loads follow from the plan alone, also where the network is ideal; then a link may be busy more than all the time.
    """
    machine, network, images = run.machine, run.machine.network, run.graph.images
    sent = traffic(run.workload, run.packed, run.plan, machine.sum_bits, images)
    bits, held, there = (network.loads(sent, cost) for cost in (int, machine.link_time, machine.off_chip_time))
    tiles = _tiles(run)
    chips = {tile // network.tiles for tile in tiles} | {router[0] for link in bits for router in link}
    span = images * run.steady.interval_ps

    def line(link: Link) -> dict[str, Any]:
        time = held if link[0][0] == link[1][0] else there
        crossed = bits.get(link, 0)
        return {"name": label(link), "bits": crossed // images, "need_gbs": float(crossed * 125 / span),
                "busy": float(time.get(link, 0) / span), "line": [_short(point) for point in network.line(link)]}

    between = [line(link) for link in sorted(bits) if link[0][0] != link[1][0]]
    own = [line(link) for chip in sorted(chips) for link in network.links(chip)]
    busiest = max(own, key=lambda link: link["busy"], default={"name": "none", "busy": 0.0, "need_gbs": 0.0})
    whole = machine.architecture.crossbars_per_tile * span
    return {
        "placement": run.plan.placement,
        "network": {"topology": network.topology.name, "shape": network.topology.shape, "tiles": network.tiles,
                    "spots": [_short(spot) for spot in network.spots(TILES)]},
        "bit_hops": network.bit_hops(sent) // images,
        "link_gbs": machine.flit_bits * machine.architecture.network.clock / 8e9,
        "busiest": {key: busiest[key] for key in ("name", "busy", "need_gbs")},
        "links": [*between, *own][:LINKS],
        "tiles": [{"tile": tile, "crossbars": crossbars, "busy": float(busy / whole)}
                  for tile, (crossbars, busy) in sorted(tiles.items())][:TILES],
    }


def _short(point: Iterable[float]) -> list[float]:
    return [round(x, 3) for x in point]


def _tiles(run: Run) -> dict[int, tuple[int, Fraction]]:
    """Occupied crossbars of each tile in use, and the time (crossbar ps) they were held in the run."""
    busy = {server.name: int(held) for server, held in zip(run.graph.servers, run.trace.busy, strict=True)}
    found = {tile: (0, Fraction(0)) for tiles in run.plan.homes.values() for tile in tiles}
    for layer, copies in run.plan.parts.items():
        for number, copy in enumerate(copies):
            for part in copy:
                held = busy[f"crossbar@{layer}.{number}.tile{part.tile}.{part.slot}"]
                crossbars, before = found.get(part.tile, (0, Fraction(0)))
                found[part.tile] = crossbars + part.crossbars, before + part.crossbars * held
    return found
