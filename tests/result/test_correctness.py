"""Whether converters suffice: the bound against the blocks, what is seen against the slow executor."""

from dataclasses import replace

import numpy as np
import pytest
from rigs import fitted

import xbarch
from xbarch.conformance import draw
from xbarch.functional.execute import lossless_bits, run
from xbarch.functional.sums import seen
from xbarch.mapping import packings
from xbarch.mapping.layout import Layout
from xbarch.plugins import registry
from xbarch.result import correctness, words
from xbarch.support import cache
from xbarch.workload.graph import unroll


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(correctness, "_memory", type(correctness._memory)())


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", sorted(registry.datapaths()))
def test_bounds_and_sums_of_layers_drawn_at_random(name):
    path, rng = registry.datapath(name), np.random.default_rng(3)
    for _ in range(10):
        case = draw(rng, path)
        layer, geometry, blocks = case.layer, case.geometry, case.packed()
        assert geometry.lossless_bits(Layout.of(blocks).largest_sum(geometry)) == lossless_bits(blocks, geometry)
        images = rng.integers(0, 1 << layer.input_bits, (3, *layer.in_shape))
        found = seen(blocks, layer, geometry, images)
        x = np.concatenate([unroll(image, layer) for image in images])
        wide = run(blocks, layer, geometry, x, "lossless")
        assert found.bits == geometry.lossless_bits(wide.largest) and not found.drops
        assert found.bits <= geometry.lossless_bits(found.largest) <= lossless_bits(blocks, geometry)
        for bits in range(1, found.bits + 1):
            assert found.clips(bits) == run(blocks, layer, geometry, x, bits).clips


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", sorted(registry.datapaths()))
def test_no_packing_depends_on_the_resolution(name):
    """What was seen once serves converters of every resolution."""
    path, rng = registry.datapath(name), np.random.default_rng(9)
    for _ in range(4):
        case = draw(rng, path)
        few, many = (path.pack(case.layer, replace(case.geometry, adc_bits=bits)) for bits in (2, 14))
        for a, b in zip(few, many, strict=True):
            assert (a.crossbar, a.row0, a.col0, a.group, a.cap) == (b.crossbar, b.row0, b.col0, b.group, b.cap)
            one, other = a.contents(), b.contents()
            assert np.array_equal(a.inputs, b.inputs) and np.array_equal(one.cells, other.cells)
            assert np.array_equal(one.output, other.output) and np.array_equal(one.coefficient, other.coefficient)


def test_a_bound_that_fits_is_proof():
    found = xbarch.simulate("isaac_like", "vgg7_pruned", datapath="dense").correctness
    assert found.exact and found.proof == "bound" and found.clipped_share == 0 and not found.drops_low_bits
    assert [(la.adc_bits_built, la.adc_bits_seen, la.clipped_share) for la in found.layers] == [(8, None, 0)] * 8
    assert max(la.adc_bits_needed for la in found.layers) == 8  # columns more than half full are flipped


@pytest.mark.full
def test_short_converters_are_seen_to_clip():
    """The shares are those of `verify`, whose executor is the slow one."""
    machine = {"overrides": ("crossbar.adc_bits=5",), "datapath": "dense"}
    found = xbarch.simulate("isaac_like", "vgg7_pruned", **machine).correctness
    rows = xbarch.verify("isaac_like", "vgg7_pruned", **machine)
    assert not found.exact and found.proof == "stored activations"
    for layer, row in zip(found.layers, rows, strict=True):
        assert layer.adc_bits_built == row["adc_bits"] == 5
        assert layer.clipped_share * layer.conversions == pytest.approx(row["clips"])
        assert layer.adc_bits_seen == int(row["max_sum"]).bit_length() <= layer.adc_bits_needed
    clips, converted = sum(row["clips"] for row in rows), sum(la.conversions for la in found.layers)
    assert found.clipped_share == pytest.approx(clips / converted) and clips


@pytest.mark.full
def test_inputs_that_never_reach_the_bound_are_exact_as_far_as_seen():
    found = xbarch.simulate("isaac_like", "vgg7_pruned").correctness
    needed = max(la.adc_bits_needed for la in found.layers)
    bits = max(la.adc_bits_seen or 1 for la in found.layers)
    if found.proof == "bound":  # of the cells: short by a bit, the activations must decide
        found = xbarch.simulate("isaac_like", "vgg7_pruned", overrides=(f"crossbar.adc_bits={needed - 1}",)).correctness
        bits = max(la.adc_bits_seen for la in found.layers)
    assert found.proof == "stored activations" and found.exact == (bits <= found.layers[0].adc_bits_built)


@pytest.mark.full
def test_nothing_is_known_of_networks_without_stored_inputs():
    short = {"overrides": ("crossbar.adc_bits=4",)}
    found = xbarch.simulate("isaac_like", "vgg8_dense8", **short).correctness
    assert (found.exact, found.proof, found.clipped_share) == (False, "none", None)
    assert {(la.adc_bits_seen, la.clipped_share) for la in found.layers} == {(None, None)}


@pytest.mark.full
def test_low_bits_dropped_by_design():
    found = xbarch.simulate("prime_like", "vgg7_pruned", datapath="dense").correctness
    rows = xbarch.verify("prime_like", "vgg7_pruned", datapath="dense")
    assert found.drops_low_bits and not found.exact and sum(row["drops"] for row in rows)
    assert [la.clipped_share * la.conversions for la in found.layers] == pytest.approx([row["clips"] for row in rows])


@pytest.mark.full
def test_what_was_seen_is_kept_for_every_resolution(monkeypatch, tmp_path):
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path))
    monkeypatch.setenv(cache.VARIABLE, "100")
    monkeypatch.setattr(packings, "memo", packings.Memo(1))

    def shares(bits):
        found = xbarch.simulate("isaac_like", "vgg7_pruned", datapath="dense", overrides=(f"crossbar.adc_bits={bits}",))
        return [la.clipped_share for la in found.correctness.layers]

    first = shares(5)
    fresh = [shares(4), shares(6)]
    with monkeypatch.context() as patch:
        patch.setattr(correctness, "seen", None)  # nothing is driven again, neither from memory nor from the file
        assert shares(5) == first
        correctness._memory.clear()
        assert [shares(5), shares(4), shares(6)] == [first, *fresh]
    assert sum(fresh[0]) > sum(first) > sum(fresh[1])
    correctness._memory.clear()
    patched = [p for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_size < 10_000]
    for path in patched:
        path.write_bytes(b"damaged")
    assert shares(5) == first


@pytest.mark.full
def test_segments_together():
    """Every layer of every segment; all are exact, or the whole is not."""
    for bits, exact in ((8, True), (5, False)):
        found = xbarch.simulate("isaac_like", "vgg7_pruned", datapath="dense", reload=True, batch=4, policy="one_copy",
                                overrides=("hierarchy.tiles=1", f"crossbar.adc_bits={bits}"))
        assert len(found.segments) > 1 and found.correctness.exact == exact
        assert len(found.correctness.layers) >= 8 and (found.correctness.clipped_share == 0) == exact


def test_drops_count_as_lost():
    layers = xbarch.simulate("isaac_like", "vgg7_pruned", datapath="dense").correctness.layers
    known = [la.model_copy(update={"conversions": 10, "clipped_share": 0.0}) for la in layers]
    assert correctness.summed(known, "stored activations", True).exact
    assert not correctness.summed(known, "stored activations", True, 1).exact
    half = [replaced(known[0], 0.5), *known[1:]]
    assert correctness.summed(half, "stored activations", False).clipped_share == pytest.approx(0.5 / 8)


def replaced(layer, share):
    return layer.model_copy(update={"clipped_share": share})


@pytest.mark.full
def test_seen_of_amplifiers_is_that_of_the_slow_executor():
    from functional.test_fast_network import amplifier

    rng, path, lost = np.random.default_rng(5), registry.datapath("dense"), 0
    for _ in range(8):
        case = draw(rng, path)
        geometry = replace(case.geometry, adc_bits=int(rng.integers(2, 7)))
        unit = fitted(amplifier(geometry, headroom=2), case.layer)
        images = rng.integers(0, 1 << case.layer.input_bits, (2, *case.layer.in_shape))
        x = np.concatenate([unroll(image, case.layer) for image in images])
        right = run(case.packed(), case.layer, geometry, x, sensing=unit)
        found = seen(case.packed(), case.layer, geometry, images, unit)
        assert (found.clips(geometry.adc_bits), found.drops) == (right.clips, right.drops)
        lost += right.drops
    assert lost


def test_a_machine_with_noise_is_not_exact_by_design(call):
    """What is said of exactness is said of the ideal machine, in a result, its words and by verify."""
    noisy = ["noise.effects.programming.independent=0.1", "noise.full_scale=ideal"]
    sets = [word for each in noisy for word in ("--set", each)]
    workload = "digit_pairs/vgg7_xue_2bit"
    found = xbarch.simulate("isaac_like", workload, images=1, overrides=noisy)
    ideal = xbarch.simulate("isaac_like", workload, images=1)
    assert found.correctness.noise and "noise" not in ideal.data["correctness"]
    assert found.data["correctness"] == {**ideal.data["correctness"], "noise": True}
    assert "(noise on: exactness is of the ideal machine)" in words.correctness(found.correctness)
    assert "noise on" not in words.correctness(ideal.correctness)
    for more, said in ((sets, True), ([], False)):
        code, out, _ = call("verify", "-a", "isaac_like", "-w", workload, "--lossless", *more)
        assert code == 0 and ("noise on: exactness is of the ideal machine" in out) == said
