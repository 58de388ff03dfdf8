"""Machines of other dataflows than ISAAC's, as outside authors write them: files of 80 lines at most, nothing bundled.
Each prints what its paper prints, or the test takes the difference apart."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.plugins.registry import Registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer, Workload

HERE = Path(__file__).parent
TIMELY, HERMES, TREES = (HERE / name / f"{name}.yaml" for name in ("timely", "hermes", "adder_trees"))
PYTHON = TIMELY.with_suffix(".py"), TREES.with_suffix(".py")
RESNET = "{kind: synthetic, network: resnet18_imagenet, weight_bits: 8, input_bits: 8, description: a test}\n"


@contextmanager
def outside():
    """The units that come with the machines."""
    with Registry().active():
        for file in PYTHON:
            registry.load_file(file)
        yield


@pytest.fixture(autouse=True)
def plugins():
    with outside():
        yield


def product(rows, filters, windows, weight_bits, input_bits):
    """A 1 x 1 convolution."""
    shape = (rows, 1, windows)
    return Workload(name="product", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=input_bits),
        Layer(name="conv", op="conv", inputs=("input",), in_shape=shape, out_shape=(filters, 1, windows),
              weight_bits=weight_bits, input_bits=input_bits, output_bits=input_bits,
              weights=lambda: np.ones((filters, rows, 1, 1), np.int16))))


def peak(file, weight_bits, input_bits):
    return nameplate(load(file, Architecture), weight_bits, input_bits)


@pytest.mark.parametrize("file", [TIMELY, HERMES, TREES, *PYTHON], ids=lambda file: file.name)
def test_an_author_writes_80_lines(file):
    assert len(file.read_text().splitlines()) <= 80


# -- TIMELY: inputs read once, analog sums over sixteen crossbars ------------------------------------------------------

def test_timelys_density():
    """Printed: 38.33 TOPS/mm2 on 91 mm2. With 4 columns a weight, a product in 200 ns and 2 operations a MAC it is
    36.6 (-4.6 %); the paper does not print the product's time."""
    found = peak(TIMELY, 8, 8)
    assert found.area_mm2 == pytest.approx(91, rel=0.01)
    assert found.tops / found.area_mm2 == pytest.approx(38.33, rel=0.15)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """ResNet-18 at 224 x 224, a copy of each layer, on ISAAC and on TIMELY."""
    recipe = tmp_path_factory.mktemp("recipe") / "resnet.yaml"
    recipe.write_text(RESNET)
    with outside():
        return [xbarch.execute(arch, recipe, policy="one_copy", images=1) for arch in ("isaac_8bit", TIMELY)]


def test_timelys_gain_over_isaac(runs):
    """Printed: 6.90 TOPS/W at 16 bits, 11.0 times ISAAC's corrected 0.6275 (Shafiee et al., October 2016). On the
    layers with weights of ResNet-18, 8 bits: 10.5 times. On the whole network it is 5.3 times. The rest goes into I/O
    buffers, of which a word costs 12 (read) to 29 times (written) ISAAC's and has half the bits: pooling and shortcuts
    read their windows whole, and a pixel of three bytes fills a word of 16 when it comes in."""
    isaac, timely = (run.ledger.by_layer(("compute",)) for run in runs)
    weighted = runs[0].packed
    gain = sum(isaac[n] for n in weighted) / sum(timely[n] for n in weighted)
    assert gain == pytest.approx(11.0, rel=0.25)
    assert sum(isaac.values()) / sum(timely.values()) == pytest.approx(5.3, abs=0.1)
    words = {key: count for key, count in runs[1].ledger.actions.items() if key[1].startswith("edram")}
    elsewhere = sum(count * {"edram_read": 203.776, "edram_write": 496.6}[action] * 10**6
                    for (layer, action), count in words.items() if layer not in weighted)
    assert elsewhere / (sum(timely.values()) - sum(timely[n] for n in weighted)) > 0.98


def test_timely_reads_inputs_once(runs):
    """Words of 16 bytes: those of the input map, but what a stride of two skips."""
    run = runs[1]
    for name, packed in run.packed.items():
        layer = packed.layer
        if layer.op == "conv" and layer.in_shape[0] % 16 == 0:
            _, height, width = layer.in_shape
            skipped = 4 if layer.kernel == (1, 1) and layer.stride == (2, 2) else 1
            assert run.ledger.actions[name, "edram_read"] == layer.in_shape[0] * height * width // 16 // skipped


def test_timely_converts_a_sixteenth(runs):
    """Sums of sixteen crossbars are converted together: conversions per MAC."""
    macs = sum(p.layer.macs for p in runs[1].packed.values())
    for run, least, most in ((runs[0], 0.25, 0.28), (runs[1], 2 / 4096, 0.004)):
        assert least <= run.ledger.by_action()["conversion"] / macs <= most


# -- HERMES: a converter per column, sums that never leave a core ------------------------------------------------------

def test_hermes_peak_simulated():
    """Printed: 63.1 TOPS of 64 cores. At the core paper's 130 ns a product it is 64.5 (+2.3 %; 63.1 TOPS are 133 ns),
    and a run reaches it where neither buses, links nor the images' arrival bind."""
    assert peak(HERMES, 4, 8).tops == pytest.approx(63.1, rel=0.03)
    run = xbarch.execute(HERMES, product(256, 256, 64 * 30, 4, 8), policy="chip", images=1, overrides=[
        "off_chip.bandwidth=1000 GB/s", *(f"{part}.ideal=true" for part in ("buffer", "bus", "network", "off_chip"))])
    assert run.plan.copies["conv"] == 64
    done = np.sort(run.trace.done[1])
    rate = 64 * 20 / (done[64 * 25 - 1] - done[64 * 5 - 1])  # of windows, per ps
    assert 2 * 256 * 256 * rate == pytest.approx(63.1, rel=0.03)
    assert not {"merge_add", "tile_or_access"} & run.ledger.by_action().keys()


def test_hermes_merges_nothing():
    with pytest.raises(InputError, match="layer conv has 32 partial sums for 16 outputs in a copy, and hermes has no "
                       "stage that merges them") as error:
        xbarch.simulate(HERMES, product(257, 16, 5, 4, 8))
    assert error.value.line == next(n for n, line in enumerate(HERMES.read_text().splitlines(), 1) if "stages:" in line)


# -- sums in the array, digital ----------------------------------------------------------------------------------------

def test_adder_trees_efficiency():
    """Printed: 89 TOPS/W at 4 x 4 bits. The energy of a cycle is the survey's, so this checks the counting: four cycles
    of 256 columns for 2 x 256 x 64 operations."""
    run = xbarch.execute(TREES, product(256, 64, 100, 4, 4), policy="one_copy", images=1)
    energy = run.ledger.by_component()["macro"]
    assert 2 * 256 * 64 * 100 / (energy / 10**18) / 10**12 == pytest.approx(89, rel=0.01)
    assert peak(TREES, 4, 4).tops / 64 == pytest.approx(13.11 / 16, rel=0.01)  # of a macro; the survey has 1 x 1 bit
    assert not any(action.startswith(("edram", "conversion")) for action in run.ledger.by_action())


def test_adder_trees_are_exact():
    rows = xbarch.verify(TREES, "vgg7_pruned", datapath="dense")
    assert rows and not any(row["mismatches"] or row["clips"] for row in rows)
