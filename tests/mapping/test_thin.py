"""Densities of a request: the weakest groups of a layer go, and the run is that of a network without them."""

from dataclasses import replace

import numpy as np
import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.request import Request
from xbarch.run import prepare
from xbarch.specs.sweep import Sweep
from xbarch.studies.sweep.points import Points

DENSITY = {"features.3": 0.5, "classifier.0": 0.3}
ARCH, DENSE = "sre_like", "digit_pairs/vgg7_dense_longer"  # its vectors are columns of 16 weights, an operation unit


def thin(**choices):
    return prepare(Request(arch=ARCH, workload=DENSE, datapath="auto_prune", **choices)).network


def test_the_weakest_groups_go():
    """Against their norms, vector by vector; what stays is as it was, and other layers are untouched."""
    before, after = thin(), thin(density=DENSITY)
    unit = 16
    for old, new in zip(before.compute_layers, after.compute_layers, strict=True):
        if new.name not in DENSITY:
            assert new is old or np.array_equal(new.matrix, old.matrix)
            continue
        starts = np.arange(0, old.rows, unit)
        norms = np.add.reduceat(old.matrix.astype(int) ** 2, starts, axis=0)
        kept = np.add.reduceat(new.kept.astype(int), starts, axis=0)
        sizes = np.diff([*starts, old.rows])[:, None]
        assert ((kept == 0) | (kept == sizes)).all()
        assert (kept > 0).sum() == round(DENSITY[new.name] * norms.size)
        assert norms[kept > 0].min() >= norms[kept == 0].max()
        assert np.array_equal(new.matrix, np.where(new.kept, old.matrix, 0))
    assert not after.activations and not after.accuracy and after.name == "vgg7_dense_longer, thinned"


def test_what_is_gone_stays_gone():
    """Of a network that is pruned already, at a density above its own."""
    setup = [prepare(Request(arch="isaac_like", workload="vgg7_pruned", density=d)).network
             for d in ({}, {"features.3": 0.9}, {"features.3": 0.05})]
    stored, same, fewer = (network["features.3"] for network in setup)
    assert np.array_equal(same.matrix * same.kept, stored.matrix * stored.kept) and not (same.kept & ~stored.kept).any()
    assert 0 < fewer.kept_weights < stored.kept_weights and not (fewer.kept & ~stored.kept).any()


@pytest.mark.full
def test_the_run_is_that_of_the_network_without_these_weights():
    """Stored as plain arrays, without a name that a packing could be remembered by."""
    network = thin(density=DENSITY)
    layers = [la if not la.compute else replace(la, weights=lambda w=la.weights(): w,
                                                mask=None if la.mask is None else lambda m=la.mask(): m)
              for la in network.layers]
    given = {"datapath": "auto_prune", "images": 2, "policy": "one_copy"}
    one = xbarch.simulate(ARCH, DENSE, density=DENSITY, **given)
    other = xbarch.simulate(ARCH, replace(network, layers=tuple(layers)), **given)
    for name in ("energy.scopes_aj.whole", "mapping.crossbars", "latency.first_image_ps", "counts.conversions"):
        assert one[name] == other[name]
    assert one["mapping.crossbars"] < xbarch.simulate(ARCH, DENSE, **given)["mapping.crossbars"]


def test_densities_are_axes():
    asked = Sweep.model_validate({
        "kind": "sweep", "architectures": [ARCH], "workloads": [DENSE], "datapaths": ["auto_prune"],
        "density": {"features.7": 0.5}, "axes": {"density.features.3": [0.5, 1], "density.classifier.0": [0.2, 0.4]}})
    found = Points(asked)
    assert [p.request.density for p in found] == [
        {"features.7": 0.5, "features.3": a, "classifier.0": b} for a in (0.5, 1) for b in (0.2, 0.4)]
    assert len({p.request.digest() for p in found}) == 4


@pytest.mark.parametrize("given, says", [
    ({"density": {"features.4": 0.5}}, "density: unknown layer 'features.4'; choose features.0"),
    ({"density": {"classifier.0": 0.5}, "datapath": "meng", "arch": "isaac_like"},
     "density: data path meng removes no weights of layer classifier.0"),
    ({"density": {"features.3": 0}}, "density: must be a share above 0, up to 1, not 0 for 'features.3'"),
    ({"density": 0.5}, "density: must be a dict of names and shares, not 0.5"),
])
def test_wrong_densities_are_a_sentence(given, says):
    with pytest.raises(InputError) as error:
        prepare(Request(**{"arch": ARCH, "workload": DENSE, "datapath": "auto_prune", **given}))
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_wrong_axis_is_refused_before_anything_runs(call, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(f"kind: sweep\narchitectures: [{ARCH}]\nworkloads: [{DENSE}]\ndatapaths: [auto_prune]\naxes:\n"
                    "  density.features.3: [0.5, 2]\n")
    code, _, error = call("sweep", path, "--out", tmp_path / "out")
    assert code == 2 and f"{path}:" in error and "axes" in error and "up to 1, not 2 for 'features.3'" in error


def test_draws_of_a_thinned_network_are_kept_apart():
    """Finished draws are kept by a name that follows from the network that was drawn, not from the stored one."""
    noisy = {"overrides": ["noise.effects.programming.independent=0.1"], "accuracy": 4}
    names = [prepare(Request(arch="isaac_like", workload="vgg7_pruned", datapath="dense", **noisy, density=density)
                     ).draws_name for density in ({}, {"features.3": 0.5}, {"features.3": 0.25}, {})]
    assert all(names) and len(set(names)) == 3 and names[0] == names[-1]
