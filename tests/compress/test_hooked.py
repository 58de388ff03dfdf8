"""Models as users hold them: pruned or reparametrized modules, and models that take vectors."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import xbarch
from xbarch.compress.importing.weights import import_weights
from xbarch.compress.training import data
from xbarch.compress.training.network import build
from xbarch.specs.recipe import Data, Recipe

DIGITS = {"name": "digits", "size": 8}
BODY = """
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune


def net():
    m = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(), nn.Flatten(),
                      nn.Linear(72, 10))
    {change}
    return m
"""
CHANGES = {
    "weight_norm": "parametrizations.weight_norm(m[2])",
    "spectral_norm": "parametrizations.spectral_norm(m[2])",
    "orthogonal": "parametrizations.orthogonal(m[5])",
    "older weight_norm": "torch.nn.utils.weight_norm(m[2])",
    "older spectral_norm": "torch.nn.utils.spectral_norm(m[5])",
    "pruned": "prune.l1_unstructured(m[0], 'weight', 0.5), prune.ln_structured(m[2], 'weight', 0.5, 2, 0)",
    "pruned twice": "prune.l1_unstructured(m[2], 'weight', 0.3), prune.random_unstructured(m[2], 'weight', 0.3)",
}


def made(place, change):
    """(model as the user has it, its factory, its checkpoint), drawn from a seed of its own."""
    (place / "net.py").write_text(BODY.replace("{change}", CHANGES[change]))
    scope = {"torch": torch, "nn": nn, "prune": prune, "parametrizations": parametrizations}
    exec(BODY.replace("{change}", CHANGES[change]), scope)
    torch.manual_seed(5)
    model = scope["net"]().eval()
    torch.save(model.state_dict(), place / "net.pt")
    return model, f"{place}/net.py:net", place / "net.pt"


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("change", CHANGES)
def test_the_weights_of_hooked_models(tmp_path, change):
    model, name, file = made(tmp_path, change)
    parts = data.load(Data(**DIGITS), 0)
    recipe = Recipe.model_validate({"kind": "trained", "model": name, "checkpoint": str(file), "data": DIGITS,
                                    "quantization": {}, "baseline": {"epochs": 1, "rate": 0.1}})
    with torch.no_grad():
        model(parts.test[slice(0, 1)][0])  # hooks compute their weights
    for node, module in zip(build(recipe, parts).compute_nodes(), (model[0], model[2], model[5]), strict=True):
        assert torch.allclose(node.weight, module.weight, atol=1e-6)
        mask = getattr(module, "weight_mask", torch.ones_like(module.weight))
        assert torch.equal(node.mask, mask != 0)  # what was removed stays removed, in training too


@pytest.mark.parametrize("change", ["weight_norm", "pruned"])
def test_their_import(tmp_path, change):
    _, name, file = made(tmp_path, change)
    folder = import_weights(name, file, "dense", out=tmp_path / "w", data=DIGITS, crossbar_images=0,
                            quantization={"weight_bits": 8, "activation_bits": 8})
    stored = xbarch.load(str(folder))
    assert abs(stored.accuracy["imported"] - stored.accuracy["float"]) < 0.05
    kept = [int(la.kept.sum()) for la in stored.compute_layers]
    assert kept == ([216, 576, 720] if change == "weight_norm" else [108, 288, 720])


class Vectors(nn.Module):
    """Unpacks two axes, as users write it."""

    def __init__(self):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(20, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)

    def forward(self, x):
        rows, features = x.shape
        return self.b(torch.relu(self.norm(self.a(x.view(rows, features)))))


def test_vectors_reach_the_model_as_the_file_has_them(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((160, 20)).astype(np.float32), np.arange(160) % 3
    np.savez(tmp_path / "v.npz", x_train=x[:120], y_train=y[:120], x_test=x[120:], y_test=y[120:])
    torch.manual_seed(1)
    model = Vectors().eval()
    with torch.no_grad():
        right = float((model(torch.from_numpy(x[120:])).argmax(1).numpy() == y[120:]).mean())
    folder = import_weights(model, None, "dense", out=tmp_path / "w",
                            data={"name": "arrays", "path": str(tmp_path / "v.npz")},
                            quantization={"weight_bits": 8, "activation_bits": 8})
    stored = xbarch.load(str(folder))
    assert stored.accuracy["float"] == pytest.approx(right) and abs(stored.accuracy["imported"] - right) <= 0.1
    assert [la.in_shape for la in stored.compute_layers] == [(20, 1, 1), (16, 1, 1)]
    assert sum(la.macs for la in stored.compute_layers) == 20 * 16 + 16 * 3
    assert xbarch.simulate("isaac_like", str(folder), images=1)["latency.first_image_ps"] > 0
