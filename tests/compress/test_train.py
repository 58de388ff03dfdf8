"""Training: resuming changes nothing, checkpoints of other recipes are refused, the stored result is the network."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from xbarch.compress.training import data, provenance
from xbarch.compress.training.network import build
from xbarch.compress.training.run import train
from xbarch.compress.training.trainer import Trainer, phases
from xbarch.errors import InputError
from xbarch.specs.recipe import Recipe
from xbarch.workload import find, store
from xbarch.workload.infer import infer

torch.set_num_threads(1)

RECIPE = """
kind: trained
description: a small network for tests
model: resnet20
width: 4
data: {name: digits, size: 16}
baseline: {epochs: 2, rate: 0.05}
pruning:
  method: meng
  options: {group_ch: 4}
  algorithm: {name: lasso, threshold: layer_quantile, ratio: 0.5, strength: 0.04, form: proximal}
  density: 0.5
  cut_after: 1
  training: {epochs: 3, rate: 0.02}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("train")


@pytest.fixture(scope="module")
def recipe(place):
    path = place / "small.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def stored(place, recipe):
    return train(recipe, cache=place / "whole")


@pytest.mark.full
def test_result_is_the_network(stored, recipe):
    """Integer inference from the stored file equals the fake-quantized model: every stored activation, every class."""
    w = store.load(stored)
    assert stored == recipe.with_suffix("")
    assert w.trained_on == "digits" and w.datapath == "meng" and w.options == {"group_ch": 4}
    spec = find.read_recipe(recipe)
    parts = data.load(spec.data, spec.seed)
    right, checked = 0, 120
    for i in range(checked):
        values = infer(w, parts.test.pixels[i].numpy())
        right += int(np.argmax(values["fc"])) == int(parts.test.labels[i])
        if i < spec.stored_images:
            for la in w.compute_layers:
                np.testing.assert_array_equal(w.activations[la.name][i].ravel(), values[la.inputs[0]].ravel())
    assert abs(right / checked - w.accuracy["pruning"]) < 0.12  # 120 of 359 images: three standard errors
    manifest = store.read_manifest(stored)
    assert manifest.sparsity["conv1"]["masked"] == 0
    for name in ("layer2.0.conv1", "layer3.2.conv2"):
        assert manifest.sparsity[name]["masked"] == pytest.approx(0.5, abs=0.02)
        kept = w[name].kept
        assert not w[name].matrix[~kept].any()
    assert [row["epoch"] for row in manifest.history] == [1, 2, 1, 2, 3]


@pytest.mark.full
def test_interrupted_run_ends_with_the_same_bytes(place, recipe, stored):
    """A run stopped by Ctrl-C, then killed, then finished."""
    out, cache = place / "again", place / "parts"
    code = f"from xbarch.compress.training.run import train; from pathlib import Path\n" \
           f"train({str(recipe)!r}, out=Path({str(out)!r}), cache=Path({str(cache)!r}))"
    for stop in (signal.SIGINT, signal.SIGKILL):
        seen = len(list(cache.rglob("*.pt")))
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while process.poll() is None and len(list(cache.rglob("*.pt"))) <= seen and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(stop)  # nothing, where it has ended already
        process.wait()
        assert not (out / "manifest.json").exists() or process.returncode == 0
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (out / "tensors.safetensors").read_bytes() == (stored / "tensors.safetensors").read_bytes()
    assert store.read_manifest(out).model_copy(update={"name": "", "source": ""}) == \
        store.read_manifest(stored).model_copy(update={"name": "", "source": ""})


def test_equal_baselines_share_a_checkpoint(recipe):
    pruned = find.read_recipe(recipe)
    dense = pruned.model_copy(update={"pruning": None, "description": "other"})
    assert phases(dense, "")[0].key == phases(pruned, "")[0].key
    for change in ({"seed": 1}, {"width": 8}, {"baseline": pruned.baseline.model_copy(update={"rate": 0.1})}):
        assert phases(pruned.model_copy(update=change), "")[0].key != phases(dense, "")[0].key
    assert phases(pruned, "other model file")[0].key != phases(pruned, "")[0].key


LINEAR = """
kind: trained
model: net.py:make
data: {name: folder, path: pictures, size: 8}
baseline: {epochs: 1, rate: 0.01, batch: 4}
crossbar_images: 0
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's folder: recipe, model with a helper module, no ReLU anywhere, and images."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linear.yaml").write_text(LINEAR)
    (tmp_path / "helper.py").write_text("classes = 2\n")
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef make():\n"
                                     "    return nn.Sequential(nn.Flatten(), nn.Linear(192, 2))\n")
    for part in ("train", "test"):
        for level, name in enumerate("ab"):
            (tmp_path / "pictures" / part / name).mkdir(parents=True)
            for i in range(6):
                Image.new("RGB", (8, 8), (200 * level + i, 9 * i, 0)).save(tmp_path / f"pictures/{part}/{name}/{i}.png")
    return tmp_path


def test_a_model_without_relu_trains(own):
    made = store.load(train("linear.yaml", cache=own / "cache"))
    assert [la.op for la in made.layers] == ["input", "flatten", "linear"]
    assert set(made.accuracy) == {"baseline"} and len(store.read_manifest(own / "linear").history) == 1


def test_nothing_is_resumed_from_other_files_of_the_user(own):
    """The keys of the phases change with every pixel, label and line of Python, and with nothing else."""
    spec = find.read_recipe("linear.yaml")

    def key():
        parts = data.load(spec.data, spec.seed)
        return phases(spec, provenance.source_digest(spec, parts))[0].key

    seen = [key()]
    os.utime("pictures/train/a/0.png")
    assert key() == seen[0]
    for name, content in (("net.py", (own / "net.py").read_text() + "# other\n"), ("helper.py", "classes = 3\n")):
        (own / name).write_text(content)
        seen.append(key())
    Image.new("RGB", (8, 8), (1, 2, 3)).save("pictures/train/a/0.png")
    seen.append(key())
    os.rename("pictures/test/a/5.png", "pictures/test/b/6.png")
    seen.append(key())
    assert len(set(seen)) == 5


def test_reference_models_on_reference_data_have_no_files_of_their_own(recipe):
    spec = find.read_recipe(recipe)
    assert provenance.source_digest(spec, data.load(spec.data, spec.seed)) == hashlib.sha256(b"").hexdigest()[:16]


def test_damaged_checkpoint_is_refused(place, recipe):
    spec = find.read_recipe(recipe)
    parts = data.load(spec.data, spec.seed)
    trainer = Trainer(network=build(spec, parts), parts=parts, recipe=spec, folder=place / "bad")
    phase = phases(spec, "")[0]
    (place / "bad").mkdir()
    trainer.path(phase).write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(InputError, match="is not a checkpoint of this recipe"):
        trainer.run(phase)


@pytest.mark.full
@pytest.mark.parametrize("tamper, says", [
    ({"conv1.weight": torch.full((4, 3, 3, 3), float("nan"))}, "not finite"),
    ({"conv1.weight": torch.zeros(4, 3, 5, 5)}, r"the shape of conv1.weight must be \(4, 3, 3, 3\), not"),
    ({"conv1.weight": torch.zeros(1).expand(4, 3, 3, 3)}, "conv1.weight must be a dense tensor"),
    ({"no.such": torch.zeros(3)}, "holds a tensor 'no.such', which the model does not have"),
    ([1, 2, 3], "holds no state dict"),
])
def test_hostile_checkpoints(place, tamper, says):
    spec = Recipe.model_validate({
        "kind": "trained", "model": "resnet20", "width": 4, "data": {"name": "digits", "size": 16},
        "baseline": {"epochs": 1, "rate": 0.1}, "checkpoint": str(place / "weights.pt")})
    torch.save(tamper, place / "weights.pt")
    parts = data.load(spec.data, spec.seed)
    if isinstance(tamper, dict):
        fresh = spec.model_copy(update={"checkpoint": None})
        from xbarch.compress.intake import models
        state = models.build(fresh.model, 10, fresh.width, 0).state_dict()
        torch.save({**state, **tamper}, place / "weights.pt")
    with pytest.raises(InputError, match=says):
        build(spec, parts)


def test_checkpoint_that_would_run_code(place):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {place}/executed",)

    torch.save({"x": Evil()}, place / "evil.pt")
    spec = Recipe.model_validate({
        "kind": "trained", "model": "resnet20", "width": 4, "data": {"name": "digits", "size": 16},
        "baseline": {"epochs": 1, "rate": 0.1}, "checkpoint": str(place / "evil.pt")})
    with pytest.raises(InputError, match="cannot be read"):
        build(spec, data.load(spec.data, 0))
    assert not (place / "executed").exists()


@pytest.mark.full
def test_loss_that_explodes_is_refused(place, recipe):
    spec = find.read_recipe(recipe)
    wild = spec.model_copy(update={"baseline": spec.baseline.model_copy(update={"rate": 9.9, "momentum": 0.99}),
                                   "quantization": spec.quantization.model_copy(update={"clip_penalty": 10.0})})
    parts = data.load(wild.data, wild.seed)
    with pytest.raises(InputError, match="loss is not finite"):
        Trainer(network=build(wild, parts), parts=parts, recipe=wild, folder=place / "wild").run(phases(wild, "")[0])
