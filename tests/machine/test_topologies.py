"""Routes: shortest, XY, each link of a multicast once; trees and buses; packets of a real run."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs import isaac, single

import xbarch
from xbarch.errors import InputError
from xbarch.mapping.network import Network
from xbarch.mapping.traffic import GATE, Transfer
from xbarch.parts.topologies.bus import WIRE, Bus
from xbarch.parts.topologies.htree import HTree
from xbarch.parts.topologies.mesh import Mesh
from xbarch.plugins import registry
from xbarch.render import pictures
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load

MESH = Network(Mesh(168, {"width": 7, "height": 6, "concentration": 4}))
routers = st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(0, 5))


def test_every_tile_has_a_router_and_every_router_four_tiles():
    placed = [MESH.router(t) for t in range(336)]
    counts = {r: placed.count(r) for r in placed}
    assert set(counts.values()) == {4} and len(counts) == 2 * 42
    assert all(0 <= x < 7 and 0 <= y < 6 and 0 <= chip < 2 for chip, x, y in placed)


@given(routers, routers)
def test_path_is_connected_and_as_long_as_the_distance(a, b):
    path = MESH.path(a, b)
    ends = [a, *(link[1] for link in path)]
    assert ends[-1] == b and all(link[0] == before for link, before in zip(path, ends, strict=False))
    if a[0] == b[0]:
        assert len(path) == abs(a[1] - b[1]) + abs(a[2] - b[2])
        turns = [link[0][1] == link[1][1] for link in path]  # vertical moves
        assert turns == sorted(turns)  # x first, then y
    else:
        assert len(path) == a[1] + a[2] + 1 + b[1] + b[2]


@given(routers, st.lists(routers, max_size=12))
def test_multicast_is_a_tree_that_reaches_all(source, targets):
    hops, reached = MESH.tree(source, targets)
    links = [hop.link for hop in hops]
    assert len(set(links)) == len(links)
    assert len({b for _, b in links}) == len(links)  # no router entered twice
    for target in targets:
        here, at = target, reached[target]
        for _ in itertools.count():
            if at < 0:
                break
            link, at = hops[at].link, hops[at].before
            assert link[1] == here
            here = link[0]
        assert here == source

NETWORKS = [MESH, Network(Bus(12)), Network(HTree(13)), Network(HTree(20, {"arity": 4}))]


@given(st.sampled_from(NETWORKS), st.data())
def test_loads_are_those_of_the_trees(network, data):
    """Over up to three chips: bits of every link, summed up chip by chip, against the trees, each link once. What
    enters a tree leaves it at all its ends: every node but the source is entered once (a bus is a single link)."""
    tile = st.integers(0, 3 * network.tiles - 1)
    sent = data.draw(st.lists(st.builds(
        Transfer, st.just("x"), st.one_of(st.just(GATE), tile), st.lists(tile, min_size=1, max_size=6).map(tuple),
        st.integers(1, 1000), st.integers(1, 50)), max_size=6))
    found = Counter()
    for t in sent:
        source = network.gate() if t.source == GATE else network.router(t.source)
        ends = [network.router(target) for target in t.targets]
        hops, reached = network.tree(source, ends)
        found.update({hop.link: t.bits * t.windows for hop in hops})
        if network.topology.name == "bus":
            continue
        entered = [hop.link[1] for hop in hops]
        assert len(set(entered)) == len(entered) and {*ends} <= {source, *entered} and source not in entered
        assert all(hop.link[0] == (source if hop.before < 0 else entered[hop.before]) for hop in hops)
        assert all(entered[at] == end if at >= 0 else end == source for end, at in reached.items())
    assert network.loads(sent) == found



def test_links_of_isaacs_mesh():
    """A 7 x 6 grid has 71 bidirectional links."""
    grid = list(itertools.product([0], range(7), range(6)))
    used = {frozenset(link) for a in grid for b in grid for link in MESH.path(a, b)}
    assert len(used) == 6 * 6 + 7 * 5 == 71


@pytest.mark.parametrize("topology", [HTree(1), HTree(7), HTree(8), HTree(20, {"arity": 4}), Bus(1), Bus(5), Mesh(
    5, {"width": 3, "height": 2})])
def test_every_topology_keeps_its_contract(topology):
    """Paths are connected, use links that exist, none twice; the union of those from one node is a tree; numbered by
    the order of all paths, links form no ring."""
    network, links = Network(topology), topology.links()
    nodes = [*map(topology.node, range(topology.tiles)), topology.gate]
    assert len(set(links)) == len(links)
    follows = {}
    for a, b in itertools.product(nodes, repeat=2):
        path = topology.path(a, b)
        assert (path == []) == (a == b) and len(set(path)) == len(path) and set(path) <= set(links)
        if path and path != [WIRE]:
            assert path[0][0] == a and path[-1][1] == b
            assert all(one[1] == two[0] for one, two in itertools.pairwise(path))
        for one, two in itertools.pairwise(path):
            follows.setdefault(one, set()).add(two)
    left = set(links)
    while left:
        last = {link for link in left if not follows.get(link, set()) & left}
        assert last, "a ring"
        left -= last
    hops, reached = network.tree(network.gate(), [network.router(t) for t in range(topology.tiles)])
    assert len({hop.link for hop in hops}) == len(hops) and len(reached) == len(set(nodes[:-1]))
    assert all(hop.before < i for i, hop in enumerate(hops))
    squares = [topology.spot(t) for t in range(topology.tiles)]
    for (x, y, side), (u, v, other) in itertools.combinations(squares, 2):
        assert max(abs(x - u), abs(y - v)) >= min(side, other)  # none on another
    assert all(len(topology.line(link)) >= 2 for link in links)


def test_a_bus_takes_a_packet_to_all_at_once():
    network = Network(Bus(5))
    hops, reached = network.tree((0, 1, 0), [(0, 1, 0), (0, 3, 0), (0, 4, 0)])
    assert [len(hop.queues) for hop in hops] == [2] and reached == {(0, 1, 0): -1, (0, 3, 0): 0, (0, 4, 0): 0}
    path = network.path((0, 1, 0), (2, 3, 0))  # bus, chain twice, bus
    assert [a[0] == b[0] for a, b in path] == [True, False, False, True]


def test_a_tree_by_hand():
    tree = HTree(8)
    assert tree.path((0, 0), (3, 0)) == [((0, 0), (0, 1)), ((0, 1), (0, 2)), ((0, 2), (1, 1)), ((1, 1), (3, 0))]
    assert len(tree.links()) == 2 * (8 + 4 + 2) and tree.gate == (0, 3)
    assert HTree(17, {"arity": 4}).gate == (0, 3)


@pytest.mark.parametrize("topology", ["bus", "htree"])
def test_a_run_and_its_picture_on_other_topologies(topology):
    done = xbarch.simulate("isaac_like", "vgg7_pruned", images=2, policy="crossbars:4", overrides=[
        f"network.topology={topology}", "network.options={}"])
    mesh = xbarch.simulate("isaac_like", "vgg7_pruned", images=2, policy="crossbars:4")
    net = done["interconnect"]
    assert net["network"]["topology"] == topology and len(net["links"]) == (
        1 if topology == "bus" else 2 * (168 + 84 + 42 + 21 + 11 + 6 + 3 + 2))
    assert done["counts.conversions"] == mesh["counts.conversions"]
    assert b"<svg" in pictures.render(pictures.chip, done)


def test_queues_without_limit_and_very_long_ones_are_the_same():
    free, long = (isaac(single(512, 32 * 12 * 5, 40), policy="one_copy", images=2, more=(f"network.queue={q}",))
                  for q in ("null", 10**6))
    assert [d.tolist() for d in free.trace.done] == [d.tolist() for d in long.trace.done]
    assert not free.graph.pools and long.graph.pools


def test_a_window_larger_than_a_queue_travels_as_several_packets():
    """A pixel of 256 flits over queues of 64: four packets. In an empty network it takes as long and costs the same."""
    whole, cut = (isaac(single(512, 32 * 12 * 5, 1), policy="one_copy", more=(f"network.queue={q}",))
                  for q in ("null", 64))
    assert [d.tolist() for d in whole.trace.done] == [d.tolist() for d in cut.trace.done]
    assert whole.ledger.actions == cut.ledger.actions
    links = [sum(s.name == "input/link" for s in run.graph.flows[0].copies[0]) for run in (whole, cut)]
    assert links[1] == 4 * links[0] > 0


def test_bad_networks_are_refused(tmp_path):
    for override, words in (("network.topology=ring", "unknown topology 'ring'; choose bus, htree or mesh"),
                            ("network.options={arity: 2}", "arity"), ("network.queue=0", "network.queue"),
                            ("network.options={width: 2, height: 2}", "has room for 4 tiles")):
        with pytest.raises(InputError) as error:
            xbarch.simulate("isaac_like", "vgg7_pruned", overrides=[override])
        assert words in str(error.value), str(error.value)


def test_a_topology_from_outside(tmp_path):
    """A ring in one direction would deadlock; a line of tiles does not. What breaks the contract is named."""
    source = '''
from xbarch.parts.topologies.base import Topology
class Line(Topology):
    name, summary, provenance, shape = "line_topology", "tile after tile", "a test", "a line"
    def node(self, tile): return tile, 0
    def path(self, source, target):
        step = 1 if target > source else -1
        return [((n, 0), (n + step, 0)) for n in range(source[0], target[0], step)]
    def links(self):
        return [((n, 0), (n + s, 0)) for n in range(self.tiles) for s in (1, -1) if 0 <= n + s < self.tiles]
    def spot(self, tile): return tile, 0, 0.7
    def line(self, link): return [link[0], link[1]]
class Broken(Line):
    name = "broken_topology"
    def path(self, source, target): return []
'''
    (tmp_path / "lines.py").write_text(source)
    registry.load_file(tmp_path / "lines.py")
    done = xbarch.simulate("isaac_like", "vgg7_pruned", images=1, overrides=[
        "network.topology=line_topology", "network.options={}"])
    assert len(done["interconnect.links"]) == 2 * 167
    with pytest.raises(InputError, match="topology broken_topology: path returned"):
        xbarch.simulate("isaac_like", "vgg7_pruned", policy="crossbars:4", overrides=[
            "network.topology=broken_topology", "network.options={}"])


def test_shipped_queues_hold_a_window_of_512_words():
    for name in ("isaac_like", "puma_like"):
        network = load(name, Architecture).network
        assert network.queue == np.ceil(512 * 16 / network.link_bits)
