"""A result in one line, on one screen, and as a notebook's table."""

import copy
from html.parser import HTMLParser

import pytest

import xbarch
from xbarch.result.result import parse
from xbarch.result.summary import facts


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "vgg7_pruned", images=2)


def test_one_line(result):
    line = repr(result)
    assert "\n" not in line and str(result) == line and len(line) < 160
    assert line.startswith(result.name) and "images/s" in line and "per image (scope whole)" in line
    assert f"accuracy after fine-tuning {result.workload.accuracy['pruning']:.2%} (n = 10,000)" in line
    assert "exact" not in line  # what is right needs no word


def test_the_screen_says_what_matters(result):
    text = result.summary()
    for word in ("vgg7_pruned", "isaac_like", "meng", "images/s", "pipeline interval", "first image",
                 "energy per image", "compute", "whole", "mm²", "TOPS/W", "accuracy", "busiest server", "busiest link",
                 "hypertransport"):
        assert word in text, word


def long(result, **changes):
    """The record with every text as long as it may be."""
    data = copy.deepcopy(result.data)
    for part, key in (("workload", "name"), ("workload", "trained_on"), ("architecture", "name"), ("datapath", "name")):
        data[part][key] = changes.get(key, "x y " * 500)
    data["architecture"]["overrides"] = ["a.b=" + "c" * 900] * 30
    data["architecture"]["processes"] = {f"unit{n}": "process" for n in range(20)}
    data["workload"]["accuracy"] = {f"phase{n}": 0.5 for n in range(50)}
    data["interconnect"]["busiest"]["name"] = data["utilization"]["busiest"]["name"] = "s" * 300
    return parse(data)


def test_it_fits_one_screen_whatever_names_there_are(result):
    for each in (result, long(result)):
        lines = each.summary().splitlines()
        assert len(lines) <= 24 and max(map(len, lines)) <= 80
        labels = [label for label, _ in facts(each.record)]
        starts = [line[:17].strip() for line in lines[1:] if line[:17].strip()]
        assert starts == labels  # no figure is left out


def test_records_of_before_have_one_too(result):
    data = copy.deepcopy(result.data)
    del data["interconnect"], data["programming"]
    data["workload"]["accuracy"] = {}
    old = parse(data)
    labels = {label for label, _ in facts(old.record)}
    assert not labels & {"busiest link", "programming", "accuracy"} and "accuracy" not in repr(old)


class Table(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.said = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.said.append(data)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a\x1b[31m", "\u202eevil", '"><img src=x onerror=1>'])
def test_a_notebooks_table_is_escaped(result, name):
    hostile = long(result, name=name)
    html = hostile._repr_html_()
    assert set(Table(html).tags) == {"table", "caption", "tbody", "tr", "th", "td"}
    for text in (html, repr(hostile), hostile.summary()):
        assert text.replace("\n", "").isprintable()
    assert Table(result._repr_html_()).said[0] == result.name
