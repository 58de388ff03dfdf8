"""Skeletons of users' own packages: they work as they are written, and wrong names and places leave nothing behind."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import xbarch
from xbarch.conformance import conform
from xbarch.errors import InputError
from xbarch.plugins import kinds, registry
from xbarch.plugins.new import new
from xbarch.workload import store

ROOT = Path(__file__).resolve().parents[1]
RECIPE = """
kind: trained
model: resnet20
width: 4
data: {name: digits, size: 8}
quantization: {weight_scale: lsq}
baseline: {epochs: 1, rate: 0.05, batch: 256}
crossbar_images: 0
stored_images: 1
pruning:
  method: my_rows
  geometry: {rows: 36, columns: 16, cell_bits: 2}
  algorithm: {name: admm, rho: 0.05}
  density: 0.5
  cut_after: 0
  training: {epochs: 1, rate: 0.02, batch: 256}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def left(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


# -- it works -------------------------------------------------------------------------------------------------

def test_the_package_is_whole_and_has_its_name_everywhere(here, call):
    assert call("new", "datapath", "my_rows") == (0, "written: my_rows\n", "")
    assert left(here / "my_rows") == ["README.md", "my_rows.py", "pyproject.toml", "tests", "tests/test_my_rows.py"]
    files = [p for p in (here / "my_rows").rglob("*") if p.is_file()]
    assert not any("skeleton" in p.read_text().lower() for p in files)
    project = tomllib.loads((here / "my_rows/pyproject.toml").read_text())["project"]
    assert project["name"] == "my_rows" and project["dependencies"] == ["xbarch"]
    assert project["entry-points"][kinds.PATHS.group] == {"my_rows": "my_rows:MyRowsMethod"}
    assert registry.load_file("my_rows/my_rows.py") == ["my_rows"]
    assert type(registry.datapath("my_rows")).__name__ == "MyRowsMethod"


def test_it_conforms_verifies_and_simulates_as_a_file(here, call):
    new("datapath", "my_rows", here / "a" / "package")
    plugin = ("--plugin", here / "a/package/my_rows.py", "--datapath", "my_rows")
    code, out, _ = call("verify", "-a", "isaac_like", "-w", "vgg7_pruned", *plugin)
    assert code == 0 and "8 of 8 layers exact" in out
    assert conform(registry.datapath("my_rows", {"close_up": False}), 10) > 10
    closed, whole = (xbarch.simulate("isaac_like", "vgg7_pruned", datapath="my_rows", options={"close_up": c}, images=2)
                     for c in (True, False))
    dense = xbarch.simulate("isaac_like", "vgg7_pruned", datapath="dense", options={"sign": "differential"}, images=2)
    crossbars = [r["mapping.one_copy_crossbars"] for r in (closed, whole, dense)]
    assert crossbars[0] < crossbars[1] == crossbars[2]  # uncompressed it is dense, each weight as two parts


@pytest.mark.full
@pytest.mark.train
def test_it_trains_and_rows_are_removed(here):
    """Every group that training left is all there or all gone, and the crossbars are fewer for it."""
    registry.load_file(new("datapath", "my_rows") / "my_rows.py")
    (here / "rows.yaml").write_text(RECIPE)
    workload = store.load(xbarch.train(here / "rows.yaml", cache=here / "cache"))
    path = registry.datapath("my_rows")
    geometry = xbarch.datapaths.base.Geometry(36, 16, 2)
    kept = total = 0
    for layer in workload.compute_layers:
        if layer.mask is None:
            continue
        wide, mask = path.filters(layer, geometry), layer.mask()
        for first in range(0, layer.filters, wide):
            part = layer.kept[:, first:first + wide]
            assert (part.any(axis=1) == part.all(axis=1)).all()
        kept, total = kept + mask.sum(), total + mask.size
        assert sum(b.rows for b in path.pack(layer, geometry)) <= sum(
            b.rows for b in registry.datapath("my_rows", {"close_up": False}).pack(layer, geometry))
    assert 0 < kept < 0.6 * total
    rows = xbarch.verify("isaac_like", here / "rows", datapath="my_rows")
    assert rows and all(row["mismatches"] == 0 for row in rows)


@pytest.mark.full
def test_installed_by_pip_its_own_test_passes(here):
    """An outside package, unchanged, the folder it came from out of reach; pip fetches nothing."""
    new("datapath", "my_rows", here / "package")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(
        [str(here / "site"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}

    def python(*words):
        done = subprocess.run([sys.executable, *map(str, words)], cwd=here, env=environment, text=True, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    python("-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check",
           "--target", "site", "./package")
    (here / "package/my_rows.py").unlink()
    assert "2 passed" in python("-m", "pytest", "-q", "-p", "no:cacheprovider", "package/tests")
    assert "my_rows" in python("-m", "xbarch", "list")


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", ["options", "data_path", "block2", "a"])
def test_names_that_meet_names_in_the_file(here, name):
    assert registry.load_file(new("datapath", name) / f"{name}.py") == [name]
    assert conform(registry.datapath(name), 2) > 2


# -- it is refused --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, says", [
    ("9lives", "must be lower-case letters"), ("My", "not 'My'"),
    ("a-b", "must be lower-case"), ("a__b", "must be lower-case"), ("_a", "must be lower-case"), ("", "not ''"),
    ("../up", "must be lower-case"), ("a\nb", "not 'a?b'"), ("a" * 61, "at most 60"), ("è", "must be lower-case"),
    ("class", "not 'class'"), ("dense", "'dense' is a data path already"),
    ("json", "'json' is a Python module already"),
])
def test_wrong_names(here, call, name, says):
    code, out, err = call("new", "datapath", "--", name)
    assert code == 2 and out == "" and err.count("\n") == 1 and says in err and "name: " in err
    assert left(here) == []


def test_a_name_that_a_plugin_took(here):
    registry.load_file(new("datapath", "mine", here / "first") / "mine.py")
    with pytest.raises(InputError, match="'mine' is a data path already"):
        new("datapath", "mine", here / "second")
    assert not (here / "second").exists()


@pytest.mark.parametrize("make", [
    lambda p: p.mkdir(), lambda p: p.write_text("mine"), lambda p: p.symlink_to("nowhere")])
def test_what_is_there_stays(here, call, make):
    make(here / "my_rows")
    before = left(here)
    code, _, err = call("new", "datapath", "my_rows")
    assert code == 2 and err == "xbarch: my_rows: exists already; choose another folder\n"
    assert left(here) == before


@pytest.mark.parametrize("out", ["file/x", "file/x/y", "bad\0name", "n" * 300])
def test_places_that_cannot_be_written(here, call, out):
    (here / "file").write_text("mine")
    code, _, err = call("new", "datapath", "my_rows", "--out", out)
    assert code == 2 and err.count("\n") == 1 and "cannot be written" in err and "choose a place" in err
    assert left(here) == ["file"]


def test_a_failure_half_way_leaves_nothing(here, monkeypatch):
    """The third file cannot be written: neither folder nor files remain, nor the folders above."""
    real, count = Path.write_text, iter(range(9))

    def full(self, *args, **kwargs):
        if next(count) == 2:
            raise OSError(28, "No space left on device")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="No space left on device"):
        new("datapath", "my_rows", here / "a/b/c")
    assert left(here) == []


def test_the_skeleton_itself_is_clean():
    """It is read as an example: the same style as everything else."""
    folder = ROOT / "xbarch/plugins/new"
    done = subprocess.run([sys.executable, "-m", "ruff", "check", folder], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


# -- sensing units and architectures ------------------------------------------------------------------------------

@pytest.mark.full
@pytest.mark.parametrize(("kind", "change"), [
    ("unit", "crossbar.sensing.unit=my_own"), ("process", "processes={edram: {unit: my_own}}"),
    ("noise", "noise.effects.my_own.share=0.1")])
def test_a_unit_is_whole_and_passes_its_own_test(here, call, kind, change):
    assert call("new", kind, "my_own") == (0, "written: my_own\n", "")
    assert left(here / "my_own") == ["README.md", "my_own.py", "pyproject.toml", "tests", "tests/test_my_own.py"]
    assert registry.load_file("my_own/my_own.py") == ["my_own"]
    code, out, _ = call("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", "1", "--plugin",
                        here / "my_own/my_own.py", "--set", change)
    assert code == 0 and "images/s" in out
    tests = here / "my_own" / "tests"
    (tests / "conftest.py").write_text("from xbarch.plugins import registry\nregistry.load_file('my_own.py')\n"
                                       "import sys\nsys.path.insert(0, '.')\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=here / "my_own",
                          text=True, capture_output=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout


@pytest.mark.full
def test_an_architecture_is_valid_and_simulates(here, call):
    assert call("new", "architecture", "my_chip") == (0, "written: my_chip.yaml\n", "")
    assert "skeleton" not in (here / "my_chip.yaml").read_text()
    assert call("validate", "my_chip.yaml")[0] == 0
    result = xbarch.simulate("my_chip.yaml", "vgg7_pruned", images=1)
    assert result["architecture.name"] == "my_chip" and result["latency.first_image_ps"] > 0
    code, out, _ = call("verify", "-a", "my_chip.yaml", "-w", "vgg7_pruned", "--datapath", "dense")
    assert code == 0 and "8 of 8 layers exact" in out  # its ADCs lose nothing of dense packing


@pytest.mark.parametrize(("kind", "what"), [("study", "a study"), ("sweep", "a sweep")])
def test_a_study_is_valid(here, call, kind, what):
    assert call("new", kind, "mine") == (0, "written: mine.yaml\n", "")
    assert "skeleton" not in (here / "mine.yaml").read_text()
    assert call("validate", "mine.yaml") == (0, f"mine.yaml: valid, {what}\n", "")
    code, _, said = call("new", kind, "field20", "--out", "other.yaml")
    assert code == 2 and f"is {what} already" in said and left(here) == ["mine.yaml"]


@pytest.mark.full
def test_a_study_and_a_sweep_run(here, call):
    """What stands behind their comments too."""
    for kind, command in (("study", "compare"), ("sweep", "sweep")):
        assert call("new", kind, f"my_{kind}")[0] == 0
        file = here / f"my_{kind}.yaml"
        file.write_text(file.read_text().replace("# axes:", "axes:").replace("#   crossbar.adc", "  crossbar.adc"))
        code, out, said = call(command, file.name, "--out", kind, "--processes", "1")
        assert code == 0 and "written" in out, said
    assert len(list((here / "sweep").glob("sweep.*"))) == 2 and (here / "study" / "comparison.html").is_file()


@pytest.mark.parametrize(("words", "message"), [
    (("architecture", "isaac_like"), "is an architecture already"),
    (("architecture", "My"), "lower-case letters"),
    (("unit", "adc"), "is a sensing unit already"), (("process", "refresh"), "is a unit process already"),
    (("unit", "json"), "is a Python module already"),
])
def test_other_wrong_names_leave_nothing(here, call, words, message):
    code, out, said = call("new", *words)
    assert code == 2 and not out and message in " ".join(said.split()) and left(here) == []


def test_a_file_that_is_there_is_left_alone(here, call):
    (here / "my_chip.yaml").write_text("mine")
    code, _, said = call("new", "architecture", "my_chip")
    assert code == 2 and said == "xbarch: my_chip.yaml: exists already; choose another file\n"
    assert (here / "my_chip.yaml").read_text() == "mine"
