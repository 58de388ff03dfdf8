"""What the Python interface refuses before it works."""

import pytest
from rigs import single

import xbarch
from xbarch.datapaths.dense import Dense
from xbarch.errors import CapacityError, InputError
from xbarch.machine.build import build
from xbarch.mapping.pack import dense_crossbars, least_crossbars
from xbarch.mapping.packings import memo
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
    ("images", "two", "images: must be a whole number from 1 to 10,000, not 'two'"),
    ("images", 1.5, "images: must be a whole number from 1 to 10,000, not 1.5"),
    ("images", True, "images: must be a whole number from 1 to 10,000, not true"),
    ("images", 0, "images: must be a whole number from 1 to 10,000, not 0"),
    ("chips", None, "chips: must be a whole number from 1 to 10,000, not nothing"),
    ("policy", None, "policy: must be a text such as 'fit', not nothing"),
    ("policy", "crossbar:2", "not 'crossbar:2'; did you mean 'crossbars:2'?"),
    ("policy", "crossbars:99999999999999999999", "with a whole K from 1 to 1,000,000"),
    ("policy", "crossbars:" + "9" * 5000, "with a whole K from 1 to 1,000,000"),
    ("datapath", 5, "datapath: must be a name or None, not 5"),
    ("options", "a=1", "options: must be a dict of names and values, not 'a=1'"),
    ("options", {1: 2}, "options: must be a dict of names and values, not a mapping"),
    ("overrides", "a=1", "overrides: must be a list of texts such as 'a.b.c=value', not 'a=1'"),
    ("overrides", [1], "overrides: must be a list of texts such as 'a.b.c=value', not a list"),
])
def test_arguments_of_another_kind(field, value, says):
    assert says in refused("isaac_like", SMALL, **{field: value})


def test_an_architecture_or_workload_of_another_kind():
    assert refused(None, SMALL) == "arch: must be a path, a bundled name or a loaded architecture, not nothing"
    assert refused("isaac_like", 5) == "workload: must be a path, a bundled name or a loaded workload, not 5"
    with pytest.raises(InputError, match="arch: must be"):
        xbarch.verify(None, SMALL)


def test_images_that_would_take_hours(monkeypatch):
    """One by one, or where nothing repeats; put together from periods they take no time."""
    network = single(1, 1, 50_000)
    says = ("images: 10,000 images of 100,000 output pixels each are more than the 50,000,000 output pixels that a run "
            "may have{}; give at most 500 images")
    for choices in ({"engine": "simpy"}, {"mode": "batch"}):
        found = refused("isaac_like", network, images=10_000, **choices)
        assert found == says.format(" where every image is simulated")
    monkeypatch.setattr("xbarch.machine.simulate.run_long", lambda *_: None)
    assert refused("isaac_like", network, images=10_000) == says.format(
        ", as no exact repetition of images was found")


def test_the_least_crossbars_are_no_more_than_any_data_path_takes():
    architecture = load("isaac_like", Architecture)
    network = xbarch.load("resnet18_pruned")
    for name in ("dense", "meng"):
        path = registry.datapath(name)
        machine = build(architecture, network, path)
        used = sum(p.crossbars for p in memo.packed(network, path, machine.geometry, machine.sensing).values())
        assert 0 < least_crossbars(network, machine.geometry) <= used
    assert least_crossbars(SMALL, machine.geometry) == 1 and dense_crossbars(SMALL, machine.geometry) == 9


@pytest.mark.parametrize(("workload", "rows", "columns"), [
    ("resnet18_pruned", 4, 4), ("vgg16_imagenet_dense16", 1, 9)])
def test_a_network_no_packing_brings_on_the_machine_is_refused_unpacked(monkeypatch, workload, rows, columns):
    monkeypatch.setattr(Dense, "pack", lambda *_: pytest.fail("packed"))
    says = refused("isaac_like", workload, error=CapacityError, datapath="meng" if rows == 4 else "dense",
                   overrides=[f"crossbar.rows={rows}", f"crossbar.columns={columns}"])
    assert "one copy of each layer needs at least" in says and "the machine has 16,128; " in says
    assert "times as many tiles (or --chips) would hold it" in says


def test_crossbars_beyond_counting_are_refused_unpacked(monkeypatch):
    """138 million weights of 16 bits on rows of nine 2-bit cells: one weight a crossbar."""
    monkeypatch.setattr(Dense, "pack", lambda *_: pytest.fail("packed"))
    says = refused("isaac_like", "vgg16_imagenet_dense16", chips=10_000,
                   overrides=["crossbar.rows=1", "crossbar.columns=9"])
    assert says.startswith("crossbar: one dense copy of vgg16_imagenet_dense16 takes ")
    assert says.endswith(" crossbars of 1 x 9 cells for layers that differ; use larger crossbars, so that at most "
                         "2,000,000 hold it")


@pytest.mark.parametrize(("body", "says"), [
    ("def adc_bits(self, layer, geometry): return 'eight'", "adc_bits of layer conv must return None or "),
    ("def components(self, geometry): return {}", "components must return a list of Added, not dict"),
    ("def accepts(self, workload, geometry): return 1 // 0", ":6: data path bad: accepts raised ZeroDivisionError"),
    ("def pack(self, layer, geometry): return []",
     "pack of layer conv must return a list of one or more blocks, not an empty list"),
    ("def work(self, *given): return replace(super().work(*given), extra={'warp': np.ones(9, int)})",
     "work of layer conv returned the action 'warp', which no component prices; the priced ones are "),
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
    assert found.startswith(f"{file}{says}" if says.startswith(":") else f"{file}: data path bad: {says}")
