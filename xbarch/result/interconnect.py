"""Traffic of the steady state link by link, and how busy the crossbars of each tile are."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from xbarch.mapping.network import label
from xbarch.mapping.traffic import traffic
from xbarch.result.run import Run
from xbarch.result.schema import LINKS, TILES, BusiestLink, Interconnect, Link, Tile, Wiring


def interconnect(run: Run) -> Interconnect:
    """The `interconnect` part of a record: all links of the chips in use, the busiest by name, and the occupied tiles.

    Loads follow from the plan alone, also where the network is ideal; a link may then be busy for longer than the
    pipeline interval.
    """
    machine, network, images = run.machine, run.machine.network, run.graph.images
    sent = traffic(run.workload, run.packed, run.plan, machine.sum_bits, images)
    bits, held, there = (network.loads(sent, cost) for cost in (int, machine.link_time, machine.off_chip_time))
    tiles = _tiles(run)
    chips = {tile // network.tiles for tile in tiles} | {router[0] for link in bits for router in link}
    span = Fraction(images * run.steady.interval_ps)

    def over_span(amount: int) -> float:
        return amount * span.denominator / span.numerator  # as float(amount / span), without fractions of each link

    wires = sorted(link for link in bits if link[0][0] != link[1][0])
    wires += [link for chip in sorted(chips) for link in network.links(chip)]
    links = [Link(name=label(wire), bits=bits.get(wire, 0) // images, need_gbs=over_span(bits.get(wire, 0) * 125),
                  busy=over_span((held if wire[0][0] == wire[1][0] else there).get(wire, 0)),
                  line=[_short(point) for point in line])
             for wire, line in zip(wires, network.lines(wires), strict=True)]
    own = [link for wire, link in zip(wires, links, strict=True) if wire[0][0] == wire[1][0]]
    busiest = max(own, key=lambda link: link.busy, default=None)
    net = machine.architecture.network
    return Interconnect(
        placement=run.plan.placement,
        network=Wiring(topology=network.topology.name, shape=network.topology.shape, tiles=network.tiles,
                       spots=[_short(spot) for spot in network.spots(TILES)]),
        bit_hops=network.bit_hops(sent) // images,
        link_gbs=machine.flit_bits * net.clock * net.planes / 8e9,
        busiest=BusiestLink(name=busiest.name, busy=busiest.busy, need_gbs=busiest.need_gbs) if busiest
        else BusiestLink(name="none", busy=0.0, need_gbs=0.0),
        links=links[:LINKS],
        tiles=[Tile(tile=tile, crossbars=crossbars, busy=float(busy / (
            machine.at(tile).architecture.crossbars_per_tile * span)))
               for tile, (crossbars, busy) in sorted(tiles.items())][:TILES])


def _short(point: Iterable[float]) -> list[float]:
    return [round(x, 3) for x in point]


def _tiles(run: Run) -> dict[int, tuple[int, Fraction]]:
    """Occupied crossbars of each occupied tile, and how long the run held them (crossbar · ps)."""
    busy = {server.name: int(held) for server, held in zip(run.graph.servers, run.trace.busy, strict=True)}
    found = {tile: (0, Fraction(0)) for tiles in run.plan.homes.values() for tile in tiles}
    for layer, copies in run.plan.parts.items():
        for number, copy in enumerate(copies):
            for part in copy:
                held = busy[f"crossbar@{layer}.{number}.tile{part.tile}.{part.slot}"]
                crossbars, before = found.get(part.tile, (0, Fraction(0)))
                found[part.tile] = crossbars + part.crossbars, before + part.crossbars * held
    return found
