"""PipeLayer's printed density and its mapping examples (Song et al., HPCA 2017)."""

import numpy as np
import pytest
from rigs import single

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.machine.machine import Machine
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer

PIPELAYER = load("pipelayer_like", Architecture)


def test_density_and_area():
    plate = nameplate(PIPELAYER)
    assert plate.area_mm2 == pytest.approx(82.63, rel=0.001)
    assert plate.gops_per_mm2 == pytest.approx(1485, rel=0.005)


def test_the_printed_efficiency_does_not_follow():
    """1,485 GOPS/s/mm² on 82.63 mm² at 142.9 GOPS/W would draw 859 W; reading alone draws about 33."""
    plate = nameplate(PIPELAYER)
    assert pytest.approx(859, rel=0.001) == 1485 * 82.63 / 142.9
    spikes = PIPELAYER.crossbars * 128 * 1.08e-12 / 29.31e-9
    assert spikes == pytest.approx(33.05, rel=0.001) and plate.power_w < 859 / 10


@pytest.mark.parametrize(("copies", "cycles"), [(1, 12_544), (4, 3_136), (5, 2_509)])
def test_mapping_examples(copies, cycles):
    """A 1152 x 256 matrix takes 18 arrays; 112 x 112 outputs take 12,544 of G = 1 and ceil(12,544 / G) of G copies."""
    shape = (128, 112, 112)
    layer = Layer(name="conv", op="conv", inputs=("input",), in_shape=shape, out_shape=(256, 112, 112), kernel=(3, 3),
                  padding=(1, 1), weight_bits=4, input_bits=4, output_bits=4,
                  weights=lambda: np.ones((256, 128, 3, 3), np.int8))
    packed = registry.datapath("dense").pack(layer, Machine(PIPELAYER).geometry)
    assert len(packed) == 18 and layer.windows == 12_544 and -(-layer.windows // copies) == cycles


def test_a_read_is_a_spike_and_nothing_is_converted():
    run = xbarch.execute(PIPELAYER, single(128, 16, 2), policy="one_copy", images=1)
    assert run.packed["conv"].occupancy.tolist() == [16 * 29_310]
    actions = run.ledger.by_action()
    assert "conversion" not in actions and actions["fire"] > 0
    assert run.ledger.by_action()["row_drive"] == 2 * 16 * 128


def test_it_is_isaacs_machine_without_converters():
    assert {"adc", "dac", "sample_hold"} & set(PIPELAYER.components) == set()
    assert PIPELAYER.crossbar.sensing.unit == "integrate_fire"
