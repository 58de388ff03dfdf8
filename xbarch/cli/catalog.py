"""Catalogue of architectures, workloads, studies and plugins: names, one-line summaries, origins; and the tree of an
architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xbarch.cost.defaults import model_of
from xbarch.cost.nameplate import full_power, nameplate
from xbarch.cost.pricing import reprice
from xbarch.machine.build import buildable
from xbarch.machine.payers import elsewhere, emitters, payers
from xbarch.plugins import kinds, registry
from xbarch.render.diagram import moves, shared, spoken
from xbarch.specs.architecture import Architecture
from xbarch.specs.chip import Served
from xbarch.specs.load import document, load, validate
from xbarch.specs.noise import Noise
from xbarch.specs.search import Search
from xbarch.specs.study import Study
from xbarch.specs.sweep import Sweep
from xbarch.specs.tile_kinds import kinds as tile_kinds
from xbarch.support import bundled, numbers
from xbarch.workload.find import headline

_STUDIES: dict[str, tuple[Any, str]] = {"sweep": (Sweep, "sweep"), "search": (Search, "search")}


def entries() -> dict[str, list[dict[str, str]]]:
    """List every kind: "architectures", "workloads", "studies", "datapaths", "sensing" and the others of
    `kinds.KINDS`. An entry has name, summary, source and from: "xbarch", or the package or file that provides it."""
    found = {"architectures": [_architecture(n, o) for n, o in bundled.known("architectures").items()],
             "workloads": [workload(n, o) for n, o in bundled.known("workloads").items()],
             "studies": [_study(n, o) for n, o in bundled.known("studies").items()],
             "noise": [_noise(n, o) for n, o in bundled.known("noise").items()]}
    for kind in kinds.KINDS:
        found[kind.label] = [plugin(kind, name) for name in registry.classes(kind)]
    return found


def _architecture(name: str, origin: str) -> dict[str, str]:
    a = load(bundled.entry(name, "architectures", (".yaml",)), Architecture)
    return {"name": name, "summary": a.summary, "source": a.source, "from": origin}


def workload(name: str, origin: str) -> dict[str, str]:
    """Summarize the workload, recipe or grid that is known as `name`."""
    summary, source = headline(name)
    return {"name": name, "summary": summary, "source": source, "from": origin}


def _noise(name: str, origin: str) -> dict[str, str]:
    found = validate(document(bundled.entry(name, "noise", (".yaml",)), kind="noise"), Noise)
    return {"name": name, "summary": found.summary or "", "source": found.source or "", "from": origin}


def _study(name: str, origin: str) -> dict[str, str]:
    found = document(bundled.entry(name, "studies", (".yaml",)), kind="studies")
    kind = found.data.get("kind", "study")
    model, command = _STUDIES.get(kind, (Study, "compare"))
    return {"name": name, "summary": f"{kind}: {validate(found, model).title}", "source": f"xbarch {command} {name}",
            "from": origin}


def plugin(kind: kinds.Kind[Any], name: str) -> dict[str, str]:
    """Summarize the class of a kind that is registered as `name`."""
    found = registry.find(kind, name)
    assert found is not None, name
    return {"name": name, "summary": found.summary, "source": found.provenance, "from": registry.origin(kind, name)}


def _process(served: Served) -> str:
    options = ", ".join(f"{name}: {value}" for name, value in served.options.items())
    return f"{served.unit} ({options})" if options else served.unit


def _units(a: Architecture) -> Iterator[tuple[str, str]]:
    """Shared units, with who shares them and the stages that need them."""
    for name, unit in a.units.items():
        stages = [stage.called for stage in a.pipeline.stages if stage.unit == name]
        yield name, f"{shared(unit)}; for {' and '.join(stages)}"


def _built(a: Architecture) -> str:
    """The machine as it is, whatever its summary was written for."""
    h, x = a.hierarchy, a.crossbar
    return (f"{h.tiles:,} tiles of {h.imas_per_tile} IMAs of {h.crossbars_per_ima} crossbars; {x.rows} x {x.columns} "
            f"cells of {numbers.count(x.cell_bits, 'bit')}, {x.dac_bits}-bit inputs, {x.adc_bits}-bit converters "
            f"({x.adcs_per_crossbar} per crossbar), a read in {numbers.time(x.read)}")


def _actions(a: Architecture, kind: str) -> Iterator[dict[str, Any]]:
    """Every action in tiles of one kind: who emits it, who is paid for it, for how much, and where that price is from;
    a row for each payer, and one without a payer for an action of some layers that no component prices."""
    emitted = emitters(a, registry.encoded(a.datapath) if a.datapath else None)
    paid, of = payers(a), {"kind": kind} if kind else {}
    others = elsewhere(a) if paid.keys() - emitted.keys() else {}
    for action in dict.fromkeys([*emitted, *paid]):
        by = emitted.get(action) or f"nothing on this machine; {others.get(action, 'nothing')} would"
        for price in paid.get(action, ()):
            c = a.components[price.component]
            yield {"action": action, "emitted_by": by, "paid_by": price.component, "energy_aj": price.energy,
                   "covered": c.action != action, "source": c.source, **of}
        if action not in paid:
            yield {"action": action, "emitted_by": by, "paid_by": "", "energy_aj": 0, "covered": False, "source": "",
                   **of}


def _components(a: Architecture, written: Architecture, parts: Mapping[str, Architecture]) -> Iterator[dict[str, Any]]:
    """Every component; where tiles are of several kinds, those of each kind, and then what the kinds share."""
    for kind, part in parts.items():
        for key, c in part.components.items():
            if not kind or c.level != "chip":
                scaling = written.components[key].scaling_model if key in written.components else ""
                yield {**_component(part, key, scaling), **({"kind": kind} if kind else {})}
    if written.kinds:
        for key, c in a.components.items():
            if c.level == "chip":
                yield {**_component(a, key, written.components[key].scaling_model), "kind": "all"}


def _component(a: Architecture, key: str, scaling: str) -> dict[str, Any]:
    """A component with its count per chip, area, power and energy per action."""
    c, power = a.components[key], full_power(a, a.components[key])
    return {
        "level": c.level, "component": key, "count": c.count, "instances": str(a.instances(c)),
        "area_mm2": float(c.area * a.instances(c)) / 1e12, "power_mw": float((power or 0) * a.instances(c)) / 1e3,
        "power_known": power is not None, "action": c.action or "constant", "energy_aj": c.energy_aj,
        "source": c.source, "scaling": scaling or model_of(c), "written_for": c.of}


def tree(name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """List the architecture's components with their count per chip, area, power and energy per action, its
    actions with their payers, and its nameplate. Prices are those of what is built (`xbarch.cost.pricing`)."""
    written = load(name, Architecture, overrides, check=buildable)
    a, parts = reprice(written), {kind: reprice(part) for kind, part in tile_kinds(written).items()}
    rows = list(_components(a, written, parts))
    n = nameplate(a, a.precision.weight_bits, a.precision.input_bits, list(parts.values()))
    origin = bundled.known("architectures").get(name.removesuffix(".yaml"))
    return {"name": a.name, "summary": a.summary, "source": a.source, "from": origin or name,
            "changed": list(overrides),
            "built": "; ".join(f"{kind}: {_built(part)}" if kind else _built(part) for kind, part in parts.items()),
            "kinds": {kind: {"tiles": part.hierarchy.tiles, "takes": written.kinds[kind].takes}
                      for kind, part in parts.items() if kind},
            "components": rows, "actions": [row for kind, part in parts.items() for row in _actions(part, kind)],
            "datapath": a.datapath and a.datapath.model_dump(),
            "units": dict(_units(a)), "dataflow": moves(a),
            "processes": {kind: _process(served) for kind, served in a.processes.items()},
            "nameplate": {
        "tile power (mW)": 1000 * n.tile_power_w, "tile area (mm²)": n.tile_area_mm2, "chip power (W)": n.power_w,
        "chip area (mm²)": n.area_mm2, "peak (TOPS)": n.tops, "GOPS/W": n.gops_per_w, "GOPS/s/mm²": n.gops_per_mm2,
        **({f"{spoken(n.converter)} share of tile power": n.adc_share} if n.converter else {})}}
