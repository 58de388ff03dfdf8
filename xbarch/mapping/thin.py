"""Layers with fewer weights: groups of the data path's own are removed from stored networks, without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from xbarch.datapaths.base import DataPath, Geometry
from xbarch.datapaths.pruning import Pruning, pruning
from xbarch.datapaths.records import Bools, Projection
from xbarch.errors import InputError
from xbarch.plugins import guard
from xbarch.specs.explain import unknown
from xbarch.workload.graph import Ints, Layer, Named, Workload


def thinned(network: Workload, path: DataPath, geometry: Callable[[str], Geometry],
            densities: Mapping[str, float]) -> Workload:
    """Return the network with so much of the weights of the layers named, by the method's projection of the stored
    integers: the weakest of the groups that the method removes go, those that are zero already first.

    Stored inputs and accuracy are of the network as it was, and are left out.

    Args:
        geometry: of the crossbars that hold a layer.
        densities: share of its weights that a layer keeps, above 0 to 1.

    Raises:
        InputError: there is no such layer, or the data path removes nothing from it.
    """
    known = {layer.name: layer for layer in network.compute_layers}
    for name in densities:
        if name not in known:
            raise InputError(unknown("layer", name, known), field="density")
        if not isinstance(path, Pruning) or not path.prunes(known[name]):
            raise InputError(f"data path {path.name} removes no weights of layer {name}; choose another data path, or "
                             "leave the layer out", field="density")
    layers = [_thin(layer, pruning(path), geometry(layer.name), densities[layer.name])
              if layer.name in densities else layer for layer in network.layers]
    return replace(network, name=f"{network.name}, thinned", layers=tuple(layers), activations={}, accuracy={})


def _thin(layer: Layer, path: Pruning, geometry: Geometry, density: float) -> Layer:
    make, mask = layer.weights, layer.mask
    assert make is not None

    @cache
    def found() -> Projection:
        weights = make().astype(np.float64)
        kept = mask() if mask is not None else None
        with guard.asking(path, "project", layer.name):
            return path.project(weights if kept is None else weights * kept, layer, geometry, density)

    def weights() -> Ints:
        return np.rint(found().weights).astype(make().dtype)

    def removed() -> Bools:
        before = mask() if mask is not None else None
        return found().mask if before is None else found().mask & before

    named = [each.name if isinstance(each, Named) else None for each in (make, mask) if each is not None]
    if None in named:
        return replace(layer, weights=weights, mask=removed)
    name = repr((named, path.name, path.options, geometry, density))
    return replace(layer, weights=Named(name, weights), mask=Named(name, removed))
