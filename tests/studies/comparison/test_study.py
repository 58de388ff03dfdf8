"""Comparisons: every pair run or refused with its reason, gains recomputed from plain runs, files whole."""

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from webpages import read_page, specs

import xbarch
from xbarch.errors import InputError
from xbarch.request import Contents, Request
from xbarch.specs.study import Study
from xbarch.studies import comparison
from xbarch.studies.comparison import picture
from xbarch.studies.comparison.lines import lines
from xbarch.studies.comparison.rows import Figures, Row, _Shared, front
from xbarch.studies.runs.bench import Bench

ARCHES, WORKLOAD = ["isaac_like", "forms_like"], "vgg7_pruned"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A comparison with its report's folder."""
    out = tmp_path_factory.mktemp("study") / "report"
    rows = comparison.compare(ARCHES, [WORKLOAD], datapaths=["own", "forms", "xue"], images=2, out=out)
    return SimpleNamespace(rows=rows, out=out)


@pytest.mark.full
def test_every_pair_is_run_or_refused_with_a_reason(made):
    jobs = [(r.architecture, r.datapath) for r in made.rows]
    assert sorted(jobs) == sorted((a, d) for a in ARCHES for d in ("dense", "meng", "forms", "xue"))
    refused = {j: r.why for j, r in zip(jobs, made.rows, strict=True) if r.why}
    assert set(refused) == {("isaac_like", "forms")} and "operation units" in refused["isaac_like", "forms"]
    assert all((r.figures is None) == bool(r.why) for r in made.rows)


def test_gains_are_those_of_plain_runs(made):
    """Over dense on the first architecture, and over dense with the method's signs and cells on its own."""
    row = next(r for r in made.rows if (r.architecture, r.datapath) == ("forms_like", "xue"))
    run, base, own = (xbarch.simulate(
        a, WORKLOAD, images=2, datapath=d, options=o, overrides=c, policy="crossbars:4") for a, d, o, c in (
        ("forms_like", "xue", None, []), ("isaac_like", "dense", None, []),
        ("forms_like", "dense", {"sign": "differential"}, ["crossbar.cell_bits=1"])))
    for over, rival in (("base", base), ("own", own)):
        speed = run["throughput.images_per_second"] / rival["throughput.images_per_second"]
        assert row.gain("speed", over) == pytest.approx(speed)
        for scope in ("compute", "chip", "whole"):
            energy = rival["energy.scopes_aj"][scope] / run["energy.scopes_aj"][scope]
            assert row.gain(f"energy_{scope}", over) == pytest.approx(energy)
        assert row.gain("energy", over) == row.gain("energy_chip", over)
        area = rival["area.used_mm2"] / run["area.used_mm2"]
        assert row.gain("area", over) == pytest.approx(area)
        assert row.gain("density", over) == pytest.approx(speed * area)
    assert row.sides("base") == (base.bound.by, run.bound.by) and row.sides("own") == (own.bound.by, run.bound.by)
    assert row.figures.adc_bits == 4 and row.figures.crossbars == run["mapping.one_copy_crossbars"]


def test_figures_of_the_network(made):
    network = xbarch.load(WORKLOAD)
    for row in made.rows:
        if row.figures:
            assert row.figures.weights == sum(la.rows * la.filters for la in network.compute_layers)
            assert row.figures.kept == sum(int(la.kept.sum()) for la in network.compute_layers)
            assert (row.figures.index_bits > 0) == (row.datapath in ("meng", "forms"))
            assert row.trained == "digit_pairs" and row.accuracy["pruning"] < row.accuracy["baseline"]


def test_files(made):
    names = {p.name for p in made.out.iterdir()}
    assert names == {"comparison.md", "comparison.html", "comparison.csv",
                     *(f"{n}.{k}" for n in ("ratio_speed", "accuracy_energy", "energy") for k in ("svg", "png"))}
    with (made.out / "comparison.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == len(made.rows)
    for line, row in zip(lines, made.rows, strict=True):
        assert line["datapath"] == row.datapath and line["why"] == row.why
        assert float(line["speed_gain_base"] or 0) == pytest.approx(row.gain("speed") or 0)
    page = (made.out / "comparison.html").read_text()
    assert len(read_page(page).scripts) == 3 and len(specs(page)) == 4
    assert "needs an architecture with operation units" in page and "reading" in page
    assert json.loads(json.dumps(comparison.plain(made.rows)))[0]["gains"]["base"]["speed"] == 1


def test_a_hostile_name_is_text():
    from xbarch.render.interactive.documents import document_html
    from xbarch.specs.study import Study
    from xbarch.studies.comparison import pages

    name = "<script>alert(1)</script>|`"
    row = Row(request=Request(arch="isaac_like", workload=name, datapath="dense"), architecture="isaac_like",
              why="why <b>not</b>")
    asked = Study(architectures=["isaac_like"], workloads=[name], title=name)
    page = read_page(document_html(pages.document(asked, [row], [], "xbarch compare")))
    assert len(page.scripts) == 3 and page.said["h1"] == [name] and "why <b>not</b>" in page.texts


def test_rows_say_an_architectures_own_name(tmp_path):
    """Two of the same name are told apart by how they were asked for."""
    for file, name in (("granite", "granite_like"), ("slate", "basalt_like"), ("chalk", "basalt_like")):
        (tmp_path / f"{file}.yaml").write_text(f"extends: isaac_like\nname: {name}\n")
    files = [str(tmp_path / f"{file}.yaml") for file in ("granite", "slate", "chalk")]
    rows = comparison.compare(files, [WORKLOAD], datapaths=["dense"], policies=["one_copy"], images=1,
                              out=tmp_path / "out")
    assert [r.architecture for r in rows] == ["granite_like", *files[1:]]
    assert "`dense` on `granite_like`" in (page := (tmp_path / "out/comparison.md").read_text())
    assert "granite.yaml" not in page and "slate.yaml" in page


def test_front_is_what_nothing_surpasses():
    points = [(1, 5), (2, 4), (2, 3), (3, 1), (0.5, 5), (3, 1), (2.5, 4)]
    best = {i for i, (x, y) in enumerate(points)
            if not any((a >= x and b >= y) and (a > x or b > y) for a, b in points)}
    found = front(points)
    assert {points[i] for i in found} == {points[i] for i in best} and len(found) == len({points[i] for i in best})
    assert [points[i][0] for i in found] == sorted(points[i][0] for i in found)


def test_every_run_has_the_same_crossbars_unless_asked_otherwise(made):
    """Granted: four times the dense network's, as dense gets itself; copies and tiles are told of each."""
    on_base = [r for r in made.rows if r.figures and r.architecture == "isaac_like"]
    assert {r.request.policy for r in made.rows} == {"crossbars:4"}
    assert len({r.figures.budget for r in on_base}) == 1 and len(on_base) == 3
    for r in on_base:
        assert r.figures.used <= r.figures.budget and r.figures.copies == r.figures.used / r.figures.crossbars


@pytest.mark.full
def test_unequal_resources_are_said_in_one_sentence():
    rows = comparison.compare(["isaac_like"], [WORKLOAD], policies=["fit"], images=2)
    dense, own = (r.figures for r in rows)
    assert (dense.budget, own.budget, dense.tiles, own.tiles) == (192, 96, 2, 1)
    assert comparison.warnings(rows) == [
        "Resources differ from the dense base's: the crossbars granted of 1 run (at the widest 96 against 192) and the "
        "tiles of 1 run (at the widest 1 against 2); a policy crossbars:K grants all runs the same."]
    assert comparison.warnings([replace(r, figures=dense, base=dense) for r in rows]) == []


def test_a_single_image_gives_no_speed_up(made):
    """A latency is no rate: no speed-up, no density, and a sentence says why."""
    row = next(r for r in made.rows if r.datapath == "meng" and r.architecture == "isaac_like")
    alone = replace(row, figures=replace(row.figures, images_per_second=None))
    assert alone.gain("speed") is None and alone.gain("density") is None and alone.gain("energy") is not None
    assert "run two or more" in comparison.warnings([alone])[-1]
    assert set(picture.draw([alone])) == {"accuracy_energy", "energy"}  # nothing to draw a speed-up of


def test_pictures_and_tables_have_one_scope(made):
    """The bars add up to the saving in the table, for a link of any name."""
    def renamed(figures):
        return replace(figures, components={s: {{"hypertransport": "pcie"}.get(n, n): e for n, e in parts.items()}
                                            for s, parts in figures.components.items()})

    ran = [replace(r, figures=renamed(r.figures), base=renamed(r.base)) for r in made.rows if r.figures]
    for scope in ("compute", "chip", "whole"):
        rows = [replace(r, scope=scope) for r in ran if r.datapath != "dense"]
        axes = picture.draw(rows)["energy"].axes[0]
        drawn = {}
        for bar in axes.patches:
            if bar.get_width():
                place = round(bar.get_y() + bar.get_height() / 2)
                drawn[place] = drawn.get(place, 0) + bar.get_width()
        assert drawn == pytest.approx({place: 1 / r.gain("energy") for place, r in enumerate(rows)})
        assert axes.get_xlabel().endswith(f"scope {scope}")
        assert ("pcie" in {text.get_text() for text in picture.draw(rows)["energy"].legends[0].get_texts()}) == (
            scope == "whole")


def test_ratio_of_nothing_kept():
    figures = Figures(weights=10, kept=0, crossbars=1, used=1, budget=1, tiles=1, images_per_second=1.0,
                      first_image_ps=1, energy={}, components={}, area=1.0, added=0.0, adc_bits=8, index_bits=0,
                      conversions=0, bound="link", converters="", exact=None, clipped_share=None,
                      on_this_machine=None, layers=[])
    assert figures.ratio == 10


@pytest.mark.parametrize("text, says", [
    ("kind: study\narchitectures: [isaac_like]\nworkloads: [vgg7_pruned]\ndatapaths: [own, nope]\n",
     ":4: datapaths.1: unknown data path 'nope'; choose own, all, "),
    ("kind: study\narchitectures: [nowhere]\nworkloads: [vgg7_pruned]\n", "nowhere: no such file"),
    ("kind: study\narchitectures: [isaac_like]\nworkloads: [nothing]\n", "nothing: no such workload"),
    ("kind: study\narchitectures: [isaac_like]\nworkloads: []\n", ":3: workloads: "),
    ("kind: study\narchitectures: [isaac_like]\nworkloads: [vgg7_pruned]\npolicies: [huge]\n", "huge"),
    ("kind: study\narchitectures: [isaac_like]\nworkloads: [vgg7_pruned]\ncolour: red\n", ":4: colour: unknown key"),
])
def test_studies_refused(tmp_path, text, says):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        comparison.study(path, out=tmp_path / "out")
    assert says in str(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.full
def test_bundled_studies_are_whole():
    from xbarch.specs.load import document, load
    from xbarch.specs.search import Search
    from xbarch.specs.study import Study
    from xbarch.specs.sweep import Sweep
    from xbarch.support import bundled

    for name in bundled.names("studies"):
        model = {"sweep": Sweep, "search": Search, "study": Study}[document(name, kind="studies").data["kind"]]
        asked = load(name, model, kind="studies")
        assert all(xbarch.load(w) for w in asked.workloads) and asked.title


def test_dense_runs_are_shared_by_networks_of_equal_layers(made):
    """Dense packing looks at no weight: what a pruned network's dense run measures is what its baseline's does."""
    def dense(workload):
        return Request(arch="isaac_like", workload=workload, datapath="dense", images=1)

    shared = _Shared(Bench(processes=1))
    first, second = (shared.figures(dense(w)) for w in ("resnet18_dense", "resnet18_xue"))
    assert shared.of(dense("resnet18_xue")) == dense("resnet18_dense")
    assert first.kept > second.kept and first.energy == second.energy
    run = xbarch.simulate("isaac_like", "resnet18_xue", images=1, datapath="dense")
    assert second.energy["compute"] == run["energy.scopes_aj.compute"]
    assert second.images_per_second is None and second.first_image_ps == run["latency.first_image_ps"]
    assert shared.of(dense("resnet18_huai")) == dense("resnet18_huai")  # powers of two need no multiplier


def test_the_own_base_loses_nothing():
    """Differential signs on 128 rows of 2-bit cells need nine bits, more than the machine's eight."""
    from xbarch.specs.study import Study

    asked = Study(architectures=["isaac_like"], workloads=[WORKLOAD], datapaths=["tinyadc", "xue", "meng"])
    found = {line.request.datapath: line.own for line in lines(asked, Contents())}
    assert found["tinyadc"].options == {"sign": "differential"}
    assert found["tinyadc"].overrides == ("crossbar.adc_bits=9",)
    assert found["xue"].overrides == ("crossbar.cell_bits=1",) and found["meng"].overrides == ()


@pytest.mark.full
def test_matrix_has_every_pair_or_its_reason(tmp_path):
    from xbarch.plugins import registry
    from xbarch.studies.comparison import sections
    from xbarch.studies.comparison.matrix import table

    rows = comparison.matrix(["isaac_like", "sre_like"], WORKLOAD, images=2, out=tmp_path / "matrix.md")
    lines = {line[0]: line[1:] for line in table(rows)}
    assert len(lines) == len(registry.datapaths()) and lines["Dense"] == ["1× / 1×", "1× / 1×"]
    assert lines["SRE"][0] == "–" and "/" in lines["SRE"][1] and "Hybrid-P (assumed)" in lines
    own, dense = (next(r for r in rows if (r.architecture, r.datapath) == ("sre_like", d))
                  for d in ("sre", "dense"))
    speed = own.figures.images_per_second / dense.figures.images_per_second
    assert lines["SRE"][1].startswith(f"{speed:.3g}×")
    text = (tmp_path / "matrix.md").read_text()
    assert "needs an architecture with operation units" in text and "SegPrune on every machine" in text
    _, bounds, converters, machines = (section.table.rows for section in sections(rows)[:4])
    assert {line[0]: line[1] for line in bounds}["Dense"] == dense.base.bound
    assert {line[0]: line[1] for line in converters}["Dense"] == "exact"
    assert [line[0] for line in machines] == ["isaac_like", "sre_like"]


def test_a_comparison_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    """What was answered is not run again, and the table is that of a comparison without interruption."""
    from xbarch.studies.runs import batch

    given = {"datapaths": ["own", "xue"], "policies": ["fit", "one_copy"], "images": 1, "processes": 1}
    whole, run, ran = comparison.compare(ARCHES, [WORKLOAD], **given), batch.answer, []

    def answer(request, *more, ends=None):
        if len(ran) == ends:
            raise KeyboardInterrupt
        ran.append(request)
        return run(request, *more)

    monkeypatch.setattr(batch, "answer", lambda *given: answer(*given, ends=5))
    with pytest.raises(KeyboardInterrupt):
        comparison.compare(ARCHES, [WORKLOAD], **given, out=tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir() if p.suffix != ".sqlite"] == []
    monkeypatch.setattr(batch, "answer", answer)
    told = []
    rows = comparison.compare(ARCHES, [WORKLOAD], **given, out=tmp_path / "out",
                              progress=lambda done, total, text: told.append((done, total)))
    assert told[0][0] == 5 and len(ran) == len(set(ran)) == told[-1][1] > 8
    assert rows == whole and not list((tmp_path / "out").glob("*.sqlite*"))


@pytest.mark.full
def test_parallel_rows_are_those_of_one_process(made):
    given = {"datapaths": ["own", "forms", "xue"], "images": 2}
    assert comparison.compare(ARCHES, [WORKLOAD], **given, processes=2) == made.rows


@pytest.mark.parametrize("command", [
    ("simulate", "-a", "bad.yaml", "-w", WORKLOAD), ("compare", "-a", "bad.yaml", "-w", WORKLOAD),
    ("compare", "-a", "isaac_like,bad.yaml", "-w", WORKLOAD), ("matrix", "-a", "bad.yaml"), ("validate", "bad.yaml")])
def test_an_architecture_that_cannot_be_built_is_named_by_file_and_line(call, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("extends: isaac_like\nname: bad_like\nnetwork:\n  options: {wdth: 3}\n")
    code, out, error = call(*command)
    assert (code, out) == (2, "") and error.startswith("xbarch: bad.yaml:4: network.options.wdth: unknown key 'wdth'")
    assert error.count("\n") == 1


@pytest.mark.full
def test_every_choice_of_a_run_can_vary():
    """Each variant is compared with dense of its own kind, and is the plain run."""
    rows = comparison.compare(["isaac_like"], [WORKLOAD], policies=["one_copy"], images=2, axes={
        "mode": ["pipelined", "layer_by_layer"], "crossbar.rows, crossbar.columns": [128, 64]})
    assert len(rows) == 2 * 2 * 2 and len({r.variant for r in rows}) == 4
    row = next(r for r in rows if r.datapath == "meng"
               and r.variant == "mode=layer_by_layer, crossbar.rows=64, crossbar.columns=64")
    run, base = (xbarch.simulate("isaac_like", WORKLOAD, policy="one_copy", images=2, mode="layer_by_layer", datapath=d,
                                 overrides=["crossbar.rows=64", "crossbar.columns=64"]) for d in ("meng", "dense"))
    assert row.figures.images_per_second == run["throughput.images_per_second"]
    assert row.gain("speed") == run["throughput.images_per_second"] / base["throughput.images_per_second"]
    assert row.policy == f"one_copy, {row.variant}"


def test_an_option_varies_for_the_data_paths_that_have_it():
    """Dense packing has no `diagonal`: it runs once, and every variant is compared with it."""
    rows = comparison.compare(["isaac_like"], [WORKLOAD], policies=["one_copy"], images=1,
                              axes={"options.diagonal": [False, True]})
    assert [(r.datapath, r.variant) for r in rows] == [
        ("dense", ""), ("meng", "options.diagonal=False"), ("meng", "options.diagonal=True")]
    runs = [xbarch.simulate("isaac_like", WORKLOAD, policy="one_copy", images=1, options=o, datapath=d)
            for d, o in (("dense", None), ("meng", {"diagonal": False}), ("meng", {"diagonal": True}))]
    assert [r.figures.first_image_ps for r in rows] == [r["latency.first_image_ps"] for r in runs]
    assert all(r.base == rows[0].figures for r in rows)


@pytest.mark.parametrize(("axes", "says"), [
    ({"chips": [0]}, "chips: must be a whole number from 1 to 10,000, not 0"),
    ({"mode": ["pipe"]}, "unknown mode 'pipe'"),
    ({"options.group": [8]}, "unknown key 'group'"),
    ({"imges": [8]}, "unknown key 'imges'"),
])
def test_wrong_axes_are_refused_before_anything_runs(axes, says, tmp_path):
    with pytest.raises(InputError) as caught:
        comparison.compare(["isaac_like"], [WORKLOAD], axes=axes, out=tmp_path / "out")
    assert says in str(caught.value) and not (tmp_path / "out" / "comparison.md").exists()


# -- options and required data paths --------------------------------------------------------------------------

def requests(**changes):
    asked = Study(architectures=["isaac_like"], workloads=[WORKLOAD], images=1, **changes)
    return [(line.request.arch, line.request.datapath, line.request.options) for line in lines(asked, Contents())]


def test_data_paths_take_options():
    """Those beside a name go before those for the data path, and these before those for all that have them."""
    assert requests(datapaths=["meng:group_ch=16"], options={"meng": {"group_ch": 8}})[1][2] == {"group_ch": 16}
    assert requests(datapaths=["xue", "dense:sign=differential", "own"], options={
        "all": {"group_ch": 4}, "meng": {"group_ch": 8}}) == [
        ("isaac_like", "dense", {}), ("isaac_like", "xue", {}),
        ("isaac_like", "dense", {"sign": "differential"}), ("isaac_like", "meng", {"group_ch": 8})]


@pytest.mark.parametrize(("changes", "says"), [
    ({"datapaths": ["dense:sign"]}, "datapaths.0: must be name=value, not 'sign'"),
    ({"datapaths": ["dens:sign=offset"]}, "datapaths.0: unknown data path 'dens'"),
    ({"datapaths": ["dense:sgn=offset"]}, "unknown key 'sgn'"),
    ({"datapaths": ["dense", "xue"], "options": {"all": {"sgn": 1}}},
     "options: none of the data paths dense and xue has the option 'sgn'"),
    ({"options": {"dens": {}}}, "options: unknown data path 'dens'"),
])
def test_wrong_options_are_refused(changes, says):
    with pytest.raises(InputError, match=says):
        requests(**changes)


def test_runs_of_one_data_path_are_told_apart_by_their_options(call, tmp_path):
    """In the table, in JSON, in the report and its CSV, and in the names of results."""
    words = ("compare", "-a", "isaac_like", "-w", WORKLOAD, "--images", "1", "-d", "dense,dense:sign=differential",
             "--out", str(tmp_path))
    code, out, _ = call(*words)
    assert code == 0 and "dense:sign=differential" in out
    code, out, _ = call(*words, "--json")
    assert [(r["datapath"], r.get("options")) for r in json.loads(out)] == [
        ("dense", None), ("dense", {"sign": "differential"})]
    assert "Dense (sign=differential)" in (tmp_path / "comparison.md").read_text()
    with (tmp_path / "comparison.csv").open() as lines_:
        assert [row["options"] for row in csv.DictReader(lines_)] == ["", "sign=differential"]
    runs = [xbarch.simulate("isaac_like", WORKLOAD, images=1, datapath="dense", options=options)
            for options in (None, {"sign": "offset"}, {"sign": "differential"})]
    assert [run.name.split(" · ")[1] for run in runs] == ["dense", "dense", "dense:sign=differential"]


def test_an_option_is_for_all_that_have_it(call):
    code, out, _ = call("compare", "-a", "isaac_like", "-w", WORKLOAD, "--images", "1", "-d", "dense,meng",
                        "-o", "group_ch=8", "--json")
    assert code == 0 and [r.get("options") for r in json.loads(out)] == [None, {"group_ch": 8}]


def test_a_required_data_path_runs_in_place_of_others(tmp_path):
    """It is said, there is no dense run of that machine, and the base machine may require one, too."""
    file = tmp_path / "needy.yaml"
    file.write_text("extends: isaac_like\nname: needy\ndatapath: {name: xue, required: true}\n")
    rows = comparison.compare(["isaac_like", file], [WORKLOAD], datapaths=["own", "xue"], images=1)
    assert [(r.architecture, r.datapath) for r in rows] == [
        ("isaac_like", "dense"), ("isaac_like", "meng"), ("isaac_like", "xue"), ("needy", "xue")]
    assert rows[3].gain("energy") == rows[2].gain("energy") != 1 and rows[3].gain("energy", "own") is None
    said = "needy requires the data path xue, so only that one ran there, and not dense or meng."
    assert said in comparison.warnings(rows)
    alone = comparison.compare([file], [WORKLOAD], images=1, out=tmp_path / "page.html")
    assert [(r.datapath, r.gain("energy")) for r in alone] == [("xue", 1.0)]
    page = (tmp_path / "page.html").read_text()
    assert said in page and "is <code>xue</code> on <code>needy</code>" in page
