"""Which data paths, with which options, a study or a sweep runs a workload by, and on which architectures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.specs.chip import Encoding
from xbarch.specs.explain import listed, unknown
from xbarch.specs.study import Runs
from xbarch.support.pairs import read_pairs, with_options

EVERY = ("own", "all")  # each workload's own; every registered one


@dataclass(frozen=True)
class Asked:
    """A data path with the options that a study gives it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name with its options, as `--datapath` takes them."""
        return with_options(self.name, self.options)


@dataclass(frozen=True)
class Placed:
    """An architecture and a data path that runs there."""

    arch: str
    path: Asked
    instead: tuple[str, ...] = ()
    """Data paths of the study that do not run there, since the architecture requires this one."""


def read(text: str, place: str) -> tuple[str, dict[str, Any]]:
    """Read a data path's name with options, name:option=value."""
    name, *given = text.split(":")
    return name, read_pairs(given, place)


def check_names(asked: Runs) -> None:
    """Refuse data paths that do not exist, and options that none of them has.

    Raises:
        InputError: which, and what there is.
    """
    known = registry.datapaths()
    for number, text in enumerate(asked.datapaths):
        name, _ = read(text, place := f"datapaths.{number}")
        if name not in EVERY and name not in known:
            raise InputError(unknown("data path", name, [*EVERY, *known]), field=place)
    for name, options in asked.options.items():
        if name != "all" and name not in known:
            raise InputError(unknown("data path", name, ["all", *known]), field="options")
        names = {read(text, "datapaths")[0] for text in asked.datapaths}
        if name == "all" and not names & set(EVERY):
            has = {option for each in names for option in known[each].Options.model_fields}
            if lacks := [option for option in options if option not in has]:
                raise InputError(f"none of the data paths {listed(sorted(names), 'and')} has the option {lacks[0]!r}",
                                 field="options")


def choose(asked: Runs, own: str, first: Sequence[str] = ()) -> list[Asked]:
    """Return the data paths of a workload with their options, without repetition. own: the workload's own data path.
    first: names that are always among them, with the options that are for them."""
    found = dict[str, Asked]()
    for text in [*first, *asked.datapaths]:
        name, given = read(text, "datapaths")
        for path in registry.datapaths() if name == "all" else [own] if name == "own" else [name]:
            one = Asked(path, {**options_of(asked, path), **given})
            found.setdefault(one.key, one)
    return list(found.values())


def options_of(asked: Runs, path: str) -> dict[str, Any]:
    """Return the options that a study has for a data path: its own before those for all that have them."""
    has = registry.datapaths()[path].Options.model_fields
    return {**{name: value for name, value in asked.options.get("all", {}).items() if name in has},
            **asked.options.get(path, {})}


def place(asked: Runs, on: Sequence[tuple[str, Asked]], needs: Mapping[str, str]) -> Iterator[Placed]:
    """Yield the architectures and data paths `on` that are to run. On an architecture that requires a data path that
    one alone runs, in place of all others. needs: the name of the data path that each architecture requires, or ""."""
    others = {arch: tuple(path.key for at, path in on if at == arch and path.name != name)
              for arch, name in needs.items() if name and any(at == arch for at, _ in on)}
    for arch, path in on:
        if needs[arch] in ("", path.name):
            yield Placed(arch, path, others.get(arch, ()))
    for arch in others:
        if not any(at == arch and path.name == needs[arch] for at, path in on):
            yield Placed(arch, Asked(needs[arch], options_of(asked, needs[arch])), others[arch])


def required(named: Encoding | None) -> str:
    """Return the name of the data path that an architecture requires; empty if it requires none. named: the one that it
    names."""
    return named.name if named is not None and named.required else ""



def sentences(found: Iterable[tuple[str, str, Sequence[str]]]) -> list[str]:
    """Return a sentence for each architecture that runs the data path it requires in place of others. found: the name
    of the architecture, that data path, and the others, of every run."""
    said = {arch: f"{arch} requires the data path {path}, so only that one ran there, and not "
                  f"{listed(list(dict.fromkeys(instead)), 'or')}." for arch, path, instead in found if instead}
    return list(said.values())
