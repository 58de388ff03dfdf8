"""The field's report on three stored points and a study of one: chosen points, gains from plain runs, files whole."""

import csv
import math
import sys

import pytest
from webpages import read_page, specs

import xbarch
from xbarch.cli import app
from xbarch.errors import InputError
from xbarch.kept.measured import measure
from xbarch.studies.accuracy.rows import reach
from xbarch.studies.field import field, pages
from xbarch.studies.field.findings import sentences
from xbarch.studies.field.rows import LOSSES
from xbarch.support import bundled

POINTS = ("vgg7_huai_2x", "vgg7_huai_8x", "vgg7_xue_2bit")
STUDY = """
kind: study
architectures: [isaac_like]
workloads: [vgg7_pruned, "{gone}"]
policies: [fit, one_copy]
images: 2
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("field")
    points = home / "points <b>&"
    points.mkdir()
    for name in POINTS:
        (points / name).symlink_to(bundled.folder("workloads") / "digit_pairs" / name)
    (home / "study.yaml").write_text(STUDY.format(gone=home / "gone"))
    found = field(home / "report", workloads=points, study=home / "study.yaml")
    return found, home / "report", points


@pytest.mark.full
def test_a_method_is_taken_at_equal_loss(made):
    found, _, points = made
    huai, xue = found.methods
    assert (huai.name, huai.points, xue.name, xue.points) == ("huai", 2, "xue", 1)
    both = [measure(points / n) for n in POINTS[:2]]
    assert huai.reaches == tuple(reach(both, loss, lambda m: m.ratio) for loss in LOSSES)
    for loss, run, at in zip(LOSSES, huai.runs, huai.measured, strict=True):  # 2x loses little, 8x much more
        assert run.workload.endswith("vgg7_huai_2x") and at == both[0] and at.change >= -loss > both[1].change
    assert xue.runs == (None, None) and all(math.isfinite(r.ratio) for r in xue.reaches)


@pytest.mark.full
def test_gains_are_those_of_plain_runs(made):
    found, _, points = made
    run = found.methods[0].runs[0]
    a, b = (xbarch.simulate("isaac_like", points / POINTS[0], policy="crossbars:4", images=2, datapath=d)
            for d in ("dense", "huai"))
    assert run.gain("energy") == pytest.approx(a["energy.scopes_aj.chip"] / b["energy.scopes_aj.chip"])
    assert run.gain("speed") == pytest.approx(b["throughput.images_per_second"] / a["throughput.images_per_second"])


def test_what_is_not_stored_is_left_out(made):
    found = made[0]
    assert found.asked.workloads == ["vgg7_pruned"]
    assert {(r.datapath, r.policy) for r in found.large} == {
        (d, p) for d in ("dense", "meng") for p in ("fit", "one_copy")}


def test_files(made):
    found, out, _ = made
    names = {p.name for p in out.iterdir()}
    drawn = {"reach", "accuracy_energy", "ratio_speed", "large_ratio_speed", "large_energy"}
    assert names == {"field.md", "field.html", "field.csv", *(f"{n}.{k}" for n in drawn for k in ("svg", "png"))}
    with (out / "field.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [(line["method"], float(line["loss"])) for line in lines] == [
        (m, loss) for m in ("huai", "xue") for loss in LOSSES]
    assert float(lines[0]["energy_chip"]) == pytest.approx(found.methods[0].runs[0].gain("energy"))
    assert lines[2]["workload"] == "" and lines[2]["energy_chip"] == ""
    page = (out / "field.html").read_text()
    assert len(read_page(page).scripts) == 3 and len(specs(page)) >= 5


def test_tables_are_rectangular(made):
    for section in pages.document(made[0], [], "xbarch report field").sections:
        if section.table:
            assert {len(section.table.heads)} == {len(row) for row in section.table.rows} or not section.table.rows


def test_sentences_name_what_was_measured(made):
    said = sentences(made[0])
    assert any("least energy" in s and "Huai et al." in s for s in said)
    assert not any("nan" in s or "inf" in s for s in said)


@pytest.mark.quick(1)
@pytest.mark.parametrize(("words", "message"), [
    (["--workloads", "nowhere"], "no such folder; give one with stored workloads"),
    (["--workloads", "{empty}"], "no workload NETWORK_METHOD_POINT is stored here; train some with"),
    (["--study", "nowhere"], "no such"),
    (["--out", "{file}/x"], "cannot be written"),
])
def test_bad_input(tmp_path, monkeypatch, capsys, words, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    places = {"empty": tmp_path / "empty", "file": tmp_path / "file"}
    words = [w.format(**places) for w in words]
    out = [] if "--out" in words else ["--out", str(tmp_path / "out")]
    points = [] if "--workloads" in words else ["--workloads", str(bundled.folder("workloads") / "digit_pairs")]
    monkeypatch.setattr(sys, "argv", ["xbarch", "report", "field", *points, *out, *words])
    with pytest.raises(SystemExit) as stopped:
        app.main()
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and message in " ".join(said.split()) and said.count("\n") <= 3
    assert not (tmp_path / "out").exists()


def test_nothing_stored_is_said(tmp_path):
    (tmp_path / "vgg7_huai_2x").mkdir()
    with pytest.raises(InputError, match="no workload NETWORK_METHOD_POINT is stored here"):
        field(None, workloads=tmp_path)
