"""The accuracy report on tiny networks of a grid of its own, ratios recomputed from the masks."""

import csv
import json
import math
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from webpages import read_page, specs

import xbarch
from xbarch.cli import app
from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.kept.measured import machine_for
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.grid import Grid, members
from xbarch.specs.load import document, load, validate
from xbarch.specs.recipe import Recipe, Shape
from xbarch.studies import drawn
from xbarch.studies.accuracy import accuracy, pages, picture
from xbarch.studies.accuracy.rows import list_recipes, reach
from xbarch.support import bundled
from xbarch.workload import store
from xbarch.workload.graph import Layer, Workload

GEOMETRY = Geometry(128, 128, 2)
TITLES = {"meng": "Meng et al.", "huai": "Huai et al.", "xue": "Xue et al."}
FILES = ["accuracy.csv", "accuracy.html", "accuracy.md", "accuracy.svg"]
GRID = """
kind: grid
recipe:
  data: {name: digit_pairs, train_images: 100, test_images: 500}
  quantization: {weight_bits: 4, activation_bits: 4}
  baseline: {epochs: 9, rate: 0.05}
  pruning: {algorithm: {name: cut}, cut_after: 0, training: {epochs: 6, rate: 0.03}}
networks:
  one: {model: vgg7, width: 32}
  two: {model: resnet20}
methods:
  dense:
    shared: {pruning: {method: meng}}
    points: {longer: {pruning: {density: 1.0}}}
  meng:
    shared: {pruning: {method: meng}}
    points: {2x: {pruning: {density: 0.5}}, 4x: {pruning: {density: 0.25}}, 8x: {pruning: {density: 0.125}}}
  huai:
    shared: {pruning: {method: huai}}
    points: {2x: {pruning: {density: 0.5}}, 4x: {pruning: {density: 0.25}}}
  xue:
    shared: {pruning: {method: xue, options: {adc_bits: 2}}}
    points: {2bit: {pruning: {density: 0.1}}}
"""
# name -> accuracy dense, after retraining, low and high end of the change; others are not trained
TRAINED = {
    "one_dense_longer": (0.8, 0.81, 0.001, 0.019),
    "one_meng_2x": (0.8, 0.805, -0.002, 0.012),
    "one_meng_4x": (0.8, 0.79, -0.02, 0.0),       # its interval just reaches 0
    "one_meng_8x": (0.8, 0.79, -0.015, -0.005),
    "one_huai_4x": (0.7, 0.65, -0.07, -0.03),
    "one_xue_2bit": (0.8, 0.6, -0.22, -0.18),
    "two_meng_2x": (0.75, 0.74, -0.02, 0.001),    # of a network whose reference is missing
}


def network(name, recipe):
    """Two convolutions and a linear layer with random weights, the second convolution pruned as the recipe says."""
    pruning = recipe.pruning
    path = registry.datapath(pruning.method, pruning.options)
    rng = np.random.default_rng(3)
    exact = {n: rng.laplace(0, 1.5, s) for n, s in {"conv1": (64, 3, 3, 3), "conv2": (64, 64, 3, 3),
                                                    "fc": (10, 64, 1, 1)}.items()}

    def layer(name, op, source, before, after, **more):
        made = Layer(name=name, op=op, inputs=(source,), in_shape=before, out_shape=after, weight_bits=4,
                     input_bits=more.pop("bits", 4), output_bits=4, scale=np.full(after[0], 0.25), **more)
        weights, mask = exact[name], None
        if pruning.method == "xue" or (name == "conv2" and pruning.density < 1):
            projected = path.project(weights, made, GEOMETRY, pruning.density)
            weights, mask = projected.weights, projected.mask
        integers = np.clip(np.rint(weights), -7, 7).astype(np.int16)
        return replace(made, weights=lambda: integers, mask=None if mask is None else lambda: mask)

    kernel = {"kernel": (3, 3), "padding": (1, 1), "relu": True}
    return Workload(name=name, layers=(
        Layer(name="input", op="input", inputs=(), in_shape=(3, 8, 8), out_shape=(3, 8, 8), output_bits=8),
        layer("conv1", "conv", "input", (3, 8, 8), (64, 8, 8), bits=8, **kernel),
        layer("conv2", "conv", "conv1", (64, 8, 8), (64, 8, 8), **kernel),
        Layer(name="pool", op="avgpool", inputs=("conv2",), in_shape=(64, 8, 8), out_shape=(64, 1, 1), kernel=(8, 8),
              stride=(8, 8), input_bits=4, output_bits=4),
        layer("fc", "linear", "pool", (64, 1, 1), (10, 1, 1)),
    ), datapath=pruning.method, options=pruning.options, trained_on="digit_pairs")


def recipes(file):
    found = document(file, kind="workloads")
    return {n: validate(d, Recipe) for n, d in members(validate(found, Grid), found).items()}


def keep(folder, name, recipe, figures):
    dense, pruned, low, high = figures
    made = replace(network(name, recipe), accuracy={"baseline": dense, "cut": 0.3, "pruning": pruned,
                                                    "crossbars": 0.625})
    store.save(made, folder / name, {
        "recipe": recipe.model_dump(mode="json"), "data": {"test": 500},
        "change": {"mean": pruned - dense, "low": low, "high": high}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stored workloads beside the grid they belong to."""
    made = tmp_path_factory.mktemp("grids") / "mine"
    made.with_suffix(".yaml").write_text(GRID, encoding="utf-8")
    known = recipes(made.with_suffix(".yaml"))
    for name, figures in TRAINED.items():
        keep(made, name, known[name], figures)
    (made / "two_huai_2x").mkdir()  # a folder alone is no workload
    return made


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    """(rows by name, folder of the report)."""
    out = tmp_path_factory.mktemp("report")
    return {row.name: row for row in accuracy(out, workloads=folder)}, out


@pytest.fixture(scope="module")
def text(written):
    return (written[1] / "accuracy.md").read_text(encoding="utf-8")


def section(text, title):
    """Rows of the table under a heading, by their first words."""
    lines = text.partition(f"# {title}\n")[2].partition("\n#")[0].splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


# -- figures --------------------------------------------------------------------------------------------------

def test_rows_follow_the_grid(written, folder):
    names = list(recipes(folder.with_suffix(".yaml")))
    assert list(written[0]) == names and len(names) == 14
    assert {n for n, row in written[0].items() if row.measured} == set(TRAINED)


@pytest.mark.parametrize("name", TRAINED)
def test_ratio_of_weights_is_that_of_the_masks(written, folder, name):
    m = written[0][name].measured
    layers = store.load(folder / name).compute_layers
    masks = [la.mask() if la.mask else np.ones(la.weights().shape, bool) for la in layers]
    assert m.weights == sum(k.size for k in masks) == 64 * 27 + 64 * 576 + 640
    assert m.kept == sum(int(k.sum()) for k in masks)
    assert m.ratio == m.weights / m.kept
    cut = [k for k in masks if not k.all()]
    assert m.pruned_weights == sum(k.size for k in cut)
    assert m.pruned_ratio == (m.pruned_weights / sum(int(k.sum()) for k in cut) if cut else 1)
    density = {"longer": 1, "2x": 1 / 2, "4x": 1 / 4, "8x": 1 / 8}.get(name.split("_")[2])
    if density and "huai" not in name:  # which keeps whole crossbars
        assert m.kept == pytest.approx(64 * 27 + 640 + density * 64 * 576, rel=0.03)


@pytest.mark.parametrize("name", TRAINED)
def test_crossbars_are_those_of_a_run(written, folder, name):
    m = written[0][name].measured
    # 27, 576 and 64 rows; 64 and 10 filters of two 2-bit cells per weight
    assert m.dense_crossbars == 1 + math.ceil(576 / 128) + 1
    run = xbarch.simulate("isaac_like", folder / name, images=1)
    assert m.crossbars == run["mapping.one_copy_crossbars"]
    assert m.crossbar_ratio == m.dense_crossbars / m.crossbars
    if name == "one_dense_longer":
        assert m.crossbars == m.dense_crossbars
    if name == "one_huai_4x":  # rows that still have a weight, end to end
        rows = store.load(folder / name)["conv2"].kept.any(axis=1).sum()
        assert m.crossbars == 1 + math.ceil(rows / 128) + 1 < m.dense_crossbars


def test_adc_bits_hold_the_largest_sums(written, folder):
    """Eight by default; for Xue what every digit of every segment of 128 rows can sum to."""
    largest = 0
    for layer in store.load(folder / "one_xue_2bit").compute_layers:
        for start in range(0, layer.rows, 128):
            part = layer.matrix[start:start + 128].astype(int)
            for signed in (part, -part):
                largest = max(largest, *((np.maximum(signed, 0) >> p & 1).sum(axis=0).max() for p in range(3)))
    assert written[0]["one_xue_2bit"].measured.adc_bits == int(largest).bit_length() == 2
    assert {row.measured.adc_bits for n, row in written[0].items() if row.measured and "xue" not in n} == {8}


def test_another_geometry_is_the_recipes_own(folder, tmp_path):
    """Half as many rows: twice as many dense crossbars of the tall layers."""
    recipe = recipes(folder.with_suffix(".yaml"))["one_dense_longer"]
    shape = recipe.pruning.geometry.model_copy(update={"rows": 64})
    recipe = recipe.model_copy(update={"pruning": recipe.pruning.model_copy(update={"geometry": shape})})
    keep(tmp_path, "one_dense_longer", recipe, TRAINED["one_dense_longer"])
    (row,) = accuracy(None, workloads=tmp_path)
    assert row.measured.dense_crossbars == 1 + 576 // 64 + 1 and row.measured.rows == 64


@pytest.mark.parametrize("name", TRAINED)
def test_accuracy_is_the_manifests(written, name):
    dense, pruned, low, high = TRAINED[name]
    m = written[0][name].measured
    assert (m.accuracy_dense, m.accuracy_cut, m.accuracy_pruned, m.accuracy_crossbars) == (dense, 0.3, pruned, 0.625)
    assert (m.change, m.change_low, m.change_high) == (pruned - dense, low, high)
    assert (m.test_images, m.crossbar_images, m.epochs_dense, m.epochs_pruning, m.seed) == (500, 32, 9, 6, 0)


def test_nothing_is_lost_where_the_interval_reaches_zero(written):
    assert [n for n, row in written[0].items() if row.measured and row.measured.holds] == [
        "one_dense_longer", "one_meng_2x", "one_meng_4x", "two_meng_2x"]
    m = written[0]["one_meng_4x"].measured
    assert not replace(m, change_high=-1e-9).holds and replace(m, change_low=0.1, change_high=0.2).holds


def test_intervals_of_two_accuracies_overlap(written):
    """Of 10,000 images each: 80 % has a half width of 0.784 points, 79 % one of 0.798."""
    m = replace(written[0]["one_meng_4x"].measured, test_images=10_000, accuracy_dense=0.8)
    half = [NormalDist().inv_cdf(0.975) * (a * (1 - a) / 10_000) ** 0.5 for a in (0.8, 0.785)]
    border = 0.8 - sum(half)
    assert 0.784 < border < 0.7845
    assert replace(m, accuracy_pruned=border + 5e-5).overlaps and not replace(m, accuracy_pruned=border - 5e-5).overlaps
    assert replace(m, accuracy_pruned=0.9).overlaps


def test_against_longer_training(written):
    """The difference of two accuracies; none of the reference itself, nor where it is not trained."""
    found = {n: row.measured.against_longer for n, row in written[0].items() if row.measured}
    assert found.pop("one_dense_longer") is None and found.pop("two_meng_2x") is None
    for name, difference in found.items():
        assert difference == pytest.approx(TRAINED[name][1] - 0.81)


# -- the report -----------------------------------------------------------------------------------------------

def test_highest_ratios(written, text):
    table = {(r["network"], r["method"]): r for r in section(text, "Highest compression ratio without measurable loss")}
    assert set(table) == {(n, m) for n in ("one", "two") for m in TITLES.values()}
    best = table["one", TITLES["meng"]]
    m = written[0]["one_meng_4x"].measured
    assert best["point"] == "4x" and best["trained"] == "3 of 3" and best["against longer training"] == "−2.00"
    assert float(best["compression ratio"].rstrip("×")) == pytest.approx(m.ratio, rel=1e-3)
    assert float(best["crossbar saving"].rstrip("×")) == pytest.approx(m.crossbar_ratio, rel=1e-3)
    assert table["one", TITLES["huai"]]["compression ratio"] == "no trained point"
    assert table["one", TITLES["huai"]]["trained"] == "1 of 2"
    assert table["two", TITLES["huai"]]["compression ratio"] == "not trained yet"
    assert table["two", TITLES["meng"]]["against longer training"] == "–"


def test_tables_hold_every_trained_network(text):
    for network in ("one", "two"):
        part = text.partition(f"## {network}\n")[2]
        points = [(TITLES.get(method, method.capitalize()), point) for _, method, point in
                  (n.split("_") for n in TRAINED if n.startswith(network))]
        for title in ("Weights and crossbars", "Accuracy"):
            assert [(r["method"], r["point"]) for r in section(part, title)] == points
    row = next(r for r in section(text.partition("## one\n")[2], "Accuracy") if r["point"] == "8x")
    assert row == {"method": TITLES["meng"], "point": "8x", "dense baseline": "80.00%", "after pruning": "30.00%",
                   "after fine-tuning": "79.00%", "on its recipe's crossbars": "62.50% of 32",
                   "change, points": "−1.00",
                   "95 % interval": "−1.50 to −0.50", "no measurable loss": "no",
                   "intervals overlap": "yes", "against longer training": "−2.00"}


def test_words_that_must_be_said(written, text):
    page = (written[1] / "accuracy.html").read_text(encoding="utf-8")
    for said in ("for a few epochs (9 dense, then 6 with its method)", "one seed each (0)", "two overlapping digits",
                 "100 classes", "made from scikit-learn", "choice of test images only, not the seed",
                 "the first 32 test images", "One image is 3.12 points", "over the 500 test images",
                 "an unpaired difference"):
        assert said in text and said in page
    missing = text.partition("## Not trained yet")[2]
    assert all((f"`{name}`" in missing) == (name not in TRAINED) for name in written[0])


def test_csv_has_every_field(written):
    with (written[1] / "accuracy.csv").open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == len(written[0])
    for line, (name, row) in zip(lines, written[0].items(), strict=True):
        assert "_".join(line[k] for k in ("network", "method", "point")) == name
        if row.measured is None:
            assert line["status"] == "not trained yet" and not line["kept"] and not line["ratio"]
            continue
        assert line["status"] == "trained" and line["holds"] == str(row.measured.holds)
        for key in ("kept", "ratio", "pruned_ratio", "crossbar_ratio", "change", "change_high", "accuracy_crossbars"):
            assert float(line[key]) == getattr(row.measured, key)
        assert line["against_longer"] == ("" if row.measured.against_longer is None
                                          else str(row.measured.against_longer))


def test_files(written, folder, tmp_path):
    assert sorted(p.name for p in written[1].iterdir()) == FILES
    page = (written[1] / "accuracy.html").read_text(encoding="utf-8")
    assert len(read_page(page).scripts) == 3 and "width=device-width" in page
    assert len(specs(page)) == 2 * len({row.network for row in written[0].values() if row.measured})
    ElementTree.fromstring((written[1] / "accuracy.svg").read_bytes())
    accuracy(tmp_path, workloads=folder)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (written[1] / name).read_bytes()


def test_tables_are_rectangular(written):
    tables = [s.table for s in pages.document(list(written[0].values()), b"").sections if s.table]
    assert len(tables) == 8
    assert all(len(row) == len(t.heads) for t in tables for row in t.rows)


def test_picture(written):
    """A panel for a network's method; points at their ratios and changes, bars over their intervals."""
    found = picture._figure(list(written[0].values())).axes
    panels = [axes for axes in found if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [TITLES[m] for m in ("meng", "huai", "xue", "meng")]
    assert {axes.get_xscale() for axes in panels} == {"log"} and len({axes.get_ylim() for axes in panels}) == 1
    meng = [written[0][f"one_meng_{p}"].measured for p in ("2x", "4x", "8x")]
    lines = next(c.lines for c in panels[0].containers if c.get_label() == "compression ratio")
    assert list(lines[0].get_xdata()) == [m.ratio for m in meng]
    assert lines[0].get_ydata() == pytest.approx([100 * m.change for m in meng])
    ends = [segment[:, 1] for segment in lines[2][0].get_segments()]
    assert np.ravel(ends) == pytest.approx(np.ravel([(100 * m.change_low, 100 * m.change_high) for m in meng]))
    xue = written[0]["one_xue_2bit"].measured
    saving = next(c.lines for c in panels[2].containers if c.get_label() == "crossbar saving")
    assert list(saving[0].get_xdata()) == [xue.crossbar_ratio]
    levels = [line.get_ydata()[0] for line in panels[1].lines if line.get_linestyle() == "--"]
    assert levels == pytest.approx([1.0])  # the change of longer training
    assert not [line for line in panels[3].lines if line.get_linestyle() == "--"]
    low, high = panels[0].get_ylim()  # by the points from 0.5 to -5; -20 lies below the scale
    assert -12 <= low <= -5 - 0.5 and 1 + 0.5 <= high <= 4


@pytest.mark.parametrize("changes, low, high", [
    ([-1.0, 1.0], -1.5, 1.5),  # half a point of room at least
    ([-10.0, 0.0], -11.5, 1.5),  # else 15 % of the range
    ([-40.0, -11.9], -12.0, 1.8),  # a loss of more than 12 points is not shown
    ([2.0], -0.5, 2.5),  # 0 always is
])
def test_the_axis_of_changes_follows_the_points(changes, low, high):
    assert drawn.ends(changes) == pytest.approx((low, high))
    lost = sum(change < -12 for change in changes)
    assert drawn.below(changes) == (f" ({lost} below −12 left out)" if lost else "")


# -- folders --------------------------------------------------------------------------------------------------

def test_the_bundled_grid_is_the_default(folder, tmp_path, monkeypatch):
    """And other workloads of a folder without a grid are all there is."""
    monkeypatch.setattr(bundled, "folder", lambda kind: tmp_path if kind == "workloads" else real(kind))
    (tmp_path / "digit_pairs").symlink_to(folder)
    assert {r.name for r in xbarch.accuracy_report(None)} == {*list_recipes(folder)}  # the link leads beside its grid
    (tmp_path / "digit_pairs").unlink()
    with pytest.raises(InputError, match="digit_pairs: no workload NETWORK_METHOD_POINT is stored here"):
        xbarch.accuracy_report(None)
    (tmp_path / "digit_pairs").mkdir()
    for name in ("two_meng_2x", "one_meng_4x"):
        (tmp_path / "digit_pairs" / name).symlink_to(folder / name)
    assert [r.name for r in xbarch.accuracy_report(None)] == ["one_meng_4x", "two_meng_2x"]


real = bundled.folder


def test_the_bundled_grid_is_known(tmp_path):
    names = list_recipes(bundled.folder("workloads") / "digit_pairs")
    assert {"vgg7_dense_longer", "resnet20_xue_2bit"} <= set(names)
    assert list_recipes(tmp_path / "digit_pairs") == names  # elsewhere, under its name
    assert list_recipes(bundled.folder("workloads") / "vgg7_pruned") == {}  # a recipe is no grid


def test_progress(folder):
    seen = []
    accuracy(None, workloads=folder, progress=lambda *step: seen.append(step))
    assert seen[0] == (0, 14, "one_dense_longer") and seen[-1] == (14, 14, "done")


# -- how it is called, and what is refused --------------------------------------------------------------------

@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["xbarch", "report", "accuracy", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        return stop.value.code or 0, out.out, out.err
    return run


def test_command(call, folder, tmp_path):
    code, out, _ = call("--workloads", folder)
    assert code == 0 and "not trained yet: one_huai_2x, two_dense_longer" in out
    assert sorted(p.name for p in (tmp_path / "reports" / "accuracy").iterdir()) == FILES


@pytest.mark.parametrize("words, said", [
    (("--workloads", "nowhere"), "nowhere: no such folder"),
    (("--workloads", "."), ".: no workload NETWORK_METHOD_POINT is stored here"),
    (("--out", "/proc/accuracy"), "cannot be written"),
    (("--out", ""), "out: must be a path, not ''"),
])
def test_bad_folders(call, folder, tmp_path, words, said):
    code, _, err = call("--workloads", folder, *words)
    assert code == 2 and said in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_all_four_files_or_none(call, folder, tmp_path):
    (tmp_path / "out" / "accuracy.svg").mkdir(parents=True)
    code, _, err = call("--workloads", folder, "--out", tmp_path / "out")
    assert code == 2 and "accuracy.svg: cannot be written: it is a folder" in err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["accuracy.svg"]


def damage(manifest, at, value):
    """The manifest with one value changed, or without it where value is None."""
    part = manifest
    for key in at[:-1]:
        part = part[key]
    if value is None:
        del part[at[-1]]
    else:
        part[at[-1]] = value
    return json.dumps(manifest)


@pytest.mark.parametrize("at, value, said", [
    (("change",), {}, "change.mean: required key 'mean' is missing"),
    (("change", "low"), 0.5, "change: low, mean, high must be in ascending order, not 0.5, "),
    (("change", "high"), 7.0, "change.high: must be at most 1, not 7.0"),
    (("accuracy", "pruning"), None, "accuracy.pruning: required key 'pruning' is missing"),
    (("accuracy", "baseline"), 1.5, "accuracy.baseline: must be at most 1, not 1.5"),
    (("data", "test"), "many", "data.test: must be a whole number, not 'many'"),
    (("data", "test"), 0, "data.test: must be at least 1, not 0"),
    (("recipe", "pruning"), None, "recipe: must have the sections baseline and pruning"),
    (("recipe", "model"), None, "recipe.model: required key 'model' is missing"),
    (("datapath",), "nothing", "nothing"),
    (("sha256",), "0" * 64, "digest"),
    (("layers",), None, "layers"),
    ((), "", "is not JSON"),
])
def test_damaged_manifests(call, folder, tmp_path, at, value, said):
    place = tmp_path / "w" / "one_meng_2x"
    place.mkdir(parents=True)
    (place / store.TENSORS).symlink_to(folder / "one_meng_2x" / store.TENSORS)
    text = (folder / "one_meng_2x" / store.MANIFEST).read_text(encoding="utf-8")
    (place / store.MANIFEST).write_text(damage(json.loads(text), at, value) if at else text[:-9], encoding="utf-8")
    code, _, err = call("--workloads", tmp_path / "w", "--out", tmp_path / "out")
    assert code == 2 and said in err and "one_meng_2x" in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_manifest_without_tensors(call, folder, tmp_path):
    place = tmp_path / "w" / "one_meng_2x"
    place.mkdir(parents=True)
    (place / store.MANIFEST).symlink_to(folder / "one_meng_2x" / store.MANIFEST)
    code, _, err = call("--workloads", tmp_path / "w")
    assert code == 2 and "is incomplete: tensors.safetensors is missing" in err and err.count("\n") == 1


# -- ratios at equal loss -----------------------------------------------------------------------------------------

def test_reach_is_where_the_lines_fall_below_the_loss(written):
    """Halfway between two points in change is halfway in the logarithm of the ratio."""
    one = written[0]["one_meng_2x"].measured
    points = [replace(one, weights=800, kept=kept, change=c, change_low=c - 0.01, change_high=c + 0.01)
              for kept, c in ((100, -0.05), (400, -0.01))]
    found = reach(points, 0.03, lambda m: m.ratio)
    assert found.ratio == pytest.approx(2 * 2 ** (2 * 0.5)) and found.most == 8
    assert found.low == pytest.approx(2 * 2 ** (2 * 0.25)) and found.high == pytest.approx(2 * 2 ** (2 * 0.75))
    assert reach(points, 0.005, lambda m: m.ratio).ratio == pytest.approx(2 ** 0.5)  # from the unpruned network on
    beyond = reach(points, 0.05, lambda m: m.ratio)
    assert beyond.ratio == math.inf and math.isfinite(beyond.low)
    assert pages.format_reach(beyond) == f"beyond 8× [{beyond.low:.3g}, beyond]"
    assert pages.format_reach(reach(points, 0.5, lambda m: m.ratio)) == "beyond 8×"


def test_methods_of_operation_units_are_counted_on_them():
    assert machine_for(Shape())[0] == "isaac_like"
    assert machine_for(Shape(operation_unit={"rows": 16, "columns": 16}))[0] == "sre_like"
    home, changes = machine_for(Shape(operation_unit={"rows": 4, "columns": 128}))
    spec = load(home, Architecture, changes)
    unit = spec.crossbar.operation_unit
    assert home == "forms_like" and (unit.rows, unit.columns) == (4, 128)
