"""Make what xbarch brings but no file of it holds: the compiled event kernel, so that no user's first run has to
compile it, and the script that draws the charts of its pages.

The machine code lies beside the kernel's text, ignored by git, under a digest of that text. Where it does not match,
xbarch compiles anew, so a wheel built elsewhere works too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MadeHook(BuildHookInterface[Any]):
    """Put the machine code for this kind of machine, and the script, into wheels and beside editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sys.path.insert(0, self.root)
        try:
            self._script(build_data)
            self._kernel(build_data)
        finally:
            sys.path.remove(self.root)

    def _script(self, build_data: dict[str, Any]) -> None:
        try:
            from xbarch.render.interactive import bundle

            if not bundle.FILE.exists():
                bundle.FILE.write_text(bundle.make(), encoding="utf-8")
            build_data["artifacts"].append(str(bundle.FILE.relative_to(Path(self.root))))
        except (ImportError, OSError) as error:
            self.app.display_warning(f"xbarch: pages will have no charts ({error})")

    def _kernel(self, build_data: dict[str, Any]) -> None:
        try:
            from xbarch.sim import build

            machine = build.target()
            key, path = build.key(machine.triple), build.shipped(machine.triple)
            if not (path.exists() and build.unseal(key, path.read_bytes())):
                self.app.display_info("xbarch: compiling the event kernel")
                path.write_bytes(build.seal(key, build.emit(machine)))
            build_data["artifacts"].append(str(path.relative_to(Path(self.root))))
        except (ImportError, OSError) as error:
            self.app.display_warning(f"xbarch: the event kernel is not compiled ({error}); the first run will do it")
