"""First-fit placement keeps every bound and every crossbar."""

from hypothesis import given
from hypothesis import strategies as st

from xbarch.mapping.place import Tiles, fits, place

layers = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=6)


@given(layers, st.integers(2, 12), st.integers(5, 12), st.integers(1, 40))
def test_nothing_overlaps_overflows_or_is_lost(raw, room, buffer, limit):
    names = [f"l{i}" for i in range(len(raw))]
    crossbars = {n: x for n, (x, _, _) in zip(names, raw, strict=True)}
    buffers = {n: b for n, (_, b, _) in zip(names, raw, strict=True)}
    copies = {n: c for n, (_, _, c) in zip(names, raw, strict=True)}
    cuts = {n: [*range(0, x, 3), x] for n, x in crossbars.items()}
    tiles = Tiles(room, buffer, limit, lambda layer, held: buffers[layer])
    placed = place(crossbars, cuts, [(n, c) for n in names for c in range(copies[n])], tiles)
    if placed is None:
        assert len(tiles.used) == limit
        return
    taken: dict[int, list[int]] = {}
    for name, layer in placed.items():
        assert len(layer) == copies[name]
        for copy in layer:
            assert [c for p in copy for c in range(p.start, p.stop)] == list(range(crossbars[name]))
            for part in copy:
                taken.setdefault(part.tile, []).extend(range(part.slot, part.slot + part.crossbars))
    for tile, slots in taken.items():
        assert tile < limit and sorted(slots) == list(range(len(slots))) and len(slots) <= room
        held = [n for n, layer in placed.items() if any(p.tile == tile for copy in layer for p in copy)]
        assert sum(buffers[n] for n in held) == tiles.filled[tile] <= buffer


@given(layers, st.integers(2, 12), st.integers(1, 12), st.booleans())
def test_crossbars_alone_are_counted_as_they_are_placed(raw, room, limit, along):
    crossbars = {f"l{i}": x for i, (x, _, _) in enumerate(raw)}
    cuts = {n: [*range(0, x, 3), x] for n, x in crossbars.items()}
    order = [(f"l{i}", c) for i, (_, _, copies) in enumerate(raw) for c in range(copies)]
    if along:
        order.sort(key=lambda each: each[1])
    placed = place(crossbars, cuts, order, Tiles(room, 0, limit, lambda layer, held: 0))
    assert fits(crossbars, cuts, order, room, limit) == (placed is not None)


def test_cut_at_column_blocks_where_one_fits():
    tiles = Tiles(10, 10, 99, lambda layer, held: 1)
    placed = place({"a": 12}, {"a": [0, 4, 8, 12]}, [("a", 0)], tiles)
    assert [(p.start, p.stop) for p in placed["a"][0]] == [(0, 8), (8, 12)]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 12), st.integers(9, 30))
def test_a_tile_has_room_for_what_all_its_copies_read(columns, room, buffer):
    """Copies that read so many columns each, of which neighbours share one."""
    def needs(layer, held):
        spans = [set(range(sum(columns[:copy]), sum(columns[:copy + 1]) + 1)) for copy in held]
        return len(set().union(*spans))

    tiles = Tiles(room, buffer, 99, needs)
    placed = place({"a": 1}, {"a": [0, 1]}, [("a", copy) for copy in range(len(columns))], tiles)
    if placed is None:
        assert max(columns) + 1 > buffer
        return
    for tile, filled in enumerate(tiles.filled):
        held = [number for number, copy in enumerate(placed["a"]) if copy[0].tile == tile]
        assert filled == (needs("a", held) if held else 0) <= buffer and len(held) <= room
