"""Long tables of the pages in a browser: heads sort, a box filters, by mouse and by keyboard."""

from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "docs/_static"
CELLS = [("a", "2 µJ"), ("b", "465 nJ"), ("c", "13.2 mJ"), ("d", "–"), ("e", "1,024 nJ"), ("f", "3 µJ")]
HEAD = "<thead><tr><th><p>name</p></th><th><p>energy</p></th></tr></thead>"


def table(rows):
    body = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
    return f"<table>{HEAD}<tbody>{body}</tbody></table>"


@pytest.fixture
def page(browser, tmp_path):
    file = tmp_path / "page.html"
    rest = [(f"row {number}", f"{number} J") for number in range(1, 10)]
    file.write_text(f"<meta charset='utf-8'><article>{table(CELLS + rest)}{table(CELLS)}</article>"
                    f"<script src='{(STATIC / 'tables.js').as_uri()}'></script>", encoding="utf-8")
    browser.get(file.as_uri())
    return browser


def shown(page):
    return page.execute_script("return [...document.querySelectorAll('tbody tr')].slice(0, 15)"
                               ".filter(r => !r.hidden).map(r => r.cells[0].textContent)")


@pytest.mark.full
def test_heads_sort(page):
    from selenium.webdriver.common.keys import Keys

    heads = page.find_elements("css selector", "th button")
    assert [head.text for head in heads] == ["name", "energy"]  # those of the long table alone
    heads[1].click()
    assert shown(page)[:6] == ["b", "e", "a", "f", "c", "row 1"] and shown(page)[-1] == "d"  # by amount, not by text
    heads[1].send_keys(Keys.ENTER)
    assert shown(page)[0] == "row 9" and shown(page)[-1] == "d"
    sorts = [head.get_attribute("aria-sort") for head in page.find_elements("css selector", "th")]
    assert sorts[:2] == [None, "descending"]
    heads[0].click()
    assert shown(page)[:6] == ["a", "b", "c", "d", "e", "f"]
    assert page.get_log("browser") == []


@pytest.mark.full
def test_a_box_filters(page):
    [box] = page.find_elements("css selector", "label.filter input")
    box.send_keys("ROW 7")
    assert shown(page) == ["row 7"]
    assert page.find_element("css selector", "label.filter output").text.strip() == "1 of 15 rows"
    box.clear()
    box.send_keys(" ")
    assert len(shown(page)) == 15
