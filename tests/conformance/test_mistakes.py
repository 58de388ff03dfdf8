"""What an author of a data path gets wrong: neither a run nor the conformance test has a number for it, but a sentence
with the data path, its file and the place."""

import re
from pathlib import Path

import numpy as np
import pytest

import xbarch
from conformance import mistakes
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
