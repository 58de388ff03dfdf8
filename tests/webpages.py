"""What tests of pages share: a reader of HTML, and texts that nothing must obey."""

import json
import re
from html.parser import HTMLParser

HOSTILE = ["<script>alert(1)</script>", "</script><script>alert(1)</script>", "a\x1b[31mb", "a\u202eb", "\ufffe",
           "&amp;\"'>", "{{ 7777 * 7 }}", "<!--", "[x](javascript:alert(1))", "<img src=x onerror=alert(1)>"]
_EMPTY = ("meta", "input")


class Reader(HTMLParser):
    """Elements with attributes, texts by element, scripts, and attributes that could ask for something."""

    def __init__(self, text):
        super().__init__()
        self.open, self.scripts, self.asked, self.texts, self.tags, self.said = [], [], [], [], [], {}
        self.feed(text)
        assert not self.open  # every element was closed, in order

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.asked += [value for name, value in attrs if name in ("src", "href", "action", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in _EMPTY:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.texts.append(data)
            self.said.setdefault(self.open[-1] if self.open else "", []).append(data)


def read_page(text):
    """Return the page, which must be well formed, small, and ask for nothing."""
    page = Reader(text)
    assert [place for place in page.asked if not place.startswith("#h")] == [] and len(text) < 1.5e6
    assert all(said.replace("\n", "").isprintable() and said.strip() != "54439" for said in page.texts)
    assert all(script.replace("\n", "").isprintable() for script in (page.scripts[0], page.scripts[-1]))
    assert not re.findall(r"https?://(?!vega\.github\.io/schema|www\.w3\.org/)[\w.]+/\S*\.js", text)
    known = "html head meta title style body header main nav section h1 h2 h3 div figure figcaption p ul li a dl dt " \
            "dd table thead tbody tr th td details summary code em label input output button span form script"
    assert {tag for tag, _ in page.tags} <= set(known.split())
    return page


def wait(browser, condition):
    """Wait until a script returns true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 60).until(lambda b: b.execute_script(condition))


def specs(text):
    """Return the charts of a page."""
    return json.loads(Reader(text).scripts[0])
