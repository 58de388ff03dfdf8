"""Architectures and workloads that lie outside the repository: from a path, registered by name, and of an installed
package. A machine of existing units takes no line of Python."""

import json

import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.support import bundled

CHIP = """
extends: isaac_like
name: gravel
summary: 18 tiles on an H-tree, integrate-and-fire counters, bought from existing units
source: "assumed: a test"
crossbar:
  rows: 64
  columns: 64
  sensing: {unit: integrate_fire}
  adc_bits: 16
  conversion: 1 ps
  read: 40 ns
  programming: {parallel: {cells: 65, crossbars: 4, imas: 8, tiles: 18, source: "assumed: a test"}}
  source: "assumed: a test"
hierarchy: {tiles: 18, imas_per_tile: 8, crossbars_per_ima: 4, source: "assumed: a test"}
network: {topology: htree, options: null}
pipeline: {slot: 0 ns, source: "assumed: a test"}
components:
  adc: null
  dac: null
  sample_hold: null
  crossbar: {count: 4, actions: 256, per: 40 ns, action: row_drive, covers: [cell_read, fire]}
"""
RECIPE = "{kind: synthetic, network: lenet5, weight_bits: 4, input_bits: 4, description: a test}\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def figures(call, *words):
    """The result of a run, without the request that names its parts."""
    code, out, said = call("simulate", "-w", "vgg7_pruned", "--images", "1", "--json", *words)
    assert code == 0, said
    found = json.loads(out)
    del found["provenance"]["request"]
    return found


def test_a_new_architecture_of_existing_units_needs_no_python(call, here, install):
    """A file alone: valid, exact, simulated; the same figures by its path, by --plugin, and as a package of YAML."""
    file = here / "gravel.yaml"
    file.write_text(CHIP)
    assert call("validate", file)[1].split() == [f"{file}:", "valid,", "gravel"]
    rows = xbarch.verify(file, "vgg7_pruned", datapath="dense")
    assert rows and not any(row["mismatches"] for row in rows)
    by_path = figures(call, "-a", file)
    actions = by_path["counts"]["actions"]
    assert actions["fire"] > 0 and "conversion" not in actions and by_path["architecture"]["name"] == "gravel"
    (here / "elsewhere").mkdir()
    moved = file.rename(here / "elsewhere" / "gravel.yaml")
    with pytest.raises(InputError, match="no such file"):
        xbarch.simulate("gravel", "vgg7_pruned", images=1)
    with registry.Registry().active():
        assert figures(call, "-a", "gravel", "--plugin", moved) == by_path
    install("quarry", {"quarry_chips/gravel.yaml": CHIP}, [("architectures", "gravel", "quarry_chips")])
    moved.unlink()
    assert figures(call, "-a", "gravel") == by_path
    assert not list(here.parent.rglob("*.py"))


def test_what_is_installed_is_listed_and_shown(call, here, install):
    install("quarry", {"quarry_chips/gravel.yaml": CHIP, "quarry_nets/pebbles.yaml": RECIPE},
            [("architectures", "gravel", "quarry_chips"), ("workloads", "pebbles", "quarry_nets")])
    listed = json.loads(call("list", "--json")[1])
    for kind, name in (("architectures", "gravel"), ("workloads", "pebbles")):
        [entry] = [e for e in listed[kind] if e["name"] == name]
        assert entry["from"] == "package quarry 1.2"
        assert {e["from"] for e in listed[kind] if e["name"] != name} == {"xbarch"}
    assert all(e["from"] == "xbarch" for kind in ("datapaths", "sensing", "topologies", "scaling", "processes")
               for e in listed[kind])
    shown = json.loads(call("show", "gravel", "--json")[1])
    assert (shown["kind"], shown["from"]) == ("architecture", "package quarry 1.2")
    assert "chip power (W)" in shown["nameplate"] and not any("share" in key for key in shown["nameplate"])
    assert json.loads(call("show", "pebbles", "--json")[1]) == {
        "kind": "workload", "name": "pebbles", "summary": "synthetic: a test", "from": "package quarry 1.2",
        "source": "lenet5 with random weights, seed 0",
        "details": {"network": "lenet5", "weight_bits": "4", "input_bits": "4"}}
    assert "from package quarry 1.2" in call("show", "gravel")[1]
    assert figures(call, "-a", "gravel")["architecture"]["name"] == "gravel"
    assert xbarch.simulate("isaac_like", "pebbles", images=1)["workload.name"] == "pebbles"


def test_a_study_of_what_is_outside(call, here, install):
    """Compared beside a bundled one, and extended by a file of one's own."""
    install("quarry", {"quarry_chips/gravel.yaml": CHIP}, [("architectures", "gravel", "quarry_chips")])
    (here / "more.yaml").write_text("extends: gravel\nname: more\n")
    code, out, said = call("compare", "-a", "isaac_like,gravel,more.yaml", "-w", "vgg7_pruned", "--datapath", "dense",
                           "--images", "1", "--json")
    assert code == 0, said
    rows = {r["architecture"]: r["figures"]["first_image_ps"] for r in json.loads(out)}
    assert list(rows) == ["isaac_like", "gravel", "more"] and rows["gravel"] == rows["more"] > 0


@pytest.mark.parametrize(("name", "kind", "option"), [
    ("segprune", "data path", "mode"), ("analog_accumulation", "sensing unit", "sums"), ("mesh", "topology", "width"),
    ("linear", "scaling model", None)])
def test_plugins_are_shown_with_their_options(call, name, kind, option):
    shown = json.loads(call("show", name, "--json")[1])
    assert (shown["kind"], shown["name"], shown["from"]) == (kind, name, "xbarch")
    assert option is None or option in [o["name"] for o in shown["options"]]
    assert all(o["default"] for o in shown["options"])
    code, _, said = call("show", name, "--set", "crossbar.rows=64")
    assert code == 2 and "only an architecture can be changed" in said


def test_what_a_file_defines_is_shown_with_the_file(call, here):
    (here / "own.py").write_text(
        "from typing import ClassVar\nfrom xbarch.parts.sensing.adc import Adc\nclass Own(Adc):\n    name: "
        "ClassVar[str] = 'own'\n    summary: ClassVar[str] = 'mine'\n    provenance: ClassVar[str] = 'a test'\n")
    code, out, _ = call("show", "own", "--plugin", "own.py", "--json")
    assert code == 0 and json.loads(out)["from"] == str(here / "own.py")
    code, out, _ = call("list", "--plugin", "own.py", "--json")
    assert {"name": "own", "summary": "mine", "source": "a test", "from": str(here / "own.py")} in json.loads(out)[
        "sensing"]


def test_a_name_of_two_kinds_shows_both(call, here):
    (here / "mesh.yaml").write_text("extends: isaac_like\nname: mesh\n")
    code, out, _ = call("show", "mesh", "--plugin", "mesh.yaml", "--json")
    assert code == 0 and [e["kind"] for e in json.loads(out)] == ["architecture", "topology"]
    code, out, _ = call("show", "mesh", "--plugin", "mesh.yaml")
    assert code == 0 and "topology mesh" in out and "Nameplate" in out


def test_nothing_of_that_name(call):
    code, _, said = call("show", "isac_like")
    assert code == 2 and "did you mean 'isaac_like' (an architecture)?" in said


def test_the_same_file_may_be_registered_again(here):
    (here / "gravel.yaml").write_text(CHIP)
    assert registry.load_file("gravel.yaml") == registry.load_file(here / "gravel.yaml") == ["gravel"]
    (here / "other.yaml").write_text(CHIP)
    with pytest.raises(InputError, match="the architecture name 'gravel' is taken by"):
        registry.load_file("other.yaml")


def test_a_bundled_name_is_no_file_here(here):
    """What lies here under a name of a package or of xbarch, a folder for instance, hides neither."""
    (here / "isaac_like").mkdir()
    own = bundled.folder("architectures") / "isaac_like.yaml"
    assert bundled.find("isaac_like", "architectures", (".yaml",)) == own
