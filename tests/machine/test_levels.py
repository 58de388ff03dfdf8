"""Energy that follows values: what cells conduct is counted from stored inputs and cells as they are."""

from dataclasses import replace

import numpy as np
import pytest

from tests.rigs import isaac, single
from xbarch.datapaths.records import Geometry
from xbarch.errors import InputError
from xbarch.machine.levels import Levels
from xbarch.mapping.pack import pack, stream
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

BY_VALUE = ["components.crossbar.action=cell_level", "components.crossbar.covers=[cell_read]"]


def network(rows, filters, windows, images, seed=0):
    """`single` with weights and inputs drawn at random."""
    drawn, plain = np.random.default_rng(seed), single(rows, filters, windows, bits=4)
    weights = drawn.integers(-8, 8, (filters, rows, 1, 1)).astype(np.int16)
    conv = replace(plain.layers[1], weights=lambda: weights)
    inputs = drawn.integers(0, 16, (images, rows, 1, windows)).astype(np.uint8)
    return replace(plain, layers=(plain.layers[0], conv), activations={"conv": inputs}, manifest={"images": images})


def conducted(packed, geometry):
    """The definition, cell by cell."""
    cells = np.zeros((len(packed.stream.vectors()), packed.crossbars), np.int64)
    for block in packed.blocks:
        held = block.contents().cells
        for window, vector in enumerate(packed.stream.vectors().tolist()):
            for row, of in enumerate(block.inputs.tolist()):
                steps = sum(vector[of] >> k & (1 << geometry.dac_bits) - 1
                            for k in range(0, packed.layer.input_bits, geometry.dac_bits))
                cells[window, block.crossbar] += steps * int(np.abs(held[row]).sum())
    return cells


@pytest.mark.parametrize(("dac_bits", "name"), [(1, "dense"), (2, "dense"), (1, "meng"), (4, "huai")])
def test_cells_and_rows_by_definition(dac_bits, name):
    net, geometry = network(150, 20, 3, 2), Geometry(64, 32, 2, dac_bits=dac_bits, unit_column=True)
    layer, path = net.layers[1], registry.datapath(name)
    unit = registry.sensed(load("isaac_like", Architecture))
    packed = pack(layer, path, geometry, unit, stream(net, layer, geometry))
    found = Levels(packed, geometry)
    assert (found.cells == conducted(packed, geometry)).all()
    digits = sum(packed.stream.vectors().astype(int) >> k & (1 << dac_bits) - 1 for k in range(0, 4, dac_bits))
    assert found.rows.sum(axis=0).tolist() == [
        digits[:, np.unique(np.concatenate([b.inputs for b in packed.blocks if b.crossbar == n]))].sum()
        for n in range(packed.crossbars)]


def test_a_run_pays_for_what_conducts_in_each_image():
    """Energy of the array per image: the price times the levels of all windows, of two images."""
    net = network(100, 30, 4, 2)
    result = isaac(net, images=2, more=BY_VALUE)
    architecture = load("isaac_like", Architecture, BY_VALUE)
    geometry = Geometry.of(architecture.crossbar)
    layer = net.layers[1]
    packed = pack(layer, registry.datapath("dense"), geometry, registry.sensed(architecture),
                  stream(net, layer, geometry))
    expected = int(Levels(packed, geometry).cells.sum()) * architecture.components["crossbar"].energy_aj
    assert result.ledger.by_component()["crossbar"] == expected // 2


def test_without_stored_inputs_it_is_refused():
    with pytest.raises(InputError, match="stores none of layer conv"):
        isaac(single(100, 30, 4), more=BY_VALUE)
