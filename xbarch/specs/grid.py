"""Grids of training recipes: networks x methods x points x seeds, each recipe the parts that it is merged from."""

from __future__ import annotations

import fnmatch
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xbarch.specs.explain import unknown
from xbarch.specs.load import Document
from xbarch.specs.merging import merged
from xbarch.specs.model import Spec
from xbarch.specs.recipe import Text
from xbarch.specs.text import Trail, brief

Word = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9]+$")]
MethodName = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Part = dict[str, Any]


class Method(Spec):
    """What all points of a method share, and what each has besides."""

    shared: Part
    networks: list[Word] | None = Field(None, min_length=1, max_length=100, description="those it is tried on; all if "
                                        "not given")
    points: dict[Word, Part] = Field(min_length=1, max_length=100)


class Grid(Spec):
    """Recipes NETWORK_METHOD_POINT: `recipe`, the network's part, the method's, the point's; later parts win. With
    `seeds` each of them once for every seed, NETWORK_METHOD_POINT_sSEED."""

    kind: Literal["grid"]
    description: Text = ""
    recipe: Part = Field(description="what all recipes share")
    networks: dict[Word, Part] = Field(min_length=1, max_length=100)
    methods: dict[MethodName, Method] = Field(min_length=1, max_length=100)
    seeds: list[Seed] | None = Field(None, min_length=1, max_length=1000, description="of every recipe; none: the "
                                     "recipes' own")
    stored: Literal["all", "first", "none"] = Field("all", description="networks that are stored: all, those of the "
                                                    "first seed, or none; of every other one a row of results.jsonl")
    without: dict[str, Text] = Field(default_factory=dict, description="recipes left out, as vgg16_forms_8x or "
                                                                       "vgg16_*, with the reason")

    @model_validator(mode="after")
    def _known(self) -> Grid:
        if self.stored == "first" and self.seeds is None:
            raise ValueError("stored: must be all or none for a grid without seeds, not first")
        for method, spec in self.methods.items():
            for network in spec.networks or ():
                if network not in self.networks:
                    raise ValueError(f"methods.{method}.networks: {unknown('network', network, self.networks)}")
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: must differ from each other, not {brief(self.seeds)}")
        names = self.names()
        for name in self.without:
            if not fnmatch.filter(names, name):
                raise ValueError(f"without.{name[:60]}: no recipe of this grid has that name; names are "
                                 f"NETWORK_METHOD_POINT{'_sSEED' if self.seeds else ''}")
        return self

    def stores(self, name: str) -> bool:
        """Whether the network of a recipe is stored, and not a row of what it keeps."""
        if self.stored == "first" and self.seeds is not None:
            return self.names()[name][3] == self.seeds[0]
        return self.stored == "all"

    def names(self) -> dict[str, tuple[str, str, str, int | None]]:
        """Network, method, point and seed of every recipe by its name, those left out too, networks first."""
        seeds: list[int | None] = [None] if self.seeds is None else [*self.seeds]
        return {f"{network}_{method}_{point}" + ("" if seed is None else f"_s{seed}"): (network, method, point, seed)
                for network in self.networks
                for method, spec in self.methods.items() if network in (spec.networks or self.networks)
                for point in spec.points for seed in seeds}


def members(grid: Grid, document: Document) -> dict[str, Document]:
    """The recipes by name, networks first; their values keep the lines they stand in.

    grid: of `document`.
    """
    found = {}
    for name, (network, method, point, seed) in grid.names().items():
        if any(fnmatch.fnmatchcase(name, left) for left in grid.without):
            continue
        data: Part = {}
        lines: dict[Trail, int] = {}
        for trail in (("recipe",), ("networks", network), ("methods", method, "shared"),
                      ("methods", method, "points", point)):
            data = _merge(data, lines, document, trail)
        if seed is not None:
            data["seed"] = seed
            lines[("seed",)] = document.lines.get(("seeds",), 1)
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
