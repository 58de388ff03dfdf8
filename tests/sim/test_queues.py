"""Queues with known answers: mean waits of M/D/1 and M/M/1 (Pollaczek-Khinchine), and Little's law."""

import numpy as np
import pytest

from xbarch.sim.engine import run
from xbarch.sim.graph import Edge, Flow, Server, Stage, StageGraph

SERVICE = 1_000_000
RUNS, CUSTOMERS, WARM = 20, 2_500, 500
T_99 = 2.861  # Student's t, 19 degrees of freedom, two-sided 99 %


def queue(between, service):
    """Customers `between` ps apart at one server: (arrived, left). The first flow is the arrivals."""
    n = len(between)
    ramp = np.arange(1, n + 1)
    source = Flow("source", n, ((Stage("wait", -1, between, between, gate=True),),), ahead=1)
    served = Flow("served", n, ((Stage("serve", 0, service, service, gate=True),),), (Edge(0, ramp, ramp, n),), n)
    trace = run(StageGraph((Server("server"),), (source, served)))
    assert trace.done[0].tolist() == np.cumsum(between).tolist() == trace.issued[1].tolist()
    return trace.done[0], trace.done[1]


def sample(load, markov, seed):
    rng = np.random.default_rng(seed)
    between = np.rint(rng.exponential(SERVICE / load, CUSTOMERS)).astype(np.int64)
    service = np.full(CUSTOMERS, SERVICE)
    if markov:
        service = np.rint(rng.exponential(SERVICE, CUSTOMERS)).astype(np.int64)
    arrived, left = queue(between, service)
    return arrived, left, service


@pytest.mark.quick(1)
@pytest.mark.parametrize("load", [0.3, 0.6])
@pytest.mark.parametrize(("markov", "factor", "other"), [(False, 0.5, 1.0), (True, 1.0, 0.5)])
def test_mean_wait(load, markov, factor, other):
    """W = load / (1 - load) services for M/M/1, half of it for M/D/1: within the 99 % interval, the other is not."""
    waits = []
    for seed in range(RUNS):
        arrived, left, service = sample(load, markov, seed)
        waits.append((left - arrived - service)[WARM:].mean() / SERVICE)
    mean, half = np.mean(waits), T_99 * np.std(waits, ddof=1) / np.sqrt(RUNS)
    assert abs(mean - factor * load / (1 - load)) <= half
    assert abs(mean - other * load / (1 - load)) > half


@pytest.mark.full
@pytest.mark.parametrize("markov", [False, True])
def test_littles_law(markov):
    """Mean number in the system, seen at evenly spaced instants, is the arrival rate times the mean stay."""
    seen, expected = [], []
    for seed in range(RUNS):
        arrived, left, _ = sample(0.6, markov, 100 + seed)
        looks = np.arange(0, left[-1], SERVICE // 7)
        inside = np.searchsorted(arrived, looks, "right") - np.searchsorted(np.sort(left), looks, "right")
        seen.append(inside.mean())
        expected.append(CUSTOMERS / left[-1] * (left - arrived).mean())
    assert np.allclose(seen, expected, rtol=0.005)
