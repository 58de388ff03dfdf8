"""Stages as a graph and units that crossbars, IMAs or tiles share: against closed forms, a small oracle and machines
that say the same without them."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs import single

import xbarch
from xbarch.cli.catalog import tree
from xbarch.errors import InputError
from xbarch.render.diagram import diagram
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

ROLES = {"read": 0, "transfer": 100, "drive": 0, "compute": 0, "convert": 0, "merge": 100, "activate": 100,
         "write": 100}
PAID = {"transfer": "bus", "merge": "tile_output_register", "activate": "activation"}  # who has nothing to do without
READ, CONVERSION = 100_000, 781  # ps, of ISAAC; rounded


def machine(tmp_path, stages=(), units="", more="", component=""):
    """ISAAC without slots and with these stages, roles or mappings in YAML's flow style; without what has nothing to do
    then."""
    lines = [stage if "{" in stage else f"{{role: {stage}, latency: {ROLES[stage]} ns, source: test}}"
             for stage in stages or ("read", "transfer", "compute", "merge", "activate", "write")]
    path = tmp_path / "machine.yaml"
    idle = [part for role, part in PAID.items() if not any(f"role: {role}," in line for line in lines)]
    idle += [] if "role: read," in str(lines) or "role: write," in str(lines) else ["edram"]
    parts = [*(["adc: {count: 1}"] if "adcs_per_crossbar: 1/" in more else []), *(f"{part}: null" for part in idle),
             *([component] if component else [])]
    path.write_text("\n".join([
        "extends: isaac_like", "name: machine", more, f"components: {{{', '.join(parts)}}}",
        *(["units:", units] if units else []), "pipeline:",
        "  slot: 0 ns", "  source: test", "  stages:", *(f"    - {line}" for line in lines)]))
    return str(path)


def sharing(tmp_path, unit, adcs="1"):
    """A machine whose converters are a unit, of crossbars of 128 bit lines with so many converters each."""
    roles = ["read", "transfer", "compute", "{role: convert, unit: converters, latency: 0 ns, source: test}", "merge",
             "activate", "write"]
    return machine(tmp_path, roles, f"  converters: {{{unit}, source: test}}",
                   f"crossbar: {{adcs_per_crossbar: {adcs}, source: test}}")


def execute(file, workload, policy="one_copy", engine="auto", images=1):
    ideal = ("off_chip", "network", "buffer", "bus")
    return xbarch.execute(file, workload, policy=policy, images=images, engine=engine,
                          overrides=[f"{part}.ideal=true" for part in ideal])


def interval(run, flow=1):
    """Between windows in the steady middle of a run, ps."""
    done = np.sort(run.trace.done[flow])
    return (done[-20] - done[20]) / (len(done) - 40)


@pytest.mark.parametrize(("adcs", "bits"), [("1", 8), ("2", 8), ("1/2", 8), ("1/4", 4)])
def test_a_lone_crossbar_is_as_fast_as_its_converters_or_its_reads(tmp_path, adcs, bits):
    """Of 128 rows, 16 weights of 8 bits in 64 bit lines (or 4 in 32) and a reference; a phase a bit. Sums of a
    read are held while the next one goes on, as a machine without the unit has it."""
    serves = 4 if adcs == "1/4" else 2 if adcs == "1/2" else 1
    file = sharing(tmp_path, f"level: crossbar, serves: {serves}, rule: first_come", adcs)
    run = execute(file, single(128, 16, 100, bits))
    converters = max(1, serves * eval(adcs))
    lines = 16 * bits // 2 + 1
    each = max(READ, lines * CONVERSION / converters)
    assert interval(run) == pytest.approx(bits * each, abs=1)
    first = run.trace.done[1][0] - run.trace.issued[1][0]
    ends = max(bits * READ + lines * CONVERSION / converters, READ + bits * lines * CONVERSION / converters)
    assert first == pytest.approx(ends + 400_000, abs=2)  # transfer, merge, activate, write


@pytest.mark.parametrize("serves", [1, 2, 8])
def test_fixed_turns_are_the_share_that_a_machine_without_units_states(tmp_path, serves):
    adcs = f"1/{serves}" if serves > 1 else "1"
    plain = machine(tmp_path, more=f"crossbar: {{adcs_per_crossbar: {adcs}, source: test}}")
    before = execute(plain, single(128, 16, 100, 8), "crossbars:3")
    unit = sharing(tmp_path, f"level: crossbar, serves: {serves}, rule: fixed_turns", adcs)
    after = execute(unit, single(128, 16, 100, 8), "crossbars:3")
    assert interval(after) == pytest.approx(interval(before), rel=1e-6)
    assert dict(after.ledger.by_action()) == dict(before.ledger.by_action())
    assert dict(after.ledger.by_component()) == dict(before.ledger.by_component())


@pytest.mark.parametrize(("unit", "adcs", "share"), [
    ("level: ima", "1/8", 8), ("level: crossbar, serves: 4", "1/4", 4), ("level: ima, serves: 2", "1/16", 16),
    ("level: tile", "1/96", 96), ("level: chip", "1/16128", 16128)])
def test_a_queue_costs_what_others_use_and_a_fixed_turn_what_they_could(tmp_path, unit, adcs, share):
    """One busy crossbar has the converter to itself; in fixed turns it waits for all that could be busy."""
    alone = execute(sharing(tmp_path, f"{unit}, rule: first_come", adcs), single(128, 16, 60, 8))
    assert interval(alone) == pytest.approx(8 * READ, abs=1)
    turns = execute(sharing(tmp_path, f"{unit}, rule: fixed_turns", adcs), single(128, 16, 60, 8))
    assert interval(turns) == pytest.approx(8 * max(READ, 65 * CONVERSION * share), rel=1e-6)


def test_eight_busy_crossbars_share_a_converter(tmp_path):
    """Eight copies in one IMA ask for 8 x 8 x 65 conversions every eight windows: the converter never rests."""
    run = execute(sharing(tmp_path, "level: ima, rule: first_come", "1/8"), single(128, 16, 400, 8), "crossbars:8")
    assert run.plan.copies["conv"] == 8
    assert interval(run) == pytest.approx(8 * 65 * CONVERSION, rel=1e-3)
    server = next(n for n, s in enumerate(run.graph.servers) if s.kind == "converters")
    assert run.graph.servers[server].name == "converters@tile0.0"
    assert run.trace.busy[server] == 400 * 8 * 65 * CONVERSION
    assert run.trace.served[server] == 400


def queue(arrived, copies, reads, conversion):
    """When the last sum of each window is converted. Crossbars share one converter: it takes the windows whose first
    read ended first, whole; a crossbar's next window ends its first read when the last one's sums are gone."""
    done, converter = {}, 0
    asking = [(arrived[window] + READ, window) for window in range(min(copies, len(arrived)))]
    while asking:
        asked, window = heapq.heappop(asking)
        converter = max(asked, converter) + reads * conversion
        done[window] = max(converter, asked + (reads - 1) * READ + conversion)
        if (follower := window + copies) < len(arrived):
            heapq.heappush(asking, (max(arrived[follower] + READ, asked + reads * READ, converter), follower))
    return [done[window] for window in range(len(arrived))]


@pytest.mark.parametrize(("copies", "windows"), [(1, 9), (2, 12), (3, 20), (5, 23)])
def test_an_oracle_of_the_queue(tmp_path, copies, windows):
    file = sharing(tmp_path, "level: ima, rule: first_come", "1/8")
    run = execute(file, single(128, 16, windows, 8), f"crossbars:{copies}")
    assert run.plan.copies["conv"] == copies
    wanted = queue(run.trace.issued[1] + 100_000, copies, 8, 65 * CONVERSION)
    assert np.abs(run.trace.done[1] - 300_000 - wanted).max() <= 1  # merge, activate, write; times are rounded up


# -- stages as a graph ------------------------------------------------------------------------------------------

UNITS = {"read": "tile, serves: 2", "transfer": "tile, serves: 3", "drive": "ima", "convert": "crossbar, serves: 2",
         "merge": "chip", "activate": "tile, serves: 4", "write": "tile"}
SHARED = [role for role in ROLES if role not in ("compute", "drive", "convert")]


def engines_agree(file, workload, policy, images=2):
    """Both engines on one machine; returns the run of the one that rules."""
    runs = [execute(file, workload, policy, engine, images) for engine in ("simpy", "fast")]
    for a, b in zip(runs[0].trace.done + runs[0].trace.issued, runs[1].trace.done + runs[1].trace.issued, strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(runs[0].trace.busy, runs[1].trace.busy)
    assert np.array_equal(runs[0].trace.waited, runs[1].trace.waited)
    return runs[0]


@pytest.mark.full
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_engines_agree_on_any_pipeline(tmp_path_factory, data):
    """Roles left out, units of any level, rule and speed, on a network of several copies."""
    path, draw = tmp_path_factory.mktemp("drawn"), data.draw
    left = draw(st.sets(st.sampled_from(["read", "transfer", "activate", "write"])))
    shared = draw(st.sets(st.sampled_from([role for role in UNITS if role not in left])))
    roles, units = [], []
    for role in ROLES:
        if role in left or (role in ("drive", "convert") and role not in shared):
            continue
        unit = f", unit: of_{role}" if role in shared else ""
        roles.append(f"{{role: {role}, latency: {draw(st.sampled_from([0, 7, 100]))} ns{unit}, source: test}}")
        if role in shared:
            rule = draw(st.sampled_from(["first_come", "fixed_turns"]))
            time = "" if role == "convert" else f", time: {draw(st.sampled_from([100, 800, 3000]))} ps"
            units.append(f"  of_{role}: {{level: {UNITS[role]}, rule: {rule}{time}, source: test}}")
    adcs = "1/2" if "convert" in shared else "1"
    file = machine(path, roles, "\n".join(units), f"crossbar: {{adcs_per_crossbar: {adcs}, source: test}}")
    engines_agree(file, single(draw(st.sampled_from([128, 300])), 40, 30, 8), f"crossbars:{draw(st.integers(1, 5))}")


def test_engines_agree_where_converters_of_a_tile_are_shared(tmp_path):
    run = engines_agree(sharing(tmp_path, "level: tile, rule: first_come", "1/96"), single(300, 40, 40, 8),
                        "crossbars:4")
    assert run.trace.waited[[s.kind == "converters" for s in run.graph.servers]].sum() > 0


def test_a_role_that_is_missing_costs_nothing(tmp_path):
    """Without merge and activate: their time, actions and energy are gone, everything else is as it was."""
    whole = execute(machine(tmp_path), single(128, 16, 50, 8))
    less = execute(machine(tmp_path, ["read", "transfer", "compute", "write"]), single(128, 16, 50, 8))
    gone = {"activation", "merge_add", "tile_or_access"}
    assert {k: v for k, v in whole.ledger.by_action().items() if k not in gone} == less.ledger.by_action()
    assert (whole.trace.done[1] - less.trace.done[1]).tolist() == [200_000] * 50


def test_two_transfers_cost_both(tmp_path):
    """Inputs pass the tile's bus and then a local one, 64 bits in 2 ns, which is paid for itself."""
    file = machine(tmp_path, ["read", "transfer", "{role: transfer, name: local, unit: lane, latency: 50 ns, source: "
                              "test}", "compute", "merge", "activate", "write"],
                   "  lane: {level: tile, rule: first_come, time: 2 ns, bits: 64, action: lane_transfer, source: test}",
                   component="lane: {level: tile, count: 1, area: 1 um^2, energy: 3 pJ, action: lane_transfer, source: "
                   "test}")
    run, before = execute(file, single(128, 16, 50, 8)), execute(machine(tmp_path), single(128, 16, 50, 8))
    assert run.ledger.by_action()["lane_transfer"] == 50 * 128 * 8 // 64
    assert run.ledger.by_component()["lane"] == 50 * 16 * 3 * 10**6
    extra = {k: v for k, v in run.ledger.by_action().items() if k != "lane_transfer"}
    assert extra == before.ledger.by_action()
    assert set(run.trace.done[1] - before.trace.done[1]) == {50_000}


def test_stages_beside_one_another_take_the_longer(tmp_path):
    """The second transfer goes on beside the first: a window waits for the slower of both."""
    lane = "  lane: {level: tile, rule: first_come, time: 1 ps, action: bus_transfer, source: test}"
    done = {}
    for late in (20, 250):
        file = machine(tmp_path, ["read", "transfer", f"{{role: transfer, name: side, after: [read], unit: lane, "
                                  f"latency: {late} ns, source: test}}", "{role: compute, after: [transfer, side], "
                                  "latency: 0 ns, source: test}", "merge", "activate", "write"], lane)
        done[late] = execute(file, single(128, 16, 20, 8)).trace.done[1]
    assert set(done[250] - done[20]) == {150_000}


def test_shared_drivers_queue(tmp_path):
    """Eight crossbars of an IMA share one driver: 8 windows of 8 x 128 drives of 200 ps each take longer than reads."""
    roles = ["read", "transfer", "{role: drive, unit: drivers, latency: 0 ns, source: test}", "compute", "merge",
             "activate", "write"]
    file = machine(tmp_path, roles, "  drivers: {level: ima, rule: first_come, time: 200 ps, source: test}")
    run, alone = (execute(file, single(128, 16, 300, 8), f"crossbars:{copies}") for copies in (8, 1))
    assert run.ledger.by_action()["row_drive"] == 300 * 8 * 128
    assert interval(run) == pytest.approx(8 * 128 * 200, rel=1e-3)
    assert interval(alone) == pytest.approx(8 * READ, abs=1)


def test_what_is_shared_is_said(tmp_path):
    """On the screen of `show` and in the diagram, beside the stage."""
    file = sharing(tmp_path, "level: ima, serves: 2, rule: first_come", "1/16")
    assert tree(file)["units"] == {"converters": "2 IMAs, first come, first served; for convert"}
    assert "sums become numbers; converters of 2 IMAs, first come, first served" in diagram(load(file, Architecture))


# -- what is refused ----------------------------------------------------------------------------------------------

def refused(file, line, words):
    with pytest.raises(InputError, match=words) as error:
        load(file, Architecture)
    assert error.value.line == line


@pytest.mark.parametrize(("stages", "words"), [
    (["{role: read, latency: 0 ns, after: [merge], source: test}", "transfer", "compute", "merge", "activate", "write"],
     "the stages wait for each other in a ring: read after merge after compute after transfer after read"),
    (["read", "transfer", "transfer", "compute"], "two stages are named transfer"),
    (["read", "{role: transfer, latency: 0 ns, after: [rad], source: test}", "compute"], "must name other stages"),
    (["read", "transfer"], "must have the role compute once, not 0 times"),
    (["compute", "merge", "merge"], "two stages are named merge"),
    (["compute", "activate", "merge"], "must come before activate"),
    (["compute", "{role: convert, latency: 0 ns, source: test}"], "must name a unit, of the converters"),
    (["compute", "{role: merge, after: [], latency: 0 ns, source: test}",
      "{role: write, after: [compute, merge], latency: 0 ns, source: test}"], "must come after compute"),
    (["read", "{role: transfer, after: [], latency: 0 ns, source: test}", "compute"], "must lead on to another stage"),
    (["{role: read, unit: port, latency: 0 ns, source: test}", "compute"], r"must be one of `units` \(there is none\)"),
])
def test_stages_that_no_window_passes(tmp_path, stages, words):
    file = machine(tmp_path, stages)
    with pytest.raises(InputError, match=words) as error:
        load(file, Architecture)
    assert error.value.line >= 7
    assert error.value.field.startswith("pipeline")


@pytest.mark.parametrize(("unit", "adcs", "words"), [
    ("level: ima", "1/8", "required key 'rule' is missing"),
    ("level: ima, rule: fifo", "1/8", "must be first_come or fixed_turns"),
    ("level: ima, rule: first_come", "1/96", "must have whole converters, not 1/12"),
    ("level: crossbar, serves: 97, rule: first_come", "1/97", "must leave its crossbars within a tile of 96"),
    ("level: ima, rule: first_come, count: 4", "1/8", "must be left out of converters, of which "
     "crossbar.adcs_per_crossbar says it"),
])
def test_units_that_serve_nobody_well(tmp_path, unit, adcs, words):
    refused(sharing(tmp_path, unit, adcs), 6, words)


def test_a_unit_that_serves_nobody(tmp_path):
    refused(machine(tmp_path, units="  idle: {level: tile, rule: first_come, source: test}"), 6, "serves nobody")


def test_no_converters_to_share(tmp_path):
    file = sharing(tmp_path, "level: ima, rule: first_come", "1/8")
    with pytest.raises(InputError, match="counts no conversions"):
        xbarch.simulate(file, single(128, 16, 5, 8), overrides=["crossbar.sensing.unit=integrate_fire"])


def test_sums_that_nobody_merges(tmp_path):
    """A machine without merge runs what fits the word lines of an IMA, and says of the rest why not."""
    file = machine(tmp_path, ["read", "transfer", "compute", "activate", "write"])
    execute(file, single(8 * 128, 16, 5, 8))
    with pytest.raises(InputError, match="layer conv has 32 partial sums for 16 outputs in a copy, and machine has "
                       "no stage that merges them"):
        execute(file, single(9 * 128, 16, 5, 8))
