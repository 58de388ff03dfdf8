"""Data paths by name, from installed packages and from files named on the command line."""

import itertools
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from xbarch.datapaths.base import Geometry
from xbarch.datapaths.dense import Dense
from xbarch.errors import InputError
from xbarch.functional.execute import run
from xbarch.plugins import registry
from xbarch.workload.graph import Layer

SHIPPED = ["auto_prune", "dense", "forms", "huai", "hybrid_p", "liang", "lin", "meng", "pattern", "pattpim",
           "pim_prune", "recom", "repim", "segprune", "snrram", "sre", "tiny_but_accurate", "tinyadc", "xue"]
NAMES = f"{', '.join(SHIPPED[:-1])} or {SHIPPED[-1]}"
GOOD = '''
from dataclasses import replace
from typing import ClassVar
from pydantic import Field
from xbarch.datapaths import base
from xbarch.datapaths.dense import Dense, blocks

class Options(base.Options):
    picks: bool = Field(False, description="which bit lines are converted is picked by hardware of its own")
    step: int = Field(1, ge=1, le=9, description="nothing")

class Mine(Dense):
    name: ClassVar[str] = "NAME"
    summary: ClassVar[str] = "dense again"
    provenance: ClassVar[str] = "a test"
    Options: ClassVar[type[base.Options]] = Options

    def pack(self, layer, geometry):
        return [replace(block, gated=self.options.picks) for block in blocks(layer, geometry)]
'''


@pytest.fixture
def write(tmp_path):
    numbers = itertools.count()

    def make(text, name=None):
        file = tmp_path / (name or f"plugin{next(numbers)}.py")
        file.write_text(text)
        return file
    return make


def refused(action, *args, **kwargs):
    """The sentence of the refusal, which must be one line."""
    with pytest.raises(InputError) as caught:
        action(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- files ----------------------------------------------------------------------------------------------------

def test_a_file_registers_its_data_path(write):
    assert "mine" not in registry.datapaths()
    assert registry.load_file(write(GOOD.replace("NAME", "mine"))) == ["mine"]
    assert list(registry.datapaths()) == sorted([*SHIPPED, "mine"])
    path = registry.datapath("mine", {"picks": True})
    weights = np.full((3, 5, 1, 1), -8, np.int8)
    layer = Layer(name="fc", op="linear", inputs=("input",), in_shape=(5, 1, 1), out_shape=(3, 1, 1), weight_bits=4,
                  input_bits=2, weights=lambda: weights)
    geometry, x = Geometry(16, 16, 2), np.array([[3, 0, 1, 2, 3]])
    blocks = path.pack(layer, geometry)
    assert blocks[0].gated and run(blocks, layer, geometry, x).out.tolist() == [[-72, -72, -72]]


def test_what_a_file_imports_is_not_registered_again(write):
    """Dense, imported by the file, keeps its own registration; helpers without a name are no data paths."""
    text = GOOD.replace("NAME", "mine") + "\nclass Helper(Mine):\n    pass\n"
    assert registry.load_file(write(text)) == ["mine"]
    assert registry.datapaths()["dense"] is Dense


def test_several_in_one_file_and_in_several_files(write):
    text = GOOD.replace("NAME", "one") + GOOD.replace("NAME", "two").replace("Mine", "Other")
    assert registry.load_file(write(text)) == ["one", "two"]
    assert registry.load_file(write(GOOD.replace("NAME", "three"))) == ["three"]
    assert list(registry.datapaths()) == sorted([*SHIPPED, "one", "three", "two"])


def test_the_same_file_may_be_loaded_again_and_is_read_again(write):
    file = write(GOOD.replace("NAME", "mine"))
    registry.load_file(file)
    file.write_text(GOOD.replace("NAME", "mine").replace("dense again", "the second version, longer"))
    assert registry.load_file(file) == ["mine"]
    assert registry.datapaths()["mine"].summary == "the second version, longer"


def test_an_alias_counts_once(write):
    assert registry.load_file(write(GOOD.replace("NAME", "mine") + "\nAlias = Mine\n")) == ["mine"]


@pytest.mark.parametrize(("text", "why"), [
    ("1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero"),
    ("def broken(:\n", "cannot be imported: SyntaxError"),
    ("import no_such_module_at_all\n", "cannot be imported: ModuleNotFoundError"),
    ("import sys\nsys.exit(3)\n", "cannot be imported: SystemExit: 3"),
    ("raise KeyboardInterrupt\n", "cannot be imported: KeyboardInterrupt"),
    ("raise ValueError('two\\nlines')\n", "cannot be imported: ValueError: two?lines"),
    ("x = 1\n", "defines no data path: write a subclass of DataPath (or of Sensing, Scaling, "
     "Topology, UnitProcess or Effect) that has a name"),
    ("", "defines no data path"),
    ("from xbarch.datapaths.dense import Dense\n", "defines no data path"),
    ("class Mine:\n    name = 'mine'\n", "defines no data path"),
    (GOOD.replace("NAME", "dense"), "the data path name 'dense' is taken"),
    (GOOD.replace("NAME", "one") + GOOD.replace("NAME", "one").replace("Mine", "Other"),
     "the data path name 'one' is taken"),
    ("from xbarch.datapaths.base import DataPath\nclass Mine(DataPath):\n    name = 'mine'\n",
     "the data path 'mine' does not define pack"),
    ("from xbarch.datapaths.base import DataPath\nclass Mine(DataPath):\n    name = 7\n"
     "    def pack(self, layer, geometry): return []\n", "the name of data path Mine must be text, not 7"),
])
def test_files_that_are_refused(write, text, why):
    file = write(text)
    sentence = refused(registry.load_file, file)
    assert sentence.startswith(str(file)) and why in sentence
    assert list(registry.datapaths()) == SHIPPED  # nothing half registered


def test_a_name_taken_by_another_file_is_refused(write):
    registry.load_file(write(GOOD.replace("NAME", "mine")))
    assert "the data path name 'mine' is taken" in refused(registry.load_file, write(GOOD.replace("NAME", "mine")))


def test_files_that_are_not_there_or_not_python(write, tmp_path):
    assert "cannot be read: No such file" in refused(registry.load_file, tmp_path / "nowhere.py")
    assert "must be a file, not a folder or device" in refused(registry.load_file, tmp_path)
    assert "cannot be read: embedded null" in refused(registry.load_file, "a\0.py")
    assert "the name must end in .py" in refused(registry.load_file, write(GOOD, "plugin.txt"))


# -- names and options ----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "meant"), [("dnse", "dense"), ("Meng", "meng"), ("mneg", "meng")])
def test_a_misspelt_name_is_answered_with_the_near_one(name, meant):
    sentence = refused(registry.datapath, name)
    assert sentence == f"datapath: unknown data path {name!r}; choose {NAMES}; did you mean {meant!r}?"


def test_a_name_like_none_has_no_hint(write):
    assert refused(registry.datapath, "zzz") == f"datapath: unknown data path 'zzz'; choose {NAMES}"
    registry.load_file(write(GOOD.replace("NAME", "mine")))
    assert refused(registry.datapath, "min").endswith("; did you mean 'mine'?")


@pytest.mark.parametrize(("options", "why"), [
    ({"pick": True}, "options.pick: unknown key 'pick'; the keys here are picks, step; did you mean 'picks'?"),
    ({"zzz": 1}, "options.zzz: unknown key 'zzz'; the keys here are picks, step"),
    ({"picks": "yes"}, "options.picks: must be true or false, not 'yes'"),
    ({"step": 10}, "options.step: must be at most 9, not 10"),
    ({"step": 1.5}, "options.step: must be a whole number, not 1.5"),
])
def test_wrong_options_are_refused_by_name(write, options, why):
    registry.load_file(write(GOOD.replace("NAME", "mine")))
    assert refused(registry.datapath, "mine", options).startswith(why)


@pytest.mark.parametrize(("body", "why"), [
    ("raise ValueError('no licence')", ":22: data path mine: __init__ raised ValueError: no licence"),
    ("raise SystemExit(3)", ":22: data path mine: __init__ raised SystemExit: 3"),
    ("pass", ": data path mine: __init__ must set self.options, as DataPath.__init__ does"),
])
def test_a_constructor_that_misbehaves_is_named_with_its_file(write, body, why):
    file = write(GOOD.replace("NAME", "mine") + f"\n    def __init__(self, options=None):\n        {body}\n")
    registry.load_file(file)
    assert refused(registry.datapath, "mine") == f"{file}{why}"


def test_a_data_path_without_its_source_is_refused(write):
    text = GOOD.replace("NAME", "mine").replace("(Dense)", "(base.DataPath)").replace(
        '    provenance: ClassVar[str] = "a test"\n', "")
    assert "the data path 'mine' does not define provenance" in refused(registry.load_file, write(text))


# -- installed packages ---------------------------------------------------------------------------------------

def offering(*points):
    """A registry of packages that offer these data paths."""
    return registry.Registry(lambda group: [EntryPoint(name, value, group) for name, value in points]).active()


def test_packages_are_found_by_entry_point():
    with offering(("other", "xbarch.datapaths.dense:Dense"), ("dense", "xbarch.datapaths.dense:Dense")):
        assert list(registry.datapaths()) == ["dense", "other"]
        assert isinstance(registry.datapath("other"), Dense)
    assert list(registry.datapaths()) == SHIPPED


@pytest.mark.parametrize(("value", "why"), [
    ("no_such_package:Thing", "(no_such_package:Thing) cannot be imported: ModuleNotFoundError"),
    ("xbarch.datapaths.dense:Nothing", "cannot be imported: AttributeError"),
    ("xbarch.datapaths.dense:blocks", "is not a subclass of DataPath"),
    ("xbarch.datapaths.base:DataPath", "does not define pack"),
])
def test_broken_packages_are_named(value, why):
    with offering(("bad", value), ("dense", "xbarch.datapaths.dense:Dense")):
        for asked in (registry.datapaths, lambda: registry.datapath("bad")):
            sentence = refused(asked)
            assert "'bad'" in sentence and why in sentence
        assert isinstance(registry.datapath("dense"), Dense)  # the others still work by name


def test_two_packages_with_one_name_are_refused():
    with offering(("dense", "xbarch.datapaths.dense:Dense"), ("dense", "elsewhere:Dense")):
        sentence = refused(registry.datapaths)
    assert "two packages offer the data path 'dense'" in sentence
    assert "elsewhere:Dense" in sentence and "xbarch.datapaths.dense:Dense" in sentence
