"""Several kinds of tile on one chip: what each changes of the architecture, and the architecture that each is."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError

from xbarch.specs.anchors import anchored, sourced
from xbarch.specs.explain import explain, guess, listed, shown
from xbarch.specs.merging import merged, present
from xbarch.specs.model import Spec
from xbarch.specs.text import Trail, dotted

if TYPE_CHECKING:
    from xbarch.specs.architecture import Architecture

Rule = Literal["rest", "linear", "rare", "short", "image"]
SHARED = frozenset({"flit_hop", "global_access"})
"""Actions of what all tiles of a chip share: no kind of tile prices them."""
_CHANGES = ("crossbar", "hierarchy", "buffer", "bus", "components")
Part = Annotated[dict[str, Any], Field(max_length=200)]


def _taken(value: object) -> object:
    rules, names = get_args(Rule), isinstance(value, list) and value and all(isinstance(name, str) for name in value)
    if value not in rules and not names:
        raise ValueError(f"must be {listed(rules)}, or a list of one layer's name or several, not {shown(value)}"
                         f"{guess(value, rules) if isinstance(value, str) else ''}")
    return value


class TileKind(Spec):
    """Tiles of one kind: what they change of the architecture's; they share the rest."""

    tiles: int = Field(ge=1, le=65536, description="tiles of this kind per chip; those of all kinds make "
                                                   "hierarchy.tiles")
    takes: Annotated[Rule | list[str], BeforeValidator(_taken)] = Field(
        "rest", description="the layers that run here: a rule, or a list of their names. `linear`: the fully connected "
                            "ones; `rare`: those with the fewest output pixels an image, as many as the kind's "
                            "crossbars hold; `short`: those whose filters have no more weights than a crossbar word "
                            "lines; `image`: those that read the image; `rest`: those that no other kind takes. A list "
                            "goes before a rule, and an earlier kind before a later one")
    crossbar: Part = Field({}, description="fields of `crossbar` that differ")
    hierarchy: Part = Field({}, description="of `hierarchy`: imas_per_tile, crossbars_per_ima")
    buffer: Part = Field({}, description="fields of `buffer` that differ")
    bus: Part = Field({}, description="fields of `bus` that differ")
    components: Part = Field({}, description="components that differ, field by field; null: the kind has none")
    prices: Literal["scaled", "restated"] = Field(
        "scaled", description="scaled: inherited prices follow what the kind changes; restated: they hold as they "
                              "stand")


def refuse_kinds(a: "Architecture") -> None:
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


def _refuse_shared(a: "Architecture", name: str, kind: TileKind) -> None:
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


def alone(a: "Architecture", name: str) -> "Architecture":
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


def placed(a: "Architecture", name: str, field: str) -> str:
    """The field of the architecture that is `field` of one kind of tile: the kind's own where it changes that."""
    top = tuple(field.split("."))[:2]
    own = name and _depth(a.kinds[name].model_dump(), top) == len(top)
    return f"kinds.{name}.{field}" if own else field


def kinds(a: "Architecture") -> dict[str, "Architecture"]:
    """The architecture of each kind of tile of a chip, by name; of a chip with one kind, itself under an empty name."""
    return {name: alone(a, name) for name in a.kinds} or {"": a}
