"""Cuts a network that is larger than the machine into segments of consecutive layers, each of which is loaded, run on a
batch and replaced by the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import ceil
from typing import Any

from xbarch.errors import CapacityError
from xbarch.workload.graph import VIEWS, Layer, Workload

Fits = Callable[[Workload], str]  # empty, or why not
Layers = tuple[Layer, ...]


def cut(network: Workload, fits: Fits) -> list[Workload]:
    """Segments in order, each of as many consecutive layers as fit.

    Cuts lie where only one feature map is passed on, so not inside a residual block. That map is the next segment's
    input. The filters of a layer that does not fit alone are cut into equal parts; each part is a segment with the same
    input.

    Raises:
        CapacityError: a block that does not fit and cannot be cut.
    """
    found: list[Workload] = []
    open_: Layers = ()
    for unit in _units(network):
        grown = (*open_, *unit)
        if not fits(_segment(network, grown)):
            open_ = grown
            continue
        if open_:
            found.append(_segment(network, open_))
        why = fits(_segment(network, unit))
        open_ = () if why else unit
        if why:
            found += _parts(network, unit, fits, why)
    return [*found, _segment(network, open_)] if open_ else found


def is_read_later(network: Workload, segment: Workload) -> bool:
    """Whether another layer of the network reads the segment's output, or a part of it."""
    name = segment.layers[-1].name.partition("#")[0]
    return any(name in layer.inputs for layer in network.layers)


def _units(network: Workload) -> Iterator[Layers]:
    """Shortest runs of layers between which only one map is passed on; a view belongs to the layer after it."""
    last = {name: number for number, layer in enumerate(network.layers) for name in layer.inputs}
    start = 1
    for number, layer in enumerate(network.layers):
        alive = {la.name for la in network.layers[:number + 1] if last.get(la.name, -1) > number}
        if number and layer.op not in VIEWS and alive <= {layer.name}:
            yield tuple(network.layers[start:number + 1])
            start = number + 1


def _segment(network: Workload, layers: Layers) -> Workload:
    """The layers with the map they read as input."""
    inside = {layer.name for layer in layers}
    source = next(network[name] for layer in layers for name in layer.inputs if name not in inside)
    if source.op != "input":
        name = f"{source.name}.in"
        layers = tuple(replace(la, inputs=tuple(name if i == source.name else i for i in la.inputs)) for la in layers)
        shape = source.out_shape
        source = Layer(name=name, op="input", inputs=(), in_shape=shape, out_shape=shape,
                       output_bits=source.output_bits)
    kept = {name: x for name, x in network.activations.items() if name in inside}
    return replace(network, layers=(source, *layers), activations=kept)


def _parts(network: Workload, unit: Layers, fits: Fits, why: str) -> list[Workload]:
    *before, layer = unit
    if not layer.compute or layer.groups > 1 or layer.side or any(la.op not in VIEWS for la in before):
        raise CapacityError(f"layers {unit[0].name} to {layer.name} do not fit the machine together and cannot be cut: "
                            f"{why}")
    count = 2
    while count <= layer.filters:
        size = ceil(layer.filters / count)
        bounds = [*range(0, layer.filters, size), layer.filters]
        parts = [_segment(network, (*before, _part(layer, number, *ends)))
                 for number, ends in enumerate(pairwise(bounds))]
        if not (why := fits(parts[0])):
            return parts
        count += 1
    raise CapacityError(f"a single filter of layer {layer.name} does not fit the machine: {why}")


def _part(layer: Layer, number: int, start: int, stop: int) -> Layer:
    """The filters [start, stop) of a layer."""
    def sliced(values: Any) -> Any:
        return None if values is None else values[start:stop]

    def made(make: Callable[[], Any]) -> Any:
        return sliced(make())

    return replace(layer, name=f"{layer.name}#{number}", out_shape=(stop - start, *layer.out_shape[1:]),
                   weights=partial(made, layer.weights) if layer.weights else None,
                   mask=partial(made, layer.mask) if layer.mask else None,
                   scale=sliced(layer.scale), bias=sliced(layer.bias))
