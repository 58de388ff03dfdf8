"""The answer to a request: the record of its run without what a table does not need, or why there is none."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from xbarch.errors import IncompatibleError, XbarchError
from xbarch.mapping.packings import memo
from xbarch.plugins import guard
from xbarch.request import Contents, Request
from xbarch.result.joined import joined
from xbarch.result.record import record
from xbarch.result.result import Result, parse
from xbarch.result.run import Run
from xbarch.result.schema import Record
from xbarch.run import Setup, execute_segments, perform, prepare

_PACKINGS = 2  # networks whose packings stay in memory; requests that share one follow one another
_UNDRAWN: dict[str, Any] = {"timeline": [], "interconnect": None}  # what only pictures look at


@dataclass(frozen=True)
class Answer:
    """Either a record or a reason.

    why: why the request does not run, a whole sentence; empty if it ran.
    reason: the sentence without the place it is about; of a data path that cannot run the workload, its own sentence.
    error: name of the class of the error.
    packed: the record and the facts, as compressed JSON.
    """

    why: str = ""
    reason: str = ""
    error: str = ""
    packed: bytes = b""

    @classmethod
    def of(cls, found: Record, run: Run) -> Answer:
        """Of a record and one of the runs behind it."""
        slim = found.model_copy(update=_UNDRAWN).document()
        text = json.dumps({"record": slim, "facts": facts(run)}, allow_nan=False)
        return cls(packed=zlib.compress(text.encode(), 6))

    @classmethod
    def failed(cls, error: XbarchError) -> Answer:
        """Of a request that was refused or could not finish."""
        reason = error.reason if isinstance(error, IncompatibleError) else getattr(error, "message", str(error))
        return cls(why=str(error), reason=reason, error=type(error).__name__)

    @property
    def short(self) -> str:
        """Why it does not run, for a table that names the data path and the workload."""
        return self.reason if self.error == IncompatibleError.__name__ else self.why

    def _unpacked(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(zlib.decompress(self.packed))
        return found

    @property
    def result(self) -> Result:
        """The result, without its time line and interconnect; of a request that ran."""
        return parse(self._unpacked()["record"])

    @property
    def facts(self) -> dict[str, Any]:
        """What `facts` found; of a request that ran."""
        found: dict[str, Any] = self._unpacked()["facts"]
        return found

    def figures(self) -> dict[str, float]:
        """Every number and truth of the record by its dotted path; none if it did not run."""
        return {} if self.why else numbers(self._unpacked()["record"])


def answer(request: Request, contents: Contents | None = None) -> Answer:
    """Run a request. Whatever goes wrong is an answer too, so that no request ends the others.

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
        return Answer.failed(XbarchError(f"{type(error).__name__}: {error} (a mistake of xbarch; please report it)"))


def _compiled(setup: Setup) -> Setup:
    """The setup on the compiled engine where that can take it: the figures are the same, and it is loaded once for all
    requests."""
    if setup.request.engine != "auto" or setup.machine.processes:
        return setup
    return replace(setup, request=setup.request.changed(engine="fast"))


def facts(run: Run) -> dict[str, Any]:
    """What a comparison needs beside the record: ADC bits of the machine, the share of the tiles' area that the data
    path's own hardware takes, and the bits stored beside the weights of one copy."""
    machine, path = run.machine, run.path
    tiles, _, by = machine.areas(machine.tiles)
    with guard.asking(path, "index_bits"):
        index = sum(path.index_bits(p.blocks, p.layer, machine.geometry) for p in run.packed.values())
    return {"adc_bits": machine.geometry.adc_bits, "index_bits": int(index),
            "added": sum(by[a.name] for a in path.components(machine.geometry)) / tiles}


def numbers(found: Mapping[str, Any], above: str = "") -> dict[str, float]:
    """Every number and truth of a record that is not in a list, by its dotted path; not who made it."""
    made: dict[str, float] = {}
    for key, value in found.items():
        if isinstance(value, Mapping) and key != "provenance":
            made |= numbers(value, f"{above}{key}.")
        elif isinstance(value, int | float):
            made[above + key] = value
    return made
