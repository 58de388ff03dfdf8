"""From a finished run to its record: every figure of `result.json` is computed here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from xbarch.cost.nameplate import Nameplate
from xbarch.datapaths.base import DataPath
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed
from xbarch.mapping.plan import Plan
from xbarch.plugins import checked
from xbarch.result.interconnect import interconnect
from xbarch.result.leakage import leakage
from xbarch.result.ledger import Ledger
from xbarch.result.programming import amortized, programming
from xbarch.result.schema import SCHEMA, SPANS
from xbarch.sim.graph import StageGraph, Trace
from xbarch.sim.steady import Steady
from xbarch.support.about import __version__
from xbarch.workload.graph import Workload


@dataclass(frozen=True)
class Run:
    """Everything a simulation produced, before it is summed up."""

    machine: Machine
    workload: Workload
    path: DataPath
    packed: Mapping[str, Packed]
    plan: Plan
    graph: StageGraph
    trace: Trace
    steady: Steady
    bounds: tuple[int, int]
    ledger: Ledger
    nameplate: Nameplate
    overrides: tuple[str, ...] = ()
    batch: int | None = None  # images between two programmings
    mode: str = "pipelined"
    engine: str = "simpy"
    why: str = "asked for"


def record(run: Run) -> dict[str, Any]:
    """The document of `result.json`, schema `xbarch.result/1`. Times in ps, energies in aJ, areas in mm²."""
    interval = run.steady.interval_ps
    seconds = float(interval) / 1e12
    scopes = _scopes(run, interval)
    used, total, by_component = run.machine.areas(run.plan.tiles)
    dense_ops = 2 * sum(p.layer.macs for p in run.packed.values())
    kept_ops = 2 * sum(p.layer.windows * p.layer.kept_weights for p in run.packed.values())
    joules = scopes["whole"] / 1e18
    return {
        "schema": SCHEMA,
        "provenance": provenance(run),
        "architecture": {"name": run.machine.architecture.name, "chips": run.machine.chips,
                         "overrides": list(run.overrides),
                         "processes": {kind: unit.name for kind, unit in run.machine.processes.items()},
                         "source": run.machine.architecture.source},
        "datapath": {"name": run.path.name, "options": run.path.options.model_dump(),
                     "provenance": run.path.provenance},
        "workload": {"name": run.workload.name, "trained_on": run.workload.trained_on,
                     "synthetic": run.workload.trained_on is None, "accuracy": dict(run.workload.accuracy),
                     "source": run.workload.source},
        "policy": run.plan.policy,
        "mode": run.mode,
        "images": run.graph.images,
        "mapping": _mapping(run, interval),
        "throughput": {"images_per_second": 1 / seconds},
        "latency": {"first_image_ps": run.steady.first_image_ps, "interval_ps": float(interval),
                    "interval_95_ps": run.steady.spread_ps, "steady": run.steady.exact,
                    "makespan_ps": run.trace.makespan,
                    "bounds_ps": list(run.bounds)},
        "energy": {"per_image_aj": scopes["whole"], "scopes_aj": scopes, **_energy(run, interval)},
        "area": {"total_mm2": total / 1e12, "used_mm2": used / 1e12,
                 "by_component_mm2": {k: v / 1e12 for k, v in by_component.items()}},
        "power": {"average_w": joules / seconds, "peak_w": run.nameplate.power_w * run.machine.chips},
        "peak": {"tops": run.nameplate.tops * run.machine.chips,
                 "tops_per_w": run.nameplate.tops / run.nameplate.power_w,
                 "tops_per_mm2": run.nameplate.tops / run.nameplate.area_mm2},
        "effective": _rates(kept_ops, seconds, joules, total),
        "dense_equivalent": _rates(dense_ops, seconds, joules, total),
        "utilization": _utilization(run, interval),
        "counts": _counts(run),
        "programming": _programming(run),
        "interconnect": interconnect(run),
        "timeline": _timeline(run),
    }


def provenance(run: Run) -> dict[str, Any]:
    """Versions that made the record (no clock, no machine: the same input gives the same bytes)."""
    weights = "trained" if run.workload.trained_on else "synthetic"
    return {"xbarch": __version__, "engine": run.engine, "engine_why": run.why, "weights": weights,
            "seed": run.workload.manifest.get("seed")}


def _scopes(run: Run, interval: Fraction) -> dict[str, int]:
    """Energy an image of components of scope compute in occupied tiles; compute and chip; everything."""
    components, dynamic = run.machine.architecture.components, run.ledger.by_component()
    scopes, wider = {}, {"compute": ("compute",), "chip": ("compute", "chip"), "whole": ("compute", "chip", "whole")}
    for name, inside in wider.items():
        static = _static(run, interval, run.plan.tiles if name == "compute" else run.machine.tiles)
        scopes[name] = sum(e for c, e in dynamic.items() if run.ledger.scope[c] in inside) \
            + sum(e for c, e in static.items() if components[c].scope in inside)
    return scopes


def _static(run: Run, interval: Fraction, tiles: int) -> dict[str, int]:
    """Constant powers of so many tiles over one steady interval, and the leakage of occupied ones; a microwatt for a
    picosecond is an attojoule."""
    constant = {name: int(power * interval) for name, power in run.machine.static_powers(tiles).items()}
    return {**constant, **leakage(run.machine, run.plan, run.graph, run.trace, interval)}


def _energy(run: Run, interval: Fraction) -> dict[str, Any]:
    static = _static(run, interval, run.machine.tiles)
    dynamic = run.ledger.by_component()
    return {
        "by_component_aj": {**dynamic, **{k: dynamic.get(k, 0) + v for k, v in static.items()}},
        "by_layer_aj": run.ledger.by_layer(),
        "static_aj": static,
        "dynamic_aj": sum(dynamic.values()),
    }


def _rates(operations: int, seconds: float, joules: float, area: int) -> dict[str, float]:
    tops = operations / seconds / 1e12
    return {"tops": tops, "tops_per_w": operations / joules / 1e12, "tops_per_mm2": tops / (area / 1e12)}


def _mapping(run: Run, interval: Fraction) -> dict[str, Any]:
    layers = []
    for name in run.plan.edges:
        packed, layer = run.packed.get(name), run.workload[name]
        occupancy = float(packed.mean_occupancy if packed else run.plan.paces[name].time)
        copies = run.plan.copies[name]
        layers.append({
            "name": name, "op": layer.op, "crossbars": packed.crossbars if packed else 0, "copies": copies,
            "windows": layer.windows, "occupancy_ps": occupancy,
            "busy": occupancy * layer.windows / copies / float(interval),
        })
    plan = run.plan
    return {
        "crossbars": plan.crossbars, "tiles": plan.tiles, "layers": layers, "budget": plan.budget,
        "one_copy_crossbars": sum(p.crossbars for p in run.packed.values()),
        "dense_crossbars": plan.dense_crossbars, "interval_bound_ps": float(plan.interval_bound),
        "window_weighted_ps": float(sum(p.crossbars * p.layer.windows * p.mean_occupancy
                                               for p in run.packed.values())),
    }


def _utilization(run: Run, interval: Fraction) -> dict[str, Any]:
    """Cells, crossbar time and ADC time over occupied crossbars; see docs/reference.md for the definitions."""
    machine, plan = run.machine, run.plan
    geometry = machine.geometry
    capacity = geometry.rows * geometry.columns
    offered = machine.tiles * machine.architecture.crossbars_per_tile
    cells = sum(int(p.kept.sum()) * plan.copies[n] for n, p in run.packed.items())
    zero = sum(int(p.kept.sum()) * plan.copies[n] * p.layer.zeros for n, p in run.packed.items())
    row_time = converting = Fraction(0)
    for packed in run.packed.values():
        work, windows = packed.work, packed.layer.windows
        reads = work.reads if work.reads.ndim == 2 else np.broadcast_to(work.reads, (windows, len(work.reads)))
        per_group, images = reads.sum(axis=0), Fraction(len(reads), windows)
        row_time += int((per_group * work.rows * checked.each(packed.sensing, work)).sum()) / images
        converting += int((per_group * work.columns).sum()) / images * packed.sensing.conversion
    known = "crossbar" not in machine.processes  # else how long reads took is its own affair
    busy = [(int(b), s.name) for b, s in zip(run.trace.busy, run.graph.servers, strict=True)]
    most, name = max(busy)
    return {
        "cells": cells / (plan.crossbars * capacity),
        "cells_zero": float(zero / (plan.crossbars * capacity)),
        "cells_chip": cells / (offered * capacity),
        "crossbar_time": float(row_time) / (geometry.rows * float(interval) * plan.crossbars) if known else None,
        "adc_time": float(converting / machine.adcs_per_crossbar)
                    / (float(interval) * plan.crossbars) if known else None,
        "busiest": {"name": name, "share": most / run.trace.makespan},
    }


def _counts(run: Run) -> dict[str, Any]:
    actions = run.ledger.by_action()
    machine = run.machine
    return {
        "macs": sum(p.layer.macs for p in run.packed.values()),
        "kept_macs": sum(p.layer.windows * p.layer.kept_weights for p in run.packed.values()),
        "actions": actions,
        "conversions": actions.get("conversion", 0),
        "buffer_bytes": actions.get("edram_access", 0) * machine.edram_bits // 8,
        "link_bytes": actions.get("flit_hop", 0) * machine.flit_bits // 8,
        "visits": run.trace.visits,
    }


def _programming(run: Run) -> dict[str, Any]:
    """Writing the weights once; no part of any other figure."""
    done = programming(run.machine, run.packed, run.plan)
    return {"cells": done.cells, "energy_aj": done.total, "by_part_aj": dict(done.energy), "time_ps": done.time,
            "write_ps": done.write, "load_ps": done.load, "batch": run.batch,
            "per_image": None if run.batch is None else amortized(done, run.batch)}


def _timeline(run: Run) -> list[dict[str, Any]]:
    """First issue and last completion of every layer (ps) for every image, or for the first as far as a record has
    room."""
    spans, images = [], max(1, SPANS // len(run.graph.flows))
    for flow, issued, done in zip(run.graph.flows, run.trace.issued, run.trace.done, strict=True):
        if flow.name not in run.plan.edges:  # no layer
            continue
        shape = (run.graph.images, flow.windows)
        spans.append({"name": flow.name, "start_ps": issued.reshape(shape)[:images].min(axis=1).tolist(),
                      "stop_ps": done.reshape(shape)[:images].max(axis=1).tolist()})
    return spans
