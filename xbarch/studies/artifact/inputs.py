"""What a request depends on beside xbarch: the user's own files and the packages whose plugins it uses."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xbarch.errors import InputError
from xbarch.plugins import registry
from xbarch.plugins.kinds import EFFECTS, PATHS, PROCESSES, SCALING, SENSING, TOPOLOGIES, Kind
from xbarch.request import Contents, Request
from xbarch.run import Setup, prepare
from xbarch.specs.architecture import Architecture
from xbarch.specs.load import document
from xbarch.support import bundled
from xbarch.support.packages import OWN
from xbarch.workload.graph import Workload
from xbarch.workload.store import MANIFEST, TENSORS


@dataclass
class Inputs:
    """The own files of some requests, by their place below the working folder, and the packages of their plugins."""

    here: Path = field(default_factory=lambda: Path(os.path.realpath(os.curdir)))
    files: dict[str, Path] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    contents: Contents = field(default_factory=Contents)

    def plugins(self) -> list[str]:
        """The places of the plugin files that were loaded; those that they extend are inputs too."""
        found = [self._own(path) for path in registry.files()]
        for path in registry.files():
            if path.suffix == ".yaml":
                self._document(str(path), "architectures")
        return found

    def request(self, asked: Request) -> Request:
        """The request with its paths as they are below the working folder.

        Raises:
            InputError: a file that it depends on lies elsewhere; something that it names is not there.
        """
        setup = prepare(asked, self.contents)
        arch, workload = str(asked.arch), str(asked.workload)
        found = self.contents.document(arch, asked.overrides)
        self._noise(found.data)
        if Path(arch).is_file():
            arch = self._own(Path(arch))
        self._extended(found.below, "architectures")
        workload = self._workload(workload, setup.network, asked.accuracy is not None)
        self._packages(setup)
        for kind, name in (("architectures", arch), ("workloads", workload)):
            origin = bundled.known(kind).get(name.removesuffix(".yaml").partition("/")[0], OWN)
            if origin.startswith("package "):
                self.packages.add(origin)
        return asked.changed(arch=arch, workload=workload)

    def _workload(self, name: str, network: Workload, tested: bool) -> str:
        given = Path(name)
        if not (given.is_file() or (given / MANIFEST).is_file()):
            return name
        for path in (given, given.with_suffix("")):
            if path.is_file():
                self._own(path)
            elif (path / MANIFEST).is_file():
                self._own(path / MANIFEST)
                self._own(path / TENSORS)
        data = (network.manifest.get("recipe") or {}).get("data")
        if tested and isinstance(data, Mapping) and data.get("name") == "arrays":
            path = Path(str(data.get("path")))
            if path.is_absolute():
                raise InputError("is named by its whole path, which differs on another computer; import the workload "
                                 "with a path from the working folder", file=path)
            self._own(path)
        return self._place(given)

    def _document(self, name: str, kind: str) -> None:
        """Take a YAML file, what it extends and the noise that it names."""
        found = document(name, kind=kind)
        if Path(name).is_file():
            self._own(Path(name))
        self._extended(found.below, kind)
        self._noise(found.data)

    def _extended(self, below: tuple[str, ...], kind: str) -> None:
        known = {os.path.realpath(bundled.entry(name, kind, (".yaml", ""))) for name in bundled.known(kind)}
        for path in below:
            if os.path.realpath(path) not in known:
                self._own(Path(path))

    def _noise(self, data: Mapping[str, Any]) -> None:
        """Take the presets that the noise of an architecture, or of a kind of its tiles, names by their files."""
        kinds = data.get("kinds")
        for part in (data, *(kinds.values() if isinstance(kinds, Mapping) else ())):
            noise = part.get("noise") if isinstance(part, Mapping) else None
            preset = noise.get("preset") if isinstance(noise, Mapping) else None
            if isinstance(preset, str):
                self._document(preset, "noise")

    def _packages(self, setup: Setup) -> None:
        """Note the packages of all plugins that a machine and a data path are made of."""
        used = [(PATHS, setup.path.name)]
        for each in setup.machine.each:
            used += parts(each.architecture)
        for kind, name in used:
            origin = registry.origin(kind, name)
            if origin.startswith("package "):
                self.packages.add(origin)

    def _own(self, path: Path) -> str:
        place = self._place(path)
        self.files[place] = path
        return place

    def _place(self, path: Path) -> str:
        place = Path(os.path.relpath(os.path.realpath(path), self.here))
        if ".." in place.parts or place.is_absolute():
            raise InputError("must lie in the working folder or below it, so that a bundle can keep its place; start "
                             "xbarch in a folder above it", file=path)
        return place.as_posix()


def parts(a: Architecture) -> Iterator[tuple[Kind[Any], str]]:
    """The plugins that an architecture names, each with its kind."""
    yield SENSING, a.crossbar.sensing.unit
    yield TOPOLOGIES, a.network.topology
    yield from ((SCALING, c.scaling_model) for c in a.components.values() if c.scaling_model)
    yield from ((PROCESSES, served.unit) for served in a.processes.values())
    yield from ((EFFECTS, name) for name in (a.noise.effects if a.noise is not None else {}))
