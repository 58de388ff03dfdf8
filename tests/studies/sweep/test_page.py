"""The page of a sweep: its points, and in a browser its controls."""

import json

import pytest
from webpages import Reader, read_page, wait

from xbarch.render.interactive.pages import html
from xbarch.specs.sweep import FIGURES, Sweep
from xbarch.studies.runs.commands import command
from xbarch.studies.sweep.page import MOST, page, title_of
from xbarch.studies.sweep.points import Points
from xbarch.studies.sweep.rows import Row
from xbarch.studies.sweep.sheet import ACCURACY, AREA, EXACT, LATENCY, SPEED, TESTED, Swept


def swept(count=120, accuracy=False, exact=True, **changes):
    """A sweep with made-up answers, of which each figure is a permutation of the others' order."""
    asked = Sweep.model_validate({
        "kind": "sweep", "architectures": ["isaac_like"], "workloads": ["vgg7_pruned"], "title": "Sweep <b>",
        "axes": {"crossbar.adc_bits": [4, 6, 8], "hierarchy.tiles": list(range(20, 20 + -(-count // 3)))}, **changes})
    rows = []
    for number, point in enumerate(list(Points(asked))[:count]):
        energy = {f"energy.scopes_aj.{scope}": (1 + number * prime % 113) * 10**9
                  for scope, prime in (("compute", 7), ("chip", 29), ("whole", 71))}
        why = "too small" if number % 17 == 16 else ""
        figures = {SPEED: 1.0 + number * 31 % 101, LATENCY: 10**6 * (1 + number % 13), **energy,
                   AREA: 1.0 + number * 11 % 97, EXACT: bool(number % 3) or not exact,
                   **({ACCURACY: (number * 37 % 100) / 100, TESTED: 100} if accuracy else {})}
        rows.append(Row(point, f"{number:064x}", why, {} if why else figures, "" if why else "exact <i>"))
    return Swept(asked, rows)


def data(text):
    return json.loads(Reader(text).scripts[1])


def test_it_stands_alone_and_has_every_point_that_ran():
    found = swept()
    text = html(page(found))
    read = read_page(text)
    assert text == html(page(found)) and read.said["h1"] == ["Sweep <b>"] and len(read.scripts) == 4
    points, ran = data(text)["points"], [row for row in found.rows if not row.why]
    assert [each[0] for each in points] == [list(row.point.values) for row in ran]
    names = [amount["name"] for amount in data(text)["amounts"]]
    assert [each[1][names.index(AREA)] for each in points] == [row.figures[AREA] for row in ran]


@pytest.mark.full
def test_a_large_sweep_has_a_small_page():
    found = swept(3_000)
    text = html(page(found))
    read_page(text)  # says that it is small
    points = data(text)["points"]
    shown = {tuple(each[0]) for each in points}
    assert {row.point.values for row in found.front()} <= shown and MOST / 2 < len(points) < MOST + 200
    assert "one in 2 of the others; sweep.csv has all" in text


def test_a_sweep_without_a_point_has_tables():
    found = swept(1)
    none = Swept(found.asked, [Row(found.rows[0].point, "0" * 64, "too small <b>", {}, "")])
    text = html(page(none))
    assert "Not simulated" in text and "too small &lt;b&gt;" in text and len(read_page(text).scripts) == 3


# -- in a browser -------------------------------------------------------------------------------------------------

def table(browser):
    """Cells of the table of points by head."""
    return browser.execute_script(
        "const t = document.querySelector('table.points'), heads = [...t.tHead.rows[0].cells].map(c => c.textContent);"
        "return [...t.tBodies[0].rows].map(r => Object.fromEntries([...r.cells].map((c, i) => [heads[i], "
        "c.textContent])))")


def choose(browser, name, value):
    browser.execute_script(
        "const c = document.querySelector('form.controls').elements[arguments[0]];"
        "if (c.type === 'checkbox') c.checked = arguments[1]; else c.value = arguments[1];"
        "c.dispatchEvent(new Event('input', {bubbles: true}))", name, value)


def front(found):
    return {tuple(map(str, row.point.values)) for row in found.front()}


def shown_front(browser):
    return {tuple(row[name] for name in ("crossbar.adc_bits", "hierarchy.tiles")) for row in table(browser)
            if row["front"] == "yes"}


@pytest.mark.full
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_and_says_nothing(opened, width, theme):
    page_ = opened(page(swept(1_000)), width, theme)
    assert page_.execute_script("return document.documentElement.scrollWidth") <= width
    assert page_.get_log("browser") == []
    assert page_.execute_script("return document.querySelectorAll('.chart .role-mark path').length") > 900


@pytest.mark.full
@pytest.mark.parametrize("asked", [{}, {"accuracy": True}, {"tolerate_clipping": True}, {"exact": False}])
@pytest.mark.parametrize("scope", ["compute", "chip", "whole"])
def test_its_front_is_that_of_the_sweep(opened, asked, scope):
    """In each scope, as if the sweep had asked for it."""
    browser = opened(page(swept(**asked)))
    choose(browser, "scope", scope)
    wanted = front(swept(**asked, scope=scope))
    assert shown_front(browser) == wanted and len(wanted) > 2
    assert f"{len(wanted)} on their front" in browser.find_element("css selector", "output.shown").text
    choose(browser, "only", True)
    assert {row["front"] for row in table(browser)} == {"yes"} and shown_front(browser) == wanted


@pytest.mark.full
def test_filters_leave_what_passes_and_its_front(opened):
    found = swept(accuracy=True, exact=False)
    browser = opened(page(found))
    choose(browser, "field0", "6")
    choose(browser, "accuracy", "50")
    ran = [row for row in found.rows if not row.why and row.point.values[0] == 6 and row.figures[ACCURACY] >= 0.5]
    assert [row["hierarchy.tiles"] for row in sorted(table(browser), key=lambda row: int(row["hierarchy.tiles"]))] == [
        str(row.point.values[1]) for row in ran]
    assert shown_front(browser) == front(Swept(found.asked, ran))
    browser.find_element("css selector", "form.controls button[type=reset]").click()
    wait(browser, "return document.querySelector('output.shown').textContent.startsWith('113 of 113')")
    choose(browser, "exact", "no")
    assert table(browser) == []
    assert browser.get_log("browser") == []


@pytest.mark.full
def test_a_point_names_its_command(opened):
    """Chosen in the table by keyboard, and by a click in the chart."""
    from selenium.webdriver.common.keys import Keys

    found = swept()
    browser = opened(page(found))
    row = browser.find_element("css selector", "tr[data-point]")
    row.send_keys(Keys.ENTER)
    wait(browser, "return document.querySelector('.point code') !== null")
    told = browser.find_element("css selector", ".point code").text
    best = next(row for row in found.rows if row.name == min(row.name for row in found.front()))
    assert told == command(best.point.request)
    assert len(browser.find_elements("css selector", "tr.picked")) == 1
    browser.find_element("css selector", "tr.picked").send_keys(Keys.ENTER)
    assert browser.find_elements("css selector", ".point code") == []
    wait(browser, "return document.querySelectorAll('.explorer .role-mark path').length > 50")
    browser.find_elements("css selector", ".explorer .role-mark path")[-1].click()
    wait(browser, "return document.querySelector('.point code') !== null")
    for axis, value in (("x", AREA), ("y", LATENCY), ("colour", "field0"), ("log", False)):
        choose(browser, axis, value)
    wait(browser, "const labels = [...document.querySelectorAll('.explorer svg text')].map(t => t.textContent);"
                  "return ['area used, mm²', 'first image (ms)', '4', '6', '8'].every(l => labels.includes(l))")
    assert browser.get_log("browser") == []


def test_figures_have_names_with_the_units_that_values_lack():
    """No column of the default figures is headed by its path, nor by a unit that the values are not in."""
    titles = [title_of(name) for name in FIGURES if name not in ("correctness.exact", "architecture.unscaled")]
    assert len(set(titles)) == len(titles) and not [title for title in titles if "." in title or "_" in title]
    assert title_of("energy.by_component_aj.adc") == "energy.by_component_aj.adc"
    assert title_of("latency.mean_ps") == "latency.mean"
