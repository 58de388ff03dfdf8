"""Packets of given sizes between given tiles over a machine's real network, as a stage graph."""

from xbarch.machine.compile import Compiler
from xbarch.machine.emit import Stages
from xbarch.machine.machine import Machine
from xbarch.sim.graph import Flow, Pool, Stage, StageGraph
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.graph import Layer

CYCLE = 1000  # ps of a flit on isaac_like's links
LAYER = Layer(name="packet", op="input", inputs=(), in_shape=(1, 1, 1), out_shape=(1, 1, 1), output_bits=1)


def machine(topology, tiles, options, queue=None, latency=1):
    """isaac_like with other connections; latency: cycles a router."""
    return Machine(load("isaac_like", Architecture, [
        f"hierarchy.tiles={tiles}", f"network.topology={topology}", f"network.options={options}",
        f"network.queue={'null' if queue is None else queue}", f"network.router_latency={latency} ns"]))


def mesh(side, queue=None, latency=1):
    return machine("mesh", side * side, f"{{width: {side}, height: {side}}}", queue, latency)


def graph(made, sends, flits, gap, packets, port=None):
    """One flow a source. sends: (source, destinations), window j of the source goes to destination j mod their number;
    a packet every `gap` cycles (or so many for each window) until there are `packets`. Each is taken in at the speed of
    a link. port: flits of the queue between a source and the network, none without limit: a full one stops the source.
    """
    compiler, flows = Compiler(machine=made, workload=None, packed={}, plan=None), []
    bits, wait = flits * made.flit_bits, gap * CYCLE
    for source, targets in sends:
        room, copies = (), []
        if port is not None:
            room = ((len(compiler.pools), flits),)
            compiler.pools.append(Pool(f"port@{source}", port))
        for target in targets:
            built = Stages()
            last = built.add(Stage("make", compiler.server("source", str(source)), wait, wait, gate=True,
                                   room=room))
            hops, reached = made.network.tree(made.network.router(source), [made.network.router(target)])
            links = compiler.links(built, LAYER, hops, bits, last)
            at = reached[made.network.router(target)]
            built.add(Stage("take", compiler.server("sink", str(target)), flits * CYCLE, flits * CYCLE,
                            (links[at] if at >= 0 else last,)))
            copies.append(tuple(built.stages))
        flows.append(Flow(f"from{source}", packets, tuple(copies), (), 1))
    return StageGraph(tuple(compiler.servers), tuple(flows), 1, tuple(compiler.pools))

