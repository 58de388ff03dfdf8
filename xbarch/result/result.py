"""A run's result: its record with what a reader does with it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from pydantic import ValidationError

from xbarch.errors import InputError
from xbarch.result import schema, summary
from xbarch.result.migrate import READABLE, RENAMED, migrated
from xbarch.result.schema import Record
from xbarch.specs.explain import explain, listed, shown, unknown
from xbarch.specs.text import brief, dotted
from xbarch.support.defaults import SCOPE, SCOPES, Scope
from xbarch.support.extras import needs
from xbarch.support.files import read_json, write

if TYPE_CHECKING:
    import pandas

_MOST = 2**26  # bytes of a saved record; a hundred images through a thousand layers take about 4 MB
Value = TypeVar("Value")


class _Of(Generic[Value]):
    """A field of the record as an attribute of the result."""

    def __set_name__(self, owner: type[Result], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, result: None, owner: type[Result]) -> _Of[Value]: ...
    @overload
    def __get__(self, result: Result, owner: type[Result]) -> Value: ...
    def __get__(self, result: Result | None, owner: type[Result]) -> _Of[Value] | Value:
        if result is None:
            return self
        value: Value = getattr(result.record, self.name)
        return value


@dataclass(frozen=True, repr=False)
class Result:
    """A run's record. Its parts are attributes, `result.throughput.images_per_second`, and values by dotted path,
    `result["throughput.images_per_second"]`; `docs/result.md` describes them field by field."""

    record: Record

    provenance = _Of[schema.Provenance]()
    architecture = _Of[schema.Architecture]()
    datapath = _Of[schema.Path]()
    workload = _Of[schema.Workload]()
    policy = _Of[str]()
    mode = _Of[str]()
    images = _Of[int]()
    mapping = _Of[schema.Mapping]()
    correctness = _Of["schema.Correctness | None"]()
    accuracy = _Of["schema.Accuracy | None"]()
    throughput = _Of[schema.Throughput]()
    latency = _Of[schema.Latency]()
    energy = _Of[schema.EnergyPerImage]()
    area = _Of[schema.Areas]()
    power = _Of[schema.Powers]()
    peak = _Of[schema.Peak]()
    effective = _Of[schema.Effective]()
    dense_equivalent = _Of[schema.DenseEquivalent]()
    utilization = _Of[schema.Utilization]()
    bound = _Of["schema.Bound | None"]()
    kinds = _Of["list[schema.TileKind] | None"]()
    waiting = _Of["schema.Waiting | None"]()
    counts = _Of[schema.Counts]()
    programming = _Of["schema.Programming | None"]()
    interconnect = _Of["schema.Interconnect | None"]()
    layer_time = _Of["list[schema.LayerTime]"]()
    timeline = _Of["list[schema.Span]"]()
    segments = _Of["list[schema.Segment] | None"]()

    @cached_property
    def data(self) -> dict[str, Any]:
        """The record as the plain values of `result.json`."""
        return self.record.document()

    def __getitem__(self, key: str) -> Any:
        """A plain value by its dotted path: result["energy.per_image_aj"].

        Raises:
            KeyError: the record has no such field; names the nearest.
        """
        value: Any = self.data
        for part in str(key).split("."):
            if not isinstance(value, Mapping) or part not in value:
                near = [RENAMED[key]] if key in RENAMED else get_close_matches(str(key), _names(self.data), 3)
                raise KeyError(f"no figure {brief(key)!r}; " + (f"did you mean {listed(near)}?" if near else
                                                               f"the parts are {listed(list(self.data), 'and')}"))
            value = value[part]
        return value

    @property
    def name(self) -> str:
        """Short title: workload, data path and architecture."""
        return summary.title(self.record)

    def __repr__(self) -> str:
        """One line: name, images/s, energy per image, accuracy."""
        return summary.line(self.record)

    def summary(self, scope: Scope = SCOPE, columns: int = summary.COLUMNS) -> str:
        """The main figures as text of at most 24 lines and 80 columns; of fewer columns, as many lines as they take.
        scope: of energy and TOPS/W.

        Raises:
            InputError: no such scope.
        """
        return summary.text(self.record, checked_scope(scope), columns)

    def _repr_html_(self) -> str:
        return summary.html(self.record)

    @cached_property
    def plot(self) -> Any:
        """Pictures as figures of matplotlib: `result.plot.energy()`, `timeline()`, `layers()`, `chip()`, `roofline()`;
        see `xbarch.render.plots.Plots`. What draws lies above what it draws, so it is found by name."""
        return import_module("xbarch.render.plots").Plots(self)

    def to_json(self) -> str:
        """The content of `result.json`."""
        return json.dumps(self.data, indent=1, sort_keys=True, allow_nan=False) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write `result.json` whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        return write(Path(path), self.to_json())

    def layers(self) -> pandas.DataFrame:
        """A row per layer: crossbars, copies, windows, energy (aJ). Needs pandas."""
        pd = _pandas()
        frame = pd.DataFrame(self["mapping.layers"]).set_index("name")
        return frame.assign(energy_aj=pd.Series(self.energy.by_layer_aj))

    def components(self, scope: Scope = "whole") -> pandas.DataFrame:
        """A row per component: energy per image (aJ) in the scope and area (mm²). Needs pandas."""
        pd = _pandas()
        return pd.DataFrame({"energy_aj": pd.Series(summary.components(self.record, checked_scope(scope))[1]),
                             "area_mm2": pd.Series(self.area.by_component_mm2)})


def checked_scope(scope: str) -> Scope:
    """A scope as it is.

    Raises:
        InputError: there is no such scope.
    """
    for known in SCOPES:
        if scope == known:
            return known
    raise InputError(unknown("scope", scope, SCOPES), field="scope")


def _pandas() -> Any:
    with needs("tables", "a table of layers or components"):
        import pandas
    return pandas


def _names(data: Mapping[str, Any], above: str = "") -> list[str]:
    """Dotted paths of all fields."""
    return [name for key, value in data.items() for name in (
        f"{above}{key}", *(_names(value, f"{above}{key}.") if isinstance(value, Mapping) else ()))]


def parse(data: object, file: object = None) -> Result:
    """A record from the plain values of `result.json`, of any schema in `READABLE`.

    Raises:
        InputError: a schema that this version does not read; a field is missing or of the wrong kind.
    """
    given = data.get("schema") if isinstance(data, dict) else data
    if not isinstance(data, dict) or given not in READABLE:
        raise InputError(f"must be {listed(READABLE)}, not {shown(given)}", file=file, field="schema")
    document = migrated(data)
    try:
        return Result(Record.model_validate(document))
    except ValidationError as error:
        message, trail = explain(error, document, Record)
        raise InputError(message, file=file, field=dotted(trail)) from None


def read(path: str | Path) -> Result:
    """A saved record: the file, or the folder with its `result.json`.

    Raises:
        InputError: as `parse`; the file cannot be read.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"must be a result.json or its folder, not {shown(path)}", field="path")
    path = Path(path)
    path = path / "result.json" if os.path.isdir(path) else path
    return parse(read_json(path, _MOST), path)
