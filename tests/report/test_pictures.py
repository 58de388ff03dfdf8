"""Pictures and the page of a comparison: what a reader must be able to see."""

import copy
import re
import sys
import warnings

import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.render import pictures, tables
from xbarch.render.page import page
from xbarch.result.result import Result, read


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "vgg7_pruned", images=2)


def changed(result, **workload):
    data = copy.deepcopy(dict(result.data))
    data["workload"].update(workload)
    return Result(data)


def test_short_bars_are_seen(result):
    data = copy.deepcopy(dict(result.data))
    span, end = data["timeline"][0], max(t for s in data["timeline"] for t in s["stop_ps"])
    span["stop_ps"] = [start + 1 for start in span["start_ps"]]
    axes = pictures.timeline(Result(data)).axes[0]
    widths = [path.get_extents().width for bar in axes.collections for path in bar.get_paths()]
    assert min(widths) == pytest.approx(0.004 * end / 1e6)
    longest = max(b - a for s in data["timeline"] for a, b in zip(s["start_ps"], s["stop_ps"], strict=True))
    assert max(widths) == pytest.approx(longest / 1e6)


def test_letters_without_a_glyph_are_no_warning(result):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for draw in pictures.PICTURES.values():
            assert pictures.render(draw, changed(result, name="網路模型"), "png").startswith(b"\x89PNG")


def test_page_has_the_heads_of_the_terminal(result):
    synthetic = changed(result, trained_on=None, synthetic=True)
    html = page([result, synthetic], "t")
    heads = re.findall(r"<th>(.*?)</th>", html)
    assert heads == tables.headings([result, synthetic])
    assert heads[0] == "" and heads[3] == "gain"
    assert heads[1].endswith("(trained on digit_pairs)") and "SYNTHETIC" in heads[2]
    row = re.search(r"<tr>(<td>interval.*?)</tr>", html)[1]
    assert row.count("<td>") == len(heads)


def test_a_saved_result_reads_as_it_was_printed(result, tmp_path):
    """Keys are sorted in the file; energies keep their order, from compute to whole."""
    saved = read(result.save(tmp_path / "r.json"))
    assert dict(tables.summary(saved))["energy an image"] == dict(tables.summary(result))["energy an image"]
    words = [part.split()[0] for part in dict(tables.summary(saved))["energy an image"].split(", ")]
    assert words == ["compute", "chip", "whole"]
    for draw in pictures.PICTURES.values():
        assert pictures.render(draw, saved) == pictures.render(draw, result)


def test_tables_without_pandas(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for table in (result.layers, result.components):
        with pytest.raises(InputError, match=r"needs pandas, which is not installed: run `pip install .*tables\]'`"):
            table()
