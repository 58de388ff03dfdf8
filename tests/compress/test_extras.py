"""What needs an extra that is not installed says so in one sentence with the command that helps."""

import os
import subprocess
import sys

import pytest

from xbarch.compress.training import data
from xbarch.errors import InputError
from xbarch.specs.recipe import Data
from xbarch.support.extras import EXTRAS, MissingExtraError, needs


def without(package, code, folder):
    """A Python process in which `package` is not installed: (exit code, standard output, standard error)."""
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.modules[{package!r}] = None\n{code}"], cwd=folder,
                          env={**os.environ, "XBARCH_CACHE": str(folder / "cache")}, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("extra, package", [(e, p) for e, packages in EXTRAS.items() for p in packages])
def test_every_package_of_every_extra(monkeypatch, extra, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as caught, needs(extra, "this"):
        __import__(package)
    assert str(caught.value) == (f"this needs {EXTRAS[extra][package]}, which is not installed: run `pip install -c "
                                 f"constraints.txt '.[{extra}]'` in a checkout of xbarch")
    assert isinstance(caught.value, InputError) and caught.value.exit_code == 2


def test_another_module_that_is_missing_is_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "nowhere", None)
    with pytest.raises(ModuleNotFoundError, match="nowhere"), needs("train", "this"):
        __import__("nowhere")


RECIPE = "kind: trained\nmodel: resnet20\ndata: {name: digits}\nbaseline: {epochs: 1, rate: 0.1}\n"


@pytest.mark.parametrize("words, feature", [
    (("compress", "r.yaml"), "training"),
    (("import", "resnet20", "--weights", "w.pt", "--method", "dense", "--data", "digits", "--out", "o"),
     "importing weights")])
def test_commands_without_torch(tmp_path, words, feature):
    (tmp_path / "r.yaml").write_text(RECIPE)
    (tmp_path / "w.pt").write_bytes(b"\x80")
    command = f"sys.argv = {['xbarch', *words]}\nfrom xbarch.__main__ import main\nmain()"
    code, out, err = without("torch", command, tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith(f"xbarch: {feature} needs PyTorch, which is not installed: run `pip install -c ")


def test_names_of_the_package_without_torch(tmp_path):
    code = """
import xbarch
for name in ("train", "import_weights"):
    try:
        getattr(xbarch, name)
    except xbarch.InputError as error:
        print(error)
"""
    done, out, err = without("torch", code, tmp_path)
    assert (done, err) == (0, "") and out.count("needs PyTorch, which is not installed") == 2


def test_images_without_their_packages(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn", None)  # the digits travel with xbarch
    assert len(data.load(Data(name="digits"), 0).test) == 359
    for part in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / part / label).mkdir(parents=True)
            (tmp_path / part / label / "0.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match="needs Pillow"):
        data.load(Data(name="folder", path=str(tmp_path)), 0)
