"""Checkpoints of every form that people have are read, or refused with the cure; none grows."""

import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from xbarch.compress.intake.archive import check_archive
from xbarch.compress.intake.checkpoint import WRAPPERS, read_state, restore
from xbarch.errors import InputError


def model(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


def stored(form, state, place):
    """The state dict in one of the forms."""
    if form == "safetensors":
        save_file(state, place)
    elif form == "legacy":
        torch.save(state, place, _use_new_zipfile_serialization=False)
    elif form == "parallel":
        torch.save({f"module.{key}": tensor for key, tensor in state.items()}, place)
    elif form == "parallel in a wrapper":
        torch.save({"epoch": 3, "model": {f"module.{key}": tensor for key, tensor in state.items()}}, place)
    elif form == "twice wrapped":
        torch.save({"model": {"state_dict": state, "arch": "mine"}, "optimizer": {"lr": 0.1}}, place)
    elif form == "plain":
        torch.save(state, place)
    else:
        torch.save({form: state, "epoch": 3}, place)


@pytest.mark.parametrize("form", ["plain", "legacy", "safetensors", "parallel", "parallel in a wrapper",
                                  "twice wrapped", *WRAPPERS])
def test_every_form_gives_the_same_weights(tmp_path, form):
    wanted, found = model(0), model(1)
    stored(form, wanted.state_dict(), tmp_path / "w")
    restore(found, str(tmp_path / "w"))
    for key, tensor in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[key], tensor), key


@pytest.mark.parametrize("content, says", [
    (model(0), "cannot be read as a state dict"),  # a whole model is code
    ({"weights": {"a": torch.ones(1)}}, "holds no state dict"), ([1], "holds no state dict"),
    ({"model": 3}, "holds no state dict"), ({1: torch.ones(1)}, "holds no state dict"),
])
def test_other_forms_are_refused_with_the_cure(tmp_path, content, says):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match=rf"w.pt: {says}.*save it with torch.save\(model.state_dict\(\), file\)"):
        read_state(str(tmp_path / "w.pt"))


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
