"""Several kinds of tile on one chip: what each changes of the architecture, and the architecture that each is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from xbarch.specs.anchors import anchored, sourced
from xbarch.specs.chip import Chip
from xbarch.specs.explain import explain
from xbarch.specs.merging import merged, present
from xbarch.specs.text import Trail, dotted
from xbarch.specs.tile_kind import TileKind

SHARED = frozenset({"flit_hop", "global_access"})
"""Actions of what all tiles of a chip share: no kind of tile prices them."""
_CHANGES = ("crossbar", "hierarchy", "buffer", "bus", "components")
C = TypeVar("C", bound=Chip)


def refuse_kinds(a: Chip) -> None:
    """Refuse kinds of tile that do not make a chip.

    Raises:
        ValueError: which field, and why.
    """
    rest = [name for name, kind in a.kinds.items() if kind.takes == "rest"]
    if len(rest) != 1:
        raise ValueError(f"kinds: one kind must take the rest of the layers, not {', '.join(rest) or 'none'}; of "
                         "others, `takes` says which layers they take")
    if (found := sum(kind.tiles for kind in a.kinds.values())) != a.hierarchy.tiles:
        raise ValueError(f"kinds: the tiles of {', '.join(a.kinds)} must add up to hierarchy.tiles = "
                         f"{a.hierarchy.tiles}, not {found}")
    if a.processes:
        raise ValueError("processes: must be left out where a chip has several kinds of tile")
    for name, unit in a.units.items():
        if unit.level == "chip" or (unit.level == "tile" and unit.serves > 1):
            raise ValueError(f"units.{name}.level: must be crossbar, ima or one tile where a chip has several kinds of "
                             "tile, as no unit serves tiles of two kinds")
    for name, kind in a.kinds.items():
        _refuse_shared(a, name, kind)
        alone(a, name)


def _refuse_shared(a: Chip, name: str, kind: TileKind) -> None:
    """Refuse a change of what all tiles share."""
    if "tiles" in kind.hierarchy:
        raise ValueError(f"kinds.{name}.hierarchy.tiles: must be left out; kinds.{name}.tiles says how many there are")
    for part in ("buffer", "bus"):
        if "ideal" in getattr(kind, part):
            raise ValueError(f"kinds.{name}.{part}.ideal: must be left out; {part}.ideal holds for all kinds")
    for key, changed in kind.components.items():
        both = [a.components[key]] if key in a.components else []
        own = changed if isinstance(changed, Mapping) else {}
        levels = {own.get("level"), *(c.level for c in both)}
        actions = {own.get("action"), *(action for c in both for action in (c.action, *c.covers))}
        if "chip" in levels or actions & SHARED:
            raise ValueError(f"kinds.{name}.components: {key} must be left out; all tiles of the chip share it")


def alone(a: C, name: str) -> C:
    """The architecture of one kind of tile: a chip with the tiles of that kind only. Inherited prices follow what the
    kind changes, as those of a file that extends another one (`xbarch.specs.anchors`).

    Raises:
        ValueError: it is none; the message opens with the field at fault.
    """
    kind = a.kinds[name]
    below = present(a.model_dump(mode="json", by_alias=True, exclude={"kinds"}))
    over = {part: getattr(kind, part) for part in _CHANGES if getattr(kind, part)}
    whole = present(merged(below, over))
    stated = {key for key, c in kind.components.items() if isinstance(c, Mapping) and "source" in c}
    whole = sourced(below, whole if kind.prices == "restated" else anchored(below, whole), stated)
    whole["hierarchy"] = {**whole["hierarchy"], "tiles": kind.tiles}
    try:
        return type(a).model_validate(whole)
    except ValidationError as error:
        message, trail = explain(error, whole, type(a))
        at = _depth(kind.model_dump(), trail)
        rest = f"{dotted(trail[at:])}: " if at < len(trail) else ""
        raise ValueError(f"{dotted(('kinds', name, *trail[:at]))}: {rest}{message}") from None


def _depth(data: Any, trail: Trail) -> int:
    """How many steps of a trail the data have."""
    for number, step in enumerate(trail):
        if not isinstance(data, Mapping) or step not in data:
            return number
        data = data[step]
    return len(trail)


def placed(a: Chip, name: str, field: str) -> str:
    """The field of the architecture that is `field` of one kind of tile: the kind's own where it changes that."""
    top = tuple(field.split("."))[:2]
    own = name and _depth(a.kinds[name].model_dump(), top) == len(top)
    return f"kinds.{name}.{field}" if own else field


def kinds(a: C) -> dict[str, C]:
    """The architecture of each kind of tile of a chip, by name; of a chip with one kind, itself under an empty name."""
    return {name: alone(a, name) for name in a.kinds} or {"": a}
