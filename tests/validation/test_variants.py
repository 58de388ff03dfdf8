"""Machines of ISAAC's chip with other arrays, against arithmetic from their published parts."""

import pytest

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load


@pytest.mark.parametrize("name, step_ns, reads, adc_pj", [
    ("sre_like", 15.36, 64, 0.5354),   # 8 x 8 units of 16 x 16; 0.6425 mW at 1.2 GS/s
    ("forms_like", 15.24, 16, 0.2262),  # 16 fragments of 8 rows; 15.2 mW for 32 at 2.1 GS/s
])
def test_times_and_prices(name, step_ns, reads, adc_pj):
    """A whole crossbar takes its units' reads one after another; the converter's energy is power over rate."""
    a = load(name, Architecture)
    assert a.components["adc"].energy_aj / 1e6 == pytest.approx(adc_pj, rel=1e-3)
    operations = 2 * 128 * (128 // 8) * a.crossbars
    assert nameplate(a).tops == pytest.approx(operations / (16 * reads * step_ns * 1e-9) / 1e12, rel=1e-6)
    done = xbarch.execute(name, "resnet18_pruned", datapath="dense", images=1, options={"sign": "differential"})
    layer = done.packed["layer1.0.conv1"]  # 576 rows: four full row blocks, and one of 64; 4-bit inputs
    full = max(layer.occupancy.tolist())
    assert full == round(4 * reads * step_ns * 1000)
    assert layer.occupancy.min() == full // 2


@pytest.mark.quick(1)
@pytest.mark.parametrize("sign", ["offset", "differential", "twos"])
def test_six_bits_are_enough_for_units_of_sixteen_rows(sign):
    rows = xbarch.verify("sre_like", "vgg7_pruned", datapath="dense", options={"sign": sign})
    assert not any(r["mismatches"] or r["clips"] for r in rows) and all(r["max_sum"] <= 48 for r in rows)
