"""ISAAC's pipeline: 22 cycles a window, a new one every 16 (Shafiee et al., ISCA 2016)."""

import numpy as np
import pytest
from rigs import isaac, single

SLOT = 100_000


@pytest.mark.parametrize("bits", [16, 8, 4])
def test_one_window_takes_22_cycles_and_the_next_starts_16_later(bits):
    trace = isaac(single(128, 16, 20, bits), "one_copy", ideal=("off_chip", "buffer")).trace
    issued, done = trace.issued[1], trace.done[1]
    slots = bits  # one-bit DACs: a phase a slot
    assert done[0] - issued[0] == (slots + 6) * SLOT  # read 1, crossbar, 2 behind it, merge, activate, write
    assert set(np.diff(done)) == {slots * SLOT}


@pytest.mark.parametrize(("rows", "filters", "share"), [(512, 32, 1), (1024, 16, 2 / 3)])
def test_a_tile_holds_its_peak_or_the_buss(rows, filters, share):
    """Twelve IMAs as 4 x 2 crossbars ask the bus for 12 KB in 16 slots of 1 KB, as 8 x 1 for 24 KB: two thirds."""
    run = isaac(single(rows, filters, 1500), ideal=("off_chip", "network"))
    assert run.plan.tiles == 1 and run.plan.copies["conv"] == 12
    done = np.sort(run.trace.done[1])
    rate = 900 / (done[1199] - done[299])
    peak = 12 / (16 * SLOT)
    assert 0.98 * share <= rate / peak <= share * 1.0001
