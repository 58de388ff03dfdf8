"""Recipes at equal loss: densities against NumPy's interpolation, the grid read back, the stored one beside its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xbarch.errors import InputError
from xbarch.kept.measured import Measured
from xbarch.specs.grid import Grid, members
from xbarch.specs.load import document, validate
from xbarch.specs.recipe import Recipe
from xbarch.studies.accuracy.equal import Between, between, equal_grid, point_name
from xbarch.studies.accuracy.rows import Reach
from xbarch.studies.claims.equal import At, Equal, quotients
from xbarch.support import bundled

WORKLOADS = bundled.folder("workloads")
BASE = Measured(
    weights=1000, kept=1000, pruned_weights=0, dense_crossbars=10, crossbars=10, adc_bits=8, accuracy_dense=0.9,
    accuracy_cut=None, accuracy_pruned=0.9, accuracy_crossbars=None, crossbar_images=0, test_images=1000, change=0.0,
    change_low=0.0, change_high=0.0, data="mnist", epochs_dense=8, epochs_pruning=4, seed=0, rows=32, columns=32,
    cell_bits=2)


def points(*found):
    """(name, kept of 1000, change) as measured points."""
    return [(name, replace(BASE, kept=kept, change=change)) for name, kept, change in found]


def test_where_a_curve_loses_so_much():
    found = points(("2x", 520, -0.004), ("4x", 270, -0.016), ("8x", 150, -0.05))
    ratios = np.log([1, 1000 / 520, 1000 / 270, 1000 / 150])
    at = between(found, 0.01)
    assert at is not None and (at.before, at.after) == ("2x", "4x")
    wanted = np.interp(0.01, [0, 0.004, 0.016, 0.05], ratios)
    assert at.ratio == pytest.approx(np.exp(wanted))
    density = at.density({"2x": 0.5, "4x": 0.25, "8x": 0.125})
    assert density == pytest.approx(np.exp(np.interp(wanted, ratios, np.log([1, 0.5, 0.25, 0.125]))), abs=1e-4)
    assert between(found, 0.06) is None


def test_below_the_first_point_the_unpruned_network_counts():
    at = between(points(("2x", 500, -0.02)), 0.01)
    assert at == Between(pytest.approx(2**0.5), "", "2x", pytest.approx(0.5))
    assert at.nearest == "2x" and at.density({"2x": 0.5}) == pytest.approx(0.5**0.5, abs=1e-4)
    assert replace(at, before="1p5x", share=0.4).nearest == "1p5x"
    assert [point_name(loss) for loss in (0.01, 0.02, 0.005)] == ["lost1", "lost2", "lost0p5"]


def test_the_grid_is_one_that_trains(tmp_path):
    """Its recipes are those of the grid of the seeds, but for the density."""
    file = tmp_path / "made.yaml"
    file.write_text(equal_grid(WORKLOADS / "seeds"), encoding="utf-8")
    made = members(validate(document(str(file), kind="workloads"), Grid), document(str(file), kind="workloads"))
    source = document("seeds", kind="workloads")
    theirs = {name: Recipe.model_validate(one.data) for name, one in members(validate(source, Grid), source).items()}
    assert made
    for name, one in made.items():
        recipe = Recipe.model_validate(one.data)
        network, method, seed = name.split("_")[0], name.split("_", 1)[1].rsplit("_", 2)[0], name.rsplit("_", 1)[1]
        beside = [r for n, r in theirs.items() if n.startswith(f"{network}_{method}_") and n.endswith(f"_{seed}")]
        changed = {r.model_copy(update={"pruning": r.pruning.model_copy(update={"density": recipe.pruning.density})})
                   .model_dump_json() for r in beside}
        assert recipe.model_dump_json() in changed, name


def test_the_stored_grid_follows_the_grid_of_the_seeds():
    """Its densities are those of the seeds that were trained when it was written; the rest must not drift."""
    stored, theirs = (validate(document(name, kind="workloads"), Grid) for name in ("seeds_equal", "seeds"))
    assert stored.networks == {"vgg7": theirs.networks["vgg7"]} and stored.seeds == theirs.seeds
    trains = ("data", "quantization", "baseline", "pruning")
    assert {part: stored.recipe[part] for part in trains} == {part: theirs.recipe[part] for part in trains}
    assert {name: m.shared for name, m in stored.methods.items()} == {
        name: theirs.methods[name].shared for name in stored.methods}


def test_a_folder_without_a_grid_is_said(tmp_path):
    with pytest.raises(InputError, match=r"no grid of this folder's name, .*\.yaml, lies beside it"):
        equal_grid(Path(tmp_path / "alone"))


def test_quotients_divide_the_ends_crosswise():
    inf = float("inf")
    found = [At("segprune", 0.01, "seeds", Reach(3.0, 2.0, 5.0, 8.0)), At("forms", 0.01, "seeds", Reach(2, 1, 4, 8)),
             At("hybrid_p", 0.01, "seeds", Reach(inf, 2.5, inf, 8.0))]
    forms, = (q for q in quotients(found) if q.over == "forms")
    assert (forms.ratio, forms.low, forms.high, forms.published) == (1.5, 0.5, 5.0, 3.6)
    hybrid, = (q for q in quotients(found) if q.over == "hybrid_p")
    assert (hybrid.ratio, hybrid.low, hybrid.high) == (None, 0.0, 2.0)
    assert not Equal((), (), ()).gains
