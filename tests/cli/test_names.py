"""Tab completion, by the protocol that shells use, and the messages of -v."""

import logging
import os
import subprocess
import sys

import pytest

from xbarch.cli import names
from xbarch.mapping.placement import PLACEMENTS
from xbarch.mapping.plan import POLICIES
from xbarch.mapping.shares import REPLICATIONS
from xbarch.plugins.kinds import KINDS
from xbarch.sim.engines import ENGINES
from xbarch.sim.modes import MODES
from xbarch.support import bundled, packages
from xbarch.support.executors.named import DEFAULT, GROUP

HEAVY = {"numpy", "simpy", "torch", "matplotlib", "rich", "ruamel"}  # typer itself loads pydantic


def complete(*words):
    """What bash offers for the last word: the names, and the modules that were loaded for it."""
    code = "import sys; sys.argv = ['xbarch']\nfrom xbarch.__main__ import main\n" \
           "try:\n    main()\nfinally:\n    print('\\nLOADED', *{m.split('.')[0] for m in sys.modules})"
    environment = {**os.environ, "_XBARCH_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["xbarch", *words]),
                   "COMP_CWORD": str(len(words))}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                         env=environment).stdout
    found, _, loaded = out.rpartition("LOADED")
    return found.split(), set(loaded.split())


@pytest.mark.quick(2)
@pytest.mark.parametrize("words, wanted", [
    (("simu",), ["simulate"]),
    (("report", "acc"), ["accuracy"]),
    (("simulate", "--pol"), ["--policy"]),
    (("simulate", "-a", "isaac_l"), ["isaac_like"]),
    (("simulate", "-w", "vgg7_p"), ["vgg7_pruned"]),
    (("verify", "-w", "digit_pairs/vgg7_segprune_8"), ["digit_pairs/vgg7_segprune_8x"]),
    (("simulate", "--policy", "o"), ["one_copy"]),
    (("simulate", "--mode", "l"), ["layer_by_layer"]),
    (("simulate", "--datapath", "me"), ["meng"]),
    (("compare", "-a", "isaac_like,pum"), ["isaac_like,puma_like"]),
    (("sweep", "resnet18_s"), ["resnet18_search", "resnet18_sweep"]),
    (("show", "sar"), ["sar_adc"]),
])
def test_completed_without_heavy_imports(words, wanted):
    found, loaded = complete(*words)
    assert found == wanted and not loaded & HEAVY


def test_installs_into_the_shell(tmp_path):
    """As typer does it: a script for bash that asks xbarch, sourced by .bashrc."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['xbarch', '--install-completion', 'bash']\n"
                               "from xbarch.__main__ import main\nmain()"], capture_output=True, text=True,
        env={**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}, check=False)
    assert done.returncode == 0 and "completion installed" in done.stdout, done.stderr
    assert "_XBARCH_COMPLETE" in "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())


def test_names_are_those_there_are():
    assert set(names.MODES) == set(MODES) and set(names.PLACEMENTS) == set(PLACEMENTS)
    assert set(names.REPLICATIONS) == set(REPLICATIONS)
    assert set(names.ENGINES) == set(ENGINES)
    assert set(names.EXECUTORS) == {point.name for point in packages.offered(GROUP)} and names.EXECUTORS[0] == DEFAULT
    assert {name.partition(":")[0] for name in names.POLICIES} == {name.partition(":")[0] for name in POLICIES}
    assert set(names.PLUGINS) == {kind.label for kind in KINDS}
    assert all(bundled.find(name, "workloads", ("",)) for name in names.members())


def test_verbose_says_what_is_done_and_only_then(call):
    run = ("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", 1)
    code, out, err = call("-v", *run)
    assert code == 0 and "xbarch.sim.engines: engine simpy (auto: " in err and "packing 8 layers of vgg7" in err
    assert call(*run) == (0, out, "")
    log = logging.getLogger("xbarch")
    assert [type(handler) for handler in log.handlers] == [logging.NullHandler] and log.level == logging.NOTSET


def test_verbose_after_the_command_is_told_its_place(call):
    code, _, err = call("list", "-v")
    assert code == 2 and "write it before the command" in err and err.count("\n") == 1
