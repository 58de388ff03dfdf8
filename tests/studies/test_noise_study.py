"""The study of methods on devices with errors: its runs, and the report that is made of them."""

import json
import runpy
from pathlib import Path

import pytest

from xbarch.errors import InputError
from xbarch.specs.load import load
from xbarch.specs.study import Study
from xbarch.support.ranks import spearman

REPORTS = Path(__file__).parents[2] / "reports"
NOISE = runpy.run_path(str(REPORTS / "noise.py"))


def test_every_network_meets_every_kind_of_errors():
    study = load("noise", Study, kind="studies")
    found = NOISE["cases"](study)
    (axis,) = study.axes.values()
    assert len(found) == len(study.workloads) * len(axis)
    kinds = [case.noise for case in found[:len(axis)]]
    assert kinds[0] == "none" and len(set(kinds)) == len(axis)
    assert {"sre_like", "forms_like", "isaac_like"} == {case.request.arch for case in found}
    for case in found[:len(axis)]:
        assert (f'noise.preset="{case.noise}"' in case.request.overrides) == (case.noise != "none")


@pytest.mark.parametrize(("a", "b", "rank"), [
    ([1, 2, 3, 4], [10, 20, 30, 40], 1), ([1, 2, 3], [3, 2, 1], -1),
    ([1, 2, 3, 4], [1, 3, 2, 4], 0.8),  # 1 - 6 * 2 / (4 * 15)
    ([1, 1, 2], [1, 2, 3], 0.8660254)])  # ties share 1.5
def test_rank_correlation(a, b, rank):
    assert spearman(a, b) == pytest.approx(rank)


@pytest.mark.full
def test_the_report_says_what_was_run(tmp_path, monkeypatch):
    study = tmp_path / "small.yaml"
    study.write_text("""
kind: study
title: Small
architectures: [isaac_like]
workloads: [digit_pairs/vgg7_xue_2bit, digit_pairs/vgg7_segprune_4x]
policies: [fit]
accuracy: 6
axes:
  noise.preset, noise.full_scale, draws:
    - [null, unit, 1]
    - [cells_20pct, ideal, 2]
""")
    monkeypatch.setitem(NOISE["main"].__globals__, "HERE", tmp_path / "out")
    monkeypatch.setattr("sys.argv", ["noise.py", str(study)])
    NOISE["main"]()
    found = json.loads((tmp_path / "out" / "noise.json").read_text())
    text = (tmp_path / "out" / "noise.md").read_text()
    assert len(found["runs"]) == 4 and found["accuracy_images"] == 6 and found["seed"] == 0
    for run in found["runs"]:
        assert run["accuracy"]["images"] == 6 and f"{run['accuracy']['value']:.1%}" in text
        assert run["energy_aj"] > 0 and run["images_per_second"] > 0
    assert (tmp_path / "out" / "noise.svg").read_bytes().startswith(b"<?xml")
    assert not (tmp_path / "out" / "runs.sqlite").exists()


def test_an_unknown_study_is_named(monkeypatch):
    monkeypatch.setattr("sys.argv", ["noise.py", "nowhere"])
    with pytest.raises(InputError, match="nowhere"):
        NOISE["main"]()
