"""Kinds of tile in an architecture's file: what each changes, what it shares, and what is refused."""

import pytest

from xbarch.errors import InputError
from xbarch.machine.build import buildable
from xbarch.mapping.kinds import RULES
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.specs.tile_kind import Rule
from xbarch.specs.tile_kinds import kinds

TWO = """extends: isaac_like
name: two
kinds:
  fast: {tiles: 100}
  slow:
    tiles: 68
    takes: linear
    crossbar: {adcs_per_crossbar: 1/4, rows: 64}
    hierarchy: {imas_per_tile: 6}
    components:
      adc: {count: 2, power: 4 mW, area: 0.0024 mm^2, actions: 256, source: "assumed: a test"}
      maxpool: null
"""


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(TWO)
    return path


def test_a_kind_is_the_architecture_with_its_changes(two):
    base, found = load("isaac_like", Architecture), kinds(load(two, Architecture))
    fast, slow = found["fast"], found["slow"]
    assert fast.model_copy(update={"hierarchy": base.hierarchy, "name": "isaac_like"}) == base
    assert fast.hierarchy.tiles == 100 and slow.hierarchy.tiles == 68
    assert (slow.crossbar.adcs_per_crossbar, slow.crossbar.rows, slow.crossbar.columns) == ("1/4", 64, 128)
    assert slow.hierarchy.imas_per_tile == 6 and slow.buffer == base.buffer
    assert slow.components["adc"].energy_aj == 4000 * 100_000 / 256  # µW · ps / conversions
    assert slow.components["adc"].source == "assumed: a test"
    assert "maxpool" not in slow.components and "maxpool" in fast.components


def test_an_inherited_price_is_written_for_the_architecture_that_states_it(two):
    slow = kinds(load(two, Architecture))["slow"]
    assert slow.components["dac"].of == {
        "crossbar.rows": 128, "crossbar.adcs_per_crossbar": "1", "hierarchy.imas_per_tile": 12}
    restated = load(two, Architecture, ["kinds.slow.prices=restated"])
    assert kinds(restated)["slow"].components["dac"].of == {}
    unsourced = load(two, Architecture, ["kinds.slow.components={dac: {power: 5 mW}}"])
    assert kinds(unsourced)["slow"].components["dac"].source.startswith("changed here, from: Shafiee")


def test_one_kind_is_the_architecture(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text("extends: isaac_like\nkinds: {all: {tiles: 168}}\n")
    assert kinds(load(path, Architecture)) == {"all": load("isaac_like", Architecture)}
    assert kinds(load("isaac_like", Architecture)) == {"": load("isaac_like", Architecture)}


def test_a_file_takes_an_inherited_kind_away_and_keeps_what_a_kind_takes_away(two):
    more = two.parent / "more.yaml"
    more.write_text("extends: two.yaml\nkinds: {fast: {tiles: 99}, tiny: {tiles: 1, takes: image}}\n")
    assert "maxpool" not in kinds(load(more, Architecture))["slow"].components
    more.write_text("extends: two.yaml\nkinds: {fast: {tiles: 168}, slow: null}\n")
    assert list(load(more, Architecture).kinds) == ["fast"]


def test_every_rule_is_known():
    assert {*RULES, "rest"} == set(Rule.__args__)


@pytest.mark.parametrize("old, new, line, message", [
    ("tiles: 68", "tiles: 67", 3, "kinds: the tiles of fast, slow must add up to hierarchy.tiles = 168, not 167"),
    ("takes: linear", "takes: rest", 3, "kinds: one kind must take the rest of the layers, not fast, slow; of "
     "others, `takes` says which layers they take"),
    ("takes: linear", "takes: lienar", 7, "kinds.slow.takes: must be rest, linear, rare, short or image, or a list of "
     "one layer's name or several, not 'lienar'; did you mean 'linear'?"),
    ("takes: linear", "takes: []", 7, "kinds.slow.takes: must be rest, linear, rare, short or image, or a list of "
     "one layer's name or several, not a list"),
    ("rows: 64", "rows: 0", 8, "kinds.slow.crossbar.rows: must be at least 1, not 0"),
    ("rows: 64", "rowz: 64", 8, "kinds.slow.crossbar.rowz: unknown key 'rowz'; the keys here are rows, columns"),
    ("imas_per_tile: 6", "tiles: 6", 9, "kinds.slow.hierarchy.tiles: must be left out; kinds.slow.tiles says how many "
     "there are"),
    ("maxpool: null", "router: {power: 1 mW}", 10, "kinds.slow.components: router must be left out; all tiles of "
     "the chip share it"),
    ("maxpool: null", "hypertransport: null", 10, "kinds.slow.components: hypertransport must be left out; all tiles "
     "of the chip share it"),
    ("    hierarchy:", "    bus: {ideal: true}\n    hierarchy:", 9, "kinds.slow.bus.ideal: must be left out; bus.ideal "
     "holds for all kinds"),
    ("count: 2", "count: 3", 11, "kinds.slow.components.adc.count: must be 2, as the hierarchy has it"),
    ("rows: 64", "operation_unit: {rows: 999, columns: 2, read: 3 ns, source: abc}", 8,
     "kinds.slow.crossbar.operation_unit: must be at most 128 x 128, the crossbar, not 999 x 2"),
])
def test_what_makes_no_chip_is_refused_where_it_stands(two, old, new, line, message):
    two.write_text(TWO.replace(old, new))
    with pytest.raises(InputError) as refusal:
        load(two, Architecture, check=buildable)
    assert str(refusal.value).startswith(f"{two}:{line}: {message}")


def test_tiles_that_the_network_cannot_hold_are_refused(two):
    with pytest.raises(InputError, match=r"room for 168 tiles; it must hold all of hierarchy\.tiles = 200"):
        load(two, Architecture, ["hierarchy.tiles=200", "kinds.slow.tiles=100"], check=buildable)


def test_unit_processes_are_refused(two):
    with pytest.raises(InputError, match="must be left out where a chip has several kinds of tile"):
        load(two, Architecture, ["processes.edram.unit=refresh"])
