"""A program that uses xbarch finds its timers, signal handlers, logging and working directory as it left them."""

import logging
import os
import signal
import time
from contextlib import contextmanager

import pytest
from test_misbehaving import PATH, method

import xbarch
from xbarch.plugins import guard, kinds, limits, registry
from xbarch.specs.study import Study
from xbarch.studies.comparison import rows

SMALL = {"workload": "vgg7_pruned", "images": 1}
LONG = 1000.0  # s


class Deadline(Exception):
    """What a program's own alarm raises."""


@contextmanager
def host(seconds=LONG, every=0.0, action=None):
    """A program with an alarm, a handler and a level of logging of its own; all are as they were afterwards."""
    struck = []

    def handler(number, frame):
        struck.append(time.monotonic())
        if action:
            action()

    before = signal.signal(signal.SIGALRM, handler)
    level = logging.root.manager.disable
    logging.disable(logging.INFO)
    signal.setitimer(signal.ITIMER_REAL, seconds, every)
    try:
        yield struck
        assert signal.getsignal(signal.SIGALRM) is handler
        assert logging.root.manager.disable == logging.INFO
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        logging.disable(level)


@pytest.fixture
def plugin(tmp_path):
    """An outside data path, registered."""
    file = tmp_path / "plugin.py"
    file.write_text(PATH.replace("BODY", method("pack(self, layer, geometry)", "return super().pack(layer, geometry)")))
    registry.load_file(file)
    return "mine"


def study(path):
    rows.rows(Study(kind="study", title="hosts", architectures=["isaac_like"], workloads=["vgg7_pruned"],
                    datapaths=[path], images=1), processes=1)


CALLS = {"simulate": lambda path: xbarch.simulate("isaac_like", **SMALL, datapath=path),
         "verify": lambda path: xbarch.verify("isaac_like", "vgg7_pruned", datapath=path), "compare": study}


@pytest.mark.parametrize("path", ["dense", "mine"])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_leaves_alarm_handler_and_logging(call, path, plugin):
    with host(LONG, 7.0) as struck:
        began = time.monotonic()
        CALLS[call](path)
        left, every = signal.getitimer(signal.ITIMER_REAL)
        assert every == 7.0 and not struck
        assert left == pytest.approx(LONG - (time.monotonic() - began), abs=0.5)


def test_code_of_xbarch_alone_sets_no_alarm(monkeypatch):
    def refuse(*_):
        raise AssertionError("an alarm was set")

    monkeypatch.setattr(signal, "setitimer", refuse)
    for call in CALLS.values():
        call("dense")


def test_an_alarm_strikes_on_time_while_a_plugin_runs():
    """Once in the call, and again after it, as often as it is set to."""
    with host(0.2, 0.3) as struck:
        began = time.monotonic()
        with limits.limited():
            while len(struck) < 2:
                pass
        while len(struck) < 3:
            pass
    assert [round(at - began, 1) for at in struck] == pytest.approx([0.2, 0.5, 0.8], abs=0.15)


def test_what_a_programs_alarm_raises_ends_the_call():
    def stop():
        raise Deadline

    with host(0.2, action=stop), pytest.raises(Deadline), limits.limited():
        while True:
            pass


def test_the_working_directory_is_as_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="plain"), guard.restrained():
        os.chdir("/")
        raise ValueError("plain")
    assert os.getcwd() == str(tmp_path)


def test_two_registries_in_one_process(tmp_path, plugin):
    other = tmp_path / "other.py"
    other.write_text(PATH.replace("BODY", "").replace('"dense again"', '"another of that name"'))
    with registry.Registry().active() as second:
        assert "mine" not in registry.datapaths()
        registry.load_file(other)
        assert second.find(kinds.PATHS, "mine").summary == "another of that name"
        assert registry.files() == [other]
    assert registry.datapaths()["mine"].summary == "dense again"
