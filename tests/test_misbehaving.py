"""Plugins that crash, loop or break the contract: each is named in one sentence, exit code 2, nothing is written."""

import gc
import json
import os
import re
import subprocess
import sys
import threading
import time

import pytest

from xbarch.plugins import limits, registry

PATH = '''
from typing import ClassVar
import itertools, time
from xbarch.datapaths.dense import Dense

class Mine(Dense):
    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = "dense again"
    provenance: ClassVar[str] = "a test"
BODY
'''
UNIT = '''
from typing import ClassVar
import numpy as np
from xbarch.parts.sensing.adc import Adc

class Mine(Adc):
    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = "converters again"
    provenance: ClassVar[str] = "a test"
BODY
'''
WIRES = '''
from typing import ClassVar
from xbarch.parts.topologies.bus import Bus

class Mine(Bus):
    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = "a bus again"
    provenance: ClassVar[str] = "a test"
BODY
'''
MODEL = '''
from typing import ClassVar
from xbarch.parts.scaling.base import Scaling

class Mine(Scaling):
    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = "a model"
    provenance: ClassVar[str] = "a test"
    kind: ClassVar[str] = "adc"
BODY
'''
PROCESS = '''
from typing import ClassVar
from xbarch.parts.processes.base import UnitProcess

class Mine(UnitProcess):
    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = "a unit"
    provenance: ClassVar[str] = "a test"
BODY
'''
LIMIT = 0.4


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Calls of plugins may take a moment only. As in the command, whose threshold is hardly reached, no memory of
    others is taken back in the middle of one: where that is deep in a recursion, Python says so on standard error."""
    monkeypatch.setenv(limits.VARIABLE, str(LIMIT))
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def method(head, *lines):
    return "\n".join([f"    def {head}:", *(f"        {line}" for line in lines)])


def refused(call, tmp_path, text, *words, out=True):
    """What the command line says of a plugin file; in one line that names file and plugin."""
    file = tmp_path / "plugin.py"
    file.write_text(text)
    more = ["--out", tmp_path / "out"] if out else []
    code, printed, said = call(*words, "--plugin", file, *more)
    assert (code, printed, said.count("\n")) == (2, "", 1), said
    assert str(file) in said and not (tmp_path / "out").exists()
    return said


def place(said):
    """What is said, without the line at which a plugin raised, which other tests look at."""
    return re.sub(r"plugin\.py:\d+: ", "plugin.py: ", said)


SIMULATE = ("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", "1")
OWN = (*SIMULATE, "--datapath", "mine")
SENSED = (*SIMULATE, "--set", "crossbar.sensing.unit=mine")


@pytest.mark.quick(5)
@pytest.mark.parametrize(("body", "says"), [
    (method("pack(self, layer, geometry)", "while True: pass"), "pack of layer features.0 did not end within 0.4 s"),
    (method("pack(self, layer, geometry)", "while True:", "    try: time.sleep(9)", "    except Exception: pass"),
     "pack of layer features.0 did not end within 0.4 s"),
    (method("pack(self, layer, geometry)", "for _ in itertools.count(): yield super().pack(layer, geometry)[0]"),
     "pack of layer features.0 must return a list of one or more blocks, not generator"),
    (method("pack(self, layer, geometry)", "return list(itertools.repeat(None, 3))"),
     "pack of layer features.0 must return a list of one or more blocks, not a list of NoneType"),
    (method("accepts(self, workload, geometry)", "return 1 / 0"), "accepts raised ZeroDivisionError: division by zero"),
    (method("work(self, blocks, layer, geometry, stream=None)", "return self.work(blocks, layer, geometry)"),
     "work of layer features.0 raised RecursionError"),
    (method("components(self, geometry)", "time.sleep(60)"), "components did not end within 0.4 s"),
])
def test_data_paths(call, tmp_path, body, says):
    said = refused(call, tmp_path, PATH.replace("BODY", body), *OWN)
    assert f"plugin.py: data path mine: {says}" in place(said)


@pytest.mark.quick(5)
@pytest.mark.parametrize(("body", "says"), [
    (method("each(self, work)", "return np.zeros(work.crossbar.shape, int)"),
     "each must return times of a read from 1 to 1,000,000,000,000,000, not 0 to 0"),
    (method("each(self, work)", "return -super().each(work)"),
     "each must return times of a read from 1 to 1,000,000,000,000,000, not -100000"),
    (method("each(self, work)", "return super().each(work) / 3"),
     "each must return times of a read as whole numbers ("),
    (method("each(self, work)", "return 7"), "each must return times of a read as whole numbers ("),
    (method("each(self, work)", "while True: pass"), "each did not end within 0.4 s"),
    (method("rest(self, work)", "return np.full(3, 1)"), "rest must return times as whole numbers ("),
    (method("actions(self, work)", "return [1]"), "actions"),
    (method("actions(self, work)", "return {'sparkle': work.reads}"),
     "actions of layer features.0 returned the action 'sparkle', which no component of isaac_like prices; the priced "
     "ones are "),
    (method("actions(self, work)", "raise SystemExit(0)"), "actions"),
    (method("__init__(self, array, options=None)", "raise RuntimeError('no licence')"),
     "__init__ raised RuntimeError: no licence"),
])
def test_sensing_units(call, tmp_path, body, says):
    said = refused(call, tmp_path, UNIT.replace("BODY", body), *SENSED)
    assert f"plugin.py: sensing unit mine: {says}" in place(said)


@pytest.mark.parametrize(("body", "says"), [
    (method("path(self, source, target)", "while True: pass"), "path did not end within 0.4 s"),
    (method("path(self, source, target)", "return 1 / 0"), "path raised ZeroDivisionError"),
])
def test_topologies(call, tmp_path, body, says):
    said = refused(call, tmp_path, WIRES.replace("BODY", body), *SIMULATE, "--policy", "chip", "--set",
                   "network.topology=mine", "--set", "network.options={}")
    assert f"plugin.py: topology mine: {says}" in place(said)


@pytest.mark.quick(2)
@pytest.mark.parametrize(("body", "says"), [
    (method("scale(self, written, of, at)", "while True: pass"), "scale did not end within 0.4 s"),
    (method("scale(self, written, of, at)", "return written.times(energy=float('nan'))"),
     "scale returned energy nan, must return a number from 0 to 10^21"),
    (method("scale(self, written, of, at)", "return 3"), "scale returned int, must return a Price"),
])
def test_scaling_models(call, tmp_path, body, says):
    said = refused(call, tmp_path, MODEL.replace("BODY", body), *SIMULATE, "--set", "components.adc.scaling=mine")
    assert f"plugin.py: scaling model mine: {says}" in place(said)


TAKEN = ("visit = yield queue.get()",)


@pytest.mark.quick(6)
@pytest.mark.parametrize(("body", "says"), [
    (method("serve(self, env, queue)", "while True: pass"), "serve did not end within 0.4 s"),
    (method("serve(self, env, queue)", *TAKEN, "while True: pass"), "serve did not end within 0.4 s"),
    (method("serve(self, env, queue)", "return 7"), "serve raised ValueError: 7 is not a generator."),
    (method("serve(self, env, queue)", "yield 7"), "serve raised RuntimeError"),
    (method("serve(self, env, queue)", *TAKEN, "1 / 0"), "serve raised ZeroDivisionError: division by zero"),
    (method("serve(self, env, queue)", *TAKEN, "raise SystemExit(0)"), "serve raised SystemExit: 0"),
    (method("serve(self, env, queue)", "def inner():", "    yield env.timeout(1)", "    raise KeyError('x')",
            "env.process(inner())", *TAKEN), "serve raised KeyError: 'x'"),
    (method("serve(self, env, queue)", "env.event().fail(ValueError('alone'))", *TAKEN),
     "serve raised ValueError: alone"),
    (method("serve(self, env, queue)", "import simpy", "simpy.Event(env).fail(ValueError('alone'))", *TAKEN),
     "serve raised ValueError: alone"),
    (method("serve(self, env, queue)", "def inner():", "    yield env.timeout(1)", "    return 7",
            "yield env.process(inner())", "yield 8"), "serve raised RuntimeError"),
    (method("serve(self, env, queue)", *TAKEN, "raise GeneratorExit"), "serve raised GeneratorExit\n"),
    (method("serve(self, env, queue)", *TAKEN, "from xbarch.errors import InputError", "raise InputError('mine')"),
     "serve raised InputError: mine"),
    (method("serve(self, env, queue)", "class Odd(Exception):", "    def __init__(self, a, b):",
            "        super().__init__(a + b)", "def inner():", "    yield env.timeout(1)", "    raise Odd('x', 'y')",
            "env.process(inner())", *TAKEN), "serve raised Odd: xy"),
    (method("serve(self, env, queue)", *TAKEN, "yield env.timeout(-1)"), "serve raised ValueError: Negative delay -1"),
    (method("serve(self, env, queue)", *TAKEN, "yield env.timeout(0.5)", "visit.over()"),
     "serve raised ValueError: time: must be "),
    (method("serve(self, env, queue)", *TAKEN, "visit.over()", "visit.over()"),
     "serve raised ValueError: over(): window 0 of "),
    (method("serve(self, env, queue)", "while True:", "    visit = yield queue.get()", "    visit.act('sparkle')",
            "    visit.deliver()", "    visit.over()"),
     "serve counted the action 'sparkle', which no component prices; the priced ones are "),
])
def test_unit_processes(call, tmp_path, body, says):
    said = refused(call, tmp_path, PROCESS.replace("BODY", body), *SIMULATE, "--set", "processes={edram: {unit: mine}}",
                   "--trace", tmp_path / "trace.csv")
    assert f"plugin.py: unit process mine: {says}" in place(said) and not (tmp_path / "trace.csv").exists()


def test_of_two_unit_processes_the_right_one_is_named(call, tmp_path):
    good = method("serve(self, env, queue)", "while True:", "    visit = yield queue.get()", "    visit.deliver()",
                  "    visit.over()").replace("mine", "good")
    (tmp_path / "good.py").write_text(PROCESS.replace("BODY", good).replace("mine", "good"))
    bad = method("serve(self, env, queue)", "def inner():", "    yield env.timeout(1)", "    raise KeyError('x')",
                 "env.process(inner())", *TAKEN)
    for first, second in (("good", "mine"), ("mine", "good")):
        said = refused(call, tmp_path, PROCESS.replace("BODY", bad), *SIMULATE, "--plugin", tmp_path / "good.py",
                       "--set", f"processes={{edram: {{unit: {first}}}, bus: {{unit: {second}}}}}")
        assert "plugin.py: unit process mine: serve raised KeyError: 'x'" in place(said)


@pytest.mark.quick(1)
@pytest.mark.parametrize(("lines", "says"), [
    (TAKEN, "to deliver it"), ((*TAKEN, "while True: yield env.timeout(1)"), "to deliver it"),
    ((*TAKEN, "visit.deliver()", "visit.over()"), "waits for its process to ask for it")])
def test_unit_processes_that_stop(call, tmp_path, lines, says, monkeypatch):
    monkeypatch.setattr("xbarch.sim.engine._IDLE", 10_000)
    (tmp_path / "plugin.py").write_text(PROCESS.replace("BODY", method("serve(self, env, queue)", *lines)))
    code, out, said = call(*SIMULATE, "--set", "processes={edram: {unit: mine}}", "--plugin", tmp_path / "plugin.py",
                           "--out", tmp_path / "out")
    assert code == 3 and not out and says in said and "edram@tile" in said and not (tmp_path / "out").exists()
    assert f"; unit processes: edram mine ({tmp_path}/plugin.py)" in said


@pytest.mark.quick(2)
@pytest.mark.parametrize(("text", "says"), [
    ("while True: pass\n", "cannot be imported: did not end within 0.4 s (XBARCH_PLUGIN_SECONDS sets another limit)"),
    ("import time\ntime.sleep(60)\n", "cannot be imported: did not end within 0.4 s"),
    ("raise SystemExit(0)\n", "cannot be imported: SystemExit: 0"),
])
def test_imports(call, tmp_path, text, says):
    assert f"plugin.py: {says}" in refused(call, tmp_path, text, "list", out=False)


def test_contents_that_never_end(call, tmp_path):
    body = method("pack(self, layer, geometry)", "from dataclasses import replace", "def endless():",
                  "    while True: pass",
                  "return [replace(b, contents=endless) for b in super().pack(layer, geometry)]")
    said = refused(call, tmp_path, PATH.replace("BODY", body), "verify", "-a", "isaac_like", "-w", "vgg7_pruned",
                   "--datapath", "mine", out=False)
    assert "data path mine: contents of layer features.0 did not end within 0.4 s" in said


# -- installed packages ---------------------------------------------------------------------------------------

def test_an_installed_package_that_never_ends(call, install):
    install("endless", {"endless_module.py": "while True: pass\n"}, [("datapaths", "endless", "endless_module:Path")])
    code, _, said = call(*SIMULATE, "--datapath", "endless")
    assert code == 2 and "data path plugin 'endless' (endless_module:Path) cannot be imported: did not end" in said
    assert call("show", "segprune")[0] == 0  # others still work by name


def test_an_architecture_without_its_file(call, install):
    install("bare", {"bare_chips/other.yaml": "a: 1\n"}, [("architectures", "bare", "bare_chips")])
    code, _, said = call("simulate", "-a", "bare", "-w", "vgg7_pruned")
    assert code == 2 and said == ("xbarch: architecture plugin 'bare' (bare_chips) has no file bare.yaml in the folder "
                                  "of bare_chips; package bare 1.2 offers it\n")


def test_an_architecture_whose_package_crashes_when_looked_for(call, install):
    install("crash", {"crash_top/__init__.py": "raise OSError('no disk')\n"},
            [("architectures", "crash", "crash_top.chips")])
    code, _, said = call("show", "crash")
    assert code == 2 and "architecture plugin 'crash' (crash_top.chips) cannot be imported: OSError: no disk" in said


def test_an_architecture_that_is_wrong_has_its_file_and_line(call, install):
    install("odd", {"odd_chips/odd.yaml": "extends: isaac_like\nname: odd\ncrossbar:\n  rows: 0\n"},
            [("architectures", "odd", "odd_chips")])
    code, _, said = call("show", "odd")
    assert code == 2 and "odd_chips/odd.yaml:4: crossbar.rows: must be at least 1, not 0" in said
    code, _, said = call("list")
    assert code == 2 and "odd.yaml:4" in said


def test_a_name_that_is_taken(call, install):
    install("taken", {"taken_chips/isaac_like.yaml": "extends: isaac_like\nname: isaac_like\n"},
            [("architectures", "isaac_like", "taken_chips")])
    code, _, said = call("list")
    assert code == 2 and said == ("xbarch: xbarch and package taken 1.2 both provide the architecture 'isaac_like'; "
                                  "remove or rename one of them\n")


def test_a_name_that_a_file_takes(call, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: sre_like\nname: forms_like\n")
    code, _, said = call("show", "sre_like", "--plugin", mine)
    assert code == 2 and said == f"xbarch: {mine}: the architecture name 'forms_like' is taken by xbarch\n"


# -- output and working directory -----------------------------------------------------------------------------

LOUD = "print('imported')\n" + PATH.replace("BODY", method(
    "pack(self, layer, geometry)", "import os, sys, threading", "print('packed')", "os.write(1, b'written')",
    "sys.stdout.write('more')", "thread = threading.Thread(target=print, args=('from a thread',))", "thread.start()",
    "thread.join()", "sys.stdout.close()", "print('closed')", "return super().pack(layer, geometry)"))


def run(tmp_path, text, *words):
    """The command in a process of its own, in an empty folder."""
    (tmp_path / "plugin.py").write_text(text)
    here = tmp_path / "here"
    here.mkdir()
    return subprocess.run([sys.executable, "-m", "xbarch", *words, "--plugin", "../plugin.py"], cwd=here, text=True,
                          capture_output=True, env={**os.environ, limits.VARIABLE: "60"})


def test_what_a_plugin_prints_is_no_part_of_the_json(tmp_path):
    done = run(tmp_path, LOUD, *OWN, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["datapath"]["name"] == "mine"
    for text in ("imported", "packed", "written", "more", "from a thread", "closed"):
        assert text in done.stderr


def test_within_another_program_it_is_no_part_of_the_json_either(call, tmp_path):
    (tmp_path / "plugin.py").write_text(LOUD.replace("os.write(1, b'written')", "pass"))
    code, out, said = call(*OWN, "--json", "--plugin", tmp_path / "plugin.py")
    assert code == 0 and json.loads(out)["datapath"]["name"] == "mine"
    assert "packed" in said and "from a thread" in said


@pytest.mark.full
def test_a_plugin_that_closes_standard_output(tmp_path):
    done = run(tmp_path, LOUD, *OWN, "--out", "out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not (tmp_path / "here" / "out").exists()
    assert "plugin.py: data path mine: pack of layer features.0 raised ValueError" in place(done.stderr)
    quiet = PATH.replace("BODY", method("pack(self, layer, geometry)", "import sys", "sys.stdout.close()",
                                        "return super().pack(layer, geometry)"))
    (tmp_path / "here").rmdir()
    done = run(tmp_path, quiet, *OWN, "--out", "out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not (tmp_path / "here" / "out").exists()
    assert "data path mine: pack of layer features.0 raised RuntimeError: standard output was closed" in done.stderr


def test_a_plugin_that_changes_the_working_directory(tmp_path):
    """Results lie where they were asked for."""
    done = run(tmp_path, "import os\nos.chdir('/')\n" + PATH.replace("BODY", method(
        "pack(self, layer, geometry)", "import os", "os.chdir('/')", "return super().pack(layer, geometry)")), *OWN,
        "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "out" / "result.json").is_file()


# -- the limit ------------------------------------------------------------------------------------------------

def test_what_ends_in_time_is_left_alone(monkeypatch):
    import signal

    before = signal.getsignal(signal.SIGALRM)
    with limits.limited():
        time.sleep(0.05)
        with limits.limited():  # the outer one counts
            pass
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_other_limits(monkeypatch):
    monkeypatch.setenv(limits.VARIABLE, "0")
    with limits.limited():
        time.sleep(LIMIT + 0.2)  # no limit
    monkeypatch.setenv(limits.VARIABLE, "soon")
    assert limits.limit() == limits.SECONDS
    monkeypatch.setenv(limits.VARIABLE, "-1")
    assert limits.limit() == limits.SECONDS
    monkeypatch.setenv(limits.VARIABLE, "0.05")
    with pytest.raises(limits.OverrunError), limits.limited():
        while True:
            pass


def test_other_threads_are_not_limited(monkeypatch):
    monkeypatch.setenv(limits.VARIABLE, "0.05")
    said = []

    def work():
        with limits.limited():
            time.sleep(0.2)
        said.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert said == ["done"]


@pytest.mark.full
def test_memory_is_limited_too(monkeypatch):
    """In a process of its own: a list that grows for ever ends long before the machine's memory does."""
    code = ("from xbarch.plugins import limits\nlimits._memory = lambda: 2**28\nfound = []\n"
            "try:\n    with limits.limited():\n        while True: found.append(bytes(2**20) + b'1')\n"
            "except limits.OverrunError as error: print(error, len(found))\n")
    monkeypatch.delenv(limits.VARIABLE)
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.startswith("did not end before it took 0.1 GB of memory")


@pytest.mark.train
def test_a_projection_in_training_is_named():
    from types import SimpleNamespace

    import numpy as np

    from xbarch.compress.methods.pruner import Pruner
    from xbarch.errors import InputError

    def wrong(*_):
        raise OSError("no licence")

    asked = SimpleNamespace(path=registry.datapath("dense"), geometry=None)
    node = SimpleNamespace(layer=SimpleNamespace(name="conv"))
    for how, says in ((wrong, "project of layer conv raised OSError: no licence"),
                      (lambda *_: None, "project of layer conv must return a Projection of the weights' shape")):
        with pytest.raises(InputError, match=says):
            Pruner._projection(asked, how, np.zeros((2, 2, 1, 1)), node, 0.5)
