"""The answer to a request: the record of its run without what only pictures need, or some of its figures alone, or the
reason why it did not run."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from xbarch.errors import IncompatibleError, XbarchError
from xbarch.machine.kept import keep
from xbarch.plugins import checked
from xbarch.request import Contents, Request
from xbarch.result import words
from xbarch.result.joined import joined
from xbarch.result.record import record
from xbarch.result.result import Result, parse
from xbarch.result.run import Run
from xbarch.result.schema import Correctness, Record
from xbarch.run import Setup, execute_segments, perform, prepare

_PACKINGS = 2  # networks whose packings stay in memory; requests that share a packing are run one after the other
_PLANS = 64  # as many as a few policies of weight replication try
_GRAPHS = 4  # compiled plans, and their runs, for points that differ in prices
_UNDRAWN: dict[str, Any] = {"timeline": [], "layer_time": [], "interconnect": None}  # used by pictures only
Names = tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """Either what was measured or the reason why it was not."""

    why: str = ""
    """Why the request did not run, as a whole sentence with file and field; empty if it ran."""
    reason: str = ""
    """The sentence without file and field; if the data path cannot run the workload, the data path's own words."""
    error: str = ""
    """Class name of the error."""
    packed: bytes = b""
    """Compressed JSON: the record and the facts, or a list of the values of `names`."""
    names: Names | None = None
    """The figures that were kept, where it is not the whole record: numbers by their dotted path, and the last one in
    words whether the converters suffice."""

    @classmethod
    def of(cls, found: Record, run: Run) -> Answer:
        """Make the answer from a record and one of the runs it describes."""
        slim = found.model_copy(update=_UNDRAWN).document()
        return cls(packed=_packed({"record": slim, "facts": collect_facts(run)}))

    @classmethod
    def of_figures(cls, found: Record, names: Names) -> Answer:
        """Make the answer that keeps the numbers `names` of a record alone; one that the record lacks is null."""
        return cls.of_values([pick(found, name) for name in names[:-1]], words.exactness(found.correctness), names)

    @classmethod
    def of_values(cls, values: Sequence[float | None], converters: str, names: Names) -> Answer:
        """Make the answer of these values of the figures `names`. converters: in words, whether they suffice."""
        return cls(packed=_packed([*values, converters]), names=names)

    @classmethod
    def failed(cls, error: XbarchError) -> Answer:
        """Make the answer to a request that was refused or could not finish."""
        reason = error.reason if isinstance(error, IncompatibleError) else getattr(error, "message", str(error))
        return cls(why=str(error), reason=reason, error=type(error).__name__)

    @classmethod
    def lost(cls, why: str) -> Answer:
        """Make the answer to a request whose process died, each time. It is not final: the next bench tries again."""
        why = f"its process died, twice ({why})"
        return cls(why=why, reason=why, error=LOST)

    @property
    def short(self) -> str:
        """Why it did not run, for a table that names data path and workload anyway."""
        return self.reason if self.error == IncompatibleError.__name__ else self.why

    def _unpacked(self) -> Any:
        return _decode(zlib.decompress(self.packed).decode())[0]

    @property
    def result(self) -> Result:
        """The result of a request that ran and whose record was kept, without its timeline and interconnect."""
        return parse(self._unpacked()["record"])

    @property
    def facts(self) -> dict[str, Any]:
        """What `collect_facts` returned for such a request."""
        found: dict[str, Any] = self._unpacked()["facts"]
        return found

    def figures(self) -> dict[str, float]:
        """Return the numbers and truth values that were kept by their dotted path; empty if the request did not run."""
        return self.measured()[0]

    def measured(self, wanted: Names | None = None) -> tuple[dict[str, float], str]:
        """Return `figures()`, and in words whether the converters suffice; empty if the request did not run. wanted:
        the figures to return, of those that there are."""
        if self.why:
            return {}, ""
        found = self._unpacked()
        if self.names is not None:
            return {name: value for name, place in _places(self.names, wanted)
                    if (value := found[place]) is not None}, found[-1]
        said = found["record"].get("correctness")
        judged, numbers = None if said is None else Correctness.model_validate(said), collect_numbers(found["record"])
        return {name: numbers[name] for name in (numbers if wanted is None else wanted) if name in numbers}, \
            words.exactness(judged)


LOST = "LostError"
CONVERTERS = "converters"  # the last of the names: in words


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode  # twice as fast as `json.loads` on a short text


def _packed(content: Any) -> bytes:
    return zlib.compress(_encode(content).encode(), 6)


@lru_cache(maxsize=64)
def _places(names: Names, wanted: Names | None) -> list[tuple[str, int]]:
    """Return the figures that are wanted of these, with their places among the values of a short answer."""
    places = {name: place for place, name in enumerate(names[:-1])}
    return [(name, places[name]) for name in (places if wanted is None else wanted) if name in places]


@lru_cache(maxsize=64)
def names_of(wanted: tuple[str, ...]) -> Names:
    """Return the names of the figures that a short answer keeps: those wanted, and every other number that each record
    has in the same place."""
    return (*dict.fromkeys([*wanted, *_fixed(Record)]), CONVERTERS)


def _fixed(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield the dotted paths of the numbers of a model and of its parts, without those that pictures use."""
    for name, field in model.model_fields.items():
        if above + name in _UNDRAWN or above == "provenance.":
            continue
        for kind in getattr(field.annotation, "__args__", (field.annotation,)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _fixed(kind, f"{above}{name}.")
            elif kind in (int, float, bool):
                yield above + name


def pick(found: Record, name: str) -> float | None:
    """Return the number or truth value of a record at a dotted path; None if there is none."""
    value: Any = found
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else getattr(value, step, None)
    return value if isinstance(value, int | float) else None


def keep_latest() -> None:
    """Keep what the latest requests made in this process for those that follow."""
    keep(_PACKINGS, _PLANS, _GRAPHS)


def answer(request: Request, contents: Contents | None = None, wanted: Sequence[str] | None = None) -> Answer:
    """Run a request. Whatever goes wrong becomes its answer, so that one request cannot stop the others.

    contents: what was read for other requests. wanted: figures that are kept in place of the whole record.
    """
    keep_latest()
    try:
        if not request.reload:
            run = perform(compiled(prepare(request, contents)))
            return _kept(record(run, drawn=False), run, wanted)
        runs = execute_segments(request)
        assert request.batch is not None
        return _kept(joined(runs, request.batch), runs[0], wanted)
    except XbarchError as error:
        return Answer.failed(error)
    except Exception as error:
        return Answer.failed(XbarchError(f"{type(error).__name__}: {error} (a bug in xbarch; please report it)"))


def _kept(found: Record, run: Run, wanted: Sequence[str] | None) -> Answer:
    return Answer.of(found, run) if wanted is None else Answer.of_figures(found, names_of(tuple(wanted)))


def compiled(setup: Setup) -> Setup:
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
