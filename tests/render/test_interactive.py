"""The page of a run: what it holds, and in a browser what its tables and charts do."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

import xbarch
from xbarch.render import look
from xbarch.render.interactive import bundle
from xbarch.render.interactive.pages import Cell, Chart, Page, Part, Row, Table, embedded, html
from xbarch.render.interactive.runs import run_page
from xbarch.result.result import parse

HOSTILE = ["<script>alert(1)</script>", "</script><script>alert(1)</script>", "a\x1b[31mb", "a\u202eb", "\ufffe",
           "&amp;\"'>", "{{ 7 * 7 }}", "<!--"]


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "resnet18_pruned", images=3)


class Reader(HTMLParser):
    """Open elements, texts by element, and the attributes that could ask for something."""

    def __init__(self, text):
        super().__init__()
        self.open, self.scripts, self.asked, self.texts = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.asked += [value for name, value in attributes if name in ("src", "href", "action", "data")]
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag not in ("meta", "input"):
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


def specs(text):
    return json.loads(Reader(text).scripts[0])


def test_the_page_stands_alone(result):
    text = html(run_page(result))
    page = Reader(text)
    assert page.asked == [] and len(text) < 1.5e6 and text == html(run_page(result))
    assert text.startswith("<!doctype html>") and result.name in page.texts
    assert [name for name in result.timeline if name.name not in text] == []
    assert bundle.vega() and "vegaEmbed" in text  # the script was made with the installation
    assert not re.findall(r"https?://(?!vega\.github\.io/schema|www\.w3\.org/)[\w.]+/\S*\.js", text)


def test_charts_are_of_the_vega_lite_language(result):
    """By the schema of the language that Altair brings."""
    altair = pytest.importorskip("altair")
    found = specs(html(run_page(result)))
    assert len(found) == 4
    for chart in found:
        altair.Chart.from_dict(chart["spec"], validate=True)
        assert chart["spec"]["params"][0] == {"name": "picked", "value": ""}


def test_charts_have_the_numbers_of_the_record(result):
    busy, energy, time, parts = (chart["spec"]["data"]["values"] for chart in specs(html(run_page(result))))
    layers = {m.name: m for m in result.mapping.layers}
    assert all(v["busy"] == pytest.approx(100 * layers[v["key"]].busy * bool(layers[v["key"]].crossbars)) for v in busy)
    assert sum(v["energy"] for v in energy) == pytest.approx(result.energy.dynamic_aj / 1e12)
    assert len(time) == sum(len(span.start_ps) for span in result.timeline)
    assert sum(v["energy"] for v in parts) == pytest.approx(result.energy.scopes_aj.chip / 1e12)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_obeyed(result, name):
    data = json.loads(json.dumps(result.data))
    data["workload"]["name"] = name
    for entry in (data["mapping"]["layers"][1], data["timeline"][1]):
        entry["name"] = name
    text = html(run_page(parse(data)))
    page = Reader(text)
    assert len(page.scripts) == 3 and "\x1b" not in text and "\u202e" not in text
    specs(text)
    assert "49" not in [t.strip() for t in page.texts]


def test_json_never_ends_its_element():
    text = embedded({"a": "</script>\u2028<!--", "<b>": 1})
    assert "<" not in text and text.isascii() and json.loads(text)["<b>"] == 1
    assert json.loads(embedded({"a": ["</script>", 1, None]})) == {"a": ["</script>", 1, None]}


def test_without_the_script_there_are_tables(result, monkeypatch):
    monkeypatch.setattr("xbarch.render.interactive.pages.vega", lambda: "")
    text = html(run_page(result))
    assert len(Reader(text).scripts) == 2 and len(text) < 2e5 and "written without the library" in text


# -- in a browser -------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def browser():
    selenium = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with its driver")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    yield found
    found.quit()


@pytest.fixture
def opened(browser, result, tmp_path):
    """Open the page of a result, drawn."""
    def at(width, page=None):
        file = tmp_path / "report.html"
        file.write_text(html(page or run_page(result)))
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
        browser.get(file.as_uri())
        wait(browser, "return document.documentElement.dataset.ready === 'yes'")
        return browser
    return at


def wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 60).until(lambda b: b.execute_script(condition))


def visible(browser):
    return browser.execute_script("return [...document.querySelectorAll('#table2 tbody tr')].filter(r => !r.hidden)"
                                  ".map(r => r.cells[0].textContent)")


@pytest.mark.full
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_and_says_nothing(opened, browser, width, theme):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme",
                                                                         "value": theme}]})
    page = opened(width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.get_log("browser") == []
    assert page.execute_script("return document.querySelectorAll('.chart svg').length") == 4
    inks = page.execute_script("return [getComputedStyle(document.body).backgroundColor,"
                               "getComputedStyle(document.body).color]")
    dark = [sum(map(int, re.findall(r"\d+", ink)[:3])) < 300 for ink in inks]
    assert dark == [theme == "dark", theme == "light"]


@pytest.mark.full
def test_tables_sort_and_filter(opened):
    page = opened(1280)
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
def test_what_is_picked_is_marked_everywhere(opened):
    from selenium.webdriver.common.keys import Keys

    page = opened(1280)
    row = page.find_element("css selector", "tr[data-key='layer1.0.conv1']")
    row.send_keys(Keys.ENTER)
    assert page.find_element("css selector", "p.picked span").text == "layer1.0.conv1"
    faded = ("return [...document.querySelectorAll('.chart')].slice(0, 3).map(c => [...c.querySelectorAll("
             "'.mark-rect path')].filter(p => (p.getAttribute('opacity') ?? '1') === '1').length)")
    wait(page, "return document.querySelectorAll(\".chart .mark-rect path[opacity='0.25']\").length > 5")
    assert page.execute_script(faded) == [1, 1, 3]  # a bar in each of the layers' charts, three images over time
    page.find_element("css selector", "body").send_keys(Keys.ESCAPE)
    assert not page.find_element("css selector", "p.picked").is_displayed()
    assert page.execute_script("return document.querySelectorAll('tr.picked').length") == 0


@pytest.mark.full
def test_hostile_names_stay_text_in_a_browser(opened):
    table = Table(("name",), [Row([Cell(name)], key=name) for name in HOSTILE])
    chart = Chart({"data": {"values": [{"key": name, "n": 1} for name in HOSTILE]}, "width": "container",
                   "height": 99, "mark": "bar",
                   "encoding": {"y": {"field": "key", "type": "nominal"}, "x": {"field": "n", "type": "quantitative"}}},
                  HOSTILE[0])
    page = opened(1280, Page(HOSTILE[0], [Part(HOSTILE[1], HOSTILE[2], [chart], table)], picks=True))
    assert page.get_log("browser") == [] and page.title == HOSTILE[0]
    assert page.execute_script("return document.querySelectorAll('main script').length") == 0
    assert page.execute_script("return [...document.querySelectorAll('td')].map(c => c.textContent)")[0] == HOSTILE[0]


def test_colours_are_those_of_every_picture(result):
    found = {colour for chart in specs(html(run_page(result))) for colour in re.findall(r"#[0-9a-f]{6}", str(chart))}
    assert found <= {*look.PALETTE}
