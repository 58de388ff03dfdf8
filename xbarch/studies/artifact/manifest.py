"""What a bundle says of itself: `bundle.json`."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from xbarch.errors import InputError
from xbarch.specs.explain import explain
from xbarch.specs.model import Spec
from xbarch.specs.text import dotted
from xbarch.support.files import read_json

NAME = "bundle.json"
INPUTS = "inputs"  # the folder that a bundle's requests start from: files lie in it as they lay in the working folder
_MOST = 2**24  # bytes of a manifest
_DIGEST = r"^[0-9a-f]{64}$"


def _inside(text: str) -> str:
    place = PurePosixPath(text)
    if not text or place.is_absolute() or ".." in place.parts or "\\" in text or ":" in text:
        raise ValueError("must be a path within the bundle")
    return text


Inside = Annotated[str, Field(max_length=1000), AfterValidator(_inside)]
Digest = Annotated[str, Field(pattern=_DIGEST)]


class Entry(Spec):
    """One result and what makes it."""

    name: str = Field(max_length=1000, description="title of the run")
    result: Inside = Field(description="the saved record")
    request: dict[str, Any] = Field(description="fields of `xbarch.Request`; paths start from the folder `inputs`")
    command: str = Field(max_length=100_000, description="the same as a command line, to be run in `inputs`")
    architecture: Digest = Field(description="SHA-256 of the architecture after its overrides")
    workload: Digest = Field(description="SHA-256 of the workload's manifest, or of its recipe")


class Bundle(Spec):
    """Everything that results depend on."""

    schema_: Literal["xbarch.bundle/1"] = Field("xbarch.bundle/1", alias="schema")
    xbarch: str = Field(max_length=100, description="version that made the results")
    code: Digest = Field(description="SHA-256 of that version's source text")
    python: str = Field(max_length=100)
    packages: dict[str, str] = Field(description="versions of the packages that compute", max_length=100)
    plugins: list[str] = Field([], max_length=1000, description="packages with their versions whose plugins were used")
    plugin_files: list[Inside] = Field([], max_length=1000, description="plugin files, loaded before the runs")
    runs: list[Entry] = Field(min_length=1, max_length=10_000)
    files: dict[Inside, Digest] = Field(max_length=100_000, description="SHA-256 of every other file of the bundle")

    def to_json(self) -> str:
        """The content of `bundle.json`."""
        return json.dumps(self.model_dump(by_alias=True), indent=1, ensure_ascii=False) + "\n"


def read_bundle(folder: Path) -> Bundle:
    """The manifest of the bundle in a folder.

    Raises:
        InputError: there is none, or it is not one.
    """
    file = folder / NAME
    if not file.is_file():
        raise InputError(f"is no bundle: it has no {NAME}; `xbarch bundle RESULT... --out DIR` makes one", file=folder)
    found = read_json(file, _MOST)
    try:
        return Bundle.model_validate(found)
    except ValidationError as error:
        message, trail = explain(error, found, Bundle)
        raise InputError(message, file=file, field=dotted(trail)) from None
