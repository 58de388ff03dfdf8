"""PRIME's printed structure and counts (Chi et al., ISCA 2016); power and area only as later papers give them."""

from dataclasses import replace

import numpy as np
import pytest

import xbarch
from xbarch.cost.nameplate import nameplate, window
from xbarch.datapaths.dense import Dense
from xbarch.errors import InputError
from xbarch.machine.machine import Machine
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer, Workload

PRIME = load("prime_like", Architecture)
ARRAY = Workload(name="array", layers=(  # one pair of mats full of 8-bit weights, four windows of 6-bit inputs
    Layer(name="input", op="input", inputs=(), in_shape=(256, 1, 4), out_shape=(256, 1, 4), output_bits=6),
    Layer(name="conv", op="conv", inputs=("input",), in_shape=(256, 1, 4), out_shape=(128, 1, 4), weight_bits=8,
          input_bits=6, weights=lambda: np.ones((128, 256, 1, 1), np.int8))))


def linear(inputs, outputs, weight_bits=8, input_bits=6):
    return Layer(name="fc", op="linear", inputs=("input",), in_shape=(inputs, 1, 1), out_shape=(outputs, 1, 1),
                 weight_bits=weight_bits, input_bits=input_bits)


def test_structure():
    """Section V-A: 64 banks of two FF subarrays, mats of 256 x 256 cells, eight amplifiers of 32 columns each."""
    h, x = PRIME.hierarchy, PRIME.crossbar
    assert (h.tiles, h.tiles * h.imas_per_tile, x.rows, x.columns, x.cell_bits) == (8 * 8, 128, 256, 256, 4)
    assert (x.dac_bits, x.adc_bits, x.columns // int(x.adcs_per_crossbar)) == (3, 6, 32)
    assert PRIME.buffer.size == 16 * 2**30 * 8 // (8 * 8 * 64)  # 16 GB over chips, banks, subarrays


def test_largest_network():
    """Section IV-B1: about 2.7e8 synapses, of two cells in each of two mats; 128 mats a subarray follow from it."""
    cells = 2 * PRIME.crossbars * 256 * 256
    assert cells / 4 == 64 * 2 * 64 * 256 * 128 == pytest.approx(2.7e8, rel=0.006)


def test_mapping():
    """Section IV-B1 splits 512 x 512 into four parts of 256 x 256: as many pairs of mats where a cell holds a weight;
    twice as many with the two cells of an 8-bit weight, which that example leaves aside."""
    geometry = Machine(PRIME).geometry
    crossbars = [len({b.crossbar for b in Dense().pack(linear(512, 512, bits), geometry)}) for bits in (4, 8)]
    assert crossbars == [4, 8]
    assert len(Dense().pack(linear(256, 128), geometry)) == 1


def test_conversions_of_a_mac():
    """Section III-D1: of four partial sums three have bits in the result, so three conversions for 256 MACs, not four;
    the paper does not say that the fourth is left out, but it has -1 bits."""
    run = xbarch.execute("prime_like", ARRAY, policy="one_copy", images=1)
    macs = 4 * 256 * 128
    assert run.ledger.by_action()["conversion"] == macs * 3 // 256
    assert run.ledger.by_action()["row_drive"] == 4 * 2 * 256  # two phases
    assert run.packed["conv"].occupancy.tolist() == [2 * (9_800 + 32 * 19 * 1_876)]
    low = xbarch.execute("prime_like", ARRAY, policy="one_copy", images=1,
                         overrides=["crossbar.sensing.options={keeps: low}"])
    assert low.ledger.by_action()["conversion"] == macs * 4 // 256
    assert low.packed["conv"].occupancy.tolist() == [2 * (9_800 + 32 * 64 * 1_876)]


def test_signs_cost_no_conversion():
    """Section III-A: differences are sensed. Without subtraction an offset's unit column is converted beside."""
    one, other = (xbarch.execute("prime_like", ARRAY, policy="one_copy", images=1, overrides=o)
                  for o in ([], ["crossbar.subtraction=none", "crossbar.unit_column=true"]))
    assert [len(r.packed["conv"].blocks) for r in (one, other)] == [1, 1]
    assert other.ledger.by_action()["conversion"] == 4 * -(-2 * 257 * 3 // 4) > one.ledger.by_action()["conversion"]


def test_efficiency_of_later_papers():
    """By construction: 2.10 TOPS/W and 1.23 TOPS/mm^2 at 8 bits (Li et al., TIMELY, ISCA 2020), all parts together."""
    n = nameplate(PRIME, 8, 8)
    assert n.gops_per_w == pytest.approx(2100, rel=1e-3) and n.gops_per_mm2 == pytest.approx(1230, rel=1e-3)
    assert abs(38.33 / 31.2 / 1.23 - 1) < 2e-3  # TIMELY's density over its gain
    steps = (0 + 0 + 2**2 + 2**1 + 2**4 + 2**6) / 6       # a mean of digits and phases at 8 bits
    assert window(PRIME, 8, 8) == pytest.approx(3 * (9_800 + 32 * steps * 1_876), abs=3)


def test_area_shares_are_those_of_a_mat():
    """Figure 12: drivers 11 + 23 %, amplifiers, subtraction and sigmoid 15 + 29 %, the rest 6 + 8 + 8 %."""
    areas = {name: PRIME.components[name].area for name in ("driver", "amplifier", "crossbar")}
    whole = sum(areas.values())
    assert [round(100 * a / whole, 1) for a in areas.values()] == [34, 44, 22]
    assert whole == sum(c.area for c in PRIME.components.values() if c.when is None)


def test_ratios_to_the_npu_are_the_papers_own():
    """Figures 8 and 10: 11,800 over 5.0 and 10,834 over 12.1 of the means over a CPU."""
    assert 11_800 / 5.0 == 2360 and round(10_834 / 12.1) == 895


@pytest.mark.parametrize("seed", range(3))
def test_a_random_layer_is_lossy_but_near(seed):
    """The highest six bits of a result: an output of one array is too small by less than two lowest steps of each of
    the partial sums (the fourth's below one step as a whole), and exact without losses."""
    rng = np.random.default_rng(seed)
    weights, x = rng.integers(-128, 128, (128, 256, 1, 1)), rng.integers(0, 64, (3, 256, 1, 1))
    x[0] = 63
    layer = replace(linear(256, 128), weights=lambda: weights)
    network = Workload(
        name="net",
        layers=(Layer(name="input", op="input", inputs=(), in_shape=(256, 1, 1), out_shape=(256, 1, 1)), layer),
        activations={"fc": x})
    row, = xbarch.verify("prime_like", network)
    assert row["drops"] > 0 and row["clips"] == 0 and 0 < row["error"] <= 1
    right = np.abs(x.reshape(3, 256) @ weights.reshape(128, 256).T)
    assert row["error"] * right.sum() < 4 * right.size * 2**16
    exact, = xbarch.verify("prime_like", network, lossless=True)
    assert exact["mismatches"] == exact["drops"] == exact["clips"] == 0


@pytest.mark.full
def test_loss_falls_with_headroom_until_sums_saturate():
    """A trained network reaches a small part of the full scale: eight images' worth of error in each setting."""
    errors = []
    for headroom in (0, 3, 6, 10):
        rows = xbarch.verify("prime_like", "vgg7_pruned", datapath="dense",
                             overrides=[f"crossbar.sensing.options={{headroom: {headroom}}}"])
        errors.append(np.mean([r["error"] for r in rows]))
    assert errors[0] > 0.9 and errors[2] < 0.06 and errors[2] < errors[1] < errors[0] and errors[3] > errors[2]


def test_precision_is_bounded():
    with pytest.raises(InputError, match="weight_bits: must be at most 8 on prime_like, not 16 as in layer fc"):
        xbarch.simulate("prime_like", Workload(
            name="net", layers=(Layer(name="input", op="input", inputs=(), in_shape=(4, 1, 1), out_shape=(4, 1, 1)),
                    linear(4, 2, 16))), images=1)


def test_a_method_that_needs_few_bits_does_not_make_amplifiers_lose_more():
    """TinyADC guarantees sums of few bits, which converters that saturate can have; the highest bits are others."""
    layer = replace(linear(256, 16, 4, 4), weights=lambda: np.eye(16, 256, dtype=np.int8).reshape(16, 256, 1, 1),
                    mask=lambda: np.eye(16, 256, dtype=bool).reshape(16, 256, 1, 1))
    network = Workload(
        name="net",
        layers=(Layer(name="input", op="input", inputs=(), in_shape=(256, 1, 1), out_shape=(256, 1, 1)), layer))
    path = registry.datapath("tinyadc")
    needed = path.adc_bits(layer, replace(Machine(PRIME).geometry, dac_bits=1))
    found = [xbarch.execute("prime_like", network, datapath="tinyadc", policy="one_copy", images=1, overrides=[
        "crossbar.dac_bits=1", f"crossbar.sensing.options={{keeps: {keeps}}}"]).machine.geometry.adc_bits
        for keeps in ("high", "low")]
    assert found == [6, needed] and needed < 6
