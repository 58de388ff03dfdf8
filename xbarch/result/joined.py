"""The record of a network that ran in segments: one record of the same schema, with the cost of reloading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from math import ceil

from xbarch.result import schema
from xbarch.result.correctness import PROOFS, summed
from xbarch.result.programming import Programming, amortized, programming
from xbarch.result.record import figures_checked, rates, record
from xbarch.result.run import Run
from xbarch.result.tile_kinds import joined as kinds_joined
from xbarch.sim.steady import Kind
from xbarch.support.defaults import SCOPES


def joined(runs: Sequence[Run], batch: int) -> schema.Record:
    """The record of a batch that passes through all segments; that of the run where there is only one segment, which
    is loaded once.

    A segment of a batch takes programming + first image + (batch - 1) intervals; segments follow one another, and an
    image takes the sum over the batch. Energies of segments add up; constant power is drawn all the time. The time and
    energy of programming stand in `programming` and not in `energy`; power and rates include both, since programming
    recurs with every batch.
    """
    if len(runs) == 1:
        return record(runs[0])
    written = [programming(run.machine, run.packed, run.plan) for run in runs]
    working = [run.steady.first_image_ps + (batch - 1) * run.steady.interval_ps for run in runs]
    taken = [w.time + t for w, t in zip(written, working, strict=True)]
    starts = [Fraction(0), *accumulate(taken)]
    # Everything that depends on a segment's time is counted over its mean time per image, filling included.
    parts = [record(replace(run, steady=replace(run.steady, interval_ps=time / batch)))
             for run, time in zip(runs, working, strict=True)]
    interval = starts[-1] / batch
    seconds = float(interval) / 1e12
    reload = _writing(written, batch)
    energy = _energy([part.energy for part in parts])
    programmed = reload.per_image.energy_aj if reload.per_image else 0.0
    drawn = {scope: inference + programmed for scope, inference in energy.scopes_aj}
    first, latency = parts[0], _latency(runs, written, starts, batch)
    rate = None if latency.pipeline_interval_kind == "single" else 1 / seconds
    kept, macs = (2 * sum(getattr(part.counts, name) for part in parts) for name in ("kept_macs", "macs"))
    with figures_checked():
        return schema.Record.model_validate({
            **dict(first), "schema": schema.SCHEMA,
            "mapping": _mapping([part.mapping for part in parts], [float(time / batch) for time in working],
                                float(interval)),
            "correctness": _correctness([part.correctness for part in parts if part.correctness]),
            "throughput": schema.Throughput(images_per_second=rate),
            "latency": latency,
            "energy": energy,
            "area": first.area.model_copy(update={"used_mm2": max(part.area.used_mm2 for part in parts)}),
            "power": first.power.model_copy(update={"average_w": drawn["whole"] / 1e18 / seconds}),
            "effective": schema.Effective(**rates(kept, rate, drawn, first.area.total_mm2)),
            "dense_equivalent": schema.DenseEquivalent(**rates(macs, rate, drawn, first.area.total_mm2)),
            "bound": None,
            "utilization": _utilization(parts, working, taken),
            "waiting": _waiting([part.waiting for part in parts if part.waiting]),
            "counts": _counts([part.counts for part in parts]),
            "programming": reload,
            "interconnect": max((part.interconnect for part in parts if part.interconnect),
                                key=lambda net: net.busiest.busy),
            "layer_time": [each for part in parts for each in part.layer_time],
            "timeline": _timeline(parts, [int(start) + w.time for start, w in zip(starts, written, strict=False)]),
            **({"kinds": kinds_joined([part.kinds for part in parts if part.kinds])} if first.kinds else {}),
            "segments": [_segment(*each, batch) for each in zip(runs, written, taken, parts, strict=True)],
        })


def _segment(run: Run, written: Programming, taken: Fraction, part: schema.Record, batch: int) -> schema.Segment:
    source, last = run.workload.layers[0], run.workload.layers[-1]
    leaves = run.graph.flows[-1].name == f"{last.name}.out"
    return schema.Segment(
        layers=[layer.name for layer in run.workload.layers[1:]], crossbars=run.plan.crossbars, tiles=run.plan.tiles,
        pipeline_interval_ps=float(run.steady.interval_ps), first_image_ps=run.steady.first_image_ps,
        programming_ps=written.time, cells=written.cells, time_ps=float(taken / batch),
        energy_aj=part.energy.per_image_aj, scopes_aj=part.energy.scopes_aj, programming_aj=written.total / batch,
        bits_in=source.windows * source.out_shape[0] * source.output_bits,
        bits_out=last.windows * last.out_shape[0] * last.output_bits if leaves else 0)


def _latency(runs: Sequence[Run], written: Sequence[Programming], starts: Sequence[Fraction],
             batch: int) -> schema.Latency:
    """The bounds are those of the runs; the upper one is longer as the batch is longer than the run."""
    least = sum(w.time + run.bounds[0] for run, w in zip(runs, written, strict=True))
    most = sum(w.time + ceil(Fraction(run.bounds[1] * batch, run.graph.images))
               for run, w in zip(runs, written, strict=True))
    servers = [run.graph.servers[run.steady.server].name for run in runs if run.steady.server is not None]
    kinds = {run.steady.kind for run in runs} - ({"single"} if batch == 1 else set())  # then no interval is in it
    kind: Kind = "single" if "single" in kinds else "bound" if servers else "mean" if "mean" in kinds else "exact"
    return schema.Latency(
        first_image_ps=int(starts[-2]) + written[-1].time + runs[-1].steady.first_image_ps,
        pipeline_interval_ps=float(starts[-1] / batch), pipeline_interval_95_ps=None,
        pipeline_interval_kind=kind, bound_by=servers[0] if kind == "bound" else None,
        steady=kind == "exact", makespan_ps=ceil(starts[-1]), bounds_ps=[least, most])


def _writing(written: Sequence[Programming], batch: int) -> schema.Programming:
    """The programming of all segments, once per batch."""
    parts = _added([w.energy for w in written])
    whole = Programming(cells=sum(w.cells for w in written), crossbars=0, write=sum(w.time for w in written), load=0,
                        energy=parts)
    return schema.Programming(
        cells=whole.cells, energy_aj=whole.total, by_part_aj=parts, time_ps=whole.time,
        write_ps=sum(w.write for w in written), load_ps=sum(w.load for w in written), batch=batch,
        per_image=amortized(whole, batch))


def _added(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sums of equal keys."""
    sums: dict[str, int] = {}
    for table in tables:
        for key, value in table.items():
            sums[key] = sums.get(key, 0) + value
    return sums


def _energy(parts: Sequence[schema.EnergyPerImage]) -> schema.EnergyPerImage:
    return schema.EnergyPerImage(
        per_image_aj=sum(part.per_image_aj for part in parts),
        scopes_aj=schema.Scopes(**_added(dict(part.scopes_aj) for part in parts)),
        by_component_aj=_added(part.by_component_aj for part in parts),
        by_scope_aj=schema.ScopedComponents(**{scope: _added(
            part.by_scope_aj[scope] for part in parts if part.by_scope_aj) for scope in SCOPES}),
        layers_by_scope_aj=schema.ScopedLayers(**{scope: _added(
            part.layers_by_scope_aj[scope] for part in parts if part.layers_by_scope_aj) for scope in SCOPES}),
        by_layer_aj=_added(part.by_layer_aj for part in parts),
        static_aj=_added(part.static_aj for part in parts),
        dynamic_aj=sum(part.dynamic_aj for part in parts))


def _waiting(parts: Sequence[schema.Waiting]) -> schema.Waiting:
    longest = max(parts, key=lambda part: part.longest_ps)
    return schema.Waiting(by_kind_ps=_added(part.by_kind_ps for part in parts), longest=longest.longest,
                          longest_ps=longest.longest_ps)


def _counts(parts: Sequence[schema.Counts]) -> schema.Counts:
    sums = _added(part.model_dump(exclude={"actions"}) for part in parts)
    return schema.Counts(**sums, actions=_added(part.actions for part in parts))


def _mapping(parts: Sequence[schema.Mapping], each: Sequence[float], interval: float) -> schema.Mapping:
    """Crossbars and tiles of the largest segment, as the machine holds one at a time; bounds and copies of all."""
    return schema.Mapping(
        crossbars=max(part.crossbars for part in parts), tiles=max(part.tiles for part in parts),
        budget=max(part.budget for part in parts), declined=max(part.declined for part in parts),
        one_copy_crossbars=sum(part.one_copy_crossbars for part in parts),
        dense_crossbars=sum(part.dense_crossbars for part in parts),
        interval_bound_ps=sum(part.interval_bound_ps for part in parts),
        window_weighted_ps=sum(part.window_weighted_ps for part in parts),
        layers=[layer.model_copy(update={"busy": layer.busy * own / interval})
                for part, own in zip(parts, each, strict=True) for layer in part.layers])


def _correctness(parts: Sequence[schema.Correctness]) -> schema.Correctness:
    """All layers of all segments; proven as the least of them is."""
    whole = summed([layer for part in parts for layer in part.layers],
                   max((part.proof for part in parts), key=PROOFS.index), any(part.drops_low_bits for part in parts))
    noise = {"noise": True} if any(part.noise for part in parts) else {}
    return whole.model_copy(update={"exact": all(part.exact for part in parts), **noise})


def _utilization(parts: Sequence[schema.Record], working: Sequence[Fraction],
                 taken: Sequence[Fraction]) -> schema.Utilization:
    """Means over the occupied crossbars and the time that each segment has the machine, programming included."""
    tables = [part.utilization for part in parts]
    crossbars = [part.mapping.crossbars for part in parts]

    def mean(values: Sequence[float | None], times: Sequence[Fraction], weights: Sequence[int]) -> float | None:
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        whole = sum(float(t) * w for t, w in zip(taken, weights, strict=True))
        return float(sum(u * float(t) * w for u, t, w in zip(known, times, weights, strict=True)) / whole)

    return schema.Utilization.model_validate({
        "cells": mean([u.cells for u in tables], taken, crossbars),
        "cells_zero": mean([u.cells_zero for u in tables], taken, crossbars),
        "cells_chip": mean([u.cells_chip for u in tables], taken, [1] * len(tables)),
        "crossbar_time": mean([u.crossbar_time for u in tables], working, crossbars),
        "adc_time": mean([u.adc_time for u in tables], working, crossbars),
        "busiest": max((u.busiest for u in tables), key=lambda busiest: busiest.share)})


def _timeline(parts: Sequence[schema.Record], starts: Sequence[int]) -> list[schema.Span]:
    """Every segment's spans, moved to when the segment starts; of as many images as a record has room for."""
    images = max(1, schema.SPANS // sum(len(part.timeline) for part in parts))
    return [schema.Span(name=span.name, start_ps=[start + t for t in span.start_ps[:images]],
                        stop_ps=[start + t for t in span.stop_ps[:images]])
            for part, start in zip(parts, starts, strict=False) for span in part.timeline]
