"""An architecture as a block diagram drawn from its spec: what lies in what, how often, and the way of the data; below
it the stages of its pipeline. Plain SVG of the width of a phone, in greys: the same bytes for the same spec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from textwrap import wrap

from xbarch.cost.nameplate import window
from xbarch.plugins.guard import asking
from xbarch.plugins.registry import wired
from xbarch.render import numbers
from xbarch.specs.architecture import Architecture

WIDTH = 400
_EDGE, _GAP, _STEP = 8, 14, 14  # around, between boxes (an arrow's length), between lines
_LARGE, _SMALL = 12.5, 11
_WIDE = 0.57  # mean width of a letter over its height, of the fonts below
_GREYS = ("#ffffff", "#f3f3f3", "#e6e6e6", "#d8d8d8")
_INK = "#111111"
_WORDS = {"adc": "ADC", "dac": "DAC", "edram": "eDRAM"}


@dataclass(frozen=True)
class Box:
    """title in bold, lines below it, what lies in it from top to bottom. many: drawn as the first of several. flow:
    data come here from the box above. back: from the last of what lies in it they return to the first. grid: (rows,
    columns) of an array, and of the part of it that is read."""

    title: str
    lines: Sequence[str] = ()
    inside: Sequence[Box] = ()
    many: bool = False
    flow: bool = True
    dashed: bool = False
    back: bool = False
    grid: tuple[int, int, int, int] | None = None


@dataclass
class Drawing:
    """Elements so far, from the top; y: where the next one begins."""

    parts: list[str] = field(default_factory=list)
    y: float = 0

    def text(self, x: float, line: str, size: float = _SMALL, bold: bool = False, anchor: str = "start") -> None:
        weight = ' font-weight="bold"' if bold else ""
        end = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.parts.append(f'<text x="{x:g}" y="{self.y:g}" font-size="{size:g}"{weight}{end}>{escape(line)}</text>')

    def box(self, x: float, y: float, width: float, height: float, fill: str, dashed: bool = False) -> str:
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        return (f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" fill="{fill}" '
                f'stroke="{_INK}"{dash}/>')

    def arrow(self, x: float, top: float, bottom: float) -> None:
        self.parts.append(f'<path d="M{x:g} {top:g}V{bottom - 5:g}" stroke="{_INK}" stroke-width="1.6"/>'
                          f'<path d="M{x - 4:g} {bottom - 6:g}h8l-4 6z" fill="{_INK}"/>')

    def loop(self, x: float, bottom: float, top: float) -> None:
        """From a box back to one above it, on the left of both."""
        self.parts.append(f'<path d="M{x:g} {bottom:g}h-5V{top:g}h2" stroke="{_INK}" stroke-width="1.2" fill="none"/>'
                          f'<path d="M{x - 4:g} {top - 3.5:g}v7l4 -3.5z" fill="{_INK}"/>')


def diagram(architecture: Architecture) -> str:
    """The block diagram of an architecture and its pipeline, as SVG.

    Boxes lie in one another as the hardware does: chip, tile, IMA, crossbar. Components of a level stand in the order
    in which data pass them, by the action they are paid for; what draws constant power or belongs to no such action
    stands last, dashed. Counts are of one parent.
    """
    drawing = Drawing(y=_EDGE)
    _draw(drawing, _chip(architecture), _EDGE, WIDTH - 2 * _EDGE - 6, 0)
    drawing.y += _GAP
    _pipeline(drawing, architecture)
    height = drawing.y + _EDGE
    title = escape(f"{architecture.name}: {architecture.summary}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
            f'height="{height:g}" role="img" font-family="Helvetica, Arial, Liberation Sans, sans-serif" '
            f'fill="{_INK}">\n<title>{title}</title>\n'
            f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>\n' + "\n".join(drawing.parts) + "\n</svg>\n")


# -- what is in what ------------------------------------------------------------------------------------------

class _Parts:
    """Components of one level by name, each taken once."""

    def __init__(self, a: Architecture, level: str) -> None:
        self.left = {name: c for name, c in a.components.items() if c.level == level and c.when is None}

    def take(self, *actions: str) -> list[str]:
        """Those paid for these actions, in their order."""
        return [self._named(name) for action in actions for name in [n for n, c in self.left.items()
                                                                     if action in (c.action, *c.covers)]]

    def acting(self) -> list[str]:
        """All others that are paid for an action."""
        return [self._named(name) for name in [n for n, c in self.left.items() if c.action]]

    def besides(self) -> list[Box]:
        """The rest: constant powers, and what is on no way of the data."""
        rest = [self._named(name) for name in list(self.left)]
        return [Box("besides", [", ".join(rest)], flow=False, dashed=True)] if rest else []

    def _named(self, name: str) -> str:
        return _named(name, self.left.pop(name).count)


def _named(name: str, count: object) -> str:
    return f"{spoken(name)} ×{f'{int(text):,}' if (text := str(count)).isdecimal() else text}"


def spoken(name: str) -> str:
    """A component's or a unit's name as people write it."""
    return " ".join(_WORDS.get(word, word) for word in name.split("_"))


def _chip(a: Architecture) -> Box:
    chip, tile = _Parts(a, "chip"), _Parts(a, "tile")
    links = chip.acting() + [line for box in chip.besides() for line in box.lines]
    return Box(f"Chip: {numbers.count(a.crossbars, 'crossbar')}", [a.technology], [
        Box("off-chip links", [f"{_rate(a.off_chip.bandwidth)} together", *links], flow=False),
        _network(a, tile.take("flit_hop")), _tile(a, tile)])


def _network(a: Architecture, routers: Sequence[str]) -> Box:
    n = a.network
    made = wired(n, a.hierarchy.tiles)
    with asking(made, "shape"):
        shape = made.shape
    hop = f", {numbers.time(n.router_latency)} a hop" if n.router_latency else ""
    return Box("network", [f"{spoken(n.topology)}: {shape}", f"{n.link_bits}-bit links at {_clock(n.clock)}{hop}",
                           *([f"queues of {numbers.count(n.queue, 'flit')}"] if n.queue else []),
                           *(f"{router} a tile" for router in routers)])


def _tile(a: Architecture, parts: _Parts) -> Box:
    h, b = a.hierarchy, a.buffer
    inside = [
        _headed(parts.take("edram_access"), "buffer",
                f"{_size(b.size)}, {b.access_bits} bits each {numbers.time(b.access)}"),
        _headed(parts.take("bus_transfer"), "bus", f"{a.bus.wires} wires, {_rate(a.bus.bandwidth)}"),
        _ima(a), *(Box(name) for name in parts.take("or_access", "merge_add", "tile_or_access", "activation")),
        *(Box(name, ["where a layer asks for it"]) for name in parts.take("pool")),
        *(Box(name) for name in parts.acting())]
    inside += [Box("to the buffers of the consumers", ["in this tile, or over the network"]), *parts.besides()]
    return Box(f"Tile ×{h.tiles:,}", (), inside, h.tiles > 1, back=True)


def _ima(a: Architecture) -> Box:
    parts, h = _Parts(a, "ima"), a.hierarchy
    arrays, circuits = parts.take("cell_read"), parts.take("conversion", "sample", "fire", "interface", "buffer_write")
    before, after = ([Box(name) for name in parts.take(*actions)] for actions in (
        ("ir_access", "row_drive"), ("shift_add", "or_access")))
    sensed = _headed([*circuits, *parts.acting()], spoken(a.crossbar.sensing.unit), *_converters(a))
    return Box(f"IMA ×{h.imas_per_tile:,}", (), [
        *before, _crossbar(a, [name for name in arrays if name != _named("crossbar", h.crossbars_per_ima)]), sensed,
        *after, *parts.besides()], h.imas_per_tile > 1)


def _headed(names: Sequence[str], what: str, *says: str) -> Box:
    """A part named by its component, or by what it is where it has none or several."""
    if len(names) == 1 and names[0].startswith(f"{what} "):
        return Box(names[0], says)
    return Box(what, [*says, *names])


def _crossbar(a: Architecture, paid: Sequence[str]) -> Box:
    x, unit = a.crossbar, a.crossbar.operation_unit
    high, wide = (unit.rows, unit.columns) if unit else (x.rows, x.columns)
    return Box(_named("crossbar", a.hierarchy.crossbars_per_ima), [
        f"{x.rows} × {x.columns} cells of {numbers.count(x.cell_bits, 'bit')}",
        *([f"{high} × {wide} of them read at a time"] if unit else []),
        f"inputs: {numbers.count(x.dac_bits, 'bit')} a read of {numbers.time(unit.read if unit else x.read)}",
        *(["two arrays, subtracted in analog"] if x.subtraction == "analog" else []),
        *(["with a reference column"] if x.unit_column else []), *paid],
        many=a.hierarchy.crossbars_per_ima > 1, grid=(x.rows, x.columns, high, wide))


def _converters(a: Architecture) -> list[str]:
    """What the spec says of them, where the machine converts at all."""
    x = a.crossbar
    if not any(c.action == "conversion" for c in a.components.values()):
        return []
    own, _, shared = x.adcs_per_crossbar.partition("/")
    share = f"{own} for {shared} crossbars" if shared else f"{own} a crossbar"
    return [f"{numbers.count(x.adc_bits, 'bit')}, {numbers.time(x.conversion)} a conversion; {share}"]


# -- drawing --------------------------------------------------------------------------------------------------

def _draw(d: Drawing, box: Box, x: float, width: float, depth: int) -> None:
    """The box with its left upper corner at (x, d.y); moves d.y to its lower edge."""
    top, at = d.y, len(d.parts)
    icon = 64 if box.grid else 0
    room = width - 2 * _EDGE - icon
    d.y += 3
    for line in _folded([box.title], room, _LARGE):
        d.y += _STEP
        d.text(x + _EDGE, line, _LARGE, True)
    for line in _folded(box.lines, room, _SMALL):
        d.y += _STEP
        d.text(x + _EDGE, line)
    d.y += 6
    if box.grid:
        d.y = max(d.y, top + icon + 4)
        _array(d, x + width - icon, top + 8, box.grid)
    middles: list[float] = []
    for number, inner in enumerate(box.inside):
        if number:
            if inner.flow:
                d.arrow(x + width / 2, d.y, d.y + _GAP)
            d.y += _GAP if inner.flow else _EDGE
        before = d.y
        _draw(d, inner, x + _EDGE, width - 2 * _EDGE - (4 if inner.many else 0), depth + 1)
        middles += [] if inner.dashed else [(before + d.y) / 2]
    if box.back:
        d.loop(x + _EDGE, middles[-1], middles[0])
    if box.inside:
        d.y += _EDGE
    fill = _GREYS[min(depth, len(_GREYS) - 1)] if box.inside or box.grid else "#ffffff"
    behind = [d.box(x + n, top + n, width, d.y - top, fill) for n in ((5, 2.5) if box.many else ())]
    d.parts[at:at] = [*behind, d.box(x, top, width, d.y - top, fill, box.dashed)]
    d.y += 5 if box.many else 0


def _folded(lines: Iterable[str], width: float, size: float) -> list[str]:
    """Lines broken where they would be too wide."""
    return [part for line in lines for part in wrap(line, max(8, int(width / (size * _WIDE))))]


def _array(d: Drawing, x: float, y: float, grid: tuple[int, int, int, int]) -> None:
    """Word and bit lines; a read's share of them is grey, where it is not all."""
    rows, columns, high, wide = grid
    side, count = 52, 6
    if (high, wide) != (rows, columns):
        d.parts.append(f'<rect x="{x:g}" y="{y:g}" width="{max(9, side * wide / columns):g}" '
                       f'height="{max(9, side * high / rows):g}" fill="#777777"/>')
    step = side / count
    lines = "".join(f"M{x:g} {y + step * (n + 0.5):.4g}h{side}M{x + step * (n + 0.5):.4g} {y:g}v{side}"
                    for n in range(count))
    d.parts.append(f'<path d="{lines}" stroke="{_INK}" stroke-width="0.8" fill="none"/>')


_SAYS = {"read": "inputs leave the buffer", "transfer": "into the input registers", "compute": "on the crossbars",
         "merge": "sums of IMAs meet", "activate": "the output's value", "write": "into the consumers' buffers"}


def _pipeline(d: Drawing, a: Architecture) -> None:
    """The stages from top to bottom: role, unit, latency, each a step further right, as a window passes them."""
    p = a.pipeline
    whole = window(a, a.precision.weight_bits, a.precision.input_bits) + sum(stage.latency for stage in p.stages)
    d.y += _STEP
    d.text(_EDGE, "Pipeline", _LARGE, True)
    slots = f", on slots of {numbers.time(p.slot)}" if p.slot else ""
    for line in _folded([f"a full array's window of {a.precision.input_bits}-bit inputs: {numbers.time(whole)}{slots}"],
                        WIDTH - 2 * _EDGE, _SMALL):
        d.y += _STEP
        d.text(_EDGE, line)
    d.y += 6
    high = 2 * _STEP + 8
    for number, stage in enumerate(p.stages):
        x, top = _EDGE + 10 * number, d.y
        d.parts.append(d.box(x, top, WIDTH - 2 * _EDGE - 50, high, "#ffffff" if number % 2 else _GREYS[1]))
        d.y = top + _STEP + 2
        d.text(x + _EDGE, stage.role, _LARGE, True)
        d.text(x + 82, spoken(stage.unit))
        d.text(WIDTH - 2 * _EDGE - 50 + x - _EDGE, latency(a, number), anchor="end")
        d.y += _STEP
        d.text(x + 82, _SAYS[stage.role])
        d.y = top + high + 3


def latency(a: Architecture, number: int) -> str:
    """A stage's latency in words; of the crossbars, with the time a full array takes at the machine's precision."""
    stage = a.pipeline.stages[number]
    if stage.role != "compute":
        return numbers.time(stage.latency) if stage.latency else "cut through"
    busy = numbers.time(window(a, a.precision.weight_bits, a.precision.input_bits))
    return f"{busy} + {numbers.time(stage.latency)}" if stage.latency else busy


def _size(bits: int) -> str:
    """Bits as bytes; K = 1024."""
    for size, unit in ((2**23, "MB"), (2**13, "KB"), (2**3, "B")):
        if bits >= size:
            return f"{bits / size:,.4g} {unit}"
    return f"{bits} b"


def _rate(bits: int) -> str:
    return f"{bits / 8e9:,.4g} GB/s"


def _clock(hertz: int) -> str:
    return f"{hertz / 1e9:.4g} GHz" if hertz >= 10**9 else f"{hertz / 1e6:.4g} MHz"
