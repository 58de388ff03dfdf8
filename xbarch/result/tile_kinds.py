"""The part of a record about each kind of tile of a chip."""

from __future__ import annotations

from collections.abc import Sequence

from xbarch.cost.nameplate import nameplate
from xbarch.result import schema
from xbarch.result.run import Run


def tile_kinds(run: Run) -> list[schema.TileKind]:
    """What each kind of tile holds, does and costs."""
    found = []
    for name, m in run.machine.kinds.items():
        mine = {layer: packed for layer, packed in run.packed.items() if run.machine.of(layer) is m}
        crossbars = {layer: packed.crossbars * run.plan.copies[layer] for layer, packed in mine.items()}
        cells = sum(int(packed.kept.sum()) * run.plan.copies[layer] for layer, packed in mine.items())
        energy = {component: aj for (kind, component), aj in run.ledger.kinds.items() if kind == name}
        plate = nameplate(m.architecture, *run.machine.precision(run.workload))
        tiles = m.architecture.hierarchy.tiles
        found.append(schema.TileKind(
            name=name, tiles=m.tiles, used=run.plan.kinds[name], crossbars=sum(crossbars.values()), layers=list(mine),
            cells=cells / (sum(crossbars.values()) * m.geometry.cells) if crossbars else None,
            dynamic_aj=sum(energy.values()), by_component_aj=energy, area_mm2=plate.tile_area_mm2 * m.tiles,
            peak_w=plate.tile_power_w * m.tiles, peak_tops=plate.tops * m.tiles / tiles))
    return found


def joined(parts: Sequence[Sequence[schema.TileKind]]) -> list[schema.TileKind]:
    """Of a network that ran in segments, which have the tiles one after another."""
    found = []
    for kinds in zip(*parts, strict=True):
        energy: dict[str, int] = {}
        for kind in kinds:
            for component, aj in kind.by_component_aj.items():
                energy[component] = energy.get(component, 0) + aj
        found.append(kinds[0].model_copy(update={
            "used": max(k.used for k in kinds), "crossbars": max(k.crossbars for k in kinds), "cells": None,
            "layers": list(dict.fromkeys(layer for k in kinds for layer in k.layers)),
            "dynamic_aj": sum(energy.values()), "by_component_aj": energy}))
    return found
