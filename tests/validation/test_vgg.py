"""VGG on ISAAC in 16 bits: crossbars, copies and rate by closed form, and by simulation where nothing but crossbars
binds (Shafiee et al., ISCA 2016, replication for a balanced pipeline)."""

from fractions import Fraction
from math import ceil

import pytest

import xbarch
from xbarch.mapping.copies import Demand, balance
from xbarch.mapping.traffic import traffic
from xbarch.workload.zoo import synthetic

CHIPS = 5
IDEAL = ("off_chip.ideal=true", "bus.ideal=true", "network.ideal=true", "buffer.ideal=true", "buffer.size=8 MB")
VGG11 = [  # rows and filters of every layer, and its windows: 3 x 3 kernels on 224 x 224 pixels, halved by each pooling
    (27, 64, 224**2), (576, 128, 112**2), (1152, 256, 56**2), (2304, 256, 56**2), (2304, 512, 28**2),
    (4608, 512, 28**2), (4608, 512, 14**2), (4608, 512, 14**2), (25_088, 4096, 1), (4096, 4096, 1), (4096, 1000, 1)]


@pytest.fixture(scope="module")
def run():
    return xbarch.execute("isaac_like", synthetic("vgg11", "vgg11_imagenet", 16, 16), policy="chip", chips=CHIPS,
                          images=2, engine="fast", overrides=IDEAL)


@pytest.mark.full
def test_crossbars_of_one_copy(run):
    """Rows in 128s, eight cells per weight in 128 columns."""
    want = [ceil(rows / 128) * ceil(filters * 8 / 128) for rows, filters, _ in VGG11]
    assert [p.crossbars for p in run.packed.values()] == want and sum(want) == 64_892


@pytest.mark.full
def test_copies_of_a_balanced_first_layer(run):
    """More than 50,000 (the paper's word) where every layer gives an image's last window at once."""
    demands = [Demand(n, p.crossbars, p.layer.windows, p.mean_occupancy) for n, p in run.packed.items()]
    assert balance(demands, sum(d.crossbars * d.windows for d in demands)) == [n for _, _, n in VGG11]
    assert demands[0].windows == 50_176


def test_rate_by_closed_form_and_simulated(run):
    """Windows times 16 slots of 100 ns over the copies of the slowest layer; within 1 %."""
    slowest = max(Fraction(windows * 1_600_000, run.plan.copies[name])
                  for name, (_, _, windows) in zip(run.packed, VGG11, strict=True))
    assert float(run.steady.interval_ps / slowest) == pytest.approx(1, abs=0.01)


@pytest.mark.full
def test_stripes_keep_up_with_isaacs_buffers_and_links():
    """VGG-16 on five chips with 64 KB, eDRAM ports, buses, mesh and off-chip links: at least 80 % of the crossbars'
    closed form, and no link of a chip carries more than the 3.2 GB/s that ISAAC's schedule needs at most."""
    run = xbarch.execute("isaac_like", synthetic("vgg16", "vgg16_imagenet", 16, 16), policy="chip", chips=CHIPS,
                         images=2, replication="stripes_by_layer")
    slowest = max(Fraction(p.layer.windows) * p.mean_occupancy / run.plan.copies[n] for n, p in run.packed.items())
    assert slowest / run.steady.interval_ps >= Fraction(8, 10)
    loads = run.machine.network.loads(traffic(run.workload, run.packed, run.plan, run.machine.sum_bits))
    most = max(bits for (a, b), bits in loads.items() if a[0] == b[0])
    assert most / 8 / float(run.steady.interval_ps) * 1e3 <= 3.2  # bytes a ps are TB/s
