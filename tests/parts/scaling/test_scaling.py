"""Scaling models against their published tables and formulas, by themselves and through a machine described in YAML."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import xbarch
from xbarch.cli import catalog
from xbarch.cost.pricing import point, reprice
from xbarch.errors import InputError
from xbarch.parts.scaling.adc import Murmann, Survey
from xbarch.parts.scaling.base import Price
from xbarch.parts.scaling.buffer import CactiEdram, CactiHp, CactiLop, PumaSram, Table
from xbarch.parts.scaling.node import Dennard, PostDennard
from xbarch.plugins import registry
from xbarch.specs.architecture import Architecture
from xbarch.specs.component import Scaled
from xbarch.specs.load import load

KB = 8192  # bits
NAMES = ["activation", "adder", "array", "bus", "cacti_edram_lp", "cacti_sram_hp", "cacti_sram_lop", "capdac",
         "dennard", "driver", "fixed", "flash", "global_sram", "input_register", "isaac_split", "linear",
         "mnsim_table", "multiplier", "murmann_fit", "neurosim_flash", "neurosim_sar", "off_chip",
         "output_register", "post_dennard", "puma_sram", "router", "sample_hold", "shift_add", "stillmaker_baas",
         "tile_register"]
PRICE = Price(energy=2_000_000, area=10**10, power=1000, leakage=50, per=1000, count=Fraction(1))
PLUGIN = '''
from typing import ClassVar
from pydantic import Field
from xbarch.datapaths.base import Options
from xbarch.parts.scaling.base import Price, Scaling

class MineOptions(Options):
    times: int = Field(2, ge=1, le=9, description="factor")

class Mine(Scaling):
    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = "so many times dearer"
    provenance: ClassVar[str] = "a test"
    kind: ClassVar[str] = "buffer"
    Options: ClassVar[type[Options]] = MineOptions

    def scale(self, written, of, at):
        return BODY
'''


@pytest.fixture
def plugin(tmp_path):
    """A plugin file with a model `mine` whose method returns the text given."""
    def make(body="written.times(energy=self.options.times, area=self.options.times)"):
        file = tmp_path / "mine.py"
        file.write_text(PLUGIN.replace("BODY", body))
        return file
    return make


def model(name, **options):
    return registry.scaled(Scaled(model=name, **options), "here")


ISAAC = point(load("isaac_like", Architecture))


def scaled(model, **changes):
    """The price that a model makes of PRICE, written for ISAAC with 8-bit converters, where `changes` are built."""
    return model.scale(PRICE, ISAAC, replace(ISAAC, **changes))


def refused(*overrides, arch="isaac_like"):
    with pytest.raises(InputError) as caught:
        load(arch, Architecture, overrides, check=reprice)
    return str(caught.value)


def edram(*overrides):
    """ISAAC's eDRAM with a model of that size's price as written."""
    return reprice(load("isaac_like", Architecture, [
        "components.edram.scaling={model: cacti_edram_lp, banks: 2}", *overrides])).components["edram"]


def test_they_are_registered():
    assert list(registry.scaling()) == NAMES
    assert all(m.summary and m.provenance and m.kind in ("adc", "buffer", "geometry", "node")
               for m in registry.scaling().values())
    assert [e["name"] for e in catalog.entries()["scaling"]] == NAMES


# -- converters -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "energy", "area"), [
    ("isaac_split", (0.19488 * 6 + 4.2005e-4 * 64) / (0.19488 * 8 + 4.2005e-4 * 256),
     (81.727 * 6 + 2.13353 * 64) / (81.727 * 8 + 2.13353 * 256)),
    ("capdac", 64 / 7 / (256 / 9), 64 / 7 / (256 / 9)), ("linear", 6 / 8, 6 / 8), ("flash", 63 / 255, 63 / 255),
    ("mnsim_table", 1.26 / (4 / 1.1), 580 / 1650),
    ("murmann_fit", *(f(6, 1e12 / 781, 32) / f(8, 1e12 / 781, 32) for f in (Survey.energy, Survey.area)))])
def test_converters_of_six_bits_from_eight(name, energy, area):
    price = scaled(model(name), adc_bits=6)
    assert float(price.energy) == pytest.approx(2_000_000 * energy)
    assert float(price.area) == pytest.approx(10**10 * area)
    assert float(price.power) == pytest.approx(1000 * energy)
    assert scaled(model(name)) == PRICE  # as written


@pytest.mark.parametrize(("bits", "energy", "area"), [
    (4, 0.79, 361.04), (5, 0.99, 476.91), (6, 1.20, 626.91), (7, 1.42, 845.18)])
def test_isaacs_split_against_the_points_it_was_not_fitted_to_exactly(bits, energy, area):
    """pJ and um² of the Accelergy library's ISAAC converters (Wu et al., ICCAD 2019, library/isaac)."""
    found = model("isaac_split")
    assert float(found.energy(bits)) == pytest.approx(energy, rel=0.005)
    assert float(found.area(bits)) == pytest.approx(area, rel=0.0005)


def test_isaacs_split_ends_at_its_last_point():
    assert scaled(model("isaac_split"), adc_bits=10).energy > PRICE.energy
    assert "bits must be at most 10, the largest converter of the fit, not 11" in refused("crossbar.adc_bits=11")


def test_a_table_of_converters_is_linear_between_its_points_and_ends():
    assert float(scaled(model("mnsim_table"), adc_bits=5).area) == pytest.approx(10**10 * 540 / 1650)
    with pytest.raises(InputError, match=r"bits must be 4 to 10, .*, not 3"):
        scaled(model("murmann_fit"), adc_bits=3)
    assert [round(float(Murmann().energy(n)), 3) for n in (4, 9, 10)] == [0.923, 5.291, 15.707]


def test_the_surveys_converters_follow_rate_and_node():
    """pJ and um2 of the Accelergy ADC plug-in's own model (Andrulis et al., arXiv 2404.06553)."""
    assert Survey.energy(8, 1.2e9, 32) == pytest.approx(1.846, abs=5e-4)
    assert Survey.area(8, 1.2e9, 32) == pytest.approx(6311, rel=1e-3)
    assert Survey.energy(8, 1e6, 32) == Survey.energy(8, 1e7, 32) < Survey.energy(8, 1e10, 32)  # flat, then steep
    assert Survey.energy(8, 1e9, 65) / Survey.energy(8, 1e9, 32) == pytest.approx((65 / 32) ** 1.88, rel=1e-3)
    split = model("isaac_split")
    faster = scaled(split, conversion=ISAAC.conversion // 2)
    assert 1 < faster.energy / PRICE.energy == Fraction(Survey.energy(8, 1e12 / (ISAAC.conversion // 2), 32)) \
        / Fraction(Survey.energy(8, 1e12 / ISAAC.conversion, 32))
    assert scaled(split, adcs=Fraction(2)).area == 2 * PRICE.area  # as many converters


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", ["isaac_split", "capdac", "flash", "linear", "mnsim_table", "murmann_fit"])
def test_isaacs_converters_under_every_model(name):
    change = [f"components.adc.scaling={name}", "crossbar.adc_bits=6"]
    adc = reprice(load("isaac_like", Architecture, change)).components["adc"]
    energy, area = model(name).ratios(ISAAC, replace(ISAAC, adc_bits=6))
    assert (adc.energy_aj, adc.area) == (round(1_562_500 * energy), round(9_600_000_000 * area))
    result = xbarch.simulate("isaac_like", "vgg7_pruned", images=1, overrides=change)
    assert result["energy.by_component_aj.adc"] == result["counts.conversions"] * adc.energy_aj


# -- buffers --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("table", [CactiHp, CactiLop, CactiEdram, PumaSram])
def test_buffers_are_exact_at_the_points_and_a_power_between(table):
    assert issubclass(table, Table)
    for (width, banks), rows in table().rows().items():
        for size, energy, leakage, area in rows:
            found = table().look(size, width, banks)
            assert (found.energy, found.leakage, found.area) == (Fraction(energy), Fraction(leakage) * banks,
                                                                 Fraction(area))
        for low, high in pairwise(rows):  # half way in logarithms: the geometric mean
            middle = table().look(round((low[0] * high[0]) ** 0.5), width, banks)
            for found, at in ((middle.energy, 1), (middle.area, 3)):
                assert float(found) == pytest.approx((float(low[at]) * float(high[at])) ** 0.5, rel=2e-3)


@pytest.mark.parametrize(("options", "buffer", "says"), [
    ({}, 32768 * KB, r"table has 1,024 to 16,777,216 bytes .*, not 33,554,432"),
    ({"width": 1024, "of": "1 KB"}, 64 * KB, r"table has 64 bits in 1 bank, 128 bits.*, not accesses of 1024 bits"),
    ({"banks": 2, "of": "1 KB"}, 64 * KB, r"not accesses of 256 bits in 2 banks"),
    ({"of": "32 MB"}, 64 * KB, r"not 33,554,432")])
def test_buffers_outside_the_table_are_refused(options, buffer, says):
    with pytest.raises(InputError, match=says):
        scaled(model("cacti_sram_hp", **options), buffer=buffer)


def test_widths_between_those_of_the_table():
    """Half way in logarithms between 128 and 256 bits: the geometric mean."""
    low, middle, high = (CactiHp().look(4096, width, 1) for width in (128, 181, 256))
    assert float(middle.energy) == pytest.approx(float(low.energy * high.energy) ** 0.5, rel=1e-3)


def test_a_buffer_follows_buffer_size():
    """CACTI's 128 KB over its 64 KB in two banks: 31.41 / 25.59 pJ, 0.13158 / 0.05312 mm²; by default, as SRAM, 31.86 /
    23.66 pJ, 0.23979 / 0.10068 mm²."""
    as_written = load("isaac_like", Architecture).components["edram"]
    same, larger = edram(), edram("buffer.size=128 KB")
    assert (same.area, same.power, same.energy_aj) == (as_written.area, as_written.power, as_written.energy_aj)
    assert larger.area == round(as_written.area * Fraction(13158, 5312))
    assert larger.energy_aj == round(as_written.energy_aj * Fraction(3141, 2559))
    puma = load("puma_like", Architecture).components["data_memory"]
    alone = reprice(load("puma_like", Architecture, ["buffer.size=128 KB"])).components["data_memory"]
    assert alone.area == round(puma.area * Fraction(23979, 10068))
    assert alone.energy_aj == round(puma.energy_aj * Fraction(3186, 2366))


def test_a_model_replaces_a_price_when_asked():
    """CACTI's 64 KB of low operating power: 12.16 pJ, 0.13778 mm², 6.445 mW of leakage."""
    made = reprice(load("isaac_like", Architecture, [
        "components.edram.scaling={model: cacti_sram_lop, replace: true}"])).components["edram"]
    assert (made.energy_aj, made.area, made.leakage) == (12_160_000, 137_780_000_000, 6445)
    assert made.power == pytest.approx(12.16e-12 * 120 / 100e-9 * 1e6, rel=1e-3)  # µW at its 120 accesses in 100 ns
    own = reprice(load("isaac_like", Architecture, [
        "components.output_register.scaling={model: puma_sram, size: 256 B, replace: true}",
    ])).components["output_register"]
    assert (own.energy_aj, own.area) == (160_000, 560_000_000)


def test_the_simulation_pays_the_models_price():
    change = ["components.edram.scaling={model: cacti_edram_lp, banks: 2}", "buffer.size=128 KB"]
    fixed = ["components.edram.scaling=fixed", "buffer.size=128 KB"]
    before, after = (xbarch.simulate("isaac_like", "vgg7_pruned", images=1, overrides=c) for c in (fixed, change))
    assert after["counts.actions.edram_access"] == before["counts.actions.edram_access"]
    assert after["energy.by_component_aj.edram"] == before["counts.actions.edram_access"] * edram(change[1]).energy_aj
    assert after["energy.by_component_aj.adc"] == before["energy.by_component_aj.adc"]
    assert after["area.total_mm2"] - before["area.total_mm2"] == pytest.approx(
        168 * 0.083 * (0.13158 / 0.05312 - 1), rel=1e-6)


# -- nodes ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("kind", "energy"), [(Dennard, 1 / 8), (PostDennard, 1 / 2)])
def test_nodes_by_their_rules(kind, energy):
    price = scaled(kind({"of": "64 nm", "to": "32 nm"}))
    assert (price.area, price.per, price.leakage) == (10**10 / 4, 500, 50)
    assert price.energy == 2_000_000 * energy
    assert price.power == 1000 * energy * 2  # twice the rate


def test_a_node_is_a_length():
    assert "must be a length with its unit (nm, um, µm, m)" in refused(
        "components.adc.scaling={model: dennard, of: 45 nm, to: 1 pJ}")


# -- what a model is for --------------------------------------------------------------------------------------

@pytest.mark.parametrize(("component", "scaling", "taken"), [
    ("adc", "capdac", True), ("adc", "{model: cacti_sram_hp, of: 2 KB, size: 1 KB, width: 128}", False),
    ("edram", "cacti_sram_hp", True), ("tile_output_register", "{model: puma_sram, of: 2 KB, size: 1 KB}", True),
    ("hypertransport", "{model: puma_sram, of: 2 KB, size: 1 KB}", True), ("bus", "puma_sram", False),
    ("dac", "puma_sram", False), ("edram", "capdac", False), ("bus", "{model: dennard, of: 45 nm, to: 32 nm}", True),
    ("adc", "{model: dennard, of: 45 nm, to: 32 nm}", True),
])
def test_a_model_prices_what_it_is_a_model_of(component, scaling, taken):
    """Converters an adc model, memories (and constant powers, of which nothing is known) a buffer model."""
    change = f"components.{component}.scaling={scaling}"
    if taken:
        load("isaac_like", Architecture, [change], check=reprice)
    else:
        assert f"--set {change}: '" in (says := refused(change)) and " is a model of kind " in says


def test_bits_alone_make_no_converter():
    """The sensing unit must do what it is paid for."""
    says = refused("components.shift_add.scaling=capdac", "components.shift_add.bits=8",
                   "components.shift_add.action=or_access")
    assert "applies only to a component with an action of the sensing unit: conversion, sample, shift_add" in says


# -- names and plugins ----------------------------------------------------------------------------------------

def test_wrong_names_and_options_are_placed():
    says = refused("components.adc.scaling=capdak")
    assert says.startswith("--set components.adc.scaling=capdak: unknown scaling model 'capdak'; choose ")
    assert says.endswith("did you mean 'capdac'?")
    assert "unknown key 'off'; the keys here are size, of, width, banks, replace" in refused(
        "components.edram.scaling={model: cacti_edram_lp, off: 64 KB}")
    assert refused("components.edram.scaling=capdac").startswith(
        "--set components.edram.scaling=capdac: 'capdac' is a model of kind adc, which applies only to a component ")


def test_a_wrong_name_in_a_file_has_its_line(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: isaac_like\ncomponents:\n  adc:\n    scaling: capdak\n")
    assert refused(arch=file).startswith(f"{file}:4: components.adc.scaling: unknown scaling model 'capdak'")


def test_a_model_of_ones_own(plugin):
    assert registry.load_file(plugin()) == ["mine"]
    assert list(registry.scaling()) == sorted([*NAMES, "mine"])
    made = reprice(load("isaac_like", Architecture, ["components.edram.scaling={model: mine, times: 3}"]))
    assert made.components["edram"].area == 3 * 83_000_000_000
    assert "must be at most 9, not 10" in refused("components.edram.scaling={model: mine, times: 10}")


@pytest.mark.parametrize(("body", "says"), [
    ("1 / 0", "scale raised ZeroDivisionError"), ("None", "scale returned NoneType, must return a Price"),
    ("written.times(energy=-1)", "must return a number from 0 to 10^21"),
    ("written.times(area=float('inf'))", "returned area inf, must return a number"),
    ("Price(energy=1, area='x', power=1, leakage=1, per=1)", "returned area 'x', must return a number")])
def test_a_model_that_breaks_is_named(plugin, body, says):
    file = plugin(body)
    registry.load_file(file)
    sentence = refused("components.edram.scaling=mine")
    assert says in sentence and str(file) in sentence and "scaling model mine" in sentence


@pytest.mark.parametrize("table", [CactiHp, CactiLop, CactiEdram])
def test_rows_left_out_are_met_by_their_neighbours(table):
    """Energy, leakage and area between two sizes: within 12 % of CACTI's own run in the median, as the power through
    the rows on both sides."""
    for rows in table().rows().values():
        apart = []
        for low, middle, high in zip(rows, rows[1:], rows[2:], strict=False):
            share = np.log(middle[0] / low[0]) / np.log(high[0] / low[0])
            apart.append([float(a) ** (1 - share) * float(b) ** share / float(m) - 1
                          for a, m, b in zip(low[1:], middle[1:], high[1:], strict=True)])
        assert np.median(np.abs(apart), axis=0).max() < 0.12


@pytest.mark.parametrize(("size", "energy", "area"), [(64, 1.49, 0.62), (128, 1.24, 1.09)])
def test_edram_against_what_pumas_simulator_has_from_cacti(size, energy, area):
    """17.2 pJ and 0.086 mm² at 64 KB, 25.35 pJ and 0.121 mm² at 128 KB (Ankit et al., ASPLOS 2019, constants)."""
    published = {64: (17.2, 0.086), 128: (25.35, 0.121)}[size]
    found = CactiEdram().look(size * 1024, 256, 2)
    assert (float(found.energy) / published[0], float(found.area) / published[1]) == pytest.approx(
        (energy, area), abs=0.006)
