"""Packets on meshes, buses and H-trees: latency of an empty network, saturation, nothing lost or out of order."""

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from packets import CYCLE, graph, machine, mesh

from xbarch.errors import StuckError
from xbarch.sim.bounds import conserve, lower, upper
from xbarch.sim.check import check
from xbarch.sim.engine import run


def alone(made, source, target, flits):
    """Latency of one packet in an empty network, in cycles."""
    net = graph(made, [(source, [target])], flits, 0, 1)
    check(net)
    trace = run(net)
    conserve(net, trace)
    assert trace.makespan % CYCLE == 0
    return trace.makespan // CYCLE


@pytest.mark.quick(1)
@pytest.mark.parametrize("queue", [None, 100])
@pytest.mark.parametrize("latency", [1, 3])
def test_latency_of_an_empty_mesh(queue, latency):
    """Virtual cut-through (Kermani and Kleinrock, Computer Networks, 1979): the head takes `latency` cycles a router,
    |x - x'| + |y - y'| of them, the tail follows after as many cycles as there are flits. All pairs of a 4 x 4 mesh."""
    made = mesh(4, queue, latency)
    for (x, y, u, v), flits in product(product(range(4), repeat=4), (1, 2, 17, 100)):
        hops = abs(x - u) + abs(y - v)
        assert alone(made, 4 * y + x, 4 * v + u, flits) == hops * latency + flits


def test_latency_of_an_empty_tree_and_bus():
    """Of an H-tree: up to the level at which both tiles' numbers are in one branch, and down; of a bus: one hop."""
    for arity, tiles in ((2, 8), (2, 11), (4, 16)):
        made = machine("htree", tiles, f"{{arity: {arity}}}", 8, 2)
        for a, b in product(range(tiles), repeat=2):
            level = next(n for n in range(9) if a // arity**n == b // arity**n)
            assert alone(made, a, b, 5) == 2 * level * 2 + 5
    made = machine("bus", 6, "{}", 8, 2)
    for a, b in product(range(6), repeat=2):
        assert alone(made, a, b, 5) == 2 * (a != b) + 5


def exactly_uniform(rng, tiles, rounds):
    """Every tile sends every other one the same number of packets, each round in an order of its own."""
    others = [[t for t in range(tiles) if t != s] for s in range(tiles)]
    return [(s, np.concatenate([rng.permutation(others[s]) for _ in range(rounds)]).tolist()) for s in range(tiles)]


def throughput(side, queue, flits, rounds, seed=0):
    """Flits a tile and cycle that a side x side mesh delivers of uniform traffic offered at a flit a cycle, more than
    it can take: while the second and third fifth of all packets arrive, and over the whole run with filling and
    draining; both as shares of the bound. A source has a queue like that of a link and stops while it is full.

    The bound (Dally and Towles, 2004, chapter 3): of N tiles, each half sends the other N/2 * (N/2) / (N-1) of its
    flits over the `side` links that cross the middle, so with XY routes the busiest link carries gamma = side/4 *
    N/(N-1) for each flit a tile sends, and no tile can send more than 1/gamma a cycle.
    """
    tiles = side * side
    sends = exactly_uniform(np.random.default_rng(seed), tiles, rounds)
    packets = rounds * (tiles - 1)
    net = graph(mesh(side, queue), sends, flits, flits, packets, queue)
    check(net)
    trace = run(net)
    conserve(net, trace)
    assert lower(net) <= trace.makespan <= upper(net)
    bound = 4 / side * (tiles - 1) / tiles
    busiest = max(int(b) for s, b in zip(net.servers, trace.busy, strict=True) if s.kind == "link")
    assert busiest == pytest.approx(packets * flits * CYCLE / bound)  # the theory's busiest link is the simulated one
    done = np.sort(np.concatenate(trace.done)) / CYCLE
    first, last = len(done) // 5, 3 * len(done) // 5
    assert done[last] < min(x[-1] for x in trace.done) / CYCLE  # all sources still have something to send
    rate = (last - first) / (done[last] - done[first]) * flits / tiles
    return rate / bound, packets * flits * CYCLE / trace.makespan / bound


@pytest.mark.full
def test_saturation_of_uniform_traffic():
    """Within 5 % of the bound with queues of 16 packets of 4 flits; less with queues of one packet, where a link idles
    until a whole packet has left the queue behind it."""
    for side, rounds in ((4, 40), (6, 12)):
        steady, whole = throughput(side, 64, 4, rounds)
        assert steady == pytest.approx(1, abs=0.05) and 0.9 < whole <= 1
    assert throughput(4, 4, 4, 10)[0] < 0.8


@pytest.mark.long
def test_saturation_of_a_larger_mesh():
    assert throughput(8, 64, 4, 16)[0] == pytest.approx(1, abs=0.05)


def delivered(packets, seed=0):
    """Random routes on a 4 x 4 mesh at about 9 tenths of saturation, short queues; all laws, all packets, in order."""
    rng = np.random.default_rng(seed)
    sends = [(s, rng.integers(0, 16, 64).tolist()) for s in range(16)]
    each = -(-packets // 16)
    net = graph(mesh(4, 16), sends, 4, rng.integers(3, 8, each), each)
    trace = run(net)
    conserve(net, trace)
    taken = Counter[int]()
    for (_, targets), done in zip(sends, trace.done, strict=True):
        to = np.resize(targets, each)
        assert (done > 0).all()
        for target in range(16):
            assert (np.diff(done[to == target]) > 0).all()  # none overtakes another of its route
            taken[target] += int((to == target).sum())
    served = dict(zip((s.name for s in net.servers), trace.served.tolist(), strict=True))
    assert {t: served[f"sink@{t}"] for t in range(16)} == dict(taken) and taken.total() == 16 * each >= packets
    assert max(trace.peak) == 16  # queues did fill


@pytest.mark.full
def test_nothing_lost_or_out_of_order():
    delivered(20_000)


@pytest.mark.long
def test_nothing_lost_or_out_of_order_over_a_million_packets():
    delivered(1_000_000, 1)


@pytest.mark.parametrize("topology", ["htree", "bus"])
def test_every_topology_drains_when_all_talk_at_once(topology):
    """Queues of one packet, all tiles to all others at once: no deadlock."""
    made = machine(topology, 9, "{}", 4)
    net = graph(made, exactly_uniform(np.random.default_rng(3), 9, 5), 4, 0, 40)
    trace = run(net)
    conserve(net, trace)
    links = {s.name: int(b) for s, b in zip(net.servers, trace.busy, strict=True) if s.kind == "link"}
    if topology == "bus":
        assert links == {"link@0:0,1-0,1": 9 * 40 * 4 * CYCLE} and len(net.pools) == 9


def test_a_mesh_with_its_turns_the_wrong_way_would_deadlock():
    """Why routes matter: four packets round a square, each holding the queue that the next one needs."""
    made = mesh(2, 4)
    net = graph(made, [(0, [3]), (3, [0]), (1, [2]), (2, [1])], 4, 0, 1)
    assert run(net).makespan > 0
    ring = [(0, 1), (1, 3), (3, 2), (2, 0)]
    names = {s.name: i for i, s in enumerate(net.servers)}
    pools = {p.name: i for i, p in enumerate(net.pools)}
    place = {0: "0,0", 1: "1,0", 2: "0,1", 3: "1,1"}
    flows = []
    for number, flow in enumerate(net.flows):
        first, second = (f"0:{place[a]}-{place[b]}" for a, b in (ring[number], ring[(number + 1) % 4]))
        links = [replace(flow.copies[0][1 + n], server=names[f"link@{k}"], room=((pools[f"queue@{k}"], 4),))
                 for n, k in enumerate((first, second)) if f"link@{k}" in names]
        flows.append(replace(flow, copies=((flow.copies[0][0], *links, flow.copies[0][3]),)))
    with pytest.raises(StuckError, match=r"waits for 4 in queue@0:\S+ \(0 of 4 free\)"):
        run(replace(net, flows=tuple(flows)))
