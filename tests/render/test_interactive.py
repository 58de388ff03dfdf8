"""The page of a run: what it holds, and in a browser what its tables and charts do."""

import json
import re

import pytest
from webpages import HOSTILE, read_page, specs

import xbarch
from xbarch.render import look
from xbarch.render.interactive import bundle
from xbarch.render.interactive.pages import embedded, html
from xbarch.render.interactive.runs import run_page
from xbarch.result.result import parse


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "resnet18_pruned", images=3)


def test_the_page_stands_alone(result):
    text = html(run_page(result))
    page = read_page(text)
    assert text == html(run_page(result))
    assert text.startswith("<!doctype html>") and result.name in page.texts
    assert [name for name in result.timeline if name.name not in text] == []
    assert bundle.vega() and "vegaEmbed" in text  # the script was made with the installation


def test_charts_are_of_the_vega_lite_language(result):
    """By the schema of the language that Altair brings."""
    altair = pytest.importorskip("altair")
    found = specs(html(run_page(result)))
    assert len(found) == 6
    for chart in found:
        altair.Chart.from_dict(chart["spec"], validate=True)
        assert chart["spec"]["params"][0] == {"name": "picked", "value": ""}


def test_charts_have_the_numbers_of_the_record(result):
    *drawn, chip = specs(html(run_page(result)))
    busy, energy, waits, time, parts = (chart["spec"]["data"]["values"] for chart in drawn)
    layers = {m.name: m for m in result.mapping.layers}
    assert all(v["busy"] == pytest.approx(100 * layers[v["key"]].busy * bool(layers[v["key"]].crossbars)) for v in busy)
    assert sum(v["energy"] for v in energy) == pytest.approx(result.energy.dynamic_aj / 1e12)
    shares = {}
    for value in waits:
        shares[value["key"]] = shares.get(value["key"], 0) + value["share"]
    assert shares and all(share == pytest.approx(100) for share in shares.values())
    assert len(time) == sum(len(span.start_ps) for span in result.timeline)
    assert sum(v["energy"] for v in parts) == pytest.approx(result.energy.scopes_aj.chip / 1e12)
    places = [value for layer in chip["spec"]["layer"] for value in layer["data"]["values"]]
    net, known = result.interconnect, {value["name"]: value for value in places}
    assert {t.tile: 100 * t.busy for t in net.tiles} == {n: v["busy"] for n, v in known.items() if v["used"] and
                                                         isinstance(n, int)}
    assert {link.name: 100 * link.busy for link in net.links if link.line} == {
        name: value["busy"] for name, value in known.items() if isinstance(name, str)}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_obeyed(result, name):
    data = json.loads(json.dumps(result.data))
    data["workload"]["name"] = name
    for entry in (data["mapping"]["layers"][1], data["timeline"][1]):
        entry["name"] = name
    text = html(run_page(parse(data)))
    assert len(read_page(text).scripts) == 3 and specs(text)


def test_json_never_ends_its_element():
    text = embedded({"a": "</script>\u2028<!--", "<b>": 1})
    assert "<" not in text and text.isascii() and json.loads(text)["<b>"] == 1
    assert json.loads(embedded({"a": ["</script>", 1, None]})) == {"a": ["</script>", 1, None]}


def test_without_the_script_there_are_tables(result, monkeypatch):
    monkeypatch.setattr("xbarch.render.interactive.pages.vega", lambda: "")
    text = html(run_page(result))
    assert len(read_page(text).scripts) == 2 and len(text) < 2e5 and "written without the library" in text


def test_colours_are_those_of_every_picture(result):
    found = {colour for chart in specs(html(run_page(result))) for colour in re.findall(r"#[0-9a-f]{6}", str(chart))}
    assert found <= {*look.PALETTE, *look.BLUES, *look.REDS, look.OTHERS, look.GREY}


@pytest.mark.parametrize("policy", ["fit", "one_copy"])
def test_no_chart_has_a_layer_without_values(policy):
    """Of which the browser's console would be told: on one tile no link is used, on all tiles no other is left."""
    page = html(run_page(xbarch.simulate("isaac_like", "digit_pairs/vgg7_segprune_8x", policy=policy, images=1)))
    found = [part for chart in specs(page) for part in [chart["spec"], *chart["spec"].get("layer", [])]]
    assert found and all(part["data"]["values"] for part in found if "data" in part)
