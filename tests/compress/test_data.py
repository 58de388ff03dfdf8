"""Data sets: splits, formats, refusals."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from xbarch.compress.training.data import augmented, load
from xbarch.errors import InputError
from xbarch.specs.recipe import Data

torch.set_num_threads(1)


def test_digits_are_split_apart_and_by_class():
    parts = load(Data(name="digits", size=32), 0)
    assert len(parts.train) + len(parts.val) + len(parts.test) == 1797 and parts.shape == (3, 32, 32)
    rows = [{p.numpy().tobytes() for p in part.pixels} for part in (parts.train, parts.val, parts.test)]
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]
    assert min(torch.bincount(parts.test.labels)) >= 30
    again, other = load(Data(name="digits"), 0), load(Data(name="digits"), 1)
    assert torch.equal(parts.test.pixels, again.test.pixels) and not torch.equal(parts.test.labels, other.test.labels)


def test_digit_pairs_are_seeded_and_labelled():
    spec = Data(name="digit_pairs", train_images=600, test_images=400, noise=0)
    a, b = load(spec, 5), load(spec, 5)
    assert torch.equal(a.train.pixels, b.train.pixels) and a.classes == 100 and len(a.test) == 400
    assert len(a.train.labels.unique()) > 80
    # the left half of the picture depends more on the tens of the label than on its ones, the right half less
    ink = a.train.pixels[:, 0].double()

    def spread(half, digit):
        return torch.stack([ink[digit == d][..., half].mean(0) for d in range(10)]).var(0).sum()

    tens, ones = a.train.labels // 10, a.train.labels % 10
    left, right = slice(0, 16), slice(16, 32)
    assert spread(left, tens) > 2 * spread(left, ones) and spread(right, ones) > 2 * spread(right, tens)
    noisy = load(spec.model_copy(update={"noise": 0.3}), 5)
    assert not torch.equal(noisy.train.pixels, a.train.pixels) and torch.equal(noisy.train.labels, a.train.labels)


def cifar(place, images=20, binary=False):
    rng = np.random.default_rng(0)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        pixels, labels = rng.integers(0, 256, (images, 3072), dtype=np.uint8), np.arange(images) % 10
        if binary:
            np.concatenate((labels[:, None].astype(np.uint8), pixels), 1).tofile(place / f"{name}.bin")
        else:
            (place / name).write_bytes(pickle.dumps({b"data": pixels, b"labels": labels.tolist()}, protocol=2))


def test_cifar_both_forms_agree(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "b").mkdir()
    cifar(tmp_path / "p")
    cifar(tmp_path / "b", binary=True)
    p, b = (load(Data(name="cifar10", path=str(tmp_path / x)), 0) for x in "pb")
    assert len(p.train) == 90 and len(p.val) == 10 and len(p.test) == 20
    assert torch.equal(p.train.pixels, b.train.pixels) and torch.equal(p.test.labels, b.test.labels)
    assert load(Data(name="cifar10", path=str(tmp_path / "b"), size=16), 0).shape == (3, 16, 16)


def test_cifar_refusals(tmp_path):
    with pytest.raises(InputError, match=r"has neither data_batch_1"):
        load(Data(name="cifar10", path=str(tmp_path)), 0)
    cifar(tmp_path, binary=True)
    (tmp_path / "data_batch_2.bin").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match=r"data_batch_2.bin.*multiple of 3,073"):
        load(Data(name="cifar10", path=str(tmp_path)), 0)
    rows = np.full((2, 3073), 99, np.uint8)
    rows.tofile(tmp_path / "data_batch_2.bin")
    with pytest.raises(InputError, match="labels up to 99"):
        load(Data(name="cifar10", path=str(tmp_path)), 0)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize("content", [pickle.dumps(Evil()), b"garbage", b"", pickle.dumps([1]),
                                     pickle.dumps({b"data": 1})])
def test_hostile_pickles(tmp_path, content):
    cifar(tmp_path)
    (tmp_path / "data_batch_3").write_bytes(content)
    with pytest.raises(InputError, match=r"data_batch_3: is not a CIFAR-10 batch"):
        load(Data(name="cifar10", path=str(tmp_path)), 0)


def test_folder(tmp_path):
    for part in ("train", "test"):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(12):
                Image.new("RGB", (20, 10), (100 * label, i, 0)).save(tmp_path / part / name / f"{i}.png")
    parts = load(Data(name="folder", path=str(tmp_path), size=16), 0)
    assert parts.classes == 2 and parts.shape == (3, 16, 16) and len(parts.test) == 24
    assert torch.equal(parts.test.pixels[:, 0, 0, 0], parts.test.labels.to(torch.uint8) * 100)
    (tmp_path / "train" / "dog" / "x.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"x.png: is not an image"):
        load(Data(name="folder", path=str(tmp_path), size=16), 0)
    with pytest.raises(InputError, match="fewer than two classes"):
        load(Data(name="folder", path=str(tmp_path / "test"), size=16), 0)


def images(place, **counts):
    """An image folder: part__CLASS=number of images."""
    for name, count in counts.items():
        folder = place.joinpath(*name.split("__"))
        folder.mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(folder / f"{i}.png")
    return Data(name="folder", path=str(place), size=8)


@pytest.mark.parametrize(("counts", "says"), [
    ({"train__a": 5, "train__b": 0, "test__a": 1, "test__b": 1},
     "train must have at least 2 images of every class, not 0 of b"),
    ({"train__a": 1, "train__b": 1, "test__a": 1, "test__b": 1},
     "train must have at least 2 images of every class, not 1 of a"),
    ({"train__a": 5, "train__b": 5, "test__a": 1}, "test must have at least 1 image of every"),
    ({"train__a": 5, "train__b": 5, "test__a": 1, "test__b": 0}, "test must have at least 1 image of every"),
    ({"train__a": 5, "train__b": 5, "test__a": 1, "test__b": 1, "test__c": 1},
     "test has the class c, which train has not; train has a, b"),
])
def test_folders_with_classes_missing(tmp_path, counts, says):
    with pytest.raises(InputError, match=says):
        load(images(tmp_path, **counts), 0)


def test_the_smallest_folder(tmp_path):
    parts = load(images(tmp_path, train__a=2, train__b=2, test__a=1, test__b=1), 0)
    assert (len(parts.train), len(parts.val), len(parts.test)) == (3, 1, 2)


@pytest.mark.parametrize("batch", [{b"data": np.zeros((0, 3072), np.uint8), b"labels": []},
                                   {b"data": np.zeros((1, 3072), np.uint8), b"labels": [-1]},
                                   {b"data": np.zeros((1, 3072), np.uint8), b"labels": ["cat"]}])
def test_cifar_labels(tmp_path, batch):
    cifar(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(InputError, match="test_batch"):
        load(Data(name="cifar10", path=str(tmp_path)), 0)


def test_augmentation_moves_and_flips():
    x = torch.zeros(400, 1, 8, 8)
    x[:, 0, 4, 2] = 1
    out = augmented(x, torch.Generator().manual_seed(0))
    where = out.nonzero()[:, 2:]
    assert out.shape == x.shape and len(where.unique(dim=0)) > 60
    assert set(where[:, 0].tolist()) == set(range(8)) and set(where[:, 1].tolist()) == set(range(8))
