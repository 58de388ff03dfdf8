"""Means over seeds with their intervals and the order of methods on other data, against SciPy and by hand."""

import json
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from xbarch.compress.recipes import resolve
from xbarch.errors import InputError
from xbarch.kept import rows as kept
from xbarch.kept.measured import Measured
from xbarch.studies.accuracy import accuracy
from xbarch.studies.accuracy.rows import Row, named, reach
from xbarch.studies.accuracy.seeds import averaged, noisy, orders
from xbarch.support import bundled
from xbarch.support.ranks import kendall

BASE = Measured(
    weights=1000, kept=1000, pruned_weights=0, dense_crossbars=40, crossbars=40, adc_bits=8, accuracy_dense=0.9,
    accuracy_cut=0.5, accuracy_pruned=0.9, accuracy_crossbars=0.9, crossbar_images=1000, test_images=1000, change=0.0,
    change_low=0.0, change_high=0.0, data="mnist", epochs_dense=8, epochs_pruning=4, seed=0, rows=32, columns=32,
    cell_bits=2)


def row(method, point, seed, pruned, keeps=1000, network="net"):
    return Row(network, method, point, replace(BASE, kept=keeps, pruned_weights=1000 if keeps < 1000 else 0, seed=seed,
                                               accuracy_pruned=pruned, accuracy_crossbars=pruned - 0.01,
                                               accuracy_noise={"p": pruned / 2}), seed)


def drawn(seeds=5):
    """A reference and two points of a method for each seed."""
    draw = np.random.default_rng(4)
    longer, half, eighth = 0.9 + 0.03 * draw.standard_normal((3, seeds)) - [[0], [0.01], [0.05]]
    found = [each for s in range(seeds) for each in (
        row("dense", "longer", s, longer[s]), row("m", "2x", s, half[s], 500), row("m", "8x", s, eighth[s], 125))]
    return found, longer, half


def test_a_mean_has_the_paired_interval_of_student():
    rows, longer, half = drawn()
    mean = next(r for r in averaged(rows) if r.point == "2x")
    wanted = stats.ttest_rel(half, longer)
    low, high = wanted.confidence_interval(0.95)
    assert mean.seeds == 5 and mean.seed is None
    assert (mean.measured.change, mean.measured.change_low, mean.measured.change_high) == pytest.approx(
        (np.mean(half - longer), low, high), abs=1e-9)
    assert mean.measured.accuracy_crossbars == pytest.approx(half.mean() - 0.01)
    assert mean.measured.crossbar_images == 5000


def test_a_mean_needs_two_seeds_that_have_their_reference():
    rows, _, _ = drawn(3)
    alone = [r for r in rows if r.seed == 0]
    assert averaged(alone) == []
    lacking = [r for r in rows if not (r.longer and r.seed == 1)]
    assert {r.point: r.seeds for r in averaged(lacking)} == {"longer": 2, "2x": 2, "8x": 2}


def test_ratios_are_averaged_as_curves_are_drawn():
    """Over logarithms; the curve through the mean crosses a loss where a straight line does."""
    rows = [row("dense", "longer", s, 0.9) for s in (0, 1)]
    rows += [row("m", "x", 0, 0.89, 100), row("m", "x", 1, 0.85, 400)]
    found = next(r.measured for r in averaged(rows) if r.method == "m")
    assert found.ratio == pytest.approx(5, rel=1e-3)  # of 10 and 2.5
    assert reach([found], 0.015, lambda m: m.ratio).ratio == pytest.approx(sqrt(5), rel=1e-3)  # half of the loss of 3


@pytest.mark.parametrize("seed", range(4))
def test_kendall_is_that_of_scipy(seed):
    a, b = np.random.default_rng(seed).integers(0, 6, (2, 12)).tolist()  # with ties
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)


def test_methods_in_the_same_order_and_in_another():
    """By the change at a point, and by the ratio at a loss, of methods that both have."""
    lost = {"a": 0.01, "b": 0.02, "c": 0.04}
    here = [row(m, "4x", 0, 0.9, 250) for m in lost]
    here = [replace(r, measured=replace(r.measured, change=-lost[r.method])) for r in here]
    other = [replace(r, measured=replace(r.measured, change=0.5, against_longer=lost[r.method])) for r in here]
    same = {o.what: o for o in orders(here, here)}
    assert same["change at 4x"].tau == same["compression ratio at 2 points lost"].tau == 1
    assert same["change at 4x"].methods == ("a", "b", "c")
    assert {o.what: o.tau for o in orders(here, other)} == {"change at 4x": -1}  # nothing is lost there at any ratio
    assert orders(here, other[:2]) == []


def test_the_order_under_noise_is_that_of_the_means():
    """Of methods that lose little without noise and much with it, and of seeds that differ."""
    ideal, under = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}, {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.5}
    rows = [row("dense", "longer", s, 0.95) for s in (0, 1)] + [row(m, "4x", s, v) for m, v in ideal.items()
                                                              for s in (0, 1)]
    rows = [replace(r, measured=replace(r.measured, accuracy_noise={"p": under[r.method] + (0.2 if r.seed else -0.2),
                                                                    **({"q": 0.5} if r.seed else {})}))
            if r.method in under else r for r in rows]
    means = averaged(rows)
    found = {r.method: r.measured.accuracy_noise for r in means if r.method in under}
    assert {m: values["p"] for m, values in found.items()} == pytest.approx(under)
    assert all(set(values) == {"p"} for values in found.values())  # q lacks a seed
    only, = noisy(means)
    assert only.what == "accuracy at 4x, as trained and under p" and only.methods == tuple("abcd")
    assert only.tau == pytest.approx(stats.kendalltau(list(ideal.values()), list(under.values())).statistic)


# -- rows -----------------------------------------------------------------------------------------------------

def store(folder, rows):
    for each in rows:
        kept.add(folder, kept.Kept(name=each.name, recipe="r", tensors="t", validation=0.5, versions={"torch": "2"},
                                   measured=each.measured))


def test_rows_are_read_as_they_were_written(tmp_path):
    rows, _, _ = drawn(2)
    store(tmp_path, [*rows, replace(rows[0], measured=replace(rows[0].measured, kept=7))])
    found = kept.read(tmp_path)
    assert len(found) == len(rows) and found[rows[0].name].measured.kept == 7  # the last one counts
    assert found[rows[1].name].measured == rows[1].measured
    assert kept.read(tmp_path / "none") == {}


@pytest.mark.parametrize("change, says", [
    (lambda line: line[:-1], "results.jsonl:2: Invalid JSON"),
    (lambda line: line.replace('"kept":1000', '"kept":"many"'), "results.jsonl:2: measured.kept: Input should be"),
    (lambda line: line.replace('"recipe"', '"recipes"'), "results.jsonl:2: "),
])
def test_a_damaged_row_is_named(tmp_path, change, says):
    store(tmp_path, [row("m", "2x", 0, 0.9), row("m", "2x", 1, 0.9)])
    first, second = (tmp_path / kept.FILE).read_text().splitlines()
    (tmp_path / kept.FILE).write_text(f"{first}\n{change(second)}\n")
    with pytest.raises(InputError) as caught:
        accuracy(None, workloads=tmp_path)
    assert says in str(caught.value)


def test_a_report_of_seeds(tmp_path):
    rows, longer, half = drawn()
    store(tmp_path / "mine", [*rows, row("m", "16x", 0, 0.7, 60), row("o", "4x", 0, 0.7, 60),
                              row("n", "2x", 0, 0.8, 500), row("n", "2x", 1, 0.7, 500)])
    (tmp_path / "mine.yaml").write_text(json.dumps({
        "kind": "grid", "recipe": {}, "networks": {"net": {}}, "seeds": [0, 1],
        "without": {"net_o_4x_s1": "for a test"},
        "methods": {name: {"shared": {}, "points": {at: {}}} for name, at in (("m", "16x"), ("o", "4x"))}}))
    accuracy(tmp_path / "out", workloads=tmp_path / "mine", against=tmp_path / "mine")
    text = (tmp_path / "out/accuracy.md").read_text(encoding="utf-8")
    low, high = stats.ttest_rel(half, longer).confidence_interval(0.95)
    shown = [f"{100 * v:+.2f}".replace("-", "\N{MINUS SIGN}") for v in (np.mean(half - longer), low, high)]
    line = next(line for line in text.splitlines() if line.startswith("| m | 2x | 5 |") and "%" in line)
    assert f"| {shown[0]} | {shown[1]} to {shown[2]} |" in line
    assert "trained with fewer than 2 seeds so far, in brackets how many: `net_m_16x` (1)\n" in text
    assert "- `net_o_4x_s1`: for a test\n" in text
    table = (tmp_path / "out/accuracy.csv").read_text(encoding="utf-8").splitlines()
    assert line.endswith(f"| {half.mean() / 2:.2%} |") and table[0].endswith(",accuracy_p")
    assert len(table) == 1 + len(rows) + 5  # every seed has a line, trained or not


def test_names_with_and_without_seeds():
    assert named("vgg7_pim_prune_4x_s3") == ("vgg7", "pim_prune", "4x", 3)
    assert named("vgg7_pim_prune_4x") == ("vgg7", "pim_prune", "4x", None)
    assert named("vgg7") is None


def test_the_bundled_rows_are_those_of_their_grid(tmp_path):
    """Of its recipes as they are now, each with the learning rate of higher validation accuracy at 4x with seed 0."""
    jobs = {job.name: job for job in resolve("seeds", tmp_path, tmp_path)}
    found = kept.read(bundled.folder("workloads") / "seeds")
    assert all(kept.of_recipe(jobs[name].recipe) == row.recipe for name, row in found.items()) and len(found) > 30
    for name, row in found.items():
        if (other := found.get(name.replace("_s0", "other_s0"))) and other is not row:
            rate = jobs[name].recipe.pruning.training.rate
            assert row.validation >= other.validation and (row.validation > other.validation or rate == 0.03), name
