"""Algorithms against their definitions, on small networks; interrupted runs resume to the same bytes."""

import numpy as np
import pytest
import torch

from xbarch.compress.intake import models
from xbarch.compress.intake.trace import trace_model
from xbarch.compress.methods.admm import Admm
from xbarch.compress.methods.pruner import Pruner
from xbarch.compress.methods.zeroize import Zeroize
from xbarch.compress.quantizers.network import Network
from xbarch.compress.training import data
from xbarch.compress.training.network import build
from xbarch.compress.training.run import change, train
from xbarch.compress.training.trainer import Trainer, phases
from xbarch.datapaths.dense import Dense
from xbarch.datapaths.meng import Meng
from xbarch.datapaths.records import Geometry
from xbarch.datapaths.tools.groups import strongest
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.specs.learning import Training
from xbarch.specs.recipe import Pruning, Quantization
from xbarch.workload import find, store
from xbarch.workload.graph import Layer
from xbarch.workload.measures import TOP_ONE, PixelAccuracy

torch.set_num_threads(1)

RECIPE = """
kind: trained
model: resnet20
width: 4
data: {{name: digits, size: 16}}
quantization: {{weight_scale: lsq}}
baseline: {{epochs: 2, rate: 0.05}}
pruning:
  method: {method}
  options: {options}
  geometry: {{rows: 36, columns: 16, cell_bits: 2}}
  algorithm: {algorithm}
  density: 0.5
  cut_after: 2
  training: {{epochs: 3, rate: 0.02}}
"""


def network(**quantization):
    torch.manual_seed(0)
    return Network(trace_model(models.build("resnet20", 10, 8, 0), (3, 16, 16)), Quantization(**quantization))


def spec(algorithm, **more):
    return Pruning(**{"method": "dense", "algorithm": algorithm, "density": 0.25, "cut_after": 4,
                      "training": Training(epochs=6, rate=0.1), **more})


def test_a_set_for_the_network_is_elected_once():
    """Of the trained dense weights, before anything moves; kernels choose from it later on."""
    net = network()
    options = {"scope": "network", "positions": 4, "channels": 1}
    path = registry.datapath("pattern", options)
    pruner = Admm(net, spec({"name": "admm"}, method="pattern", options=options, density=4 / 9), path)
    elected = {tuple(pattern) for pattern in pruner.path.common[3, 3].tolist()}
    assert len(elected) == 8 and len(pruner.constraints) == 2 and not path.common
    torch.manual_seed(3)
    with torch.no_grad():
        for node in pruner.nodes:
            node.weight.copy_(torch.randn_like(node.weight))
    pruner.harden()
    for node in pruner.nodes:
        assert {tuple(kernel) for kernel in node.mask.reshape(-1, 9).tolist()} <= elected


@pytest.mark.parametrize("size", [(1, 4), (3, 1), (2, 5), (5, 7)])
def test_strongest_keeps_the_largest_groups(size):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(5, 7, 3, 3))
    layer = Layer(name="layer", op="conv", inputs=("input",), in_shape=(7, 8, 8), out_shape=(5, 6, 6), kernel=(3, 3))
    found = strongest(w, layer, (size[0], size[1] * 9), 0.6)
    norms = {(f, c): np.linalg.norm(w[f:f + size[0], c:c + size[1]])
             for f in range(0, 5, size[0]) for c in range(0, 7, size[1])}
    kept = {k for k in norms if found.mask[k[0]:k[0] + size[0], k[1]:k[1] + size[1]].any()}
    assert len(kept) == round(0.6 * len(norms)) and found.side == {"groups": len(kept), "of": len(norms)}
    assert min(norms[k] for k in kept) >= max((v for k, v in norms.items() if k not in kept), default=0)
    assert np.array_equal(found.weights, w * found.mask)


@pytest.mark.full
def test_cut_is_magnitude_pruning():
    p = Pruner(network(), spec({"name": "cut"}, layers={"fc": 1, "conv1": 0.5}), Dense())
    assert "fc" not in {n.layer.name for n in p.nodes} and p.nodes[0].layer.name == "conv1"
    before = [n.weight.detach().clone() for n in p.nodes]
    p.harden()
    for node, old in zip(p.nodes, before, strict=True):
        size, kept = old.abs().flatten(), node.mask.flatten()
        assert int(kept.sum()) == round((0.5 if node.layer.name == "conv1" else 0.25) * size.numel())
        assert float(size[kept].min()) >= float(size[~kept].max())
        torch.testing.assert_close(node.weight.detach(), old * node.mask, rtol=1e-5, atol=1e-7)


@pytest.mark.full
def test_admm_converges_to_the_projection():
    """f(W) = |W - A|²/2 with the constraint "at most a quarter is not zero": ADMM ends on the projection of A."""
    net = network()
    p = Admm(net, spec({"name": "admm", "rho": 0.1, "growth": 1.3}), Dense())
    wanted = [n.weight.detach().clone() for n in p.nodes]
    primal = []
    for epoch in range(1, 40):
        with torch.no_grad():  # the minimiser over W, by hand
            for n, a, z, u in zip(p.nodes, wanted, p.z[0], p.u[0], strict=True):
                n.weight.copy_((a + p.rho * (z - u)) / (1 + p.rho))
        p.close(epoch)
        primal.append(p.figures()["primal"])
    assert primal[-1] < 1e-3 < primal[0] and p.figures()["dual"] < 1e-3
    p.harden()
    for node, a in zip(p.nodes, wanted, strict=True):
        size = a.abs().flatten()
        best = size.topk(round(0.25 * size.numel())).values.square().sum()
        kept = (a.flatten()[node.mask.flatten()]).square().sum()
        assert float(kept) > 0.97 * float(best)


@pytest.mark.full
def test_admm_penalty_and_its_gradient():
    p = Admm(network(), spec({"name": "admm", "rho": 0.3}), Meng({"group_ch": 8}))
    p.u[0][0] += 0.01
    found = p.penalty(0.0)
    want = 0.15 * sum(float((n.weight - z + u).square().sum()) for n, z, u in zip(p.nodes, p.z[0], p.u[0], strict=True))
    assert float(found) == pytest.approx(want, rel=1e-5)
    found.backward()
    n, z, u = p.nodes[0], p.z[0][0], p.u[0][0]
    torch.testing.assert_close(n.weight.grad, 0.3 * (n.weight - z + u))


@pytest.mark.full
def test_admm_frozen_masks_stay():
    p = Admm(network(), spec({"name": "admm", "freeze_after": 2}), Dense())
    p.close(1)
    p.close(2)
    frozen = [torch.from_numpy(f.mask).reshape(n.weight.shape) for n, f in zip(p.nodes, p.frozen, strict=True)]
    with torch.no_grad():
        for n in p.nodes:
            n.weight.copy_(torch.randn_like(n.weight))
    p.close(3)
    assert all(torch.equal(z != 0, k) for z, k in zip(p.z[0], frozen, strict=True))
    p.harden()
    assert all(torch.equal(n.mask, k) for n, k in zip(p.nodes, frozen, strict=True))


@pytest.mark.full
def test_recover_zeroizes_in_even_epochs_only():
    p = Zeroize(network(), spec({"name": "recover", "ramp": 4}), Dense())
    node = p.nodes[0]
    p.step(0.1, 0.0, 1)
    assert int((node.weight == 0).sum()) == 0
    for epoch, density in ((2, 1 - 0.75 * 0.5), (4, 0.25), (6, 0.25)):
        with torch.no_grad():
            node.weight.copy_(torch.randn_like(node.weight))
        p.step(0.1, 0.0, epoch)
        assert int((node.weight != 0).sum()) == round(density * node.weight.numel())
    assert node.mask.all()  # nothing is lost for good


@pytest.mark.full
@pytest.mark.parametrize("method, options, algorithm", [
    ("meng", "{group_ch: 4}", "{name: admm, rho: 0.01}"),
    ("segprune", "{}", "{name: admm, rho: 0.01, freeze_after: 1}"),
    ("xue", "{adc_bits: 3}", "{name: admm, rho: 0.01}"),
    ("pattern", "{scope: network, positions: 5, channels: 1}", "{name: admm, rho: 0.01, freeze_after: 1}"),
    ("meng", "{group_ch: 4}", "{name: recover, ramp: 2}"),
    ("dense", "{}", "{name: cut}"),
    ("huai", "{}", "{name: recover, ramp: 2}"),
    ("huai", "{}", "{name: lasso, form: proximal, threshold: none}"),
])
def test_every_method_with_every_algorithm_that_fits(tmp_path, method, options, algorithm):
    """Trains, reaches the density, stores; interrupted after any epoch it ends with the same bytes."""
    recipe = tmp_path / "small.yaml"
    recipe.write_text(RECIPE.format(method=method, options=options, algorithm=algorithm))
    whole = train(recipe, out=tmp_path / "a", cache=tmp_path / "one")
    loaded = store.load(whole)
    assert loaded.datapath == method and {"baseline", "cut", "pruning"} <= set(loaded.accuracy)
    pruned = [la for la in loaded.compute_layers if la.mask is not None]
    kept = sum(la.kept_weights for la in pruned) / sum(la.rows * la.filters for la in pruned)
    assert kept == pytest.approx(0.5, abs=0.1)
    path = registry.datapath(loaded.datapath, loaded.options)
    assert not [reason for la in pruned if (reason := path.check(la, Geometry(36, 16, 2)))]
    spec = find.read_recipe(recipe)
    parts = data.load(spec.data, spec.seed)
    stop = [0]

    def interrupt(done, total, text):
        stop[0] += 1
        if stop[0] in (2, 4):
            raise KeyboardInterrupt

    for _ in range(3):
        try:
            again = train(recipe, out=tmp_path / "b", cache=tmp_path / "two", progress=interrupt)
        except KeyboardInterrupt:
            continue
    assert parts.classes == 10
    assert (again / "tensors.safetensors").read_bytes() == (whole / "tensors.safetensors").read_bytes()


@pytest.mark.full
def test_refusals(tmp_path):
    for algorithm, layers, says in (({"name": "cut"}, {"no": 0.5}, "pruning.layers"),
                                    ({"name": "lasso"}, {}, "removes no groups")):
        kind = {"cut": Pruner}.get(algorithm["name"])
        with pytest.raises(InputError, match=says):
            if kind:
                kind(network(), spec(algorithm, layers=layers), Dense())
            else:
                from xbarch.compress.methods.lasso import Lasso

                Lasso(network(), spec(algorithm), Dense())
    for bad in ({"density": None, "cut_after": None}, {"cut_after": 6}, {"layers": {"fc": 0.0}}, {"density": 1.5}):
        with pytest.raises(ValueError):
            spec({"name": "cut"}, **bad)


@pytest.mark.full
def test_trainer_reports_the_cut(tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(RECIPE.format(method="dense", options="{}", algorithm="{name: cut}"))
    found = find.read_recipe(recipe)
    parts = data.load(found.data, found.seed)
    trainer = Trainer(network=build(found, parts), parts=parts, recipe=found, folder=tmp_path / "ck")
    for phase in phases(found, ""):
        trainer.run(phase)
    rows = [r for r in trainer.history if "test_accuracy_cut" in r]
    assert [r["epoch"] for r in rows] == [2] and 0 <= rows[0]["test_accuracy_cut"] <= 1


@pytest.mark.parametrize("measure", [TOP_ONE, PixelAccuracy()])
def test_change_of_accuracy_and_its_interval(measure):
    """Of 400 images 30 are lost and 10 gained: mean -5 %; the interval of a normal approximation within 0.3 %. Maps of
    one pixel change by the same."""
    before, after = np.ones((400, 2)), np.ones((400, 2))
    before[:10, 0], after[10:40, 0] = 0, 0
    found = change(measure, before, after, 0)
    sigma = np.sqrt((40 / 400 - 0.05**2) / 400)
    assert found["mean"] == pytest.approx(-0.05)
    assert found["low"] == pytest.approx(-0.05 - 1.96 * sigma, abs=3e-3)
    assert found["high"] == pytest.approx(-0.05 + 1.96 * sigma, abs=3e-3)
    same = change(measure, before, before, 0)
    assert same == {"mean": 0, "low": 0, "high": 0}


@pytest.mark.full
def test_search_takes_the_fewest_bits_the_guard_allows(tmp_path):
    """Guard 1 takes the first value everywhere; guard 0 the first that loses nothing, by measuring again."""
    text = RECIPE.format(method="xue", options="{}", algorithm="{name: cut}")
    for guard in (1.0, 0.0):
        recipe = tmp_path / f"g{guard:.0f}.yaml"
        recipe.write_text(text.replace("  density: 0.5", "  layers: {conv1: 0.5}\n  density: 0.5\n  "
                                       f"search: {{option: adc_bits, values: [1, 4], guard: {guard}}}"))
        loaded = store.load(train(recipe, cache=tmp_path / "ck"))
        bits = loaded.options["adc_bits"]
        path = registry.datapath("xue", loaded.options)
        pruned = [la for la in loaded.compute_layers if la.mask is not None]
        assert set(bits) == {"*", *(la.name for la in pruned)}
        assert all(path.adc_bits(la, Geometry(36, 16, 2)) <= bits[la.name] for la in pruned)
        assert 4 in bits.values() if guard == 0 else {v for k, v in bits.items() if k != "*"} == {1}
        again = store.load(train(recipe, cache=tmp_path / "ck"))
        assert again.options == loaded.options
