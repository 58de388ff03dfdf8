"""Placements: which physical tile of the chip takes the place of each tile that the plan fills.

The plan fills tiles in the order of their numbers, without regard to the interconnect; a placement renumbers them.
Tiles move only within their chip, so what crosses between chips stays the same. The gate does not move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xbarch.errors import InputError
from xbarch.mapping.network import Network
from xbarch.mapping.place import Part
from xbarch.mapping.plan import Plan
from xbarch.mapping.traffic import GATE, Transfer
from xbarch.parts.topologies.mesh import Mesh
from xbarch.specs.explain import guess
from xbarch.specs.text import brief

Ints = NDArray[np.int64]
_TILES = 512  # most tiles of a chip that greedy takes: about a minute
Placement = Callable[[Network, int, Sequence[Transfer]], list[int]]  # (network, chips, traffic) -> new tile numbers


@dataclass(frozen=True)
class Grid:
    """Routers of a chip in rows, `concentration` tiles on each, numbered along the rows."""

    width: int
    height: int
    concentration: int
    tiles: int

    def at(self, place: Ints) -> Ints:
        """Numbers of the routers to which tiles in these places are attached, and of the gate's router."""
        return np.append(np.asarray(place) // self.concentration, 0)

    def distances(self) -> Ints:
        """Number of links between tiles, the gate last, [tiles + 1, tiles + 1]."""
        y, x = np.divmod(self.at(np.arange(self.tiles)), self.width)
        hops: Ints = np.abs(x[:, None] - x) + np.abs(y[:, None] - y)
        return hops


def grid(network: Network) -> Grid | None:
    """The rows of a mesh that hold tiles; None for other topologies."""
    mesh = network.topology
    if not isinstance(mesh, Mesh):
        return None
    routers = -(-mesh.tiles // mesh.concentration)
    return Grid(min(mesh.width, routers), -(-routers // mesh.width), mesh.concentration, mesh.tiles)


def row_major(network: Network, chips: int, transfers: Sequence[Transfer]) -> list[int]:
    """tiles in the order of the plan, row after row"""
    return list(range(network.tiles * chips))


def snake(network: Network, chips: int, transfers: Sequence[Transfer]) -> list[int]:
    """as row_major, every second row from right to left: tiles that follow each other are neighbours"""
    if grid(network) is None:  # no rows
        return row_major(network, chips, transfers)

    def along(tile: int) -> tuple[int, int, int, int]:
        chip, x, y = network.router(tile)
        return chip, y, -x if y % 2 else x, tile

    return sorted(range(network.tiles * chips), key=along)


def traffic(network: Network, chips: int, transfers: Sequence[Transfer]) -> list[int]:
    """swaps of two tiles that draw together what talks most, if the busiest link then carries less; the least of
    row_major, snake and what these become"""
    if network.tiles > _TILES:
        return row_major(network, chips, transfers)
    plain = [row_major(network, chips, transfers), snake(network, chips, transfers)]
    distances, drawn = _distances(network), [list[int](), list[int]()]
    for chip, sent in enumerate(_pairs(network, chips, transfers)):
        first = chip * network.tiles
        for start, found in zip(plain, drawn, strict=True):
            place = np.array(start[first:first + network.tiles]) - first
            found += [first + int(t) for t in _paired(distances, sent, place)]

    def most(order: Sequence[int]) -> tuple[int, int]:
        bits = [bits for (a, b), bits in network.loads(moved(transfers, order)).items() if a[0] == b[0]]
        return max(bits, default=0), sum(bits)

    return min([*plain, *drawn], key=most)


def greedy(network: Network, chips: int, transfers: Sequence[Transfer]) -> list[int]:
    """swaps of two tiles that save bit-hops, until none does; never more of them than row_major or snake"""
    if network.tiles > _TILES:
        raise InputError(f"must be row_major or snake for a chip of {network.tiles:,} tiles; greedy takes at most "
                         f"{_TILES:,}", field="placement")
    mesh = grid(network)
    return _drawn(network, chips, transfers) if mesh is None else _meshed(network, mesh, chips, transfers)


def _meshed(network: Network, mesh: Grid, chips: int, transfers: Sequence[Transfer]) -> list[int]:
    """Greedy on a mesh, where a multicast's cost has a closed form."""
    rows, winding = (np.array(order(network, 1, ())) for order in (row_major, snake))
    found = []
    for chip in range(chips):
        takes, sends = _talk(network, chip, transfers)
        # Moving one tile rarely shortens a wide multicast, so communicating tiles are first drawn together in pairs.
        starts = [min(rows, winding, key=lambda place: _cost(mesh, place, takes, sends)),
                  _paired(mesh.distances(), takes.T @ sends, rows)]
        ends = [_swapped(mesh, takes, sends, start) for start in starts] if len(takes) else [rows]
        best = min(ends, key=lambda place: _cost(mesh, place, takes, sends))
        found += [chip * mesh.tiles + int(t) for t in best]
    return found


def _drawn(network: Network, chips: int, transfers: Sequence[Transfer]) -> list[int]:
    """Greedy on any topology: communicating tiles are drawn together in pairs, if that makes fewer bit-hops."""
    distances, rows, found = _distances(network), np.arange(network.tiles), list[int]()
    for chip, sent in enumerate(_pairs(network, chips, transfers)):
        found += [chip * network.tiles + int(t) for t in _paired(distances, sent, rows)]
    plain = row_major(network, chips, transfers)
    return min(plain, found, key=lambda order: network.bit_hops(moved(transfers, order)))


PLACEMENTS: dict[str, Placement] = {"traffic": traffic, "row_major": row_major, "snake": snake, "greedy": greedy}


def parse_placement(text: str) -> Placement:
    """The placement of that name; words may be joined by _ or -.

    Raises:
        InputError: there is none of that name.
    """
    if text.replace("-", "_") not in PLACEMENTS:
        raise InputError(f"must be one of {', '.join(PLACEMENTS)}, not {brief(text)!r}{guess(text, list(PLACEMENTS))}",
                         field="placement")
    return PLACEMENTS[text.replace("-", "_")]


def place_tiles(plan: Plan, name: str, network: Network, chips: int,
            traffic: Callable[[Plan], Sequence[Transfer]]) -> Plan:
    """The plan placed by `name`. traffic: what a plan sends per image.

    Raises:
        InputError: no such placement.
    """
    if parse_placement(name) is row_major:
        return plan
    order = parse_placement(name)(network, chips, traffic(plan))

    def there(part: Part) -> Part:
        return replace(part, tile=order[part.tile])

    parts = {layer: [[there(p) for p in copy] for copy in copies] for layer, copies in plan.parts.items()}
    homes = {layer: [order[t] for t in tiles] for layer, tiles in plan.homes.items()}
    return replace(plan, parts=parts, homes=homes, placement=name.replace("-", "_"))


def moved(transfers: Sequence[Transfer], order: Sequence[int]) -> Iterator[Transfer]:
    """The same transfers after the tiles were renumbered."""
    for t in transfers:
        yield Transfer(t.layer, t.source if t.source == GATE else order[t.source],
                       tuple([order[target] for target in t.targets]), t.bits, t.windows)


def _talk(network: Network, chip: int, transfers: Sequence[Transfer]) -> tuple[Ints, Ints]:
    """(takes, sends), int64 [sets, tiles + 1]: the sets of a chip's tiles that receive together, and the bits that each
    tile sends to each set. The last column is the gate, through which everything from or to other chips passes."""
    gate, first = network.tiles, chip * network.tiles
    sent: dict[frozenset[int], Counter[int]] = {}
    for t in transfers:
        inside = {target - first for target in t.targets if first <= target < first + gate}
        source = t.source - first if first <= t.source < first + gate else gate
        if source != gate and len(inside) < len(set(t.targets)):
            inside.add(gate)
        if inside - {source}:
            sent.setdefault(frozenset(inside), Counter())[source] += t.bits * t.windows
    takes, sends = np.zeros((2, len(sent), gate + 1), np.int64)
    for row, (targets, sources) in enumerate(sent.items()):
        takes[row, list(targets)] = 1
        sends[row, list(sources)] = list(sources.values())
    return takes, sends


def _distances(network: Network) -> Ints:
    """Number of links between tiles, the gate last, [tiles + 1, tiles + 1]."""
    mesh = grid(network)
    if mesh is not None:
        return mesh.distances()
    ends = [*map(network.router, range(network.tiles)), network.gate()]
    return np.array([[len(network.path(a, b)) for b in ends] for a in ends], np.int64)


def _pairs(network: Network, chips: int, transfers: Sequence[Transfer]) -> list[Ints]:
    """Bits that the tiles of each chip send to each of its tiles, as if to each target separately, [to, from], the gate
    last."""
    gate, sent = network.tiles, [np.zeros((network.tiles + 1, network.tiles + 1), np.int64) for _ in range(chips)]
    alike = Counter[tuple[int, tuple[int, ...]]]()
    for t in transfers:
        alike[t.source, t.targets] += t.bits * t.windows
    for (source, targets), bits in alike.items():
        home, mine = divmod(source, gate) if source != GATE else (-1, gate)
        inside: dict[int, set[int]] = {}
        for target in targets:
            chip, local = divmod(target, gate)
            inside.setdefault(chip, set()).add(local)
        if home >= 0 and any(chip != home for chip in inside):
            inside.setdefault(home, set()).add(gate)
        for chip, ends in inside.items():
            start = mine if chip == home else gate
            sent[chip][list(ends - {start}), start] += bits
    return sent


def _paired(distance: Ints, sent: Ints, place: Ints) -> Ints:
    """Places after the swaps that save most, if each target were sent to separately. sent: [to, from], gate last.

    Swapping r and s changes the sum of talk times distance over all pairs by M[r,s] + M[s,r] - M[r,r] - M[s,s]
    + 2 talk[r,s] distance[r,s], with M = talk @ distance. After the swap, M has these two columns exchanged, and
    (talk[:,r] - talk[:,s]) times the difference of their new distances added: rows of tiles that talk to neither stay.
    """
    place, talk = np.append(place, len(place)), sent + sent.T
    np.fill_diagonal(talk, 0)
    now = distance[np.ix_(place, place)]
    m = talk @ now
    both = m + m.T + 2 * talk * now
    while True:
        change = both - np.diag(m)[:, None]
        change -= np.diag(m)
        change[-1], change[:, -1] = 0, 0  # the gate stays
        r, s = divmod(int(change.argmin()), len(change))
        if change[r, s] >= 0:
            return place[:-1]
        place[[r, s]] = place[[s, r]]
        now[[r, s]] = now[[s, r]]
        now[:, [r, s]] = now[:, [s, r]]
        m[:, [r, s]] = m[:, [s, r]]
        differ = talk[:, r] - talk[:, s]
        some = np.flatnonzero(differ)  # few rows change but in these columns, and few of `both` but these
        m[some] += np.outer(differ[some], now[r] - now[s])
        some = np.union1d(some, (r, s))
        both[some] = m[some] + m.T[some] + 2 * talk[some] * now[some]
        both[:, some] = both[some].T


def _swapped(mesh: Grid, takes: Ints, sends: Ints, place: Ints) -> Ints:
    """Places after swaps, each the best for its tile, busiest tiles first, until none saves anything."""
    place, routers = place.copy(), np.eye(mesh.width * mesh.height, dtype=np.int64)
    at = mesh.at(np.arange(len(place)))
    traffic = (takes * sends.sum(axis=1)[:, None] + sends).sum(axis=0)[:-1]
    busy = [int(t) for t in np.argsort(-traffic, kind="stable") if traffic[t]]
    least, before = _cost(mesh, place, takes, sends), -1
    while least != before:
        before = least
        for tile in busy:
            others = np.flatnonzero(at[place] != at[place[tile]])
            step = (routers[at[place[others]]] - routers[at[place[tile]]])[:, None]  # [others, 1, routers]
            held = [(count @ routers[mesh.at(place)], count) for count in (takes, sends)]
            after = _hops(mesh, *(now + (count[:, tile] - count[:, others].T)[..., None] * step for now, count in held))
            if len(others) and (fewest := int(after.min())) < least:
                least, other = fewest, int(others[after.argmin()])
                place[[tile, other]] = place[[other, tile]]
    return place


def _cost(mesh: Grid, place: Ints, takes: Ints, sends: Ints) -> int:
    """Bit-hops on the chip."""
    routers = np.eye(mesh.width * mesh.height, dtype=np.int64)[mesh.at(place)]
    return int(_hops(mesh, takes @ routers, sends @ routers))


def _hops(mesh: Grid, takes: Ints, sends: Ints) -> Ints:
    """Bit-hops of the multicast trees, from what routers take and send, [..., sets, routers] each.

    A link in the source's row is in the tree if a target lies in a column beyond it; a link in a target's column is in
    the tree if a target of that column lies beyond it. So each link is counted with all sources on its near side.
    """
    grid = (*takes.shape[:-1], mesh.height, mesh.width)
    there, sent = (takes > 0).reshape(grid), sends.reshape(grid)
    total = np.zeros(takes.shape[:-2], np.int64)
    for turn in (1, -1):  # east and south, west and north
        there, sent = there[..., ::turn, ::turn], sent[..., ::turn, ::turn]
        columns, across, down = np.asarray(there.any(axis=-2)), sent.sum(axis=-2), sent.sum(axis=-1)
        beyond = np.logical_or.accumulate(columns[..., ::-1], axis=-1)[..., ::-1][..., 1:]
        below = np.logical_or.accumulate(there[..., ::-1, :], axis=-2)[..., ::-1, :][..., 1:, :].sum(axis=-1)
        total += (across.cumsum(axis=-1)[..., :-1] * beyond).sum(axis=(-1, -2))
        total += (down.cumsum(axis=-1)[..., :-1] * below).sum(axis=(-1, -2))
    return total
