"""The requests of claims (folder of the workloads, number of images and chips) and their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from pathlib import Path
from typing import Any, Unpack, cast

from xbarch.cost.defaults import model_of
from xbarch.datapaths.records import Geometry
from xbarch.errors import CapacityError, XbarchError
from xbarch.machine.machine import Machine
from xbarch.mapping.pack import Packed, dense_crossbars
from xbarch.mapping.plan import parse_policy
from xbarch.parts.scaling.adc import Adc
from xbarch.plugins import registry
from xbarch.request import Choices, Request
from xbarch.result.result import Result
from xbarch.run import Setup, pack_network, prepare
from xbarch.specs.component import Scaled
from xbarch.studies.claims.claim import ARCHITECTURE, CONVERTER
from xbarch.studies.runs.bench import Bench
from xbarch.support import bundled
from xbarch.support.progress import Progress
from xbarch.workload.graph import Workload
from xbarch.workload.precision import at_bits
from xbarch.workload.store import MANIFEST

_Bits = tuple[int | None, int | None, int | None]  # bits, activation_bits and level_bits of a request
_STORED: _Bits = (None, None, None)


class Desk:
    """Makes the requests of a report and gets their results from a bench."""

    def __init__(self, bench: Bench, folder: Path | None = None, images: int | None = None) -> None:
        """Args:
            bench: runs the requests.
            folder: folder of the stored workloads, one folder each; None: the bundled ones.
            images: of every run; None: as many as a request has by default.
        """
        self.bench, self.folder = bench, folder or bundled.folder("workloads")
        self.given: dict[str, Any] = {} if images is None else {"images": images}
        self._networks: dict[tuple[str, _Bits], Workload | None] = {}

    @property
    def images(self) -> int:
        """Images of every run."""
        return int(self.given.get("images", Request.model_fields["images"].default))

    def network(self, name: str, bits: _Bits = _STORED) -> Workload | None:
        """Return a stored workload, or None if there is none."""
        if (name, bits) not in self._networks:
            place = self.folder / name
            found = self.bench.contents.workload(place) if (place / MANIFEST).is_file() else None
            self._networks[name, bits] = found and at_bits(found, *bits)
        return self._networks[name, bits]

    def workload(self, request: Request) -> Workload:
        """Return the workload of a request made here."""
        found = self.network(self.name(request), _bits(request))
        assert found is not None
        return found

    def name(self, request: Request) -> str:
        """Return the name of a request's workload in the report."""
        return Path(str(request.workload)).relative_to(self.folder).as_posix()

    def request(self, workload: str, architecture: str = ARCHITECTURE, **choices: Unpack[Choices]) -> Request:
        """Return the request of a stored workload, on as many chips as hold the budget of a `crossbars` policy, else on
        one. choices: as in a request; an empty policy or data path counts as not given."""
        given = {**self.given, **{name: value for name, value in choices.items() if value != ""}}
        made = Request(arch=architecture, workload=self.folder / workload, **cast(Any, given))
        factor, network = parse_policy(made.policy)[1], self.network(workload, _bits(made))
        if not factor or network is None:
            return made
        found = self.bench.contents.architecture(made)[0]
        return made.changed(chips=max(1, ceil(factor * dense_crossbars(network, Geometry.of(found.crossbar))
                                              / found.crossbars)))

    def setup(self, request: Request) -> Setup:
        """Return a request with its machine, data path and network."""
        return prepare(request, self.bench.contents)

    def machine(self, request: Request) -> Machine:
        """Return the machine as built for the request."""
        return self.setup(request).machine

    def packed(self, request: Request) -> Mapping[str, Packed]:
        """Return the network as packed for the request."""
        return pack_network(self.setup(request))

    def converter(self, request: Request) -> Adc:
        """Return the model by which the price of the converters follows their bits."""
        component = self.bench.contents.architecture(request)[0].components[CONVERTER]
        asked = component.scaling or Scaled(model=model_of(component))
        return cast(Adc, registry.scaled(asked, f"components.{CONVERTER}.scaling"))

    def run(self, requests: Iterable[Request], progress: Progress | None = None) -> None:
        """Run the requests that have no answer yet."""
        self.bench.run(requests, progress)

    def result(self, request: Request) -> Result:
        """Return the result of a request.

        Raises:
            CapacityError: it does not fit.
            XbarchError: it did not run for another reason.
        """
        answer = self.bench.answer(request)
        if answer.error == CapacityError.__name__:
            raise CapacityError(answer.reason)
        if answer.why:
            raise XbarchError(answer.why)
        return answer.result


def _bits(request: Request) -> _Bits:
    return request.bits, request.activation_bits, request.level_bits
