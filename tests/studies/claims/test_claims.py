"""The claims report on tiny networks, every figure against direct runs or its closed form."""

import csv
import re
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from webpages import read_page, specs

import xbarch
from xbarch.cli import app
from xbarch.datapaths import dense
from xbarch.datapaths.base import Geometry
from xbarch.errors import InputError
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import dense_crossbars
from xbarch.parts.scaling.adc import IsaacSplit
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.studies.claims import pages, report
from xbarch.studies.claims.desk import Desk
from xbarch.studies.claims.equal import Equal
from xbarch.studies.claims.figures import FIGURES, Figure, Step, sentence
from xbarch.studies.claims.published import ADCS, CLAIMS, DENSE, MATCHED, OWN, PAPERS
from xbarch.studies.claims.report import claims, largest_networks
from xbarch.studies.claims.rows import cases
from xbarch.studies.runs.bench import STORE, Bench
from xbarch.units import parse
from xbarch.workload import store
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.infer import infer
from xbarch.workload.precision import widen

GEOMETRY = Geometry(128, 128, 2, dac_bits=1, adc_bits=8, unit_column=True)
METHODS = {"resnet18_pruned": "meng", "resnet18_huai": "huai", "resnet18_segprune": "segprune", "resnet18_xue": "xue",
           "vgg16_segprune": "segprune", "field/vgg16_sre_8x": "sre"}
DENSES = ("resnet18_dense", "vgg16_dense")
RIVALS = {"field/vgg16_hybrid_p_8x": "hybrid_p"}  # a base of claims on other workloads
IMAGES = 2
ROOT = Path(__file__).parents[3]


def network(name, method):
    """Two convolutions and a linear layer with random weights; the second convolution is pruned to a quarter."""
    rng = np.random.default_rng(5)
    shapes = {"conv1": (64, 3, 3, 3), "conv2": (64, 64, 3, 3), "fc": (10, 64, 1, 1)}
    exact = {n: rng.laplace(0, 1.5, s) for n, s in shapes.items()}
    path = registry.datapath(method, {"adc_bits": {"*": 2, "conv1": 3}} if method == "xue" else {})
    scale = 0.25 if method == "huai" else 0.3  # a power of two needs no multiplier

    def layer(name, op, source, before, after, **more):
        made = Layer(name=name, op=op, inputs=(source,), in_shape=before, out_shape=after, weight_bits=4,
                     input_bits=more.pop("bits", 4), output_bits=4, scale=np.full(after[0], scale), **more)
        weights, mask = exact[name], None
        if method == "xue" or (method != "dense" and name == "conv2"):
            projected = path.project(weights, made, GEOMETRY, 0.25)
            weights, mask = projected.weights, projected.mask
        integers = np.clip(np.rint(weights), -7, 7).astype(np.int16)
        return replace(made, weights=lambda: integers, mask=None if mask is None else lambda: mask)

    kernel = {"kernel": (3, 3), "padding": (1, 1), "relu": True}
    return Workload(
        name=name, layers=(
        Layer(name="input", op="input", inputs=(), in_shape=(3, 8, 8), out_shape=(3, 8, 8), output_bits=8),
        layer("conv1", "conv", "input", (3, 8, 8), (64, 8, 8), bits=8, **kernel),
        layer("conv2", "conv", "conv1", (64, 8, 8), (64, 8, 8), **kernel),
        Layer(name="pool", op="avgpool", inputs=("conv2",), in_shape=(64, 8, 8), out_shape=(64, 1, 1), kernel=(8, 8),
              stride=(8, 8), input_bits=4, output_bits=4),
        layer("fc", "linear", "pool", (64, 1, 1), (10, 1, 1)),
    ), datapath=method, options={"adc_bits": {"*": 2, "conv1": 3}} if method == "xue" else {},
        trained_on="digits & <more>",
        accuracy={"baseline": 0.9} if method == "dense" else {"baseline": 0.9, "cut": 0.5, "pruning": 0.895})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("workloads")
    for name, method in {**dict.fromkeys(DENSES, "dense"), **METHODS, **RIVALS}.items():
        store.save(network(name.rpartition("/")[2], method), made / name, {"data": {"test": 359}})
    return made


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    """(rows, folder of the report)."""
    out = tmp_path_factory.mktemp("report")
    return claims(out, workloads=folder, images=IMAGES), out


def pick(rows, workload, figure, **wanted):
    found = [r for r in rows if r.workload == workload and r.figure == figure
             and all(getattr(r, k) == v for k, v in wanted.items())]
    assert found
    assert len({r.simulated for r in found}) == 1
    return found[0]


def simulate(folder, workload, policy="fit", overrides=(), architecture="isaac_like", **more):
    return xbarch.simulate(architecture, folder / workload, policy=policy, images=IMAGES, overrides=overrides, **more)


# -- figures --------------------------------------------------------------------------------------------------

@pytest.mark.full
@pytest.mark.parametrize("workload", [name for name in METHODS if "/" not in name])
def test_gains_are_those_of_direct_runs(folder, written, workload):
    rows, policy = written[0], "fit"
    a, b = simulate(folder, "resnet18_dense", policy, datapath="dense"), simulate(folder, workload, policy)
    figure = "TOPS/W gain" if workload.endswith("xue") else "energy gain"
    for scope in ("compute", "chip", "whole"):
        row = pick(rows, workload, figure, base="own", policy=policy, scope=scope, adc="isaac_split")
        assert row.simulated == a["energy.scopes_aj"][scope] / b["energy.scopes_aj"][scope]
    assert row.crossbar_gain == a["mapping.one_copy_crossbars"] / b["mapping.one_copy_crossbars"]
    assert row.bound_gain == a["mapping.interval_bound_ps"] / b["mapping.interval_bound_ps"]
    assert row.window_gain == a["mapping.window_weighted_ps"] / b["mapping.window_weighted_ps"]


@pytest.mark.full
def test_the_dense_tops_per_watt_gain_is_the_energy_gain(folder, written):
    """The same operations an image on both sides."""
    a, b = simulate(folder, "resnet18_dense"), simulate(folder, "resnet18_xue")
    row = pick(written[0], "resnet18_xue", "TOPS/W gain", base="own", policy="fit", scope="whole", adc="isaac_split")
    assert row.simulated == pytest.approx(b["dense_equivalent.tops_per_w_by_scope.whole"]
                                          / a["dense_equivalent.tops_per_w_by_scope.whole"])


def test_matched_base_and_other_prices(folder, written):
    row = pick(written[0], "resnet18_xue", "TOPS/W gain", base="matched", policy="fit", scope="compute", adc="capdac")
    change = ["crossbar.cell_bits=1", "components.adc.scaling=capdac"]
    a = simulate(folder, "resnet18_dense", overrides=change, datapath="dense", options={"sign": "differential"})
    b = simulate(folder, "resnet18_xue", overrides=change)
    assert row.simulated == a["energy.scopes_aj.compute"] / b["energy.scopes_aj.compute"]
    prices = {adc.name: pick(written[0], "resnet18_xue", "TOPS/W gain", base="own", policy="fit", scope="compute",
                             adc=adc.name).simulated for adc in ADCS}
    assert prices["capdac"] > prices["isaac_split"] > prices["forms"]  # the dearer 8 bits over 3, the more they save


@pytest.mark.parametrize("periphery", ["balanced", pytest.param("published", marks=pytest.mark.full)])
def test_speed_power_and_density(folder, written, periphery):
    rows, _ = written

    def pair(workload, policy):
        how = {"replication": "stripes"} if periphery == "balanced" else {}
        return (simulate(folder, w, policy, periphery=periphery, **how) for w in ("resnet18_dense", workload))

    a, b = pair("resnet18_huai", "one_copy")
    seconds = a["latency.pipeline_interval_ps"] / b["latency.pipeline_interval_ps"]
    energy = a["energy.scopes_aj.compute"] / b["energy.scopes_aj.compute"]
    power = pick(rows, "resnet18_huai", "power gain", base="own", policy="one_copy", scope="compute",
                 periphery=periphery)
    assert power.simulated == pytest.approx(energy / seconds)
    a, b = pair("resnet18_xue", "one_copy")
    density = pick(rows, "resnet18_xue", "TOPS/mm² gain", base="own", policy="one_copy", adc="isaac_split",
                   periphery=periphery)
    assert density.simulated == pytest.approx(
        a["latency.pipeline_interval_ps"] * a["area.used_mm2"] / b["latency.pipeline_interval_ps"] / b["area.used_mm2"])
    a, b = pair("resnet18_segprune", "crossbars:2")
    speed = pick(rows, "resnet18_segprune", "speed gain", policy="crossbars:2", periphery=periphery)
    assert speed.simulated == b["throughput.images_per_second"] / a["throughput.images_per_second"]


def test_area(folder, written):
    a, b = simulate(folder, "resnet18_dense"), simulate(folder, "resnet18_huai")
    area = pick(written[0], "resnet18_huai", "area gain", base="own", policy="fit")
    assert area.simulated == a["area.used_mm2"] / b["area.used_mm2"]
    assert area.ratio == 18.8 / area.simulated


def test_what_depends_on_pace_says_what_binds(folder, written):
    """Only where crossbars bind both runs is it set against the published figure; the balanced periphery is first."""
    rows = [r for r in written[0] if r.status == "measured"]
    timed = [r for r in rows if r.figure in ("speed gain", "power gain", "TOPS/mm² gain", "speed gain / crossbar gain")]
    assert {r.periphery for r in timed} == {"balanced", "published"} and timed[0].periphery == "balanced"
    for row in timed:
        own = row.bound_by == "crossbars / crossbars"
        assert ("no speed of the method" not in row.why) == own and ("crossbars bind both runs" in row.why) == own
        assert (row.ratio is not None) == (own and row.published is not None)
    assert {r.bound_by for r in rows if r not in timed} == {""}
    a, b = (simulate(folder, w, "crossbars:2") for w in ("resnet18_dense", "resnet18_segprune"))
    row = pick(rows, "resnet18_segprune", "speed gain", policy="crossbars:2", periphery="published")
    assert row.bound_by == f"{a.bound.by} / {b.bound.by}"


def test_relations_are_ratios_of_gains(written):
    rows, _ = written
    for workload, figure, gain in (("resnet18_segprune", "energy gain / crossbar gain", "energy gain"),
                                   ("resnet18_segprune", "speed gain / crossbar gain", "speed gain")):
        for row in (r for r in rows if r.workload == workload and r.figure == figure):
            whole = pick(rows, workload, gain, policy=row.policy, scope=row.scope, periphery=row.periphery,
                         base=row.base, **({"adc": "isaac_split"} if row.scope else {}))
            assert row.simulated == pytest.approx(whole.simulated / row.crossbar_gain)
    row = pick(rows, "resnet18_pruned", "energy gain / weight gain", base="own", scope="compute")
    kept = network("resnet18_pruned", "meng").compute_layers
    weights = sum(la.rows * la.filters for la in kept) / sum(la.kept_weights for la in kept)
    energy = pick(rows, "resnet18_pruned", "energy gain", base="own", scope="compute", adc="isaac_split")
    assert row.simulated == pytest.approx(energy.simulated / weights)


def test_figures_without_runs(folder, written):
    rows, _ = written
    layers = network("resnet18_pruned", "meng").compute_layers
    every, kept = sum(la.rows * la.filters for la in layers), sum(int(la.kept.sum()) for la in layers)
    assert pick(rows, "resnet18_pruned", "compression").simulated == pytest.approx(32 / 4 * every / kept)
    layers = network("resnet18_huai", "huai").compute_layers
    removed = 1 - sum(int(la.kept.sum()) for la in layers) / every
    assert pick(rows, "resnet18_huai", "weights removed").simulated == pytest.approx(100 * removed)
    change = pick(rows, "resnet18_huai", "change of accuracy")
    assert change.simulated == pytest.approx(-0.5) and change.ratio is None
    assert change.accuracy == {"baseline": 0.9, "cut": 0.5, "pruning": 0.895}


def test_adc_bits_hold_the_largest_sums(written):
    row = pick(written[0], "resnet18_xue", "ADC bits")
    needed = {}
    for la in network("resnet18_xue", "xue").compute_layers:
        largest = 0
        for start in range(0, la.rows, 128):
            part = la.matrix[start:start + 128].astype(int)
            for signed in (part, -part):
                largest = max(largest, *((np.maximum(signed, 0) >> p & 1).sum(axis=0).max() for p in range(3)))
        needed[la.name] = int(largest).bit_length()
    assert row.simulated == max(needed.values()) <= 3
    for bits in set(needed.values()):
        assert f"{list(needed.values()).count(bits)} layers need {bits}" in row.why


def test_added_area_is_the_share_of_the_chip(written):
    row = pick(written[0], "resnet18_segprune", "added area", base="own")
    path = registry.datapath("segprune")
    machine = Machine(load("isaac_like", Architecture))
    base = machine.areas()[1]
    multiplier = machine.architecture.components["requantizer"].area * machine.tiles
    assert machine.architecture.components["requantizer"].when == "scales" and base > multiplier  # built here too
    added = path.components(GEOMETRY)
    assert {part.level for part in added} == {"ima"}
    share = Fraction(sum(part.area * part.count for part in added) * machine.tiles * 12, base)
    assert row.simulated == pytest.approx(float(100 * share)) and row.simulated < 0.27
    assert row.ratio == pytest.approx(0.27 / row.simulated)


def test_smallest_chip_is_that_of_fit(folder, written):
    row = pick(written[0], "resnet18_huai", "smallest chip, tiles")
    before, after = (simulate(folder, w)["mapping.tiles"] for w in ("resnet18_dense", "resnet18_huai"))
    assert row.simulated == before / after and row.published is None and row.ratio is None
    assert f"{before} tiles" in row.why
    found = largest_networks(Desk(Bench(), folder, IMAGES))
    assert [c.tiles for c in found] == sorted({before, after})
    assert found[-1].before in DENSES and {c.after for c in found} == {"resnet18_huai"}


def test_the_eight_bit_base_grows_cells_and_phases(folder, written):
    narrow = store.load(folder / "resnet18_dense")
    wide = widen(narrow, 8, 8)
    assert [(la.weight_bits, la.input_bits) for la in wide.compute_layers] == [(8, 8)] * 3
    assert wide.layers[0] == narrow.layers[0]
    by_base = {base: pick(written[0], "resnet18_huai", "energy gain", base=base, policy="fit", scope="compute",
                          adc="isaac_split") for base in ("own", "8-bit")}
    assert by_base["8-bit"].crossbar_gain > by_base["own"].crossbar_gain
    assert by_base["8-bit"].simulated > 2 * by_base["own"].simulated
    assert not [r for r in written[0] if r.base == "8-bit" and r.policy.startswith("crossbars")]


# -- chains and sentences -------------------------------------------------------------------------------------

def test_the_factors_of_a_sentence_explain_the_figure(written):
    """First link times the factors is the result, to the three digits written."""
    checked = 0
    for row in written[0]:
        if ", × " not in row.why:
            continue
        chain = row.why.partition(": ")[0].split(", × ")
        product = float(chain[0].split()[0].rstrip("×%"))
        for part in chain[1:]:
            product *= float(part.split()[0])
        assert product == pytest.approx(row.simulated, rel=0.04), row.why
        checked += 1
    assert checked > 50


def test_sentence():
    figure = Figure(label="gain", unit="×", chain=lambda pair, scope: [])
    steps = [Step(8.0, "fewer weights"), Step(4.0, "packing"), Step(4.0, "nothing"), Step(5.0, "rest")]
    assert sentence(steps, figure) == "8× fewer weights, × 0.5 for packing, × 1.25 for rest: 5×"
    assert sentence([], figure) == "" and sentence(steps[:1], figure) == "8× fewer weights"


# -- what is missing ------------------------------------------------------------------------------------------

def test_workloads_that_are_not_stored_are_named(written):
    rows, _ = written
    of_forms = ("forms", "16-bit inputs", "16-bit levels")
    for row in rows:
        lacking = row.workload not in METHODS
        assert (row.status == f"not available: workload {row.workload} is not stored") == lacking
        assert (row.simulated is None) == (lacking or row.base in of_forms)
        if row.base in of_forms:
            assert lacking or row.status == "not available: workload field/vgg16_forms_8x is not stored"
    assert {r.workload for r in rows} == set(DENSE)


def test_a_missing_base_is_named(tmp_path, folder):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "resnet18_xue").symlink_to(folder / "resnet18_xue")
    rows = claims(None, workloads=tmp_path / "w", images=2)
    assert {r.status for r in rows if r.workload == "resnet18_xue"} == {
        "not available: workload resnet18_dense is not stored"}


def test_a_rival_is_the_base_of_its_claims(folder, written):
    """SegPrune's gain over Hybrid-P is between two pruned networks, each by its own data path."""
    rows = [r for r in written[0] if r.base == "hybrid_p"]
    assert {r.figure for r in rows} == {"weight ratio", "speed gain", "energy gain"}
    a, b = simulate(folder, "field/vgg16_hybrid_p_8x"), simulate(folder, "vgg16_segprune")
    found = pick(written[0], "vgg16_segprune", "energy gain", base="hybrid_p", policy="fit", scope="compute")
    assert found.simulated == pytest.approx(a["energy.scopes_aj.compute"] / b["energy.scopes_aj.compute"])
    kept = [sum(la.kept_weights for la in store.load(folder / n).compute_layers)
            for n in ("field/vgg16_hybrid_p_8x", "vgg16_segprune")]
    assert pick(written[0], "vgg16_segprune", "weight ratio", base="hybrid_p").simulated == kept[0] / kept[1]


def test_methods_run_on_machines_of_their_own(folder, written):
    """SRE on operation units against the dense network on them, and on full rows of another machine."""
    own = simulate(folder, "field/vgg16_sre_8x", "crossbars:2", architecture="sre_like")
    for base, architecture in (("units", "sre_like"), ("full rows", "isaac_like")):
        dense_ = simulate(folder, "vgg16_dense", "crossbars:2", architecture=architecture, datapath="dense")
        assert dense_["mapping.budget"] == own["mapping.budget"]
        found = pick(written[0], "field/vgg16_sre_8x", "speed gain", base=base, periphery="published")
        assert found.simulated == pytest.approx(own["throughput.images_per_second"]
                                                / dense_["throughput.images_per_second"])


@pytest.mark.full
def test_what_does_not_fit_says_so(folder):
    rows = claims(None, workloads=folder, policies=["crossbars:1"], images=2)
    matched = [r for r in rows if r.base == "matched" and r.workload == "resnet18_xue" and r.policy]
    assert matched and all(r.status.startswith("does not fit: one copy of each layer needs") for r in matched)


# -- data -----------------------------------------------------------------------------------------------------

def test_claims_are_well_formed():
    papers = {p.key for p in PAPERS}
    for claim in CLAIMS:
        assert claim.paper in papers and claim.figure in FIGURES and claim.workloads
        assert set(claim.workloads) <= set(DENSE) and set(claim.adcs) <= {a.name for a in ADCS}
        assert not claim.adcs or (FIGURES[claim.figure].runs and len(claim.adcs) >= 2)
    assert {p.key for p in PAPERS} == {c.paper for c in CLAIMS}
    assert all(p.bases[0] is OWN for p in PAPERS[:4]) and len({p.key for p in PAPERS}) == len(PAPERS)


def test_bases_are_lossless_as_they_say():
    """8 bits hold the largest sum of the machine's own encoding and of the matched one."""
    narrow = replace(GEOMETRY, cell_bits=1)
    assert GEOMETRY.lossless_bits(dense.largest(128, GEOMETRY, "offset")) == 8
    assert narrow.lossless_bits(dense.largest(128, narrow, "differential")) == 8
    assert MATCHED.options == (("sign", "differential"),) and MATCHED.overrides == ("crossbar.cell_bits=1",)
    assert load("isaac_like", Architecture).crossbar.adc_bits == 8


def test_the_price_of_forms_is_its_converter_scaled():
    """0.226 pJ and 284 um² at 4 bits, taken to 8 bits as isaac_split does."""
    energy, area = IsaacSplit().energy(4), IsaacSplit().area(4)
    overrides = dict(o.split("=") for o in ADCS[2].overrides)
    assert parse(overrides["components.adc.power"], "power") / parse("16 mW", "power") == pytest.approx(
        float(Fraction("0.22619") / energy), rel=1e-3)
    assert float(overrides["components.adc.area"].split()[0]) / 0.0096 == pytest.approx(
        float(Fraction("284.375") / area), rel=1e-3)


def test_budgets_larger_than_a_chip_take_more_chips(folder):
    desk = Desk(Bench(), folder)

    def chips(policy):
        return desk.request("resnet18_dense", policy=policy).chips

    assert chips("fit") == chips("crossbars:16") == 1
    single = simulate(folder, "resnet18_dense")["mapping.dense_crossbars"]
    assert chips(f"crossbars:{16128 // single}") == 1
    assert chips(f"crossbars:{16128 // single + 1}") == 2


def test_runs_are_shared(folder):
    """Claims that need the same run get the same one."""
    found = [c for c in cases() if c.policy and c.workload == "resnet18_segprune"]
    desk, seen = Desk(Bench(processes=1), folder, 1), []
    asked = [request for case in found for request in (case.before(desk), case.after(desk))]
    desk.run(asked, lambda done, total, text: seen.append((done, total)))
    assert len(set(asked)) < len(asked) and seen[-1] == (len(set(asked)), len(set(asked)))
    desk.run(asked, lambda done, total, text: seen.append((done, total)))
    assert seen[-1] == (len(set(asked)), len(set(asked))) and len(seen) == len(set(asked)) + 2


# -- files ----------------------------------------------------------------------------------------------------

def test_files(written):
    rows, out = written
    assert sorted(p.name for p in out.iterdir()) == ["claims.csv", "claims.html", "claims.md", "claims.svg",
                                                     "equal_loss.csv"]
    with (out / "claims.csv").open(newline="") as stream:
        read = list(csv.DictReader(stream))
    assert len(read) == len(rows)
    for line, row in zip(read, rows, strict=True):
        assert (line["claim"], line["workload"], line["status"]) == (row.claim, row.workload, row.status)
        assert (float(line["simulated"]) if line["simulated"] else None) == row.simulated
        assert (float(line["accuracy_cut"]) if line["accuracy_cut"] else None) == row.accuracy.get("cut")
    text = (out / "claims.md").read_text(encoding="utf-8")
    page = (out / "claims.html").read_text(encoding="utf-8")
    for claim in CLAIMS:
        assert claim.says in text
    for paper in PAPERS:
        assert paper.cite in text
    assert "+180 %" in page and "not available: workload vgg16_xue is not stored" in page
    found = read_page(page)
    assert len(found.scripts) == 3 and len(specs(page)) == 1
    assert any("digits & <more>" in said for said in found.texts)
    assert (out / "claims.svg").read_bytes().startswith(b"<?xml")


def test_all_four_files_or_none(written, tmp_path, monkeypatch):
    """Even where the last cannot be written only after the runs."""
    monkeypatch.setattr(report, "writable", lambda *_: (tmp_path / "claims.svg").mkdir())
    with pytest.raises(InputError, match=r"claims\.svg: cannot be written: it is a folder"):
        claims(tmp_path, workloads=tmp_path, images=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["claims.svg", STORE]  # answers stay for the next call


def test_tables_are_rectangular(written, folder):
    made = pages.Report(written[0], largest_networks(Desk(Bench(), folder, IMAGES)),
                        dict.fromkeys(DENSE, ("digits", 359)), IMAGES, Equal((), (), ()))
    tables = [s.table for s in pages.sections(made) if s.table]
    assert len(tables) >= 12
    assert all(len(row) == len(t.heads) for t in tables for row in t.rows)


@pytest.mark.full
def test_same_bytes_twice(written, folder, tmp_path):
    claims(tmp_path, workloads=folder, images=IMAGES)
    for name in ("claims.csv", "claims.html", "claims.md", "claims.svg"):
        assert (tmp_path / name).read_bytes() == (written[1] / name).read_bytes()


# -- how it is called -----------------------------------------------------------------------------------------

@pytest.mark.full
def test_callable_from_python(folder, tmp_path):
    rows = xbarch.claims(None, workloads=folder, policies=["fit"], images=2)
    assert {r.policy for r in rows} == {"", "fit"} and not list(tmp_path.iterdir())


@pytest.fixture
def call(capsys, monkeypatch):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["xbarch", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        return stop.value.code or 0, out.out, out.err
    return run


def test_command(call, folder, tmp_path):
    code, out, _ = call("report", "claims", "--workloads", folder, "--out", tmp_path / "o", "--policy", "fit",
                        "--images", 1)
    assert code == 2 and "images: must be 2 or more, not 1" in _
    code, out, _ = call("report", "claims", "--workloads", folder, "--out", tmp_path / "o", "--policy", "fit",
                        "--images", 2)
    assert code == 0 and "not available: workload vgg16_huai is not stored" in out
    assert (tmp_path / "o" / "claims.html").is_file()
    assert call("report")[0] == 2


@pytest.mark.parametrize("words, said", [
    (("--policy", "best"), "not 'best'"),
    (("--images", "0"), "images: must be a whole number from 1 to 10,000, not 0"),
    (("--workloads", "nowhere"), "nowhere: no such folder"),
    (("--out", "/proc/claims"), "cannot be written"),
])
def test_bad_input(call, folder, tmp_path, words, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = call("report", "claims", "--workloads", folder, *words)
    assert code == 2 and said in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_bad_input_from_python(folder):
    with pytest.raises(InputError, match="must be a whole number from 1 to"):
        claims(None, workloads=folder, images=0)


# -- what a recipe sets, readings, policies --------------------------------------------------------------------

def test_what_a_recipe_sets_has_no_factor(written):
    """A ratio that training is told is no finding, whatever the paper reports."""
    told = {"compression", "weights", "sparsity"}
    assert all(claim.recipe for claim in CLAIMS if claim.figure in told)
    rows = [r for r in written[0] if r.recipe]
    assert rows and all(r.ratio is None for r in rows)
    page = (written[1] / "claims.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith("| 88.25 % of VGG-16's") and "resnet18" in line)
    assert line.endswith("| set by the recipe |")


def test_each_figure_has_the_policy_that_the_documentation_names(written):
    text = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    named = re.search(r"energy and area by `(.*?)`, speed by\s+`(.*?)`,\s+TOPS/mm²\s+and power\s+by\s+`(.*?)`", text)
    assert named is not None
    said = {"energy": named[1], "TOPS/W": named[1], "area": named[1], "speed": named[2], "speed / crossbars": named[2],
            "TOPS/mm²": named[3], "power": named[3]}
    assert {figure: FIGURES[figure].policy for figure in said} == said
    assert {(r.figure, r.policy) for r in written[0] if r.policy} <= {(f.label, f.policy) for f in FIGURES.values()}


def test_crossbars_policies_give_both_sides_the_same_budget(folder):
    desk = Desk(Bench(), folder, IMAGES)
    found = [c for c in cases() if c.policy.startswith("crossbars") and desk.network(c.workload)
             and desk.network(c.rival)]
    assert len(found) > 5
    for case in found:
        a, b = (desk.setup(r) for r in (case.before(desk), case.after(desk)))
        assert dense_crossbars(a.network, a.machine.geometry) == dense_crossbars(b.network, b.machine.geometry)


def test_what_counts_is_read_both_ways(folder, written):
    """Meng et al.: the whole tile, or the array and what senses it, on crossbars that hold a group in one piece."""
    a, b = (simulate(folder, w, overrides=["crossbar.rows=144"], **how) for w, how in (
        ("resnet18_dense", {"datapath": "dense"}), ("resnet18_pruned", {})))
    parts = [[r["energy.by_component_aj"][part] for part in ("crossbar", "adc", "sample_hold", "shift_add")]
             for r in (a, b)]
    array = pick(written[0], "resnet18_pruned", "energy gain, array and converters", base="144 rows")
    assert array.simulated == pytest.approx(sum(parts[0]) / sum(parts[1]))
    whole = pick(written[0], "resnet18_pruned", "energy gain", base="144 rows", scope="compute")
    assert whole.simulated == pytest.approx(a["energy.scopes_aj.compute"] / b["energy.scopes_aj.compute"])
    chip = pick(written[0], "resnet18_pruned", "energy gain", base="NeuroSim's chip", scope="compute")
    a, b = (simulate(folder, w, architecture="neurosim_rram_like", **how) for w, how in (
        ("resnet18_dense", {"datapath": "dense"}), ("resnet18_pruned", {})))
    assert chip.simulated == pytest.approx(a["energy.scopes_aj.compute"] / b["energy.scopes_aj.compute"])


def test_bases_of_six_and_eight_cells(folder, written):
    """The dense network takes as many crossbars as the pruned one on Xue's cells; on the matched base it converts 8 bit
    lines per weight for the pruned network's 6."""
    six = pick(written[0], "resnet18_xue", "TOPS/W gain", base="6 cells", scope="compute", adc="linear")
    assert six.crossbar_gain == 1
    eight = pick(written[0], "resnet18_xue", "TOPS/W gain", base="matched", scope="compute", adc="linear")
    a = simulate(folder, "resnet18_dense", overrides=["crossbar.cell_bits=1"], datapath="dense",
                 options={"sign": "differential"})
    b = simulate(folder, "resnet18_xue", overrides=["crossbar.cell_bits=1"])
    assert a["counts.conversions"] * 6 == b["counts.conversions"] * 8 and eight.simulated > six.simulated


def test_each_layers_own_bits(folder, written):
    """Conversions of a layer at the price of the bits that its largest sum needs: counted by hand, of a price that is
    in proportion to the bits."""
    change = ["crossbar.cell_bits=1", "components.adc.scaling=linear"]
    a = simulate(folder, "resnet18_dense", overrides=change, datapath="dense", options={"sign": "differential"})
    b = simulate(folder, "resnet18_xue", overrides=change)
    bits, conversions = {}, {}
    for la in network("resnet18_xue", "xue").compute_layers:
        parts = [la.matrix[start:start + 128].astype(int) for start in range(0, la.rows, 128)]
        largest = max((np.maximum(sign * part, 0) >> p & 1).sum(axis=0).max()
                      for part in parts for sign in (1, -1) for p in range(3))
        bits[la.name] = int(largest).bit_length()
        conversions[la.name] = len(parts) * 6 * la.filters * la.windows * la.input_bits
    assert sum(conversions.values()) == b["counts.conversions"]
    built = max(bits.values())
    share = sum(conversions[n] * bits[n] for n in bits) / (sum(conversions.values()) * built)
    energy = b["energy.scopes_aj.compute"] - (1 - share) * b["energy.by_component_aj.adc"]
    row = pick(written[0], "resnet18_xue", "TOPS/W gain, each layer's own bits", base="matched", scope="compute",
               adc="linear")
    assert len(set(bits.values())) > 1 and row.simulated == pytest.approx(a["energy.scopes_aj.compute"] / energy)


def test_lists_with_room_of_their_own(written):
    """The same parts, but latches of 10 bits for each of 128 rows and 32 weight columns of 8 crossbars in place of one
    word: at the area of ISAAC's input register per bit."""
    free, held = (pick(written[0], "resnet18_segprune", "added area", base=base)
                  for base in ("own", "own, lists in SRAM"))
    machine = Machine(load("isaac_like", Architecture))
    register = machine.architecture.components["input_register"]
    bits = {"own": 256, "own, lists in SRAM": (128 + 32) * 10 * 8}
    more = (bits["own, lists in SRAM"] - bits["own"]) * 2_100_000_000 // 16_384 * machine.tiles * 12
    assert register.area == 2_100_000_000
    assert held.simulated - free.simulated == pytest.approx(100 * more / machine.areas()[1], rel=0.01)
    assert held.ratio < 1 < free.ratio


def test_the_remainder_is_the_last_factor(written):
    for row in written[0]:
        if row.figure == "speed gain" and row.remainder is not None:
            assert row.simulated == pytest.approx(row.bound_gain * row.remainder)
            shares = [int(share) / 100 for share in re.findall(r"at (\d+)\xa0?%", row.why)]
            assert len(shares) == 2 and max(shares) <= 1
            assert row.remainder == pytest.approx(shares[1] / shares[0], rel=0.05)
            assert "for the remainder, " in row.why or abs(row.remainder - 1) < 0.005


def stored_gains(paper, figure):
    """Of the report in the repository, by workload and base."""
    with (ROOT / "reports" / "claims" / "claims.csv").open(newline="", encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if (r["paper"], r["figure"], r["scope"]) == (paper, figure, "compute")
                and r["adc"] in ("", "isaac_split")]
    return {(r["workload"], r["base"]): float(r["simulated"]) for r in rows}


def test_neurosims_prices_do_not_explain_the_published_gain():
    """As the report says of Meng et al.: in the stored report, on NeuroSim's chip the whole tile gains less."""
    gains = stored_gains("meng", "energy gain")
    for workload in ("resnet18_pruned", "vgg16_meng"):
        assert gains[workload, "NeuroSim's chip"] < gains[workload, "own"] < gains[workload, "144 rows"] < 7


def test_both_readings_of_the_inputs_of_forms(tmp_path, folder):
    """Levels in the low bits of 16, whose leading zeros FORMS skips and its base does not; or levels of 16 bits."""
    (tmp_path / "w" / "field").mkdir(parents=True)
    stored = network("forms", "dense")
    stored = replace(stored, layers=tuple(
        replace(la, scale=np.array([1 / 64])) if la.op == "avgpool" else la for la in stored.layers))
    image = np.random.default_rng(2).integers(0, 256, (1, 3, 8, 8))
    inputs = {**infer(stored, image[0]), "input": image[0]}
    stored = replace(stored, datapath="forms", activations={
        la.name: inputs[la.inputs[0]][None].astype(np.uint8) for la in stored.compute_layers})
    for name in ("vgg16_forms_8x", "vgg16_forms_unsigned"):
        store.save(stored, tmp_path / "w" / "field" / name, {})
    desk = Desk(Bench(processes=1), tmp_path / "w", IMAGES)
    claim = next(c for c in CLAIMS if c.paper == "forms" and c.figure == "TOPS/W")
    found = {c.base.name: c for c in cases([claim]) if c.base.workload}
    assert tuple(found) == ("optimized", "16-bit inputs", "16-bit levels")
    own, low, fine = ([xbarch.simulate(r)["counts.conversions"] for r in (c.before(desk), c.after(desk))]
                      for c in found.values())
    image = (64 * 2 + 1) * 64 * 8  # bit lines with the reference, windows, bits of the first layer's inputs
    assert low[0] == fine[0] == image + (own[0] - image) * 16 // 4
    assert low[1] == own[1]  # leading zeros are skipped
    assert own[1] < fine[1] <= 12 * own[1]


def test_the_published_gain_of_forms_lies_between_the_readings():
    """As docs/deviations.md says, with these figures."""
    gains = {base: gain for (_, base), gain in stored_gains("forms", "TOPS/W gain").items()}
    least, most = gains["16-bit levels"], gains["16-bit inputs"]
    assert least < gains["optimized"] < 1.93 < most
    assert f"{least:.2f} to {most:.2f} times GOPS/W" in (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
