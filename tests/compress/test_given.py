"""Weights, steps and masks that a user gives come in exactly; steps of filters; up to 16 bits."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import xbarch
from xbarch.compress.training import data
from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.functional.execute import verify
from xbarch.plugins import registry
from xbarch.specs.recipe import Data
from xbarch.workload.images import shown
from xbarch.workload.infer import infer

torch.set_num_threads(1)

DIGITS = {"name": "digits", "size": 8, "channels": 1}
NET = """
from torch import nn


def net():
    return nn.Sequential(nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(),
                         nn.Linear(216, 16), nn.ReLU(), nn.Linear(16, 10))
"""


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(),
                         nn.Linear(216, 16), nn.ReLU(), nn.Linear(16, 10)).eval()


@pytest.fixture
def take(tmp_path):
    (tmp_path / "net.py").write_text(NET)

    def run(state, method="dense", bits=(8, 8), **more):
        torch.save(state, tmp_path / "w.pt")
        numbers = {"weight_bits": bits[0], "activation_bits": bits[1], **more.pop("quantization", {})}
        return xbarch.load(xbarch.import_weights(f"{tmp_path}/net.py:net", tmp_path / "w.pt", method, data=DIGITS,
                                                 out=tmp_path / "w", quantization=numbers, **more))
    return run


def exact(found):
    return not any(r["mismatches"] for r in verify(
        found, Geometry(128, 128, 2), lambda la: registry.datapath("dense").pack(la, Geometry(128, 128, 2)),
        adc_bits="lossless"))


@pytest.mark.quick(1)
@pytest.mark.parametrize("bits", [4, 8, 12])
def test_integers_of_filters_are_stored_as_they_are(take, bits):
    """Levels and masks to the bit, all of two's complement; the scale of a sum is step times step to six digits."""
    rng, state = np.random.default_rng(bits), net().state_dict()
    half = 1 << bits - 1
    levels = rng.integers(-half, half, (16, 216))
    levels[:, :40], levels[0, 50] = 0, -half
    step = torch.from_numpy(rng.uniform(1e-4, 1e-2, 16).astype(np.float32))
    state["4.weight"] = torch.from_numpy(levels).to(torch.int8 if bits <= 8 else torch.int16)
    state["4.weight_scale"] = step
    found = take(state, bits=(bits, 8))
    layer = found["4"]
    assert np.array_equal(layer.weights().reshape(16, 216), levels)
    assert layer.kept.all() and layer.zeros > 0  # zeros of integers are weights
    assert exact(found) and found["0"].weight_bits == bits
    ratio = layer.scale / step.double().numpy()
    assert np.allclose(ratio, ratio[0], rtol=1e-12)
    assert take(state, bits=(bits, 8), zeros="masked")["4"].kept_weights == np.count_nonzero(levels)


def test_masks_are_masks_and_not_zeros(take):
    """What the mask keeps is kept though it is zero or becomes zero; what it removes is removed."""
    model = net()
    prune.l1_unstructured(model[4], "weight", 0.5)
    state = model.state_dict()
    state["4.weight_orig"][3] *= 1e-6
    state["4.weight_orig"][3, 0] = 1.0  # all others of the filter round to zero
    mask = state["4.weight_mask"].numpy() != 0
    layer = take(state, bits=(4, 4))["4"]
    assert np.array_equal(layer.kept.T, mask) and layer.kept_weights == 1728
    assert layer.zeros * 1728 >= int(mask[3].sum()) - 1
    state["4.weight"] = state.pop("4.weight_orig") * state.pop("4.weight_mask")
    assert take(state, bits=(4, 4))["4"].kept_weights == 1728  # zeros without a mask count as removed
    assert take(state, bits=(4, 4), zeros="kept")["4"].kept_weights == 3456


def units(columns):
    return {"geometry": {"operation_unit": {"rows": 16, "columns": columns}}}


ABOUT = {"auto_prune": units(16), "forms": units(128), "sre": units(16),
         "lin": {"geometry": {"rows": 8, "columns": 8}}}
FIRST = {name: {"layers": {"0": 0.5}} for name in ("meng", "pattern")}  # which prune convolutions


@pytest.mark.quick(2)
@pytest.mark.parametrize("method", sorted(registry.datapaths()))
def test_masks_of_every_method_come_back(take, method):
    """What `torch.nn.utils.prune` stores of a network that was pruned for a method is imported for it: its masks to
    the bit, kept zeros among them, whatever numbers lie under the mask."""
    about = {"quantization": {"weight_step": "layer"}, **ABOUT.get(method, {})}
    pruned = take(net().state_dict(), method, (4, 4), density=0.7, **about, **FIRST.get(method, {}))
    state, kept = net().state_dict(), {la.name: la.kept for la in pruned.compute_layers}
    for la in pruned.compute_layers:
        dense = state.pop(f"{la.name}.weight")
        mask, levels = (torch.from_numpy(part).reshape(dense.shape) for part in (la.kept.T.copy(), la.weights()))
        state |= {f"{la.name}.weight_orig": torch.where(mask, 0.013 * levels, dense),
                  f"{la.name}.weight_mask": mask.float()}
    again = take(state, method, (4, 4), **about)
    assert sum(la.zeros for la in again.compute_layers) and not all(each.all() for each in kept.values())
    assert all(np.array_equal(la.kept, kept[la.name]) for la in again.compute_layers)


def test_a_step_of_each_filter(take):
    """Filters of very different sizes: each uses all levels; the error of weights falls."""
    state = net().state_dict()
    state["4.weight"] *= torch.logspace(-3, 0, 16)[:, None]
    wanted = state["4.weight"].numpy()

    def error(step):
        found = take(state, bits=(4, 8), quantization={"weight_step": step})["4"]
        scale = found.scale / found.scale.max()
        levels = found.weights().reshape(16, 216) * scale[:, None]
        factor = (levels * wanted).sum() / (levels**2).sum()
        return np.sqrt((((levels * factor - wanted) / np.abs(wanted).max(1, keepdims=True))**2).mean())

    assert error("filter") < 0.05 < 0.2 < error("layer")


@pytest.mark.quick(1)
@pytest.mark.parametrize("bits", [(2, 2), (16, 16), (9, 3), (3, 12)])
def test_any_bits(take, bits):
    """The accuracy that is stored is that of the integers, image by image; packed crossbars agree."""
    found = take(net().state_dict(), bits=bits, stored_images=1)
    test = data.load(Data(**DIGITS), 0).test
    right = [int(np.argmax(infer(found, image)["6"].ravel())) == label
             for image, label in zip(test.pixels.numpy(), test.labels.tolist(), strict=True)]
    assert sum(right) / len(right) == found.accuracy["imported"] and exact(found)
    assert found.accuracy["crossbars"] == sum(right[:32]) / 32 and found.manifest["recipe"]["crossbar_images"] == 32
    if min(bits) > 8:
        assert found.accuracy["imported"] == found.accuracy["float"]


@pytest.mark.parametrize("change, more, says", [
    ({"4.weight": torch.full((16, 216), 127, dtype=torch.int8), "4.weight_scale": torch.ones(16)}, {"bits": (4, 4)},
     "quantization.weight_bits: must be at least 8 for layer 4, whose integers are 127 to 127, not 4"),
    ({"4.weight": torch.ones(16, 216, dtype=torch.int8), "4.weight_scale": torch.ones(16)},
     {"quantization": {"chain": "power_of_two"}}, "chain: must be real where the checkpoint holds integers with steps"),
    ({"4.weight": torch.full((16, 216), -128, dtype=torch.int8), "4.weight_scale": torch.ones(16)}, {"method": "meng"},
     "must be more than 8: meng stores -127 to 127 in 8 bits, and the integers of layer 4 are -128 to -128"),
    ({}, {"quantization": {"weight_step": "row"}}, "quantization.weight_step: must be layer or filter, not 'row'"),
    ({}, {"zeros": "some"}, "zeros: must be auto, masked or kept, not 'some'"), ({}, {"bits": (17, 4)}, "at most 16"),
    ({}, {"bits": (4, 17)}, "at most 16"),
])
def test_numbers_that_cannot_be(take, tmp_path, change, more, says):
    with pytest.raises(InputError, match=says):
        take({**net().state_dict(), **change}, **more)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("mean, std, low", [([0.4], [0.3], -127), ([0.0], [0.25], 0)])
def test_images_with_mean_and_deviation(tmp_path, mean, std, low):
    """Signed levels where the network sees values below zero; test images are made anew from the manifest, and the
    accuracy of the integers on them is what was stored."""
    look = {**DIGITS, "mean": mean, "std": std}
    found = xbarch.load(xbarch.import_weights(net(), None, "dense", data=look, out=tmp_path / "w", quantization={
        "weight_bits": 8, "activation_bits": 8}))
    first = found.layers[0]
    assert (first.signed_out is True) == found["0"].signed_in == (low < 0) and exact(found)
    images = shown(found, 1000)
    x, _ = data.load(Data(**look), 0).test[:]
    step = float(np.abs(np.array([-mean[0], 1 - mean[0]])).max()) / std[0] / (127 if low else 255)
    assert images.pixels.min() >= low and np.abs(images.pixels * step - x.numpy()).max() <= 0.501 * step
    right = [int(np.argmax(infer(found, image)["6"].ravel())) == label
             for image, label in zip(images.pixels, images.labels.tolist(), strict=True)]
    assert sum(right) / len(right) == found.accuracy["imported"]
