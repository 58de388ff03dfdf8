"""CASCADE's printed counts and ratios (Chou et al., MICRO 2019); ISAAC's chip at 8 bits."""

import pytest
from rigs import single

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.machine.machine import Machine
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

CASCADE, ISAAC = load("cascade_like", Architecture), load("isaac_like", Architecture)


def test_capacity():
    """80 units of 40 KiB, 3.2 MB as printed (3.277)."""
    assert CASCADE.crossbars * 64 * 64 / 8 == 80 * 40 * 1024 == pytest.approx(3.2e6, rel=0.025)


def test_a_weight_takes_ten_conversions_instead_of_256():
    """Four 16-bit weights per row, 16 input cycles: 40 conversions per crossbar and window behind its reads; with
    converters alone each read converts every column (the reference column too)."""
    few = xbarch.execute("cascade_like", single(64, 4, 8), policy="one_copy", images=1)
    many = xbarch.execute("isaac_like", single(64, 4, 8), policy="one_copy", images=1, overrides=[
        "crossbar.rows=64", "crossbar.columns=64", "crossbar.cell_bits=1"])
    assert many.ledger.by_action()["conversion"] == 8 * 16 * 65
    assert few.ledger.by_action()["conversion"] == 8 * -(-16 * 65 * 10 // 256) == 8 * 41
    assert few.ledger.by_action()["interface"] == few.ledger.by_action()["buffer_write"] == 8 * 16 * 65


def test_seven_converters_serve_eighty_crossbars():
    run = xbarch.execute("cascade_like", single(64, 4, 8), policy="one_copy", images=1)
    assert run.packed["conv"].occupancy.tolist() == [16 * 100_000 + -(-41 * 781 * 80 // 7)]


def test_prices_are_the_printed_ratios_of_isaacs():
    cascade, isaac = ({action: price.energy for action, [price] in Machine(a).prices().items()}
                      for a in (CASCADE, ISAAC))
    assert isaac["conversion"] / cascade["interface"] == pytest.approx(77.5, rel=1e-3)
    assert isaac["shift_add"] / cascade["buffer_write"] == pytest.approx(7.59, rel=1e-3)


def test_eight_bits_quadruple_isaacs_peak():
    eight = load("isaac_8bit", Architecture)
    assert nameplate(eight, 8, 8).tops == pytest.approx(4 * nameplate(ISAAC).tops) == pytest.approx(165.15, rel=1e-4)
    assert nameplate(eight, 8, 8).power_w == nameplate(ISAAC).power_w
