"""Grids of recipes on executors: the same workloads as one after the other, whatever fails."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

import xbarch
from xbarch.errors import InputError, XbarchError

pytestmark = pytest.mark.train
GRID = {
    "kind": "grid",
    "recipe": {"model": "lenet5", "data": {"name": "digits", "size": 28, "channels": 1}, "crossbar_images": 0,
               "stored_images": 1, "baseline": {"epochs": 1, "rate": 0.05, "batch": 256}},
    "networks": {"lenet5": {}},
    "methods": {"dense": {"shared": {}, "points": {"a": {"seed": 1}, "b": {"seed": 2}}}}}


@pytest.fixture
def grid(tmp_path, monkeypatch):
    """A grid of two recipes, with the cache of this test."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(GRID))
    return path


def stored(folder):
    """Digests of the tensors by recipe."""
    return {each.parent.name: hashlib.sha256(each.read_bytes()).hexdigest()
            for each in folder.glob("*/tensors.safetensors")}


@pytest.mark.full
def test_processes_store_what_one_stores(grid, tmp_path):
    """Recipes that are stored already are not trained again, and the count says so."""
    seen = []
    one = xbarch.train(grid, out=tmp_path / "one", cache=tmp_path / "cache1")
    two = xbarch.train(grid, out=tmp_path / "two", cache=tmp_path / "cache2", processes=2,
                       progress=lambda *told: seen.append(told[:2]))
    assert stored(one) == stored(two) and len(stored(one)) == 2
    assert seen == [(1, 2), (2, 2)]
    (two / "lenet5_dense_b/manifest.json").unlink()
    xbarch.train(grid, out=tmp_path / "two", cache=tmp_path / "cache2", processes=2,
                 progress=lambda *told: seen.append(told))
    assert seen[2:] == [(2, 2, "lenet5_dense_b")] and stored(one) == stored(two)


def trained(job, resume):
    """In place of training: writes that it was there."""
    if job.name.endswith("_b"):
        raise InputError("does not learn", field="baseline")
    job.out.mkdir(parents=True)
    (job.out / "trained").write_text(str(resume))


def test_a_recipe_that_fails_ends_no_other(grid, tmp_path, monkeypatch):
    monkeypatch.setattr("xbarch.compress.training.run.train_silently", trained)
    with ThreadPoolExecutor(2) as pool, pytest.raises(XbarchError) as error:
        xbarch.train(grid, out=tmp_path / "out", cache=tmp_path / "cache", executor=pool)
    assert str(error.value) == (
        "1 of 2 recipes were not trained; the others are stored, and the same command tries these again; the first is "
        f"lenet5_dense_b: {grid}:1: baseline: does not learn")
    assert (tmp_path / "out/lenet5_dense_a/trained").read_text() == "True"


def test_wrong_executors_are_a_sentence(grid, call, tmp_path):
    code, _, error = call("compress", grid, "--out", tmp_path / "out", "--executor", "dusk")
    assert code == 2 and "unknown executor 'dusk'" in error and error.count("\n") == 1
    path = tmp_path / "one.yaml"
    path.write_text(json.dumps({"kind": "trained", **GRID["recipe"]}))
    code, _, error = call("compress", path, "--out", tmp_path / "out", "--processes", 2)
    assert code == 2 and "processes: is for grids of recipes" in error and error.count("\n") == 1
    code, _, error = call("compress", grid, "--processes", 0)
    assert code == 2 and "processes: must be" in error
