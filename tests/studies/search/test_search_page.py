"""The page of a search: its points, and in a browser their front."""

import json

import pytest
from webpages import Reader, read_page

from xbarch.render.interactive.pages import html
from xbarch.specs.search import Search
from xbarch.studies.search.found import Found, Tried
from xbarch.studies.search.page import page
from xbarch.studies.sweep.points import Points

SPEED, ENERGY, EXACT = "throughput.images_per_second", "energy.scopes_aj.chip", "correctness.exact"


@pytest.fixture(scope="module")
def found():
    """A search with made-up answers."""
    asked = Search.model_validate({
        "kind": "search", "title": "<b>", "architectures": ["isaac_like"], "workloads": ["vgg7_pruned"],
        "axes": {"crossbar.adc_bits": [4, 6, 8], "hierarchy.tiles": list(range(20, 50))}, "trials": 90,
        "objectives": {SPEED: "max", ENERGY: "min"}, "constraints": {EXACT: True}, "figures": [EXACT]})
    made = []
    for number, point in enumerate(Points(asked)):
        why, exact = "too small" if number % 13 == 5 else "", number % 4 > 0
        figures = {} if why else {SPEED: 1 + number * 37 % 89, ENERGY: 10**9 * (1 + number * 53 % 97), EXACT: exact}
        made.append(Tried(number, point, f"{number:064x}", why, figures, "", () if exact or why else (EXACT,)))
    return Found(asked, made)


def test_it_has_every_point_that_ran(found):
    text = html(page(found))
    assert text == html(page(found)) and len(read_page(text).scripts) == 4
    data = json.loads(Reader(text).scripts[1])
    ran = [each for each in found.points if not each.why]
    assert [each[0][:2] for each in data["points"]] == [list(each.point.values) for each in ran]
    assert [each[5] for each in data["points"]] == [not each.broken for each in ran]


@pytest.mark.full
def test_its_front_is_that_of_the_search(found, opened):
    browser = opened(page(found))
    rows = browser.execute_script(
        "return [...document.querySelectorAll('table.points tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
    best = {tuple(row[1:3]) for row in rows if row[0] == "yes"}
    assert best == {tuple(map(str, each.point.values)) for each in found.front} and len(best) > 2
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 1280
