"""Documents as Markdown, HTML and CSV."""

import base64
import csv
import io
from html.parser import HTMLParser

import pytest

from xbarch.render.document import Document, Picture, Section, Table, html, markdown, page, table

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
    assert markdown(DOCUMENT) == """# A & <b>

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
| <i> | 2 |

### Second

| k | l | m |
| --- | --- | ---: |
| a | b | 3 |

### Bell \x07
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


def test_csv():
    rows = [["a,b", 1.5, None], ['"', True, 0]]
    text = table(["x", "y", "z"], rows)
    assert list(csv.reader(io.StringIO(text))) == [["x", "y", "z"], ["a,b", "1.5", ""], ['"', "True", "0"]]
    assert "\r" not in text
