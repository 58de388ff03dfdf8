"""The requests of claims: where workloads lie, how many images, how many chips; and their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from pathlib import Path
from typing import Any

from xbarch.datapaths.records import Geometry
from xbarch.errors import CapacityError, XbarchError
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import dense_crossbars
from xbarch.mapping.plan import parse_policy
from xbarch.request import Request, widen
from xbarch.result.result import Result
from xbarch.run import Setup, prepare
from xbarch.studies.claims.claim import ARCHITECTURE
from xbarch.studies.runs.bench import Bench, Progress
from xbarch.support import bundled
from xbarch.workload.graph import Workload
from xbarch.workload.store import MANIFEST


class Desk:
    """Makes the requests of a report and reads their results from a bench."""

    def __init__(self, bench: Bench, folder: Path | None = None, images: int | None = None) -> None:
        """folder: where stored workloads lie, one folder each; None: those that come with xbarch. images: of every run;
        None: as many as a request has."""
        self.bench, self.folder = bench, folder or bundled.folder("workloads")
        self.given: dict[str, Any] = {} if images is None else {"images": images}
        self._networks: dict[tuple[str, int | None], Workload | None] = {}

    @property
    def images(self) -> int:
        """Images in flight in every run."""
        return int(self.given.get("images", Request.model_fields["images"].default))

    def network(self, name: str, bits: int | None = None) -> Workload | None:
        """The stored workload, None where there is none. bits: as of a request."""
        if (name, bits) not in self._networks:
            if bits is not None:
                narrow = self.network(name)
                self._networks[name, bits] = narrow and widen(narrow, bits)
            else:
                place = self.folder / name
                self._networks[name, bits] = self.bench.contents.workload(place) if (place / MANIFEST).is_file() \
                    else None
        return self._networks[name, bits]

    def workload(self, request: Request) -> Workload:
        """The workload of a request that this desk made."""
        found = self.network(self.name(request), request.bits)
        assert found is not None
        return found

    def name(self, request: Request) -> str:
        """What the workload of a request is called here."""
        return Path(str(request.workload)).relative_to(self.folder).as_posix()

    def request(self, workload: str, policy: str = "", datapath: str = "", *,
                options: Mapping[str, Any] | None = None, overrides: tuple[str, ...] = (), bits: int | None = None,
                architecture: str = ARCHITECTURE) -> Request:
        """The request of a workload of this desk, on as many chips as hold the budget of a `crossbars` policy, else
        one. policy "": none is needed. datapath "": the workload's own."""
        given = {**self.given, **({"policy": policy} if policy else {})}
        made = Request(arch=architecture, workload=self.folder / workload, datapath=datapath or None,
                       options=dict(options or {}), overrides=overrides, bits=bits, **given)
        factor, network = parse_policy(made.policy)[1], self.network(workload, bits)
        if not factor or network is None:
            return made
        found = self.bench.contents.architecture(made)[0]
        return made.changed(chips=max(1, ceil(factor * dense_crossbars(network, Geometry.of(found.crossbar))
                                              / found.crossbars)))

    def setup(self, request: Request) -> Setup:
        """A request with its machine, data path and network."""
        return prepare(request, self.bench.contents)

    def machine(self, request: Request) -> Machine:
        """As built for the request's workload and data path."""
        return self.setup(request).machine

    def run(self, requests: Iterable[Request], progress: Progress | None = None) -> None:
        """Run what has no answer yet."""
        self.bench.run(requests, progress)

    def result(self, request: Request) -> Result:
        """The result of a request.

        Raises:
            CapacityError: it does not fit. XbarchError: whatever else refused it.
        """
        answer = self.bench.answer(request)
        if answer.error == CapacityError.__name__:
            raise CapacityError(answer.reason)
        if answer.why:
            raise XbarchError(answer.why)
        return answer.result
