"""Newton (Nag et al., IEEE Micro 2018, arXiv 1803.06913) from public text, as an architecture's file and a plugin,
against what it prints of itself over ISAAC: 77 % less power, 51 % better energy efficiency, 2.2 times the throughput
per area; peaks of 0.92 TOPS/W and 0.68 TOPS/mm2 (as a later survey quotes them). The paper's own tables were not at
hand: composition of its IMA, its network on tile and the rates of its classifier tiles are assumed here.

=====================  ===========  ==========================  =====================================================
step                   printed      here                        why
=====================  ===========  ==========================  =====================================================
adaptive converters    -40 % (1)    -27.8 %                     the table's own sum: 832 of 1,152 bits; a figure of
                                                                40 % does not follow from it
classifier tiles,      -77 %        -73 %, VGG-16 at 16 bits,   within 20 %, where tiles are as many as hold one copy;
power                               one copy of each layer      the share of classifier tiles decides it
throughput per area    2.2          1.38                        not reproduced: 3 of the 5 techniques are missing
energy an operation    -51 %        +13 %                       not reproduced: 9 bits at 2.58 pJ, of which 72 % are
                                                                decided, cost 1.87 pJ; ISAAC's 8 bits, by columns
                                                                stored flipped, 1.56 pJ
peak of a conv tile    0.92, 0.68   0.71 TOPS/W, 0.78 TOPS/mm2  -23 % and +15 %, without links out of the chip
=====================  ===========  ==========================  =====================================================

(1) by a comment in the Accelergy library, not seen in the paper.

What the missing steps would take. Karatsuba: three products of halves in place of four, 8 of 8, 8 of 8 and 9 of 9 bits,
109 reads of 128 and 13 crossbars for 8; blocks would have to be driven by sums and halves of inputs, which no decode
list says, so that its -15 % of conversions is arithmetic alone. Strassen's product of matrices: the same with sums of
blocks of inputs. Constrained mapping: a narrower network inside the tile, of which ISAAC's Table I prints no part.
Buffers of 16 KB: one layer's lines spread over its tiles; here each tile keeps a layer's lines whole, so the runs below
take 64 KB, and the prices of 16 KB stand in the nameplates alone.
"""

from fractions import Fraction
from pathlib import Path

import pytest
from outside.newton import newton

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.cost.pricing import reprice
from xbarch.plugins import registry
from xbarch.result.record import record
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.tile_kinds import kinds

PLUGIN = Path(newton.__file__)
MACHINE = PLUGIN.with_name("newton.yaml")
VGG = "{kind: synthetic, network: vgg16_imagenet, weight_bits: 16, input_bits: 16, seed: 1, description: a test}\n"
WIDE = ["hierarchy.tiles=1200", "network.options={width: 30, height: 10, concentration: 4}"]


@pytest.fixture(autouse=True)
def _known():
    registry.load_file(PLUGIN)


def tiles():
    """The nameplate of ISAAC's tile, and of each kind of Newton's."""
    found = {name: nameplate(reprice(part)) for name, part in kinds(load(MACHINE, Architecture)).items()}
    return nameplate(reprice(load("isaac_like", Architecture))), found["conv"], found["classifier"]


def test_it_is_short():
    assert all(len(file.read_text().splitlines()) <= 80 for file in (MACHINE, PLUGIN))


def test_the_table_decides_as_many_bits_as_its_sum():
    assert newton.TABLE.shape == (16, 8) and newton.TABLE.max() == 9
    assert newton.TABLE.sum() == 832 and 1 - 832 / (9 * newton.TABLE.size) == pytest.approx(0.2778, abs=1e-4)


def test_a_conversion_costs_the_bits_that_it_decides():
    """Of 16 bits by 16 the mean of the table, else all nine; the image has 8 bits."""
    run = xbarch.execute(MACHINE, "vgg7_pruned", datapath="dense", bits=16, images=1, engine="fast")
    seen = set()
    for name, packed in run.packed.items():
        kind, whole = run.machine.on[name], packed.layer.input_bits == 16
        done = run.ledger.actions[name, f"conversion@{kind}"]
        bits = run.ledger.actions[name, f"conversion_bit@{kind}"]
        assert bits == pytest.approx(done * (6.5 if whole else 9), rel=1e-4)
        assert run.ledger.energy[name, "adc"] == pytest.approx(bits * 287_037, rel=1e-6)
        seen.add(whole)
    assert seen == {True, False}


def test_the_peak_of_a_tile():
    """A conv tile does 16 / 12 of the work of ISAAC's."""
    isaac, conv, _ = tiles()
    made = load(MACHINE, Architecture)
    gops = 1000 * conv.tops / made.kinds["conv"].tiles
    assert gops == pytest.approx(1000 * isaac.tops / 168 * 16 / 12)
    assert gops / 1000 / conv.tile_power_w == pytest.approx(0.92, rel=0.25)
    assert gops / 1000 / conv.tile_area_mm2 == pytest.approx(0.68, rel=0.2)
    karatsuba = Fraction(8 * 4 + 8 * 4 + 9 * 5, 8 * 16)
    assert karatsuba == Fraction(109, 128)


@pytest.mark.full
def test_vgg_16_on_both(tmp_path):
    """One copy of each layer; power by nameplate of the tiles in use, which are those of the prices above."""
    recipe = tmp_path / "vgg16.yaml"
    recipe.write_text(VGG)
    both = {"policy": "one_copy", "images": 1, "datapath": "dense", "engine": "fast"}
    isaac = xbarch.execute("isaac_like", recipe, overrides=WIDE, **both)
    made = xbarch.execute(MACHINE, recipe, overrides=["buffer.size=64 KB"], **both)
    assert {layer for layer, kind in made.machine.on.items() if kind == "classifier"} == {"fc6", "fc7", "fc8"}
    old, conv, classifier = tiles()
    used = made.plan.kinds
    power, area = (used["conv"] * getattr(conv, key) + used["classifier"] * getattr(classifier, key)
                   for key in ("tile_power_w", "tile_area_mm2"))
    assert 1 - power / (isaac.plan.tiles * old.tile_power_w) == pytest.approx(0.77, rel=0.2)
    slower = made.steady.first_image_ps / isaac.steady.first_image_ps
    gain = isaac.plan.tiles * old.tile_area_mm2 / area / slower
    assert 1 < gain < 0.8 * 2.2  # printed: 2.2, which is not reproduced
    adc = made.ledger.by_component()["adc"] / isaac.ledger.by_component()["adc"]
    assert adc == pytest.approx(2.5833 * 832 / 1152 / 1.5625, rel=0.01)
    old, new = (record(run).energy.scopes_aj.compute for run in (isaac, made))
    share = isaac.ledger.by_component()["adc"] / old
    assert new / old == pytest.approx(1 + share * (adc - 1), rel=0.01)  # the converters alone make the difference
