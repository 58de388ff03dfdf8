"""Copies that own stripes: who computes, reads and keeps which pixels, against a look at every window."""

from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest
from rigs import owners

from xbarch.mapping.buffers import Buffers
from xbarch.mapping.copies import Demand
from xbarch.mapping.reads import Labels, Slide, columns
from xbarch.mapping.shares import Share
from xbarch.mapping.windows import Input, footprint
from xbarch.workload.graph import Layer

MAPS = [(1, 1), (1, 7), (7, 1), (6, 5), (4, 8), (7, 7)]


def shares(height, width):
    return [Share(height, width, copies) for copies in range(1, height * width + 1)]


def pixels(share):
    """(row, column) of the pixels in the order in which they are computed."""
    return [divmod(int(p), share.width) for p in share.order]


@pytest.mark.parametrize(("height", "width"), MAPS)
def test_every_pixel_has_one_owner_and_copies_keep_step(height, width):
    """Whatever has been computed, no copy is more than a pixel behind another one."""
    for share in shares(height, width):
        own, order = owners(share), pixels(share)
        assert sorted(order) == sorted(own) and share.owner.tolist() == [own[p] for p in order]
        assert [int(share.rank[p]) for p in order] == list(range(height * width))
        counts = np.bincount(share.owner)
        assert len(counts) == share.copies and counts.max() == share.longest
        done = [0] * share.copies
        for copy in share.owner.tolist():
            done[copy] += 1
            assert max(done) - min(done) <= 1
    assert Share(height, width).order.tolist() == list(range(height * width))


@pytest.mark.parametrize(("height", "width", "rows", "stripes"),
                         [(6, 8, 1, 4), (6, 8, 2, 8), (6, 8, 3, 8), (5, 6, 1, 6)])
def test_even_stripes_are_whole_columns_with_rows_in_turn(height, width, rows, stripes):
    share = Share(height, width, rows * stripes)
    assert share.rows == rows
    for y, x in product(range(height), range(width)):
        assert share.owners[y, x] == x * stripes // width * rows + y % rows


@pytest.mark.parametrize(("height", "width"), [*MAPS, (14, 14), (28, 28), (9, 40)])
def test_few_rows_are_under_way(height, width):
    """From the first row that is not done to the last that is begun: four times those computed together at most."""
    for share in shares(height, width):
        y = share.order // width
        begun, left = np.maximum.accumulate(y), np.minimum.accumulate(y[::-1])[::-1]
        assert height == 1 or (begun - left).max() < 4 * share.rows
        if width % share.copies == 0:
            assert (begun == left).all()


def test_what_a_column_has_of_the_pixels_under_way():
    """The most of any column among so many pixels in succession, over the border of images too; how many more make no
    difference; how many have so much at most."""
    for share in shares(5, 4):
        column = np.tile(share.order % 4, 4)
        tallest = {0: 0} | {count: max(np.bincount(column[at:at + count]).max() for at in range(41))
                            for count in range(1, 38)}
        for count in range(1, 18):
            assert share.tallest(count) == tallest[count]
            whole = share.whole(count)
            assert whole >= count and tallest[whole] == tallest[count] < tallest[whole + 1]
            for most in range(5):
                right = [n for n in range(count + 1) if tallest[n] <= most and tallest[n] < tallest[n + 1]]
                assert share.within(count, most) == max(right)


def layer(slide):
    return Layer(name="b", op="maxpool", inputs=("a",), in_shape=(1, 8, 6), out_shape=(1, *slide.count),
                 kernel=slide.kernel, stride=slide.stride, padding=slide.padding, dilation=slide.dilation)


def test_what_a_tile_keeps_of_the_pixels_under_way():
    """At least the most of the columns that its copies read among so many pixels in succession; where it reads all
    columns, or of whole rows of a producer with one copy, no more."""
    dice, slide = Random(3), Slide(False, (8, 6), (3, 3), (1, 1), (1, 1), (1, 1))
    makers = {"a": Layer(name="a", op="input", inputs=(), in_shape=(1, 8, 6), out_shape=(1, 8, 6)), "b": layer(slide)}
    for source, share in zip(dice.sample(shares(8, 6), 12), dice.sample(shares(8, 6), 12), strict=True):
        edge = Input("a", *footprint(slide, source, share), 1, 1)
        copies = sorted(dice.sample(range(share.copies), dice.randint(1, share.copies)))
        read = {x for window, mine in windows(slide) if owners(share)[window] in copies for _, x in mine}
        marks = np.tile(np.isin(source.order % 6, list(read)), 3)
        for count in range(1, 49):
            most = max(int(marks[at:at + count].sum()) for at in range(96))
            found = Buffers(makers, {"b": [edge]}, {"a": source, "b": share}, {("b", 0): count})("b", copies)
            assert most <= found <= min(count, source.tallest(count) * len(read))
            if len(read) == 6 or (source.copies == 1 and count % 6 == 0):
                assert found == most


def slides():
    """All kernels, strides, paddings and dilations that are convolutions of a small map, of two heights each."""
    for kernel, stride, padding, dilation in product([1, 2, 3, 5], [1, 2, 3], [0, 1, 2], [1, 2]):
        span = (kernel - 1) * dilation + 1
        out = tuple((n + 2 * padding - span) // stride + 1 for n in (8, 6))
        if padding < span and min(out) > 0:
            two = [(n, n) for n in (kernel, stride, padding, dilation)]
            yield Slide(False, out, *two)


def windows(slide):
    """For each window the pixels that it reads."""
    for oy, ox in product(*map(range, slide.count)):
        found = set()
        for ky, kx in product(*map(range, slide.kernel)):
            y = oy * slide.stride[0] - slide.padding[0] + ky * slide.dilation[0]
            x = ox * slide.stride[1] - slide.padding[1] + kx * slide.dilation[1]
            if slide.whole:
                found = set(product(range(8), range(6)))
            elif 0 <= y < 8 and 0 <= x < 6:
                found.add((y, x))
        yield (oy, ox), found


def test_what_copies_read_are_the_pixels_of_their_windows():
    """Exactly for where pixels are sent; by columns for what is kept."""
    dice = Random(1)
    for slide in [*slides(), Slide(True, (2, 3), (1, 1), (1, 1), (0, 0), (1, 1))]:
        share = dice.choice(shares(*slide.count))
        own, labels, wide = owners(share), Labels(), columns(slide, 6, share)
        found = labels.readers(slide, (8, 6), np.array([labels.add(1 << c) for c in range(share.copies)])[share.owners])
        for copy in range(share.copies):
            mine = set().union(*(read for window, read in windows(slide) if own[window] == copy))
            assert mine == {(y, x) for y, x in product(range(8), range(6)) if labels.sets[found[y, x]] >> copy & 1}
            kept = {x for x in range(6) if wide[copy] >> 5 - x & 1}
            assert {x for _, x in mine} <= kept
            if share.copies <= share.width or share.height == 1:
                assert {x for _, x in mine} == kept


def test_a_gate_of_one_pixel_goes_to_every_reader():
    labels, slide = Labels(), Slide(False, (3, 4), (1, 1), (1, 1), (0, 0), (1, 1))
    own = np.array([labels.add(1 << copy) for copy in range(12)]).reshape(3, 4)
    assert [labels.sets[n] for n in labels.readers(slide, (1, 1), own).ravel()] == [2**12 - 1]


def test_what_windows_need_and_release_in_any_order():
    """A window needs all pixels that it reads; none is released that a later window reads. With `ahead` more room, both
    go on at an even speed: a window needs what is made by then, and nothing is made for which there is no room."""
    dice = Random(2)
    for slide in slides():
        source, share = dice.choice(shares(8, 6)), dice.choice(shares(*slide.count))
        need, release = footprint(slide, source, share)
        reading = dict(windows(slide))
        asked = [{int(source.rank[p]) for p in reading[divmod(int(w), share.width)]} for w in share.order]
        assert (np.diff(need) >= 0).all() and (np.diff(release) >= 0).all() and release[-1] == 48
        for at, ranks in enumerate(asked):
            assert max(ranks, default=-1) < need[at] <= 48
            later = set().union(*asked[at + 1:])
            assert not later or release[at] <= min(later)
        edge, pace = Input("a", need, release, 1, 1), Fraction(48, len(need))
        start = max(int(n) - pace * at for at, n in enumerate(need))
        room = edge.least + edge.ahead
        gone = [0, *release.tolist()]
        assert all(start + pace * (at + 1) - gone[at] <= room for at in range(len(need)))
        assert edge.ahead == 0 or any(start + pace * (at + 1) - gone[at] > room - 1 for at in range(len(need)))


def test_more_copies_are_never_slower_and_no_step_is_left_out():
    """The busiest copy's work falls with every number of copies that balancing tries, and between two of them no
    number of copies has less than the fewer."""
    for height, width in [*MAPS, (32, 32)]:
        demand = Demand("a", 3, height * width, Fraction(7, 2), owned=True)
        times = [demand.time(copies) for copies in range(1, demand.windows + 1)]
        assert times == [Share(height, width, c).longest * Fraction(7, 2) for c in range(1, demand.windows + 1)]
        assert times == sorted(times, reverse=True) and times[-1] == Fraction(7, 2)
        copies = 1
        while (more := demand.more(copies)) != copies:
            assert times[more - 2] == times[copies - 1] > times[more - 1]
            copies = more
        assert times[copies - 1] == times[-1]
