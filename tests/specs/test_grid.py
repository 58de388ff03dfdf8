"""Grids of recipes: what a member is merged from, where its errors are placed, what is asked, listed and trained."""

import itertools
import json
import re
import sys

import pytest

import xbarch
from xbarch.compress.recipes import resolve
from xbarch.errors import InputError
from xbarch.kept import rows
from xbarch.kept.measured import measure
from xbarch.specs.grid import Grid, members
from xbarch.specs.load import document, validate
from xbarch.support import bundled
from xbarch.workload import find, store

TEXT = """\
kind: grid
description: two networks, two methods
recipe:
  data: {name: digits, size: 16}
  baseline: {epochs: 2, rate: 0.1, steps: [1, 2]}
  seed: 3
  description: of all
networks:
  big:
    model: resnet20
    width: 8
  small:
    model: resnet20
    width: 4
    baseline: {rate: 0.05}
methods:
  cut:
    shared:
      pruning:
        method: dense
        algorithm: {name: cut}
        cut_after: 0
        training: {epochs: 2, rate: 0.1}
    points:
      half:
        pruning: {density: 0.5}
      most:
        description: of a point
        baseline: {steps: [1], rate: 0.01}
        pruning:
          density: 0.9
  meng:
    shared:
      seed: 4
      pruning: {method: meng, cut_after: 1, training: {epochs: 2, rate: 0.1}, algorithm: {name: lasso}, density: 0.5}
    points:
      a4:
        pruning: {options: {group_ch: 4}}
      whole: {}
"""
NAMES = ["big_cut_half", "big_cut_most", "big_meng_a4", "big_meng_whole",
         "small_cut_half", "small_cut_most", "small_meng_a4", "small_meng_whole"]


def line(text, what, number=1):
    """The line that `what` stands in, its occurrence `number`."""
    start = [m.start() for m in re.finditer(re.escape(what), text)][number - 1]
    return text[:start].count("\n") + 1


@pytest.fixture
def grid(tmp_path, monkeypatch):
    """Writes the grid with one thing changed, in the current folder; where the checkpoints would go is there too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XBARCH_CACHE", str(tmp_path / "cache"))

    def make(old="", new="", text=TEXT):
        assert old in text, old
        (tmp_path / "g.yaml").write_text(text.replace(old, new, 1) if old else text)
        return tmp_path / "g.yaml"
    return make


def merged(path):
    found = document(path, kind="workloads")
    return members(validate(found, Grid), found)


def refused(path, **more):
    with pytest.raises(InputError) as caught:
        resolve(path, **more)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


# -- members ------------------------------------------------------------------------------------------------------

def test_networks_times_methods_times_points(grid):
    assert list(merged(grid())) == NAMES


def test_later_parts_win_key_by_key(grid):
    """The point over the method over the network over all; mappings by key, lists and single values whole."""
    data = {name: d.data for name, d in merged(grid()).items()}
    assert {d["kind"] for d in data.values()} == {"trained"}
    assert [data[n]["width"] for n in NAMES] == [8] * 4 + [4] * 4
    assert data["big_cut_half"]["baseline"] == {"epochs": 2, "rate": 0.1, "steps": [1, 2]}
    assert data["small_cut_half"]["baseline"] == {"epochs": 2, "rate": 0.05, "steps": [1, 2]}
    assert data["small_cut_most"]["baseline"] == {"epochs": 2, "rate": 0.01, "steps": [1]}
    assert [data[n]["seed"] for n in NAMES] == [3, 3, 4, 4] * 2
    assert [data[n]["description"] for n in NAMES] == ["of all", "of a point", "of all", "of all"] * 2
    assert data["big_cut_most"]["pruning"] == {"method": "dense", "algorithm": {"name": "cut"}, "cut_after": 0,
                                               "training": {"epochs": 2, "rate": 0.1}, "density": 0.9}
    assert data["big_meng_a4"]["pruning"]["options"] == {"group_ch": 4}
    assert "options" not in data["big_meng_whole"]["pruning"]


def test_members_are_the_recipes_written_by_hand(grid, tmp_path):
    found = merged(grid())
    (tmp_path / "hand.yaml").write_text(
        "kind: trained\ndescription: of a point\nmodel: resnet20\nwidth: 4\ndata: {name: digits, size: 16}\nseed: 3\n"
        "baseline: {epochs: 2, rate: 0.01, steps: [1]}\npruning: {method: dense, algorithm: {name: cut}, "
        "cut_after: 0, density: 0.9, training: {epochs: 2, rate: 0.1}}\n")
    assert find.recipe(found["small_cut_most"]) == find.read_recipe(tmp_path / "hand.yaml")


def test_members_share_nothing_and_leave_the_grid_alone(grid):
    path = grid()
    found = document(path, kind="workloads")
    asked = validate(found, Grid)
    first = members(asked, found)
    for member in first.values():
        member.data["pruning"]["training"]["rate"] = None
        member.data["baseline"].clear()
    assert found.data == document(path, kind="workloads").data
    assert {n: m.data for n, m in members(asked, found).items()} == {n: m.data for n, m in merged(path).items()}


@pytest.mark.parametrize("old, new, member, trail, what", [
    ("seed: 3", "seed: -3", "big_cut_half", "seed", "seed: -3"),
    ("width: 8", "width: 0", "big_cut_half", "width", "width: 0"),
    ("cut_after: 0", "cut_after: -1", "big_cut_half", "pruning.cut_after", "cut_after: -1"),
    ("density: 0.9", "density: 1.9", "big_cut_most", "pruning.density", "density: 1.9"),
    ("{options: {group_ch: 4}}", "{options: {group_ch: 5}}", "big_meng_a4", "pruning.options.group_ch", "a4:"),
    ("steps: [1], rate: 0.01", "steps: [x], rate: 0.01", "big_cut_most", "baseline.steps.0", "steps: [x]"),
    ("epochs: 2, rate: 0.1, steps", "epochs: 0, rate: 0.1, steps", "big_cut_half", "baseline.epochs", "epochs: 0"),
    ("  baseline: {epochs: 2, rate: 0.1, steps: [1, 2]}\n", "", "big_cut_half", "baseline.epochs", None),
    ("    model: resnet20", "    model: resnet21", "big_cut_half", "model", "resnet21"),
    ("density: 0.9", "densty: 0.9", "big_cut_most", "pruning.densty", "densty"),
])
def test_an_error_stands_where_its_value_stands(grid, old, new, member, trail, what):
    """In the grid's file: in the part that the value comes from."""
    path = grid(old, new)
    error = refused(path)
    text = path.read_text()
    assert error.file == str(path)
    if what is not None:
        wanted = line(text, what)
        assert error.line in ((wanted, wanted + 1) if what == "a4:" else (wanted,)) and error.field == trail


def test_a_key_that_every_part_lacks_is_placed_at_the_point(grid):
    """No part has a model for the first network, so that its first point is the last place it could have stood."""
    path = grid("    model: resnet20\n    width: 8\n", "    width: 8\n")
    error = refused(path)
    assert (error.file, error.line, error.field) == (str(path), line(path.read_text(), "half:"), "model")


@pytest.mark.parametrize("old, new, says", [
    ("description: two", "descripton: two", r"g.yaml:2: descripton: .*unknown.*the keys here are"),
    ("      half:\n", "      ha_lf:\n", r"g.yaml:\d+: methods.cut.points.ha_lf: "),
    ("  big:\n", "  ../big:\n", r"g.yaml:9: networks.*: "),
    ("      whole: {}", "      whole: 3", r"g.yaml:39: methods.meng.points.whole: must be a mapping .*, not 3"),
    ("      whole: {}", "      whole:", r"g.yaml:39: methods.meng.points.whole: must be a mapping "),
    ("    shared:\n      seed: 4", "    shard:\n      seed: 4", r"g.yaml:\d+: methods.meng"),
    ("recipe:\n", "recipes:\n", r"g.yaml:\d+: recipe"),
    ("kind: grid", "kind: gird", r"g.yaml:1: kind: must be trained or synthetic, not 'gird'"),
])
def test_wrong_grids(grid, old, new, says):
    assert re.match(f".*{says}", str(refused(grid(old, new))))


@pytest.mark.parametrize("part", ["networks", "methods"])
def test_a_grid_of_nothing(grid, part):
    text = TEXT[:TEXT.index("networks:")] + "networks: {a: {model: resnet20}}\nmethods: {m: {shared: {}, points: " \
                                            "{p: {}}}}\n"
    assert list(merged(grid(text=text))) == ["a_m_p"]
    empty = re.sub(rf"(?m)^{part}: .*$", f"{part}: {{}}", text)
    error = refused(grid(text=empty))
    assert (error.line, error.field) == (line(empty, f"{part}:"), part)
    assert "must have at least 1 item, not 0" in str(error)


# -- asking -------------------------------------------------------------------------------------------------------

def test_asking_names_every_member_and_its_folder(grid, tmp_path):
    asked = resolve(grid())
    assert [a.name for a in asked] == NAMES and all(a.grid for a in asked)
    assert [a.out for a in asked] == [tmp_path / "g" / n for n in NAMES]
    assert {a.cache for a in asked} == {tmp_path / "cache"}
    assert [a.recipe.pruning.density for a in asked] == [0.5, 0.9, 0.5, 0.5] * 2
    assert [a.out for a in resolve(tmp_path / "g.yaml", tmp_path / "o")] == [tmp_path / "o" / n for n in NAMES]
    assert [p.name for p in tmp_path.iterdir()] == ["g.yaml"]  # asking writes nothing


@pytest.mark.parametrize("only, wanted", [
    ("*", NAMES), ("big_*", NAMES[:4]), ("*_cut_*", NAMES[:2] + NAMES[4:6]), ("small_meng_a4", ["small_meng_a4"]),
    ("*_[hw]*", [n for n in NAMES if n.split("_")[2] in ("half", "whole")]), ("*_a?", [NAMES[2], NAMES[6]]),
])
def test_only(grid, only, wanted):
    assert [a.name for a in resolve(grid(), only=only)] == wanted


@pytest.mark.parametrize("only", ["big", "Big_*", "", "x" * 500])
def test_only_of_what_is_not_there(grid, only):
    error = refused(grid(), only=only)
    assert error.field == "only" and "matches none of big_cut_half, " in str(error) and len(str(error)) < 700


def test_only_of_a_single_recipe_is_its_own_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text("kind: trained\nmodel: resnet20\ndata: {name: digits}\n"
                                       "baseline: {epochs: 1, rate: 0.1}\n")
    assert [(a.name, a.grid) for a in resolve("one.yaml", only="o*")] == [("one", False)]
    assert refused("one.yaml", only="two").field == "only"


def test_command_line_refuses_before_torch(call, grid, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "xbarch.compress.training.run", None)  # importing it fails
    for words, says in ((("--only", "vgg*"), "xbarch: only: 'vgg*' matches none of big_cut_half"),
                        ((), f"xbarch: g.yaml:{line(TEXT, 'density: 0.9')}: pruning.density: must be ")):
        grid(*([] if words else ["density: 0.9", "density: 1.9"]))
        code, out, err = call("compress", "g.yaml", *words)
        assert code == 2 and not out and err.startswith(says) and err.count("\n") == 1, err
        assert [p.name for p in tmp_path.iterdir()] == ["g.yaml"]


# -- listing and simulating ---------------------------------------------------------------------------------------

@pytest.fixture
def shipped(grid, tmp_path, monkeypatch):
    """The grid as one that is bundled, with two members stored."""
    grid()
    own = bundled.folder
    monkeypatch.setattr(bundled, "folder", lambda kind: tmp_path if kind == "workloads" else own(kind))
    for name in ("big_cut_half", "small_meng_a4"):
        (tmp_path / "g" / name).mkdir(parents=True)
        (tmp_path / "g" / name / "manifest.json").write_text("{}")


@pytest.mark.full
def test_list_shows_the_grid(call, shipped):
    code, out, _ = call("list", "--json")
    assert code == 0
    assert json.loads(out)["workloads"] == [{"name": "g", "summary": "grid: two networks, two methods",
                                             "source": "2 of 8 workloads stored, named g/NAME", "from": "xbarch"}]
    code, out, _ = call("list", "workloads")
    assert code == 0 and "grid: two networks" in out and "2 of 8" not in out  # one line; the source is for --long
    code, out, _ = call("list", "--long")
    assert code == 0 and "grid: two networks" in out and "2 of 8" in out


@pytest.mark.parametrize("name", ["g", "g.yaml"])
def test_a_grid_is_no_workload(call, shipped, name):
    code, out, err = call("simulate", "-a", "isaac_like", "-w", name)
    assert code == 2 and not out and err.count("\n") == 1
    assert re.search(r"g\.yaml:1: kind: is a grid of recipes; name one of its stored workloads, as g/NAME: "
                     r"big_cut_half, small_meng_a4$", err.strip())


def test_digit_pairs_names_its_stored_workloads(call):
    """The bundled grid: every one that is stored, or that none is."""
    code, out, err = call("simulate", "-a", "isaac_like", "-w", "digit_pairs")
    assert code == 2 and not out and err.count("\n") == 1
    folder = bundled.folder("workloads") / "digit_pairs"
    own = sorted(p.parent.name for p in folder.glob("*/manifest.json"))
    names = err.strip().split("digit_pairs/NAME: ")[1]
    assert names == "none yet" if not own else names.startswith(own[0])
    grid = document("digit_pairs", kind="workloads")
    assert set(own) <= set(members(validate(grid, Grid), grid))


# -- training -----------------------------------------------------------------------------------------------------

TINY = """\
kind: grid
recipe:
  model: net.py:make
  data: {name: digits, size: 8, channels: 1}
  baseline: {epochs: 1, rate: 0.05, batch: 256}
  crossbar_images: 0
  stored_images: 1
  pruning: {method: dense, algorithm: {name: cut}, cut_after: 0, training: {epochs: 1, rate: 0.05, batch: 256}}
networks: {net: {seed: 1}}
methods:
  cut:
    shared: {}
    points:
      half: {pruning: {density: 0.5}}
      tenth: {pruning: {density: 0.1}}
"""
NET = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 10))
"""


@pytest.fixture
def tiny(grid, tmp_path):
    (tmp_path / "net.py").write_text(NET)
    return grid(text=TINY)


def written(place):
    return {p.relative_to(place).as_posix(): p.stat().st_mtime_ns for p in sorted(place.rglob("*")) if p.is_file()}


@pytest.mark.train
def test_training_a_grid(tiny, tmp_path):
    """Only what is asked for; what is stored stays; what is damaged, or of another recipe, is made anew."""
    from xbarch.compress.training.run import train

    told = []

    def progress(done, total, text):
        told.append(text)

    assert train(tiny, only="*_half", progress=progress) == tmp_path / "g"
    assert [p.name for p in (tmp_path / "g").iterdir()] == ["net_cut_half"]
    assert told and all(t.startswith("net_cut_half, 1 of 1: ") for t in told)
    first = written(tmp_path / "g")
    assert len(list((tmp_path / "cache").rglob("baseline-*.pt"))) == 1

    told.clear()
    assert train(tiny, progress=progress) == tmp_path / "g"
    assert sorted(p.name for p in (tmp_path / "g").iterdir()) == ["net_cut_half", "net_cut_tenth"]
    assert first.items() <= written(tmp_path / "g").items()
    assert told and all(t.startswith("net_cut_tenth, 2 of 2: ") and "baseline" not in t for t in told)
    assert len(list((tmp_path / "cache").rglob("baseline-*.pt"))) == 1  # one baseline for both
    for name, density in (("half", 0.5), ("tenth", 0.1)):
        loaded = store.load(tmp_path / "g" / f"net_cut_{name}")
        last = loaded.compute_layers[-1]
        assert last.kept_weights == round(density * 1080)
        assert find.resolve(tmp_path / "g" / f"net_cut_{name}").name == f"net_cut_{name}"

    told.clear()
    second = written(tmp_path / "g")
    train(tiny, progress=progress)
    assert written(tmp_path / "g") == second and not told

    (tmp_path / "g" / "net_cut_half" / "manifest.json").write_text("{}")
    tiny.write_text(TINY.replace("density: 0.1}", "density: 0.2}"))
    train(tiny, progress=progress)
    assert {t.split(",")[0] for t in told} <= {"net_cut_half", "net_cut_tenth"}
    assert store.load(tmp_path / "g" / "net_cut_half").compute_layers[-1].kept_weights == 540
    assert store.load(tmp_path / "g" / "net_cut_tenth").compute_layers[-1].kept_weights == 216


@pytest.mark.train
def test_rows_are_all_that_stays(call, grid, tiny, tmp_path):
    """Of other seeds than the first: their recipe, accuracy and what is kept, which the stored network has too."""
    from xbarch.compress.training.run import train

    place = grid(text=TINY.replace("      tenth: {pruning: {density: 0.1}}\n", "") + "seeds: [1, 2]\nstored: first\n")
    folder = train(place)
    assert sorted(p.name for p in folder.iterdir()) == ["net_cut_half_s1", "results.jsonl"]
    found = rows.read(folder)
    assert list(found) == ["net_cut_half_s2"]
    row, first = found["net_cut_half_s2"], measure(folder / "net_cut_half_s1")
    assert (row.measured.kept, row.measured.crossbars) == (first.kept, first.crossbars)
    assert row.measured.seed == 2 and 0 < row.measured.accuracy_pruned < 1 and 0 < row.validation < 1

    code, out, err = call("compress", "g.yaml")  # nothing is left to train, and a row has no manifest
    assert (code, err) == (0, "") and out.split()[-1] == "g"
    assert list(rows.read(folder).values()) == [row] and (folder / rows.FILE).read_text().count("\n") == 1
    place.write_text(place.read_text().replace("density: 0.5", "density: 0.4"))
    train(place, only="*_s2")
    assert (folder / rows.FILE).read_text().count("\n") == 2 and rows.read(folder)["net_cut_half_s2"] != row


@pytest.mark.train
def test_accuracy_under_noise_is_that_of_the_machine(grid, tiny):
    """Of the presets that a recipe names, as `xbarch accuracy` measures it on the stored network."""
    from xbarch.compress.training.run import train

    folder = train(grid(text=TINY.replace("stored_images: 1", "stored_images: 1\n  noise: [cells_20pct, stuck_1pct]")),
                   only="*_half")
    found = measure(folder / "net_cut_half").accuracy_noise
    assert found == {preset: xbarch.accuracy("isaac_like", folder / "net_cut_half", noise=preset, images=100,
                                             draws=2).value for preset in ("cells_20pct", "stuck_1pct")}


@pytest.mark.train
def test_the_command_ends_well_where_rows_alone_stay(grid, tiny, tmp_path, call):
    code, out, _ = call("compress", grid(text=TINY + "stored: none\n"), "--only", "*_half")
    assert code == 0 and out.endswith("g\n") and list(rows.read(tmp_path / "g")) == ["net_cut_half"]


@pytest.mark.parametrize("line, says", [
    ("noise: [cells_11pct]", "noise: cells_11pct: no such file; the bundled noise presets are"),
    ("noise: [cells_10pct]\n  data: {name: mnist}",
     "noise: needs data digits or digit_pairs, whose test images travel with xbarch, not mnist")])
def test_noise_that_cannot_be_measured(grid, line, says):
    text = TEXT if "data" not in line else TEXT.replace("  data: {name: digits, size: 16}\n", "")
    path = grid(text=text.replace("  seed: 3\n", f"  seed: 3\n  {line}\n"))
    assert says in str(refused(path))


def test_a_grid_on_other_data_keeps_what_it_does_not_change():
    """`seeds_pairs` has the methods, ratios and seeds of `seeds`, but rates that were not chosen."""
    one, other = (document(name, kind="workloads") for name in ("seeds", "seeds_pairs"))
    first, second = (members(validate(found, Grid), found) for found in (one, other))
    assert set(second) == {name for name in first if name.startswith("vgg7_") and "other_" not in name}
    for name, found in second.items():
        assert found.data["pruning"] == first[name].data["pruning"]
        assert found.data["data"]["name"] == "digit_pairs"


def test_networks_of_the_first_seed_need_seeds(grid):
    with pytest.raises(InputError, match="stored: must be all or none for a grid without seeds, not first"):
        merged(grid(text=TEXT + "stored: first\n"))


@pytest.mark.train
def test_resuming_is_what_leaves_members_alone(tiny, monkeypatch):
    """Every member asked for is trained, once, in order, unless it is stored as its recipe makes it and not to be
    made anew."""
    from xbarch.compress.training import run

    made = []
    monkeypatch.setattr(run, "train_job", lambda each, resume, progress: made.append(each.name))
    for stored, resume in itertools.product(([], ["net_cut_half"]), (True, False)):
        made.clear()
        monkeypatch.setattr(run, "_is_stored", lambda each, there, stored=stored: each.name in stored)
        run.train(tiny, resume=resume)
        assert made == [n for n in ("net_cut_half", "net_cut_tenth") if not (resume and n in stored)]


@pytest.mark.train
def test_a_fault_of_one_member_names_its_line(tiny, tmp_path):
    """Found only when the network is there: the layer is none of its."""
    from xbarch.compress.training.run import train

    tiny.write_text(TINY.replace("{density: 0.1}", "{density: 0.1, layers: {nine: 0.5}}"))
    where = line(TINY, "tenth:")
    with pytest.raises(InputError, match=rf"g\.yaml:{where}: pruning\.layers: unknown layer 'nine'; choose 0 or 3"):
        train(tiny, only="*_tenth")
    assert not (tmp_path / "g").exists()


def test_recipes_left_out(grid):
    """They are not there for anybody; one that there is not is refused."""
    out = "without:\n  big_cut_half: takes too long\nmethods:"
    assert [a.name for a in resolve(grid("methods:", out))] == [n for n in NAMES if n != "big_cut_half"]
    with pytest.raises(InputError, match=r"without\.big_cut_third: no recipe of this grid"):
        resolve(grid("methods:", "without:\n  big_cut_third: not there\nmethods:"))


def test_every_recipe_once_for_each_seed(grid):
    """Seeds change the recipes' names and nothing but their seed; an error in one is placed at its line."""
    plain, seeded = merged(grid()), merged(grid(text=TEXT + "seeds: [0, 7]\n"))
    assert list(seeded) == [f"{name}_s{seed}" for name in NAMES for seed in (0, 7)]
    for name, found in seeded.items():
        lead, _, seed = name.rpartition("_s")
        assert found.data == {**plain[lead].data, "seed": int(seed)}
        assert found.lines["seed",] == TEXT.count("\n") + 1


@pytest.mark.parametrize("seeds, says", [("[1, 1]", "seeds: must differ from each other, not [1, 1]"),
                                         ("[]", "seeds"), ("[-1]", "seeds")])
def test_wrong_seeds(grid, seeds, says):
    with pytest.raises(InputError) as caught:
        merged(grid(text=f"{TEXT}seeds: {seeds}\n"))
    assert says in str(caught.value)
