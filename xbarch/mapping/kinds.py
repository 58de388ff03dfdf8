"""Which kind of tile each layer runs on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.mapping.pack import dense_crossbars
from xbarch.specs.architecture import Architecture
from xbarch.specs.explain import guess
from xbarch.specs.text import brief
from xbarch.workload.graph import Layer, Workload

Taken = Collection[str]


def linear(layers: Sequence[Layer], network: Workload, kind: Architecture) -> Taken:
    """The fully connected layers."""
    return [la.name for la in layers if la.op == "linear"]


def image(layers: Sequence[Layer], network: Workload, kind: Architecture) -> Taken:
    """The layers that read the image."""
    return [la.name for la in layers if network.layers[0].name in la.inputs]


def short(layers: Sequence[Layer], network: Workload, kind: Architecture) -> Taken:
    """The layers whose filters have no more weights than a crossbar has word lines."""
    return [la.name for la in layers if la.rows <= kind.crossbar.rows]


def rare(layers: Sequence[Layer], network: Workload, kind: Architecture) -> Taken:
    """The layers with the fewest output pixels per image, of equals the smallest, as many as the kind's crossbars hold
    dense."""
    geometry, found, room = Geometry.of(kind.crossbar), list[str](), kind.crossbars
    needs = {la.name: dense_crossbars(replace(network, layers=(la,)), geometry) for la in layers}
    for layer in sorted(layers, key=lambda la: (la.windows, needs[la.name])):
        room -= needs[layer.name]
        if room < 0:
            break
        found.append(layer.name)
    return found


RULES: dict[str, Callable[[Sequence[Layer], Workload, Architecture], Taken]] = {
    "linear": linear, "image": image, "short": short, "rare": rare}
"""By the name that a kind of tile takes layers by (`xbarch.specs.tile_kinds`), beside `rest`: of the layers that no
other kind has taken, the names of those that this kind takes."""


def assign(network: Workload, a: Architecture, kinds: Mapping[str, Architecture]) -> dict[str, str]:
    """The kind of tile that each compute layer runs on. Lists of layers go before rules, and an earlier kind before a
    later one.

    Raises:
        InputError: a list names a layer that the network does not have, or one that another list names too.
    """
    on, names = dict[str, str](), [la.name for la in network.compute_layers]
    for kind, asked in a.kinds.items():
        for name in asked.takes if isinstance(asked.takes, list) else ():
            if name not in names:
                raise InputError(f"{network.name} has no layer {brief(name)!r} with weights{guess(name, names)}",
                                 field=f"kinds.{kind}.takes")
            if on.setdefault(name, kind) != kind:
                raise InputError(f"must be without layer {name}, which kind {on[name]} takes",
                                 field=f"kinds.{kind}.takes")
    for kind, asked in a.kinds.items():
        left = [la for la in network.compute_layers if la.name not in on]
        if isinstance(asked.takes, str) and asked.takes in RULES:
            on |= dict.fromkeys(RULES[asked.takes](left, network, kinds[kind]), kind)
    rest = next(kind for kind, asked in a.kinds.items() if asked.takes == "rest")
    return {name: on.get(name, rest) for name in names}


def kind_of(on: Mapping[str, str], layer: str) -> str:
    """The kind of tile of a compute layer, or of a part of one that is reloaded (`xbarch.mapping.segments`); "" where
    all tiles are alike."""
    return on.get(layer) or on.get(layer.partition("#")[0], "")


def part(network: Workload, on: Mapping[str, str], kind: str) -> Workload:
    """The network with the compute layers of one kind of tile alone; itself where all are on it."""
    if all(kind_of(on, la.name) == kind for la in network.compute_layers):
        return network
    layers = tuple(la for la in network.layers if not la.compute or kind_of(on, la.name) == kind)
    return replace(network, layers=layers)
