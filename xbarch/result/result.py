"""The result record: one JSON document, the same bytes for the same input."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from xbarch.errors import InputError
from xbarch.result.schema import SCHEMA, Record
from xbarch.specs.explain import explain, shown
from xbarch.specs.text import brief, dotted
from xbarch.support.extras import needs
from xbarch.support.files import read_json, write

if TYPE_CHECKING:
    import pandas

_MOST = 2**26  # bytes of a saved record; a hundred images through a thousand layers take about 4 MB


@dataclass(frozen=True)
class Result:
    """A run's record. `data` is the document that `docs/reference.md` describes field by field."""

    data: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        """A field by its dotted path: result["energy.per_image_aj"].

        Raises:
            KeyError: there is none; names the nearest there are.
        """
        value: Any = self.data
        for part in str(key).split("."):
            if not isinstance(value, Mapping) or part not in value:
                near = get_close_matches(str(key), _names(self.data), 3)
                raise KeyError(f"no figure {brief(key)!r}; " + (f"did you mean {' or '.join(near)}?" if near else
                                                               f"allowed {', '.join(self.data)} and what is in them"))
            value = value[part]
        return value

    @property
    def name(self) -> str:
        """Short title: workload, data path and architecture."""
        parts = [self["workload.name"], self["datapath.name"], self["architecture.name"],
                 *self["architecture.overrides"], self["policy"]]
        if self.data.get("mode", "pipelined") != "pipelined":
            parts.append(self["mode"])
        if (placed := (self.data.get("interconnect") or {}).get("placement", "row_major")) != "row_major":
            parts.append(placed)
        if self["architecture.chips"] > 1:
            parts.append(f"{self['architecture.chips']} chips")
        return " · ".join(parts)

    def to_json(self) -> str:
        return json.dumps(self.data, indent=1, sort_keys=True, allow_nan=False) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write `result.json` whole or not at all.

        Raises:
            InputError: the place cannot be written.
        """
        return write(Path(path), self.to_json())

    def layers(self) -> pandas.DataFrame:
        """Per layer table: crossbars, copies, windows, energy (aJ). Needs pandas."""
        pd = _pandas()
        frame = pd.DataFrame(self["mapping.layers"]).set_index("name")
        return frame.assign(energy_aj=pd.Series(self["energy.by_layer_aj"]))

    def components(self) -> pandas.DataFrame:
        """Per component table: energy an image (aJ) and area (mm²). Needs pandas."""
        pd = _pandas()
        return pd.DataFrame({"energy_aj": pd.Series(self["energy.by_component_aj"]),
                             "area_mm2": pd.Series(self["area.by_component_mm2"])})


def _pandas() -> Any:
    with needs("tables", "a table of layers or components"):
        import pandas
    return pandas


def _names(data: Mapping[str, Any], above: str = "") -> list[str]:
    """Dotted paths of all fields."""
    return [name for key, value in data.items() for name in (
        f"{above}{key}", *(_names(value, f"{above}{key}.") if isinstance(value, Mapping) else ()))]


def read(path: str | Path) -> Result:
    """A saved record: the file, or the folder with its `result.json`.

    Raises:
        InputError: not a result of a schema this version reads, or a field is missing or of the wrong kind.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"found {shown(path)}, allowed a result.json or its folder", field="path")
    path = Path(path)
    path = path / "result.json" if os.path.isdir(path) else path
    data = read_json(path, _MOST)
    found = data.get("schema") if isinstance(data, dict) else data
    if not isinstance(data, dict) or found != SCHEMA:
        raise InputError(f"found {shown(found)}, allowed {SCHEMA!r}", file=path, field="schema")
    try:
        Record.model_validate(data)
    except ValidationError as error:
        message, trail = explain(error, data, Record)
        raise InputError(message, file=path, field=dotted(trail)) from None
    return Result(data)
