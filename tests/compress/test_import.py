"""A checkpoint of one's own: rounded, checked or pruned, stored; every wrong one refused with a sentence."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import xbarch
from xbarch.compress.importing import calibrate, request, weights
from xbarch.compress.intake import models
from xbarch.compress.quantizers.levels import Pact, Weights
from xbarch.compress.training import data
from xbarch.compress.training.network import build
from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.functional.execute import verify
from xbarch.plugins import registry
from xbarch.specs.learning import Training
from xbarch.specs.recipe import Data, Quantization, Recipe
from xbarch.workload import store
from xbarch.workload.infer import infer

torch.set_num_threads(1)

SMALL = {"rows": 36, "columns": 16, "cell_bits": 2}
DIGITS = {"name": "digits", "size": 16}


@pytest.fixture(scope="module")
def parts():
    return data.load(Data(**DIGITS), 0)


@pytest.fixture(scope="module")
def place(tmp_path_factory, parts):
    """A folder with w.pt: a ResNet-20 of width 4, trained in floating point for eight short epochs."""
    folder = tmp_path_factory.mktemp("take")
    model = models.build("resnet20", 10, 4, 0).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, 0.9, weight_decay=5e-4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(8):
        for batch in torch.randperm(len(parts.train), generator=generator).split(64):
            x, y = parts.train[batch]
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.save(model.state_dict(), folder / "w.pt")
    return folder


def imported(place, name, method, weights="w.pt", **more):
    return xbarch.load(xbarch.import_weights("resnet20", place / weights, method, out=place / name, data=DIGITS,
                                             width=4, **more))


def weights_of(workload):
    return {la.name: la.weights().astype(np.int64) for la in workload.compute_layers}


def changed(place, name, change):
    """A copy of the checkpoint after `change` of its state dict."""
    state = torch.load(place / "w.pt")
    change(state)
    torch.save(state, place / name)
    return name


def in_shape(levels, like):
    return torch.from_numpy(levels.astype(np.float32)).reshape(like.shape)


# -- what is stored -----------------------------------------------------------------------------------------------

@pytest.mark.full
def test_accuracy_is_that_of_the_integers(place, parts):
    """The accuracy in the manifest, from integer arithmetic without torch, image by image."""
    found = imported(place, "dense", "dense", stored_images=2)
    right = sum(int(np.argmax(infer(found, image)["fc"].ravel()) == label)
                for image, label in zip(parts.test.pixels.numpy(), parts.test.labels.tolist(), strict=True))
    assert right / len(parts.test) == found.accuracy["imported"]
    model = models.build("resnet20", 10, 4, 0).eval()
    model.load_state_dict(torch.load(place / "w.pt"))
    x, y = parts.test[:]
    with torch.no_grad():
        assert found.accuracy["float"] == pytest.approx(float((model(x).argmax(1) == y).float().mean()))
    assert found.accuracy["imported"] > found.accuracy["float"] - 0.08 > 0.8  # 4 bits, not trained
    recipe = found.manifest["recipe"]
    assert recipe["kind"] == "imported" and len(recipe["sha256"]) == 64 and recipe["calibration_images"] == 512
    assert found.trained_on and recipe["method"] == found.datapath == "dense" and recipe["density"] is None
    assert not any(r["mismatches"] for r in verify(
        found, Geometry(128, 128, 2), lambda la: registry.datapath("dense").pack(la, Geometry(128, 128, 2))))
    assert all(la.weight_bits == 4 and np.abs(la.weights()).max() == 7 for la in found.compute_layers)


@pytest.mark.full
def test_same_bytes_again(place):
    made = [imported(place, f"again{i}", "meng", density=0.7, options={"group_ch": 4}) for i in range(2)]
    assert made[0].manifest["sha256"] == made[1].manifest["sha256"]


@pytest.mark.full
def test_more_bits_and_a_chain_of_shifts(place, parts):
    fine = imported(place, "eight", "dense", quantization={"weight_bits": 8, "activation_bits": 8})
    assert fine.accuracy["imported"] >= fine.accuracy["float"] - 0.02  # on a few hundred images it may also gain
    chain = imported(place, "chain", "huai", quantization={"chain": "power_of_two"}, batch_norm="refit")
    assert chain.accuracy["imported"] > chain.accuracy["float"] - 0.1
    for image in parts.test.pixels.numpy()[:3]:  # shifts alone give what scales give
        shifted, scaled = infer(chain, image, shifts=True), infer(chain, image)
        assert all(np.array_equal(shifted[la.name], scaled[la.name]) for la in chain.layers[:-1])


@pytest.mark.full
@pytest.mark.parametrize("method, options, density", [
    ("meng", {"group_ch": 4}, 0.6), ("huai", {}, 0.6), ("segprune", {}, 0.6), ("xue", {"adc_bits": 2}, 0.6),
    ("dense", {}, 0.6)])
def test_projection_when_asked(place, method, options, density):
    """The constraint holds on every layer, the packed form is exact, no more is kept than was asked for."""
    found = imported(place, f"pruned_{method}", method, options=options, density=density, geometry=SMALL)
    path, geometry = registry.datapath(method, options), Geometry(**SMALL)
    assert all(path.check(la, geometry) == "" for la in found.compute_layers)
    assert not any(r["mismatches"] for r in verify(
        found, geometry, lambda la: path.pack(la, geometry), images=1, adc_bits="lossless"))
    pruned = [la for la in found.compute_layers[1:] if path.prunes(la)]
    kept = sum(la.kept_weights for la in pruned) / sum(la.rows * la.filters for la in pruned)
    assert 0.2 < kept < 0.66
    assert all(not la.matrix[~la.kept].any() for la in pruned)
    assert found.manifest["recipe"]["density"] == density
    if method == "xue":  # 2-bit ADCs in the first layer too, which a density alone would have left dense
        assert max(path.adc_bits(la, geometry) for la in found.compute_layers) == 2


@pytest.mark.full
def test_for_operation_units(place):
    unit = {"rows": 4, "columns": 8}
    found = imported(place, "units", "sre", density=0.6, geometry={**SMALL, "operation_unit": unit})
    path, geometry = registry.datapath("sre"), Geometry(**SMALL, ou_rows=4, ou_columns=8)
    assert all(path.check(la, geometry) == "" for la in found.compute_layers)
    assert not any(r["mismatches"] for r in verify(
        found, geometry, lambda la: path.pack(la, geometry), images=1, adc_bits="lossless"))
    assert found.manifest["recipe"]["geometry"]["operation_unit"] == unit


@pytest.mark.full
def test_density_of_a_layer(place):
    found = imported(place, "named", "segprune", density=0.5, layers={"conv1": 0.75, "fc": 1.0}, geometry=SMALL)
    share = {la.name: la.kept_weights / la.rows / la.filters for la in found.compute_layers}
    assert 0.5 < share["conv1"] <= 0.75 and share["fc"] == 1 and share["layer2.0.conv1"] <= 0.5


# -- weights that are pruned already ------------------------------------------------------------------------------

@pytest.mark.full
def test_zeros_are_the_mask(place):
    def cut(state):
        for name in ("layer1.0.conv1.weight", "layer3.2.conv2.weight"):
            state[name].view(-1)[::2] = 0

    found = imported(place, "zeros", "meng", changed(place, "zeros.pt", cut))
    state = torch.load(place / "zeros.pt")
    for la in found.compute_layers:
        assert np.array_equal(la.kept.T.ravel(), state[f"{la.name}.weight"].numpy().ravel() != 0)
    assert found["layer1.0.conv1"].kept_weights == 72 and found.manifest["sparsity"]["fc"]["masked"] == 0


@pytest.mark.full
def test_xue_of_ones_own(place):
    """Levels that keep the constraint come back as they were, whatever real value a level has; one weight more does
    not."""
    levels = weights_of(imported(place, "xue2", "xue", options={"adc_bits": 2}, density=0.4, geometry=SMALL))

    def stepped(state):
        for i, (name, w) in enumerate(levels.items()):
            state[f"{name}.weight"] = in_shape(w, state[f"{name}.weight"]) * (0.01 + 0.0037 * i)

    options = {"options": {"adc_bits": 2}, "geometry": SMALL, "quantization": {"weight_step": "layer"}}
    again = weights_of(imported(place, "xue3", "xue", changed(place, "xue.pt", stepped), **options))
    for name, w in levels.items():  # a layer that never uses the lowest bit may be stored in larger levels
        factor = np.gcd.reduce(w, axis=None)
        assert np.array_equal(again[name] * factor, w), name

    def spoilt(state):
        stepped(state)
        state["layer2.1.conv1.weight"][0] = state["layer2.1.conv1.weight"].abs().max()

    with pytest.raises(InputError, match=r"conv1 need 6-bit ADCs; option adc_bits allows 2.*--apply --density D"):
        imported(place, "no", "xue", changed(place, "spoilt.pt", spoilt), **options)
    assert not (place / "no").exists()


@pytest.mark.full
def test_huai_of_ones_own(place):
    """Whole crossbars pass; one kernel group less is named with the numbers."""
    masks = {la.name: la.kept for la in imported(place, "huai1", "huai", density=0.6, geometry=SMALL).compute_layers}

    def masked(state):
        for name, mask in masks.items():
            state[f"{name}.weight"] *= in_shape(mask.T, state[f"{name}.weight"])

    again = imported(place, "huai2", "huai", changed(place, "huai.pt", masked), geometry=SMALL)
    assert all(np.array_equal(la.kept, masks[la.name]) for la in again.compute_layers)

    def spoilt(state):
        masked(state)
        weight = state["layer3.1.conv1.weight"]
        weight[:8, int(weight[:8].abs().sum(dim=(0, 2, 3)).argmax())] = 0

    with pytest.raises(InputError, match=r"filter block 0 of layer layer3\.1\.conv1 keeps (3|7|11|15) channels"):
        imported(place, "no", "huai", changed(place, "spoilt.pt", spoilt), geometry=SMALL)
    assert imported(place, "any", "segprune", "spoilt.pt", geometry=SMALL).datapath == "segprune"


# -- scales -------------------------------------------------------------------------------------------------------

@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.floats(1e-4, 1e3), st.integers(0, 10**6))
def test_weights_on_levels_stay(bits, step, seed):
    top = 2 ** (bits - 1) - 1
    rng = np.random.default_rng(seed)
    largest = rng.integers(1, top, endpoint=True)
    levels = np.append(rng.integers(-largest, largest, 40, endpoint=True), largest)
    w = torch.from_numpy((levels * step).astype(np.float32))
    node = type("Node", (), {"levels": Weights(bits, "lsq", 2.0, False, w)})
    calibrate.fit_step(node, w)
    found, real = node.levels.integers(w)
    assert np.allclose(found.numpy() * real.numpy(), w.numpy(), rtol=1e-5, atol=0)
    assert np.array_equal(found.numpy() * np.gcd.reduce(levels), levels)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_step_errs_little_more_than_the_best(bits):
    """Against ten times as many steps, tried one by one."""
    w = torch.randn(4000, generator=torch.Generator().manual_seed(bits))
    node = type("Node", (), {"levels": Weights(bits, "lsq", 2.0, False, w)})
    calibrate.fit_step(node, w)
    top = 2 ** (bits - 1) - 1

    def error(step):
        return float(((w / step).round().clamp(-top, top) * step - w).square().sum())

    best = min(error(float(w.abs().max()) / top * s) for s in np.linspace(0.02, 1.2, 1200))
    assert error(float(node.levels.learned.detach())) <= 1.03 * best


@pytest.mark.full
def test_statistics_are_those_of_the_quantized_network(place, parts):
    """Behind the imported weights every normalized channel has its beta as mean and its gamma as deviation, and no
    clip tried at random errs less."""
    recipe = Recipe(kind="trained", model="resnet20", width=4, checkpoint=str(place / "w.pt"), data=Data(**DIGITS),
                    quantization=Quantization(weight_scale="lsq"), baseline=Training(epochs=1, rate=1.0))
    network = build(recipe, parts)
    weights.round_weights(network)
    x = parts.train[slice(0, 200)][0]
    assert calibrate.calibrate(network, x, calibrate.Rule(refit=True)) == 200
    keep = {}
    with torch.no_grad():
        network.eval()(x, keep=keep)
        for node in network.compute_nodes():
            if node.norm is not None:
                flat = node.compute(keep[node.layer.inputs[0]]).transpose(0, 1).flatten(1)
                assert torch.allclose(flat.mean(dim=1), node.norm.bias, atol=1e-3)
                assert torch.allclose(flat.std(dim=1), node.norm.weight.abs(), rtol=0.02, atol=0.02)
        node = network.node("conv1")
        y = node.compute(keep["input"])
        before, clip = float((node.out(y) - y).square().sum()), float(node.out.alpha)
        for factor in np.random.default_rng(0).uniform(0.3, 2, 30):
            node.out.alpha.fill_(clip * factor)
            assert float((node.out(y) - y).square().sum()) >= 0.98 * before


@pytest.mark.parametrize("clip", ["squared_error", "percentile"])
def test_clips_see_every_position_of_a_map(clip):
    """Column 0 of a map whose width is a power of two holds small values only; the clip is nearly that of all."""
    values = torch.randn(64, 8, 32, 32, generator=torch.Generator().manual_seed(0)).relu()
    values[..., 0] *= 0.05
    seen, wanted = Pact(8, 1.0), Pact(8, 1.0)
    rule = calibrate.Rule(clip=clip, percentile=99.9)
    calibrate._clip(seen, values.flatten(), rule, torch.Generator().manual_seed(1))
    if clip == "percentile":
        assert float(seen.alpha.detach()) == pytest.approx(float(np.quantile(values.numpy(), 0.999)), rel=0.02)
        return
    with torch.no_grad():
        errors = []
        for share in np.geomspace(0.3, 1.2, 60):
            wanted.alpha.fill_(float(values.max()) * share)
            errors.append(float((wanted(values) - values).square().sum()))
        assert float((seen(values) - values).square().sum()) < 1.2 * min(errors)
        assert 0.5 * float(values.max()) < float(seen.alpha)


@pytest.mark.quick(1)
@pytest.mark.parametrize("per", [1, 7])
def test_each_row_has_its_own_step(per):
    """Rows of levels come back as they were, each on the largest step of which its weights are multiples; all other
    rows err no more than one step of all."""
    rng = np.random.default_rng(per)
    rows, top = rng.integers(-7, 8, (60, 40)), 7
    steps = rng.uniform(0.001, 2, (60, 1))
    w = torch.from_numpy((rows * steps).astype(np.float32))
    w[::2] = torch.randn(30, 40, generator=torch.Generator().manual_seed(0)) * torch.from_numpy(steps[::2]).float()
    found = calibrate._multiples(w, w.abs().amax(1), top, calibrate._least_error(w, w.abs().amax(1), top))[:, None]
    back = (w / found).round().clamp(-top, top) * found
    assert torch.allclose(back[1::2], w[1::2], rtol=1e-5)
    assert np.array_equal((w / found).round().numpy()[1::2] * np.gcd.reduce(rows[1::2], axis=1, keepdims=True),
                          rows[1::2])
    whole = calibrate._least_error(w.reshape(1, -1), w.abs().max()[None], top)
    assert float((back - w).square().sum()) < float(((w / whole).round().clamp(-top, top) * whole - w).square().sum())


def test_batch_norm_stays_as_trained_unless_asked(place, parts):
    recipe = Recipe(kind="trained", model="resnet20", width=4, checkpoint=str(place / "w.pt"), data=Data(**DIGITS),
                    quantization=Quantization(weight_scale="lsq"), baseline=Training(epochs=1, rate=1.0))
    state, x = torch.load(place / "w.pt"), parts.train[slice(0, 8)][0]
    for refit in (False, True):
        network = build(recipe, parts)
        weights.round_weights(network)
        calibrate.calibrate(network, x, calibrate.Rule(refit=refit))
        same = [torch.equal(n.norm.running_mean, state[f"{n.layer.name.replace('conv', 'bn')}.running_mean"])
                for n in network.compute_nodes() if n.layer.name.startswith("layer") and "downs" not in n.layer.name]
        assert not any(same) if refit else all(same)


@pytest.mark.full
def test_eight_bits_lose_nothing_on_maps_of_powers_of_two(tmp_path, parts):
    """Convolution, batch norm and ReLU on 16 x 16 maps: a sample at a regular stride saw column 0 only, and 2.5 points
    were lost."""
    (tmp_path / "wide.py").write_text(WIDE)
    model = models.build(f"{tmp_path}/wide.py:wide", 10, None, 0).train()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    x, y = parts.train[:]
    for _ in range(6):
        for batch in torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).split(64):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.save(model.state_dict(), tmp_path / "wide.pt")
    found = store.load(xbarch.import_weights(
        f"{tmp_path}/wide.py:wide", tmp_path / "wide.pt", "dense", out=tmp_path / "wide", data=DIGITS,
        quantization={"weight_bits": 8, "activation_bits": 8})).accuracy
    assert found["float"] > 0.95 and found["imported"] >= found["float"] - 0.003


WIDE = """
from torch import nn


def wide():
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                         nn.Conv2d(16, 32, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 10))
"""


# -- a folder of images, a model of one's own ---------------------------------------------------------------------

NET = """
from torch import nn


def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))
"""


def test_own_model_own_images(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for label in ("cat", "dog"):
            (tmp_path / "images" / part / label).mkdir(parents=True)
            for i in range(6):
                Image.fromarray(rng.integers(0, 255, (9, 9, 3), np.uint8)).save(
                    tmp_path / "images" / part / label / f"{i}.png")
    (tmp_path / "net.py").write_text(NET)
    model = models.build(f"{tmp_path}/net.py:net", 2, None, 0)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "net.pt")
    words = request.data_fields([str(tmp_path / "images"), "size=8"])
    assert words == {"name": "folder", "path": str(tmp_path / "images"), "size": 8}
    seen = []
    folder = xbarch.import_weights(f"{tmp_path}/net.py:net", tmp_path / "net.pt", "meng", out=tmp_path / "mine",
                                   data=words, stored_images=3, progress=lambda *step: seen.append(step))
    assert [(done, total) for done, total, _ in seen] == [(done, 8) for done in range(9)] and seen[-1][2] == "done"
    found = store.load(folder)
    assert found.manifest["data"] == {"train": 11, "val": 1, "test": 12, "classes": 2}
    assert found.manifest["recipe"]["calibration_images"] == 11 and found.manifest["images"] == 3
    (tmp_path / "images" / "data_batch_1.bin").write_bytes(b"")
    assert request.data_fields([str(tmp_path / "images")])["name"] == "cifar10"


# -- the command --------------------------------------------------------------------------------------------------

@pytest.fixture
def call(call, monkeypatch, place):
    """Run a command as elsewhere, in the checkpoint's folder."""
    def run(*words):
        monkeypatch.chdir(place)
        return call(*words)
    return run


IMPORT = ("import", "resnet20", "--weights", "w.pt", "--width", 4, "--data", "digits", "--size", 16)


@pytest.mark.full
def test_command(call, place):
    code, out, err = call(*IMPORT, "--method", "xue", "-o", "adc_bits=2", "--apply", "--density", 0.5, "--layer",
                          "conv1=0.9", "--rows", 36, "--columns", 16, "--cell-bits", 2, "--weight-bits", 3,
                          "--activation-bits", 5, "--out", "cmd")
    assert code == 0 and "written: cmd" in out and "accuracy" in out and not err
    recipe = json.loads((place / "cmd" / "manifest.json").read_text())["recipe"]
    assert recipe["layers"] == {"conv1": 0.9} and recipe["data"]["size"] == 16
    assert recipe["geometry"] == {**SMALL, "operation_unit": None}
    assert recipe["quantization"]["weight_bits"] == 3 and recipe["quantization"]["activation_bits"] == 5
    code, out, _ = call("verify", "-a", "isaac_like", "-w", "./cmd", "--json")
    assert code == 0 and not any(r["mismatches"] for r in json.loads(out))


def bad(*words, model="resnet20", weights="w.pt", data=("digits", "size=16"), method="dense", out="no"):
    images = [word for d in data for word in ("--data", d)]
    return ("import", model, "--weights", weights, "--method", method, "--out", out, *images,
            *(("--width", 4) if "--width" not in words else ()), *words)


BAD = [
    (bad(data=()), "data: an import needs images to set scales and to measure accuracy: digits"),
    (bad(data=("size=16",)), "data: an import needs images"),
    (bad("--size", 16, data=()), "data: an import needs images"),
    (bad(data=("digits", "digit_pairs")), "data: must be one name or folder"),
    (bad(data=("no/folder",)), "files or of images, not 'no/folder', which is no folder"),
    (bad(data=("cifar10",)), "data: data cifar10 needs a path"),
    (bad(data=("digits", "size=4")), "data.size: must be at least 8, not 4"),
    (bad(data=("digits", "siez=8")), "siez=8"),
    (bad("--size", "x"), "size: must be a whole number, not 'x'"),
    (bad(weights="none.pt"), "weights: no such file: none.pt"),
    (bad(weights="."), "weights: no such file: ."),
    (bad(weights="text.pt"), "text.pt: is not a checkpoint or is cut off"),
    (bad(weights="nan.pt"), "nan.pt: layer layer1.0.conv1 has weights that are not finite"),
    (bad(weights="huge.pt"), "not finite"),
    (bad(weights="short.pt"), "short.pt: lacks the tensor 'fc.bias'"),
    (bad("--width", 8), "w.pt: the shape of conv1.weight must be (8, 3, 3, 3), not (4, 3, 3, 3)"),
    (bad("--classes", 12), "w.pt: the shape of fc.weight must be (12, 16), not (10, 16)"),
    (bad("--classes", 5), "classes: must be at least 10, the classes of the data, not 5"),
    (bad(model="resnet21"), "module:factory, or a file .onnx or .pt2, not 'resnet21'; did you mean 'resnet20'?"),
    (bad(model="none.py:net"), "none.py"),
    (bad(method="mang"), "unknown data path 'mang'; choose auto_prune, dense"),
    (bad("-o", "group_ch=5", method="meng"), "options.group_ch"),
    (bad("-o", "adc_bits", method="xue"), "name=value"),
    (bad("-o", 'adc_bits={"conv9": 2}', method="xue"), "conv9"),
    (bad("-o", "sign=offset", method="xue"), "differential"),
    (bad(method="xue"), "the weights of layer conv1 need 4-bit ADCs; option adc_bits allows 3"),
    (bad("--rows", 8, method="huai"), "a 3 x 3 kernel of layer conv1 needs 9 word lines, the crossbar has 8"),
    (bad("--rows", 0), "geometry.rows: must be at least 1, not 0"),
    (bad("--apply"), "xbarch: --apply needs --density"),
    (bad("--density", 0.5), "xbarch: --density is only valid with --apply"),
    (bad("--layer", "fc=0.5"), "layers: densities of single layers need a density"),
    (bad("--apply", "--density", 0), "density: must be more than 0, not 0.0"),
    (bad("--apply", "--density", "nan"), "density: must be a finite number, not nan"),
    (bad("--apply", "--density", 0.01, method="huai"),
     "density: must be 0.9147 (one crossbar of 128 x 128 cells for each filter block of every layer) to 1, not 0.01\n"),
    (bad("--apply", "--density", 0.001, method="xue"), "density: must be 0.028 to 1 for layer layer1.0.conv1, not "
     "0.001: a segment of 36 weights keeps at least one\n"),
    (bad("--apply", "--density", 0.5, "--layer", "conv9=0.5", method="meng"), "unknown layer 'conv9'; choose conv1"),
    (bad("--apply", "--density", 0.5, "--layer", "fc=2", method="meng"), "layers.fc: must be at most 1, not 2"),
    (bad("--apply", "--density", 0.5, "--layer", "conv1=1", method="xue"), "--layer conv1=D with a D below 1"),
    (bad("--apply", "--density", 0.5, "--weight-scale", "mean", method="xue"), "weight_scale: must be lsq for xue"),
    (bad("--weight-scale", "meen"), "quantization.weight_scale: must be mean, nonzero_mean, sawb or lsq, not 'meen'"),
    (bad("--weight-bits", 17), "quantization.weight_bits: must be at most 16, not 17"),
    (bad("--batch-norm", "drop"), "batch_norm: must be keep or refit, not 'drop'"),
    (bad("--calibration", "max"), "calibration: must be squared_error or percentile, not 'max'"),
    (bad("--percentile", 5), "percentile: must be more than 50, not 5"),
    (bad("--chain", "two"), "quantization.chain"),
    (bad(out="w.pt"), "cannot be written"),
    (bad(out="a b"), "out: the name of a workload must be letters"),
]


@pytest.fixture(scope="module")
def damaged(place):
    (place / "text.pt").write_text("no tensors")
    changed(place, "nan.pt", lambda s: s["layer1.0.conv1.weight"].view(-1)[3].fill_(torch.nan))
    changed(place, "huge.pt", lambda s: s["layer1.0.conv1.weight"].fill_(3e38))
    changed(place, "short.pt", lambda s: s.pop("fc.bias"))


@pytest.mark.quick(1)
@pytest.mark.parametrize("words, says", BAD, ids=[f"{i}-{says[:30]}" for i, (_, says) in enumerate(BAD)])
def test_wrong_input_is_one_sentence(call, place, damaged, words, says):
    before = sorted(p.name for p in place.iterdir())
    code, out, err = call(*words)
    assert code == 2 and not out and says in err, err
    assert err.startswith("xbarch: ") and err.count("\n") == 1 and "Traceback" not in err
    assert sorted(p.name for p in place.iterdir()) == before


ANOTHER = '''
import torch
from torch import nn


class Net(nn.Module):
    """Once read as conv, batch norm, ReLU; returns a dict; ends in softmax; gates its channels."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.gate = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8 * 9, 10)

    def forward(self, x):
        y = self.norm(torch.relu(self.stem(x)))
        y = nn.functional.avg_pool2d(y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True))), 2)
        return {"scores": torch.softmax(self.head(y.flatten(1)), 1)}


def net():
    return Net()
'''


def test_a_network_that_was_once_read_as_another(tmp_path):
    """Its stored integers agree with the model that the user has, and what is left out is said."""
    (tmp_path / "another.py").write_text(ANOTHER)
    torch.manual_seed(0)
    model = models.build(f"{tmp_path}/another.py:net", 10, None, 0)
    model.norm.running_mean.uniform_(0, 0.5)
    model.norm.running_var.uniform_(0.05, 0.5)
    torch.save(model.state_dict(), tmp_path / "w.pt")
    folder = xbarch.import_weights(f"{tmp_path}/another.py:net", tmp_path / "w.pt", "dense", out=tmp_path / "net",
                                   data={"name": "digits", "size": 8},
                                   quantization={"weight_bits": 8, "activation_bits": 8})
    stored = xbarch.load(folder)
    assert "without the softmax at its end" in stored.manifest["description"]
    assert abs(stored.accuracy["float"] - stored.accuracy["imported"]) < 0.02
    assert all(row["mismatches"] == 0 for row in xbarch.verify("isaac_like", folder))
    assert any(stored[name].signed_in for name in ("gate", "head"))
