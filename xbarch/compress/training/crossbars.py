"""Accuracy of a network through packed crossbars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from xbarch.datapaths.base import DataPath, Geometry
from xbarch.functional.fast import Prepared
from xbarch.plugins import guard
from xbarch.workload.batch import Maps, Reals, outputs
from xbarch.workload.graph import Ints, Layer, Workload
from xbarch.workload.measures import Answers, Measure

_USUAL, _LEAST = 32, 4  # images where none are asked for: so many, or fewer, or none, as fewer say nothing
_MACS = 2**29  # multiply-accumulates that these may take
_TOGETHER, _VALUES = 4, 2**20  # images at a time: so many, or as many as keep the largest map within so many values


def affordable(workload: Workload, asked: int | None) -> int:
    """Images to classify through crossbars: so many as asked for, else a few where the network is small enough."""
    if asked is not None:
        return asked
    count = min(_USUAL, _MACS // sum(la.macs for la in workload.compute_layers))
    return count if count >= _LEAST else 0


def crossbar_accuracy(workload: Workload, path: DataPath, geometry: Geometry, measure: Measure, pixels: Ints,
                      answers: Answers) -> float:
    """The measure of images of integer pixels [n, C, H, W] through packed crossbars, with converters of the resolution
    at which the method works."""
    with guard.asking(path, "adc_bits"):
        enough = [path.adc_bits(la, geometry) for la in workload.compute_layers]
    bits = max((b for b in enough if b is not None), default=geometry.adc_bits)
    made = _prepared(workload, path, replace(geometry, adc_bits=bits))

    def sums(layer: Layer, maps: Maps) -> Reals:
        return made[layer.name].sums(maps)

    step = max(_TOGETHER, _VALUES // max(prod(la.out_shape) for la in workload.layers))
    total = sum(measure.counts(outputs(workload, pixels[i:i + step], sums, measure.order),
                               answers[i:i + step]).sum(axis=0) for i in range(0, len(pixels), step))
    return float(measure.value(np.asarray(total)))


def _prepared(workload: Workload, path: DataPath, geometry: Geometry) -> Mapping[str, Prepared]:
    with guard.asking(path, "contents", limited=False):
        return {la.name: Prepared.of(path.pack(la, geometry), la, geometry) for la in workload.compute_layers}
