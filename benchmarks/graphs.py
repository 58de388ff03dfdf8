"""Stage graphs to measure engines on: of stored workloads, of chains of layers, without contention."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.spent import cpu
from xbarch.machine.build import build, buildable
from xbarch.machine.compile import compile_graph
from xbarch.mapping.pack import dense_crossbars
from xbarch.mapping.packings import memo
from xbarch.mapping.plan import Plan, plan
from xbarch.plugins import registry
from xbarch.sim.graph import Flow, Server, Stage, StageGraph
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.workload.find import resolve
from xbarch.workload.graph import Workload
from xbarch.workload.networks import Net

ARCHITECTURE = "isaac_like"


@dataclass(frozen=True)
class Made:
    """A stage graph with its plan, and CPU seconds of every step before it."""

    graph: StageGraph
    plan: Plan
    before: dict[str, float]


def made(workload: str | Workload, *, images: int = 1, chips: int = 1, policy: str = "fit") -> Made:
    """The stage graph that a run of the workload on `isaac_like` would simulate, packets and all."""
    def ready():
        network = workload if isinstance(workload, Workload) else resolve(workload)
        path = registry.datapath(network.datapath, network.options)
        architecture = load(ARCHITECTURE, Architecture, (), check=buildable)
        return network, path, build(architecture, network, path, policy, chips)

    def planned():
        paces = {la.name: machine.pace(la, packed.get(la.name)) for la in network.layers}
        return plan(network, packed, paces, dense_crossbars(network, machine.geometry), machine.room(), policy)

    loading, (network, path, machine) = cpu(ready)
    packing, packed = cpu(lambda: memo.packed(network, path, machine.geometry, machine.sensing))
    planning, placed = cpu(planned)
    compiling, graph = cpu(lambda: compile_graph(machine, network, packed, placed, images))
    return Made(graph, placed, {"load": loading, "pack": packing, "plan": planning, "compile": compiling})


def chain(layers: int, size: int, channels: int = 256) -> Workload:
    """Convolutions of 3 x 3, one after the other, on size x size pixels; dense, without weights: timing asks for
    none."""
    net = Net((channels, size, size))
    at = "input"
    for number in range(layers):
        at = net.conv(f"conv{number + 1}", at, channels)
    return Workload(name=f"chain of {layers} layers at {size}x{size}", layers=tuple(net.layers))


def uncontended(graph: StageGraph) -> StageGraph:
    """The same work where nobody waits for anybody else: every stage that shares its server gets one of its own, and
    none takes room of a pool. What a stage waits for is its input, its buffers and its own tokens."""
    servers, taken = list(graph.servers), set[int]()

    def alone(stage: Stage) -> Stage:
        number = stage.server
        if number in taken:
            number = len(servers)
            servers.append(Server(f"{graph.servers[stage.server].name}+{number}", graph.servers[stage.server].kind))
        if number >= 0:
            taken.add(number)
        return replace(stage, server=number, room=())

    flows = [replace(flow, copies=tuple(tuple(alone(stage) for stage in copy) for copy in flow.copies))
             for flow in graph.flows]
    return replace(graph, servers=tuple(servers), flows=tuple(flows), pools=())


def shared(graph: StageGraph) -> int:
    """Servers that more than one stage uses."""
    users = Counter(s.server for flow in graph.flows for copy in flow.copies for s in copy if s.server >= 0)
    return sum(count > 1 for count in users.values())


def varied(graph: StageGraph, seed: int = 0) -> StageGraph:
    """The same graph where what a window takes at the crossbars depends on its data: of every image anew, drawn
    evenly between half of the time and all of it."""
    random = np.random.default_rng(seed)

    def drawn(flow: Flow) -> Flow:
        share = random.integers(500, 1001, graph.images * flow.windows)
        known: dict[tuple[bytes, bytes], tuple[np.ndarray, np.ndarray]] = {}  # copies are alike, as a run's are

        def one(stage: Stage) -> Stage:
            if not stage.gate:
                return stage
            key = np.asarray(stage.occupancy).tobytes(), np.asarray(stage.latency).tobytes()
            if key not in known:
                whole = np.resize(stage.occupancy, len(share)).astype(np.int64)
                held = whole * share // 1000
                latency = np.resize(stage.latency, len(share)).astype(np.int64)
                known[key] = held, np.maximum(latency - (whole - held), 0)
            occupancy, latency = known[key]
            return replace(stage, occupancy=occupancy, latency=latency)

        return replace(flow, copies=tuple(tuple(map(one, copy)) for copy in flow.copies))

    return replace(graph, flows=tuple(map(drawn, graph.flows)))
