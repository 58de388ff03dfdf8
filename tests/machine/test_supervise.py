"""A machine's units as processes: those that do what units do change no figure, and each kind can be one."""

import json
from typing import get_args

import pytest

import xbarch
from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.run import prepare
from xbarch.specs.chip import Unit

PLAIN = '''
from typing import ClassVar
from xbarch.parts.processes.base import UnitProcess

class Plain(UnitProcess):
    name: ClassVar[str] = "plain"
    summary: ClassVar[str] = "as a unit without a process"
    provenance: ClassVar[str] = "a test"

    def serve(self, env, queue):
        while True:
            visit = yield queue.get()
            visit.deliver(visit.latency)
            yield env.timeout(visit.occupancy)
            visit.over()
'''
QUEUED = "network.queue=64"


@pytest.fixture
def plain(tmp_path):
    (tmp_path / "plain.py").write_text(PLAIN)
    registry.load_file(tmp_path / "plain.py")


def figures(*changes, **more):
    """The record of a run without what says how it was made, and whether its interval is exact."""
    found = json.loads(xbarch.simulate("isaac_like", "vgg7_pruned", images=2, overrides=[QUEUED, *changes],
                                       **more).to_json())
    del found["provenance"], found["architecture"]
    for key in ("bounds_ps", "steady", "pipeline_interval_95_ps"):
        del found["latency"][key]
    for key in ("crossbar_time", "adc_time"):  # told below
        del found["utilization"][key]
    return found


@pytest.mark.full
@pytest.mark.parametrize("kinds", [*((kind,) for kind in get_args(Unit)), get_args(Unit)], ids=" ".join)
@pytest.mark.parametrize("policy", ["one_copy", "crossbars:4"])
def test_a_process_that_does_what_the_unit_does_changes_nothing(plain, kinds, policy):
    processes = ", ".join(f"{kind}: {{unit: plain}}" for kind in kinds)
    how = {"policy": policy, "replication": "in_turn"}  # what `auto` takes depends on times that processes hide
    assert figures(f"processes={{{processes}}}", **how) == figures(**how)


@pytest.mark.full
def test_how_long_crossbars_read_is_not_known_where_they_are_processes(plain, call, tmp_path):
    crossbar, edram = (xbarch.simulate("isaac_like", "vgg7_pruned", images=1, overrides=[
        f"processes={{{kind}: {{unit: plain}}}}"]) for kind in ("crossbar", "edram"))
    assert crossbar["utilization.crossbar_time"] is crossbar["utilization.adc_time"] is None
    assert edram["utilization.crossbar_time"] > 0 and edram["utilization.adc_time"] > 0
    for name, result in (("a", crossbar), ("b", edram)):
        result.save(tmp_path / f"{name}.json")
    code, out, _ = call("compare", tmp_path / "a.json", tmp_path / "b.json", "--out", tmp_path / "c.html")
    assert code == 0 and "known" in out and "not known" in (tmp_path / "c.html").read_text()


@pytest.mark.quick(1)
@pytest.mark.parametrize("mode", ["layer_by_layer", "batch"])
def test_in_other_modes(plain, mode):
    how = {"mode": mode, "policy": "one_copy"}
    assert figures("buffer.size=1 MB", "processes={edram: {unit: plain}}", **how) == figures("buffer.size=1 MB", **how)


def test_which_engine(plain):
    run = {"overrides": ["processes={edram: {unit: plain}}"], "images": 1}
    result = xbarch.simulate("isaac_like", "vgg7_pruned", **run)
    assert result["provenance.engine"] == "simpy" and result["provenance.engine_why"].startswith("auto: edram@")
    assert result["provenance.engine_why"].endswith(" is a SimPy process")
    with pytest.raises(InputError, match=r"engine: must be simpy or auto, not fast: edram@.* is a SimPy process"):
        xbarch.simulate("isaac_like", "vgg7_pruned", engine="fast", **run)


def test_runs_of_a_study_take_the_compiled_engine_where_it_can_run(plain):
    from xbarch.studies.runs.answer import compiled

    for changes, engine in (((), "fast"), (("processes={edram: {unit: plain}}",), "auto")):
        setup = prepare(xbarch.Request(arch="isaac_like", workload="vgg7_pruned", overrides=changes))
        assert compiled(setup).request.engine == engine


@pytest.mark.parametrize(("change", "says"), [
    ("processes={edram: {unit: nothing}}", "unknown unit process 'nothing'; choose refresh"),
    ("processes={dram: {unit: refresh}}", "processes.dram"),
    ("processes={edram: {unit: refresh}}", "options.retention: required key 'retention' is missing"),
    ("processes={edram: {unit: refresh, options: {retention: 40 us, rows: 0, row: 1 ns}}}",
     "rows: must be at least 1, not 0")])
def test_wrong_ones_are_refused(change, says):
    with pytest.raises(InputError) as caught:
        xbarch.simulate("isaac_like", "vgg7_pruned", overrides=[change])
    assert says in str(caught.value) and "processes" in str(caught.value) and "\n" not in str(caught.value)


def test_an_ideal_unit_has_none():
    with pytest.raises(InputError, match=r"processes.edram: edram is ideal: it has no queue, so it "):
        xbarch.simulate("isaac_like", "vgg7_pruned", overrides=[
            "buffer.ideal=true", "processes={edram: {unit: refresh, options: {retention: 1 s, rows: 1, row: 1 ns}}}"])


def test_show_names_them(call, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "extends: isaac_like\nname: mine\nprocesses: {edram: {unit: refresh, options: {retention: 40 us, rows: 8, "
        "row: 40 ns}}}\n")
    code, out, _ = call("show", tmp_path / "mine.yaml")
    assert code == 0 and "refresh (retention: 40 us, rows: 8, row: 40 ns)" in out
    assert "processes" not in call("show", "isaac_like")[1]


def test_a_balanced_periphery_needs_crossbars_of_a_known_time(plain):
    """And leaves units that are processes as they are: their times are their own."""
    with pytest.raises(InputError, match=r"periphery: must be published where a unit process serves the crossbars"):
        xbarch.simulate("isaac_like", "vgg7_pruned", images=1, periphery="balanced",
                        overrides=["processes={crossbar: {unit: plain}}"])
    sized = [xbarch.simulate("isaac_like", "vgg7_pruned", images=2, policy="crossbars:4", periphery="balanced",
                             overrides=["components.activation.actions=64", *changes]).architecture.periphery.factors
             for changes in ([], ["processes={activation: {unit: plain}}"])]
    assert "components.activation" in sized[0]
    assert sized[1] == {place: factor for place, factor in sized[0].items()
                        if place not in ("components.activation", "components.requantizer")}
