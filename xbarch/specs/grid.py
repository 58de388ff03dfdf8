"""Grids of training recipes: networks x methods x points, each recipe the parts that it is merged from."""

from __future__ import annotations

import fnmatch
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xbarch.specs.explain import unknown
from xbarch.specs.load import Document
from xbarch.specs.merging import merged
from xbarch.specs.model import Spec
from xbarch.specs.recipe import Text
from xbarch.specs.text import Trail

Word = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9]+$")]
MethodName = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$")]
Part = dict[str, Any]


class Method(Spec):
    """What all points of a method share, and what each has besides."""

    shared: Part
    networks: list[Word] | None = Field(None, min_length=1, max_length=100, description="those it is tried on; all if "
                                        "not given")
    points: dict[Word, Part] = Field(min_length=1, max_length=100)


class Grid(Spec):
    """Recipes NETWORK_METHOD_POINT: `recipe`, the network's part, the method's, the point's; later parts win."""

    kind: Literal["grid"]
    description: Text = ""
    recipe: Part = Field(description="what all recipes share")
    networks: dict[Word, Part] = Field(min_length=1, max_length=100)
    methods: dict[MethodName, Method] = Field(min_length=1, max_length=100)
    without: dict[str, Text] = Field(default_factory=dict, description="recipes left out, as vgg16_forms_8x or "
                                                                       "vgg16_*, with the reason")

    @model_validator(mode="after")
    def _known(self) -> Grid:
        for method, spec in self.methods.items():
            for network in spec.networks or ():
                if network not in self.networks:
                    raise ValueError(f"methods.{method}.networks: {unknown('network', network, self.networks)}")
        names = self.names()
        for name in self.without:
            if not fnmatch.filter(names, name):
                raise ValueError(f"without.{name[:60]}: no recipe of this grid has that name; names are "
                                 "NETWORK_METHOD_POINT")
        return self

    def names(self) -> dict[str, tuple[str, str, str]]:
        """Network, method and point of every recipe by its name, those left out too, networks first."""
        return {f"{network}_{method}_{point}": (network, method, point) for network in self.networks
                for method, spec in self.methods.items() if network in (spec.networks or self.networks)
                for point in spec.points}


def members(grid: Grid, document: Document) -> dict[str, Document]:
    """The recipes by name, networks first; their values keep the lines they stand in.

    grid: of `document`.
    """
    found = {}
    for name, (network, method, point) in grid.names().items():
        if any(fnmatch.fnmatchcase(name, left) for left in grid.without):
            continue
        data: Part = {}
        lines: dict[Trail, int] = {}
        for trail in (("recipe",), ("networks", network), ("methods", method, "shared"),
                      ("methods", method, "points", point)):
            data = _merge(data, lines, document, trail)
        found[name] = Document(document.file, {**data, "kind": "trained"}, lines)
    return found


def _merge(data: Part, lines: dict[Trail, int], document: Document, trail: Trail) -> Part:
    """The mapping at `trail` of the document over `data`, key by key."""
    part: Any = document.data
    for step in trail:
        part = part[step]
    for at, line in document.lines.items():
        if at[:len(trail)] == trail:
            lines[at[len(trail):]] = line
    return merged(data, part)
