"""Routes: shortest, XY, each link of a multicast once."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from xbarch.mapping.mesh import Mesh

MESH = Mesh(width=7, height=6, concentration=4, tiles=168)
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
    nodes, reached = MESH.tree(source, targets)
    links = [link for link, _ in nodes]
    assert len(set(links)) == len(links)
    assert len({b for _, b in links}) == len(links)  # no router entered twice
    for target in targets:
        here, at = target, reached[target]
        for _ in itertools.count():
            if at < 0:
                break
            link, at = nodes[at]
            assert link[1] == here
            here = link[0]
        assert here == source


def test_links_of_isaacs_mesh():
    """A 7 x 6 grid has 71 bidirectional links."""
    grid = list(itertools.product([0], range(7), range(6)))
    used = {frozenset(link) for a in grid for b in grid for link in MESH.path(a, b)}
    assert len(used) == 6 * 6 + 7 * 5 == 71
