"""A result in one line, on one screen, and as a notebook's table."""

import copy
from html.parser import HTMLParser

import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.result.result import parse
from xbarch.result.summary import details, facts


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "vgg7_pruned", images=2)


def test_one_line(result):
    line = repr(result)
    assert "\n" not in line and str(result) == line and len(line) < 160
    assert line.startswith(result.name) and "images/s" in line and "per image (scope chip)" in line
    assert f"accuracy after fine-tuning {result.workload.accuracy['pruning']:.2%} (n = 10,000)" in line
    assert "exact" not in line  # what is right needs no word


def test_the_screen_says_what_matters(result):
    text = result.summary()
    for word in ("vgg7_pruned", "isaac_like", "meng", "images/s", "n = 2", "pipeline interval", "first image",
                 "energy per image", "(scope chip; compute", "whole", "mm²", "TOPS/W", "(scope chip)", "utilization",
                 "accuracy", "busiest server", "windows wait", "converters", "adc"):
        assert word in text, word
    assert "hypertransport" not in text and "hypertransport" in result.summary("whole")
    with pytest.raises(InputError, match=r"scope: unknown scope 'chips'; .*did you mean 'chip'"):
        result.summary("chips")


def screen(result, **latency):
    """The line of the interval, of a record with another latency."""
    data = copy.deepcopy(result.data)
    data["latency"].update(latency)
    return dict(facts(parse(data).record))["images/s"]


def test_the_interval_says_what_it_is(result):
    """A ± belongs to the mean of which it is, and to nothing else."""
    mean = {"pipeline_interval_kind": "mean", "steady": False, "pipeline_interval_ps": 2e6, "bound_by": None}
    assert "pipeline interval 2 µs, a mean, ± 3 ns at 95 %" in screen(result, **mean, pipeline_interval_95_ps=3000)
    assert "a mean of fewer than three" in screen(result, **mean, pipeline_interval_95_ps=None)
    bound = {**mean, "pipeline_interval_kind": "bound", "bound_by": "crossbar@c1"}
    assert screen(result, **bound).endswith("pipeline interval 2 µs, the bound of crossbar@c1")
    assert screen(result, **{**mean, "pipeline_interval_kind": "exact"}).endswith("2 µs, exact")
    assert "a mean or a bound" in screen(result, **{**mean, "pipeline_interval_kind": None})
    alone = xbarch.simulate("isaac_like", "vgg7_pruned", images=1)
    assert dict(facts(alone.record))["images/s"] == "– (n = 1); a single image has a latency, no interval"
    assert "images/s" not in repr(alone) and "for one image" in repr(alone)


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
    del data["waiting"], data["energy"]["by_scope_aj"]
    older = parse(data)
    labels = {label for label, _ in facts(older.record) + details(older.record)}
    assert not labels & {"busiest link", "programming", "accuracy", "windows wait"}
    assert "hypertransport" in older.summary() and "(energy, scope whole)" in older.summary()
    assert "accuracy" not in repr(old)


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
