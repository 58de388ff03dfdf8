"""Layers and crossbars that data paths are held to their contract on: drawn at random, and extreme ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import DataPath
from xbarch.datapaths.records import Block, Geometry, Ints
from xbarch.errors import InputError
from xbarch.plugins import checked, laws
from xbarch.workload.graph import Layer, Workload

_TRIES = 5_000  # draws until one is accepted


@dataclass
class Case(laws.Asked):
    """A data path, a layer and a crossbar that it accepts, and input vectors x [windows, groups * rows]."""

    x: Ints

    def packed(self) -> Sequence[Block]:
        """The blocks of one copy, lawful in themselves: inside their crossbars, no cell used twice."""
        return checked.blocks(self.path, self.layer, self.geometry)


def draw(rng: np.random.Generator, path: DataPath) -> Case:
    """A random layer on a random crossbar that the data path accepts, and input vectors for it.

    Raises:
        InputError: it accepts none of thousands.
    """
    reason = ""
    for _ in range(_TRIES):
        layer = _layer(rng, path)
        geometry = Geometry(int(rng.integers(16, 145)), int(rng.integers(16, 161)), int(rng.integers(1, 5)),
                            dac_bits=int(rng.choice([1, 1, 2, 4])), adc_bits=8, unit_column=bool(rng.integers(2)),
                            gated=bool(rng.integers(2)))
        if needs(path, Geometry(128, 128, 2), ou_rows=16, ou_columns=128) or rng.random() < 0.15:
            geometry = _with_units(rng, path, geometry)
        if rng.random() < 0.15:
            geometry = replace(geometry, signed=True)
        if not (reason := refused(path, layer, geometry)):
            break
    else:
        raise InputError(f"accepts none of {_TRIES:,} random layers and crossbars, the last one not because {reason}",
                         field=f"data path {path.name}")
    most, size = (1 << layer.input_bits) - 1, layer.groups * layer.rows
    x = rng.integers(0, most + 1, (5, size))
    x[0], x[1] = most, 0                            # every word line driven in every phase; none
    x[2] = most * (rng.random(size) < 0.5)
    return Case(path, replace(layer, name=_described(layer, geometry)), geometry, x)


def extremes(path: DataPath) -> Iterator[Case]:
    """Layers that drive bit lines as hard as any can: inputs all at their largest, weights all high, all low, or
    high and low in equal shares (the worst case of flipped bit lines), whole and with segments removed; cells that
    hold a sign too."""
    rng = np.random.default_rng(3)
    for rows, cell_bits, dac_bits, unit, signed in (
            (128, 2, 1, True, False), (128, 1, 1, True, False), (64, 2, 2, False, False), (36, 3, 1, True, False),
            (64, 4, 3, False, True)):
        geometry = Geometry(rows, 128, cell_bits, dac_bits=dac_bits, adc_bits=8, unit_column=unit, signed=signed)
        if needs(path, geometry, ou_rows=rows // 4, ou_columns=128):
            geometry = replace(geometry, ou_rows=rows // 4, ou_columns=128)
        for style in ("high", "low", "halves"):
            for pruning in (False, True):
                low, high = path.levels(8)
                shape = (24, 32, 3, 3)
                weights = np.full(shape, low if style == "low" else high, np.int32)
                if style == "halves":
                    weights.reshape(24, -1)[:, ::2] = low
                mask = np.repeat(rng.random((24, 2)) < 0.5, 16, axis=1)[:, :, None, None] & np.ones(shape, bool)
                layer = held(Layer(
                    name=f"with weights all {style}", op="conv", inputs=("input",), in_shape=(32, 3, 3),
                    out_shape=(24, 1, 1), kernel=(3, 3), weight_bits=8,
                    input_bits=4), weights * mask if pruning else weights, mask if pruning else None)
                if not refused(path, layer, geometry):
                    yield Case(path, layer, geometry, np.full((1, 288), 15))


def _layer(rng: np.random.Generator, path: DataPath) -> Layer:
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    channels, filters = groups * int(rng.integers(1, 40)), groups * int(rng.integers(1, 40))
    linear = rng.random() < 0.15
    height, width = (1, 1) if linear else (int(k) for k in rng.choice([1, 2, 3, 3, 5], 2))
    groups = 1 if linear else groups
    weight_bits, input_bits = int(rng.choice([2, 3, 4, 5, 6, 7, 8, 16])), int(rng.integers(1, 9))
    shape = (filters, channels // groups, height, width)
    weights = _weights(rng, *path.levels(weight_bits), shape)
    style = rng.choice(["groups"] * 8 + ["elements"] * 3 + ["all"])
    mask = None if rng.random() < 0.2 else _mask(rng, shape, str(style))
    stride, dilation = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    return held(Layer(
        name="layer", op="linear" if linear else "conv", inputs=("input",),
        in_shape=(channels, 1, 1) if linear else (channels, 9, 9), out_shape=(filters, 1, 1), kernel=(height, width),
        stride=(stride, stride), dilation=(dilation, dilation), groups=groups, weight_bits=weight_bits,
        input_bits=input_bits), weights if mask is None else weights * mask, mask)


def held(layer: Layer, weights: NDArray[Any], mask: NDArray[np.bool_] | None) -> Layer:
    """The layer with these weights; mask None: all kept."""
    return replace(layer, weights=lambda: weights, mask=None if mask is None else lambda: mask)


def _mask(rng: np.random.Generator, shape: tuple[int, int, int, int], style: str) -> NDArray[np.bool_]:
    """Whole groups of 16, 8 or 4 channels, single weights, or nothing left at all."""
    if style == "elements":
        return rng.random(shape) < 0.4
    if style == "all":
        return np.zeros(shape, bool)
    channels = int(rng.choice([16, 8, 4]))
    keep = rng.random((shape[0], -(-shape[1] // channels))) < rng.choice([0.1, 0.5])
    return np.broadcast_to(np.repeat(keep, channels, axis=1)[:, :shape[1], None, None], shape)


def _weights(rng: np.random.Generator, low: int, high: int, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Random over all levels, all the largest, all the smallest, or a mixture of extremes."""
    style = rng.integers(6)
    if style < 2:
        return np.full(shape, high if style else low, np.int32)
    if style == 2:
        return rng.choice([low, high], shape).astype(np.int32)
    return rng.integers(low, high + 1, shape, dtype=np.int32)


def _with_units(rng: np.random.Generator, path: DataPath, geometry: Geometry) -> Geometry:
    """The same crossbar with operation units, of all its bit lines where the data path takes no others."""
    whole = needs(path, Geometry(128, 128, 2, ou_rows=16, ou_columns=16), ou_columns=128)
    wide = geometry.columns if whole else int(rng.integers(1, min(geometry.columns, 24) + 1))
    return replace(geometry, ou_rows=int(rng.integers(1, min(geometry.rows, 20) + 1)), ou_columns=wide)


def needs(path: DataPath, geometry: Geometry, **change: Any) -> bool:
    """Whether a crossbar is refused without such units and accepted with them."""
    layer = Layer(name="layer", op="linear", inputs=("input",), in_shape=(8, 1, 1), out_shape=(4, 1, 1), weight_bits=4,
                  input_bits=4)
    return bool(refused(path, layer, geometry)) and not refused(path, layer, replace(geometry, **change))


def refused(path: DataPath, layer: Layer, geometry: Geometry) -> str:
    return checked.reason(path, Workload(name="random", layers=(layer,)), geometry)


def _described(layer: Layer, geometry: Geometry) -> str:
    """What the layer and its crossbar are, as a name."""
    height, width = layer.kernel
    return (f"{layer.op} {height}x{width} {layer.in_shape[0]} to {layer.filters} in {layer.groups} of "
            f"{layer.weight_bits} and {layer.input_bits} bits on {geometry.rows}x{geometry.columns}x"
            f"{geometry.cell_bits}" + " with signs" * geometry.signed
            + f" by {geometry.ou_rows}x{geometry.ou_columns}" * geometry.operation_units)
