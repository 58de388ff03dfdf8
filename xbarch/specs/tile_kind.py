"""One of several kinds of tile on a chip, as data."""

# Annotations are not postponed here: pydantic would compile each of hundreds anew at every start.
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from xbarch.specs.explain import guess, listed, shown
from xbarch.specs.model import Spec

Rule = Literal["rest", "linear", "rare", "short", "image"]
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
                            "ones; `rare`: those with the fewest output pixels per image, as many as the kind's "
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
