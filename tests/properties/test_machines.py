"""Random small networks on random small machines: nothing but a refusal may go wrong, and every account must close.

The cases follow from their number, so a case that fails can be run alone: `case(number)`.
"""

import json
import os
from collections import Counter
from dataclasses import replace
from itertools import product
from math import ceil, log2
from random import Random

import numpy as np
import pytest
from rigs import owners

import xbarch
from xbarch.errors import InputError
from xbarch.result.record import record
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer, Workload
from xbarch.workload.networks import Net

CASES = int(os.environ.get("XBARCH_CASES", "80"))


# -- networks -------------------------------------------------------------------------------------------------------

def network(dice: Random) -> Net:
    """A chain of convolutions (strided, dilated, grouped, unpadded), pools, residual blocks and linear layers."""
    net = Net((dice.choice([1, 3, 4]), dice.randint(4, 9), dice.randint(4, 9)))
    at = convolution(net, dice, "conv", "input")
    for number in range(dice.randint(0, 4)):
        grow = dice.choice([convolution, convolution, residual, branches, pool])
        at = grow(net, dice, f"n{number}", at)
    if dice.random() < 0.3 and net.shape(at)[1] == net.shape(at)[2]:
        at = net.average("average", at)
    if dice.random() < 0.6:
        at = net.linear("fc", net.flatten("flatten", at), dice.randint(1, 40))
        if dice.random() < 0.3:
            net.linear("fc2", at, dice.randint(1, 20))
    return net


def convolution(net: Net, dice: Random, name: str, at: str, same: bool = False) -> str:
    channels, height, width = net.shape(at)
    groups = dice.choice([g for g in (1, 1, 1, 2, 4) if channels % g == 0])
    kernel = dice.choice([1, 2, 3, 3, 5]) if not same else dice.choice([1, 3, 5])
    dilation = 1 if same else dice.choice([1, 1, 2])
    span = (kernel - 1) * dilation + 1
    pad = kernel // 2 if same else dice.randint(0, span - 1)
    stride = 1 if same else dice.choice([1, 1, 2, 3])
    if min(height, width) + 2 * pad < span:
        kernel, pad, span, dilation = 1, 0, 1, 1
    out = tuple((n + 2 * pad - span) // stride + 1 for n in (height, width))
    filters = channels if same else groups * dice.randint(1, 24 // groups)
    return net._node(Layer(name=name, op="conv", inputs=(at,), in_shape=(channels, height, width),
                           out_shape=(filters, *out), kernel=(kernel, kernel), stride=(stride, stride),
                           padding=(pad, pad), dilation=(dilation, dilation), groups=groups, relu=True))


def pool(net: Net, dice: Random, name: str, at: str) -> str:
    _, height, width = net.shape(at)
    kernel = dice.randint(1, min(3, height, width))
    return net.pool(name, at, kernel, dice.randint(1, 3), dice.randint(0, kernel // 2),
                    dice.choice(["maxpool", "avgpool"]))


def residual(net: Net, dice: Random, name: str, at: str) -> str:
    """A block whose shortcut is the identity or a convolution; either may be the addition's first input."""
    main = at
    for number in range(dice.randint(1, 3)):
        main = convolution(net, dice, f"{name}_m{number}", main, same=True)
    short = convolution(net, dice, f"{name}_s", at, same=True) if dice.random() < 0.4 else at
    return net.add(f"{name}_add", *dice.sample([main, short], 2))


def branches(net: Net, dice: Random, name: str, at: str) -> str:
    """Additions that cross: any two earlier values of the block."""
    values = [at]
    for number in range(dice.randint(2, 5)):
        if dice.random() < 0.5:
            values.append(convolution(net, dice, f"{name}_b{number}", dice.choice(values), same=True))
        else:
            values.append(net.add(f"{name}_b{number}", dice.choice(values), dice.choice(values)))
    read = {source for layer in net.layers for source in layer.inputs}
    for number, value in enumerate(v for v in values[:-1] if v not in read):
        values.append(net.add(f"{name}_j{number}", values[-1], value))
    return values[-1]


def workload(dice: Random) -> Workload:
    """The network with random weights and, for half of them, a mask that leaves out whole groups."""
    weight_bits, input_bits = dice.choice([2, 4, 8]), dice.choice([1, 4, 8])
    masked, seed = dice.random() < 0.5, dice.randrange(1000)
    layers = []
    for position, layer in enumerate(network(dice).layers):
        layer = replace(layer, weight_bits=weight_bits, input_bits=input_bits, output_bits=input_bits)
        if layer.compute:
            generator = np.random.default_rng([seed, position])
            shape = (layer.filters, layer.in_shape[0] // layer.groups if layer.op == "conv" else layer.rows,
                     *layer.kernel)
            top = (1 << weight_bits - 1) - 1
            mask = np.broadcast_to(generator.random((*shape[:2], 1, 1)) < dice.choice([0, 0.2, 0.7]), shape)
            keep = mask if masked and layer.op == "conv" else np.ones(shape, bool)
            weights = (generator.integers(-top, top + 1, shape) * keep).astype(np.int8)
            layer = replace(layer, weights=lambda w=weights: w,
                            mask=(lambda m=keep: m) if masked and layer.op == "conv" else None)
        layers.append(layer)
    return Workload(name="random", layers=tuple(layers), datapath="meng" if masked else "dense",
                    options={"group_ch": 4} if masked else {})


# -- machines -------------------------------------------------------------------------------------------------------

def overrides(dice: Random) -> list[str]:
    """A machine of few small tiles, tight in one thing or another."""
    concentration, width, height = dice.choice([1, 2, 4]), dice.randint(1, 3), dice.randint(1, 3)
    most = concentration * width * height
    chosen = {
        "crossbar.rows": dice.choice([8, 16, 128]), "crossbar.columns": dice.choice([16, 32, 128]),
        "crossbar.cell_bits": dice.choice([1, 2, 4]), "crossbar.dac_bits": dice.choice([1, 1, 2]),
        "crossbar.unit_column": dice.choice(["true", "false"]),
        "crossbar.adcs_per_crossbar": dice.choice(["1", "1/8", "2"]),
        "hierarchy.tiles": dice.randint(1, most), "hierarchy.imas_per_tile": dice.choice([1, 3, 12]),
        "hierarchy.crossbars_per_ima": dice.choice([1, 2, 8]),
        "buffer.size": f"{dice.choice([1, 2, 8, 64])} KB", "buffer.access_bits": dice.choice([8, 256]),
        "bus.wires": dice.choice([16, 384]), "bus.bandwidth": f"{dice.choice([1, 10])} GB/s",
        "network.options": f"{{width: {width}, height: {height}, concentration: {concentration}}}",
        "network.link_bits": dice.choice([1, 32]), "off_chip.bandwidth": f"{dice.choice([0.1, 25.6])} GB/s",
        "pipeline.slot": dice.choice(["0 ns", "100 ns", "30 ns"]), "pipeline.ahead": dice.choice([1, 2, 5]),
    }
    ideal = [f"{part}.ideal=true" for part in ("buffer", "bus", "network", "off_chip") if dice.random() < 0.15]
    other = dice.choice([{}, {}, {"network.topology": "bus", "network.options": "{}"},
                         {"network.topology": "htree", "network.options": "{arity: 4}"}])
    queue = {"network.queue": dice.choice(["null", 40, 256])}
    return [f"{key}={value}" for key, value in {**chosen, **other, **queue}.items()] + ideal


def kinds(dice: Random, tiles: int, network: Workload) -> str:
    """Two or three kinds that differ in anything that a kind may change."""
    number = dice.randint(2, 3)
    cuts = sorted(dice.sample(range(1, tiles), number - 1))
    found = {}
    for name, first, end in zip("abc", [0, *cuts], [*cuts, tiles], strict=False):
        part = {
            "crossbar": {"rows": dice.choice([8, 16, 128]), "columns": dice.choice([16, 32, 128]),
                         "cell_bits": dice.choice([1, 2, 4]), "adcs_per_crossbar": dice.choice(["1", "1/8", "2"])},
            "hierarchy": {"imas_per_tile": dice.choice([1, 3, 12]), "crossbars_per_ima": dice.choice([1, 2, 8])},
            "buffer": {"size": f"{dice.choice([1, 8, 64])} KB", "access_bits": dice.choice([8, 256])},
            "bus": {"wires": dice.choice([16, 384])},
            "components": {"maxpool": {"area": "0.001 mm^2", "power": "1 mW", "source": "assumed: a test"}}}
        found[name] = {key: value for key, value in part.items() if dice.random() < 0.6} | {"tiles": end - first}
    names = [layer.name for layer in network.compute_layers]
    for name in list(found)[1:]:
        found[name]["takes"] = dice.choice(["linear", "rare", "short", "image", dice.sample(names, 1)])
    return f"kinds={json.dumps(found)}"


def case(number: int, several: bool = False, **choices):
    """("", run), or (the refusal, None). several: of a machine with several kinds of tile."""
    dice = Random(number)
    network = workload(dice)
    changes = overrides(dice)
    if several:
        tiles = 3 + number % 7
        changes = [text for text in changes if not text.startswith(("hierarchy.tiles", "network."))]
        changes += [f"hierarchy.tiles={tiles}", "network.options={width: 3, height: 3, concentration: 1}",
                    kinds(dice, tiles, network)]
    policy = dice.choice(["fit", "one_copy", "chip", "area", f"crossbars:{dice.randint(1, 12)}"])
    chips, images = dice.choice([1, 1, 2, 3]), dice.choice([1, 2, 3, 5])
    path = dice.choice([None, "dense"])
    options = {} if path or network.datapath == "dense" else {
        "side_by_side": dice.random() < 0.5, "diagonal": dice.random() < 0.5,
        "unroll": dice.choice(["im2col", "kernel_pos"])}
    replication = Random(-number).choice(["stripes", "stripes", "in_turn"])
    try:
        machine = load("isaac_like", Architecture, changes)
        return "", xbarch.execute(machine, network, policy=policy, images=images, chips=chips, datapath=path,
                                     options=options, **{"replication": replication} | choices)
    except InputError as refusal:
        return str(refusal), None


# -- laws -----------------------------------------------------------------------------------------------------------

def reads(run, name: str) -> Counter:
    """Actions of the crossbars an image costs, from the packed work alone."""
    packed = run.packed[name]
    work, windows = packed.work, packed.layer.windows
    each = work.reads * windows
    converted = int((each * work.columns).sum())
    return Counter(conversion=converted, sample=converted, shift_add=converted, row_drive=int((each * work.rows).sum()),
                   cell_read=int((each * work.cells).sum()), or_access=int(work.outputs.sum()) * windows)


def readers(run, name: str, copy: int) -> set[int]:
    """Tiles that read what a copy of a layer makes; no tile where nobody does."""
    plan, network, found, same = run.plan, run.workload, set(), {name}
    for layer in network.layers:
        if layer.op == "flatten":
            same |= {layer.name} if layer.inputs[0] in same else set()
            continue
        for index, source in enumerate(layer.inputs):
            if source in same and index == 0 and layer.name in plan.rides:
                found.add(plan.homes[layer.name][copy])
            elif source in same:
                found |= {p.tile for c in plan.parts[layer.name] for p in c} if layer.compute \
                    else set(plan.homes[layer.name])
    return found


def read(layer, window: tuple[int, int], height: int, width: int) -> set[tuple[int, int]]:
    """The pixels of an input that a window of the layer reads."""
    if layer.op == "add":
        return {window}
    if layer.op in ("linear", "flatten"):
        return set(product(range(height), range(width)))
    axes = [{at * s - p + tap * d for tap in range(k)} & set(range(size)) for at, s, p, k, d, size in zip(
        window, layer.stride, layer.padding, layer.kernel, layer.dilation, (height, width), strict=True)]
    return set(product(*axes))


def tiles_by_pixel(run, name: str, index: int) -> dict[tuple[int, int], set[int]]:
    """Tiles that read each pixel of an input of a layer whose copies own stripes."""
    plan, layer, found = run.plan, run.workload[name], {}
    own = owners(plan.shares[name])
    source = run.workload[plan.edges[name][index].producer]
    for window in product(range(layer.out_shape[1]), range(layer.out_shape[2])):
        copy = own[window]
        tiles = {p.tile for p in plan.parts[name][copy]} if layer.compute else {plan.homes[name][copy]}
        for pixel in read(layer, window, *source.out_shape[1:]):
            found.setdefault(pixel, set()).update(tiles)
    return found


def ways(run, name: str) -> Counter:
    """How many windows of the run are computed by each copy and go to the same tiles; (copy, tiles): windows."""
    plan, layer, images = run.plan, run.workload[name], run.graph.images
    copies = plan.copies[name]
    if name not in plan.shares:
        return Counter({(copy, frozenset(readers(run, name, copy))): len(range(copy, layer.windows * images, copies))
                        for copy in range(copies)})
    where = [tiles_by_pixel(run, consumer, index) for consumer, edges in plan.edges.items()
             for index, edge in enumerate(edges) if edge.producer == name]
    own, found = owners(plan.shares[name]), Counter()
    for pixel in product(range(layer.out_shape[1]), range(layer.out_shape[2])):
        tiles = frozenset().union(*(each.get(pixel, set()) for each in where))
        found[own[pixel], tiles] += images
    return found


def traffic(run) -> dict[str, Counter]:
    """Flit hops and eDRAM accesses of the whole run by layer: from places, routes and shapes, without the graph."""
    machine, plan, found = run.machine, run.plan, {}
    for layer in (la for la in run.workload.layers if la.op != "flatten"):
        total, read_at_all = Counter(), readers(run, layer.name, 0)
        for (copy, tiles_of_way), windows in ways(run, layer.name).items():
            each, results = Counter(), []  # of a window; (tile, outputs) where results come from
            if layer.compute:
                parts = [(p, [b for b in run.packed[layer.name].blocks if p.start <= b.crossbar < p.stop])
                         for p in plan.parts[layer.name][copy]]
                for part, blocks in parts:
                    inputs = len({int(i) for b in blocks for i in b.inputs})
                    port = machine.at(part.tile)
                    each[port.kind, "edram_access"] += -(-inputs * layer.input_bits // port.edram_bits)
                    mine = {int(t) for b in blocks for t in b.targets}
                    joined = [r for r in results if r[1] & mine]
                    if joined:
                        sums = -(-len(mine) * machine.sum_bits(layer) // machine.flit_bits)
                        each["", "flit_hop"] += sums * routers(machine, joined[0][0], {part.tile})
                        joined[0][1].update(mine)
                    else:
                        results.append((part.tile, mine))
            elif layer.op == "input":
                results.append((None, set(range(layer.out_shape[0]))))
            else:
                taps = layer.kernel[0] * layer.kernel[1] * len(layer.inputs)
                port = machine.at(plan.homes[layer.name][copy])
                words = -(-layer.out_shape[0] * taps * layer.input_bits // port.edram_bits)
                if averages(layer):  # pixel by pixel; sums are read but for the first, stored, read for the average
                    size = next(n for n in range(8, 64, 8) if ((1 << layer.input_bits) - 1) * taps < 1 << n
                                and layer.input_bits + ceil(log2(taps)) <= n)
                    pixel, sums = (-(-layer.out_shape[0] * bits // port.edram_bits)
                                   for bits in (layer.input_bits, size))
                    words = taps * (pixel + 2 * sums)
                each[port.kind, "edram_access"] += words
                results.append((plan.homes[layer.name][copy], set(range(layer.out_shape[0]))))
            for tile, outputs in results:
                bits = len(outputs) * layer.output_bits
                tiles = tiles_of_way if read_at_all else {tile or 0}
                for reader in map(machine.at, tiles):
                    each[reader.kind, "edram_access"] += -(-bits // reader.edram_bits)
                each["", "flit_hop"] += -(-bits // machine.flit_bits) * routers(machine, tile, tiles)
            total.update({action: count * windows for action, count in each.items()})
        found[layer.name] = total
    return found


def averages(layer) -> bool:
    """Whether a layer averages maps of several pixels whole."""
    return layer.op == "avgpool" and layer.out_shape[1:] == (1, 1) and layer.kernel == layer.in_shape[1:] != (1, 1) \
        and not any(layer.padding)


def routers(machine, source: int | None, tiles: set[int]) -> int:
    """Routers a flit passes from one tile, or the way into the chip, to several: each router of the tree once for
    every way out of it that is taken, to a neighbour or to a tile."""
    start = machine.network.gate() if source is None else machine.network.router(source)
    links = {link for tile in tiles for link in machine.network.path(start, machine.network.router(tile))}
    return sum(a[0] == b[0] for a, b in links) + len(tiles - {source})


def there(kind: str, action: str) -> str:
    """An action in tiles of a kind, as the ledger names it."""
    return f"{action}@{kind}" if kind else action


def close(found: int, right: int, kinds: list[str]) -> None:
    """Equal, but for what rounding down to an image loses in each kind of tile."""
    assert right - len(kinds) < found <= right, (found, right)


def held(run) -> Counter:
    """The most bits that each tile holds of the pixels for which all buffers have room."""
    plan, found = run.plan, Counter()
    for layer, i, edge in ((layer, i, e) for layer, edges in plan.edges.items() for i, e in enumerate(edges)):
        size = plan.capacity[layer, i]
        tiles = ({p.tile for copy in plan.parts[layer] for p in copy} if layer in plan.parts
                 else set(plan.homes[layer]))
        for tile in tiles:
            most = size
            if layer in plan.shares:
                reading, source = tiles_by_pixel(run, layer, i), plan.shares[edge.producer]
                order = [divmod(int(pixel), source.width) for pixel in source.order]
                kept = np.cumsum([0, *(tile in reading.get(p, ()) for p in order * (2 + size // len(order)))])
                most = int((kept[size:] - kept[:-size]).max())
            found[tile] += most * edge.words * edge.bits + edge.sums
    return found


def examine(run) -> None:
    """Everything that must hold whatever the dice said."""
    document = record(run).document()
    plan, machine, ledger = run.plan, run.machine, run.ledger
    # Time.
    least, most = run.bounds
    assert least <= run.trace.makespan <= most
    assert document["latency"]["first_image_ps"] <= run.trace.makespan
    # Energy.
    energy = document["energy"]
    assert sum(energy["by_component_aj"].values()) == energy["per_image_aj"] == energy["scopes_aj"]["whole"]
    assert sum(energy["by_layer_aj"].values()) == energy["dynamic_aj"]
    assert energy["scopes_aj"]["compute"] <= energy["scopes_aj"]["chip"] <= energy["scopes_aj"]["whole"]
    # Work: what crossbars do for an image depends on neither copies nor places.
    for name in run.packed:
        for action, count in reads(run, name).items():
            assert ledger.actions.get((name, there(machine.of(name).kind, action)), 0) == count, (name, action)
    for name, counts in traffic(run).items():
        for kind, action in {("", "flit_hop"), *((m.kind, "edram_access") for m in machine.each), *counts}:
            assert ledger.actions.get((name, there(kind, action)), 0) == counts[kind, action] // run.graph.images, (
                name, kind, action)
    for layer in run.workload.layers:
        kinds = [m.kind for m in machine.each]
        if layer.op == "maxpool":
            taps = layer.kernel[0] * layer.kernel[1]
            close(sum(ledger.actions.get((layer.name, there(kind, "pool")), 0) for kind in kinds),
                  layer.windows * layer.out_shape[0] * max(1, taps - 1), kinds)
        if layer.op == "add":
            close(sum(ledger.actions.get((layer.name, there(kind, "merge_add")), 0) for kind in kinds),
                  layer.windows * layer.out_shape[0], kinds)
    counts = document["counts"]
    assert counts["macs"] == sum(la.out_shape[1] * la.out_shape[2] * la.filters * la.rows
                                 for la in run.workload.compute_layers)
    assert counts["kept_macs"] <= counts["macs"]
    # Places: nothing overlaps or is lost, buffers fit and hold at least what cannot be done without.
    slots = Counter((p.tile, s) for copies in plan.parts.values() for copy in copies for p in copy
                    for s in range(p.slot, p.slot + p.crossbars))
    assert max(slots.values()) == 1 and len(slots) == plan.crossbars
    assert len({tile for tile, _ in slots}) <= plan.tiles
    for tile, slot in slots:  # placements may leave places empty between tiles
        assert 0 <= tile < machine.tiles
        assert slot < machine.at(tile).architecture.crossbars_per_tile
    assert all(machine.at(p.tile) is machine.of(layer) for layer, copies in plan.parts.items() for copy in copies
               for p in copy)
    assert plan.crossbars == sum(plan.copies[n] * p.crossbars for n, p in run.packed.items()) <= plan.budget
    assert all(plan.capacity[key] >= least for key, least in plan.least.items())
    assert all(bits <= machine.at(tile).architecture.buffer.size for tile, bits in held(run).items())
    # Shares.
    used = document["utilization"]
    assert 0 <= used["cells_chip"] <= used["cells"] <= 1 and 0 <= used["cells_zero"] <= used["cells"]
    assert all(la["busy"] <= 1 + 1e-9 for la in document["mapping"]["layers"]), document["mapping"]["layers"]
    assert used["crossbar_time"] <= 1 + 1e-9
    assert document["area"]["used_mm2"] <= document["area"]["total_mm2"] + 1e-9


@pytest.mark.quick(2)
@pytest.mark.parametrize("first", range(0, CASES, 10))
def test_random_machines_keep_every_account(first):
    """A refusal is an answer; anything else that is raised fails the test."""
    for number in range(first, min(first + 10, CASES)):
        refusal, run = case(number)
        if run is not None:
            try:
                examine(run)
            except AssertionError as error:
                raise AssertionError(f"case {number}: {error}") from error
        else:
            assert "must be" in refusal or "needs" in refusal or "fit" in refusal, (number, refusal)


@pytest.mark.quick(1)
@pytest.mark.parametrize("first", range(0, CASES, 10))
def test_random_chips_with_several_kinds_of_tile_keep_every_account(first):
    """The same accounts, kind by kind, and the same times by both engines."""
    for number in range(first, min(first + 10, CASES)):
        refusal, run = case(number, True, engine="fast")
        if run is None:
            assert "must be" in refusal or "needs" in refusal or "fit" in refusal, (number, refusal)
            continue
        try:
            examine(run)
        except AssertionError as error:
            raise AssertionError(f"case {number}: {error}") from error
        other = case(number, True, engine="simpy")[1]
        for each in ("issued", "done"):
            assert all(map(np.array_equal, getattr(run.trace, each), getattr(other.trace, each))), (number, each)


@pytest.mark.full
def test_most_cases_run():
    """The search would prove nothing if the machines refused nearly everything."""
    assert sum(case(number)[1] is not None for number in range(30)) >= 10
    assert sum(case(number, True)[1] is not None for number in range(30)) >= 10
