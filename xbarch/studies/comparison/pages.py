"""A comparison as sections of a report, and as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from xbarch.datapaths.records import Geometry
from xbarch.machine.variant import tile_area
from xbarch.render.document import Document, Picture, Section, Table
from xbarch.result import words
from xbarch.result.schema import Measured
from xbarch.result.summary import speed
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.study import Study
from xbarch.specs.tile_kinds import kinds
from xbarch.studies.comparison.lines import DENSE, machines
from xbarch.studies.comparison.resources import warnings
from xbarch.studies.comparison.rows import GAINS, Row, images, name_architectures, run_names
from xbarch.studies.runs.paths import options_of, required
from xbarch.support import numbers
from xbarch.support.defaults import PERIPHERY, SCOPES
from xbarch.support.pairs import with_options
from xbarch.support.sheet import sheet as csv
from xbarch.workload.measures import TOP_ONE

_NONE = "–"
_GAINS = {"speed": "speed-up (bound by: dense / this)", "energy": "energy saving", "area": "area saving",
          "density": "density gain"}


def document(asked: Study, rows: Sequence[Row], pictures: Sequence[Picture], command: str) -> Document:
    """Return the report."""
    ran, refused = [r for r in rows if r.figures], [r for r in rows if not r.figures]
    key = run_names(rows)
    sections = [Section("How to read it", 2, [*_introduction(asked), *warnings(rows)]), machinery(asked)]
    for policy in dict.fromkeys(r.policy for r in ran):
        for title, own in _parts([r for r in ran if r.policy == policy]):
            sections += tables(asked, f"{title}, {policy}" if title else policy, own, key)
    sections.append(accuracy(asked, rows))
    if refused:
        sections.append(Section("Not simulated", 2, ["Combinations that cannot run, with the reason."],
                                table=Table(("architecture", "workload", "data path", "policy", "why"), [
                                    (r.architecture, r.workload, r.label, r.policy, r.why)
                                    for r in refused], 5)))
    sections.append(origins(rows))
    sections += _layers(ran)
    return Document(asked.title, command, pictures, sections)


def origins(rows: Sequence[Row]) -> Section:
    """Return where the definition of every data path comes from."""
    return Section("Where the data paths come from", 2, bullets=[
        f"{label} (`{name}`): {text}" for (label, name), text in dict(
            ((r.method, r.datapath), r.provenance) for r in rows).items()])


def _introduction(asked: Study) -> list[str]:
    read, given = partial(load, model=Architecture), asked.architectures[0]
    first, name = name_architectures(asked, read)[given], required(read(given).datapath) or DENSE
    base = with_options(name, options_of(asked, name))
    return [
        *([asked.description] if asked.description else []),
        f"Every run simulates {numbers.count(images(asked), 'image')}, and every number comes from these runs. Weights "
        "and accuracy are those of the stored workloads; the table *Accuracy* lists what they were trained on.",
        f"Gains are relative to two dense networks; above 1 is better. *Base* is `{base}` on `{first}`; *own* is "
        "`dense` on the row's architecture, with the method's cells and signs and lossless ADCs. *Density gain* is the "
        "speed-up at equal area of the occupied tiles. A speed-up says something about a method where crossbars bind "
        "both runs; else about what binds them, which stands beside it. Shared units, ports, buses and links are "
        f"{asked.periphery or PERIPHERY}. Energies are of the scope *{asked.scope}*: *compute* is what the occupied "
        "tiles do and draw, *chip* adds the interconnect and the constant power of all tiles, *whole* the off-chip "
        "links.",
        "*Index bits* are stored with the weights of one copy; *added area* is the share of the tiles' area that the "
        "data path's own hardware takes.",
    ]


def machinery(asked: Study) -> Section:
    """Return how the architectures differ: a method that needs its own machine runs on a variant of the base."""
    found, first = list[tuple[str, ...]](), 0
    specs = {name: load(name, Architecture) for name in machines(asked)}
    for name, shown in name_architectures(asked, specs.__getitem__).items():
        for kind, spec in kinds(specs[name]).items():
            tile = tile_area(spec.components.values(), spec.hierarchy.imas_per_tile)
            first = first or tile
            g, unit = Geometry.of(spec.crossbar), spec.crossbar.operation_unit
            found.append((f"{shown} ({kind})" if kind else shown, f"{g.rows} × {g.columns}, {g.cell_bits}-bit cells",
                          f"{unit.rows} × {unit.columns}" if unit else "whole array", spec.crossbar.unused,
                          str(g.adc_bits), f"{spec.crossbars:,}", numbers.area(tile), f"{tile / first:.3f}",
                          spec.summary))
    return Section("Machines", 2, table=Table(
        ("architecture", "crossbar", "read at a time", "unused bit lines", "ADC bits", "crossbars", "tile area",
         "relative to base", "description"), found, 4))


def _parts(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Group the rows by workload; if each workload has only one method, return all together with one dense row."""
    by: dict[str, list[Row]] = {}
    for r in rows:
        by.setdefault(r.workload, []).append(r)
    if len(by) == 1 or any(len({r.label for r in own if not r.dense}) > 1 for own in by.values()):
        return list(by.items())
    first = next(iter(by), "")
    return [("", [r for r in rows if not r.dense or r.workload == first])] if rows else []


def tables(asked: Study, title: str, rows: Sequence[Row], key: Callable[[Row], str]) -> list[Section]:
    """Return the gains and the absolute figures of rows that ran. key: what is picked with a row on the page."""
    keys = [key(r) for r in rows]
    several, mixed = len(machines(asked)) > 1, len({r.workload for r in rows}) > 1
    lead = [*(["workload"] if mixed else []), "data path", *(["architecture"] if several else [])]

    def named(row: Row) -> list[str]:
        return [*([row.workload] if mixed else []), row.label, *([row.architecture] if several else [])]

    titles = {**_GAINS, "energy": f"{_GAINS['energy']} (scope {asked.scope})"}
    gains = [[*named(r), *(speed_cell(r, over) if what == "speed" else _gain(r.gain(what, over))
                           for over in ("base", "own") for what in _GAINS)] for r in rows]
    absolute = []
    for r in rows:
        f = r.figures
        assert f is not None
        absolute.append([
            *named(r), _times(f.ratio), numbers.number(f.crossbars), f"{f.copies:.3g}", numbers.number(f.used),
            numbers.number(f.tiles), speed(f.images_per_second), f.bound, numbers.time(f.first_image_ps),
            numbers.energy(f.energy[r.scope]), f"{f.area:.3g}", str(f.adc_bits), f.converters or _NONE,
            numbers.number(f.index_bits), f"{100 * f.added:.2f} %"])
    return [
        Section(title, 2),
        Section("Gains", 3, table=Table(
            [*lead, *(f"{title}, {over}" for over in ("base", "own") for title in titles.values())],
            gains, len(lead), keys)),
        Section("Absolute", 3, table=Table(
            [*lead, "compression ratio", "crossbars of one copy", "copies", "crossbars", "tiles", "images/s",
             "bound by", "first image", f"energy per image (scope {asked.scope})", "area, mm²", "ADC bits",
             "converters", "index bits", "added area"], absolute, len(lead), keys)),
    ]


def accuracy(asked: Study, rows: Sequence[Row]) -> Section:
    """Return the stored accuracy of every workload, each with its n, and what was measured on these machines."""
    of = {r.workload: r for r in rows}
    phases = [p for p in words.PHASES if any(p in r.accuracy for r in of.values())]
    bullets = [f"{r.workload}, {r.label}, {r.architecture}, {r.policy}: {words.named(r.measure)} "
               f"{words.measured(Measured.model_validate(r.figures.on_this_machine))}"
               for r in rows if r.figures and r.figures.on_this_machine]
    return Section("Accuracy", 2, bullets=bullets, table=Table(
        ["workload", "trained on", *(words.PHASES[p] for p in phases)], [
            [name, of[name].trained or "synthetic weights", *(_share(of[name], p) for p in phases)]
            for name in asked.workloads if name in of], 2))


def _share(row: Row, phase: str) -> str:
    if phase not in row.accuracy:
        return _NONE
    return words.worth(row.accuracy[phase], row.measure) + (
        f" (n = {numbers.number(row.tested[phase])})" if phase in row.tested else "")


def _layers(rows: Sequence[Row]) -> list[Section]:
    made = []
    for r in rows:
        assert r.figures is not None
        made.append(Section(
            f"Layers: {r.workload}, {r.label}, {r.architecture}, {r.policy}", 3, table=Table(
                ("layer", "crossbars", "copies", "output pixels", "crossbar time per output pixel", "busy"), [
                    (la["name"], str(la["crossbars"]), str(la["copies"]), numbers.number(la["windows"]),
                     numbers.time(round(la["occupancy_ps"])), f"{la['busy']:.1%}")
                    for la in r.figures.layers if la["crossbars"]]), folded=True))
    return made


def speed_cell(row: Row, over: str = "base") -> str:
    """Return a speed-up with what binds its two runs."""
    value, sides = row.gain("speed", over), row.sides(over)
    return _NONE if value is None or sides is None else f"{_times(value)} ({sides[0]} / {sides[1]})"


def _gain(value: float | None) -> str:
    return _NONE if value is None else _times(value)


def _times(value: float) -> str:
    return f"{value:.3g}×" if value < 999.5 else f"{value:,.0f}×"


_COLUMNS = ("ratio", "crossbars", "copies", "used", "tiles", "images_per_second", "bound", "first_image_ps", "area",
            "added", "adc_bits", "index_bits", "conversions", "exact", "clipped_share")


def sheet(rows: Sequence[Row]) -> str:
    """Return the rows as CSV, with energy per image in aJ and area in mm²."""
    varied, measured = any(r.variant for r in rows), any(r.figures and r.figures.on_this_machine for r in rows)
    chosen, named = any(r.options for r in rows), any(r.measure != TOP_ONE.name for r in rows)
    heads = ["architecture", "workload", "datapath", *(["options"] if chosen else []), "policy",
             *(["variant"] if varied else []), "why", "trained_on", "assumed", *_COLUMNS,
             *(f"energy_{s}_aj" for s in SCOPES),
             *(f"{what}_gain_{over}" for over in ("base", "own") for what in GAINS),
             *(f"bound_{over}" for over in ("base", "own")),
             *(["measure"] if named else []), *(f"accuracy_{p}" for p in ("baseline", "cut", "pruning")),
             *(["accuracy_on_this_machine", "test_images"] if measured else [])]
    lines = []
    for r in rows:
        f = r.figures
        lines.append([
            r.architecture, r.workload, r.datapath, *([with_options("", r.options)[1:]] if chosen else []),
            r.request.policy, *([r.variant] if varied else []), r.why, r.trained, r.assumed,
            *(getattr(f, c) if f else None for c in _COLUMNS), *(f.energy[s] if f else None for s in SCOPES),
            *(r.gain(what, over) for over in ("base", "own") for what in GAINS),
            *((r.sides(over) or (None,))[0] for over in ("base", "own")),
            *([r.measure] if named else []), *(r.accuracy.get(p) for p in ("baseline", "cut", "pruning")),
            *([((f and f.on_this_machine) or {}).get(k) for k in ("value", "images")] if measured else [])])
    return csv(heads, lines)
