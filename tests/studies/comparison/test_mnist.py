"""The shipped study on MNIST: stored networks, so that it runs without the package that holds the images."""

import csv
import sys

import pytest

import xbarch
from xbarch.specs.load import load
from xbarch.specs.study import Study
from xbarch.studies import comparison
from xbarch.support import bundled

WEIGHTS = 20 * 25 + 50 * 500 + 500 * 800 + 10 * 500  # of LeNet-5


def test_the_study_on_mnist(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)  # importing it raises
    asked = load("mnist", Study, kind="studies")
    comparison.study(bundled.folder("studies") / "mnist.yaml", out=tmp_path / "out")
    with (tmp_path / "out" / "comparison.csv").open(newline="") as stream:
        lines = [line for line in csv.DictReader(stream) if line["datapath"] != "dense"]
    assert [line["workload"] for line in lines] == asked.workloads and not any(line["why"] for line in lines)
    for line in lines:
        network = xbarch.load(line["workload"])
        kept = sum(int(la.kept.sum()) for la in network.compute_layers)
        assert sum(la.rows * la.filters for la in network.compute_layers) == WEIGHTS and 0.2 < kept / WEIGHTS < 0.26
        assert float(line["ratio"]) == pytest.approx(WEIGHTS / kept)
        assert network.trained_on == "mnist" and network.accuracy["pruning"] >= network.accuracy["baseline"] - 0.01



def test_it_is_small():
    place = bundled.folder("workloads") / "mnist"
    assert sum(p.stat().st_size for p in place.rglob("*") if p.is_file()) < 10**6
