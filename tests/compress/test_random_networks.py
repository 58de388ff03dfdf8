"""No random network is read as another one, and none ends in anything but layers or a sentence."""

import pytest
import torch
from operatorrig import check_integers
from randomnets import drawn

from xbarch.compress.intake.trace import trace_model
from xbarch.errors import InputError

torch.set_num_threads(1)


def read(seed):
    """Whether the network was read; `trace_model` refuses a graph that differs with a sentence of its own."""
    try:
        trace_model(drawn(seed), (3, 8, 8))
    except InputError as error:
        assert "another network" not in str(error) and "cannot be mapped" not in str(error), (seed, str(error))
        assert "returns" not in error.message, (seed, str(error))
        return False
    return True


@pytest.mark.parametrize("first, count", [
    (0, 8), pytest.param(8, 52, marks=pytest.mark.full),
    *(pytest.param(first, 200, marks=pytest.mark.long) for first in range(60, 2060, 200))])
def test_none_becomes_another_network(first, count):
    found = sum(read(seed) for seed in range(first, first + count))
    assert found >= 0.9 * count  # few are refused: averages that cannot divide evenly


@pytest.mark.parametrize("seed", [3, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(10, 40))])
def test_integers_of_random_networks(seed):
    """Computed one by one, at once and on crossbars they are the same (with few layers: rounding adds up)."""
    check_integers(drawn(seed, steps=3 + seed % 3), error=10, bits=8)
