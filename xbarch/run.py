"""The straight road: load, build, pack, plan, compile, simulate, cost, record. One request goes in, one result out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Unpack

from xbarch.cost.nameplate import Nameplate, nameplate
from xbarch.datapaths.base import DataPath
from xbarch.errors import CapacityError, InputError
from xbarch.machine.alike import Compiled
from xbarch.machine.alike import compiled as compiled_alike
from xbarch.machine.alternatives import shortest
from xbarch.machine.balance import balance
from xbarch.machine.build import build
from xbarch.machine.egress import compile_with_egress
from xbarch.machine.impossible import refuse_impossible
from xbarch.machine.kept import Counts, comparable, graphs, machines, plans, plates, read, runs, shapes, timed
from xbarch.machine.machine import Machine
from xbarch.machine.periphery import Periphery
from xbarch.machine.simulate import Asked, may_repeat, refuse_many, simulate_graph
from xbarch.mapping import barriers, packings
from xbarch.mapping.kinds import part
from xbarch.mapping.pack import Packed, stream
from xbarch.mapping.packings import memo
from xbarch.mapping.placement import parse_placement, place_tiles, row_major
from xbarch.mapping.plan import Plan, first_fitting, plan
from xbarch.mapping.segments import cut, is_read_later
from xbarch.mapping.thin import thinned
from xbarch.mapping.traffic import traffic
from xbarch.plugins import checked, guard, registry
from xbarch.request import Choices, Contents, Request, to_request
from xbarch.result.ledger import booked, counted
from xbarch.result.record import record
from xbarch.result.result import Result
from xbarch.result.run import Run
from xbarch.result.schema import Measured, Record
from xbarch.result.tracing import placed, tracing
from xbarch.sim.check import check, countable
from xbarch.sim.engines import Ran
from xbarch.sim.graph import StageGraph
from xbarch.sim.modes import apply_mode
from xbarch.sim.periodic import Long
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import Document
from xbarch.specs.text import brief
from xbarch.support import defaults
from xbarch.support.progress import Progress, WindowProgress
from xbarch.workload.graph import Workload
from xbarch.workload.precision import at_bits

_log = logging.getLogger(__name__)


def simulate(arch: str | Path | Architecture | Request, workload: str | Path | Workload | None = None, *,
             trace: str | Path | None = None, progress: WindowProgress | None = None,
             **choices: Unpack[Choices]) -> Result:
    """Run a workload on an architecture and measure it: `simulate(request)`, or `simulate(arch, workload, ...)` with
    the fields of `xbarch.Request` as keywords (policy, images, chips, datapath, options, overrides, batch, placement,
    mode, engine, reload, bits, activation_bits, level_bits, density).

    Args:
        arch: a request, or an architecture: a path, a bundled name or a loaded one.
        workload: a stored workload or recipe: a path, a bundled name or a loaded one.
        trace: file (.csv or .csv.gz) that receives the times of every token at every stage while the simulation runs
            (see `xbarch.result.tracing.COLUMNS`).
        progress: called with (output pixels done, output pixels in all).

    Raises:
        InputError: the input is wrong.
        CapacityError: the workload does not fit on the machine.
        StuckError: the simulation deadlocks.
    """
    request = to_request(arch, workload, choices)
    if not request.reload:
        return _result(record(execute(request, trace=trace, progress=progress)), request)
    if trace is not None:
        raise InputError("--trace cannot be combined with --reload: each segment is a separate run", field="trace")
    from xbarch.result.joined import joined

    assert request.batch is not None
    return _result(joined(execute_segments(request, progress=progress), request.batch), request)


def _result(found: Record, request: Request) -> Result:
    """Return a record that says which request made it."""
    if (fields := request.fields()) is None:
        return Result(found)
    made = found.provenance.model_copy(update={"request": fields})
    return Result(found.model_copy(update={"provenance": made}))


def execute(arch: str | Path | Architecture | Request, workload: str | Path | Workload | None = None, *,
            trace: str | Path | None = None, progress: WindowProgress | None = None,
            **choices: Unpack[Choices]) -> Run:
    """Run a workload as `simulate` does and return what was made on the way: plan, stage graph, trace, ledger. The
    field `reload` is ignored (see `execute_segments`)."""
    request = to_request(arch, workload, choices)
    file = None if trace is None else placed(_path(trace))
    return perform(prepare(request), Watch(progress, file))


def ready(setup: Setup) -> tuple[Setup, dict[str, Packed]]:
    """Pack a prepared request, and size its machine for what runs on it if the request asks for that."""
    refuse_impossible(setup.network, setup.machine, setup.path)
    packed = pack_network(setup)
    return _balanced(setup, [(setup.network, packed, False)]), packed


def perform(setup: Setup, watch: Watch | None = None) -> Run:
    """Pack, plan, compile, simulate and cost a prepared request; measure its accuracy, if it asks for that."""
    sized, packed = ready(setup)
    measured = _accuracy(setup, packed)
    return replace(_perform(sized, setup.network, packed, Watch() if watch is None else watch), accuracy=measured)


def execute_segments(arch: str | Path | Architecture | Request, workload: str | Path | Workload | None = None, *,
                     progress: WindowProgress | None = None, **choices: Unpack[Choices]) -> list[Run]:
    """Run every segment of a network in turn (see `xbarch.mapping.segments`); there is one segment if the machine holds
    the whole network."""
    request = to_request(arch, workload, choices)
    setup = prepare(request)
    known: dict[tuple[str, int], Packed] = {}  # parts of one layer differ in their number of filters

    def packed(segment: Workload) -> dict[str, Packed]:
        for layer in segment.compute_layers:
            if (layer.name, layer.filters) not in known:
                part = replace(setup, network=replace(segment, layers=(layer,)))
                known[layer.name, layer.filters] = pack_network(part)[layer.name]
        return {layer.name: known[layer.name, layer.filters] for layer in segment.compute_layers}

    def fits(segment: Workload) -> str:
        if not segment.compute_layers:
            return ""

        def planned(replication: str) -> Plan:
            single = request.changed(policy="one_copy", placement="row_major", replication=replication)
            return _planned(replace(setup, request=single), segment, packed(segment))[0]

        try:
            refuse_impossible(segment, setup.machine, setup.path)
            first_fitting(planned, "in_turn", "in_turn" if request.replication == "in_turn" else "stripes")
        except CapacityError as error:
            return error.message
        return ""

    segments = cut(setup.network, fits)
    _log.info("the network runs in %d segments", len(segments))
    measured = None if request.accuracy is None else _accuracy(setup, pack_network(setup))
    parts = [(segment, packed(segment), is_read_later(setup.network, segment)) for segment in segments]
    sized = _balanced(setup, parts)
    return [replace(_perform(sized, segment, layers, Watch(progress), leaving), accuracy=measured)
            for segment, layers, leaving in parts]


def verify(arch: str | Path | Architecture | Request, workload: str | Path | Workload | None = None, *,
           lossless: bool = False, progress: Progress | None = None,
           **choices: Unpack[Choices]) -> list[dict[str, Any]]:
    """Execute the packed crossbars on the stored activations and compare with int64 arithmetic.

    Args:
        lossless: use ADCs of sufficient resolution instead of the architecture's.
        progress: called before each layer with (layers done, layers in all, the layer's name).

    Returns:
        One row per layer: layer, windows, mismatches (outputs that differ), error (sum of the differences' magnitudes
        over that of the outputs), clips (conversions that saturated), drops (conversions that lost low bits), max_sum
        (largest magnitude on a bit line), adc_bits.

    Raises:
        InputError: as in `simulate`; or the workload stores no activations.
    """
    return verify_prepared(prepare(to_request(arch, workload, choices)), lossless, progress)


def verify_prepared(setup: Setup, lossless: bool, progress: Progress | None = None) -> list[dict[str, Any]]:
    """`verify` of a prepared request."""
    refuse_impossible(setup.network, setup.machine, setup.path)
    with setup.blamed():
        setup.machine.refuse_stacked()
    from xbarch.functional.execute import verify as functional_verify

    packed, layers = pack_network(setup), setup.network.compute_layers
    found: list[dict[str, Any]] = []
    for number, layer in enumerate(layers):
        if progress is not None:
            progress(number, len(layers), layer.name)
        machine = setup.machine.of(layer.name)
        with guard.asking(setup.path, "contents", layer.name, limited=False):
            found += functional_verify(
                replace(setup.network, layers=(layer,)), machine.geometry, lambda la: packed[la.name].make(),
                adc_bits="lossless" if lossless else None, sensing=lambda la: packed[la.name].sensing)
    return found


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A request with the workload and data path it names, loaded, and the machine built for it."""

    request: Request
    architecture: Architecture
    """As published."""
    machine: Machine
    network: Workload
    path: DataPath
    source: Document | None
    """The file of the architecture; None for a loaded one."""
    chosen: Mapping[str, Any]
    """Options of the data path that were asked for."""

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Place errors about a field of the architecture in its file."""
        with (self.source or Document(f"architecture {self.machine.architecture.name}", {})).blamed():
            yield

    @property
    def draws_name(self) -> str:
        """The digest of all that a draw of devices and its accuracy depend on; empty where nothing is drawn."""
        if all(machine.imperfect is None for machine in self.machine.each):
            return ""
        r = self.request
        return Request(arch=r.arch, workload=r.workload, overrides=r.overrides, datapath=r.datapath, options=r.options,
                       bits=r.bits, activation_bits=r.activation_bits, level_bits=r.level_bits, density=r.density,
                       accuracy=r.accuracy).digest()


@dataclass(frozen=True)
class Watch:
    """What observes a run."""

    progress: WindowProgress | None = None
    trace: Path | None = None
    """File that receives the times of every token at every stage."""


def prepare(request: Request, contents: Contents | None = None) -> Setup:
    """Load what the request names and build the machine, once. contents: what was read before.

    Raises:
        InputError: something named does not exist, is refused or is too large to simulate.
        IncompatibleError: the data path cannot run the workload on these crossbars.
    """
    known = Contents() if contents is None else contents
    architecture, found = known.architecture(request)
    network = known.workload(request.workload)
    network = at_bits(network, request.bits, request.activation_bits, request.level_bits)
    with nullcontext() if found is None else found.blamed():
        if architecture.datapath is not None:
            registry.encoded(architecture.datapath)
        if architecture.kinds:
            _refuse_one_kind(request)
    path, chosen = known.datapath(request, architecture.datapath)
    with nullcontext() if found is None else found.blamed():
        machine = _machine(architecture, network, path, request)
        if request.density:
            network = thinned(network, path, lambda layer: machine.of(layer).geometry, request.density)
            machine = _machine(architecture, network, path, request)
    if not may_repeat(_asked(request), machine):
        refuse_many(request.images, sum(layer.windows for layer in network.layers), " where every image is simulated")
    return Setup(request=request, architecture=architecture, machine=machine, network=network, path=path, source=found,
                 chosen=chosen)


def _machine(architecture: Architecture, network: Workload, path: DataPath, request: Request) -> Machine:
    """The machine of a request; that of the run before, if it differs in nothing that a machine follows from."""
    def make() -> Machine:
        return build(architecture, network, path, request.policy, request.chips)

    if not machines.most:
        return make()
    made = machines.get((architecture, network, type(path)), (path.options, request.policy == "area", request.chips),
                        make)
    return made if comparable(made, path) else make()


def _refuse_one_kind(request: Request) -> None:
    """Refuse what a chip with several kinds of tile does not take."""
    if request.placement != defaults.PLACEMENT and parse_placement(request.placement) is not row_major:
        raise InputError("must be row_major on a chip with several kinds of tile, whose places are fixed",
                         field="placement")
    if request.periphery != defaults.PERIPHERY:
        raise InputError(f"must be {defaults.PERIPHERY} on a chip with several kinds of tile; state the sizes of each "
                         "kind in the architecture", field="periphery")


def pack_network(setup: Setup) -> dict[str, Packed]:
    """Pack every layer that has weights, once; refuse actions that no component prices and, of a data path that does
    not come with xbarch, blocks that break a law of its contract.

    Raises:
        InputError: the data path or the sensing unit breaks its contract, or a component is missing.
    """
    found: dict[str, Packed] = {}
    for machine in setup.machine.each:
        own = part(setup.network, setup.machine.on, machine.kind)
        found |= _packed(setup, machine, own)
    return {layer.name: found[layer.name] for layer in setup.network.compute_layers}


def _packed(setup: Setup, machine: Machine, network: Workload) -> dict[str, Packed]:
    """`pack_network` of the layers on tiles of one kind."""
    path, whole = setup.path, network is setup.network
    packed = (memo.packed if whole else packings.packed)(network, path, machine.geometry, machine.sensing)
    with setup.blamed():
        for name, layer in packed.items():
            machine.refuse_unpaid(path, name, layer)
    if not guard.is_builtin(path):
        from xbarch.functional.proof import prove

        added = {each.name for each in checked.hardware(path, machine.geometry)}
        paid = {action for name, c in machine.architecture.components.items() if name not in added
                for action in (c.action, *c.covers) if action is not None}
        for layer in packed.values():
            prove(path, layer, machine.geometry, stream(network, layer.layer, machine.geometry), paid)
    return packed


def _accuracy(setup: Setup, packed: Mapping[str, Packed]) -> Measured | None:
    """Measure the accuracy on this machine, if the request asks for it."""
    if setup.request.accuracy is None:
        return None
    with setup.blamed():
        setup.machine.refuse_stacked()
    from xbarch.result.accuracy import Sample, measure

    sample = Sample(setup.request.accuracy, setup.request.draws, name=setup.draws_name)
    return measure(setup.network, setup.path, setup.machine, packed, sample).part


def _planned(setup: Setup, network: Workload, packed: Mapping[str, Packed]) -> tuple[Plan, StageGraph]:
    """Plan the weight replication (copies) and the place of every layer; with the graph of one image whose outputs stay
    on the chip."""
    machine, request = setup.machine, setup.request
    paces = {la.name: machine.pace(la, packed.get(la.name)) for la in network.layers}
    dense, room = sum(machine.dense(network).values()), machine.room(network)

    def planned(replication: str, most: Fraction | None) -> Plan:
        return plans.get((network, *(p.layout for p in packed.values())), (
            paces, dense, room, request.policy, replication, most, [p.mean_occupancy for p in packed.values()]),
            lambda: plan(network, packed, paces, dense, room, request.policy, replication, most))

    def placed(plan: Plan) -> Plan:
        topology = machine.network.topology

        def make() -> Plan:
            return place_tiles(plan, request.placement, machine.network, request.chips,
                               lambda p: traffic(network, packed, p, machine.sum_bits))

        if machine.kinds or not guard.is_builtin(topology):
            return plan if machine.kinds else make()
        bits = [machine.sum_bits(layer) for layer in network.compute_layers]
        return plans.get((plan, network, type(topology), *(p.layout for p in packed.values())),
                         (request.placement, request.chips, topology.tiles, topology.options, bits), make)

    known: list[Compiled] = []
    if shapes.most and comparable(machine, setup.path) and not machine.kinds:
        known = shapes.get((network, *(part for p in packed.values() for part in (p.layout, p.work))), (
            timed(machine, sized=False), read(packed), request.placement), list)

    def compiled(plan: Plan) -> tuple[Plan, StageGraph]:
        with setup.blamed():
            return compiled_alike(known, machine, network, packed, plan, placed)

    return shortest(request.replication, planned, compiled)


def _balanced(setup: Setup, parts: Sequence[tuple[Workload, Mapping[str, Packed], bool]]) -> Setup:
    """Size the machine's shared parts for what runs on it, if the request asks for that. parts: networks that run one
    after another, with their packed layers and whether their outputs leave the chip."""
    request = setup.request
    if request.periphery == defaults.PERIPHERY:
        return setup

    def built(periphery: Periphery) -> Machine:
        with setup.blamed():
            return build(setup.architecture, setup.network, setup.path, request.policy, request.chips, periphery)

    def graphs(machine: Machine) -> Iterator[StageGraph]:
        on = replace(setup, machine=machine)
        for network, packed, leaving in parts:
            yield _compiled(on, network, packed, leaving, defaults.IMAGES)[1]

    return replace(setup, machine=balance(setup.architecture, built, graphs))


def _compiled(setup: Setup, network: Workload, packed: Mapping[str, Packed], leaving: bool,
              images: int) -> tuple[Plan, StageGraph]:
    """Plan packed layers and compile the plan; the plan and the graph of the run before, if that differs in prices
    alone. leaving: whether the outputs leave the chip."""
    def make() -> tuple[Plan, StageGraph]:
        planned, made = _planned(setup, network, packed)
        if not leaving:
            return planned, made.of(images)
        with setup.blamed():
            return planned, compile_with_egress(setup.machine, network, packed, planned, images)

    machine, request = setup.machine, setup.request
    if not graphs.most or not comparable(machine, setup.path):
        return make()
    return graphs.get((network, *(part for p in packed.values() for part in (p.layout, p.work))), (
        timed(machine), read(packed), request.policy, request.replication, request.placement, leaving, images), make)


@dataclass(frozen=True)
class Arranged:
    """A planned and compiled run, before it is simulated."""

    plan: Plan
    plain: StageGraph
    """As compiled."""
    graph: StageGraph
    """As it runs in the mode of the request."""
    drawn: StageGraph
    """The one that figures are counted by: of a batch the plain one."""


def arrange(setup: Setup, network: Workload, packed: Mapping[str, Packed], leaving: bool = False) -> Arranged:
    """Plan and compile packed layers for the mode of the request. leaving: whether the outputs leave the chip.

    Raises:
        CapacityError: the machine does not hold the copies, or the feature maps that the mode keeps.
    """
    machine, request = setup.machine, setup.request
    planned, plain = _compiled(setup, network, packed, leaving, request.images)
    if request.mode != "pipelined":
        barriers.require_room(planned, network, lambda tile: machine.at(tile).holds,
                              request.images if request.mode == "batch" else 1)
    graph = apply_mode(plain, request.mode)
    return Arranged(planned, plain, graph, plain if request.mode == "batch" else graph)


def _perform(setup: Setup, network: Workload, packed: Mapping[str, Packed], watch: Watch,
             leaving: bool = False) -> Run:
    """Plan, compile, simulate and cost packed layers. leaving: whether the outputs leave the chip."""
    machine, request = setup.machine, setup.request
    made = arrange(setup, network, packed, leaving)
    planned, plain, graph, drawn = made.plan, made.plain, made.graph, made.drawn

    def make() -> tuple[Long, Ran, Counts]:
        (check if leaving or graph is not plain else countable)(graph)  # the rest was checked when plans were compared
        with setup.blamed():
            machine.refuse_unpriced(graph)
        windows = {flow.name: flow.windows for flow in (*graph.flows, *plain.flows)}
        with nullcontext() if watch.trace is None else tracing(watch.trace, graph, windows) as sink:
            done, ran = simulate_graph(machine, graph, plain, _asked(request, watch.progress), sink)
        return done, ran, counted(drawn, done.trace)

    alike = watch.trace is None and comparable(machine, setup.path)
    done, ran, counts = runs.get((graph, plain), (request.mode, request.engine, sorted(machine.prices())),
                                 make) if alike else make()
    return Run(machine=machine, workload=network, path=setup.path, packed=packed, plan=planned, graph=drawn,
               trace=done.trace, steady=done.steady, bounds=done.bounds,
               ledger=booked(counts, drawn.images, machine.prices()),
               nameplate=plate_of(machine, network),
               overrides=request.overrides, chosen=setup.chosen, batch=request.batch, mode=request.mode,
               engine=ran.engine, why=ran.why)


def plate_of(machine: Machine, network: Workload) -> Nameplate:
    """The nameplate of a machine; that of the run before, if it is of the same one."""
    precision, kinds = machine.precision(network), [each.architecture for each in machine.each]
    return plates.get((machine.architecture, *kinds), precision,
                      lambda: nameplate(machine.architecture, *precision, kinds))


def _asked(request: Request, progress: WindowProgress | None = None) -> Asked:
    return Asked(request.mode, request.engine, request.images, progress)


def _path(trace: object) -> Path:
    if not isinstance(trace, str | Path):
        raise InputError(f"must be a path or None, not {brief(trace)}", field="trace")
    return Path(trace)
