"""What a record says of itself adds up."""

import csv
import json
from fractions import Fraction

import pytest
from rigs import isaac, single
from webpages import read_page

import xbarch
from xbarch.errors import InputError
from xbarch.render.interactive.compared import compared_page
from xbarch.render.interactive.pages import html
from xbarch.result.record import record
from xbarch.result.result import parse, read
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "vgg7_pruned", images=4)


def test_energy_adds_up(result):
    e = result["energy"]
    assert sum(e["by_component_aj"].values()) == e["per_image_aj"] == e["scopes_aj"]["whole"]
    assert sum(e["by_layer_aj"].values()) == e["dynamic_aj"] == e["scopes_aj"]["chip"]
    assert e["scopes_aj"]["whole"] - e["scopes_aj"]["chip"] == sum(e["static_aj"].values())
    # 1 W for the interval, in attojoules: 10.4 W * interval
    assert e["static_aj"]["hypertransport"] == pytest.approx(10.4e6 * result["latency.pipeline_interval_ps"], rel=1e-9)
    assert e["scopes_aj"]["chip"] - e["scopes_aj"]["compute"] == e["by_component_aj"].get("router", 0)


def test_components_of_every_scope_add_up(result):
    """Each table holds the components that declare the scope or one inside it, whatever they are called."""
    e, spec = result["energy"], load("isaac_like", Architecture)
    for number, scope in enumerate(("compute", "chip", "whole")):
        table, inside = e["by_scope_aj"][scope], {"compute", "chip", "whole"} if number == 2 else {
            "compute", "chip"} if number else {"compute"}
        assert sum(table.values()) == e["scopes_aj"][scope]
        assert all(spec.components[name].scope in inside for name in table if name in spec.components)
    assert e["by_scope_aj"]["whole"] == e["by_component_aj"]
    assert set(e["by_scope_aj"]["whole"]) - set(e["by_scope_aj"]["chip"]) == {"hypertransport"}
    assert e["layers_by_scope_aj"]["whole"] == e["by_layer_aj"]
    less = e["layers_by_scope_aj"]["compute"]
    assert sum(less.values()) == e["scopes_aj"]["compute"] and set(less) == set(e["by_layer_aj"])


@pytest.mark.full
def test_constant_power_of_tiles_counts_where_the_scope_has_them():
    """Drawn by an occupied tile in scope compute, by every tile of the chip beyond."""
    result = xbarch.simulate("puma_like", "vgg7_pruned", images=2, datapath="dense")
    e, interval, spec = result.energy, Fraction(result.latency.pipeline_interval_ps), load("puma_like", Architecture)
    assert spec.components["tile_control"].scope == "compute"  # 0.5 mW a tile
    assert e.by_scope_aj.compute["tile_control"] == pytest.approx(int(500 * interval * result.mapping.tiles), abs=1)
    assert e.by_scope_aj.chip["tile_control"] == pytest.approx(int(500 * interval * spec.hierarchy.tiles), abs=1)
    assert e.by_scope_aj.chip["tile_control"] == e.by_component_aj["tile_control"] == e.static_aj["tile_control"]


def test_one_image_has_a_latency_and_no_rate():
    alone = xbarch.simulate("isaac_like", "vgg7_pruned", images=1)
    assert alone["throughput.images_per_second"] is None and alone["effective.tops"] is None
    assert alone["dense_equivalent.tops_per_mm2"] is None
    assert alone.latency.pipeline_interval_kind == "single"
    assert alone.latency.pipeline_interval_ps == alone.latency.first_image_ps
    assert alone.effective.tops_per_w_by_scope.chip > 0  # operations per energy need no rate


def test_a_bound_names_its_server_and_has_no_interval_of_its_own(result):
    """The busiest server works longer for an image than the mean of the times between images."""
    alike = xbarch.simulate("isaac_like", "resnet18_pruned", images=8)  # several servers are busy for as long
    assert alike.latency.bound_by == alike.utilization.busiest.name
    latency = xbarch.simulate("isaac_like", "vgg7_pruned", images=8).latency
    assert latency.pipeline_interval_kind == "bound" and latency.bound_by == "crossbar@features.3.0.tile0.2"
    assert latency.pipeline_interval_95_ps is None and not latency.steady
    assert latency.pipeline_interval_ps == latency.bounds_ps[0] / 8


def test_waiting_is_that_of_every_visit(tmp_path):
    """Σ (granted - asked) over the rows of the trace, by kind of server; the engines agree to the picosecond."""
    trace = tmp_path / "t.csv"
    found = xbarch.simulate("isaac_like", "vgg7_pruned", images=2, engine="simpy", trace=trace).waiting
    by_kind, by_server = {}, {}
    with trace.open() as lines:
        for row in csv.DictReader(lines):
            if server := row["server"]:
                waited = int(row["granted_ps"]) - int(row["asked_ps"])
                by_server[server] = by_server.get(server, 0) + waited
                kind = server.partition("@")[0]
                by_kind[kind] = by_kind.get(kind, 0) + waited
    assert found.by_kind_ps == {kind: waited // 2 for kind, waited in by_kind.items()}
    assert found.longest_ps == max(by_server.values()) // 2 == by_server[found.longest] // 2 > 0
    assert xbarch.simulate("isaac_like", "vgg7_pruned", images=2, engine="fast").waiting == found


def test_rates_follow_from_the_interval(result):
    seconds = result["latency.pipeline_interval_ps"] / 1e12
    assert result["throughput.images_per_second"] == pytest.approx(1 / seconds)
    assert result["power.average_w"] == pytest.approx(result["energy.per_image_aj"] / 1e18 / seconds)
    network = xbarch.load("vgg7_pruned")
    macs = sum(la.windows * la.rows * la.filters for la in network.compute_layers)
    assert result["counts.macs"] == macs
    assert result["dense_equivalent.tops"] == pytest.approx(2 * macs / seconds / 1e12)
    assert result["effective.tops"] < result["dense_equivalent.tops"]
    low, high = result["latency.bounds_ps"]
    assert low <= result["latency.makespan_ps"] <= high


def test_areas(result):
    a = result["area"]
    assert sum(a["by_component_mm2"].values()) == pytest.approx(a["total_mm2"])
    assert a["used_mm2"] < a["total_mm2"]
    dense = xbarch.simulate("isaac_like", "vgg7_pruned", images=1, datapath="dense")
    scaling = 168 * 0.00699  # its scales are no powers of two
    assert dense["area.total_mm2"] - scaling == pytest.approx(85.4, rel=5e-3)
    assert "demux" in a["by_component_mm2"] and "demux" not in dense["area.by_component_mm2"]


def test_utilization_by_hand():
    """512 x 32 of 16 bits fills every crossbar of a tile at peak rate: cells full, word lines busy, ADCs 129/128."""
    run = isaac(single(512, 32, 600), images=1, ideal=("off_chip", "network"))
    u = record(run).document()["utilization"]
    interval = float(run.steady.interval_ps)
    busy = 600 * 16 * 100_000 / 12 / interval  # a copy's share of the interval
    assert u["cells"] == 1
    assert u["cells_chip"] == pytest.approx(1 / 168)
    assert u["crossbar_time"] == pytest.approx(busy)
    assert u["adc_time"] == pytest.approx(busy * 129 * 781 / 100_000)  # 1.28 GS/s is 781 whole picoseconds


def test_tables_and_files(result, tmp_path):
    layers, components = result.layers(), result.components()
    assert layers["energy_aj"].sum() == result["energy.dynamic_aj"]
    assert components["area_mm2"].sum() == pytest.approx(result["area.total_mm2"])
    saved = read(result.save(tmp_path / "r.json"))
    assert saved.data == json.loads(result.to_json()) and saved.name == result.name
    (tmp_path / "r.json").write_text('{"schema": "other"}')
    with pytest.raises(InputError, match=r"schema: must be xbarch.result/2 or xbarch.result/1, not 'other'"):
        read(tmp_path / "r.json")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "absent.json")


def test_a_folder_is_read_by_its_record(result, tmp_path):
    result.save(tmp_path / "result.json")
    assert read(tmp_path).data == read(str(tmp_path / "result.json")).data
    with pytest.raises(InputError, match=r"result.json: cannot be read"):
        read(tmp_path.parent)
    with pytest.raises(InputError, match=r"path: must be a result.json or its folder, not nothing"):
        read(None)


@pytest.mark.parametrize(("key", "says"), [
    ("energy.per_image", "no figure 'energy.per_image'; did you mean energy.per_image_aj"),
    ("throughput.image_per_second", "did you mean throughput.images_per_second"),
    ("latency.pipeline_interval_ps.mean", "did you mean latency.pipeline_interval_ps"),
    ("latency.interval_ps", "did you mean latency.pipeline_interval_ps?"),
    ("latency.interval_95_ps", "did you mean latency.pipeline_interval_95_ps?"),
    ("zzzzzzzz", "the parts are schema, provenance, architecture, datapath"),
    ("", "no figure ''"), (3, "no figure '3'"),
])
def test_a_figure_that_is_not_there(result, key, says):
    with pytest.raises(KeyError) as caught:
        result[key]
    assert says in caught.value.args[0]


def damaged(result, place, **changes):
    """The refusal of a saved record with fields changed, by dotted path."""
    data = json.loads(result.to_json())
    for path, value in changes.items():
        *above, last = path.split("__")
        at = data
        for step in above:
            at = at[step]
        at[last] = value
    (place / "r.json").write_text(json.dumps(data))
    with pytest.raises(InputError) as caught:
        read(place / "r.json")
    return str(caught.value).removeprefix(f"{place / 'r.json'}: ")


def test_records_too_large_to_show(result, tmp_path):
    span = {"name": "x", "start_ps": [1] * 6_000, "stop_ps": [2] * 6_000}
    assert damaged(result, tmp_path, timeline=[span, span]) == (
        "timeline: must have at most 10,000 spans in all, not 12,000")
    assert damaged(result, tmp_path, timeline=[{**span, "start_ps": [], "stop_ps": []}] * 2_001) == (
        "timeline: must have at most 2,000 items, not 2,001")
    layer = result["mapping.layers"][0]
    assert "mapping.layers: must have at most 2,000 items" in damaged(result, tmp_path, mapping__layers=[layer] * 2_001)


def test_a_record_that_is_untrue_of_its_weights(result, tmp_path):
    assert damaged(result, tmp_path, provenance__weights="synthetic") == (
        "provenance.weights: must be 'trained' as workload.trained_on says, not 'synthetic'")
    assert damaged(result, tmp_path, workload__synthetic=True) == (
        "workload.synthetic: must be false where trained_on names data")
    assert damaged(result, tmp_path, workload__trained_on=None) == (
        "workload.synthetic: must be true where trained_on is null")
    assert damaged(result, tmp_path, workload__accuracy={"baseline": 98.0}) == (
        "workload.accuracy.baseline: must be at most 1, not 98.0")


def test_a_record_of_many_images_holds_the_spans_of_the_first(tmp_path):
    many = xbarch.simulate("isaac_like", single(1, 1, 1), images=6_000)
    assert [len(span["start_ps"]) for span in many["timeline"]] == [5_000, 5_000] and many["images"] == 6_000
    assert read(many.save(tmp_path / "r.json")).data == json.loads(many.to_json())


@pytest.mark.quick(2)
@pytest.mark.parametrize("payload", ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "\x1b[31mred",
                                     "</title><svg onload=alert(1)>", "{{ 7 * 7 }}", "javascript:alert(1)"])
def test_names_do_not_come_alive(result, payload):
    data = json.loads(result.to_json())
    data["workload"]["name"] = data["architecture"]["name"] = data["policy"] = payload
    page = read_page(html(compared_page([parse(data), result], payload)))
    assert len(page.scripts) == 3 and page.said["title"] == [payload.replace("\x1b", "?")]
