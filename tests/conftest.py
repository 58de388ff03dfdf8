"""What tests of several folders use."""

import importlib
import os
import shutil
import sys
from importlib.util import find_spec

import pytest

from xbarch.cli import app
from xbarch.plugins import registry
from xbarch.support import cache

os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes of pytest-xdist share the cores
os.environ[cache.VARIABLE] = "0"  # what a test computes it computes itself; the tests of the cache set another


TRAINS = find_spec("torch") is not None
collect_ignore = [] if TRAINS else ["compress"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Skip what needs the extra `train` where it is not installed. Divide families of parameter sets into the tiers:
    `quick(n)` leaves n of those that have no tier, evenly spread, to the quick one and marks the others `full`."""
    families = {}
    for item in items:
        tiers = [item.get_closest_marker(tier) for tier in ("full", "long")]
        if item.get_closest_marker("quick") and not any(tiers):
            families.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for family in families.values():
        count = family[0].get_closest_marker("quick").args[0]
        kept = {len(family) * n // count for n in range(count)}
        for number, item in enumerate(family):
            if number not in kept:
                item.add_marker(pytest.mark.full)
    for item in items:
        if not TRAINS and item.get_closest_marker("train"):
            item.add_marker(pytest.mark.skip(reason="needs the extra train"))


@pytest.fixture(autouse=True)
def forget():
    """Plugins that one test loads from files are unknown to the next."""
    with registry.Registry().active():
        yield


@pytest.fixture
def call(capsys, monkeypatch):
    """Run a command in this process: (exit code, standard output, standard error)."""
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["xbarch", *map(str, words)])
        code = 0
        try:
            app.main()
        except SystemExit as stop:
            code = stop.code or 0
        out = capsys.readouterr()
        return code, out.out, out.err
    return run


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A package as pip leaves it: its files, METADATA and entry points, on Python's path."""
    def make(name, files, points):
        site = tmp_path / "site"
        for file, text in files.items():
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).write_text(text)
        info = site / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("".join(
            f"[xbarch.{group}]\n{key} = {value}\n" for group, key, value in points))
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
    return make


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window, where it is installed with its driver."""
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
def opened(browser, tmp_path):
    """Open a page as wide as asked for, in a theme, and wait until it is drawn."""
    from webpages import wait

    from xbarch.render.interactive.pages import html

    def at(page, width=1280, theme="light"):
        file = tmp_path / "page.html"
        file.write_text(html(page), encoding="utf-8")
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": theme}]})
        browser.get(file.as_uri())
        wait(browser, "return document.documentElement.dataset.ready === 'yes'")
        return browser
    return at
