"""What tests of several folders use."""

import importlib
import os
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
    `quick(n)` leaves n of those that are not `full` anyway, evenly spread, to the quick tier and marks the others
    `full`."""
    families = {}
    for item in items:
        if item.get_closest_marker("quick") and not item.get_closest_marker("full"):
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
