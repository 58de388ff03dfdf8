"""Methods of others as plugins: exact, conformant, trained, and compared with dense. What they count is counted again
here from the weights alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from outside import bitmerge, sections

import xbarch
from xbarch.conformance import conform, variants
from xbarch.datapaths.tools.ties import averaged
from xbarch.plugins import registry
from xbarch.studies import comparison
from xbarch.workload import store

WORKLOAD = "vgg7_pruned"
ROWS, CELL = 128, 2  # of isaac_like, whose inputs come bit by bit


@pytest.fixture(autouse=True)
def _known():
    for module in (bitmerge, sections):
        registry.load_file(module.__file__)


@pytest.mark.quick(2)
@pytest.mark.parametrize("path", [
    bitmerge.BitMerge(), sections.Sections(), *(bitmerge.BitMerge({"height": n}) for n in (1, 7, 4096))])
def test_they_keep_the_contract(path):
    assert variants(type(path)) == [{}] and conform(path, 4) >= 4


@pytest.mark.parametrize("module", [bitmerge, sections])
def test_they_are_short(module):
    assert len(Path(module.__file__).read_text().splitlines()) <= 120


def merged(layer, height):
    """Distinct bit columns other than zeros of every part, as sets of tuples."""
    found = 0
    for top in range(0, layer.rows, height):
        columns = set()
        for weights in layer.matrix[top:top + height].T.tolist():
            codes = [w & (1 << layer.weight_bits - 1) - 1 for w in weights]
            slices = -(-(layer.weight_bits - 1) // CELL)
            columns |= {tuple(c >> CELL * s & (1 << CELL) - 1 for c in codes) for s in range(slices)}
            columns.add(tuple(int(w < 0) for w in weights))
        found += len(columns - {(0,) * len(layer.matrix[top:top + height])})
    return found


def sectioned(layer):
    """Bit lines of all sections: the digits of the largest weight of each."""
    found = 0
    for weights in layer.matrix.T.tolist():
        for side in ([w for w in weights if w > 0], [-w for w in weights if w < 0]):
            ordered = sorted(side, reverse=True)
            found += sum(-(-w.bit_length() // CELL) for w in ordered[::ROWS])
    return found


def test_they_count_what_the_weights_ask_for():
    """Against dense: fewer conversions, by an independent count."""
    rows = comparison.compare(["isaac_like"], [WORKLOAD], datapaths=["bitmerge:height=64", "sections"], images=1,
                              policies=["one_copy"])
    conversions = {row.datapath: row.figures.conversions for row in rows}
    assert [row.why for row in rows] == [""] * 3 and all(row.figures.exact is not False for row in rows)
    layers = xbarch.load(WORKLOAD).compute_layers
    assert conversions["sections"] == sum(la.input_bits * la.windows * sectioned(la) for la in layers)
    least = sum(la.input_bits * la.windows * merged(la, 64) for la in layers)
    assert least <= conversions["bitmerge"] <= 1.25 * least  # wide layers take several arrays, which share no columns
    assert conversions["sections"] < conversions["dense"] and rows[2].gain("energy", "own") is not None


@pytest.mark.full
@pytest.mark.parametrize("name", ["bitmerge", "sections"])
def test_they_are_exact_on_stored_activations(name):
    assert not any(row["mismatches"] for row in xbarch.verify("isaac_like", WORKLOAD, datapath=name))


RECIPE = """
kind: trained
description: filters tied for bit-column merging
model: lenet5
data: {name: digits, size: 32, channels: 1}
quantization: {weight_bits: 4, activation_bits: 4, weight_scale: nonzero_mean}
baseline: {epochs: 1, rate: 0.02}
pruning:
  method: bitmerge
  options: {height: 128}
  algorithm: {name: cut}
  density: 0.5
  cut_after: 1
  training: {epochs: 3, rate: 0.01}
"""


@pytest.mark.train
@pytest.mark.full
def test_ties_hold_while_weights_are_trained_again(tmp_path):
    """In every part no more than half of the filters differ, though the weights move on after the cut; and a run that
    was interrupted after the cut ends with the same bytes."""
    pytest.importorskip("torch")
    from xbarch.compress.training.run import train

    def stop(done, of, what):
        if what.startswith("pruning") and done == 2:
            raise KeyboardInterrupt

    (tmp_path / "tied.yaml").write_text(RECIPE)
    stored = train(tmp_path / "tied.yaml", cache=tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "tied.yaml", out=tmp_path / "again", cache=tmp_path / "other", progress=stop)
    again = train(tmp_path / "tied.yaml", out=tmp_path / "again", cache=tmp_path / "other")
    assert (again / "tensors.safetensors").read_bytes() == (stored / "tensors.safetensors").read_bytes()
    network = store.load(stored)
    sparsity = json.loads((stored / "manifest.json").read_text())["sparsity"]
    for name in ("conv2", "fc1", "fc2"):
        layer = network[name]
        for top in range(0, layer.rows, 128):
            assert len(np.unique(layer.matrix[top:top + 128], axis=1).T) <= -(-layer.filters // 2), name
        assert sparsity[name]["tied"] == 1 and len(np.unique(layer.matrix)) > 4
    assert "tied" not in sparsity["conv1"]
    history = network.manifest["history"]
    assert history[-1]["loss"] < history[1]["loss"]
    plain = xbarch.simulate("isaac_like", network, images=1, datapath="dense", options={"sign": "twos"},
                            policy="one_copy")
    tied = xbarch.simulate("isaac_like", network, images=1, policy="one_copy")
    assert tied["counts.conversions"] < plain["counts.conversions"]


def test_means_of_ties():
    values, ties = np.array([[1.0, 2, 3], [4, 5, 60]]), np.array([[0, 0, -1], [3, 0, 3]])
    assert averaged(values, ties).tolist() == [[8 / 3, 8 / 3, 3], [32, 8 / 3, 32]]
    assert averaged(values, ties - ties - 1).tolist() == values.tolist()
