"""The report's sections and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from xbarch.render.document import Document, Picture, Section, Table
from xbarch.render.interactive.charts import ZOOM, points
from xbarch.render.interactive.pages import Chart
from xbarch.studies.validation.macros import BITS, NODES, factor, left_out, listed, macros
from xbarch.studies.validation.named import RATIO
from xbarch.studies.validation.row import STANDINGS, Row
from xbarch.support.ranks import spearman
from xbarch.support.sheet import sheet

MACRO, TIME = "energy of a macro's operation", "time of a macro's operation"


def document(rows: Sequence[Row]) -> Document:
    """Return the report with its picture, validation.svg."""
    sections = [Section("How to read it", 2, _introduction(), bullets=[
        f"*{standing}*: {words}." for standing, words in STANDINGS.items()]),
        Section("In short", 2, bullets=_short(rows))]
    tools = [row for row in rows if row.kind != "silicon"]
    sections.append(Section("Other tools", 2, table=_table(tools)))
    supplies = [row for row in rows if row.unit == RATIO]
    sections += [Section("Macros by name", 2, [_NAMED], table=_table(_named(rows))),
                 Section("Macros of the list", 2, _macros(rows), table=_table([
                     r for quantity in (MACRO, TIME) for r in rows if r.quantity == quantity])),
                 Section("Energy by value", 2, _values(), table=_table([
                     r for r in rows if r.kind == "silicon" and r.standing == "fitted"])),
                 Section("Energy by supply", 2, [_SUPPLY], table=_table(supplies))]
    outside = [row for row in rows if not row.holds and row.note and row.quantity not in (MACRO, TIME)]
    sections.append(Section("Outside their band", 2, bullets=[
        f"{row.about}, {row.quantity}: {row.ratio:.2f}; {row.note}." for row in outside]))
    return Document("What is simulated, beside silicon and other tools", "xbarch report validation",
                    [Picture("validation.svg", "Ours and theirs", [chart(rows)])], sections)


_NAMED = (
    "HERMES, Wang's macro and Colonnade have what the list does not: converters of 12 bits, parts measured apart, no "
    "converter at all. Their cells and additions have the same prices as those of the list, their converters those of "
    "Murmann's survey at their bits, rate and node.")
_SUPPLY = (
    "Macros that the list has at two supplies: how energy grows, by Stillmaker and Baas's polynomials for the node.")


def _named(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.kind == "silicon" and row.standing == "independent"
            and row.quantity not in (MACRO, TIME) and row.unit != RATIO]


def _introduction() -> list[str]:
    return ["Every *ours* was simulated for this page; *theirs* is what the source prints. *Band* is where ours / "
            "theirs is expected to lie; rows outside stay here, with what is known of why."]


def _short(rows: Sequence[Row]) -> list[str]:
    tools = [row for row in rows if row.kind != "silicon" and row.standing == "independent"]
    silicon = [row for row in rows if row.quantity == MACRO]
    named = _named(rows)
    ratios, times = [row.ratio for row in silicon], [row for row in rows if row.quantity == TIME]
    order, reach = spearman([r.ours for r in silicon], [r.theirs for r in silicon]), factor(ratios)
    return [
        f"Other tools: {sum(row.holds for row in tools)} of {len(tools)} independent figures lie in their band; the "
        f"median factor between ours and theirs is {factor([row.ratio for row in tools]):.2f}.",
        f"Macros by name: {sum(row.holds for row in named)} of {len(named)} figures lie in their band; the median "
        f"factor is {factor([row.ratio for row in named]):.1f}.",
        f"Macros of the list: {len(silicon)}, nothing fitted: {sum(row.holds for row in silicon)} lie in their band, "
        f"the median factor is {reach:.1f}, the rank correlation {order:.2f}; with one constant, fitted on the other "
        f"macros, the median factor is {factor(left_out(ratios)):.1f}. {verdict(order, reach)}",
        f"Times of the same macros, nothing fitted: {sum(row.holds for row in times)} of {len(times)} lie in their "
        f"band, the median factor is {factor([row.ratio for row in times]):.1f}, the rank correlation "
        f"{spearman([r.ours for r in times], [r.theirs for r in times]):.2f}."]


def verdict(order: float, reach: float) -> str:
    """What geometry, bits and node say of macros. order: rank correlation of energies; reach: median factor."""
    which = "say" if order >= 0.8 else "roughly say" if order >= 0.5 else "do not say"
    much = "say" if reach <= 1.3 else "do not say"
    return f"Geometry, bits and node alone {which} which macro costs more; within 30 % they {much} how much."


def _macros(rows: Sequence[Row]) -> list[str]:
    found = [row for row in rows if row.quantity == MACRO]
    whole = [row.ratio for row, macro in zip(found, macros(), strict=True) if macro.whole]
    least, most = (end(found, key=lambda row: row.ratio) for end in (min, max))
    return [f"{len(found)} of the {len(listed())} macros with a converter in the list: those with complete numbers, "
            f"converters of {BITS[0]} to {BITS[1]} bits and nodes of {NODES[0]} to {NODES[1]} nm, as the converter's "
            "model asks. One array is simulated alone, with the rows that meet on a bit line, its converters, bits "
            "and node; a product of several bits costs as many cell reads as it has products of one bit. Prices are "
            "NeuroSim's at 22 nm, carried to the node by Stillmaker and Baas. An operation lasts as long as a "
            "conversion of NeuroSim's SAR converter, a nanosecond for each bit and one more, carried alike.",
            f"Of the {len(whole)} in whose conversions all word lines meet that the list says are read, the median "
            f"factor is {factor(whole):.1f}. Ratios reach from {least.ratio:.2g} ({least.about}) to {most.ratio:.2g} "
            f"({most.about}): supplies, how long cells conduct or what they charge, and how a converter works differ "
            "by more than geometry says."]


def _values() -> list[str]:
    return ["An array paid by `cell_level` costs what its cells conduct. Two constants are taken from the energies at "
            "1 and 15; the others are predicted."]


def _table(rows: Sequence[Row]) -> Table:
    return Table(("what", "quantity", "kind", "standing", "theirs", "ours", "ours / theirs", "band"), [
        (row.about, row.quantity, row.kind, row.standing, _number(row.theirs, row.unit), _number(row.ours, row.unit),
         f"{row.ratio:.2f}" + ("" if row.holds else " (outside)"), f"{row.low:g} to {row.high:g}") for row in rows], 4)


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.4g} {unit}"


# unit: what is measured in it, the unit of the chart, and how many of that it is
_MEASURED = {"pJ": ("energy", "pJ", 1), "µJ": ("energy", "pJ", 10**6), "ns": ("time", "ns", 1),
             "µs": ("time", "ns", 1000), "TOPS": ("rate", "TOPS", 1), RATIO: ("growth with the supply", RATIO, 1)}


def chart(rows: Sequence[Row]) -> Chart:
    """Return the chart of all rows: each kind of quantity is a series in one unit."""
    values = []
    for row in rows:
        kind, unit, factor = _MEASURED[row.unit]
        values.append({"key": row.about, "what": row.quantity, "series": f"{kind}, {unit}", "size": row.theirs * factor,
                       "ratio": row.ratio, "theirs": _number(row.theirs, row.unit), "ours": _number(row.ours, row.unit),
                       "told": f"{row.ratio:.2f}", "band": f"{row.low:g} to {row.high:g}", "standing": row.standing})
    tips = {"key": "what", "what": "quantity", "theirs": "theirs", "ours": "ours", "told": "ours / theirs",
            "band": "band", "standing": "standing"}
    spec = points(values, ("size", "theirs, in the unit of the series"), ("ratio", "ours / theirs"), "series", tips,
                  (True, True))
    return Chart(spec, f"All figures: ours over theirs; 1 is equal. {ZOOM}")


def table(rows: Sequence[Row]) -> str:
    """Return the CSV table: one line per row."""
    names = [field.name for field in fields(Row)]
    return sheet([*names, "ratio", "holds"], (
        [*(getattr(row, name) for name in names), row.ratio, row.holds] for row in rows))
