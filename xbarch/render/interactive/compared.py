"""The page of saved results side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xbarch.render.compared import comparison, headings, unequal
from xbarch.render.interactive.charts import groups, stacks
from xbarch.render.interactive.chips import chip_chart
from xbarch.render.interactive.pages import Cell, Chart, Page, Part, Row, Table
from xbarch.render.interactive.runs import facts_table, timeline
from xbarch.render.look import PALETTE
from xbarch.result.result import Result
from xbarch.result.summary import components
from xbarch.support import numbers
from xbarch.support.defaults import SCOPE, Scope

_OTHERS = "all others"
_BETWEEN = " · "  # the parts of a run's name


def compared_page(results: Sequence[Result], title: str, scope: Scope = SCOPE) -> Page:
    """The same figures of every result with what each gains over the first, energies in one scope; components and
    layers on shared axes; chips beside one another; the facts of every run."""
    names = _names(results)
    gains = Part("Figures", ["A gain above 1 is better than the first column. Every number comes from the records of "
                             "the runs.", *unequal(results)],
                 table=Table(headings(results), [Row([Cell(text) for text in line.cells()])
                                                 for line in comparison(results, scope)]))
    chips = [chart for name, result in zip(names, results, strict=True) if (chart := chip_chart(result, name))]
    return Page(title, [gains, _energy(names, results, scope), _layers(names, results), timeline(results, names),
                        *([Part("Chips", charts=chips)] if chips else []), *(
        Part(name, table=facts_table(result, scope), folded=True)
        for name, result in zip(names, results, strict=True))], picks=True)


def _names(results: Sequence[Result]) -> list[str]:
    """Names that differ: of the runs' names the parts in which they do."""
    parts = [result.name.split(_BETWEEN) for result in results]
    if len({len(own) for own in parts}) == 1:
        kept = [place for place in range(len(parts[0])) if len({own[place] for own in parts}) > 1]
        names = [_BETWEEN.join(own[place] for place in kept) or result.name
                 for own, result in zip(parts, results, strict=True)]
    else:
        names = [result.name for result in results]
    return [name if names.count(name) == 1 else f"{number}: {name}" for number, name in enumerate(names, 1)]


def _energy(names: Sequence[str], results: Sequence[Result], scope: Scope) -> Part:
    found = [components(result.record, scope)[1] for result in results]
    totals = {part: sum(each.get(part, 0) for each in found) for each in found for part in each}
    shown = sorted(totals, key=lambda part: (-totals[part], part))[:len(PALETTE)]
    values = []
    for name, each in zip(names, found, strict=True):
        parts = {part: each.get(part, 0) for part in shown}
        parts[_OTHERS] = sum(each.values()) - sum(parts.values())
        values += [{"run": name, "component": part, "energy": energy / 1e12, "told": numbers.energy(energy)}
                   for part, energy in parts.items() if energy]
    table = Table(["component", *names], [
        Row([Cell(part), *(Cell(numbers.energy(each.get(part, 0)), each.get(part, 0)) for each in found)])
        for part in sorted(totals, key=lambda part: (-totals[part], part))])
    chart = stacks(values, "run", "energy", "component", f"energy per image (µJ), scope {scope}",
                   {"run": "run", "component": "component", "told": "energy per image"}, [*shown, _OTHERS], _OTHERS)
    return Part("Energy by component", [f"Scope {scope}; what only constant power adds is in it."],
                [Chart(chart, "Energy per image by component")], table)


def _layers(names: Sequence[str], results: Sequence[Result]) -> Part:
    values = [{
        "key": m.name, "run": name, "busy": 100 * m.busy if m.crossbars else 0.0, "copies": m.copies,
        "energy": result.energy.by_layer_aj.get(m.name, 0) / 1e12,
        "told": numbers.energy(result.energy.by_layer_aj.get(m.name, 0))}
        for name, result in zip(names, results, strict=True) for m in result.mapping.layers
        if m.crossbars or result.energy.by_layer_aj.get(m.name)]
    tips = {"key": "layer", "run": "run", "copies": "copies", "busy": "busy, %", "told": "energy"}
    layers = {m.name: None for result in results for m in result.mapping.layers}
    each = [{m.name: m for m in result.mapping.layers} for result in results]

    def cells(show: Callable[[Result, str], Cell]) -> Callable[[str], list[Cell]]:
        return lambda layer: [show(result, layer) if layer in known else Cell("–")
                              for result, known in zip(results, each, strict=True)]

    columns = {
        "copies": cells(lambda r, layer: _number(next(m.copies for m in r.mapping.layers if m.name == layer))),
        "busy, %": cells(lambda r, layer: _share(next(m.busy for m in r.mapping.layers if m.name == layer))),
        "energy": cells(lambda r, layer: _joules(r.energy.by_layer_aj.get(layer, 0)))}
    heads = ["layer", *(f"{title}, {name}" for title in columns for name in names)]
    rows = [Row([Cell(layer), *(cell for column in columns.values() for cell in column(layer))], layer)
            for layer in layers]
    return Part("Layers", ["Pick a layer in a chart or in the table: it is marked in the others. Energy is dynamic, "
                           "all scopes."], [
        Chart(groups(values, "key", "busy", "run", "% of the pipeline interval its crossbars are busy", tips, 100),
              "How busy the crossbars of each layer are"),
        Chart(groups(values, "key", "energy", "run", "dynamic energy per image (µJ)", tips),
              "Dynamic energy per image of each layer")], Table(heads, rows))


def _number(value: int) -> Cell:
    return Cell(f"{value:,}", value)


def _share(value: float) -> Cell:
    return Cell(f"{100 * value:.1f}", value)


def _joules(value: int) -> Cell:
    return Cell(numbers.energy(value), value)
