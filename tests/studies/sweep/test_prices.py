"""Bounds of points that differ in prices alone: from a few of them, the same as those that each has by itself."""

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.bench import STORE, Bench
from xbarch.studies.sweep import Points, prices, sweep
from xbarch.studies.sweep.prices import FAILED, KNOWN, NOBODY, OUT, UNKNOWN, Bounded, Families, priced
from xbarch.studies.sweep.rows import SCREENED
from xbarch.studies.sweep.screen import Screen
from xbarch.studies.sweep.sheet import table_figures

SIZES = "hierarchy.tiles, hierarchy.imas_per_tile"
GRID = {"kind": "sweep", "architectures": ["isaac_like"], "workloads": ["vgg7_pruned"], "images": 2}
ADC = "components.adc.power, components.adc.area"
PAIRS = [["1.2 mW", "0.02 mm^2"], ["2 mW", "0.0096 mm^2"], ["4 mW", "0.004 mm^2"]]  # less power for more area
AXES = {ADC: PAIRS, "crossbar.adc_bits": [6, 8], "components.edram.power": ["15 mW", "30 mW"],
        "components.router.area, components.router.leakage": [["0.2 mm^2", "1 mW"], ["0.1 mm^2", "5 mW"]]}


def asked(**changes):
    return Sweep.model_validate({**GRID, "axes": AXES, **changes})


def screen(grid, folder):
    bench = Bench(folder / STORE, 1, wanted=tuple(table_figures(grid)))
    return Screen(grid, Points(grid, bench.contents), bench, folder / STORE, 1, [])


# -- families -------------------------------------------------------------------------------------------------------

def test_axes_of_prices():
    axes = {"components.adc.power": [1], "crossbar.rows": [1], "components.dac.power, components.dac.area": [1],
            "components.adc.area, components.edram.area": [1], "components.bus.count": [1], "images": [2],
            "components.bus.power, crossbar.columns": [1], "components.edram.leakage": [1]}
    assert priced(asked(axes=axes)) == [[2], [0, 3, 7]]
    assert priced(asked(axes=axes, policies=["fit", "area"])) == [[0], [7]]  # as many tiles as fit in an area


@pytest.mark.parametrize("changes", [{}, {"axes": {}}, {"axes": {"crossbar.adc_bits": [6, 8]}},
                                     {"axes": {ADC: PAIRS, "components.dac.power": ["4 mW"]}},
                                     {"policies": ["fit", "one_copy"], "datapaths": ["own", "dense"]}])
def test_families_have_every_point_once(changes):
    every = Points(asked(**changes))
    families = Families(every)
    assert sorted(families.numbers.ravel()) == list(range(len(every)))
    assert sorted(families.order) == sorted(families.stars.ravel())
    for family in families.numbers:  # differ in prices alone
        points = [every[int(number)] for number in family.ravel()]
        rest = {(p.like, *(o for o in p.overrides if not o.startswith("components"))) for p in points}
        assert len(rest) == 1 and len({p.overrides for p in points}) == len(points)
    for star in families.stars:  # of one component each
        first, *others = [every[int(number)] for number in star]
        for other in others:
            changed = {o.split(".")[1] for o in {*other.overrides} - {*first.overrides}}
            assert len(changed) == 1


STATES = [KNOWN, KNOWN, KNOWN, UNKNOWN, OUT, FAILED]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.lists(st.sampled_from(STATES), min_size=1, max_size=3),
       st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), min_size=27, max_size=27), st.booleans())
def test_bounds_of_all_points_from_those_of_stars(sizes, state, drawn, sound):
    """Against costs that are sums by component, prices that cannot be, and machines without bounds or points."""
    axes = {f"components.c{number}.power": list(range(size)) for number, size in enumerate(sizes)}
    families = Families(Points(asked(axes={"crossbar.adc_bits": list(range(1, len(state) + 1)), **axes})))
    parts = dict(zip(product(range(3), repeat=3), drawn, strict=True))
    cost = {key: value for key, (value, _) in parts.items()}
    slow = {key for key, (value, _) in parts.items() if value > 45 and not sound}
    wrong = set() if sound else {key for key, (_, dice) in parts.items() if not dice}

    def truth(family, places):
        """State, why, value and paces of a point by itself; the first component at fault is named."""
        at = [(family, number, place) for number, place in enumerate(places)]
        why = 1 if state[family] == FAILED else next((2 + key[1] for key in at if key in wrong), 0)
        return FAILED if why else state[family], why, sum(cost[key] for key in at), sum(key in slow for key in at)

    shape, stars = families.numbers.shape, families.stars
    all_places = list(product(range(shape[0]), product(*map(range, sizes))))
    numbers = dict(zip(all_places, families.numbers.reshape(-1).tolist(), strict=True))
    alone = {numbers[key]: truth(*key) for key in all_places}
    made = [np.array([[alone[int(n)][part] for n in star] for star in stars]) for part in range(4)]
    values, like, by_itself = families.bounds(Bounded(*made[:2], np.ones(stars.shape), made[2], made[2], made[3]))
    for number, (is_in, why, value, _) in alone.items():
        if like[number] != NOBODY:
            assert is_in == FAILED and alone[int(like[number])][:2] == (FAILED, why) and like[number] in stars
        if (values[number] == np.inf).all():
            assert is_in == OUT or (is_in == FAILED and like[number] != number)
        elif (values[number] > -np.inf).any():
            assert is_in == KNOWN and values[number].tolist() == [1, value, value / 1e12]
        else:
            assert is_in in (UNKNOWN, FAILED) or number in by_itself
    if sound:
        assert all((values[n] > -np.inf).all() for n, (is_in, *_) in alone.items() if is_in == KNOWN)
        assert all(like[n] in stars[:, 0] for n, (is_in, *_) in alone.items() if is_in == FAILED)


# -- real bounds ----------------------------------------------------------------------------------------------------

def both(grid, folder, monkeypatch):
    """Bounds of all points: from stars, and each by itself."""
    few = screen(grid, folder / "few").bounds()
    with monkeypatch.context() as each:
        each.setattr(prices, "priced", lambda asked: [])
        return few, screen(grid, folder / "each").bounds()


@pytest.mark.parametrize("changes", [
    {}, {"images": 1}, {"periphery": "balanced"},
    {"mode": "batch", "axes": {**AXES, "buffer.size": ["4 MB"]}},
    {"scope": "whole", "chips": 2}, {"datapaths": ["dense"], "replication": "in_turn", "images": 3},
    {"policies": ["area"], "axes": {"components.adc.area": ["0.004 mm^2", "0.01 mm^2"], "components.adc.power": [
        "1 mW", "2 mW"], "components.dac.power": ["4 mW", "5 mW"]}},
    {"axes": {SIZES: [[1, 1], [168, 12]], "components.adc.power": ["0 mW", "2 mW", "9 W"],
              "components.dac.power": ["4 mW", "5 mW"], "components.crossbar.area": ["0.01 mm^2", "x"]}}])
def test_bounds_are_those_that_each_point_has(tmp_path, monkeypatch, changes):
    few, each = both(asked(**changes), tmp_path, monkeypatch)
    runs = (each > -np.inf).all(axis=1)
    assert np.isfinite(each).all(axis=1).any() and few[runs].tolist() == each[runs].tolist()
    assert np.isinf(few[~runs]).all()  # those that cannot run


def test_bounds_on_several_kinds_of_tile(tmp_path, monkeypatch):
    """One kind has a price of its own, which no axis changes."""
    slow = {"tiles": 68, "takes": "linear", "components": {"adc": {"area": "0.003 mm^2", "source": "assumed: x"}}}
    (tmp_path / "two.yaml").write_text(json.dumps({"extends": "isaac_like", "kinds": {"fast": {"tiles": 100},
                                                                                      "slow": slow}}))
    few, each = both(asked(architectures=[str(tmp_path / "two.yaml")]), tmp_path, monkeypatch)
    assert few.tolist() == each.tolist() and (each > -np.inf).all()


def test_a_price_that_changes_a_pace_is_bounded_by_itself(tmp_path, monkeypatch):
    """The power as written is that of 128 word lines, and follows what is built; another one is that of what is."""
    grid = asked(axes={
        "crossbar.rows, crossbar.columns": [128, 64], "components.input_register.power": ["1.24 mW", "2 mW"],
        "components.edram.power": ["15 mW", "30 mW", "40 mW"]})
    few, each = both(grid, tmp_path, monkeypatch)
    assert few.tolist() == each.tolist() and (each > -np.inf).all()
    bounded = screen(grid, tmp_path / "few")
    bounded.bounds()
    named = [any(bounded.names[32 * number:32 * number + 32]) for number in range(12)]
    assert named == [True] * 4 + [False] * 2 + [True] * 6


PRICES = {"components.adc.power": ["1 mW", "3 mW"], "components.adc.area": ["0.004 mm^2", "0.01 mm^2"],
          "components.crossbar.power, components.dac.power": [["1 mW", "6 mW"], ["3 mW", "2 mW"]],
          "components.edram.area": ["0.05 mm^2", "0.1 mm^2"], "components.shift_add.leakage": ["0 mW", "2 mW"],
          "components.router.power": ["20 mW", "50 mW"], "components.hypertransport.area": ["10 mm^2", "30 mm^2"]}
OTHERS = {"crossbar.adc_bits": [4, 8], "buffer.size": ["64 KB", "128 KB"], "hierarchy.tiles": [40, 168],
          "crossbar.rows, crossbar.columns": [64, 128], "crossbar.cell_bits": [1, 2],
          "components.adc.scaling": [None, "fixed"], "chips": [1, 2]}


@pytest.mark.full
@settings(deadline=None, max_examples=12, phases=[Phase.generate],
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["isaac_like", "sre_like", "forms_like", "cascade_like"]),
       st.lists(st.sampled_from(sorted(PRICES)), min_size=2, max_size=3, unique=True),
       st.lists(st.sampled_from(sorted(OTHERS)), max_size=2, unique=True),
       st.sampled_from(["fit", "one_copy", "crossbars:1"]), st.sampled_from(["own", "dense"]), st.booleans())
def test_bounds_of_random_grids(tmp_path_factory, monkeypatch, machine, some, others, policy, path, before):
    paid, rest = ({name: axes[name] for name in names} for axes, names in ((PRICES, some), (OTHERS, others)))
    grid = asked(axes={**rest, **paid} if before else {**paid, **rest}, architectures=[machine], policies=[policy],
                 datapaths=[path])
    few, each = both(grid, tmp_path_factory.mktemp("grid"), monkeypatch)
    runs = (each > -np.inf).all(axis=1)
    assert few[runs].tolist() == each[runs].tolist() and np.isinf(few[~runs]).all()


# -- screened sweeps ------------------------------------------------------------------------------------------------

def front(swept):
    return [(row.name, dict(row.figures)) for row in swept.front()]


@pytest.mark.quick(1)
@pytest.mark.parametrize("changes", [{"scope": "compute"}, {"tolerate_clipping": True},
                                     {"axes": {**AXES, SIZES: [[1, 1], [168, 12]]}}])
def test_the_front_is_that_of_all_points(tmp_path, changes):
    full = sweep(asked(**changes), tmp_path / "full", processes=1)
    some = sweep(asked(**changes), tmp_path / "some", processes=1, screen=1)
    assert front(some) == front(full) and len(front(full)) > 1
    for one, other in zip(some.rows, full.rows, strict=True):
        assert one.why == SCREENED or (one.why, one.figures) == (other.why, other.figures)


def test_what_is_neither_bounded_nor_run_has_no_name(tmp_path):
    found = sweep(asked(), tmp_path, processes=1, screen=1)
    bounded = {int(number) for number in Families(Points(asked())).stars.ravel()}
    named = [number for number, row in enumerate(found.rows) if row.name]
    assert bounded < {*named} and len(named) < len(found.rows)
    assert all(found.rows[number].why == SCREENED for number in range(len(found.rows)) if number not in named)
    assert [line["point"] != "" for line in found.lines()] == [bool(row.name) for row in found.rows]


def test_points_that_do_not_fit_say_so_though_one_alone_was_run(tmp_path, monkeypatch):
    from xbarch.studies.runs import batch

    ran, answer = [], batch.answer
    monkeypatch.setattr("xbarch.studies.runs.batch.answer", lambda *given: ran.append(given[0]) or answer(*given))
    found = sweep(asked(axes={**AXES, SIZES: [[1, 1]]}), tmp_path, processes=1, screen=1)
    assert len({row.why for row in found.rows}) == 1 and "would hold it" in found.rows[-1].why and found.totals.ran == 0
    assert len(ran) == 2 < len(found.rows)  # one for each resolution of converters


class Killed(BaseException):
    """As a signal would."""


def test_a_killed_screening_answers_nothing_twice(tmp_path, monkeypatch):
    from xbarch.studies.runs import batch
    from xbarch.studies.runs.store import Store

    calls, stored, add = [], [], Store.add

    def counted(real):
        def made(*given):
            calls.append(None)
            if len(calls) in (4, 8, 13):
                raise Killed
            return real(*given)
        return made

    def added(self, answers):
        some = list(answers)
        add(self, some)
        stored.extend(name for name, _ in some)

    for name in ("answer", "bounds"):
        monkeypatch.setattr(batch, name, counted(getattr(batch, name)))
    monkeypatch.setattr(Store, "add", added)
    for _ in range(3):
        with pytest.raises(Killed):
            sweep(asked(), tmp_path / "killed", processes=1, screen=2)
    again = sweep(asked(), tmp_path / "killed", processes=1, screen=2)
    assert len({*stored}) == len(stored) > 10
    once = sweep(asked(), tmp_path / "once", processes=1, screen=2)
    assert front(again) == front(once) and sorted(stored) == sorted(2 * [*{*stored}])
    assert (tmp_path / "killed" / "sweep.csv").read_bytes() == (tmp_path / "once" / "sweep.csv").read_bytes()
