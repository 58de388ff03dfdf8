"""Documents as Markdown and as a page."""

import json
import re

import pytest
from webpages import HOSTILE, read_page

from xbarch.render.document import Document, Picture, Section, Table, markdown
from xbarch.render.interactive.documents import document_html, write_report
from xbarch.render.interactive.pages import Chart

BARS = {"data": {"values": [{"key": "one", "n": 1}]}, "mark": "bar"}
DOCUMENT = Document("A & <b>", "xbarch report x", [
    Picture("x.svg", "title", [Chart(BARS, 'a "chart"')]), Picture("y.svg", "narrow", [Chart(BARS, "other")])], [
    Section("First", 2, ["`a<b` is *so* & so."], ["one `x`", "two"],
            Table(("name", "value"), [("p|q", "1"), ("<i>", "2 µs")], keys=["one", "two"])),
    Section("Second", 3, table=Table(("k", "l", "m"), [("a", "b", "3")], 2), folded=True),
    Section("Bell \x07", 3)])


def test_markdown():
    assert markdown(DOCUMENT) == """# A & \\<b\\>

Written by `xbarch report x`.

**title**\\
![title](x.svg)

**narrow**\\
![narrow](y.svg)

## First

`a<b` is *so* & so.

- one `x`
- two

| name | value |
| --- | ---: |
| p\\|q | 1 |
| \\<i\\> | 2 µs |

### Second

| k | l | m |
| --- | --- | ---: |
| a | b | 3 |

### Bell ?
"""


@pytest.fixture(scope="module")
def page():
    return read_page(document_html(DOCUMENT))


def test_the_page_has_what_the_markdown_has(page):
    assert page.said["title"] == page.said["h1"] == ["A & <b>"]
    assert page.said["code"] == ["xbarch report x", "a<b", "x"] and page.said["em"] == ["so"]
    assert "Bell ?" in page.said["h3"] and page.said["summary"] == ["Second"]
    assert page.said["figcaption"] == ["a \"chart\"", "other"]


def test_tables_of_the_page(page):
    cells = [attributes for tag, attributes in page.tags if tag == "td"]
    assert [c.get("class") for c in cells] == ["w", None] * 2 + ["w", "w", None]
    assert [c.get("data-value") for c in cells] == [None, "1.0", None, "2e-06", None, None, "3.0"]
    said = [text.strip() for text in page.said["td"] if text.strip()]
    assert said == ["p|q", "1", "<i>", "2 µs", "a", "b", "3"]
    assert [a["data-key"] for tag, a in page.tags if tag == "tr" and "data-key" in a] == ["one", "two"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_obeyed(text):
    """Every field that a document has, at once."""
    chart = Chart({"data": {"values": [{"a": text}]}, "mark": "bar"}, text)
    document = Document(text, "xbarch report x", [Picture("x.svg", text, [chart])], [
        Section(text, 2, [text], [text], Table((text, "n"), [(text, "1")], keys=[text])),
        Section(text, 3, folded=True)])
    page = read_page(document_html(document))
    assert len(page.scripts) == 3 and json.loads(page.scripts[0])[0]["spec"]["data"]["values"]
    lines = markdown(document)
    assert lines.replace("\n", "").isprintable()
    assert not re.search(r"(?<!\\)<", lines) and len(re.findall(r"(?<!\\)\]\(", lines)) == 1  # the picture's own
    assert len(re.findall(r"^#", lines, re.M)) == 3  # headings of the document, none from a text
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines.splitlines() if line.startswith("|"))


def test_a_report_is_written_together(tmp_path):
    write_report(tmp_path, "x", DOCUMENT, "a,b\n", {"x.svg": b"<svg/>"})
    assert {p.name for p in tmp_path.iterdir()} == {"x.md", "x.html", "x.csv", "x.svg"}
    assert (tmp_path / "x.md").read_text(encoding="utf-8") == markdown(DOCUMENT)
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == document_html(DOCUMENT)
    assert (tmp_path / "x.csv").read_text() == "a,b\n"
