"""The record of a network that ran in segments: one document of the same schema, with what reloading costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from math import ceil
from typing import Any

from xbarch.result.programming import Programming, amortized, programming
from xbarch.result.record import Run, record


def joined(runs: Sequence[Run], batch: int) -> dict[str, Any]:
    """The document of a batch that passes all segments; of a single segment, which is loaded once, its own.

    A segment of a batch takes programming + first image + (batch - 1) intervals; segments follow one another, and an
    image takes the sum over the batch. Energies of segments add up, constant power is drawn all the time. What of
    time and energy is programming stands in `programming` and not in `energy`; power and rates have both, for it
    recurs with every batch.
    """
    if len(runs) == 1:
        return record(runs[0])
    written = [programming(run.machine, run.packed, run.plan) for run in runs]
    working = [run.steady.first_image_ps + (batch - 1) * run.steady.interval_ps for run in runs]
    taken = [w.time + t for w, t in zip(written, working, strict=True)]
    starts = [Fraction(0), *accumulate(taken)]
    # Everything that depends on a segment's time is counted over its mean time an image, filling included.
    parts = [record(replace(run, steady=replace(run.steady, interval_ps=time / batch)))
             for run, time in zip(runs, working, strict=True)]
    interval = starts[-1] / batch
    seconds = float(interval) / 1e12
    reload = _writing(written, batch)
    energy = _added([part["energy"] for part in parts])
    joules = (energy["per_image_aj"] + reload["per_image"]["energy_aj"]) / 1e18
    first = parts[0]
    return {
        **first,
        "mapping": _mapping(parts, [float(time / batch) for time in working], float(interval)),
        "throughput": {"images_per_second": 1 / seconds},
        "latency": {"first_image_ps": int(starts[-2]) + written[-1].time + runs[-1].steady.first_image_ps,
                    "interval_ps": float(interval), "interval_95_ps": None,
                    "steady": all(run.steady.exact for run in runs), "makespan_ps": ceil(starts[-1]),
                    "bounds_ps": _bounds(runs, written, batch)},
        "energy": energy,
        "area": {**first["area"], "used_mm2": max(part["area"]["used_mm2"] for part in parts)},
        "power": {**first["power"], "average_w": joules / seconds},
        **{kind: _rates(parts, kind, working, batch, seconds, joules, first["area"]["total_mm2"])
           for kind in ("effective", "dense_equivalent")},
        "utilization": _utilization(parts, working, taken),
        "counts": _added([part["counts"] for part in parts]),
        "programming": reload,
        "interconnect": max((part["interconnect"] for part in parts), key=lambda net: net["busiest"]["busy"]),
        "timeline": [_moved(span, int(start) + w.time) for part, start, w in zip(parts, starts, written, strict=False)
                     for span in part["timeline"]],
        "segments": [_segment(*each, batch) for each in zip(runs, written, taken, parts, strict=True)],
    }


def _segment(run: Run, written: Programming, taken: Fraction, part: Mapping[str, Any], batch: int) -> dict[str, Any]:
    source, last = run.workload.layers[0], run.workload.layers[-1]
    leaves = run.graph.flows[-1].name == f"{last.name}.out"
    return {
        "layers": [layer.name for layer in run.workload.layers[1:]], "crossbars": run.plan.crossbars,
        "tiles": run.plan.tiles, "interval_ps": float(run.steady.interval_ps),
        "first_image_ps": run.steady.first_image_ps, "programming_ps": written.time, "cells": written.cells,
        "time_ps": float(taken / batch), "energy_aj": part["energy"]["per_image_aj"],
        "programming_aj": written.total / batch, "bits_in": source.windows * source.out_shape[0] * source.output_bits,
        "bits_out": last.windows * last.out_shape[0] * last.output_bits if leaves else 0,
    }


def _writing(written: Sequence[Programming], batch: int) -> dict[str, Any]:
    """All segments' programming, once a batch."""
    parts = _added([dict(w.energy) for w in written])
    whole = Programming(sum(w.cells for w in written), 0, sum(w.time for w in written), 0, parts)
    return {"cells": whole.cells, "energy_aj": whole.total, "by_part_aj": parts, "time_ps": whole.time,
            "write_ps": sum(w.write for w in written), "load_ps": sum(w.load for w in written), "batch": batch,
            "per_image": amortized(whole, batch)}


def _added(tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums of what is equally named."""
    found: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            below = found.get(key, {} if isinstance(value, Mapping) else 0)
            found[key] = _added([below, value]) if isinstance(value, Mapping) else below + value
    return found


def _mapping(parts: Sequence[Mapping[str, Any]], each: Sequence[float], interval: float) -> dict[str, Any]:
    """Crossbars and tiles of the largest segment, as one is on the machine at a time; bounds and copies of all."""
    tables = [part["mapping"] for part in parts]
    most = {key: max(t[key] for t in tables) for key in ("crossbars", "tiles", "budget")}
    whole = {key: sum(t[key] for t in tables)
             for key in ("one_copy_crossbars", "dense_crossbars", "interval_bound_ps", "window_weighted_ps")}
    layers = [{**layer, "busy": layer["busy"] * own / interval} for table, own in zip(tables, each, strict=True)
              for layer in table["layers"]]
    return {**most, **whole, "layers": layers}


def _bounds(runs: Sequence[Run], written: Sequence[Programming], batch: int) -> list[int]:
    """Of all segments: as of their runs, the greatest longer as the batch is longer than the run."""
    least = sum(w.time + run.bounds[0] for run, w in zip(runs, written, strict=True))
    most = sum(w.time + ceil(Fraction(run.bounds[1] * batch, run.graph.images))
               for run, w in zip(runs, written, strict=True))
    return [least, most]


def _rates(parts: Sequence[Mapping[str, Any]], kind: str, working: Sequence[Fraction], batch: int, seconds: float,
           joules: float, area: float) -> dict[str, float]:
    done = sum(part[kind]["tops"] * float(time / batch) for part, time in zip(parts, working, strict=True))  # tera * ps
    tops = done / (seconds * 1e12)
    return {"tops": tops, "tops_per_w": tops * seconds / joules, "tops_per_mm2": tops / area}


def _utilization(parts: Sequence[Mapping[str, Any]], working: Sequence[Fraction],
                 taken: Sequence[Fraction]) -> dict[str, Any]:
    """Means over the occupied crossbars and the time each segment has the machine, programming included."""
    tables = [part["utilization"] for part in parts]
    crossbars = [part["mapping"]["crossbars"] for part in parts]

    def mean(key: str, times: Sequence[Fraction], weights: Sequence[int]) -> float | None:
        if any(u[key] is None for u in tables):
            return None
        whole = sum(float(t) * w for t, w in zip(taken, weights, strict=True))
        return float(sum(u[key] * float(t) * w for u, t, w in zip(tables, times, weights, strict=True)) / whole)

    return {**{key: mean(key, taken, crossbars) for key in ("cells", "cells_zero")},
            "cells_chip": mean("cells_chip", taken, [1] * len(tables)),
            **{key: mean(key, working, crossbars) for key in ("crossbar_time", "adc_time")},
            "busiest": max((u["busiest"] for u in tables), key=lambda b: b["share"])}


def _moved(span: Mapping[str, Any], start: int) -> dict[str, Any]:
    return {"name": span["name"], **{key: [start + t for t in span[key]] for key in ("start_ps", "stop_ps")}}
