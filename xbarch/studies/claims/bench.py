"""Runs for a report: stored workloads by name, every simulation once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

from xbarch.errors import CapacityError
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import dense_crossbars
from xbarch.mapping.plan import parse_policy
from xbarch.result.result import Result
from xbarch.run import build, choose, simulate
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import load
from xbarch.studies.claims.claim import ARCHITECTURE
from xbarch.support import bundled
from xbarch.workload.graph import Workload
from xbarch.workload.store import MANIFEST
from xbarch.workload.store import load as stored

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Job:
    """A simulation. datapath "": the workload's own. bits: of weights and activations, None the stored ones."""

    workload: str
    policy: str
    datapath: str = ""
    options: tuple[tuple[str, str], ...] = ()
    overrides: tuple[str, ...] = ()
    bits: int | None = None
    architecture: str = ARCHITECTURE


@dataclass
class Bench:
    """folder: where stored workloads lie, one folder each; None: those that come with xbarch."""

    folder: Path | None = None
    images: int = 8
    _networks: dict[tuple[str, int | None], Workload | None] = field(default_factory=dict)
    _results: dict[Job, Result | CapacityError] = field(default_factory=dict)

    def network(self, name: str, bits: int | None = None) -> Workload | None:
        """The stored workload, None where there is none. bits: stored in that many instead of its own; its numbers
        stay as they are, only their cells and phases grow."""
        if (name, bits) not in self._networks:
            place = (self.folder or bundled.folder("workloads")) / name
            if bits is not None:
                narrow = self.network(name)
                self._networks[name, bits] = narrow and widened(narrow, bits)
            else:
                self._networks[name, bits] = stored(place) if (place / MANIFEST).is_file() else None
        return self._networks[name, bits]

    def run(self, jobs: Iterable[Job], progress: Progress | None = None) -> None:
        """Simulate what is not yet simulated."""
        todo = [job for job in dict.fromkeys(jobs) if job not in self._results]
        for number, job in enumerate(todo):
            if progress is not None:
                progress(number, len(todo), f"{job.workload}, {job.policy}")
            try:
                self._results[job] = self._simulated(job)
            except CapacityError as error:
                self._results[job] = error
        if progress is not None:
            progress(len(todo), len(todo), "done")

    def result(self, job: Job) -> Result | CapacityError:
        """Of a job that was run; why not, where it did not fit."""
        self.run([job])
        return self._results[job]

    def machine(self, job: Job) -> Machine:
        """As built for the job's workload and data path."""
        network = self.network(job.workload, job.bits)
        assert network is not None
        path = choose(network, job.datapath or None, dict(job.options))
        return build(load(job.architecture, Architecture, job.overrides), network, path, job.policy)

    def _simulated(self, job: Job) -> Result:
        network = self.network(job.workload, job.bits)
        assert network is not None
        return simulate(job.architecture, network, policy=job.policy, images=self.images, chips=chips(job, network),
                        datapath=job.datapath or None, options=dict(job.options), overrides=job.overrides)


def chips(job: Job, network: Workload) -> int:
    """As many as hold the budget of a `crossbars` policy, else one."""
    factor = parse_policy(job.policy)[1]
    machine = Machine(load(job.architecture, Architecture, job.overrides))
    return max(1, ceil(factor * dense_crossbars(network, machine.geometry) / machine.crossbars))


def widened(network: Workload, bits: int) -> Workload:
    """The same network with `bits` for weights and activations; the image keeps its own."""
    image = network.layers[0].name
    layers = [la if la.name == image else replace(
        la, weight_bits=bits, output_bits=max(bits, la.output_bits),
        input_bits=la.input_bits if image in la.inputs else max(bits, la.input_bits)) for la in network.layers]
    return replace(network, name=f"{network.name} at {bits} bits", layers=tuple(layers))
