"""From a finished run to its record: every figure of `result.json` is computed here, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
from pydantic import ValidationError

from xbarch.cost.defaults import spoken_point
from xbarch.errors import ConservationError, InputError
from xbarch.machine.kept import reads
from xbarch.plugins import checked
from xbarch.result import exact, schema
from xbarch.result.bound import bound
from xbarch.result.correctness import correctness
from xbarch.result.interconnect import interconnect
from xbarch.result.layer_time import layer_times
from xbarch.result.leakage import leakage
from xbarch.result.programming import amortized, programming
from xbarch.result.run import Run
from xbarch.result.tile_kinds import tile_kinds
from xbarch.specs.pipeline import SPLIT
from xbarch.specs.text import brief, dotted
from xbarch.support.about import __version__
from xbarch.support.defaults import SCOPES
from xbarch.workload.graph import image_counts


def record(run: Run, drawn: bool = True) -> schema.Record:
    """Sum up a run: times in ps, energies in aJ, areas in mm². drawn: whether with what only pictures use, the timeline
    and the interconnect.

    Raises:
        ConservationError: a figure is impossible, such as a negative share.
    """
    with figures_checked():
        return _record(run, drawn)


@contextmanager
def figures_checked() -> Iterator[None]:
    """Turn a refusal of the schema into xbarch's own error: a name or a network too large for a record is the input's
    fault, any other figure out of range is a mistake of xbarch itself."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = dotted((error.title, *first["loc"]))
        text = first.get("ctx", {}).get("error") or f"{where}: {first['msg']}, not {brief(first['input'])}"
        raise (InputError if "too_long" in first["type"] else ConservationError)(f"result: {text}") from None


def _record(run: Run, drawn: bool) -> schema.Record:
    interval = run.steady.interval_ps
    seconds = float(interval) / 1e12
    energy = _energy(run, interval)
    rate = None if run.steady.kind == "single" else 1 / seconds
    used, total, by_component = run.machine.areas(run.plan.kinds)
    dense_ops = 2 * sum(p.layer.macs for p in run.packed.values())
    kept_ops = 2 * sum(p.layer.windows * p.layer.kept_weights for p in run.packed.values())
    plate, chips = run.nameplate, run.machine.chips
    kinds: dict[str, Any] = {"kinds": tile_kinds(run)} if run.machine.kinds else {}
    return schema.Record(
        schema=schema.SCHEMA,
        provenance=_provenance(run),
        architecture=_architecture(run),
        datapath=schema.Path(name=run.path.name, options=run.path.options.model_dump(), chosen=dict(run.chosen),
                             provenance=run.path.provenance),
        workload=_workload(run),
        policy=run.plan.policy,
        mode=run.mode,
        images=run.graph.images,
        mapping=_mapping(run, interval),
        correctness=correctness(run),
        accuracy=schema.Accuracy(on_this_machine=run.accuracy),
        throughput=schema.Throughput(images_per_second=rate),
        latency=_latency(run, interval),
        energy=energy,
        area=schema.Areas(total_mm2=total / 1e12, used_mm2=used / 1e12,
                          by_component_mm2={k: v / 1e12 for k, v in by_component.items()}),
        power=schema.Powers(average_w=energy.per_image_aj / 1e18 / seconds, peak_w=plate.power_w * chips),
        peak=schema.Peak(tops=plate.tops * chips, tops_per_w=plate.tops / plate.power_w,
                         tops_per_mm2=plate.tops / plate.area_mm2),
        effective=schema.Effective(**rates(kept_ops, rate, dict(energy.scopes_aj), total / 1e12)),
        dense_equivalent=schema.DenseEquivalent(**rates(dense_ops, rate, dict(energy.scopes_aj), total / 1e12)),
        utilization=_utilization(run, interval),
        bound=bound(run),
        waiting=_waiting(run),
        counts=_counts(run),
        programming=_programming(run),
        interconnect=interconnect(run) if drawn else None,
        timeline=_timeline(run) if drawn else [],
        layer_time=layer_times(run.graph, run.trace) if drawn else [],
        **kinds,
    )


def _provenance(run: Run) -> schema.Provenance:
    return schema.Provenance(
        xbarch=__version__, engine=run.engine, engine_why=run.why,
        weights="trained" if run.workload.trained_on else "synthetic", seed=run.workload.manifest.get("seed"))


def _architecture(run: Run) -> schema.Architecture:
    machine = run.machine
    unscaled = {f"{name} ({each.kind})" if each.kind else name: spoken_point(c.of)
                for each in machine.each for name, c in each.architecture.components.items() if c.of}
    sizes = machine.periphery
    return schema.Architecture(
        periphery=schema.Periphery(kind=sizes.kind, factors={k: float(v) for k, v in sizes.factors.items()}),
        unscaled_prices=unscaled, unscaled=len(unscaled),
        name=machine.architecture.name, chips=machine.chips, overrides=list(run.overrides),
        processes={kind: unit.name for kind, unit in machine.processes.items()}, source=machine.architecture.source)


def _workload(run: Run) -> schema.Workload:
    network = run.workload
    return schema.Workload(name=network.name, trained_on=network.trained_on, synthetic=network.trained_on is None,
                           accuracy=dict(network.accuracy), tested=image_counts(network), source=network.source,
                           **({} if network.measure == "top1" else {"measure": network.measure}))


def _latency(run: Run, interval: Fraction) -> schema.Latency:
    steady = run.steady
    return schema.Latency(
        first_image_ps=steady.first_image_ps, pipeline_interval_ps=float(interval),
        pipeline_interval_kind=steady.kind,
        bound_by=None if steady.server is None else run.graph.servers[steady.server].name,
        pipeline_interval_95_ps=steady.spread_ps, steady=steady.exact, makespan_ps=run.trace.makespan,
        bounds_ps=list(run.bounds))


# -- energy ---------------------------------------------------------------------------------------------------

def by_scope(run: Run, interval: Fraction) -> dict[str, dict[str, int]]:
    """Energy per image by component in each scope, with constant powers of the occupied tiles in `compute` and of all
    tiles in the others."""
    declared = {**{c: component.scope for m in (*run.machine.each, run.machine)
                   for c, component in m.architecture.components.items()}, **run.ledger.scope}
    dynamic, found = run.ledger.by_component(), dict[str, dict[str, int]]()
    for number, scope in enumerate(SCOPES):
        static = _static(run, interval, run.plan.kinds if scope == "compute" else None)
        both = {**dynamic, **{c: dynamic.get(c, 0) + e for c, e in static.items()}}
        found[scope] = {c: e for c, e in both.items() if declared[c] in SCOPES[:number + 1]}
    return found


def _static(run: Run, interval: Fraction, used: Mapping[str, int] | None = None) -> dict[str, int]:
    """Constant powers of the tiles in use (by kind; None: of all) over one pipeline interval, and the leakage of
    occupied ones; a microwatt for a picosecond is an attojoule."""
    constant = {name: int(power * interval) for name, power in run.machine.static_powers(used).items()}
    return {**constant, **leakage(run.machine, run.plan, run.graph, run.trace, interval)}


def _energy(run: Run, interval: Fraction) -> schema.EnergyPerImage:
    energies = by_scope(run, interval)
    scopes = {scope: sum(each.values()) for scope, each in energies.items()}
    return schema.EnergyPerImage(
        per_image_aj=scopes["whole"], scopes_aj=schema.Scopes(**scopes), by_component_aj=energies["whole"],
        by_scope_aj=schema.ScopedComponents(**energies), by_layer_aj=run.ledger.by_layer(),
        layers_by_scope_aj=schema.ScopedLayers(**{
            scope: run.ledger.by_layer(SCOPES[:number + 1]) for number, scope in enumerate(SCOPES)}),
        static_aj=_static(run, interval), dynamic_aj=sum(run.ledger.by_component().values()))


def rates(operations: float, rate: float | None, energies: Mapping[str, float], area: float) -> dict[str, Any]:
    """The fields of `effective` and `dense_equivalent`. operations: per image. rate: images per second, if known.
    energies: aJ per image by scope. area: mm²."""
    tops = None if rate is None else operations * rate / 1e12
    return {"tops": tops, "tops_per_mm2": None if tops is None else tops / area,
            "tops_per_w_by_scope": schema.ScopedEfficiency(
                **{scope: operations / (energy / 1e18) / 1e12 if energy else None
                   for scope, energy in energies.items()})}


# -- use of the hardware --------------------------------------------------------------------------------------

def _mapping(run: Run, interval: Fraction) -> schema.Mapping:
    layers, plan = [], run.plan
    for name in plan.edges:
        packed, layer = run.packed.get(name), run.workload[name]
        occupancy = float(packed.mean_occupancy if packed else plan.paces[name].time)
        copies = plan.copies[name]
        layers.append(schema.Layer(
            name=name, op=layer.op, crossbars=packed.crossbars if packed else 0, copies=copies, windows=layer.windows,
            occupancy_ps=occupancy, busy=occupancy * layer.windows / copies / float(interval),
            **({"kind": run.machine.of(name).kind} if packed and run.machine.kinds else {})))
    return schema.Mapping(
        crossbars=plan.crossbars, tiles=plan.tiles, layers=layers, budget=plan.budget, declined=plan.declined,
        one_copy_crossbars=sum(p.crossbars for p in run.packed.values()),
        dense_crossbars=plan.dense_crossbars, interval_bound_ps=float(plan.interval_bound),
        window_weighted_ps=float(sum(p.crossbars * p.layer.windows * p.mean_occupancy for p in run.packed.values())),
        replication=plan.replication)


def _utilization(run: Run, interval: Fraction) -> schema.Utilization:
    """Cells, crossbar time and ADC time over occupied crossbars; see docs/reference.md for the definitions."""
    machine, plan = run.machine, run.plan
    crossbars = {m.kind: sum(p.crossbars * plan.copies[n] for n, p in run.packed.items() if machine.of(n) is m)
                 for m in machine.each}
    held = sum(count * m.geometry.cells for m, count in zip(machine.each, crossbars.values(), strict=True))
    offered = sum(m.crossbars * m.geometry.cells for m in machine.each)
    cells = sum(int(p.kept.sum()) * plan.copies[n] for n, p in run.packed.items())
    zero = sum(int(p.kept.sum()) * plan.copies[n] * p.layer.zeros for n, p in run.packed.items())
    known = "crossbar" not in machine.processes  # a process sets the times of its reads itself
    row_time, converting = reads.get(run.packed.values(), [
        machine.on, *((m.geometry.rows, m.adcs_per_crossbar) for m in machine.each)], lambda: _read_times(run))
    most, name = max((int(busy), s.name) for busy, s in zip(run.trace.busy, run.graph.servers, strict=True))
    return schema.Utilization(
        cells=cells / held,
        cells_zero=float(zero / held),
        cells_chip=cells / offered,
        crossbar_time=float(row_time) / (machine.each[0].geometry.rows * float(interval) * plan.crossbars)
        if known else None,
        adc_time=float(converting) / (float(interval) * plan.crossbars) if known else None,
        busiest=schema.Busiest(name=name, share=most / run.trace.makespan))


def _read_times(run: Run) -> tuple[Fraction, Fraction]:
    """Σ active rows · read time (in rows of the first kind of tile), and Σ conversions · conversion time / converters
    (ps), of an image."""
    row_time = converting = Fraction(0)
    for name, packed in run.packed.items():
        on, rows = run.machine.of(name), run.machine.each[0].geometry.rows
        work, windows = packed.work, packed.layer.windows
        reads = work.reads if work.reads.ndim == 2 else np.broadcast_to(work.reads, (windows, len(work.reads)))
        per_group, images = reads.sum(axis=0), Fraction(len(reads), windows)
        taken = exact.total(per_group, work.rows, checked.each(packed.sensing, work)) / images
        row_time += taken * Fraction(rows, on.geometry.rows)
        converting += exact.total(per_group, work.columns) / images * packed.sensing.conversion / on.adcs_per_crossbar
    return row_time, converting


def _waiting(run: Run) -> schema.Waiting:
    """By kind of server, and the server at which most is waited."""
    found, most, longest = dict[str, int](), 0, None
    for server, waited in zip(run.graph.servers, run.trace.waited.tolist(), strict=True):
        found[server.kind] = found.get(server.kind, 0) + waited
        if waited > most:
            most, longest = waited, server.name
    images = run.graph.images
    return schema.Waiting(by_kind_ps={kind: waited // images for kind, waited in found.items()}, longest=longest,
                          longest_ps=most // images)


def _counts(run: Run) -> schema.Counts:
    actions, machine = run.ledger.by_action(), run.machine
    return schema.Counts(
        macs=sum(p.layer.macs for p in run.packed.values()),
        kept_macs=sum(p.layer.windows * p.layer.kept_weights for p in run.packed.values()),
        actions=actions, conversions=actions.get("conversion", 0),
        buffer_bytes=sum(run.ledger.by_action(m.kind).get(action, 0) * m.edram_bits for m in machine.each
                         for action in ("edram_access", *SPLIT.values())) // 8,
        link_bytes=actions.get("flit_hop", 0) * machine.flit_bits // 8,
        visits=run.trace.visits)


def _programming(run: Run) -> schema.Programming:
    """Writing the weights once; no other figure includes it."""
    done = programming(run.machine, run.packed, run.plan)
    return schema.Programming(
        cells=done.cells, energy_aj=done.total, by_part_aj=dict(done.energy), time_ps=done.time, write_ps=done.write,
        load_ps=done.load, batch=run.batch, per_image=None if run.batch is None else amortized(done, run.batch))


def _timeline(run: Run) -> list[schema.Span]:
    """First issue and last completion of every layer (ps) for every image, or for the first images that a record has
    room for."""
    spans, images = [], max(1, schema.SPANS // len(run.graph.flows))
    for flow, issued, done in zip(run.graph.flows, run.trace.issued, run.trace.done, strict=True):
        if flow.name not in run.plan.edges:  # no layer
            continue
        shape = (-1, flow.windows)
        spans.append(schema.Span(name=flow.name, start_ps=issued.reshape(shape)[:images].min(axis=1).tolist(),
                                 stop_ps=done.reshape(shape)[:images].max(axis=1).tolist()))
    return spans
