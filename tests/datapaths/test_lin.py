"""Lin's clustered crossbars: k-means against its definition, planted clusters, cuts against all others."""

import json
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from piecerigs import FULL, SMALL, SRE, conv, emitted, exact, lawful, recounted

from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry
from xbarch.datapaths.lin import Lin, clusters, kmeans
from xbarch.datapaths.tools import pieces
from xbarch.errors import InputError

ISAAC = Geometry(128, 128, 2)


def blank(shape):
    return conv(np.ones(shape))


def planted(rng, kinds, each, rows):
    """`each` filters of each of `kinds` supports of disjoint rows, shuffled: [kinds * each, rows]."""
    support = np.zeros((kinds, rows), bool)
    for k in range(kinds):
        support[k, k * rows // kinds:(k + 1) * rows // kinds] = True
    return support.repeat(each, axis=0)[rng.permutation(kinds * each)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_clusters_hold_every_filter_once_and_are_full_but_one(seed, size):
    rng = np.random.default_rng(seed)
    support = rng.random((int(rng.integers(1, 40)), int(rng.integers(1, 30)))) < 0.3
    found = clusters(support, size)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(support)))
    assert [len(c) for c in found[:-1]] == [size] * (len(found) - 1) and 1 <= len(found[-1]) <= size
    assert all(np.array_equal(a, b) for a, b in zip(found, clusters(support, size), strict=True))


def test_planted_clusters_are_found_in_spite_of_noise():
    rng = np.random.default_rng(0)
    support = planted(rng, 4, 8, 80)
    noisy = support ^ (rng.random(support.shape) < 0.1)
    for cluster in clusters(noisy, 8):
        assert len(np.unique(support[cluster], axis=0)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_kmeans_ends_at_means_and_nearest_centres(seed):
    points = np.random.default_rng(seed).normal(size=(30, 4)).astype(np.float32)
    distance, member = kmeans(points, 3)
    assert set(member) == {0, 1, 2}
    centres = np.array([points[member == c].mean(axis=0) for c in range(3)])
    again = ((points[:, None] - centres) ** 2).sum(axis=2)
    if np.array_equal(again.argmin(axis=1), member):  # it has converged
        assert np.allclose(distance, again, atol=1e-4)
    inertia = again[range(30), member].sum()
    assert inertia < ((points - points.mean(axis=0)) ** 2).sum()


@pytest.mark.parametrize("seed", range(5))
def test_the_crossbars_kept_hold_the_most_energy(seed):
    """Six crossbars of 4 rows and 2 filters: every choice of two of them tried."""
    geometry = Geometry(4, 8, 2)
    weights = np.random.default_rng(seed).normal(size=(4, 12, 1, 1))
    found = Lin().project(weights, blank(weights.shape), geometry, 1 / 3)
    assert (found.side["crossbars"], found.side["of"]) == (2, 6) and found.mask.mean() == pytest.approx(1 / 3)
    energy = [np.square(weights)[c, r:r + 4].sum() for c in found.side["clusters"][0] for r in range(0, 12, 4)]
    assert (found.weights ** 2).sum() == pytest.approx(max(sum(c) for c in combinations(energy, 2)))


def test_refit_keeps_clusters():
    rng = np.random.default_rng(1)
    before, after = rng.normal(size=(2, 64, 32, 3, 3))
    found = Lin().project(before, blank(before.shape), ISAAC, 0.3)
    frozen = replace(found, side=json.loads(json.dumps(found.side)))
    assert np.array_equal(Lin().refit(before, blank(before.shape), ISAAC, frozen).mask, found.mask)
    moved = Lin().refit(after, blank(before.shape), ISAAC, frozen)
    assert moved.side["clusters"] == found.side["clusters"] and moved.mask.sum() <= found.mask.sum()


def test_crossbars_of_low_utilization_are_removed():
    """A planted half: crossbars without any of the largest weights go, though the density would keep them."""
    rng = np.random.default_rng(2)
    support = planted(rng, 2, 32, 256)
    weights = (np.where(support, 1, 0.1) * rng.choice([-1, 1], support.shape) * rng.uniform(0.9, 1.1, support.shape))
    layer, shaped = blank((64, 256, 1, 1)), weights.reshape(64, 256, 1, 1)
    for theta, kept in ((0.0, 3), (0.9, 2)):
        assert Lin({"theta": theta}).project(shaped, layer, ISAAC, 0.8).side["crossbars"] == kept
    assert np.array_equal(Lin({"theta": 0.9}).project(shaped, layer, ISAAC, 0.8).mask[:, :, 0, 0], support)


@pytest.mark.parametrize(("density", "theta"), [(0, 0.0), (0.01, 0.0), (1.1, 0.0), (0.5, 1.0), (float("nan"), 0.0)])
def test_densities_out_of_reach_are_refused(density, theta):
    weights = np.random.default_rng(0).normal(size=(64, 32, 3, 3))
    with pytest.raises(InputError, match=r"^density: .* layer conv"):
        Lin({"theta": theta}).project(weights, blank(weights.shape), ISAAC, density)


@pytest.mark.parametrize("sign", ["offset", "differential", "twos"])
def test_removed_crossbars_are_not_stored(sign):
    weights = np.random.default_rng(3).normal(size=(96, 64, 3, 3))
    path = Lin({"sign": sign})
    found = path.project(weights, blank(weights.shape), ISAAC, 0.25)
    blocks, ours, _ = lawful(path, conv(found.mask), ISAAC)
    assert ours[0] <= found.side["crossbars"] and len({b.crossbar for b in blocks}) == len(blocks)


def test_columns_exchanged_until_zero_blocks_vanish():
    """Filters of four supports in turn: `dense` stores every block, clustered a quarter is left."""
    support = planted(np.random.default_rng(4), 4, 32, 512)
    layer = conv(support.reshape(128, 512, 1, 1))
    blocks, ours, theirs = lawful(Lin(), layer, ISAAC)
    assert theirs[0] == 16 and ours[0] == len(blocks) == 4
    assert sum(b.kept for b in blocks) == layer.kept_weights * 4 == 4 * 128 * 128


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([SRE, SMALL, FULL]))
def test_any_mask_is_exact_and_costs_no_more_than_dense(seed, geometry):
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    shape = (groups * int(rng.integers(1, 16)), int(rng.integers(1, 16)), *rng.integers(1, 4, 2))
    mask = rng.random(shape) < rng.choice([0, 0.03, 0.4])
    lawful(Lin(), conv(mask, groups=groups), geometry)


def test_fewer_crossbars_kept_never_cost_more():
    weights, path = np.random.default_rng(5).normal(size=(64, 64, 3, 3)), Lin()
    costs = [pieces.cost(exact(path, conv(path.project(weights, blank(weights.shape), ISAAC, d).mask), ISAAC), ISAAC)
             for d in (1, 0.8, 0.5, 0.3, 0.1)]
    assert costs[0] == pieces.cost(dense.blocks(blank(weights.shape), ISAAC), ISAAC)
    assert all(b <= a for big, small in pairwise(costs) for a, b in zip(big, small, strict=True))


def test_work_equals_a_recount_by_loops():
    support = planted(np.random.default_rng(6), 2, 12, 40)
    layer, path = conv(support.reshape(24, 40, 1, 1)), Lin()
    blocks = path.pack(layer, SMALL)
    work = path.work(blocks, layer, SMALL)
    expected = recounted(blocks, SMALL, 4, np.zeros((1, 40)), lambda inputs, w: True)
    assert np.array_equal(emitted(work, 1), expected)
    assert work.extra["scatter"].sum() > 0 and set(work.extra) == {a.action for a in path.components(SMALL)}
