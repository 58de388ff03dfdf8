"""One request: checked once, named by all that its figures depend on, and the same whichever way it is said."""

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pytest

import xbarch
from xbarch import Request
from xbarch import request as module
from xbarch.errors import InputError
from xbarch.machine.machine import Machine
from xbarch.request import Choices, Contents
from xbarch.run import prepare
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.study import CHOICES, Study
from xbarch.support import bundled, defaults

ASKED = {"arch": "isaac_like", "workload": "vgg7_pruned"}


def digest(**changes):
    return Request(**{**ASKED, **changes}).digest()


def test_the_keywords_of_a_call_are_the_fields_of_a_request():
    assert set(Choices.__annotations__) == set(Request.model_fields) - {"arch", "workload"}
    assert set(get_type_hints(Choices)) == set(Choices.__annotations__)


def test_a_study_takes_every_field_of_a_request():
    own = {"arch", "workload", "overrides", "datapath", "options", "policy"}  # lists and axes of a study's own
    assert set(CHOICES) == set(Request.model_fields) - own
    assert set(CHOICES) <= set(Study.model_fields)


def test_defaults_stand_in_one_place():
    """The command line and the request read the same ones."""
    from xbarch.cli.runs import simulate

    fields, options = Request.model_fields, inspect.signature(simulate).parameters
    for name in ("policy", "images", "chips", "mode", "placement", "replication", "engine", "reload", "batch", "bits",
                 "datapath"):
        assert options[name].default == fields[name].default, name
    assert fields["images"].default == defaults.IMAGES


def test_a_request_and_its_keywords_give_the_same_result():
    choices = {"policy": "one_copy", "images": 2, "overrides": ["network.ideal=true"], "datapath": "dense"}
    request = Request(**ASKED, **choices)
    assert xbarch.simulate(request).to_json() == xbarch.simulate(*ASKED.values(), **choices).to_json()


@pytest.mark.parametrize("more", [{"images": 2}, {"workload": "vgg7_pruned"}])
def test_nothing_stands_beside_a_request(more):
    with pytest.raises(InputError, match="a Request describes the whole run"):
        xbarch.simulate(Request(**ASKED), **more)


def test_frozen_and_keyword_only():
    request = Request(**ASKED)
    with pytest.raises(Exception, match="frozen"):
        request.images = 3
    with pytest.raises(TypeError):
        Request("isaac_like", "vgg7_pruned")
    assert request.changed(images=3).images == 3 and request.images == defaults.IMAGES
    assert request.changed() == request and hash(request.changed()) == hash(request)
    assert request.changed(images=3) != request


@pytest.mark.parametrize(("change", "says"), [
    ({"imagez": 3}, "unknown key 'imagez'"),
    ({"bits": 1}, "bits: must be a whole number from 2 to 16 or None, not 1"),
    ({"batch": True}, "batch: must be a whole number from 1 to 1,000,000,000 or None, not true"),
    ({"mode": "pipe"}, "mode: unknown mode 'pipe'; choose pipelined, layer_by_layer or batch; did you mean"),
    ({"engine": "quick"}, "engine: unknown engine 'quick'; choose auto, simpy or fast"),
    ({"placement": "snail"}, "placement: unknown placement 'snail'"),
    ({"policy": "best"}, "policy: "),
    ({"reload": True}, "batch: --reload needs --batch N (batch=N), the number of images run before the next segment"),
    ({"overrides": "a=1"}, "overrides: must be a list of texts"),
])
def test_what_is_refused(change, says):
    with pytest.raises(InputError) as caught:
        Request(**{**ASKED, **change})
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_overrides_of_a_loaded_architecture_are_refused():
    loaded = load("isaac_like", Architecture)
    with pytest.raises(InputError, match="overrides: "):
        Request(arch=loaded, workload="vgg7_pruned", overrides=("crossbar.rows=64",))


# -- the digest -----------------------------------------------------------------------------------------------

def test_the_same_content_has_the_same_digest(tmp_path):
    copy = tmp_path / "copy.yaml"
    copy.write_text((bundled.folder("architectures") / "isaac_like.yaml").read_text() + "\n# a remark\n")
    assert digest() == digest(arch=str(copy)) == digest(arch=copy) == digest(datapath="meng")
    assert digest(options={"group_ch": 16}) == digest()  # the workload's own option
    assert digest(engine="simpy") == digest()  # engines are equal
    assert digest(overrides=("crossbar.adc_bits=8",)) == digest()  # ISAAC's own
    assert digest(workload=bundled.folder("workloads") / "vgg7_pruned") == digest()


@pytest.mark.full
def test_other_content_has_another_digest(tmp_path):
    changed = tmp_path / "changed.yaml"
    changed.write_text("extends: isaac_like\npipeline: {ahead: 3}\n")
    others = [digest(), digest(arch=changed), *(digest(**change) for change in (
        {"arch": "isaac_8bit"}, {"workload": "resnet18_pruned"}, {"datapath": "dense"}, {"options": {"group_ch": 8}},
        {"policy": "one_copy"}, {"images": 2}, {"chips": 2}, {"mode": "batch"}, {"placement": "snake"}, {"batch": 4},
        {"replication": "stripes"},
        {"batch": 4, "reload": True}, {"bits": 8}, {"overrides": ("crossbar.adc_bits=7",)}))]
    assert len(set(others)) == len(others)


def test_workloads_of_one_name_are_told_apart():
    """Their own data paths may differ, and a loaded one may differ from its file."""
    network, contents = xbarch.load("vgg7_pruned"), Contents()
    others = [network, replace(network, datapath="dense", options={}), replace(network, options={"group_ch": 8})]
    digests = [Request(arch="isaac_like", workload=other).digest(contents) for other in others]
    assert len(set(digests)) == 3


def test_a_field_is_set_once():
    with pytest.raises(InputError, match=r"crossbar\.rows is set twice"):
        xbarch.simulate(*ASKED.values(), overrides=["crossbar.rows=64", "crossbar.rows=128"])


@pytest.mark.full
def test_digests_of_many_share_what_is_read(monkeypatch):
    contents, read = Contents(), []
    own = module.document
    monkeypatch.setattr(module, "document", lambda name: read.append(name) or own(name))
    requests = [Request(**ASKED, images=n) for n in range(1, 20)]
    assert [r.digest(contents) for r in requests] == [r.digest() for r in requests]
    assert len(read) == 1 + len(requests)  # once for all of them, and once for each by itself


def test_a_request_travels_as_text():
    request = Request(arch=Path("isaac_like"), workload="vgg7_pruned", overrides=("crossbar.rows=64",), images=3,
                      options={"group_ch": 16}, mode="batch", batch=7)
    again = Request.from_json(request.to_json())
    assert again.digest() == request.digest() and json.loads(request.to_json())["images"] == 3
    assert "policy" not in json.loads(request.to_json())  # as by default
    with pytest.raises(InputError, match="no text form"):
        Request(arch=load("isaac_like", Architecture), workload="vgg7_pruned").to_json()


# -- what a run makes -----------------------------------------------------------------------------------------

@pytest.fixture
def counted(monkeypatch):
    """Machines made and layers packed."""
    from xbarch.datapaths.meng import Meng

    found = {"machines": 0, "packed": []}
    make, pack = Machine.__init__, Meng.pack

    def machine(self, *given, **more):
        found["machines"] += 1
        make(self, *given, **more)

    def packing(self, layer, geometry):
        found["packed"].append(layer.name)
        return pack(self, layer, geometry)

    monkeypatch.setattr(Machine, "__init__", machine)
    monkeypatch.setattr(Meng, "pack", packing)
    return found


@pytest.mark.parametrize("command", ["simulate", "verify"])
def test_one_machine_and_one_packing_per_layer(counted, command):
    getattr(xbarch, command)(*ASKED.values())
    assert counted["machines"] == 1
    names = [layer.name for layer in xbarch.load("vgg7_pruned").compute_layers]
    assert sorted(counted["packed"]) == sorted(names)


def test_more_bits_grow_cells_and_keep_values():
    narrow, wide = (prepare(Request(**ASKED, bits=bits)).network for bits in (None, 8))
    assert {la.weight_bits for la in narrow.compute_layers} == {4} != {la.weight_bits for la in wide.compute_layers}
    assert all(a.matrix.tolist() == b.matrix.tolist() for a, b in zip(
        narrow.compute_layers, wide.compute_layers, strict=True))
