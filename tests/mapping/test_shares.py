"""Copies that own stripes: who computes, reads and keeps which pixels, against a look at every window."""

from itertools import pairwise, product
from random import Random

import numpy as np
import pytest

from xbarch.mapping.buffers import kept
from xbarch.mapping.shares import Share, Slide, choices, reads
from xbarch.mapping.windows import footprint


def owners(share):
    """(row, column) -> copy, by definition: stripes of columns, of which `rows` copies take the rows in turn; of a
    single row, every n-th pixel, n the number of copies."""
    found = {}
    for y, x in product(range(share.height), range(share.width)):
        stripe = next(s for s in range(share.stripes) if x < (s + 1) * share.width // share.stripes)
        if share.height == 1:
            stripe = x % share.stripes
        found[y, x] = stripe * share.rows + y % share.rows
    return found


def shares(height, width):
    return [Share(height, width, rows, stripes) for rows in range(1, height + 1) if height % rows == 0
            for stripes in range(1, width + 1)]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (6, 5), (4, 8)])
def test_every_pixel_has_one_owner_and_copies_take_turns(height, width):
    for share in shares(height, width):
        own = owners(share)
        pixels = [divmod(int(p), width) for p in share.order]
        assert sorted(pixels) == sorted(own) and share.owner.tolist() == [own[p] for p in pixels]
        assert [int(share.rank[p]) for p in pixels] == list(range(height * width))
        counts = np.bincount(share.owner)
        assert len(counts) == share.copies and counts.max() == share.longest
        assert [y // share.rows for y, _ in pixels] == sorted(y // share.rows for y, _ in pixels)
        for start in range(0, height * width, share.turn):  # within the rows computed together, round after round
            mine = share.owner[start:start + share.turn].tolist()
            rounds = [mine[:at].count(copy) for at, copy in enumerate(mine)]
            assert rounds == sorted(rounds)
    assert Share(height, width).order.tolist() == list(range(height * width))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 7), (12, 20), (14, 14)])
def test_worthwhile_choices(height, width):
    """From one copy to one a pixel, each with less to do than those before; none with fewer copies is much better."""
    found = choices(height, width)
    assert (found[0].copies, found[-1].copies, found[-1].longest) == (1, height * width, 1)
    for before, after in pairwise(found):
        assert before.copies < after.copies and before.longest > after.longest
    for share in found:
        best = min(s.longest for s in shares(height, width) if s.copies <= share.copies and s.rows <= share.rows)
        assert share.longest <= best * 20 / 19 + 1


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
        pixels = set()
        for ky, kx in product(*map(range, slide.kernel)):
            y = oy * slide.stride[0] - slide.padding[0] + ky * slide.dilation[0]
            x = ox * slide.stride[1] - slide.padding[1] + kx * slide.dilation[1]
            if 0 <= y < 8 and 0 <= x < 6:
                pixels.add((y, x))
        yield (oy, ox), pixels


def test_what_copies_read_are_the_pixels_of_their_windows():
    dice = Random(1)
    for slide in slides():
        share = dice.choice(shares(*slide.count))
        own, found = owners(share), reads(slide, 8, 6, share)
        for copy in range(share.copies):
            mine = set().union(*(pixels for window, pixels in windows(slide) if own[window] == copy))
            stripe, row = divmod(copy, share.rows)
            assert mine == {(y, x) for y, x in product(range(8), range(6))
                            if found.rows[row, y] and found.columns[stripe, x]}
        assert found.spans == [sum(2**(5 - x) for x in range(6) if line[x]) for line in found.columns]


def test_what_windows_need_and_release_in_any_order():
    """A window needs all pixels that it reads; none is released that a later window reads."""
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


def test_what_a_tile_keeps_of_the_pixels_under_way():
    """The most of any columns among so many pixels in succession, over the border of images too."""
    for share in shares(4, 5):
        columns = np.tile(share.order % 5, 3)
        for count, wanted in product(range(1, 21), range(1, 6)):
            most = max(int((columns[at:at + count] < wanted).sum()) for at in range(40))
            assert most <= kept(count, share, wanted) <= min(count, share.turn + count * wanted // 5 + wanted)
            if count % share.turn == 0:
                assert kept(count, share, wanted) == count * wanted // 5 == most
