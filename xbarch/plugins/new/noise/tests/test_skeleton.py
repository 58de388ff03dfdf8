"""skeleton: an array alone, and a machine that uses it."""

import numpy as np
from skeleton import SkeletonEffect

import xbarch
from xbarch.conformance import conform_effect
from xbarch.parts.effects.base import Given


def test_word_lines_differ_and_cells_of_one_do_not():
    given = Given(levels=3, lowest=0.0, highest=None, held=np.ones((1000, 4), bool), converters=1,
                  target=np.full((1000, 4), 0.5, np.float32), random=np.random.default_rng(0))
    found = SkeletonEffect({"share": 0.1}).cells(np.full((1000, 4), 0.5, np.float32), given)
    assert (found == found[:, :1]).all() and abs(found[:, 0].std() / 0.05 - 1) < 0.1


def test_the_contract():
    conform_effect(SkeletonEffect({"share": 0.1}))


def test_a_machine_takes_it():
    """Without spread the network is the ideal one."""
    found = xbarch.accuracy("isaac_like", "digit_pairs/vgg7_xue_2bit", images=8, draws=1, overrides=[
        "noise.effects.skeleton.share=0", "noise.full_scale=ideal"])
    assert found.same_class == 1
