"""Training recipes that cannot end well are refused before anything is trained: one sentence, nothing written."""


import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)

RECIPE = """\
kind: trained
model: resnet20
width: 4
data: {name: digits, size: 16}
quantization: {weight_scale: lsq}
baseline: {epochs: 1, rate: 0.1}
pruning:
  method: METHOD
  options: {}
  geometry: {rows: 128, columns: 128, cell_bits: 2}
  algorithm: {name: ALGORITHM}
  density: 0.5
  layers: {}
  cut_after: 0
  training: {epochs: 1, rate: 0.1}
"""


@pytest.fixture
def refused(call, tmp_path, monkeypatch):
    """`xbarch compress r.yaml` in an empty folder: the sentence; nothing may be trained or written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "cache"))

    def run(text):
        (tmp_path / "r.yaml").write_text(text)
        before = sorted(tmp_path.rglob("*"))
        code, out, err = call("compress", "r.yaml")
        assert code == 2 and not out and err.count("\n") == 1 and "Traceback" not in err, err
        assert sorted(tmp_path.rglob("*")) == before
        return err.strip()
    return run


def recipe(method, old="", new="", algorithm="cut"):
    text = RECIPE.replace("METHOD", method).replace("ALGORITHM", algorithm)
    assert old in text
    return text.replace(old, new, 1)


ROWS, COLUMNS, DENSITY = "rows: 128", "columns: 128", "density: 0.5"


@pytest.mark.full
@pytest.mark.parametrize("algorithm", ["cut", "admm", "recover"])
@pytest.mark.parametrize("method, says", [
    ("huai", "one crossbar of 128 x 128 cells for each filter block of every layer"),
    ("segprune",
     "must be at least 1/36 for layer layer1.0.conv1, not 0.0001, which keeps no row of a segment of 36 rows"),
    ("xue", "must be 0.028 to 1 for layer layer1.0.conv1, not 0.0001: a segment of 36 weights keeps at least one"),
])
def test_a_density_the_method_cannot_reach(refused, method, algorithm, says):
    """36 rows of 4 channels; found at the density's own line."""
    error = refused(recipe(method, DENSITY, "density: 0.0001", algorithm))
    assert error.startswith("xbarch: r.yaml:12: pruning.density: ") and says in error


@pytest.mark.full
@pytest.mark.parametrize("method, says", [
    ("segprune", "must be at least 1/16 for layer fc, not 0.001, which keeps no row of a segment of 16 rows"),
    ("xue", "must be 0.062 to 1 for layer fc, not 0.001: a segment of 16 weights keeps at least one"),
])
def test_a_density_of_a_layer_out_of_reach(refused, method, says):
    assert says in refused(recipe(method, "layers: {}", "layers: {fc: 0.001}"))


@pytest.mark.quick(1)
@pytest.mark.parametrize("method, old, new, says", [
    ("huai", ROWS, "rows: 8", "a 3 x 3 kernel of layer conv1 needs 9 word lines, the crossbar has 8"),
    ("huai", COLUMNS, "columns: 1", "a 4-bit weight of layer conv1 needs 2 bit lines, the crossbar has 1"),
    ("meng", COLUMNS, "columns: 3", "layer conv1 needs 4 bit lines for a weight and the dummy, the crossbar has 3"),
    ("segprune", COLUMNS, "columns: 1", "a 4-bit weight of layer conv1 needs 2 bit lines, the crossbar has 1"),
    ("xue", COLUMNS, "columns: 5", "a 4-bit weight of layer conv1 needs 6 bit lines, the crossbar has 5"),
    ("dense", COLUMNS, "columns: 1", "a 4-bit weight of layer conv1 needs 2 bit lines, the crossbar has 1"),
])
def test_a_crossbar_too_small(refused, method, old, new, says):
    """For a kernel or for a weight."""
    assert refused(recipe(method, old, new)) == f"xbarch: r.yaml:8: pruning.method: {says}"


@pytest.mark.quick(1)
@pytest.mark.parametrize("algorithm", ["cut", "admm", "recover", "lasso"])
def test_a_layer_that_is_not_there(refused, algorithm):
    error = refused(recipe("meng", "layers: {}", "layers: {conv9: 0.5}", algorithm))
    assert error.startswith("xbarch: r.yaml:13: pruning.layers: unknown layer 'conv9'; choose conv1, layer1.0.conv1, ")


@pytest.mark.full
@pytest.mark.parametrize("method, old, new, says", [
    ("xue", "options: {}", "options: {adc_bits: {conv9: 2}}",
     "r.yaml:8: pruning.method: option adc_bits names layer conv9, which the workload does not have"),
    ("xue", "options: {}", "options: {sign: offset}",
     "r.yaml:9: pruning.options.sign: must be differential; with offset zeros would be stored as 2**(bits - 1)"),
    ("xue", "options: {}", "options: {sign: twos}",
     "r.yaml:9: pruning.options.sign: must be differential; with twos small negative weights would be stored"),
    ("xue", "weight_scale: lsq", "weight_scale: mean",
     "r.yaml:5: quantization.weight_scale: must be lsq for xue, which removes single bits of the levels"),
    ("xue", "name: cut", "name: lasso",
     "r.yaml:11: pruning.algorithm.name: must be another algorithm than lasso: xue removes no groups"),
])
def test_what_does_not_go_together(refused, method, old, new, says):
    assert refused(recipe(method, old, new)).startswith(f"xbarch: {says}")


@pytest.mark.parametrize("words", [("-d", "xue"), ()])
def test_xue_is_simulated_with_differential_signs_only(call, tmp_path, monkeypatch, words):
    """A workload made for it, and one that another data path made."""
    monkeypatch.chdir(tmp_path)
    workload = ("vgg7_pruned", "--datapath", "xue") if words else ("resnet18_xue",)
    code, out, err = call("simulate", "-a", "isaac_like", "-w", *workload, "-o", "sign=offset", "--out", "o")
    assert code == 2 and not out and err.count("\n") == 1 and not list(tmp_path.iterdir())
    assert err.startswith("xbarch: options.sign: must be differential; with offset zeros would be stored as")


# -- images -------------------------------------------------------------------------------------------------------

PLAIN = "kind: trained\nmodel: resnet20\ndata: {name: NAME, path: PATH}\nbaseline: {epochs: 1, rate: 0.1}\n"


def pictures(place, *names):
    for name in names:
        (place / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(place / name / f"{i}.png")


def cifar(place):
    place.mkdir()
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        rows = np.zeros((10, 3073), np.uint8)
        rows[:, 0] = np.arange(10)
        rows.tofile(place / f"{name}.bin")


def data(name, path):
    return PLAIN.replace("NAME", name).replace("PATH", path)


@pytest.mark.parametrize("name", ["cifar10", "folder"])
@pytest.mark.parametrize("path, says", [("none", "no such folder: none"), ("r.yaml", "no such folder: r.yaml"),
                                        ("'a\\0b'", "r.yaml")])
def test_a_folder_that_is_missing(refused, name, path, says):
    assert says in refused(data(name, path))


@pytest.mark.parametrize("damage, says", [
    (lambda p: (p / "train" / "b" / "9.png").write_bytes(b"no image"), "images/train/b/9.png: is not an image"),
    (lambda p: [f.unlink() for f in (p / "test" / "b").iterdir()], "test must have at least 1 image of every class"),
    (lambda p: pictures(p, "test/c"), "test has the class c, which train has not; train has a, b"),
    (lambda p: (p / "train").rename(p / "training"), "test/CLASS/*; images has 0 classes in train"),
])
def test_a_folder_of_images_not_in_the_stated_format(refused, tmp_path, damage, says):
    pictures(tmp_path / "images", "train/a", "train/b", "test/a", "test/b")
    damage(tmp_path / "images")
    assert says in refused(data("folder", "images"))


@pytest.mark.parametrize("damage, says", [
    (lambda p: (p / "data_batch_4.bin").unlink(), "c has neither data_batch_4 nor data_batch_4.bin"),
    (lambda p: (p / "test_batch.bin").unlink(), "c has neither test_batch nor test_batch.bin"),
    (lambda p: (p / "data_batch_2.bin").write_bytes(b"\0" * 100), "data_batch_2.bin: "),
    (lambda p: (p / "data_batch_2.bin").write_bytes(b"\xff" * 3073), "labels up to 255"),
])
def test_cifar_not_in_the_stated_format(refused, tmp_path, damage, says):
    cifar(tmp_path / "c")
    damage(tmp_path / "c")
    assert says in refused(data("cifar10", "c"))


def test_a_folder_for_data_that_has_none(refused):
    for text, says in ((data("digits", "here"), "r.yaml:3: data: data digits needs no path"),
                       (PLAIN.replace("NAME, path: PATH", "cifar10"), "r.yaml:3: data: data cifar10 needs a path")):
        assert says in refused(text)
