"""Huai's data path: crossbars counted a second time from the mask, the projection against every aligned set."""

from dataclasses import replace
from itertools import pairwise, product
from math import ceil, inf, nan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from xbarch.datapaths.base import Geometry
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.huai import Huai
from xbarch.errors import InputError
from xbarch.functional.execute import run
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.zoo import synthetic

ISAAC = Geometry(128, 128, 2)
SIGNS = ("offset", "differential", "twos")


def conv(filters, channels, kernel=(3, 3), bits=4, groups=1, mask=None, name="conv", seed=0):
    """A layer of one window; channels and filters in all groups together. mask [F, C / groups, kh, kw]."""
    shape = (filters, channels // groups, *kernel)
    weights = np.random.default_rng(seed).integers(-7, 8, shape).astype(np.int16)
    weights = weights if mask is None else weights * mask
    return Layer(name=name, op="conv", inputs=("input",), in_shape=(channels, *kernel), out_shape=(filters, 1, 1),
                 kernel=kernel, groups=groups, weight_bits=bits, input_bits=4, weights=lambda: weights,
                 mask=None if mask is None else lambda: mask)


def real(layer, seed=1):
    """Trained-like weights: normal, every kernel group of a size of its own."""
    rng = np.random.default_rng(seed)
    shape = (layer.filters, layer.in_shape[0] // layer.groups, *layer.kernel)
    return rng.standard_normal(shape) * rng.gamma(1, 1, (shape[0], shape[1], 1, 1))


# -- the oracle: the paper's counting, crossbar by crossbar ---------------------------------------------------

def wide(layer, geometry, sign="offset"):
    """Filters side by side on a crossbar."""
    cells = {"offset": ceil(layer.weight_bits / geometry.cell_bits),
             "differential": 2 * ceil(layer.weight_bits / geometry.cell_bits),
             "twos": ceil((layer.weight_bits - 1) / geometry.cell_bits) + 1}[sign]
    return (geometry.columns - (sign == "offset" and not geometry.unit_column)) // cells


def needed(kernels, layer, geometry, fill):
    """Crossbars that hold so many kernels of one filter block."""
    area = layer.kernel[0] * layer.kernel[1]
    return ceil(kernels * area / geometry.rows) if fill == "rows" else ceil(kernels / (geometry.rows // area))


def crossbars(layer, geometry, sign="offset", fill="rows", shared_rows=False):
    """Crossbars of a masked layer, counted block by block."""
    mask = layer.mask() if layer.mask else np.ones((layer.filters, layer.in_shape[0] // layer.groups, 1, 1), bool)
    per_group, step, total = layer.filters // layer.groups, wide(layer, geometry, sign), 0
    for group in range(layer.groups):
        own = mask[group * per_group:(group + 1) * per_group]
        for first in range(0, per_group, step):
            block = own if shared_rows else own[first:first + step]
            kernels = sum(bool(block[:, channel].any()) for channel in range(mask.shape[1]))
            total += needed(kernels, layer, geometry, fill)
    return max(total, ceil(per_group / step) if shared_rows else 1)


def fillings(layer, geometry, fill):
    """Numbers of channels that fill whole crossbars: the most that 0, 1, 2, ... of them hold, and all."""
    channels = layer.in_shape[0] // layer.groups
    most = {}
    for kernels in range(channels + 1):
        most[needed(kernels, layer, geometry, fill)] = kernels
    return set(most.values())


@st.composite
def drawn(draw):
    """A layer with a random mask (whole kernels, single weights, or nothing left) and a crossbar for it."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    kernel = draw(st.sampled_from([(1, 1), (3, 3), (2, 3), (5, 5)]))
    filters, channels = (groups * draw(st.integers(1, 30)) for _ in range(2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    coarse = rng.random((filters, channels // groups, 1, 1)) < draw(st.sampled_from([0, 0.05, 0.3, 0.9]))
    mask = coarse & (rng.random((filters, channels // groups, *kernel)) < draw(st.sampled_from([0.3, 1])))
    geometry = Geometry(draw(st.integers(25, 70)), draw(st.integers(9, 60)), draw(st.integers(1, 4)),
                        unit_column=draw(st.booleans()))
    return conv(filters, channels, kernel, groups=groups, mask=mask), geometry


@settings(max_examples=200, deadline=None)
@given(drawn(), st.sampled_from(SIGNS), st.sampled_from(["rows", "kernels"]), st.booleans())
def test_crossbars_as_counted_by_hand(case, sign, fill, shared_rows):
    layer, geometry = case
    path = Huai({"sign": sign, "fill": fill, "shared_rows": shared_rows})
    assume(not path.accepts(Workload(name="w", layers=(layer,)), geometry))
    blocks = path.pack(layer, geometry)
    assert [b.crossbar for b in blocks] == list(range(len(blocks)))
    assert len(blocks) == crossbars(layer, geometry, sign, fill, shared_rows)


@settings(max_examples=100, deadline=None)
@given(drawn(), st.booleans())
def test_blocks_hold_whole_kernels_of_their_own_filters(case, shared_rows):
    """No bit line leaves its filter block, so nothing has to be routed; the channels stored are those kept."""
    layer, geometry = case
    assume(not Huai().accepts(Workload(name="w", layers=(layer,)), geometry))
    area, step = layer.kernel[0] * layer.kernel[1], wide(layer, geometry)
    stored = {}
    for block in Huai({"fill": "kernels", "shared_rows": shared_rows}).pack(layer, geometry):
        first = int(block.targets[0])
        assert block.targets.tolist() == list(range(first, first + len(block.targets)))
        assert first % (layer.filters // layer.groups) % step == 0
        assert (block.inputs.reshape(-1, area) % area == np.arange(area)).all()
        assert block.row0 == block.col0 == 0 and not block.gated
        stored.setdefault(first, set()).update((block.inputs // area).tolist())
    if layer.mask().any() and not shared_rows:
        channels = layer.in_shape[0] // layer.groups
        for first, found in stored.items():
            group = first // (layer.filters // layer.groups)
            end = min(first + step, (group + 1) * (layer.filters // layer.groups))
            kept = np.flatnonzero(layer.mask()[first:end].any(axis=(0, 2, 3)))
            assert found == set((kept + group * channels).tolist())


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("shape", [(64, 64), (200, 100), (10, 512)])
def test_a_layer_that_keeps_everything_is_dense(sign, shape):
    layer = conv(*shape)
    for same in (layer, replace(layer, mask=lambda: np.ones((*shape, 3, 3), bool))):
        own, base = (p.pack(same, ISAAC) for p in (Huai({"sign": sign}), Dense({"sign": sign})))
        assert [(b.inputs.tolist(), b.targets.tolist(), b.columns, b.kept, b.cap) for b in own] == \
            [(b.inputs.tolist(), b.targets.tolist(), b.columns, b.kept, b.cap) for b in base]


def test_it_adds_no_hardware_no_index_and_no_work():
    layer, path = conv(128, 64), Huai()
    mask = path.project(real(layer), layer, ISAAC, 0.25).mask
    layer = replace(layer, mask=lambda: mask)
    blocks = path.pack(layer, ISAAC)
    work = path.work(blocks, layer, ISAAC)
    assert path.components(ISAAC) == [] and work.extra == {}
    assert work.reads.tolist() == [4] * len(blocks) and (work.columns == 129).all()  # unit column included
    assert work.rows.sum() == sum(b.rows for b in blocks) == mask.sum() / 64


def test_a_layer_with_nothing_left_keeps_one_kernel_group_of_zeros():
    layer = conv(10, 20, mask=np.zeros((10, 20, 3, 3), bool))
    block, = Huai().pack(layer, ISAAC)
    assert (block.rows, block.outputs, block.kept) == (9, 10, 0)
    assert not run([block], layer, ISAAC, np.full((2, 180), 15), "lossless").out.any()


# -- projection -----------------------------------------------------------------------------------------------

@st.composite
def small(draw):
    """A layer of at most two filter blocks and six channels, on a crossbar that one to three kernels fill."""
    channels, filters = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    kernel = draw(st.sampled_from([(1, 1), (2, 2), (3, 1)]))
    area = kernel[0] * kernel[1]
    geometry = Geometry(draw(st.integers(area, 3 * area + 1)), 2 * draw(st.integers(max(1, filters // 2 + 1), 6)), 2)
    return conv(filters, channels, kernel), geometry, draw(st.integers(0, 2**32 - 1))


def every(layer, geometry, fill):
    """Every aligned mask there is, as channels kept [block][channel]."""
    allowed, channels = fillings(layer, geometry, fill), layer.in_shape[0]
    one = [s for s in product((False, True), repeat=channels) if sum(s) in allowed]
    return product(one, repeat=ceil(layer.filters / wide(layer, geometry)))


def expand(choice, layer, geometry):
    step = wide(layer, geometry)
    rows = [choice[f // step] for f in range(layer.filters)]
    return np.broadcast_to(np.array(rows)[:, :, None, None], (layer.filters, layer.in_shape[0], *layer.kernel))


@settings(max_examples=60, deadline=None)
@given(small(), st.sampled_from(["rows", "kernels"]), st.sampled_from(["l2", "l1"]), st.floats(0, 1))
def test_no_aligned_set_that_keeps_as_many_weights_is_nearer(case, fill, importance, density):
    layer, geometry, seed = case
    path = Huai({"fill": fill, "importance": importance})
    density = max(density, path.least(layer, geometry))
    weights = real(layer, seed)
    found = path.project(weights, layer, geometry, density)
    worth = weights ** 2 if importance == "l2" else np.abs(weights)
    masks = [expand(choice, layer, geometry) for choice in every(layer, geometry, fill)]
    assert any(np.array_equal(found.mask, m) for m in masks)
    best = max(worth[m].sum() for m in masks if m.sum() <= found.mask.sum())
    assert worth[found.mask].sum() == pytest.approx(best)
    assert np.array_equal(found.weights, weights * found.mask)


@settings(max_examples=100, deadline=None)
@given(drawn(), st.sampled_from(["rows", "kernels"]), st.booleans(), st.floats(0, 1), st.integers(0, 99))
def test_a_projection_is_aligned_and_near_the_density(case, fill, shared_rows, share, seed):
    layer, geometry = case
    path = Huai({"fill": fill, "shared_rows": shared_rows})
    assume(not path.accepts(Workload(name="w", layers=(layer,)), geometry))
    least = path.least(layer, geometry)
    density = least + share * (1 - least)
    weights = real(layer, seed)
    found = path.project(weights, layer, geometry, density)
    pruned = replace(layer, mask=lambda: found.mask)
    assert path.aligned(pruned, geometry) == ""
    assert found.side["crossbars"] == len(path.pack(pruned, geometry))
    assert found.side["density"] == found.mask.mean()
    step, per_group = wide(layer, geometry), layer.filters // layer.groups
    starts = [g * per_group + f for g in range(layer.groups) for f in range(0, per_group, step)]
    allowed = fillings(layer, geometry, fill)
    assert found.side["channels"] == [int(found.mask[f, :, 0, 0].sum()) for f in starts]
    assert set(found.side["channels"]) <= allowed
    steps = np.diff(sorted(allowed)).max() * layer.kernel[0] * layer.kernel[1] * (per_group if shared_rows else step)
    assert abs(found.mask.sum() - density * found.mask.size) <= max(
        steps / 2, steps - density * found.mask.size) + 1e-6  # at least one crossbar, if the best is not the smallest
    again = path.project(found.weights, layer, geometry, density)
    assert np.array_equal(again.mask, found.mask)  # what a projection made is its own projection


def test_fewer_weights_are_never_more_crossbars():
    layer, path = conv(200, 100), Huai()
    weights = real(layer)
    found = [path.project(weights, layer, ISAAC, d) for d in np.linspace(0.05, 1, 40)]
    counts, kept = [f.side["crossbars"] for f in found], [f.mask for f in found]
    assert counts == sorted(counts) and counts[-1] == crossbars(layer, ISAAC)
    assert all((a <= b).all() for a, b in pairwise(kept))  # nested: pruning can go on gradually


def test_kernel_groups_that_are_zero_are_not_stored():
    layer = conv(64, 56)
    weights = real(layer)
    weights[:, 28:] = 0
    found = Huai().project(weights, layer, ISAAC, 1)
    assert found.mask[:, :28].all() and not found.mask[:, 28:].any() and found.side["crossbars"] == 2
    assert not Huai().project(weights * 0, layer, ISAAC, 0.5).mask.any()
    assert not Huai().project(weights, layer, ISAAC, 0).mask.any()


def test_shared_rows_prune_channels_and_say_so():
    layer, path = conv(200, 100), Huai({"shared_rows": True})
    found = path.project(real(layer), layer, ISAAC, 0.3)
    assert (found.mask == found.mask[:1]).all() and "channel pruning" in found.side["warning"]
    assert len(set(found.side["channels"])) == 1 and len(found.side["channels"]) == ceil(200 / 64)


# -- the network as a whole -----------------------------------------------------------------------------------

@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.floats(0.1, 10)), min_size=2, max_size=3),
       st.floats(0, 1), st.integers(0, 99), st.booleans())
def test_no_other_densities_of_the_layers_keep_more(shapes, share, seed, shared_rows):
    """Against every way to divide the weights among the layers that leaves each its minimum."""
    geometry, path = Geometry(18, 4, 2), Huai({"shared_rows": shared_rows})  # two 3 x 3 kernels x two filters
    layers = [conv(2 * blocks, 2 * channels) for blocks, channels, _ in shapes]
    weights = [real(la, seed + i) * size for i, (la, (_, _, size)) in enumerate(zip(layers, shapes, strict=True))]
    floors = [2 * 9 * la.filters for la in layers]
    total = sum(w.size for w in weights)
    density = max(share, sum(floors) / total)
    found = path.share(weights, layers, geometry, density)
    options = []
    for w, la, floor in zip(weights, layers, floors, strict=True):
        masks = {}
        for target in range(1, w.size // 18 + 1):
            d = max(18 * target / w.size, path.least(la, geometry))
            mask = path.project(w, la, geometry, d).mask
            masks[int(mask.sum())] = (w[mask] ** 2).sum()
        options.append([(kept, energy) for kept, energy in masks.items() if kept >= floor])
    chosen = [path.project(w, la, geometry, d).mask for w, la, d in zip(weights, layers, found, strict=True)]
    kept = sum(int(m.sum()) for m in chosen)
    assert [m.mean() for m in chosen] == pytest.approx(found, abs=1e-12)  # projections really reach those densities
    assert all(m.sum() >= floor for m, floor in zip(chosen, floors, strict=True))
    best = max(sum(e for _, e in way) for way in product(*options) if sum(k for k, _ in way) <= kept)
    assert sum((w[m] ** 2).sum() for w, m in zip(weights, chosen, strict=True)) == pytest.approx(best)
    run_size = 18 * 2 * (max(blocks for blocks, *_ in shapes) if shared_rows else 1)
    assert abs(kept - density * total) <= run_size / 2 + 1e-6 * total


@settings(max_examples=60, deadline=None)
@given(st.lists(drawn(), min_size=1, max_size=4), st.booleans())
def test_the_smallest_density_leaves_every_layer_alive(cases, shared_rows):
    geometry, path = cases[0][1], Huai({"shared_rows": shared_rows})
    layers = [layer for layer, _ in cases]
    assume(not path.accepts(Workload(name="w", layers=tuple(layers)), geometry))
    weights = [real(la) * 100.0 ** i for i, la in enumerate(layers)]
    area = [la.kernel[0] * la.kernel[1] for la in layers]
    channels = [la.in_shape[0] // la.groups for la in layers]
    first = [min(geometry.rows // a, c) * a * la.filters for a, c, la in zip(area, channels, layers, strict=True)]
    total = sum(w.size for w in weights)
    found = path.share(weights, layers, geometry, sum(first) / total)
    assert all(path.least(la, geometry) <= d <= 1 for la, d in zip(layers, found, strict=True))
    masks = [path.project(w, la, geometry, d).mask for w, la, d in zip(weights, layers, found, strict=True)]
    assert [m.mean() for m in masks] == pytest.approx(found, abs=1e-12) and all(m.any() for m in masks)
    if sum(first) < total:
        with pytest.raises(InputError, match=r"density: must be .* for each filter block of every layer"):
            path.share(weights, layers, geometry, (sum(first) - 1) / total)


def test_a_layer_of_small_weights_keeps_its_minimum():
    layers = [conv(128, 64, name="a"), conv(128, 64, name="b")]
    weights = [real(layers[0]), real(layers[1]) * 1e-9]
    first, second = Huai().share(weights, layers, ISAAC, 0.4)
    assert second == 2 * 14 * 9 * 64 / (128 * 64 * 9)  # one crossbar for each of two filter blocks
    assert first == pytest.approx(0.8 - second, abs=0.06)
    assert Huai().share(weights, layers, ISAAC, 1) == [1, 1]
    assert Huai().share(weights[:1], layers[:1], ISAAC, 0.5) == [
        Huai().project(weights[0], layers[0], ISAAC, 0.5).side["density"]]
    assert Huai().share([], [], ISAAC, 0.5) == []


@pytest.mark.full
@pytest.mark.parametrize("shared_rows", [False, True])
def test_the_papers_sparsity_of_vgg16_saves_as_many_crossbars(shared_rows):
    """88.25 % of the weights removed: 8.51 times fewer, and by alignment nearly as many times fewer crossbars."""
    network, path = synthetic("vgg16", "vgg16", 4, 4), Huai({"shared_rows": shared_rows})
    layers = network.compute_layers
    weights = [la.weights().astype(float) for la in layers]
    densities = path.share(weights, layers, ISAAC, 1 - 0.8825)
    masks = [path.project(w, la, ISAAC, d).mask for w, la, d in zip(weights, layers, densities, strict=True)]
    assert sum(m.sum() for m in masks) / sum(m.size for m in masks) == pytest.approx(0.1175, abs=0.002)
    pruned = [replace(la, mask=lambda m=m: m) for la, m in zip(layers, masks, strict=True)]
    after = sum(crossbars(la, ISAAC, shared_rows=shared_rows) for la in pruned)
    before = sum(crossbars(la, ISAAC) for la in layers)
    assert before == 1802 and 8.0 < before / after <= 8.51


def test_the_whole_of_resnet18_takes_as_many_crossbars_as_its_blocks_keep():
    network, path = synthetic("resnet18", "resnet18", 4, 4), Huai()
    for layer in network.compute_layers:
        mask = path.project(layer.weights().astype(float), layer, ISAAC, max(0.3, path.least(layer, ISAAC))).mask
        pruned = replace(layer, mask=lambda m=mask: m)
        assert 1 + max(b.crossbar for b in path.pack(pruned, ISAAC)) == crossbars(pruned, ISAAC), layer.name


# -- alignment of stored masks, refusals ----------------------------------------------------------------------

def test_a_mask_that_is_not_aligned_is_named():
    layer, path = conv(128, 64), Huai()
    mask = path.project(real(layer), layer, ISAAC, 0.4).mask.copy()
    assert path.aligned(replace(layer, mask=lambda: mask), ISAAC) == ""
    assert path.aligned(layer, ISAAC) == ""  # no mask: all kept
    other = path.aligned(replace(layer, mask=lambda: mask), Geometry(96, 128, 2))
    assert "crossbars of 96 x 128 cells hold 0, 10, 21, 32, ... or all 64" in other
    spoiled = mask.copy()
    channel = np.flatnonzero(~spoiled[64, :, 0, 0])[0]
    spoiled[64, channel, 1, 1] = True  # a single weight is a kernel group kept
    wrong = replace(layer, mask=lambda: spoiled)
    kept = int(mask[64, :, 0, 0].sum()) + 1
    assert path.aligned(wrong, ISAAC) == (f"filter block 1 of layer conv keeps {kept} channels; whole crossbars of "
                                          f"128 x 128 cells hold 0, 14, 28, 42, ... or all 64")
    assert len(path.pack(wrong, ISAAC)) == crossbars(wrong, ISAAC)  # runs all the same
    shared = Huai({"shared_rows": True}).aligned(replace(layer, mask=lambda: mask), ISAAC)
    assert "must all keep the same channels" in shared
    assert "5 x 5 kernel" in path.aligned(conv(4, 4, (5, 5)), Geometry(24, 128, 2))


@pytest.mark.parametrize("density", [1e-4, -0.1, 1.01, nan, inf])
def test_densities_that_cannot_be_reached_are_refused(density):
    layer = conv(64, 64)  # 5 crossbars of 14 kernels
    with pytest.raises(InputError, match=r"density: must be 0, or 0\.2188 \(one crossbar of "
                                         r"128 x 128 cells\) to 1 for layer conv, not "):
        Huai().project(real(layer), layer, ISAAC, density)
    with pytest.raises(InputError, match=r"density: must be 0\.2188 .* to 1, not "):
        Huai().share([real(layer)], [layer], ISAAC, density)
    least = Huai().project(real(layer), layer, ISAAC, 0.2188)  # the figure named is reachable
    assert least.side["crossbars"] == 1 and least.side["channels"] == [14]


@pytest.mark.parametrize(("geometry", "reason"), [
    (Geometry(8, 128, 2), "a 3 x 3 kernel of layer conv needs 9 word lines, the crossbar has 8"),
    (Geometry(128, 1, 2), "a 4-bit weight of layer conv needs 2 bit lines, the crossbar has 1"),
])
def test_a_crossbar_too_small_is_refused(geometry, reason):
    layer, path = conv(64, 64), Huai()
    assert path.accepts(Workload(name="w", layers=(layer,)), geometry) == reason
    for attempt in (lambda: path.pack(layer, geometry), lambda: path.least(layer, geometry),
                    lambda: path.project(real(layer), layer, geometry, 0.5),
                    lambda: path.share([real(layer)], [layer], geometry, 0.5)):
        with pytest.raises(InputError, match=reason):
            attempt()


def test_wrong_weights_are_refused():
    layer = conv(64, 64)
    with pytest.raises(InputError, match=r"layer conv must have the shape \(64, 64, 3, 3\), not \(64, 64, 9\)"):
        Huai().project(real(layer).reshape(64, 64, 9), layer, ISAAC, 0.5)
    spoiled = real(layer)
    spoiled[0, 0, 0, 0] = nan
    with pytest.raises(InputError, match="weights of layer conv must be finite"):
        Huai().share([spoiled], [layer], ISAAC, 0.5)
    wrong = replace(layer, weights=lambda: np.full((64, 64, 3, 3), 9))
    with pytest.raises(InputError, match="layer conv has weight 9; data path huai stores -8 to 7"):
        Huai().pack(wrong, ISAAC)[0].contents()


@pytest.mark.parametrize("options", [{"fill": "columns"}, {"shared_rows": 1}, {"sign": "polar"}, {"align": True}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        Huai(options)
