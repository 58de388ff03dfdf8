"""The kernels by themselves, with pytest-benchmark: event loop, packing, projections. CPU time.

    pytest benchmarks/kernels.py --benchmark-compare=benchmarks/history/0.1.0.json
    pytest benchmarks/kernels.py --benchmark-json=benchmarks/history/VERSION.json
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.graphs import chain, made, uncontended
from benchmarks.packing import ISAAC
from xbarch.plugins import registry
from xbarch.sim import engine, fast
from xbarch.workload.graph import Layer

pytestmark = pytest.mark.benchmark(timer=time.process_time, min_rounds=3, max_time=1.0)
LAYER = Layer(name="conv", op="conv", inputs=("input",), in_shape=(128, 16, 16), out_shape=(256, 16, 16), kernel=(3, 3),
              stride=(1, 1), padding=(1, 1), weight_bits=4, input_bits=4, output_bits=4)
DENSITY = {"dense": 1.0, "meng": 0.12, "huai": 0.12, "segprune": 0.125, "xue": 0.25, "pattern": 0.25}


@pytest.fixture(scope="module")
def graph():
    """Three layers of 16 x 16 windows in two copies or more, with packets between tiles."""
    return made(chain(3, 16), policy="crossbars:2").graph


@pytest.mark.benchmark(group="event loop")
@pytest.mark.parametrize("kind", ["compiled", "plain", "simpy"])
def test_event_loop(benchmark: Any, graph: Any, kind: str) -> None:
    run = engine.run if kind == "simpy" else lambda g: fast.run(g, compiled=kind == "compiled")
    expected = engine.run(graph).makespan
    assert benchmark(run, graph).makespan == expected


@pytest.mark.benchmark(group="event loop, contention-free")
@pytest.mark.parametrize("kind", ["compiled", "plain"])
def test_contention_free(benchmark: Any, graph: Any, kind: str) -> None:
    free = uncontended(graph)
    assert benchmark(lambda: fast.run(free, compiled=kind == "compiled")).makespan < engine.run(graph).makespan


def drawn(name: str) -> tuple[Any, Any, Any]:
    """(data path, weights as floats, what its projection keeps of them); None where it prunes nothing."""
    path = registry.datapath(name, {})
    weights = np.random.default_rng(0).laplace(size=(256, 128, 3, 3)) * 2
    return path, weights, path.project(weights, LAYER, ISAAC, DENSITY[name]) if path.prunes(LAYER) else None


@pytest.mark.benchmark(group="packing a layer")
@pytest.mark.parametrize("name", list(DENSITY))
def test_packing(benchmark: Any, name: str) -> None:
    path, weights, kept = drawn(name)
    low, high = path.levels(LAYER.weight_bits)
    codes = np.clip(np.rint(weights if kept is None else kept.weights), low, high).astype(np.int8)
    layer = replace(LAYER, weights=lambda: codes, mask=None if kept is None else lambda: kept.mask)
    assert len(benchmark(lambda: list(path.pack(layer, ISAAC))))


@pytest.mark.benchmark(group="projecting a layer")
@pytest.mark.parametrize("name", ["segprune", "xue"])
def test_projection(benchmark: Any, name: str) -> None:
    path, weights, _ = drawn(name)
    found = benchmark(path.project, weights, LAYER, ISAAC, DENSITY[name])
    assert 0 < np.count_nonzero(found.mask) < found.mask.size
