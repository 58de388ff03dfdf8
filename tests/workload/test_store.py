"""Stored workloads: nothing lost, nothing hostile taken, nothing half-written."""

import hashlib
import json
import re
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from xbarch.errors import InputError
from xbarch.workload import find, packing, store
from xbarch.workload.graph import Layer, Workload


def example(bits=4):
    rng = np.random.default_rng(1)
    top = (1 << bits - 1) - 1
    weights = rng.integers(-top, top + 1, (6, 3, 3, 3)).astype(np.int16)
    mask = rng.random((6, 3, 3, 3)) < 0.5
    fc = rng.integers(-top, top + 1, (5, 6 * 4 * 4, 1, 1)).astype(np.int16)
    layers = (
        Layer(name="input", op="input", inputs=(), in_shape=(3, 4, 4), out_shape=(3, 4, 4), output_bits=8),
        Layer(name="conv", op="conv", inputs=("input",), in_shape=(3, 4, 4), out_shape=(6, 4, 4), kernel=(3, 3),
              padding=(1, 1), relu=True, weight_bits=bits, input_bits=8, output_bits=4, weights=lambda: weights * mask,
              mask=lambda: mask, scale=rng.random(6), bias=rng.random(6)),
        Layer(name="flatten", op="flatten", inputs=("conv",), in_shape=(6, 4, 4), out_shape=(96, 1, 1), output_bits=4),
        Layer(name="fc", op="linear", inputs=("flatten",), in_shape=(96, 1, 1), out_shape=(5, 1, 1), weight_bits=bits,
              input_bits=4, weights=lambda: fc, scale=rng.random(5), bias=rng.random(5)),
    )
    return Workload(name="w", layers=layers, datapath="meng", options={"group_ch": 4}, trained_on="digits",
                    accuracy={"baseline": 0.9}, source="a test",
                    activations={"conv": rng.integers(0, 256, (2, 3, 4, 4)).astype(np.uint8),
                     "fc": rng.integers(0, 16, (2, 96, 1, 1)).astype(np.uint8)})


@pytest.fixture
def folder(tmp_path):
    return store.save(example(), tmp_path / "w", {"description": "a test", "seed": 3})


@pytest.mark.parametrize("bits", [2, 4, 5, 8, 12, 16])
def test_round_trip(tmp_path, bits):
    before, after = example(bits), store.load(store.save(example(bits), tmp_path / "w", {}))
    assert after == before and after.datapath == "meng" and after.accuracy == {"baseline": 0.9}
    for a, b in zip(before.compute_layers, after.compute_layers, strict=True):
        np.testing.assert_array_equal(a.weights(), b.weights())
        np.testing.assert_array_equal(a.kept, b.kept)
        np.testing.assert_array_equal(a.scale, b.scale)
        np.testing.assert_array_equal(before.activations[a.name], after.activations[a.name])


def test_same_bytes_twice(tmp_path):
    a, b = (store.save(example(), tmp_path / x, {}) for x in "ab")
    assert all((a / f).read_bytes() == (b / f).read_bytes() for f in ("manifest.json", "tensors.safetensors"))


@given(st.integers(1, 16), st.booleans(), st.integers(0, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_packing_loses_nothing(bits, signed, count, seed):
    bits = max(bits, 2) if signed else bits
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = np.random.default_rng(seed).integers(low, high + 1, count)
    np.testing.assert_array_equal(packing.unpack(packing.pack(values, bits, signed), (count,), bits, signed), values)


def tensors(folder, change):
    """Rewrite the tensor file and its digest."""
    import hashlib
    found = load_file(folder / "tensors.safetensors")
    change(found)
    save_file(found, folder / "tensors.safetensors")
    text = json.loads((folder / "manifest.json").read_text())
    text["sha256"] = hashlib.sha256((folder / "tensors.safetensors").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(text))


def touch(workload):
    for la in workload.compute_layers:
        la.weights()
        assert la.kept.shape == la.matrix.shape
        workload.activations[la.name]


def _bomb(found):
    found["conv/kept"] = np.frombuffer(zlib.compress(b"\0" * 10**8), np.uint8)


@pytest.mark.parametrize("change, says", [
    (_bomb, "must have 43 bytes of numbers, not more than 43"),
    (lambda t: t.update({"conv/kept": t["conv/kept"][:-5]}), "kept of layer conv"),
    (lambda t: t.update({"conv/kept": np.frombuffer(b"junk", np.uint8)}), "cannot be expanded"),
    (lambda t: t.update({"conv/kept": np.zeros((3, 3), np.float32)}), "must be packed bytes .U8., not F32"),
    (lambda t: t.pop("fc/weights"), "has no weights of layer fc"),
    (lambda t: t.update({"conv/scale": np.full(6, np.nan)}), "scale of layer conv"),
    (lambda t: t.update({"conv/bias": np.zeros(7)}), "bias of layer conv"),
    (lambda t: t.update({"conv/mask": np.frombuffer(zlib.compress(b"x"), np.uint8)}), "mask of layer conv"),
])
def test_damaged_numbers(folder, change, says):
    tensors(folder, change)
    with pytest.raises(InputError, match=says):
        touch(store.load(folder))


SIZES = {"BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F16": 2, "I64": 8, "BOOL": 1}


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("part", ["conv/kept", "conv/mask", "fc/weights", "conv/inputs", "conv/scale", "fc/bias"])
def test_a_type_that_numbers_do_not_have(folder, part, kind):
    """NumPy has no name for some of them; the file's own word is read before its numbers."""
    place = folder / "tensors.safetensors"
    data = place.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8:8 + size]), data[8 + size:]
    start, end = header[part]["data_offsets"]
    header[part].update(dtype=kind, shape=[(end - start) // SIZES[kind]])
    if (end - start) % SIZES[kind]:  # a whole number of them: the tensor is appended again, padded
        padded = numbers[start:end] + bytes(-(end - start) % SIZES[kind])
        header[part].update(shape=[len(padded) // SIZES[kind]], data_offsets=[len(numbers), len(numbers) + len(padded)])
        header["rest"] = {"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}
        numbers += padded
    text = json.dumps(header).encode()
    place.write_bytes(len(text).to_bytes(8, "little") + text + numbers)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"] = hashlib.sha256(place.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=rf"safetensors: {part.split('/')[1]} of layer .* must be .*, not {kind}"):
        touch(store.load(folder))


def test_text_that_a_terminal_obeys(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    for text, code in (("\x1b[31m", "U+001B"), ("\0", "U+0000"), ("\u202ea", "U+202E"), ("\ud800", "U+D800")):
        (folder / "manifest.json").write_text(json.dumps({**manifest, "trained_on": text}))
        with pytest.raises(InputError, match=re.escape(f"the control character {code} is not")):
            store.load(folder)


def test_images_that_are_not_stored(folder):
    tensors(folder, lambda t: t.pop("fc/inputs"))
    with pytest.raises(InputError, match=r"images: must be the number of stored images, not 2: no inputs"):
        store.load(folder)


def test_truncated_file(folder):
    data = (folder / "tensors.safetensors").read_bytes()
    (folder / "tensors.safetensors").write_bytes(data[:-10])
    with pytest.raises(InputError, match=r"tensors.safetensors: is cut off or was changed: its digest must be"):
        store.load(folder)
    (folder / "tensors.safetensors").unlink()
    with pytest.raises(InputError, match=r"is incomplete: tensors\.safetensors is missing"):
        store.load(folder)


def _set(path, value):
    def change(text):
        *rest, last = path
        for key in rest:
            text = text[key]
        text[last] = value
    return change


@pytest.mark.parametrize("change, says", [
    (_set(["layers", 1, "out_shape"], [6, 5, 4]), r"layers.1.out_shape: must be \(6, 4, 4\), not \(6, 5, 4\)"),
    (_set(["layers", 1, "inputs"], ["nowhere"]), "layers.1.inputs"),
    (_set(["layers", 1, "groups"], 4), "layers.1.groups|layers.1.out"),
    (_set(["layers", 1, "kernel"], [0, 3]), "layers.1.kernel"),
    (_set(["layers", 1, "in_shape"], [10**12, 4, 4]), "layers.1.in_shape"),
    (_set(["layers", 3, "name"], "conv"), "'conv' is the name of an earlier layer"),
    (_set(["layers", 1, "name"], "../../etc"), "layers.1.name"),
    (_set(["schema"], "other/9"), "schema"),
    (_set(["surprise"], 1), "surprise"),
    (_set(["sha256"], "zz"), "sha256"),
    (_set(["accuracy", "baseline"], 98.3), r"accuracy.baseline: must be at most 1, not 98.3"),
    (_set(["accuracy", "baseline"], -0.1), r"accuracy.baseline: must be at least 0, not -0.1"),
    (_set(["images"], 1), r"inputs of layer conv: must have 48 bytes of numbers, not more than 48"),
    (_set(["images"], 3), r"inputs of layer conv: must have 144 bytes of numbers, not 96"),
    (_set(["images"], 0), r"images: must be the number of stored images, not 0: inputs of layer conv are stored"),
])
def test_manifest_that_does_not_fit(folder, change, says):
    text = json.loads((folder / "manifest.json").read_text())
    change(text)
    (folder / "manifest.json").write_text(json.dumps(text))
    with pytest.raises(InputError, match=says):
        store.load(folder)


@pytest.mark.parametrize("content", ["", "[", "[]", "{}", '{"schema": NaN}', "[" * 100_000, "\0", "null"])
def test_manifest_that_is_none(folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest.json"):
        store.load(folder)


def test_finding(tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find.resolve("w").name == "w"  # a path wins
    (tmp_path / "w.yaml").write_text(
        "kind: trained\nmodel: resnet20\ndata: {name: digits}\nbaseline: {epochs: 1, rate: 0.1}\n")
    assert find.resolve("w.yaml").name == "w"  # a recipe finds its stored result
    (tmp_path / "x.yaml").write_text((tmp_path / "w.yaml").read_text())
    with pytest.raises(InputError, match=r"xbarch compress x\.yaml"):
        find.resolve("x.yaml")
    assert find.resolve("vgg16_imagenet_dense16").trained_on is None
    for bad in ("resnet18_prund", "a" * 5000, "x\0y"):
        with pytest.raises(InputError, match="no such workload"):
            find.resolve(bad)
    (tmp_path / "x.yaml").write_text("kind: other\n")
    with pytest.raises(InputError, match=r"x.yaml:1: kind: must be trained or synthetic, not 'other'"):
        find.resolve("x.yaml")


def test_unwritable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        store.save(example(), tmp_path / "file" / "w", {})
