"""The page of a run."""

from __future__ import annotations

from collections.abc import Sequence

from xbarch.render.interactive.charts import ZOOM, bars, spans, stacks
from xbarch.render.interactive.chips import chip_chart
from xbarch.render.interactive.pages import Cell, Chart, Figure, Page, Part, Row, Table
from xbarch.render.look import PALETTE, RED
from xbarch.result.layer_time import CROSSBAR, longest_wait, time_shares
from xbarch.result.result import Result
from xbarch.result.summary import accuracy_text, components, details, facts, interval_text, rate_text, speed_text
from xbarch.support import numbers
from xbarch.support.defaults import SCOPE, Scope

_WAITS = 4  # kinds of units with a colour of their own
_HELD, _OTHERS, _REST = "crossbars held", "other units held", "waits: all others"
_INPUT = "waits for its input"
_SPANS = 4_000  # bars of a time line: of the first images of a run with more


def run_page(result: Result, scope: Scope = SCOPE) -> Page:
    """All that a record says, energies in one scope where there are several."""
    parts = [Part("This run", table=facts_table(result, scope)), _layers(result), timeline([result]),
             _energy(result, scope), _network(result)]
    return Page(title=result.name, parts=[part for part in parts if part], picks=True, figures=_figures(result, scope))


def _figures(result: Result, scope: Scope) -> list[Figure]:
    r = result.record
    bound = f"bound by {r.bound.by}, {r.bound.share:.0%} busy" if r.bound else ""
    return [
        Figure("images per second", speed_text(r), bound),
        Figure("first image", numbers.time(r.latency.first_image_ps), interval_text(r)),
        Figure("energy per image", numbers.energy(r.energy.scopes_aj[scope]), f"scope {scope}"),
        Figure("TOPS/W", rate_text(r.effective.tops_per_w_by_scope[scope]), f"kept weights, scope {scope}"),
        Figure("area used", f"{r.area.used_mm2:.4g} mm²", f"chip {r.area.total_mm2:.4g} mm²"),
        Figure(*accuracy_text(r))]


def _layers(result: Result) -> Part:
    shown = [m for m in result.mapping.layers if m.crossbars or result.energy.by_layer_aj.get(m.name)]
    values = [{
        "key": m.name, "busy": 100 * m.busy if m.crossbars else 0.0,
        "energy": result.energy.by_layer_aj.get(m.name, 0) / 1e12, "copies": m.copies, "crossbars": m.crossbars,
        "told": numbers.energy(result.energy.by_layer_aj.get(m.name, 0))} for m in shown]
    tips = {"key": "layer", "copies": "copies", "crossbars": "crossbars per copy", "busy": "busy, %", "told": "energy"}
    heads = ("layer", "kind", "copies", "crossbars per copy", "output pixels", "busy, %", "energy per image",
             "crossbars held, %", "other units held, %", "waiting, %", "waits longest for")
    rows = [Row(key=m.name, cells=[
        Cell(m.name), Cell(m.op), Cell(f"{m.copies:,}", m.copies), Cell(f"{m.crossbars:,}", m.crossbars),
        Cell(f"{m.windows:,}", m.windows), Cell(f"{100 * m.busy:.1f}", m.busy),
        Cell(numbers.energy(result.energy.by_layer_aj.get(m.name, 0)), result.energy.by_layer_aj.get(m.name, 0)),
        *(Cell(f"{share:.1f}", share) for share in time_shares(result.record, m.name)),
        Cell(longest_wait(result.record, m.name))]) for m in result.mapping.layers]
    return Part("Layers", ["Pick a layer in a chart or in the table: it is marked in the others. Energy is dynamic, "
                           "all scopes."], [
        Chart(bars(values, "key", "busy", "% of the pipeline interval its crossbars are busy", tips, most=100),
              "How busy the crossbars of each layer are"),
        Chart(bars(values, "key", "energy", "dynamic energy per image (µJ)", tips, RED),
              "Dynamic energy per image of each layer"), *_times(result)], Table(heads, rows, words=2))


def _times(result: Result) -> list[Chart]:
    """Where the time of each layer's windows goes."""
    if not result.layer_time:
        return []
    totals: dict[str, int] = {}
    for layer in result.layer_time:
        for kind, waited in layer.waited_ps.items():
            totals[kind] = totals.get(kind, 0) + waited
    named = sorted((kind for kind in totals if totals[kind]), key=lambda kind: (-totals[kind], kind))[:_WAITS]
    values = []
    for layer in result.layer_time:
        crossbar = layer.held_ps.get(CROSSBAR, 0)
        parts = {_HELD: crossbar, _OTHERS: sum(layer.held_ps.values()) - crossbar,
                 **{f"waits: {kind}": layer.waited_ps.get(kind, 0) for kind in named}}
        parts[_REST] = sum(layer.waited_ps.values()) - sum(layer.waited_ps.get(kind, 0) for kind in named)
        parts[_INPUT] = layer.inputs_ps
        whole = sum(parts.values())
        values += [{"key": layer.name, "part": part, "share": 100 * spent / whole, "told": numbers.time(spent)}
                   for part, spent in parts.items() if spent]
    order = [_HELD, _OTHERS, *(f"waits: {kind}" for kind in named), _REST, _INPUT]
    return [Chart(stacks(values, "key", "share", "part", "% of its windows' time, and of its copies' without input", {
        "key": "layer", "part": "spent", "told": "per image, over all windows"}, order, _INPUT, 100),
        "Where the time of each layer goes: units that its windows hold and wait for, and its copies without input")]


def timeline(results: Sequence[Result], names: Sequence[str] = ("",)) -> Part:
    """When each layer worked on each image; of several runs on one axis."""
    images = max(1, _SPANS // max(1, *(len(result.timeline) for result in results)))
    values = [[{
        "key": span.name, "image": number, "start": start / 1e6, "stop": stop / 1e6,
        "long": numbers.time(stop - start)}
        for span in result.timeline
        for number, (start, stop) in enumerate(zip(span.start_ps[:images], span.stop_ps[:images], strict=True))]
        for result in results]
    tips = {"key": "layer", "image": "image", "start": "first window, µs", "stop": "last window, µs",
            "long": "in between"}
    last = max((stop for result in results for span in result.timeline for stop in span.stop_ps[:images]), default=0)
    most = last / 1e6 if len(results) > 1 and last else None
    charts = [Chart(spans(each, "key", "start", "stop", "image", "µs since the first pixel", tips, most),
                    f"When each layer worked on each image{name and f': {name}'}", full=True)
              for each, name in zip(values, names, strict=True)]
    text = ["From the first output pixel of an image to the last. A layer is not busy all the while: see above. "
            f"{ZOOM}"]
    if any(value["image"] for each in values for value in each):
        text.append("Where a layer has several images under way, the later one is drawn in front; colours repeat after "
                    f"{len(PALETTE)} images.")
    return Part("Layers over time", text, charts)


def _energy(result: Result, scope: Scope) -> Part:
    scope, energies = components(result.record, scope)
    whole = sum(energies.values()) or 1
    parts = sorted(((name, value) for name, value in energies.items() if value), key=lambda kv: (-kv[1], kv[0]))
    values = [{"key": "", "component": name, "energy": value / 1e12, "told": numbers.energy(value),
               "share": f"{100 * value / whole:.1f}"} for name, value in parts]
    area = result.area.by_component_mm2
    rows = [Row([Cell(name), Cell(numbers.energy(energies.get(name, 0)), energies.get(name, 0)),
                 Cell(f"{100 * energies.get(name, 0) / whole:.1f}", energies.get(name, 0)),
                 Cell(f"{area.get(name, 0):.4g}", area.get(name, 0))])
            for name in dict.fromkeys([*(name for name, _ in parts), *area])]
    return Part("Energy and area by component", [f"Scope {scope}; what only constant power adds is in it."], [
        Chart(bars(values, "component", "energy", f"energy per image (µJ), scope {scope}",
                   {"component": "component", "told": "energy", "share": "% of the scope"}),
              "Energy per image by component")],
        Table(("component", "energy per image", "% of the scope", "area, mm²"), rows))


def _network(result: Result) -> Part | None:
    net, chart = result.interconnect, chip_chart(result)
    if net is None or chart is None:
        return None
    used = sorted((link for link in net.links if link.bits), key=lambda link: -link.busy)
    rows = [Row([Cell(link.name), Cell(f"{100 * link.busy:.2f}", link.busy),
                 Cell(f"{link.need_gbs:.3g}", link.need_gbs), Cell(f"{link.bits:,}", link.bits)]) for link in used]
    return Part("Chip and links", [
        f"{net.network.topology}, {net.network.shape}; a link carries {net.link_gbs:.3g} GB/s. "
        f"{len(used):,} of {len(net.links):,} links carry something."], [chart],
        Table(("link", "busy, %", "needs, GB/s", "bits per image"), rows) if rows else None)


def facts_table(result: Result, scope: Scope) -> Table:
    """What ran, on what, and its figures in words."""
    return Table(("what", "value"), [Row([Cell(what), Cell(value)]) for what, value in (
        *facts(result.record, scope), *details(result.record, scope))], words=2)
