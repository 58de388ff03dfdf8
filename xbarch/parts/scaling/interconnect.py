"""Wires, routers and links."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from xbarch.parts.scaling.base import Point, Ratios, Relative

_HALF = Fraction(1, 2)


class Bus(Relative):
    """Wires side by side: an action moves one word over all of them."""

    name: ClassVar[str] = "bus"
    summary: ClassVar[str] = "a tile's bus: by its wires"
    provenance: ClassVar[str] = (
        "area and energy of a transfer in proportion to the wires, of unchanged length: NeuroSim V1.4's trees are bus "
        "width times edge length within 0.5 % (Peng et al., IEDM 2019)")
    follows: ClassVar[frozenset[str]] = frozenset({"wires", "bandwidth"})

    def ratios(self, of: Point, at: Point) -> Ratios:
        wider = Fraction(at.wires, of.wires)
        return Ratios(area=wider, energy=wider, rate=Fraction(at.bandwidth, of.bandwidth) / wider)


class Router(Relative):
    """Queues at each port, and a matrix crossbar between ports."""

    name: ClassVar[str] = "router"
    summary: ClassVar[str] = "routers: half of each queues, half of it its switch, by ports, width and number"
    provenance: ClassVar[str] = (
        "queues by ports, flits and bits; a matrix crossbar's area by the square of ports times bits, its energy per "
        "bit by its length, ports times bits (Orion: Wang et al., MICRO 2002); assumed: at the written width half of "
        "area and energy is in the queues, four ports of a router lead to others, and an unlimited queue costs what "
        "the written one does; networks side by side by their number, as Balfour and Dally, ICS 2006, "
        "replicate a concentrated mesh")
    follows: ClassVar[frozenset[str]] = frozenset({"link_bits", "clock", "queue", "concentration", "planes"})

    def ratios(self, of: Point, at: Point) -> Ratios:
        bits, ports = Fraction(at.link_bits, of.link_bits), Fraction(4 + at.concentration, 4 + of.concentration)
        deep = Fraction(at.queue, of.queue) if at.queue and of.queue else Fraction(1)
        number = Fraction(of.concentration * at.planes, at.concentration * of.planes)  # of routers per tile
        queues, switch = bits * ports * deep, (bits * ports) ** 2
        return Ratios(
            area=number * (queues + switch) * _HALF, energy=bits * (1 + bits * ports) * _HALF, count=number,
            rate=number * ports * Fraction(at.clock, of.clock))


class OffChip(Relative):
    """More links side by side."""

    name: ClassVar[str] = "off_chip"
    summary: ClassVar[str] = "links out of the chip: by their bandwidth"
    provenance: ClassVar[str] = (
        "power and area by the number of links of a given rate, as ISAAC's four HyperTransport links of 6.4 GB/s "
        "(Shafiee et al., ISCA 2016, Table I)")
    follows: ClassVar[frozenset[str]] = frozenset({"off_chip"})

    def ratios(self, of: Point, at: Point) -> Ratios:
        more = Fraction(at.off_chip, of.off_chip)
        return Ratios(area=more, rate=more)
