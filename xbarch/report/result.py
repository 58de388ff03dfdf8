"""The result record: one JSON document, the same bytes for the same input."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbarch.errors import InputError

if TYPE_CHECKING:
    import pandas

SCHEMA = "xbarch.result/1"


@dataclass(frozen=True)
class Result:
    """A run's record. `data` is the document that `docs/reference.md` describes field by field."""

    data: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        """A field by its dotted path: result["energy.per_image_aj"]."""
        value: Any = self.data
        for part in key.split("."):
            value = value[part]
        return value

    @property
    def name(self) -> str:
        """Short title: workload, data path and architecture."""
        return f"{self['workload.name']} · {self['datapath.name']} · {self['architecture.name']} · {self['policy']}"

    def to_json(self) -> str:
        return json.dumps(self.data, indent=1, sort_keys=True, allow_nan=False) + "\n"

    def save(self, path: Path) -> Path:
        """Write `result.json` whole or not at all.

        Raises:
            InputError: the place cannot be written.
        """
        return write(path, self.to_json())

    def layers(self) -> pandas.DataFrame:
        """Per layer table: crossbars, copies, windows, energy (aJ). Needs pandas."""
        import pandas as pd

        frame = pd.DataFrame(self["mapping.layers"]).set_index("name")
        return frame.assign(energy_aj=pd.Series(self["energy.by_layer_aj"]))

    def components(self) -> pandas.DataFrame:
        """Per component table: energy an image (aJ) and area (mm²). Needs pandas."""
        import pandas as pd

        return pd.DataFrame({"energy_aj": pd.Series(self["energy.by_component_aj"]),
                             "area_mm2": pd.Series(self["area.by_component_mm2"])})


def read(path: Path) -> Result:
    """A saved record.

    Raises:
        InputError: not a result of a schema this version reads.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read as a result ({type(error).__name__}), allowed a file that "
                         "`xbarch simulate --out` wrote", file=path) from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise InputError(f"found {str(found)[:40]!r}, allowed {SCHEMA!r}", file=path, field="schema")
    return Result(data)


def writable(folder: Path) -> None:
    """Refuse a folder that cannot be written, before a long run; makes nothing.

    Raises:
        InputError: the folder, or the nearest parent there is, is no folder one may write to.
    """
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError("cannot be written, allowed a folder you may write to", file=folder)


def write(path: Path, text: str | bytes) -> Path:
    """Write a file whole or not at all (a temporary file beside it, then a rename).

    Raises:
        InputError: the folder cannot be made or written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            temporary.write_bytes(text)
        else:
            temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)
        raise InputError(f"cannot be written ({error.strerror}), allowed a folder you may write to",
                         file=path) from None
    return path
