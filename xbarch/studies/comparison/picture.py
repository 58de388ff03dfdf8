"""Pictures of a comparison: accuracy against energy, speed-up against compression ratio, energy by component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from xbarch.render.look import GREY, OTHERS, PALETTE, colour, mark, styled
from xbarch.studies.comparison.lines import DENSE
from xbarch.studies.comparison.rows import Row, front
from xbarch.studies.drawn import below, ends
from xbarch.support.defaults import SCOPE, Scope
from xbarch.workload.measures import BUNDLED, TOP_ONE

_SHOWN = len(PALETTE)  # components with a colour of their own; the others are drawn as one


def draw(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return figures by name, as wide as a phone."""
    ran = [r for r in rows if r.figures]
    pruned = [r for r in ran if r.datapath != DENSE or r.base is not r.figures]  # without the base itself
    faster = [(r, r.figures.ratio, r.gain("speed")) for r in pruned if r.figures and r.gain("speed")]
    scope = next((r.scope for r in rows), SCOPE)
    with styled():
        found = {"ratio_speed": _scatter(ran, faster, "compression ratio", "speed-up over the dense base")} \
            if faster else {}
        trained = [(r, r.gain("energy"), change(r)) for r in pruned if r.gain("energy") and change(r) is not None]
        if trained and (axis := changed(pruned)):
            found["accuracy_energy"] = _scatter(ran, trained, f"energy saving over the dense base (scope {scope})",
                                                axis, log=False)
            if in_points(pruned):
                _limit(found["accuracy_energy"].axes[0], [y for r in pruned if r.gain("energy")
                                                          and (y := change(r)) is not None])
        found["energy"] = _bars(ran, scope)
    return found


def change(row: Row) -> float | None:
    """Return by how much the measure is better after pruning, in points of a share; None where it is not known."""
    a, known = row.accuracy, BUNDLED.get(row.measure)
    if not {"pruning", "baseline"} <= set(a) or known is None:
        return None
    return (a["pruning"] - a["baseline"]) * (100 if known.share else 1) * (1 if known.larger else -1)


def in_points(rows: Sequence[Row]) -> bool:
    """Return whether the `change` of rows is one of shares, in points."""
    return all(BUNDLED[r.measure].share for r in rows if change(r) is not None)


def _limit(axes: Any, changes: Sequence[float]) -> None:
    """Leave out what lost so much that it is of no use, and say so."""
    axes.set_ylim(*ends(changes))
    axes.set_ylabel(axes.get_ylabel() + below(changes))


def changed(rows: Sequence[Row]) -> str:
    """Return what the `change` of rows is, for an axis; empty where several measures have no axis in common."""
    known, *more = {BUNDLED[r.measure] for r in rows if change(r) is not None} or [TOP_ONE]
    words = f"{'change in' if known.larger else 'fall of'} {known.label}"
    return "" if more else words + (", points" if known.share else "")


def _scatter(ran: Sequence[Row], points: Sequence[tuple[Row, Any, Any]], across: str, up: str,
             log: bool = True) -> Figure:
    """Draw points by data path; the line joins the Pareto front."""
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes = figure.subplots()
    labels = series_names(ran, [r for r, _, _ in points])
    for i, name in enumerate(dict.fromkeys(labels)):
        own = [(x, y) for label, (_, x, y) in zip(labels, points, strict=True) if label == name]
        axes.plot([x for x, _ in own], [y for _, y in own], mark(i), markersize=5, label=name,
                  color=colour(i), linestyle="none")
    best = front([(x, y) for _, x, y in points])
    if len(best) > 1:
        axes.plot([points[i][1] for i in best], [points[i][2] for i in best], "-", color=GREY, linewidth=0.8,
                  zorder=0, label="Pareto front")
    axes.set_xscale("log")
    if log:
        axes.set_yscale("log")
    for axis, values in ((axes.xaxis, [x for _, x, _ in points]), (axes.yaxis, [y for _, _, y in points]))[:1 + log]:
        near = max(values) < 2 * min(values)  # a logarithmic axis would have hardly a tick
        if near:
            axis.axes.set(**{f"{axis.axis_name}lim": (min(values) / 1.2, 1.2 * max(values))})
        axis.set_major_locator(MaxNLocator(5) if near else LogLocator(10, (1, 1.5, 2, 3, 5, 7)))
        axis.set_major_formatter(lambda v, _: f"{v:g}×")
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(linewidth=0.3)
    wide = max(map(len, labels), default=0)
    figure.legend(fontsize=8, ncols=3 if wide <= 20 else 2 if wide <= 32 else 1, loc="outside upper center",
                  frameon=False)
    return figure


def series_names(ran: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """Return the series to which each of `rows` belongs: its data path, and its architecture where the data path ran
    on several."""
    on: dict[str, set[str]] = {}
    for r in ran:
        on.setdefault(r.label, set()).add(r.architecture)
    return [f"{r.label}, {r.architecture}" if len(on[r.label]) > 1 else r.label for r in rows]


def components(rows: Sequence[Row], scope: Scope) -> list[str]:
    """Return the components that have a colour of their own, those with the most energy over all rows first."""
    totals: dict[str, int] = {}
    for r in rows:
        for name, energy in r.figures.components[scope].items() if r.figures else ():
            totals[name] = totals.get(name, 0) + energy
    return sorted(totals, key=lambda n: -totals[n])[:_SHOWN]


def _bars(ran: Sequence[Row], scope: Scope) -> Figure:
    """Draw the energy per image of every run by component of the scope, relative to its dense base (the line at 1)."""
    rows = [r for r in ran if r.base is not r.figures] or ran
    shown = components(rows, scope)
    figure = Figure(figsize=(4.4, max(2.2, 0.24 * len(rows) + 1.6)), layout="constrained")
    axes = figure.subplots()
    for place, r in enumerate(rows):
        f, base, left = r.figures, r.base or r.figures, 0.0
        assert f is not None and base is not None
        whole, parts = base.energy[scope] or 1, f.components[scope]
        for i, name in enumerate(shown):
            width = parts.get(name, 0) / whole
            axes.barh(place, width, left=left, color=colour(i), height=0.7)
            left += width
        axes.barh(place, sum(e for n, e in parts.items() if n not in shown) / whole, left=left, color=OTHERS,
                  height=0.7)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), row_names(rows), fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(f"energy per image relative to the dense base,\nscope {scope}")
    for i, name in enumerate(shown):
        axes.barh(0, 0, color=colour(i), label=name)
    axes.barh(0, 0, color=OTHERS, label="all others")
    figure.legend(fontsize=7, ncols=3, loc="outside upper center", frameon=False)
    return figure


def row_names(rows: Sequence[Row]) -> list[str]:
    """Return a name for each row, just long enough to be unique: data path, architecture, workload."""
    machines = len({r.architecture for r in rows}) > 1
    short = [r.label + (f", {r.architecture}" if machines else "") for r in rows]
    return [name if short.count(name) == 1 else f"{name}, {r.workload}"
            for name, r in zip(short, rows, strict=True)]
