"""Checkpoints of every form that people have are read, or refused with the cure; none grows."""

import zipfile
from argparse import Namespace
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

from xbarch.compress.intake.archive import check_archive
from xbarch.compress.intake.checkpoint import restore
from xbarch.compress.intake.statefile import WRAPPERS, read_state
from xbarch.errors import InputError


def model(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


def led(state, lead):
    return {f"{lead}{key}": tensor for key, tensor in state.items()}


FORMS = {
    "plain": lambda s: s, "parallel": lambda s: led(s, "module."),
    "lightning": lambda s: {"state_dict": led(s, "model.")},
    "compiled": lambda s: led(s, "_orig_mod."), "both": lambda s: led(s, "module._orig_mod."),
    "compiled inside": lambda s: {key.replace(".", "._orig_mod.", 1): tensor for key, tensor in s.items()},
    "parallel in a wrapper": lambda s: {"epoch": 3, "model": led(s, "module.")},
    "any lead": lambda s: {"net": led(s, "backbone.body.")},
    "beside a copy": lambda s: {**led({k: t + 1 for k, t in s.items()}, "ema.model."), **led(s, "student.model.")},
    "beside a loss": lambda s: {"state_dict": {**led(s, "model."), "loss.weight": torch.ones(3)}},
    "twice wrapped": lambda s: {"model": {"state_dict": s, "arch": "mine"}, "optimizer": {"lr": 0.1}},
    "beside a tensor": lambda s: {"model": s, "rng": torch.get_rng_state()},
    "beside other objects": lambda s: {"net": s, "acc": np.float64(91.2), "args": Namespace(lr=0.1), "out": Path("x"),
                                       "seen": defaultdict(list, a=[1])},
    "a name before the state": lambda s: {"model": "resnet", "state_dict": s},
    "parameters": lambda s: {k: nn.Parameter(t) if t.is_floating_point() else t for k, t in s.items()},
    "counted operations": lambda s: {**s, "total_ops": torch.zeros(1), "0.total_params": torch.zeros(1)},
    "before batches were counted": lambda s: {k: t for k, t in s.items() if not k.endswith("num_batches_tracked")},
}


@pytest.mark.parametrize("form", [*FORMS, *WRAPPERS])
def test_every_form_gives_the_same_weights(tmp_path, form):
    wanted, found = model(0), model(1)
    state = wanted.state_dict()
    torch.save(FORMS[form](state) if form in FORMS else {form: state, "epoch": 3}, tmp_path / "w")
    restore(found, str(tmp_path / "w"))
    for key, tensor in state.items():
        assert torch.equal(found.state_dict()[key], tensor), key


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("place", ["w.pt", "w.safetensors", "legacy.pth"])
def test_kinds_of_files_and_of_numbers(tmp_path, place, kind):
    state = {key: tensor.to(kind) if tensor.is_floating_point() else tensor
             for key, tensor in model(0).state_dict().items()}
    if place == "w.safetensors":
        save_file(state, tmp_path / place)
    else:
        torch.save(state, tmp_path / place, _use_new_zipfile_serialization=place == "w.pt")
    found = model(1)
    restore(found, str(tmp_path / place))
    assert all(torch.equal(found.state_dict()[key], tensor.float()) for key, tensor in state.items())


@pytest.mark.parametrize("content, says", [
    (model(0), r"holds a whole object \(torch.nn.modules.container.Sequential\), and loading it would run its code"),
    ({"model": model(0), "epoch": 3}, "holds a whole object"),
    ({"weights": {"a": {"b": 3}}}, "holds no state dict"), ([1], "holds no state dict"),
    ({"model": 3}, "holds no state dict"), ({1: torch.ones(1)}, "holds no state dict"),
])
def test_other_forms_are_refused_with_the_cure(tmp_path, content, says):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match=rf"w.pt: {says}.*save it with torch.save\(model.state_dict\(\), file\)"):
        read_state(str(tmp_path / "w.pt"))


def test_nothing_of_a_pickle_runs(tmp_path):
    """Neither in an archive, where unknown classes become inert, nor in a file of PyTorch before 1.6."""
    for new in (True, False):
        torch.save({"model": {"a": torch.ones(1)}, "x": Runs(tmp_path / "ran")}, tmp_path / "w.pt",
                   _use_new_zipfile_serialization=new)
        with suppress(InputError):
            assert list(read_state(str(tmp_path / "w.pt"))) == ["a"]
        assert not (tmp_path / "ran").exists()


class Runs:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return Path.touch, (self.place,)


def test_programs_are_refused_with_the_cure(tmp_path):
    torch.jit.trace(model(0).eval(), torch.zeros(1, 3, 8, 8)).save(tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"is a TorchScript program.*torch.jit.load\(file\).state_dict\(\)"):
        read_state(str(tmp_path / "w.pt"))
    torch.export.save(torch.export.export(model(0).eval(), (torch.zeros(1, 3, 8, 8),)), tmp_path / "w.pt2")
    with pytest.raises(InputError, match="is an exported program, not a state dict; give it as the model"):
        read_state(str(tmp_path / "w.pt2"))
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("a.npy", b"")
    with pytest.raises(InputError, match=r"none that torch.save\(\) wrote"):
        read_state(str(tmp_path / "w.npz"))


# -- masks and integers -------------------------------------------------------------------------------------------

def test_masks_of_pruning_tools(tmp_path):
    """A kept weight that is zero stays kept; weights are those of `prune.remove`."""
    pruned = model(0)
    with torch.no_grad():
        pruned[0].weight[0] = 0
    prune.l1_unstructured(pruned[4], "weight", 0.5)
    prune.ln_structured(pruned[0], "weight", 0.25, 2, 0)
    mask = pruned[0].weight_mask.clone()
    mask[0] = 1  # filter 0 is zero, and kept
    state = {**pruned.state_dict(), "0.weight_mask": mask}
    torch.save(state, tmp_path / "w.pt")
    found = model(1)
    given = restore(found, str(tmp_path / "w.pt"))
    assert sorted(given) == ["0.weight", "4.weight"] and not found[0].weight[0].any()
    for name in given:
        assert torch.equal(given[name].mask, state[f"{name}_mask"] != 0)
        assert torch.equal(found.state_dict()[name], state[f"{name}_orig"] * state[f"{name}_mask"])


@pytest.mark.parametrize("form", ["per channel", "per tensor", "with a zero point", "quantized",
                                  "quantized per tensor"])
def test_integers_and_their_steps(tmp_path, form):
    rng, state = np.random.default_rng(0), model(0).state_dict()
    levels, step = torch.from_numpy(rng.integers(-128, 128, (4, 3, 3, 3))), torch.tensor([0.1, 0.02, 0.5, 0.003])
    step, zero = (step[:1] if "tensor" in form else step), torch.tensor([3, 0, -2, 1])
    if form == "quantized":
        values = levels.float() * step.view(-1, 1, 1, 1)
        state["0.weight"] = torch.quantize_per_channel(values, step.double(), torch.zeros(4, dtype=int), 0, torch.qint8)
    elif form == "quantized per tensor":
        state["0.weight"] = torch.quantize_per_tensor(levels.float() * step, float(step), 0, torch.qint8)
    else:
        state.update({"0.weight": levels.to(torch.int8), "0.weight_scale": step.view(-1, 1, 1, 1)})
    if form == "with a zero point":
        state["0.weight_zero_point"], levels = zero, levels - zero.view(-1, 1, 1, 1)
    torch.save(state, tmp_path / "w.pt")
    found = model(1)
    given = restore(found, str(tmp_path / "w.pt"))["0.weight"]
    assert torch.equal(given.levels, levels) and torch.allclose(given.step, step.double(), rtol=1e-7)
    assert given.bits == (9 if form == "with a zero point" else 8) and given.mask is None
    assert torch.allclose(found[0].weight, levels * step.view(-1, 1, 1, 1))


WHOLE = torch.ones(4, 3, 3, 3, dtype=torch.int8)


@pytest.mark.parametrize("change, says", [
    ({"0.weight": WHOLE}, "0.weight as whole numbers .* without their step; store it"),
    ({"0.weight": WHOLE, "0.weight_scale": torch.ones(3)},
     "must have 1 or 4 scales for 0.weight, one for each filter, not 3"),
    ({"0.weight": WHOLE, "0.weight_scale": torch.zeros(4)}, "finite numbers above 0"),
    ({"0.weight_mask": torch.ones(4)}, r"0.weight_mask must be zeros and ones of the shape \(4, 3, 3, 3\)"),
    ({"0.weight_mask": torch.full((4, 3, 3, 3), 0.5)}, "0.weight_mask must be zeros and ones"),
    ({"0.weight": torch.ones(4, 3, 3, 3).to_sparse()}, "0.weight must be a dense tensor"),
])
def test_masks_and_integers_that_do_not_fit(tmp_path, change, says):
    torch.save({**model(0).state_dict(), **change}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=rf"w.pt: .*{says}"):
        restore(model(1), str(tmp_path / "w.pt"))


@pytest.mark.full
def test_an_archive_that_grows_is_refused_before_it_is_read(tmp_path):
    torch.save({"a": torch.zeros(2**25)}, tmp_path / "w.pt")  # 128 MiB of zeros
    assert check_archive(str(tmp_path / "w.pt"), "") == "zip"  # as large as it is stored
    with zipfile.ZipFile(tmp_path / "w.pt") as whole, \
            zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in whole.infolist():
            packed.writestr(entry.filename, whole.read(entry))
    (tmp_path / "w.pt").unlink()
    with pytest.raises(InputError, match=r"packed.pt: expands from [\d,]+ to 134,\d\d\d,\d\d\d bytes; save it again"):
        check_archive(str(tmp_path / "packed.pt"), "")
    with pytest.raises(InputError, match="expands from"):
        read_state(str(tmp_path / "packed.pt"))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\xff" * 9, (2**60).to_bytes(8, "little") + b"{}"])
def test_what_is_no_checkpoint(tmp_path, content):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(InputError, match="w: is not a checkpoint or is cut off"):
        check_archive(str(tmp_path / "w"), "")


def test_a_safetensors_file_that_is_cut_off(tmp_path):
    save_file(model(0).state_dict(), tmp_path / "w.safetensors")
    data = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(data[:-100])
    with pytest.raises(InputError, match=r"w.safetensors: cannot be read as a state dict \(SafetensorError\)"):
        read_state(str(tmp_path / "w.safetensors"))
