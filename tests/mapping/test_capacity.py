"""The smallest chip and the largest network, against placements tried one by one."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest

from xbarch.datapaths.dense import Dense
from xbarch.datapaths.huai import Huai
from xbarch.errors import CapacityError
from xbarch.machine.machine import Machine
from xbarch.mapping.capacity import Candidate, largest, smallest
from xbarch.mapping.pack import pack
from xbarch.mapping.plan import plan
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Workload
from xbarch.workload.zoo import synthetic

ISAAC = Machine(load("isaac_like", Architecture))


def candidate(workload, path):
    packed = {la.name: pack(la, path, ISAAC.geometry, ISAAC.sensing) for la in workload.compute_layers}
    return Candidate(workload, packed, {la.name: ISAAC.pace(la, packed.get(la.name)) for la in workload.layers})


def dense(name):
    return candidate(synthetic(name, name, 4, 4), Dense())


def pruned(name, density):
    """The same network with aligned kernel groups removed."""
    workload, path = synthetic(name, name, 4, 4), Huai()
    layers = workload.compute_layers
    weights = [la.weights().astype(float) for la in layers]
    densities = path.share(weights, layers, ISAAC.geometry, density)
    masks = {la.name: path.project(w, la, ISAAC.geometry, d).mask
             for w, la, d in zip(weights, layers, densities, strict=True)}
    thin = [replace(la, mask=lambda m=masks[la.name]: m) if la.compute else la for la in workload.layers]
    return candidate(Workload(name=f"{name}_pruned", layers=tuple(thin)), path)


def replaced(tiles):
    """The machine with another number of tiles."""
    a = ISAAC.architecture
    return Machine(a.model_copy(update={"hierarchy": a.hierarchy.model_copy(update={"tiles": tiles})}))


def area(tiles):
    return replaced(tiles).areas()[1]


def room(tiles=1, **changes):
    return replace(ISAAC.room(), tiles=tiles, **changes)


def fits(found, tiles, policy="one_copy", **changes):
    try:
        return plan(found.workload, found.packed, found.paces, found.crossbars, room(tiles, **changes), policy)
    except CapacityError:
        return None


@pytest.mark.parametrize("crossbars_per_tile", [4, 96])
@pytest.mark.parametrize("kb", [16, 64])
@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_one_tile_fewer_does_not_hold_it(name, kb, crossbars_per_tile):
    found = dense(name)
    tile = {"buffer": kb * 8192, "crossbars_per_tile": crossbars_per_tile}
    chip = smallest(found, room(**tile), area)
    assert fits(found, chip.tiles, **tile)
    assert chip.tiles == 1 or not fits(found, chip.tiles - 1, **tile)
    assert chip.tiles >= ceil(found.crossbars / crossbars_per_tile)
    assert chip.used == found.crossbars == sum(len(p.blocks) for p in found.packed.values())


@pytest.mark.full
def test_it_is_the_chip_of_the_fit_policy():
    for found in (dense("vgg7"), pruned("vgg7", 0.2)):
        chip = smallest(found, room(), area)
        made = fits(found, 10_000, "fit")
        assert made.budget == chip.tiles * ISAAC.room().crossbars_per_tile


def test_area_is_that_of_a_chip_of_so_many_tiles():
    chip = smallest(dense("vgg7"), room(), area)
    parts = ISAAC.architecture.components.values()
    per_tile = sum(c.area * {"ima": 12, "tile": 1}.get(c.level, 0) for c in parts)
    shared = sum(c.area for c in parts if c.level == "chip")
    assert chip.area == pytest.approx((chip.tiles * per_tile + shared) / 1e12)
    assert chip.tiles >= ceil(1592 / 96) and chip.used == 1592  # VGG-7 at two cells per weight, 128 x 128


@pytest.mark.full
def test_aligned_pruning_shrinks_the_chip_as_the_weights():
    before, after = (smallest(c, room(), area) for c in (dense("vgg7"), pruned("vgg7", 0.2)))
    assert after.used / before.used == pytest.approx(0.2, rel=0.03)
    assert after.tiles < before.tiles and after.area < before.area


def test_the_largest_network_that_fits():
    networks = [dense(n) for n in ("resnet20", "lenet5", "vgg7")]
    need = [smallest(c, room(), area).tiles for c in networks]
    assert need[0] < need[2]
    for tiles in range(1, max(need) + 2):
        inside = [c for c, n in zip(networks, need, strict=True) if n <= tiles]
        expected = max((sum(la.weights().size for la in c.workload.compute_layers) for c in inside), default=0)
        found = largest(networks, room(tiles))
        assert expected == (found.weights if found else 0)
    assert largest([], room(8)) is None


@pytest.mark.full
def test_pruning_lets_a_larger_network_in():
    small, whole, thin = dense("resnet20"), dense("vgg7"), pruned("vgg7", 0.2)
    tiles = smallest(thin, room(), area).tiles
    assert largest([small, whole], room(tiles)) is small
    assert largest([small, thin], room(tiles)) is thin
    assert thin.weights == whole.weights  # counted before pruning
    assert np.sum([la.kept_weights for la in thin.workload.compute_layers]) < 0.21 * thin.weights


def test_a_line_buffer_no_tile_holds_is_refused():
    with pytest.raises(CapacityError, match="line buffer"):
        smallest(dense("vgg7"), room(buffer=1024), area)
    assert largest([dense("vgg7")], room(10_000, buffer=1024)) is None
