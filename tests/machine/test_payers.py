"""Every action has an emitter and payers: several are all paid, what nothing emits is refused."""

from typing import ClassVar

import numpy as np
import pytest

import xbarch
from xbarch.cli.catalog import tree
from xbarch.cost.nameplate import full
from xbarch.datapaths.base import Added, Geometry
from xbarch.datapaths.dense import Dense
from xbarch.errors import InputError
from xbarch.machine import payers
from xbarch.machine.build import buildable
from xbarch.machine.variant import variant
from xbarch.plugins import checked, registry
from xbarch.plugins.registry import Registry, sensed
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.support import bundled
from xbarch.workload.graph import Layer, Workload

LENET = "{kind: synthetic, network: lenet5, weight_bits: 4, input_bits: 4, description: a test}\n"
LADDER = """
extends: isaac_like
name: ladder
components:
  ladder: {level: ima, count: 8, area: 0.001 mm^2, power: 1 mW, action: ACTION, MORE actions: 1024, per: 100 ns,
           source: "assumed: a test"}
"""
SINGLE = Workload(name="single", layers=(
    Layer(name="input", op="input", inputs=(), in_shape=(8, 4, 4), out_shape=(8, 4, 4), output_bits=4),
    Layer(name="conv", op="conv", inputs=("input",), in_shape=(8, 4, 4), out_shape=(8, 4, 4), weight_bits=4,
          input_bits=4, output_bits=4, relu=True, weights=lambda: np.ones((8, 8, 1, 1), np.int8))))


@pytest.fixture
def machine(tmp_path):
    def make(action="conversion", more=""):
        file = tmp_path / "ladder.yaml"
        file.write_text(LADDER.replace("ACTION", action).replace("MORE", more))
        return file
    return make


def test_all_components_with_an_action_are_paid(machine):
    alone, both = payers.payers(load("isaac_like", Architecture)), payers.payers(load(machine(), Architecture))
    assert {**both, "conversion": both["conversion"][:1]} == alone
    assert [(p.component, p.energy) for p in both["conversion"]] == [("adc", 1_562_500), ("ladder", 97_656)]


def test_an_own_price_goes_before_a_covered_one(machine):
    found = payers.payers(load(machine(more="covers: [sample, fire],"), Architecture))
    assert [p.component for p in found["sample"]] == ["sample_hold"]
    assert [(p.component, p.energy) for p in found["fire"]] == [("ladder", 0)]


@pytest.mark.full
def test_more_hardware_costs_more_by_what_it_counts(machine, tmp_path):
    network = tmp_path / "lenet.yaml"
    network.write_text(LENET)
    one, two = (xbarch.simulate(a, network, images=1) for a in ("isaac_like", machine()))
    old, new = one["energy.by_component_aj"], two["energy.by_component_aj"]
    assert new.pop("ladder") == one["counts.conversions"] * 97_656 and new == old
    assert two["energy.dynamic_aj"] - one["energy.dynamic_aj"] == one["counts.conversions"] * 97_656


@pytest.mark.full
def test_the_slowest_of_two_units_sets_the_time(tmp_path):
    """An adder of 1 addition in 100 ns beside ISAAC's of 256: the same run as with the slow one alone."""
    network = tmp_path / "lenet.yaml"
    network.write_text(LENET)
    both = tmp_path / "both.yaml"
    both.write_text("extends: isaac_like\ncomponents:\n  slow: {level: tile, count: 1, area: 0 mm^2, power: 1 uW, "
                    "action: merge_add, actions: 1, per: 100 ns, source: a test}\n")
    one = xbarch.simulate("isaac_like", network, images=1, overrides=["components.tile_shift_add.actions=1"])
    assert xbarch.simulate(both, network, images=1)["latency"] == one["latency"]


@pytest.mark.parametrize(("action", "more", "says"), [
    ("footle", "", "components.ladder.action: nothing emits 'footle'; the actions here are edram_access, "),
    ("convertion", "", "did you mean 'conversion'?"),
    ("edram_fetch", "", "nothing emits 'edram_fetch'"),
    ("sample", "covers: [footle],", "components.ladder.covers: nothing emits 'footle'"),
    ("global_access", "", "nothing emits 'global_access' (global_access takes a global_buffer)"),
])
def test_an_action_that_nothing_emits_is_refused(machine, action, more, says):
    with pytest.raises(InputError) as error:
        load(machine(action, more), Architecture, check=buildable)
    assert says in str(error.value) and f"{machine(action, more)}:5" in str(error.value)


def test_a_run_refuses_it_too(machine, tmp_path):
    network = tmp_path / "lenet.yaml"
    network.write_text(LENET)
    with pytest.raises(InputError, match=r"ladder\.yaml:5: components\.ladder\.action: nothing emits 'footle'"):
        xbarch.simulate(machine("footle"), network)


PLUGIN = '''
from typing import ClassVar
from xbarch.datapaths.dense import Dense

class Mine(Dense):
    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = "dense again"
    provenance: ClassVar[str] = "a test"
    emits: ClassVar[tuple[str, ...]] = ("footle",)
'''


def test_actions_of_plugins_are_known_by_what_they_declare(machine, tmp_path):
    """`gather` is of data paths that come with xbarch, `fire` of a sensing unit that the machine does not name."""
    for action in ("gather", "fire"):
        load(machine(action), Architecture, check=buildable)
    (tmp_path / "mine.py").write_text(PLUGIN)
    with Registry().active():
        registry.load_file(tmp_path / "mine.py")
        load(machine("footle"), Architecture, check=buildable)
        row = tree(str(machine("footle")))["actions"][-1]
    assert row == {"action": "footle", "emitted_by": "nothing on this machine; data path mine would",
                   "paid_by": "ladder", "energy_aj": 97_656, "covered": False, "source": "assumed: a test"}


def test_what_is_declared_must_be_names(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN.replace('("footle",)', '"footle"'))
    with Registry().active(), pytest.raises(InputError, match="emits of data path Mine must be a tuple of names"):
        registry.load_file(tmp_path / "mine.py")


@pytest.mark.parametrize("name", sorted(bundled.known("architectures")))
def test_what_a_machine_emits_is_paid_by_what_it_shows(name):
    """Rows of `show` are the prices that a run books; every component with an action has one."""
    a = load(name, Architecture)
    rows = tree(name)["actions"]
    assert {r["paid_by"] for r in rows} >= {key for key, c in a.components.items() if c.action}
    assert {r["action"] for r in rows} >= {*payers.always(a), *payers.payers(a)}
    assert all(r["emitted_by"] and not r["emitted_by"].startswith("nothing") for r in rows if not r["covered"])


@pytest.mark.parametrize("unit", sorted(registry.sensing()))
def test_sensing_units_declare_what_they_count(unit):
    a = load("isaac_like", Architecture, [f"crossbar.sensing.unit={unit}"])
    made = sensed(a, slot=0)
    assert set(checked.actions(made, full(a, 8))) == set(made.emits)


@pytest.mark.full
@pytest.mark.parametrize("arch", ["isaac_like", "puma_like"])
def test_the_compiler_emits_what_the_table_says(arch):
    """ResNet-18 has pooling, averages, additions and, here, scales that are no powers of two."""
    run = xbarch.execute(arch, "resnet18_pruned", images=1, datapath="dense")
    a = load(arch, Architecture)
    found = {action for flow in run.graph.flows for copy in flow.copies for s in copy for action, _ in s.actions}
    assert found <= payers.emitters(a).keys()
    assert found >= payers.always(a).keys()


class Second(Dense):
    """Adds a part."""

    name: ClassVar[str] = "second"
    part = "second_adc"

    def components(self, geometry):
        return [Added(name=self.part, level="ima", count=1, area=10**6, action="conversion", energy=700, source="test")]


def test_a_data_paths_part_is_paid_beside_the_machines():
    a = load("isaac_like", Architecture)
    built = variant(a, SINGLE, Second(), Geometry.of(a.crossbar))
    assert [(p.component, p.energy) for p in payers.payers(built)["conversion"]] == [
        ("adc", 1_562_500), ("second_adc", 700)]


@pytest.mark.parametrize("part", ["adc", "requantizer"])
def test_a_data_paths_part_cannot_take_a_components_name(part):
    """Not that of one that this workload does without, either."""
    a, path = load("isaac_like", Architecture), Second()
    path.part = part
    with pytest.raises(InputError, match=rf"components returned the part '{part}', a name that another component has"):
        variant(a, SINGLE, path, Geometry.of(a.crossbar))


def test_stages_are_served_by_those_who_are_paid(machine):
    """Of the machine's own names, however many they are."""
    def served(name):
        a = load(name, Architecture)
        return [payers.serving(a, stage) for stage in a.pipeline.stages]

    assert served("isaac_like") == [["edram"], ["bus"], ["crossbar"], ["tile_shift_add"], ["activation"], ["edram"]]
    assert served(machine("merge_add"))[3] == ["tile_shift_add", "ladder"]
    assert served("pipelayer_like")[2] == ["crossbar"]  # covers cell_read
