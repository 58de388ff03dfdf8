"""Block diagrams and pages of architectures: drawn from the spec alone, the stored ones not stale."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from xbarch.errors import InputError
from xbarch.render import architectures as pages
from xbarch.render.diagram import WIDTH, diagram
from xbarch.render.published import About, about, beside
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import bundled

NAMES = bundled.names("architectures")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "architectures"
SVG = "{http://www.w3.org/2000/svg}"
ISAAC = load("isaac_like", Architecture)


def texts(svg):
    """(x, y, size, anchor, text) of every line."""
    return [(float(t.get("x")), float(t.get("y")), float(t.get("font-size")), t.get("text-anchor", "start"), t.text)
            for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def said(svg):
    return [line for *_, line in texts(svg)]


# -- the diagram ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
def test_lines_lie_in_the_picture_and_not_on_one_another(name):
    """Widths by a wide font, 0.57 of the height a letter on average; two lines of a column are a height apart."""
    svg = diagram(load(name, Architecture))
    root = ElementTree.fromstring(svg)
    height = float(root.get("height"))
    assert root.get("viewBox") == f"0 0 {WIDTH} {height:g}" and WIDTH <= 400
    lines = texts(svg)
    boxes = []
    for x, y, size, anchor, line in lines:
        width = len(line) * size * 0.57
        left = x - width if anchor == "end" else x
        assert left >= 0 and left + width <= WIDTH and size <= y <= height, line
        boxes.append((left, left + width, y - 0.75 * size, y + 0.2 * size, line))
    for i, a in enumerate(boxes):
        for b in boxes[i + 1:]:
            assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2], (a, b)
    fills = {e.get("fill") for e in root.iter() if e.get("fill")} - {"none"}
    assert all(re.fullmatch(r"#([0-9a-f]{2})\1\1", fill) for fill in fills)  # greys: nothing rests on a colour


@pytest.mark.parametrize("name", NAMES)
def test_every_part_stands_in_it(name):
    """All components but those built only for some workloads; levels with their counts; the six stages."""
    a = load(name, Architecture)
    lines = said(diagram(a))
    shown = " ".join(lines)
    for part, c in a.components.items():
        count = c.count if "/" in c.count else f"{int(c.count):,}"
        words = " ".join({"adc": "ADC", "dac": "DAC", "edram": "eDRAM"}.get(w, w) for w in part.split("_"))
        if c.when is None:
            assert f"{words} ×{count}" in shown, part
    h = a.hierarchy
    for line in (f"Tile ×{h.tiles:,}", f"IMA ×{h.imas_per_tile:,}", f"crossbar ×{h.crossbars_per_ima:,}"):
        assert lines.count(line) == 1
    roles = [stage.role for stage in a.pipeline.stages]
    assert [line for line in lines if line in roles] == roles


def test_numbers_are_the_specs():
    lines = said(diagram(ISAAC))
    lines = [" ".join(lines), *lines]
    assert "2.2 µs, on slots of 100 ns" in lines[0]  # ISAAC's 22 cycles
    for line in ("Chip: 16,128 crossbars", "128 × 128 cells of 2 bits", "inputs: 1 bit per read of 100 ns",
                 "64 KB, 256 bits per 833 ps", "384 wires, 10.24 GB/s", "25.6 GB/s together",
                 "8 bits, 781 ps per conversion; 1 per crossbar", "1.6 µs + 200 ns"):
        assert line in lines
    changed = said(diagram(load("isaac_like", Architecture, ["hierarchy.tiles=84", "crossbar.dac_bits=2"])))
    assert "Tile ×84" in changed and "inputs: 2 bits per read of 100 ns" in changed and "800 ns + 200 ns" in changed


def test_texts_are_escaped_and_the_bytes_are_the_same():
    a = load("isaac_like", Architecture, ["technology='<script>&\"'", "summary='a <b> & c'"])
    svg = diagram(a)
    assert "<script>" not in svg and "&lt;script&gt;&amp;" in svg and diagram(a) == svg
    assert ElementTree.fromstring(svg).find(f"{SVG}title").text == "isaac_like: a <b> & c"


# -- the pages ------------------------------------------------------------------------------------------------

def test_stored_pages_are_not_stale(tmp_path):
    """Made again from the YAML files and the words beside them they are the same; if not: xbarch report
    architectures."""
    made = pages.architectures(tmp_path)
    assert {p.name for p in made} == {p.name for p in DOCS.iterdir()}
    for path in made:
        assert path.read_bytes() == (DOCS / path.name).read_bytes(), f"{path.name}: xbarch report architectures"


@pytest.mark.parametrize("name", NAMES)
def test_pages_have_everything(name):
    a, written = load(name, Architecture), about(bundled.folder("architectures") / f"{name}.yaml")
    assert len(written.text) > 100
    page = pages.page(a, written)
    assert f"]({name}.svg)" in page and page.count("\n## ") >= 3
    for part in a.components:
        assert f"| `{part}` |" in page
    for where, text in pages._texts(a, ""):
        if "assumed" in text:
            assert f"`{where}`" in page.partition("## Assumed")[2], where
    for p in written.published:
        assert pages.plain(p.source) in page
        assert "assumed" not in p.source  # what is published has a source


def test_errors_are_of_the_printed_value():
    """ISAAC's chip: 41,288 GOPS over 85.42 mm² beside the printed 478.95, 16,128 arrays of 4 KiB on it."""
    found = {b.printed.figure: b for b in beside(ISAAC, about(bundled.folder("architectures") / "isaac_like.yaml"))}
    assert found["density"].ours == pytest.approx(41287.68 / 85.4247, rel=1e-4)
    assert found["density"].error == pytest.approx(41287.68 / 85.4247 / 478.95 - 1, abs=1e-4)
    assert found["storage_density"].ours == pytest.approx(16128 * 4096 / 2**20 / 85.4247, rel=2e-4)
    assert found["window"].ours == 22 * 100 and found["window"].error == 0
    assert found[None].ours is None and found[None].error is None


@pytest.mark.parametrize(("text", "says"), [
    ("words\n", "odd.md:1: the published figures must stand between two lines ---"),
    ("---\npublished: 3\n---\n", "odd.md:2: published: "),
    ("---\n- a\n---\n", "odd.md:2: must be the key published: with a list"),
    ("---\npublished:\n  - {what: a, figure: wealth, printed: 3, source: abc}\n---\n", "unknown figure 'wealth'"),
    ("---\npublished:\n  - {what: a, printed: 3, source: abc}\n---\n", "must be a number with a figure, a text w"),
    ("---\npublished:\n  - {what: a, figure: peak, printed: lots, source: abc}\n---\n", "must be a number with a"),
    ("---\npublished:\n  - {what: a, figure: peak, printed: 3}\n---\n", "odd.md:3: "),
    ("---\nsecrets: 1\n---\n", "odd.md:2: secrets: unknown key"),
])
def test_words_that_are_refused(tmp_path, text, says):
    (tmp_path / "odd.md").write_text(text)
    with pytest.raises(InputError) as caught:
        about(tmp_path / "odd.yaml")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_no_words_no_publication(tmp_path):
    assert about(tmp_path / "none.yaml") == About()
    assert "## Published" not in pages.page(ISAAC, About())


def test_markup_in_a_spec_is_text():
    a = load("isaac_like", Architecture, ["summary='a | b *c* <d>'"])
    assert r"a \| b \*c\* \<d\>" in pages.page(a, About())


# -- the command line -----------------------------------------------------------------------------------------

def test_report_of_one_outside(call, tmp_path):
    """A file elsewhere has its page too, with the words beside it; no index is written for it."""
    (tmp_path / "mine.yaml").write_text("extends: isaac_like\nname: mine\nhierarchy: {tiles: 12}\n")
    (tmp_path / "mine.md").write_text("---\npublished: []\n---\nMy own *words*.\n")
    code, out, _ = call("report", "architectures", "--arch", tmp_path / "mine.yaml", "--out", tmp_path / "out")
    assert code == 0 and sorted(p.name for p in (tmp_path / "out").iterdir()) == ["mine.md", "mine.svg"], out
    assert "My own *words*." in (tmp_path / "out/mine.md").read_text() and "deviations" not in (
        tmp_path / "out/mine.md").read_text()


def test_show_draws(call, tmp_path):
    out = tmp_path / "a" / "isaac.svg"
    code, said_, _ = call("show", "isaac_like", "--diagram", out)
    assert code == 0 and f"written: {out}" in said_.replace("\n", "") and out.read_text() == diagram(ISAAC)
    code, _, said_ = call("show", "isaac_like", "--set", "crossbar.rows=0", "--diagram", tmp_path / "b.svg")
    assert code == 2 and not (tmp_path / "b.svg").exists()
    code, _, said_ = call("show", "isaac_like", "--diagram", tmp_path / "b.png")
    assert code == 2 and "--diagram: must be a name that ends in .svg, not 'b.png'" in said_
    code, _, said_ = call("show", "adc", "--diagram", tmp_path / "b.svg")
    assert code == 2 and "adc" in said_ and not (tmp_path / "b.svg").exists()


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\x00b", "a\u202eb", "\uffff", "]]><b>"])
def test_no_text_of_a_spec_damages_a_diagram(text):
    """Whatever got into a spec: the picture is well-formed and shows nothing but text."""
    hostile = ISAAC.model_copy(update={"summary": text, "technology": text, "name": text})
    svg = diagram(hostile)
    assert svg.replace("\n", "").isprintable()
    assert {e.tag.removeprefix(SVG) for e in ElementTree.fromstring(svg).iter()} <= {"svg", "title", "rect", "text",
                                                                                     "path"}
