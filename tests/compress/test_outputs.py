"""Networks that return maps, numbers or several tensors, and take several inputs: from a file to a machine."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import xbarch
from xbarch.compress.images.parts import Mapped
from xbarch.compress.training import data
from xbarch.errors import InputError
from xbarch.result import words
from xbarch.specs.recipe import Data
from xbarch.workload.batch import outputs, products
from xbarch.workload.find import resolve
from xbarch.workload.images import arrays, mapped, shown

torch.set_num_threads(1)


class Dense(nn.Module):
    """A U-Net of two levels."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(8, 3, 1)

    def forward(self, x):
        y = F.relu(self.a(x))
        z = F.interpolate(F.relu(self.b(F.max_pool2d(y, 2))), scale_factor=2, mode="bilinear")
        return torch.softmax(self.c(torch.cat([y, z], 1)), 1)


class Pair(nn.Module):
    """Two images and a vector; returns numbers, and a map that a layer reads."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(3, 4), nn.Linear(132, 2)

    def forward(self, x, y, z):
        m = F.relu(self.a(x - y))
        return self.c(torch.cat([m.flatten(1), F.relu(self.b(z))], 1)), {"map": m}


def draw(*shape):
    return np.random.default_rng(len(shape) + shape[-1]).random(shape).astype(np.float32)


@pytest.fixture
def dense(tmp_path):
    """(model, file of images of 8 x 8 and maps of its own classes, with some of them changed)."""
    torch.manual_seed(0)
    model, x = Dense().eval(), (255 * draw(40, 1, 8, 8)).astype(np.uint8)
    with torch.no_grad():
        y = model(torch.tensor(x) / 255).argmax(1).numpy()
    y[:, 0] = (y[:, 0] + 1) % 3
    y[:, 1, :4] = 255
    np.savez(tmp_path / "d.npz", x_train=x[:24], y_train=y[:24], x_test=x[24:], y_test=y[24:])
    return model, tmp_path / "d.npz"


@pytest.fixture
def pair(tmp_path):
    torch.manual_seed(0)
    model, parts = Pair().eval(), [draw(40, 1, 8, 8), draw(40, 8, 8) ** 2, draw(40, 3)]
    with torch.no_grad():
        y = model(torch.tensor(parts[0]), torch.tensor(parts[1])[:, None], torch.tensor(parts[2]))[0].numpy()
    names = {f"x_{part}{end}": x[some] for part, some in (("train", slice(24)), ("test", slice(24, None)))
             for end, x in zip(("", "_2", "_3"), parts, strict=True)}
    np.savez(tmp_path / "p.npz", y_train=y[:24], y_test=y[24:], **names)
    return model, tmp_path / "p.npz"


def imported(model, file, out, **about):
    about = {"quantization": {"weight_bits": 8, "activation_bits": 8, "branch_bits": 8}, **about}
    return xbarch.import_weights(model, None, "dense", out=out, data={"name": "arrays", "path": str(file)}, **about)


def test_a_map_of_classes(dense, tmp_path):
    """Seven of eight rows less a half are right by construction; the machine repeats the stored accuracy."""
    model, file = dense
    place = imported(model, file, tmp_path / "net")
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["measure"] == "pixel_accuracy" and manifest["accuracy"]["float"] == pytest.approx(52 / 60)
    assert manifest["accuracy"]["imported"] > 0.8 and manifest["accuracy"]["crossbars"] > 0.8
    found = xbarch.accuracy("isaac_like", str(place))
    assert found.proven and found.value == found.integer_network == pytest.approx(manifest["accuracy"]["imported"])
    assert found.interval_95[0] <= found.value <= found.interval_95[1] and found.same_class == 1
    done = xbarch.simulate("isaac_like", str(place), images=2, accuracy=16)
    assert done.accuracy.on_this_machine.measure == "pixel_accuracy"
    assert words.accuracy(done.record).startswith(f"pixel accuracy: on this machine {found.value:.2%} (")


@pytest.mark.full
def test_mean_iou_and_a_function_of_one_s_own(dense, tmp_path):
    model, file = dense
    (tmp_path / "own.py").write_text("def first(y, right):\n    return y[:, 0].mean((1, 2))\n")
    for measure in ("mean_iou", f"{tmp_path}/own.py:first"):
        place = imported(model, file, tmp_path / "net", measure=measure)
        stored = json.loads((place / "manifest.json").read_text())["accuracy"]
        assert xbarch.accuracy("isaac_like", str(place)).value == pytest.approx(stored["imported"], rel=1e-6)
        assert abs(stored["imported"] - stored["float"]) < 0.05


def test_several_inputs_and_outputs(pair, tmp_path):
    """The integers compute all that the model returns; what nothing reads stays real, what is read has levels."""
    model, file = pair
    place = imported(model, file, tmp_path / "net")
    network = resolve(str(place))
    given = np.load(file)
    with torch.no_grad():
        wanted = model(*(torch.tensor(given[f"x_test{end}"]).reshape(16, *shape) for end, shape in (
            ("", (1, 8, 8)), ("_2", (1, 8, 8)), ("_3", (3,)))))
    got = outputs(network, shown(network, 100).pixels, products)
    for ours, its in zip(got, (wanted[0], wanted[1]["map"]), strict=True):
        assert ours.shape == its.shape and np.abs(ours - its.numpy()).max() < 0.03 * float(its.max() - its.min())
    assert network.real == {network.returned[0].layer} and network.returned[1].step < 1
    found = xbarch.accuracy("isaac_like", str(place))
    assert found.measure.name == "mse" and found.same_class is None
    assert found.value == pytest.approx(np.mean((got[0] - given["y_test"]) ** 2))


def program(model, place):
    example = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 3)
    torch.export.save(torch.export.export(model, example), place)


def graph(model, place):
    """The pair as ONNX; the map, which a layer reads, is an output too."""
    onnx = pytest.importorskip("onnx")
    h, state = onnx.helper, {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    nodes = [("Sub", ["x", "y"], "d", {}),
             ("Conv", ["d", "a.weight", "a.bias"], "s", {"kernel_shape": [3, 3], "pads": [1] * 4}),
             ("Relu", ["s"], "m", {}), ("Flatten", ["m"], "f", {}),
             ("Gemm", ["z", "b.weight", "b.bias"], "g", {"transB": 1}), ("Relu", ["g"], "r", {}),
             ("Concat", ["f", "r"], "k", {"axis": 1}), ("Gemm", ["k", "c.weight", "c.bias"], "o", {"transB": 1})]

    def ends(**shapes):
        return [h.make_tensor_value_info(name, 1, ("n", *shape)) for name, shape in shapes.items()]

    made = h.make_graph([h.make_node(kind, inputs, [out], **words) for kind, inputs, out, words in nodes], "pair",
                        ends(x=(1, 8, 8), y=(1, 8, 8), z=(3,)), ends(o=(2,), m=(2, 8, 8)),
                        [onnx.numpy_helper.from_array(value, name) for name, value in state.items()])
    onnx.save(h.make_model(made, opset_imports=[h.make_opsetid("", 17)]), place)


@pytest.mark.parametrize("write, end", [
    (graph, "onnx"), pytest.param(program, "pt2", marks=pytest.mark.full)])
def test_files_of_several_inputs_and_outputs(pair, tmp_path, write, end):
    """The file of the same model becomes the same network."""
    model, file = pair
    write(model, tmp_path / f"pair.{end}")
    one, two = (resolve(str(imported(made, file, tmp_path / name)))
                for made, name in ((model, "a"), (str(tmp_path / f"pair.{end}"), "b")))
    pixels = shown(one, 4).pixels
    assert len(one.returned) == len(two.returned) == 2
    for ours, its in zip(outputs(one, pixels, products), outputs(two, pixels, products), strict=True):
        assert np.allclose(ours, its)


def test_test_images_are_those_of_the_import(dense, tmp_path):
    model, file = dense
    place = imported(model, file, tmp_path / "net")
    content = file.read_bytes()
    file.write_bytes(content + b"\0")
    with pytest.raises(InputError, match="is not the file that workload net was imported with"):
        xbarch.accuracy("isaac_like", str(place))
    file.unlink()
    with pytest.raises(InputError, match="which is not there"):
        xbarch.accuracy("isaac_like", str(place))


@pytest.mark.parametrize("change, says", [
    ({"x_train_2": draw(24, 1, 8, 8)}, "further inputs must be x_train_2, x_test_2"),
    ({"y_train": draw(24)}, "must be answers of one kind"),
    ({"y_train": draw(24) > 0, "y_test": draw(16) > 0}, "y_train must hold labels"),
    ({"y_train": draw(20)}, "y_train must hold an answer for each of the 24 arrays of x_train, not 20")])
def test_arrays_that_do_not_fit(dense, tmp_path, change, says):
    model, file = dense
    np.savez(tmp_path / "other.npz", **{**np.load(file), **change})
    with pytest.raises(InputError, match=says):
        imported(model, tmp_path / "other.npz", tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_a_map_is_no_class(dense, tmp_path):
    """Neither for import, which could take another measure, nor for training."""
    model, file = dense
    with pytest.raises(InputError, match=r"measure: must be pixel_accuracy, mean_iou or a function .*, not top1"):
        imported(model, file, tmp_path / "net", measure="top1")
    for line, says in (("measure: top1", r"measure: must be pixel_accuracy, mean_iou or a function .*, not top1"),
                       ("", "model: must return maps of scores, one for each of 3 classes and each of 8 x 8 pixels")):
        with pytest.raises(InputError, match=says):
            learned(tmp_path, file, f"{__file__}:Brightness", line)
    with pytest.raises(InputError, match="augment: must not move images, whose maps of classes would stay"):
        learned(tmp_path, file, f"{__file__}:Dense", augment=", augment: true")


def learned(tmp_path, file, model, more="", augment=""):
    (tmp_path / "r.yaml").write_text(
        f"kind: trained\nmodel: {model}\ndata: {{name: arrays, path: {file}{augment}}}\n{more}\n"
        "quantization: {weight_bits: 8, activation_bits: 8, weight_scale: lsq}\n"
        "baseline: {epochs: 24, rate: 0.03, optimizer: adam, momentum: 0.9, batch: 8}\nstored_images: 2\n"
        "pruning: {method: dense, algorithm: {name: cut}, density: 0.7, cut_after: 0, layers: {c: 1},\n"
        "  training: {epochs: 4, rate: 0.01, optimizer: adam, momentum: 0.9, batch: 8}}\n")
    return json.loads((xbarch.train(str(tmp_path / "r.yaml"), out=tmp_path / "r", cache=tmp_path / "c") /
                       "manifest.json").read_text())


@pytest.fixture
def easy(tmp_path):
    """Which pixels are bright, how bright an image is, and its class."""
    x = np.kron(draw(60, 1, 4, 4), np.ones((2, 2), np.float32)).astype(np.float32)
    answers = {"map": (x[:, 0] > 0.5).astype(np.int64), "number": x.mean((1, 2, 3))[:, None]}
    answers["map"][:, 0, 0] = 255
    for name, y in answers.items():
        np.savez(tmp_path / f"{name}.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    return tmp_path


@pytest.mark.parametrize("measure", ["", pytest.param("measure: mean_iou", marks=pytest.mark.full)])
def test_a_map_is_learned(easy, measure):
    """Trained and pruned by the pixels that have a class; crossbars, and the file read again, give what is stored."""
    found = learned(easy, easy / "map.npz", f"{__file__}:Dense", measure)
    name = measure.removeprefix("measure: ") or "pixel_accuracy"
    assert found["measure"] == name and found["accuracy"]["baseline"] > 0.8
    assert set(found["accuracy"]) == {"baseline", "cut", "pruning", "crossbars"}
    assert f"val_{name}" in found["history"][0] and found["change"]["low"] <= found["change"]["high"]
    again = xbarch.accuracy("isaac_like", str(easy / "r"))
    assert again.value == pytest.approx(found["accuracy"]["pruning"]) and again.measure.name == name
    assert found["accuracy"]["crossbars"] == pytest.approx(again.value)  # 20 images, all of them


def test_arrays_that_stay_in_their_file(easy, monkeypatch):
    """Mapped, the same images make the same workload; what would have to be copied, and is too large, is refused."""
    first = learned(easy, easy / "map.npz", f"{__file__}:Dense")
    monkeypatch.setattr(mapped, "LEAST", 0)
    pixels = data.load(Data(name="arrays", path=str(easy / "map.npz")), 0).train.pixels
    assert isinstance(pixels, Mapped) and isinstance(arrays.arrays(easy / "map.npz")[0].pixels, np.memmap)
    (easy / "c").rename(easy / "old")
    assert learned(easy, easy / "map.npz", f"{__file__}:Dense") == first
    monkeypatch.setattr(arrays, "_MOST", 9000)
    given = dict(np.load(easy / "map.npz"))
    given["y_train"] = given["y_train"][:, :1, :1]
    given["y_test"] = given["y_test"][:, :1, :1]
    for change, save, says in (
            ({}, np.savez, None),
            ({}, np.savez_compressed, "x_train must be at most 9,000 bytes, not 10,368; only images that are the one"),
            ({"x_train": given["x_train"].astype(np.float64)}, np.savez, "x_train must be uint8 or float32 of shape"),
            ({"y_train": np.zeros((40, 8, 8))}, np.savez, "y_train must be at most 9,000 bytes, not 20,608")):
        save(easy / "other.npz", **{**given, **change})
        if says is None:
            assert np.array_equal(arrays.arrays(easy / "other.npz")[0].pixels, given["x_train"])
            continue
        with pytest.raises(InputError, match=says):
            arrays.arrays(easy / "other.npz")


class Brightness(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 1)

    def forward(self, x):
        return self.c(F.relu(self.a(x)).mean((2, 3)))


def test_numbers_are_learned(easy):
    """The error falls far below the answers' variance; what has no meaning for numbers is refused."""
    found = learned(easy, easy / "number.npz", f"{__file__}:Brightness")
    variance = float(np.load(easy / "number.npz")["y_test"].var())
    assert found["measure"] == "mse" and found["history"][-1]["val_mse"] < found["history"][0]["val_mse"]
    assert found["accuracy"]["pruning"] < variance
    with pytest.raises(InputError, match="model: must be a model of your own: resnet20 returns scores of classes"):
        learned(easy, easy / "number.npz", "resnet20")


class Both(Brightness):
    def forward(self, x):
        y = F.relu(self.a(x))
        return self.c(y.mean((2, 3))), {"map": y}


@pytest.mark.full
def test_training_says_that_it_looks_at_the_first_output(easy, call, monkeypatch):
    learned(easy, easy / "number.npz", f"{__file__}:Both")
    monkeypatch.setenv("XBARCH_CACHE", str(easy / "c"))  # where all is trained
    code, out, _ = call("compress", str(easy / "r.yaml"), "--out", str(easy / "r"))
    assert code == 0 and "r: of 2 outputs only the first was trained" in out
