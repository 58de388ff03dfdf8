"""Runs a whole network through packed crossbars and their ADCs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import DataPath, Geometry
from xbarch.functional.execute import Resolution, execute
from xbarch.parts.sensing.base import Sensing
from xbarch.workload.graph import Ints, Layer, Workload
from xbarch.workload.infer import Values, inferred

_TOGETHER = 8  # images per batch: cells are made once per batch, and input vectors of the whole batch are held


def through(workload: Workload, path: DataPath, geometry: Geometry, images: Sequence[NDArray[np.integer[Any]]],
            adc_bits: Resolution = None,
            sensing: Callable[[Layer], Sensing | None] = lambda layer: None) -> Iterator[Values]:
    """Outputs of every layer for each image of integer pixels (C, H, W), with all sums computed by the packed
    crossbars.

    adc_bits: None, the geometry's resolution, clipping included; "lossless", enough for the largest sum that the blocks
    can reach. sensing: gives the sensing unit, set for a layer (None: converters that saturate).

    Raises:
        InputError: the workload stores no scales (it was never trained).
    """
    packed = {layer.name: path.pack(layer, geometry) for layer in workload.compute_layers}

    def products(layer: Layer, x: Ints) -> NDArray[np.int64]:
        return execute(packed[layer.name], layer, geometry, x, adc_bits, sensing(layer))[0]

    for start in range(0, len(images), _TOGETHER):
        yield from inferred(workload, images[start:start + _TOGETHER], products=products)
