"""Pages in a browser: what their tables, charts and controls do."""

import re

import pytest
from webpages import HOSTILE, wait

import xbarch
from xbarch.render.interactive.compared import compared_page
from xbarch.render.interactive.pages import Cell, Chart, Page, Part, Row, Table
from xbarch.render.interactive.runs import run_page


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "resnet18_pruned", images=3)


def visible(browser):
    return browser.execute_script("return [...document.querySelectorAll('#table2 tbody tr')].filter(r => !r.hidden)"
                                  ".map(r => r.cells[0].textContent)")


@pytest.mark.full
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_and_says_nothing(opened, result, width, theme):
    page = opened(run_page(result), width, theme)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.get_log("browser") == []
    assert page.execute_script("return document.querySelectorAll('.chart svg').length") == 6
    inks = page.execute_script("return [getComputedStyle(document.body).backgroundColor,"
                               "getComputedStyle(document.body).color]")
    dark = [sum(map(int, re.findall(r"\d+", ink)[:3])) < 300 for ink in inks]
    assert dark == [theme == "dark", theme == "light"]


@pytest.mark.full
def test_tables_sort_and_filter(opened, result):
    page = opened(run_page(result))
    before = visible(page)
    heads = page.find_elements("css selector", "#table2 th button")
    names = [head.text.split("\n")[0] for head in heads]
    heads[names.index("copies")].click()
    cells = page.execute_script("return [...document.querySelectorAll('#table2 tbody tr')].map(r => "
                                "Number(r.cells[2].dataset.value))")
    assert cells == sorted(cells) and len(set(cells)) > 1
    heads[names.index("copies")].click()
    assert page.execute_script("return document.querySelector('#table2 th[aria-sort]').ariaSort") == "descending"
    heads[0].click()
    assert visible(page) == sorted(before, key=lambda n: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", n)])
    box = page.find_element("css selector", "input[data-table=table2]")
    box.send_keys("kind: add")
    assert visible(page) == [n for n in visible(page) if n.endswith("add")] != []
    assert page.find_element("css selector", "section:nth-of-type(2) output").text.endswith(f"of {len(before)} rows")


@pytest.mark.full
def test_what_is_picked_is_marked_everywhere(opened, result):
    from selenium.webdriver.common.keys import Keys

    page = opened(run_page(result))
    row = page.find_element("css selector", "tr[data-key='layer1.0.conv1']")
    row.send_keys(Keys.ENTER)
    assert page.find_element("css selector", "p.picked span").text == "layer1.0.conv1"
    faded = ("return [...document.querySelectorAll('.chart')].filter((c, i) => [0, 1, 3].includes(i))"
             ".map(c => [...c.querySelectorAll('.mark-rect path')]"
             ".filter(p => (p.getAttribute('opacity') ?? '1') === '1').length)")
    wait(page, "return document.querySelectorAll(\".chart .mark-rect path[opacity='0.25']\").length > 5")
    assert page.execute_script(faded) == [1, 1, 3]  # a bar in each of the layers' charts, three images over time
    page.find_element("css selector", "body").send_keys(Keys.ESCAPE)
    assert not page.find_element("css selector", "p.picked").is_displayed()
    assert page.execute_script("return document.querySelectorAll('tr.picked').length") == 0


@pytest.mark.full
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_comparison_fits_and_marks_a_layer_in_each_run(opened, result, width, theme):
    from selenium.webdriver.common.keys import Keys

    page = opened(compared_page([result, result], "two"), width, theme)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.get_log("browser") == []
    assert page.execute_script("return document.querySelectorAll('.chart svg').length") == 7
    page.find_element("css selector", "tr[data-key='layer1.0.conv1']").send_keys(Keys.SPACE)
    wait(page, "return document.querySelectorAll(\".chart .mark-rect path[opacity='0.25']\").length > 5")
    full = ("return [...document.querySelectorAll('.chart')].slice(1, 3).map(c => [...c.querySelectorAll("
            "'.mark-rect path')].filter(p => (p.getAttribute('opacity') ?? '1') === '1').length)")
    assert page.execute_script(full) == [2, 2]  # a bar of each run


@pytest.mark.full
def test_hostile_names_stay_text_in_a_browser(opened):
    table = Table(("name",), [Row([Cell(name)], key=name) for name in HOSTILE])
    chart = Chart({"data": {"values": [{"key": name, "n": 1} for name in HOSTILE]}, "width": "container",
                   "height": 99, "mark": "bar",
                   "encoding": {"y": {"field": "key", "type": "nominal"}, "x": {"field": "n", "type": "quantitative"}}},
                  HOSTILE[0])
    page = opened(Page(HOSTILE[0], [Part(HOSTILE[1], [HOSTILE[2]], [chart], table)], picks=True))
    assert page.get_log("browser") == [] and page.title == HOSTILE[0]
    assert page.execute_script("return document.querySelectorAll('main script').length") == 0
    assert page.execute_script("return [...document.querySelectorAll('td')].map(c => c.textContent)")[0] == HOSTILE[0]
