"""The charts of a comparison's page: what its pictures show, to look into."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xbarch.render.interactive.charts import ZOOM, points, stacks
from xbarch.render.interactive.pages import Chart
from xbarch.result.summary import speed
from xbarch.studies.comparison.lines import DENSE
from xbarch.studies.comparison.picture import (
    change,
    changed,
    components,
    in_points,
    row_names,
    series_names,
)
from xbarch.studies.comparison.rows import Row
from xbarch.studies.drawn import below, ends
from xbarch.support import numbers
from xbarch.support.defaults import SCOPE

Key = Callable[[Row], str]
_OTHERS = "all others"


def draw(rows: Sequence[Row], key: Key) -> dict[str, list[Chart]]:
    """Return the charts by the name of the picture that shows the same. key: what is picked with a row."""
    ran = [r for r in rows if r.figures]
    pruned = [r for r in ran if r.datapath != DENSE or r.base is not r.figures]  # without the base itself
    scope = next((r.scope for r in rows), SCOPE)
    values = [{
        "key": key(r), "series": series, "datapath": r.label, "architecture": r.architecture,
        "workload": r.workload, "policy": r.policy,
        "ratio": r.figures.ratio, "speed": r.gain("speed"), "energy": r.gain("energy"), "change": change(r),
        "images": speed(r.figures.images_per_second), "told": numbers.energy(r.figures.energy[scope]),
        "bound": " / ".join(r.sides() or ())}
        for r, series in zip(pruned, series_names(ran, pruned), strict=True) if r.figures]
    tips = {"datapath": "data path", "architecture": "architecture", "workload": "workload", "policy": "policy",
            "images": "images/s", "bound": "bound by: dense / this", "told": f"energy per image, scope {scope}"}
    saving = f"energy saving over the dense base, × (scope {scope})"
    found = {}
    if fast := [v for v in values if v["speed"] and v["energy"]]:
        found["ratio_speed"] = [
            Chart(points(fast, ("ratio", "compression ratio, ×"), ("speed", "speed-up over the dense base, ×"),
                         "series", tips, (True, True)), f"Speed-up against compression ratio. {ZOOM}"),
            Chart(points(fast, ("energy", saving), ("speed", "speed-up over the dense base, ×"), "series", tips,
                         (True, True)), "Speed-up against energy saving")]
    trained, axis = [v for v in values if v["energy"] and v["change"] is not None], changed(pruned)
    if trained and axis:
        changes = [points_of for r in pruned if r.gain("energy") and (points_of := change(r)) is not None]
        limits, lost = (ends(changes), below(changes)) if in_points(pruned) else (None, "")
        found["accuracy_energy"] = [
            Chart(points(trained, ("energy", saving), ("change", axis), "series", tips, (True, False), ends=limits),
                  f"Accuracy against energy saving{lost}")]
    found["energy"] = [_energy(ran, key)]
    return found


def _energy(ran: Sequence[Row], key: Key) -> Chart:
    """Return the energy per image of every run by component of the scope, relative to its dense base."""
    rows = [r for r in ran if r.base is not r.figures] or list(ran)
    scope = next((r.scope for r in rows), SCOPE)
    shown, values = components(rows, scope), []
    for name, r in zip(row_names(rows), rows, strict=True):
        base = r.base or r.figures
        assert r.figures is not None and base is not None
        parts, whole = r.figures.components[scope], base.energy[scope] or 1
        each = {part: parts.get(part, 0) for part in shown}
        each[_OTHERS] = sum(parts.values()) - sum(each.values())
        values += [{"key": key(r), "run": name, "component": part, "share": energy / whole,
                    "told": numbers.energy(energy)} for part, energy in each.items() if energy]
    order = list(dict.fromkeys([*shown, _OTHERS]))
    return Chart(stacks(values, "run", "share", "component",
                        f"energy per image relative to the dense base (scope {scope})",
                        {"run": "run", "component": "component", "told": "energy per image"}, order, _OTHERS),
                 "Energy per image by component; 1 is the dense base")
