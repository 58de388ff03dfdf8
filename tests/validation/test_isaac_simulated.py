"""ISAAC's energy by simulation: the ledger against a closed form, and its distance from the nameplate explained.

A 512 x 32 convolution of 16 bits fills an IMA: 4 x 2 crossbars of 128 rows by 16 filters of 8 cells.
"""

from fractions import Fraction

import pytest
from rigs import isaac, single

WINDOWS, PHASES, CROSSBARS = 600, 16, 8
ACTIONS = {  # a window of one copy, by hand
    "conversion": CROSSBARS * 129 * PHASES,              # 128 bit lines and the unit column
    "sample": CROSSBARS * 129 * PHASES,
    "shift_add": CROSSBARS * 129 * PHASES,
    "row_drive": CROSSBARS * 128 * PHASES,
    "cell_read": CROSSBARS * 128 * 129 * PHASES,
    "ir_access": 512 * 16 // 256 + CROSSBARS * PHASES,   # words in; a word of bits out, each phase and crossbar
    "or_access": CROSSBARS * 16,
    "bus_transfer": -(-512 * 16 // 384),
    "edram_access": 512 * 16 // 256 + 32 * 16 // 256,    # inputs read, outputs written
    "merge_add": 0,                                      # the IMA holds all rows
    "tile_or_access": 32,
    "activation": 32,
    "flit_hop": 0,
}
# Share of its full activity each component of a tile has at peak rate: actions of 12 windows in 16 slots of 100 ns
# over what Table I's power buys in as many slots (Shafiee et al., ISCA 2016; rates of the registers and units: one
# access a clock of 1.2 GHz, assumed).
ACTIVITY = {
    "adc": Fraction(129, 128), "sample_hold": Fraction(129, 128), "shift_add": Fraction(129, 128),
    "crossbar": Fraction(129, 128), "dac": Fraction(1), "input_register": Fraction(160, 16 * 120),
    "output_register": Fraction(128, 16 * 120), "bus": Fraction(12 * 22, 16 * 120),
    "edram": Fraction(12 * 34, 16 * 120), "tile_shift_add": Fraction(0),
    "tile_output_register": Fraction(12 * 32, 16 * 120), "activation": Fraction(12 * 32, 16 * 240),
    "maxpool": Fraction(0), "router": Fraction(0),
}


@pytest.fixture(scope="module")
def run():
    return isaac(single(512, 32, WINDOWS), ideal=("off_chip", "network"))


def test_actions_are_the_closed_form(run):
    for action, count in ACTIONS.items():
        assert run.ledger.actions.get(("conv", action), 0) == WINDOWS * count, action


def test_energy_is_the_closed_form(run):
    """To the attojoule, from the counts above and each component's energy an action."""
    components = run.machine.architecture.components
    for name, component in components.items():
        if component.action in ACTIONS:
            want = WINDOWS * ACTIONS[component.action] * component.energy_aj
            assert run.ledger.energy.get(("conv", name), 0) == want, name
    assert run.ledger.by_layer()["conv"] == sum(
        WINDOWS * ACTIONS[c.action] * c.energy_aj for c in components.values() if c.action in ACTIONS)


def test_distance_from_the_nameplate_is_activity(run):
    """At peak rate every component draws its printed power times its activity, and nothing else lies between the
    ledger and the nameplate: the unit column makes converters 129/128 busy, eDRAM, bus and registers idle most of
    the time."""
    rate = Fraction(12, PHASES * 100_000)  # windows a picosecond of a tile at its peak
    drawn, nameplate = Fraction(0), Fraction(0)
    for name, c in run.machine.architecture.components.items():
        if c.level == "chip":
            continue
        full = c.power * {"ima": 12, "tile": 1}[c.level] * Fraction(c.count if name == "router" else 1)
        power = rate * ACTIONS.get(c.action, 0) * c.energy_aj  # aJ a picosecond are microwatts
        assert float(power) == pytest.approx(float(c.power * {"ima": 12, "tile": 1}[c.level] * ACTIVITY[name]),
                                             rel=1e-3), name
        drawn, nameplate = drawn + power, nameplate + full
    by_layer = run.ledger.by_layer()["conv"]
    assert drawn == pytest.approx(float(rate * by_layer / WINDOWS), rel=1e-12)
    assert 0.85 < drawn / nameplate < 0.95
