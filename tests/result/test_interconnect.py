"""Links and tiles of a record, and the picture of the chip."""

import copy
import json
from fractions import Fraction

import pytest
from rigs import isaac, single

import xbarch
from xbarch import run
from xbarch.mapping.pack import dense_crossbars
from xbarch.mapping.plan import plan
from xbarch.mapping.traffic import traffic
from xbarch.request import Request
from xbarch.result.record import record
from xbarch.result.result import read


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "vgg7_pruned", policy="crossbars:4", images=3)


def test_links_of_a_run(result):
    net, seconds = result["interconnect"], result["latency.pipeline_interval_ps"] / 1e12
    assert len(net["links"]) == 142 and net["link_gbs"] == 4.0  # 71 both ways; 32 bits at 1 GHz
    assert len({link["name"] for link in net["links"]}) == 142
    for link in net["links"]:
        assert link["need_gbs"] == pytest.approx(link["bits"] / seconds / 8e9, rel=1e-4)
        assert link["need_gbs"] <= 4.0 * link["busy"] * (1 + 1e-9)  # flits are whole
    most = max(net["links"], key=lambda link: link["busy"])
    assert net["busiest"] == {k: most[k] for k in ("name", "busy", "need_gbs")} and most["busy"] > 0
    assert 0 <= net["bit_hops"] - sum(link["bits"] for link in net["links"]) < 142  # each is rounded down


def test_tiles_of_a_run(result):
    tiles = result["interconnect.tiles"]
    assert sum(t["crossbars"] for t in tiles) == result["mapping.crossbars"]
    assert len(tiles) == result["mapping.tiles"]
    assert all(0 <= t["crossbars"] <= 96 and 0 <= t["busy"] <= 1 for t in tiles)
    busy = sum(96 * t["busy"] for t in tiles)  # a part is held no longer than its copy's slowest crossbar
    most = sum(m["busy"] * m["crossbars"] * m["copies"] for m in result["mapping.layers"])
    assert 0.5 * most < busy <= most * (1 + 1e-9)


def test_one_layer_by_hand():
    """512 channels of 16 bits come from the gate, router (0, 0), to the one tile there: no link is crossed. Where the
    layer fills five tiles, each pixel goes to the second router too, over one link."""
    done = isaac(single(512, 32, 600), images=1, ideal=("off_chip", "network"))
    net = record(done).document()["interconnect"]
    assert net["bit_hops"] == 0 and net["busiest"]["busy"] == 0
    interval = float(done.steady.interval_ps)
    assert net["tiles"] == [{"tile": 0, "crossbars": 96, "busy": pytest.approx(600 * 16 * 100_000 / 12 / interval)}]
    far = isaac(single(512, 32 * 12 * 5, 4), policy="one_copy", images=1, ideal=("off_chip",))
    net, seconds = record(far).document()["interconnect"], float(far.steady.interval_ps) / 1e12
    assert len(net["tiles"]) == 5  # one beyond the four of the first router
    assert net["bit_hops"] == 4 * 512 * 16
    assert net["busiest"] == {"name": "0:0,0-1,0", "busy": pytest.approx(4 * 256e-9 / seconds),
                              "need_gbs": pytest.approx(4 * 1024 / seconds / 1e9)}


def test_an_ideal_mesh_needs_the_same(result):
    free = xbarch.simulate("isaac_like", "vgg7_pruned", policy="crossbars:4", images=3,
                           overrides=["network.ideal=true"])
    bits = [[link["bits"] for link in r["interconnect.links"]] for r in (result, free)]
    assert bits[0] == bits[1] and free["interconnect.bit_hops"] == result["interconnect.bit_hops"]


def isaac_peaks(policy, chips):
    """(largest need of a mesh link in GB/s, interval in ps) of dense 16-bit VGG-16 at 224 x 224 at full rate of its
    crossbars, by closed form: a static schedule that nothing delays."""
    setup = run.prepare(Request(arch="isaac_like", workload="vgg16_imagenet_dense16", policy=policy, chips=chips))
    network, machine, packed = setup.network, setup.machine, run.pack_network(setup)
    paces = {la.name: machine.pace(la, packed.get(la.name)) for la in network.layers}
    made = plan(network, packed, paces, dense_crossbars(network, machine.geometry), machine.room(), policy)
    interval = max(Fraction(p.layer.windows) * p.mean_occupancy / made.copies[n] for n, p in packed.items())
    loads = machine.network.loads(traffic(network, packed, made, machine.sum_bits))
    return max(bits for (a, b), bits in loads.items() if a[0] == b[0]) * 125 / interval, interval


@pytest.mark.full
def test_isaacs_links():
    """ISAAC: no link needs more than 3.2 GB/s (Shafiee et al., ISCA 2016). It holds by far with one copy of each
    layer, whose interval is 50,176 windows of 16 slots of 100 ns. With copies on five full chips it does not: every
    tile of the second layer is sent all of the first's output, 50,176 x 64 words of 16 bits per image, which
    alone needs more as soon as an image takes less than 2.007 ms."""
    need, interval = isaac_peaks("one_copy", 5)
    assert interval == 50_176 * 16 * 100_000
    assert 0 < need < 0.2
    need, interval = isaac_peaks("chip", 5)
    one = Fraction(50_176 * 64 * 16 * 125)  # bits / ps in GB/s, times the interval
    assert interval < 2.007e9 and float(one / Fraction("3.2")) == pytest.approx(2.007e9, rel=1e-3)
    assert need >= one / interval > 3.2 and need > 4.0


@pytest.mark.parametrize(("field", "value"), [
    ("links", [{"name": "0:0,0->1,0", "bits": 1, "need_gbs": 0.0, "busy": 0.0, "line": []}]),
    ("links", [{"name": "0:0,0-1,0", "bits": -1, "need_gbs": 0.0, "busy": 0.0, "line": []}]),
    ("network", {"topology": "mesh", "shape": "a mesh", "tiles": 0, "spots": []}), ("link_gbs", None)])
def test_damaged_records_are_refused(result, tmp_path, field, value):
    data = copy.deepcopy(json.loads(result.to_json()))
    data["interconnect"][field] = value
    (tmp_path / "r.json").write_text(json.dumps(data))
    with pytest.raises(xbarch.errors.InputError, match=f"interconnect.{field}"):
        read(tmp_path / "r.json")
