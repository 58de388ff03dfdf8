"""The bases of everything that a user states in YAML or writes as a plugin: strict models, options, plugins."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, cast

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar


class Spec(BaseModel):
    """Base of all models of plain data: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False,
                              hide_input_in_errors=True, defer_build=True)


class Options(Spec):
    """Base of every plugin's options: a pydantic model whose fields carry bounds and a `description`."""


OptionsT = TypeVar("OptionsT", bound=Options, default=Options)


class Plugin(ABC, Generic[OptionsT]):
    """Base of every kind of plugin, generic in its options. Subclasses are registered by name.

    `class Mine(DataPath[MyOptions])` with `Options = MyOptions` in its body has `self.options: MyOptions`.
    """

    name: ClassVar[str]
    """Unique among the plugins of its kind: lower-case letters, digits and underscores."""
    summary: ClassVar[str]
    """One line for `xbarch list`."""
    provenance: ClassVar[str]
    """Where the method is published, and which parts of it are assumptions of the implementation."""
    Options: ClassVar[type[Options]] = Options
    """The model that checks the options."""
    options: OptionsT
    """The checked options of this object."""

    def __init__(self, options: OptionsT | Mapping[str, Any] | None = None) -> None:
        """Check the options.

        Raises:
            pydantic.ValidationError: an option is unknown or out of bounds; xbarch reports it by name.
        """
        self.options = cast(OptionsT, self.Options.model_validate(options or {}))
