"""A bundle gives the same bits elsewhere, and says in one sentence why it cannot."""

import json
import shlex
import shutil
from contextlib import chdir
from hashlib import sha256

import pytest

import xbarch
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.studies.artifact.differences import differences

LENET = "{kind: synthetic, network: lenet5, weight_bits: 4, input_bits: 4, pruning: {method: meng, sparsity: 0.5}}\n"
ONE = "lenet.yaml", "--images", 1, "--out"


def written(place):
    """A working folder with an architecture that extends one beside it, noise from a file, and a recipe."""
    (place / "machines").mkdir(parents=True)
    (place / "lenet.yaml").write_text(LENET)
    (place / "machines/base.yaml").write_text("extends: isaac_like\nname: base\nhierarchy: {tiles: 160}\n")
    (place / "machines/own.yaml").write_text("extends: base.yaml\nname: own\nnoise: {preset: machines/noise.yaml}\n")
    (place / "machines/noise.yaml").write_text("effects: {read: {independent: 0.01}}\n")
    return place


@pytest.fixture
def work(tmp_path, monkeypatch):
    place = written(tmp_path / "work")
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A bundle of one result, and nothing left where it was made."""
    place = tmp_path_factory.mktemp("first")
    with chdir(written(place / "work")):
        xbarch.simulate("machines/own.yaml", "lenet.yaml", images=1).save("first/result.json")
        xbarch.bundle(["first"], place / "made")
    shutil.rmtree(place / "work")
    return place / "made"


@pytest.fixture
def bundled(first, tmp_path):
    """A copy of that bundle, elsewhere."""
    return shutil.copytree(first, tmp_path / "elsewhere")


def resealed(folder, change):
    """Change the manifest of a bundle."""
    file = folder / "bundle.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def refused(call, code, *words):
    """The one sentence that a command ends with."""
    found, _, err = call(*words)
    assert (found, err.count("\n")) == (code, 1), err
    return err


def test_a_bundle_elsewhere_gives_the_same_bits(bundled, call, monkeypatch):
    assert sorted(p.relative_to(bundled).as_posix() for p in bundled.rglob("*") if p.is_file()) == [
        "CITATION.cff", "README.md", "bundle.json", "commands.sh", "inputs/lenet.yaml", "inputs/machines/base.yaml",
        "inputs/machines/noise.yaml", "inputs/machines/own.yaml", "results/001.json"]
    code, out, _ = call("reproduce", bundled)
    assert code == 0 and out.endswith("1 of 1 result equal to the bit\n")
    saved = (bundled / "results/001.json").read_text()
    [entry] = json.loads((bundled / "bundle.json").read_text())["runs"]
    assert entry["command"] in (bundled / "README.md").read_text() and entry["command"] in (
        bundled / "commands.sh").read_text()
    monkeypatch.chdir(bundled / "inputs")
    _, out, _ = call(*shlex.split(entry["command"])[1:], "--json")
    assert out == saved
    assert "CITATION" in (bundled / "README.md").read_text() and "cff-version" in (bundled / "CITATION.cff").read_text()


def test_what_is_not_as_it_was_made(bundled, call):
    text = (bundled / "inputs/lenet.yaml").read_text()
    (bundled / "inputs/lenet.yaml").write_text(text.replace("0.5", "0.6"))
    assert refused(call, 6, "reproduce", bundled).endswith(
        "inputs/lenet.yaml: was changed since the bundle was made; take the bundle as it was made, or make another "
        "one\n")
    (bundled / "inputs/lenet.yaml").unlink()
    assert "inputs/lenet.yaml: is missing from the bundle" in refused(call, 6, "reproduce", bundled)
    (bundled / "inputs/lenet.yaml").write_text(text)
    resealed(bundled, lambda data: data.update(xbarch="9.9"))
    assert "was made by xbarch 9.9, and this is " in refused(call, 6, "reproduce", bundled)
    code, out, _ = call("reproduce", bundled, "--other-version")
    assert code == 0 and "note: made by xbarch 9.9" in out
    resealed(bundled, lambda data: data.update(plugins=["package crossing 1.2"]))
    assert "needs the package crossing 1.2, which is not installed" in refused(
        call, 6, "reproduce", bundled, "--other-version")


def test_figures_that_differ_are_named(bundled, call):
    file = bundled / "results/001.json"
    data = json.loads(file.read_text())
    data["energy"]["dynamic_aj"] += 1
    file.write_text(json.dumps(data))
    resealed(bundled, lambda m: m["files"].update({"results/001.json": sha256(file.read_bytes()).hexdigest()}))
    code, out, _ = call("reproduce", bundled)
    assert code == 5 and "energy.dynamic_aj" in out and "0 of 1 result equal" in out
    code, out, _ = call("reproduce", bundled, "--json")
    [run] = json.loads(out)["runs"]
    assert (code, run["differences"]) == (5, [{"field": "energy.dynamic_aj", "before": data["energy"]["dynamic_aj"],
                                              "now": data["energy"]["dynamic_aj"] - 1}])


@pytest.mark.quick(2)
@pytest.mark.parametrize("change, says", [
    (lambda m: m["files"].update({"../x": "0" * 64}), "must be a path within the bundle"),
    (lambda m: m["runs"][0].update(result="/etc/passwd"), "must be a path within the bundle"),
    (lambda m: m["runs"][0]["request"].update(images=0), "images: must be a whole number"),
    (lambda m: m.update(runs=[]), "runs: must have at least 1 item"),
    (lambda m: m.pop("code"), "required key 'code' is missing"),
])
def test_wrong_manifests(bundled, call, change, says):
    resealed(bundled, change)
    err = refused(call, 2, "reproduce", bundled)
    assert says in err and "bundle.json" in err


@pytest.mark.full
def test_what_cannot_be_bundled(work, call):
    call("simulate", "-a", "isaac_like", "-w", *ONE, "first", "--set", "hierarchy.tiles=160")
    (work / "lenet.yaml").write_text(LENET.replace("0.5", "0.6"))
    assert "first: is not what its request gives now: " in refused(call, 2, "bundle", "first", "--out", "made")
    assert not (work / "made").exists()
    (work / "lenet.yaml").write_text(LENET)
    assert "must be a new or empty folder" in refused(call, 2, "bundle", "first", "--out", "machines")
    other = work.parent / "other.yaml"
    other.write_text(LENET)
    call("simulate", "-a", "isaac_like", "-w", other, "--images", 1, "--out", "second")
    assert f"{other}: must lie in the working folder or below it" in refused(
        call, 2, "bundle", "second", "--out", "made")
    machine = load("isaac_like", Architecture, ["hierarchy.tiles=160"])
    with pytest.raises(xbarch.InputError, match="does not say which request made it"):
        xbarch.bundle([xbarch.simulate(machine, "lenet.yaml", images=1)], "made")
    assert "is no bundle" in refused(call, 2, "reproduce", "first")


PLUGIN = '''"""A data path of a user."""
from xbarch.datapaths.dense import Dense


class Mine(Dense):
    """Dense under a name of its own."""

    name = "mine"
    summary = "dense, by another name"
    provenance = "a test"
'''


@pytest.mark.full
def test_plugin_files_travel(work, call):
    (work / "mine.py").write_text(PLUGIN)
    words = "simulate", "-a", "isaac_like", "--set", "hierarchy.tiles=160", "-d", "mine", "--plugin", "mine.py"
    code, _, err = call(*words, "-w", *ONE, "first")
    assert code == 0, err
    with registry.Registry().active():
        assert "mine" in refused(call, 2, "bundle", "first", "--out", "made")
    with registry.Registry().active():
        assert call("bundle", "first", "--plugin", "mine.py", "--out", "made")[0] == 0
    with registry.Registry().active():
        assert call("reproduce", "made")[0] == 0
        assert "mine" not in registry.datapaths()
    made = json.loads((work / "made/bundle.json").read_text())
    assert made["plugin_files"] == ["mine.py"] and made["runs"][0]["command"].endswith(" --plugin mine.py")


@pytest.mark.full
def test_packages_of_plugins_are_needed(work, call, install, monkeypatch):
    install("mines", {"mines.py": PLUGIN}, [("datapaths", "mine", "mines:Mine")])
    code, _, err = call("simulate", "-a", "isaac_like", "--set", "hierarchy.tiles=160", "-d", "mine", "-w", *ONE, "own")
    assert code == 0, err
    assert call("bundle", "own", "--out", "made")[0] == 0
    assert json.loads((work / "made/bundle.json").read_text())["plugins"] == ["package mines 1.2"]
    assert call("reproduce", "made")[0] == 0
    metadata = work.parent / "site/mines-1.2.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace("1.2", "1.3"))
    assert "needs the package mines 1.2, but version 1.3 is installed" in refused(call, 6, "reproduce", "made")
    shutil.rmtree(metadata.parent)
    assert "needs the package mines 1.2, which is not installed" in refused(call, 6, "reproduce", "made")


@pytest.mark.full
def test_results_by_command_and_in_python(work, call):
    code, _, err = call("simulate", "-a", "machines/own.yaml", "-w", *ONE, "first")
    assert code == 0, err
    code, _, err = call("bundle", "first", "--out", "made")
    assert code == 0, err
    found = xbarch.read("first")
    again = xbarch.reproduce("made")
    assert again.same and [run.name for run in again.runs] == [found.name]
    assert xbarch.read("made/results/001.json") == found


def test_differences_are_all_of_them():
    one = {"a": 1, "b": {"c": [1, {"d": 2}], "e": {}}, "provenance": {"engine": "fast"}}
    other = {"a": 1.0, "b": {"c": [1, {"d": 3}, 4], "e": []}, "f": None, "provenance": {"engine": "simpy"}}
    assert [tuple(each) for each in differences(one, other)] == [
        ("a", 1, 1.0), ("b.c[1].d", 2, 3), ("b.e", {}, []), ("b.c[2]", None, 4), ("f", None, None)]
    assert differences(one, dict(one)) == []
