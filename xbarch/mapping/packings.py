"""Packings that were made before: the most recently packed networks in memory, and files of `xbarch.support.cache` that
any process may read."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import DataPath, Geometry, Stream, Work
from xbarch.mapping.layout import Layout, Lists
from xbarch.mapping.pack import Packed, alike, pack, sensed, stream
from xbarch.parts.sensing.base import Sensing, Setting
from xbarch.plugins import checked, guard
from xbarch.support import cache
from xbarch.workload.graph import Layer, Workload

_log = logging.getLogger(__name__)
Arrays = dict[str, NDArray[Any]]
_TABLES = ("crossbar", "row0", "rows", "columns", "kept", "cap")  # of a layout
_LISTS, _PARTS = ("inputs", "targets"), ("which", "starts", "values")
_COUNTS = ("crossbar", "rows", "columns", "cells", "reads", "outputs")  # of a work
_EXTRA = "extra/"


class Memo:
    """The most recently packed networks, at most `most`, for runs that agree in everything a packing depends on: the
    network's content, data path and options, geometry, sensing unit. The same objects are returned again; only their
    own memos change. Where converters alone have another resolution, blocks are those of before: a data path that comes
    with xbarch knows nothing of it."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._found: OrderedDict[tuple[Any, ...], tuple[Workload, dict[str, Packed]]] = OrderedDict()
        self._like: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def packed(self, network: Workload, path: DataPath, geometry: Geometry, sensing: Sensing) -> dict[str, Packed]:
        """Every compute layer packed. A network is the object that was loaded, whose content never changes.

        Raises:
            InputError: as `pack`.
        """
        blocks = id(network), type(path), repr(path.options), replace(geometry, adc_bits=1)
        key = (*blocks, geometry.adc_bits, type(sensing), sensing.array, repr(sensing.options))
        if key not in self._found:
            like = self._found.get(self._like.get(blocks, ())) if guard.is_builtin(path) else None
            while len(self._found) >= self.most:  # before the next is made, to save memory
                self._found.popitem(last=False)
            made = packed(network, path, geometry, sensing) if like is None else \
                _sensed(network, path, geometry, sensing, like[1])
            self._found[key] = network, made  # held, so its id stays unique
            self._like = {shape: last for shape, last in self._like.items() if last in self._found} | {blocks: key}
        self._found.move_to_end(key)
        return self._found[key][1]


def _sensed(network: Workload, path: DataPath, geometry: Geometry, sensing: Sensing,
            like: Mapping[str, Packed]) -> dict[str, Packed]:
    """Every compute layer with the blocks of another packing, read by another sensing unit or at another resolution."""
    return {layer.name: sensed(_setting(layer, path, geometry, stream(network, layer, geometry)),
                               like[layer.name].layout, like[layer.name].work, sensing)
            for layer in network.compute_layers}


memo = Memo(1)


def packed(network: Workload, path: DataPath, geometry: Geometry, sensing: Sensing) -> dict[str, Packed]:
    """Every compute layer packed, by this run or an earlier one.

    Raises:
        InputError: as `pack`.
    """
    streams = {layer.name: stream(network, layer, geometry) for layer in network.compute_layers}
    name = _name(network, path, geometry, streams)
    if (found := cache.get(name)) is not None and (
            known := _read(found, network, path, geometry, sensing, streams)):
        _log.info("packings of %s: from the cache", network.name)
        return known
    _log.info("packing %d layers of %s by %s", len(network.compute_layers), network.name, path.name)
    made, shapes = dict[str, Packed](), dict[object, Packed]()
    for layer in network.compute_layers:
        shape = alike(layer, path, streams[layer.name] is not None)
        like = None if shape is None else shapes.get(shape)
        made[layer.name] = pack(layer, path, geometry, sensing, streams[layer.name]) if like is None else \
            sensed(_setting(layer, path, geometry, streams[layer.name]), like.layout, like.work, sensing)
        shapes.setdefault(shape, made[layer.name])
    if name:
        cache.put(name, b"".join(_written(made)))
    return made


# -- names --------------------------------------------------------------------------------------------------------

def name_of(what: str, network: Workload, path: DataPath, geometry: Geometry, *others: object) -> str:
    """Name of `what` follows from the packings of a network and from `others`, in `xbarch.support.cache`; empty where
    the packings have none."""
    streams = {layer.name: stream(network, layer, geometry) for layer in network.compute_layers}
    packings = _name(network, path, geometry, streams)
    return packings and cache.key(what, packings, geometry.adc_bits, *others)


def _name(network: Workload, path: DataPath, geometry: Geometry, streams: Mapping[str, Stream | None]) -> str:
    """Name of a network's packings in `xbarch.support.cache`; empty where something they depend on has no name, such as
    what a plugin's code reads and imports."""
    layers = [_content(layer, network, streams[layer.name]) for layer in network.compute_layers]
    if not guard.is_builtin(path) or None in layers:
        return ""
    blocks = replace(geometry, adc_bits=1)  # as in `Memo`
    return cache.key("packing", np.__version__, path.name, dict(path.options), blocks, *layers)


def _content(layer: Layer, network: Workload, given: Stream | None) -> str | None:
    """Everything about a layer that a data path may look at, as text; None where its numbers have no name."""
    numbers = [getattr(made, "name", None) for made in (layer.weights, layer.mask) if made is not None]
    if given is not None:
        numbers.append(getattr(network.activations, "name", None))
    if layer.weights is None or None in numbers:
        return None
    scales = [None if a is None else sha256(a.tobytes()).hexdigest() for a in (layer.scale, layer.bias)]
    return f"{layer!r} {dict(layer.side)!r} {numbers} {scales} {given!r}"


# -- files --------------------------------------------------------------------------------------------------------

def _written(made: Mapping[str, Packed]) -> Iterator[bytes]:
    """The length of a JSON header, the header, and the arrays that it lists, one after another."""
    head, parts = [], []
    for layer in made.values():
        listed = []
        for name, values in _arrays(layer).items():
            small = _narrow(values)
            listed.append([name, small.dtype.str, values.dtype.str, values.shape])
            parts.append(small.tobytes())
        head.append({"latency": int(layer.work.latency), "arrays": listed})
    text = json.dumps(head).encode()
    yield len(text).to_bytes(8, "little")
    yield text
    yield from parts


def _setting(layer: Layer, path: DataPath, geometry: Geometry, given: Stream | None) -> Setting:
    """What a sensing unit is set for, where the layer is not packed now."""
    return Setting(layer=layer, geometry=geometry, blocks=partial(checked.blocks, path, layer, geometry), stream=given)


def _read(content: bytes, network: Workload, path: DataPath, geometry: Geometry, sensing: Sensing,
          streams: Mapping[str, Stream | None]) -> dict[str, Packed]:
    """The packings in a file; an empty dict where the file is not as `_written` writes it."""
    found: dict[str, Packed] = {}
    try:
        at = 8 + int.from_bytes(content[:8], "little")
        for layer, described in zip(network.compute_layers, json.loads(content[8:at]), strict=True):
            arrays: Arrays = {}
            for name, small, wide, shape in described["arrays"]:
                values = np.frombuffer(content, small, int(np.prod(shape)), at)
                arrays[name] = values.reshape(shape).astype(wide)
                at += values.nbytes
            lists = {n: Lists(*(arrays[f"{n}/{part}"] for part in _PARTS)) for n in _LISTS}
            tables: dict[str, Any] = {n: arrays[n] for n in _TABLES}
            layout = Layout(**tables, inputs=lists["inputs"], targets=lists["targets"])
            extra = {n.removeprefix(_EXTRA): values for n, values in arrays.items() if n.startswith(_EXTRA)}
            work = Work(**{n: arrays[f"work/{n}"] for n in _COUNTS}, extra=extra, group=arrays.get("work/group"),
                        interval=arrays.get("work/interval"), latency=described["latency"])
            found[layer.name] = sensed(_setting(layer, path, geometry, streams[layer.name]), layout, work, sensing)
    except (ValueError, TypeError, KeyError):
        return {}
    return found


def _arrays(layer: Packed) -> Arrays:
    found: Arrays = {name: getattr(layer.layout, name) for name in _TABLES}
    for name in _LISTS:
        lists: Lists = getattr(layer.layout, name)
        found |= {f"{name}/{part}": getattr(lists, part) for part in _PARTS}
    found |= {f"work/{name}": getattr(layer.work, name) for name in _COUNTS}
    maybe = {"work/group": layer.work.group, "work/interval": layer.work.interval}
    found |= {name: values for name, values in maybe.items() if values is not None}
    return found | {_EXTRA + name: values for name, values in layer.work.extra.items()}


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in the smallest integers that hold them."""
    if not values.size:
        return values
    low, high = int(values.min()), int(values.max())
    small = next((t for t in (np.int8, np.int16, np.int32)
                  if np.iinfo(t).min <= low and high <= np.iinfo(t).max), values.dtype)
    return np.ascontiguousarray(values, small)
