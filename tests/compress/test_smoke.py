"""Every method trained for real on a small network: its constraint holds exactly, it keeps no more than asked, and
after retraining the accuracy is near that of the dense network."""

import numpy as np
import pytest
import torch

import xbarch
from xbarch.datapaths.base import Geometry
from xbarch.plugins import registry
from xbarch.workload import store
from xbarch.workload.infer import multiplies

torch.set_num_threads(1)

RECIPE = """
kind: trained
description: {method} on a small network
model: vgg7
width: 8
data: {{name: digits}}
quantization: {{weight_scale: lsq, clip: 4.0, chain: {chain}}}
baseline: {{epochs: 4, rate: 0.03, batch: 32}}
crossbar_images: 0
stored_images: 1
pruning:
  method: {method}
  options: {options}
  geometry: {{rows: 72, columns: 32, cell_bits: 2}}
  algorithm: {algorithm}
  density: 0.25
  cut_after: 3
  training: {{epochs: 6, rate: 0.03, batch: 32}}
"""
METHODS = {
    "meng": ("{group_ch: 8}", "{name: lasso, threshold: layer_quantile, strength: 0.04, form: proximal}", "real"),
    "huai": ("{}", "{name: recover, ramp: 2}", "power_of_two"),
    "segprune": ("{}", "{name: admm, rho: 0.15, freeze_after: 2}", "real"),
    "xue": ("{adc_bits: 3}", "{name: admm, rho: 0.15}", "real"),
}
CROSSBAR, DENSITY = Geometry(72, 32, 2), 0.25


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trains a method when it is first asked for; equal baselines are trained once, in one cache."""
    place, made = tmp_path_factory.mktemp("smoke"), {}

    def train(method):
        if method not in made:
            options, algorithm, chain = METHODS[method]
            recipe = place / f"{method}.yaml"
            recipe.write_text(RECIPE.format(method=method, options=options, algorithm=algorithm, chain=chain))
            made[method] = store.load(xbarch.train(recipe, cache=place / "cache"))
        return made[method]
    return train


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS)
def test_constraint_density_and_accuracy(trained, method):
    made = trained(method)
    path = registry.datapath(made.datapath, made.options)
    first, *others = made.compute_layers
    pruned = [la for la in others if path.prunes(la)]
    assert made.datapath == method and len(pruned) >= 5 and first.kept.all()
    # Layers of one crossbar stay whole with huai.
    masked = {la.name for la in made.compute_layers if la.mask is not None}
    assert masked <= {la.name for la in pruned} and len(masked) >= (3 if method == "huai" else len(pruned))
    for layer in pruned:
        assert path.check(layer, CROSSBAR) == ""
        assert not layer.matrix[~layer.kept].any() and layer.matrix.any()
    kept, weights = sum(la.kept_weights for la in pruned), sum(la.kept.size for la in pruned)
    # Groups are whole: a layer keeps the number of them that is nearest, at most half a group more than asked.
    more = sum(path.group(la, CROSSBAR)[1] / 2 for la in pruned) if method == "meng" else 0
    more += 72 * 16 / 2 if method == "huai" else 0  # the last of all crossbars that are filled
    assert 0 < kept <= DENSITY * weights + more
    assert made.accuracy["baseline"] >= 0.93
    assert made.accuracy["pruning"] >= made.accuracy["baseline"] - 0.03


def test_meng_removes_whole_groups(trained):
    for layer in trained("meng").compute_layers[1:]:
        if layer.op == "conv":
            groups = layer.kept.T.reshape(layer.filters, -1, 8 * 9)
            assert np.array_equal(groups.any(axis=2), groups.all(axis=2))
            assert groups.any(axis=2).sum() == round(DENSITY * groups[:, :, 0].size)
        else:
            assert layer.kept.all()


@pytest.mark.full
def test_huai_keeps_whole_kernel_groups_and_needs_no_multiplier(trained):
    """A row block of a filter block is kept for all its filters or none: 16 filters of 4 bits on 32 bit lines."""
    made = trained("huai")
    assert not any(multiplies(la) for la in made.layers)
    for layer in made.compute_layers[1:]:
        area = layer.kernel[0] * layer.kernel[1]
        for start in range(0, layer.filters, 16):
            kernels = layer.kept[:, start:start + 16].reshape(layer.rows // area, -1)
            assert np.array_equal(kernels.any(axis=1), kernels.all(axis=1))


@pytest.mark.full
def test_segprune_elects_few_shapes(trained):
    """The filters of a segment of rows that share a shape: never more shapes than crossbars' worth of filters."""
    for layer in trained("segprune").compute_layers[1:]:
        kept = layer.kept
        assert layer.kept_weights <= DENSITY * kept.size
        shapes = len({column.tobytes() for column in kept.T})
        assert shapes < layer.filters


@pytest.mark.full
def test_no_bit_line_of_xue_exceeds_three_bits(trained):
    """Every segment of 72 rows, sign and bit, all word lines driven: at most 7."""
    found = []
    for layer in trained("xue").compute_layers[1:]:
        matrix = layer.matrix.astype(int)
        for start in range(0, layer.rows, 72):
            part = matrix[start:start + 72]
            found += [(np.where(part * sign > 0, abs(part), 0) >> bit & 1).sum(axis=0).max()
                      for sign in (1, -1) for bit in range(3)]
    assert max(found) <= 7 and max(found) >= 4  # and the ADCs are used


@pytest.mark.full
def test_one_baseline_for_equal_recipes(trained):
    """Three methods start from the very same network; huai's chain of scales makes it another."""
    accuracy = {m: trained(m).accuracy["baseline"] for m in METHODS}
    assert accuracy["meng"] == accuracy["segprune"] == accuracy["xue"]
