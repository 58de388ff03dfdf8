"""Documents as Markdown, HTML and CSV."""

import base64
import re
from html.parser import HTMLParser

import pytest

from xbarch.render.document import Document, Picture, Section, Table, html, markdown, page, write_report

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
DOCUMENT = Document("A & <b>", "xbarch report x", [
    Picture("x.svg", "title", 'an "alt"', SVG), Picture("y.svg", "narrow", "y", SVG, narrow=True)], [
    Section("First", 2, ["`a<b` is *so* & so."], ["one `x`", "two"],
            Table(("name", "value"), [("p|q", "1"), ("<i>", "2")])),
    Section("Second", 3, table=Table(("k", "l", "m"), [("a", "b", "3")], 2, cards=True), folded=True),
    Section("Bell \x07", 3)])


class Page(HTMLParser):
    """Tags with attributes, and the text in each kind of tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.said, self.open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.said.setdefault(self.open[-1], []).append(data)


@pytest.fixture(scope="module")
def read():
    return Page(html(DOCUMENT))


def test_markdown():
    assert markdown(DOCUMENT) == """# A & \\<b\\>

Written by `xbarch report x`.

![title](x.svg)

![narrow](y.svg)

## First

`a<b` is *so* & so.

- one `x`
- two

| name | value |
| --- | ---: |
| p\\|q | 1 |
| \\<i\\> | 2 |

### Second

| k | l | m |
| --- | --- | ---: |
| a | b | 3 |

### Bell ?
"""


def test_html_is_well_formed_and_escaped(read):
    assert read.open == []  # every tag was closed, in order
    assert read.said["title"] == read.said["h1"] == ["A & <b>"]
    assert not [tag for tag, _ in read.tags if tag in ("b", "i", "script")]
    assert read.said["code"] == ["a<b", "x"] and read.said["em"] == ["so"]
    assert "Bell ?" in read.said["h3"]


def test_html_tables(read):
    cells = [attributes for tag, attributes in read.tags if tag == "td"]
    assert [c["data-head"] for c in cells] == ["name", "value"] * 2 + ["k", "l", "m"]
    assert [c.get("class") for c in cells] == ["w", None] * 2 + ["w", "w", None]
    assert read.said["td"] == ["p|q", "1", "<i>", "2", "a", "b", "3"]
    assert [a.get("class") for tag, a in read.tags if tag == "table"] == [None, "cards"]
    assert read.said["summary"] == ["Second"]


def test_pictures_are_embedded(read):
    images = [attributes for tag, attributes in read.tags if tag == "img"]
    assert [i["alt"] for i in images] == ['an "alt"', "y"]
    assert [base64.b64decode(i["src"].removeprefix("data:image/svg+xml;base64,")) for i in images] == [SVG, SVG]
    assert "style" not in images[0] and "min-width:0" in images[1]["style"]


def test_pages_escape_what_they_are_given():
    made = Page(page("t", " p{color:red}\n", "<p>{{ word }}</p>", word="<b>\x1b"))
    assert made.said["p"] == ["<b>?"] and " p{color:red}" in made.said["style"][0]


HOSTILE = ["<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](http://e.org/x.png)", "a\x1b[31m\x00b",
           "a\u202eb\u2066c", "<img src=x onerror=alert(1)>", "a | b", "# x\n\n# y", "{{ 7 * 7 }}"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_obeyed(text):
    """Every field that a document has, at once."""
    document = Document(text, "xbarch report x", [Picture("x.svg", text, text, SVG)], [
        Section(text, 2, [text], [text], Table((text, "n"), [(text, "1")])), Section(text, 3, folded=True)])
    for form in (markdown(document), html(document)):
        assert form.replace("\n", "").isprintable() and ">49<" not in form
    made = Page(html(document))
    known = "html head meta title style body h1 h2 div img p ul li table thead tbody tr th td details summary em"
    assert {tag for tag, _ in made.tags} <= set(known.split())
    assert [a["src"] for tag, a in made.tags if tag == "img"] == [
        "data:image/svg+xml;base64," + base64.b64encode(SVG).decode()]
    lines = markdown(document)
    assert not re.search(r"(?<!\\)<", lines) and len(re.findall(r"(?<!\\)\]\(", lines)) == 1  # the picture's own
    assert len(re.findall(r"^#", lines, re.M)) == 3  # headings of the document, none from a text
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines.splitlines() if line.startswith("|"))


def test_a_report_is_written_together(tmp_path):
    write_report(tmp_path, "x", DOCUMENT, "a,b\n", {"x.svg": SVG})
    assert {p.name for p in tmp_path.iterdir()} == {"x.md", "x.html", "x.csv", "x.svg"}
    assert (tmp_path / "x.md").read_text(encoding="utf-8") == markdown(DOCUMENT)
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == html(DOCUMENT)
    assert (tmp_path / "x.csv").read_text() == "a,b\n" and (tmp_path / "x.svg").read_bytes() == SVG
