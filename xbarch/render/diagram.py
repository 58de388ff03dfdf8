"""An architecture as a block diagram drawn from its spec: what lies in what, how often, and the way of the data; below
it the stages of its pipeline. The same bytes for the same spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xbarch.cost.nameplate import window
from xbarch.machine.payers import serving
from xbarch.plugins.guard import asking
from xbarch.plugins.registry import wired
from xbarch.render.boxes import EDGE, GAP, GREYS, LARGE, SMALL, STEP, WIDTH, Box, Drawing, draw, folded
from xbarch.specs.architecture import Architecture
from xbarch.specs.pipeline import SharedUnit, Stage
from xbarch.specs.tile_kinds import kinds
from xbarch.support import numbers

_WORDS = {"adc": "ADC", "dac": "DAC", "edram": "eDRAM"}


def diagram(architecture: Architecture) -> str:
    """The block diagram of an architecture and its pipeline, as SVG.

    Boxes lie in one another as the hardware does: chip, tile, IMA, crossbar. Components of a level stand in the order
    in which data pass them, by the action they are paid for; what draws constant power or belongs to no such action
    stands last, dashed. Counts are of one parent.
    """
    drawing = Drawing(y=EDGE)
    draw(drawing, _chip(architecture), EDGE, WIDTH - 2 * EDGE - 6, 0)
    drawing.y += GAP
    _pipeline(drawing, architecture)
    return drawing.svg(f"{architecture.name}: {architecture.summary}")


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
        _network(a, tile.take("flit_hop")), *_tiles(a, tile)])


def _network(a: Architecture, routers: Sequence[str]) -> Box:
    n = a.network
    made = wired(n, a.hierarchy.tiles)
    with asking(made, "shape"):
        shape = made.shape
    hop = f", {numbers.time(n.router_latency)} per hop" if n.router_latency else ""
    return Box("network", [f"{spoken(n.topology)}: {shape}", f"{n.link_bits}-bit links at {_clock(n.clock)}{hop}",
                           *([f"queues of {numbers.count(n.queue, 'flit')}"] if n.queue else []),
                           *(f"{router} per tile" for router in routers)])


def _tiles(a: Architecture, parts: _Parts) -> Iterator[Box]:
    """A tile of each kind."""
    for kind, own in kinds(a).items():
        if kind:
            parts = _Parts(own, "tile")
            parts.take("flit_hop")  # drawn with the network
        yield _tile(own, parts, f" {kind}" if kind else "")


def _tile(a: Architecture, parts: _Parts, kind: str) -> Box:
    h, b = a.hierarchy, a.buffer
    inside = [
        *([_headed(parts.take("edram_access", "edram_read", "edram_write"), "buffer",
                   f"{_size(b.size)}, {b.access_bits} bits per {numbers.time(b.access)}")] if b else []),
        _headed(parts.take("bus_transfer"), "bus", f"{a.bus.wires} wires, {_rate(a.bus.bandwidth)}"),
        _ima(a), *(Box(name) for name in parts.take("or_access", "merge_add", "tile_or_access", "activation")),
        *(Box(name, ["where a layer asks for it"]) for name in parts.take("pool")),
        *(Box(name) for name in parts.acting())]
    inside += [Box("to the buffers of the consumers", ["in this tile, or over the network"]), *parts.besides()]
    return Box(f"Tile{kind} ×{h.tiles:,}", (), inside, many=h.tiles > 1, back=True)


def _ima(a: Architecture) -> Box:
    parts, h = _Parts(a, "ima"), a.hierarchy
    arrays = parts.take("cell_read", "cell_level")
    circuits = parts.take("conversion", "sample", "fire", "interface", "buffer_write")
    before, after = ([Box(name) for name in parts.take(*actions)] for actions in (
        ("ir_access", "row_drive", "row_level"), ("shift_add", "or_access")))
    sensed = _headed([*circuits, *parts.acting()], spoken(a.crossbar.sensing.unit), *_converters(a))
    return Box(f"IMA ×{h.imas_per_tile:,}", (), [
        *before, _crossbar(a, [name for name in arrays if name != _named("crossbar", h.crossbars_per_ima)]), sensed,
        *after, *parts.besides()], many=h.imas_per_tile > 1)


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
        f"inputs: {numbers.count(x.dac_bits, 'bit')} per read of {numbers.time(unit.read if unit else x.read)}",
        *(["two arrays, subtracted in analog"] if x.subtraction == "analog" else []),
        *(["with a reference column"] if x.unit_column else []), f"unused bit lines: {x.unused}", *paid],
        many=a.hierarchy.crossbars_per_ima > 1, grid=(x.rows, x.columns, high, wide))


def _converters(a: Architecture) -> list[str]:
    """What the spec says of them, where the machine converts at all."""
    x = a.crossbar
    if not any(c.action == "conversion" for c in a.components.values()):
        return []
    own, _, shared = x.adcs_per_crossbar.partition("/")
    share = f"{own} for {shared} crossbars" if shared else f"{own} per crossbar"
    return [f"{numbers.count(x.adc_bits, 'bit')}, {numbers.time(x.conversion)} per conversion; {share}"]


_SAYS = {"read": "inputs leave the buffer", "transfer": "into the input registers", "drive": "onto the word lines",
         "compute": "on the crossbars", "convert": "sums become numbers", "merge": "sums of IMAs meet",
         "activate": "the output's value", "write": "into the consumers' buffers"}


def _pipeline(d: Drawing, a: Architecture) -> None:
    """The stages from top to bottom: role, who serves it, latency, each a step further right, as a window goes; of
    several kinds of tile, those of the first."""
    a = next(iter(kinds(a).values()))
    p = a.pipeline
    whole = window(a, a.precision.weight_bits, a.precision.input_bits) + sum(stage.latency for stage in p.stages)
    d.y += STEP
    d.text(EDGE, "Pipeline", LARGE, True)
    slots = f", on slots of {numbers.time(p.slot)}" if p.slot else ""
    for line in folded([f"a full array's window of {a.precision.input_bits}-bit inputs: {numbers.time(whole)}{slots}"],
                        WIDTH - 2 * EDGE, SMALL):
        d.y += STEP
        d.text(EDGE, line)
    for line in folded(["; ".join(moves(a))], WIDTH - 2 * EDGE, SMALL) if a.dataflow else []:
        d.y += STEP
        d.text(EDGE, line)
    d.y += 6
    high = 2 * STEP + 8
    for number, stage in enumerate(p.stages):
        x, top = EDGE + 10 * number, d.y
        d.parts.append(d.box(x, top, WIDTH - 2 * EDGE - 50, high, "#ffffff" if number % 2 else GREYS[1]))
        d.y = top + STEP + 2
        d.text(x + EDGE, spoken(stage.called), LARGE, True)
        d.text(x + 82, ", ".join(map(spoken, serving(a, stage))))
        d.text(WIDTH - 2 * EDGE - 50 + x - EDGE, latency(a, number), anchor="end")
        d.y += STEP
        d.text(x + 82, f"{_SAYS[stage.role]}{_sharing(a, stage)}")
        d.y = top + high + 3


def moves(a: Architecture) -> list[str]:
    """How data move where a machine says so, in words."""
    flow = a.dataflow
    if flow is None:
        return []
    kept = {"window": [], "new": ["a window brings in inputs that the one before did not have"],
            "once": ["a copy brings in every input once"]}[flow.input]
    held = [f"{_size(flow.registers)} of registers in a tile keep inputs"] if flow.registers else []
    return [*kept, *held, *(["an IMA drives an input once for all its crossbars"] if flow.drive == "ima" else []),
            *([f"{flow.stack} crossbars above one another are sensed together"] if flow.stack > 1 else [])]


def _sharing(a: Architecture, stage: Stage) -> str:
    """At which shared unit a stage takes place, in words."""
    unit = a.units.get(stage.unit or "")
    return f"; {spoken(stage.unit or '')} of {shared(unit)}" if unit else ""


def shared(unit: SharedUnit) -> str:
    """Who shares a unit, and how, in words."""
    whom = unit.level if unit.serves == 1 else f"{unit.serves} {unit.level.replace('ima', 'IMA')}s"
    return f"{'an IMA' if whom == 'ima' else f'a {whom}' if unit.serves == 1 else whom}, {_RULES[unit.rule]}"


_RULES = {"first_come": "first come, first served", "fixed_turns": "in fixed turns"}


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
