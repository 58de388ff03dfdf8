"""What there is: architectures, workloads, data paths, sensing units; and the resolved tree of one architecture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xbarch import bundled, plugins
from xbarch.cost.nameplate import nameplate
from xbarch.errors import InputError
from xbarch.spec.architecture import Architecture
from xbarch.spec.load import load
from xbarch.workload.find import headline


def entries() -> dict[str, list[dict[str, str]]]:
    """{"architectures": [...], "workloads": [...], "datapaths": [...], "sensing": [...]}, each entry with name,
    summary, source."""
    found: dict[str, list[dict[str, str]]] = {"architectures": [], "workloads": [], "datapaths": [], "sensing": []}
    for name in bundled.names("architectures"):
        a = load(bundled.folder("architectures") / f"{name}.yaml", Architecture)
        found["architectures"].append({"name": name, "summary": a.summary, "source": a.source})
    for name in bundled.names("workloads"):
        summary, source = headline(name)
        found["workloads"].append({"name": name, "summary": summary, "source": source})
    for name, path in sorted(plugins.datapaths().items()):
        found["datapaths"].append({"name": name, "summary": path.summary, "source": path.provenance})
    for name, unit in plugins.sensing().items():
        found["sensing"].append({"name": name, "summary": unit.summary, "source": unit.provenance})
    return found


def tree(name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The architecture's components with counts over a chip, area, power and energy an action; its nameplate."""
    a = load(name, Architecture, overrides)
    rows = [{
        "level": c.level, "component": key, "count": c.count, "instances": str(a.instances(c)),
        "area_mm2": float(c.area * a.instances(c)) / 1e12, "power_mw": float(c.power * a.instances(c)) / 1e3,
        "action": c.action or "constant", "energy_aj": c.energy_aj, "source": c.source,
    } for key, c in a.components.items()]
    if not rows:
        raise InputError("has no components", file=name)
    n = nameplate(a, a.precision.weight_bits, a.precision.input_bits)
    return {"name": a.name, "summary": a.summary, "source": a.source, "components": rows, "nameplate": {
        "tile power (mW)": 1000 * n.tile_power_w, "tile area (mm²)": n.tile_area_mm2, "chip power (W)": n.power_w,
        "chip area (mm²)": n.area_mm2, "peak (TOPS)": n.tops, "GOPS/W": n.gops_per_w, "GOPS/s/mm²": n.gops_per_mm2,
        "ADC share of tile power": n.adc_share}}
