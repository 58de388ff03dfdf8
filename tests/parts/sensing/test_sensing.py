"""Sensing units: times and actions against closed forms, and as parts of a machine described in YAML."""

from fractions import Fraction

import numpy as np
import pytest
from rigs import fitted, precise, single

import xbarch
from xbarch.datapaths.base import Work
from xbarch.errors import InputError
from xbarch.parts.sensing.base import Array
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

UNITS = ["adc", "analog_accumulation", "integrate_fire", "sar_adc", "sense_amplifier"]


def work(columns, reads, rows=128):
    n = len(columns)
    return Work(crossbar=np.arange(n), rows=np.full(n, rows), columns=np.array(columns),
                cells=np.array(columns) * rows, reads=np.array(reads), outputs=np.zeros(n, np.int64))


def array(**more):
    return Array(**{"columns": 128, "read": 100_000, "conversion": 781, "converters": Fraction(1), "bits": 8, **more})


def test_they_are_registered():
    assert list(registry.sensing()) == UNITS
    assert all(kind.summary and kind.provenance for kind in registry.sensing().values())


@pytest.mark.parametrize(("columns", "converters", "slot", "time"), [
    (128, 1, 0, 100_000), (129, 1, 0, 100_000),   # the reference column's conversion is hidden
    (128, Fraction(1, 2), 0, 2 * 128 * 781), (64, Fraction(1, 2), 0, 100_000), (128, 4, 0, 100_000),
    (128, Fraction(1, 2), 100_000, 200_000), (128, Fraction(2, 3), 0, -(-128 * 781 * 3 // 2)),
])
def test_converters_take_turns(columns, converters, slot, time):
    unit = registry.sense("adc", {}, array(converters=Fraction(converters), slot=slot))
    w = work([columns], [16])
    assert unit.each(w).tolist() == [time] and unit.rest(w) is None
    assert {k: v.tolist() for k, v in unit.actions(w).items()} == {
        "conversion": [16 * columns], "sample": [16 * columns], "shift_add": [16 * columns]}


@pytest.mark.parametrize(("bits", "time"), [(8, 2 * 128 * 781), (4, 2 * 128 * 391), (2, 100_000)])
def test_successive_approximation_takes_a_step_a_bit(bits, time):
    """Half the bits, half the time, rounded up to a picosecond; what the array's read takes stays."""
    unit = registry.sense("sar_adc", {"of": 8}, array(bits=bits, converters=Fraction(1, 2)))
    assert unit.each(work([128], [16])).tolist() == [time]


PRIME = {"columns": 256, "read": 10_000, "conversion": 1_000, "converters": Fraction(8), "bits": 6, "rows": 256,
         "cell_bits": 4, "dac_bits": 3}


@pytest.mark.parametrize("bits", [1, 4, 6])
def test_amplifiers_count_up_to_the_sum(bits):
    """Eight amplifiers sense 32 bit lines each, one after another, in 2^bits steps."""
    unit = fitted(registry.sense("sense_amplifier", {"keeps": "low"}, array(**{**PRIME, "bits": bits})), precise(8, 6))
    w = work([256, 9], [2, 2])
    assert unit.each(w).tolist() == [10_000 + 32 * 2**bits * 1_000, 10_000 + 2 * 2**bits * 1_000]
    assert unit.actions(w)["conversion"].tolist() == [2 * 256, 2 * 9] and unit.conversion == 2**bits * 1_000
    assert unit.dropped(np.arange(8), bits) is None


def test_amplifiers_are_set_to_the_bits_that_are_kept():
    """PRIME, section III-D1: of the four partial sums of 8-bit weights and 6-bit inputs 6, 3, 2 and no bits. A read of
    the upper input digit takes 64 + 4 steps for two bit lines, of the lower one 8: a mean of 19 a bit line."""
    plain = registry.sense("sense_amplifier", {}, array(**PRIME))
    unit = fitted(plain, precise(8, 6))
    assert unit.sensed() == [0, 2, 3, 6]  # low x low, low weight x high input, high weight x low input, high x high
    assert unit.dropped(np.array([0, 3, 4, 7]), 6).tolist() == [16, 13, 12, 9]
    assert unit.conversion == 19_000
    w = work([256, 255], [2, 2])
    assert unit.each(w).tolist() == [10_000 + 32 * 19_000] * 2
    assert unit.actions(w)["conversion"].tolist() == [2 * 256 * 3 // 4, -(-2 * 255 * 3 // 4)]
    assert plain.sensed() == [6] and fitted(plain, precise(4, 3)).sensed() == [6]
    assert fitted(plain, precise(4, 4)).sensed() == [5, 6]
    wide = fitted(registry.sense("sense_amplifier", {"headroom": 3}, array(**PRIME)), precise(8, 6))
    assert wide.sensed() == [2, 5, 6, 6] and wide.dropped(np.array([0, 7]), 6).tolist() == [13, 6]


@pytest.mark.parametrize("name", ["adc", "analog_accumulation", "integrate_fire"])
def test_other_units_have_nothing_to_set_and_drop_no_bit(name):
    unit = registry.sense(name, {}, array())
    assert fitted(unit, precise(8, 6)) is unit and unit.dropped(np.arange(3), 8) is None


def test_counters_take_no_turns():
    """PipeLayer: a read is as long as the array's, however many columns; nothing is converted."""
    unit = registry.sense("integrate_fire", {}, array(read=29_310))
    w = work([128, 3], [16, 16])
    assert unit.each(w).tolist() == [29_310, 29_310]
    assert unit.actions(w)["fire"].tolist() == [16 * 128, 16 * 3] and "conversion" not in unit.actions(w)


def test_sums_are_converted_once_a_window():
    """CASCADE: the 256 partial sums of a 16-bit weight, 16 columns times 16 phases, take ten conversions."""
    unit = registry.sense("analog_accumulation", {}, array(converters=Fraction(7, 80)))
    w = work([16, 64], [16, 16])
    assert unit.actions(w)["conversion"].tolist() == [10, 40] and unit.actions(w)["interface"].tolist() == [256, 1024]
    assert unit.each(w).tolist() == [100_000, 100_000]
    assert unit.rest(w).tolist() == [-(-10 * 781 * 80 // 7), -(-40 * 781 * 80 // 7)]


def test_reads_that_depend_on_the_data_keep_their_windows():
    w = work([128, 64], [[16, 8], [4, 0], [1, 1]])
    for name in UNITS:
        unit = registry.sense(name, {}, array())
        assert all(counts.shape == (3, 2) for counts in unit.actions(w).values())
        assert unit.rest(w) is None or unit.rest(w).shape == (3, 2)


@pytest.fixture
def machine(tmp_path):
    """A machine of its own, without Python: ISAAC's with another unit and what pays for it."""
    def make(unit, *actions):
        part = "{level: ima, count: 8, area: 0.001 mm^2, power: 1 mW, energy: 1 pJ, source: assumed, action: "
        file = tmp_path / f"{unit}.yaml"
        file.write_text(f"extends: isaac_like\nname: {unit}_like\ncrossbar: {{sensing: {{unit: {unit}}}}}\n"
                        "components:\n  router: {level: tile}\n"
                        + "".join(f"  own_{a}: {part}{a}}}\n" for a in actions))
        return file
    return make


def test_a_machine_takes_a_unit_from_its_yaml(machine):
    """A window of a full array, 16 phases: 16 reads, on ISAAC's slots, no conversion; what is counted is paid for."""
    run = xbarch.execute(machine("integrate_fire", "fire"), single(128, 16, 4), policy="one_copy", images=1)
    assert run.packed["conv"].occupancy.tolist() == [16 * 100_000]
    actions = run.ledger.by_action()
    assert "conversion" not in actions and actions["fire"] == 4 * 16 * 129


def test_accumulation_on_a_machine_saves_conversions(machine):
    """Ten of 256: the ledger charges exactly the shares, and the crossbar is held for the conversions behind."""
    before = xbarch.execute("isaac_like", single(128, 16, 4), policy="one_copy", images=1)
    after = xbarch.execute(machine("analog_accumulation", "interface", "buffer_write"), single(128, 16, 4),
                           policy="one_copy", images=1)
    assert before.ledger.by_action()["conversion"] == 4 * 16 * 129
    assert after.ledger.by_action()["conversion"] == 4 * -(-16 * 129 * 10 // 256)
    assert after.packed["conv"].occupancy.tolist() == [16 * 100_000 + 100_000]


def test_what_nobody_pays_for_is_refused(machine):
    """The architecture lacks the part, in its file or as an object: it is not the unit that is at fault."""
    path = machine("integrate_fire")
    for arch, place in ((path, f"{path}:4: "), (load(path, Architecture), "architecture integrate_fire_like: ")):
        with pytest.raises(InputError) as caught:
            xbarch.execute(arch, single(128, 16, 4), policy="one_copy", images=1)
        assert str(caught.value).startswith(f"{place}components: no component prices the action 'fire' of ")


@pytest.mark.parametrize(("changes", "message"), [
    (["crossbar.sensing.unit=acd"],
     "--set crossbar.sensing.unit=acd: unknown sensing unit 'acd'; choose adc, analog_accumulation"),
    (["crossbar.sensing.options={bits: 3}"],
     "crossbar.sensing.options.bits: unknown key 'bits'; no key is allowed here (crossbar.sensing.unit is adc; "),
    (["crossbar.sensing.unit=analog_accumulation", "crossbar.sensing.options={sums: 0}"],
     "crossbar.sensing.options.sums: must be at least 1, not 0 (crossbar.sensing.unit is analog_accumulation)"),
])
def test_wrong_units_are_refused(changes, message):
    with pytest.raises(InputError) as caught:
        xbarch.simulate("isaac_like", single(128, 16, 4), policy="one_copy", images=1, overrides=changes)
    assert message in str(caught.value) and "\n" not in str(caught.value)
