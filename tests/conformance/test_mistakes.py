"""What an author of a data path gets wrong: neither a run nor the conformance test has a number for it, but a sentence
with the data path, its file and the place."""

import re
from pathlib import Path

import numpy as np
import pytest
from conformance import mistakes, speculating

import xbarch
from xbarch.conformance import conform
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.workload.graph import Layer, Workload

FILE = str(Path(mistakes.__file__))
KINDS = {kind.name: kind for kind in mistakes.MISTAKES}


def tiny():
    """A convolution of two crossbars on isaac_like, with inputs of an image."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-8, 8, (24, 32, 3, 3)).astype(np.int32)
    shape = (32, 4, 4)
    return Workload(name="tiny", activations={"conv": rng.integers(0, 16, (1, *shape)).astype(np.uint8)}, layers=(
        Layer(name="input", op="input", inputs=(), in_shape=shape, out_shape=shape, output_bits=4),
        Layer(name="conv", op="conv", inputs=("input",), in_shape=shape, out_shape=(24, 4, 4), kernel=(3, 3),
              padding=(1, 1), weight_bits=4, input_bits=4, output_bits=4, weights=lambda: weights)))


TINY = tiny()


def sentence(act):
    with pytest.raises(InputError) as caught:
        act()
    text = str(caught.value)
    assert "\n" not in text and caught.value.exit_code == 2 and text.startswith(FILE), text
    return text


@pytest.mark.quick(12)
@pytest.mark.parametrize("name", KINDS)
def test_runs_refuse_it(name):
    registry.load_file(FILE)
    said = sentence(lambda: xbarch.simulate("isaac_like", TINY, datapath=name, images=1))
    assert re.search(mistakes.SAYS[name], said) and f"data path {name}: " in said, said
    assert "layer conv" in said or "components" in said


@pytest.mark.quick(8)
@pytest.mark.parametrize("name", KINDS)
def test_the_conformance_test_refuses_it(name):
    said = sentence(lambda: conform(KINDS[name](), 3))
    assert re.search(mistakes.SAYS[name], said) and f"data path {name}: " in said, said


# -- commands -------------------------------------------------------------------------------------------------

def said_by(call, *words):
    """What a command says of a data path of the file, in one line and with exit code 2."""
    code, out, said = call(*words, "-a", "isaac_like", "-w", "vgg7_pruned", "--plugin", FILE)
    assert code == 2 and not out and said.count("\n") == 1 and said.startswith(f"xbarch: {FILE}"), (code, out, said)
    return said


@pytest.mark.parametrize("words", [("verify",), ("simulate", "--images", "1"), ("accuracy", "--images", "1")])
def test_commands_name_data_path_layer_and_file(call, words):
    """A wrong sign is no mismatch of the machine (exit code 5), and no fault of xbarch (exit code 4)."""
    said = said_by(call, *words, "--datapath", "wrong_sign")
    assert "data path wrong_sign: layer features.0: the outputs differ in" in said
    said = said_by(call, *words, "--datapath", "one_group")
    assert "data path one_group: layer features.0: two blocks of the activation group 0" in said


def test_a_comparison_with_a_broken_data_path_is_refused(call):
    said = said_by(call, "compare", "--images", "1", "--datapath", "dense,targets_cut")
    assert "data path targets_cut: layer features.0: " in said


def test_authors_see_where_their_hook_raised(call):
    line = 1 + Path(FILE).read_text().split("\n").index("    return [][layer.filters]  # stumbles")
    words = ("simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--plugin", FILE, "--datapath", "raises")
    code, _, said = call(*words)
    assert code == 2 and said == (f"xbarch: {FILE}:{line}: data path raises: pack of layer features.0 raised "
                                  "IndexError: list index out of range\n")
    code, _, said = call("-v", *words)
    assert code == 2 and "xbarch.plugins.guard: Traceback (most recent call last):\n" in said
    assert f'xbarch.plugins.guard:   File "{FILE}", line {line}, in stumbling\n' in said
    assert said.endswith("IndexError: list index out of range\n") and "\x1b" not in said


# -- what is no mistake ---------------------------------------------------------------------------------------

def test_a_group_may_be_read_in_several_ways():
    """Both kinds of read are counted, by hand: 2 reads of all bit lines, then 4 of an eighth of them."""
    assert conform(speculating.Speculating(), 5) > 5
    plain = xbarch.simulate("isaac_like", TINY, datapath="dense", images=1)
    registry.load_file(speculating.__file__)
    several = xbarch.simulate("isaac_like", TINY, datapath="speculating", images=1)
    columns = 24 * 2 + 1  # two cells per weight and the unit column, on each of three crossbars
    crossbars, windows, again = 3, 16, -(-columns // 8)
    assert plain["counts.actions"]["conversion"] == windows * crossbars * 4 * columns
    assert several["counts.actions"]["conversion"] == windows * crossbars * (2 * columns + 4 * again)
    assert several["counts.actions"]["cell_read"] == windows * 288 * (2 * columns + 4 * again)
