"""What the Python interface refuses before it works."""

import time

import pytest
from rigs import single

import xbarch
from xbarch.datapaths.dense import Dense
from xbarch.errors import CapacityError, InputError
from xbarch.machine.build import build
from xbarch.mapping.pack import dense_crossbars, least_crossbars
from xbarch.mapping.packings import kept
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

SMALL = single(300, 40, 4)


def refused(*args, error=InputError, **kwargs):
    with pytest.raises(error) as caught:
        xbarch.simulate(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("field", "value", "says"), [
    ("images", "two", "images: found 'two', allowed a whole number from 1 to 10,000"),
    ("images", 1.5, "images: found 1.5, allowed a whole number from 1 to 10,000"),
    ("images", True, "images: found true"),
    ("images", 0, "images: found 0, allowed 1 to 10,000"),
    ("chips", None, "chips: found nothing, allowed a whole number"),
    ("policy", None, "policy: found nothing, allowed a text such as 'fit'"),
    ("policy", "crossbars:99999999999999999999", "with a whole K from 1 to 1,000,000"),
    ("policy", "crossbars:" + "9" * 5000, "with a whole K from 1 to 1,000,000"),
    ("datapath", 5, "datapath: found 5, allowed a name or None"),
    ("options", "a=1", "options: found 'a=1', allowed a dict of names and values or None"),
    ("options", {1: 2}, "options: found a mapping, allowed a dict of names"),
    ("overrides", "crossbar.rows=64", "overrides: found 'crossbar.rows=64', allowed a list of texts"),
    ("overrides", [1], "overrides: found a list, allowed a list of texts"),
])
def test_arguments_of_another_kind(field, value, says):
    assert says in refused("isaac_like", SMALL, **{field: value})


def test_an_architecture_or_workload_of_another_kind():
    assert refused(None, SMALL) == "arch: found nothing, allowed a path, a bundled name or a loaded architecture"
    assert refused("isaac_like", 5) == "workload: found 5, allowed a path, a bundled name or a loaded workload"
    with pytest.raises(InputError, match="arch: found nothing"):
        xbarch.verify(None, SMALL)


def test_images_that_would_take_hours():
    network = single(1, 1, 50_000)
    assert refused("isaac_like", network, images=10_000) == (
        "images: found 10,000 images of 100,000 windows each, allowed 50,000,000 windows in all: 500 images")


def test_the_least_crossbars_are_no_more_than_any_data_path_takes():
    architecture = load("isaac_like", Architecture)
    network = xbarch.load("resnet18_pruned")
    for name in ("dense", "meng"):
        path = registry.datapath(name)
        machine = build(architecture, network, path)
        used = sum(p.crossbars for p in kept.packed(network, path, machine.geometry, machine.sensing).values())
        assert 0 < least_crossbars(network, machine.geometry) <= used
    assert least_crossbars(SMALL, machine.geometry) == 1 and dense_crossbars(SMALL, machine.geometry) == 9


@pytest.mark.parametrize(("workload", "rows", "columns"), [
    ("resnet18_pruned", 4, 4), ("vgg16_imagenet_dense16", 1, 9)])
def test_a_network_no_packing_brings_on_the_machine_is_refused_unpacked(monkeypatch, workload, rows, columns):
    monkeypatch.setattr(Dense, "pack", lambda *_: pytest.fail("packed"))
    start = time.process_time()
    says = refused("isaac_like", workload, error=CapacityError, datapath="meng" if rows == 4 else "dense",
                   overrides=[f"crossbar.rows={rows}", f"crossbar.columns={columns}"])
    assert "one copy of each layer needs at least" in says and "the machine has 16,128; " in says
    assert "times as many tiles (or --chips) would hold it" in says
    assert time.process_time() - start < 2


def test_crossbars_beyond_counting_are_refused_unpacked(monkeypatch):
    """138 million weights of 16 bits on rows of nine 2-bit cells: one weight a crossbar."""
    monkeypatch.setattr(Dense, "pack", lambda *_: pytest.fail("packed"))
    says = refused("isaac_like", "vgg16_imagenet_dense16", chips=10_000,
                   overrides=["crossbar.rows=1", "crossbar.columns=9"])
    assert says.startswith("crossbar: found 1 x 9 cells, of which one dense copy of vgg16_imagenet_dense16 takes ")
    assert says.endswith(" crossbars, allowed crossbars so large that 1,000,000 hold it")


@pytest.mark.parametrize(("body", "says"), [
    ("def adc_bits(self, layer, geometry): return 'eight'", "adc_bits of layer conv returned eight, allowed None or"),
    ("def components(self, geometry): return {}", "components returned dict, allowed a list of Added"),
    ("def accepts(self, workload, geometry): return 1 // 0", "accepts raised ZeroDivisionError"),
    ("def pack(self, layer, geometry): return []", "pack of layer conv returned an empty list"),
    ("def work(self, *given): return replace(super().work(*given), extra={'warp': np.ones(9, int)})",
     "work of layer conv returned the action 'warp', allowed those that a component pays for: "),
])
def test_a_data_path_that_misbehaves_is_refused_with_its_file(tmp_path, body, says):
    file = tmp_path / "bad.py"
    file.write_text(
        "from dataclasses import replace\n"
        "import numpy as np\n"
        "from xbarch.datapaths.dense import Dense\n"
        "class Bad(Dense):\n"
        "    name, summary, provenance = 'bad', 'breaks', 'a test'\n"
        f"    {body}\n")
    registry.load_file(file)
    found = refused("isaac_like", SMALL, datapath="bad", overrides=["crossbar.columns=128"])
    assert found.startswith(f"{file}: data path bad: {says}")
