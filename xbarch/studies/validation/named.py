"""Macros of silicon by name: HERMES, Wang's and Colonnade, each of its geometry, bits, node and supply; and how energy
follows the supply.

Nothing is fitted. Cells and shift-and-add have the prices of `MACRO`, converters those of Murmann's survey
(`xbarch.parts.scaling.adc.Survey`) at their bits, rate and node.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from xbarch.cost.nameplate import nameplate
from xbarch.parts.scaling.adc import Survey
from xbarch.parts.scaling.node import Stillmaker
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.studies.validation.macros import MACRO, alone, built, listed
from xbarch.studies.validation.row import Row, Standing

ENERGY = "energy of an operation"
RATIO = "×"  # the unit of energies at two supplies
HERMES = "HERMES, 14 nm, 256 × 256 pairs of PCM cells, 8 × 4 bits"
WANG = "Wang et al., VLSI 2022, 22 nm, 64 × 16 weights on C-2C ladders, 8 × 8 bits, 0.7 V"
COLONNADE = "Colonnade, 65 nm, 128 × 128 digital, 0.8 V"
_CIMLOOP = "as CiMLoop's public tests (Andrulis et al., ISPASS 2024) state it"
_LIST = "UIUC-IMC-Benchmarking (Shanbhag and Roy)"
_READ = 130  # ns, of HERMES


def rows() -> Iterator[Row]:
    """Energies of operations, the rate of HERMES, and energies at two supplies."""
    yield from _hermes()
    yield from _wang()
    yield from _colonnade()
    yield from _supplies()


def _row(about: str, quantity: str, unit: str, theirs: float, ours: float, source: str, note: str = "",
         standing: Standing = "independent") -> Row:
    return Row(about=about, quantity=quantity, unit=unit, theirs=theirs, ours=ours, kind="silicon", standing=standing,
               low=0.7, high=1.3, source=source, note=note)


def _converters(columns: int, bits: int, rate: float, node: int) -> list[str]:
    """Overrides: a converter per bit line as the survey prices it. rate: conversions per second."""
    return ["components.adc.scaling=fixed", f"components.adc.count={columns}", f"crossbar.adc_bits={bits}",
            f"components.adc.energy={1000 * Survey.energy(bits, rate, node):.3f} fJ"]


def _hermes() -> Iterator[Row]:
    shape = 256, 256, 4, 8
    rate = 1e9 / _READ
    spent, _ = alone(shape, 4 * 8, [*_converters(256, 12, rate, 14), "node=14nm", "node_model=stillmaker_baas"])
    column = spent["adc"] / 256
    yield _row(HERMES, ENERGY, "pJ", 12_483, sum(spent.values()),
               f"Khaddam-Aljameh et al., VLSI 2021; {_LIST}, row 49",
               f"{12_483 / 256:.1f} pJ for a column, of which the survey's best converter at 12 bits and that rate "
               f"takes {column:.1f}; what its oscillators, which run for the whole read, its regulators and its "
               "digital parts take, no model here says")
    chip = [*built(*shape), "hierarchy.tiles=64", "network.options={width: 8, height: 8, concentration: 1}",
            f"crossbar.read={_READ} ns", f"crossbar.conversion={_READ} ns"]
    yield _row(HERMES, "peak rate of 64 cores, of the read time of a core", "TOPS", 63.1,
               nameplate(load(MACRO, Architecture, chip), 4, 8).tops, "Le Gallo et al., Nature Electronics 2023")


def _wang() -> Iterator[Row]:
    whole, shares = 63.6, {"array": 0.40, "adc": 0.34}
    spent, _ = alone((64, 16, 8, 8), 8 * 8, _converters(16, 8, 1e9 / 4.17, 22))
    supply = float(Stillmaker({"vdd_to": 0.7}).factors(22, 22)[0])
    spent = {part: energy * (1 if part == "adc" else supply) for part, energy in spent.items()}
    missing = {"array": "cells of ours conduct; each of theirs charges a ladder of capacitors",
               "adc": "the survey has the best converters, alone; at nominal supply"}
    for part, share in shares.items():
        yield _row(WANG, f"{ENERGY}, {part}", "pJ", share * whole, spent[part], _CIMLOOP, missing[part])
    yield _row(WANG, ENERGY, "pJ", whole, sum(spent.values()), f"{_LIST}, row 89; {_CIMLOOP}",
               "22 % of theirs, 14 pJ, drive inputs of 8 bits, which no price of ours does; cells and converters are "
               "the rows above")


def _colonnade() -> Iterator[Row]:
    """Words are added one by one, a bit of input at a time: no converter, an addition for every product of one bit."""
    for bits, theirs in {1: 0.0681, 4: 0.423, 8: 1.170, 16: 3.995}.items():
        width, wide = max(bits, 2), 128 // bits
        spent, _ = alone((128, wide, width, bits), 1, [
            "crossbar.columns=128", f"crossbar.cell_bits={2 if bits == 1 else 1}", "crossbar.dac_bits=1",
            "crossbar.adcs_per_crossbar=128", "crossbar.adc_bits=1", "components.adc.scaling=fixed",
            "components.adc.count=128", "components.adc.energy=0 fJ",
            "crossbar.operation_unit={rows: 1, columns: 128, read: 1 ns, source: words are added one by one}",
            "node=65nm", "node_model={model: stillmaker_baas, vdd_to: 0.8}"])
        ours = sum(spent.values()) / (128 * wide)
        yield _row(COLONNADE, f"energy per multiply-accumulate, {bits} × {bits} bits", "pJ", theirs, ours,
                   f"Kim et al., JSSC 2021; {_CIMLOOP}",
                   f"{1000 * theirs / bits**2:.1f} fJ for a product of one bit, ours {1000 * ours / bits**2:.1f} at "
                   "any width: NeuroSim's shift-and-add has one width, Colonnade's adders are chained")


def _supplies() -> Iterator[Row]:
    """Macros that the list has at two supplies: energy at the higher over that at the lower."""
    alike: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for row in listed():
        key = tuple(row[name] for name in ("Authors", "Journal/Conference", "Year", "Tech (nm)", "Index", "R", "N_1b"))
        alike.setdefault(key, []).append((float(row["Supply V(V)"]), float(row["E_core (pJ)"] or 0)))
    for (authors, venue, year, node, index, *_), points in alike.items():
        for (low, before), (high, after) in pairwise(sorted(points)):
            if low < high and before:
                ours = Stillmaker({"vdd_of": low, "vdd_to": high}).factors(int(node), int(node))[0]
                yield _row(f"{authors}, {venue} {year}, {node} nm", f"energy at {high:g} V over that at {low:g} V",
                           RATIO, after / before, float(ours), f"{_LIST}, row {index}",
                           f"supplies alone, squared, say {(high / low)**2:.2f}")
