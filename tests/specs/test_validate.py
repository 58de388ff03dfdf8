"""`xbarch validate`: files of every kind, by path and by bundled name, and what is refused of each."""

import pytest

from xbarch.errors import InputError
from xbarch.specs.architecture import Architecture
from xbarch.specs.grid import Grid, members
from xbarch.specs.kinds import check
from xbarch.specs.load import document, load, validate
from xbarch.specs.recipe import Recipe
from xbarch.specs.search import Search
from xbarch.specs.study import Study
from xbarch.specs.sweep import Sweep
from xbarch.support import bundled
from xbarch.workload.zoo import SyntheticRecipe

MORE = {"synthetic": SyntheticRecipe}
MODELS = {"architectures": Architecture, "studies": Study}
BUNDLED = [(folder, path.stem) for folder in ("architectures", "workloads", "studies")
           for path in sorted(bundled.folder(folder).glob("*.yaml"))]
TRAINED = """\
kind: trained
model: resnet20
data: {name: digits}
baseline: {epochs: 2, rate: 0.1}
"""
GRID = """\
kind: grid
recipe:
  data: {name: digits}
  baseline: {epochs: 2, rate: 0.1}
networks:
  small: {model: resnet20}
  wide:
    model: resnet20
    width: 64
methods:
  cut:
    shared:
      pruning: {method: dense, algorithm: {name: cut}, cut_after: 0, training: {epochs: 2, rate: 0.1}}
    points:
      half: {pruning: {density: 0.5}}
      most:
        pruning:
          density: 0.9
"""
STUDY = "kind: study\narchitectures: [isaac_like]\nworkloads: [vgg7_pruned]\n"
SYNTHETIC = "kind: synthetic\nnetwork: lenet5\nweight_bits: 4\ninput_bits: 4\n"


def write(folder, text, name="x.yaml"):
    (folder / name).write_text(text)
    return folder / name


def refused(path, *overrides):
    with pytest.raises(InputError) as caught:
        check(path, overrides, MORE)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# -- what is taken ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("folder, name", BUNDLED, ids=[name for _, name in BUNDLED])
def test_everything_bundled_by_name_and_by_path(folder, name):
    """Its kind is that of the folder and of the document, and its model takes it."""
    by_name, [by_path] = (check(source, more=MORE) for source in (name, bundled.folder(folder) / f"{name}.yaml"))
    assert by_path in by_name and len(by_name) == sum(other == name for _, other in BUNDLED)
    found = document(name, kind=folder)
    assert by_path.kind == found.data.get("kind", {"architectures": "architecture", "studies": "study"}.get(folder))
    model = {**MODELS, "grid": Grid, "trained": Recipe, "study": Study, "sweep": Sweep, "search": Search, **MORE}[
        found.data.get("kind", folder)]
    made = load(name, model, kind=folder)
    assert by_path.name == getattr(made, "name", name)
    assert by_path.recipes == (len(members(made, found)) if model is Grid else 0)


@pytest.mark.parametrize("text, kind, recipes", [
    (TRAINED, "trained", 0), (GRID, "grid", 4), (STUDY, "study", 0), (SYNTHETIC, "synthetic", 0),
    (STUDY.replace("kind: study\n", ""), "study", 0),  # `xbarch compare` takes it too
    ("extends: sre_like\nname: mine\n", "architecture", 0), ("extends: vgg16_dense\nseed: 5\n", "trained", 0),
    ("extends: methods\nimages: 2\n", "study", 0),
], ids=["trained", "grid", "study", "synthetic", "keys of a study", "extends a machine", "a recipe", "a study"])
def test_a_file_of_ones_own(tmp_path, text, kind, recipes):
    [found] = check(write(tmp_path, text), more=MORE)
    assert (found.kind, found.recipes) == (kind, recipes)


def test_a_path_wins_over_a_bundled_name(tmp_path, monkeypatch):
    write(tmp_path, TRAINED, "isaac_like.yaml")
    monkeypatch.chdir(tmp_path)
    assert [f.kind for f in check("isaac_like.yaml") + check("isaac_like")] == ["trained", "architecture"]


def test_a_name_of_several_kinds_means_all(tmp_path, monkeypatch):
    for folder, text in (("architectures", "extends: isaac_like"), ("workloads", GRID), ("studies", STUDY)):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, text, "twice.yaml")
    write(tmp_path / "architectures", (bundled.folder("architectures") / "isaac_like.yaml").read_text(),
          "isaac_like.yaml")
    monkeypatch.setattr(bundled, "folder", lambda kind: tmp_path / kind)
    assert [f.kind for f in check("twice")] == ["architecture", "grid", "study"]


def test_recipes_left_out_do_not_count(tmp_path):
    [found] = check(write(tmp_path, GRID + "without: {wide_cut_half: too long}\n"))
    assert found.recipes == 3


# -- what is refused ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, old, new, says", [
    (TRAINED, "epochs: 2", "epochs: 0", "x.yaml:4: baseline.epochs: must be at least 1, not 0"),
    (TRAINED, "kind: trained", "kind: trianed", "x.yaml:1: kind: must be grid, search, study, sweep, synthetic or "
     "trained (left out for an architecture), not 'trianed'; did you mean 'trained'?"),
    (TRAINED, "kind: trained", "kind: [trained]", "(left out for an architecture), not a list"),
    (TRAINED, "kind: trained", "kind:", "(left out for an architecture), not nothing"),
    (TRAINED, "kind: trained", "kind: architecture", "(left out for an architecture), not 'architecture'"),
    (STUDY, "[vgg7_pruned]", "[]", "x.yaml:3: workloads: must have at least 1 item, not 0"),
    (SYNTHETIC, "lenet5", "lenet6", "x.yaml:2: network: unknown network 'lenet6'"),
    (GRID, "density: 0.9", "density: 1.9", "x.yaml:18: pruning.density: must be at most 1, not 1.9 "
     "(recipe small_cut_most)"),
    (GRID, "width: 64", "wdith: 64", "x.yaml:9: wdith: unknown key 'wdith'"),
    (GRID, "networks:", "network:", "x.yaml:5: network: unknown key"),
    ("kind: grid\n", "", "", "required key 'recipe' is missing"),
    ("[trained]\n", "", "", "x.yaml:1: must hold key: value lines"),
    ("a: [\n", "", "", "x.yaml:"), ("", "", "", "x.yaml"),
    ("extends: nothing\n", "", "", "nothing: no such file"), ("extends: x.yaml\n", "", "", "x.yaml:1: extends"),
    ("name: x\n", "", "", "required key 'schema' is missing"),
])
def test_one_sentence_with_file_line_and_field(tmp_path, text, old, new, says):
    assert says in refused(write(tmp_path, text.replace(old, new, 1)))


def test_the_last_recipe_of_a_grid_is_checked(tmp_path):
    """A network on which alone a method fails is found, and the recipe named."""
    own = GRID.replace("small: {model: resnet20}", "small: {model: resnet20, pruning: {cut_after: 0}}")
    own = own.replace("    width: 64\n", "    width: 64\n    pruning: {cut_after: 2}\n")
    text = own.replace("algorithm: {name: cut}, cut_after: 0, ", "algorithm: {name: cut}, ")
    assert "cut_after" in (said := refused(write(tmp_path, text))) and said.endswith("(recipe wide_cut_half)")


def test_no_such_file_names_what_there_is(tmp_path):
    for name in ("digit_pair", tmp_path / "nothing.yaml", "", "a" * 5000, "a\0b"):
        said = refused(name)
        assert "no such file; the bundled ones are" in said and "digit_pairs" in said
    assert "did you mean 'digit_pairs'?" in refused("digit_pair")
    assert "must be a file, not a folder" in refused(tmp_path)


def test_overrides_change_architectures_alone(tmp_path):
    assert check("isaac_like", ["name=mine"])[0].name == "mine"
    assert "hierarchy.tiles" in refused("isaac_like", "hierarchy.tiles=0")
    for text in (TRAINED, GRID, STUDY, SYNTHETIC):
        assert "--set: changes architectures only, and the file is of kind" in refused(write(tmp_path, text), "seed=1")


# -- the command --------------------------------------------------------------------------------------------------

def test_the_command_says_what_it_is(call, tmp_path):
    count = len(members(validate(document("digit_pairs", kind="workloads"), Grid),
                        document("digit_pairs", kind="workloads")))
    for source, says in (("isaac_like", "valid, isaac_like"), ("digit_pairs", f"valid, a grid of {count} recipes"),
                         ("vgg16_dense", "valid, a trained recipe"), ("methods", "valid, a study"),
                         ("vgg16_imagenet_dense16", "valid, a synthetic recipe")):
        assert call("validate", source) == (0, f"{source}: {says}\n", "")
    code, out, err = call("validate", write(tmp_path, GRID.replace("density: 0.9", "density: 2")))
    assert code == 2 and not out and err.count("\n") == 1 and "x.yaml:18: pruning.density" in err


MESH = "extends: isaac_like\nname: mine\nnetwork: {topology: torus, options: null}\n"


@pytest.mark.parametrize("text, overrides, says", [
    (MESH, (), "x.yaml:3: network.topology: unknown topology 'torus'; choose bus, htree or "),
    (MESH.replace("torus, options: null", "htree, options: {width: null, height: null, concentration: null, arity: 3}"),
     (), "x.yaml:3: network.options.arity: must be 2 or 4, not 3"),
    (MESH.replace("topology: torus, options: null", "options: {width: 2, height: 2, concentration: 1}")
     + "hierarchy:\n  tiles: 64\n", (), "x.yaml:3: network.options: the topology has room for 4 tiles; it must "
     "hold all of hierarchy.tiles = 64\n"),
    (MESH.replace("torus, options: null", "bus"), (), "x.yaml:3: network.options.width: unknown key 'width'; no "
     "key is allowed here (network.topology is bus; drop inherited options with `options: null` in a file or "
     "--set network.options={})\n"),
    ("extends: isaac_like\ncrossbar:\n  sensing:\n    unit: nope\n", (),
     "x.yaml:4: crossbar.sensing.unit: unknown sensing unit 'nope'; choose adc, analog_accumulation, "),
    ("extends: isaac_like\ncomponents:\n  adc: null\n", (), "x.yaml:2: components: no component prices the action "
     "'conversion' of the sensing unit adc on isaac_like; add one with action: conversion\n"),
    ("extends: isaac_like\n", ("network.topology=torus",), "--set network.topology=torus: unknown topology 'torus'; "
     "choose bus, htree or mesh\n"),
    ("extends: isaac_like\n", ("network.topology=bus",), "--set network.topology=bus: network.options.width: unknown"),
    ("extends: isaac_like\n", ("network.topology=htree", "network.options={arity: 3}"),
     "--set network.options={arity: 3}: network.options.arity: must be 2 or 4, not 3"),
    ("extends: isaac_like\ncomponents:\n  edram:\n    scaling: {model: cacti_edram_lp, of: 64 KB, banks: 2}\n",
     ("components.edram.scaling.model=dennard",), "--set components.edram.scaling.model=dennard: "),
], ids=["torus", "arity", "room", "bus", "unit", "no converter", "--set torus", "--set bus",
        "--set arity", "--set model"])
def test_validate_refuses_what_show_refuses(call, tmp_path, text, overrides, says):
    """With file and line, or the change that is at fault."""
    path, given = write(tmp_path, text), [word for text in overrides for word in ("--set", text)]
    said = [call(command, path, *given) for command in ("validate", "show")]
    assert said[0] == said[1] and said[0][0] == 2 and says in said[0][2]


def test_a_plugins_part_is_known_to_validate(call, tmp_path):
    path = write(tmp_path, "extends: isaac_like\nnetwork: {topology: wires, options: null}\n")
    (tmp_path / "wires.py").write_text("from xbarch.parts.topologies.bus import Bus\n\n\nclass Wires(Bus):\n"
                                       "    name, summary, provenance = 'wires', 'a bus', 'a test'\n")
    assert call("validate", path)[0] == 2
    assert call("validate", path, "--plugin", tmp_path / "wires.py")[0] == 0
