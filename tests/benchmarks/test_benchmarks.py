"""The harness of benchmarks: the page, fits, split times, graphs. What it measures is asserted nowhere."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import (
    checks,
    commands,
    growth,
    page,
    pipelined,
    plots,
    points,
    rates,
    screening,
    searches,
    spent,
    steps,
    sweeps,
)
from benchmarks.graphs import chain, made, shared, uncontended, varied
from xbarch.errors import XbarchError
from xbarch.sim import engine

# -- page -----------------------------------------------------------------------------------------------------------


def test_a_section_is_replaced_alone():
    text = "# Title\n\nhead | with a bar\n\n## One\n\nold\n\n### Below\n\nkept with it\n\n## Two\n\ntwo\n"
    assert page.put(text, "One", ["new", "", "lines"]) == "# Title\n\nhead | with a bar\n\n## One\n\nnew\n\nlines\n\n" \
        "## Two\n\ntwo\n"
    assert page.put(page.put(text, "Two", ["other"]), "Two", ["two"]) == text


def test_a_section_is_added_behind_the_others():
    assert page.put("# T\n\n## One\n\none\n", "Two", ["two"]) == "# T\n\n## One\n\none\n\n## Two\n\ntwo\n"
    assert page.put("", "One", ["one"]) == "# Performance\n\n## One\n\none\n"


@pytest.mark.parametrize("found, limit, least, met", [
    (1, 2, False, True), (2, 2, False, True), (3, 2, False, False),
    (1, 2, True, False), (2, 2, True, True), (3, 2, True, True)])
def test_a_goal_says_whether_it_is_met(found, limit, least, met):
    goal = page.Goal("it", found, limit, "s", least)
    *_, row, _ = page.goals([goal])
    assert goal.met is met
    assert row == f"| it | {'≥' if least else '≤'} {limit} s | {found} s | {'met' if met else '**not met**'} |"


def test_no_goals_no_table():
    assert page.goals([]) == []


@pytest.mark.parametrize("value, text", [(0, "0"), (0.012345, "0.0123"), (12.345, "12.3"), (123.45, "123"),
                                         (1234567.8, "1,234,568")])
def test_numbers_have_three_digits_that_count(value, text):
    assert page.number(value) == text


def test_the_machine_is_named_without_its_name():
    found = page.machine()
    assert set(found) == {"xbarch", "python", "numba", "numpy", "simpy", "cpu", "cpus", "date"}
    assert os.uname().nodename not in json.dumps(found) or len(os.uname().nodename) < 4


# -- the command ----------------------------------------------------------------------------------------------------

PICTURE = ("words", b"<svg/>")
WIDE = ["| " + "wide " * 40]


@pytest.fixture
def parts(monkeypatch):
    """Two parts that measure nothing, on a command whose reference takes 2 s."""
    def part(title):
        return SimpleNamespace(
            TITLE=title, measure=lambda asked, say: {"value": asked.repeat},
            lines=lambda found: [f"value {found['value']}", "", "text " * 40, *WIDE],
            pictures=lambda found: {"p": PICTURE})
    known = {"one": part("One"), "two": part("Two")}
    monkeypatch.setattr(command, "PARTS", known)
    monkeypatch.setattr(command, "reference", lambda: 2.0)
    monkeypatch.setenv("XBARCH_CACHE", "")
    return known


def test_each_part_replaces_its_own_section_and_numbers(parts, tmp_path, capsys):
    target = tmp_path / "figures.md"
    target.write_text("# Mine\n\n## Other\n\nby hand\n")
    command.main(["--page", str(target), "--repeat", "5"])
    command.main(["two", "--page", str(target), "--repeat", "7"])
    text, raw = target.read_text(), json.loads((tmp_path / "figures.json").read_text())
    assert [line for line in text.splitlines() if line.startswith(("#", "value", "!", "by"))] == [
        "# Mine", "## Other", "by hand", "## One", "value 5", "![words](figures/p.svg)",
        "## Two", "value 7", "![words](figures/p.svg)"]
    assert "`python -m benchmarks two`" in text and "2.00 s of CPU" in text
    assert {name: entry["found"] for name, entry in raw.items()} == {"one": {"value": 5}, "two": {"value": 7}}
    assert (tmp_path / "figures/p.svg").read_bytes() == PICTURE[1]
    assert [line for line in text.splitlines() if len(line) > 120] == 2 * WIDE
    assert "value 7" in capsys.readouterr().out


def test_sections_are_written_again_from_the_numbers(parts, tmp_path, monkeypatch):
    target = tmp_path / "figures.md"
    command.main(["one", "--page", str(target)])
    before = target.read_text()
    target.unlink()
    monkeypatch.setattr(parts["one"], "measure", None)
    command.main(["--again", "--page", str(target)])
    assert target.read_text() == before


@pytest.mark.parametrize("words, said", [
    (["three"], "a part must be one of one, two, not 'three'"),
    (["--repeat", "0"], "--repeat must be at least 1, not 0"),
    (["two", "--again"], "there are no numbers of 'two'"), (["--again"], "there are none beside"),
    (["--mnsim", "/nowhere"], "must be a tool's folder or an executable file")])
def test_bad_words_are_refused_before_anything_is_measured(parts, tmp_path, capsys, words, said):
    with pytest.raises(SystemExit) as stop:
        command.main([*words, "--page", str(tmp_path / "p.md")])
    assert stop.value.code == 2 and said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["3", "{", '{"one": 3}'])
def test_numbers_that_nobody_wrote_are_refused_before_anything_is_measured(parts, tmp_path, capsys, text):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(SystemExit) as stop:
        command.main(["one", "--page", str(tmp_path / "p.md")])
    assert stop.value.code == 2 and "p.json" in capsys.readouterr().err and len(list(tmp_path.iterdir())) == 1


# -- times ----------------------------------------------------------------------------------------------------------


def test_a_step_has_its_own_time_alone(monkeypatch):
    """A clock that only the functions move: outer takes 1 + 4, inner inside it 10, nobody 100."""
    clock = [0.0]
    owner = SimpleNamespace(inner=lambda: clock.__setitem__(0, clock[0] + 10))

    def outer():
        clock[0] += 1
        owner.inner()
        clock[0] += 4
        return "made"

    owner.outer = outer
    plain = dict(vars(owner))
    monkeypatch.setitem(sys.modules, "owner_of_steps", owner)
    monkeypatch.setattr(steps.time, "process_time", lambda: clock[0])
    watched = {"a": [("owner_of_steps", "outer")], "b": [("owner_of_steps", "inner")]}
    with steps.Steps(watched) as found:
        assert owner.outer() == "made"
        clock[0] += 100
    assert found.seconds == {"a": 5, "b": 10, "other": 100}
    assert vars(owner) == plain


def test_what_raises_is_charged_and_left():
    owner = SimpleNamespace(wrong=lambda: 1 / 0)
    sys.modules["owner_of_wrong"] = owner
    try:
        with pytest.raises(ZeroDivisionError), steps.Steps({"a": [("owner_of_wrong", "wrong")]}) as found:
            owner.wrong()
    finally:
        del sys.modules["owner_of_wrong"]
    assert found._inside == ["other"]


def test_every_function_that_is_watched_is_there():
    steps.Steps({**steps.IMPORTS, **steps.RUN, **steps.ENGINE})
    steps.Steps(points.STEPS)
    with pytest.raises(AttributeError, match=r"'gone' watches xbarch\.run\.nothing"):
        steps.Steps({"gone": [("xbarch.run", "nothing")]})


@pytest.mark.full
def test_the_steps_of_a_command_are_told(tmp_path):
    found = commands.split(["simulate", "-a", "isaac_like", "-w", "vgg7_pruned", "--images", "1"])
    assert tuple(found) == steps.ORDER and min(found.values()) >= 0
    assert all(found[step] > 0 for step in ("start", "import", "load", "pack", "plan", "compile", "simulate"))


def test_a_command_that_fails_is_no_figure():
    with pytest.raises(RuntimeError, match=r"exit code 2.*isaac"):
        spent.xbarch("simulate", "-a", "no_such_machine", "-w", "vgg7_pruned")


@pytest.mark.parametrize("script, code", [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9),
                                          ("print('done')", 0)])
def test_the_meter_tells_how_a_command_ended(script, code):
    found = spent.command([sys.executable, "-c", script])
    assert found.code == code and found.said == ("done\n" if not code else "")
    assert found.cpu_s > 0 and found.wall_s > 0


@pytest.mark.full
def test_the_meter_ends_what_does_not_end(tmp_path):
    sign = tmp_path / "child"
    script = f"import os, subprocess; open({str(sign)!r}, 'w').write(str(os.getpid())); subprocess.run(['sleep', '60'])"
    assert spent.command([sys.executable, "-c", script], limit=1.0).code == 124
    with pytest.raises(ProcessLookupError):
        os.kill(int(sign.read_text()), 0)
    assert spent.command([str(tmp_path / "nothing")]).code == 127


@pytest.mark.full
def test_the_meter_measures_the_child_and_not_its_parent():
    ballast = bytearray(300_000_000)  # which the caller holds
    ballast[::4096] = b"\1" * len(ballast[::4096])
    small = spent.command([sys.executable, "-S", "-c", "pass"])
    large = spent.command([sys.executable, "-S", "-c", "a = b'\\1' * 100_000_000"])
    assert small.peak_mb < 50 and 100 < large.peak_mb < 200


# -- fits and graphs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.37, 2.0])
def test_the_exponent_of_a_power_law(power):
    assert growth.exponent([(x, 3 * x**power) for x in (1, 2, 5, 70, 1000)]) == pytest.approx(power, abs=1e-9)


def test_the_exponent_is_that_of_least_squares():
    x, y = [1, 2, 4, 9, 11], [3, 5, 2, 40, 17]
    assert growth.exponent(list(zip(x, y, strict=True))) == pytest.approx(np.polyfit(np.log(x), np.log(y), 1)[0])


@pytest.fixture(scope="module")
def small():
    return made(chain(3, 8), policy="crossbars:2", images=2).graph


def test_a_chain_has_the_windows_of_its_pixels():
    network = chain(5, 12, 16)
    assert [layer.op for layer in network.layers] == ["input", *["conv"] * 5]
    assert sum(layer.windows for layer in network.compute_layers) == 5 * 12 * 12


def test_without_contention_nobody_shares(small):
    free = uncontended(small)
    assert shared(small) and small.pools and not shared(free) and not free.pools
    servers = [stage.server for flow in free.flows for copy in flow.copies for stage in copy if stage.server >= 0]
    assert len(set(servers)) == len(servers) and set(servers) == set(range(len(free.servers)))
    without, before = engine.run(free), engine.run(small)
    assert without.visits == before.visits and without.makespan < before.makespan
    assert without.busy.sum() == before.busy.sum()


def test_drawn_times_lie_between_half_and_whole(small):
    other = varied(small)
    for flow, changed in zip(small.flows, other.flows, strict=True):
        for copy, drawn in zip(flow.copies, changed.copies, strict=True):
            for stage, new in zip(copy, drawn, strict=True):
                if not stage.gate:
                    assert new is stage
                    continue
                whole = np.resize(stage.occupancy, small.images * flow.windows)
                assert new.occupancy.shape == whole.shape
                assert (new.occupancy >= whole // 2).all() and (new.occupancy <= whole).all()
                images = new.occupancy.reshape(small.images, -1)
                assert (images[0] != images[1]).any()
                assert (new.latency >= 0).all()
                assert (np.resize(stage.latency, len(whole)) - new.latency <= whole - new.occupancy).all()
    assert engine.run(other).visits == engine.run(small).visits
    assert varied(small).flows[1].copies[0][0].name == other.flows[1].copies[0][0].name


def test_engines_race_on_one_graph(small):
    found = rates.raced(small, 1)
    assert found["visits"] == engine.run(small).visits
    assert 0 < found["kernel_s"] < found["fast_s"]


def test_engines_that_disagree_have_no_rates(small, monkeypatch):
    slow = engine.run(small)
    monkeypatch.setattr(rates.engine, "run", lambda graph: replace(slow, makespan=slow.makespan + 1))
    with pytest.raises(RuntimeError, match="do not agree"):
        rates.raced(small, 1)


def test_ratios_are_over_simpy():
    row = {"simpy_s": 60.0, "kernel_s": 1.0, "fast_s": 2.0, "before": {"load": 9.0, "pack": 5.0, "plan": 2.0,
                                                                       "compile": 3.0}}
    assert rates.ratios(row) == (60, 30, 5)


def test_changed_times_reach_a_whole_run():
    plain, drawn = (pipelined.simulated("vgg7_pruned", 2, change) for change in (lambda graph: graph, varied))
    assert plain["visits"] == drawn["visits"] and set(plain["steps"]) == {*steps.RUN, "other"}


def test_a_change_that_breaks_a_graph_is_seen(small):
    with pytest.raises(XbarchError):
        pipelined.simulated("vgg7_pruned", 1, lambda graph: replace(graph, flows=()))


# -- sections -------------------------------------------------------------------------------------------------------


def test_the_checks_part_measures_and_writes():
    found = checks.measure(SimpleNamespace(quick=True, repeat=1), lambda text: None)
    row = found["rows"][0]
    assert row["cpu_s"] == pytest.approx(sum(row["steps"].values()))
    row["steps"].update(laws=1.0), row.update(cpu_s=25.0)
    assert checks.share(row, "laws") == 4
    assert "| `vgg7_pruned`, images: 1 | ≤ 5 % | 4 % | met |" in checks.lines(found)


def test_the_share_of_a_front_that_is_found():
    """Of the hypervolume between the worst and the best of all points."""
    every = [(0.0, 4.0), (2.0, 2.0), (4.0, 0.0), (4.0, 4.0)]
    assert searches.progress(every, [None, (4.0, 4.0), (2.0, 2.0), (0.0, 4.0)]) == pytest.approx([0, 0, 1, 1])
    assert searches.progress([*every, (0.0, 2.0)], [(2.0, 2.0), (0.0, 2.0)]) == pytest.approx([0.5, 1])


def test_rows_of_the_sweep_say_minutes_for_the_whole():
    rows = [{"processes": n, "points": 10, "wall_s": wall, "cpu_s": 1.0, "peak_mb": 9.0, "again_s": 1.0}
            for n, wall in ((1, 6.0), (2, 3.0))]
    text = sweeps.lines({"rows": rows, "whole": 1200})
    assert "| 2 | 10 | 3 | 1 | 200 | 2.00 | 1 | 9 | 6 |" in text
    assert "| 1,200 points on two processes, at the rate of this part | ≤ 3 min | 6 min | **not met** |" in text


def test_steps_of_a_point_are_shares_of_it():
    text = points.lines({"steps": {"vgg7_pruned, prices": {"plan": 3.0, "other": 1.0}}})
    assert "| vgg7_pruned, prices | 4 | 75 | 25 |" in text
    assert "| a point of vgg7_pruned, prices | ≤ 8 ms | 4 ms | met |" in text


def test_screening_is_replayed_and_must_find_the_front():
    values = {0: np.array([-2.0, 1, 1]), 1: np.array([-1.0, 2, 2]), 2: np.array([-3.0, 4, 4])}
    bounds = np.array([*values.values(), [np.inf] * 3])
    assert [screening._screened(bounds, values, most, [2, 0]) for most in (1, 3)] == [2, 3]
    with pytest.raises(RuntimeError, match="another front"):
        screening._screened(bounds, values, 1, [0])


def test_designs_trade_power_for_area_and_ranking_has_a_goal():
    axes = screening.designs(2, 5)["axes"]
    assert np.prod([len(values) for values in axes.values()]) == 10_000
    assert axes["components.adc.power, components.adc.area"][0] == ["1 mW", "0.0192 mm^2"]
    found = {"points": 10**6, "bounded": 3700, "candidates": 10**5, "rank_s": 61.0, "rest_s": 9.5, "ran": 12,
             "front": 3}
    text = screening._of_large(found)
    assert "| 1,000,000 | 3,700 | 100,000 | 61 | 12 | 3 | 9.5 |" in text
    assert "| rank 1,000,000 points | ≤ 60 CPU s | 61 CPU s | **not met** |" in text


def test_the_growth_of_each_size_is_fitted():
    def points(name, power):
        return [{name: x, "visits": x, "stages": x**0.25, "kernel_s": x**0.75, "cpu_s": x**power} for x in (1, 4, 16)]
    found = {"series": {name: points(name, power) for name, power in (
        ("images", 1.0), ("layers", 2.0), ("windows", 1.2), ("tiles", 0.5), ("lanes", 0.5))}}
    text = growth.lines(found)
    assert [line.split("|")[-2].strip() for line in text if line.startswith("| exponent in")] == [
        "met", "**not met**", "met"]
    assert any(line.startswith("| layers |") and line.endswith("| 2.00 | 2.00 | 0.75 | 1.00 | 0.25 |") for line in text)
    assert growth.pictures(found)["growth"][1].startswith(b"<?xml")


def test_pictures_are_the_same_bytes_for_the_same_numbers():
    def draw(log):
        return plots.bars({"a_b_c": [1.5, 20.0], "d": [3.0, 400.0]}, ["x", "y"], "times", log=log, stacked=not log)
    assert draw(True) == draw(True) != draw(False) == draw(False)


# -- kernels --------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_kernels_run_are_kept_and_compared(tmp_path):
    kept = tmp_path / "kept.json"

    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # no xdist's worker

    def run(*words):
        return subprocess.run([sys.executable, "-m", "pytest", "benchmarks/kernels.py", "-k",
                               "huai or segprune or (loop and compiled)", "--benchmark-columns=min", "-p",
                               "no:cacheprovider", *words], env=alone,
                              cwd=spent.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    first = run(f"--benchmark-json={kept}")
    assert first.returncode == 0, first.stdout
    found = json.loads(kept.read_text())
    assert {one["name"] for one in found["benchmarks"]} == {
        "test_packing[huai]", "test_packing[segprune]", "test_projection[segprune]", "test_event_loop[compiled]"}
    assert "node" not in found["machine_info"] and all("data" not in one["stats"] for one in found["benchmarks"])
    assert set(found["commit_info"]) == {"version"}
    second = run(f"--benchmark-compare={kept}")
    assert second.returncode == 0 and "(NOW)" in second.stdout, second.stdout


@pytest.mark.full
def test_no_other_test_command_runs_the_kernels():
    listed = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/benchmarks"],
                            cwd=spent.ROOT, text=True, stdout=subprocess.PIPE, check=False).stdout
    assert "test_benchmarks.py" in listed and "kernels.py" not in listed
