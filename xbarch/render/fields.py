"""The fields of `result.json` as a table, from the model alone; `python -m xbarch.render.fields` writes its page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from xbarch.result.quantities import Unit
from xbarch.result.schema import SCHEMA, Record

_TOP = f"""\
(resultjson)=
# result.json

Schema `{SCHEMA}`; [how it changes](schema.md). The same input gives the same bytes. `<name>` stands for a key
that depends on the run, `[]` for the items of a list. Energies and counts are per image: totals of the run divided by
its images, rounded down. Policies, modes, placements, actions and unit processes are in the [reference](reference.md).

In Python every field is an attribute, `result.throughput.images_per_second`, and a plain value by its path,
`result["throughput.images_per_second"]`. This page is written from the model by `python -m xbarch.render.fields`.

| Field | Unit | Definition |
|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """A field that is a value, not a part."""

    path: str
    unit: str
    definition: str


def rows(model: type[BaseModel] = Record, above: str = "") -> Iterator[Row]:
    """Every field of the model by its path in the document."""
    for name, info in model.model_fields.items():
        path = f"{above}{info.alias or name}"
        kind, mark, unit = _resolved(info.annotation, "", _unit(info.metadata))
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from rows(kind, f"{path}{mark}.")
        else:
            yield Row(path + mark, unit, _text(info, path))


def _resolved(hint: Any, mark: str, unit: str) -> tuple[Any, str, str]:
    """What a type holds in the end, the marks of lists and mappings on the way, and its unit."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _resolved(inside[0], mark, unit or _unit(inside[1:]))
    if origin is list:
        return _resolved(inside[0], mark + "[]", unit)
    if origin is dict:
        return _resolved(inside[1], mark + ".<name>", unit)
    if type(None) in inside:
        return _resolved(next(each for each in inside if each is not type(None)), mark, unit)
    return hint, mark, unit


def _unit(metadata: Any) -> str:
    return next((each.name for each in metadata if isinstance(each, Unit)), "")


def _text(info: FieldInfo, path: str) -> str:
    if not info.description:
        raise ValueError(f"{path} has no description")
    return info.description


def page() -> str:
    """The page of the documentation."""
    return _TOP + "".join(f"| `{row.path}` | {row.unit}{' ' * bool(row.unit)}| {row.definition} |\n" for row in rows())


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/result.md").write_text(page(), encoding="utf-8")
