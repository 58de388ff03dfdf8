"""Sweeps: every combination a point with a name of its own, run or refused, whatever happens to the processes."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xbarch
from xbarch.conformance import draw
from xbarch.errors import InputError, XbarchError
from xbarch.machine import kept
from xbarch.machine.simulate import simulate_graph
from xbarch.mapping.packings import Memo
from xbarch.plugins import checked, registry
from xbarch.plugins.registry import datapath
from xbarch.request import Contents, Request
from xbarch.specs.load import load
from xbarch.specs.sweep import FIGURES, Sweep
from xbarch.studies.runs import batch
from xbarch.studies.runs.answer import Answer, answer
from xbarch.studies.runs.bench import STORE, Bench
from xbarch.studies.runs.store import Store
from xbarch.studies.sweep import Point, Points, Row, Swept, frames, parquet, sweep
from xbarch.studies.sweep import run as sweeping
from xbarch.studies.sweep.sheet import AREA, EXACT, LATENCY, TESTED, sections
from xbarch.studies.sweep.totals import ACCURACY, SPEED
from xbarch.support import about
from xbarch.support.sheet import harmless

ROOT = Path(__file__).resolve().parents[3]
AXES = {"crossbar.rows, crossbar.columns": [64, 128], "crossbar.adc_bits": [6, 8, 99], "hierarchy.tiles": [2, 168]}
ENERGY = "energy.scopes_aj.chip"  # of the default scope
SMALL = {"kind": "sweep", "architectures": ["isaac_like"], "workloads": ["vgg7_pruned"], "images": 2}


def asked(**changes):
    return Sweep.model_validate({**SMALL, "axes": AXES, **changes})


def names(**changes):
    return [p.request.digest() for p in Points(asked(**changes))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep run without interruption in this process: (what was found, its CSV)."""
    folder = tmp_path_factory.mktemp("whole")
    return sweep(asked(), folder, processes=1), (folder / "sweep.csv").read_bytes()


@pytest.fixture
def file(tmp_path):
    """The same sweep as a file."""
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps({**SMALL, "axes": AXES}))
    return path


# -- points ---------------------------------------------------------------------------------------------------

def test_every_combination_is_a_point():
    found = Points(asked(policies=["fit", "one_copy"], datapaths=["own", "dense"]))
    values = [(p.request.datapath, *p.values, p.request.policy) for p in found]
    assert sorted(values) == sorted((d, n, n, b, t, p) for d, n, b, t, p in product(
        ["meng", "dense"], [64, 128], [6, 8, 99], [2, 168], ["fit", "one_copy"]))
    assert len({p.request.digest() for p in found}) == len(found) == 48
    assert found[0].request.overrides == (
        "crossbar.rows=64", "crossbar.columns=64", "crossbar.adc_bits=6", "hierarchy.tiles=2")
    assert all(Request.from_json(p.request.to_json()) == p.request for p in found)


@pytest.mark.full
def test_names_follow_the_content(monkeypatch, tmp_path):
    """The same content the same name, whatever order or file it comes from; any other content another name."""
    one = {"axes": {"crossbar.adc_bits": [8]}}
    name, = names(**one)
    assert names(axes={}) == [name]  # ISAAC's own 8 bits
    copy = tmp_path / "copy.yaml"
    copy.write_text((ROOT / "architectures/isaac_like.yaml").read_text() + "\n# a remark\n")
    assert names(axes={}, architectures=[str(copy)]) == [name]
    assert names(axes={"hierarchy.tiles": [160], "crossbar.rows": [64]}) == names(
        axes={"crossbar.rows": [64], "hierarchy.tiles": [160]})
    assert names(axes={}, options={"meng": {"group_ch": 16}}) == [name]  # the workload's own option
    others = [names(**{**one, **change}) for change in (
        {"images": 3}, {"policies": ["one_copy"]}, {"datapaths": ["dense"]}, {"options": {"meng": {"group_ch": 8}}},
        {"workloads": ["resnet18_pruned"]}, {"architectures": ["isaac_8bit"]}, {"axes": {"crossbar.adc_bits": [7]}})]
    monkeypatch.setattr(about, "code", lambda: "another")
    others.append(names(**one))
    assert all(len(found) == 1 for found in others) and len({name, *(found[0] for found in others)}) == 9


def test_fields_of_an_axis_change_together_or_each_to_its_own():
    found = Points(asked(axes={"crossbar.rows, crossbar.columns": [64, [32, 128]]}))
    assert [p.values for p in found] == [(64, 64), (32, 128)]


@pytest.mark.parametrize("change, says", [
    ({"axes": {"crossbar.adc_bit": [8]}}, "unknown key 'adc_bit' in crossbar"),
    ({"axes": {"crossbr.rows": [8]}}, "did you mean 'crossbar'"),
    ({"axes": {"crossbar.rows": [8], "crossbar.columns,crossbar.rows": [8]}}, "'crossbar.rows' stands in two axes"),
    ({"axes": {"crossbar.rows,crossbar.columns": [[1, 2, 3]]}}, "3 values"),
    ({"axes": {"crossbar.rows": []}}, "at least 1"),
    ({"axes": {"crossbar.rows.x": [1]}}, "in crossbar.rows.x=1"),
    ({"policies": ["fit", "some"]}, "policies.1: must be fit, one_copy, crossbars:K, chip or area"),
    ({"datapaths": ["mng"]}, "datapaths.0: unknown data path 'mng'"),
    ({"options": {"own": {}}}, "unknown data path 'own'"),
    ({"options": {"meng": {"group": 8}}}, "group_ch"),
    ({"figures": ["throughput.image"]}, "figures.0: unknown key 'image' in throughput"),
    ({"workloads": ["vgg"]}, "no such workload"),
])
def test_wrong_sweeps_are_refused_before_anything_runs(call, tmp_path, change, says):
    path = tmp_path / "wrong.yaml"
    path.write_text(json.dumps({**SMALL, **change}))
    code, out, error = call("sweep", path, "--out", tmp_path / "out")
    assert (code, out) == (2, "") and says in error and error.count("\n") == 1
    assert says.startswith("no such") or f"{path}:1" in error
    assert not (tmp_path / "out").exists()


# -- answers --------------------------------------------------------------------------------------------------

@pytest.mark.full
def test_figures_are_those_of_plain_runs(whole):
    """Whatever was packed before: the shared packings change nothing."""
    for row in whole[0].rows:
        if not row.why:
            run = xbarch.simulate("isaac_like", "vgg7_pruned", images=2, overrides=row.point.request.overrides)
            assert {name: run[name] for name in FIGURES} == {name: row.figures[name] for name in FIGURES}


def test_what_cannot_be_built_or_does_not_fit_is_a_row_with_its_reason(whole):
    why = {row.point.values[2:]: row.why for row in whole[0].rows if row.point.values[0] == 64}
    assert {key for key, text in why.items() if not text} == {(6, 168), (8, 168)}
    assert "must be at most 16, not 99" in why[99, 2] and "must be at most 16, not 99" in why[99, 168]
    assert "the machine has 192" in why[6, 2]
    lines = list(csv.DictReader(whole[1].decode().splitlines()))
    assert [line["why"] for line in lines] == [harmless(row.why) for row in whole[0].rows] and len(lines) == 12
    assert all((line[SPEED] == "") == bool(line["why"]) for line in lines)
    assert lines[1]["crossbar.rows"] == lines[1]["crossbar.columns"] == "64"


def test_known_points_are_not_run_again_and_others_join_them(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr("xbarch.studies.runs.batch.answer",
                        lambda request, *more: ran.append(request.overrides) or Answer("why"))
    sweep(asked(axes={"crossbar.adc_bits": [7, 8]}), tmp_path, processes=1)
    assert ran == [("crossbar.adc_bits=7",), ("crossbar.adc_bits=8",)]
    found = sweep(asked(axes={"crossbar.adc_bits": [8, 9, 8]}), tmp_path, processes=1)
    assert ran[2:] == [("crossbar.adc_bits=9",)]
    assert [r.point.values for r in found.rows] == [(8,), (9,), (8,)]
    assert len({r.name for r in found.rows}) == 2


def row(number, **figures):
    """A point that ran."""
    return Row(Point(Request(arch="", workload="")), str(number), "", figures)


def test_the_front_is_of_one_scope():
    """What a link draws off the chip ranks no point, unless it is asked for; the heading names the scope."""
    found = [row(n, **{SPEED: 5.0, LATENCY: 9, AREA: 1.0, ENERGY: chip, "energy.scopes_aj.whole": whole})
             for n, (chip, whole) in enumerate([(4, 100), (14, 90)])]
    for scope, best in (("chip", found[0]), ("whole", found[1])):
        swept = Swept(asked(scope=scope), found)
        assert swept.front() == [best]
        table = sections(swept)[0]
        assert f"energy per image (scope {scope})" in table.title and table.table.heads.count(
            f"energy per image (scope {scope})") == 1
    with pytest.raises(ValueError, match="scope"):
        asked(scope="chips")


def test_points_of_a_single_image_are_ranked_by_latency():
    """They have no rate: a faster first image takes its place, and a sentence says so."""
    found = [row(n, **{LATENCY: latency, AREA: area, ENERGY: 1}) for n, (latency, area) in enumerate([
        (9, 1.0), (5, 2.0), (9, 3.0)])]
    swept = Swept(asked(), found)
    assert not swept.rated and swept.front() == [found[1], found[0]]
    section = sections(swept)[0]
    assert "front of latency" in section.title and section.table.rows[0][-4] == "–"
    assert "no throughput" in section.bullets[0]
    assert Swept(asked(), [row(0, **{SPEED: 1.0, LATENCY: 9, AREA: 1.0, ENERGY: 1})]).rated


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=12))
def test_the_front_is_what_nothing_surpasses(values):
    """Against the definition, over all pairs."""
    rows = [Row(Point(Request(arch="", workload="")), str(n), "", dict(zip((SPEED, ENERGY, AREA), v, strict=True)))
            for n, v in enumerate(values)]
    kept = {v for v in values if not any(o != v and o[0] >= v[0] and o[1] <= v[1] and o[2] <= v[2] for o in values)}
    found = [tuple(r.figures[k] for k in (SPEED, ENERGY, AREA)) for r in Swept(asked(), rows).front()]
    assert set(found) == kept and len(found) == len(kept)


# -- interruptions --------------------------------------------------------------------------------------------

TOLD = """
import sys
file = sys.argv.pop(1)
from xbarch.cli import terminal
def show(self):
    def say(done, total, text=""):
        with open(file, "a") as out:
            out.write(f"{done}\\n")
    return say
terminal.Bar.__enter__, terminal.Bar.__exit__ = show, lambda *_: None
from xbarch.__main__ import main
main()
"""  # the command, with a progress bar that writes into a file


def started(file, out, *more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    out.with_suffix(".told").write_text("")
    return subprocess.Popen([sys.executable, "-c", TOLD, str(out.with_suffix(".told")), "sweep", str(file), "--out",
                             str(out), *more],
                            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            # A shell's background jobs ignore interrupts, and so does what they start.
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def known(out):
    """Names of the final answers in the store of `out`, which no other process uses."""
    base = sqlite3.connect(out / STORE, timeout=20)
    try:
        return [name for name, in base.execute("SELECT name FROM answers WHERE final")]
    finally:
        base.close()


def told(out):
    """How many points the command that runs in `out` has said to be answered."""
    return int((out.with_suffix(".told").read_text().split() or ["0"])[-1])


def descendants(parent):
    """Processes that another started; of None all that run. Zombies, which nobody has asked about, do not."""
    lines = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    return [int(pid) for pid, above, state in map(str.split, lines.splitlines())
            if parent in (None, int(above)) and not state.startswith("Z")]


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.full
@pytest.mark.parametrize("processes, ends", [(1, signal.SIGKILL), (2, signal.SIGKILL), (2, signal.SIGINT)])
def test_ended_in_the_middle_and_resumed(file, tmp_path, whole, processes, ends):
    """No point is lost, none is run twice, no worker stays behind; the table is that of a run without interruption."""
    for attempt in range(9):  # where others keep the machine busy, all points may be through before they are looked at
        out = tmp_path / f"out{attempt}"
        run = started(file, out, "--processes", str(processes))
        wait(lambda out=out: told(out) >= 3)
        run.send_signal(signal.SIGSTOP)  # who deals the points waits while the workers are looked for
        workers, few = descendants(run.pid), told(out) < 9
        run.send_signal(ends)
        run.send_signal(signal.SIGCONT)
        said = run.communicate(timeout=60)[1]
        if few:
            break
    assert run.returncode == (130 if ends == signal.SIGINT else -ends)
    assert said == "xbarch: interrupted\n" if ends == signal.SIGINT else "Traceback" not in said
    assert len(workers) >= processes if processes > 1 else not workers
    wait(lambda: not set(workers) & set(descendants(None)))
    before = known(out)
    assert 3 <= len(before) < 12 and not (out / "sweep.csv").exists()
    seen = []
    sweep(file, out, processes=1, progress=lambda done, total, text: seen.append((done, total)))
    assert seen == [(done, 12) for done in range(len(before), 13)]
    assert len(set(known(out))) == len(known(out)) == 12
    assert (out / "sweep.csv").read_bytes() == whole[1]


@pytest.mark.full
def test_two_sweeps_at_once_in_a_folder(file, tmp_path, whole):
    """The second is refused in a sentence and costs the first nothing."""
    out = tmp_path / "out"
    first = started(file, out, "--processes", "1")
    wait(lambda: told(out) >= 1)
    first.send_signal(signal.SIGSTOP)
    second = started(file, out, "--processes", "1")
    said, code = second.communicate(timeout=120)[1], second.returncode
    first.send_signal(signal.SIGCONT)
    assert code == 2 and said.endswith("runs.sqlite: is in use by another process; wait for it, or give another output "
                                       "folder\n") and said.count("\n") == 1
    assert (first.communicate(timeout=120)[1], first.returncode) == ("", 0)
    assert len(known(out)) == 12 and (out / "sweep.csv").read_bytes() == whole[1]


DEADLY = '''
import os
from xbarch.datapaths.dense import Dense

class Deadly(Dense):
    name, summary, provenance = "deadly", "ends its process on small crossbars", "test"

    def pack(self, layer, geometry):
        print("what a plugin prints is no answer")
        if geometry.rows == 64 and not os.path.exists("healed"):
            os._exit(7)
        return super().pack(layer, geometry)
'''


@pytest.mark.full
def test_a_point_that_ends_its_process_costs_no_other(call, tmp_path, monkeypatch):
    """It is named, tried twice in a process of its own, and tried again by the next call."""
    monkeypatch.chdir(tmp_path)
    Path("deadly.py").write_text(DEADLY)
    Path("deadly.yaml").write_text(json.dumps({**SMALL, "datapaths": ["deadly"], "axes": {
        "crossbar.rows, crossbar.columns": [128, 64, 256]}}))
    words = ("sweep", "deadly.yaml", "--plugin", "deadly.py", "--processes", "2")
    code, _, error = call(*words)
    assert code == 1 and error.startswith("xbarch: the process of 1 of 3 runs died") and "crossbar.rows=64" in error
    lines = list(csv.DictReader(Path("deadly/sweep.csv").read_text().splitlines()))
    assert len(known(Path("deadly"))) == 2
    assert [line["why"][:23] for line in lines] == ["", "its process died, twice", ""]
    Path("healed").touch()
    code, out, _ = call(*words)
    assert code == 0 and "3 of 3 points run" in out
    assert len(known(Path("deadly"))) == 3


@pytest.mark.full
def test_processes_that_cannot_load_a_plugin_end_the_sweep(tmp_path, monkeypatch):
    file = tmp_path / "gone.py"
    file.write_text("raise ValueError\n")
    monkeypatch.setattr(registry, "files", lambda: [file])
    with pytest.raises(XbarchError, match=r"a worker cannot load the plugins of the runs: .*gone.py"):
        sweep(asked(), tmp_path / "out", processes=2)
    assert known(tmp_path / "out") == []


# -- store ----------------------------------------------------------------------------------------------------

def test_answers_are_read_as_they_were_stored_and_lost_ones_are_not_final(tmp_path):
    ran = Answer(packed=b"\x00\xff")
    with Store(tmp_path / "new" / "s.sqlite") as store:
        store.add([("0a", ran), ("0b", Answer("why", "reason", "error")), ("0c", Answer.lost("signal 9"))])
    with Store(tmp_path / "new" / "s.sqlite") as store:
        assert store.final(["0a", "0b", "0c", "0d"]) == {"0a", "0b"}
        assert store.answers({"0a", "0b", "0d"}) == {"0a": ran, "0b": Answer("why", "reason", "error")}
        store.add([("0c", Answer("why"))])
        assert store.final(["0c"]) == {"0c"} and store.answers(["0c"]) == {"0c": Answer("why")}


def test_a_store_that_is_none_is_refused(call, file, tmp_path):
    (tmp_path / "out").mkdir()
    other = tmp_path / "out/runs.sqlite"
    other.write_text("my notes, long enough to be no header of a database at all\n" * 40)
    before = other.read_bytes()
    code, out, error = call("sweep", file, "--out", tmp_path / "out")
    assert (code, out) == (2, "") and "cannot be used as a store of answers" in error
    assert other.read_bytes() == before
    other.unlink()
    base = sqlite3.connect(other)
    base.execute("CREATE TABLE answers (other TEXT)")
    base.commit()
    base.close()
    assert call("sweep", file, "--out", tmp_path / "out")[0] == 2


def test_places_that_cannot_be_written_are_refused(call, file, tmp_path):
    (tmp_path / "out").write_text("a file")
    code, _, error = call("sweep", file, "--out", tmp_path / "out")
    assert code == 2 and "cannot be written" in error
    with pytest.raises(InputError, match="processes"):
        sweep(asked(), tmp_path / "x", processes=0)


def test_a_full_disk_is_a_sentence_and_costs_no_answer(call, file, tmp_path, monkeypatch):
    """SQLite's own limit stands for the disk's."""
    opened = Store._open

    def small(store):
        opened(store)
        store.base.execute(f"PRAGMA max_page_count={pages}")

    monkeypatch.setattr(Store, "_open", small)
    monkeypatch.setattr("xbarch.studies.runs.batch.answer",
                        lambda request, *more: Answer(" ".join(request.overrides) * 30))
    pages = 12
    words = ("sweep", file, "--out", tmp_path / "out", "--processes", "1")
    code, out, error = call(*words)
    assert (code, out) == (2, "") and error.count("\n") == 1
    assert "runs.sqlite: cannot be used as a store of answers (database or disk is full); " in error
    before = known(tmp_path / "out")
    assert before and not (tmp_path / "out/sweep.csv").exists()
    pages = 10**6
    seen = []
    sweep(file, tmp_path / "out", processes=1, progress=lambda done, total, text: seen.append(done))
    assert seen == list(range(len(before), 13)) and set(before) < set(known(tmp_path / "out"))


def test_a_store_of_an_earlier_version_is_refused(call, file, tmp_path):
    (tmp_path / "out").mkdir()
    base = sqlite3.connect(tmp_path / "out/runs.sqlite")
    base.execute("CREATE TABLE answers (name TEXT PRIMARY KEY, request TEXT, packed BLOB) WITHOUT ROWID")
    base.close()
    code, _, error = call("sweep", file, "--out", tmp_path / "out")
    assert code == 2 and "runs.sqlite: is a store of another version of xbarch" in error and error.count("\n") == 1


def test_figures_that_were_not_kept_are_run_again(tmp_path, monkeypatch):
    """Those in the same place of every record are there without being asked for."""
    ran = []
    monkeypatch.setattr("xbarch.studies.runs.batch.answer",
                        lambda request, *more: ran.append(request) or answer(request, *more))
    small = {"axes": {}, "datapaths": ["dense"]}
    energy = "energy.by_component_aj.adc"
    plain = xbarch.simulate("isaac_like", "vgg7_pruned", images=2, datapath="dense")
    for figures, runs in (([SPEED], 1), ([SPEED, "counts.macs", "latency.makespan_ps"], 1), ([energy, SPEED], 2),
                          ([energy], 2)):
        found = sweep(asked(**small, figures=figures), tmp_path, processes=1)
        assert len(ran) == runs
        assert {name: found.rows[0].figures[name] for name in figures} == {name: plain[name] for name in figures}


# -- packings that are shared ---------------------------------------------------------------------------------

def test_packings_are_shared_as_far_as_they_are_equal():
    from xbarch.machine.machine import Machine
    from xbarch.specs.architecture import Architecture

    def machine(*overrides):
        return Machine(load("isaac_like", Architecture, overrides))

    network, again, path = xbarch.load("vgg7_pruned"), xbarch.load("vgg7_pruned"), datapath("dense")
    memo = Memo(2)

    def packed(network=network, path=path, machine=machine()):
        return memo.packed(network, path, machine.geometry, machine.sensing)

    first = packed()
    assert packed(machine=machine("hierarchy.tiles=20"), path=datapath("dense")) is first
    assert first.keys() == {layer.name for layer in network.compute_layers}
    for other in ({"network": again}, {"path": datapath("dense", {"sign": "differential"})},
                  {"machine": machine("crossbar.rows=64")}, {"machine": machine("crossbar.adc_bits=7")},
                  {"machine": machine("crossbar.read=200 ns")}):
        first = packed()
        assert packed(**other) is not first and packed() is first
    packed(network=again)
    packed(machine=machine("crossbar.rows=64"))
    assert packed() is not first  # two others came in between


def test_blocks_know_nothing_of_converters():
    """So points that differ in their resolution share a packing: of every data path, on layers drawn at random."""
    rng = np.random.default_rng(5)
    for path in registry.datapaths().values():
        case = draw(rng, path())
        made = [checked.blocks(case.path, case.layer, replace(case.geometry, adc_bits=bits)) for bits in (2, 14)]
        work = [case.path.work(blocks, case.layer, replace(case.geometry, adc_bits=bits), None)
                for blocks, bits in zip(made, (2, 14), strict=True)]
        cells = [[(b.crossbar, b.row0, b.col0, b.contents().cells.tolist()) for b in blocks] for blocks in made]
        assert cells[0] == cells[1] and work[0].reads.tolist() == work[1].reads.tolist()


def test_points_that_share_plans_and_packings_have_the_figures_of_runs_by_themselves(monkeypatch):
    """Whatever ran before in the process. Points that differ in prices alone are simulated once."""
    changes = [{"overrides": (f"network.queue={queue}", f"crossbar.adc_bits={bits}"), "policy": policy}
               for queue in (64, 256) for bits in (8, 7) for policy in ("one_copy", "crossbars:1")]
    changes += [{"overrides": (f"components.router.power={power} mW", *more)} for more in ((), ("network.queue=64",))
                for power in (42, 21)]
    for each in (kept.graphs, kept.runs):
        each.clear()
    made, simulated, contents = [], [], Contents()
    monkeypatch.setattr("xbarch.run.simulate_graph", lambda *given: made.append(1) or simulate_graph(*given))
    for change in changes:
        made.clear()
        shared = answer(Request(arch="isaac_like", workload="vgg7_pruned", images=1, **change), contents, FIGURES)
        simulated.append(len(made))
        alone = xbarch.simulate("isaac_like", "vgg7_pruned", images=1, **change)
        assert {name: alone[name] for name in FIGURES if alone[name] is not None} == {
            name: value for name, value in shared.figures().items() if name in FIGURES}
    assert simulated[-4:] == [1, 0, 1, 0]


# -- tables for other programs --------------------------------------------------------------------------------

def test_frames_and_parquet_have_the_rows_of_the_table(tmp_path):
    """With whole numbers whole, however large, and what a point lacks left empty."""
    import pandas

    axes = {"hierarchy.tiles": [2, 168], "crossbar.adc_bits": [8, "many"]}
    large = 2**60 + 1
    ran = {SPEED: 1.5, ENERGY: 1, AREA: 1.0, "counts.conversions": large, EXACT: True}
    rows = [Row(Point(Request(arch="a", workload="w", images=2), (), values), f"{number:064x}", "" if number else "no",
                ran if number else {}) for number, values in enumerate(product(*axes.values()))]
    found = Swept(asked(axes=axes, figures=[SPEED, "counts.conversions", EXACT]), rows)
    whole = pandas.concat(list(frames(found, rows=3)), ignore_index=True)
    assert [len(each) for each in frames(found, rows=3)] == [3, 1] and list(whole.columns) == found.heads
    back = pandas.read_parquet(parquet(found, tmp_path / "t.parquet"), dtype_backend="pyarrow")
    assert list(back.columns) == found.heads and back["counts.conversions"].tolist()[1:] == [large] * 3
    assert back["crossbar.adc_bits"].tolist() == ["8", "many", "8", "many"]
    assert back["hierarchy.tiles"].tolist() == [2, 2, 168, 168]
    for table in (whole, back):
        assert table["point"].tolist() == [line["point"] for line in found.plain()]
        assert table[SPEED].isna().tolist() == [True, False, False, False] and bool(table[EXACT][1])


# -- the command ----------------------------------------------------------------------------------------------

def test_the_command_prints_a_table_or_json(call, file, tmp_path, whole):
    code, out, error = call("sweep", file, "--out", tmp_path / "out", "--processes", "1")
    assert (code, error) == (0, "")
    ran = sum(not r.why for r in whole[0].rows)
    assert "Not simulated" in out and f"written: {tmp_path}/out/sweep.csv and sweep.html, {ran} of 12 points run" in out
    code, out, _ = call("sweep", file, "--out", tmp_path / "out", "--json", "--parquet")
    assert json.loads(out) == whole[0].plain()
    pyarrow = pytest.importorskip("pyarrow.parquet")
    assert pyarrow.read_table(tmp_path / "out/sweep.parquet")["point"].to_pylist() == [
        line["point"] for line in json.loads(out)]


@pytest.mark.full
def test_a_package_of_parts_with_another_version_makes_other_points(install, tmp_path):
    """What it does may have changed, be it a sensing unit, a topology or a process; of data paths only those asked."""
    before = names()
    path = "from xbarch.datapaths.dense import Dense\n\nclass Path(Dense):\n    name = 'other'\n"
    install("other", {"other.py": path}, [("datapaths", "other", "other:Path")])
    assert names() == before
    install("wires", {"wires.py": ""}, [("topologies", "wires", "wires:Wires")])
    with_wires = names()
    meta = next(Path(tmp_path).rglob("wires-1.2.dist-info")) / "METADATA"
    meta.write_text(meta.read_text().replace("1.2", "1.3"))
    os.utime(meta.parents[1])
    assert len({*before, *with_wires, *names()}) == 3 * len(before)


def test_where_no_point_runs_the_first_reason_is_told(call, tmp_path):
    """The table is written all the same."""
    (tmp_path / "none.yaml").write_text(json.dumps({**SMALL, "axes": {"crossbar.adc_bits": ["many", "some"]}}))
    code, out, error = call("sweep", tmp_path / "none.yaml", "--out", tmp_path / "out", "--processes", "1")
    assert code == 2 and f"0 of {len((tmp_path / 'out/sweep.csv').read_text().splitlines()) - 1} points run" in out
    assert error.count("\n") == 1 and "none.yaml: none of " in error and "not 'many'" in error


def test_bundled_sweeps_are_listed_and_valid(call):
    _, out, _ = call("list", "--json")
    studies = {entry["name"]: entry for entry in json.loads(out)["studies"]}
    assert studies.keys() == {p.stem for p in (ROOT / "studies").glob("*.yaml")}
    assert studies["resnet18_sweep"]["source"] == "xbarch sweep resnet18_sweep"
    assert studies["methods"]["source"] == "xbarch compare methods"
    assert call("validate", "resnet18_sweep")[1] == "resnet18_sweep: valid, a sweep\n"
    assert len({p.request for p in Points(load("resnet18_sweep", Sweep, kind="studies"))}) == 1008
    assert "must be study, not 'sweep'; `xbarch sweep` runs it" in call("compare", "resnet18_sweep")[2]


def ranked(*points, **changes):
    """A sweep of made-up points: (speed, energy, area, exact, accuracy or None)."""
    rows = []
    for number, (speed, energy, area, exact, accuracy) in enumerate(points):
        figures = {SPEED: speed, LATENCY: 1, "energy.scopes_aj.chip": energy, AREA: area, EXACT: exact}
        figures |= {} if accuracy is None else {ACCURACY: accuracy, TESTED: 100}
        rows.append(Row(Point(Request(arch="", workload="")), str(number), "", figures, "exact" if exact else "clips"))
    return Swept(asked(axes={}, **changes), rows)


def test_points_that_are_not_exact_are_left_out_and_counted():
    points = [(9, 1, 1, False, None), (5, 2, 2, True, None), (4, 3, 3, True, None), (8, 1, 1, False, None)]
    found = ranked(*points)
    assert [r.name for r in found.front()] == ["1"] and [r.name for r in found.left_out] == ["0", "3"]
    front = sections(found)[0]
    assert front.bullets[0].startswith("2 of 4 points left out") and "exact" in front.table.rows[0]
    tolerant = ranked(*points, tolerate_clipping=True)
    assert [r.name for r in tolerant.front()] == ["0"] and not tolerant.left_out and not sections(tolerant)[0].bullets


@pytest.mark.parametrize("unrated", range(3))
def test_a_point_without_throughput_anywhere_makes_latency_count(unrated):
    rows = list(ranked((9, 1, 1, True, None), (5, 2, 2, True, None), (4, 3, 3, True, None)).rows)
    figures = {name: value for name, value in rows[unrated].figures.items() if name != SPEED}
    rows[unrated] = replace(rows[unrated], figures={**figures, LATENCY: 0})
    found = Swept(asked(axes={}), rows)
    assert not found.totals.rated
    assert [r.name for r in found.front()] == list(dict.fromkeys([str(unrated), "0"]))


def test_accuracy_judges_points_that_clip():
    found = ranked((9, 1, 1, False, 0.1), (5, 2, 2, True, 0.9), (4, 3, 3, True, 0.9), (3, 3, 3, False, 0.95),
                   accuracy=100)
    assert [r.name for r in found.front()] == ["0", "1", "3"] and not found.left_out
    table = sections(found)[0].table
    assert table.heads[-2:] == ["accuracy on this machine", "n"] and table.rows[0][-2:] == ["10.00%", "100"]
    assert {ACCURACY, TESTED} <= set(found.columns) and ACCURACY not in ranked((1, 1, 1, True, None)).columns


@pytest.mark.full
def test_a_sweep_of_resolutions_is_judged_by_what_it_costs(tmp_path):
    """Fewer bits are cheaper and clip: without accuracy they are not on the front, with it they stand with theirs."""
    axes = {"axes": {"crossbar.adc_bits": [5, 8]}, "datapaths": ["dense"]}
    found = sweep(asked(**axes), tmp_path, processes=1)
    short, whole = found.rows
    assert short.figures[ENERGY] < whole.figures[ENERGY] and short.converters.startswith("clips ")
    assert found.front() == [whole] and found.left_out == [short] and whole.converters == "exact"
    measured = sweep(asked(**axes, accuracy=16), tmp_path, processes=1)
    short, whole = measured.rows
    assert measured.front() == [short, whole] and short.figures[ACCURACY] < whole.figures[ACCURACY]
    direct = xbarch.accuracy("isaac_like", "vgg7_pruned", images=16, datapath="dense",
                             overrides=("crossbar.adc_bits=5",))
    assert short.figures[ACCURACY] == direct.value and short.figures[TESTED] == 16


def test_points_say_options_and_required_data_paths(tmp_path):
    """A data path's name has the options asked for, without those of the axes, which have columns of their own."""
    file = tmp_path / "needy.yaml"
    file.write_text("extends: isaac_like\nname: needy\ndatapath: {name: meng, required: true}\n")
    small = Sweep(**{**SMALL, "architectures": ["isaac_like", str(file)]}, datapaths=["meng:group_ch=8", "xue"])
    assert [point.run[:3:2] for point in Points(small)] == [
        ("isaac_like", "meng:group_ch=8"), ("isaac_like", "xue"), (str(file), "meng:group_ch=8")]
    varied = Sweep(**SMALL, datapaths=["meng"], axes={"options.group_ch": [4, 8]})
    assert [(point.run[2], point.values) for point in Points(varied)] == [("meng", (4,)), ("meng", (8,))]
    found = Swept(small, [Row(point, "x", "", {SPEED: 1, LATENCY: 1, ENERGY: 1, AREA: 1}) for point in Points(small)])
    assert f"{file} requires the data path meng:group_ch=8, so only that one ran there, and not xue." in \
        sections(found)[0].bullets
    assert found.plain()[0]["datapath"] == "meng:group_ch=8"


def test_a_column_that_an_axis_names_too_is_there_once():
    small = Sweep(**{**SMALL, "policies": ["one_copy"], "images": 1, "figures": [AREA]},
                  axes={"images": [1, 3]})
    rows = [Row(point, f"{number}", "", {SPEED: 1, LATENCY: 1, ENERGY: 1, AREA: 5 + number})
            for number, point in enumerate(Points(small))]
    lines = list(csv.DictReader(Swept(small, rows).csv().splitlines()))
    assert lines == [{"point": f"{number}", "architecture": "isaac_like", "workload": "vgg7_pruned", "datapath": "meng",
                      "policy": "one_copy", "images": str(images), "why": "", AREA: str(5 + number)}
                     for number, images in enumerate([1, 3])]


def test_a_finished_sweep_is_not_read_again(tmp_path, monkeypatch):
    """But a file that is gone or was changed is written anew, and what the sweep asks for makes it another."""
    small = asked(axes={"crossbar.adc_bits": [8, 99], "hierarchy.tiles": [2, 168]})
    first = sweep(small, tmp_path, processes=1)
    front = first.front()
    texts = {name: (tmp_path / name).read_bytes() for name in ("sweep.csv", "sweep.html")}
    read, answers = [], Store.answers
    monkeypatch.setattr(Store, "answers", lambda store, names: read.extend(names) or answers(store, names))
    again = sweep(small, tmp_path, processes=1)
    assert not read and again.totals == first.totals and again.passed == first.passed
    assert again.front() == front and read == [row.name for row in front]
    (tmp_path / "sweep.csv").write_text("x")
    (tmp_path / "sweep.html").unlink()
    sweep(small, tmp_path, processes=1)
    assert texts == {name: (tmp_path / name).read_bytes() for name in texts}
    read.clear()
    sweep(small, tmp_path, processes=1, scope="whole")
    assert len(read) >= len(first.rows)


def test_digests_that_were_found_are_noted(tmp_path, monkeypatch, whole):
    """A sweep that ended before it wrote its table finds no digest of a point again, and runs what has no answer."""
    found, ran = list[str](), list[str]()

    class Ended(Exception):
        pass

    def end(*_):
        raise Ended

    with monkeypatch.context() as patched, pytest.raises(Ended):
        patched.setitem(sweeping._WRITERS, sweeping.SHEET, end)
        sweep(asked(), tmp_path, processes=1)
    with Store(tmp_path / STORE) as store:
        some = [name for name, in store.base.execute("SELECT name FROM answers LIMIT 3 OFFSET 2")]
        store.base.executemany("DELETE FROM answers WHERE name = ?", [(name,) for name in some])
    monkeypatch.setattr(Bench, "digest", lambda self, request: found.append(request) or request.digest(self.contents))
    monkeypatch.setattr(batch, "answer", lambda request, *more: ran.append(request.digest()) or answer(request, *more))
    sweep(asked(), tmp_path, processes=1)
    assert sorted(ran) == sorted(name.hex() for name in some)
    assert len(found) == len(list(Points(asked()).samples())) < len(Points(asked()))
    assert (tmp_path / "sweep.csv").read_bytes() == whole[1]


def test_notes_count_from_the_first_on(tmp_path):
    with Store(tmp_path / STORE) as store:
        store.note("one", 0, ["aa" * 32, "bb" * 32])
        store.note("one", 2, ["cc" * 32])
        store.note("one", 4, ["ee" * 32])  # what lies between was not noted
        store.add([("bb" * 32, Answer("no", "no", "InputError")), ("cc" * 32, Answer.lost("a signal"))])
        names = store.noted("one")
        assert names.hex() == "aa" * 32 + "bb" * 32 + "cc" * 32 and store.noted("two") == b""
        assert store.lacking(names, ()) == [0, 2]


@pytest.mark.parametrize("start", [0, 1, 5, 23, 24])
def test_points_from_a_number_on(start):
    every = Points(asked(policies=["fit", "one_copy"]))
    assert list(every.after(start)) == [every[number] for number in range(start, 24)]


def test_fields_of_a_synthetic_workload_are_axes(tmp_path):
    """Each point runs its own network, under a name that a command takes; values of one are refused before any runs."""
    asked = Sweep.model_validate({"kind": "sweep", "architectures": ["isaac_like"], "workloads": ["resnet20_blocks"],
                                  "policies": ["one_copy"], "images": 1, "figures": ["counts.macs"],
                                  "axes": {"workload.filters.layer1": [8, 16], "workload.kernels.layer1": [1, 3]}})
    found = sweep(asked, tmp_path, processes=1)
    for row in found.rows:
        width, size = row.point.values
        name = f"resnet20_blocks:filters.layer1={width}:kernels.layer1={size}"
        assert row.point.request.workload == name and row.point.run[1] == "resnet20_blocks"
        assert row.figures["counts.macs"] == sum(la.macs for la in xbarch.load(name).compute_layers)
    assert len({row.name for row in found.rows}) == 4
    with pytest.raises(InputError, match="must be odd"):
        Points(asked.model_copy(update={"axes": {"workload.kernels.layer1": [2]}}))
