"""A change of the technology node: prices follow a node model, or are marked as of the node they are written for."""

import pytest

import xbarch
from xbarch.cost.nameplate import nameplate
from xbarch.cost.pricing import reprice
from xbarch.errors import InputError
from xbarch.machine.build import buildable
from xbarch.parts.scaling.node import Stillmaker
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

BASE = reprice(load("isaac_like", Architecture))


def built(*overrides):
    return reprice(load("isaac_like", Architecture, overrides))


# -- Stillmaker and Baas, Integration 58, 2017 ------------------------------------------------------------------

@pytest.mark.parametrize(("of", "to", "area"), [
    (180, 7, 0.0032), (65, 45, 0.66), (45, 32, 0.46), (45, 7, 0.059), (32, 14, 0.38), (32, 65, 3.3), (7, 180, 320)])
def test_areas_are_those_of_the_published_table(of, to, area):
    assert float(Stillmaker({}).factors(of, to)[1]) == pytest.approx(area, rel=1e-4)


@pytest.mark.parametrize(("of", "to", "energy", "delay"), [
    # at nominal supplies, by the published polynomials
    (45, 14, (0.2363 * 0.64 - 0.09675 * 0.8 + 0.02239) / (1.018 - 0.3107 + 0.1539),
     (-40.66 * 0.512 + 109.2 * 0.64 - 100.6 * 0.8 + 35.92) / (-501.6 + 1567 - 1619 + 566.1)),
    (180, 130, (7.171 * 1.69 - 6.709 * 1.3 + 2.904) / (24.64 * 3.24 - 17.98 * 1.8),
     (-76.65 * 2.197 + 334.9 * 1.69 - 493.4 * 1.3 + 275.8) / (97.09 * 3.24 - 356.7 * 1.8 + 406.5)),
    (32, 32, 1, 1)])
def test_energies_and_delays_are_those_of_the_published_polynomials(of, to, energy, delay):
    found = Stillmaker({}).factors(of, to)
    assert (float(found[0]), float(found[2])) == (pytest.approx(energy), pytest.approx(delay))


def test_a_supply_and_the_kind_of_transistor_count():
    low = Stillmaker({"transistors": "lp", "vdd_of": 0.9, "vdd_to": 0.8}).factors(45, 32)
    before, after = 1.103 * 0.81 - 0.362 * 0.9 + 0.2767, 0.9559 * 0.64 - 0.7823 * 0.8 + 0.471
    assert float(low[0]) == pytest.approx(after / before)


def test_between_two_nodes_factors_lie_between():
    model = Stillmaker({})
    for end in range(3):
        at = [float(model.factors(65, node)[end]) for node in (32, 28, 22, 20)]
        assert at == sorted(at) or at == sorted(at, reverse=True)
    there, back = model.factors(28, 22), model.factors(22, 28)
    assert float(there[0] * back[0]) == pytest.approx(1) and float(there[1] * back[1]) == pytest.approx(1, rel=0.03)


# -- on a machine -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("change", ["node=45 nm", "technology=45 nm CMOS"])
def test_without_a_model_prices_stay_and_are_marked(change):
    """All but the converter's, whose own model follows the node."""
    made = built(change)
    for name, c in made.components.items():
        if name != "adc":
            assert c.of == {"node": "32 nm"}, name
            assert (c.energy_aj, c.area, c.power) == (
                BASE.components[name].energy_aj, BASE.components[name].area, BASE.components[name].power)
    assert not made.components["adc"].of and made.components["adc"].energy_aj > BASE.components["adc"].energy_aj


def test_with_a_model_prices_follow_the_node():
    made = built("technology=22 nm CMOS", "node_model=post_dennard")
    for name, c in made.components.items():
        assert not c.of
        if name != "adc":
            before = BASE.components[name]
            assert c.area == pytest.approx(before.area * (22 / 32) ** 2, rel=1e-3)
            if not c.constant:
                assert c.energy_aj == pytest.approx(before.energy_aj * 22 / 32, rel=1e-3)
    assert nameplate(made).area_mm2 < 0.55 * nameplate(BASE).area_mm2


def test_a_component_that_names_a_node_model_follows_that_one():
    made = built("node=16 nm", "node_model=post_dennard", "components.bus.scaling=dennard")
    assert made.components["bus"].energy_aj == pytest.approx(BASE.components["bus"].energy_aj / 8, rel=1e-3)
    assert made.components["router"].energy_aj == pytest.approx(BASE.components["router"].energy_aj / 2, rel=1e-3)


def test_beyond_a_models_range_prices_stay_and_are_marked():
    assert built("node=250 nm", "node_model=stillmaker_baas").components["bus"].of == {"node": "32 nm"}


def test_a_result_and_its_first_screen_say_of_which_node_prices_are():
    result = xbarch.simulate("isaac_like", "vgg7_pruned", images=1, overrides=["node=45 nm"])
    assert result["architecture.unscaled_prices"]["bus"] == "node 32 nm"
    assert "bus (node 32 nm)" in " ".join(result.summary().split())


def test_what_is_no_node_model_is_refused():
    with pytest.raises(InputError, match="node_model=capdac: must be a scaling model of kind node, not capdac of kind"):
        load("isaac_like", Architecture, ["node_model=capdac"], check=buildable)
    with pytest.raises(InputError, match="unknown scaling model 'denard'"):
        load("isaac_like", Architecture, ["node_model=denard"], check=buildable)
