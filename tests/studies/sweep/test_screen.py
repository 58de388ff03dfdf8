"""Screening finds the front of all points, and runs just those that no bound rules out."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbarch import estimate as estimates
from xbarch.errors import InputError, XbarchError
from xbarch.request import Request
from xbarch.run import prepare
from xbarch.specs.sweep import Sweep
from xbarch.studies.runs.answer import answer
from xbarch.studies.runs.bench import STORE
from xbarch.studies.sweep import sweep
from xbarch.studies.sweep.front import Front
from xbarch.studies.sweep.rows import SCREENED
from xbarch.studies.sweep.screen import run_candidates

SMALL = {"kind": "sweep", "architectures": ["isaac_like"], "workloads": ["vgg7_pruned"], "images": 2}
AXES = {"crossbar.rows, crossbar.columns": [64, 128], "crossbar.adc_bits": [6, 8, 99], "hierarchy.tiles": [2, 168]}
WIDE = {"policies": ["one_copy", "fit", "crossbars:1", "crossbars:2"],
        "axes": {"crossbar.adc_bits": [5, 7, 8], "buffer.size": ["48 KB", "64 KB", "96 KB", "128 KB"],
                 "network.queue": [256, 320, 384, 512]}}


def asked(**changes):
    return Sweep.model_validate({**SMALL, "axes": AXES, **changes})


def front(swept):
    return [(row.name, dict(row.figures)) for row in swept.front()]


# -- which points run -----------------------------------------------------------------------------------------------

def test_the_front_is_that_of_all_points(tmp_path):
    full = sweep(asked(), tmp_path / "full", processes=1)
    some = sweep(asked(), tmp_path / "some", processes=1, screen=1)
    assert front(some) == front(full) and 0 < some.totals.ran < full.totals.ran
    assert len(some.rows) == len(full.rows)
    for one, other in zip(some.rows, full.rows, strict=True):
        assert one.why == SCREENED or (one.why, one.figures) == (other.why, other.figures)


@pytest.mark.full
def test_the_front_of_a_larger_grid(tmp_path):
    """192 points of three prices, of buffers and queues, by four policies; most points rule one another out."""
    full = sweep(asked(**WIDE), tmp_path / "full", processes=1)
    assert full.totals.ran == 192
    for most in (1, 10):
        some = sweep(asked(**WIDE), tmp_path / f"by_{most}", processes=1, screen=most)
        assert front(some) == front(full) and some.totals.ran < 192 / 4


@pytest.mark.quick(2)
@pytest.mark.parametrize("changes", [
    {"images": 1}, {"mode": "batch", "images": 3}, {"mode": "layer_by_layer", "policies": ["one_copy"]},
    {"replication": "in_turn", "images": 3}, {"scope": "compute"}, {"architectures": ["sre_like"]}])
def test_other_runs_have_bounds_too(tmp_path, changes):
    axes = {"crossbar.adc_bits": [6, 8], "buffer.size": ["64 KB", "128 KB"]}
    full = sweep(asked(axes=axes, **changes), tmp_path, processes=1)
    some = sweep(asked(axes=axes, **changes), tmp_path / "some", processes=1, screen=1)
    assert front(some) == front(full)


WHOLE = st.integers(1, 4)


@given(st.lists(st.tuples(*[WHOLE] * 3, *[st.integers(0, 2)] * 3, st.sampled_from(["known", "known", "none", "out"])),
                min_size=1, max_size=30), st.integers(1, 8), st.booleans())
def test_what_runs_is_what_no_other_rules_out(points, most, rated):
    """Against the definition, for values on a coarse grid, so that many are equal."""
    sign = np.array([-1.0 if rated else 1.0, 1, 1])
    values = np.array([[(8 - p[0]) if rated else p[0] + 4, p[1] + 4, p[2] + 4] for p in points], float) * sign
    slack = np.array([[p[3], p[4], p[5]] for p in points], float)
    bounds = np.array([np.full(3, {"none": -np.inf, "out": np.inf}[p[6]]) if p[6] != "known" else v - s
                       for p, v, s in zip(points, values, slack, strict=True)])
    ran, whole, some = list[int](), Front[int](), Front[int]()

    def run(numbers, left):
        assert len(numbers) <= most and left >= 0
        for number in numbers:
            ran.append(number)
            yield number, values[number]

    run_candidates(bounds, most, run)
    may = [n for n, p in enumerate(points) if p[6] != "out"]
    for number in may:
        whole.add(number, tuple(values[number]))
    for number in sorted(ran):
        some.add(number, tuple(values[number]))
    assert whole.found() == some.found() and len(set(ran)) == len(ran)
    if most == 1:
        def rules_out(q, p):
            return q != p and (values[q] <= bounds[p]).all() and ((values[q] < bounds[p]).any() or q < p)
        assert sorted(ran) == [p for p in may if not any(rules_out(q, p) for q in may)]


# -- bounds -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("images", [1, 4])
def test_bounds_of_a_run(images):
    request = Request(arch="isaac_like", workload="vgg7_pruned", images=images)
    bound, found = estimates.estimate(prepare(request)), answer(request).figures()
    assert bound.used_nm2 / 1e12 == found["area.used_mm2"] and bound.exact == found["correctness.exact"]
    for scope, energy in bound.scopes_aj.items():
        assert 0.5 * found[f"energy.scopes_aj.{scope}"] < energy <= found[f"energy.scopes_aj.{scope}"]
    if images == 1:
        assert bound.images_per_second is None and 0 < bound.first_image_ps <= found["latency.first_image_ps"]
    else:
        assert bound.first_image_ps is None and bound.images_per_second >= found["throughput.images_per_second"]


def test_points_without_bounds_run(tmp_path, monkeypatch):
    monkeypatch.setattr("xbarch.studies.runs.bounds.estimate", lambda setup: None)
    axes = {"crossbar.adc_bits": [6, 8], "hierarchy.tiles": [2, 168]}
    assert sweep(asked(axes=axes), tmp_path, processes=1, screen=1).totals.ran == 4


def test_a_run_better_than_its_bounds_is_told(tmp_path, monkeypatch):
    from xbarch.estimate import Estimate, estimate

    def slow(setup):
        found = estimate(setup)
        return Estimate(**{**vars(found), "images_per_second": found.images_per_second / 2})
    monkeypatch.setattr("xbarch.studies.runs.bounds.estimate", slow)
    with pytest.raises(XbarchError, match=r"isaac_like.* is better than its bounds"):
        sweep(asked(), tmp_path, processes=1, screen=1)


# -- its rows ---------------------------------------------------------------------------------------------------------

def test_screened_points_have_no_figures_and_run_without_screening(tmp_path, monkeypatch):
    some = sweep(asked(), tmp_path, processes=1, screen=2)
    table = (tmp_path / "sweep.csv").read_bytes()
    lines = list(csv.DictReader(table.decode().splitlines()))
    out = [line for line in lines if line["why"].startswith("screened out")]
    assert len(out) == some.totals.why[SCREENED] and not any(line["area.used_mm2"] for line in out)
    monkeypatch.setattr("xbarch.studies.runs.batch.answer", pytest.fail)
    monkeypatch.setattr("xbarch.studies.runs.batch.bounds", pytest.fail)
    (tmp_path / "sweep.csv").unlink()
    assert front(sweep(asked(), tmp_path, processes=1, screen=2)) == front(some)
    assert (tmp_path / "sweep.csv").read_bytes() == table
    monkeypatch.undo()
    whole = sweep(asked(), tmp_path, processes=1)
    assert whole.totals.ran > some.totals.ran and SCREENED not in whole.totals.why and front(whole) == front(some)


@pytest.mark.full
def test_in_processes_and_from_the_command(call, tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps({**SMALL, "axes": AXES}))
    code, out, error = call("sweep", file, "--out", tmp_path / "a", "--screen", 3, "--processes", 2)
    assert code == 0 and not error and "screened out" in out
    sweep(asked(), tmp_path / "b", processes=1, screen=3)
    assert (tmp_path / "a" / "sweep.csv").read_bytes() == (tmp_path / "b" / "sweep.csv").read_bytes()


@pytest.mark.parametrize("changes, screen, says", [
    ({}, 0, "screen: must be a whole number of at least 1, not 0"),
    ({"accuracy": 10}, 1, "accuracy: no bound of it is known"),
    ({"axes": {"images": [1, 2]}}, 1, "axes: --screen compares rates")])
def test_what_cannot_be_screened_is_refused(tmp_path, changes, screen, says):
    with pytest.raises(InputError, match=says):
        sweep(asked(**changes), tmp_path / "out", processes=1, screen=screen)
    assert not (tmp_path / "out" / STORE).exists()
