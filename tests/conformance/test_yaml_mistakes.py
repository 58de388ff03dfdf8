"""What an author of an architecture's file gets wrong: neither `validate` nor a run has a figure for it, but a sentence
with file, line and field."""

import re

import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.machine.build import buildable
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

SOURCE = "source: 'a test of mine'"
PRICE = "components:\n  adc: {power: null, actions: null, per: null, %s, " + SOURCE + "}"
PART = "components:\n  fan: {level: ima, count: 1, area: 1 um^2, %s, " + SOURCE + "}"
ADC = "components:\n  adc: {%s, " + SOURCE + "}"

# name: (text, line below the head, what is said)
MISTAKES = {
    "ghost_action": (PART % "energy: 1 pJ, action: footle", 2, "components.fan.action: nothing emits 'footle'; the "),
    "misspelt_action": (ADC.replace("adc", "dac") % "action: row_drve", 2, "'row_drve'.*did you mean 'row_drive'"),
    "ghost_covered": (ADC % "covers: [footle]", 2, "components.adc.covers: nothing emits 'footle'"),
    "covers_itself": (ADC % "covers: [conversion]", 2, "conversion is the action whose price it states"),
    "paid_twice": (ADC % "energy: 1 pJ", 2, "states the energy of an action twice"),
    "unpaid": ("components:\n  dac: null", 1, "no component prices the action 'row_drive'"),
    "half_a_price": (ADC % "actions: null", 2, "actions and per belong together, but actions is missing"),
    "no_action": (PART % "energy: 1 pJ", 2, "components.fan: needs an action with energy"),
    "two_parts_of_a_name": ("components:\n  adc: {count: 8}\n  adc: {count: 4}", 3, "'adc' is given twice, first in"),
    "price_without_unit": (PRICE % "energy: 2", 2, "must be an energy with its unit .* not '2'"),
    "price_as_power": (PRICE % "energy: 2 mW", 2, "must be an energy with its unit .* not '2 mW'"),
    "unknown_unit": (PRICE % "energy: 2 PJ", 2, "must be an energy with its unit .* not '2 PJ'"),
    "aj_for_pj": (PRICE % "energy: 2 aJ", 2, r"an action conversion would cost 2 aJ; hardware takes 10 to .*1 pJ is"),
    "joule_for_pj": (PRICE % "energy: 2 J", 2, "would cost 2,000,000,000,000,000,000 aJ; hardware takes"),
    "mw_for_w": (ADC % "power: 16 W, actions: 1", 2, "an action conversion would cost 1,600,000,000,000 aJ"),
    "power_as_energy": (ADC % "power: 2 pJ", 2, "must be a power with its unit .* not '2 pJ'"),
    "negative_power": (ADC % "power: -16 mW", 2, "must be a power of at least 0, not '-16 mW'"),
    "area_as_length": (ADC % "area: 2 mm", 2, "must be an area with its unit .* not '2 mm'"),
    "area_without_unit": (ADC % "area: 60", 2, "must be an area with its unit .* not '60'"),
    "leakage_as_energy": (ADC % "leakage: 5 pJ", 2, "must be a power with its unit .* not '5 pJ'"),
    "period_without_unit": (ADC % "per: 100", 2, "must be a time with its unit .* not '100'"),
    "time_as_frequency": ("crossbar: {read: 10 GHz, " + SOURCE + "}", 1, "must be a time with its unit .* '10 GHz'"),
    "frequency_as_time": ("network: {clock: 1 ns, " + SOURCE + "}", 1, "must be a frequency with its unit .* '1 ns'"),
    "bandwidth_as_power": ("bus: {bandwidth: 10 mW, " + SOURCE + "}", 1, "must be a bandwidth with its unit"),
    "unknown_sensing_unit": ("crossbar: {sensing: {unit: nadc}}", 1, "unknown sensing unit 'nadc'.*did you mean 'adc'"),
    "option_it_has_not": ("crossbar: {sensing: {options: {bits: 3}}}", 1, "unknown key 'bits'; no key is allowed here"),
    "unknown_topology": ("network: {topology: torus}", 1, "unknown topology 'torus'; choose bus, htree or mesh"),
    "unknown_scaling": (ADC % "scaling: fastadc", 2, "unknown scaling model 'fastadc'"),
    "unknown_data_path": ("datapath: {name: dens}", 1, "datapath.name: unknown data path 'dens'.*did you mean 'dense'"),
    "unknown_process": ("processes: {edram: {unit: refrsh}}", 1, "unknown unit process 'refrsh'"),
    "unknown_key": (ADC % "enrgy: 1 pJ", 2, "unknown key 'enrgy'.*did you mean 'energy'"),
    "unknown_level": (ADC % "level: crossbar", 2, "must be chip, tile or ima, not 'crossbar'"),
    "negative_count": (ADC % "count: -1", 2, "components.adc.count: must be a whole number from 1"),
    "constant_and_acting": (ADC % "constant: true", 2, "constant power takes no action"),
    "no_tiles": ("hierarchy: {tiles: 0, " + SOURCE + "}", 1, "hierarchy.tiles: must be at least 1, not 0"),
    "half_a_tile": ("hierarchy: {tiles: 3.5, " + SOURCE + "}", 1, "hierarchy.tiles: must be a whole number, not 3.5"),
    "too_many_bits": ("crossbar: {adc_bits: 80, " + SOURCE + "}", 1, "crossbar.adc_bits: must be at most 16, not 80"),
    "no_such_base": ("extends: isac_like", 1, "extends: isac_like: no such file.*did you mean 'isaac_like'"),
    "no_source": (PART.replace(", " + SOURCE, "") % "energy: 1 pJ, action: conversion", 2, "fan.source"),
}


@pytest.fixture
def file(tmp_path):
    def write(name):
        text, line, says = MISTAKES[name]
        path = tmp_path / f"{name}.yaml"
        head = "name: mine\nprices: restated\n" if text.startswith("extends") else \
            "extends: isaac_like\nname: mine\nprices: restated\n"
        path.write_text(head + text + "\n")
        return path, len(head.splitlines()) + line, says
    return write


def sentence(act):
    with pytest.raises(InputError) as caught:
        act()
    text = str(caught.value)
    assert "\n" not in text and caught.value.exit_code == 2, text
    return text


@pytest.mark.quick(13)
@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_refused(file, name):
    path, line, says = file(name)
    said = sentence(lambda: xbarch.simulate(path, "vgg7_pruned", images=1, policy="one_copy"))
    assert said.startswith(f"{path}:{line}: ") and re.search(says, said), said
    said = sentence(lambda: load(path, Architecture, check=buildable))
    assert said.startswith(f"{path}:{line}: ") and re.search(says, said), said


def test_two_payers_are_both_paid(tmp_path):
    """No mistake: a second component with an action is charged beside the first, and so adds energy."""
    path = tmp_path / "two.yaml"
    path.write_text("extends: isaac_like\nname: two\n" + PART % "energy: 1 pJ, action: conversion" + "\n")
    one, two = (xbarch.simulate(arch, "vgg7_pruned", images=1, policy="one_copy") for arch in ("isaac_like", path))
    assert two["energy.by_component_aj"]["adc"] == one["energy.by_component_aj"]["adc"]
    assert two["energy.by_component_aj"]["fan"] == two["counts.conversions"] * 10**6
