"""The picture of the chip."""

import json
import xml.etree.ElementTree as tree

import pytest
from rigs import single

import xbarch
from xbarch.errors import InputError
from xbarch.render import look, pictures
from xbarch.render.canvas import Boxes, Label, Stroke
from xbarch.result.result import parse


@pytest.fixture(scope="module")
def result():
    return xbarch.simulate("isaac_like", "vgg7_pruned", policy="crossbars:4", images=3)


def shapes(canvas, kind):
    return [shape for shape in canvas.shapes if isinstance(shape, kind)]


def test_chip_shows_tiles_and_links(result):
    canvas, net = pictures.chip(result), result.interconnect
    assert canvas.width <= 420  # a phone's width
    tiles = [s for s in shapes(canvas, Boxes) if s.edge]
    links = shapes(canvas, Stroke)
    assert len(tiles) == 168 and len(links) == 142
    used = {t.tile: t.busy for t in net.tiles}
    pale = tiles[-1].fill
    assert 167 not in used and [n for n, tile in enumerate(tiles) if tile.fill != pale] == sorted(used)
    assert sum(link.colour != pale for link in links) == sum(link.busy > 0 for link in net.links)
    labels = " ".join(s.text for s in shapes(canvas, Label))
    assert net.busiest.name in labels and f"{net.busiest.busy:.1%}" in labels and "4 GB/s" in labels
    middles = set()
    for link in links:  # between neighbours, and no two links on one another
        (x, y), (u, v) = link.points
        middles.add((round((x + u) / 2, 3), round((y + v) / 2, 3)))
    assert len(middles) == 142
    (x, y, side, high), *_ = tiles[0].boxes
    step = tiles[4].boxes[0][0] - x  # from one router to the next: 1 where the topology draws
    assert side == high and {round(abs(u - x) + abs(v - y), 6) for (x, y), (u, v) in
                             (link.points for link in links)} == {round(0.26 * step, 6)}


def test_darker_is_busier():
    """In every picture the same colour is the same share, up to 100 %."""
    def light(share, colours):
        colour = look.shade(colours, share)
        return sum(int(colour[i:i + 2], 16) for i in (1, 3, 5))

    for colours in (look.BLUES, look.REDS):
        lights = [light(n / 50, colours) for n in range(51)]
        assert lights == sorted(lights, reverse=True) and len(set(lights)) > 45
        assert look.shade(colours, 0) == colours[0] and look.shade(colours, 1) == colours[-1]
        assert look.shade(colours, 1.7) == colours[-1]


def test_a_hardly_used_link_is_pale(result):
    busy = xbarch.simulate("isaac_like", "vgg7_pruned", images=2)
    assert 0 < busy.interconnect.busiest.busy < 0.1 or busy.interconnect.busiest.busy == 0
    dark = look.REDS[-1]
    assert all(s.colour != dark for s in shapes(pictures.chip(busy), Stroke))


def test_chips_of_a_chain():
    two = xbarch.simulate("isaac_like", "vgg7_pruned", policy="chip", chips=2, images=1, placement="snake",
                          overrides=["hierarchy.tiles=6"])
    canvas = pictures.chip(two)
    labels = [s.text for s in shapes(canvas, Label)]
    assert "chip 0" in labels and "chip 1" in labels and "chip 2" not in labels
    assert {link["name"] for link in two["interconnect.links"]} >= {"0-1", "0:0,0-1,0", "1:1,0-0,0"}
    assert len([s for s in shapes(canvas, Boxes) if s.edge]) == 12
    assert two.name.endswith("chip · snake · 2 chips")


def test_a_chip_of_one_router():
    small = xbarch.simulate("isaac_like", single(8, 8, 4), images=1, overrides=[
        "network.options.width=1", "network.options.height=1", "hierarchy.tiles=4"])
    assert small["interconnect.links"] == [] and small["interconnect.busiest.name"] == "none"
    tree.fromstring(pictures.render(pictures.chip, small))


def test_records_of_before_have_no_such_picture(result):
    data = json.loads(result.to_json())
    del data["interconnect"]
    old = parse(data)
    assert "chip" in pictures.drawable(result) and "chip" not in pictures.drawable(old)
    with pytest.raises(InputError, match="has no interconnect"):
        pictures.chip(old)
