"""The answer to a request: the record of its run without what only pictures need, or the reason why it did not run."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from xbarch.errors import IncompatibleError, XbarchError
from xbarch.mapping.packings import memo
from xbarch.plugins import checked
from xbarch.request import Contents, Request
from xbarch.result.joined import joined
from xbarch.result.record import record
from xbarch.result.result import Result, parse
from xbarch.result.run import Run
from xbarch.result.schema import Correctness, Record
from xbarch.run import Setup, execute_segments, perform, prepare

_PACKINGS = 2  # networks whose packings stay in memory; requests that share a packing are run one after the other
_UNDRAWN: dict[str, Any] = {"timeline": [], "interconnect": None}  # used by pictures only


@dataclass(frozen=True)
class Answer:
    """Either a record or the reason why there is none."""

    why: str = ""
    """Why the request did not run, as a whole sentence with file and field; empty if it ran."""
    reason: str = ""
    """The sentence without file and field; if the data path cannot run the workload, the data path's own words."""
    error: str = ""
    """Class name of the error."""
    packed: bytes = b""
    """The record and the facts, as compressed JSON."""

    @classmethod
    def of(cls, found: Record, run: Run) -> Answer:
        """Make the answer from a record and one of the runs it describes."""
        slim = found.model_copy(update=_UNDRAWN).document()
        text = json.dumps({"record": slim, "facts": collect_facts(run)}, allow_nan=False)
        return cls(packed=zlib.compress(text.encode(), 6))

    @classmethod
    def failed(cls, error: XbarchError) -> Answer:
        """Make the answer to a request that was refused or could not finish."""
        reason = error.reason if isinstance(error, IncompatibleError) else getattr(error, "message", str(error))
        return cls(why=str(error), reason=reason, error=type(error).__name__)

    @property
    def short(self) -> str:
        """Why it did not run, for a table that names data path and workload anyway."""
        return self.reason if self.error == IncompatibleError.__name__ else self.why

    def _unpacked(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(zlib.decompress(self.packed))
        return found

    @property
    def result(self) -> Result:
        """The result of a request that ran, without its timeline and interconnect."""
        return parse(self._unpacked()["record"])

    @property
    def correctness(self) -> Correctness | None:
        """Whether the converters of a request that ran suffice; None if an older version answered."""
        found = self._unpacked()["record"].get("correctness")
        return None if found is None else Correctness.model_validate(found)

    @property
    def facts(self) -> dict[str, Any]:
        """What `collect_facts` returned for a request that ran."""
        found: dict[str, Any] = self._unpacked()["facts"]
        return found

    def figures(self) -> dict[str, float]:
        """Return every number and truth value of the record by its dotted path; empty if the request did not run."""
        return {} if self.why else collect_numbers(self._unpacked()["record"])


def answer(request: Request, contents: Contents | None = None) -> Answer:
    """Run a request. Whatever goes wrong becomes its answer, so that one request cannot stop the others.

    contents: what was read for other requests.
    """
    memo.most = max(memo.most, _PACKINGS)
    try:
        if not request.reload:
            run = perform(_compiled(prepare(request, contents)))
            return Answer.of(record(run), run)
        runs = execute_segments(request)
        assert request.batch is not None
        return Answer.of(joined(runs, request.batch), runs[0])
    except XbarchError as error:
        return Answer.failed(error)
    except Exception as error:
        return Answer.failed(XbarchError(f"{type(error).__name__}: {error} (a bug in xbarch; please report it)"))


def _compiled(setup: Setup) -> Setup:
    """Return the setup with the compiled engine if that can run it: figures are the same, and loading the engine pays
    off over many requests."""
    if setup.request.engine != "auto" or setup.machine.processes:
        return setup
    return replace(setup, request=setup.request.changed(engine="fast"))


def collect_facts(run: Run) -> dict[str, Any]:
    """Return what a comparison needs besides the record: the machine's ADC bits, the share of the tiles' area taken by
    the data path's own hardware, and the index bits stored with the weights of one copy."""
    machine, path = run.machine, run.path
    tiles, _, by = machine.areas()
    index = sum(checked.index_bits(path, p.blocks, p.layer, machine.of(n).geometry) for n, p in run.packed.items())
    own = {added.name for each in machine.each for added in path.components(each.geometry)}
    return {"adc_bits": max(each.geometry.adc_bits for each in machine.each), "index_bits": index,
            "added": sum(by[name] for name in sorted(own)) / tiles}


def collect_numbers(found: Mapping[str, Any], above: str = "") -> dict[str, float]:
    """Return every number and truth value of a record by its dotted path, except those in lists and provenance."""
    made: dict[str, float] = {}
    for key, value in found.items():
        if isinstance(value, Mapping) and key != "provenance":
            made |= collect_numbers(value, f"{above}{key}.")
        elif isinstance(value, int | float):
            made[above + key] = value
    return made
