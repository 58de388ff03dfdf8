"""Searches: points that an optimizer chooses, the same whatever runs them and whatever interrupts them."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna")

import xbarch  # noqa: E402
from xbarch.errors import InputError  # noqa: E402
from xbarch.specs.search import Limits, Search  # noqa: E402
from xbarch.studies.runs.answer import Answer, _packed, names_of  # noqa: E402
from xbarch.studies.search import search, sections  # noqa: E402
from xbarch.studies.search.space import Parameter, Space  # noqa: E402
from xbarch.studies.sweep.points import Points  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
SPEED, ENERGY, AREA = "throughput.images_per_second", "energy.scopes_aj.chip", "area.used_mm2"
SMALL = {"kind": "search", "architectures": ["isaac_like"], "workloads": ["vgg7_pruned"], 
         "policies": ["one_copy", "fit"],
         "axes": {"crossbar.rows, crossbar.columns": [64, 128, 256], "hierarchy.tiles": list(range(100, 181, 10)),
                  "crossbar.adc_bits": [5, 6, 7, 8]},
         "constraints": {"correctness.exact": True, AREA: {"at_most": 900}}, "trials": 24, "at_once": 6}


def asked(**changes):
    return Search.model_validate({**SMALL, **changes})


def fields(request):
    return {name: json.loads(value) for name, _, value in (text.partition("=") for text in request.overrides)}


def formula(request):
    """Figures with a front of many points, in which every field matters."""
    at = fields(request)
    rows, tiles, bits = at["crossbar.rows"], at["hierarchy.tiles"], at["crossbar.adc_bits"]
    copies = 2 if request.policy == "fit" else 1
    return {SPEED: float(rows * tiles * copies), ENERGY: rows / 7 + 2.0**bits, AREA: float(tiles * copies * bits),
            "correctness.exact": bits >= 6}


@pytest.fixture
def ran(monkeypatch):
    """Runs take no time; which ones is noted."""
    seen = []

    def answer(request, known, wanted):
        seen.append(request)
        if fields(request)["hierarchy.tiles"] == 100:
            return Answer("does not fit", "does not fit", "CapacityError")
        found, names = formula(request), names_of(tuple(wanted))
        return Answer(packed=_packed([*(found.get(name) for name in names[:-1]), "in words"]), names=names)

    monkeypatch.setattr("xbarch.studies.runs.batch.answer", answer)
    return seen


def table(folder):
    return (folder / "search.csv").read_bytes()


@pytest.mark.quick(1)
@pytest.mark.parametrize("sampler", ["model", "nsga2", "tpe", "random"])
def test_the_front_is_what_nothing_that_was_tried_surpasses(ran, tmp_path, sampler):
    """Against the definition, over all pairs of points that keep the constraints; each point runs once."""
    found = search(asked(sampler=sampler), tmp_path, processes=1)
    assert len(found.points) == len({p.name for p in found.points}) == len(ran) == 24
    for p in found.points:
        assert (p.why == "does not fit") == (p.point.values[2] == 100)
        if not p.why:
            f = formula(p.point.request)
            assert f == {name: p.figures[name] for name in f}
            assert set(p.broken) == {name for name, broken in (("correctness.exact", not f["correctness.exact"]),
                                                               (AREA, f[AREA] > 900)) if broken}
    kept = {p.name: formula(p.point.request) for p in found.points if not p.why and not p.broken}
    best = {name for name, f in kept.items() if not any(
        o != f and o[SPEED] >= f[SPEED] and o[ENERGY] <= f[ENERGY] and o[AREA] <= f[AREA] for o in kept.values())}
    assert {p.name for p in found.front} == best and best
    lines = list(csv.DictReader(table(tmp_path).decode().splitlines()))
    assert {line["point"] for line in lines if line["front"] == "True"} == {name[:16] for name in best}
    assert json.loads((tmp_path / "search.json").read_text()) == found.plain()
    assert (tmp_path / "search.svg").read_bytes().startswith(b"<?xml")
    assert len(sections(found)[0].table.rows) == len(best)


@pytest.mark.full
def test_the_points_follow_from_the_seed_alone(ran, tmp_path):
    """Wherever they run; another seed has others."""
    search(asked(), tmp_path / "one", processes=1)
    with ThreadPoolExecutor(3) as pool:
        search(asked(), tmp_path / "pool", executor=pool)
    other = search(asked(), tmp_path / "other", seed=1, processes=1)
    assert table(tmp_path / "one") == table(tmp_path / "pool") != table(tmp_path / "other")
    assert other.asked.seed == 1


@pytest.mark.quick(1)
@pytest.mark.parametrize("sampler", ["model", "tpe", "nsga2"])
def test_interrupted_anywhere_it_ends_as_if_it_had_not_been(ran, tmp_path, monkeypatch, sampler):
    """While points run, while they are asked for, and between two trials that are told."""
    from xbarch.studies.search import trials
    from xbarch.studies.search.trials import Trials

    search(asked(sampler=sampler), tmp_path / "whole", processes=1)
    left = [0]

    def counted(method, every):
        def call(*given):
            left[0] += 1
            if left[0] % every == 0:
                raise KeyboardInterrupt
            return method(*given)
        return call

    monkeypatch.setattr(Trials, "tell", counted(Trials.tell, 9))
    monkeypatch.setattr(trials, "_suggest", counted(trials._suggest, 31))
    count = len(ran)
    broken = 0
    while not (tmp_path / "broken/search.csv").exists():
        try:
            search(asked(sampler=sampler), tmp_path / "broken", processes=1)
        except KeyboardInterrupt:
            broken += 1
    assert broken >= 3 and table(tmp_path / "broken") == table(tmp_path / "whole")
    assert len(ran) == 2 * count  # nothing ran twice


@pytest.mark.full
def test_more_trials_go_on_from_there(ran, tmp_path):
    search(asked(), tmp_path / "whole", processes=1)
    search(asked(trials=12), tmp_path / "parts", processes=1)
    assert len(ran) == 36
    search(asked(trials=12), tmp_path / "parts", trials=24, processes=1)
    assert len(ran) == 48 and table(tmp_path / "parts") == table(tmp_path / "whole")


@pytest.mark.full
def test_a_space_that_is_smaller_than_the_trials_is_tried_in_full(ran, tmp_path):
    small = asked(axes={"crossbar.rows, crossbar.columns": [64, 128], "hierarchy.tiles": [120, 140],
                        "crossbar.adc_bits": [7]}, trials=50)
    found = search(small, tmp_path, processes=1)
    assert sorted((p.point.values, p.point.request.policy) for p in found.points) == sorted(
        ((n, n, t, 7), policy) for n, t, policy in product([64, 128], [120, 140], ["one_copy", "fit"]))


def test_a_space_that_no_list_could_hold(ran, tmp_path):
    """More points than any `len`: 2 · 3 · 4 · 81^11."""
    axes = {**SMALL["axes"], **{f"components.{name}.energy": list(range(1, 82)) for name in "abcdefghij"}}
    points = Points.__new__(Points)
    points.asked, points._runs = asked(axes=axes), [None]
    points._sizes = [*map(len, axes.values()), 2]
    space = Space.__new__(Space)
    space.sizes = points.sizes
    assert space.size > 2**63 and len(space.untried(set(), 0)) == len(axes) + 2


def test_the_command_of_a_point_runs_it(ran, tmp_path, call, monkeypatch):
    """The same request, to its digest."""
    import xbarch.run

    found = search(asked(images=3, datapaths=["dense:sign=offset"], bits=8), tmp_path, trials=6, processes=1)
    made = []
    monkeypatch.setattr(xbarch.run, "simulate", lambda request, **_: made.append(request) or 1 / 0)
    for each in found.points:
        with pytest.raises(ZeroDivisionError):
            call(*shlex.split(each.command)[1:])
    assert [request.digest() for request in made] == [each.name for each in found.points]


@pytest.mark.quick(1)
@pytest.mark.parametrize("place", ["search.journal", "sqlite:///{}/search.db"])
def test_optuna_reads_the_storage(ran, tmp_path, place):
    """Its dashboard and its own tools see trials, values, constraints and commands."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    given = None if "://" not in place else place.format(tmp_path)
    found = search(asked(title="A search"), tmp_path, storage=given, processes=1)
    storage = given or JournalStorage(JournalFileBackend(str(tmp_path / place)))
    study = optuna.load_study(study_name="A search", storage=storage)
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    assert study.metric_names == [SPEED, ENERGY, AREA]
    kept = {t.number: t for t in study.trials}
    assert all(t.state.is_finished() for t in study.trials)
    for each in found.points:
        trial = kept[each.trial]
        assert trial.user_attrs["command"] == each.command
        if each.why:
            assert trial.state.name == "FAIL" and trial.user_attrs["why"] == each.why
        else:
            assert trial.values == [each.figures[name] for name in (SPEED, ENERGY, AREA)]
            assert {name for name, value in trial.constraints.items() if value > 0} == set(each.broken)
    best = {trial.user_attrs["point"] for trial in study.best_trials}
    assert best == {each.name for each in found.front}


def test_limits():
    both = Limits(at_least=2.0, at_most=4.0)
    assert [both.excess(v) for v in (1, 2, 3, 4, 6)] == [0.5, 0, 0, 0, 0.5]
    assert Limits(at_most=0.0).excess(3) == 3 and Limits(at_least=0.0).excess(-2) == 2


def test_whole_numbers_that_rise_evenly_are_numbers_for_the_optimizer():
    for values, step, ordered in (([4, 5, 6], 1, True), ([0.4, 0.5, 1], None, True), ([64, 128, 256], None, True),
                                  ([6, 5, 4], None, False), ([False, True], None, False), (["a", "b"], None, False)):
        each = Parameter("x", 0, values)
        assert (each.step, each.ordered) == (step, ordered)


@pytest.mark.full
@pytest.mark.parametrize("sampler", ["model", "tpe"])
def test_fractions_are_tried_as_they_stand(ran, tmp_path, sampler, recwarn):
    """Steps of 0.1 are no even steps in floating point; a last value of 1 is a whole number."""
    axes = {**SMALL["axes"], "density.features.3": [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]}
    found = search(asked(axes=axes, sampler=sampler), tmp_path, processes=1)
    assert {p.point.values[-1] for p in found.points} <= {*axes["density.features.3"]} and len(found.points) == 24
    assert not [w for w in recwarn if "optuna" in str(w.filename)]


@pytest.mark.quick(5)
@pytest.mark.parametrize("change, says", [
    ({"sampler": "nsga3"}, "sampler: must be model, nsga2, tpe or random, not 'nsga3'"),
    ({"objectives": {SPEED: None}}, "objectives.throughput.images_per_second: must be min or max, not nothing"),
    ({"objectives": [SPEED]}, "objectives: must be a mapping (key: value lines), not a list"),
    ({"objectives": {"throughput.image": "max"}}, "unknown key 'image' in throughput"),
    ({"objectives": {"area": "min"}}, "objectives.area: is no number but a part of the result; area.* are its numbers"),
    ({"constraints": {"area.usd_mm2": {"at_most": 3}}}, "did you mean 'used_mm2'"),
    ({"constraints": {AREA: {"at_mst": 3}}}, "unknown key 'at_mst'"),
    ({"constraints": {AREA: {}}}, "must have at_least, at_most or both"),
    ({"constraints": {AREA: {"at_least": 5, "at_most": 3}}}, "at_least: must be at most 3 (at_most), not 5"),
    ({"constraints": {"accuracy.on_this_machine.value": {"at_least": 0.9}}}, "is not measured; give `accuracy: N`"),
    ({"images": 1}, "is not known of a single image; give `images: 2` or more"),
    ({"trials": 0}, "trials: must be at least 1, not 0"),
    ({"axes": {"crossbar.adc_bit": [8]}}, "unknown key 'adc_bit' in crossbar"),
])
def test_wrong_searches_are_refused_before_anything_runs(ran, call, tmp_path, change, says):
    path = tmp_path / "wrong.yaml"
    path.write_text(json.dumps({**SMALL, **change}))
    code, out, error = call("search", path, "--out", tmp_path / "out")
    assert (code, out) == (2, "") and says in error and error.count("\n") == 1 and f"{path}:1" in error
    assert not (tmp_path / "out").exists() and not ran


def test_a_storage_of_another_search_is_refused(ran, call, tmp_path):
    path, out = tmp_path / "one.yaml", tmp_path / "out"
    path.write_text(json.dumps(SMALL))
    assert call("search", path, "--out", out, "--trials", 6, "--processes", 1)[0] == 0
    path.write_text(json.dumps({**SMALL, "objectives": {AREA: "min"}}))
    code, _, error = call("search", path, "--out", out)
    assert code == 2 and "holds another search of the title 'Search'" in error and error.count("\n") == 1
    for storage in ("sqlite:////none/such/place.db", "nosuch://x"):
        code, _, error = call("search", path, "--out", tmp_path / "new", "--storage", storage)
        assert code == 2 and "cannot be used as the storage of a search" in error and error.count("\n") == 1
    (tmp_path / "text").write_text("no journal\n")
    code, _, error = call("search", path, "--out", tmp_path / "new", "--storage", tmp_path / "text")
    assert code == 2 and "cannot be used as the storage of a search" in error and error.count("\n") == 1


@pytest.mark.full
def test_trials_of_other_content_are_refused(ran, tmp_path, monkeypatch):
    from xbarch.support import about

    search(asked(), tmp_path, trials=6, processes=1)
    monkeypatch.setattr(about, "code", lambda: "another")
    with pytest.raises(InputError, match="was begun by another version of xbarch, or with other content"):
        search(asked(), tmp_path, trials=12, processes=1)


def test_without_optuna(call, tmp_path, monkeypatch):
    path = tmp_path / "one.yaml"
    path.write_text(json.dumps(SMALL))
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "xbarch.studies.search.trials", raising=False)
    code, _, error = call("search", path, "--out", tmp_path / "out")
    assert code == 2 and "xbarch search needs Optuna, which is not installed" in error


@pytest.mark.full
def test_a_search_of_which_nothing_runs_says_why(ran, call, tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(json.dumps({**SMALL, "axes": {**SMALL["axes"], "hierarchy.tiles": [100]}, "trials": 6}))
    code, out, error = call("search", path, "--out", tmp_path / "out", "--processes", 1)
    assert code == 2 and "none of 6 points could be run; the first: does not fit" in error and "written:" in out


@pytest.mark.full
def test_killed_and_resumed(tmp_path):
    """Real runs in two processes, ended without warning; the table is that of an undisturbed search."""
    path = tmp_path / "one.yaml"
    path.write_text(json.dumps({**SMALL, "trials": 18, "policies": ["one_copy"]}))
    whole = xbarch.search(path, tmp_path / "whole", processes=1)
    words = [sys.executable, "-m", "xbarch", "search", path, "--out", tmp_path / "killed", "--processes", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "killed/search.journal"
    while run.poll() is None and (not journal.exists() or journal.read_text().count("command") < 8):
        pass
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "killed/search.csv").exists()
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert table(tmp_path / "killed") == table(tmp_path / "whole")
    for each in whole.front[:2]:
        result = xbarch.simulate(each.point.request)
        assert all(result[name] == each.figures[name] for name in (SPEED, ENERGY, AREA))
