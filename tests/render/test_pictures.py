"""Pictures and the page of a comparison: what a reader must be able to see."""

import copy
import json
import re
import sys
import warnings
import xml.etree.ElementTree as tree

import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.render import compared, look, pictures
from xbarch.render.canvas import Boxes, Canvas, Label
from xbarch.render.interactive.compared import compared_page
from xbarch.render.interactive.pages import html as written
from xbarch.result.result import parse, read
from xbarch.result.summary import facts

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "vgg7_pruned", images=2)


def changed(result, **workload):
    data = copy.deepcopy(result.data)
    data["workload"].update(workload)
    if "trained_on" in workload:
        data["provenance"]["weights"] = "trained" if workload["trained_on"] else "synthetic"
    return parse(data)


def bars(canvas):
    """Every rectangle of a picture."""
    return [box for shape in canvas.shapes if isinstance(shape, Boxes) for box in shape.boxes]


def labels(canvas):
    return [shape.text for shape in canvas.shapes if isinstance(shape, Label)]


def test_short_bars_are_seen(result):
    data = copy.deepcopy(result.data)
    span, end = data["timeline"][0], max(t for s in data["timeline"] for t in s["stop_ps"])
    span["stop_ps"] = [start + 1 for start in span["start_ps"]]
    drawn = bars(pictures.timeline(parse(data)))
    drawn = [box for box in drawn if box[3] > 10]  # full bars are thinner
    longest = max(b - a for s in data["timeline"] for a, b in zip(s["start_ps"], s["stop_ps"], strict=True))
    widths = [width for _, _, width, _ in drawn]
    scale = max(widths) / longest
    assert min(widths) == pytest.approx(0.004 * end * scale)
    assert len(drawn) == sum(len(s["start_ps"]) for s in data["timeline"])
    right = max(x + width for x, _, width, _ in drawn)
    left = min(x for x, *_ in drawn)
    assert 1 <= (right - left) / (end * scale) <= 1.004  # from 0 to the end of the run, or a short bar beyond


def test_images_take_turns_in_seven_colours():
    many = xbarch.simulate("isaac_like", "vgg7_pruned", images=16)
    shapes = [s for s in pictures.timeline(many).shapes if isinstance(s, Boxes)]
    pale, full = shapes[::2], shapes[1::2]
    layers, busy = len(many.timeline), sum(m.crossbars > 0 for m in many.mapping.layers)
    assert [len(s.boxes) for s in pale] == [3 * layers] * 2 + [2 * layers] * 5
    assert [len(s.boxes) for s in full] == [3 * busy] * 2 + [2 * busy] * 5
    assert [s.fill for s in pale] == [s.fill for s in full] == list(look.PALETTE)


def test_the_time_line_tells_busy_from_first_to_last(result):
    """The full part of a bar is as long as the layer's crossbars are busy with an image."""
    pale, full = [s for s in pictures.timeline(result).shapes if isinstance(s, Boxes)][:2]
    spans = {span.name: span.stop_ps[0] - span.start_ps[0] for span in result.timeline}
    across = dict(zip(spans, pale.boxes, strict=True))
    layers = [m for m in result.mapping.layers if m.crossbars]
    scale = max(across[name][2] / long for name, long in spans.items() if long == max(spans.values()))
    for layer, (x, _, width, _) in zip(layers, full.boxes, strict=True):
        assert x == across[layer.name][0] and width <= across[layer.name][2] + 1e-9
        work = layer.busy * result.latency.pipeline_interval_ps
        assert width == pytest.approx(min(work, spans[layer.name]) * scale)
    assert sum(w for _, _, w, _ in full.boxes) < 0.8 * sum(w for _, _, w, _ in pale.boxes)


def test_bars_are_as_long_as_their_values(result):
    drawn = pictures.energy(result)
    expected = sorted((v for v in result.energy.by_scope_aj.chip.values() if v), reverse=True)
    assert [w / bars(drawn)[0][2] for _, _, w, _ in bars(drawn)] == pytest.approx([v / expected[0] for v in expected])
    busy, spent, *times = (s.boxes for s in pictures.layers(result).shapes if isinstance(s, Boxes))
    shown = [m for m in result.mapping.layers if m.crossbars or result.energy.by_layer_aj.get(m.name)]
    assert any(m.crossbars for m in shown) and not all(m.crossbars for m in shown)
    own = [m for m in shown if m.crossbars]
    assert [box[2] / busy[0][2] for box in busy] == pytest.approx([m.busy / own[0].busy for m in own])
    energies = [result.energy.by_layer_aj[m.name] for m in shown]
    assert [box[2] / spent[0][2] for box in spent] == pytest.approx([e / energies[0] for e in energies])
    known = {entry.name: entry for entry in result.layer_time}
    whole = [sum(known[m.name].held_ps.values()) + sum(known[m.name].waited_ps.values()) for m in shown]
    held = [known[m.name].held_ps["crossbar"] / all_ for m, all_ in zip(shown, whole, strict=True) if m.crossbars]
    assert [box[2] / times[0][0][2] for box in times[0]] == pytest.approx([h / held[0] for h in held])
    assert sum(box[2] for boxes in times for box in boxes) == pytest.approx(
        sum(map(bool, whole)) * times[0][0][2] / held[0])


def test_pictures_side_by_side_share_their_axis(result):
    """An energy is as long in the picture of every run of a page."""
    long = [bars(pictures.energy(result, most=most))[0][2] for most in (0, 2 * max(
        result.energy.by_scope_aj.chip.values()))]
    assert long[0] == pytest.approx(2 * long[1])


def test_plots_are_figures_with_the_numbers_of_the_record(result, tmp_path):
    from matplotlib.figure import Figure

    for name in ("energy", "timeline", "layers", "chip", "roofline"):
        figure = getattr(result.plot, name)()
        assert isinstance(figure, Figure)
        for kind in look.FORMATS:
            figure.savefig(tmp_path / f"{name}.{kind}")
        drawn = (tmp_path / f"{name}.svg").read_text()
        assert "<text" in drawn
        if name == "energy":  # how a notebook shows it
            assert re.findall("<text.*", figure._repr_svg_()) == re.findall("<text.*", drawn)
    axes = result.plot.roofline().axes[0]
    roof, point = axes.lines
    across, up = point.get_xydata()[0]
    assert up == pytest.approx(2 * result.counts.macs / result.latency.pipeline_interval_ps, rel=1e-9)
    ridge, top = roof.get_xydata()[1]
    assert up <= min(top, top * across / ridge) * (1 + 1e-9)  # below both roofs
    assert ridge * result.interconnect.link_gbs * 8e9 == pytest.approx(top * 1e12)
    with pytest.raises(InputError, match="unknown scope 'all'"):
        result.plot.energy("all")


def renamed(result, old, new):
    """The record with a component under another name."""
    def changed(value):
        if isinstance(value, dict):
            return {new if key == old else key: changed(inner) for key, inner in value.items()}
        return value

    return parse({**result.data, "energy": changed(result.data["energy"])})


def test_the_scope_and_no_name_decides_what_is_drawn(result):
    """An off-chip link is left out because it declares the scope whole, whatever it is called."""
    other = renamed(result, "hypertransport", "pcie")
    for scope, shown in (("compute", False), ("chip", False), ("whole", True)):
        drawn = pictures.energy(other, scope)
        assert ("pcie" in labels(drawn)) == shown and any(f"scope {scope}" in text for text in labels(drawn))
        total = sum(v for v in other.energy.by_scope_aj[scope].values())
        assert total == other.energy.scopes_aj[scope]
    plain, light = (shape for shape in pictures.energy(other, "whole").shapes if isinstance(shape, Boxes))
    assert len(plain.boxes) == len(light.boxes) + 1  # all of the link's power is constant


def test_text_lies_inside_the_picture(result):
    for draw in pictures.PICTURES.values():
        canvas = draw(changed(result, name="n" * 40))
        for shape in canvas.shapes:
            if isinstance(shape, Label):
                assert 0 < shape.y <= canvas.height, shape
                width = len(shape.text) * shape.size * 0.57
                left = shape.x - {"start": 0, "middle": width / 2, "end": width}[shape.anchor]
                assert left >= -1 and left + width <= canvas.width + 1, shape


@pytest.mark.full
@pytest.mark.parametrize("kind", look.FORMATS)
def test_same_record_same_bytes(result, tmp_path, kind):
    """Keys are sorted in a saved file; no picture depends on their order."""
    saved = read(result.save(tmp_path / "r.json"))
    start = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[kind]
    for draw in pictures.PICTURES.values():
        drawn = pictures.render(draw, result, kind)
        assert drawn.startswith(start) and drawn == pictures.render(draw, saved, kind)


def test_letters_without_a_glyph_are_no_warning(result):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for draw in pictures.PICTURES.values():
            assert pictures.render(draw, changed(result, name="網路模型"), "png").startswith(b"\x89PNG")


HOSTILE = ["<script>alert(1)</script>", "a\x1b[31mb", "a\x00b", "a\u202eb\u2066c", "\ufffe", "a\nb\tc", "]]>",
           "&amp;\"'"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_damages_a_picture(result, name):
    """Every name of a record at once: the picture is well-formed, and nothing but text."""
    data = json.loads(json.dumps(result.data))
    for path in (("workload", "name"), ("interconnect", "placement")):
        data[path[0]][path[1]] = name
    for entry in (data["mapping"]["layers"][0], data["timeline"][0], data["interconnect"]["busiest"]):
        entry["name"] = name
    for table in (data["energy"], data["energy"]["by_scope_aj"]):
        for part in {"by_component_aj", "static_aj", "chip"} & set(table):
            table[part] = {f"{name}{key}": value for key, value in table[part].items()}
    hostile = parse(data)
    for draw in pictures.PICTURES.values():
        drawn = pictures.render(draw, hostile)
        root = tree.fromstring(drawn)
        assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {"svg", "title", "rect", "path", "text"}
        assert drawn.decode().replace("\n", "").isprintable()


def test_figures_of_studies_show_no_control_characters():
    from matplotlib.figure import Figure

    with look.styled():
        figure = Figure()
        figure.subplots().set_title("a\x1bb\u202ec")
        drawn = look.saved(figure)
    tree.fromstring(drawn)
    assert b"\x1b" not in drawn and "\u202e" not in drawn.decode()


def test_text_stays_text(result):
    texts = [t.text for t in tree.fromstring(pictures.render(pictures.energy, result)).iter(f"{SVG}text")]
    assert "adc" in texts and f"Energy by component (scope chip): {result.name}" in texts


def test_saving_writes_the_formats_that_were_chosen(result, tmp_path):
    written = pictures.save(result, tmp_path / "new")
    names = {"energy.svg", "timeline.svg", "layers.svg", "chip.svg", "report.html", "result.json"}
    assert {p.name for p in written} == {p.name for p in (tmp_path / "new").iterdir()} == names
    assert set(pictures.names()) == names
    both = pictures.save(result, tmp_path / "two", ("svg", "pdf"))
    assert {p.suffix for p in both} == {".svg", ".pdf", ".json", ".html"}
    assert len(both) == 10 == len(pictures.names(("svg", "pdf")))
    with pytest.raises(InputError, match=r"format: unknown format 'jpg'; choose svg, png or pdf"):
        pictures.save(result, tmp_path / "none", ("jpg",))
    assert not (tmp_path / "none").exists()


def test_svg_needs_no_matplotlib(result, monkeypatch, tmp_path):
    """What makes `--out` fast: nothing heavy is loaded for it."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    pictures.save(result, tmp_path)
    with pytest.raises(ImportError):
        pictures.render(pictures.energy, result, "png")


def test_a_drawing_grows_with_its_bars():
    """Coordinates are stored once per bar, some thirty characters each, whatever a run has of them."""
    sizes = []
    for count in (1_000, 10_000):
        canvas = Canvas("t", 100, 100)
        canvas.boxes([(n / 7, n % 10, 3.14159, 2) for n in range(count)], "#000000")
        sizes.append(len(canvas.render()))
    assert 9 < sizes[1] / sizes[0] < 11.5 and sizes[1] < 350_000


def test_page_has_the_heads_of_the_terminal(result):
    synthetic = changed(result, trained_on=None, synthetic=True)
    html = written(compared_page([result, synthetic], "t"))
    table = re.search(r'<table id="table1">.*?</table>', html, re.S)[0]
    heads = re.findall(r"<button type=.button.>(.*?)</button>", table)
    assert heads == compared.headings([result, synthetic])
    assert heads[0] == "" and heads[3] == "gain"
    assert heads[1].endswith("(trained on digit_pairs)") and "SYNTHETIC" in heads[2]
    row = re.search(r"<tr>\n(<td[^>]*>pipeline interval.*?)</tr>", table, re.S)[1]
    assert row.count("<td") == len(heads) and row.count("(bound)") == 2
    assert "(scope chip)" in html and "energy per image (scope whole)" not in html and "Resources differ" not in html
    whole = written(compared_page([result, synthetic], "t", "whole"))
    assert "energy per image (scope whole)" in whole and "energy per image (scope chip)" not in whole


def test_a_saved_result_reads_as_it_was_printed(result, tmp_path):
    """Keys are sorted in the file; energies keep their order, from compute to whole."""
    saved = read(result.save(tmp_path / "r.json"))
    assert facts(saved.record) == facts(result.record) and saved.summary() == result.summary()
    assert re.findall("compute|chip|whole", dict(facts(saved.record, "chip"))["energy per image"]) == [
        "chip", "compute", "whole"]


def test_tables_without_pandas(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for table in (result.layers, result.components):
        with pytest.raises(InputError, match=r"needs pandas, which is not installed: run `pip install .*tables\]'`"):
            table()
