"""The networks against a printed table, and synthetic weights: seeded, in range, pruned to the exact share."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from xbarch.datapaths.base import Geometry
from xbarch.datapaths.dense import Dense
from xbarch.errors import InputError
from xbarch.mapping.pack import dense_crossbars
from xbarch.workload.find import resolve
from xbarch.workload.graph import Workload
from xbarch.workload.networks import NETWORKS, network
from xbarch.workload.zoo import GroupPruning, SyntheticRecipe, synthetic

# Derived: closed form sum over layers of ceil(R / XR) * ceil(F * S / XC), single sign copy. Columns: weights (M),
# MACs (M), crossbars of 128 x 128 with 2, 4 and 8 cells per weight, of 64 x 64 with 4 and of 256 x 256 with 4.
SIZES = ((128, 2), (128, 4), (128, 8), (64, 4), (256, 4))
TABLE = {
    "lenet5": ("0.43", "2.3", 65, 125, 246, 458, 37),
    "resnet20": ("0.27", "40.6", 59, 87, 160, 276, 36),
    "resnet56": ("0.85", "125.5", 179, 267, 496, 864, 108),
    "vgg7": ("12.97", "615.9", 1592, 3176, 6344, 12680, 800),
    "resnet18": ("11.16", "555.4", 1371, 2738, 5472, 10908, 697),
    "vgg16": ("14.72", "313.2", 1802, 3600, 7196, 14376, 906),
    "resnet18_imagenet": ("11.68", "1814.1", 1432, 2864, 5724, 11412, 727),
    "resnet50_imagenet": ("25.50", "4089.2", 3130, 6260, 12504, 24924, 1595),
    "vgg11_imagenet": ("132.85", "7609.1", 16231, 32462, 64892, 129772, 8119),
    "vgg13_imagenet": ("133.04", "11308.5", 16254, 32508, 64984, 129952, 8132),
    "vgg19_imagenet": ("143.65", "19632.1", 17550, 35100, 70168, 140320, 8780),
    "vgg16_imagenet": ("138.34", "15470.3", 16902, 33804, 67576, 135136, 8456),
    "alexnet": ("60.95", "724.4", 7462, 14921, 29810, 59564, 3732),
    "overfeat": ("145.91", "2801.4", 17826, 35649, 71266, 142532, 8916),
    "keyword_dnn": ("0.24", "0.2", 31, 61, 121, 242, 19),
    "keyword_cnn": ("0.24", "9.7", 41, 65, 129, 246, 22),
    "vgg16c_imagenet": ("133.63", "11770.9", 16326, 32652, 65272, 130528, 8168),
}
# The shapes again, from the papers, apart from the code under test: (filters, channels, kernel, output side).
CONV_LISTS = {
    "lenet5": [(20, 1, 5, 24), (50, 20, 5, 8), (500, 800, 1, 1), (10, 500, 1, 1)],
    "vgg7": [(128, 3, 3, 32), (128, 128, 3, 32), (256, 128, 3, 16), (256, 256, 3, 16), (512, 256, 3, 8),
             (512, 512, 3, 8), (1024, 8192, 1, 1), (10, 1024, 1, 1)],
    "resnet20": [(16, 3, 3, 32)] + 6 * [(16, 16, 3, 32)] + [(32, 16, 3, 16)] + 5 * [(32, 32, 3, 16)]
                + [(64, 32, 3, 8)] + 5 * [(64, 64, 3, 8)] + [(10, 64, 1, 1)],
    "resnet18": [(64, 3, 3, 32)] + 4 * [(64, 64, 3, 32)]
                + [s for f, side in ((128, 16), (256, 8), (512, 4))
                   for s in [(f, f // 2, 3, side), *3 * [(f, f, 3, side)], (f, f // 2, 1, side)]]
                + [(10, 512, 1, 1)],
}


def matrices(name):
    """(rows, columns in weights) of every group of every compute layer."""
    return [(layer.rows, layer.filters // layer.groups) for layer in network(name) if layer.compute
            for _ in range(layer.groups)]


def formula(name, size, cells):
    return sum(ceil(rows / size) * ceil(filters * cells / size) for rows, filters in matrices(name))


def test_the_table_covers_every_network():
    assert sorted(TABLE) == sorted(NETWORKS)


@pytest.mark.parametrize("name", TABLE)
def test_weights_and_macs(name):
    weights = sum(rows * filters for rows, filters in matrices(name))
    macs = sum(layer.macs for layer in network(name))
    assert (f"{weights / 1e6:.2f}", f"{macs / 1e6:.1f}") == TABLE[name][:2]


@pytest.mark.parametrize("name", TABLE)
def test_dense_crossbars(name):
    assert tuple(formula(name, size, cells) for size, cells in SIZES) == TABLE[name][2:]


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(("size", "cells", "count"), [(*s, i + 2) for i, s in enumerate(SIZES)])
def test_the_budget_reference_is_the_table(name, size, cells, count):
    """Two bits per cell: 4, 8 and 16-bit weights."""
    workload = synthetic(name, name, 2 * cells, 8)
    assert dense_crossbars(workload, Geometry(size, size, 2)) == TABLE[name][count]


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(("cells", "count"), [(2, 2), (4, 3), (8, 4)])
def test_dense_really_uses_the_crossbars_of_the_table(name, cells, count):
    """Packed on 128 x 128 with ISAAC's unit column beside the array."""
    if TABLE[name][count] > 8000:
        pytest.skip("the same code over a hundred thousand blocks")
    workload, geometry = synthetic(name, name, 2 * cells, 8), Geometry(128, 128, 2)
    used = sum(len({b.crossbar for b in Dense().pack(layer, geometry)}) for layer in workload.compute_layers)
    assert used == TABLE[name][count]


@pytest.mark.parametrize("name", CONV_LISTS)
def test_layers_are_the_published_ones(name):
    found = [(la.filters, la.in_shape[0], la.kernel[0], la.out_shape[1]) for la in network(name) if la.compute]
    assert sorted(found) == sorted(CONV_LISTS[name])


@pytest.mark.parametrize("name", NETWORKS)
def test_graphs_are_ordered_and_shapes_agree(name):
    seen = {}
    for layer in network(name):
        assert layer.name not in seen
        assert (layer.op == "input") == (not layer.inputs)
        for source in layer.inputs:
            channels, height, width = seen[source]
            assert (height, width) == layer.in_shape[1:]
            assert channels == layer.in_shape[0] or (layer.op == "add" and channels <= layer.in_shape[0])
        seen[layer.name] = layer.out_shape
    classes = {"alexnet": 1000, "overfeat": 1000, "keyword_dnn": 3, "keyword_cnn": 4}
    assert list(seen.values())[-1] == (classes.get(name, 1000 if "imagenet" in name else 10), 1, 1)


def test_sizes_that_papers_print():
    """AlexNet: 60,965,224 weights and biases. OverFeat's fast model: 145 million weights, 2,810 million connections.
    cnn-trad-fpool3, layer by layer: 10.2, 164.8 (163.8 by its shapes), 65.5, 4.1, 0.5 thousand; the convolutions 4.4
    and 5.2 million products."""
    counts = {name: [(la.rows * la.filters, la.macs, la.filters) for la in network(name) if la.compute]
              for name in ("alexnet", "overfeat", "keyword_cnn")}
    assert sum(weights + filters for weights, _, filters in counts["alexnet"]) == 60_965_224
    weights, macs, _ = (sum(each) for each in zip(*counts["overfeat"], strict=True))
    assert weights // 10**6 == 145 and macs == pytest.approx(2_810e6, rel=0.004)
    assert [round(w / 1000, 1) for w, _, _ in counts["keyword_cnn"]] == [10.2, 163.8, 65.5, 4.1, 0.5]
    assert [round(m / 10**6, 1) for _, m, _ in counts["keyword_cnn"][:2]] == [4.4, 5.2]


def test_an_unknown_network_is_refused():
    with pytest.raises(InputError, match="unknown network 'resnet19'; choose lenet5"):
        network("resnet19")


# -- synthetic weights ----------------------------------------------------------------------------------------

def tensors(workload, order=1):
    return {layer.name: layer.weights() for layer in workload.compute_layers[::order]}


def test_the_same_seed_gives_the_same_weights_in_whatever_order():
    first, again = (tensors(synthetic("a", "resnet20", 4, 4, seed=7), order) for order in (1, -1))
    other = tensors(synthetic("a", "resnet20", 4, 4, seed=8))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)
    shapes = {}
    for w in first.values():  # layers of one shape differ from one another
        shapes.setdefault(w.shape, []).append(w)
    assert all(not np.array_equal(a, b) for same in shapes.values() for a, b in pairwise(same))


def test_one_layer_alone_is_what_it_is_among_all():
    alone = synthetic("a", "resnet20", 4, 4)["layer3.2.conv2"].weights()
    assert np.array_equal(alone, tensors(synthetic("a", "resnet20", 4, 4))["layer3.2.conv2"])


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 9, 16])
def test_weights_stay_in_the_odd_symmetric_range_and_use_it(bits):
    top = 2 ** (bits - 1) - 1
    for name, w in tensors(synthetic("a", "lenet5", bits, 8)).items():
        assert w.dtype == (np.int8 if bits <= 8 else np.int16), name
        assert -top <= w.min() < 0 < w.max() <= top
        if w.size > 10_000:  # clipped at three deviations: both ends occur
            assert (w.min(), w.max()) == (-top, top) and abs(w.mean()) < 0.05 * max(top, 1)


def test_precisions_of_the_ends():
    workload = SyntheticRecipe(kind="synthetic", network="lenet5", weight_bits=4, input_bits=5, first_layer_bits=8,
                               image_bits=7).build("a")
    first, second = workload.compute_layers[:2]
    assert (first.weight_bits, first.input_bits, first.output_bits) == (8, 7, 5)
    assert (second.weight_bits, second.input_bits) == (4, 5)
    assert workload["input"].output_bits == 7 and workload.trained_on is None


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([16, 8, 4]), st.floats(0, 0.999), st.integers(0, 1000))
def test_the_pruned_share_is_exact_and_the_weakest_groups_go(group_ch, sparsity, seed):
    pruned = synthetic("a", "resnet20", 4, 4, seed, GroupPruning(method="meng", group_ch=group_ch, sparsity=sparsity))
    whole = tensors(synthetic("a", "resnet20", 4, 4, seed))
    for position, layer in enumerate(pruned.compute_layers):
        w = whole[layer.name]
        if position == 0 or layer.kernel == (1, 1):
            assert layer.mask is None and np.array_equal(layer.weights(), w)
            continue
        mask = layer.mask()
        filters, channels = w.shape[:2]
        groups = mask.reshape(filters, channels // group_ch, -1)
        assert (groups.all(axis=2) == groups.any(axis=2)).all()  # a group goes or stays whole
        kept = groups.any(axis=2)
        assert (~kept).sum() == round(sparsity * kept.size)
        assert np.array_equal(layer.weights(), w * mask)
        norms = (w.astype(float) ** 2).reshape(filters, channels // group_ch, -1).sum(axis=2)
        if kept.any() and not kept.all():
            assert norms[~kept].max() <= norms[kept].min()


def test_a_ragged_last_group_is_pruned_as_one():
    """LeNet-5's second layer has 20 channels: groups of 16 and of 4."""
    layer = synthetic("a", "lenet5", 4, 4, 1, GroupPruning(method="meng", sparsity=0.3))["conv2"]
    mask = layer.mask()
    assert mask.shape == (50, 20, 5, 5)
    parts = mask[:, :16].reshape(50, -1), mask[:, 16:].reshape(50, -1)
    assert all((p.all(axis=1) == p.any(axis=1)).all() for p in parts)
    assert sum(int((~p.any(axis=1)).sum()) for p in parts) == round(0.3 * 100)


def test_a_workload_says_what_it_is():
    workload = synthetic("a", "resnet20", 4, 4, 3, GroupPruning(method="meng", group_ch=8, sparsity=0.5))
    assert isinstance(workload, Workload) and (workload.datapath, workload.options) == ("meng", {"group_ch": 8})
    assert workload.trained_on is None and "seed 3" in workload.source and not workload.accuracy


@pytest.mark.parametrize("wrong", [
    {"network": "resnet19"}, {"first_layer_bits": 1}, {"weight_bits": 17},
    {"weight_bits": 1}, {"weight_bits": 4.0},
    {"seed": -1}, {"input_bits": 0}, {"extra": 1}, {"pruning": {"method": "meng", "sparsity": 1.0}},
    {"pruning": {"method": "meng", "group_ch": 5, "sparsity": 0.5}},
])
def test_wrong_recipes_are_refused(wrong):
    recipe = {"kind": "synthetic", "network": "lenet5", "weight_bits": 4, "input_bits": 4}
    assert SyntheticRecipe.model_validate(recipe).build("x").name == "x"
    with pytest.raises(ValidationError):
        SyntheticRecipe.model_validate({**recipe, **wrong})


# -- what is known without drawing ------------------------------------------------------------------------------

def counted(layer):
    """(unmasked weights, those that are zero) by counting."""
    weights, mask = layer.weights(), None if layer.mask is None else layer.mask()
    return (weights.size, int((weights == 0).sum())) if mask is None else (
        int(mask.sum()), int((weights[mask] == 0).sum()))


@pytest.mark.parametrize("bits", [2, 4, 8, 9, 16])
@pytest.mark.parametrize("pruning", [None, GroupPruning(method="meng", group_ch=16, sparsity=0.37),
                                     GroupPruning(method="meng", group_ch=8, sparsity=0.5)])
def test_weights_and_zeros_are_counted_without_them(bits, pruning):
    made = synthetic("x", "lenet5", bits, 4, 3, pruning)  # 20 channels: groups of 16 and 8 leave narrower ones
    again = synthetic("x", "lenet5", bits, 4, 3, pruning)
    for layer, same in zip(made.compute_layers, again.compute_layers, strict=True):
        kept, zeros = counted(same)
        assert layer.kept_weights == kept and layer.zeros == Fraction(zeros, kept)


def test_numbers_drawn_many_filters_at_a_time_are_those_of_single_filters():
    layer = synthetic("x", "resnet20", 8, 8, 5).compute_layers[3]
    generator = np.random.default_rng([5, 5])  # the seed and its place in the network
    rows = [np.clip(np.rint(generator.standard_normal(layer.weights().shape[1:], np.float32) * (127 / 3)), -127, 127)
            for _ in range(layer.filters)]
    assert np.array_equal(layer.weights(), np.array(rows, np.int8))


def test_other_weights_or_another_mask_are_counted_anew():
    layer = synthetic("x", "vgg7", 4, 4, 0, GroupPruning(method="meng", group_ch=16, sparsity=0.5)).compute_layers[1]
    weights, mask = layer.weights(), np.zeros(layer.weights().shape, bool)
    mask[0] = True
    assert replace(layer, mask=lambda: mask).kept_weights == mask.sum()
    assert replace(layer, mask=None).kept_weights == weights.size
    assert replace(layer, weights=lambda: weights * 0).zeros == 1


def test_stages_of_residual_networks_take_other_filters_and_kernels():
    """Counted by hand: a stage of three blocks has six convolutions, all but the first from its own filters to them."""
    name = "resnet20_blocks:filters.layer1=8:filters.layer3=96:kernels.layer3=1"
    found = resolve(name)
    assert found.name == name
    weights = 27 * 8 + 6 * 9 * 8 * 8 + (8 + 5 * 32) * 9 * 32 + (32 + 5 * 96) * 96 + 96 * 10
    assert sum(la.rows * la.filters for la in found.compute_layers) == weights
    assert [la.out_shape for la in resolve("resnet20_blocks").layers] == [la.out_shape for la in network("resnet20")]


@pytest.mark.parametrize(("name", "wrong"), [
    ("resnet20_blocks:filters.layer1=64", "no stage may have fewer than the one before it, not 64, 32, 64"),
    ("resnet20_blocks:kernels.layer1=2", "must be odd and at most 15, not 2"),
    ("resnet20_blocks:kernels.layer9=3", "has the stages layer1, layer2, layer3, not 'layer9'"),
    ("vgg8_dense8:kernels.layer1=3", "is for resnet20 and resnet56, not vgg7"),
    ("vgg7_pruned:kernels.layer1=3", "only a synthetic recipe takes other values"),
])
def test_other_values_of_a_recipe_are_refused_in_a_sentence(name, wrong):
    with pytest.raises(InputError, match=wrong):
        resolve(name)
