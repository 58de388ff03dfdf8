"""What is refused before copies are placed would not have been placed."""

import random

import numpy as np
import pytest

import xbarch
from xbarch.mapping import plan
from xbarch.workload.graph import Layer, Workload

SIDE = 12


def conv(name, source, channels, kernel):
    return Layer(name=name, op="conv", inputs=(source,), in_shape=(channels, SIDE, SIDE), out_shape=(16, SIDE, SIDE),
                 kernel=(kernel, kernel), padding=(kernel // 2, kernel // 2), scale=np.full(16, 0.1),
                 bias=np.zeros(16), relu=True, weights=lambda: np.ones((16, channels, kernel, kernel), np.int8))


@pytest.fixture(scope="module")
def site():
    """Three convolutions on tiles with small buffers, whose copies own stripes."""
    found, fill = [], plan.fill
    network = Workload(name="three", layers=(
        Layer(name="input", op="input", inputs=(), in_shape=(3, SIDE, SIDE), out_shape=(3, SIDE, SIDE)),
        conv("a", "input", 3, 1), conv("b", "a", 16, 3), conv("c", "b", 16, 3)))

    def kept(site, budgets, limits):
        found.append((site, limits))
        return fill(site, budgets, limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "fill", kept)
        xbarch.execute("isaac_like", network, policy="chip", images=1, replication="stripes",
                       overrides=["buffer.size=0.75 KB"])
    return found[0]


def test_copies_that_are_too_large_by_themselves_find_no_tile(site):
    here, limits = site
    here.large.update(dict.fromkeys(here.packed))
    drawn, counts = random.Random(5), (1, 2, 3, 7, 12, 24, 60, 100, 144)
    verdicts = set()
    for _ in range(60):
        copies = {name: drawn.choice(counts) for name in here.ones}
        large = here.too_large(copies)
        placed = here.attempt(copies, limits, True)
        assert not (large and placed)
        verdicts.add((large, placed is not None))
    assert {(True, False), (False, True)} <= verdicts


def test_what_was_never_too_large_is_not_looked_at(site):
    here, _ = site
    here.large.clear()
    assert not here.too_large({name: 144 for name in here.ones})
